"""
Basis and the state of the curve (section 3.1), from the contract's close F and its index's S.

Enters the grid's closes; leaves metrics that are null on a bar without an index price. What needs
an expiry, the annualised basis, waits for a `Signal` that has one; a perpetual's carry is funding.
"""

from __future__ import annotations

import polars as pl

from hedged.core.metrics.vocabulary import Signal, metric

FLAT = 0.0005
"""A premium or a discount up to this share of the index is neither contango nor backwardation."""


@metric(
    "basis", unit="quote", formula="close of the contract - close of its index (F - S)",
    section="3.1", warm_up="0", needs=("bars", "index"),
)  # fmt: skip
def basis(_n: int, _signal: Signal) -> pl.Expr:
    return pl.col("close") - pl.col("index_close")


@metric(
    "basis_ratio", unit="ratio", formula="close of the contract / close of its index - 1 (F/S - 1)",
    section="3.1", warm_up="0", needs=("bars", "index"),
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


def _ratio() -> pl.Expr:
    """The ratio, null unless it is one: NaN is the greatest number, and would be contango."""
    index = pl.col("index_close")
    ratio = pl.col("close") / index - 1
    return pl.when(ratio.is_finite() & index.is_finite() & (index > 0)).then(ratio)
