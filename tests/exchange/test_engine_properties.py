"""The account engine: money is conserved, positions are their fills, reductions never grow."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange import happenings
from exchange.binance import RULES as BINANCE
from exchange.bybit import RULES as BYBIT
from exchange.cases import BTC, INVERSE, D, engine, ticket
from exchange.clocks import START
from exchange.desk import Refused, Rules
from exchange.engine import Engine
from exchange.margins import maintenance, notional
from exchange.state import ZERO, Ticket
from exchange.tape import Tape

PENNY = D("0.000001")

ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["order", "order", "order", "move", "cancel", "fund", "flow", "book"]),
        st.sampled_from(["buy", "sell"]),
        st.integers(1, 90),
        st.integers(-40, 40),
        st.booleans(),
        st.sampled_from(["GTC", "IOC", "FOK", "POST", "market"]),
    ),
    min_size=1,
    max_size=25,
)
CASES = [(BINANCE, BTC, D("0.01")), (BYBIT, BTC, D("0.01")), (BYBIT, INVERSE, D(100))]


def act(made: Engine, symbol: str, lot: D, action: tuple[Any, ...]) -> None:
    """One random thing; what the exchange refuses changes nothing."""
    kind, side, size, offset, flag, force = action
    mark = made.market(symbol).mark
    price = (mark * (1000 + offset) / 1000).quantize(D(1))
    coin = made.contract(symbol).settle
    if kind == "move":
        made.set_price(symbol, price)
    elif kind == "fund":
        happenings.settle_funding(made, symbol, D(offset) / 10_000)
    elif kind == "flow":
        made.deposit(coin, D(size) / (1 if coin == "USDT" else 1000))
    elif kind == "book":
        made.set_book(symbol, [(mark - 1, lot * size)], [(mark + 1, lot * size)])
    elif kind == "cancel":
        for order in made.open_orders(symbol)[: size % 3]:
            made.cancel(order)
    else:
        market = force == "market"
        asked = Ticket(
            symbol=symbol,
            side=side,
            quantity=lot * size,
            kind="market" if market else "limit",
            price=None if market else price,
            time_in_force="GTC" if market else force,
            reduce_only=flag,
        )
        try:
            made.place(asked)
        except Refused:
            return


@pytest.mark.parametrize(("rules", "symbol", "lot"), CASES, ids=["binance", "bybit", "inverse"])
@settings(max_examples=40, deadline=None)
@given(actions=ACTIONS)
def test_money_is_conserved_and_a_position_is_the_sum_of_its_fills(
    rules: Rules, symbol: str, lot: D, actions: list[tuple[Any, ...]]
) -> None:
    made = engine(rules)
    made.deposit("BTC", D(1))
    for action in actions:
        act(made, symbol, lot, action)

        check_ledger(made)
        check_equity(made, symbol)
        check_orders(made, symbol)


def check_ledger(made: Engine) -> None:
    for coin, wallet in made.state.wallets.items():
        assert wallet == sum(e.amount for e in made.state.entries if e.coin == coin)
        assert made.account(coin).available >= 0


def check_equity(made: Engine, symbol: str) -> None:
    """Equity is what came in, and what every fill is worth at the mark: no entry price in it."""
    contract, mark = made.contract(symbol), made.market(symbol).mark
    coin = contract.settle
    gained = ZERO
    for fill in made.state.fills:
        units = fill.signed * contract.multiplier
        gained += units / fill.price - units / mark if contract.inverse else units * (mark - fill.price)
        gained -= fill.fee
    kinds = ("transfer", "funding", "insurance")
    flows = sum(e.amount for e in made.state.entries if e.coin == coin and e.kind in kinds)

    assert abs(made.account(coin).equity - flows - gained) < PENNY


def check_orders(made: Engine, symbol: str) -> None:
    held, reducing = ZERO, {o.id for o in made.state.orders.values() if o.ticket.reduce_only}
    for fill in made.state.fills:
        after = held + fill.signed
        if fill.order_id in reducing:
            assert after * held >= 0
            assert abs(after) < abs(held)
        assert fill.size_after == after
        held = after
    assert made.position(symbol).quantity == held

    book = made.market(symbol).book
    for order in made.state.orders.values():
        fills = [f.quantity for f in made.state.fills if f.order_id == order.id]
        assert order.filled == sum(fills) <= order.quantity
        assert (order.status == "filled") == (order.filled == order.quantity)
        if order.open:
            limit = order.ticket.price
            assert order.ticket.time_in_force in ("GTC", "POST")
            assert limit is not None
            untouched = not order.filled  # what ate the book rests at its price, and the book refills
            if order.ticket.side == "buy" and book.asks and book.refills and untouched:
                assert limit < book.asks[0][0] or made.closes(order.ticket)
    assert len({f.id for f in made.state.fills}) == len(made.state.fills)


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 150),
    side=st.sampled_from(["buy", "sell"]),
    usdt=st.integers(3000, 100_000),
    symbol=st.sampled_from([BTC, INVERSE]),
)
def test_at_the_liquidation_price_equity_is_the_maintenance(
    size: int, side: str, usdt: int, symbol: str
) -> None:
    made = engine(BYBIT, usdt=usdt, unified=False)
    made.deposit("BTC", D(usdt) / 60_000)
    lot = D("0.001") if symbol == BTC else D(60)
    try:
        made.place(ticket(side, lot * size, symbol=symbol))
    except Refused:
        return
    position, contract = made.position(symbol), made.contract(symbol)
    price = happenings.liquidation_price_of(made, position)
    if price is None:
        return

    made.put_price(symbol, price)
    account = made.account(contract.settle)

    value = notional(contract, position.quantity, price)
    assert abs(account.equity - maintenance(contract, value)) < PENNY * 100


@given(steps=st.lists(st.tuples(st.integers(0, 300), st.integers(50, 150)), min_size=1, max_size=40))
def test_candles_of_any_length_tell_the_same_story(steps: list[tuple[int, int]]) -> None:
    tape, at, prices = Tape(), START, []
    for minutes, price in steps:
        at += timedelta(minutes=minutes)
        tape.record(at, D(price), D(1))
        prices.append(D(price))

    for interval in ("1m", "1h", "4h", "1d"):
        bars = tape.bars(interval, at)
        assert bars[0].open == prices[0]
        assert bars[-1].close == prices[-1]
        assert max(b.high for b in bars) == max(prices)
        assert min(b.low for b in bars) == min(prices)
        assert sum(b.volume for b in bars) == len(prices)
        gaps = {b.opens_at - a.opens_at for a, b in pairwise(bars)}
        assert len(gaps) <= 1
