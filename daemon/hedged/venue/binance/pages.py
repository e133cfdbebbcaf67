"""
What happened on Binance's futures account, asked page by page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from hedged.errors import VenueUnavailable
from hedged.venue.binance import happened
from hedged.venue.dialect import Happening, Listing, Unread
from hedged.venue.given import given
from hedged.venue.partly import Partly, key_or_digest, money_or_words, whole_or_unread
from hedged.venue.reading import instant, milliseconds, rows_of, table_of, text, whole
from hedged.venue.wire import Wire

PAGE = 1000
TRADES_WINDOW = timedelta(days=6, hours=23)
"""The venue answers trades of at most seven days at once."""
UNKNOWN_ORDER = "-2013"
UNLISTED = frozenset({"-1121", "-1122"})
"""The venue has no such symbol, or not any more."""
TRADE = ("time", "id", "orderId", "side", "qty")
INCOME = ("time", "tranId", "incomeType", "symbol", "income")
"""The fields that are shown of what can't be read."""


async def fills(
    wire: Wire,
    listing: Listing,
    settle: str,
    since: datetime,
    until: datetime,
    known: Callable[[str], bool],
) -> list[Happening | Unread]:
    """The trades of one contract from *since* to *until*, but those that are *known*."""
    trades: list[dict[str, Any]] = []
    begins = since
    while begins <= until:
        ends = min(begins + TRADES_WINDOW, until)
        asked: dict[str, Any] = {
            "symbol": listing.market_id,
            "startTime": milliseconds(begins),
            "endTime": milliseconds(ends) + 999,
            "limit": PAGE,
        }
        page = rows_of(await wire.read("fapiPrivateGetUserTrades", asked), "userTrades")
        trades += page
        if len(page) == PAGE:  # the rest of a full window comes by its id
            trades += await _trades_after(wire, listing, page[-1], until)
        begins = ends + timedelta(seconds=1)
    keyed = {key_or_digest(t, lambda row: happened.key_of_trade(row, listing)): t for t in trades}
    new = {key: trade for key, trade in keyed.items() if not known(key)}
    named = (Partly().told(partial(text, t, "orderId", "userTrades")) for t in new.values())
    orders = await _orders(wire, listing, {order_id for order_id in named if order_id is not None})

    def fill(trade: dict[str, Any]) -> Happening:
        order_id = text(trade, "orderId", "userTrades")
        if order_id not in orders:
            raise VenueUnavailable(f"order {order_id}: the venue does not know it")
        return happened.fill_of(trade, listing, orders[order_id], settle)

    symbol = listing.instrument.symbol
    return [
        whole_or_unread(trade, TRADE, key, symbol, partial(fill, trade), wire.shown)
        for key, trade in new.items()
    ]


async def _trades_after(
    wire: Wire, listing: Listing, last: dict[str, Any], until: datetime
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        asked = {
            "symbol": listing.market_id,
            "fromId": whole(last, "id", "userTrades") + 1,
            "limit": PAGE,
        }
        page = rows_of(await wire.read("fapiPrivateGetUserTrades", asked), "userTrades")
        found += [row for row in page if not _after(row, until)]
        if len(page) < PAGE:
            return found
        last = page[-1]


def _after(row: dict[str, Any], until: datetime) -> bool:
    """Whether a trade is later than *until*; one without a time is not left out."""
    when = Partly().told(lambda: instant(row, "time", "userTrades"))
    return when is not None and when > until


async def _orders(wire: Wire, listing: Listing, order_ids: set[str]) -> dict[str, dict[str, Any]]:
    """
    The orders that trades belong to: only they say whose they are, and why they were made. Absent where
    the venue does not know one, as it may for a moment.
    """

    async def order(order_id: str) -> dict[str, Any]:
        asked = {"symbol": listing.market_id, "orderId": order_id}
        answer = await given(wire.read("fapiPrivateGetOrder", asked), {UNKNOWN_ORDER}, {})
        return table_of(answer, f"order {order_id}")

    wanted = sorted(order_ids)
    found = await asyncio.gather(*map(order, wanted))
    return {order_id: row for order_id, row in zip(wanted, found, strict=True) if row}


async def incomes(
    wire: Wire,
    listings: dict[str, Listing],
    settle: str,
    since: datetime,
    until: datetime,
    known: Callable[[str], bool],
) -> list[Happening]:
    """
    Funding and transfers in *settle* from *since* on, but those that are *known*. What does
    not say when it was is told as of *until*.
    """
    rows, begins = list[dict[str, Any]](), since
    while True:
        asked = {"startTime": milliseconds(begins), "limit": PAGE}
        page = rows_of(await wire.read("fapiPrivateGetIncome", asked), "income")
        rows += page
        if len(page) < PAGE:
            break
        begins = max(instant(page[-1], "time", "income"), begins + timedelta(milliseconds=1))
    by_id = {listing.market_id: listing for listing in listings.values()}
    found: list[Happening] = []
    for row in rows:
        key, kind = key_or_digest(row, happened.key_of_income), str(row.get("incomeType"))
        if row.get("asset") != settle or kind in happened.LEFT_OUT or known(key):
            continue
        read = partial(happened.flow_of, row)
        if kind == happened.FUNDING:
            listing = by_id.get(str(row.get("symbol")))
            if listing is None:
                continue
            read = partial(happened.funding_of, row, listing, await _settled(wire, row))
        one = money_or_words(row, INCOME, key, until, read, wire.shown)
        found += [one] if one is not None else []
    return found


async def _settled(wire: Wire, income: dict[str, Any]) -> dict[str, Any]:
    """The rate and mark with which the funding of *income* was reckoned; empty where there is none."""
    at = Partly().told(lambda: instant(income, "time", "income"))
    if at is None:
        return {}
    when = milliseconds(at)
    asked = {
        "symbol": income["symbol"],
        "startTime": when - 60_000,
        "endTime": when + 60_000,
        "limit": 1,
    }
    answer = await given(wire.read("fapiPublicGetFundingRate", asked), UNLISTED, [])
    rows = rows_of(answer, "fundingRate")
    return rows[0] if rows else {}
