"""
What the picture of a decision shows: the lines that stood, and what the rules did on the way.

Enters a policy and recorded history; leaves figures and the frame of the shown bars. All of it is
what was known at the end of the picture: nothing in it looks ahead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
import polars as pl

from hedged.cli.lint import reviews_of
from hedged.cli.rules import missing_last
from hedged.core.metrics import History, column_of, measure
from hedged.core.metrics.clusters import levels_at
from hedged.core.metrics.columns import Array, Columns
from hedged.core.metrics.history import grid
from hedged.core.metrics.levels import (
    RESISTANCE,
    SUPPORT,
    Side,
    before,
    level_price,
    major_price,
    major_test_bars,
)
from hedged.core.metrics.trendlines import Line, break_bars, line_at
from hedged.core.policy import Policy
from hedged.core.rehearsal import Rehearsal, rehearse
from hedged.core.rules import Rule
from hedged.core.target import Status
from hedged.errors import VenueUnavailable
from hedged.history.watch import names_of
from hedged.service.ticks import Schedule

RANKS = 3
ALWAYS = (
    "open", "high", "low", "close", "volume", "ath", "funding_rate_8h", "open_interest",
    *(f"{side}_{rank}" for side in ("resistance", "support") for rank in range(1, RANKS + 1)),
    "trendline_ascending", "trendline_descending",
)  # fmt: skip
DEFAULT_AVERAGE = "sma_50"

_AVERAGE = re.compile(r"(?<![a-z])[se]ma_[0-9]+")
_DRAWN = re.compile(r"fib_[0-9]{3}|pivot_(?:p|[rs][12])|(?<![a-z])(?:high|low)_[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A price at a bar, which is named by its open."""

    bar: datetime
    price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelShown:
    """A level in force at the last bar, under the metric's name, and the pivots that make it up."""

    metric: str
    price: float
    touches: int
    pivots: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineShown:
    """
    A major trendline from its first pivot to *end*, and the pivots on it.

    One with *broken* stood until the bar at its end broke it; else it stands at the last bar.
    """

    metric: str
    start: Point
    end: Point
    pivots: tuple[Point, ...]
    broken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EventShown:
    """
    Something that a rule asks for within a window, on the bar in that window on which it happened.

    What the last close has undone, so that no rule counts it any more, is not among them.

    *price* is the level it happened at, as it stood before the bar; without one, the bar's close.
    """

    metric: str
    at: Point


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewShown:
    """A review of the shown span, judged on *bar*, and each rule's verdict and status there."""

    at: datetime
    bar: datetime
    goal_before: Decimal
    goal_ratio: Decimal
    decider: str | None
    because: str
    verdicts: dict[str, bool | None]
    statuses: dict[str, Status]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A review at which a rule fired: the goal it found and the goal it left."""

    at: datetime
    bar: datetime
    rule: str
    action: str
    goal_before: Decimal
    goal_ratio: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All that the picture shows but the bars themselves; *values* are those of the last bar."""

    portfolio: str
    symbol: str
    bar: str
    until: datetime
    first_bar: datetime
    last_bar: datetime
    values: dict[str, float | bool | None]
    levels: tuple[LevelShown, ...]
    trendlines: tuple[LineShown, ...]
    events: tuple[EventShown, ...]
    entries: tuple[Entry, ...]
    reviews: tuple[ReviewShown, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chart:
    """The figures, the shown bars with every metric that is drawn, and the rules."""

    figures: Figures
    bars: pl.DataFrame
    rules: tuple[Rule, ...]
    curves: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Past:
    """Everything up to the last bar; the bars from place *shown* on are in the picture."""

    columns: Columns
    measured: pl.DataFrame
    opens: list[datetime]
    shown: int
    events: dict[str, int]

    @property
    def last(self) -> int:
        return len(self.opens) - 1

    @property
    def closed(self) -> int:
        """The last bar that is not missing: by its close it is known what has been undone."""
        return int(np.flatnonzero(np.isfinite(self.columns["close"]))[-1])

    def recent(self, event: str) -> int:
        """The first place in the picture that a rule which asks for *event* still looks at."""
        return max(self.shown, self.last + 1 - self.events.get(event, 0))


def chart_of(
    policy: Policy,
    history: History,
    schedule: Schedule,
    until: datetime,
    days: int,
    notes: tuple[str, ...],
    start: datetime | None = None,
) -> Chart:
    """
    What is to be seen of *policy* on the bars of the *days* before *until*.

    The rules are rehearsed from the first review of a daemon started at *start*, so that every review
    reads as the record of that run; without a start, or before it, from the first bar of the history.
    Either way a review reads the same whatever span is shown. Raises `VenueUnavailable` where all
    bars of the span are missing.
    """
    named = names_of(policy)
    curves, events = _curves(named), _events(named)
    measured = measure(history, {*ALWAYS, *named, *curves, *events}, policy.signal, until)
    bars = measured.filter(pl.col("open_time") >= pl.col("close_time").last() - timedelta(days=days))
    if bars["close"].is_null().all():
        raise VenueUnavailable(
            f"every bar of the {days} days is missing; show more of them with --days"
        )
    past = _Past(
        columns=Columns(grid(history, until)),
        measured=measured,
        opens=measured["open_time"].to_list(),
        shown=measured.height - bars.height,
        events=events,
    )
    first, told = _begun(schedule, measured["close_time"][0], start, until)
    reviews = reviews_of(schedule, first, until)
    rehearsal = rehearse(policy.rules, measured, history.bar, reviews, policy.ratio)
    shown = tuple(_reviews(rehearsal, past.opens[past.shown]))
    figures = Figures(
        portfolio=policy.portfolio,
        symbol=policy.signal.name,
        bar=history.bar,
        until=until,
        first_bar=past.opens[past.shown],
        last_bar=past.opens[-1],
        values={name: bars[name][-1] for name in sorted({*ALWAYS, *named, *curves})},
        levels=tuple(_levels(past)),
        trendlines=tuple(_lines(past)),
        events=tuple(_happened(past)),
        entries=tuple(_entries(shown, policy.rules)),
        reviews=shown,
        notes=(*notes, *missing_last(measured), *told),
    )
    return Chart(figures=figures, bars=bars, rules=policy.rules, curves=curves)


def _begun(
    schedule: Schedule, first: datetime, start: datetime | None, until: datetime
) -> tuple[datetime, tuple[str, ...]]:
    """When the rehearsal begins, of a history whose first bar closed at *first*; and what to say."""
    began = None if start is None else schedule.last_review(start)
    if start is None or began is None:
        return first, ()
    if until < began:
        return first, (
            f"the run begins on {start:%Y-%m-%d}, after the picture; the rules are rehearsed from the "
            f"first bar, which closed {first:%Y-%m-%d}",
        )
    return max(first, began), ()


def _curves(named: Iterable[str]) -> tuple[str, ...]:
    """Every average, retracement and other price that the rules name, to be drawn as a curve."""
    averages = {found for name in named for found in _AVERAGE.findall(name)}
    others = {found for name in named for found in _DRAWN.findall(name)}
    return (*sorted(averages or {DEFAULT_AVERAGE}), *sorted(others), "ath")


def _events(named: Iterable[str]) -> dict[str, int]:
    """The events that rules ask for, each as the metric of its very bar, and how far back they ask."""
    found: dict[str, int] = {}
    for metric in map(column_of, named):
        if metric.family.is_event:
            event = f"{metric.name.rpartition('_')[0]}_1"
            found[event] = max(metric.n, found.get(event, 0))
    return found


def _happened(past: _Past) -> Iterator[EventShown]:
    for event in sorted(past.events):
        prices = _prices(past.columns, event)
        for bar in _bars(past, event):
            if bar >= past.recent(event):
                at = Point(bar=past.opens[bar], price=float(prices[bar]))
                yield EventShown(metric=event.removesuffix("_1"), at=at)


def _bars(past: _Past, event: str) -> Sequence[int]:
    """Every bar on which *event* happened, unless the last close has undone it."""
    if event.startswith("breaks_trendline"):
        return break_bars(past.columns, past.closed, ascending="_ascending" in event)
    if event.startswith("tests_major"):
        return major_test_bars(past.columns, _side(event), past.closed)
    found: list[int] = past.measured[event].fill_null(value=False).arg_true().to_list()
    return found


def _prices(columns: Columns, event: str) -> Array:
    """At each bar the price at which *event* happens there."""
    close = columns["close"]
    if "resistance" not in event and "support" not in event:
        return close
    side = _side(event)
    level = before(major_price(columns, side) if "major" in event else level_price(columns, side, 1))
    # What two bars do at a level may have left none on its side before the second.
    return np.where(np.isfinite(level), level, close)


def _side(event: str) -> Side:
    return RESISTANCE if "resistance" in event else SUPPORT


def _levels(past: _Past) -> Iterator[LevelShown]:
    """The three nearest levels above the last close, and the three below."""
    close, levels = past.columns["close"][-1], levels_at(past.columns, past.last)
    above = [level for level in levels if level.price >= close]
    below = [level for level in reversed(levels) if level.price <= close]
    for side, ranked in (("resistance", above), ("support", below)):
        for rank, level in enumerate(ranked[:RANKS], start=1):
            yield LevelShown(
                metric=f"{side}_{rank}",
                price=level.price,
                touches=len(level.pivots),
                pivots=tuple(Point(bar=past.opens[bar], price=price) for bar, price in level.pivots),
            )


def _lines(past: _Past) -> Iterator[LineShown]:
    """The lines that stand, and those whose break a rule still counts."""
    for ascending in (True, False):
        standing = line_at(past.columns, past.last, ascending=ascending)
        if standing is not None:
            yield _line(past, standing, past.last, broken=False)
        recent = past.recent(f"breaks_{_metric(ascending=ascending)}_1")
        for bar in break_bars(past.columns, past.closed, ascending=ascending):
            broken = line_at(past.columns, bar - 1, ascending=ascending) if bar >= recent else None
            if broken is not None:
                yield _line(past, broken, bar, broken=True)


def _metric(*, ascending: bool) -> str:
    return "trendline_ascending" if ascending else "trendline_descending"


def _line(past: _Past, line: Line, end: int, *, broken: bool) -> LineShown:
    extreme = past.columns["low" if line.ascending else "high"]
    return LineShown(
        metric=_metric(ascending=line.ascending),
        start=Point(bar=past.opens[line.first], price=line.first_price),
        end=Point(bar=past.opens[end], price=line.at(end)),
        pivots=tuple(Point(bar=past.opens[bar], price=float(extreme[bar])) for bar in line.touched),
        broken=broken,
    )


def _reviews(rehearsal: Rehearsal, start: datetime) -> Iterator[ReviewShown]:
    bars = rehearsal.rows["open_time"].to_list()
    names = [rule.name for rule in rehearsal.rules]
    for bar, review in zip(bars, rehearsal.reviews, strict=True):
        if bar >= start:
            yield ReviewShown(
                at=review.at,
                bar=bar,
                goal_before=review.goal_before,
                goal_ratio=review.goal_ratio,
                decider=review.decider,
                because=review.because,
                verdicts=dict(zip(names, review.values, strict=True)),
                statuses=dict(zip(names, review.statuses, strict=True)),
            )


def _entries(reviews: tuple[ReviewShown, ...], rules: tuple[Rule, ...]) -> Iterator[Entry]:
    actions = {rule.name: str(rule.action) for rule in rules}
    for review in reviews:
        if review.decider is not None:
            yield Entry(
                at=review.at,
                bar=review.bar,
                rule=review.decider,
                action=actions[review.decider],
                goal_before=review.goal_before,
                goal_ratio=review.goal_ratio,
            )
