"""
Price and volume metrics (sections 3.2, 3.3 and 5.1).

Windows are rolled by Polars or by `windows`: a gap is a row of nulls, so a window that spans one is
null. What has no window starts anew after a gap, or is remembered across it.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from hedged.core.metrics import windows
from hedged.core.metrics.columns import Array, Columns
from hedged.core.metrics.history import bar_seconds
from hedged.core.metrics.vocabulary import Signal, column_metric, metric

YEAR_SECONDS = 365 * 86400


@metric("open", unit="quote", formula="open of the bar", section="3.2", warm_up="0")
def open_(_n: int, _signal: Signal) -> pl.Expr:
    return pl.col("open")


@metric("high", unit="quote", formula="high of the bar", section="3.2", warm_up="0")
def high(_n: int, _signal: Signal) -> pl.Expr:
    return pl.col("high")


@metric("low", unit="quote", formula="low of the bar", section="3.2", warm_up="0")
def low(_n: int, _signal: Signal) -> pl.Expr:
    return pl.col("low")


@metric("close", unit="quote", formula="close of the bar", section="3.2", warm_up="0")
def close(_n: int, _signal: Signal) -> pl.Expr:
    return pl.col("close")


@metric(
    "volume", unit="base", formula="volume of the bar", section="5.1", warm_up="0",
    needs=("bars", "volume"),
)  # fmt: skip
def volume(_n: int, _signal: Signal) -> pl.Expr:
    return pl.col("volume")


@metric(
    "sma_n", unit="quote", formula="mean of the last n closes", section="5.1", warm_up="n - 1",
)  # fmt: skip
def sma(n: int, _signal: Signal) -> pl.Expr:
    return pl.col("close").rolling_mean(n)


@column_metric(
    "ema_n", unit="quote", section="3.3", warm_up="n - 1, again after a gap",
    formula="first the mean of n closes, then close * 2/(n+1) + before * (1 - 2/(n+1))",
)  # fmt: skip
def ema(columns: Columns, n: int, _signal: Signal) -> Array:
    return columns.once(("ema", n), lambda: _ema(columns, n))


def _ema(columns: Columns, n: int) -> Array:
    import talib

    found, close = columns.empty(), columns["close"]
    for part in columns.stretches():
        # TA-Lib has no average of one bar, which is the bar.
        found[part] = talib.EMA(close[part], timeperiod=n) if n > 1 else close[part]
    return found


@column_metric(
    "high_n", unit="quote", formula="highest high of the n bars before this one", section="3.2",
    warm_up="n",
)  # fmt: skip
def high_n(columns: Columns, n: int, _signal: Signal) -> Array:
    return _bar_before(windows.rolled(np.maximum, columns["high"], n))


@column_metric(
    "low_n", unit="quote", formula="lowest low of the n bars before this one", section="3.2",
    warm_up="n",
)  # fmt: skip
def low_n(columns: Columns, n: int, _signal: Signal) -> Array:
    return _bar_before(windows.rolled(np.minimum, columns["low"], n))


def _bar_before(values: Array) -> Array:
    return np.concatenate(([np.nan], values))[: len(values)]


@metric(
    "volume_ratio_n", unit="ratio", formula="volume / mean volume of the n bars before this one",
    section="5.1", warm_up="n", needs=("bars", "volume"), threshold_max=20,
)  # fmt: skip
def volume_ratio(n: int, _signal: Signal) -> pl.Expr:
    before = pl.col("volume").rolling_mean(n)
    # A rolled sum of zeros keeps a residue; one of zeros and ones does not.
    traded = (pl.col("volume") > 0).cast(pl.Int64).rolling_sum(n) > 0
    return pl.col("volume") / pl.when(traded).then(before).shift(1)


@column_metric(
    "ath", unit="quote", section="5.1", warm_up="0, from ath_seed",
    formula="highest high of all bars before this one, and of the dated ath_seed before them",
)  # fmt: skip
def ath(columns: Columns, _n: int, signal: Signal) -> Array:
    return columns.once("ath", lambda: _ath(columns, signal))


def _ath(columns: Columns, signal: Signal) -> Array:
    seed = signal.ath_seed
    if seed is None:
        return columns.empty()
    highs = _bar_before(columns["high"])
    highs[:1] = float(seed.price)
    # No bar sees a later day's high.
    seen = (columns.rows["open_time"].dt.date() > seed.date).to_numpy()
    return np.where(seen & np.isfinite(columns["close"]), np.fmax.accumulate(highs), np.nan)


@column_metric(
    "drawdown", unit="ratio", section="5.1", warm_up="0, from ath_seed",
    formula="close / highest high so far, this bar and ath_seed included, - 1",
)  # fmt: skip
def drawdown(columns: Columns, n: int, signal: Signal) -> Array:
    top = np.maximum(ath(columns, n, signal), columns["high"])
    with np.errstate(all="ignore"):
        return columns["close"] / top - 1


@metric(
    "volatility_n", unit="ratio a year", section="2.3", warm_up="n",
    formula="standard deviation (n - 1) of the last n log returns * sqrt(bars in 365 days)",
)  # fmt: skip
def volatility(n: int, signal: Signal) -> pl.Expr:
    returns = (pl.col("close") / pl.col("close").shift(1)).log()
    return returns.rolling_std(n) * math.sqrt(YEAR_SECONDS / bar_seconds(signal.bar))
