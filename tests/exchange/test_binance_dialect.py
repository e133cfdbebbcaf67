"""Binance's dialect as the real ccxt class meets it, over a socket."""

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
    ETH,
    buy,
    client,
    clock,
    found,
    sell,
)
from exchange.clocks import START
from exchange.opening import binance_venue
from exchange.state import Earn
from exchange.tape import Bar
from exchange.venue import Key, Venue

DATED = "BTC/USDT:USDT-260626"
D = Decimal
ORDER = "*/fapi/v1/order"


@pytest.fixture
def venue() -> Venue:
    return binance_venue()


@pytest_asyncio.fixture
async def binance(venue: Venue) -> AsyncIterator[Any]:
    async with client(venue) as exchange:
        yield exchange


# Reading


async def test_the_listing_has_coins_an_index_and_quarters(binance: Any) -> None:
    markets = binance.markets

    assert {BTC, ETH, DATED, "BTC/USDC:USDC", "ALL/USDT:USDT"} < set(markets)
    assert markets["ALL/USDT:USDT"]["info"]["underlyingType"] == "INDEX"
    assert markets[DATED]["expiryDatetime"] == "2026-06-26T08:00:00.000Z"
    assert markets[BTC]["precision"]["amount"] == 0.001
    assert markets[BTC]["limits"]["market"]["max"] == 120
    assert markets[BTC]["limits"]["cost"]["min"] == 100


async def test_balances_of_every_wallet(venue: Venue, binance: Any) -> None:
    venue.engine.state.spot = {"BTC": D("1.5"), "USDT": D(200)}
    venue.engine.state.spot_locked = {"BTC": D("0.5")}
    venue.engine.state.funding_wallet = {"USDC": D(7)}
    venue.engine.state.earn = [
        Earn(coin="ETH", amount=D(2)),
        *(Earn(coin="BNB", amount=D(1), locked=True) for _ in range(12)),
    ]

    futures = await binance.fetch_balance()
    spot = await binance.privateGetAccount()
    funding = await binance.sapiPostAssetGetFundingAsset()
    flexible = await binance.sapiGetSimpleEarnFlexiblePosition()
    locked = await binance.sapiGetSimpleEarnLockedPosition()

    assert futures["USDT"] == {"free": 10_000, "used": 0, "total": 10_000}
    rows = {row["asset"]: (row["free"], row["locked"]) for row in spot["balances"]}
    assert rows["BTC"] == ("1.50000000", "0.50000000")
    assert rows["LDETH"] == ("2.00000000", "0.00000000")
    assert [(row["asset"], row["free"]) for row in funding] == [("USDC", "7")]
    assert [row["totalAmount"] for row in flexible["rows"]] == ["2.00000000"]
    assert (len(locked["rows"]), locked["total"]) == (10, 12)


async def test_spot_prices_and_the_rights_of_the_key(binance: Any) -> None:
    prices = {row["symbol"]: row["price"] for row in await binance.publicGetTickerPrice()}
    rights = await binance.sapiGetAccountApiRestrictions()

    assert prices["BTCUSDT"] == "60000.00000000"
    assert (rights["enableFutures"], rights["enableWithdrawals"]) == (True, False)
    with pytest.raises(ccxt.BadSymbol):
        await binance.publicGetTickerPrice({"symbol": "XYZUSDT"})


async def test_market_data_as_ccxt_parses_it(venue: Venue, binance: Any) -> None:
    venue.engine.set_price("BTCUSDT", D(60_100), index=D(60_050), last=D(60_080))

    rate = (await binance.fetch_funding_rates([BTC]))[BTC]
    book = await binance.fetch_order_book(BTC, 5)
    interest = await binance.fetch_open_interest(BTC)

    assert (rate["markPrice"], rate["indexPrice"]) == (60_100, 60_050)
    assert rate["fundingDatetime"] == "2026-03-02T16:00:00.000Z"
    assert book["bids"][0][0] < 60_080 <= book["asks"][0][0]
    assert interest["openInterestAmount"] == 80_000
    assert await binance.fetch_time() == START.timestamp() * 1000


async def test_candles_of_the_last_the_mark_and_the_index_price(venue: Venue, binance: Any) -> None:
    days = [START.replace(hour=0) - timedelta(days=n) for n in range(5, 0, -1)]
    for name, base in (("last", 100), ("mark", 200), ("index", 300)):
        venue.engine.market("BTCUSDT").tapes[name].load(
            Bar(opens_at=at, open=D(base), high=D(base + 9), low=D(base), close=D(base + n),
                volume=D(n))
            for n, at in enumerate(days)
        )  # fmt: skip

    since = int(days[1].timestamp() * 1000)
    last = await binance.fetch_ohlcv(BTC, "1d", since, 3)
    mark = await binance.fetch_ohlcv(BTC, "1d", params={"price": "mark"})
    index = await binance.fetch_ohlcv(BTC, "1d", params={"price": "index"})

    assert [row[4:] for row in last] == [[101, 1], [102, 2], [103, 3]]
    assert [row[4] for row in mark[:5]] == [200, 201, 202, 203, 204]
    assert [row[4] for row in index[:5]] == [300, 301, 302, 303, 304]
    assert last[0][0] == since


async def test_funding_and_open_interest_history(venue: Venue, binance: Any) -> None:
    for rate in ("0.0001", "-0.0002", "0.0003"):
        happenings.settle_funding(venue.engine, "BTCUSDT", D(rate))
        clock(venue).step(hours=8)
    for hour in range(4):
        venue.engine.set_open_interest("BTCUSDT", D(100 + hour), START + timedelta(hours=hour))

    rates = await binance.fetch_funding_rate_history(BTC)
    interests = await binance.fetch_open_interest_history(BTC, "1h")
    long_ago = int((START - timedelta(days=40)).timestamp() * 1000)
    with pytest.raises(ccxt.BadRequest):
        await binance.fetch_open_interest_history(BTC, "1h", long_ago)

    assert [row["fundingRate"] for row in rates[:3]] == [0.0001, -0.0002, 0.0003]
    assert [row["openInterestAmount"] for row in interests] == [100, 101, 102, 103]


# Trading


async def test_open_add_reduce_and_close(binance: Any) -> None:
    opened = await sell(binance, clientOrderId="open1")
    assert (opened["status"], opened["filled"], opened["clientOrderId"]) == ("closed", 0.1, "open1")
    assert opened["average"] == 59_999.9

    await sell(binance, "0.05")
    (position,) = await binance.fetch_positions()
    assert (position["side"], position["contracts"]) == ("short", 0.15)
    assert position["initialMargin"] == 0.15 * 60_000 / 20
    assert position["liquidationPrice"] > 100_000
    assert position["marginMode"] == "cross"

    await buy(binance, "0.05", reduceOnly=True)
    (position,) = await binance.fetch_positions()
    assert position["contracts"] == 0.1

    await buy(binance, "0.1", reduceOnly=True)
    assert await binance.fetch_positions() == []


async def test_a_partial_fill_says_how_much(venue: Venue, binance: Any) -> None:
    venue.engine.set_book("BTCUSDT", [(D(59_950), D("0.03"))], [])

    order = await sell(binance)
    looked_up = await binance.fetch_order(order["id"], BTC)

    assert (order["status"], order["filled"], order["remaining"]) == ("expired", 0.03, 0.07)
    assert (looked_up["average"], looked_up["amount"]) == (59_950, 0.1)


async def test_lookup_and_cancel_by_client_id(venue: Venue, binance: Any) -> None:
    await sell(binance, price="61000", timeInForce="GTC", clientOrderId="rest1")
    (resting,) = await binance.fetch_open_orders(BTC)
    assert (resting["clientOrderId"], resting["status"]) == ("rest1", "open")
    assert len(await binance.fetch_open_orders()) == 1

    canceled = await binance.cancel_order("", BTC, {"clientOrderId": "rest1"})
    assert canceled["status"] == "canceled"
    order = await found(binance, "rest1")
    assert (order["status"], order["id"]) == ("canceled", resting["id"])

    with pytest.raises(ccxt.OrderNotFound, match="-2011"):
        await binance.cancel_order("", BTC, {"clientOrderId": "rest1"})
    with pytest.raises(ccxt.OrderNotFound, match="-2013"):
        await found(binance, "never")
    clock(venue).step(days=4)
    with pytest.raises(ccxt.OrderNotFound, match="-2013"):
        await found(binance, "rest1")


async def test_a_client_id_is_refused_while_open_and_taken_again_after(binance: Any) -> None:
    await sell(binance, price="61000", timeInForce="GTC", clientOrderId="twice")
    with pytest.raises(ccxt.InvalidOrder, match="-4116"):
        await sell(binance, clientOrderId="twice")
    await binance.cancel_order("", BTC, {"clientOrderId": "twice"})

    again = await sell(binance, clientOrderId="twice")

    assert again["filled"] == 0.1
    assert (await found(binance, "twice"))["id"] == again["id"]


async def test_trades_incomes_and_transfers(venue: Venue, binance: Any) -> None:
    await sell(binance, "0.1")
    await buy(binance, "0.04", reduceOnly=True)
    happenings.settle_funding(venue.engine, "BTCUSDT")
    venue.engine.transfer("USDT", D(-100))

    trades = await binance.fetch_my_trades(BTC)
    funding = await binance.fetch_funding_history(BTC)
    ledger = await binance.fetch_ledger()
    moved = await binance.fapiPrivateGetIncome({"incomeType": "TRANSFER"})

    assert [(t["side"], t["amount"], t["takerOrMaker"]) for t in trades] == [
        ("sell", 0.1, "taker"),
        ("buy", 0.04, "taker"),
    ]
    assert trades[0]["fee"] == {"currency": "USDT", "cost": 2.999995}
    assert [t["info"]["realizedPnl"] for t in trades] == ["0.00000000", "-0.00400000"]
    assert funding[0]["amount"] == pytest.approx(0.06 * 60_000 * 0.0001)
    assert {row["info"]["incomeType"] for row in ledger} >= {"COMMISSION", "REALIZED_PNL"}
    assert [row["income"] for row in moved] == ["10000.00000000", "-100.00000000"]


async def test_trades_are_listed_a_week_at_a_time(venue: Venue, binance: Any) -> None:
    await sell(binance)
    start = int(START.timestamp() * 1000)
    clock(venue).step(days=9)

    assert await binance.fetch_my_trades(BTC) == []
    assert len(await binance.fapiPrivateGetUserTrades({"symbol": "BTCUSDT", "startTime": start})) == 1
    with pytest.raises(ccxt.BadRequest, match="-4165"):
        await binance.fapiPrivateGetUserTrades(
            {"symbol": "BTCUSDT", "startTime": start, "endTime": start + 8 * 86_400_000}
        )


async def test_settings_are_read_and_written(binance: Any) -> None:
    await binance.set_leverage(5, BTC)
    await binance.set_margin_mode("isolated", BTC)
    await binance.set_position_mode(True)

    assert (await binance.fetch_leverages([BTC]))[BTC]["shortLeverage"] == 5
    assert (await binance.fetch_margin_mode(BTC))["marginMode"] == "isolated"
    assert (await binance.fetch_position_mode())["hedged"] is True
    with pytest.raises(ccxt.MarginModeAlreadySet, match="-4046"):
        await binance.set_margin_mode("isolated", BTC)
    with pytest.raises(ccxt.OperationRejected, match="-4059"):
        await binance.set_position_mode(True)


async def test_in_hedge_mode_positions_lie_side_by_side(binance: Any) -> None:
    with pytest.raises(ccxt.OperationRejected, match="-4061"):
        await sell(binance, positionSide="SHORT")
    await binance.set_position_mode(True)
    with pytest.raises(ccxt.OperationRejected, match="-4061"):
        await sell(binance)

    await sell(binance, hedged=True)
    await buy(binance, "0.2", hedged=True)
    sides = {p["side"]: p["contracts"] for p in await binance.fetch_positions()}
    assert sides == {"short": 0.1, "long": 0.2}

    await buy(binance, "0.1", hedged=True, reduceOnly=True)
    assert [p["side"] for p in await binance.fetch_positions()] == ["long"]
    with pytest.raises(ccxt.BadRequest, match="-1106"):
        await sell(binance, positionSide="SHORT", reduceOnly=True)


async def test_liquidation_adl_and_manual_trades_show_as_the_venues_own(
    venue: Venue, binance: Any
) -> None:
    await sell(binance, "0.4")
    happenings.adl(venue.engine, "BTCUSDT", D("0.1"))
    (row,) = await binance.fapiPrivateGetAdlQuantile()
    venue.engine.set_price("BTCUSDT", D(95_000))

    forced = await binance.fapiPrivateGetForceOrders()

    assert row == {"symbol": "BTCUSDT", "adlQuantile": {"BOTH": 1}}
    assert [r["clientOrderId"].partition("-")[0] for r in forced] == ["autoclose", "adl_autoclose"]
    assert await binance.fetch_positions() == []
    kinds = {r["incomeType"] for r in await binance.fapiPrivateGetIncome()}
    assert "INSURANCE_CLEAR" in kinds


async def test_a_delivered_contract_is_flat_and_no_longer_trades(venue: Venue, binance: Any) -> None:
    await binance.create_order(DATED, "limit", "sell", "0.1", "59900", {"timeInForce": "IOC"})

    clock(venue).step(days=116)

    assert await binance.fetch_positions() == []
    assert (await binance.load_markets(True))[DATED]["active"] is False
    income = await binance.fapiPrivateGetIncome({"incomeType": "DELIVERED_SETTELMENT"})
    assert [row["symbol"] for row in income] == ["BTCUSDT_260626"]


# What the bytes are


async def test_the_bytes_of_an_order(venue: Venue, binance: Any) -> None:
    await buy(binance, "0.02", "60100.04", clientOrderId="golden", reduceOnly=False)

    (seen,) = venue.recorder.seen("POST", ORDER)

    assert seen.golden == (
        "POST fapi.binance.com/fapi/v1/order symbol=BTCUSDT&side=BUY&newClientOrderId=golden"
        "&newOrderRespType=RESULT&type=LIMIT&quantity=0.02&price=60100&timeInForce=IOC"
        "&reduceOnly=false&recvWindow=10000"
    )
    assert b"signature=" in seen.bytes


async def test_weights_are_counted_and_told(venue: Venue, binance: Any) -> None:
    venue.recorder.clear()
    await binance.fetch_open_orders()
    await binance.fetch_balance()
    await binance.publicGetTickerPrice()

    assert venue.recorder.weights == {"fapi.binance.com": 45, "api.binance.com": 4}
    await binance.fetch_balance()
    assert binance.last_response_headers["X-MBX-USED-WEIGHT-1M"] == "51"
    await sell(binance)
    assert binance.last_response_headers["X-MBX-ORDER-COUNT-10S"] == "1"


async def test_over_the_limit_comes_429_and_then_a_ban(venue: Venue, binance: Any) -> None:
    venue.limits = True
    for _ in range(59):
        await binance.fetch_open_orders()
    with pytest.raises(ccxt.DDoSProtection, match="429"):
        await binance.fetch_open_orders()
    assert 1 <= int(binance.last_response_headers["Retry-After"]) <= 60
    seen = []
    for _ in range(40):
        with pytest.raises(ccxt.DDoSProtection) as caught:
            await binance.fetch_open_orders()
        seen.append("418" in str(caught.value))
    assert (seen[0], seen[-1]) == (False, True)

    clock(venue).step(seconds=61)
    with pytest.raises(ccxt.DDoSProtection, match="418"):
        await binance.fetch_balance()
    clock(venue).step(seconds=61)
    assert (await binance.fetch_balance())["USDT"]["total"] == 10_000


# Who may ask


async def test_signature_key_and_right(venue: Venue) -> None:
    """After a good call of the spot API, ccxt takes a missing right for a ban."""
    async with client(venue, secret="wrong") as exchange:
        with pytest.raises(ccxt.AuthenticationError, match="-1022"):
            await exchange.fetch_balance()
    async with client(venue, key="nobody") as exchange:
        with pytest.raises(ccxt.AuthenticationError, match="-2015"):
            await exchange.fetch_balance()
    reader = binance_venue(keys=(Key(rights=frozenset({"read"})),))
    async with client(reader) as exchange:
        with pytest.raises(ccxt.AuthenticationError, match="-2015"):
            await sell(exchange)
        assert (await exchange.privateGetAccount())["accountType"] == "SPOT"
        with pytest.raises(ccxt.DDoSProtection, match="-2015"):
            await sell(exchange)


@pytest.mark.parametrize("skew_s", [-11, 2])
async def test_a_clock_outside_the_window_is_refused(venue: Venue, binance: Any, skew_s: int) -> None:
    asked = binance.milliseconds()
    binance.milliseconds = lambda: asked + skew_s * 1000

    with pytest.raises(ccxt.InvalidNonce, match="-1021"):
        await sell(binance)
    assert venue.engine.state.orders == {}
