"""
Support and resistance as prices: swing pivots of the last bars, clustered into levels.

Enters the pivots and the average true range; leaves at every bar the levels around its close.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.core.metrics.columns import Array, Columns, Indices, bisected
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

_BLOCK = 2048  # epochs at a time: their pivots are a table that should stay in the cache


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Epochs:
    """
    Spans of bars through which the set of pivots stays the same, by the bar at which each begins.

    Those of epoch i are ``pivots[first[i]:last[i]]``; *opening* is the epoch that began its stretch.
    """

    start: Indices
    first: Indices
    last: Indices
    tolerance: Array
    opening: Indices


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Clusters:
    """Clusters of pivots: their mean *price*, and the place of the lowest in its *epoch*, by price."""

    epoch: Indices
    price: Array
    size: Array
    first: Indices


def _levels(columns: Columns) -> Levels:
    epochs = _epochs(columns)
    clusters = _clusters(epochs, pivots(columns).price)
    prices, count = clusters.price, np.bincount(clusters.epoch, minlength=len(epochs.start))
    ends = np.cumsum(count)
    begins = ends - count
    epoch = np.repeat(np.arange(len(ends)), np.diff(np.append(epochs.start, len(columns))))
    low, high, close = begins[epoch], ends[epoch], columns["close"]
    return Levels(
        prices=prices,
        touches=clusters.size,
        first=clusters.first,
        low=low,
        high=high,
        above=bisected(low, high, lambda place: prices[place] < close),
        below=bisected(low, high, lambda place: prices[place] <= close) - 1,
        known=np.isfinite(close) & (ends > begins[epochs.opening])[epoch],
    )


def _epochs(columns: Columns) -> _Epochs:
    """An epoch begins with a stretch, with no pivot, and where a pivot enters or leaves within one."""
    enters = pivots(columns).known_at
    opens, stops = np.array([(0, 0), *((s.start, s.stop) for s in columns.stretches())]).T
    leaves = enters + LEVEL_BARS
    leaves = leaves[leaves < stops[np.searchsorted(opens, enters, side="right") - 1]]
    begins = np.zeros(len(columns) + 1, dtype=np.bool_)
    begins[np.concatenate([opens, enters, leaves])] = True
    start = np.flatnonzero(begins)
    opened = opens[np.searchsorted(opens, start, side="right") - 1]
    since = np.maximum(start - LEVEL_BARS, opened)  # no pivot is confirmed by a stretch's first bar
    return _Epochs(
        start=start,
        first=np.searchsorted(enters, since, side="right"),
        last=np.searchsorted(enters, start, side="right"),
        tolerance=CLUSTER_ATR * np.append(atr(columns), np.nan)[start],
        opening=np.searchsorted(start, opened),
    )


def _clusters(epochs: _Epochs, prices: Array) -> _Clusters:
    """
    Every cluster of `TOUCHES_MIN` pivots or more; by epoch, and in it by price.

    A tolerance that is NaN, in the warm-up of the range, leaves every pivot alone: no level.
    """
    found = [
        _clusters_from(epochs, prices, slice(first, first + _BLOCK))
        for first in range(0, len(epochs.start), _BLOCK)
    ]
    return _Clusters(
        epoch=np.concatenate([part.epoch for part in found]),
        price=np.concatenate([part.price for part in found]),
        size=np.concatenate([part.size for part in found]),
        first=np.concatenate([part.first for part in found]),
    )


def _clusters_from(epochs: _Epochs, prices: Array, mine: slice) -> _Clusters:
    """The clusters of some epochs: one pivot of each is looked at, then the next of each."""
    first, last, tolerance = epochs.first[mine], epochs.last[mine], epochs.tolerance[mine]
    place = first[:, None] + np.arange(int(np.max(last - first)) + 1)
    padded = np.append(prices, np.inf)  # there is one at every end, and it closes the last cluster
    table = np.sort(padded[np.where(place < last[:, None], place, -1)], axis=1).T.copy()
    means, sizes = np.empty_like(table), np.empty_like(table)
    total, size = np.zeros(len(first)), np.zeros(len(first))
    with np.errstate(divide="ignore", invalid="ignore"):
        for rank, price in enumerate(table):
            mean = total / size
            joins = price - mean <= tolerance
            means[rank], sizes[rank] = mean, np.where(joins, 0, size)
            total, size = np.where(joins, total, 0) + price, np.where(joins, size, 0) + 1
    epoch, after = np.nonzero(sizes.T >= TOUCHES_MIN)
    counted = sizes[after, epoch]
    return _Clusters(
        epoch=epoch + mine.start,
        price=means[after, epoch],
        size=counted,
        first=after - counted.astype(np.int64),
    )
