"""Random bars for the tests of price action, and slow, obvious references of its events."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import as_file, files
from typing import Any

import polars as pl
from hypothesis import strategies as st

from builders import BTC, MONDAY, d, history, signal
from hedged.core.metrics import History, Signal, find, measure
from hedged.core.metrics.history import SCHEMAS
from hedged.core.metrics.vocabulary import AthSeed
from hedged.history.store import HistoryStore

DAY = timedelta(days=1)
Bar = dict[str, Any]
Bars = list[Bar | None]
Event = Callable[[Bars, int], bool | None]

DEMO_SIGNAL = Signal(
    symbol=BTC, bar="1d", ath_seed=AthSeed(price=d("19798.68"), date=date(2017, 12, 17))
)
DEMO_END = datetime(2023, 1, 1, tzinfo=UTC)


@cache
def demo() -> History:
    with as_file(files("hedged") / "demo_data" / "history") as root:
        return HistoryStore(root, read_only=True).history(BTC, "1d")


def of_rows(rows: list[tuple[float, float, float, float] | None], first: datetime = MONDAY) -> History:
    """Daily bars of (open, high, low, close), a None being a bar that is missing; volume 1,000."""
    kept = [(first + i * DAY, *row, 1000.0, None) for i, row in enumerate(rows) if row is not None]
    return replace(history(), bars=pl.DataFrame(kept, schema=SCHEMAS["bars"], orient="row"))


@st.composite
def a_market(draw: st.DrawFn, most: int = 330) -> History:
    """Daily bars that wander around a price, with gaps, jumps, dojis and bursts of volume."""
    count = draw(st.integers(min_value=1, max_value=most))
    gaps = draw(st.sets(st.integers(min_value=1, max_value=most), max_size=3))
    seed = random.Random(draw(st.integers(min_value=0, max_value=10_000)))
    first = MONDAY + seed.randrange(7) * DAY
    step, pull = seed.choice((0.004, 0.03, 0.1)), seed.choice((0.0, 0.05, 0.2))
    middle = seed.choice((0.004, 48.0, 60_000.0))
    close, rows = middle, []
    for i in range(count):
        before = close if seed.random() < 0.8 else close * (1 + seed.gauss(0, step / 4))
        close = before * math.exp(seed.gauss(0, step) * seed.choice((0.05, 1, 1)))
        close *= (middle / close) ** pull
        high = max(before, close) * (1 + abs(seed.gauss(0, step)) * seed.choice((0, 0.1, 1)))
        low = min(before, close) / (1 + abs(seed.gauss(0, step)) * seed.choice((0, 0.1, 1)))
        volume = seed.choice((0.0, seed.uniform(1, 2), seed.uniform(1, 9)))
        if i == 0 or i not in gaps:
            rows.append((first + i * DAY, before, high, low, close, volume, None))
    return replace(history(), bars=pl.DataFrame(rows, schema=SCHEMAS["bars"], orient="row"))


def listed(h: History) -> Bars:
    """A dict a bar, None where a bar that should exist is missing."""
    kept = {row["open_time"]: row for row in h.bars.to_dicts()}
    count = (h.bars["open_time"][-1] - h.bars["open_time"][0]) // DAY + 1
    return [kept.get(h.bars["open_time"][0] + i * DAY) for i in range(count)]


def measured(h: History, names: list[str], given: Signal | None = None) -> pl.DataFrame:
    """The columns *names* over all of *h*."""
    return measure(h, names, given or signal(), h.bars["open_time"][-1] + DAY)


def known_by(h: History, at: datetime) -> History:
    return replace(h, bars=h.bars.filter(pl.col("open_time") + DAY <= at))


def any_within(events: list[bool | None], i: int, n: int) -> bool | None:
    """Kleene's or over bars i - n + 1 to i; the bars before the first are unknown."""
    window = [events[k] if k >= 0 else None for k in range(i - n + 1, i + 1)]
    if True in window:
        return True
    return None if None in window else False


def any_held(rows: Bars, events: list[float | bool | None], i: int, n: int) -> bool | None:
    """
    Kleene's or over bars i - n + 1 to i of events that are the level they happened at, or False.

    A level is signed: positive from below, negative from above. An event counts at bar i only if
    every close from its own to that of bar i is on that side of the level, or on it.
    """
    held: list[bool | None] = []
    for k, event in enumerate(events[: i + 1]):
        if event is None or event is False:
            held.append(event)
            continue
        sides = [
            None if bar is None else bar["close"] * math.copysign(1, event) <= event
            for bar in rows[k : i + 1]
        ]
        held.append(False if False in sides else None if None in sides else True)
    return any_within(held, i, n)


def both(first: bool | None, second: bool | None) -> bool | None:
    if first is False or second is False:
        return False
    return None if first is None or second is None else True


def assert_event_is(name: str, h: History, event: Event, given: Signal | None = None) -> None:
    """The windowed metric *name* of *h* is *event* within its last n bars, on every kept bar."""
    metric = find(name)
    assert metric is not None
    rows = listed(h)
    events = [None if rows[i] is None else event(rows, i) for i in range(len(rows))]
    found = measured(h, [name], given)[name].to_list()
    for i in range(len(rows)):
        expected = None if rows[i] is None else any_within(events, i, metric.n)
        assert found[i] is expected, (name, i, found[i], expected)


# ---- levels, from scratch at every bar


def stretch_start(rows: Bars, i: int) -> int:
    while i > 0 and rows[i - 1] is not None:
        i -= 1
    return i


def slow_pivots(rows: Bars) -> list[tuple[int, float, bool]]:
    """(bar, price, is a high) of every bar that stands out from the five on either side."""
    found = []
    for i in range(5, len(rows) - 5):
        around = rows[i - 5 : i + 6]
        if None in around:
            continue
        highs, lows = ([bar[side] for bar in around if bar] for side in ("high", "low"))
        if highs.index(max(highs)) == 5:
            found.append((i, highs[5], True))
        if lows.index(min(lows)) == 5:
            found.append((i, lows[5], False))
    return found


def slow_atr(rows: Bars, i: int) -> float | None:
    bars = [bar for bar in rows[stretch_start(rows, i) : i + 1] if bar is not None]
    ranges = [
        max(bar["high"], last["close"]) - min(bar["low"], last["close"])
        for last, bar in itertools.pairwise(bars)
    ]
    if len(ranges) < 14:
        return None
    smooth = sum(ranges[:14]) / 14
    for figure in ranges[14:]:
        smooth = (smooth * 13 + figure) / 14
    return smooth


class SlowLevels:
    """The levels of every bar, by the book: (price, touches) ascending, or None while unknown."""

    def __init__(self, rows: Bars) -> None:
        self.rows, self.pivots = rows, slow_pivots(rows)
        self.ranges = [None if rows[i] is None else slow_atr(rows, i) for i in range(len(rows))]
        self.counted = [self._counted(i) for i in range(len(rows))]
        self.at: list[list[tuple[float, int]] | None] = []
        for i, bar in enumerate(rows):
            before = self.at[i - 1] if i else None
            found = [] if bar is None else self.levels(i)
            self.at.append(None if bar is None or (before is None and not found) else found)

    def _counted(self, i: int) -> list[tuple[int, float, bool]]:
        """Pivots of the stretch of bar i that were confirmed at one of its last 250 bars."""
        first = max(stretch_start(self.rows, i), i - 249)
        return [p for p in self.pivots if first <= p[0] + 5 <= i]

    def levels(self, i: int) -> list[tuple[float, int]]:
        changed = i
        first = stretch_start(self.rows, i)
        while changed > first and self.counted[changed] == self.counted[changed - 1]:
            changed -= 1
        tolerance, clusters = self.ranges[changed], []
        if tolerance is None:
            return []
        for price in sorted(p[1] for p in self.counted[i]):
            if clusters and price - math.fsum(clusters[-1]) / len(clusters[-1]) <= tolerance / 2:
                clusters[-1].append(price)
            else:
                clusters.append([price])
        return [(math.fsum(c) / len(c), len(c)) for c in clusters if len(c) >= 2]

    def resistances(self, i: int) -> list[tuple[float, int]]:
        bar = self.rows[i]
        return [x for x in self.at[i] or [] if bar and x[0] >= bar["close"]]

    def supports(self, i: int) -> list[tuple[float, int]]:
        bar = self.rows[i]
        return [x for x in reversed(self.at[i] or []) if bar and x[0] <= bar["close"]]

    def tests_resistance(self, i: int, span: int = 1) -> bool | None:
        return self._tests(i, span, 1, 2)

    def tests_support(self, i: int, span: int = 1) -> bool | None:
        return self._tests(i, span, -1, 2)

    def major_test(self, i: int, sign: int) -> float | bool | None:
        """The level of three pivots or more that bar i tests, times *sign*; or False, or unknown."""
        tested = self._tests(i, 1, sign, 3)
        return sign * self._level(i - 1, sign, 3) if tested else tested  # type: ignore[operator]

    def _level(self, i: int, sign: int, touches: int) -> float | None:
        """The nearest level of *touches* or more at or above (sign 1) or below (-1) the close."""
        levels = self.resistances(i) if sign > 0 else self.supports(i)
        return next((price for price, made in levels if made >= touches), None)

    def _tests(self, i: int, span: int, sign: int, touches: int) -> bool | None:
        if i < span or None in self.at[i - span : i + 1]:
            return None
        level, near = self._level(i - span, sign, touches), self.ranges[i - span] / 4  # type: ignore[operator]
        if level is None:
            return False
        bars = [bar for bar in self.rows[i - span - 4 : i + 1] if bar is not None]
        assert len(bars) == 5 + span, "a level is younger than the range it is made with"
        came, testing = bars[:5], bars[5:]
        if sign > 0:
            reached = max(bar["high"] for bar in testing) >= level - near
            below = [bar["close"] <= level for bar in (*came, testing[-1])]
        else:
            reached = min(bar["low"] for bar in testing) <= level + near
            below = [bar["close"] >= level for bar in (*came, testing[-1])]
        return reached and all(below)
