"""
Swing pivots and the average true range, on which lines, levels and swings stand.

Enters the grid of closed bars; leaves the pivots, each with the bar at which it became known, and
the range that tolerances are measured in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.core.metrics.columns import Array, Columns

REACH = 5
"""Bars on either side that a pivot stands out from; it is known that many bars later."""

ATR_BARS = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Pivots:
    """Every swing pivot, by *bar*; *known_at* is *bar* + `REACH`, *price* its high or low."""

    bar: NDArray[np.int64]
    known_at: NDArray[np.int64]
    price: Array
    is_high: NDArray[np.bool_]

    def of(self, *, is_high: bool) -> Pivots:
        """The pivots of one kind."""
        kind = self.is_high == is_high
        return Pivots(
            bar=self.bar[kind],
            known_at=self.known_at[kind],
            price=self.price[kind],
            is_high=self.is_high[kind],
        )


def pivots(columns: Columns) -> Pivots:
    """
    The confirmed pivots: a high above those of the `REACH` bars before and not below those after.

    A low likewise. A flat top counts once, at its first bar; a gap among the bars on either side
    leaves it unconfirmed for ever.
    """
    return columns.once("pivots", lambda: _pivots(columns))


def atr(columns: Columns) -> Array:
    """Wilder's average true range of `ATR_BARS` bars; NaN in warm-up, which a gap begins anew."""
    return wilder_atr(columns, ATR_BARS)


def wilder_atr(columns: Columns, n: int) -> Array:
    """Wilder's average true range of *n* bars by TA-Lib, a gap-free stretch at a time."""
    return columns.once(("atr", n), lambda: _wilder_atr(columns, n))


def _pivots(columns: Columns) -> Pivots:
    tops = np.flatnonzero(_stands_out(columns["high"]))
    bottoms = np.flatnonzero(_stands_out(-columns["low"]))
    bar = np.concatenate([tops, bottoms]).astype(np.int64)
    price = np.concatenate([columns["high"][tops], columns["low"][bottoms]])
    is_high = np.repeat([True, False], [len(tops), len(bottoms)])
    order = np.argsort(bar, kind="stable")  # where a bar is both, the high comes first
    return Pivots(
        bar=bar[order],
        known_at=bar[order] + REACH,
        price=price[order],
        is_high=is_high[order],
    )


def _stands_out(price: Array) -> NDArray[np.bool_]:
    """True at a top; a comparison with a missing bar is false, so no top leans on a gap."""
    inner = slice(REACH, len(price) - REACH)
    found = np.zeros(len(price), dtype=np.bool_)
    if len(price) <= 2 * REACH:
        return found
    top = np.ones(len(price) - 2 * REACH, dtype=np.bool_)
    for away in range(1, REACH + 1):
        top &= price[inner] > price[REACH - away : len(price) - REACH - away]
        top &= price[inner] >= price[REACH + away : len(price) - REACH + away]
    found[inner] = top
    return found


def _wilder_atr(columns: Columns, n: int) -> Array:
    import talib

    found = columns.empty()
    high, low, close = columns["high"], columns["low"], columns["close"]
    for part in columns.stretches():
        found[part] = talib.ATR(high[part], low[part], close[part], timeperiod=n)
    return found
