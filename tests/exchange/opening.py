"""Venues ready for trade: contracts listed, prices set, a little money in the account."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from exchange.binance import RULES as BINANCE_RULES
from exchange.binance import Binance
from exchange.bybit import RULES as BYBIT_RULES
from exchange.bybit import Bybit
from exchange.clocks import Stopped
from exchange.desk import Clock
from exchange.engine import Engine
from exchange.instruments import SPOT_PAIRS, binance_contracts, bybit_contracts
from exchange.venue import Key, Venue

PRICES = {"BTC": Decimal(60_000), "ETH": Decimal(3000), "ALL": Decimal(1500)}
SPOT = {"BTCUSDT": Decimal(60_000), "ETHUSDT": Decimal(3000), "BNBUSDT": Decimal(600)}


def binance_venue(
    clock: Clock | None = None, *, deposit: int = 10_000, keys: Iterable[Key] = (Key(),)
) -> Venue:
    """Binance: the contracts of `binance_contracts`, *deposit* USDT in the futures wallet."""
    engine = Engine(
        binance_contracts(), clock=clock or Stopped(), rules=BINANCE_RULES, spot_pairs=SPOT_PAIRS
    )
    _open(engine, deposit)
    return Venue(engine, Binance(keys))


def bybit_venue(
    clock: Clock | None = None, *, deposit: int = 10_000, keys: Iterable[Key] = (Key(),)
) -> Venue:
    """Bybit: the contracts of `bybit_contracts`, *deposit* USDT in the unified wallet."""
    engine = Engine(
        bybit_contracts(), clock=clock or Stopped(), rules=BYBIT_RULES, spot_pairs=SPOT_PAIRS
    )
    _open(engine, deposit)
    return Venue(engine, Bybit(keys))


VENUES = {"binance": binance_venue, "bybit": bybit_venue}
"""How to open each, by name."""


def _open(engine: Engine, deposit: int) -> None:
    for symbol, market in engine.state.markets.items():
        engine.set_price(symbol, PRICES[market.contract.base])
    for pair, price in SPOT.items():
        engine.set_spot(pair, price)
    engine.set_spot("USDCUSDT", Decimal("0.9998"))
    if deposit:
        engine.deposit("USDT", Decimal(deposit))
