"""Drift, its band, and what must not be traded on."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from builders import BTC, ETH, MONDAY, contract, d, fill, holding, position, quote, snapshot
from hedged.core.exposure import ExposurePolicy, expose
from hedged.core.guard import Band, Drift, drift, holds
from hedged.core.market import Snapshot
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
    assert not drifted(seen(), "0").due


def test_an_over_hedge_ignores_the_band_and_a_whole_hedge_does_not() -> None:
    assert drifted(seen("-100.001"), "0.99").due
    assert drifted(seen("-100.001"), "1").due
    assert not drifted(seen("-100"), "0.99").due


def test_both_bands_are_ignored_by_an_over_hedge_of_all_legs_together_only() -> None:
    assert drifted(seen("-51", "-50"), "1", legs=TWO).due
    assert not drifted(seen("-51", "-49"), "1", legs=TWO).due


def test_a_short_without_anything_to_hedge_is_an_over_hedge() -> None:
    found = drifted(seen("-0.001", coins=0), "0.50")

    assert (found.net, found.mix) == (None, None)
    assert found.due


def test_nothing_held_and_nothing_to_hedge_is_no_drift() -> None:
    found = drifted(seen(coins=0), "0.50", None)

    assert not found.due
    assert found.net is None


def test_without_a_target_or_an_exposure_nothing_is_due() -> None:
    assert not drift(None, d("0.5"), BAND).due


def held_up(
    market: Snapshot,
    unresolved: tuple[str, ...] = (),
    strays: tuple[str, ...] = (),
    observed_at: datetime | None = None,
    ignore: frozenset[str] = frozenset(),
) -> tuple[str, ...]:
    exposure = expose(market, ExposurePolicy(ignore=ignore))
    return holds(market, exposure, ONE, unresolved=unresolved, strays=strays, observed_at=observed_at)


def test_nothing_holds_up_a_priced_portfolio_with_a_short() -> None:
    assert held_up(seen("-5")) == ()


def test_an_asset_without_a_price_holds_the_pass_and_is_named_until_it_is_ignored() -> None:
    market = snapshot(holdings=(holding(), holding("XYZ", 5, None)))
    (reason,) = held_up(market)

    assert reason.startswith("XYZ has no price")
    assert held_up(market, ignore=frozenset({"XYZ"})) == ()


def test_a_hedge_instrument_held_long_holds_the_pass_and_is_named() -> None:
    (reason,) = held_up(seen("0.001"))

    assert BTC in reason
    assert "held long (0.001 contracts)" in reason


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

    assert "hdgaaa, hdgbbb" in reason
    assert "restored from a copy" in reason


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
