"""
Keeps the history up to date and measures it.

Enters a source of closed bars, funding and open interest; leaves the metric row of a review. Live,
paper and replay come through here, so that all three measure the same kept rows.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

import polars as pl

from hedged.core.metrics import MetricRow, Series, bar_seconds, measure, row_at
from hedged.core.metrics.history import SCHEMAS
from hedged.core.record import Policy
from hedged.core.rules import parse
from hedged.history.store import HistoryStore


class Source(Protocol):
    """Whoever reports the series: a venue."""

    async def series(
        self, symbol: str, series: Series, bar: str, after: datetime | None, until: datetime
    ) -> pl.DataFrame:
        """Rows of *series* known in (after, until]."""


class Keeper:
    """Joins one source to one store."""

    def __init__(self, source: Source, store: HistoryStore) -> None:
        self.source = source
        self.store = store

    async def measured(self, policy: Policy, until: datetime) -> MetricRow:
        """
        The metric row of the last bar that closed at or before *until*, new rows kept first.

        Raises
        ------
        VenueUnavailable
            When the source does not answer.
        BadData
            When the store can't be read or written.
        """
        signal = policy.signal
        notes: list[str] = []
        for series in SCHEMAS:
            after = self.store.last(signal.symbol, series, signal.bar)
            reported = await self.source.series(signal.symbol, series, signal.bar, after, until)
            if series == "bars":  # a bar still in progress would be kept as it never closed
                length = timedelta(seconds=bar_seconds(signal.bar))
                reported = reported.filter(pl.col("open_time") + length <= until)
            notes += self.store.append(signal.symbol, series, signal.bar, reported)
        return measured_from(self.store, policy, until, tuple(notes))


def measured_from(
    store: HistoryStore, policy: Policy, until: datetime, notes: tuple[str, ...] = ()
) -> MetricRow:
    """The metric row at *until* from what *store* keeps now; `journal replay` compares with it."""
    names = {name for rule in policy.rules for name in parse(rule.when).names}
    history = store.history(policy.signal.symbol, policy.signal.bar)
    measured = measure(history, names, policy.signal, until)
    return row_at(measured, policy.signal.symbol, notes)
