"""From a ratio to contracts."""

from __future__ import annotations

import pytest

from builders import BTC, ETH, contract, d, holding, position, quote, snapshot
from hedged.core.exposure import ExposurePolicy, expose
from hedged.core.guard import Band, drift
from hedged.core.market import Snapshot
from hedged.core.sizing import HedgeLeg, Wanted, held_ratio, present_ratio, size
from hedged.core.target import RatioMemory

LEGS = (HedgeLeg(symbol=BTC, weight=d(1)),)
TWO = (HedgeLeg(symbol=BTC, weight=d(3)), HedgeLeg(symbol=ETH, weight=d(1)))


def article(lot: str, held: tuple = ()) -> Snapshot:
    """The article's table of 2.3: $500,000, an index at 2,000 points, $100 a point."""
    return snapshot(
        holdings=(holding("BTC", 5, 100_000),),
        instruments=(contract(contract_multiplier=d(100), lot=d(lot)),),
        quotes=(quote(mark=2000),),
        positions=held,
    )


def mixed(**changed: object) -> Snapshot:
    """$10,000 of coins; BTC contracts at 100 in lots of 1, ETH contracts of 10 coins at 7."""
    plain = {
        "holdings": (holding("BTC", 100, 100),),
        "instruments": (contract(lot=d(1)), contract(ETH, contract_multiplier=d(10), lot=d(1))),
        "quotes": (quote(mark=100), quote(ETH, mark=7)),
    }
    return snapshot(**plain | changed)


def sized(seen: Snapshot, ratio: str, legs: tuple[HedgeLeg, ...] = LEGS) -> Wanted:
    memory = RatioMemory(goal_ratio=d(ratio), target_ratio=d(ratio))
    wanted = size(memory, expose(seen, ExposurePolicy()), seen, legs)
    assert wanted is not None
    return wanted


def test_the_articles_portfolio_needs_one_and_a_quarter_contracts() -> None:
    wanted = sized(article(lot="0.01"), "0.50")

    assert wanted.target_notional == 250_000
    assert wanted.legs[0].contracts == d("-1.25")
    assert wanted.residual_notional == 0


def test_whole_lots_leave_a_residual_that_is_reported_and_not_chased() -> None:
    wanted = sized(article(lot="1"), "0.50")

    assert wanted.legs[0].contracts == -1
    assert wanted.residual_notional == 50_000
    assert wanted.residual_notional / wanted.exposure == d("0.1")

    again = sized(article(lot="1", held=(position(-1, entry=2000),)), "0.50")
    assert not drift(again, d("0.50"), Band()).due


def test_the_target_is_sized_not_the_goal() -> None:
    seen = article(lot="0.01")
    memory = RatioMemory(goal_ratio=d("0.75"), target_ratio=d("0.40"))
    wanted = size(memory, expose(seen, ExposurePolicy()), seen, LEGS)

    assert wanted is not None
    assert wanted.target_ratio == d("0.40")
    assert wanted.target_notional == 200_000


def test_an_inverse_contract_is_sized_by_its_face_and_not_by_the_price() -> None:
    face = contract(contract_multiplier=d(100), lot=d(1), inverse=True)
    for mark in (20_000, 40_000):
        seen = snapshot(
            holdings=(holding("BTC", 1, 50_550),),
            instruments=(face,),
            quotes=(quote(mark=mark),),
            positions=(position(-100),),
        )
        (leg,) = sized(seen, "0.50").legs

        assert leg.exact_contracts == d("252.75")
        assert leg.contracts == -252
        assert leg.held_notional == -10_000
        assert leg.residual_notional == 75


def test_several_legs_share_the_hedge_by_weight_each_on_its_own_grid() -> None:
    wanted = sized(mixed(), "0.50", TWO)
    btc, eth = wanted.legs

    assert (btc.target_notional, eth.target_notional) == (3750, 1250)
    assert (btc.contracts, eth.contracts) == (-37, -17)  # 37.5 and 17.857...
    assert (btc.wanted_notional, eth.wanted_notional) == (-3700, -1190)
    assert (btc.residual_notional, eth.residual_notional) == (50, 60)
    assert wanted.residual_notional == 110


def test_weights_need_not_sum_to_one() -> None:
    fractions = (HedgeLeg(symbol=BTC, weight=d("0.75")), HedgeLeg(symbol=ETH, weight=d("0.25")))

    assert sized(mixed(), "0.50", fractions) == sized(mixed(), "0.50", TWO)


def test_the_held_ratio_is_the_short_notional_of_all_legs_as_a_share_of_exposure() -> None:
    wanted = sized(mixed(positions=(position(-20), position(-10, ETH))), "0.50", TWO)

    assert wanted.held_ratio == d("0.27")
    assert [leg.held_notional for leg in wanted.legs] == [-2000, -700]


def test_a_position_held_long_is_a_negative_ratio() -> None:
    assert sized(article("1", (position(1),)), "0.50").held_ratio == d("-0.4")


def test_a_lot_larger_than_the_hedge_wants_nothing_and_reports_all_of_it() -> None:
    wanted = sized(article(lot="2"), "0.50")

    assert wanted.legs[0].exact_contracts == d("1.25")
    assert wanted.legs[0].contracts == 0
    assert wanted.residual_notional == 250_000


@pytest.mark.parametrize("holdings", [(), (holding("USDT", 5_000, 1),), (holding("BTC", 0, 100),)])
def test_nothing_to_hedge_wants_nothing_at_any_target(holdings: tuple) -> None:
    wanted = sized(snapshot(holdings=holdings, positions=(position(-3),)), "0.50")

    assert wanted.exposure == 0
    assert wanted.held_ratio is None
    assert wanted.legs[0].contracts == 0
    assert wanted.legs[0].held_contracts == -3


def test_an_unknown_exposure_or_no_target_wants_nothing_decided() -> None:
    unpriced = snapshot(holdings=(holding("BTC", 1, 100), holding("XYZ", 1, None)))
    memory = RatioMemory(goal_ratio=d(1), target_ratio=d(1))

    assert size(memory, expose(unpriced, ExposurePolicy()), unpriced, LEGS) is None
    assert size(None, expose(snapshot(), ExposurePolicy()), snapshot(), LEGS) is None


def test_a_leg_that_is_not_listed_leaves_the_hedge_undecided() -> None:
    memory = RatioMemory(goal_ratio=d(1), target_ratio=d(1))
    seen = snapshot()  # of BTC alone
    gone = (HedgeLeg(symbol=BTC, weight=d(1)), HedgeLeg(symbol=ETH, weight=d(1)))
    unused = (gone[0], HedgeLeg(symbol=ETH, weight=d(0)))

    assert size(memory, expose(seen, ExposurePolicy()), seen, gone) is None
    assert size(memory, expose(seen, ExposurePolicy()), seen, unused) is not None


def test_a_first_start_begins_at_the_held_ratio_zero_with_nothing_to_hedge_none_if_unknown() -> None:
    policy = ExposurePolicy()
    held = article("1", (position(-1),))
    empty = snapshot(holdings=())
    unpriced = snapshot(holdings=(holding("XYZ", 1, None),))

    assert present_ratio(held, expose(held, policy), LEGS) == d("0.4")
    assert present_ratio(empty, expose(empty, policy), LEGS) == 0
    assert present_ratio(unpriced, expose(unpriced, policy), LEGS) is None
    assert held_ratio(empty, expose(empty, policy), LEGS) is None


def test_the_present_ratio_sized_again_is_what_is_held() -> None:
    """The ratio is no finite decimal; rounding toward zero must not lose the only lot by it."""
    held = snapshot(
        holdings=(holding("BTC", "8220.1979", "55555.65"),),
        instruments=(contract(contract_multiplier=d(100), lot=d(1)),),
        quotes=(quote(mark="90615.35"),),
        positions=(position(-1),),
    )
    ratio = present_ratio(held, expose(held, ExposurePolicy()), LEGS)

    assert sized(held, str(ratio)).legs[0].contracts == -1


def test_a_short_over_a_dust_of_coins_has_a_present_ratio_too() -> None:
    """The coins were sold and the short stands: a tiny exposure is no reason to stop the pass."""
    dust = snapshot(
        holdings=(holding("BTC", "0.00000001", 50_000),),
        quotes=(quote(mark=50_000),),
        positions=(position(-5),),
    )

    assert present_ratio(dust, expose(dust, ExposurePolicy()), LEGS) == 500_000_000
