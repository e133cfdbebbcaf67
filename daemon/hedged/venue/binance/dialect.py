"""
Binance USD-M futures: which endpoints are asked for what.
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
from hedged.errors import VenueUnavailable
from hedged.venue.binance import pages, prices, translate, wallets
from hedged.venue.binance import series as series_of
from hedged.venue.binance.outcomes import LATE, OUTCOMES
from hedged.venue.binance.pages import PAGE, UNKNOWN_ORDER, UNLISTED
from hedged.venue.dialect import (
    AccountSeen,
    Balance,
    Happening,
    Listing,
    Rights,
    SymbolMode,
    Unread,
)
from hedged.venue.given import given
from hedged.venue.outcomes import raised
from hedged.venue.protocol import MarginMode, Order
from hedged.venue.reading import (
    flag,
    instant,
    milliseconds,
    rows_of,
    table_of,
    text,
    whole,
)
from hedged.venue.wire import Answered, Speech, Wire

BARS_BACK = 2_500
"""Bars asked for of a symbol that nothing is kept of."""
OPEN_INTEREST_BACK = timedelta(days=29)
"""What the venue keeps of it; older open interest is only there if it was recorded."""
ORDERS_AT_ONCE = 40
"""Open orders of all contracts weigh as much as those of so many, one by one."""
OPEN_INTEREST_PERIODS = ("5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d")


COSTS: dict[str, dict[str, int]] = {
    "privateGetAccount": {"cost": 20},
    "publicGetTickerPrice": {"cost": 2, "noSymbol": 4},
    "sapiGetAccountApiRestrictions": {"cost": 1},
    "sapiPostAssetGetFundingAsset": {"cost": 1},
    "sapiGetSimpleEarnFlexiblePosition": {"cost": 150},
    "sapiGetSimpleEarnLockedPosition": {"cost": 150},
    "fapiPrivateV3GetAccount": {"cost": 5},
    "fapiPrivateV3GetPositionRisk": {"cost": 5},
}
"""Weights by Binance's documentation; ccxt scales those of spot to 1,200 a minute, and has 1 for V3."""


def used_of(headers: Mapping[str, str]) -> float | None:
    """What the host counts in the present minute; what ``sapi`` does stands in a header of its own."""
    told = headers.get("x-mbx-used-weight-1m") or headers.get("x-sapi-used-ip-weight-1m") or ""
    return float(told) if told.isdecimal() else None


class Binance:
    """The `Dialect` of Binance USD-M futures."""

    speech = Speech(
        ccxt_id="binanceusdm",
        weight_limits={
            "fapi.binance.com": 2400,
            "api.binance.com": 6000,
            "api.binance.com/sapi": 12_000,
            "dapi.binance.com": 2400,
        },
        weight_window_s=60,
        error_of=translate.error_of,
        used_of=used_of,
        weighs=True,
        listed_by=("fapiPublicGetExchangeInfo",),
        costs=COSTS,
        read_by_post=frozenset({"sapiPostAssetGetFundingAsset"}),
    )

    unserved: frozenset[Need] = frozenset()
    unserved_inverse: frozenset[Need] = frozenset()
    bars: tuple[str, ...] = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d")
    wallets_apart = True
    tiers_by_account = True
    margin_mode_of_account = False

    async def server_time(self, wire: Wire) -> datetime:
        answer = await wire.read("fapiPublicGetTime")
        return instant(table_of(answer, "time"), "serverTime", "time")

    async def listings(self, wire: Wire) -> dict[str, Listing]:
        found = (translate.listing_of(market) for market in (await wire.markets()).values())
        return {listing.instrument.symbol: listing for listing in found if listing is not None}

    async def rights(self, wire: Wire) -> Rights:
        restrictions, account = await asyncio.gather(
            wire.read("sapiGetAccountApiRestrictions"), self._spot(wire)
        )
        return wallets.rights_of(restrictions, account)

    async def quotes(
        self, wire: Wire, listings: tuple[Listing, ...], deep: frozenset[str]
    ) -> tuple[Quote, ...]:
        return await prices.quotes(wire, listings, deep)

    async def prices(self, wire: Wire, pairs: tuple[tuple[str, str], ...]) -> dict[str, Decimal]:
        return await prices.spot(wire, pairs)

    async def tiers(self, wire: Wire, listing: Listing) -> tuple[MarginTier, ...]:
        return await prices.tiers(wire, listing)

    async def funding_hours(self, wire: Wire, listing: Listing) -> Decimal:
        return series_of.interval_of(await wire.read("fapiPublicGetFundingInfo"), listing)

    async def account(
        self, wire: Wire, listings: dict[str, Listing], settle: str, symbols: frozenset[str]
    ) -> AccountSeen:
        """
        Open orders are asked for by contract: those of *symbols*, and every one that ``positionRisk``
        names, which does so where a position is held or an order rests. All at once weigh 40, as much
        as forty contracts and more than all else of a look together, so that is asked beyond as many.
        """
        ids = {listings[symbol].market_id for symbol in symbols & listings.keys()}
        account, config, answer, *orders = await asyncio.gather(
            wire.read("fapiPrivateV3GetAccount"),
            wire.read("fapiPrivateGetAccountConfig"),
            wire.read("fapiPrivateV3GetPositionRisk"),
            *(self._open_orders(wire, one) for one in sorted(ids)),
        )
        rows = rows_of(answer, "positionRisk")
        others = {text(row, "symbol", "positionRisk") for row in rows} - ids
        if len(others) < ORDERS_AT_ONCE:
            orders += await asyncio.gather(*(self._open_orders(wire, one) for one in sorted(others)))
        else:
            orders = [await self._open_orders(wire)]
        named = {listing.market_id: symbol for symbol, listing in listings.items()}
        config = table_of(config, "accountConfig")
        seen = (translate.position_of(row, named) for row in rows)
        return AccountSeen(
            margin=translate.margin_of(account, settle),
            positions=tuple(position for position in seen if position is not None),
            open_orders=tuple(translate.open_order_of(row, named) for page in orders for row in page),
            hedge_mode=flag(config, "dualSidePosition", "accountConfig"),
            collateral=wallets.collateral_of(account, settle, "usd-m"),
        )

    async def collateral(self, wire: Wire) -> tuple[Balance, ...]:
        return wallets.collateral_of(await wire.read("fapiPrivateV3GetAccount"), "", "usd-m")

    async def balances(
        self, wire: Wire, known: frozenset[str], *, futures: bool
    ) -> tuple[Balance, ...]:
        coin_m = await wire.read("dapiPrivateGetAccount") if futures else None
        spot, funding, flexible, locked = await asyncio.gather(
            self._spot(wire),
            wire.read("sapiPostAssetGetFundingAsset"),
            self._pages(wire, "sapiGetSimpleEarnFlexiblePosition"),
            self._pages(wire, "sapiGetSimpleEarnLockedPosition"),
        )
        earn = (
            *(b for page in flexible for b in wallets.earn_of(page, "totalAmount")),
            *(b for page in locked for b in wallets.earn_of(page, "amount")),
        )
        return (
            *wallets.spot_of(spot, known, frozenset(balance.asset for balance in earn)),
            *wallets.funding_wallet_of(funding),
            *(wallets.collateral_of(coin_m, "", "coin-m") if futures else ()),
            *earn,
        )

    async def other_positions(self, wire: Wire) -> tuple[Position, ...]:
        """Those of COIN-M: its account tells of margin only, so its positions are asked for too."""
        rows = rows_of(await wire.read("dapiPrivateGetPositionRisk"), "coin-m positionRisk")
        found = (translate.coin_position_of(row) for row in rows)
        return tuple(position for position in found if position is not None)

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
        fills, incomes = await asyncio.gather(
            asyncio.gather(
                *(pages.fills(wire, listings[s], settle, since, until, known) for s in sorted(symbols))
            ),
            pages.incomes(wire, listings, settle, since, until, known),
        )
        return (*(fill for found in fills for fill in found), *incomes)

    async def marks_at(
        self, wire: Wire, listing: Listing, at: datetime
    ) -> tuple[Decimal | None, Decimal | None]:
        begins = milliseconds(at.replace(second=0, microsecond=0))
        asked = {"interval": "1m", "startTime": begins, "endTime": begins + 59_999, "limit": 1}
        marks, indices = (
            wire.read("fapiPublicGetMarkPriceKlines", {"symbol": listing.market_id, **asked}),
            wire.read("fapiPublicGetIndexPriceKlines", {"pair": pair_of(listing), **asked}),
        )
        mark, index = await asyncio.gather(given(marks, UNLISTED, []), given(indices, UNLISTED, []))
        return series_of.open_of(mark), series_of.open_of(index)

    async def series(
        self,
        wire: Wire,
        listing: Listing,
        series: Series,
        bar: str,
        after: datetime | None,
        until: datetime,
    ) -> pl.DataFrame:
        rows: list[dict[str, Any]] = []
        if series == "bars":
            rows = await self._bars(wire, listing, bar, after, until)
        elif series == "funding" and listing.funds:
            rows = await self._funding(wire, listing, after, until)
        elif series == "open_interest":
            rows = await self._open_interest(wire, listing, bar, after, until)
        return pl.DataFrame(rows, schema=SCHEMAS[series], orient="row")

    async def mode(self, wire: Wire, listing: Listing) -> SymbolMode:
        answer = await wire.read("fapiPrivateGetSymbolConfig", {"symbol": listing.market_id})
        return wallets.mode_of(answer, listing)

    async def set_leverage(self, wire: Wire, listing: Listing, leverage: Decimal) -> None:
        asked = {"symbol": listing.market_id, "leverage": f"{leverage.normalize():f}"}
        await wire.adjust("fapiPrivatePostLeverage", asked)

    async def set_margin_mode(self, wire: Wire, listing: Listing, margin_mode: MarginMode) -> None:
        told = next(told for told, mode in wallets.MARGIN_MODES.items() if mode == margin_mode)
        asked = {"symbol": listing.market_id, "marginType": told}
        await wire.adjust("fapiPrivatePostMarginType", asked)

    async def send(self, wire: Wire, listing: Listing, order: Order) -> Outcome:
        request = translate.request_of(listing, order)
        try:
            answer = await wire.send("fapiPrivatePostOrder", request, order.client_order_id)
        except Answered as error:
            raised(OUTCOMES, "linear", error, LATE)
        return translate.outcome_of(answer, listing, order.client_order_id)

    async def lookup(self, wire: Wire, listing: Listing, client_order_id: str) -> Outcome | None:
        asked = {"symbol": listing.market_id, "origClientOrderId": client_order_id}
        try:
            answer = await wire.find("fapiPrivateGetOrder", asked)
        except Answered as error:
            if error.code == UNKNOWN_ORDER:
                return None
            raise VenueUnavailable(f"order {client_order_id}: {error}") from None
        return translate.outcome_of(answer, listing, client_order_id)

    async def trace(
        self, wire: Wire, listing: Listing, client_order_id: str, since: datetime
    ) -> Outcome | None:
        asked = {"symbol": listing.market_id, "limit": PAGE}
        place: dict[str, Any] = {"startTime": milliseconds(since)}
        while True:
            try:
                answer = await wire.find("fapiPrivateGetAllOrders", {**asked, **place})
            except Answered as error:
                raise VenueUnavailable(f"order {client_order_id}: {error}") from None
            rows = rows_of(answer, "allOrders")
            for row in rows:
                if row.get("clientOrderId") == client_order_id:
                    return translate.outcome_of(row, listing, client_order_id)
            if len(rows) < PAGE:
                return None
            place = {"orderId": whole(rows[-1], "orderId", "allOrders") + 1}

    async def cancel(self, wire: Wire, listing: Listing, client_order_id: str) -> None:
        asked = {"symbol": listing.market_id, "origClientOrderId": client_order_id}
        try:
            await wire.change("fapiPrivateDeleteOrder", asked)
        except Answered as error:
            if error.code not in (UNKNOWN_ORDER, "-2011"):
                raise VenueUnavailable(f"order {client_order_id}: {error}") from None

    # ---- asking page by page

    async def _open_orders(self, wire: Wire, market_id: str | None = None) -> list[dict[str, Any]]:
        asked = {} if market_id is None else {"symbol": market_id}
        return rows_of(await wire.read("fapiPrivateGetOpenOrders", asked), "openOrders")

    async def _spot(self, wire: Wire) -> Any:
        return await wire.read("privateGetAccount", {"omitZeroBalances": "true"})

    async def _pages(self, wire: Wire, endpoint: str) -> list[Any]:
        """Every page of Simple Earn, 100 rows each."""
        pages: list[Any] = []
        while True:
            asked = {"current": len(pages) + 1, "size": 100}
            pages.append(await wire.read(endpoint, asked))
            table = table_of(pages[-1], "earn")
            if len(pages) * 100 >= whole(table, "total", "earn"):
                return pages

    async def _bars(
        self, wire: Wire, listing: Listing, bar: str, after: datetime | None, until: datetime
    ) -> list[dict[str, Any]]:
        step = timedelta(seconds=bar_seconds(bar))
        begins = after + step if after is not None else until - BARS_BACK * step
        rows: list[dict[str, Any]] = []
        while begins + step <= until:
            asked = {
                "interval": bar,
                "startTime": milliseconds(begins),
                "endTime": milliseconds(until) - 1,
                "limit": PAGE,
            }
            klines, indices = await asyncio.gather(
                wire.read("fapiPublicGetKlines", {"symbol": listing.market_id, **asked}),
                wire.read("fapiPublicGetIndexPriceKlines", {"pair": pair_of(listing), **asked}),
            )
            page = series_of.bars_of(klines, indices)
            rows += [row for row in page if row["open_time"] + step <= until]
            if len(page) < PAGE:
                break
            begins = page[-1]["open_time"] + step
        return rows

    async def _funding(
        self, wire: Wire, listing: Listing, after: datetime | None, until: datetime
    ) -> list[dict[str, Any]]:
        hours = await self.funding_hours(wire, listing)
        begins = after or until - timedelta(hours=float(hours)) * BARS_BACK
        rows: list[dict[str, Any]] = []
        while True:
            asked = {
                "symbol": listing.market_id,
                "startTime": milliseconds(begins),
                "endTime": milliseconds(until),
                "limit": PAGE,
            }
            page = rows_of(await wire.read("fapiPublicGetFundingRate", asked), "fundingRate")
            rows += page
            if len(page) < PAGE:
                break
            begins = instant(page[-1], "fundingTime", "fundingRate") + timedelta(milliseconds=1)
        found = series_of.funding_rows_of(rows, hours)
        return [row for row in found if (after is None or row["at"] > after) and row["at"] <= until]

    async def _open_interest(
        self, wire: Wire, listing: Listing, bar: str, after: datetime | None, until: datetime
    ) -> list[dict[str, Any]]:
        period = bar if bar in OPEN_INTEREST_PERIODS else "1h"
        step = timedelta(seconds=bar_seconds(period))
        kept = wire.now() - OPEN_INTEREST_BACK
        begins = max(after + step, kept) if after else kept
        rows: list[dict[str, Any]] = []
        while begins <= until:
            asked = {
                "symbol": listing.market_id,
                "period": period,
                "startTime": milliseconds(begins),
                "endTime": milliseconds(min(begins + 499 * step, until)),
                "limit": 500,
            }
            rows += rows_of(await wire.read("fapiDataGetOpenInterestHist", asked), "openInterestHist")
            begins += 500 * step
        return series_of.open_interest_rows_of(rows, step / timedelta(hours=1))


def pair_of(listing: Listing) -> str:
    """What Binance calls the index of a contract: BTCUSDT for BTCUSDT_260925."""
    return listing.market_id.partition("_")[0]
