"""What is held against what hedges it: against the standard library, over gaps, and by hand."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from dataclasses import replace
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import MONDAY, history, signal
from hedged.core.metrics import History, measure
from hedged.core.metrics.history import BESIDE

DAY = timedelta(days=1)
Pair = tuple[float, float] | None


def beside(pairs: list[Pair]) -> History:
    """Daily values of the holdings and of the hedge; None where neither is known."""
    rows = [(MONDAY + i * DAY, *pair) for i, pair in enumerate(pairs) if pair is not None]
    frame = pl.DataFrame(rows, schema=BESIDE, orient="row")
    return replace(history([100.0] * len(pairs)), beside=frame)


def column(name: str, pairs: list[Pair]) -> list[Any]:
    return measure(beside(pairs), [name], signal(), MONDAY + len(pairs) * DAY)[name].to_list()


def walks(seed: int, count: int) -> list[Pair]:
    drawn = random.Random(seed)
    held, hedge, found = 1000.0, 500.0, []
    for _ in range(count):
        move = drawn.gauss(0, 0.04)
        hedge *= math.exp(move)
        held *= math.exp(1.4 * move + drawn.gauss(0, 0.02))
        found.append((held, hedge))
    return list(found)


def windows(pairs: list[Pair], i: int, n: int) -> tuple[list[float], list[float]] | None:
    """Log returns of hedge and holdings over the last n bars, None where one is unknown."""
    last = pairs[max(i - n, 0) : i + 1]
    if i < n or any(pair is None for pair in last):
        return None
    known = [pair for pair in last if pair is not None]
    moves = [(math.log(b[1] / a[1]), math.log(b[0] / a[0])) for a, b in itertools.pairwise(known)]
    return [x for x, _ in moves], [y for _, y in moves]


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.integers(0, 10_000), st.integers(4, 40), st.sampled_from((3, 7, 10)), st.data())
def test_each_is_the_standard_librarys_figure_over_each_window(
    seed: int, count: int, n: int, data: st.DataObject
) -> None:
    pairs = walks(seed, count)
    for i in data.draw(st.sets(st.integers(0, count - 1), max_size=2)):
        pairs[i] = None
    names = [f"portfolio_{what}_{n}" for what in ("beta", "correlation", "downside_beta")]
    beta, correlation, downside = (column(name, pairs) for name in names)

    for i in range(count):
        window = windows(pairs, i, n)
        if window is None:
            assert beta[i] is correlation[i] is downside[i] is None
            continue
        x, y = window
        assert beta[i] == pytest.approx(statistics.linear_regression(x, y).slope)
        assert correlation[i] == pytest.approx(statistics.correlation(x, y))
        fell = [(a, b) for a, b in zip(x, y, strict=True) if a < 0]
        if len(fell) < 2:
            assert downside[i] is None
        else:
            slope = statistics.linear_regression([a for a, _ in fell], [b for _, b in fell]).slope
            assert downside[i] == pytest.approx(slope, rel=1e-4)


def test_a_hedge_that_stands_still_says_nothing() -> None:
    pairs: list[Pair] = [(100.0 + i, 50.0) for i in range(6)]

    for what in ("beta", "correlation", "downside_beta"):
        assert column(f"portfolio_{what}_3", pairs) == [None] * 6


def test_without_the_two_series_it_is_unknown() -> None:
    assert column("portfolio_beta_3", [None] * 5) == [None] * 5
