"""
What happened on Binance's futures account, asked page by page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from hedged.errors import VenueUnavailable
from hedged.venue.binance import happened
from hedged.venue.dialect import Happening, Listing
from hedged.venue.reading import instant, milliseconds, rows_of, table_of, text, whole
from hedged.venue.wire import Wire

PAGE = 1000
TRADES_WINDOW = timedelta(days=6, hours=23)
"""The venue answers trades of at most seven days at once."""


async def fills(
    wire: Wire,
    listing: Listing,
    settle: str,
    since: datetime,
    until: datetime,
    known: Callable[[str], bool],
) -> list[Happening]:
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
    new = [t for t in trades if not known(happened.key_of_trade(t, listing))]
    orders = await _orders(wire, listing, {text(t, "orderId", "userTrades") for t in new})
    return [happened.fill_of(t, listing, orders[text(t, "orderId", "userTrades")], settle) for t in new]


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
        found += [row for row in page if instant(row, "time", "userTrades") <= until]
        if len(page) < PAGE:
            return found
        last = page[-1]


async def _orders(wire: Wire, listing: Listing, order_ids: set[str]) -> dict[str, dict[str, Any]]:
    """The orders that trades belong to: only they say whose they are, and why they were made."""

    async def order(order_id: str) -> dict[str, Any]:
        asked = {"symbol": listing.market_id, "orderId": order_id}
        return table_of(await wire.read("fapiPrivateGetOrder", asked), f"order {order_id}")

    wanted = sorted(order_ids)
    return dict(zip(wanted, await asyncio.gather(*map(order, wanted)), strict=True))


async def incomes(
    wire: Wire,
    listings: dict[str, Listing],
    settle: str,
    since: datetime,
    known: Callable[[str], bool],
) -> list[Happening]:
    """Funding and transfers in *settle* from *since* on, but those that are *known*."""
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
        if row.get("asset") != settle or known(happened.key_of_income(row)):
            continue
        kind = text(row, "incomeType", "income")
        if kind in happened.TRANSFERS:
            found.append(happened.flow_of(row))
        elif kind == "FUNDING_FEE":
            listing = by_id.get(text(row, "symbol", "income"))
            if listing is not None:
                found.append(happened.funding_of(row, listing, await _settled(wire, row)))
    return found


async def _settled(wire: Wire, income: dict[str, Any]) -> dict[str, Any]:
    """The rate and mark with which the funding of *income* was reckoned."""
    when = milliseconds(instant(income, "time", "income"))
    asked = {
        "symbol": text(income, "symbol", "income"),
        "startTime": when - 60_000,
        "endTime": when + 60_000,
        "limit": 1,
    }
    rows = rows_of(await wire.read("fapiPublicGetFundingRate", asked), "fundingRate")
    if not rows:
        raise VenueUnavailable(f"no funding rate of {asked['symbol']} for an income at {when}")
    return rows[0]
