"""Whole columns: spans painted one over the other and rows bisected, against plain loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import signal
from hedged.core.metrics import History, clusters, measure, trendlines
from hedged.core.metrics.columns import Columns, bisected, painted
from hedged.core.metrics.history import grid
from hedged.core.metrics.pivots import pivots
from price_action import DAY, of_rows


@given(
    spans=st.lists(st.tuples(st.integers(0, 60), st.integers(-3, 70)), max_size=40),
    size=st.integers(0, 60),
)
@settings(deadline=None, derandomize=True, max_examples=200)
def test_a_bar_shows_the_last_span_that_was_painted_over_it(
    spans: list[tuple[int, int]], size: int
) -> None:
    expected = [-1] * size
    for i, (start, length) in enumerate(spans):
        for bar in range(start, min(start + length, size)):
            expected[bar] = i
    starts = np.array([start for start, _ in spans], dtype=np.int64)
    lengths = np.array([length for _, length in spans], dtype=np.int64)

    assert painted(starts, starts + lengths, size).tolist() == expected


@given(rows=st.lists(st.lists(st.integers(0, 9), max_size=20), max_size=12), at=st.integers(-1, 10))
@settings(deadline=None, derandomize=True, max_examples=200)
def test_every_row_is_bisected_within_its_own_bounds(rows: list[list[int]], at: int) -> None:
    figures = np.array([figure for row in rows for figure in sorted(row)], dtype=np.int64)
    ends = np.cumsum([len(row) for row in rows], dtype=np.int64)
    starts = ends - np.array([len(row) for row in rows], dtype=np.int64)

    found = bisected(starts, ends, lambda place: figures[place] < at)

    assert (found - starts).tolist() == [sum(figure < at for figure in row) for row in rows]


# ---- pieces of a long history, worked off one after the other

SHORT = 700
BEFORE = (3_400, 3_700, 4_000, 8_600, 8_800, 9_000)  # bars, see the last test
LONG = max(BEFORE)


def long_and_short(before: int) -> tuple[History, History]:
    """A history with *before* bars, then a gap, then `SHORT` bars; and one of these alone."""
    noise = np.random.default_rng(7)
    closes = 100 * np.exp(np.cumsum(noise.normal(0, 0.02, LONG + SHORT)))
    rows = [
        (close, close * (1 + up), close * (1 - down), close)
        for close, up, down in zip(
            closes.tolist(), *np.abs(noise.normal(0, 0.01, (2, len(closes)))).tolist(), strict=True
        )
    ]
    both = of_rows([*rows[LONG - before : LONG], None, *rows[LONG:]])
    return both, replace(both, bars=both.bars.tail(SHORT))


@pytest.mark.parametrize("before", BEFORE)
def test_a_stretch_is_drawn_the_same_wherever_in_the_pieces_it_lies(before: int) -> None:
    names = [
        *("support_1", "support_3", "resistance_1", "resistance_2", "resistance_touches"),
        *("trendline_ascending", "trendline_descending", "trendline_descending_touches"),
        *("fib_382", "tests_resistance_7", "breaks_trendline_ascending_7"),
    ]
    both, alone = long_and_short(before)
    end = both.bars["open_time"][-1] + DAY

    whole, short = (measure(h, names, signal(), end).select(names) for h in (both, alone))

    assert whole.tail(SHORT).equals(short)
    assert all(short[name].is_not_null().any() for name in names)


def test_some_of_those_stretches_lie_across_the_edge_of_each_kind_of_piece() -> None:
    lows: list[range] = []
    epochs: list[range] = []
    for before in BEFORE:
        both, _ = long_and_short(before)
        columns = Columns(grid(both, both.bars["open_time"][-1] + DAY))
        low = pivots(columns).of(is_high=False).bar
        start = clusters._epochs(columns).start
        lows.append(range(int(np.count_nonzero(low < before)), len(low)))
        epochs.append(range(int(np.count_nonzero(start < before)), len(start)))

    assert any(trendlines._BLOCK in span for span in lows)
    assert any(clusters._BLOCK in span for span in epochs)
