"""
Closed bars, funding and open interest of one symbol, and the grid they are measured on.

Enters what the history keeps; leaves one frame with a row for every bar that should exist, so
that a gap is a row of nulls and no window can silently span it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import polars as pl

TIME = pl.Datetime("us", "UTC")
Series = Literal["bars", "funding", "funding_next", "open_interest"]

# How each series is kept: *known_at* stamps the instant a row became known.
SCHEMAS: dict[Series, dict[str, pl.DataType]] = {
    "bars": {
        "open_time": TIME,
        "open": pl.Float64(),
        "high": pl.Float64(),
        "low": pl.Float64(),
        "close": pl.Float64(),
        "volume": pl.Float64(),
        "index_close": pl.Float64(),
    },
    "funding": {"at": TIME, "funding_rate": pl.Float64(), "interval_hours": pl.Float64()},
    "funding_next": {"at": TIME, "funding_rate_next": pl.Float64(), "interval_hours": pl.Float64()},
    "open_interest": {
        "at": TIME,
        "open_interest": pl.Float64(),
        "open_interest_notional": pl.Float64(),
        "interval_hours": pl.Float64(),
    },
}

# What is measured beside the signal's own bars: the value of the holdings, and that of the legs.
BESIDE: dict[str, pl.DataType] = {
    "open_time": TIME,
    "portfolio_close": pl.Float64(),
    "hedge_close": pl.Float64(),
}

# A rate or an open interest older than this many of its own intervals is unknown.
INTERVALS_MAX = 2
HOUR_MICROSECONDS = 3_600_000_000

_UNITS = {"m": 60, "h": 3600, "d": 86400}


def bar_seconds(bar: str) -> int:
    """Length of a bar such as ``15m``, ``4h`` or ``1d``. Raises `ValueError` for anything else."""
    number, unit = bar[:-1], bar[-1:]
    if unit not in _UNITS or not number.isdecimal() or int(number) < 1:
        raise ValueError(f"{bar!r} is not a bar length; write for example '15m', '4h' or '1d'")
    return int(number) * _UNITS[unit]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """
    The kept series of one symbol, each frame sorted by time as `SCHEMAS` lists its columns.

    *funding* has the rates as they were settled, *funding_next* the running ones as the venue
    predicted them at an instant, before they were settled. *beside* has the columns of `BESIDE`, and
    no row unless a rule compares the holdings to the hedge.
    """

    symbol: str
    bar: str
    bars: pl.DataFrame
    funding: pl.DataFrame
    funding_next: pl.DataFrame
    open_interest: pl.DataFrame
    beside: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=BESIDE))


def last_close_time(bar: str, at: datetime) -> datetime:
    """The latest instant at or before *at* at which a bar closes; bars tile from 1970 in UTC."""
    seconds = bar_seconds(bar)
    epoch = int(at.timestamp()) // seconds * seconds
    return datetime.fromtimestamp(epoch, tz=at.tzinfo)


def grid(history: History, until: datetime) -> pl.DataFrame:
    """
    One row a bar from the first kept bar to the last that closes at or before *until*.

    Columns: *open_time*, *close_time*, the bar's own, and the funding and open interest that were
    known at or before its close (null past `INTERVALS_MAX` intervals). A bar that should exist
    and is not kept is a row of nulls, and begins a new *stretch*, within which *bars_in_stretch*
    counts from 1.
    """
    step = timedelta(seconds=bar_seconds(history.bar))
    end = last_close_time(history.bar, until)
    bars = history.bars.filter(pl.col("open_time") + step <= end)
    start: datetime = bars["open_time"][0] if bars.height else end - step
    stamps = pl.datetime_range(start, end - step, step, time_unit="us", time_zone="UTC", eager=True)
    full = stamps.alias("open_time").to_frame()
    if full.height != bars.height:  # a join costs more than all averages together
        bars = full.join(bars, on="open_time", how="left", maintain_order="left")
    rows = bars.with_columns(
        close_time=pl.col("open_time") + step, stretch=pl.col("close").is_null().cum_sum()
    ).with_columns(bars_in_stretch=pl.col("close").cum_count().over("stretch"))
    if history.beside.height:
        rows = rows.join(history.beside, on="open_time", how="left", maintain_order="left")
    else:
        rows = rows.with_columns(_nulls(name for name in BESIDE if name != "open_time"))
    rows = _as_known(rows, history.funding, "funding_interval")
    rows = _as_known(rows, history.funding_next, "funding_next_interval")
    return _as_known(rows, history.open_interest, "open_interest_interval")


def _as_known(rows: pl.DataFrame, series: pl.DataFrame, interval: str) -> pl.DataFrame:
    """Join the last row of *series* stamped at or before each close; null when it is too old."""
    named = series.rename({"interval_hours": interval}).set_sorted("at")
    values = [name for name in named.columns if name != "at"]
    if not named.height:  # what nobody recorded, as mostly the running rate, need not be looked for
        return rows.with_columns(_nulls(values))
    joined = rows.set_sorted("close_time").join_asof(
        named, left_on="close_time", right_on="at", strategy="backward", coalesce=False
    )
    age = (pl.col("close_time") - pl.col("at")).dt.total_microseconds()
    fresh = age <= INTERVALS_MAX * HOUR_MICROSECONDS * pl.col(interval)
    kept = [pl.when(fresh).then(pl.col(name)).alias(name) for name in values]
    return joined.with_columns(kept).drop("at")


def _nulls(names: Iterable[str]) -> list[pl.Expr]:
    return [pl.lit(None, dtype=pl.Float64).alias(name) for name in names]
