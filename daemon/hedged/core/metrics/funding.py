"""
Funding metrics (section 4.2), comparable between venues that settle every 1, 4 or 8 hours.

Enters the last rate settled at or before each bar's close, with the hours it covers, null when it
is older than two of its intervals; leaves its level, how unusual it is, its run and its turns. The
running rate, not settled yet, enters likewise as the venue last predicted it.
A short hedge receives positive funding and pays negative.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hedged.core.metrics import windows
from hedged.core.metrics.columns import Array, Columns, within_last
from hedged.core.metrics.vocabulary import Signal, column_metric, metric

YEAR_HOURS = 365 * 24


@metric(
    "funding_rate", unit="ratio an interval", section="4.2", warm_up="0", needs=("funding",),
    formula="last settled funding rate, as the venue states it; longs pay when positive",
)  # fmt: skip
def funding_rate(_n: int, _signal: Signal) -> pl.Expr:
    return pl.col("funding_rate")


@metric(
    "funding_interval", unit="hours", formula="hours that the settled funding_rate covers",
    section="4.2", warm_up="0", needs=("funding",),
)  # fmt: skip
def funding_interval(_n: int, _signal: Signal) -> pl.Expr:
    return pl.when(pl.col("funding_rate").is_not_null()).then(pl.col("funding_interval"))


@metric(
    "funding_rate_8h", unit="ratio in 8 hours", formula="funding_rate * 8 / funding_interval",
    section="4.2", warm_up="0", needs=("funding",),
)  # fmt: skip
def funding_rate_8h(_n: int, _signal: Signal) -> pl.Expr:
    return pl.col("funding_rate") * 8 / pl.col("funding_interval")


@metric(
    "funding_annualized", unit="ratio a year", section="4.2", warm_up="0", needs=("funding",),
    formula="funding_rate * 365 * 24 / funding_interval: the carry of a perpetual, what a short"
    " receives in a year at this rate when positive, and pays when negative",
)  # fmt: skip
def funding_annualized(_n: int, _signal: Signal) -> pl.Expr:
    return pl.col("funding_rate") * YEAR_HOURS / pl.col("funding_interval")


@metric(
    "funding_rate_next", unit="ratio an interval", section="4.2", warm_up="0", needs=("funding_next",),
    formula="running funding rate, not settled yet, as the venue last predicted it at or before the"
    " close of the bar; null when that is longer ago than two intervals",
)  # fmt: skip
def funding_rate_next(_n: int, _signal: Signal) -> pl.Expr:
    return pl.col("funding_rate_next")


@metric(
    "funding_rate_next_8h", unit="ratio in 8 hours", section="4.2", warm_up="0",
    needs=("funding_next",), formula="funding_rate_next * 8 / hours that it covers",
)  # fmt: skip
def funding_rate_next_8h(_n: int, _signal: Signal) -> pl.Expr:
    return pl.col("funding_rate_next") * 8 / pl.col("funding_next_interval")


@column_metric(
    "funding_zscore_n", unit="standard deviations", section="4.2", warm_up="n - 1",
    needs=("funding",),
    formula="(funding_rate_8h - its mean) / its standard deviation (n - 1), over the last n bars, this"
    " one included; null while they are all equal",
)  # fmt: skip
def funding_zscore(columns: Columns, n: int, _signal: Signal) -> Array:
    with np.errstate(all="ignore"):
        normalised = windows.at_bars(columns, "funding_rate") * 8 / columns["funding_interval"]
    return windows.zscore(normalised, n)


@column_metric(
    "funding_run", unit="bars", section="4.2", warm_up="0", needs=("funding",),
    formula="bars in a row, ending here, whose funding_rate has the sign of this one's, as a positive"
    " number when it is positive and a negative one when negative; 0 when it is 0. Counted from the"
    " last gap or unknown rate at the earliest",
)  # fmt: skip
def funding_run(columns: Columns, _n: int, _signal: Signal) -> Array:
    sign = np.sign(windows.at_bars(columns, "funding_rate"))
    began = np.concatenate(([True], sign[1:] != sign[:-1]))
    return sign * (windows.since(began, never=0) + 1)


@column_metric(
    "funding_turns_negative_n", unit="state", section="4.2", needs=("funding",), kind="boolean",
    warm_up="n at most; less where the bars since the first settle it",
    formula="within the last n bars funding_rate went from >= 0 to < 0 between two bars in a row (a"
    " turn back between their closes is not seen); true when a turn is known, false when every pair is"
    " known to be none, else null",
)  # fmt: skip
def funding_turns_negative(columns: Columns, n: int, _signal: Signal) -> Array:
    rate = windows.at_bars(columns, "funding_rate")
    return within_last(_turns(_state(rate < 0, rate)), n)


@column_metric(
    "funding_turns_positive_n", unit="state", section="4.2", needs=("funding",), kind="boolean",
    warm_up="n at most; less where the bars since the first settle it",
    formula="within the last n bars funding_rate went from <= 0 to > 0 between two bars in a row (a"
    " turn back between their closes is not seen); true when a turn is known, false when every pair is"
    " known to be none, else null",
)  # fmt: skip
def funding_turns_positive(columns: Columns, n: int, _signal: Signal) -> Array:
    rate = windows.at_bars(columns, "funding_rate")
    return within_last(_turns(_state(rate > 0, rate)), n)


def _state(held: NDArray[np.bool_], of: Array) -> Array:
    """1 where *held*, 0 where not, NaN where what it was judged *of* is."""
    return np.where(np.isnan(of), np.nan, held.astype(np.float64))


def _turns(state: Array) -> Array:
    """
    1 at a bar whose state became 1 from 0, else 0, and NaN where one side leaves it open.

    Either side alone can settle that there is no turn: not in the state now, or in it before.
    """
    earlier = np.concatenate(([np.nan], state[:-1]))
    none = (state == 0) | (earlier == 1)
    return np.where(none, 0.0, np.where((state == 1) & (earlier == 0), 1.0, np.nan))
