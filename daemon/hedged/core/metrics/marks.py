"""
Marks that many watch: the prior all-time high, and the prior week's pivot points (3.2 and 5.1).

Enters the grid of closed bars; leaves breaks of the high as events with a window in bars, and the
five classic pivot points.
"""

from __future__ import annotations

import numpy as np

from hedged.core.metrics.columns import Array, Columns, both, events_of, within_last
from hedged.core.metrics.history import bar_seconds
from hedged.core.metrics.price import ath, volume_ratio
from hedged.core.metrics.vocabulary import ATH_VOLUME_RATIO, Signal, column_metric

VOLUME_BARS = 20

DAY_SECONDS = 86400
WEEK_SECONDS = 7 * DAY_SECONDS


# ---- the all-time high


def _above_ath(columns: Columns, signal: Signal) -> Array:
    prior, close = ath(columns, 0, signal), columns["close"]
    return events_of(close > prior, np.isfinite(prior) & np.isfinite(close))


@column_metric(
    "breaks_ath_n", unit="true or false", section="5.1", kind="boolean",
    warm_up="n - 1, from ath_seed", formula="within n bars a close above ath as at that bar",
)  # fmt: skip
def breaks_ath(columns: Columns, n: int, signal: Signal) -> Array:
    return within_last(_above_ath(columns, signal), n)


@column_metric(
    "breaks_ath_volume_n", unit="true or false", section="5.1", kind="boolean",
    warm_up="n - 1, from ath_seed; null on a close above ath with less than"
    f" {VOLUME_BARS} bars before it",
    needs=("bars", "volume"),
    formula=f"within n bars a close above ath on a bar whose volume_ratio_{VOLUME_BARS} is above"
    f" [signal] ath_volume_ratio ({ATH_VOLUME_RATIO})",
)  # fmt: skip
def breaks_ath_volume(columns: Columns, n: int, signal: Signal) -> Array:
    ratio = columns.evaluated(volume_ratio(VOLUME_BARS, signal))
    heavy = events_of(ratio > float(signal.ath_volume_ratio), np.isfinite(ratio))
    return within_last(both(_above_ath(columns, signal), heavy), n)


# ---- classic pivot points

WEEK = "of the calendar week (Monday to Sunday, UTC) before the bar's own"
WHOLE = "the first whole week; again after a gap"


def prior_week(columns: Columns, signal: Signal) -> tuple[Array, Array, Array]:
    """
    High, low and close of the calendar week (Monday to Sunday, UTC) before each bar's own.

    NaN where a bar of that week is missing, and with bars that do not tile the day, such as 7h or
    3d: one of theirs would lie in two weeks.
    """
    return columns.once("prior_week", lambda: _prior_week(columns, signal))


def _prior_week(columns: Columns, signal: Signal) -> tuple[Array, Array, Array]:
    opened = columns.rows["open_time"].dt.epoch("s").to_numpy()
    number = (opened - 4 * DAY_SECONDS) // WEEK_SECONDS  # 1970-01-05 was the first Monday
    first = np.flatnonzero(np.diff(number, prepend=number[0] - 1))  # every row of the grid is there
    bars = np.diff(np.append(first, len(columns)))
    week = np.repeat(np.arange(first.size), bars)
    seconds = bar_seconds(signal.bar)
    whole = (bars * seconds == WEEK_SECONDS) & (DAY_SECONDS % seconds == 0)
    whole &= np.logical_and.reduceat(np.isfinite(columns["close"]), first)

    def of_week_before(figures: Array) -> Array:
        return np.append(np.nan, np.where(whole, figures, np.nan)[:-1])[week]

    return (
        of_week_before(np.maximum.reduceat(columns["high"], first)),
        of_week_before(np.minimum.reduceat(columns["low"], first)),
        of_week_before(columns["close"][first + bars - 1]),
    )


@column_metric(
    "pivot_p", unit="quote", formula=f"(high + low + close) / 3 {WEEK}", section="3.2", warm_up=WHOLE,
)  # fmt: skip
def pivot_p(columns: Columns, _n: int, signal: Signal) -> Array:
    high, low, close = prior_week(columns, signal)
    return (high + low + close) / 3


@column_metric(
    "pivot_r1", unit="quote", formula=f"2 * pivot_p - low {WEEK}", section="3.2", warm_up=WHOLE,
)  # fmt: skip
def pivot_r1(columns: Columns, n: int, signal: Signal) -> Array:
    return 2 * pivot_p(columns, n, signal) - prior_week(columns, signal)[1]


@column_metric(
    "pivot_r2", unit="quote", formula=f"pivot_p + high - low {WEEK}", section="3.2", warm_up=WHOLE,
)  # fmt: skip
def pivot_r2(columns: Columns, n: int, signal: Signal) -> Array:
    high, low, _ = prior_week(columns, signal)
    return pivot_p(columns, n, signal) + (high - low)


@column_metric(
    "pivot_s1", unit="quote", formula=f"2 * pivot_p - high {WEEK}", section="3.2", warm_up=WHOLE,
)  # fmt: skip
def pivot_s1(columns: Columns, n: int, signal: Signal) -> Array:
    return 2 * pivot_p(columns, n, signal) - prior_week(columns, signal)[0]


@column_metric(
    "pivot_s2", unit="quote", formula=f"pivot_p - high + low {WEEK}", section="3.2", warm_up=WHOLE,
)  # fmt: skip
def pivot_s2(columns: Columns, n: int, signal: Signal) -> Array:
    high, low, _ = prior_week(columns, signal)
    return pivot_p(columns, n, signal) - (high - low)
