"""
Support and resistance as prices: swing pivots of the last bars, clustered into levels.

Enters the pivots and the average true range; leaves at every bar the levels around its close.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hedged.core.metrics.columns import Array, Columns, Indices
from hedged.core.metrics.pivots import atr, pivots

LEVEL_BARS = 250
"""A pivot counts from the bar that confirms it for this many bars."""

CLUSTER_ATR = 0.5
"""
How far from a cluster's mean its next pivot may lie, in average true ranges.

A range, not a share of the price: 2% is little on a day and very much in 15 minutes, and what is
near in a quiet market is far in a wild one. It is read at the bar at which the set of pivots last
changed and held until the next change, so that a level stands still while nothing new is known.
"""

TOUCHES_MIN = 2

MAJOR_TOUCHES = 3
"""Pivots that make a level a major one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Levels:
    """
    The levels at every bar: those of row i are ``prices[low[i]:high[i]]``, ascending.

    *above[i]* is the first of them at or above the close, *below[i]* the last at or below it;
    *known* says where there is anything to judge by: from a stretch's first level to its end.
    *first* is the place of a level's lowest pivot among those that count then, sorted by price.
    """

    prices: Array
    touches: Array
    first: Indices
    low: Indices
    high: Indices
    above: Indices
    below: Indices
    known: NDArray[np.bool_]

    def resistance(self, rank: int) -> Indices:
        """Row by row the place in *prices* of the *rank*-th level at or above the close, or -1."""
        place = self.above + (rank - 1)
        return np.where(self.known & (place < self.high), place, -1)

    def support(self, rank: int) -> Indices:
        """Row by row the place in *prices* of the *rank*-th level at or below the close, or -1."""
        place = self.below - (rank - 1)
        return np.where(self.known & (place >= self.low), place, -1)

    def major_resistance(self) -> Indices:
        """As ``resistance(1)``, of the levels of `MAJOR_TOUCHES` pivots or more."""
        majors = np.flatnonzero(self.touches >= MAJOR_TOUCHES)
        place = np.append(majors, self.prices.size)[np.searchsorted(majors, self.above)]
        return np.where(self.known & (place < self.high), place, -1)

    def major_support(self) -> Indices:
        """As ``support(1)``, of the levels of `MAJOR_TOUCHES` pivots or more."""
        majors = np.flatnonzero(self.touches >= MAJOR_TOUCHES)
        place = np.append(majors, -1)[np.searchsorted(majors, self.below, side="right") - 1]
        return np.where(self.known & (place >= self.low), place, -1)


def levels(columns: Columns) -> Levels:
    """
    Levels of the pivots that were confirmed within the last `LEVEL_BARS` bars, highs and lows alike.

    Sorted by price, a pivot joins the cluster below it when it lies within `CLUSTER_ATR` ranges of
    its mean; the mean of a cluster of `TOUCHES_MIN` pivots or more is a level. Pivots from before
    a gap don't count: what happened to their levels in the gap nobody saw.
    """
    return columns.once("levels", lambda: _levels(columns))


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One level, to be drawn: its price, and the bars and prices of the pivots that make it up."""

    price: float
    pivots: tuple[tuple[int, float], ...]


def levels_at(columns: Columns, bar: int) -> tuple[Level, ...]:
    """Every level in force at *bar*, from the lowest to the highest; none where it is missing."""
    found, swings = levels(columns), pivots(columns)
    if not found.known[bar]:
        return ()
    stretch = next(part for part in columns.stretches() if part.start <= bar < part.stop)
    counts = (swings.known_at <= bar) & (swings.known_at > bar - LEVEL_BARS)
    counts &= swings.known_at >= stretch.start
    bars, prices = swings.bar[counts], swings.price[counts]
    order = np.lexsort((bars, prices))
    made = [(int(bars[i]), float(prices[i])) for i in order]
    return tuple(
        Level(
            price=float(found.prices[i]),
            pivots=tuple(made[found.first[i] : found.first[i] + int(found.touches[i])]),
        )
        for i in range(found.low[bar], found.high[bar])
    )


@dataclass(slots=True)
class _Epochs:
    """Spans of bars through which the set of pivots stays the same; each has its levels."""

    start: list[int] = field(default_factory=lambda: [0])
    end: list[int] = field(default_factory=lambda: [0])  # where an epoch's levels end in prices
    prices: list[float] = field(default_factory=list)
    touches: list[int] = field(default_factory=list)
    first: list[int] = field(default_factory=list)

    def add(self, start: int, clusters: list[tuple[float, int, int]]) -> None:
        self.start.append(start)
        self.prices += [price for price, _, _ in clusters]
        self.touches += [touches for _, touches, _ in clusters]
        self.first += [first for _, _, first in clusters]
        self.end.append(len(self.prices))


def _levels(columns: Columns) -> Levels:
    epochs, known = _Epochs(), np.zeros(len(columns), dtype=bool)
    for stretch in columns.stretches():
        first = _add_epochs(epochs, columns, stretch)
        known[first : stretch.stop] = True
    epoch = np.searchsorted(np.array(epochs.start), np.arange(len(columns)), side="right") - 1
    ends = np.array(epochs.end, dtype=np.intp)
    low, high = ends[np.maximum(epoch - 1, 0)], ends[epoch]
    spans = list(zip(columns["close"].tolist(), low.tolist(), high.tolist(), strict=True))
    prices = epochs.prices
    above = [bisect_left(prices, close, first, last) for close, first, last in spans]
    below = [bisect_right(prices, close, first, last) - 1 for close, first, last in spans]
    return Levels(
        prices=np.array(prices, dtype=np.float64),
        touches=np.array(epochs.touches, dtype=np.float64),
        first=np.array(epochs.first, dtype=np.int64),
        low=low,
        high=high,
        above=np.array(above, dtype=np.intp),
        below=np.array(below, dtype=np.intp),
        known=known,
    )


def _add_epochs(epochs: _Epochs, columns: Columns, stretch: slice) -> int:
    """Append the epochs of one stretch; the bar of its first level, or its end without one."""
    found, ranges = pivots(columns), atr(columns)
    mine = slice(*np.searchsorted(found.known_at, (stretch.start, stretch.stop)))
    enters, prices = found.known_at[mine].tolist(), found.price[mine].tolist()
    leaves = [bar + LEVEL_BARS for bar in enters]
    counted: list[float] = []
    entered = left = 0
    first = int(stretch.stop)
    epochs.add(stretch.start, [])
    for bar in sorted({*enters, *(bar for bar in leaves if bar < stretch.stop)}):
        while entered < len(enters) and enters[entered] <= bar:
            insort(counted, prices[entered])
            entered += 1
        while left < entered and leaves[left] <= bar:
            del counted[bisect_left(counted, prices[left])]
            left += 1
        clusters = _clusters(counted, CLUSTER_ATR * float(ranges[bar]))
        epochs.add(bar, clusters)
        first = min(first, bar) if clusters else first
    return first


def _clusters(prices: list[float], tolerance: float) -> list[tuple[float, int, int]]:
    """
    Mean, size and first place of the clusters of *prices*, ascending, of `TOUCHES_MIN` or more.

    A *tolerance* that is NaN, in the warm-up of the range, leaves every pivot alone: no level.
    """
    found: list[tuple[float, int, int]] = []
    total, size = 0.0, 0
    for place, price in enumerate(prices):
        if size and price - total / size <= tolerance:
            total += price
            size += 1
            continue
        if size >= TOUCHES_MIN:
            found.append((total / size, size, place - size))
        total, size = price, 1
    if size >= TOUCHES_MIN:
        found.append((total / size, size, len(prices) - size))
    return found
