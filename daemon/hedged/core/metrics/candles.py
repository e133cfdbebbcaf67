"""
Candlestick patterns, alone and at a level (section 3.2).

Enters the grid of closed bars; leaves events with a window: engulfing and doji as TA-Lib has them,
shooting star and hammer by body and shadow.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from hedged.core.metrics.columns import Array, Columns, both, events_of, within_last
from hedged.core.metrics.levels import FIRST, RESISTANCE, SUPPORT, Side, level_tests
from hedged.core.metrics.vocabulary import Signal, column_metric

SHADOW_BODIES = 2.0
"""The long shadow of a star or hammer, in bodies of its bar."""

SHADOW_OTHER = 0.15
"""The most that the other shadow may take of the bar's range."""

# Bars before the first that TA-Lib judges; it reports them as "no pattern".
LOOKBACK = {"CDLENGULFING": 2, "CDLDOJI": 10}

_OHLC = ("open", "high", "low", "close")


def engulfing(columns: Columns, sign: Literal[1, -1]) -> Array:
    """TA-Lib's engulfing pattern, bullish (1) or bearish (-1), at each bar: 1, 0 or NaN."""
    found = columns.once("CDLENGULFING", lambda: _talib_pattern(columns, "CDLENGULFING"))
    return events_of(np.sign(found) == sign, np.isfinite(found))


def doji(columns: Columns) -> Array:
    """TA-Lib's doji at each bar: 1, 0 or NaN."""
    found = columns.once("CDLDOJI", lambda: _talib_pattern(columns, "CDLDOJI"))
    return events_of(found != 0, np.isfinite(found))


def _talib_pattern(columns: Columns, pattern: Literal["CDLENGULFING", "CDLDOJI"]) -> Array:
    import talib

    judge = {"CDLENGULFING": talib.CDLENGULFING, "CDLDOJI": talib.CDLDOJI}[pattern]
    found = columns.empty()
    for stretch in columns.stretches():
        first = stretch.start + LOOKBACK[pattern]
        if first < stretch.stop:
            found[stretch] = judge(*(columns[name][stretch] for name in _OHLC))
            found[stretch.start : first] = np.nan
    return found


def star(columns: Columns, side: Side) -> Array:
    """
    A shooting star (`RESISTANCE`) or hammer (`SUPPORT`) by its shape alone: 1, 0 or NaN.

    The shadow on *side* is at least `SHADOW_BODIES` bodies long, the other at most `SHADOW_OTHER`
    of the range; so the long one takes 57% of the range or more. Where price was is asked of levels.
    TA-Lib's star wants a gap up from the body before, which doesn't occur where a bar opens at the last
    close: none on 1,508 days, 36 by shape. Its hammer wants no gap but a small body below or near
    the low before: 31 days, 62 by shape. So its two are no mirror of each other; these are.
    """
    return columns.once(("star", side), lambda: _star(columns, side))


def _star(columns: Columns, side: Side) -> Array:
    opened, high, low, close = (columns[name] for name in _OHLC)
    top, bottom = np.maximum(opened, close), np.minimum(opened, close)
    upper, lower = high - top, bottom - low
    long, short = (upper, lower) if side == RESISTANCE else (lower, upper)
    happened = (long >= SHADOW_BODIES * (top - bottom)) & (short <= SHADOW_OTHER * (high - low))
    return events_of(happened & (high > low), np.isfinite(high - low) & np.isfinite(top - bottom))


@column_metric(
    "engulfing_bullish_n", unit="true or false", section="3.2", kind="boolean", warm_up="n + 1",
    formula="within n bars a rising body that engulfs the falling body before it (TA-Lib)",
)  # fmt: skip
def engulfing_bullish(columns: Columns, n: int, _signal: Signal) -> Array:
    return within_last(engulfing(columns, 1), n)


@column_metric(
    "engulfing_bearish_n", unit="true or false", section="3.2", kind="boolean", warm_up="n + 1",
    formula="within n bars a falling body that engulfs the rising body before it (TA-Lib)",
)  # fmt: skip
def engulfing_bearish(columns: Columns, n: int, _signal: Signal) -> Array:
    return within_last(engulfing(columns, -1), n)


@column_metric(
    "doji_n", unit="true or false", section="3.2", kind="boolean", warm_up="n + 9",
    formula="within n bars a body of at most a tenth of the mean range of the 10 bars before it "
    "(TA-Lib)",
)  # fmt: skip
def doji_n(columns: Columns, n: int, _signal: Signal) -> Array:
    return within_last(doji(columns), n)


@column_metric(
    "shooting_star_n", unit="true or false", section="3.2", kind="boolean", warm_up="n - 1",
    formula="within n bars an upper shadow of 2 bodies or more and a lower one of at most 15% of "
    "the range",
)  # fmt: skip
def shooting_star(columns: Columns, n: int, _signal: Signal) -> Array:
    return within_last(star(columns, RESISTANCE), n)


@column_metric(
    "hammer_n", unit="true or false", section="3.2", kind="boolean", warm_up="n - 1",
    formula="within n bars a lower shadow of 2 bodies or more and an upper one of at most 15% of "
    "the range",
)  # fmt: skip
def hammer(columns: Columns, n: int, _signal: Signal) -> Array:
    return within_last(star(columns, SUPPORT), n)


# ---- at a level: the pattern's own bars test it, as it stood before the first of them


@column_metric(
    "engulfing_bearish_at_resistance_n", unit="true or false", section="3.2", kind="boolean",
    formula="within n bars a bearish engulfing whose two bars test resistance_1 as it stood before",
    warm_up=FIRST,
)  # fmt: skip
def engulfing_bearish_at_resistance(columns: Columns, n: int, _signal: Signal) -> Array:
    return within_last(both(engulfing(columns, -1), level_tests(columns, RESISTANCE, span=2)), n)


@column_metric(
    "engulfing_bullish_at_support_n", unit="true or false", section="3.2", kind="boolean",
    formula="within n bars a bullish engulfing whose two bars test support_1 as it stood before",
    warm_up=FIRST,
)  # fmt: skip
def engulfing_bullish_at_support(columns: Columns, n: int, _signal: Signal) -> Array:
    return within_last(both(engulfing(columns, 1), level_tests(columns, SUPPORT, span=2)), n)


@column_metric(
    "shooting_star_at_resistance_n", unit="true or false", section="3.2", kind="boolean",
    formula="within n bars a shooting star that tests resistance", warm_up=FIRST,
)  # fmt: skip
def shooting_star_at_resistance(columns: Columns, n: int, _signal: Signal) -> Array:
    return within_last(both(star(columns, RESISTANCE), level_tests(columns, RESISTANCE)), n)


@column_metric(
    "hammer_at_support_n", unit="true or false", section="3.2", kind="boolean",
    formula="within n bars a hammer that tests support", warm_up=FIRST,
)  # fmt: skip
def hammer_at_support(columns: Columns, n: int, _signal: Signal) -> Array:
    return within_last(both(star(columns, SUPPORT), level_tests(columns, SUPPORT)), n)


@column_metric(
    "doji_at_resistance_n", unit="true or false", section="3.2", kind="boolean",
    formula="within n bars a doji that tests resistance", warm_up=FIRST,
)  # fmt: skip
def doji_at_resistance(columns: Columns, n: int, _signal: Signal) -> Array:
    return within_last(both(doji(columns), level_tests(columns, RESISTANCE)), n)


@column_metric(
    "doji_at_support_n", unit="true or false", section="3.2", kind="boolean",
    formula="within n bars a doji that tests support", warm_up=FIRST,
)  # fmt: skip
def doji_at_support(columns: Columns, n: int, _signal: Signal) -> Array:
    return within_last(both(doji(columns), level_tests(columns, SUPPORT)), n)
