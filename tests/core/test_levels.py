"""Levels, tests and breaks of them, pivot points and the prior high, against slow references."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import MONDAY, d, signal
from hedged.core.metrics import History, find, measure, vocabulary
from hedged.core.metrics.clusters import levels_at
from hedged.core.metrics.columns import Columns, within_last
from hedged.core.metrics.history import grid
from hedged.core.metrics.pivots import REACH, atr, pivots
from hedged.core.metrics.vocabulary import AthSeed
from hedged.core.rules import parse
from price_action import (
    DAY,
    DEMO_END,
    DEMO_SIGNAL,
    Bars,
    SlowLevels,
    a_market,
    any_held,
    any_within,
    assert_event_is,
    both,
    demo,
    known_by,
    listed,
    measured,
    of_rows,
    slow_atr,
    slow_pivots,
)

EVENTS = (
    "tests_resistance", "tests_support", "rejected_at_resistance", "rejected_at_support",
    "breaks_resistance", "breaks_support", "tests_major_resistance", "tests_major_support",
)  # fmt: skip
SIDES = ("resistance", "support")
FIGURES = [
    *(f"{side}_{rank}" for side in SIDES for rank in (1, 2, 3)),
    *(f"{side}_touches{end}" for side in SIDES for end in ("", "_2", "_3")),
    *(f"{side}_distance" for side in SIDES),
]
POINTS = ["pivot_p", "pivot_r1", "pivot_r2", "pivot_s1", "pivot_s2"]
LEVELS = [*FIGURES, *(f"{event}_{n}" for event in EVENTS for n in (1, 4))]
MARKS = [*POINTS, *(f"{event}_{n}" for event in ("breaks_ath", "breaks_ath_volume") for n in (1, 4))]
MODULES = ("levels", "marks")


def columns_of(h: History) -> Columns:
    return Columns(grid(h, h.bars["open_time"][-1] + DAY))


def approx(figure: float | None) -> Any:
    return figure if figure is None else pytest.approx(figure, rel=1e-9)


# ---- names


def test_the_three_levels_are_metrics_of_their_own_and_take_no_window() -> None:
    for side in SIDES:
        for rank in (1, 2, 3):
            metric = find(f"{side}_{rank}")
            assert metric is not None
            assert (metric.family.name, metric.n) == (f"{side}_{rank}", 0)
        assert find(f"{side}_4") is None
        assert find(f"{side}_1_7") is None


def test_an_event_takes_a_window_and_every_metric_of_this_file_is_tested_in_it() -> None:
    for name in (*LEVELS, *MARKS):
        assert find(name) is not None, name
    builders = {
        family.name
        for family in vocabulary()
        if family.build_column and family.build_column.__module__.rpartition(".")[2] in MODULES
    }
    tested = {find(name).family.name for name in (*LEVELS, *MARKS)}  # type: ignore[union-attr]
    assert builders == tested


# ---- events within a window


@given(events=st.lists(st.sampled_from((True, False, None)), max_size=12), n=st.integers(1, 5))
@settings(deadline=None, derandomize=True, max_examples=200)
def test_within_the_last_bars_is_kleenes_or(events: list[bool | None], n: int) -> None:
    array = np.array([math.nan if event is None else float(event) for event in events])

    found = within_last(array, n).tolist()

    expected = [any_within(events, i, n) for i in range(len(events))]
    assert [None if math.isnan(figure) else bool(figure) for figure in found] == expected


# ---- pivots


@given(h=a_market())
@settings(deadline=None, derandomize=True, max_examples=30)
def test_pivots_and_ranges_are_what_slow_loops_find(h: History) -> None:
    rows, columns = listed(h), columns_of(h)
    found = pivots(columns)

    assert list(zip(found.bar, found.price, found.is_high, strict=True)) == slow_pivots(rows)
    assert (found.known_at == found.bar + REACH).all()
    for i in range(0, len(rows), 7):
        expected = slow_atr(rows, i) if rows[i] else None
        figure = float(atr(columns)[i])
        assert (None if math.isnan(figure) else figure) == approx(expected)


def test_of_equal_highs_the_first_is_the_pivot() -> None:
    highs = [1.0, 2, 3, 4, 5, 9, 9, 5, 4, 3, 2, 1, 1, 1]
    found = pivots(columns_of(of_rows([(1.0, high, 0.5, 1.0) for high in highs])))

    assert found.bar.tolist() == [5]
    assert found.is_high.tolist() == [True]


def test_a_bar_that_stands_out_both_ways_is_two_pivots_the_high_first() -> None:
    h = of_rows([(1.0, 9.0, 0.1, 1.0) if i == 5 else (1.0, 2.0, 0.5, 1.0) for i in range(11)])
    found = pivots(columns_of(h))

    assert list(zip(found.bar, found.price, found.is_high, strict=True)) == [
        (5, 9.0, True),
        (5, 0.1, False),
    ]


# ---- a double top, told bar by bar


def tent(peak: float, half: int = 8) -> list[tuple[float, float, float, float]]:
    """Bars that rise from 100 to *peak* and fall back; a bar's range is 1."""
    slope = (peak - 100) / half
    closes = [100 + slope * i for i in range(half)] + [peak - slope * i for i in range(half)]
    return [(close, close + 0.5, close - 0.5, close) for close in closes]


def bar(close: float, high: float | None = None, low: float | None = None) -> tuple[float, ...]:
    return (close, high or close + 0.5, low or close - 0.5, close)


DOUBLE_TOP = [*tent(110.0), *tent(110.2)]
TOP = (110.5 + 110.7) / 2


def after(*more: tuple[float, ...]) -> pl.DataFrame:
    """What is measured on the double top, some bars in its valley, and *more*."""
    rows = [*DOUBLE_TOP, *(bar(105.0) for _ in range(3)), *more]
    return measured(of_rows(rows), LEVELS)  # type: ignore[arg-type]


def test_two_tops_are_a_level_once_the_second_is_confirmed_and_not_a_bar_earlier() -> None:
    found = after()["resistance_1"].to_list()
    second_top = 16 + 8

    assert found[: second_top + 5] == [None] * (second_top + 5)
    assert found[second_top + 5 :] == [pytest.approx(TOP)] * 6
    assert after()["resistance_touches"].to_list()[-1] == 2
    assert after()["resistance_distance"].to_list()[-1] == pytest.approx(TOP / 105 - 1)


@pytest.mark.parametrize(
    ("last", "tests", "rejected", "breaks"),
    [
        (bar(107.0, high=TOP - 1.0), False, False, False),
        (bar(107.0, high=TOP - 0.2), True, True, False),
        (bar(110.3, high=TOP - 0.2), True, False, False),
        (bar(107.0, high=TOP + 3.0), True, True, False),
        (bar(TOP + 0.01, high=TOP + 0.2), False, False, True),
    ],
)
def test_a_bar_tests_is_rejected_at_or_breaks_the_level_as_it_stood_before(
    last: tuple[float, ...], tests: bool, rejected: bool, breaks: bool
) -> None:
    found = after(last).row(-1, named=True)

    assert found["tests_resistance_1"] is tests
    assert found["rejected_at_resistance_1"] is rejected
    assert found["breaks_resistance_1"] is breaks


def upside_down(h: History) -> History:
    """Prices mirrored at 105: what was above is below."""
    return replace(h, bars=h.bars.with_columns(
        open=210 - pl.col("open"), close=210 - pl.col("close"),
        high=210 - pl.col("low"), low=210 - pl.col("high"),
    ))  # fmt: skip


def told(rows: list[Any], name: str, n: int) -> list[bool]:
    """The event *name* of a resistance on *rows*, which that of a support on their mirror must be."""
    h = of_rows(rows)
    found = measured(h, [f"{name}_resistance_{n}"])[f"{name}_resistance_{n}"].to_list()
    mirrored = measured(upside_down(h), [f"{name}_support_{n}"])[f"{name}_support_{n}"].to_list()
    assert found == mirrored
    return found


TRIPLE_TOP = [*DOUBLE_TOP, *tent(110.1), *(bar(105.0) for _ in range(3))]
TOUCH = bar(107.0, high=TOP - 0.2)


def test_a_level_of_two_tops_is_no_major_one_and_one_of_three_is() -> None:
    two = [*DOUBLE_TOP, *(bar(105.0) for _ in range(3)), TOUCH]

    assert (told(two, "tests", 1)[-1], told(two, "tests_major", 1)[-1]) == (True, False)
    assert told([*TRIPLE_TOP, TOUCH], "tests_major", 1)[-2:] == [False, True]


def test_a_test_of_a_major_level_counts_until_a_close_is_beyond_it() -> None:
    later = [bar(107.0), bar(112.0), bar(107.0)]

    assert told([*TRIPLE_TOP, TOUCH, *later], "tests", 4)[-4:] == [True] * 4
    assert told([*TRIPLE_TOP, TOUCH, *later], "tests_major", 4)[-4:] == [True, True, False, False]
    assert told([*TRIPLE_TOP, TOUCH, *later], "tests_major", 1)[-4:] == [True, False, False, False]


def test_a_major_level_is_tested_also_where_a_lesser_one_lies_before_it() -> None:
    tops = [*tent(115.0), *tent(115.2), *tent(115.1), *tent(110.0), *tent(110.2)]
    rows = [*tops, *(bar(105.0) for _ in range(3)), bar(113.0, high=115.5)]

    assert measured(of_rows(rows), ["resistance_touches"])["resistance_touches"][-2] == 2
    assert told(rows, "tests", 1)[-1] is False  # the lesser one was broken
    assert told(rows, "tests_major", 1)[-1] is True


@pytest.mark.parametrize("name", ["tests", "tests_major"])
def test_a_level_that_was_fallen_through_is_tested_from_below_only_after_five_closes_there(
    name: str,
) -> None:
    back = bar(109.9, high=110.6)
    rows = [*TRIPLE_TOP, bar(112.0), bar(110.0, high=112.2), *(back for _ in range(6))]

    assert told(rows, name, 1)[-8:] == [False] * 6 + [True, True]
    assert told(rows, "rejected_at", 1)[-8:] == [False] * 8
    far = [*rows[:-1], bar(109.0, high=110.6)]
    assert told(far, "rejected_at", 1)[-1] is True


def test_an_event_is_remembered_for_its_window_and_no_longer() -> None:
    found = after(bar(112.0), *(bar(112.0) for _ in range(4)))

    assert found["breaks_resistance_1"].to_list()[-5:] == [True, False, False, False, False]
    assert found["breaks_resistance_4"].to_list()[-5:] == [True, True, True, True, False]
    assert found["resistance_1"].to_list()[-5:] == [None] * 5
    assert found["support_1"].to_list()[-1] == pytest.approx(TOP)


def test_where_no_level_is_above_resistance_is_null_and_known_to_be_neither_tested_nor_touched() -> (
    None
):
    row = after(bar(112.0), bar(112.0), bar(111.0), bar(112.0), bar(112.0)).row(-1, named=True)

    assert row["resistance_1"] is None
    assert row["resistance_distance"] is None
    assert row["resistance_touches"] == 0
    assert row["support_touches"] == 2
    for event in ("tests_resistance", "rejected_at_resistance", "breaks_resistance"):
        assert row[f"{event}_4"] is False


def test_touches_are_unknown_until_a_first_level_and_again_after_a_gap() -> None:
    rows = [*DOUBLE_TOP, *(bar(105.0) for _ in range(3)), None, *(bar(105.0) for _ in range(9))]
    found = measured(of_rows(rows), ["resistance_touches", "support_touches"])  # type: ignore[arg-type]

    unknown = [i for i in range(len(rows)) if not 16 + 8 + 5 <= i < len(DOUBLE_TOP) + 3]
    for side in SIDES:
        touches = found[f"{side}_touches"].to_list()
        assert [i for i, figure in enumerate(touches) if figure is None] == unknown


def test_a_rule_that_asks_for_touches_is_false_at_a_record_high_and_not_unknown() -> None:
    high = after(*(bar(112.0) for _ in range(5)), bar(112.0, high=115.0))
    asks = parse("tests_resistance_4 and resistance_touches >= 3")
    weak = parse("resistance_touches < 3")

    assert high.select(asks.expression).item(-1, 0) is False
    assert high.select(weak.expression).item(-1, 0) is True


def test_a_close_on_the_level_is_at_support_and_at_resistance_and_can_break_both() -> None:
    level = 110.5
    rows = [*tent(110.0), *tent(110.0), *(bar(105.0) for _ in range(3)), bar(level, high=level)]
    on_it = measured(of_rows(rows), LEVELS).row(-1, named=True)  # type: ignore[arg-type]
    up = measured(of_rows([*rows, bar(111.0)]), LEVELS).row(-1, named=True)  # type: ignore[arg-type]
    down = measured(of_rows([*rows, bar(109.0)]), LEVELS).row(-1, named=True)  # type: ignore[arg-type]

    assert on_it["resistance_1"] == on_it["support_1"] == level
    assert on_it["resistance_distance"] == on_it["support_distance"] == 0
    assert on_it["breaks_resistance_1"] is False
    assert (up["breaks_resistance_1"], up["breaks_support_1"]) == (True, False)
    assert (down["breaks_resistance_1"], down["breaks_support_1"]) == (False, True)


def test_a_pivot_is_forgotten_250_bars_after_it_was_confirmed() -> None:
    flat = [bar(105.0) for _ in range(300)]
    found = measured(of_rows([*DOUBLE_TOP, *flat]), LEVELS)["resistance_1"].to_list()  # type: ignore[list-item]
    first_confirmed = 8 + 5

    assert found[first_confirmed + 249] == pytest.approx(TOP)
    assert found[first_confirmed + 250] is None


# ---- every figure and event against the slow reference


def slow_figures(levels: SlowLevels, i: int) -> dict[str, float | None]:
    close = levels.rows[i]["close"]  # type: ignore[index]
    found: dict[str, float | None] = {}
    for side, those in (("resistance", levels.resistances(i)), ("support", levels.supports(i))):
        for rank in (1, 2, 3):
            found[f"{side}_{rank}"] = those[rank - 1][0] if len(those) >= rank else None
        none = None if levels.at[i] is None else 0
        for rank, end in enumerate(("", "_2", "_3")):
            found[f"{side}_touches{end}"] = those[rank][1] if len(those) > rank else none
        away = those[0][0] / close - 1 if those else None
        found[f"{side}_distance"] = -away if away is not None and side == "support" else away
    return found


def slow_events(levels: SlowLevels) -> dict[str, Callable[[Bars, int], bool | None]]:
    def away(i: int, side: str, sign: int) -> float:
        """How far the close is below (sign 1) or above (-1) the level of the bar before."""
        those = levels.resistances(i - 1) if side == "resistance" else levels.supports(i - 1)
        return sign * (those[0][0] - levels.rows[i]["close"]) if those else math.nan  # type: ignore[index]

    def rejected(side: str, sign: int) -> Callable[[Bars, int], bool | None]:
        tests = levels.tests_resistance if side == "resistance" else levels.tests_support
        return lambda _rows, i: (
            tests(i) and away(i, side, sign) >= levels.ranges[i - 1] / 2  # type: ignore[operator]
        )

    def breaks(side: str, sign: int) -> Callable[[Bars, int], bool | None]:
        return lambda _rows, i: (
            None if i < 1 or None in levels.at[i - 1 : i + 1] else away(i, side, sign) < 0
        )

    return {
        "tests_resistance": lambda _rows, i: levels.tests_resistance(i),
        "tests_support": lambda _rows, i: levels.tests_support(i),
        "rejected_at_resistance": rejected("resistance", 1),
        "rejected_at_support": rejected("support", -1),
        "breaks_resistance": breaks("resistance", 1),
        "breaks_support": breaks("support", -1),
    }


def assert_levels_are_the_slow_ones(h: History) -> None:
    rows = listed(h)
    levels, found = SlowLevels(rows), measured(h, FIGURES)
    for i in range(len(rows)):
        row = found.row(i, named=True)
        if rows[i] is None:
            assert {row[name] for name in FIGURES} == {None}
            continue
        for name, expected in slow_figures(levels, i).items():
            # A distance is a small difference of large figures.
            assert row[name] == (expected and pytest.approx(expected, rel=1e-9, abs=1e-13)), (name, i)
    for event, reference in slow_events(levels).items():
        for n in (1, 4):
            assert_event_is(f"{event}_{n}", h, reference)
    for side, sign in (("resistance", 1), ("support", -1)):
        tested = [None if rows[i] is None else levels.major_test(i, sign) for i in range(len(rows))]
        for n in (1, 4, 9):
            assert measured(h, [f"tests_major_{side}_{n}"])[f"tests_major_{side}_{n}"].to_list() == [
                None if rows[i] is None else any_held(rows, tested, i, n) for i in range(len(rows))
            ]


@given(h=a_market())
@settings(deadline=None, derandomize=True, max_examples=15)
def test_levels_and_what_price_did_at_them_are_what_slow_loops_find(h: History) -> None:
    assert_levels_are_the_slow_ones(h)


def test_levels_of_real_history_are_what_slow_loops_find() -> None:
    assert_levels_are_the_slow_ones(demo())


def test_the_pivots_of_every_level_of_real_history_have_its_mean() -> None:
    columns = columns_of(demo())
    for i in range(len(columns)):
        for level in levels_at(columns, i):
            prices = [price for _, price in level.pivots]
            assert math.fsum(prices) / len(prices) == approx(level.price), i


@given(h=a_market())
@settings(deadline=None, derandomize=True, max_examples=15)
def test_the_levels_at_a_bar_are_all_of_them_each_with_its_pivots(h: History) -> None:
    rows, columns = listed(h), columns_of(h)
    levels, confirmed = SlowLevels(rows), [(bar, price) for bar, price, _ in slow_pivots(rows)]
    for i in range(len(rows)):
        found = levels_at(columns, i)
        assert [(level.price, len(level.pivots)) for level in found] == [
            (approx(price), touches) for price, touches in levels.at[i] or []
        ]
        for level in found:
            prices = [price for _, price in level.pivots]
            assert set(level.pivots) <= {p for p in confirmed if p[0] + REACH <= i}
            assert math.fsum(prices) / len(prices) == approx(level.price)
            assert prices == sorted(prices)


# ---- the prior high


def slow_breaks_ath(rows: Bars, i: int) -> bool | None:
    return rows[i]["close"] > max([50.0] + [r["high"] for r in rows[:i] if r])  # type: ignore[index]


def slow_heavy(rows: Bars, i: int, ratio: float = 1.5) -> bool | None:
    volumes = [r["volume"] if r else None for r in rows[max(i - 20, 0) : i]]
    if len(volumes) < 20 or None in volumes or not any(volumes):
        return None
    return rows[i]["volume"] > ratio * math.fsum(volumes) / 20  # type: ignore[index,arg-type]


@given(h=a_market(most=90), n=st.integers(1, 9))
@settings(deadline=None, derandomize=True, max_examples=40)
def test_breaks_of_the_prior_high_are_what_slow_loops_find(h: History, n: int) -> None:
    assert_event_is(f"breaks_ath_{n}", h, slow_breaks_ath)
    assert_event_is(
        f"breaks_ath_volume_{n}", h, lambda rows, i: both(slow_breaks_ath(rows, i), slow_heavy(rows, i))
    )


@given(h=a_market(most=90), ratio=st.sampled_from(("0.01", "0.9", "2", "100")))
@settings(deadline=None, derandomize=True, max_examples=20)
def test_what_is_a_high_volume_is_as_the_signal_says(h: History, ratio: str) -> None:
    assert_event_is(
        "breaks_ath_volume_3",
        h,
        lambda rows, i: both(slow_breaks_ath(rows, i), slow_heavy(rows, i, float(ratio))),
        signal(ath_volume_ratio=d(ratio)),
    )


def climb(volume_of_last: float) -> History:
    h = of_rows([bar(100.0)] * 30 + [bar(103.0), bar(102.0)])  # type: ignore[list-item]
    heavy = pl.when(pl.col("close") == 103).then(volume_of_last).otherwise(pl.col("volume"))
    return replace(h, bars=h.bars.with_columns(volume=heavy))


@pytest.mark.parametrize(("volume", "heavy"), [(1500.0, False), (1500.1, True)])
def test_the_bar_that_breaks_the_prior_high_must_itself_have_the_volume(
    volume: float, heavy: bool
) -> None:
    found = measured(climb(volume), ["breaks_ath_1", "breaks_ath_7", "breaks_ath_volume_7"])

    assert found["breaks_ath_1"].to_list()[-2:] == [True, False]
    assert found["breaks_ath_7"].to_list()[-2:] == [True, True]
    assert found["breaks_ath_volume_7"].to_list()[-2:] == [heavy, heavy]


def test_without_a_seed_nobody_knows_a_break_of_the_prior_high() -> None:
    found = measured(climb(9e9), ["breaks_ath_7", "breaks_ath_volume_7"], signal(ath_seed=None))

    assert set(found["breaks_ath_7"]) == {None}
    assert set(found["breaks_ath_volume_7"]) == {None, False}  # without volume, none in any case


# ---- pivot points of the week before


def slow_points(rows: Bars, i: int) -> dict[str, float | None]:
    by_week: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for row in rows[: i + 1]:
        if row:
            by_week.setdefault(row["open_time"].isocalendar()[:2], []).append(row)
    before = (rows[i]["open_time"] - timedelta(days=7)).isocalendar()[:2]  # type: ignore[index]
    week = by_week.get(before, [])
    if len(week) < 7:
        return dict.fromkeys(POINTS)
    high, low = max(r["high"] for r in week), min(r["low"] for r in week)
    p = (high + low + week[-1]["close"]) / 3
    figures = (p, 2 * p - low, p + high - low, 2 * p - high, p - high + low)
    return dict(zip(POINTS, figures, strict=True))


@given(h=a_market(most=60))
@settings(deadline=None, derandomize=True, max_examples=40)
def test_pivot_points_are_those_of_the_calendar_week_before(h: History) -> None:
    rows, found = listed(h), measured(h, POINTS)
    for i in range(len(rows)):
        expected = slow_points(rows, i) if rows[i] else dict.fromkeys(POINTS)
        for name in POINTS:
            figure = expected[name]
            assert found[name][i] == (figure and pytest.approx(figure, rel=1e-9)), (name, i)


def test_pivot_points_of_short_bars_see_the_same_week() -> None:
    seed = random.Random(5)
    start, rows = MONDAY + timedelta(hours=4), []
    for i in range(3 * 42):
        low = seed.uniform(90, 110)
        rows.append((start + i * timedelta(hours=4), low, low + seed.random(), low, low, 1.0, None))
    bars = pl.DataFrame(rows, schema=demo().bars.schema, orient="row")
    h = replace(of_rows([None]), bar="4h", bars=bars)
    end = MONDAY + timedelta(days=21)
    found = measure(h, POINTS, signal(bar="4h"), end)

    week = bars.filter(pl.col("open_time").is_between(MONDAY + 7 * DAY, MONDAY + 14 * DAY, "left"))
    p = (week["high"].max() + week["low"].min() + week["close"][-1]) / 3  # type: ignore[operator]
    third_week = found.filter(pl.col("open_time") >= MONDAY + 14 * DAY)["pivot_p"].to_list()
    assert third_week == [pytest.approx(p)] * 42
    # The first week lacks its first bar.
    second_week = found.filter(pl.col("open_time") < MONDAY + 14 * DAY)["pivot_p"]
    assert set(second_week) == {None}


@pytest.mark.parametrize(("bar_length", "hours"), [("7h", 7), ("7d", 168)])
def test_bars_that_lie_in_two_weeks_have_no_pivot_points(bar_length: str, hours: int) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=MONDAY.tzinfo)
    rows = [
        (epoch + i * timedelta(hours=hours), 1.0, 1.0, 1.0, 1.0, 1.0, None)
        for i in range(20_000 // hours, 20_000 // hours + 120)
    ]
    bars = pl.DataFrame(rows, schema=demo().bars.schema, orient="row")
    h = replace(of_rows([None]), bar=bar_length, bars=bars)
    found = measure(h, POINTS, signal(bar=bar_length), rows[-1][0] + timedelta(hours=hours))

    assert {figure for name in POINTS for figure in found[name]} == {None}


# ---- prefixes and gaps


@given(h=a_market(), data=st.data())
@settings(deadline=None, derandomize=True, max_examples=40)
def test_every_metric_of_price_action_is_the_same_on_any_prefix(
    h: History, data: st.DataObject
) -> None:
    whole = measured(h, [*LEVELS, *MARKS])
    cut = data.draw(st.integers(min_value=1, max_value=whole.height))
    until = whole["close_time"][cut - 1]

    prefix = measure(known_by(h, until), [*LEVELS, *MARKS], signal(), until)

    assert whole.head(cut).rows() == prefix.rows()


@given(h=a_market(most=150), more=a_market(most=150))
@settings(deadline=None, derandomize=True, max_examples=30)
def test_after_a_gap_levels_are_those_of_a_history_that_begins_there(h: History, more: History) -> None:
    later = more.bars.with_columns(
        open_time=pl.col("open_time") - more.bars["open_time"][0] + h.bars["open_time"][-1] + 2 * DAY
    )
    single = [name for name in LEVELS if not name.endswith("_4")]

    joined = measured(replace(h, bars=pl.concat([h.bars, later])), single)
    alone = measured(replace(h, bars=later), single)

    assert joined.tail(alone.height).select(single).rows() == alone.select(single).rows()
    missing = joined.row(-alone.height - 1, named=True)
    assert {missing[name] for name in single} == {None}


# ---- real history


def days_of(name: str) -> list[date]:
    found = measure(demo(), [name], DEMO_SIGNAL, DEMO_END)
    return found.filter(pl.col(name))["open_time"].dt.date().to_list()


def test_bitcoin_passed_its_prior_high_on_the_days_known() -> None:
    found = days_of("breaks_ath_1")

    assert found[0] == date(2020, 12, 16)
    assert [day for day in found if day > date(2021, 4, 14)] == [date(2021, 10, 20), date(2021, 11, 8)]
    assert len(found) == 16


def test_bitcoin_passed_its_prior_high_with_volume_in_its_first_winter_only() -> None:
    assert days_of("breaks_ath_volume_1") == [
        date(2020, 12, 16), date(2020, 12, 17), date(2021, 1, 2), date(2021, 2, 8),
    ]  # fmt: skip


def test_real_history_reads_the_same_on_any_prefix() -> None:
    names = [*LEVELS, *MARKS]
    whole = measure(demo(), names, DEMO_SIGNAL, DEMO_END)

    for cut in (1, 2, 14, 61, 200, 263, 511, whole.height - 1):
        until = whole["close_time"][cut - 1]
        assert (
            whole.head(cut).rows() == measure(known_by(demo(), until), names, DEMO_SIGNAL, until).rows()
        )


def test_a_seed_that_is_never_reached_is_never_broken() -> None:
    seed = AthSeed(price=d(10**6), date=date(2017, 12, 17))
    found = measured(demo(), ["breaks_ath_7"], replace(DEMO_SIGNAL, ath_seed=seed))["breaks_ath_7"]

    assert found.to_list() == [None] * 6 + [False] * (found.len() - 6)
