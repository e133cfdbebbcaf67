"""Each check of the gate, just inside and just outside."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import BTC, ETH, MONDAY, around, contract, d, holding, position, quote, snapshot
from hedged.core.gate import (
    BREAKER,
    NOTIONAL_PER_DAY_CEILING,
    NOTIONAL_PER_ORDER_CEILING,
    ORDERS_PER_DAY_CEILING,
    ORDERS_PER_HOUR_CEILING,
    ORDERS_PER_TICK_CEILING,
    REJECTS_IN_A_ROW_CEILING,
    Allows,
    Circumstances,
    Consent,
    Limits,
    Restriction,
    Review,
    Sent,
    Trip,
    Usage,
    review,
    settle,
)
from hedged.core.market import Snapshot
from hedged.core.plan import Plan, Step

SECOND = timedelta(seconds=1)


def step(symbol: str = BTC, **changed: Any) -> Step:
    """Sell one contract at 100."""
    plain = Step(
        symbol=symbol,
        side="sell",
        contracts=d(1),
        reduce_only=False,
        limit_price=d(99),
        notional=d(100),
    )
    return replace(plain, **changed)


def buy(symbol: str = BTC, **changed: Any) -> Step:
    return step(symbol, side="buy", reduce_only=True, limit_price=d(101), **changed)


def seen(**changed: Any) -> Snapshot:
    """Both contracts at 100 with an index, each short by 5."""
    plain: dict[str, Any] = {
        "instruments": (contract(), contract(ETH)),
        "quotes": (quote(index_price=d(100)), quote(ETH, index_price=d(100))),
        "positions": (position(-5), position(-5, ETH)),
    }
    return snapshot(**plain | changed)


def looked(
    *steps: Step, market: Snapshot | None = None, at: Circumstances | None = None, **limits: Any
) -> Review:
    plan = Plan(steps=steps, because="a test")
    return review(plan, market or seen(), Limits(**limits), at or around())


def restricted(allows: Allows, **changed: Any) -> Circumstances:
    plain = Restriction(scope="main", allows=allows, reason="lunch", by="a person", at=MONDAY)
    return around(restrictions=(replace(plain, **changed),))


def test_an_ordinary_plan_is_cleared() -> None:
    reviewed = looked(step(), buy(ETH))

    assert reviewed.reasons == ()
    assert reviewed.cleared


def test_an_empty_plan_is_cleared_whatever_is_restricted() -> None:
    assert looked(at=restricted("nothing")).cleared


def test_a_hold_refuses_even_an_empty_plan() -> None:
    held = around(holds=("XYZ has no price",))

    assert looked(at=held).reasons == ("HOLD: XYZ has no price",)
    assert not looked(at=held).cleared
    assert not looked(step(), at=held).cleared


# Restrictions.


def sent(reviewed: Review) -> tuple[Step, ...]:
    return settle(reviewed, Consent(granted=True, by="somebody")).steps


def test_a_restriction_that_allows_all_changes_nothing() -> None:
    assert sent(looked(buy(), step(ETH), at=restricted("all"))) == (buy(), step(ETH))


def test_a_restriction_to_reductions_takes_the_increases_out_and_says_so() -> None:
    reviewed = looked(buy(), step(ETH), at=restricted("reductions"))

    assert sent(reviewed) == (buy(),)
    assert reviewed.plan.notes == (
        f"{ETH}: sell 1 left out, restricted to reductions by a person: lunch",
    )
    assert sent(looked(step(), at=restricted("reductions"))) == ()


def test_a_restriction_to_reductions_still_leaves_every_other_check() -> None:
    assert sent(looked(buy(contracts=d(6)), at=restricted("reductions"))) == ()


def test_a_restriction_to_nothing_refuses_reductions_too_with_who_and_why() -> None:
    reviewed = looked(buy(), at=restricted("nothing"))

    assert sent(reviewed) == ()
    assert reviewed.reasons == ("restricted to nothing by a person: lunch",)


@pytest.mark.parametrize("allows", ["reductions", "nothing"])
@pytest.mark.parametrize(("left", "cleared"), [(SECOND, False), (timedelta(0), True), (-SECOND, True)])
def test_a_restriction_is_over_at_exactly_its_end(
    left: timedelta, cleared: bool, allows: Allows
) -> None:
    assert bool(sent(looked(step(), at=restricted(allows, until=MONDAY + left)))) is cleared


def test_the_strictest_of_several_restrictions_counts() -> None:
    loose, strict = restricted("all").restrictions[0], restricted("nothing").restrictions[0]

    assert not looked(step(), at=around(restrictions=(loose, strict))).cleared
    assert not looked(step(), at=around(restrictions=(strict, loose))).cleared


# Orders and notionals.

LOOSE = {
    "order_notional_max": d("1e12"),
    "day_notional_max": d("1e12"),
    "orders_per_tick_max": 10**6,
    "orders_per_hour_max": 10**6,
    "orders_per_day_max": 10**6,
    "rejects_in_a_row_max": 10**6,
}


@pytest.mark.parametrize(("sent", "cleared"), [(1, True), (2, False)])
def test_orders_are_counted_for_each_instrument_and_tick(sent: int, cleared: bool) -> None:
    at = around(usage=Usage(orders={BTC: sent, ETH: 0}))

    assert looked(step(), step(ETH), at=at, orders_per_tick_max=2).cleared is cleared
    assert looked(step(ETH), at=at, orders_per_tick_max=2).cleared


def test_several_orders_on_one_instrument_count_together_and_give_one_reason() -> None:
    assert looked(step(), step(), orders_per_tick_max=2).cleared
    assert len(looked(step(), step(), step(), orders_per_tick_max=2).reasons) == 1


@pytest.mark.parametrize(("notional", "cleared"), [("500", True), ("500.01", False)])
def test_an_order_has_a_largest_notional(notional: str, cleared: bool) -> None:
    assert looked(step(notional=d(notional)), order_notional_max=d(500)).cleared is cleared


@pytest.mark.parametrize(("today", "cleared"), [("800", True), ("800.01", False)])
def test_a_day_has_a_largest_notional_over_all_orders(today: str, cleared: bool) -> None:
    at = around(usage=Usage(notional_today=d(today), orders={}))

    assert looked(step(), buy(ETH), at=at, day_notional_max=d(1000)).cleared is cleared


def test_no_limit_lifts_the_ceilings_in_code() -> None:
    loose: dict[str, Any] = LOOSE
    order, day = NOTIONAL_PER_ORDER_CEILING, NOTIONAL_PER_DAY_CEILING
    spent = around(usage=Usage(notional_today=day - order, orders={BTC: ORDERS_PER_TICK_CEILING - 1}))
    over = around(usage=Usage(notional_today=day - order + 1, orders={}))
    many = around(usage=Usage(orders={BTC: ORDERS_PER_TICK_CEILING}))

    assert looked(step(notional=order), at=spent, **loose).cleared
    assert not looked(step(notional=order + 1), **loose).cleared
    assert not looked(step(notional=order), at=over, **loose).cleared
    assert not looked(step(), at=many, **loose).cleared


# Breakers.


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    hour=st.integers(0, 70),
    day=st.integers(0, 520),
    lifted=st.booleans(),
    hour_max=st.integers(1, 100),
    day_max=st.integers(1, 1000),
)
def test_orders_of_an_hour_and_a_day_trip_and_only_those_since_a_lift_count(
    hour: int, day: int, lifted: bool, hour_max: int, day_max: int
) -> None:
    fresh = Sent(orders_hour={BTC: hour // 2}, orders_today={BTC: day // 2}) if lifted else None
    usage = Usage(
        orders={}, orders_hour={BTC: hour}, orders_today={BTC: day, ETH: 400}, since_lift=fresh
    )
    limits = {"orders_per_hour_max": hour_max, "orders_per_day_max": day_max}
    reviewed = looked(step(), at=around(usage=usage), **limits)
    other = looked(step(ETH), at=around(usage=replace(usage, orders_today={BTC: day})), **limits)

    counts = (hour // 2, day // 2) if lifted else (hour, day)
    most = (min(hour_max, ORDERS_PER_HOUR_CEILING), min(day_max, ORDERS_PER_DAY_CEILING))
    over = [count + 1 > limit for count, limit in zip(counts, most, strict=True)]
    past = hour + 1 > ORDERS_PER_HOUR_CEILING or day + 1 > ORDERS_PER_DAY_CEILING
    assert len(reviewed.trips) == sum(over)
    assert {trip.allows for trip in reviewed.trips} <= {"nothing"}
    assert reviewed.cleared is not (any(over) or past)
    assert other.cleared


def test_a_trip_says_what_was_counted_and_what_the_limit_is() -> None:
    usage = Usage(
        notional_today=d(900),
        orders={},
        orders_hour={BTC: 12},
        orders_today={BTC: 60},
        refused_in_a_row=3,
    )
    reviewed = looked(step(), at=around(usage=usage), day_notional_max=d(950))

    assert [(trip.allows, trip.reason) for trip in reviewed.trips] == [
        ("nothing", f"{BTC}: 12 orders in the last hour, limits.orders_per_hour_max is 12"),
        ("nothing", f"{BTC}: 60 orders today, limits.orders_per_day_max is 60"),
        ("nothing", "3 orders refused in a row, limits.rejects_in_a_row_max is 3"),
        ("reductions", "1,000.00 today would be above limits.day_notional_max of 950.00"),
    ]
    assert reviewed.reasons == tuple(trip.reason for trip in reviewed.trips)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.integers(0, 30), st.integers(1, 100))
def test_refusals_in_a_row_trip_before_the_next_order(refused: int, most: int) -> None:
    usage = Usage(orders={}, refused_in_a_row=refused)
    tripped = refused >= min(most, REJECTS_IN_A_ROW_CEILING)

    for plan in ((step(),), (buy(),)):
        reviewed = looked(*plan, at=around(usage=usage), rejects_in_a_row_max=most)
        assert bool(reviewed.trips) is tripped
        assert reviewed.cleared is not tripped
    assert looked(at=around(usage=usage), rejects_in_a_row_max=most).cleared


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    today=st.decimals(0, 2000, places=2),
    fresh=st.none() | st.decimals(0, 2000, places=2),
    most=st.decimals(1, 2000, places=2),
)
def test_the_notional_of_a_day_trips_increases_and_leaves_reductions(
    today: Decimal, fresh: Decimal | None, most: Decimal
) -> None:
    since = None if fresh is None else Sent(notional_today=fresh)
    at = around(usage=Usage(notional_today=today, orders={}, since_lift=since))
    reviewed = looked(step(), at=at, day_notional_max=most)
    over = (today if fresh is None else fresh) + 100 > most

    assert [trip.allows for trip in reviewed.trips] == ["reductions"] * over
    assert reviewed.cleared is not over
    assert looked(buy(), at=at, day_notional_max=most).cleared
    mixed = looked(buy(ETH), step(), at=at, day_notional_max=most)
    assert mixed.cleared is not ((today if fresh is None else fresh) + 200 > most)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    hour=st.integers(0, 200),
    day=st.integers(0, 1000),
    today=st.integers(0, 10**8),
    row=st.integers(0, 30),
    lifted=st.booleans(),
)
def test_no_setting_and_no_lift_lets_anything_past_the_ceilings(
    hour: int, day: int, today: int, row: int, lifted: bool
) -> None:
    usage = Usage(
        notional_today=d(today),
        orders={},
        orders_hour={BTC: hour},
        orders_today={BTC: day},
        refused_in_a_row=row,
        since_lift=Sent() if lifted else None,
    )
    if looked(step(), at=around(usage=usage), **LOOSE).cleared:
        assert hour < ORDERS_PER_HOUR_CEILING
        assert day < ORDERS_PER_DAY_CEILING
        assert today + 100 <= NOTIONAL_PER_DAY_CEILING
        assert row < REJECTS_IN_A_ROW_CEILING


@pytest.mark.parametrize("of", ["orders_hour", "orders_today"])
def test_the_ceiling_itself_may_be_reached_and_not_passed_whatever_was_lifted(of: str) -> None:
    ceiling = ORDERS_PER_HOUR_CEILING if of == "orders_hour" else ORDERS_PER_DAY_CEILING

    def after(sent: int) -> Review:
        usage = replace(Usage(orders={}, since_lift=Sent()), **{of: {BTC: sent}})
        return looked(step(), at=around(usage=usage), **LOOSE)

    assert after(ceiling - 1).cleared
    assert after(ceiling).reasons == (
        f"{BTC}: no more than {ceiling} orders {'an hour' if of == 'orders_hour' else 'a day'}, "
        "whatever is lifted",
    )


def test_of_two_that_grow_only_the_one_that_is_barred_is_left_out() -> None:
    found = looked(step(), step(ETH), buy(ETH), at=around(barred={ETH: "expiry: soon"}))

    assert found.plan.steps == (step(), buy(ETH))
    assert found.plan.notes == (f"{ETH}: sell 1 left out, expiry: soon",)


def test_reductions_end_at_the_ceiling_of_the_day_too() -> None:
    spent = around(usage=Usage(notional_today=NOTIONAL_PER_DAY_CEILING - 99, orders={}))

    assert looked(buy(), at=spent).reasons == ("no more than 50,000,000.00 a day, whatever is lifted",)


@pytest.mark.parametrize(
    "at",
    [
        around(holds=("XYZ has no price",)),
        around(marks_before={BTC: d(10)}),
        around(now=MONDAY + 60 * SECOND),
        restricted("nothing"),
    ],
)
def test_what_bad_data_or_a_pause_holds_anyway_trips_nothing(at: Circumstances) -> None:
    usage = Usage(orders={}, refused_in_a_row=3, orders_hour={BTC: 50}, notional_today=d(10**7))
    tripped = looked(step(), at=around(usage=usage))
    held = looked(step(), at=replace(at, usage=usage))

    assert len(tripped.trips) == 3
    assert held.trips == ()
    assert set(tripped.reasons) < set(held.reasons)


def test_what_went_astray_trips_whatever_is_planned_and_held() -> None:
    fact = "the position grew after a buy"
    at = around(astray=(fact,), holds=("a doubt",))

    for plan in ((), (step(),)):
        assert looked(*plan, at=at).trips == (Trip(allows="nothing", reason=fact),)
        assert fact in looked(*plan, at=at).reasons


def test_what_is_kept_already_does_not_trip_again_and_still_refuses() -> None:
    fact = "the position grew after a buy"
    kept = restricted("nothing", by=BREAKER, reason=fact)
    reviewed = looked(step(), at=replace(kept, astray=(fact,)))

    assert reviewed.trips == ()
    assert fact in reviewed.reasons


def test_after_a_trip_that_leaves_reductions_they_go_on() -> None:
    usage = Usage(orders={}, notional_today=d(10**6))
    at = replace(restricted("reductions", by=BREAKER), usage=usage)

    assert sent(looked(buy(ETH), step(), at=at)) == (buy(ETH),)


# Ages.


@pytest.mark.parametrize(
    ("age", "cleared"), [(0, True), (30, True), (31, False), (-3, True), (-4, False)]
)
def test_a_price_has_a_largest_age_and_none_is_from_the_future(age: int, cleared: bool) -> None:
    market = seen(quotes=(quote(at=MONDAY - age * SECOND), quote(ETH)))

    assert looked(step(), market=market, price_age_s_max=d(30)).cleared is cleared
    assert looked(step(ETH), market=market, price_age_s_max=d(30)).cleared


@pytest.mark.parametrize(
    ("age", "cleared"), [(0, True), (30, True), (31, False), (-3, True), (-4, False)]
)
def test_the_price_of_a_holding_has_a_largest_age_too(age: int, cleared: bool) -> None:
    priced = replace(holding("SOL"), priced_at=MONDAY - age * SECOND)
    market = seen(holdings=(holding("BTC"), priced))

    assert looked(step(), market=market, price_age_s_max=d(30)).cleared is cleared


@pytest.mark.parametrize(("age", "cleared"), [(0, True), (15, True), (16, False), (-1, False)])
def test_positions_have_a_largest_age_and_a_clock_that_stepped_back_is_refused(
    age: int, cleared: bool
) -> None:
    market = seen(at=MONDAY - age * SECOND)

    assert looked(step(), market=market, position_age_s_max=d(15)).cleared is cleared


# Prices.


@pytest.mark.parametrize(
    ("before", "cleared"), [("80", True), ("79.9", False), ("133.333333", True), ("133.4", False)]
)
def test_a_mark_that_jumped_since_the_last_pass_is_refused(before: str, cleared: bool) -> None:
    at = around(marks_before={BTC: d(before)})

    assert looked(step(), at=at, price_jump_max=d("0.25")).cleared is cleared
    assert looked(step(ETH), at=at, price_jump_max=d("0.25")).cleared


@pytest.mark.parametrize(
    ("before", "cleared"),
    [("33", False), ("34", True), ("100", True), ("300", True), ("301", False), ("1000", False)],
)
def test_a_coin_that_is_worth_a_multiple_or_a_part_of_before_is_refused(
    before: str, cleared: bool
) -> None:
    found = looked(step(), at=around(prices_before={"BTC": d(before)}))

    assert found.cleared is cleared
    assert cleared or any("BTC: its price went from" in why for why in found.reasons)


@pytest.mark.parametrize(
    ("prices", "cleared"),
    [
        ({"index_price": d(102)}, True),  # 100 / 102 - 1 = -1.96%
        ({"index_price": d("102.1")}, False),
        ({"index_price": d("98.1")}, True),
        ({"index_price": d(98)}, False),  # 100 / 98 - 1 = 2.04%
        ({"index_price": None}, False),  # one price has nobody to agree with
        ({"index_price": d(150), "bid_price": d(100), "ask_price": d(101)}, True),
        ({"index_price": d(150), "bid_price": d(150), "ask_price": d(151)}, True),
        ({"index_price": d(150), "bid_price": d(120), "ask_price": d(121)}, False),
        ({"index_price": None, "bid_price": d(100), "ask_price": None}, False),
    ],
)
def test_two_of_mark_index_and_mid_must_agree(prices: dict[str, Any], cleared: bool) -> None:
    bare = {"bid_price": None, "ask_price": None}
    market = seen(quotes=(quote(**bare | prices),))

    assert looked(step(), market=market, price_gap_max=d("0.02")).cleared is cleared


def test_prices_just_so_far_apart_agree_and_those_that_do_not_are_told() -> None:
    bare: dict[str, Any] = {"bid_price": None, "ask_price": None}
    just = seen(quotes=(quote(mark=102, index_price=d(100), **bare),))
    apart = seen(quotes=(quote(index_price=d(150), bid_price=d(120), ask_price=d(122)),))

    assert looked(step(), market=just, price_gap_max=d("0.02")).cleared
    assert looked(step(), market=apart).reasons == (
        f"{BTC}: no two of mark, index and mid agree (100.00, 150.00, 121.00)",
    )


def test_a_leg_that_passes_a_check_lets_no_other_pass_it() -> None:
    jumped = looked(step(), buy(ETH), at=around(marks_before={ETH: d(10)}))
    small = seen(instruments=(contract(), contract(ETH, contracts_min=d(2))), positions=(position(-1),))

    assert [reason.partition(":")[0] for reason in jumped.reasons] == [ETH.partition(":")[0]]
    assert not jumped.cleared
    assert not looked(buy(), step(ETH), market=small).cleared


# Lots, minimums and reductions.


@pytest.mark.parametrize(
    ("contracts", "cleared"), [("1.001", True), ("1.0005", False), ("0", False), ("-1", False)]
)
def test_an_order_is_a_positive_number_of_whole_lots(contracts: str, cleared: bool) -> None:
    assert looked(step(contracts=d(contracts))).cleared is cleared


@pytest.mark.parametrize("listed", [{"contracts_min": d(2)}, {"notional_min": d("100.01")}])
def test_an_order_below_the_minimum_is_refused_unless_it_closes_the_position(
    listed: dict[str, Any],
) -> None:
    market = seen(instruments=(contract(**listed),))
    closing = replace(market, positions=(position(-1),))

    assert not looked(step(), market=market).cleared
    assert not looked(buy(), market=market).cleared
    assert looked(buy(), market=closing).cleared


def test_an_order_of_exactly_the_minimum_is_cleared() -> None:
    exact = contract(contracts_min=d(1), notional_min=d(100))

    assert looked(step(), market=seen(instruments=(exact,))).cleared


@pytest.mark.parametrize(
    ("change", "cleared"),
    [
        ({"contracts": d(5)}, True),
        ({"contracts": d("5.001")}, False),
        ({"contracts": d(5), "reduce_only": False}, False),
    ],
)
def test_a_buy_only_ever_closes_a_short(change: dict[str, Any], cleared: bool) -> None:
    assert looked(replace(buy(), **change)).cleared is cleared


def test_a_buy_with_nothing_held_is_refused() -> None:
    flat = seen(positions=())

    assert not looked(buy(), market=flat).cleared
    assert not looked(buy(contracts=d(0)), market=flat).cleared


# The whole.


def test_a_refusal_keeps_every_reason() -> None:
    at = around(
        now=MONDAY + 60 * SECOND,
        holds=("a hold",),
        marks_before={BTC: d(10)},
        usage=Usage(orders={BTC: 9}),
        restrictions=restricted("nothing").restrictions,
    )
    odd = quote(index_price=d(150), bid_price=None, ask_price=None)
    market = seen(quotes=(odd, quote(ETH, index_price=d(100), at=MONDAY + 60 * SECOND)))
    bad = buy(contracts=d("9.0005"), notional=d(300_000))
    reviewed = looked(bad, step(ETH), market=market, at=at, day_notional_max=d(300))

    words = ("HOLD", "restricted", "orders sent", "an order of", "price is", "positions are", "moved")
    words += ("no two of", "whole lots", "more than close", "today")
    assert len(reviewed.reasons) == len(words)
    assert all(word in reason for word, reason in zip(words, reviewed.reasons, strict=True))


def test_one_bad_step_refuses_the_whole_plan() -> None:
    assert not looked(buy(), step(ETH, contracts=d("0.0001"))).cleared


@pytest.mark.parametrize("granted", [True, False])
@pytest.mark.parametrize("holds", [(), ("a hold",)])
def test_only_a_cleared_plan_with_a_granted_consent_has_steps(
    granted: bool, holds: tuple[str, ...]
) -> None:
    reviewed = looked(step(), at=around(holds=holds))
    approved = settle(reviewed, Consent(granted=granted, by="somebody"))
    part = settle(reviewed, Consent(granted=granted, by="somebody", steps=reviewed.plan.steps))

    assert approved.steps == ((step(),) if granted and not holds else ())
    assert part.steps == approved.steps
    assert approved.by == part.by == "somebody"
