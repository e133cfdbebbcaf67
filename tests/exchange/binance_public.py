"""Binance's public futures data: listing, prices, book, candles, funding, open interest."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from exchange.binance_routes import (
    DAPI,
    FAPI,
    Ask,
    Rejected,
    by_limit,
    per_symbol,
    route,
)
from exchange.instruments import Contract
from exchange.state import Market
from exchange.tape import Bar, bucket, length
from exchange.wire import decimals, fixed, millis, plain

FOREVER_MS = 4133404800000
ORDER_TYPES = ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET",
               "TRAILING_STOP_MARKET"]  # fmt: skip
DEPTHS = (5, 10, 20, 50, 100, 500, 1000)
PERIODS = ("5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d")
INTERVALS = (*PERIODS, "1m", "3m", "8h", "3d", "1w")
OPEN_INTEREST_KEPT = timedelta(days=30)
KLINES = by_limit(500, (99, 1), (499, 2), (1000, 5), (1500, 10))


@route("GET", FAPI, "/fapi/v1/ping")
def ping(ask: Ask) -> object:
    return {}


@route("GET", FAPI, "/fapi/v1/time")
def time(ask: Ask) -> object:
    return {"serverTime": ask.now_ms}


@route("GET", DAPI, "/dapi/v1/exchangeInfo")
def coin_margined(ask: Ask) -> object:
    return {"timezone": "UTC", "serverTime": ask.now_ms, "symbols": []}


@route("GET", FAPI, "/fapi/v1/exchangeInfo")
def exchange_info(ask: Ask) -> object:
    markets = ask.engine.state.markets.values()
    limits = [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400},
        {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
    ]
    return {
        "timezone": "UTC",
        "serverTime": ask.now_ms,
        "futuresType": "U_MARGINED",
        "rateLimits": limits,
        "exchangeFilters": [],
        "assets": [
            {"asset": coin, "marginAvailable": True, "autoAssetExchange": "-10000"}
            for coin in sorted({m.contract.settle for m in markets})
        ],
        "symbols": [listed(ask, market) for market in markets],
    }


def contract_type(ask: Ask, contract: Contract) -> str:
    """PERPETUAL, or the quarter that a dated contract is of its pair."""
    if contract.delivery is None:
        return "PERPETUAL"
    dated = [
        m.contract
        for m in ask.engine.state.markets.values()
        if m.contract.delivery and m.contract.pair == contract.pair and m.trading
    ]
    dated.sort(key=lambda c: c.delivery or ask.engine.now)
    return "CURRENT_QUARTER" if contract in dated[:1] else "NEXT_QUARTER"


def listed(ask: Ask, market: Market) -> dict[str, object]:
    """A row of exchangeInfo."""
    contract = market.contract
    quantities = {"minQty": plain(contract.quantity_min), "stepSize": plain(contract.lot)}
    market_max = plain(contract.quantity_market_max)
    band = contract.price_band
    return {
        "symbol": contract.id,
        "pair": contract.pair,
        "contractType": contract_type(ask, contract),
        "deliveryDate": millis(contract.delivery) if contract.delivery else FOREVER_MS,
        "onboardDate": millis(contract.onboard),
        "status": "TRADING" if market.trading else "SETTLING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": contract.base,
        "quoteAsset": contract.quote,
        "marginAsset": contract.settle,
        "pricePrecision": decimals(contract.tick),
        "quantityPrecision": decimals(contract.lot),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": contract.underlying,
        "underlyingSubType": ["Index"] if contract.underlying == "INDEX" else ["PoW"],
        "triggerProtect": "0.0500",
        "liquidationFee": fixed(contract.liquidation_fee, 6),
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10000,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": plain(contract.tick), "maxPrice": "4529764",
             "tickSize": plain(contract.tick)},
            {"filterType": "LOT_SIZE", "maxQty": plain(contract.quantity_max), **quantities},
            {"filterType": "MARKET_LOT_SIZE", "maxQty": market_max, **quantities},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10},
            {"filterType": "MIN_NOTIONAL", "notional": plain(contract.notional_min)},
            {"filterType": "PERCENT_PRICE", "multiplierUp": fixed(1 + band, 4),
             "multiplierDown": fixed(1 - band, 4), "multiplierDecimal": "4"},
        ],
        "orderTypes": ORDER_TYPES,
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
        "permissionSets": ["GRID", "COPY"],
    }  # fmt: skip


def chosen(ask: Ask) -> list[Market]:
    """The market of the named symbol, or all of them."""
    symbol = ask.params.text("symbol")
    markets = ask.engine.state.markets
    return [ask.engine.market(symbol)] if symbol else list(markets.values())


def one_or_all(ask: Ask, rows: list[dict[str, object]]) -> object:
    """Binance answers an object for a named symbol, a list without."""
    return rows[0] if ask.params.text("symbol") else rows


@route("GET", FAPI, "/fapi/v1/depth", by_limit(500, (50, 2), (100, 5), (500, 10), (1000, 20)))
def depth(ask: Ask) -> object:
    market = ask.engine.market(ask.params.need("symbol"))
    limit = ask.params.whole("limit", 500)
    if limit not in DEPTHS:
        raise Rejected(-4021, f"Depth limit {limit} is not valid.")
    places = decimals(market.contract.tick), decimals(market.contract.lot)
    sides = {
        name: [[fixed(price, places[0]), fixed(size, places[1])] for price, size in levels[:limit]]
        for name, levels in (("bids", market.book.bids), ("asks", market.book.asks))
    }
    return {"lastUpdateId": market.book.update_id, "E": ask.now_ms, "T": ask.now_ms, **sides}


@route("GET", FAPI, "/fapi/v1/premiumIndex", per_symbol(1, 10))
def premium_index(ask: Ask) -> object:
    rows = []
    for market in chosen(ask):
        forever = market.contract.perpetual
        rows.append(
            {
                "symbol": market.contract.id,
                "markPrice": fixed(market.mark),
                "indexPrice": fixed(market.index),
                "estimatedSettlePrice": fixed(market.index),
                "lastFundingRate": fixed(market.funding_rate) if forever else "",
                "interestRate": "0.00010000" if forever else "",
                "nextFundingTime": millis(market.funding_due) if forever else 0,
                "time": ask.now_ms,
            }
        )
    return one_or_all(ask, rows)  # type: ignore[arg-type]


@route("GET", FAPI, "/fapi/v1/fundingRate")
def funding_rate(ask: Ask) -> object:
    limit = min(ask.params.whole("limit", 100), 1000)
    start, end = ask.params.moment("startTime"), ask.params.moment("endTime")
    rows = [
        (rate.at, market.contract.id, rate)
        for market in chosen(ask)
        for rate in market.funding
        if (start is None or rate.at >= start) and (end is None or rate.at <= end)
    ]
    rows.sort(key=lambda row: row[:2])
    told = [
        {
            "symbol": symbol,
            "fundingTime": millis(at),
            "fundingRate": fixed(rate.rate),
            "markPrice": fixed(rate.mark_price),
        }
        for at, symbol, rate in rows
    ]
    return told[:limit] if start else told[-limit:]


@route("GET", FAPI, "/fapi/v1/fundingInfo", 0)
def funding_info(ask: Ask) -> object:
    """Only contracts whose interval is not eight hours."""
    return [
        {
            "symbol": m.contract.id,
            "adjustedFundingRateCap": "0.03000000",
            "adjustedFundingRateFloor": "-0.03000000",
            "fundingIntervalHours": m.contract.funding_hours,
            "disclaimer": False,
        }
        for m in ask.engine.state.markets.values()
        if m.contract.perpetual and m.contract.funding_hours != 8
    ]


@route("GET", FAPI, "/fapi/v1/openInterest")
def open_interest(ask: Ask) -> object:
    market = ask.engine.market(ask.params.need("symbol"))
    told = fixed(market.open_interest, decimals(market.contract.lot))
    return {"openInterest": told, "symbol": market.contract.id, "time": ask.now_ms}


@route("GET", FAPI, "/futures/data/openInterestHist", 0)
def open_interest_history(ask: Ask) -> object:
    """Samples on the grid of *period*, of the last thirty days only."""
    market = ask.engine.market(ask.params.need("symbol"))
    period = ask.params.need("period")
    if period not in PERIODS:
        raise Rejected(-1130, "parameter 'period' is invalid.")
    start, end = ask.params.moment("startTime"), ask.params.moment("endTime") or ask.engine.now
    oldest = ask.engine.now - OPEN_INTEREST_KEPT
    if start and start < oldest:
        raise Rejected(-1130, "parameter 'startTime' is invalid.")
    limit = min(ask.params.whole("limit", 30), 500)
    on_grid = {bucket(at, length(period)): size for at, size in market.open_interests}
    return [
        {
            "symbol": market.contract.id,
            "sumOpenInterest": fixed(size),
            "sumOpenInterestValue": fixed(size * market.contract.multiplier * market.mark),
            "CMCCirculatingSupply": "0.00000000",
            "timestamp": millis(at),
        }
        for at, size in on_grid.items()
        if max(start or oldest, oldest) <= at <= end
    ][-limit:]


@route("GET", FAPI, "/futures/data/delivery-price", 0)
def delivery_price(ask: Ask) -> object:
    pair = ask.params.need("pair")
    return [
        {"deliveryTime": millis(m.contract.delivery), "deliveryPrice": float(m.delivery_price)}
        for m in ask.engine.state.markets.values()
        if m.contract.delivery and m.delivery_price is not None and m.contract.pair == pair
    ]


def candles(ask: Ask, market: Market, name: str) -> object:
    """Rows of a candle endpoint: from *startTime* on, or the latest; the running bar included."""
    interval = ask.params.need("interval")
    if interval not in INTERVALS:
        raise Rejected(-1120, "Invalid interval.")
    start, end = ask.params.moment("startTime"), ask.params.moment("endTime")
    limit = min(ask.params.whole("limit", 500), 1500)
    bars = [
        bar
        for bar in market.tapes[name].bars(interval, ask.engine.now)
        if (start is None or bar.opens_at >= start) and (end is None or bar.opens_at <= end)
    ]
    kept = bars[:limit] if start else bars[-limit:]
    return [_row(bar, interval, traded=name == "last") for bar in kept]


def _row(bar: Bar, interval: str, *, traded: bool) -> list[object]:
    closes_ms = millis(bar.opens_at + length(interval)) - 1
    volume, value = (bar.volume, bar.volume * bar.close) if traded else (Decimal(0), Decimal(0))
    prices = [plain(p) for p in (bar.open, bar.high, bar.low, bar.close)]
    halves = [fixed(volume / 2), fixed(value / 2)]
    row = [millis(bar.opens_at), *prices, fixed(volume), closes_ms, fixed(value), bar.trades]
    return [*row, *halves, "0"]


@route("GET", FAPI, "/fapi/v1/klines", KLINES)
def klines(ask: Ask) -> object:
    return candles(ask, ask.engine.market(ask.params.need("symbol")), "last")


@route("GET", FAPI, "/fapi/v1/markPriceKlines", KLINES)
def mark_klines(ask: Ask) -> object:
    return candles(ask, ask.engine.market(ask.params.need("symbol")), "mark")


@route("GET", FAPI, "/fapi/v1/indexPriceKlines", KLINES)
def index_klines(ask: Ask) -> object:
    pair = ask.params.need("pair")
    markets = ask.engine.state.markets.values()
    found = [m for m in markets if m.contract.pair == pair]
    if not found:
        raise Rejected(-4144, "Invalid pair.")
    return candles(ask, min(found, key=lambda m: not m.contract.perpetual), "index")


@route("GET", FAPI, "/fapi/v1/ticker/price", per_symbol(1, 2))
def ticker_price(ask: Ask) -> object:
    rows: list[dict[str, object]] = [
        {"symbol": m.contract.id, "price": plain(m.last), "time": ask.now_ms} for m in chosen(ask)
    ]
    return one_or_all(ask, rows)


@route("GET", FAPI, "/fapi/v1/ticker/bookTicker", per_symbol(2, 5))
def book_ticker(ask: Ask) -> object:
    rows: list[dict[str, object]] = []
    for market in chosen(ask):
        (bid, bid_size), (ask_price, ask_size) = (
            levels[0] if levels else (Decimal(0), Decimal(0))
            for levels in (market.book.bids, market.book.asks)
        )
        rows.append(
            {
                "symbol": market.contract.id,
                "bidPrice": plain(bid),
                "bidQty": plain(bid_size),
                "askPrice": plain(ask_price),
                "askQty": plain(ask_size),
                "time": ask.now_ms,
                "lastUpdateId": market.book.update_id,
            }
        )
    return one_or_all(ask, rows)


@route("GET", FAPI, "/fapi/v1/ticker/24hr", per_symbol(1, 40))
def day_ticker(ask: Ask) -> object:
    rows: list[dict[str, object]] = []
    for market in chosen(ask):
        since = ask.engine.now - timedelta(days=1)
        bars = [b for b in market.tapes["last"].bars("1h", ask.engine.now) if b.opens_at > since]
        first = bars[0].open if bars else market.last
        volume = sum((bar.volume for bar in bars), Decimal(0))
        rows.append(
            {
                "symbol": market.contract.id,
                "priceChange": plain(market.last - first),
                "priceChangePercent": fixed((market.last / first - 1) * 100, 3),
                "lastPrice": plain(market.last),
                "openPrice": plain(first),
                "highPrice": plain(max((b.high for b in bars), default=market.last)),
                "lowPrice": plain(min((b.low for b in bars), default=market.last)),
                "volume": plain(volume),
                "quoteVolume": plain(volume * market.last),
                "openTime": millis(since),
                "closeTime": ask.now_ms,
                "count": sum(bar.trades for bar in bars),
            }
        )
    return one_or_all(ask, rows)
