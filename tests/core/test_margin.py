"""Maintenance by tiers, and how far the market may rise."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import BTC, ETH, contract, d
from hedged.core.margin import RISE_MAX, initial_margin, maintenance_margin, rise_to_liquidation
from hedged.core.market import Instrument, MarginTier, notional


def tier(top: int, rate: str, deduction: str | int, leverage: int) -> MarginTier:
    return MarginTier(
        notional_max=d(top), rate=d(rate), deduction=d(deduction), leverage_max=d(leverage)
    )


# The deductions make the steps meet: 50,000 * (0.010 - 0.004) = 300; + 250,000 * 0.015 = 4,050.
TIERS = (
    tier(50_000, "0.004", 0, 100),
    tier(250_000, "0.010", 300, 50),
    tier(1_000_000, "0.025", 4_050, 20),
)
TIERED = contract(tiers=TIERS)


@pytest.mark.parametrize(
    ("size", "maintenance", "initial"),
    [
        (0, "0", "0"),
        (50_000, "200", "500"),
        (100_000, "700", "2000"),
        (250_000, "2200", "5000"),
        (1_000_000, "20950", "50000"),
        (2_000_000, "45950", "2000000"),  # beyond the table: its last rate, and no leverage
    ],
)
def test_margin_is_read_off_the_tier_that_holds_the_notional(
    size: int, maintenance: str, initial: str
) -> None:
    short = -d(size) / 100

    assert maintenance_margin(TIERED, short, d(100)) == d(maintenance)
    assert maintenance_margin(TIERED, -short, d(100)) == d(maintenance)
    assert initial_margin(TIERED, short, d(100)) == d(initial)


def test_without_tiers_there_is_no_maintenance_and_no_leverage() -> None:
    assert maintenance_margin(contract(), d(-5), d(100)) == 0
    assert initial_margin(contract(), d(-5), d(100)) == 500


def test_a_deduction_never_makes_maintenance_negative() -> None:
    assert maintenance_margin(contract(tiers=(tier(1000, "0.01", 50, 10),)), d(-1), d(100)) == 0


def rise(
    equity: str | int, short: str | int, instrument: Instrument, mark: int = 100
) -> Decimal | None:
    return rise_to_liquidation(d(equity), {BTC: d(short)}, {BTC: instrument}, {BTC: d(mark)})


def test_a_short_of_100_with_50_of_equity_lasts_for_a_rise_of_49_percent() -> None:
    flat_rate = contract(tiers=(tier(10_000, "0.005", 0, 20),))
    found = rise(50, -1, flat_rate)

    assert found is not None
    assert abs(found - d("49.5") / d("100.5")) < d("1e-12")


def test_an_account_below_its_maintenance_has_no_room_at_all() -> None:
    flat_rate = contract(tiers=(tier(10_000, "0.005", 0, 20),))

    assert rise("0.5", -1, flat_rate) == 0
    assert rise(-3, -1, flat_rate) == 0


def test_a_flat_a_long_and_a_tiny_account_are_not_liquidated_by_a_rise() -> None:
    assert rise(50, 0, TIERED) is None
    assert rise(50, 1, TIERED) is None
    assert rise(2000, -1, TIERED) is None


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    equity=st.integers(1, 3_000_000),
    btc=st.integers(1, 20_000),
    eth=st.integers(0, 50_000),
)
def test_just_below_the_rise_the_account_stands_and_just_above_it_does_not(
    equity: int, btc: int, eth: int
) -> None:
    held = {BTC: d(-btc), ETH: d(-eth)}
    listed = {BTC: TIERED, ETH: contract(ETH, contract_multiplier=d("0.5"), tiers=TIERS)}
    marks = {BTC: d(100), ETH: d(10)}

    def stands(up: Decimal) -> bool:
        loss = -sum(notional(listed[s], q, marks[s]) for s, q in held.items()) * up
        needed = sum(maintenance_margin(listed[s], q, marks[s] * (1 + up)) for s, q in held.items())
        return d(equity) - loss > needed

    found = rise_to_liquidation(d(equity), held, listed, marks)

    if found is None:
        assert stands(RISE_MAX)
    elif found == 0:
        assert not stands(d("1e-12"))
    else:
        assert stands(found)
        assert not stands(found + d("1e-12"))
