"""The steps from held to wanted."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_CEILING, Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import BTC, ETH, contract, d, holding, position, quote, snapshot
from hedged.core.exposure import ExposurePolicy, expose
from hedged.core.guard import Drift
from hedged.core.market import Snapshot, to_tick
from hedged.core.plan import Plan, Step, make_plan
from hedged.core.sizing import HedgeLeg, size
from hedged.core.target import RatioMemory

ONE = (HedgeLeg(symbol=BTC, weight=d(1)),)
TWO = (HedgeLeg(symbol=BTC, weight=d(1)), HedgeLeg(symbol=ETH, weight=d(1)))
DUE = Drift(net=d("0.5"), mix=d("0.5"), due=True, because="it is due")


def seen(*positions: Any, **changed: Any) -> Snapshot:
    """10 BTC at 100; both contracts at 100."""
    return snapshot(
        holdings=(holding("BTC", 10, 100),),
        instruments=(contract(**changed), contract(ETH, **changed)),
        quotes=(quote(mark=100), quote(ETH, mark=100)),
        positions=positions,
    )


def planned(
    market: Snapshot,
    target: str,
    legs: tuple[HedgeLeg, ...] = ONE,
    drift: Drift = DUE,
    bps: int = 50,
    **how: Any,
) -> Plan:
    memory = RatioMemory(goal_ratio=d(target), target_ratio=d(target))
    wanted = size(memory, expose(market, ExposurePolicy()), market, legs)
    return make_plan(market, wanted, drift, d(bps), **how)


def offered(bid: str | None, ask: str | None, *held: Any, target: str = "0.50", **how: Any) -> Step:
    """The one step in BTC, post-only if not tried yet, on a market with this book around 100."""
    book = {"bid_price": bid and d(bid), "ask_price": ask and d(ask)}
    market = replace(seen(*held), quotes=(quote(mark=100, **book), quote(ETH, mark=100)))
    (step,) = planned(market, target, style="post_only_then_ioc", **how).steps
    return step


def test_a_missing_hedge_is_sold_short() -> None:
    (step,) = planned(seen(position(-2)), "0.50").steps

    assert step == Step(
        symbol=BTC,
        side="sell",
        contracts=d(3),
        reduce_only=False,
        limit_price=d("99.5"),
        notional=d(300),
    )


def deep(market: Snapshot, **depths: str | None) -> Snapshot:
    told = {side: None if depth is None else d(depth) for side, depth in depths.items()}
    return replace(market, quotes=(quote(mark=100, **told), quote(ETH, mark=100)))


@pytest.mark.parametrize(
    ("held", "depths", "noted"),
    [
        (-2, {"bid_depth": "2.9", "ask_depth": "99"}, "2.9 contracts within 50 bps; 3 are planned"),
        (-2, {"bid_depth": "0", "ask_depth": "99"}, "0 contracts within 50 bps; 3 are planned"),
        (-8, {"bid_depth": "99", "ask_depth": "1"}, "1 contracts within 50 bps; 3 are planned"),
        (-2, {"bid_depth": "3", "ask_depth": "0"}, ""),
        (-8, {"bid_depth": "0", "ask_depth": "3"}, ""),
        (-2, {"bid_depth": None, "ask_depth": None}, ""),
        (-5, {"bid_depth": "0", "ask_depth": "0"}, ""),
    ],
)
def test_a_step_that_is_larger_than_the_book_on_its_side_is_noted_and_stays(
    held: int, depths: dict[str, str | None], noted: str
) -> None:
    market = seen(position(held))
    found = planned(deep(market, **depths), "0.50")

    assert found.steps == planned(market, "0.50").steps
    assert [noted in note for note in found.notes] == ([True] if noted else [])


def test_a_hedge_that_is_too_large_is_bought_back_reduce_only() -> None:
    (step,) = planned(seen(position(-8)), "0.50").steps

    assert step == Step(
        symbol=BTC,
        side="buy",
        contracts=d(3),
        reduce_only=True,
        limit_price=d("100.5"),
        notional=d(300),
    )


def test_reductions_go_first_whatever_the_order_of_the_legs() -> None:
    steps = planned(seen(position(-1), position(-9, ETH)), "1", TWO).steps

    assert [(s.symbol, s.side, s.contracts) for s in steps] == [(ETH, "buy", 4), (BTC, "sell", 4)]


def test_a_leg_that_is_right_gets_no_step() -> None:
    steps = planned(seen(position(-5)), "1", TWO).steps

    assert [s.symbol for s in steps] == [ETH]


def test_nothing_is_planned_when_nothing_is_due_and_the_reason_stays() -> None:
    quiet = Drift(net=d(0), mix=d(0), due=False, because="all is well")

    assert planned(seen(), "0.50", drift=quiet) == Plan(steps=(), because="all is well")
    assert make_plan(seen(), None, DUE, d(50)).steps == ()


@pytest.mark.parametrize(
    ("changed", "target", "note"),
    [
        ({"contracts_min": d("0.201")}, "0.02", "0.2 contracts are below the minimum of 0.201"),
        ({"notional_min": d("20.01")}, "0.02", "20.00 is below the minimum notional of 20.01"),
    ],
)
def test_an_order_below_the_venues_minimum_is_left_out_and_noted(
    changed: dict[str, Any], target: str, note: str
) -> None:
    plan = planned(seen(**changed), target)

    assert plan.steps == ()
    assert plan.notes == (f"{BTC}: {note}",)


@pytest.mark.parametrize("changed", [{"contracts_min": d("0.2")}, {"notional_min": d(20)}])
def test_an_order_of_exactly_the_minimum_is_sent(changed: dict[str, Any]) -> None:
    plan = planned(seen(**changed), "0.02")

    assert [s.contracts for s in plan.steps] == [d("0.2")]
    assert plan.notes == ()


def test_dust_in_one_leg_keeps_no_other_leg_from_trading() -> None:
    plan = planned(seen(position("-4.99")), "1", TWO)

    assert [s.symbol for s in plan.steps] == [ETH]
    assert plan.notes == (f"{BTC}: 1.00 is below the minimum notional of 5.00",)


def test_a_position_may_be_closed_wholly_however_small_it_is() -> None:
    (step,) = planned(seen(position("-0.001")), "0").steps

    assert (step.side, step.contracts, step.reduce_only) == ("buy", d("0.001"), True)


def test_a_dust_position_is_not_doubled_as_if_it_were_closed() -> None:
    plan = planned(seen(position("-0.02")), "0.004")

    assert plan.steps == ()
    assert plan.notes == (f"{BTC}: 2.00 is below the minimum notional of 5.00",)


def test_with_nothing_to_hedge_the_held_short_is_closed() -> None:
    market = snapshot(holdings=(holding("USDT", 1000, 1),), positions=(position(-3),))
    (step,) = planned(market, "0.50").steps

    assert (step.side, step.contracts, step.reduce_only) == ("buy", 3, True)


def test_the_limit_price_is_on_the_tick_and_at_most_one_tick_past_the_slippage_allowed() -> None:
    sell = planned(seen(tick=d("0.3")), "0.50", bps=70).steps[0]
    buy = planned(seen(position(-9), tick=d("0.3")), "0.50", bps=70).steps[0]

    off = planned(seen(tick=d("0.7")), "0.50", bps=70).steps[0]

    assert sell.limit_price == d("99.3")  # 99.30 is on the grid
    assert buy.limit_price == d("100.8")  # 100.70 is not
    assert off.limit_price == d("98.7")  # 99.30 is not on one of 0.7


@pytest.mark.parametrize(
    ("held", "target", "steps"),
    [
        ("-0.0015", "0", ["0.001"]),
        ("-0.0005", "0", []),
        ("-5.0005", "0.50", []),
        ("-4.9985", "0.50", ["0.001"]),
    ],
)
def test_a_position_off_the_lot_grid_is_traded_in_whole_lots_and_leaves_dust(
    held: str, target: str, steps: list[str]
) -> None:
    plan = planned(seen(position(held), notional_min=d(0), contracts_min=d(0)), target)

    assert [step.contracts for step in plan.steps] == [d(n) for n in steps]


# The first order.


def test_the_first_order_in_a_contract_is_a_twentieth_and_the_plan_says_so() -> None:
    plan = planned(seen(), "1", TWO, untried=(BTC,))

    assert [(s.symbol, s.contracts, s.notional) for s in plan.steps] == [
        (BTC, d("0.25"), 25), (ETH, 5, 500)
    ]  # fmt: skip
    assert plan.cut == (BTC,)
    assert plan.notes == (
        f"{BTC}: first order on this account: 0.25 of 5; the rest follows at the next pass",
    )


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    held=st.integers(-1000, 0),
    target=st.decimals(0, 1, places=3),
    lot=st.sampled_from(["0.001", "0.01", "1"]).map(Decimal),
    contracts_min=st.sampled_from(["0", "0.5", "2"]).map(Decimal),
    notional_min=st.sampled_from(["0", "5", "123.45"]).map(Decimal),
    inverse=st.booleans(),
)
def test_a_first_order_is_no_more_than_the_least_or_a_twentieth_and_what_the_venue_takes(
    held: int,
    target: Decimal,
    lot: Decimal,
    contracts_min: Decimal,
    notional_min: Decimal,
    inverse: bool,
) -> None:
    market = seen(
        *([position(str(held * lot))] if held else []),
        lot=lot, contracts_min=contracts_min, notional_min=notional_min, inverse=inverse,
        contract_multiplier=d(100) if inverse else d(1),
    )  # fmt: skip
    whole = planned(market, str(target))
    first = planned(market, str(target), untried=(BTC,))

    assert [s.side for s in first.steps] == [s.side for s in whole.steps]
    for step, of in zip(first.steps, whole.steps, strict=True):
        least = notional_min / min(of.limit_price, 100) if not inverse else notional_min / 100
        most = max(contracts_min, least, of.contracts / 20)
        assert 0 < step.contracts <= of.contracts
        assert step.contracts < most + lot
        assert step.contracts % lot == 0
        assert (step.reduce_only, step.limit_price) == (of.reduce_only, of.limit_price)
        if step.contracts < of.contracts:
            assert step.contracts >= contracts_min
            assert step.notional >= notional_min
            assert inverse or step.contracts * step.limit_price >= notional_min
    assert first.cut == tuple(
        s.symbol for s, of in zip(first.steps, whole.steps, strict=True) if s != of
    )


def test_a_first_reduction_is_small_too() -> None:
    (step,) = planned(seen(position(-10)), "0", untried=(BTC,)).steps

    assert (step.side, step.contracts, step.reduce_only) == ("buy", d("0.5"), True)


def test_a_plan_in_a_contract_that_is_known_is_not_cut() -> None:
    assert planned(seen(), "0.5", untried=(ETH,)) == planned(seen(), "0.5")


# Post-only first.


def test_a_sale_is_offered_at_the_ask_and_a_purchase_at_the_bid() -> None:
    sale = offered("99.9", "100.1")
    purchase = offered("99.9", "100.1", position(-9))

    assert (sale.side, sale.limit_price, sale.post_only) == ("sell", d("100.1"), True)
    assert (purchase.side, purchase.limit_price, purchase.post_only) == ("buy", d("99.9"), True)
    assert (sale.contracts, purchase.contracts, purchase.reduce_only) == (5, 4, True)


def test_a_price_off_the_tick_is_rounded_away_from_the_market() -> None:
    assert offered("99.87", "100.03").limit_price == d("100.1")
    assert offered("99.87", "100.03", position(-9)).limit_price == d("99.8")


def test_what_was_tried_already_takes_at_once() -> None:
    step = offered("99.9", "100.1", tried=(BTC,))

    assert (step.post_only, step.limit_price) == (False, d("99.5"))
    assert offered("99.9", "100.1", tried=(ETH,)).post_only


@pytest.mark.parametrize(("bid", "ask", "held"), [("99.9", None, ()), (None, "100.1", (position(-9),))])
def test_without_a_price_on_its_own_side_it_takes_at_once(
    bid: str | None, ask: str | None, held: tuple[Any, ...]
) -> None:
    assert not offered(bid, ask, *held).post_only


def test_far_from_the_mark_it_costs_no_more_than_an_immediate_order_may() -> None:
    assert offered("90", "91").limit_price == d("99.5")
    assert offered("110", "111", position(-9)).limit_price == d("100.5")


def test_by_default_nothing_rests() -> None:
    assert not planned(seen(), "0.50").steps[0].post_only


@given(
    bid=st.decimals("80", "120", places=2),
    spread=st.decimals("0", "5", places=2),
    short=st.integers(0, 10),
)
def test_an_offer_never_takes_never_costs_more_and_is_as_large_as_the_immediate_one(
    bid: Decimal, spread: Decimal, short: int
) -> None:
    ask = bid + spread
    market = replace(
        seen(*((position(-short),) if short else ())),
        quotes=(quote(mark=100, bid_price=bid, ask_price=ask), quote(ETH, mark=100)),
    )
    plain = planned(market, "0.50").steps
    first = planned(market, "0.50", style="post_only_then_ioc").steps

    assert [replace(s, post_only=False, limit_price=d(0)) for s in first] == [
        replace(s, limit_price=d(0)) for s in plain
    ]
    for step, immediate in zip(first, plain, strict=True):
        assert step.post_only
        assert step.limit_price == to_tick(step.limit_price, d("0.1"), ROUND_CEILING)
        if step.side == "sell":
            assert step.limit_price >= max(ask, immediate.limit_price)
        else:
            assert step.limit_price <= min(bid, immediate.limit_price)
