"""Drawdown and volatility of daily values."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import MONDAY, d
from hedged.core.performance import perform


def daily(*values: str | int | Decimal) -> list[tuple[datetime, Decimal]]:
    return [(MONDAY + timedelta(days=i), d(str(value))) for i, value in enumerate(values)]


def test_the_deepest_fall_from_a_high_is_found_with_its_day() -> None:
    found = perform(daily(100, 120, 90, 130, 110))

    assert (found.first, found.last, found.change) == (100, 110, d("0.1"))
    assert found.drawdown == d("-0.25")
    assert found.drawdown_at == MONDAY + timedelta(days=2)


def test_values_that_only_rise_have_no_drawdown() -> None:
    found = perform(daily(100, 100, 120))

    assert found.drawdown == 0
    assert found.drawdown_at == MONDAY


def test_volatility_is_that_of_daily_log_returns_a_year() -> None:
    # Two returns of +u and -u around a mean of zero: stdev = u * sqrt(2).
    found = perform(daily(100, 110, 100))

    assert found.volatility == pytest.approx(math.log(1.1) * math.sqrt(2) * math.sqrt(365))


@pytest.mark.parametrize("values", [(100,), (100, 90), (100, 110, 121)])
def test_too_few_values_or_a_steady_growth_have_no_volatility(values: tuple[int, ...]) -> None:
    assert perform(daily(*values)).volatility == pytest.approx(0, abs=1e-12)


def test_no_values_are_an_error() -> None:
    with pytest.raises(ValueError, match="no values"):
        perform([])


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=12))
def test_drawdown_is_the_worst_of_all_pairs_of_days(values: list[int]) -> None:
    worst = min(d(late) / early - 1 for i, early in enumerate(values) for late in values[i:])
    found = perform(daily(*values))

    assert found.drawdown == worst
    assert dict(daily(*values))[found.drawdown_at] in values
