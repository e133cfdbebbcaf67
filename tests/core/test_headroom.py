"""How far an account is from liquidation, and the hedge that it carries."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import BTC, ETH, contract, d, position, quote, snapshot
from hedged.core.exposure import ExposurePolicy, expose
from hedged.core.headroom import (
    DISTANCE_MIN_FLOOR,
    MARGIN_RATIO_CEILING,
    NEAR,
    Carrying,
    Headroom,
    MarginLimits,
    carrying,
    restores,
    survivable,
    under_floor,
)
from hedged.core.market import AccountMargin, Margin, MarginTier, Snapshot
from hedged.core.sizing import HedgeLeg, Wanted, size
from hedged.core.target import RatioMemory

LIMITS = MarginLimits()
BAND = d("0.05")
FAR = f"{BTC}@far"
TIER = (MarginTier(notional_max=d(10**9), rate=d("0.005"), deduction=d(0), leverage_max=d(100)),)


def seen(
    equity: str | int, held: str | int = 0, maintenance: str | int = 0, **changed: Any
) -> Snapshot:
    """10 BTC at 100; *held* contracts of BTC on an account with so much *equity*."""
    plain = snapshot(
        positions=(position(held),) if d(held) else (),
        margin=Margin(wallet_balance=d(equity), equity=d(equity), maintenance_margin=d(maintenance)),
    )
    return replace(plain, **changed)


def wants(shown: Snapshot, ratio: str | Decimal, *legs: str) -> Wanted:
    memory = RatioMemory(goal_ratio=d(str(ratio)), target_ratio=d(str(ratio)))
    chosen = tuple(HedgeLeg(symbol=one, weight=d(1)) for one in legs or (BTC,))
    found = size(memory, expose(shown, ExposurePolicy()), shown, chosen)
    assert found is not None
    return found


def kept(
    shown: Snapshot, ratio: str | Decimal, executed: str | None = None, *legs: str
) -> tuple[Wanted, tuple[Headroom, ...]]:
    executed_ratio = None if executed is None else d(executed)
    found, rooms = survivable(wants(shown, ratio, *legs), shown, executed_ratio, BAND, LIMITS)
    assert found is not None
    return found, rooms


def world(shown: Snapshot, account: str = "paper") -> Carrying:
    made = carrying(shown, account, LIMITS)
    assert isinstance(made, Carrying)
    return made


def test_a_hedge_with_room_is_left_as_it_is() -> None:
    shown = seen(1000)
    found, (room,) = kept(shown, "0.5")

    assert found == wants(shown, "0.5")
    # (1000 - 2.5%) / 500: (1000 - 500 * 0.025) / (500 * 1.025) = 192.7%.
    assert (room.distance_after, room.ratio_after) == (d("1.926829"), d("0.0125"))
    assert (room.distance_now, room.ratio_now, room.collateral) == (None, 0, 0)


def test_a_hedge_beyond_the_margin_is_degraded_in_whole_points() -> None:
    found, (room,) = kept(seen(100), "0.5")

    # Short N: 100 - 0.225 N - 0.025 * 1.225 N >= 0, so N <= 391.2: 39% of 1,000.
    assert found.target_ratio == d("0.39")
    assert [leg.contracts for leg in found.legs] == [d("-3.9")]
    assert (room.wanted_ratio, room.kept_ratio) == (d("0.5"), d("0.39"))
    assert room.distance_unfit is not None
    assert room.distance_unfit < NEAR * LIMITS.distance_min
    assert room.collateral == d("27.82")  # 500 * 0.225 + 500 * 1.225 * 0.025 - 100, to the cent


def test_tiers_of_the_venue_count_before_the_assumed_rate() -> None:
    tiered = seen(100, instruments=(contract(tiers=TIER),))

    # 100 >= N * (0.225 + 1.225 * 0.005): N <= 432.7.
    assert kept(tiered, "0.5")[0].target_ratio == d("0.43")


def test_what_is_held_is_left_alone_between_one_floor_and_the_next() -> None:
    """A cut comes only at the floor, and growth only with room for more than the band."""
    found, (room,) = kept(seen(100, "-4.2", "10.5"), "0.5", "0.39")

    assert [leg.contracts for leg in found.legs] == [d("-4.2")]
    assert found.target_ratio == d("0.39")
    assert room.distance_now is not None
    assert LIMITS.distance_min < room.distance_now < NEAR * LIMITS.distance_min


def test_a_room_within_the_band_is_not_filled() -> None:
    found, _ = kept(seen(100, "-3.6", "9"), "0.5", "0.36")

    assert [leg.contracts for leg in found.legs] == [d("-3.6")]


def test_under_the_floor_the_hedge_is_cut_to_where_it_has_room() -> None:
    found, (room,) = kept(seen(60, "-5", "12.5"), "0.5", "0.5")

    assert room.distance_now is not None
    assert room.distance_now < LIMITS.distance_min
    assert [leg.contracts for leg in found.legs] == [d("-2.3")]
    assert world(seen(60)).carries({BTC: d("-2.3")}, NEAR)


def test_a_lowered_target_is_never_held_back() -> None:
    found, _ = kept(seen(100, "-4.2", "10.5"), "0.2", "0.42")

    assert [leg.contracts for leg in found.legs] == [d(-2)]


@pytest.mark.parametrize("equity", [0, -50])
def test_without_equity_nothing_is_carried(equity: int) -> None:
    found, (room,) = kept(seen(equity, "-5", "12.5"), "0.5", "0.5")

    assert [leg.contracts for leg in found.legs] == [0]
    assert (room.distance_now, room.ratio_now) == (0, None)


def test_a_venue_that_asks_for_more_than_its_tiers_counts() -> None:
    tiered = seen(1000, -1, "5", instruments=(contract(tiers=TIER),))
    made = world(tiered)

    assert made.scale == 10
    assert made.ratio({BTC: d(-2)}) == d("0.01")
    assert "10.0 times" in kept(tiered, "0.5")[1][0].apart


def test_the_venues_own_liquidation_price_comes_first() -> None:
    near = replace(position(-1), liquidation_price=d(140))
    told = seen(1000, instruments=(contract(tiers=TIER),), positions=(near,))
    made = world(told)

    assert made.distance({BTC: d(-1)}) == pytest.approx(d("1.8"), abs=d("0.2"))
    # Counted: 894%; told: 40%. What is counted is trusted by a fifth at most.
    assert made.trust == d("0.2")
    assert kept(told, "0.1")[1][0].apart


def test_a_long_on_the_account_does_not_help() -> None:
    both = seen(
        100,
        instruments=(contract(), contract(ETH)),
        quotes=(quote(), quote(ETH)),
        positions=(position(-3), position(50, ETH)),
    )

    assert world(both).distance({BTC: d(-3), ETH: d(50)}) == 0  # its own maintenance is 125
    assert world(both).distance({BTC: d(-3)}) == pytest.approx(d("0.3008"), abs=d("0.001"))


@pytest.mark.parametrize(
    ("margins", "said"),
    [
        ((AccountMargin(account="paper", equity=None, maintenance_margin=d(0)),), "the equity"),
        ((AccountMargin(account="paper", equity=d(9), maintenance_margin=None),), "maintenance margin"),
        ((AccountMargin(account="far", equity=d(9), maintenance_margin=d(0)),), "tells no margin"),
    ],
)
def test_a_figure_that_is_missing_degrades_nothing_and_bars_growth(
    margins: tuple[AccountMargin, ...], said: str
) -> None:
    shown = seen(1000, -1, margins=margins)
    found, (room,) = kept(shown, "0.5")

    assert said in room.missing
    assert found == wants(shown, "0.5")
    assert said in under_floor(shown, {BTC: d(-4)}, LIMITS)[BTC]
    assert under_floor(shown, {BTC: d(1)}, LIMITS) == {}


def test_a_position_without_a_price_is_a_missing_figure() -> None:
    shown = seen(1000, positions=(position(-1), position(-1, ETH)))

    assert f"no price of {ETH}" in str(carrying(shown, "paper", LIMITS))


def test_each_account_carries_its_own_legs() -> None:
    margins = (
        AccountMargin(account="paper", equity=d(1000), maintenance_margin=d(0)),
        AccountMargin(account="far", equity=d(30), maintenance_margin=d(0)),
    )
    shown = seen(
        1030,
        instruments=(contract(), contract(FAR)),
        quotes=(quote(), quote(FAR)),
        margins=margins,
    )
    found, rooms = kept(shown, "0.5", None, BTC, FAR)

    # Half of 500 each; far: 30 >= N * 0.255625, so N <= 117.4, and a point of the ratio is 5.
    assert {leg.symbol: leg.contracts for leg in found.legs} == {BTC: d("-2.5"), FAR: d("-1.15")}
    assert [room.kept_ratio for room in rooms] == [d("0.5"), d("0.23")]
    assert found.target_ratio == d("0.23")


def test_a_plan_that_would_end_under_the_floor_is_barred_with_both_figures() -> None:
    barred = under_floor(seen(60, -1, "2.5"), {BTC: d(-4)}, LIMITS)

    assert "9.3% below liquidation (at least 15.0%)" in barred[BTC]
    assert "margin ratio of 20.8% (at most 60.0%)" in barred[BTC]
    assert under_floor(seen(60, -5, "12.5"), {BTC: d(4)}, LIMITS) == {}


def test_no_setting_goes_beyond_the_bounds_in_code() -> None:
    loose = MarginLimits(liquidation_distance_min=d(0), margin_ratio_max=d(5))

    assert (loose.distance_min, loose.ratio_max) == (DISTANCE_MIN_FLOOR, MARGIN_RATIO_CEILING)


EQUITIES = st.decimals(min_value=1, max_value=2000, places=2)
RATIOS = st.decimals(min_value="0.01", max_value=1, places=2)
HELD = st.integers(0, 10_000).map(lambda lots: -d(lots) / 1000)
RATES = st.sampled_from([(), TIER])


@given(equity=EQUITIES, ratio=RATIOS, held=HELD, tiers=RATES)
def test_a_hedge_never_grows_into_the_near_of_the_floor(
    equity: Decimal, ratio: Decimal, held: Decimal, tiers: tuple[MarginTier, ...]
) -> None:
    shown = seen(str(equity), str(held), "1", instruments=(contract(tiers=tiers),))
    found, (room,) = kept(shown, ratio)
    (leg,) = found.legs

    assert leg.contracts >= wants(shown, ratio).legs[0].contracts or leg.contracts == held
    if leg.contracts < held:
        assert world(shown).carries({BTC: leg.contracts}, NEAR)
    if leg.contracts != 0 and room.distance_after is not None:
        assert room.distance_after >= LIMITS.distance_min - d("0.000001")


@given(equity=EQUITIES, ratio=RATIOS, held=HELD, tiers=RATES)
def test_the_collateral_that_is_told_restores_the_hedge(
    equity: Decimal, ratio: Decimal, held: Decimal, tiers: tuple[MarginTier, ...]
) -> None:
    shown = seen(str(equity), str(held), "1", instruments=(contract(tiers=tiers),))
    room = kept(shown, ratio)[1][0]
    more = seen(str(equity + room.collateral), str(held), "1", instruments=(contract(tiers=tiers),))

    assert kept(more, ratio)[0] == wants(more, ratio)
    if room.collateral:
        less = seen(
            str(equity + room.collateral - d("0.02")), str(held), "1",
            instruments=(contract(tiers=tiers),),
        )  # fmt: skip
        assert kept(less, ratio)[1][0].collateral > 0


@given(equity=EQUITIES, ratio=RATIOS, held=HELD)
def test_a_second_look_trades_nothing(equity: Decimal, ratio: Decimal, held: Decimal) -> None:
    """Once the wanted hedge is held, it is wanted still."""
    first, _ = kept(seen(str(equity), str(held)), ratio)
    (leg,) = first.legs
    again, _ = kept(seen(str(equity), str(leg.contracts)), ratio, str(first.target_ratio))

    assert [one.contracts for one in again.legs] == [leg.contracts]
    assert again.target_ratio == first.target_ratio


def test_restores_is_nothing_where_nothing_is_missing() -> None:
    assert restores(world(seen(1000)), {BTC: d(-1)}) == 0
