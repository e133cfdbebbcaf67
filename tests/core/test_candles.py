"""Candlestick patterns, alone and at a level, against slow references and TA-Lib's own words."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st
from talib import abstract

from builders import signal
from hedged.core.metrics import History, find, measure, vocabulary
from hedged.core.metrics.candles import LOOKBACK
from price_action import (
    DEMO_END,
    DEMO_SIGNAL,
    Bars,
    Event,
    SlowLevels,
    a_market,
    assert_event_is,
    both,
    demo,
    known_by,
    listed,
    measured,
    of_rows,
)

ALONE = ("engulfing_bullish", "engulfing_bearish", "doji", "shooting_star", "hammer")
AT_LEVEL = (
    "engulfing_bearish_at_resistance", "shooting_star_at_resistance", "doji_at_resistance",
    "engulfing_bullish_at_support", "hammer_at_support", "doji_at_support",
)  # fmt: skip
NAMES = [f"{event}_{n}" for event in (*ALONE, *AT_LEVEL) for n in (1, 4)]


def test_every_pattern_is_a_metric_with_a_window_that_is_true_or_false() -> None:
    built = {
        family.name
        for family in vocabulary()
        if family.build_column and family.build_column.__module__.endswith(".candles")
    }

    assert built == {f"{event}_n" for event in (*ALONE, *AT_LEVEL)}
    assert {find(name).family.kind for name in NAMES} == {"boolean"}  # type: ignore[union-attr]


# ---- slow references


def slow_engulfing(sign: int) -> Event:
    """TA-Lib's rule: opposite bodies, one end may be shared, not both; null in its first two bars."""

    def event(rows: Bars, i: int) -> bool | None:
        if i < 2 or None in rows[i - 2 : i + 1]:
            return None
        (o0, c0), (o1, c1) = ((sign * r["open"], sign * r["close"]) for r in rows[i - 1 : i + 1] if r)
        before, now = rows[i - 1 : i + 1]
        rose = [row["close"] >= row["open"] for row in (before, now) if row]
        if rose != [sign < 0, sign > 0]:
            return False
        return (c1 >= o0 and o1 < c0) or (c1 > o0 and o1 <= c0)

    return event


def slow_doji(rows: Bars, i: int) -> bool | None:
    if i < 10 or None in rows[i - 10 : i + 1]:
        return None
    ranges = [row["high"] - row["low"] for row in rows[i - 10 : i] if row]
    return abs(rows[i]["close"] - rows[i]["open"]) <= math.fsum(ranges) / 10 / 10  # type: ignore[index]


def slow_star(long: str) -> Event:
    def event(rows: Bars, i: int) -> bool | None:
        row = rows[i]
        assert row is not None
        body = abs(row["close"] - row["open"])
        upper = row["high"] - max(row["open"], row["close"])
        lower = min(row["open"], row["close"]) - row["low"]
        if long == "lower":
            upper, lower = lower, upper
        reach = row["high"] - row["low"]
        return reach > 0 and upper >= 2 * body and lower <= 0.15 * reach

    return event


SLOW: dict[str, Event] = {
    "engulfing_bullish": slow_engulfing(1),
    "engulfing_bearish": slow_engulfing(-1),
    "doji": slow_doji,
    "shooting_star": slow_star("upper"),
    "hammer": slow_star("lower"),
}


def slow_at_level(name: str, levels: SlowLevels) -> Event:
    pattern, _, side = name.partition("_at_")
    tests: Callable[..., bool | None] = (
        levels.tests_resistance if side == "resistance" else levels.tests_support
    )
    span = 2 if pattern.startswith("engulfing") else 1
    return lambda rows, i: both(SLOW[pattern](rows, i), tests(i, span))


def assert_patterns_are_the_slow_ones(h: History) -> None:
    levels = SlowLevels(listed(h))
    for name in NAMES:
        event = name.rpartition("_")[0]
        assert_event_is(name, h, SLOW.get(event) or slow_at_level(event, levels))


@given(h=a_market())
@settings(deadline=None, derandomize=True, max_examples=15)
def test_patterns_are_what_slow_loops_find(h: History) -> None:
    assert_patterns_are_the_slow_ones(h)


def test_patterns_of_real_history_are_what_slow_loops_find() -> None:
    assert_patterns_are_the_slow_ones(demo())


@pytest.mark.parametrize("pattern", sorted(LOOKBACK))
def test_the_bars_that_talib_does_not_judge_are_unknown_not_false(pattern: str) -> None:
    assert abstract.Function(pattern).lookback == LOOKBACK[pattern]


# ---- shapes


@pytest.mark.parametrize(
    ("row", "star", "hammer"),
    [
        ((100.0, 106.0, 99.5, 101.0), True, False),
        ((101.0, 106.0, 99.5, 100.0), True, False),  # the colour does not matter
        ((100.0, 101.5, 95.0, 101.0), False, True),
        ((100.0, 106.0, 95.0, 101.0), False, False),  # two long shadows
        ((100.0, 102.0, 100.0, 101.0), False, False),  # a shadow as long as its body
        ((100.0, 106.0, 98.0, 101.0), False, False),  # a lower shadow of a quarter of the range
        ((100.0, 106.0, 100.0, 100.0), True, False),  # no body at all
        ((100.0, 100.0, 100.0, 100.0), False, False),  # nothing happened
    ],
)
def test_a_star_and_a_hammer_are_known_by_body_and_shadow(
    row: tuple[float, float, float, float], star: bool, hammer: bool
) -> None:
    found = measured(of_rows([row]), ["shooting_star_1", "hammer_1"]).row(0, named=True)

    assert found["shooting_star_1"] is star
    assert found["hammer_1"] is hammer


def test_an_engulfing_bar_may_open_at_the_last_close() -> None:
    rows = [(100.0, 101.0, 99.0, 100.0), (100.0, 100.5, 97.0, 98.0), (98.0, 102.0, 97.5, 101.0)]
    found = measured(of_rows([*rows, (101.0, 101.5, 96.0, 97.0)]), NAMES)

    assert found["engulfing_bullish_1"].to_list() == [None, None, True, False]
    assert found["engulfing_bearish_1"].to_list() == [None, None, False, True]
    assert found["engulfing_bullish_4"].to_list() == [None, None, True, True]


# ---- prefixes, gaps, real history


@given(h=a_market(), data=st.data())
@settings(deadline=None, derandomize=True, max_examples=30)
def test_every_pattern_is_the_same_on_any_prefix(h: History, data: st.DataObject) -> None:
    whole = measured(h, NAMES)
    cut = data.draw(st.integers(min_value=1, max_value=whole.height))
    until = whole["close_time"][cut - 1]

    assert whole.head(cut).rows() == measure(known_by(h, until), NAMES, signal(), until).rows()


@pytest.mark.parametrize(
    ("name", "nulls"),
    [("doji_1", range(20, 31)), ("engulfing_bearish_1", range(20, 23)), ("hammer_1", range(20, 21))],
)
def test_a_pattern_across_a_gap_is_null_and_judged_again_after_it(name: str, nulls: range) -> None:
    rows: list[tuple[float, float, float, float] | None] = [(100.0, 102.0, 97.0, 101.0)] * 50
    rows[20] = None
    found = measured(of_rows(rows), [name])[name].to_list()

    warm_up = len(nulls) - 1
    assert [i for i, event in enumerate(found) if event is None] == [*range(warm_up), *nulls]


def counts(h: History) -> dict[str, int]:
    found = measure(h, NAMES, DEMO_SIGNAL, DEMO_END)
    return {event: int(found[f"{event}_1"].sum()) for event in (*ALONE, *AT_LEVEL)}


def test_patterns_occur_on_real_bars_that_open_at_the_last_close() -> None:
    bars = demo().bars
    assert (bars["open"].to_numpy()[1:] == bars["close"].to_numpy()[:-1]).mean() > 0.9
    arrays = [bars[name].to_numpy().astype(np.float64) for name in ("open", "high", "low", "close")]
    engulfing = talib.CDLENGULFING(*arrays)

    assert counts(demo()) == {
        "engulfing_bullish": 103, "engulfing_bearish": 99, "doji": 127, "shooting_star": 26,
        "hammer": 34, "engulfing_bearish_at_resistance": 12, "shooting_star_at_resistance": 2,
        "doji_at_resistance": 6, "engulfing_bullish_at_support": 20, "hammer_at_support": 7,
        "doji_at_support": 12,
    }  # fmt: skip
    assert ((engulfing > 0).sum(), (engulfing < 0).sum()) == (103, 99)
    assert (talib.CDLDOJI(*arrays) != 0).sum() == 127
    assert (talib.CDLSHOOTINGSTAR(*arrays) != 0).sum() == 0  # why ours is by body and shadow


def test_a_short_stretch_knows_no_pattern_of_talibs() -> None:
    found = measured(of_rows([(1.0, 2.0, 0.5, 1.5)] * 2), NAMES)

    assert set(found["engulfing_bullish_1"]) == set(found["doji_1"]) == {None}
    assert found.select(pl.col("hammer_1").null_count()).item() == 0
