"""
Fibonacci retracements of the last major swing (sections 3.3 and 6), and whether they hold.

Enter closed bars and their confirmed pivots; leave prices, and support held at them.

The swing at bar t runs between the highest swing high and the lowest swing low among the pivots of
the last `SWING_BARS` bars (bar > t - SWING_BARS) that are confirmed by t; of equal prices the later
pivot counts. Its direction is told by which came last:

- an up-swing, low then high, is retraced down: level(r) = high - r * (high - low);
- a down-swing, high then low, is retraced up: level(r) = low + r * (high - low).

There is no swing without both pivots, when one bar is both, or when the high is not above the low.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hedged.core.metrics import windows
from hedged.core.metrics.columns import Array, Columns, Indices, painted
from hedged.core.metrics.pivots import atr, pivots
from hedged.core.metrics.vocabulary import Signal, column_metric

SWING_BARS = 120
TOLERANCE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Swing:
    """The price at which the swing at each bar began and ended, NaN where there is none."""

    begin: Array
    end: Array


def swing(columns: Columns) -> Swing:
    """The last major swing at each bar, as the module defines it."""
    return columns.once("swing", lambda: _swing(columns))


def _swing(columns: Columns) -> Swing:
    high_bar, high = _extreme(columns, is_high=True)
    low_bar, low = _extreme(columns, is_high=False)
    up = high_bar > low_bar
    none = ~_seen(columns) | (high_bar == low_bar) | ~(high > low)
    return Swing(
        begin=np.where(none, np.nan, np.where(up, low, high)),
        end=np.where(none, np.nan, np.where(up, high, low)),
    )


def _extreme(columns: Columns, *, is_high: bool) -> tuple[Indices, Array]:
    """Bar and price of the highest high (lowest low) pivot at each bar; -1 and NaN without one."""
    kind = pivots(columns).of(is_high=is_high)
    order = np.lexsort((kind.bar, kind.price if is_high else -kind.price))
    bar = kind.bar[order]
    on = painted(kind.known_at[order], bar + SWING_BARS, len(columns))
    found = on >= 0
    at, price = np.full(len(columns), -1, dtype=np.int64), columns.empty()
    at[found], price[found] = bar[on[found]], kind.price[order][on[found]]
    return at, price


def _seen(columns: Columns) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """True where the last `SWING_BARS` bars are all known."""
    seen = np.zeros(len(columns), dtype=np.bool_)
    for part in columns.stretches():
        seen[part.start + SWING_BARS - 1 : part.stop] = True
    return seen


def level(columns: Columns, ratio: float) -> Array:
    """The price at which *ratio* of the swing is given back."""
    found = swing(columns)
    return found.end - ratio * (found.end - found.begin)


def holds(columns: Columns, ratio: float, n: int) -> Array:
    """
    Whether the level of this bar served as support through the last *n* bars.

    Some low of them was at most level + TOLERANCE * atr of its own bar, and every close of them was
    above the level. For an up-swing: it was retraced down to the level, which stopped the fall. For
    a down-swing: price climbed over the level, came back to it, and stayed above. A bounce that
    fails *below* a level of a down-swing is never a hold. Without a swing nothing holds: 0.
    """
    price, known = level(columns, ratio), _seen(columns)
    nearest, lowest_close = columns.once(("fib_lows", n), lambda: _lowest(columns, n))
    held = ((nearest <= price) & (lowest_close > price)).astype(np.float64)
    held[~known | np.isnan(nearest) | np.isnan(lowest_close)] = np.nan
    return held


def _lowest(columns: Columns, n: int) -> tuple[Array, Array]:
    """Of the last *n* bars the least low, less its tolerance, and the least close; NaN over a gap."""
    reach = columns["low"] - TOLERANCE * atr(columns)
    return windows.rolled(np.minimum, reach, n), windows.rolled(np.minimum, columns["close"], n)


def _told(ratio: float) -> str:
    return f"end of the swing - {ratio} * (end - begin): the swing of 120 bars retraced by {ratio:.1%}"


_WARM_UP = "119, again after a gap; null without a swing"
_HELD = (
    "a low of the last n bars at most 0.5 ATR above {0} of this bar, and every close of them above it;"
    " false without a swing"
)
_HELD_WARM_UP = "max(119, 13 + n), again after a gap"


@column_metric(
    "fib_236", unit="quote", section="3.3", warm_up=_WARM_UP, formula=_told(0.236),
)  # fmt: skip
def fib_236(columns: Columns, _n: int, _signal: Signal) -> Array:
    return level(columns, 0.236)


@column_metric(
    "fib_382", unit="quote", section="3.3", warm_up=_WARM_UP, formula=_told(0.382),
)  # fmt: skip
def fib_382(columns: Columns, _n: int, _signal: Signal) -> Array:
    return level(columns, 0.382)


@column_metric(
    "fib_500", unit="quote", section="3.3", warm_up=_WARM_UP, formula=_told(0.5),
)  # fmt: skip
def fib_500(columns: Columns, _n: int, _signal: Signal) -> Array:
    return level(columns, 0.5)


@column_metric(
    "fib_618", unit="quote", section="3.3", warm_up=_WARM_UP, formula=_told(0.618),
)  # fmt: skip
def fib_618(columns: Columns, _n: int, _signal: Signal) -> Array:
    return level(columns, 0.618)


@column_metric(
    "fib_786", unit="quote", section="3.3", warm_up=_WARM_UP, formula=_told(0.786),
)  # fmt: skip
def fib_786(columns: Columns, _n: int, _signal: Signal) -> Array:
    return level(columns, 0.786)


@column_metric(
    "holds_fib_382_n", unit="true or false", section="6", kind="boolean", warm_up=_HELD_WARM_UP,
    formula=_HELD.format("fib_382"),
)  # fmt: skip
def holds_fib_382(columns: Columns, n: int, _signal: Signal) -> Array:
    return holds(columns, 0.382, n)


@column_metric(
    "holds_fib_500_n", unit="true or false", section="6", kind="boolean", warm_up=_HELD_WARM_UP,
    formula=_HELD.format("fib_500"),
)  # fmt: skip
def holds_fib_500(columns: Columns, n: int, _signal: Signal) -> Array:
    return holds(columns, 0.5, n)


@column_metric(
    "holds_fib_618_n", unit="true or false", section="6", kind="boolean", warm_up=_HELD_WARM_UP,
    formula=_HELD.format("fib_618"),
)  # fmt: skip
def holds_fib_618(columns: Columns, n: int, _signal: Signal) -> Array:
    return holds(columns, 0.618, n)
