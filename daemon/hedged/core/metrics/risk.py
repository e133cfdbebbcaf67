"""
Risk of what is watched over the last bars (section 2.3: "the volatility of the chosen index").

Enters the grid's highs, lows and closes; leaves volatilities in ratios a year of 365 days, and
falls and returns in ratios. Close-to-close volatility and the drawdown since ever are with prices.
"""

from __future__ import annotations

import math

import numpy as np

from hedged.core.metrics import windows
from hedged.core.metrics.columns import Array, Columns
from hedged.core.metrics.history import bar_seconds
from hedged.core.metrics.vocabulary import Signal, column_metric

YEAR_SECONDS = 365 * 86400


@column_metric(
    "volatility_parkinson_n", unit="ratio a year", section="2.3", warm_up="n - 1",
    formula="sqrt(mean of ln(high / low)^2 over the last n bars / (4 ln 2)) * sqrt(bars in 365 days)",
)  # fmt: skip
def volatility_parkinson(columns: Columns, n: int, signal: Signal) -> Array:
    with np.errstate(all="ignore"):
        squares = np.log(_price(columns, "high") / _price(columns, "low")) ** 2
    return np.sqrt(windows.mean(squares, n) / (4 * math.log(2))) * _a_year(signal)


@column_metric(
    "downside_volatility_n", unit="ratio a year", section="2.3", warm_up="n",
    formula="sqrt(mean of min(log return, 0)^2 over the last n log returns, rises counted as 0)"
    " * sqrt(bars in 365 days)",
)  # fmt: skip
def downside_volatility(columns: Columns, n: int, signal: Signal) -> Array:
    closes = _price(columns, "close")
    with np.errstate(all="ignore"):
        falls = np.minimum(np.log(closes / windows.before(columns, closes, 1)), 0)
    return np.sqrt(windows.mean(falls**2, n)) * _a_year(signal)


@column_metric(
    "drawdown_n", unit="ratio", section="5.1", warm_up="n - 1",
    formula="close / highest high of the last n bars, this one included, - 1; 0 or negative",
)  # fmt: skip
def drawdown_of_bars(columns: Columns, n: int, _signal: Signal) -> Array:
    top = windows.rolled(np.maximum, _price(columns, "high"), n)
    with np.errstate(all="ignore"):
        return _price(columns, "close") / top - 1


@column_metric(
    "return_n", unit="ratio", section="5.1", warm_up="n",
    formula="close / close n bars ago - 1",
)  # fmt: skip
def return_over_bars(columns: Columns, n: int, _signal: Signal) -> Array:
    closes = _price(columns, "close")
    with np.errstate(all="ignore"):
        return closes / windows.before(columns, closes, n) - 1


def _price(columns: Columns, name: str) -> Array:
    """The column, NaN where it is no price: a ratio to zero or to infinity says nothing."""
    found = columns[name]
    return np.where(np.isfinite(found) & (found > 0), found, np.nan)


def _a_year(signal: Signal) -> float:
    return math.sqrt(YEAR_SECONDS / bar_seconds(signal.bar))
