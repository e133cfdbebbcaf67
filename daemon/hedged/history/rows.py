"""
What a bar, a funding rate (settled or predicted) or an open interest must be to be kept.

Enters a frame as reported and the rows kept before; leaves the new rows that may be appended, in
order, and a sentence for every row that may not. A refused row is a gap, never a guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from hedged.core.metrics import Series, bar_seconds
from hedged.core.metrics.history import SCHEMAS

NOTES_MAX = 20

_CALLED: dict[Series, str] = {
    "bars": "the bar",
    "funding": "the funding",
    "funding_next": "the predicted funding",
    "open_interest": "the open interest",
}
# What a row of each series is kept for.
_FIGURE: dict[Series, str] = {
    "bars": "close",
    "funding": "funding_rate",
    "funding_next": "funding_rate_next",
    "open_interest": "open_interest",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Accepted:
    """Rows to append, and why others were refused."""

    rows: pl.DataFrame
    refused: tuple[str, ...]


def time_column(series: Series) -> str:
    """The column that orders a series."""
    return "open_time" if series == "bars" else "at"


def accept(reported: pl.DataFrame, kept: pl.DataFrame, series: Series, bar: str) -> Accepted:
    """The rows of *reported* that are new and possible; what is kept already stays as it is."""
    if not reported.height:
        return Accepted(rows=kept.clear(), refused=())
    stamp = time_column(series)
    frame = reported.select(pl.col(name).cast(kind) for name, kind in SCHEMAS[series].items())
    frame = frame.with_columns(fault=_fault(series, bar))
    impossible = [_sentence(row, series, stamp) for row in _some(frame, pl.col("fault").is_not_null())]
    frame = frame.filter(pl.col("fault").is_null()).drop("fault").unique(maintain_order=True)
    twice = frame.filter(pl.col(stamp).is_duplicated())
    conflicts = [
        f"{series} at {at:%Y-%m-%d %H:%M} were reported twice with other figures; none is kept"
        for at in twice[stamp].unique().sort()[:NOTES_MAX]
    ]
    frame = frame.filter(~pl.col(stamp).is_duplicated())
    changed = frame.join(kept, on=stamp, how="semi").join(
        kept, on=frame.columns, how="anti", nulls_equal=True
    )
    changes = [
        f"{series} at {at:%Y-%m-%d %H:%M} differ from those kept; the kept ones stay"
        for at in changed[stamp][:NOTES_MAX]
    ]
    rows = frame.join(kept, on=stamp, how="anti").sort(stamp)
    return Accepted(rows=rows, refused=(*impossible, *conflicts, *changes))


def _fault(series: Series, bar: str) -> pl.Expr:
    """The first thing wrong with a row, in words; null when nothing is."""
    checks: list[tuple[pl.Expr, str]] = []
    optional: list[tuple[pl.Expr, str]] = []
    if series == "bars":
        prices = [pl.col(name) for name in ("open", "high", "low", "close")]
        off_grid = pl.col("open_time").dt.timestamp("us") % (bar_seconds(bar) * 1_000_000) != 0
        checks += [
            (off_grid, f"does not open on the {bar} grid"),
            (~pl.all_horizontal(p.is_finite() for p in prices), "has a price that is no number"),
            (pl.any_horizontal(p <= 0 for p in prices), "has a price that is zero or negative"),
            (pl.col("high") < pl.max_horizontal(prices), "has a high below its other prices"),
            (pl.col("low") > pl.min_horizontal(prices), "has a low above its other prices"),
            (~pl.col("volume").is_finite() | (pl.col("volume") < 0), "has an impossible volume"),
        ]
        index = pl.col("index_close")
        optional += [(~index.is_finite() | (index <= 0), "has an impossible index")]
    else:
        value = pl.col(_FIGURE[series])
        checks += [(~value.is_finite(), "is no number")]
        hours = pl.col("interval_hours")
        checks += [(~hours.is_finite() | (hours <= 0), "covers no time")]
        if series == "open_interest":
            notional = pl.col("open_interest_notional")
            checks += [(value < 0, "is negative")]
            optional += [(~notional.is_finite() | (notional < 0), "has an impossible notional")]
        else:
            checks += [(value.abs() >= 1, "is 100% or more")]
    missing = pl.any_horizontal(
        pl.col(time_column(series)).is_null(), *(check.is_null() for check, _ in checks)
    )
    found = [pl.when(check).then(pl.lit(words)) for check, words in (*checks, *optional)]
    return pl.coalesce(pl.when(missing).then(pl.lit("lacks a figure")), *found)


def _some(frame: pl.DataFrame, chosen: pl.Expr) -> list[dict[str, object]]:
    return frame.filter(chosen).head(NOTES_MAX).to_dicts()


def _sentence(row: dict[str, object], series: Series, stamp: str) -> str:
    at = row[stamp]
    when = f"{at:%Y-%m-%d %H:%M}" if isinstance(at, datetime) else "no time"
    return f"{_CALLED[series]} of {when} {row['fault']}; it is not kept"
