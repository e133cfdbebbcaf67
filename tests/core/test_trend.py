"""Averages that are crossed, slopes and the true range: slow loops, gaps, prefixes, real history."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import as_file, files
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import BTC, MONDAY, history, signal, walk
from hedged.core.metrics import History, Signal, find, measure
from hedged.core.metrics.columns import within_last
from hedged.history.store import HistoryStore

DAY = timedelta(days=1)
NUMBERS = ["sma_slope_3", "slope_2", "slope_5", "atr_1", "atr_4"]
BREAKS = [
    f"breaks_{way}_{average}_{m}_{n}"
    for way in ("below", "above")
    for average in ("sma", "ema")
    for m, n in ((1, 1), (3, 1), (4, 3))
]
Bars = list[dict[str, Any] | None]


def listed(h: History, count: int) -> Bars:
    kept = {row["open_time"]: row for row in h.bars.to_dicts()}
    return [kept.get(MONDAY + i * DAY) for i in range(count)]


def stretch(rows: Bars, i: int) -> list[dict[str, Any]]:
    """The bars up to i without a gap, oldest first; none when bar i is missing."""
    found: list[dict[str, Any]] = []
    while i >= 0 and (row := rows[i]) is not None:
        found.insert(0, row)
        i -= 1
    return found


# ---- slow references


def slow_sma(rows: Bars, i: int, n: int) -> float | None:
    closes = [row["close"] for row in stretch(rows, i)][-n:]
    return math.fsum(closes) / n if len(closes) == n else None


def slow_ema(rows: Bars, i: int, n: int) -> float | None:
    closes = [row["close"] for row in stretch(rows, i)]
    if len(closes) < n:
        return None
    smooth = math.fsum(closes[:n]) / n
    for close in closes[n:]:
        smooth += (close - smooth) * 2 / (n + 1)
    return smooth


def slow_sma_slope(rows: Bars, i: int, n: int) -> float | None:
    now, then = slow_sma(rows, i, n), slow_sma(rows, i - n, n) if i >= n else None
    whole = len(stretch(rows, i)) >= 2 * n
    return now / then - 1 if whole and now is not None and then is not None else None


def slow_slope(rows: Bars, i: int, n: int) -> float | None:
    closes = [row["close"] for row in stretch(rows, i)][-n:]
    if len(closes) < n:
        return None
    return statistics.linear_regression(range(n), [math.log(close) for close in closes]).slope


def slow_atr(rows: Bars, i: int, n: int) -> float | None:
    bars = stretch(rows, i)
    ranges = [
        max(bar["high"], before["close"]) - min(bar["low"], before["close"])
        for before, bar in pairwise(bars)
    ]
    if len(ranges) < n:
        return None
    smooth = math.fsum(ranges[:n]) / n
    for true_range in ranges[n:]:
        smooth = (smooth * (n - 1) + true_range) / n
    return smooth


SLOW = {"sma_slope_n": slow_sma_slope, "slope_n": slow_slope, "atr_n": slow_atr}
AVERAGE = {"sma": slow_sma, "ema": slow_ema}


def slow_event(rows: Bars, i: int, name: str) -> bool | None:
    _, way, average, m, _ = name.split("_")
    lines = [AVERAGE[average](rows, s, int(m)) if s >= 0 else None for s in (i, i - 1)]
    if lines[0] is None or lines[1] is None:
        return None
    now, then = rows[i]["close"] - lines[0], rows[i - 1]["close"] - lines[1]  # type: ignore[index]
    return now < 0 <= then if way == "below" else now > 0 >= then


def slow_break(rows: Bars, i: int, name: str) -> bool | None:
    n = int(name.rpartition("_")[2])
    events = [slow_event(rows, s, name) if s >= 0 else None for s in range(i - n + 1, i + 1)]
    if True in events:
        return True
    return None if None in events else False


@st.composite
def a_walk(draw: st.DrawFn) -> tuple[History, int]:
    """Up to 40 bars with gaps, and how many."""
    count = draw(st.integers(min_value=1, max_value=40))
    missing = draw(st.sets(st.integers(min_value=1, max_value=39), max_size=3))
    return walk(count, draw(st.integers(0, 9999)), missing - {count - 1}), count


@settings(deadline=None, derandomize=True, max_examples=40)
@given(drawn=a_walk())
def test_each_is_what_its_formula_says(drawn: tuple[History, int]) -> None:
    h, count = drawn
    rows = listed(h, count)

    measured = measure(h, [*NUMBERS, *BREAKS], signal(), MONDAY + count * DAY)

    for i in (i for i in range(count) if rows[i] is not None):
        for name in NUMBERS:
            metric = find(name)
            assert metric is not None
            expected = SLOW[metric.family.name](rows, i, metric.n)
            assert measured[name][i] == (expected and pytest.approx(expected, rel=1e-9, abs=1e-12))
        for name in BREAKS:
            if "_1_" not in name:  # an average of one bar is the close, up to rounding
                assert measured[name][i] == slow_break(rows, i, name), (name, i)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(drawn=a_walk(), data=st.data())
def test_each_is_the_same_on_any_prefix(drawn: tuple[History, int], data: st.DataObject) -> None:
    h, count = drawn
    until = MONDAY + data.draw(st.integers(1, count)) * DAY
    names = [*NUMBERS, *BREAKS]

    whole = measure(h, names, signal(), MONDAY + count * DAY)
    known = replace(h, bars=h.bars.filter(pl.col("open_time") + DAY <= until))

    assert (
        whole.filter(pl.col("close_time") <= until).rows()
        == measure(known, names, signal(), until).rows()
    )


@pytest.mark.parametrize(
    ("name", "warm_up"),
    [("sma_slope_3", 5), ("slope_3", 2), ("atr_3", 3), ("atr_1", 1)]
    + [(f"breaks_{way}_{a}_3_2", 4) for way in ("below", "above") for a in ("sma", "ema")],
)
def test_each_is_null_in_its_warm_up_and_begins_anew_after_a_gap(name: str, warm_up: int) -> None:
    quiet = history([100.0] * 12 + [None] + [100.0] * 12)

    found = measure(quiet, [name], signal(), MONDAY + 25 * DAY)[name]

    unknown = [i for i in range(25) if found[i] is None]
    assert unknown == [*range(warm_up), *range(12, 13 + warm_up)]


def test_one_point_has_no_slope() -> None:
    assert measure(walk(9, 1), ["slope_1"], signal(), MONDAY + 9 * DAY)["slope_1"].null_count() == 9


def test_steady_growth_has_its_own_rate_as_slope() -> None:
    h = history([5e4 * 1.01**i for i in range(400)])

    measured = measure(h, ["slope_200", "sma_slope_50"], signal(), MONDAY + 400 * DAY)

    assert measured["slope_200"][-1] == pytest.approx(math.log(1.01), rel=1e-12)
    assert measured["sma_slope_50"][-1] == pytest.approx(1.01**50 - 1, rel=1e-9)


def test_a_close_on_the_average_is_not_below_it() -> None:
    h = history([10.0, 10.0, 10.0, 4.0, 10.0, 7.0, 8.5])
    names = ["breaks_below_sma_2_1", "breaks_above_sma_2_1"]

    measured = measure(h, names, signal(), MONDAY + 7 * DAY)

    assert measured[names[0]].to_list() == [None, None, False, True, False, True, False]
    assert measured[names[1]].to_list() == [None, None, False, False, True, False, True]


def test_a_name_may_hold_a_number_that_is_no_window() -> None:
    pair, fixed = find("breaks_below_sma_50_7"), find("holds_fib_618_7")
    assert pair is not None
    assert (pair.family.name, pair.m, pair.n) == ("breaks_below_sma_m_n", 50, 7)
    assert fixed is not None
    assert (fixed.family.name, fixed.m, fixed.n) == ("holds_fib_618_n", 0, 7)
    assert find("holds_fib_600_7") is None
    assert find("holds_fib_618") is None


@pytest.mark.parametrize(
    ("event", "n", "expected"),
    [
        ([0, 1, 0, 0, 0], 2, [None, 1, 1, 0, 0]),
        ([1, 0, 0], 3, [1, 1, 1]),
        ([0, 0, None, 0, 0, 0], 2, [None, 0, None, None, 0, 0]),
        ([1, None, 0, 0], 2, [1, 1, None, 0]),
        ([0, 0], 3, [None, None]),
        ([], 2, []),
    ],
)
def test_an_event_is_remembered_for_its_window_and_no_longer(
    event: list[float | None], n: int, expected: list[float | None]
) -> None:
    found = within_last(np.array([math.nan if e is None else e for e in event], dtype=np.float64), n)

    assert [None if math.isnan(f) else f for f in found] == expected


OTHERS = ["trendline_ascending", "breaks_trendline_descending_2", "fib_618", "holds_fib_618_7"]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 0.0, -5.0, 1e300])
@pytest.mark.parametrize("where", [0, 200])
def test_what_is_no_price_is_no_number_either(bad: float, where: int) -> None:
    h, names = walk(400, 11), [*NUMBERS, *BREAKS, *OTHERS]
    struck = pl.col("open_time") == MONDAY + where * DAY
    prices = [
        pl.when(struck).then(bad).otherwise(pl.col(price)).alias(price)
        for price in ("open", "high", "low", "close")
    ]

    measured = measure(
        replace(h, bars=h.bars.with_columns(prices)), names, signal(), MONDAY + 400 * DAY
    )

    for name in names:
        assert all(f is None or math.isfinite(f) for f in measured[name])
    assert measured["slope_5"][-1] == pytest.approx(
        measure(h, ["slope_5"], signal(), MONDAY + 400 * DAY)["slope_5"][-1]
    )


# ---- real history


@cache
def demo() -> History:
    with as_file(files("hedged") / "demo_data" / "history") as root:
        return HistoryStore(root, read_only=True).history(BTC, "1d")


def test_bitcoin_fell_through_its_50_day_average_in_the_weeks_known() -> None:
    names = ["breaks_below_sma_50_1", "breaks_below_sma_50_7"]
    measured = measure(demo(), names, Signal(symbol=BTC), datetime(2023, 1, 1, tzinfo=UTC))
    day = pl.col("open_time").dt.date()

    fell = measured.filter(pl.col(names[0]))["open_time"].dt.date().to_list()
    reviewed = measured.filter(pl.col(names[1]) & (day.dt.weekday() == 7))["open_time"].dt.date()

    assert len(fell) == 20
    assert {date(2021, 5, 10), date(2022, 4, 11)} <= set(fell)
    assert {date(2021, 5, 16), date(2022, 4, 17)} <= set(reviewed)  # the Sundays after
    assert date(2022, 4, 10) not in set(reviewed)
