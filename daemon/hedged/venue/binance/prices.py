"""
Binance's prices, order books and steps of margin: which endpoints are asked for them.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal

from hedged.core.market import MarginTier, Quote
from hedged.venue.binance import translate
from hedged.venue.dialect import Listing
from hedged.venue.reading import maybe_positive, rows_of, text
from hedged.venue.wire import Wire

LEVELS = 100
"""Of a side of the book. More weigh more, and a hedge rarely needs them."""


async def quotes(wire: Wire, listings: tuple[Listing, ...], deep: frozenset[str]) -> tuple[Quote, ...]:
    """See `Dialect.quotes`. The book tells the best prices too, so that depth costs no request."""

    async def quote(listing: Listing) -> Quote:
        asked = {"symbol": listing.market_id}
        if listing.instrument.symbol in deep:
            premium, depth = await asyncio.gather(
                wire.read("fapiPublicGetPremiumIndex", asked),
                wire.read("fapiPublicGetDepth", {**asked, "limit": LEVELS}),
            )
            return translate.deep_quote_of(listing, premium, depth)
        premium, book = await asyncio.gather(
            wire.read("fapiPublicGetPremiumIndex", asked),
            wire.read("fapiPublicGetTickerBookTicker", asked),
        )
        return translate.quote_of(listing, premium, book)

    return tuple(await asyncio.gather(*(quote(listing) for listing in listings)))


async def spot(wire: Wire, pairs: tuple[tuple[str, str], ...]) -> dict[str, Decimal]:
    """See `Dialect.prices`."""
    if not pairs:
        return {}
    rows = rows_of(await wire.read("publicGetTickerPrice"), "ticker/price")
    by_id = {text(row, "symbol", "ticker/price"): row for row in rows}
    told = {
        base: maybe_positive(by_id[base + quote], "price", f"price of {base}")
        for base, quote in pairs
        if base + quote in by_id
    }
    return {base: price for base, price in told.items() if price is not None}


async def tiers(wire: Wire, listing: Listing) -> tuple[MarginTier, ...]:
    """See `Dialect.tiers`."""
    answer = await wire.read("fapiPrivateGetLeverageBracket", {"symbol": listing.market_id})
    return translate.tiers_of(listing, answer)
