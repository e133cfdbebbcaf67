"""
Basis and the state of the curve (section 3.1), from the contract's close F and its index's S.

Enters the grid's closes and the signal's expiry; leaves metrics that are null on a bar without an
index price, and what needs an expiry null for a perpetual. The carry of a short, in a share of the
notional a year and positive when the short earns it, is `basis_annualized` of a dated contract and
`funding_annualized` of a perpetual.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from hedged.core.metrics.columns import Array, Columns
from hedged.core.metrics.vocabulary import Signal, column_metric, metric

FLAT = 0.0005
"""A premium or a discount up to this share of the index is neither contango nor backwardation."""

YEAR_DAYS = 365
DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

DAYS_MIN = 1
"""Nearer than so many days to the expiry, a tick of the price would be a large rate a year."""


@metric(
    "basis", unit="quote", formula="close of the contract - close of its index (F - S)",
    section="3.1", warm_up="0", needs=("bars", "index"),
)  # fmt: skip
def basis(_n: int, _signal: Signal) -> pl.Expr:
    return pl.col("close") - pl.col("index_close")


@metric(
    "basis_ratio", unit="ratio", formula="close of the contract / close of its index - 1 (F/S - 1)",
    section="3.1", warm_up="0", needs=("bars", "index"), threshold_max=0.2,
)  # fmt: skip
def basis_ratio(_n: int, _signal: Signal) -> pl.Expr:
    return _ratio()


@metric(
    "contango", unit="state", section="3.1", warm_up="0", needs=("bars", "index"), kind="boolean",
    formula=f"basis_ratio > {FLAT}; a short hedge earns this premium as F falls to S (a long pays)",
)  # fmt: skip
def contango(_n: int, _signal: Signal) -> pl.Expr:
    return _ratio() > FLAT


@metric(
    "backwardation", unit="state", section="3.1", warm_up="0", needs=("bars", "index"),
    kind="boolean",
    formula=f"basis_ratio < -{FLAT}; a short hedge pays this discount as F rises to S (a long earns)",
)  # fmt: skip
def backwardation(_n: int, _signal: Signal) -> pl.Expr:
    return _ratio() < -FLAT


@column_metric(
    "basis_annualized", unit="ratio a year", section="3.1", warm_up="0",
    needs=("bars", "index", "expiry"), threshold_max=1,
    formula=f"basis_ratio * {YEAR_DAYS} / days_to_expiry; what a short held to delivery earns in a year"
    f" when positive (contango), and pays when negative; null with less than {DAYS_MIN} day to run, and"
    " for a perpetual, whose carry is its funding (funding_annualized)",
)  # fmt: skip
def basis_annualized(columns: Columns, _n: int, signal: Signal) -> Array:
    """F = 102, S = 100, 73 days to run: 0.02 * 365 / 73 = 0.10 a year."""
    left, index = _days_left(columns, signal), columns["index_close"]
    with np.errstate(all="ignore"):
        ratio = columns["close"] / np.where(index > 0, index, np.nan) - 1
        return ratio * YEAR_DAYS / np.where(left >= DAYS_MIN, left, np.nan)


@column_metric(
    "days_to_expiry", unit="days", section="5.3", warm_up="0", needs=("bars", "expiry"),
    formula="calendar days, with their fraction, from the close of the bar to the expiry of the"
    " contract; negative after it; null for a perpetual",
)  # fmt: skip
def days_to_expiry(columns: Columns, _n: int, signal: Signal) -> Array:
    return _days_left(columns, signal)


def _days_left(columns: Columns, signal: Signal) -> Array:
    """
    Days from each close to the expiry, NaN without one.

    Divided by NumPy: Polars makes a division by a constant a product with its reciprocal, yet not
    in a frame of one row, so the last bit would depend on how much history there is.
    """
    if signal.expiry is None:
        return columns.empty()
    expiry = (signal.expiry - EPOCH) // MICROSECOND
    return (expiry - columns.rows["close_time"].dt.epoch("us").to_numpy()) / (DAY // MICROSECOND)


def _ratio() -> pl.Expr:
    """The ratio, null unless it is one: NaN is the greatest number, and would be contango."""
    index = pl.col("index_close")
    ratio = pl.col("close") / index - 1
    return pl.when(ratio.is_finite() & index.is_finite() & (index > 0)).then(ratio)
