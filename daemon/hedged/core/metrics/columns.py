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
T = TypeVar("T")


class Columns:
    """The grid's columns by name, and results kept for the length of one measurement."""

    def __init__(self, rows: pl.DataFrame) -> None:
        self.rows = rows
        self._kept: dict[object, Any] = {}

    def __len__(self) -> int:
        return self.rows.height

    def __getitem__(self, name: str) -> Array:
        """The column *name* as float64; a null is NaN."""
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
        return self.rows[name].cast(pl.Float64).fill_null(np.nan).to_numpy().astype(np.float64)
