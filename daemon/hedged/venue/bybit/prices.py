"""
Bybit's prices, order books and steps of margin: which endpoints are asked for them.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal

from hedged.core.market import MarginTier, Quote
from hedged.venue.bybit import translate
from hedged.venue.dialect import Listing
from hedged.venue.reading import maybe_positive, text
from hedged.venue.wire import Wire

LEVELS = 200
"""Of a side of the book; they cost the same as one."""


async def quotes(wire: Wire, listings: tuple[Listing, ...], deep: frozenset[str]) -> tuple[Quote, ...]:
    """See `Dialect.quotes`."""

    async def quote(listing: Listing) -> Quote:
        asked = translate.named(listing)
        if listing.instrument.symbol not in deep:
            return translate.quote_of(listing, await wire.read("publicGetV5MarketTickers", asked))
        ticker, book = await asyncio.gather(
            wire.read("publicGetV5MarketTickers", asked),
            wire.read("publicGetV5MarketOrderbook", {**asked, "limit": LEVELS}),
        )
        return translate.deep_quote_of(listing, ticker, book)

    return tuple(await asyncio.gather(*(quote(listing) for listing in listings)))


async def spot(wire: Wire, pairs: tuple[tuple[str, str], ...]) -> dict[str, Decimal]:
    """See `Dialect.prices`."""
    if not pairs:
        return {}
    answer = await wire.read("publicGetV5MarketTickers", {"category": "spot"})
    rows = translate.list_of(answer, "spot tickers")
    by_id = {text(row, "symbol", "spot tickers"): row for row in rows}
    told = {
        base: maybe_positive(by_id[base + quote], "lastPrice", f"price of {base}")
        for base, quote in pairs
        if base + quote in by_id
    }
    return {base: price for base, price in told.items() if price is not None}


async def tiers(wire: Wire, listing: Listing) -> tuple[MarginTier, ...]:
    """
    See `Dialect.tiers`. None of an inverse contract, whose steps are in coins: the core reckons its
    notional in dollars.
    """
    if listing.instrument.inverse:
        return ()
    answer = await wire.read("publicGetV5MarketRiskLimit", translate.named(listing))
    return translate.tiers_of(listing, answer)
