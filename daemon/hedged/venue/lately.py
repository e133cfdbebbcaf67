"""
Series that were asked for a moment ago, so that many portfolios ask an exchange once.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from hedged.core.metrics import Series, bar_seconds

Key = tuple[str, Series, str]
"""Contract, series, and the length of its bars."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Told:
    """An answer: *rows* known in (after, until], which came at *at*."""

    at: datetime
    after: datetime | None
    until: datetime
    rows: pl.DataFrame


class Lately:
    """The answers for each series; one that is older than *fresh* by *clock* is not used."""

    def __init__(self, clock: Callable[[], datetime], fresh: timedelta) -> None:
        self._clock = clock
        self._fresh = fresh
        self._told: defaultdict[Key, list[_Told]] = defaultdict(list)
        self._asking: defaultdict[Key, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def rows(
        self,
        key: Key,
        after: datetime | None,
        until: datetime,
        ask: Callable[[], Awaitable[pl.DataFrame]],
    ) -> pl.DataFrame:
        """
        Rows of *key* known in (after, until], asked with *ask* where no fresh answer has them.

        What became known since a fresh answer, in a few seconds, is left to the next one.
        """
        async with self._asking[key]:
            now = self._clock()
            fresh = [one for one in self._told[key] if timedelta(0) <= now - one.at < self._fresh]
            told = next((one for one in fresh if self._has(one, after, until)), None)
            if told is None:
                rows = await ask()
                told = _Told(at=self._clock(), after=after, until=until, rows=rows)
                fresh.append(told)
            self._told[key] = fresh
        return _within(told, key, after, until)

    def _has(self, told: _Told, after: datetime | None, until: datetime) -> bool:
        begins = told.after is None or (after is not None and told.after <= after)
        return begins and until - told.until < self._fresh


def _within(told: _Told, key: Key, after: datetime | None, until: datetime) -> pl.DataFrame:
    """The rows of an answer that was asked for more; of one that was not, all."""
    _, series, bar = key
    rows, begins = told.rows, pl.col("open_time" if series == "bars" else "at")
    if after is not None and after != told.after:
        rows = rows.filter(begins > after)
    if until < told.until:
        known = begins + timedelta(seconds=bar_seconds(bar)) if series == "bars" else begins
        rows = rows.filter(known <= until)
    return rows
