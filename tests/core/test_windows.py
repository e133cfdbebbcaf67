"""Rolling windows: against exact fractions, without a residue of what has left the window."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedged.core.metrics import windows
from hedged.core.metrics.columns import within_last

figures = st.sampled_from((0.0, 1e-4, 1e-4, -3e-4, 2.5e5, 1e15, math.nan)) | st.floats(-1e6, 1e6)


def slow(values: list[float], i: int, n: int) -> list[float] | None:
    """The last n values, or None when one is unknown or lies before the first."""
    part = values[i - n + 1 : i + 1] if i >= n - 1 else [math.nan]
    return None if any(math.isnan(figure) for figure in part) else part


@settings(deadline=None, derandomize=True, max_examples=150)
@given(values=st.lists(figures, min_size=1, max_size=40), n=st.integers(1, 45))
def test_a_window_is_what_the_values_in_it_are(values: list[float], n: int) -> None:
    column = np.array(values)
    top, mean = windows.rolled(np.maximum, column, n), windows.mean(column, n)
    deviation = windows.deviation(column, n)

    for i in range(len(values)):
        part = slow(values, i, n)
        if part is None:
            assert np.isnan([top[i], mean[i], deviation[i]]).all()
            continue
        largest = max(abs(figure) for figure in part)
        assert top[i] == max(part)
        assert mean[i] == pytest.approx(statistics.fmean(part), rel=1e-12, abs=1e-14 * largest)
        if n == 1:
            assert math.isnan(deviation[i])
        else:
            assert deviation[i] == pytest.approx(statistics.stdev(part), rel=1e-9, abs=1e-12 * largest)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(values=st.lists(figures, min_size=1, max_size=40), n=st.integers(1, 9), data=st.data())
def test_a_window_is_the_same_to_the_last_bit_on_any_prefix(
    values: list[float], n: int, data: st.DataObject
) -> None:
    column = np.array(values)
    cut = data.draw(st.integers(1, len(values)))

    for rolled in (windows.mean, windows.deviation, windows.zscore, within_last):
        whole, prefix = rolled(column, n), rolled(column[:cut].copy(), n)
        assert whole[:cut].tobytes() == prefix.tobytes()


@pytest.mark.parametrize("n", [2, 3, 7, 20])
@pytest.mark.parametrize("spike", [1.0, 1e9, 1e300, math.nan])
def test_what_has_left_the_window_leaves_nothing_behind(n: int, spike: float) -> None:
    quiet = np.array([0.1, 0.7, spike] + [0.0001] * 60)
    zeros = np.array([0.1, 0.7, spike] + [0.0] * 60)

    assert set(windows.deviation(quiet, n)[n + 2 :]) == {0.0}
    assert set(windows.mean(zeros, n)[n + 2 :]) == {0.0}
    assert np.isnan(windows.zscore(quiet, n)[n + 2 :]).all()


def test_values_that_differ_by_rounding_only_have_no_score() -> None:
    rounded = np.array([0.0003 * 8 / 24, 0.0001, math.nextafter(0.0001, 1.0)] * 5)

    assert len(set(rounded)) > 1
    assert set(windows.deviation(rounded, 3)[2:]) == {0.0}
    assert np.isnan(windows.zscore(rounded, 3)).all()


def test_a_small_spread_on_a_large_level_is_not_taken_for_rounding() -> None:
    values = [360_000.0 + 0.001 * (i % 3) for i in range(40)]

    found = windows.deviation(np.array(values), 9)[8:]

    assert found == pytest.approx([statistics.stdev(values[i : i + 9]) for i in range(32)], rel=1e-6)


@pytest.mark.parametrize("n", [2, 50, 2000])
def test_a_score_is_the_same_to_the_last_bit_in_whichever_part_it_is_made(n: int) -> None:
    values = np.random.default_rng(7).normal(size=3 * windows.PART)
    values[windows.PART - 3] = np.nan

    found = windows.zscore(values, n)

    with np.errstate(all="ignore"):
        whole = (values - windows.mean(values, n)) / windows.deviation(values, n)
    assert found.tobytes() == whole.tobytes()
    assert np.isfinite(found).any()
