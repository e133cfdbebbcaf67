"""
From kept history to metric columns, and to the one row a decision is made on.

Every metric is causal: its value at a bar is the same on the whole history and on any prefix
that ends there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from hedged.core.metrics.columns import Columns
from hedged.core.metrics.history import History, grid
from hedged.core.metrics.vocabulary import Metric, Signal, find

# Shown beside every decision, whether a rule names them or not.
ALWAYS = ("close",)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """The metrics of the last closed bar of a review; null (None) means unknown."""

    symbol: str
    bar_close: datetime
    bars_kept: int
    bars_missing: int
    values: dict[str, float | bool | None]
    notes: tuple[str, ...] = ()


def column_of(name: str) -> Metric:
    """The metric called *name*. Raises `KeyError`; conditions were checked when they were parsed."""
    metric = find(name)
    if metric is None:
        raise KeyError(name)
    return metric


def measure(history: History, names: Iterable[str], signal: Signal, until: datetime) -> pl.DataFrame:
    """Columns *open_time*, *close_time* and one a name of *names*, a row a bar up to *until*."""
    metrics = [column_of(name) for name in sorted({*ALWAYS, *names})]
    rows = grid(history, until)
    columns_of = Columns(rows)
    columns = [metric.expression(columns_of, signal) for metric in metrics]
    missing = pl.col("close").is_null().cum_sum().alias("bars_missing")
    return rows.select("open_time", "close_time", missing, *columns)


def row_at(measured: pl.DataFrame, symbol: str, notes: tuple[str, ...] = ()) -> MetricRow:
    """The last row of *measured*: the bar that the review judges; *notes* say what was refused."""
    last = measured.row(-1, named=True)
    close_time, missing = last.pop("close_time"), last.pop("bars_missing")
    last.pop("open_time")
    return MetricRow(
        symbol=symbol,
        bar_close=close_time,
        bars_kept=measured.height - missing,
        bars_missing=missing,
        values=last,
        notes=notes,
    )
