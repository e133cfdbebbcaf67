"""
Keeps the history up to date and measures it.

Enters a source of closed bars, funding and open interest; leaves what a review decides on:
its metric row and its betas. Live, paper and replay come through here, so that all three measure the
same kept rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

import polars as pl
import structlog

from hedged.core.beta import Betas
from hedged.core.market import Holding
from hedged.core.metrics import MetricRow, Series, bar_seconds, measure, row_at
from hedged.core.metrics.history import SCHEMAS
from hedged.core.policy import Policy
from hedged.errors import VenueUnavailable
from hedged.history.store import HistoryStore
from hedged.history.watch import beside, betas_of, names_of, needs_of, seed_fault, watched

log = structlog.get_logger()


class Source(Protocol):
    """Whoever reports the series: a venue."""

    async def series(
        self, symbol: str, series: Series, bar: str, after: datetime | None, until: datetime
    ) -> pl.DataFrame:
        """Rows of *series* known in (after, until]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A review's metric row, and its betas (None where each is taken as 1)."""

    row: MetricRow
    betas: Betas | None


class Keeper:
    """Joins one source to one store."""

    def __init__(self, source: Source, store: HistoryStore) -> None:
        self.source = source
        self.store = store

    async def measured(
        self, policy: Policy, until: datetime, holdings: tuple[Holding, ...] = ()
    ) -> Measured:
        """
        What a review at *until* decides on, judged on bars closed by then; new rows are kept first.

        Raises
        ------
        VenueUnavailable
            When the source does not answer.
        BadData
            When the store can't be read or written.
        """
        symbol, bar = policy.signal.symbol, policy.signal.bar
        wanted: list[tuple[str, Series]] = [(symbol, series) for series in SCHEMAS]
        wanted += [(other, "bars") for other in sorted(beside(policy, holdings) - {symbol})]
        notes: list[str] = []
        for one, series in wanted:
            notes += await self._kept(one, series, bar, until)
        return measured_from(self.store, policy, until, holdings, tuple(notes))

    async def keep_running(self, policy: Policy, now: datetime) -> None:
        """
        Keep the funding rate that runs at *now*, where a rule names it. No venue tells of it later, so
        every pass asks; one that gets no answer leaves a gap, and goes on.

        Raises
        ------
        BadData
            When the store can't be read or written.
        """
        if "funding_next" not in needs_of(policy):
            return
        symbol = policy.signal.symbol
        try:
            refused = await self._kept(symbol, "funding_next", policy.signal.bar, now)
        except VenueUnavailable as error:
            refused = (str(error),)
        for why in refused:
            log.warning("running_funding_not_kept", symbol=symbol, why=why)

    async def _kept(self, symbol: str, series: Series, bar: str, until: datetime) -> tuple[str, ...]:
        """Keep what is new of one series; why rows of it were refused."""
        after = self.store.last(symbol, series, bar)
        reported = await self.source.series(symbol, series, bar, after, until)
        if series == "bars":  # a bar still in progress would be kept as it never closed
            length = timedelta(seconds=bar_seconds(bar))
            reported = reported.filter(pl.col("open_time") + length <= until)
        return self.store.append(symbol, series, bar, reported)


def measured_from(
    store: HistoryStore,
    policy: Policy,
    until: datetime,
    holdings: tuple[Holding, ...] = (),
    notes: tuple[str, ...] = (),
) -> Measured:
    """The same from what *store* keeps now; `journal replay` compares with it."""

    def read(symbol: str, series: Series) -> pl.DataFrame:
        return store.read(symbol, series, policy.signal.bar)

    history, told = watched(read, policy, holdings, until)
    signal, fault = policy.signal, seed_fault(policy, history.bars)
    if fault:
        signal, told = replace(signal, ath_seed=None), (*told, f"{fault}; until then it is unknown")
    measured = measure(history, names_of(policy), signal, until)
    return Measured(
        row=row_at(measured, signal.name, (*notes, *told)),
        betas=betas_of(read, policy, holdings, until),
    )
