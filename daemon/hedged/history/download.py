"""
Fills a store with the past: what a source has of a span, less what is kept already.

Enters a source and a store; leaves rows on disk, chunk by chunk, and what is still missing. An
interruption loses one chunk at most, and the next run asks for the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from hedged.core.metrics import Series, bar_seconds
from hedged.core.metrics.history import last_close_time
from hedged.history.keeper import Source
from hedged.history.rows import time_column
from hedged.history.store import HistoryStore

SERIES: tuple[Series, ...] = ("bars", "funding", "open_interest")
"""What a venue tells of its past; a running rate is only known to who recorded it."""

BARS_AT_ONCE = 1000
STAMPS_AT_ONCE = 500
FUNDING_AT_ONCE = timedelta(days=300)
FUNDING_REACH = timedelta(days=1)
"""
How much before a chunk its funding is asked from: a rate's interval is its distance to the one before,
and the first of an answer has none.
"""
LATE = 1.5
"""Intervals after which a row is missing: stamps and publication are never quite on time."""
INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Rows that should be there and are not: the first, the last, and how many."""

    first: datetime
    last: datetime
    missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Stamps after *after*, up to and with *last*."""

    after: datetime
    last: datetime

    @property
    def length(self) -> timedelta:
        return self.last - self.after


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """
    One series of a symbol within the span asked for, as it is kept now.

    *rows* of it are kept, *new* of them since this run. *none_before* is the first row's time
    where the source has nothing older that was asked for.
    """

    symbol: str
    series: Series
    rows: int
    new: int
    first: datetime | None
    last: datetime | None
    none_before: datetime | None
    gaps: tuple[Gap, ...]
    refused: tuple[str, ...]

    @property
    def missing(self) -> int:
        """How many rows the gaps lack together."""
        return sum(gap.missing for gap in self.gaps)


class Download:
    """Bars of *bar* length, and what goes with them, known in [*since*, *until*]."""

    def __init__(
        self, source: Source, store: HistoryStore, bar: str, since: datetime, until: datetime
    ) -> None:
        self.source = source
        self.store = store
        self.bar = bar
        self.step = timedelta(seconds=bar_seconds(bar))
        self.since = since
        self.until = until

    def spans(self, symbol: str, series: Series) -> tuple[Span, ...]:
        """What is not kept: before the first kept row, in the gaps, and after the last."""
        return tuple(span for span in self._spans(symbol, series) if span.length > timedelta())

    async def fetch(
        self, symbol: str, series: Series, on_chunk: Callable[[timedelta, int], None]
    ) -> Fetched:
        """
        Keep what the source has of one series; *on_chunk* hears the length and new rows of each chunk.

        Raises
        ------
        VenueUnavailable
            When the source does not answer; the chunks before are kept.
        BadData
            When the store can't be read or written.
        """
        before = self._kept(symbol, series).height
        refused: list[str] = []
        for span in self.spans(symbol, series):
            for chunk in self._chunks(span, series):
                had = self.store.read(symbol, series, self.bar).height
                reported = await self._asked(symbol, series, chunk)
                refused += self.store.append(symbol, series, self.bar, reported)
                on_chunk(chunk.length, self.store.read(symbol, series, self.bar).height - had)
        return self._told(symbol, series, before, tuple(refused))

    def _spans(self, symbol: str, series: Series) -> Iterator[Span]:
        whole, frame = self._whole(series), self._kept(symbol, series)
        if not frame.height:
            yield whole
            return
        stamps = frame[time_column(series)]
        first, last = stamps[0], stamps[-1]
        if first - whole.after > self._intervals(frame, series)[0]:
            yield Span(after=whole.after, last=first - INSTANT)
        for before, after, _ in self._breaks(frame, series):
            yield Span(after=before, last=after - INSTANT)
        yield Span(after=last, last=whole.last)

    def _whole(self, series: Series) -> Span:
        """All that was asked for; a bar counts when it has closed by *until*."""
        after = self.since - INSTANT
        if series != "bars":
            return Span(after=after, last=self.until)
        last = last_close_time(self.bar, self.until) - self.step
        return Span(after=last_close_time(self.bar, after), last=last)

    def _chunks(self, span: Span, series: Series) -> Iterator[Span]:
        """*span* in pieces that a source answers in a request or a few."""
        at_once = FUNDING_AT_ONCE
        if series == "bars":
            at_once = BARS_AT_ONCE * self.step
        elif series == "open_interest":
            at_once = STAMPS_AT_ONCE * max(self.step, timedelta(hours=1))
        after = span.after
        while after < span.last:
            last = min(after + at_once, span.last)
            yield Span(after=after, last=last)
            after = last

    async def _asked(self, symbol: str, series: Series, chunk: Span) -> pl.DataFrame:
        after = chunk.after - FUNDING_REACH if series == "funding" else chunk.after
        known = chunk.last + self.step if series == "bars" else chunk.last
        found = await self.source.series(symbol, series, self.bar, after, min(known, self.until))
        stamp = pl.col(time_column(series))
        return found.filter((stamp > chunk.after) & (stamp <= chunk.last))

    def _kept(self, symbol: str, series: Series) -> pl.DataFrame:
        whole, stamp = self._whole(series), pl.col(time_column(series))
        kept = self.store.read(symbol, series, self.bar)
        return kept.filter((stamp > whole.after) & (stamp <= whole.last))

    def _told(self, symbol: str, series: Series, before: int, refused: tuple[str, ...]) -> Fetched:
        frame = self._kept(symbol, series)
        stamps = frame[time_column(series)]
        first, last = (stamps[0], stamps[-1]) if frame.height else (None, None)
        late = first is not None and (
            first - self._whole(series).after > self._intervals(frame, series)[0]
        )
        return Fetched(
            symbol=symbol,
            series=series,
            rows=frame.height,
            new=frame.height - before,
            first=first,
            last=last,
            none_before=first if late else None,
            gaps=self._gaps(frame, series),
            refused=refused,
        )

    def _gaps(self, frame: pl.DataFrame, series: Series) -> tuple[Gap, ...]:
        """What lacks between kept rows and after the last; before the first, `none_before` tells."""
        breaks = self._breaks(frame, series)
        if frame.height:
            last, interval = frame[time_column(series)][-1], self._intervals(frame, series)[-1]
            end = self._whole(series).last
            late = interval if series == "bars" else interval * LATE  # a bar is there when it closes
            if end - last >= late:
                breaks.append((last, last + ((end - last) // interval + 1) * interval, interval))
        return tuple(
            Gap(first=begins + interval, last=ends - interval, missing=_between(begins, ends, interval))
            for begins, ends, interval in breaks
        )

    def _intervals(self, frame: pl.DataFrame, series: Series) -> pl.Series:
        """How far the row before each should be."""
        if series == "bars":
            return pl.Series([self.step], dtype=pl.Duration("us")).new_from_index(0, frame.height)
        hours = pl.duration(microseconds=pl.col("interval_hours") * 3.6e9)
        return frame.select(hours).to_series()

    def _breaks(
        self, frame: pl.DataFrame, series: Series
    ) -> list[tuple[datetime, datetime, timedelta]]:
        """Neighbours that are further apart than the later one's interval, with that interval."""
        stamps = frame[time_column(series)]
        pairs = pl.DataFrame(
            {"begins": stamps.shift(1), "ends": stamps, "interval": self._intervals(frame, series)}
        )
        apart = pl.col("ends") - pl.col("begins")
        found = pairs.filter(apart >= pl.col("interval") * LATE)
        return [(begins, ends, interval) for begins, ends, interval in found.iter_rows()]


def _between(begins: datetime, ends: datetime, interval: timedelta) -> int:
    return round((ends - begins) / interval) - 1
