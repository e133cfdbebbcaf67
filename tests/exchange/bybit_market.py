"""Bybit's public data: listing, tickers, book, candles, funding, open interest, risk limits."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from exchange.bybit_routes import Ask, category, market, of_category, paged, route, wrong
from exchange.instruments import Contract, SpotPair
from exchange.state import Market
from exchange.tape import bucket
from exchange.wire import decimals, fixed, millis, plain

INTERVALS = {
    "1": "1m", "3": "3m", "5": "5m", "15": "15m", "30": "30m", "60": "1h", "120": "2h", "240": "4h",
    "360": "6h", "720": "12h", "D": "1d", "W": "1w",
}  # fmt: skip
PERIODS = {
    "5min": timedelta(minutes=5),
    "15min": timedelta(minutes=15),
    "30min": timedelta(minutes=30),
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "1d": timedelta(days=1),
}


@route("GET", "/v5/market/time")
def time(ask: Ask) -> object:
    return {"timeSecond": str(ask.now_ms // 1000), "timeNano": str(ask.now_ms * 1_000_000)}


@route("GET", "/v5/system/status")
def status(ask: Ask) -> object:
    return {"list": []}


@route("GET", "/v5/market/instruments-info")
def instruments(ask: Ask) -> object:
    """Trading instruments unless another status is asked for; spot has no pages."""
    asked, symbol = category(ask, "linear", "inverse", "spot", "option"), ask.params.text("symbol")
    if asked in ("spot", "option"):
        pairs = ask.engine.spot_pairs.values() if asked == "spot" else ()
        return {"category": asked, "list": [_pair(p) for p in pairs if symbol in ("", p.id)]}
    trading = ask.params.text("status", "Trading") == "Trading"
    rows = [
        _listed(m)
        for m in of_category(ask, asked)
        if m.trading and trading and symbol in ("", m.contract.id)
    ]
    return {"category": asked, **paged(ask, rows, size=500, most=1000)}


def _kind(contract: Contract) -> str:
    return ("Inverse" if contract.inverse else "Linear") + (
        "Perpetual" if contract.perpetual else "Futures"
    )


def _listed(market: Market) -> dict[str, object]:
    contract = market.contract
    return {
        "symbol": contract.id,
        "contractType": _kind(contract),
        "status": "Trading",
        "baseCoin": contract.base,
        "quoteCoin": contract.quote,
        "settleCoin": contract.settle,
        "launchTime": str(millis(contract.onboard)),
        "deliveryTime": str(millis(contract.delivery)) if contract.delivery else "0",
        "deliveryFeeRate": "0" if contract.delivery else "",
        "priceScale": str(decimals(contract.tick)),
        "leverageFilter": {
            "minLeverage": "1",
            "maxLeverage": fixed(Decimal(contract.tiers[0].leverage_max), 2),
            "leverageStep": "0.01",
        },
        "priceFilter": {
            "minPrice": plain(contract.tick),
            "maxPrice": "1999999.80",
            "tickSize": plain(contract.tick),
        },
        "lotSizeFilter": {
            "maxOrderQty": plain(contract.quantity_max),
            "minOrderQty": plain(contract.quantity_min),
            "qtyStep": plain(contract.lot),
            "postOnlyMaxOrderQty": plain(contract.quantity_max),
            "maxMktOrderQty": plain(contract.quantity_market_max),
            "minNotionalValue": plain(contract.notional_min),
        },
        "unifiedMarginTrade": True,
        "fundingInterval": contract.funding_hours * 60 if contract.perpetual else 0,
        "copyTrading": "none",
        "upperFundingRate": "0.00375",
        "lowerFundingRate": "-0.00375",
        "isPreListing": False,
        "preListingInfo": None,
    }


def _pair(pair: SpotPair) -> dict[str, object]:
    return {
        "symbol": pair.id,
        "baseCoin": pair.base,
        "quoteCoin": pair.quote,
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "both",
        "lotSizeFilter": {
            "basePrecision": plain(pair.lot),
            "quotePrecision": "0.00000001",
            "minOrderQty": plain(pair.lot),
            "maxOrderQty": "71",
            "minOrderAmt": "5",
            "maxOrderAmt": "4000000",
        },
        "priceFilter": {"tickSize": plain(pair.tick)},
    }


@route("GET", "/v5/market/tickers")
def tickers(ask: Ask) -> object:
    asked, symbol = category(ask, "linear", "inverse", "spot"), ask.params.text("symbol")
    if asked == "spot":
        prices = ask.engine.state.spot_prices
        pairs = [p for p in ask.engine.spot_pairs.values() if p.id in prices]
        rows = [_spot_ticker(p, prices[p.id]) for p in pairs if symbol in ("", p.id)]
    else:
        rows = [
            _ticker(ask, m)
            for m in of_category(ask, asked)
            if m.trading and symbol in ("", m.contract.id)
        ]
    if symbol and not rows:
        raise wrong("symbol invalid")
    return {"category": asked, "list": rows}


def _spot_ticker(pair: SpotPair, price: Decimal) -> dict[str, object]:
    names = ("lastPrice", "bid1Price", "prevPrice24h", "highPrice24h", "lowPrice24h", "usdIndexPrice")
    told: dict[str, object] = {name: plain(price) for name in names}
    return told | {
        "symbol": pair.id,
        "ask1Price": plain(price + pair.tick),
        "bid1Size": "1",
        "ask1Size": "1",
        "price24hPcnt": "0",
        "turnover24h": "0",
        "volume24h": "0",
    }


def _ticker(ask: Ask, market: Market) -> dict[str, object]:
    contract, zero = market.contract, (Decimal(0), Decimal(0))
    bid, offer = (levels[0] if levels else zero for levels in (market.book.bids, market.book.asks))
    day = market.tapes["last"].bars("1h", ask.engine.now)[-24:]
    first = day[0].open if day else market.last
    volume = sum((bar.volume for bar in day), Decimal(0))
    interest = market.open_interest
    in_usd = interest if contract.inverse else interest * market.mark
    return {
        "symbol": contract.id,
        "lastPrice": plain(market.last),
        "indexPrice": plain(market.index),
        "markPrice": plain(market.mark),
        "prevPrice24h": plain(first),
        "price24hPcnt": fixed(market.last / first - 1, 6),
        "highPrice24h": plain(max((bar.high for bar in day), default=market.last)),
        "lowPrice24h": plain(min((bar.low for bar in day), default=market.last)),
        "openInterest": plain(interest),
        "openInterestValue": fixed(in_usd / market.mark if contract.inverse else in_usd, 2),
        "turnover24h": plain(volume * market.last),
        "volume24h": plain(volume),
        "fundingRate": plain(market.funding_rate) if contract.perpetual else "",
        "nextFundingTime": str(millis(market.funding_due)) if contract.perpetual else "0",
        "predictedDeliveryPrice": "",
        "basisRate": "" if contract.perpetual else fixed(market.mark / market.index - 1, 8),
        "basis": "" if contract.perpetual else plain(market.mark - market.index),
        "deliveryFeeRate": "",
        "deliveryTime": str(millis(contract.delivery)) if contract.delivery else "0",
        "bid1Price": plain(bid[0]),
        "bid1Size": plain(bid[1]),
        "ask1Price": plain(offer[0]),
        "ask1Size": plain(offer[1]),
    }


@route("GET", "/v5/market/orderbook")
def order_book(ask: Ask) -> object:
    found, limit = market(ask), min(ask.params.whole("limit", 25), 500)
    sides = {
        name: [[plain(price), plain(size)] for price, size in levels[:limit]]
        for name, levels in (("b", found.book.bids), ("a", found.book.asks))
    }
    stamps = {
        "ts": ask.now_ms,
        "u": found.book.update_id,
        "seq": found.book.update_id,
        "cts": ask.now_ms,
    }
    return {"s": found.contract.id, **sides, **stamps}


def _candles(ask: Ask, series: str) -> object:
    """Latest first, the running bar included; *start* and *end* are both within."""
    found, asked = market(ask), ask.params.need("interval")
    if asked not in INTERVALS:
        raise wrong("interval invalid")
    start, end = ask.params.moment("start"), ask.params.moment("end")
    limit = min(ask.params.whole("limit", 200), 1000)
    bars = [
        bar
        for bar in found.tapes[series].bars(INTERVALS[asked], ask.engine.now)
        if (start is None or bar.opens_at >= start) and (end is None or bar.opens_at <= end)
    ]
    kept = bars[:limit] if start and not end else bars[-limit:]
    rows = []
    for bar in reversed(kept):
        prices = [plain(p) for p in (bar.open, bar.high, bar.low, bar.close)]
        traded = [plain(bar.volume), plain(bar.volume * bar.close)] if series == "last" else []
        rows.append([str(millis(bar.opens_at)), *prices, *traded])
    return {"symbol": found.contract.id, "category": ask.params.text("category"), "list": rows}


@route("GET", "/v5/market/kline")
def klines(ask: Ask) -> object:
    return _candles(ask, "last")


@route("GET", "/v5/market/mark-price-kline")
def mark_klines(ask: Ask) -> object:
    return _candles(ask, "mark")


@route("GET", "/v5/market/index-price-kline")
def index_klines(ask: Ask) -> object:
    return _candles(ask, "index")


@route("GET", "/v5/market/funding/history")
def funding_history(ask: Ask) -> object:
    """Latest first; a start without an end is an error here."""
    found = market(ask)
    start, end = ask.params.moment("startTime"), ask.params.moment("endTime")
    if start and not end:
        raise wrong("endTime is required with startTime")
    rows = [
        {
            "symbol": found.contract.id,
            "fundingRate": plain(rate.rate),
            "fundingRateTimestamp": str(millis(rate.at)),
        }
        for rate in reversed(found.funding)
        if (start is None or rate.at >= start) and (end is None or rate.at <= end)
    ]
    limit = min(ask.params.whole("limit", 200), 200)
    return {"category": ask.params.text("category"), "list": rows[:limit]}


@route("GET", "/v5/market/open-interest")
def open_interest(ask: Ask) -> object:
    """Samples on the grid, latest first; without any the present one."""
    found, period = market(ask), ask.params.need("intervalTime")
    if period not in PERIODS:
        raise wrong("intervalTime invalid")
    start, end = ask.params.moment("startTime"), ask.params.moment("endTime")
    samples = found.open_interests or [(ask.engine.now, found.open_interest)]
    on_grid = {bucket(at, PERIODS[period]): size for at, size in samples}
    rows = [
        {"openInterest": fixed(size), "timestamp": str(millis(at))}
        for at, size in reversed(on_grid.items())
        if (start is None or at >= start) and (end is None or at <= end)
    ]
    told = {"symbol": found.contract.id, "category": ask.params.text("category")}
    return told | paged(ask, rows, size=50, most=200)


@route("GET", "/v5/market/risk-limit")
def risk_limit(ask: Ask) -> object:
    asked, symbol = category(ask), ask.params.text("symbol")
    rows = [
        {
            "id": number,
            "symbol": found.contract.id,
            "riskLimitValue": plain(tier.notional_max),
            "maintenanceMargin": plain(tier.rate),
            "initialMargin": plain(round(Decimal(1) / tier.leverage_max, 6)),
            "isLowestRisk": int(number == 1),
            "maxLeverage": fixed(Decimal(tier.leverage_max), 2),
            "mmDeduction": plain(tier.deduction),
        }
        for found in of_category(ask, asked)
        if symbol in ("", found.contract.id)
        for number, tier in enumerate(found.contract.tiers, 1)
    ]
    return {"category": asked, **paged(ask, rows, size=1000, most=1000)}


@route("GET", "/v5/market/delivery-price")
def delivery_price(ask: Ask) -> object:
    asked, symbol = category(ask), ask.params.text("symbol")
    rows = [
        {
            "symbol": m.contract.id,
            "deliveryPrice": plain(m.delivery_price),
            "deliveryTime": str(millis(m.contract.delivery)),
        }
        for m in of_category(ask, asked)
        if m.contract.delivery and m.delivery_price is not None and symbol in ("", m.contract.id)
    ]
    return {"category": asked, **paged(ask, rows, size=50, most=200)}
