"""
What happened on a Bybit account, asked page by page.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from hedged.errors import VenueUnavailable
from hedged.venue.bybit import happened, translate
from hedged.venue.dialect import Happening, Listing, Unread
from hedged.venue.partly import key_or_digest, money_or_words, whole_or_unread
from hedged.venue.reading import milliseconds
from hedged.venue.wire import Wire

EXECUTIONS_PAGE, LOG_PAGE = 100, 50
WEEK = timedelta(days=7)
"""The venue answers executions and log entries of at most this much at once, both ends included."""
EXECUTION = ("execTime", "execId", "symbol", "side", "execQty", "execType", "orderLinkId")
ENTRY = ("transactionTime", "id", "type", "category", "symbol", "currency", "change")
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
    found: list[Happening | Unread] = []
    for window in _weeks(since, until):
        asked = {**translate.named(listing), **window, "limit": EXECUTIONS_PAGE}
        async for row in rows(wire, "privateGetV5ExecutionList", asked):
            key = key_or_digest(row, happened.key_of_execution)
            if happened.is_funding(row) or known(key):
                continue
            read = partial(happened.fill_of, row, listing, settle)
            symbol = listing.instrument.symbol
            found.append(whole_or_unread(row, EXECUTION, key, symbol, read, wire.shown))
    return found


async def entries(
    wire: Wire,
    listings: dict[str, Listing],
    settle: str,
    since: datetime,
    until: datetime,
    known: Callable[[str], bool],
) -> list[Happening]:
    """
    Funding and money moved in *settle* from *since* to *until*, but what is *known*. What does
    not say when it was is told as of *until*.
    """
    by_id = {listing.market_id: listing for listing in listings.values()}
    found: list[Happening] = []
    for window in _weeks(since, until):
        asked = {"accountType": "UNIFIED", "currency": settle, **window, "limit": LOG_PAGE}
        async for row in rows(wire, "privateGetV5AccountTransactionLog", asked):
            key = key_or_digest(row, happened.key_of_entry)
            if not known(key):
                read = partial(happened.entry_of, row, by_id, settle)
                entry = money_or_words(row, ENTRY, key, until, read, wire.shown)
                found += [entry] if entry is not None else []
    return found


def _weeks(since: datetime, until: datetime) -> list[dict[str, int]]:
    """Windows that the venue answers at once, which together cover *since* to *until*."""
    windows: list[dict[str, int]] = []
    begins = since
    while begins <= until:
        ends = min(begins + WEEK, until)
        windows.append({"startTime": milliseconds(begins), "endTime": milliseconds(ends)})
        begins = ends + timedelta(milliseconds=1)
    return windows


async def rows(wire: Wire, endpoint: str, asked: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """The rows of every page. The last page may still name a next one, which then is empty."""
    cursor, cursors = "", set[str]()
    while True:
        answer = await wire.read(endpoint, {**asked, "cursor": cursor} if cursor else asked)
        page = translate.list_of(answer, endpoint)
        for row in page:
            yield row
        cursor = translate.cursor_of(answer, endpoint)
        if not page or not cursor:
            return
        if cursor in cursors:
            raise VenueUnavailable(f"{endpoint}: its pages go round in a circle")
        cursors.add(cursor)
