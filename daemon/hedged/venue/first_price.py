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
    """
    The last price of each contract that this process took for right.

    A first price that no bar bears out is no answer: nothing could be done with it. A later one is a
    doubt, for what is held is to be watched while the market falls.
    """

    def __init__(self, dialect: Dialect, wire: Wire) -> None:
        self._dialect = dialect
        self._wire = wire
        self._last: dict[str, Decimal] = {}
        self._odd: dict[str, str] = {}

    def doubts(self, symbols: Iterable[str]) -> Iterable[str]:
        """What is wrong with the last prices of *symbols*."""
        return [self._odd[symbol] for symbol in sorted(set(symbols)) if symbol in self._odd]

    async def compare(
        self, quotes: Iterable[Quote], listings: Mapping[str, Listing], present: datetime
    ) -> None:
        """
        Compare *quotes* with the last ones or, where none is near, with bars until *present*.

        A contract that has no bar of the last day is taken at its price: it was listed just now.

        Raises
        ------
        VenueUnavailable
            When a first price is far from the last close, or the bars can't be had: then nothing is
            decided on it, and it is asked for again.
        """
        told = tuple(quotes)
        new = [one for one in told if not self._is_near_the_last(one)]
        closes = await asyncio.gather(*(self._close(listings[one.symbol], present) for one in new))
        self._odd = {symbol: why for symbol, why in self._odd.items() if symbol not in listings}
        for quote, close in zip(new, closes, strict=True):
            if close is None:
                log.warning("price_not_compared", contract=quote.symbol, price=str(quote.mark_price))
            elif not is_plausible(quote.mark_price, close):
                self._odd[quote.symbol] = (
                    f"{quote.symbol} is told at {quote.mark_price:,.6g}, and its bars closed at "
                    f"{close:,.6g}; one of the two is wrong, and both are asked for again"
                )
                if quote.symbol not in self._last:
                    raise VenueUnavailable(self._odd[quote.symbol])
        self._last |= {one.symbol: one.mark_price for one in told if one.symbol not in self._odd}

    def _is_near_the_last(self, quote: Quote) -> bool:
        last = self._last.get(quote.symbol)
        return last is not None and is_plausible(quote.mark_price, last)

    async def _close(self, listing: Listing, present: datetime) -> Decimal | None:
        """The close of the last bar that ended, None where there is none."""
        begins = present - LATELY
        bars = await self._dialect.series(self._wire, listing, "bars", BAR, begins, present)
        return Decimal(str(bars["close"][-1])) if bars.height else None
