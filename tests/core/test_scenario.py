"""Alex's phases (section 6) as arithmetic, and other stories that must come out otherwise."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import action_of, d
from hedged.core.scenario import Account, Phase, Scenario, Told, account_of

ALEX = Scenario(
    name="Alex",
    portfolio_value=d(1_000_000),
    index_price=d(2_000),
    contract_multiplier=d(100),
    lot=d("0.001"),
    sizing_beta=d(1),
    realised_beta=d("0.5"),
    phases=(
        Phase(name="1", action=action_of("raise_to", "0.20")),
        Phase(name="2", action=action_of("raise_by", "0.30")),
        Phase(name="3", index_change=d("-0.25")),
        Phase(
            name="4",
            action=action_of("scale_by", "-0.40"),
            told=Told(reduce_notional=d(200_000), claimed_ratio=d("0.10")),
        ),
    ),
)


@pytest.fixture(scope="module")
def alex() -> Account:
    return account_of(ALEX)


def test_the_four_phases_come_out_of_arithmetic(alex: Account) -> None:
    told = [(o.goal_ratio, o.contracts, o.notional_at_entry, o.notional_at_market) for o in alex.ours]

    assert told == [
        (d("0.20"), 1, 200_000, 200_000),
        (d("0.50"), d("2.5"), 500_000, 500_000),
        (d("0.50"), d("2.5"), 500_000, 375_000),
        (d("0.30"), d("1.75"), 350_000, 262_500),
    ]
    assert [o.portfolio_value for o in alex.ours] == [1_000_000, 1_000_000, 875_000, 875_000]
    assert alex.ours[3].ratio_at_market == d("0.30")


def test_the_short_gains_in_phase_3_what_the_portfolio_loses(alex: Account) -> None:
    assert [(o.spot_pnl, o.short_pnl) for o in alex.ours] == [
        (0, 0), (0, 0), (-125_000, 125_000), (0, 0),
    ]  # fmt: skip


def test_the_articles_way_leaves_a_quarter_hedged_and_not_a_tenth(alex: Account) -> None:
    (found,) = alex.told

    assert found.told.contracts == d("1.5")
    assert found.told.notional_at_entry == 300_000
    assert found.told.notional_at_market == 225_000
    assert round(found.told.ratio_at_market, 3) == d("0.257")
    assert found.claimed_ratio == d("0.10")
    assert found.claimed_contracts == d("0.583")


def test_sized_with_the_beta_that_came_true_phase_2_shorts_a_quarter_of_a_million(
    alex: Account,
) -> None:
    assert alex.sized_with_realised_beta is not None
    assert alex.sized_with_realised_beta[1].notional_at_entry == 250_000
    assert alex.sized_with_realised_beta[2].short_pnl == 62_500
    assert account_of(replace(ALEX, realised_beta=d(1))).sized_with_realised_beta is None


def test_a_fall_hedged_with_the_right_beta_loses_in_proportion() -> None:
    whole = replace(
        ALEX,
        sizing_beta=d("0.5"),
        phases=(
            Phase(name="all", action=action_of("set_to", 1)),
            Phase(name="fall", index_change=d("-0.1")),
        ),
    )

    fall = account_of(whole).ours[1]

    assert fall.spot_pnl + fall.short_pnl == 0


def test_whole_lots_leave_a_residual() -> None:
    lots = replace(ALEX, lot=d(1), portfolio_value=d(500_000),
                   phases=(Phase(name="half", action=action_of("set_to", "0.50")),))  # fmt: skip

    (half,) = account_of(lots).ours

    assert (half.contracts, half.residual_notional) == (1, 50_000)


def test_selling_more_moves_the_mean_entry_price_and_buying_back_does_not() -> None:
    story = replace(
        ALEX,
        realised_beta=d(1),
        phases=(
            # 1 contract at 2,000; 3 more at 1,000; back to 2.
            Phase(name="a", action=action_of("set_to", "0.20")),
            Phase(name="b", index_change=d("-0.5"), action=action_of("set_to", "0.80")),
            Phase(name="c", action=action_of("set_to", "0.40")),
        ),
    )

    a, b, c = account_of(story).ours

    assert [(o.contracts, o.notional_at_entry) for o in (a, b, c)] == [
        (1, 200_000), (4, 500_000), (2, 250_000),
    ]  # fmt: skip
    assert (b.spot_pnl, b.short_pnl) == (-500_000, 100_000)


def test_what_the_source_claims_of_no_short_is_not_counted() -> None:
    nothing = Told(reduce_notional=d(1), claimed_ratio=d(0))
    story = replace(ALEX, phases=(Phase(name="first", told=nothing),))

    assert account_of(story).told == ()


@given(
    changes=st.lists(st.decimals("-0.5", "0.5", places=3), min_size=1, max_size=6),
    ratio=st.decimals(0, 1, places=2),
)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_the_short_earns_its_contracts_times_the_fall(changes: list[Decimal], ratio: Decimal) -> None:
    phases = (
        Phase(name="open", action=action_of("set_to", str(ratio))),
        *(Phase(name=str(i), index_change=change) for i, change in enumerate(changes)),
    )
    outcomes = account_of(replace(ALEX, phases=phases)).ours

    earned = sum(o.short_pnl for o in outcomes)
    fall = ALEX.index_price - outcomes[-1].index_price
    assert abs(earned - outcomes[0].contracts * 100 * fall) < d("0.000001")
    assert sum(o.spot_pnl for o in outcomes) == outcomes[-1].portfolio_value - 1_000_000
