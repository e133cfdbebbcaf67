"""Engines and tickets for the engine's own tests: BTC at 60,000 and some money."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from exchange.binance import RULES as BINANCE
from exchange.clocks import Stopped
from exchange.desk import Refused, Rules
from exchange.engine import Engine
from exchange.instruments import SPOT_PAIRS, binance_contracts, bybit_contracts
from exchange.state import Ticket

D = Decimal
BTC, INVERSE = "BTCUSDT", "BTCUSD"


def engine(rules: Rules = BINANCE, *, usdt: int = 10_000, **rule: Any) -> Engine:
    """An exchange with BTC at 60,000 and some money."""
    contracts = binance_contracts() if rules is BINANCE else bybit_contracts()
    made = Engine(contracts, clock=Stopped(), rules=replace(rules, **rule), spot_pairs=SPOT_PAIRS)
    for symbol in made.state.markets:
        made.set_price(symbol, D(60_000))
    made.set_spot("BTCUSDT", D(60_000))
    made.deposit("USDT", D(usdt))
    return made


def ticket(side: str = "sell", quantity: str | int = "0.1", **changed: Any) -> Ticket:
    """A market order in BTC; a price makes it a limit order."""
    kind = "limit" if "price" in changed else "market"
    plain: dict[str, Any] = {"symbol": BTC, "side": side, "quantity": D(quantity), "kind": kind}
    if "price" in changed:
        changed["price"] = D(changed["price"])
    return Ticket(**plain | changed)


def refused(made: Engine, asked: Ticket) -> str:
    with pytest.raises(Refused) as caught:
        made.place(asked)
    return caught.value.reason
