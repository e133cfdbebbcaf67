"""Binance's futures account: balances, positions, settings, income."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

from exchange.binance_routes import FAPI, Ask, Rejected, route
from exchange.desk import Account, Refused
from exchange.happenings import liquidation_price_of
from exchange.margins import notional, notional_max
from exchange.state import ZERO, Entry, Position
from exchange.wire import fixed, millis, plain

ASSETS = ("USDT", "USDC", "BNB", "BTC")
INCOME_KEPT = timedelta(days=90)
INCOME_TYPES = {
    "transfer": "TRANSFER",
    "realised": "REALIZED_PNL",
    "fee": "COMMISSION",
    "funding": "FUNDING_FEE",
    "insurance": "INSURANCE_CLEAR",
    "delivery": "DELIVERED_SETTELMENT",
}


@route("GET", FAPI, "/fapi/v3/account", 5, "futures")
def account_v3(ask: Ask) -> object:
    """One row an asset, positions only where something is held or ordered."""
    positions = [_account_position(ask, p) for p in held(ask)]
    return {**_totals(ask), "assets": _assets(ask), "positions": positions}


@route("GET", FAPI, "/fapi/v2/account", 5, "futures")
def account_v2(ask: Ask) -> object:
    positions = [_account_position(ask, p) | _settings(ask, p.symbol) for p in every(ask)]
    rights = {"feeTier": 0, "canTrade": True, "canDeposit": True, "canWithdraw": True}
    return {**rights, **_totals(ask), "assets": _assets(ask), "positions": positions}


@route("GET", FAPI, "/fapi/v3/balance", 5, "futures")
@route("GET", FAPI, "/fapi/v2/balance", 5, "futures")
def balance(ask: Ask) -> object:
    kept = ("asset", "crossWalletBalance", "crossUnPnl", "availableBalance", "maxWithdrawAmount")
    return [
        {name: row[name] for name in kept}
        | {"accountAlias": "SgsR", "balance": row["walletBalance"], "marginAvailable": True}
        | {"updateTime": row["updateTime"]}
        for row in _assets(ask)
    ]


def _assets(ask: Ask) -> list[dict[str, object]]:
    engine = ask.engine
    touched = {entry.coin: entry.at for entry in engine.state.entries}
    coins = [*ASSETS, *sorted(set(engine.state.wallets) - set(ASSETS))]
    return [
        {
            "asset": coin,
            **{name: fixed(value) for name, value in _margins(engine.account(coin)).items()},
            "updateTime": millis(touched[coin]) if coin in touched else 0,
        }
        for coin in coins
    ]


def _margins(account: Account) -> dict[str, Decimal]:
    return {
        "walletBalance": account.wallet,
        "unrealizedProfit": account.unrealised,
        "marginBalance": account.equity,
        "maintMargin": account.maintenance,
        "initialMargin": account.initial + account.orders,
        "positionInitialMargin": account.initial,
        "openOrderInitialMargin": account.orders,
        "crossWalletBalance": account.wallet - account.isolated,
        "crossUnPnl": account.cross_unrealised,
        "availableBalance": account.available,
        "maxWithdrawAmount": min(account.available, max(account.wallet, ZERO)),
    }


def _totals(ask: Ask) -> dict[str, str]:
    """The account-wide sums, which count USDT alone in single-asset mode."""
    margins = _margins(ask.engine.account("USDT"))
    names = {
        name: f"total{name[0].upper()}{name[1:]}"
        for name in margins
        if name not in ("availableBalance", "maxWithdrawAmount")
    }
    return {names.get(name, name): fixed(value) for name, value in margins.items()}


def held(ask: Ask) -> list[Position]:
    """Slots with a position or an order, those of the present mode."""
    engine = ask.engine
    ordered = {order.ticket.symbol for order in engine.open_orders()}
    symbols = ordered | {p.symbol for p in engine.state.positions.values() if p.quantity}
    return [p for p in every(ask) if p.symbol in symbols]


def every(ask: Ask) -> list[Position]:
    """The slots of every contract (or of the named one): BOTH, or LONG and SHORT in hedge mode."""
    engine, symbol = ask.engine, ask.params.text("symbol")
    symbols = [engine.contract(symbol).id] if symbol else list(engine.state.markets)
    slots = ("LONG", "SHORT") if engine.state.hedge_mode else ("BOTH",)
    return [engine.position(s, slot) for s in symbols for slot in slots]  # type: ignore[arg-type]


def _account_position(ask: Ask, position: Position) -> dict[str, object]:
    engine = ask.engine
    need, market = engine.need(position), engine.market(position.symbol)
    value = notional(market.contract, position.quantity, market.mark)
    isolated = position.isolated + need.unrealised if position.isolated else ZERO
    return {
        "symbol": position.symbol,
        "positionSide": position.slot,
        "positionAmt": plain(position.quantity),
        "unrealizedProfit": fixed(need.unrealised),
        "isolatedMargin": fixed(isolated),
        "notional": plain((value if position.quantity > 0 else -value).quantize(Decimal("1e-8"))),
        "isolatedWallet": plain(position.isolated),
        "initialMargin": fixed(need.initial + need.orders),
        "maintMargin": fixed(need.maintenance),
        "updateTime": millis(position.updated_at) if position.updated_at else 0,
    }


def _settings(ask: Ask, symbol: str) -> dict[str, object]:
    engine = ask.engine
    leverage, isolated = engine.leverage(symbol), symbol in engine.state.isolated
    return {
        "leverage": str(leverage),
        "isolated": isolated,
        "maxNotional": plain(notional_max(engine.contract(symbol), leverage)),
    }


@route("GET", FAPI, "/fapi/v3/positionRisk", 5, "futures")
def position_risk_v3(ask: Ask) -> object:
    return [_risk(ask, position) for position in held(ask)]


@route("GET", FAPI, "/fapi/v2/positionRisk", 5, "futures")
def position_risk_v2(ask: Ask) -> object:
    """Every contract, the empty ones too, with the settings that v3 left out."""
    rows = []
    for position in every(ask):
        settings = _settings(ask, position.symbol)
        kept = {
            "leverage": settings["leverage"],
            "maxNotionalValue": settings["maxNotional"],
            "marginType": "isolated" if settings["isolated"] else "cross",
            "isAutoAddMargin": "false",
        }
        rows.append(_risk(ask, position) | kept)
    return rows


def _risk(ask: Ask, position: Position) -> dict[str, object]:
    engine = ask.engine
    row, market = _account_position(ask, position), engine.market(position.symbol)
    need, liquidated = engine.need(position), liquidation_price_of(engine, position)
    orders = [o for o in engine.open_orders(position.symbol) if o.ticket.slot == position.slot]
    ordered = {
        side: sum((o.remaining * (o.ticket.price or market.mark) for o in orders
                   if o.ticket.side == side), ZERO)
        for side in ("buy", "sell")
    }  # fmt: skip
    return {
        "symbol": position.symbol,
        "positionSide": position.slot,
        "positionAmt": row["positionAmt"],
        "entryPrice": plain(position.entry_price.quantize(Decimal("1e-10"))),
        "breakEvenPrice": plain(position.entry_price.quantize(Decimal("1e-10"))),
        "markPrice": fixed(market.mark),
        "unRealizedProfit": row["unrealizedProfit"],
        "liquidationPrice": plain(liquidated.quantize(Decimal("1e-8"))) if liquidated else "0",
        "isolatedMargin": plain(Decimal(str(row["isolatedMargin"]))),
        "notional": row["notional"],
        "marginAsset": market.contract.settle,
        "isolatedWallet": row["isolatedWallet"],
        "initialMargin": row["initialMargin"],
        "maintMargin": row["maintMargin"],
        "positionInitialMargin": fixed(need.initial),
        "openOrderInitialMargin": plain(need.orders),
        "adl": position.adl_rank if position.quantity else 0,
        "bidNotional": plain(ordered["buy"]),
        "askNotional": plain(ordered["sell"]),
        "updateTime": row["updateTime"],
    }


@route("GET", FAPI, "/fapi/v1/adlQuantile", 5, "futures")
def adl_quantile(ask: Ask) -> object:
    ranks: dict[str, dict[str, int]] = {}
    for position in held(ask):
        ranks.setdefault(position.symbol, {})[position.slot] = position.adl_rank
    return [{"symbol": symbol, "adlQuantile": slots} for symbol, slots in ranks.items()]


@route("GET", FAPI, "/fapi/v1/leverageBracket", 1, "futures")
def leverage_bracket(ask: Ask) -> object:
    symbol = ask.params.text("symbol")
    names = [symbol] if symbol else list(ask.engine.state.markets)
    rows = []
    for name in names:
        floor, brackets = ZERO, []
        for number, tier in enumerate(ask.engine.contract(name).tiers, 1):
            brackets.append(
                {
                    "bracket": number,
                    "initialLeverage": tier.leverage_max,
                    "notionalCap": int(tier.notional_max),
                    "notionalFloor": int(floor),
                    "maintMarginRatio": float(tier.rate),
                    "cum": float(tier.deduction),
                }
            )
            floor = tier.notional_max
        rows.append({"symbol": name, "brackets": brackets})
    return rows


@route("GET", FAPI, "/fapi/v1/symbolConfig", 5, "futures")
def symbol_config(ask: Ask) -> object:
    symbol = ask.params.text("symbol")
    names = [ask.engine.contract(symbol).id] if symbol else list(ask.engine.state.markets)
    rows = []
    for name in names:
        settings = _settings(ask, name)
        rows.append(
            {
                "symbol": name,
                "marginType": "ISOLATED" if settings["isolated"] else "CROSSED",
                "isAutoAddMargin": False,
                "leverage": ask.engine.leverage(name),
                "maxNotionalValue": settings["maxNotional"],
            }
        )
    return rows


@route("GET", FAPI, "/fapi/v1/accountConfig", 5, "futures")
def account_config(ask: Ask) -> object:
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "dualSidePosition": ask.engine.state.hedge_mode,
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
    }


@route("GET", FAPI, "/fapi/v1/commissionRate", 20, "futures")
def commission_rate(ask: Ask) -> object:
    contract = ask.engine.contract(ask.params.need("symbol"))
    return {
        "symbol": contract.id,
        "makerCommissionRate": fixed(contract.maker, 6),
        "takerCommissionRate": fixed(contract.taker, 6),
    }


@route("GET", FAPI, "/fapi/v1/positionSide/dual", 30, "futures")
def read_position_mode(ask: Ask) -> object:
    return {"dualSidePosition": ask.engine.state.hedge_mode}


@route("POST", FAPI, "/fapi/v1/positionSide/dual", 1, "futures")
def write_position_mode(ask: Ask) -> object:
    ask.params.need("dualSidePosition")
    with _worded("mode"):
        ask.engine.set_hedge_mode(ask.params.flag("dualSidePosition"))
    return {"code": 200, "msg": "success"}


@route("GET", FAPI, "/fapi/v1/multiAssetsMargin", 30, "futures")
def read_assets_mode(ask: Ask) -> object:
    return {"multiAssetsMargin": False}


@route("POST", FAPI, "/fapi/v1/leverage", 1, "futures")
def write_leverage(ask: Ask) -> object:
    """Setting the leverage that is set is no error here."""
    symbol, leverage = ask.params.need("symbol"), ask.params.whole("leverage", 0)
    try:
        ask.engine.set_leverage(symbol, leverage)
    except Refused as refused:
        if refused.reason != "leverage_same":
            raise
    most = notional_max(ask.engine.contract(symbol), leverage)
    return {"leverage": leverage, "maxNotionalValue": plain(most), "symbol": symbol}


@route("POST", FAPI, "/fapi/v1/marginType", 1, "futures")
def write_margin_type(ask: Ask) -> object:
    symbol, kind = ask.params.need("symbol"), ask.params.need("marginType")
    if kind not in ("ISOLATED", "CROSSED"):
        raise Rejected(-1130, "Data sent for parameter 'marginType' is not valid.")
    with _worded("margin"):
        ask.engine.set_isolated(symbol, kind == "ISOLATED")
    return {"code": 200, "msg": "success"}


@contextmanager
def _worded(setting: str) -> Iterator[None]:
    """What stands in the way of a change has a code of its own for each *setting*."""
    try:
        yield
    except Refused as refused:
        if refused.reason in ("has_orders", "has_position"):
            raise Refused(f"{setting}_{refused.reason}") from None
        raise


@route("GET", FAPI, "/fapi/v1/income", 30, "futures")
def income(ask: Ask) -> object:
    """Ascending; of the last week if no time is named, of the last three months at most."""
    engine, params = ask.engine, ask.params
    start, end = params.moment("startTime"), params.moment("endTime") or engine.now
    oldest = engine.now - INCOME_KEPT
    first = max(start or end - timedelta(days=7), oldest)
    kind, symbol = params.text("incomeType"), params.text("symbol")
    rows = [
        entry
        for entry in engine.state.entries
        if first <= entry.at <= end
        and kind in ("", INCOME_TYPES[entry.kind])
        and symbol in ("", entry.symbol)
        and (entry.amount or entry.kind != "fee")
    ]
    limit, page = min(params.whole("limit", 100), 1000), params.whole("page", 1)
    return [_income(entry) for entry in sorted(rows, key=lambda e: e.at)][
        (page - 1) * limit : page * limit
    ]


def _income(entry: Entry) -> dict[str, object]:
    kind = INCOME_TYPES[entry.kind]
    return {
        "symbol": entry.symbol,
        "incomeType": kind,
        "income": fixed(entry.amount),
        "asset": entry.coin,
        "time": millis(entry.at),
        "info": str(entry.fill_id) if entry.fill_id else kind,
        "tranId": entry.id,
        "tradeId": str(entry.fill_id) if entry.fill_id else "",
    }
