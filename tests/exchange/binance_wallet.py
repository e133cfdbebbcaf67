"""Binance's spot side as holdings and their prices need it: balances, earn, tickers, key rights."""

from __future__ import annotations

import json
from decimal import Decimal

from exchange.binance_routes import API, DAPI, Ask, Rejected, per_symbol, route
from exchange.desk import STABLE
from exchange.instruments import ONBOARD, SpotPair
from exchange.state import ZERO, Transfer
from exchange.wire import decimals, fixed, millis, plain

UID = 354937868


@route("GET", API, "/api/v3/time")
def time(ask: Ask) -> object:
    return {"serverTime": ask.now_ms}


@route("GET", API, "/api/v3/ping")
def ping(ask: Ask) -> object:
    return {}


@route("GET", API, "/api/v3/exchangeInfo", 20)
def exchange_info(ask: Ask) -> object:
    pairs = ask.engine.spot_pairs.values()
    return {
        "timezone": "UTC",
        "serverTime": ask.now_ms,
        "rateLimits": [],
        "exchangeFilters": [],
        "symbols": [_listed(pair) for pair in pairs],
    }


def _listed(pair: SpotPair) -> dict[str, object]:
    return {
        "symbol": pair.id,
        "status": "TRADING",
        "baseAsset": pair.base,
        "baseAssetPrecision": 8,
        "quoteAsset": pair.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": True,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": fixed(pair.tick), "maxPrice": "1000000.00000000",
             "tickSize": fixed(pair.tick)},
            {"filterType": "LOT_SIZE", "minQty": fixed(pair.lot), "maxQty": "9000.00000000",
             "stepSize": fixed(pair.lot)},
            {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True,
             "maxNotional": "9000000.00000000", "applyMaxToMarket": False, "avgPriceMins": 5},
        ],
        "permissions": [],
        "permissionSets": [["SPOT", "MARGIN"]],
    }  # fmt: skip


def _pairs(ask: Ask) -> list[SpotPair]:
    """The pairs asked for, of those that have a price."""
    known, prices = ask.engine.spot_pairs, ask.engine.state.spot_prices
    one, many = ask.params.text("symbol"), ask.params.text("symbols")
    names = [one] if one else json.loads(many) if many else [n for n in known if n in prices]
    if any(name not in prices for name in names):
        raise Rejected(-1121, "Invalid symbol.")
    return [known[name] for name in names]


def _one_or_all(ask: Ask, rows: list[dict[str, object]]) -> object:
    return rows[0] if ask.params.text("symbol") else rows


@route("GET", API, "/api/v3/ticker/price", per_symbol(2, 4))
def ticker_price(ask: Ask) -> object:
    prices = ask.engine.state.spot_prices
    return _one_or_all(ask, [{"symbol": p.id, "price": fixed(prices[p.id])} for p in _pairs(ask)])


@route("GET", API, "/api/v3/ticker/bookTicker", per_symbol(2, 4))
def book_ticker(ask: Ask) -> object:
    prices = ask.engine.state.spot_prices
    rows: list[dict[str, object]] = [
        {
            "symbol": p.id,
            "bidPrice": fixed(prices[p.id]),
            "bidQty": "1.00000000",
            "askPrice": fixed(prices[p.id] + p.tick),
            "askQty": "1.00000000",
        }
        for p in _pairs(ask)
    ]
    return _one_or_all(ask, rows)


@route("GET", API, "/api/v3/ticker/24hr", per_symbol(2, 80))
def day_ticker(ask: Ask) -> object:
    prices = ask.engine.state.spot_prices
    rows: list[dict[str, object]] = [
        {
            "symbol": p.id,
            "lastPrice": fixed(prices[p.id]),
            "bidPrice": fixed(prices[p.id]),
            "askPrice": fixed(prices[p.id] + p.tick),
            "openPrice": fixed(prices[p.id]),
            "highPrice": fixed(prices[p.id]),
            "lowPrice": fixed(prices[p.id]),
            "volume": fixed(ZERO, decimals(p.lot)),
            "quoteVolume": fixed(ZERO),
            "openTime": ask.now_ms - 86_400_000,
            "closeTime": ask.now_ms,
            "count": 0,
        }
        for p in _pairs(ask)
    ]
    return _one_or_all(ask, rows)


@route("GET", API, "/api/v3/account", 20, "read")
def account(ask: Ask) -> object:
    """The spot wallet; flexible earn shows in it as LD and the coin's name."""
    state = ask.engine.state
    free = dict(state.spot)
    for earn in state.earn:
        if not earn.locked:
            free[f"LD{earn.coin}"] = free.get(f"LD{earn.coin}", ZERO) + earn.amount
    names = sorted(set(free) | set(state.spot_locked))
    return {
        "makerCommission": 10,
        "takerCommission": 10,
        "canTrade": True,
        "canWithdraw": True,
        "canDeposit": True,
        "updateTime": ask.now_ms,
        "accountType": "SPOT",
        "balances": [
            {
                "asset": name,
                "free": fixed(free.get(name, ZERO)),
                "locked": fixed(state.spot_locked.get(name, ZERO)),
            }
            for name in names
        ],
        "permissions": ["SPOT"],
        "uid": UID + ask.engine.state.place,
    }


@route("POST", API, "/sapi/v1/asset/get-funding-asset", 1, "read")
def funding_wallet(ask: Ask) -> object:
    return [
        {
            "asset": coin,
            "free": plain(amount),
            "locked": "0",
            "freeze": "0",
            "withdrawing": "0",
            "btcValuation": "0",
        }
        for coin, amount in sorted(ask.engine.state.funding_wallet.items())
    ]


def _page(ask: Ask, rows: list[dict[str, object]]) -> object:
    """Ten rows a page unless more are asked for, a hundred at most."""
    size = min(ask.params.whole("size", 10), 100)
    start = (ask.params.whole("current", 1) - 1) * size
    return {"rows": rows[start : start + size], "total": len(rows)}


@route("GET", API, "/sapi/v1/simple-earn/flexible/position", 150, "read")
def flexible_positions(ask: Ask) -> object:
    rows: list[dict[str, object]] = [
        {
            "asset": earn.coin,
            "totalAmount": fixed(earn.amount),
            "latestAnnualPercentageRate": "0.02599895",
            "canRedeem": True,
            "collateralAmount": "0",
            "productId": f"{earn.coin}001",
            "cumulativeTotalRewards": "0",
            "autoSubscribe": False,
        }
        for earn in ask.engine.state.earn
        if not earn.locked
    ]
    return _page(ask, rows)


@route("GET", API, "/sapi/v1/simple-earn/locked/position", 150, "read")
def locked_positions(ask: Ask) -> object:
    rows: list[dict[str, object]] = [
        {
            "positionId": number,
            "projectId": f"{earn.coin}*90",
            "asset": earn.coin,
            "amount": fixed(earn.amount),
            "purchaseTime": str(millis(ONBOARD)),
            "duration": "90",
            "accrualDays": "4",
            "rewardAsset": earn.coin,
            "APY": "0.023",
            "isRenewable": True,
            "isAutoRenew": True,
            "redeemDate": str(ask.now_ms + 86_400_000),
        }
        for number, earn in enumerate(ask.engine.state.earn)
        if earn.locked
    ]
    return _page(ask, rows)


@route("GET", API, "/sapi/v1/account/apiRestrictions", 1, "read")
def key_rights(ask: Ask) -> object:
    key = ask.key
    assert key is not None
    return {
        "ipRestrict": bool(key.ips),
        "createTime": millis(ONBOARD),
        "enableReading": "read" in key.rights,
        "enableWithdrawals": "withdraw" in key.rights,
        "enableInternalTransfer": "transfer" in key.rights,
        "enableMargin": False,
        "enableFutures": "futures" in key.rights,
        "permitsUniversalTransfer": "transfer" in key.rights,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enableSpotAndMarginTrading": "spot" in key.rights,
        "enablePortfolioMarginTrading": False,
    }


@route("GET", API, "/sapi/v1/capital/config/getall", 10, "read")
def currencies(ask: Ask) -> object:
    pairs = ask.engine.spot_pairs.values()
    coins = sorted({p.base for p in pairs} | {p.quote for p in pairs} | STABLE - {"USD"})
    return [
        {
            "coin": coin,
            "name": coin,
            "depositAllEnable": True,
            "withdrawAllEnable": True,
            "free": plain(ask.engine.state.spot.get(coin, ZERO)),
            "locked": "0",
            "freeze": "0",
            "isLegalMoney": False,
            "trading": True,
            "networkList": [],
        }
        for coin in coins
    ]


@route("GET", API, "/sapi/v1/margin/allPairs", 1, "read")
@route("GET", API, "/sapi/v1/margin/isolated/allPairs", 10, "read")
def margin_pairs(ask: Ask) -> object:
    return []


WALLETS = {"SPOT": "MAIN", "FUTURES": "UMFUTURE", "FUNDING": "FUNDING"}


@route("GET", API, "/sapi/v1/asset/transfer", 1, "read")
def transfers(ask: Ask) -> object:
    """One kind of transfer at a time, latest first."""
    wanted = ask.params.need("type")
    start, end = ask.params.moment("startTime"), ask.params.moment("endTime")
    rows = [
        {
            "timestamp": millis(t.at),
            "asset": t.coin,
            "amount": plain(t.amount),
            "type": _kind(t),
            "status": "CONFIRMED",
            "tranId": t.id,
        }
        for t in reversed(ask.engine.state.transfers)
        if _kind(t) == wanted and (start is None or t.at >= start) and (end is None or t.at <= end)
    ]
    return _page(ask, rows)


def _kind(transfer: Transfer) -> str:
    return f"{WALLETS.get(transfer.source, '')}_{WALLETS.get(transfer.target, '')}"


@route("POST", API, "/sapi/v1/asset/transfer", 900, "transfer")
def move(ask: Ask) -> object:
    amount = ask.params.decimal("amount")
    coin, kind = ask.params.need("asset"), ask.params.need("type")
    names = {theirs: ours for ours, theirs in WALLETS.items()}
    source, _, target = kind.partition("_")
    if amount is None or "UMFUTURE" not in (source, target) or {source, target} - set(names):
        raise Rejected(-1102, f"Mandatory parameter 'type' {kind} was not sent, or malformed.")
    into = target == "UMFUTURE"
    available = ask.engine.state.spot if into else {coin: ask.engine.account(coin).available}
    if available.get(coin, ZERO) < amount:
        raise Rejected(-5013, "Asset transfer failed: insufficient balance")
    ask.engine.transfer(coin, amount if into else -amount, source=names[source if into else target])
    return {"tranId": ask.engine.state.transfers[-1].id}


@route("GET", DAPI, "/dapi/v1/account", 5, "read")
def coin_margin_account(ask: Ask) -> object:
    rows = [
        {
            "asset": asset,
            "walletBalance": fixed(balance),
            "unrealizedProfit": "0.00000000",
            "marginBalance": fixed(balance),
            "maintMargin": "0.00000000",
            "initialMargin": "0.00000000",
            "availableBalance": fixed(balance),
        }
        for asset, balance in sorted(ask.engine.state.coin_margin.items())
    ]
    return {"assets": rows, "positions": [], "canTrade": True, "updateTime": ask.now_ms}


COIN_CONTRACTS = {"BTCUSD_PERP": Decimal(100), "ETHUSD_PERP": Decimal(10)}
"""What COIN-M lists, and the dollars of a contract."""


@route("GET", DAPI, "/dapi/v1/positionRisk", 1, "read")
def coin_margin_positions(ask: Ask) -> object:
    """Every contract, the flat ones too."""
    state, rows = ask.engine.state, []
    for name in sorted({*COIN_CONTRACTS, *state.coin_positions}):
        contracts = state.coin_positions.get(name, ZERO)
        mark = ask.engine.market(name.partition("USD")[0] + "USDT").mark
        value = contracts * COIN_CONTRACTS.get(name, Decimal(10)) / mark
        rows.append(
            {
                "symbol": name,
                "positionAmt": plain(contracts),
                "entryPrice": fixed(mark) if contracts else "0.0",
                "breakEvenPrice": fixed(mark) if contracts else "0.0",
                "markPrice": fixed(mark),
                "unRealizedProfit": "0.00000000",
                "liquidationPrice": "0",
                "leverage": "20",
                "maxQty": "1000",
                "marginType": "cross",
                "isolatedMargin": "0.00000000",
                "isAutoAddMargin": "false",
                "positionSide": "BOTH",
                "notionalValue": fixed(value),
                "isolatedWallet": "0",
                "updateTime": ask.now_ms if contracts else 0,
            }
        )
    return rows
