"""
Whole columns as arrays, for metrics that no rolling expression can say.

Enters the grid of closed bars; leaves NumPy arrays in which NaN stands for null, and a place to
keep what several metrics are made of, such as the pivots, so that it is computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
T = TypeVar("T")


class Columns:
    """The grid's columns by name, and results kept for the length of one measurement."""

    def __init__(self, rows: pl.DataFrame) -> None:
        self.rows = rows
        self._kept: dict[object, Any] = {}

    def __len__(self) -> int:
        return self.rows.height

    def __getitem__(self, name: str) -> Array:
        """The column *name* as float64; a null is NaN, and so is what is no finite number."""
        return self.once(("column", name), lambda: self._array(name))

    def once(self, key: object, make: Callable[[], T]) -> T:
        """What *make* makes, made only the first time that *key* is asked for."""
        if key not in self._kept:
            self._kept[key] = make()
        return cast("T", self._kept[key])

    def stretches(self) -> Iterator[slice]:
        """The gap-free stretches, in order: one NaN would poison a running sum for ever."""
        known = np.isfinite(self["close"])
        edges = np.flatnonzero(np.diff(np.concatenate(([False], known, [False])).astype(np.int8)))
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            yield slice(int(start), int(end))

    def empty(self) -> Array:
        """A column without any value."""
        return np.full(len(self), np.nan)

    def _array(self, name: str) -> Array:
        return as_array(self.rows[name])


def as_array(series: pl.Series) -> Array:
    """The series as float64; a null is NaN, and so is what is no finite number."""
    found = series.cast(pl.Float64).fill_null(np.nan).to_numpy().astype(np.float64)
    return np.where(np.isfinite(found), found, np.nan)


def within_last(events: Array, n: int) -> Array:
    """
    Whether *events* (1, 0, NaN for unknown) were true at any of the last *n* bars, this included.

    Kleene's or: 1 when one is known to be true; otherwise NaN when one is unknown, the bars before
    the first included; otherwise 0.
    """
    bar = np.arange(events.size)
    happened = np.maximum.accumulate(np.where(events == 1, bar, -n))
    unknown = np.maximum.accumulate(np.where(np.isnan(events), bar, -1))
    return np.where(bar - happened < n, 1.0, np.where(bar - unknown < n, np.nan, 0.0))


def within_last_while(events: Array, n: int, holds: Callable[[int, slice], NDArray[np.bool_]]) -> Array:
    """
    As `within_last`, of events that can be undone: one counts at a bar only if it holds there still.

    *holds* takes the bar of an event and the slice of bars that begins with it, and says at which of
    these it does. An event that does not hold is known to be false there.
    """
    found = within_last(np.where(events == 1, 0.0, events), n)
    for bar in np.flatnonzero(events == 1).tolist():
        later = slice(bar, bar + n)
        found[later][holds(bar, later)] = 1.0
    return found


def both(first: Array, second: Array) -> Array:
    """Kleene's and of two columns of events: 0 when either is known to be false."""
    return np.where((first == 0) | (second == 0), 0.0, first * second)


def events_of(happened: NDArray[np.bool_], known: NDArray[np.bool_]) -> Array:
    """A column of events: 1 or 0 where it is *known*, NaN elsewhere."""
    return np.where(known, happened.astype(np.float64), np.nan)


def painted(start: Indices, stop: Indices, size: int) -> Indices:
    """
    For each of *size* bars the last i with ``start[i] <= bar < stop[i]``, or -1 without one.

    Listed from worst to best, that is the best of what stands at each bar.
    """
    found = np.full(size, -1, dtype=np.int64)
    for i, (first, end) in enumerate(zip(start.tolist(), stop.tolist(), strict=True)):
        found[first:end] = i
    return found
