"""Retracements of the last swing and support at them: a slow loop, gaps, prefixes, real history."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import as_file, files
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import BTC, MONDAY, history, signal, walk
from hedged.core.metrics import History, Signal, find, measure
from hedged.history.store import HistoryStore

DAY = timedelta(days=1)
RATIOS = {"236": 0.236, "382": 0.382, "500": 0.5, "618": 0.618, "786": 0.786}
LEVELS = [f"fib_{ratio}" for ratio in RATIOS]
HOLDS = [f"holds_fib_{ratio}_{n}" for ratio in ("382", "500", "618") for n in (1, 7, 130)]


def slow_swing(high: list[float], low: list[float], t: int) -> tuple[float, float] | None:
    """Begin and end of the swing at bar t of one stretch."""
    bars = list(range(max(t - 119, 5), t - 4))
    tops = [i for i in bars if max(high[i - 5 : i]) < high[i] and max(high[i + 1 : i + 6]) <= high[i]]
    bottoms = [i for i in bars if min(low[i - 5 : i]) > low[i] and min(low[i + 1 : i + 6]) >= low[i]]
    if t < 119 or not tops or not bottoms:
        return None
    top = max(tops, key=lambda i: (high[i], i))
    bottom = min(bottoms, key=lambda i: (low[i], -i))
    if top == bottom or high[top] <= low[bottom]:
        return None
    return (low[bottom], high[top]) if bottom < top else (high[top], low[bottom])


def slow_atr(rows: pl.DataFrame) -> list[float | None]:
    high, low, close = (rows[name].to_list() for name in ("high", "low", "close"))
    found: list[float | None] = [None] * len(close)
    ranges = [max(high[i], close[i - 1]) - min(low[i], close[i - 1]) for i in range(1, len(close))]
    for i in range(14, len(close)):
        before = found[i - 1]
        found[i] = sum(ranges[:14]) / 14 if before is None else (before * 13 + ranges[i - 1]) / 14
    return found


def slow_holds(rows: pl.DataFrame, atr: list[float | None], t: int, n: int, at: float) -> bool:
    bars = range(t - n + 1, t + 1)
    came = any(rows["low"][s] - 0.5 * atr[s] <= at for s in bars)  # type: ignore[operator]
    return came and all(rows["close"][s] > at for s in bars)


@settings(deadline=None, derandomize=True, max_examples=15)
@given(seed=st.integers(0, 9999), step=st.sampled_from((0.003, 0.03)))
def test_levels_and_holds_are_what_they_say(seed: int, step: float) -> None:
    h = walk(220, seed, step=step)
    measured = measure(h, [*LEVELS, *HOLDS], signal(), MONDAY + 220 * DAY)
    high, low, atr = h.bars["high"].to_list(), h.bars["low"].to_list(), slow_atr(h.bars)

    for t in [*range(115, 125), *range(126, 220, 5)]:
        swing = slow_swing(high, low, t)
        for name in LEVELS:
            level = swing and swing[1] - RATIOS[name[-3:]] * (swing[1] - swing[0])
            assert measured[name][t] == (level and pytest.approx(level, rel=1e-12)), (name, t)
        for name in HOLDS:
            n, level = int(name.split("_")[3]), measured[f"fib_{name.split('_')[2]}"][t]
            known = t >= max(119, 13 + n)
            expected = (level is not None and slow_holds(h.bars, atr, t, n, level)) if known else None
            assert measured[name][t] == expected, (name, t)


@settings(deadline=None, derandomize=True, max_examples=15)
@given(seed=st.integers(0, 9999), gap=st.integers(1, 160), cut=st.integers(1, 300))
def test_each_is_the_same_on_any_prefix_and_begins_anew_after_a_gap(
    seed: int, gap: int, cut: int
) -> None:
    h, until, names = walk(300, seed, {gap}), MONDAY + cut * DAY, [*LEVELS, *HOLDS]
    known = replace(h, bars=h.bars.filter(pl.col("open_time") + DAY <= until))
    after = replace(h, bars=h.bars.filter(pl.col("open_time") > MONDAY + gap * DAY))

    whole = measure(h, names, signal(), MONDAY + 300 * DAY).select(names)
    before = measure(known, names, signal(), until).select(names)
    alone = measure(after, names, signal(), MONDAY + 300 * DAY).select(names)

    assert whole.head(cut).rows() == before.rows()
    assert whole.row(gap) == (None,) * len(names)
    assert whole.tail(alone.height).rows() == alone.rows()


@pytest.mark.parametrize("name", [*LEVELS, *HOLDS])
def test_each_is_null_until_its_window_is_full(name: str) -> None:
    found = measure(walk(300, 3), [name], signal(), MONDAY + 300 * DAY)[name].to_list()
    warm_up = 143 if name.endswith("_130") else 119

    assert found[:warm_up] == [None] * warm_up
    assert None not in found[warm_up:]


# ---- swings drawn by hand


def path(*turns: tuple[int, float]) -> History:
    """Straight lines between (bar, close)."""
    closes: list[float | None] = []
    for (first, start), (last, end) in pairwise(turns):
        closes += [start + (end - start) * i / (last - first) for i in range(last - first)]
    return history([*closes, turns[-1][1]])


def last(h: History, name: str) -> float | bool | None:
    found: float | bool | None = measure(h, [name], signal(), MONDAY + h.bars.height * DAY)[name][-1]
    return found


def test_an_up_swing_is_retraced_down_from_its_high() -> None:
    h = path((0, 150.0), (40, 100.0), (120, 200.0), (130, 170.0))
    low, high = 99.0, 202.0  # closes of 100 and 200 with wicks of 1%

    assert last(h, "fib_236") == pytest.approx(high - 0.236 * (high - low))
    assert last(h, "fib_618") == pytest.approx(high - 0.618 * (high - low))


def test_a_down_swing_is_retraced_up_from_its_low() -> None:
    h = path((0, 150.0), (40, 200.0), (120, 100.0), (130, 130.0))
    low, high = 99.0, 202.0

    assert last(h, "fib_236") == pytest.approx(low + 0.236 * (high - low))
    assert last(h, "fib_618") == pytest.approx(low + 0.618 * (high - low))


def test_a_level_holds_when_a_low_came_near_and_no_close_went_below() -> None:
    fall = ((0, 150.0), (40, 100.0), (120, 200.0))
    level = 202.0 - 0.5 * 103.0

    assert last(path(*fall, (135, level + 2), (139, level + 9)), "holds_fib_500_7") is True
    assert last(path(*fall, (135, level + 9), (139, level + 14)), "holds_fib_500_7") is False
    assert last(path(*fall, (135, level - 1), (139, level + 9)), "holds_fib_500_7") is False


def test_a_level_of_a_down_swing_holds_from_above_only() -> None:
    rise = ((0, 150.0), (40, 200.0), (120, 100.0))
    level = 99.0 + 0.382 * 103.0

    assert last(path(*rise, (140, level - 1), (144, level - 9)), "holds_fib_382_7") is False
    assert last(path(*rise, (140, level + 9), (144, level + 2), (146, level + 6)),
                "holds_fib_382_3") is True  # fmt: skip


def test_without_a_swing_there_is_no_level_and_nothing_holds() -> None:
    rising = path((0, 100.0), (160, 300.0))

    assert last(rising, "fib_500") is None
    assert last(rising, "holds_fib_500_7") is False


def test_a_retracement_is_a_name_and_not_a_window() -> None:
    assert [name for name in LEVELS if find(name) is None] == []
    assert find("fib_400") is None


# ---- real history


@cache
def demo() -> History:
    with as_file(files("hedged") / "demo_data" / "history") as root:
        return HistoryStore(root, read_only=True).history(BTC, "1d")


@cache
def measured_demo() -> pl.DataFrame:
    measured = measure(demo(), [*LEVELS, *HOLDS], Signal(symbol=BTC), datetime(2023, 1, 1, tzinfo=UTC))
    return measured.with_columns(day=pl.col("open_time").dt.date())


def at(day: date) -> dict[str, float]:
    return measured_demo().row(by_predicate=pl.col("day") == day, named=True)


def price(day: date, field: str) -> float:
    found: float = demo().bars.row(by_predicate=pl.col("open_time").dt.date() == day, named=True)[field]
    return found


def test_in_may_2021_the_rally_from_january_was_retraced_to_its_618_which_held_until_the_19th() -> None:
    low, high = price(date(2021, 1, 22), "low"), price(date(2021, 4, 14), "high")

    review = at(date(2021, 5, 16))

    assert review["fib_618"] == pytest.approx(high - 0.618 * (high - low))
    assert [review[f"holds_fib_{ratio}_7"] for ratio in ("382", "500", "618")] == [False, False, True]
    assert at(date(2021, 5, 18))["holds_fib_618_7"] is True
    assert at(date(2021, 5, 19))["holds_fib_618_7"] is False


def test_in_april_2022_the_fall_of_the_winter_was_retraced_up() -> None:
    high, low = price(date(2021, 12, 27), "high"), price(date(2022, 1, 24), "low")

    before, review = at(date(2022, 4, 7)), at(date(2022, 4, 17))

    assert review["fib_382"] == pytest.approx(low + 0.382 * (high - low))
    assert before["holds_fib_500_7"] is True  # the rally of March came back to it from above
    assert not any(review[f"holds_fib_{ratio}_7"] for ratio in ("382", "500", "618"))
