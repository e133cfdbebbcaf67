"""Drift, its band, and what must not be traded on."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import BTC, ETH, MONDAY, contract, d, fill, holding, position, quote, snapshot
from hedged.core.account import AccountState, state_of
from hedged.core.exposure import ExposurePolicy, expose
from hedged.core.guard import Band, Drift, Naked, astray, drift, holds, naked, touched
from hedged.core.market import Fill, Side, Snapshot
from hedged.core.sizing import HedgeLeg, size
from hedged.core.target import RatioMemory

ONE = (HedgeLeg(symbol=BTC, weight=d(1)),)
TWO = (HedgeLeg(symbol=BTC, weight=d(1)), HedgeLeg(symbol=ETH, weight=d(1)))
BAND = Band(band=d("0.05"), mix_band=d("0.10"))


def seen(btc: str | int = 0, eth: str | int = 0, coins: str | int = 100) -> Snapshot:
    """*coins* BTC at 100, and two contracts that stand at 100 too."""
    held = ((btc, BTC), (eth, ETH))
    return snapshot(
        holdings=(holding("BTC", coins, 100),),
        instruments=(contract(), contract(ETH)),
        quotes=(quote(mark=100), quote(ETH, mark=100)),
        positions=tuple(position(c, symbol) for c, symbol in held if c != 0),
    )


def drifted(
    market: Snapshot, target: str, executed: str | None = "", legs: tuple[HedgeLeg, ...] = ONE
) -> Drift:
    """Drift from *target*, which was last fully executed unless *executed* says otherwise."""
    memory = RatioMemory(goal_ratio=d(target), target_ratio=d(target))
    wanted = size(memory, expose(market, ExposurePolicy()), market, legs)
    before = d(target) if executed == "" else None if executed is None else d(executed)
    return drift(wanted, before, BAND)


@pytest.mark.parametrize("held", ["-45", "-55"])
def test_drift_that_is_just_at_the_band_is_left_alone(held: str) -> None:
    found = drifted(seen(held), "0.50")

    assert found.net == d("0.05")
    assert not found.due
    assert "inside the band of 5%" in found.because


@pytest.mark.parametrize("held", ["-44.999", "-55.001"])
def test_drift_just_past_the_band_is_traded_in_either_direction(held: str) -> None:
    found = drifted(seen(held), "0.50")

    assert found.net == d("0.05001")
    assert found.due


def test_drift_is_in_points_of_the_exposure_and_not_of_the_hedge() -> None:
    # Half of a hedge of 8% is gone: 4 points of the portfolio.
    found = drifted(seen("-4"), "0.08")

    assert found.net == d("0.04")
    assert not found.due


def test_legs_that_are_off_in_opposite_ways_net_out_and_meet_the_band_of_the_mix() -> None:
    at, past = (
        drifted(seen("-30", "-20"), "0.50", legs=TWO),
        drifted(seen("-31", "-19"), "0.50", legs=TWO),
    )

    assert (at.net, at.mix, at.due) == (0, d("0.10"), False)
    assert (past.net, past.mix, past.due) == (0, d("0.12"), True)
    assert "leg mix 12%" in past.because


def test_drift_is_measured_after_lot_rounding() -> None:
    # Whole lots of 7 contracts leave 1 of 50 unhedged; holding the 49 is no drift at all.
    market = snapshot(
        holdings=(holding("BTC", 100, 100),),
        instruments=(contract(lot=d(7)),),
        positions=(position(-49),),
    )
    found = drifted(market, "0.50")

    assert (found.net, found.mix, found.due) == (0, 0, False)


@pytest.mark.parametrize("executed", [None, "0.49"])
def test_a_target_that_was_not_yet_fully_executed_is_traded_at_once(executed: str | None) -> None:
    found = drifted(seen("-49.9"), "0.50", executed)

    assert found.net == d("0.001")
    assert found.due
    assert "the target is 50%" in found.because


def test_a_changed_target_with_the_wanted_contracts_held_plans_nothing() -> None:
    assert not drifted(seen("-50"), "0.50", "0.20").due


def test_a_zero_target_ignores_the_band() -> None:
    assert drifted(seen("-0.001"), "0").due
    assert drifted(seen("-0.001"), "0").because == "the target is zero, which ignores the band"
    assert not drifted(seen(), "0").due
    assert drifted(seen(), "0").because == "the wanted contracts are held"


def test_an_over_hedge_ignores_the_band_and_a_whole_hedge_does_not() -> None:
    over = drifted(seen("-100.001"), "0.99")
    assert over.due
    assert over.because == "over-hedged at 100.001%, which ignores the band"
    assert drifted(seen("-100.001"), "1").due
    assert not drifted(seen("-100"), "0.99").due


def test_both_bands_are_ignored_by_an_over_hedge_of_all_legs_together_only() -> None:
    assert drifted(seen("-51", "-50"), "1", legs=TWO).due
    assert not drifted(seen("-51", "-49"), "1", legs=TWO).due


def test_a_short_without_anything_to_hedge_is_an_over_hedge() -> None:
    found = drifted(seen("-0.001", coins=0), "0.50")

    assert (found.net, found.mix) == (None, None)
    assert found.due
    assert found.because == "nothing to hedge, and a short is held"


def test_nothing_held_and_nothing_to_hedge_is_no_drift() -> None:
    found = drifted(seen(coins=0), "0.50", None)

    assert not found.due
    assert found.net is None


def test_without_a_target_or_an_exposure_nothing_is_due() -> None:
    because = "no target is decided, the exposure is unknown, or a leg is not listed"

    assert drift(None, d("0.5"), BAND) == Drift(net=None, mix=None, due=False, because=because)


def held_up(
    market: Snapshot,
    unresolved: tuple[str, ...] = (),
    strays: tuple[str, ...] = (),
    observed_at: datetime | None = None,
    touched_at: datetime | None = None,
    ignore: frozenset[str] = frozenset(),
) -> tuple[str, ...]:
    exposure = expose(market, ExposurePolicy(ignore=ignore))
    return holds(
        market, exposure, ONE, unresolved=unresolved, strays=strays, observed_at=observed_at,
        touched_at=touched_at,
    )  # fmt: skip


def test_nothing_holds_up_a_priced_portfolio_with_a_short() -> None:
    assert held_up(seen("-5")) == ()


def test_an_asset_without_a_price_holds_the_pass_and_is_named_until_it_is_ignored() -> None:
    market = snapshot(holdings=(holding(), holding("XYZ", 5, None)))
    (reason,) = held_up(market)

    assert reason.startswith("XYZ has no price")
    assert held_up(market, ignore=frozenset({"XYZ"})) == ()


def test_a_hedge_instrument_held_long_holds_the_pass_and_is_named() -> None:
    (reason,) = held_up(seen("0.001"))

    assert reason == f"{BTC} is held long (0.001 contracts) on the hedge account; close it by hand"


def test_an_instrument_that_is_no_leg_may_be_held_long() -> None:
    assert held_up(seen(0, 5)) == ()


def test_a_clock_that_went_back_holds_the_pass_and_one_that_stood_still_does_not() -> None:
    (reason,) = held_up(seen(), observed_at=MONDAY + timedelta(seconds=1))

    assert reason.startswith("the clock went back, from 2024-01-01 00:00:01 to ")
    assert held_up(seen(), observed_at=MONDAY) == ()


def test_a_clock_that_went_back_by_days_is_told_with_both_days() -> None:
    (reason,) = held_up(seen(), observed_at=MONDAY + timedelta(days=3))

    assert "2024-01-04" in reason
    assert "2024-01-01" in reason


def test_every_reason_to_hold_is_given() -> None:
    market = snapshot(
        holdings=(holding("XYZ", 5, None), holding("ABC", 5, None)), positions=(position(1),)
    )

    reasons = held_up(market, unresolved=(BTC,), observed_at=MONDAY + timedelta(days=1))

    assert len(reasons) == 5
    assert reasons[-1] == f"an earlier order is not resolved yet, {BTC}"


def test_orders_of_ours_that_nobody_wrote_down_hold_the_pass_and_are_named() -> None:
    (reason,) = held_up(seen("-5"), strays=("hdgaaa", "hdgbbb"))

    assert reason == (
        "the journal does not know hdgaaa, hdgbbb, sent by a hedged on this account; was the journal "
        "restored from a copy? What rests of them is taken back, what filled is counted"
    )


@pytest.mark.parametrize(
    ("cause", "id_", "by"),
    [
        ("liquidation", "autoclose-1", "liquidation"),
        ("adl", "adl_autoclose", "adl"),
        ("delivery", "", "delivery"),
        ("order", "web_17", "another hand"),
        ("order", "", "another hand"),
    ],
)
def test_a_fill_that_we_did_not_order_holds_the_pass(cause: Any, id_: str, by: str) -> None:
    forced = fill(client_order_id=id_, cause=cause)
    (reason,) = held_up(replace(seen("-5"), fills=(forced,)))

    assert f"2 {BTC}" in reason
    assert f"by {by};" in reason


@pytest.mark.parametrize(
    ("ago_s", "held"), [(0, True), (29, True), (59.9, True), (60, False), (-1, False)]
)
def test_a_pass_less_than_a_minute_after_that_is_no_second_look(ago_s: float, held: bool) -> None:
    market = seen("-5")
    touched_at = market.at - timedelta(seconds=ago_s)

    assert bool(held_up(market, touched_at=touched_at)) is held
    assert touched(market, [BTC], touched_at) == (touched_at if held else None)


def test_what_another_hand_does_again_is_seen_first_again() -> None:
    market = replace(seen("-5"), fills=(fill(client_order_id="", cause="adl"),))

    assert touched(market, [BTC], None) == market.at
    assert touched(market, [], None) is None
    (reason,) = held_up(market, touched_at=market.at - timedelta(seconds=30))
    assert "adl" in reason


def test_our_own_fills_and_those_of_other_contracts_hold_nothing() -> None:
    ours, other = fill(client_order_id="hdg1"), fill(client_order_id="", symbol="XRP/USDT:USDT")

    assert held_up(replace(seen("-5"), fills=(ours, other))) == ()


def test_a_leg_without_weight_is_closed_though_the_drift_is_inside_its_band() -> None:
    seen = snapshot(
        instruments=(contract(), contract(ETH)),
        quotes=(quote(), quote(ETH)),
        positions=(position(-1), position("-0.5", ETH)),
    )
    legs = (HedgeLeg(symbol=BTC, weight=d(1)), HedgeLeg(symbol=ETH, weight=d(0)))
    ratio = RatioMemory(goal_ratio=d("0.15"), target_ratio=d("0.15"))
    found = drift(size(ratio, expose(seen, ExposurePolicy()), seen, legs), d("0.15"), Band())

    assert found.due
    assert "no weight" in found.because


# What went astray.

SECOND = timedelta(seconds=1)
SENT: dict[str, Side] = {"bought": "buy", "sold": "sell"}


def fill_of(client_order_id: str, contracts: str | int, after_s: int = 10, **changed: Any) -> Fill:
    """A fill at 100, some seconds after `MONDAY`, on the side that was sent."""
    plain = Fill(
        at=MONDAY + after_s * SECOND,
        symbol=BTC,
        side=SENT.get(client_order_id, "buy"),
        contracts=d(contracts),
        fill_price=d(100),
        mark_price=d(100),
        index_price=None,
        fee=d(0),
        client_order_id=client_order_id,
    )
    return replace(plain, **changed)


def moved(before: str | int, after: str | int, *fills: Fill, **changed: Any) -> tuple[str, ...]:
    seen_now = replace(seen(after), at=MONDAY + 60 * SECOND, fills=fills, unexplained=(BTC,))
    seen_now = replace(seen_now, **changed)
    return astray(state_of(seen(before)), seen_now, SENT)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    held=st.integers(-50, 0),
    bought=st.integers(0, 50),
    sold=st.integers(0, 50),
    forced=st.integers(0, 9),
)
def test_what_orders_and_forced_fills_make_of_a_position_is_never_astray(
    held: int, bought: int, sold: int, forced: int
) -> None:
    after = held + bought - sold + forced
    fills = [fill_of(name, n) for name, n in (("bought", bought), ("sold", sold)) if n]
    fills += [fill_of("adl", forced, cause="adl")] if forced else []

    assert moved(held, after, *fills) == ()
    assert moved(held, held, *fills) == ()  # a stale position is a doubt, and nothing worse


@settings(deadline=None, derandomize=True, max_examples=100)
@given(held=st.integers(-50, 0), filled=st.integers(1, 50), side=st.sampled_from(["bought", "sold"]))
def test_a_position_that_moved_against_the_order_is_astray(held: int, filled: int, side: str) -> None:
    after = held - filled if side == "bought" else held + filled
    reasons = moved(held, after, fill_of(side, filled))

    after_what = f"after a {'buy' if side == 'bought' else 'sale'} of {filled}"
    assert reasons == (f"{BTC}: the position went from {held} to {after} {after_what}",)


def test_a_short_that_shrank_by_more_than_was_sold_is_no_wrong_sign_but_adl() -> None:
    assert moved(-5, -3, fill_of("sold", 1)) == ()
    assert moved(-5, -3, fill_of("sold", 1), fill_of("adl", 3, cause="adl")) == ()


def test_all_that_others_did_is_counted_before_an_order_is_blamed() -> None:
    two_sales = (fill_of(name, 2, side="sell") for name in ("by-hand", "by-hand-2"))

    assert moved(-5, -8, fill_of("bought", 1), *two_sales) == ()


def test_orders_that_come_to_nothing_are_not_blamed_for_a_short_that_grew() -> None:
    assert moved(-5, -8, fill_of("bought", 1), fill_of("sold", 1)) == ()


def test_a_buy_that_is_told_after_the_next_sale_is_not_astray() -> None:
    """-5, bought 2, sold 3: -6. The buy's outcome is known, and its fill is told before the sale's."""
    assert moved(-5, -6, fill_of("bought", 2), unexplained=()) == ()
    assert moved(-5, -6, fill_of("bought", 2), unexplained=(ETH,)) == ()
    assert len(moved(-5, -6, fill_of("bought", 2))) == 1


def test_an_order_that_left_a_long_is_astray() -> None:
    for before, after in ((-2, 3), (-2, 1), (0, 3)):
        (reason,) = moved(before, after, fill_of("bought", 2))

        assert f"from {before} to {after}, which is long, after an order of ours" in reason
    assert moved(1, 4, fill_of("bought", 2)) == ()


def test_without_a_fill_of_ours_nothing_is_astray_whatever_another_hand_did() -> None:
    assert moved(-2, 3, fill_of("by-hand", 5)) == ()
    assert moved(-2, -9) == ()


def test_a_fill_told_on_the_other_side_than_was_sent_is_astray() -> None:
    (reason,) = moved(-2, -3, fill_of("sold", 1, side="buy"))

    assert reason.startswith(f"{BTC}: a sell was sent, and the venue tells of a buy of 1")


@pytest.mark.parametrize(("who", "count"), [("sold", 1), ("by-hand", 0)])
def test_two_notionals_of_a_position_are_astray_after_a_fill_of_ours_only(who: str, count: int) -> None:
    fill = fill_of(who, 1, side="sell")
    reasons = moved(-2, -3, fill, misvalued=(BTC,))

    said = "after a fill its notional is one by contract size and mark, and another by the venue's own"
    assert reasons == (f"{BTC}: {said} figure",) * count
    assert moved(-2, -3, fill, misvalued=(ETH,)) == ()


def test_a_contract_that_was_not_held_before_was_flat() -> None:
    flat = replace(state_of(seen()), legs={})
    grown = replace(seen(3), fills=(fill_of("sold", 3),), unexplained=(BTC,))
    wanted = size(
        RatioMemory(goal_ratio=d("0.5"), target_ratio=d("0.5")),
        expose(grown, ExposurePolicy()),
        grown,
        ONE,
    )

    assert astray(flat, grown, SENT) == (f"{BTC}: the position went from 0 to 3 after a sale of 3",)
    spell = naked(None, flat, grown, wanted, drift(wanted, d("0.5"), BAND), SENT)
    assert spell is not None
    assert spell.because == f"{BTC}: no fill tells why"


def test_the_very_first_pass_has_nothing_to_compare_with() -> None:
    first = replace(seen(3), fills=(fill_of("sold", 3),))

    assert astray(None, first, SENT) == ()


# The time without a whole hedge.


def spell_of(
    spell: Naked | None,
    before: str | int,
    after: str | int,
    *fills: Fill,
    at_s: int = 60,
    target: str = "0.50",
    executed: str | None = "",
) -> Naked | None:
    """50 of 100 coins should be short; *before* and *after* are held."""
    seen_now = replace(seen(after), at=MONDAY + at_s * SECOND, fills=fills)
    account: AccountState = state_of(seen(before))
    memory = RatioMemory(goal_ratio=d(target), target_ratio=d(target))
    wanted = size(memory, expose(seen_now, ExposurePolicy()), seen_now, ONE)
    done = d(target) if executed == "" else None if executed is None else d(executed)
    return naked(spell, account, seen_now, wanted, drift(wanted, done, BAND), SENT)


@pytest.mark.parametrize("cause", ["adl", "liquidation", "delivery"])
def test_contracts_lost_to_a_forced_fill_begin_a_spell_at_that_fill(cause: Any) -> None:
    spell = spell_of(None, -50, -20, fill_of("x", 30, after_s=20, cause=cause))

    assert spell is not None
    assert (spell.since, spell.seconds, spell.notional) == (MONDAY + 20 * SECOND, 40, 3000)
    assert spell.notional_seconds == 3000 * 40
    assert (spell.because, spell.until) == (f"{BTC}: {cause}", None)


def test_contracts_that_no_fill_explains_begin_a_spell_at_first_sight() -> None:
    spell = spell_of(None, -50, -20)

    assert spell is not None
    assert (spell.since, spell.seconds) == (MONDAY + 60 * SECOND, 0)
    assert spell.because == f"{BTC}: no fill tells why"
    assert spell_of(None, "-44.5", -44) is not None


def test_contracts_that_a_person_and_others_bought_begin_a_spell_too() -> None:
    by_hand, forced = fill_of("by-hand", 10), fill_of("adl", 20, cause="adl")
    person, both = spell_of(None, -50, -40, by_hand), spell_of(None, -50, -20, by_hand, forced)

    assert person is not None
    assert both is not None
    assert (person.because, both.because) == (f"{BTC}: another hand", f"{BTC}: adl and another hand")


@pytest.mark.parametrize(
    ("before", "after", "fills"),
    [
        (-50, -50, ()),  # whole
        (-50, -46, (fill_of("adl", 4, cause="adl"),)),  # inside the band
        (-20, -20, ()),  # a target that is not reached yet is a decision
        (-20, -10, (fill_of("bought", 10),)),  # as is what we bought
        (-20, -20, (fill_of("sold", 10),)),  # told late: it was in the position before
        (-90, -60, (fill_of("adl", 30, cause="adl"),)),  # still hedged enough
        (-20, -20, (fill_of("by-hand", 5),)),  # a person bought, and sold it again
        (-20, -20, (fill_of("adl", 5, cause="adl", symbol=ETH),)),  # no contract of the hedge
        (-20, -20, (fill_of("x", 5, cause="adl", side="sell"),)),  # it closed no short
        (0, 0, ()),  # nothing was held
    ],
)
def test_what_was_decided_or_is_inside_the_band_is_no_spell(
    before: int, after: int, fills: tuple[Fill, ...]
) -> None:
    assert spell_of(None, before, after, *fills) is None


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.lists(st.tuples(st.integers(1, 600), st.integers(-44, 0)), min_size=1, max_size=8))
def test_a_spell_sums_what_was_missing_over_time_and_keeps_the_worst(
    looks: list[tuple[int, int]],
) -> None:
    at, held = 60, -20
    spell = spell_of(None, -50, held, at_s=at)
    total, worst = Decimal(0), 3000
    for seconds, now_held in looks:
        total += seconds * (held + 50) * 100
        at, held = at + seconds, now_held
        worst = max(worst, (held + 50) * 100)
        spell = spell_of(spell, held, held, at_s=at)
    ended = spell_of(spell, held, -50, fill_of("sold", held + 50, after_s=at + 7), at_s=at + 50)

    assert spell is not None
    assert ended is not None
    assert (spell.notional_seconds, spell.notional_max, spell.until) == (total, worst, None)
    assert (ended.notional, ended.until) == (0, MONDAY + (at + 7) * SECOND)
    assert ended.notional_seconds == total + 7 * (held + 50) * 100
    assert ended.seconds == at + 7 - 60


def test_a_spell_ends_at_sight_where_nothing_is_missing_any_more() -> None:
    spell = spell_of(None, -50, -20)
    ended = spell_of(spell, -20, -20, at_s=90, target="0.20", executed="0.20")

    assert ended is not None
    assert ended.until == MONDAY + 90 * SECOND


def test_a_spell_goes_on_while_nobody_knows_what_is_wanted() -> None:
    spell = spell_of(None, -50, -20)
    blind = replace(seen(-20), at=MONDAY + 100 * SECOND)
    known = Drift(net=None, mix=None, due=False, because="")
    carried = naked(spell, state_of(blind), blind, None, known, SENT)
    back = spell_of(carried, -20, -20, at_s=0)  # a clock that went back

    assert carried is not None
    assert back is not None
    assert carried.notional_seconds == back.notional_seconds == 3000 * 40
