"""
Price and volume metrics (sections 3.2, 3.3 and 5.1).

Windows are rolled by Polars: a gap is a row of nulls, so a window that spans one is null.
"""

from __future__ import annotations

import math

import polars as pl

from hedged.core.metrics.history import bar_seconds
from hedged.core.metrics.vocabulary import Signal, metric

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


@metric(
    "ema_n", unit="quote", section="3.3", warm_up="n - 1, again after a gap",
    formula="first the mean of n closes, then close * 2/(n+1) + before * (1 - 2/(n+1))",
)  # fmt: skip
def ema(n: int, _signal: Signal) -> pl.Expr:
    price, seen = pl.col("close"), pl.col("bars_in_stretch")
    seeded = pl.when(seen > n).then(price).when(seen == n).then(price.rolling_mean(n))
    smooth = seeded.ewm_mean(span=n, adjust=False, ignore_nulls=True).over("stretch")
    return pl.when(price.is_not_null()).then(smooth)


@metric(
    "high_n", unit="quote", formula="highest high of the n bars before this one", section="3.2",
    warm_up="n",
)  # fmt: skip
def high_n(n: int, _signal: Signal) -> pl.Expr:
    return pl.col("high").rolling_max(n).shift(1)


@metric(
    "low_n", unit="quote", formula="lowest low of the n bars before this one", section="3.2",
    warm_up="n",
)  # fmt: skip
def low_n(n: int, _signal: Signal) -> pl.Expr:
    return pl.col("low").rolling_min(n).shift(1)


@metric(
    "volume_ratio_n", unit="ratio", formula="volume / mean volume of the n bars before this one",
    section="5.1", warm_up="n", needs=("bars", "volume"),
)  # fmt: skip
def volume_ratio(n: int, _signal: Signal) -> pl.Expr:
    before = pl.col("volume").rolling_mean(n)
    traded = pl.col("volume").rolling_max(n) > 0  # a rolled sum of zeros keeps a residue
    return pl.col("volume") / pl.when(traded).then(before).shift(1)


@metric(
    "ath", unit="quote", section="5.1", warm_up="0, from ath_seed",
    formula="highest high of all bars before this one, and of the dated ath_seed before them",
)  # fmt: skip
def ath(_n: int, signal: Signal) -> pl.Expr:
    if signal.ath_seed is None:
        return pl.lit(None, dtype=pl.Float64)
    seed = pl.lit(float(signal.ath_seed.price))
    prior = pl.col("high").cum_max().forward_fill().shift(1)
    known = pl.col("open_time").dt.date() > signal.ath_seed.date  # no bar sees a later day's high
    return pl.when(known & pl.col("close").is_not_null()).then(pl.max_horizontal(seed, prior))


@metric(
    "drawdown", unit="ratio", section="5.1", warm_up="0, from ath_seed",
    formula="close / highest high so far, this bar and ath_seed included, - 1",
)  # fmt: skip
def drawdown(_n: int, signal: Signal) -> pl.Expr:
    prior = ath(0, signal)
    top = pl.when(prior.is_not_null()).then(pl.max_horizontal(prior, pl.col("high")))
    return pl.col("close") / top - 1


@metric(
    "volatility_n", unit="ratio a year", section="2.3", warm_up="n",
    formula="standard deviation (n - 1) of the last n log returns * sqrt(bars in 365 days)",
)  # fmt: skip
def volatility(n: int, signal: Signal) -> pl.Expr:
    returns = (pl.col("close") / pl.col("close").shift(1)).log()
    return returns.rolling_std(n) * math.sqrt(YEAR_SECONDS / bar_seconds(signal.bar))
