"""
Trend metrics (section 3.3): averages that are crossed, slopes, and the average true range.

Enter closed bars; leave columns in which a window that spans a gap is null.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from hedged.core.metrics import price
from hedged.core.metrics.columns import Array, Columns, within_last
from hedged.core.metrics.pivots import wilder_atr
from hedged.core.metrics.vocabulary import Signal, column_metric, metric, pair_metric


@pair_metric(
    "breaks_below_sma_m_n", unit="true or false", section="5.1", warm_up="m + n - 1", kind="boolean",
    formula="within the last n bars close < sma_m, and on the bar before close >= sma_m",
)  # fmt: skip
def breaks_below_sma(columns: Columns, m: int, n: int, signal: Signal) -> Array:
    return within_last(_crossed(columns["close"], _sma(columns, m, signal)), n)


@pair_metric(
    "breaks_above_sma_m_n", unit="true or false", section="5.1", warm_up="m + n - 1", kind="boolean",
    formula="within the last n bars close > sma_m, and on the bar before close <= sma_m",
)  # fmt: skip
def breaks_above_sma(columns: Columns, m: int, n: int, signal: Signal) -> Array:
    return within_last(_crossed(-columns["close"], -_sma(columns, m, signal)), n)


@pair_metric(
    "breaks_below_ema_m_n", unit="true or false", section="3.3", warm_up="m + n - 1", kind="boolean",
    formula="within the last n bars close < ema_m, and on the bar before close >= ema_m",
)  # fmt: skip
def breaks_below_ema(columns: Columns, m: int, n: int, signal: Signal) -> Array:
    return within_last(_crossed(columns["close"], price.ema(columns, m, signal)), n)


@pair_metric(
    "breaks_above_ema_m_n", unit="true or false", section="3.3", warm_up="m + n - 1", kind="boolean",
    formula="within the last n bars close > ema_m, and on the bar before close <= ema_m",
)  # fmt: skip
def breaks_above_ema(columns: Columns, m: int, n: int, signal: Signal) -> Array:
    return within_last(_crossed(-columns["close"], -price.ema(columns, m, signal)), n)


@metric(
    "sma_slope_n", unit="ratio", section="3.3", warm_up="2n - 1",
    formula="sma_n / sma_n of n bars before - 1",
)  # fmt: skip
def sma_slope(n: int, _signal: Signal) -> pl.Expr:
    average = pl.col("close").rolling_mean(n)
    return average / average.shift(n) - 1


@column_metric(
    "slope_n", unit="log ratio a bar", section="3.3", warm_up="n - 1; n = 1 has none",
    formula="least-squares slope of ln(close) over the last n bars",
)  # fmt: skip
def slope(columns: Columns, n: int, _signal: Signal) -> Array:
    import talib

    found, close = columns.empty(), columns["close"]
    if n == 1:
        return found  # one point has no slope
    logs = np.log(np.where(close > 0, close, np.nan))
    for part in columns.stretches():
        found[part] = talib.LINEARREG_SLOPE(logs[part], timeperiod=n)
    return found


@column_metric(
    "atr_n", unit="quote", section="3.3", warm_up="n, again after a gap",
    formula="Wilder's average of the true range: first the mean of n, then (before * (n-1) + tr) / n",
)  # fmt: skip
def atr(columns: Columns, n: int, _signal: Signal) -> Array:
    return wilder_atr(columns, n)


def _sma(columns: Columns, n: int, signal: Signal) -> Array:
    return columns.once(("sma", n), lambda: columns.evaluated(price.sma(n, signal)))


def _crossed(close: Array, line: Array) -> Array:
    """1 where *close* is below *line* and on the bar before was not, else 0; NaN where unknown."""
    above = close - line
    before = np.concatenate(([np.nan], above[:-1]))
    event = ((above < 0) & (before >= 0)).astype(np.float64)
    event[np.isnan(above) | np.isnan(before)] = np.nan
    return event
