"""
The constituents of an index side by side: every bar that any of them has, and who lacks it.

Enter the kept bars of each; leave arrays with a row a constituent and a column a bar, in which NaN
stands for a bar that is missing or has an impossible price.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hedged.core.metrics.basket import Basket, period_of
from hedged.core.metrics.columns import Array, Indices, as_array
from hedged.core.metrics.history import bar_seconds

Mask = NDArray[np.bool_]
Figures = dict[str, Array]

PRICES = ("open", "high", "low", "close")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """
    A row a constituent, by symbol, and a column a bar that any of them has.

    *opened* and *closed* are in microseconds since 1970, *figures* the prices and the volume.
    *missed* counts the bars in a row that a constituent lacks. *period* is the period in which the
    bar after a column's closes, so it changes at the last close before or at a boundary.
    """

    symbols: tuple[str, ...]
    weights: Array
    opened: Indices
    closed: Indices
    period: Indices
    figures: Figures
    present: Mask
    missed: Indices

    @property
    def count(self) -> int:
        return self.opened.size

    def open_time(self, bar: int) -> datetime:
        return _EPOCH + timedelta(microseconds=int(self.opened[bar]))

    def close_time(self, bar: int) -> datetime:
        return _EPOCH + timedelta(microseconds=int(self.closed[bar]))


def side_by_side(basket: Basket, bars: dict[str, pl.DataFrame], bar: str) -> Table:
    """
    The possible bars of every constituent of *basket*, each of length *bar*.

    Raises
    ------
    KeyError
        When *bars* lacks a constituent.
    ValueError
        When *bar* is no bar length.
    """
    step = bar_seconds(bar) * 1_000_000
    # by symbol: so the order in which they are named can't show in the last bit of a sum
    constituents = sorted(basket.constituents, key=lambda constituent: constituent.symbol)
    kept = [_possible(bars[constituent.symbol]) for constituent in constituents]
    stamps = [frame["open_time"].to_physical().to_numpy() for frame in kept]
    opened = np.unique(np.concatenate(stamps))
    figures = {name: np.full((len(kept), opened.size), np.nan) for name in (*PRICES, "volume")}
    for row, (frame, own) in enumerate(zip(kept, stamps, strict=True)):
        at = np.searchsorted(opened, own)
        for name, table in figures.items():
            table[row, at] = as_array(frame[name])
    present = np.isfinite(figures["close"])
    column = np.arange(opened.size)
    closed = opened + step
    return Table(
        symbols=tuple(constituent.symbol for constituent in constituents),
        weights=np.array([float(constituent.weight) for constituent in constituents]),
        opened=opened,
        closed=closed,
        period=period_of(closed + step - 1, basket.rebalance),
        figures=figures,
        present=present,
        missed=column - np.maximum.accumulate(np.where(present, column, -1), axis=1),
    )


def _possible(frame: pl.DataFrame) -> pl.DataFrame:
    """The bars of which every price is one."""
    prices = [pl.col(name) for name in PRICES]
    return frame.filter(*(price.is_finite() & (price > 0) for price in prices))
