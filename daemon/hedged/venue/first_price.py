"""
Prices that need a second answer: the first of a contract, and one that is a multiple of the last.

Mark, index and book of one answer may all be wrong alike. Bars are another answer, and what they
closed at lately is near what is paid now.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from hedged.core.market import Quote
from hedged.core.plausible import is_plausible
from hedged.errors import VenueUnavailable
from hedged.venue.dialect import Dialect, Listing
from hedged.venue.wire import Wire

log = structlog.get_logger()

BAR = "15m"
LATELY = timedelta(days=1)


class FirstPrices:
    """The last price of each contract that this process took for right."""

    def __init__(self, dialect: Dialect, wire: Wire) -> None:
        self._dialect = dialect
        self._wire = wire
        self._last: dict[str, Decimal] = {}

    async def compare(
        self, quotes: Iterable[Quote], listings: Mapping[str, Listing], present: datetime
    ) -> None:
        """
        Compare *quotes* with the last ones or, where none is near, with bars until *present*.

        A contract that has no bar of the last day is taken at its price: it was listed just now.

        Raises
        ------
        VenueUnavailable
            When a price is far from the last close, or the bars can't be had: then nothing is decided
            on it, and it is asked for again.
        """
        told = tuple(quotes)
        new = [one for one in told if not self._is_near_the_last(one)]
        closes = await asyncio.gather(*(self._close(listings[one.symbol], present) for one in new))
        for quote, close in zip(new, closes, strict=True):
            if close is None:
                log.warning("price_not_compared", contract=quote.symbol, price=str(quote.mark_price))
            elif not is_plausible(quote.mark_price, close):
                raise VenueUnavailable(
                    f"{quote.symbol} is told at {quote.mark_price:,.6g}, and its bars closed at "
                    f"{close:,.6g}; one of the two is wrong, and both are asked for again"
                )
        self._last |= {one.symbol: one.mark_price for one in told}

    def _is_near_the_last(self, quote: Quote) -> bool:
        last = self._last.get(quote.symbol)
        return last is not None and is_plausible(quote.mark_price, last)

    async def _close(self, listing: Listing, present: datetime) -> Decimal | None:
        """The close of the last bar that ended, None where there is none."""
        begins = present - LATELY
        bars = await self._dialect.series(self._wire, listing, "bars", BAR, begins, present)
        return Decimal(str(bars["close"][-1])) if bars.height else None
