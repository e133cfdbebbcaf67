"""Trendlines: against a slow search over every pair of pivots, on any prefix, and on real history."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import as_file, files

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builders import BTC, MONDAY, history, signal, walk
from hedged.core.metrics import History, Signal, measure, trendlines
from hedged.core.metrics.columns import Columns
from hedged.core.metrics.history import grid
from hedged.core.metrics.pivots import atr, pivots
from hedged.history.store import HistoryStore
from slow_trendlines import slow_of

DAY = timedelta(days=1)
SIDES = ("ascending", "descending")
NAMES = [
    name
    for side in SIDES
    for name in (
        f"trendline_{side}", f"trendline_{side}_touches", f"trendline_{side}_distance",
        f"breaks_trendline_{side}_1", f"breaks_trendline_{side}_7",
    )
]  # fmt: skip


# ---- against the slow reference


def assert_as_slow(measured: pl.DataFrame, rows: pl.DataFrame, side: str, at: range) -> int:
    """*measured* and *rows* are of one stretch; how many lines stood."""
    slow, lines = slow_of(rows, side), 0
    sign = 1 if side == "ascending" else -1
    for t in at:
        best, close = slow.best(t), rows["close"][t]
        value = best and sign * slow.value(t, t)
        share = value and sign * (close - value) / close
        found = [measured[name][t] for name in NAMES if side in name]
        expected = [
            value and pytest.approx(value, rel=1e-9),
            None if t < 14 else best[2] if best else 0,
            share and pytest.approx(share, abs=1e-9),
            slow.broken(t, 1),
            slow.broken(t, 7),
        ]
        assert found == expected, (side, t)
        lines += best is not None
    return lines


@contextmanager
def small(lookback: int = 70, pivots_max: int = 5, span_min: int = 8) -> Iterator[None]:
    """Bounds that a short history reaches."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trendlines, "LOOKBACK", lookback)
        patch.setattr(trendlines, "PIVOTS_MAX", pivots_max)
        patch.setattr(trendlines, "SPAN_MIN", span_min)
        patch.setattr(trendlines, "_BLOCK", 3)
        yield


@settings(deadline=None, derandomize=True, max_examples=20)
@example(seed=1, lookback=70, pivots_max=5)
@given(seed=st.integers(0, 9999), lookback=st.integers(20, 90), pivots_max=st.integers(2, 9))
def test_the_line_is_the_one_a_search_over_every_pair_finds(
    seed: int, lookback: int, pivots_max: int
) -> None:
    h = walk(160, seed)
    with small(lookback, pivots_max):
        measured = measure(h, NAMES, signal(), MONDAY + 160 * DAY)
        for side in SIDES:
            assert_as_slow(measured, h.bars, side, range(160))


@pytest.mark.parametrize("side", SIDES)
def test_long_histories_agree_with_the_search_at_full_bounds(side: str) -> None:
    h = walk(420, 5, step=0.01)

    measured = measure(h, NAMES, signal(), MONDAY + 420 * DAY)

    assert assert_as_slow(measured, h.bars, side, range(14, 420, 11)) > 10


@settings(deadline=None, derandomize=True, max_examples=25)
@given(seed=st.integers(0, 9999), gap=st.integers(0, 200), cut=st.integers(1, 200))
def test_a_line_is_the_same_on_any_prefix(seed: int, gap: int, cut: int) -> None:
    h, until = walk(200, seed, {gap} - {0, 199}), MONDAY + cut * DAY
    known = replace(h, bars=h.bars.filter(pl.col("open_time") + DAY <= until))

    with small(span_min=10):
        whole = measure(h, NAMES, signal(), MONDAY + 200 * DAY)
        before = measure(known, NAMES, signal(), until)

    assert whole.head(before.height).rows() == before.rows()


@settings(deadline=None, derandomize=True, max_examples=25)
@given(seed=st.integers(0, 9999), gap=st.integers(1, 190))
def test_lines_begin_anew_after_a_gap(seed: int, gap: int) -> None:
    h = walk(200, seed, {gap})
    after = replace(h, bars=h.bars.filter(pl.col("open_time") > MONDAY + gap * DAY))
    names = [name for name in NAMES if not name.endswith("_7")]

    with small():
        whole = measure(h, names, signal(), MONDAY + 200 * DAY).select(names)
        alone = measure(after, names, signal(), MONDAY + 200 * DAY).select(names)

    assert whole.row(gap) == (None,) * len(names)
    assert whole.tail(alone.height).rows() == alone.rows()


@settings(deadline=None, derandomize=True, max_examples=15)
@given(seed=st.integers(0, 9999), gap=st.integers(0, 160))
def test_a_line_to_be_drawn_is_the_one_the_search_finds_with_the_pivots_it_touches(
    seed: int, gap: int
) -> None:
    h = walk(160, seed, {gap} - {0, 159, 160})
    columns = Columns(grid(h, MONDAY + 160 * DAY))
    with small():
        for ascending in (True, False):
            major = trendlines.major(columns, ascending=ascending)
            extreme = columns["low" if ascending else "high"]
            for t in range(160):
                line = trendlines.line_at(columns, t, ascending=ascending)
                if line is None:
                    assert np.isnan(major.value[t])
                    continue
                assert line.at(t) == pytest.approx(major.value[t], rel=1e-12)
                assert len(line.touched) == major.touches[t]
                assert line.touched[0] == line.first < line.second <= t - 5
                assert line.second in line.touched
                for bar in (line.first, line.second):
                    assert line.at(bar) == pytest.approx(extreme[bar], rel=1e-12)


@pytest.mark.parametrize("side", SIDES)
def test_the_bars_that_break_a_line_are_those_of_the_metric(side: str) -> None:
    columns = Columns(grid(demo(), datetime(2023, 1, 1, tzinfo=UTC)))
    up = side == "ascending"
    bars = [b for b in range(len(columns)) if b in trendlines.break_bars(columns, b, ascending=up)]

    assert [demo().bars["open_time"][bar].date() for bar in bars] == broken(side)
    assert all(trendlines.line_at(columns, b - 1, ascending=up) for b in bars)


@pytest.mark.parametrize("side", SIDES)
def test_the_breaks_that_hold_at_a_bar_are_those_the_metric_counts_there(side: str) -> None:
    columns = Columns(grid(demo(), datetime(2023, 1, 1, tzinfo=UTC)))
    counted = measured_demo()[f"breaks_trendline_{side}_7"].to_list()

    for t in range(21, len(columns)):
        bars = trendlines.break_bars(columns, t, ascending=side == "ascending")
        assert any(bar > t - 7 for bar in bars) is counted[t], t


# ---- a line drawn by hand


def zigzag(tail: list[float]) -> History:
    """Lows at 100, 110 and 120, twenty bars apart, from bar 20 on; then *tail*."""
    closes = [116.0 + 0.5 * abs(i % 20 - 10) * 4 - 20 + 0.5 * (i - 10) for i in range(71)]
    return history([*closes, *tail])


def drawn(tail: list[float], name: str) -> list[float | bool | None]:
    h = zigzag(tail)
    return measure(h, [name], signal(), MONDAY + h.bars.height * DAY)[name].to_list()


def lows(h: History) -> list[tuple[int, float]]:
    found = pivots(Columns(grid(h, MONDAY + h.bars.height * DAY))).of(is_high=False)
    return [(int(bar), float(price)) for bar, price in zip(found.bar, found.price, strict=True)]


def test_a_line_stands_from_the_confirmation_of_its_second_low() -> None:
    (_, _), (a, first), (b, second), *_ = lows(zigzag([]))

    value = drawn([], "trendline_ascending")
    touches = drawn([], "trendline_ascending_touches")

    assert value[b + 4] is None
    slope = (second - first) / (b - a)
    assert value[b + 5] == pytest.approx(second + 5 * slope)
    assert touches[b + 4] == 0
    assert touches[b + 5] == 2


def test_a_break_is_remembered_for_its_window_and_the_line_is_gone_after_it() -> None:
    tail = [90.0, 90.0, 90.0, 90.0, 90.0]

    assert drawn(tail, "breaks_trendline_ascending_1")[-6:] == [False, True, *[False] * 4]
    assert drawn(tail, "breaks_trendline_ascending_3")[-6:] == [False, True, True, True, False, False]
    distance = drawn(tail, "trendline_ascending_distance")
    assert distance[70] > 0 > distance[71]  # type: ignore[operator]
    assert distance[72:] == [None] * 4


def test_a_break_counts_no_longer_once_the_close_is_back_above_the_line_drawn_on() -> None:
    line = trendlines.line_at(Columns(grid(zigzag([]), MONDAY + 71 * DAY)), 70, ascending=True)
    assert line is not None
    tail = [90.0, line.at(72) - 0.01, line.at(73) + 0.01, line.at(74) - 0.01]

    # No tolerance: a close just below the line tests it from the other side.
    assert drawn(tail, "breaks_trendline_ascending_5")[-5:] == [False, True, True, False, True]


@pytest.mark.parametrize(("rise", "stands"), [(1.6, False), (2.6, True)])
def test_lows_that_a_flat_line_touches_are_a_floor_and_no_rising_line(
    rise: float, stands: bool
) -> None:
    """Two lows 40 bars apart, with a range of about 2 at each, and half of it as the tolerance."""
    h = history([100 + abs(i % 40 - 20) / 4 + rise * i / 40 for i in range(80)])
    ranges = atr(Columns(grid(h, MONDAY + 80 * DAY)))
    (a, first), (b, second) = lows(h)

    found = measure(h, ["trendline_ascending"], signal(), MONDAY + 80 * DAY)["trendline_ascending"]

    assert (a, b) == (20, 60)
    assert second > first
    assert bool(second - first > (ranges[a] + ranges[b]) / 2) is stands
    assert (found[-1] is not None) is stands


def test_a_close_within_the_tolerance_breaks_nothing() -> None:
    columns = Columns(grid(zigzag([]), MONDAY + 71 * DAY))
    line = trendlines.major(columns, ascending=True)
    next_value = float(line.value[70] + line.slope[70])

    assert drawn([next_value - 0.5], "breaks_trendline_ascending_1")[-1] is False
    assert drawn([next_value - 6.0], "breaks_trendline_ascending_1")[-1] is True


def test_a_falling_line_is_the_rising_one_upside_down() -> None:
    up = walk(200, 8)
    flipped = up.bars.with_columns(
        open=1000 - pl.col("open"), close=1000 - pl.col("close"),
        high=1000 - pl.col("low"), low=1000 - pl.col("high"),
    )  # fmt: skip
    names = ["trendline_ascending", "trendline_descending_touches", "breaks_trendline_ascending_1"]
    other = ["trendline_descending", "trendline_ascending_touches", "breaks_trendline_descending_1"]

    rising = measure(up, names, signal(), MONDAY + 200 * DAY)
    falling = measure(replace(up, bars=flipped), other, signal(), MONDAY + 200 * DAY)

    assert rising[names[0]].null_count() < 200
    mirrored = (1000 - falling[other[0]]).to_list()
    assert rising[names[0]].to_list() == [m and pytest.approx(m) for m in mirrored]
    assert rising[names[1]].to_list() == falling[other[1]].to_list()
    assert rising[names[2]].to_list() == falling[other[2]].to_list()


def test_a_market_that_does_not_move_has_no_line_and_no_break() -> None:
    measured = measure(history([100.0] * 60), NAMES, signal(), MONDAY + 60 * DAY).tail(30)

    assert measured["trendline_ascending"].null_count() == 30
    assert set(measured["trendline_ascending_touches"]) == {0.0}
    assert set(measured["breaks_trendline_descending_7"]) == {False}


# ---- real history


@cache
def demo() -> History:
    with as_file(files("hedged") / "demo_data" / "history") as root:
        return HistoryStore(root, read_only=True).history(BTC, "1d")


@cache
def measured_demo() -> pl.DataFrame:
    measured = measure(demo(), NAMES, Signal(symbol=BTC), datetime(2023, 1, 1, tzinfo=UTC))
    return measured.with_columns(day=pl.col("open_time").dt.date())


@pytest.mark.parametrize("side", SIDES)
def test_bitcoins_lines_are_those_the_search_finds(side: str) -> None:
    rows = demo().bars

    assert assert_as_slow(measured_demo(), rows, side, range(14, rows.height, 29)) > 10


def broken(side: str) -> list[date]:
    return measured_demo().filter(pl.col(f"breaks_trendline_{side}_1"))["day"].to_list()


def at(day: date) -> dict[str, float]:
    return measured_demo().row(by_predicate=pl.col("day") == day, named=True)


def through(first: date, second: date, day: date) -> float:
    """On *day* the straight line through the lows of two days."""
    low = {row["open_time"].date(): row["low"] for row in demo().bars.to_dicts()}
    slope = (low[second] - low[first]) / (second - first).days
    return float(low[first] + slope * (day - first).days)


def test_the_line_under_the_rally_broke_in_the_week_before_2021_05_17() -> None:
    """From the low of 2020-12-11 under those of April and May: the close of 05-12 fell through it."""
    before, review = at(date(2021, 5, 11)), at(date(2021, 5, 16))

    assert before["trendline_ascending_touches"] == 3
    assert before["trendline_ascending"] == pytest.approx(
        through(date(2020, 12, 11), date(2021, 5, 5), date(2021, 5, 11))
    )
    assert before["trendline_ascending_distance"] > 0
    assert [day for day in broken("ascending") if date(2021, 5, 1) <= day <= date(2021, 7, 1)] == [
        date(2021, 5, 12), date(2021, 5, 15),
    ]  # fmt: skip
    assert review["breaks_trendline_ascending_7"] is True


def test_in_the_week_of_2022_04_11_the_line_from_january_still_held_and_broke_on_04_30() -> None:
    review = at(date(2022, 4, 17))

    assert review["breaks_trendline_ascending_7"] is False
    assert review["trendline_ascending_touches"] == 4
    assert review["trendline_ascending"] == pytest.approx(
        through(date(2022, 1, 24), date(2022, 4, 11), date(2022, 4, 17))
    )
    assert [day for day in broken("ascending") if date(2022, 3, 1) <= day <= date(2022, 6, 1)] == [
        date(2022, 4, 30),
    ]  # fmt: skip


def test_breaks_of_two_years_are_counted() -> None:
    assert (len(broken("ascending")), len(broken("descending"))) == (17, 20)
    # The fall of FTX broke a floor: the line through its lows rose by 20 cents a day.
    assert date(2022, 11, 9) not in broken("ascending")


@pytest.mark.parametrize(
    ("sunday", "broke", "slope"),
    [(date(2021, 7, 25), date(2021, 7, 19), 19.0), (date(2022, 9, 11), date(2022, 9, 6), 26.9)],
)
def test_a_line_that_price_won_back_by_sunday_is_not_broken_at_the_review(
    sunday: date, broke: date, slope: float
) -> None:
    columns = Columns(grid(demo(), datetime(2023, 1, 1, tzinfo=UTC)))
    days = demo().bars["open_time"].dt.date().to_list()
    line = trendlines.line_at(columns, days.index(broke) - 1, ascending=True)

    assert line is not None
    assert line.slope == pytest.approx(slope, abs=0.05)
    assert at(broke)["breaks_trendline_ascending_7"] is True
    assert demo().bars["close"][days.index(sunday)] > line.at(days.index(sunday))
    assert at(sunday)["breaks_trendline_ascending_7"] is False


def test_nothing_but_numbers_leaves() -> None:
    columns = Columns(grid(demo(), datetime(2023, 1, 1, tzinfo=UTC)))

    for side in (True, False):
        line = trendlines.major(columns, ascending=side)
        assert np.array_equal(np.isnan(line.value), np.isnan(line.touches))
        assert np.all(line.value[~np.isnan(line.value)] > 0)
