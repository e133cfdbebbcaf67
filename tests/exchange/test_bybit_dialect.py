"""Bybit's dialect as the real ccxt class meets it, over a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import ccxt.async_support as ccxt
import pytest
import pytest_asyncio

from exchange import happenings
from exchange.clients import (
    BTC,
    buy,
    client,
    clock,
    found,
    sell,
)
from exchange.clocks import START
from exchange.opening import bybit_venue
from exchange.state import Earn
from exchange.tape import Bar
from exchange.venue import Key, Venue

USDC, INVERSE = "BTC/USDC:USDC", "BTC/USD:BTC"
DATED = "BTC/USDT:USDT-260626"
D = Decimal
CREATE, LOOKUP = "*/v5/order/create", "*/v5/order/realtime"


@pytest.fixture
def venue() -> Venue:
    return bybit_venue()


@pytest_asyncio.fixture
async def bybit(venue: Venue) -> AsyncIterator[Any]:
    async with client(venue) as exchange:
        yield exchange


# Reading


async def test_the_listing_has_linear_and_inverse_perpetual_and_dated(bybit: Any) -> None:
    markets = bybit.markets

    assert {BTC, USDC, INVERSE, DATED, "BTC/USD:BTC-260626"} < set(markets)
    assert (markets[INVERSE]["inverse"], markets[INVERSE]["contractSize"]) == (True, 1)
    assert markets[DATED]["expiryDatetime"] == "2026-06-26T08:00:00.000Z"
    assert markets[BTC]["limits"]["cost"]["min"] == 5
    assert markets[BTC]["precision"] == {"amount": 0.001, "price": 0.1}


async def test_the_unified_wallet_and_the_others(venue: Venue, bybit: Any) -> None:
    venue.engine.deposit("BTC", D("0.5"))
    venue.engine.state.funding_wallet = {"USDC": D(7)}
    venue.engine.state.earn = [
        Earn(coin="ETH", amount=D(2)),
        Earn(coin="BNB", amount=D(1), locked=True),
    ]

    unified = await bybit.fetch_balance()
    funding = await bybit.fetch_balance({"type": "funding"})
    earn = await bybit.privateGetV5EarnPosition({"category": "FlexibleSaving"})
    locked = await bybit.privateGetV5EarnPosition({"category": "OnChain"})
    account = unified["info"]["result"]["list"][0]

    assert (unified["USDT"]["total"], unified["BTC"]["total"]) == (10_000, 0.5)
    assert account["totalEquity"] == "40000.00000000"
    assert funding["USDC"]["total"] == 7
    assert [row["amount"] for row in earn["result"]["list"]] == ["2"]
    assert [row["coin"] for row in locked["result"]["list"]] == ["BNB"]


async def test_spot_prices_and_the_rights_of_the_key(bybit: Any) -> None:
    spot = await bybit.publicGetV5MarketTickers({"category": "spot"})
    rights = (await bybit.privateGetV5UserQueryApi())["result"]

    prices = {row["symbol"]: row["lastPrice"] for row in spot["result"]["list"]}
    assert prices["BTCUSDT"] == "60000"
    assert (rights["readOnly"], rights["permissions"]["Wallet"]) == (0, [])
    assert rights["permissions"]["ContractTrade"] == ["Order", "Position"]
    assert rights["uta"] == 1


async def test_market_data_as_ccxt_parses_it(venue: Venue, bybit: Any) -> None:
    venue.engine.set_price("BTCUSDT", D(60_100), index=D(60_050), last=D(60_080))

    rate = (await bybit.fetch_funding_rates([BTC]))[BTC]
    book = await bybit.fetch_order_book(BTC, 5)
    interest = await bybit.fetch_open_interest(BTC)

    assert (rate["markPrice"], rate["indexPrice"], rate["interval"]) == (60_100, 60_050, "8h")
    assert book["bids"][0][0] < 60_080 <= book["asks"][0][0]
    assert interest["openInterestAmount"] == 80_000
    assert await bybit.fetch_time() == START.timestamp() * 1000
    assert len((await bybit.fetch_leverage_tiers([BTC]))[BTC]) == 9
    with pytest.raises(ccxt.BadSymbol):
        await bybit.publicGetV5MarketOrderbook({"category": "linear", "symbol": "XYZ"})


async def test_candles_of_the_last_the_mark_and_the_index_price(venue: Venue, bybit: Any) -> None:
    days = [START.replace(hour=0) - timedelta(days=n) for n in range(5, 0, -1)]
    for name, base in (("last", 100), ("mark", 200), ("index", 300)):
        venue.engine.market("BTCUSDT").tapes[name].load(
            Bar(opens_at=at, open=D(base), high=D(base + 9), low=D(base), close=D(base + n),
                volume=D(n))
            for n, at in enumerate(days)
        )  # fmt: skip

    since = int(days[1].timestamp() * 1000)
    last = await bybit.fetch_ohlcv(BTC, "1d", since, 3)
    mark = await bybit.fetch_ohlcv(BTC, "1d", params={"price": "mark"})
    index = await bybit.fetch_ohlcv(BTC, "1d", params={"price": "index"})

    assert [row[4:] for row in last] == [[101, 1], [102, 2], [103, 3]]
    assert [row[4] for row in mark[:5]] == [200, 201, 202, 203, 204]
    assert [row[4] for row in index[:5]] == [300, 301, 302, 303, 304]


async def test_funding_and_open_interest_history(venue: Venue, bybit: Any) -> None:
    for rate in ("0.0001", "-0.0002", "0.0003"):
        happenings.settle_funding(venue.engine, "BTCUSDT", D(rate))
        clock(venue).step(hours=8)
    for hour in range(4):
        venue.engine.set_open_interest("BTCUSDT", D(100 + hour), START + timedelta(hours=hour))
    since = int(START.timestamp() * 1000)

    rates = await bybit.fetch_funding_rate_history(BTC, since, 10)
    interests = await bybit.fetch_open_interest_history(BTC, "1h", since, 10)

    assert [row["fundingRate"] for row in rates[:3]] == [0.0001, -0.0002, 0.0003]
    assert [row["openInterestAmount"] for row in interests] == [100, 101, 102, 103]
    with pytest.raises(ccxt.BadRequest, match="endTime"):
        await bybit.publicGetV5MarketFundingHistory(
            {"category": "linear", "symbol": "BTCUSDT", "startTime": since}
        )


# Trading


async def test_open_add_reduce_and_close(bybit: Any) -> None:
    answer = await sell(bybit, clientOrderId="open1")
    assert (answer["status"], answer["filled"], answer["clientOrderId"]) == (None, None, "open1")
    order = await found(bybit, "open1")
    assert (order["status"], order["filled"], order["average"]) == ("closed", 0.1, 59_999.9)

    await sell(bybit, "0.05")
    (position,) = await bybit.fetch_positions()
    assert (position["side"], position["contracts"]) == ("short", 0.15)
    assert position["initialMargin"] == 0.15 * 60_000 / 20
    assert position["liquidationPrice"] > 100_000

    await buy(bybit, "0.05", reduceOnly=True)
    (position,) = await bybit.fetch_positions([BTC])
    assert position["contracts"] == 0.1

    await buy(bybit, "0.3", reduceOnly=True, clientOrderId="cut")
    assert await bybit.fetch_positions() == []
    assert (await found(bybit, "cut"))["amount"] == 0.1
    (flat,) = await bybit.fetch_positions([BTC])
    assert (flat["contracts"], flat["side"]) == (0, None)


async def test_positions_of_other_coins_need_to_be_asked_for(venue: Venue, bybit: Any) -> None:
    venue.engine.deposit("BTC", D("0.5"))
    await sell(bybit)
    await sell(bybit, symbol=USDC)
    await sell(bybit, "600", symbol=INVERSE)

    linear = await bybit.fetch_positions()
    usdc = await bybit.fetch_positions(None, {"settleCoin": "USDC"})
    (inverse,) = await bybit.fetch_positions(None, {"subType": "inverse"})

    assert [p["symbol"] for p in linear] == [BTC]
    assert [p["symbol"] for p in usdc] == [USDC]
    assert (inverse["contracts"], inverse["side"], inverse["notional"]) == (600, "short", 0.01)


async def test_a_partial_fill_shows_as_cancelled_with_what_filled(venue: Venue, bybit: Any) -> None:
    venue.engine.set_book("BTCUSDT", [(D(59_950), D("0.03"))], [])

    await sell(bybit, clientOrderId="part")
    order = await found(bybit, "part")

    assert (order["status"], order["filled"], order["amount"]) == ("canceled", 0.03, 0.1)
    assert order["info"]["rejectReason"] == "EC_NoEnoughQtyToFill"


async def test_a_post_only_order_that_would_take_is_accepted_and_then_rejected(
    venue: Venue, bybit: Any
) -> None:
    answer = await sell(bybit, price="59000", timeInForce="PO", clientOrderId="post")
    venue.engine.set_book("BTCUSDT", [(D(59_950), D("0.03"))], [])
    await sell(bybit, timeInForce="FOK", clientOrderId="whole")

    post, whole = await found(bybit, "post"), await found(bybit, "whole")

    assert answer["id"] == post["id"]
    assert (post["status"], post["info"]["rejectReason"]) == (
        "rejected",
        "EC_PostOnlyWillTakeLiquidity",
    )
    assert (whole["status"], whole["info"]["rejectReason"]) == ("canceled", "EC_CancelForNoFullFill")
    assert await bybit.fetch_positions() == []


async def test_lookup_and_cancel_by_client_id(bybit: Any) -> None:
    await sell(bybit, price="61000", timeInForce="GTC", clientOrderId="rest1")
    (resting,) = await bybit.fetch_open_orders(BTC)
    assert (resting["clientOrderId"], resting["status"]) == ("rest1", "open")
    assert len(await bybit.fetch_open_orders()) == 1

    await bybit.cancel_order(None, BTC, {"orderLinkId": "rest1"})
    order = await found(bybit, "rest1")
    assert (order["status"], order["id"]) == ("canceled", resting["id"])
    assert order["info"]["cancelType"] == "CancelByUser"

    with pytest.raises(ccxt.OrderNotFound, match="110001"):
        await bybit.cancel_order(None, BTC, {"orderLinkId": "rest1"})
    with pytest.raises(ccxt.OrderNotFound, match="was not found"):
        await found(bybit, "never")


async def test_a_client_id_is_never_taken_twice(bybit: Any) -> None:
    await sell(bybit, clientOrderId="once")

    with pytest.raises(ccxt.InvalidOrder, match="110072"):
        await sell(bybit, clientOrderId="once")
    assert (await bybit.fetch_positions())[0]["contracts"] == 0.1


async def test_trades_of_an_id_and_closed_orders(bybit: Any) -> None:
    await sell(bybit, clientOrderId="mine1")
    await sell(bybit, clientOrderId="mine2")

    trades = await bybit.fetch_my_trades(BTC, None, None, {"orderLinkId": "mine1"})
    closed = await bybit.fetch_closed_orders(BTC, None, None, {"orderLinkId": "mine2"})

    assert [t["amount"] for t in trades] == [0.1]
    assert trades[0]["fee"]["cost"] == pytest.approx(0.1 * 59_999.9 * 0.00055)
    assert [o["clientOrderId"] for o in closed] == ["mine2"]


async def test_funding_has_one_sign_in_executions_and_the_other_in_the_log(
    venue: Venue, bybit: Any
) -> None:
    """A short receives a positive rate: a negative fee in one list, a positive entry in the other."""
    await sell(bybit)
    happenings.settle_funding(venue.engine, "BTCUSDT", D("0.0001"))
    venue.engine.state.funding_wallet = {"USDT": D(500)}
    venue.engine.transfer("USDT", D(200), source="FUNDING")

    (payment,) = await bybit.fetch_funding_history(BTC)
    ledger = await bybit.fetch_ledger("USDT")
    moved = await bybit.fetch_transfers("USDT")
    rows = [row["info"] for row in ledger]

    assert (payment["amount"], payment["rate"]) == (-0.6, -0.0001)
    settled = next(row for row in rows if row["type"] == "SETTLEMENT")
    assert (settled["funding"], settled["change"], settled["feeRate"]) == ("0.6", "0.6", "-0.0001")
    trade = next(row for row in rows if row["type"] == "TRADE")
    assert D(trade["change"]) == D(trade["cashFlow"]) - D(trade["fee"])
    assert [(t["fromAccount"], t["toAccount"], t["amount"]) for t in moved] == [
        ("fund", "unified", 200)
    ]
    assert {row["type"] for row in rows} == {"SETTLEMENT", "TRADE", "TRANSFER_IN"}


async def test_lists_have_pages_and_windows(venue: Venue, bybit: Any) -> None:
    for _ in range(7):
        await sell(bybit, "0.01")
    start = int(START.timestamp() * 1000)

    page = await bybit.privateGetV5ExecutionList({"category": "linear", "limit": 3})
    seen = [row["execId"] for row in page["result"]["list"]]
    while page["result"]["nextPageCursor"]:
        cursor = page["result"]["nextPageCursor"]
        page = await bybit.privateGetV5ExecutionList(
            {"category": "linear", "limit": 3, "cursor": cursor}
        )
        seen += [row["execId"] for row in page["result"]["list"]]
    clock(venue).step(days=2)
    log = await bybit.privateGetV5AccountTransactionLog({})
    older = await bybit.privateGetV5AccountTransactionLog({"startTime": start})

    assert len(set(seen)) == len(seen) == 7
    funding_only = {row["type"] for row in log["result"]["list"]}
    assert funding_only == {"SETTLEMENT"}
    assert "TRADE" in {row["type"] for row in older["result"]["list"]}
    stamps = [int(row["transactionTime"]) for row in older["result"]["list"]]
    assert max(stamps) - start == 20 * 3_600_000
    with pytest.raises(ccxt.BadRequest, match="7 days"):
        await bybit.privateGetV5ExecutionList(
            {"category": "linear", "startTime": start, "endTime": start + 8 * 86_400_000}
        )


async def test_settings_are_read_and_written(bybit: Any) -> None:
    await bybit.set_leverage(5, BTC)
    assert (await bybit.fetch_leverage(BTC))["shortLeverage"] == 5
    with pytest.raises(ccxt.BadRequest, match="110043"):
        await bybit.set_leverage(5, BTC)

    await bybit.set_margin_mode("isolated")
    assert (await bybit.fetch_margin_mode(BTC))["marginMode"] == "isolated"
    await bybit.set_margin_mode("cross")
    assert (await bybit.fetch_margin_mode(BTC))["marginMode"] == "cross"

    with pytest.raises(ccxt.NoChange, match="110025"):
        await bybit.set_position_mode(False, BTC)
    with pytest.raises(ccxt.BadRequest, match="110029"):
        await bybit.set_position_mode(True, INVERSE)


async def test_in_hedge_mode_positions_lie_side_by_side(bybit: Any) -> None:
    with pytest.raises(ccxt.BadRequest, match="10001"):
        await sell(bybit, hedged=True)
    await bybit.set_position_mode(True, BTC)
    with pytest.raises(ccxt.BadRequest, match="position idx not match position mode"):
        await sell(bybit)

    await sell(bybit, hedged=True)
    await buy(bybit, "0.2", hedged=True)
    sides = {p["side"]: p["contracts"] for p in await bybit.fetch_positions()}
    assert sides == {"short": 0.1, "long": 0.2}

    await buy(bybit, "0.1", hedged=True, reduceOnly=True)
    assert [p["side"] for p in await bybit.fetch_positions()] == ["long"]
    await sell(bybit, symbol="ETH/USDT:USDT", quantity="1", price="2990")


async def test_liquidation_adl_and_manual_trades_show_as_the_venues_own(
    venue: Venue, bybit: Any
) -> None:
    await sell(bybit, "0.4")
    happenings.adl(venue.engine, "BTCUSDT", D("0.1"))
    (rank,) = await bybit.fetch_positions_adl_rank([BTC])
    venue.engine.set_price("BTCUSDT", D(95_000))

    rows = (await bybit.privateGetV5ExecutionList({"category": "linear"}))["result"]["list"]

    assert rank["rank"] == 1
    assert [row["execType"] for row in rows] == ["BustTrade", "AdlTrade", "Trade"]
    assert len(await bybit.fetch_my_trades(BTC)) == 1
    assert await bybit.fetch_positions() == []


async def test_a_delivered_contract_is_flat_and_no_longer_listed(venue: Venue, bybit: Any) -> None:
    await sell(bybit, symbol=DATED)

    clock(venue).step(days=116)

    assert await bybit.fetch_positions() == []
    record = await bybit.privateGetV5AssetDeliveryRecord({"category": "linear"})
    assert [row["symbol"] for row in record["result"]["list"]] == ["BTCUSDT-26JUN26"]
    assert DATED not in await bybit.load_markets(True)
    prices = await bybit.publicGetV5MarketDeliveryPrice({"category": "linear"})
    assert [row["deliveryPrice"] for row in prices["result"]["list"]] == ["60000"]


# What the bytes are


async def test_the_bytes_of_an_order(venue: Venue, bybit: Any) -> None:
    await buy(bybit, "0.02", "60100.04", clientOrderId="golden", reduceOnly=False)
    await found(bybit, "golden")

    (sent,) = venue.recorder.seen("POST", CREATE)
    (asked,) = venue.recorder.seen("GET", LOOKUP)

    assert sent.golden == (
        'POST api.bybit.com/v5/order/create {"symbol":"BTCUSDT","side":"Buy","orderType":"Limit",'
        '"timeInForce":"IOC","orderLinkId":"golden","price":"60100","category":"linear","qty":"0.02",'
        '"reduceOnly":false}'
    )
    assert asked.golden == (
        "GET api.bybit.com/v5/order/realtime?symbol=BTCUSDT&orderId=&category=linear&orderLinkId=golden"
    )


async def test_limits_are_told_and_refuse(venue: Venue, bybit: Any) -> None:
    venue.limits = True
    clock(venue).step(seconds=1)
    for left in range(9, -1, -1):
        await bybit.fetch_transfers() if left == 9 else await bybit.privateGetV5UserQueryApi()
    headers = bybit.last_response_headers
    assert (headers["X-Bapi-Limit"], headers["X-Bapi-Limit-Status"]) == ("10", "1")

    with pytest.raises(ccxt.RateLimitExceeded, match="10006"):
        await bybit.fetch_transfers()
    clock(venue).step(seconds=1)
    assert await bybit.fetch_transfers() == []


async def test_too_many_requests_of_one_address_are_forbidden_for_a_while(
    venue: Venue, bybit: Any
) -> None:
    venue.limits = True
    venue.meter.used["ip"] = (venue.engine.now, 600)

    for _ in range(2):
        with pytest.raises(ccxt.RateLimitExceeded, match="403"):
            await bybit.fetch_time()
    clock(venue).step(minutes=11)
    await bybit.fetch_time()


# Who may ask


async def test_signature_key_and_right(venue: Venue) -> None:
    async with client(venue, secret="wrong") as exchange:
        with pytest.raises(ccxt.AuthenticationError, match="10004"):
            await exchange.fetch_balance()
    async with client(venue, key="nobody") as exchange:
        with pytest.raises(ccxt.AuthenticationError, match="10003"):
            await exchange.fetch_balance()
    reader = bybit_venue(keys=(Key(rights=frozenset({"read"})),))
    async with client(reader) as exchange:
        assert (await exchange.privateGetV5UserQueryApi())["result"]["readOnly"] == 1
        with pytest.raises(ccxt.PermissionDenied, match="10005"):
            await sell(exchange)


@pytest.mark.parametrize("skew_s", [-6, 2])
async def test_a_clock_outside_the_window_is_refused(venue: Venue, bybit: Any, skew_s: int) -> None:
    asked = bybit.milliseconds()
    bybit.milliseconds = lambda: asked + skew_s * 1000

    with pytest.raises(ccxt.InvalidNonce, match="10002"):
        await sell(bybit)
    assert venue.engine.state.orders == {}
