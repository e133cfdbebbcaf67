"""
Reads that fail are tried again, a bounded number of times; sends never are.

Enters a venue; leaves the same venue whose `observe`, `series`, `lookup` and `seek` are patient. A
source of history that is downloaded is still more so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

import polars as pl
import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_exponential

from hedged.core.market import Snapshot
from hedged.core.metrics import Series
from hedged.core.record import Outcome
from hedged.core.resolution import Absence
from hedged.errors import VenueUnavailable
from hedged.history.keeper import Source
from hedged.venue.protocol import Order, Venue

log = structlog.get_logger()
T = TypeVar("T")

ATTEMPTS_MAX = 4
WAIT_S_MAX = 10.0
LONG_ATTEMPTS_MAX = 8
LONG_WAIT_S_MAX = 60.0


class PatientVenue:
    """Tries a read again on `VenueUnavailable`, after 1, 2 and 4 seconds of *sleep*."""

    def __init__(self, venue: Venue, sleep: Callable[[float], Awaitable[None]]) -> None:
        self.venue = venue
        self.absence_is_proof = venue.absence_is_proof
        self._sleep = sleep

    async def observe(self, now: datetime, *, after: int) -> Snapshot:
        return await self._patiently(lambda: self.venue.observe(now, after=after))

    async def series(
        self, symbol: str, series: Series, bar: str, after: datetime | None, until: datetime
    ) -> pl.DataFrame:
        return await self._patiently(lambda: self.venue.series(symbol, series, bar, after, until))

    async def lookup(self, client_order_id: str, symbol: str) -> Outcome | None:
        return await self._patiently(lambda: self.venue.lookup(client_order_id, symbol))

    async def seek(self, client_order_id: str, symbol: str, since: datetime) -> Outcome | Absence:
        return await self._patiently(lambda: self.venue.seek(client_order_id, symbol, since))

    async def send(self, order: Order) -> Outcome:
        return await self.venue.send(order)

    async def cancel(self, client_order_id: str, symbol: str) -> None:
        await self.venue.cancel(client_order_id, symbol)

    async def close(self) -> None:
        await self.venue.close()

    async def _patiently(self, read: Callable[[], Awaitable[T]]) -> T:
        return await patiently(read, self._sleep)


class PatientSource:
    """
    A source of history, asked again on `VenueUnavailable`.

    What answered once is waited for over a minute, in which a used-up budget is there again.
    """

    def __init__(self, source: Source, sleep: Callable[[float], Awaitable[None]]) -> None:
        self.source = source
        self._sleep = sleep
        self._answered: set[tuple[str, Series]] = set()

    async def series(
        self, symbol: str, series: Series, bar: str, after: datetime | None, until: datetime
    ) -> pl.DataFrame:
        known = (symbol, series) in self._answered
        found = await patiently(
            lambda: self.source.series(symbol, series, bar, after, until),
            self._sleep,
            LONG_ATTEMPTS_MAX if known else ATTEMPTS_MAX,
            LONG_WAIT_S_MAX if known else WAIT_S_MAX,
        )
        self._answered.add((symbol, series))
        return found


async def patiently(
    read: Callable[[], Awaitable[T]],
    sleep: Callable[[float], Awaitable[None]],
    attempts_max: int | None = None,
    wait_s_max: float = WAIT_S_MAX,
) -> T:
    """
    What *read* comes to, tried again on `VenueUnavailable` after 1, 2, 4 and more seconds of *sleep*;
    `ATTEMPTS_MAX` times, unless told otherwise.

    Raises
    ------
    VenueUnavailable
        That of the last attempt.
    """
    retrying = AsyncRetrying(
        sleep=sleep,
        stop=stop_after_attempt(attempts_max or ATTEMPTS_MAX),
        wait=wait_exponential(multiplier=1, max=wait_s_max),
        retry=retry_if_exception_type(VenueUnavailable),
        before_sleep=_say,
        reraise=True,
    )

    async def attempt() -> T:
        return await read()

    return await retrying(attempt)


def _say(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("read_retried", attempt=state.attempt_number, error=str(error))
