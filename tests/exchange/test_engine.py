"""What the account engine does with orders, money and time, case by case."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from exchange import happenings
from exchange.binance import RULES as BINANCE
from exchange.bybit import RULES as BYBIT
from exchange.cases import BTC, INVERSE, D, engine, refused, ticket
from exchange.clocks import START, Stopped
from exchange.desk import Refused
from exchange.engine import Engine
from exchange.instruments import binance_contracts, bybit_contracts
from exchange.state import ZERO, Ticket
from exchange.tape import Bar, Tape

# Orders


def test_a_market_order_takes_the_book_level_by_level_and_the_rest_expires() -> None:
    made = engine()
    made.set_book(BTC, [(D(59_990), D("0.05")), (D(59_980), D("0.02"))], [])

    order = made.place(ticket("sell", "0.1"))

    assert (order.status, order.filled) == ("expired", D("0.07"))
    assert made.average_price(order) == (D("0.05") * 59_990 + D("0.02") * 59_980) / D("0.07")
    assert made.market(BTC).book.bids == []
    assert made.position(BTC).quantity == D("-0.07")


def test_a_resting_order_fills_at_its_own_price_as_maker_when_the_market_comes() -> None:
    made = engine()
    order = made.place(ticket("sell", "0.1", price=61_000, time_in_force="POST"))
    assert order.status == "new"

    made.set_book(BTC, [(D(61_010), D("0.04"))], [])
    assert (order.status, order.filled) == ("partial", D("0.04"))

    made.set_price(BTC, D(61_500))
    assert order.status == "filled"
    assert {(f.price, f.maker) for f in made.state.fills} == {(D(61_000), True)}
    assert order.fee == D("0.1") * 61_000 * D("0.0002")


def test_orders_that_must_fill_at_once_and_whole_or_not_at_all() -> None:
    made = engine()
    made.set_book(BTC, [(D(59_990), D("0.05"))], [(D(60_010), D("0.05"))])

    assert refused(made, ticket("sell", "0.1", price=59_990, time_in_force="FOK")) == "fill_or_kill"
    assert refused(made, ticket("sell", "0.1", price=59_990, time_in_force="POST")) == "post_only"
    part = made.place(ticket("sell", "0.1", price=59_990, time_in_force="IOC"))
    assert (part.status, part.filled) == ("expired", D("0.05"))
    none = made.place(ticket("sell", "0.1", price=59_990, time_in_force="IOC"))
    assert (none.status, none.filled) == ("expired", ZERO)


def test_a_venue_that_refuses_late_takes_the_order_first() -> None:
    made = engine(BYBIT)

    post = made.place(ticket("sell", "0.1", price=59_000, time_in_force="POST"))
    made.set_book(BTC, [(D(59_990), D("0.05"))], [])
    whole = made.place(ticket("sell", "0.1", price=59_990, time_in_force="FOK"))

    assert (post.status, post.note) == ("rejected", "post_only")
    assert (whole.status, whole.note) == ("canceled", "fill_or_kill")
    assert made.state.fills == []


def test_a_reduce_only_order_larger_than_the_position_is_cut_or_expires() -> None:
    for rules, quantity, status in ((BINANCE, "0.3", "expired"), (BYBIT, "0.1", "filled")):
        made = engine(rules)
        made.place(ticket("sell", "0.1"))

        order = made.place(ticket("buy", "0.3", reduce_only=True))

        assert (order.quantity, order.filled, order.status) == (D(quantity), D("0.1"), status)
        assert made.position(BTC).quantity == ZERO
        assert refused(made, ticket("buy", "0.1", reduce_only=True)) == "reduce_only"


def test_a_resting_reduction_ends_with_the_position() -> None:
    made = engine()
    made.place(ticket("sell", "0.1"))
    resting = made.place(ticket("buy", "0.1", price=58_000, reduce_only=True))

    made.place(ticket("buy", "0.1", reduce_only=True))

    assert (resting.status, resting.note) == ("expired", "reduce_only")


def test_in_hedge_mode_both_sides_are_held_and_closing_never_flips() -> None:
    made = engine()
    made.set_hedge_mode(True)
    assert refused(made, ticket("sell", "0.1")) == "position_side"

    made.place(ticket("buy", "0.2", slot="LONG"))
    made.place(ticket("sell", "0.1", slot="SHORT"))
    closing = made.place(ticket("buy", "0.3", slot="SHORT"))

    assert made.position(BTC, "LONG").quantity == D("0.2")
    assert (closing.filled, made.position(BTC, "SHORT").quantity) == (D("0.1"), ZERO)


def test_a_client_id_is_unique_among_open_orders_or_for_ever() -> None:
    for rules, again in ((BINANCE, None), (BYBIT, "client_id_known")):
        made = engine(rules)
        resting = made.place(ticket("sell", "0.1", price=61_000, client_order_id="once"))
        assert refused(made, ticket(client_order_id="once")) == "client_id_known"
        made.cancel(resting)

        if again:
            assert refused(made, ticket(client_order_id="once")) == again
        else:
            latest = made.place(ticket(client_order_id="once"))
            assert made.find(BTC, client_order_id="once") is latest
    assert refused(made, ticket(client_order_id="no spaces")) == "client_id"


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (ticket(quantity="0.0005"), "quantity_step"),
        (ticket(quantity="0"), "quantity_zero"),
        (ticket(quantity="121"), "quantity_max"),
        (ticket(quantity="0.001"), "notional_min"),
        (ticket(price="60000.05"), "price_step"),
        (ticket(side="buy", price="70000"), "price_high"),
        (ticket(side="sell", price="50000"), "price_low"),
        (ticket(quantity="4"), "margin"),
        (ticket(symbol="XRPUSDT"), "unknown_symbol"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_an_order_is_refused_for(asked: Ticket, reason: str) -> None:
    made = engine()

    assert refused(made, asked) == reason
    assert made.state.orders == {}


def test_resting_orders_reserve_margin_for_the_worse_side() -> None:
    made = engine()
    made.place(ticket("sell", "0.1", price=61_000))
    made.place(ticket("buy", "0.2", price=59_000))

    account = made.account("USDT")

    assert account.orders == D("0.2") * 59_000 / 20
    assert account.available == 10_000 - account.orders


def test_a_position_is_bounded_by_the_tier_that_its_leverage_reaches() -> None:
    made = engine(usdt=1_000_000)
    made.set_leverage(BTC, 125)
    assert refused(made, ticket(quantity="5.1")) == "position_max"
    made.place(ticket(quantity="4.9"))
    assert refused(made, ticket(quantity="0.2")) == "position_max"

    made.set_leverage(BTC, 50)
    made.place(ticket(quantity="0.2"))
    with pytest.raises(Refused, match="leverage_tier"):
        made.set_leverage(BTC, 125)


# Money


def test_a_short_receives_positive_funding_at_the_stamp_and_pays_negative() -> None:
    made = engine()
    made.place(ticket("sell", "0.1"))
    before = made.account("USDT").wallet
    clock = made.clock
    assert isinstance(clock, Stopped)

    clock.step(hours=5)
    made.tick()
    assert made.account("USDT").wallet - before == D("0.1") * 60_000 * D("0.0001")
    assert made.state.entries[-1].at == START.replace(hour=16)

    happenings.settle_funding(made, BTC, D("-0.0002"))
    assert made.account("USDT").wallet - before == D("0.6") - D("1.2")


def test_missed_funding_stamps_are_all_settled() -> None:
    made = engine()
    made.place(ticket("sell", "0.1"))
    clock = made.clock
    assert isinstance(clock, Stopped)

    clock.step(days=1)
    made.tick()

    stamps = [e.at.hour for e in made.state.entries if e.kind == "funding"]
    assert stamps == [16, 0, 8]


def test_an_inverse_short_gains_coins_when_the_price_falls() -> None:
    made = engine(BYBIT)
    made.deposit("BTC", D(1))
    made.place(ticket("sell", 6000, symbol=INVERSE))
    entry = made.position(INVERSE).entry_price

    made.put_price(INVERSE, D(30_000))

    account = made.account("BTC")
    assert account.unrealised == D(6000) * (1 / D(30_000) - 1 / entry)
    assert abs(account.unrealised - D("0.1")) < D("0.0001")


def test_a_unified_account_margins_with_every_coin() -> None:
    made = engine(BYBIT, usdt=0)
    made.deposit("BTC", D(1))

    made.place(ticket("sell", "0.5"))
    made.place(ticket("sell", "0.5", price=61_000))

    assert made.position(BTC).quantity == D("-0.5")
    loss_and_fee = D("0.5") * D("0.1") + made.state.fills[0].fee
    bound = D("0.5") * (60_000 + 61_000) / 20
    assert made.unified_available() == 60_000 - loss_and_fee - bound
    assert refused(engine(BYBIT, usdt=0), ticket("sell", "0.5")) == "margin"


def test_a_liquidation_closes_everything_and_leaves_no_debt() -> None:
    made = engine(usdt=1000)
    made.place(ticket("sell", "0.2"))
    resting = made.place(ticket("buy", "0.01", price=57_500))

    made.set_price(BTC, D(90_000))

    assert made.position(BTC).quantity == ZERO
    assert made.state.wallets["USDT"] == ZERO
    assert resting.status == "canceled"
    forced = made.state.fills[-1]
    assert (forced.cause, forced.client_order_id.startswith("autoclose-")) == ("liquidation", True)


def test_a_part_of_a_position_can_be_liquidated() -> None:
    made = engine()
    made.place(ticket("sell", "0.2"))

    happenings.liquidate(made, BTC, D("0.05"))

    assert made.position(BTC).quantity == D("-0.15")
    assert made.state.fills[-1].cause == "liquidation"
    assert made.state.entries[-1].amount == -D("0.05") * 60_000 * D("0.0125")


def test_a_contract_can_change_its_terms_and_stop_trading() -> None:
    made = engine()
    made.relist(BTC, lot=D("0.01"), quantity_min=D("0.01"))
    assert refused(made, ticket(quantity="0.005")) == "quantity_step"

    made.halt(BTC)
    assert refused(made, ticket()) == "not_trading"
    made.halt(BTC, trading=True)
    assert made.place(ticket()).filled == D("0.1")


def test_an_isolated_position_dies_alone() -> None:
    made = engine()
    made.set_isolated(BTC, True)
    made.place(ticket("sell", "0.2"))
    made.place(ticket("sell", "1", symbol="ETHUSDT"))
    margin = made.position(BTC).isolated
    assert abs(margin - 600) < 1

    made.set_price(BTC, D(64_000))

    assert made.position(BTC).quantity == ZERO
    assert made.position("ETHUSDT").quantity == -1
    fees = sum(f.fee for f in made.state.fills[:2])
    assert made.state.wallets["USDT"] == 10_000 - fees - margin.quantize(D("1e-8"))


def test_deleveraging_and_manual_trades_change_the_position_without_an_order_of_ours() -> None:
    made = engine()
    made.place(ticket("sell", "0.2", client_order_id="ours"))

    happenings.adl(made, BTC, D("0.05"), D(59_000))
    made.manual(ticket("buy", "0.1"))

    assert made.position(BTC).quantity == D("-0.05")
    assert [f.cause for f in made.state.fills] == ["order", "adl", "manual"]
    assert {f.client_order_id for f in made.state.fills if f.cause == "order"} == {"ours"}


def test_a_dated_contract_is_delivered_at_the_index_when_its_time_comes() -> None:
    made = engine()
    dated = "BTCUSDT_260626"
    made.place(ticket("sell", "0.1", symbol=dated))
    made.put_price(dated, D(61_000), index=D(60_500))
    clock = made.clock
    assert isinstance(clock, Stopped)

    clock.step(days=116)
    made.tick()

    assert made.position(dated).quantity == ZERO
    assert made.state.fills[-1].price == D(60_500)
    assert refused(made, ticket(symbol=dated)) == "not_trading"


def test_a_transfer_moves_money_between_the_accounts_own_wallets() -> None:
    made = engine()
    made.state.spot["USDT"] = D(300)

    made.transfer("USDT", D(200))
    made.transfer("USDT", D(-50), source="FUNDING")

    assert made.state.wallets["USDT"] == 10_150
    assert (made.state.spot["USDT"], made.state.funding_wallet["USDT"]) == (100, 50)
    assert [(t.source, t.target) for t in made.state.transfers[1:]] == [
        ("SPOT", "FUTURES"),
        ("FUTURES", "FUNDING"),
    ]


def test_tiers_meet_where_they_change() -> None:
    for contract in (*binance_contracts(), *bybit_contracts()):
        for lower, upper in pairwise(contract.tiers):
            edge = lower.notional_max
            assert edge * lower.rate - lower.deduction == edge * upper.rate - upper.deduction


def test_settings_are_kept_from_changing_under_a_position() -> None:
    made = engine()
    made.set_leverage(BTC, 5)
    made.place(ticket("sell", "0.1"))

    for change in (lambda: made.set_isolated(BTC, True), lambda: made.set_hedge_mode(True)):
        with pytest.raises(Refused, match="has_position"):
            change()
    with pytest.raises(Refused, match="leverage_range"):
        made.set_leverage(BTC, 126)
    assert made.account("USDT").initial == D("0.1") * 60_000 / 5


# Time


def test_the_state_of_some_seconds_ago_can_be_read_again() -> None:
    made = engine()
    made.remember_s = 30
    clock = made.clock
    assert isinstance(clock, Stopped)
    made.place(ticket("sell", "0.1"))
    clock.step(seconds=10)
    made.place(ticket("sell", "0.1"))
    clock.step(seconds=1)

    assert made.as_of(made.now - timedelta(seconds=5)).position(BTC).quantity == D("-0.1")
    assert made.as_of(made.now - timedelta(seconds=20)).position(BTC).quantity == ZERO
    assert made.as_of(START).position(BTC).quantity == D("-0.1")
    assert made.as_of(START + timedelta(seconds=10)).position(BTC).quantity == D("-0.2")
    assert made.position(BTC).quantity == D("-0.2")


def test_something_put_off_happens_once_at_the_first_tick_from_its_time_on() -> None:
    made = engine()
    clock, done = made.clock, []
    assert isinstance(clock, Stopped)
    made.later(made.now + timedelta(seconds=10), lambda: done.append(made.now))

    made.tick()
    assert done == []
    clock.step(seconds=11)
    made.tick()
    made.tick()

    assert done == [START + timedelta(seconds=11)]


def test_the_same_actions_leave_the_same_state() -> None:
    def run() -> Engine:
        made = engine()
        made.place(ticket("sell", "0.1", price=60_500))
        made.set_price(BTC, D(61_000))
        happenings.settle_funding(made, BTC)
        return made

    assert run().state.fills == run().state.fills
    assert run().state.entries == run().state.entries


def test_loaded_bars_are_put_together_into_longer_ones() -> None:
    tape = Tape()
    hours = [START + timedelta(hours=n) for n in (0, 1, 3)]
    tape.load(
        Bar(opens_at=at, open=D(n), high=D(n + 2), low=D(n - 1), close=D(n + 1), volume=D(10))
        for n, at in enumerate(hours)
    )

    assert [b.volume for b in tape.bars("1h", hours[-1])] == [10, 10, 0, 10]
    assert [b.close for b in tape.bars("1h", hours[-1] + timedelta(hours=2))][-3:] == [3, 3, 3]
    (bar,) = tape.bars("4h", hours[-1])
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (0, 4, -1, 3, 30)
