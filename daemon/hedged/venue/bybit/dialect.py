"""
Bybit's unified account, v5: which endpoints are asked for what.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from hedged.core.market import MarginTier, Position, Quote
from hedged.core.metrics import Series, bar_seconds
from hedged.core.metrics.history import SCHEMAS
from hedged.core.metrics.vocabulary import Need
from hedged.core.record import Outcome
from hedged.errors import OutcomeUnknown, VenueUnavailable
from hedged.venue.bybit import pages, prices, translate, wallets
from hedged.venue.bybit import series as series_of
from hedged.venue.bybit.outcomes import LATE, OUTCOMES
from hedged.venue.dialect import (
    AccountSeen,
    Balance,
    Happening,
    Listing,
    Rights,
    SymbolMode,
    Unread,
)
from hedged.venue.outcomes import MarketType, raised
from hedged.venue.protocol import MarginMode, Order
from hedged.venue.reading import milliseconds
from hedged.venue.wire import Answered, Speech, Wire

HOST = "api.bybit.com"
BARS_PAGE, RATES_PAGE, OPEN_INTEREST_PAGE = 1000, 200, 200
POSITIONS_PAGE, ORDERS_PAGE = 200, 50
BARS_BACK = 2_500
"""Bars, fundings and samples asked for of a symbol that nothing is kept of."""
SETTLES = frozenset({"USDT", "USDC"})
"""What linear contracts settle in; each is a book of its own."""
LOOKS = 3
"""How often an order is looked up right after it was sent; it takes a moment to show there."""
ORDERS_NOW, ORDERS_PAST = "privateGetV5OrderRealtime", "privateGetV5OrderHistory"
GONE = "110001"
"""Of a cancel: the order does not exist, or it is over."""

_named = translate.named


def used_of(headers: Mapping[str, str]) -> float | None:
    """
    What this account has asked of this endpoint in the present second: a part of what the host counts.
    """
    limit, left = headers.get("x-bapi-limit", ""), headers.get("x-bapi-limit-status", "")
    return float(int(limit) - int(left)) if limit.isdecimal() and left.isdecimal() else None


class Bybit:
    """The `Dialect` of Bybit."""

    speech = Speech(
        ccxt_id="bybit",
        weight_limits={HOST: 600},
        weight_window_s=5,
        error_of=translate.error_of,
        used_of=used_of,
        weighs=False,
        listed_by=("publicGetV5MarketInstrumentsInfo",) * 4,  # both books, and what is not traded yet
        options={"fetchMarkets": {"types": ["linear", "inverse"]}},
        backoff_s=600,  # a banned address is let in again after ten minutes, if it kept still
        overasked={"10006": 1.0, "10018": 600.0},  # this endpoint in a second; this address
    )

    unserved: frozenset[Need] = frozenset({"open_interest_notional"})
    unserved_inverse: frozenset[Need] = frozenset({"open_interest"})  # it tells dollars, no coins
    bars: tuple[str, ...] = tuple(series_of.INTERVALS)
    wallets_apart = False
    tiers_by_account = False
    margin_mode_of_account = True

    async def server_time(self, wire: Wire) -> datetime:
        return translate.time_of(await wire.read("publicGetV5MarketTime"), "time")

    async def listings(self, wire: Wire) -> dict[str, Listing]:
        found = (translate.listing_of(market) for market in (await wire.markets()).values())
        return {listing.instrument.symbol: listing for listing in found if listing is not None}

    async def rights(self, wire: Wire) -> Rights:
        return wallets.rights_of(await wire.read("privateGetV5UserQueryApi"))

    async def quotes(
        self, wire: Wire, listings: tuple[Listing, ...], deep: frozenset[str]
    ) -> tuple[Quote, ...]:
        return await prices.quotes(wire, listings, deep)

    async def prices(self, wire: Wire, pairs: tuple[tuple[str, str], ...]) -> dict[str, Decimal]:
        return await prices.spot(wire, pairs)

    async def tiers(self, wire: Wire, listing: Listing) -> tuple[MarginTier, ...]:
        return await prices.tiers(wire, listing)

    async def funding_hours(self, wire: Wire, listing: Listing) -> Decimal:
        info = await wire.read("publicGetV5MarketInstrumentsInfo", _named(listing))
        return series_of.funding_hours_of(info, listing)

    async def account(
        self, wire: Wire, listings: dict[str, Listing], settle: str, symbols: frozenset[str]
    ) -> AccountSeen:
        """Positions and open orders alike of all books, whatever *symbols* are."""
        books = _books(listings)
        coins, positions, orders = await asyncio.gather(
            self._coins(wire),
            self._of_all(wire, "privateGetV5PositionList", books, POSITIONS_PAGE),
            self._of_all(wire, ORDERS_NOW, books, ORDERS_PAGE),
        )
        margin = wallets.margin_of(coins, settle)
        if margin is None:  # a coin without money is told only when it is named
            margin = wallets.margin_of(await self._coins(wire, settle), settle)
        if margin is None:
            raise VenueUnavailable(f"wallet-balance: no coin {settle}")
        named = {listing.market_id: symbol for symbol, listing in listings.items()}
        seen = (translate.position_of(row, market, named) for market, row in positions)
        return AccountSeen(
            margin=margin,
            positions=tuple(position for position in seen if position is not None),
            open_orders=tuple(translate.open_order_of(row, named) for _, row in orders),
            hedge_mode=any(translate.is_of_hedge_mode(row) for _, row in positions),
            collateral=wallets.collateral_of(coins, settle),
        )

    async def collateral(self, wire: Wire) -> tuple[Balance, ...]:
        return wallets.collateral_of(await self._coins(wire), "")

    async def balances(
        self, wire: Wire, known: frozenset[str], *, futures: bool
    ) -> tuple[Balance, ...]:
        funding, flexible, on_chain = await asyncio.gather(
            wire.read("privateGetV5AssetTransferQueryAccountCoinsBalance", {"accountType": "FUND"}),
            wire.read("privateGetV5EarnPosition", {"category": "FlexibleSaving"}),
            wire.read("privateGetV5EarnPosition", {"category": "OnChain"}),
        )
        return (
            *wallets.funding_wallet_of(funding),
            *wallets.earn_of(flexible),
            *wallets.earn_of(on_chain),
        )

    async def other_positions(self, wire: Wire) -> tuple[Position, ...]:
        """None: `account` speaks of every book."""
        return ()

    async def happenings(
        self,
        wire: Wire,
        listings: dict[str, Listing],
        symbols: frozenset[str],
        settle: str,
        since: datetime,
        until: datetime,
        known: Callable[[str], bool],
    ) -> tuple[Happening | Unread, ...]:
        fills, entries = await asyncio.gather(
            asyncio.gather(
                *(pages.fills(wire, listings[s], settle, since, until, known) for s in sorted(symbols))
            ),
            pages.entries(wire, listings, settle, since, until, known),
        )
        return (*(fill for found in fills for fill in found), *entries)

    async def marks_at(
        self, wire: Wire, listing: Listing, at: datetime
    ) -> tuple[Decimal | None, Decimal | None]:
        minute = at.replace(second=0, microsecond=0)
        begins = milliseconds(minute)
        asked = {**_named(listing), "interval": "1", "start": begins, "end": begins, "limit": 1}
        marks, indices = await asyncio.gather(
            wire.read("publicGetV5MarketMarkPriceKline", asked),
            wire.read("publicGetV5MarketIndexPriceKline", asked),
        )
        return series_of.open_at(marks, listing, minute), series_of.open_at(indices, listing, minute)

    async def series(
        self,
        wire: Wire,
        listing: Listing,
        series: Series,
        bar: str,
        after: datetime | None,
        until: datetime,
    ) -> pl.DataFrame:
        found: list[dict[str, Any]] = []
        if series == "bars":
            found = await self._bars(wire, listing, bar, after, until)
        elif series == "funding" and listing.funds:
            found = await self._funding(wire, listing, after, until)
        elif series == "open_interest":
            found = await self._open_interest(wire, listing, bar, after, until)
        return pl.DataFrame(found, schema=SCHEMAS[series], orient="row")

    async def mode(self, wire: Wire, listing: Listing) -> SymbolMode:
        account, positions = await asyncio.gather(
            wire.read("privateGetV5AccountInfo"),
            wire.read("privateGetV5PositionList", _named(listing)),
        )
        return wallets.mode_of(account, positions, listing)

    async def set_leverage(self, wire: Wire, listing: Listing, leverage: Decimal) -> None:
        """Of both sides, which must be equal in one-way mode."""
        both = {"buyLeverage": f"{leverage.normalize():f}", "sellLeverage": f"{leverage.normalize():f}"}
        await wire.adjust("privatePostV5PositionSetLeverage", {**_named(listing), **both})

    async def set_margin_mode(self, wire: Wire, listing: Listing, margin_mode: MarginMode) -> None:
        """Of the whole unified account; `position/switch-isolated` is for accounts of before."""
        told = next(told for told, mode in wallets.MARGIN_MODES.items() if mode == margin_mode)
        await wire.adjust("privatePostV5AccountSetMarginMode", {"setMarginMode": told})

    async def send(self, wire: Wire, listing: Listing, order: Order) -> Outcome:
        """The answer says only that the order is taken, so it is looked up a few times at once."""
        request = translate.request_of(listing, order)
        try:
            answer = await wire.send("privatePostV5OrderCreate", request, order.client_order_id)
        except Answered as error:
            raised(OUTCOMES, translate.market_of(listing), error, LATE)
        translate.check_taken(answer, order.client_order_id)
        why = "it does not show yet"
        for _ in range(LOOKS):
            try:
                row = await self._order(wire, ORDERS_NOW, listing, order.client_order_id)
                if row is not None:
                    return translate.outcome_of(row, listing, order.client_order_id)
            except (OutcomeUnknown, VenueUnavailable) as error:
                why = str(error)
        raise OutcomeUnknown(f"order {order.client_order_id} was taken: {why}")

    async def lookup(self, wire: Wire, listing: Listing, client_order_id: str) -> Outcome | None:
        for endpoint in (ORDERS_NOW, ORDERS_PAST):  # the first forgets when the venue is restarted
            row = await self._order(wire, endpoint, listing, client_order_id)
            if row is not None:
                return translate.outcome_of(row, listing, client_order_id)
        return None

    async def trace(
        self, wire: Wire, listing: Listing, client_order_id: str, since: datetime
    ) -> Outcome | None:
        asked = {**_named(listing), "startTime": milliseconds(since), "limit": ORDERS_PAGE}
        async for row in pages.rows(wire, ORDERS_PAST, asked):
            if row.get("orderLinkId") == client_order_id:
                return translate.outcome_of(row, listing, client_order_id)
        return None

    async def cancel(self, wire: Wire, listing: Listing, client_order_id: str) -> None:
        try:
            await wire.change(
                "privatePostV5OrderCancel", {**_named(listing), "orderLinkId": client_order_id}
            )
        except Answered as error:
            if error.code != GONE:
                raise VenueUnavailable(f"order {client_order_id}: {error}") from None

    # ---- asking page by page

    async def _coins(self, wire: Wire, coin: str | None = None) -> list[dict[str, Any]]:
        asked = {"accountType": "UNIFIED"} | ({"coin": coin} if coin else {})
        return wallets.coins_of(await wire.read("privateGetV5AccountWalletBalance", asked))

    async def _of_all(
        self, wire: Wire, endpoint: str, books: list[dict[str, str]], page: int
    ) -> list[tuple[MarketType, dict[str, Any]]]:
        """The rows of every book, each with the category that it is of."""

        async def of(book: dict[str, str]) -> list[tuple[MarketType, dict[str, Any]]]:
            market: MarketType = "inverse" if book["category"] == "inverse" else "linear"
            return [(market, row) async for row in pages.rows(wire, endpoint, {**book, "limit": page})]

        return [row for found in await asyncio.gather(*map(of, books)) for row in found]

    async def _order(
        self, wire: Wire, endpoint: str, listing: Listing, client_order_id: str
    ) -> dict[str, Any] | None:
        what = f"order {client_order_id}"
        try:
            answer = await wire.find(endpoint, {**_named(listing), "orderLinkId": client_order_id})
        except Answered as error:
            raise VenueUnavailable(f"{what}: {error}") from None
        found = translate.list_of(answer, what)
        if len(found) > 1:
            raise VenueUnavailable(f"{what}: the venue has {len(found)} of them")
        return found[0] if found else None

    async def _bars(
        self, wire: Wire, listing: Listing, bar: str, after: datetime | None, until: datetime
    ) -> list[dict[str, Any]]:
        interval, step = series_of.interval_of_bar(bar), timedelta(seconds=bar_seconds(bar))
        begins = after + step if after is not None else until - BARS_BACK * step
        found: list[dict[str, Any]] = []
        while begins + step <= until:
            asked = {
                **_named(listing),
                "interval": interval,
                "start": milliseconds(begins),
                "end": milliseconds(min(begins + (BARS_PAGE - 1) * step, until)),
                "limit": BARS_PAGE,
            }
            klines, indices = await asyncio.gather(
                wire.read("publicGetV5MarketKline", asked),
                wire.read("publicGetV5MarketIndexPriceKline", asked),
            )
            page = series_of.bars_of(klines, indices, listing)
            found += [row for row in page if row["open_time"] + step <= until]
            begins += BARS_PAGE * step
        return found

    async def _funding(
        self, wire: Wire, listing: Listing, after: datetime | None, until: datetime
    ) -> list[dict[str, Any]]:
        """The newest page first, then the one before it."""
        hours = await self.funding_hours(wire, listing)
        begins = after or until - timedelta(hours=float(hours)) * BARS_BACK
        rates: list[tuple[datetime, Decimal]] = []
        ends = milliseconds(until)
        while True:
            asked = {
                **_named(listing),
                "startTime": milliseconds(begins),
                "endTime": ends,
                "limit": RATES_PAGE,
            }
            page = series_of.rates_of(
                await wire.read("publicGetV5MarketFundingHistory", asked), listing
            )
            rates += page
            if len(page) < RATES_PAGE or page[0][0] <= begins:
                break
            ends = milliseconds(page[0][0]) - 1
        settled = series_of.funding_rows_of(rates, hours)
        return [row for row in settled if (after is None or row["at"] > after) and row["at"] <= until]

    async def _open_interest(
        self, wire: Wire, listing: Listing, bar: str, after: datetime | None, until: datetime
    ) -> list[dict[str, Any]]:
        period = bar if bar in series_of.PERIODS else "1h"
        step = timedelta(seconds=bar_seconds(period))
        begins = after if after is not None else until - BARS_BACK * step
        found: list[dict[str, Any]] = []
        while begins <= until:
            asked = {
                **_named(listing),
                "intervalTime": series_of.PERIODS[period],
                "startTime": milliseconds(begins),
                "endTime": milliseconds(min(begins + (OPEN_INTEREST_PAGE - 1) * step, until)),
                "limit": OPEN_INTEREST_PAGE,
            }
            answer = await wire.read("publicGetV5MarketOpenInterest", asked)
            found += series_of.open_interest_rows_of(answer, listing, step / timedelta(hours=1))
            begins += OPEN_INTEREST_PAGE * step
        return [row for row in found if (after is None or row["at"] > after) and row["at"] <= until]


def _books(listings: Mapping[str, Listing]) -> list[dict[str, str]]:
    """Linear contracts are told by what they settle in, inverse ones all together."""
    linear = (one.instrument for one in listings.values() if not one.instrument.inverse)
    settles = SETTLES | {instrument.settle for instrument in linear}
    books = [{"category": "linear", "settleCoin": settle} for settle in sorted(settles)]
    return [*books, {"category": "inverse"}]
