"""
Trendlines (section 3.3): the major rising line under the lows and falling line over the highs.

Enter closed bars and their confirmed pivots; leave the line's value, touches and breaks at each bar.

The major ascending line at bar t. Its pivots are the lows confirmed by t, of the last `LOOKBACK`
bars (bar > t - LOOKBACK), of those the last `PIVOTS_MAX`, on the present gap-free stretch and past
the ATR's warm-up. A line goes through two of them, a and then b:

    line(s) = price_a + (price_b - price_a) / (bar_b - bar_a) * (s - bar_a)

- It rises: price_b - price_a > TOLERANCE * (atr(bar_a) + atr(bar_b)). With less, a flat line is
  within the tolerance of both pivots, and what they draw is a floor.
- It is unbroken when no bar s, bar_a < s < t, closed below line(s) - TOLERANCE * atr(s). So the
  bar that breaks a line still has it, and the next bar has not.
- It is touched by a, by b, and by each pivot c after a with |price_c - line(bar_c)| <=
  TOLERANCE * atr(bar_c).
- A line is major only when `SPAN_MIN` bars or more lie between a and its last touch.
- Of the unbroken lines that rise the major one has the most touches; of equals the longest from a
  to its last touch; then the one with the later b; then the one with the later a.

The descending line is the same upside down: highs, falling, closes above. atr is Wilder's of 14
bars. Lines are straight in price, not in its logarithm.

A break at bar t is a close beyond the line of t - 1, drawn on to t, by more than the tolerance,
where the close of t - 1 was not. It counts only as long as it holds: at a later bar whose close is
still beyond that line, drawn on to it. No tolerance there: a line that is tested from the other
side is a broken one, a line that is won back is not.

How it stays linear: from a, the line with slope k is unbroken through s exactly when k is at most
the least (close(u) + TOLERANCE * atr(u) - price_a) / (u - bar_a) of the bars u in (bar_a, s]. One
running minimum for each a therefore dates the break of every line that begins there. Most pairs are
broken before b is confirmed, and the lines that are left are painted from worst to best.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from hedged.core.metrics.columns import (
    Array,
    Columns,
    Holds,
    Indices,
    bisected,
    painted,
    within_last_while,
)
from hedged.core.metrics.pivots import atr, pivots
from hedged.core.metrics.vocabulary import Signal, column_metric

LOOKBACK = 250
PIVOTS_MAX = 40
SPAN_MIN = 20
TOLERANCE = 0.5

# Pivots at a time: their running minima are a table of LOOKBACK columns, which should fit the cache.
_BLOCK = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sketch:
    """What lines are drawn on, descending ones upside down: the pivots past warm-up, the closes."""

    bar: Indices
    known_at: Indices
    price: Array
    slack: Array  # at each pivot, in price
    floor: Array  # at each bar, the highest line that its close leaves whole; NaN in a gap


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lines:
    """Lines from pivot *a* to pivot *b*; *end* is the last bar at which each may be chosen."""

    a: Indices
    b: Indices
    slope: Array
    end: Indices


@dataclass(frozen=True, slots=True, kw_only=True)
class Major:
    """
    The major line at each bar, NaN where there is none.

    *first* and *second* are the bars of the two pivots it goes through, -1 without a line.
    """

    value: Array
    slope: Array
    touches: Array
    first: Indices
    second: Indices


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """
    One major line, to be drawn: *touched* are the bars of the pivots on it, the two it goes through
    among them. *slope* is in the quote currency a bar.
    """

    ascending: bool
    first: int
    second: int
    first_price: float
    slope: float
    touched: tuple[int, ...]

    def at(self, bar: int) -> float:
        """The line's price at *bar*, in the quote currency."""
        return self.first_price + self.slope * (bar - self.first)


def major(columns: Columns, *, ascending: bool) -> Major:
    """The major line of one direction at each bar, as the module defines it."""
    return columns.once(("trendline", ascending), lambda: _major(columns, 1 if ascending else -1))


def _major(columns: Columns, sign: int) -> Major:
    sketch = _sketch(columns, sign)
    lines = _unbroken(sketch)
    line, start, stop, touches = _ranked(sketch, lines)
    on = painted(start, stop, len(columns))
    standing = np.flatnonzero((on >= 0) & np.isfinite(sketch.floor))
    row = on[standing]
    a, slope = lines.a[line[row]], lines.slope[line[row]]
    found = Major(
        value=columns.empty(),
        slope=columns.empty(),
        touches=columns.empty(),
        first=np.full(len(columns), -1, dtype=np.int64),
        second=np.full(len(columns), -1, dtype=np.int64),
    )
    found.value[standing] = sign * (sketch.price[a] + slope * (standing - sketch.bar[a]))
    found.slope[standing] = sign * slope
    found.touches[standing] = touches[row]
    found.first[standing], found.second[standing] = sketch.bar[a], sketch.bar[lines.b[line[row]]]
    return found


def line_at(columns: Columns, bar: int, *, ascending: bool) -> Line | None:
    """The major line of one direction that stands at *bar*, with its pivots; None without one."""
    found, kind = major(columns, ascending=ascending), pivots(columns).of(is_high=not ascending)
    first, second = int(found.first[bar]), int(found.second[bar])
    if first < 0:
        return None
    slope, value = float(found.slope[bar]), float(kind.price[kind.bar == first][0])
    off = np.abs(kind.price - (value + slope * (kind.bar - first)))
    on = off <= TOLERANCE * atr(columns)[kind.bar]
    known = (kind.bar >= first) & (kind.known_at <= bar)
    return Line(
        ascending=ascending,
        first=first,
        second=second,
        first_price=value,
        slope=slope,
        touched=tuple(kind.bar[on & known].tolist()),
    )


def break_bars(columns: Columns, at: int, *, ascending: bool) -> tuple[int, ...]:
    """The bars up to *at* that broke the line of the bar before, and whose breaks hold at *at*."""
    sign = 1 if ascending else -1
    holds = _beyond(columns, sign)
    broken = np.flatnonzero(_break_events(columns, sign)[: at + 1] == 1)
    return tuple(int(bar) for bar in broken if holds(np.array([bar]), np.arange(bar, at + 1))[-1])


def _sketch(columns: Columns, sign: int) -> _Sketch:
    slack = TOLERANCE * atr(columns)
    kind = pivots(columns).of(is_high=sign < 0)
    warm = np.isfinite(slack[kind.bar])
    return _Sketch(
        bar=kind.bar[warm],
        known_at=kind.known_at[warm],
        price=sign * kind.price[warm],
        slack=slack[kind.bar[warm]],
        floor=sign * columns["close"] + slack,
    )


def _unbroken(sketch: _Sketch) -> _Lines:
    """Every line that is still whole when its second pivot is confirmed."""
    # Nobody knows whether a line was broken in a gap.
    floor = np.where(np.isnan(sketch.floor), -np.inf, sketch.floor)
    floors = sliding_window_view(np.append(floor, np.full(LOOKBACK, -np.inf)), LOOKBACK - 1)
    blocks = [
        _unbroken_from(sketch, floors, np.arange(first, min(first + _BLOCK, len(sketch.bar))))
        for first in range(0, max(len(sketch.bar), 1), _BLOCK)
    ]
    return _Lines(
        a=np.concatenate([block.a for block in blocks]),
        b=np.concatenate([block.b for block in blocks]),
        slope=np.concatenate([block.slope for block in blocks]),
        end=np.concatenate([block.end for block in blocks]),
    )


def _unbroken_from(sketch: _Sketch, floors: Array, first: Indices) -> _Lines:
    """The lines that begin at the pivots *first*, found for all of them at once."""
    steepest = _steepest(sketch, floors, first)
    near = np.searchsorted(sketch.bar, sketch.bar[first] + LOOKBACK) - first
    away = np.arange(1, min(PIVOTS_MAX, int(np.max(near, initial=1))))
    a, b = first[:, None], first[:, None] + away
    paired, b = b < len(sketch.bar), np.minimum(b, len(sketch.bar) - 1)
    rise = sketch.price[b] - sketch.price[a]
    with np.errstate(invalid="ignore"):  # the last pivot beside itself is no pair
        slope = rise / (sketch.bar[b] - sketch.bar[a])
    # A line stands at t when it is whole through t - 1: what must hold when b is confirmed.
    column = sketch.known_at[b] - 2 - sketch.bar[a]
    seen = paired & (rise > sketch.slack[a] + sketch.slack[b]) & (column < LOOKBACK - 1)
    row, b, slope, column = np.nonzero(seen)[0], b[seen], slope[seen], column[seen]
    whole = slope <= steepest[row, column]
    row, b, slope = row[whole], b[whole], slope[whole]
    through, limits = LOOKBACK - 1, steepest.ravel()
    broken = bisected(row * through, (row + 1) * through, lambda place: limits[place] >= slope)
    bars = np.minimum(broken - row * through + 1, through)
    return _Lines(a=first[row], b=b, slope=slope, end=sketch.bar[first[row]] + bars)


def _steepest(sketch: _Sketch, floors: Array, first: Indices) -> Array:
    """For each pivot the steepest slope left whole by the bars after it, through each of them."""
    slopes = floors[sketch.bar[first] + 1] - sketch.price[first, None]
    slopes /= np.arange(1, LOOKBACK)
    return np.minimum.accumulate(slopes, axis=1, out=slopes)


def _ranked(sketch: _Sketch, lines: _Lines) -> tuple[Indices, Indices, Indices, Indices]:
    """
    The life of each line, cut at every confirmed pivot, from the worst piece to the best.

    (line, start, stop, touches) a piece; it stands at start <= bar < stop. The last piece ends when
    `PIVOTS_MAX` newer pivots are confirmed: then the line's first is no longer considered.
    """
    count, alive = len(sketch.bar), np.arange(len(lines.a))
    touches = np.ones(len(alive), dtype=np.int64)
    last = lines.a.copy()
    known = np.append(sketch.known_at, np.iinfo(np.int64).max)
    pieces = [np.empty((0, 5), dtype=np.int64)]
    for away in range(1, PIVOTS_MAX):
        c = lines.a[alive] + away
        alive = alive[(c < count) & (known[np.minimum(c, count)] <= lines.end[alive])]
        a, b, c = lines.a[alive], lines.b[alive], lines.a[alive] + away
        line = sketch.price[a] + lines.slope[alive] * (sketch.bar[c] - sketch.bar[a])
        touched = (np.abs(sketch.price[c] - line) <= sketch.slack[c]) | (c == b)
        touches[alive] += touched
        last[alive[touched]] = c[touched]
        span = sketch.bar[last[alive]] - sketch.bar[a]
        stop = np.minimum(lines.end[alive] + 1, known[c + 1])
        piece = np.column_stack([alive, known[c], stop, touches[alive], span])
        pieces.append(piece[(c >= b) & (span >= SPAN_MIN)])
    line, start, stop, touched_by, span = np.concatenate(pieces).T
    # One number a piece: touches, then span, then b, then a. The pieces of a line may be equal.
    newest = lines.b[line] * PIVOTS_MAX - (lines.b[line] - lines.a[line])
    order = np.argsort((touched_by * LOOKBACK + span) * (count * PIVOTS_MAX) + newest)
    return line[order], start[order], stop[order], touched_by[order]


def _breaks(columns: Columns, sign: int, n: int) -> Array:
    return within_last_while(_break_events(columns, sign), n, _beyond(columns, sign))


def _break_events(columns: Columns, sign: int) -> Array:
    """A close beyond the line of the bar before, drawn on to it, the close before not beyond."""
    floor = sign * columns["close"] + TOLERANCE * atr(columns)
    line = major(columns, ascending=sign > 0)
    before, extended = sign * line.value[:-1], sign * (line.value[:-1] + line.slope[:-1])
    event = columns.empty()
    event[1:] = (floor[1:] < extended) & (floor[:-1] >= before)  # without a line nothing breaks
    event[1:][np.isnan(floor[1:]) | np.isnan(floor[:-1])] = np.nan
    return event


def _beyond(columns: Columns, sign: int) -> Holds:
    """Says where the close is beyond the line that stood before a bar, drawn on."""
    line, close = major(columns, ascending=sign > 0), sign * columns["close"]

    def holds(bar: Indices, later: Indices) -> NDArray[np.bool_]:
        drawn: Array = line.value[bar - 1] + line.slope[bar - 1] * (later - (bar - 1))
        return close[later] < sign * drawn

    return holds


def _touches(columns: Columns, *, ascending: bool) -> Array:
    touches = major(columns, ascending=ascending).touches.copy()
    touches[np.isnan(touches) & np.isfinite(atr(columns))] = 0.0
    return touches


_LINE = (
    "of unbroken lines through two of 250 bars' pivot {0}s, 20 bars or longer, the most touched; it"
    " {1} from one to the other by more than 0.5 ATR of the first plus 0.5 ATR of the second"
)
_KNOWN = "two pivots past the 14 bars of ATR; null without a line, again after a gap"
_BROKEN = (
    "within the last n bars a close {0} the line of the bar before, drawn on to its own bar, by more"
    " than 0.5 ATR, the close before it not, and the close of this bar still {0} that line, drawn on"
    " to it; false without a line"
)


@column_metric(
    "trendline_ascending", unit="quote", section="3.3", warm_up=_KNOWN,
    formula=f"at this bar: {_LINE.format('low', 'rises')}",
)  # fmt: skip
def trendline_ascending(columns: Columns, _n: int, _signal: Signal) -> Array:
    return major(columns, ascending=True).value


@column_metric(
    "trendline_descending", unit="quote", section="3.3", warm_up=_KNOWN,
    formula=f"at this bar: {_LINE.format('high', 'falls')}",
)  # fmt: skip
def trendline_descending(columns: Columns, _n: int, _signal: Signal) -> Array:
    return major(columns, ascending=False).value


@column_metric(
    "trendline_ascending_touches", unit="pivots", section="3.3", warm_up="14, again after a gap",
    formula="pivot lows within 0.5 ATR of trendline_ascending; 0 without a line",
)  # fmt: skip
def trendline_ascending_touches(columns: Columns, _n: int, _signal: Signal) -> Array:
    return _touches(columns, ascending=True)


@column_metric(
    "trendline_descending_touches", unit="pivots", section="3.3", warm_up="14, again after a gap",
    formula="pivot highs within 0.5 ATR of trendline_descending; 0 without a line",
)  # fmt: skip
def trendline_descending_touches(columns: Columns, _n: int, _signal: Signal) -> Array:
    return _touches(columns, ascending=False)


@column_metric(
    "trendline_ascending_distance", unit="ratio", section="3.3", warm_up=_KNOWN,
    threshold_max=0.3,
    formula="(close - trendline_ascending) / close: positive before the break",
)  # fmt: skip
def trendline_ascending_distance(columns: Columns, _n: int, _signal: Signal) -> Array:
    return _share(columns["close"] - major(columns, ascending=True).value, columns["close"])


@column_metric(
    "trendline_descending_distance", unit="ratio", section="3.3", warm_up=_KNOWN,
    threshold_max=0.3,
    formula="(trendline_descending - close) / close: positive before the break",
)  # fmt: skip
def trendline_descending_distance(columns: Columns, _n: int, _signal: Signal) -> Array:
    return _share(major(columns, ascending=False).value - columns["close"], columns["close"])


@column_metric(
    "breaks_trendline_ascending_n", unit="true or false", section="3.3", kind="boolean",
    warm_up="14 + n, again after a gap", formula=_BROKEN.format("below"),
)  # fmt: skip
def breaks_trendline_ascending(columns: Columns, n: int, _signal: Signal) -> Array:
    return _breaks(columns, 1, n)


@column_metric(
    "breaks_trendline_descending_n", unit="true or false", section="3.3", kind="boolean",
    warm_up="14 + n, again after a gap", formula=_BROKEN.format("above"),
)  # fmt: skip
def breaks_trendline_descending(columns: Columns, n: int, _signal: Signal) -> Array:
    return _breaks(columns, -1, n)


def _share(part: Array, whole: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return part / whole
