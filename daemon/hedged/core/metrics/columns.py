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

_CELLS = 100_000  # bars after events that are looked at in one go

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

    def evaluated(self, expression: pl.Expr) -> Array:
        """The column that *expression* gives over the grid."""
        return as_array(self.rows.select(expression).to_series())

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
    unknown = _any_of_last(np.isnan(events), n)
    unknown[: n - 1] = True
    return np.where(_any_of_last(events == 1, n), 1.0, np.where(unknown, np.nan, 0.0))


def _any_of_last(flags: NDArray[np.bool_], n: int) -> NDArray[np.bool_]:
    """Whether any of the last *n* flags, or of those there are, is set."""
    count = np.cumsum(flags, dtype=np.int32)
    count[n:] -= count[:-n].copy()
    return count > 0


Holds = Callable[[Indices, Indices], NDArray[np.bool_]]
"""
Takes the bar of an event, and the bars from it on; says at which of these the event holds.

Of many events at once, too: a column of their bars, and a row of bars of each.
"""


def within_last_while(events: Array, n: int, holds: Holds) -> Array:
    """
    As `within_last`, of events that can be undone: one counts at a bar only if it holds there still.

    An event that does not hold is known to be false there.
    """
    found = within_last(np.where(events == 1, 0.0, events), n)
    happened = np.flatnonzero(events == 1)
    at_once = max(1, _CELLS // n)
    for first in range(0, len(happened), at_once):
        bar = happened[first : first + at_once, None]
        later = bar + np.arange(n)
        held = holds(bar, np.minimum(later, len(events) - 1)) & (later < len(events))
        found[later[held]] = 1.0
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

    Listed from worst to best, that is the best of what stands at each bar. A span is put down as
    the two longest powers of two that cover it, from its start and up to its stop; from the longest
    power on, each then hands down to its halves. So the cost is that of the bars and of the spans,
    whatever their lengths.
    """
    stop = np.minimum(stop, size)
    spans = np.flatnonzero(start < stop)
    start, stop = start[spans], stop[spans]
    power = np.frexp(stop - start)[1] - 1
    found = np.full(size, -1, dtype=np.int64)
    for exponent in range(int(np.max(power, initial=0)), -1, -1):
        length, mine = 1 << exponent, np.flatnonzero(power == exponent)
        np.maximum.at(found, start[mine], spans[mine])
        np.maximum.at(found, stop[mine] - length, spans[mine])
        half = length // 2  # 0 for the last: a bar hands nothing down
        found[half:] = np.maximum(found[half:], found[: size - half])
    return found


def bisected(low: Indices, high: Indices, passed: Callable[[Indices], NDArray[np.bool_]]) -> Indices:
    """
    Row by row the first place in ``low:high`` that is not *passed*, or *high* when all are.

    *passed* tells of one place a row: true up to some place of the row, and false from there on.
    """
    for _ in range(int(np.max(high - low, initial=0)).bit_length()):
        middle = (low + high) // 2
        beyond = (low < high) & passed(np.minimum(middle, high - 1))
        low, high = np.where(beyond, middle + 1, low), np.where(beyond, high, middle)
    return low
