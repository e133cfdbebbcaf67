"""
How often the perpetuals of a venue settle funding: asked for once a day, never guessed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from hedged.core.market import Quote
from hedged.errors import VenueUnavailable
from hedged.venue.dialect import Dialect, Listing
from hedged.venue.wire import Wire

log = structlog.get_logger()

ASKED_AGAIN = timedelta(days=1)
FAILED_AGAIN = timedelta(minutes=10)


class Intervals:
    """
    The hours between two fundings of contracts, by market.

    What could not be asked for stays as it was known before, or None, and is asked for a little later:
    a running rate without its interval says nothing of what it costs.
    """

    def __init__(self, dialect: Dialect, wire: Wire, clock: Callable[[], datetime]) -> None:
        self._dialect = dialect
        self._wire = wire
        self._clock = clock
        self._known: dict[str, Decimal] = {}
        self._next: dict[str, datetime] = {}
        self._asking = asyncio.Lock()

    async def beside(self, quotes: Iterable[Quote], listings: Mapping[str, Listing]) -> list[Quote]:
        """*quotes*; those of *listings*, by symbol, with the hours of their running rate."""
        found = []
        async with self._asking:
            for quote in quotes:
                listing, runs = listings.get(quote.symbol), quote.funding_rate_next is not None
                hours = await self._of(listing) if listing is not None and runs else None
                found.append(replace(quote, funding_hours=hours))
        return found

    async def _of(self, listing: Listing) -> Decimal | None:
        symbol, now = listing.instrument.symbol, self._clock()
        if now >= self._next.get(symbol, now):
            again = ASKED_AGAIN
            try:
                self._known[symbol] = await self._dialect.funding_hours(self._wire, listing)
            except VenueUnavailable as error:
                again = FAILED_AGAIN
                log.warning("funding_interval_unknown", contract=symbol, why=str(error))
            self._next[symbol] = now + again
        return self._known.get(symbol)
