"""Bybit's account: wallet, positions, settings."""

from __future__ import annotations

from decimal import Decimal

from exchange.bybit_routes import (
    Ask,
    Rejected,
    category,
    market,
    of_category,
    paged,
    route,
    wrong,
)
from exchange.desk import Refused
from exchange.happenings import liquidation_price_of
from exchange.instruments import ONBOARD
from exchange.margins import notional, tier_of
from exchange.state import ZERO, Position
from exchange.wire import fixed, millis, plain

SLOT_INDEX = {"BOTH": 0, "LONG": 1, "SHORT": 2}
MARGIN_MODES = {"REGULAR_MARGIN": False, "ISOLATED_MARGIN": True}


@route("GET", "/v5/account/wallet-balance", "read")
def wallet_balance(ask: Ask) -> object:
    """Coins with money in them; dollars for the whole account."""
    if ask.params.need("accountType") != "UNIFIED":
        raise Rejected(10001, "accountType only support UNIFIED.")
    state, asked = ask.engine.state, ask.params.text("coin")
    coins = asked.split(",") if asked else [c for c, amount in state.wallets.items() if amount]
    equity, initial, maintained = ask.engine.unified_totals()
    wallet = sum((state.wallets[c] * (ask.engine.usd(c) or ZERO) for c in state.wallets), ZERO)
    rates = [fixed(part / equity, 4) if equity else "0" for part in (initial, maintained)]
    account = {
        "accountType": "UNIFIED",
        "totalEquity": fixed(equity),
        "totalWalletBalance": fixed(wallet),
        "totalMarginBalance": fixed(equity),
        "totalAvailableBalance": fixed(max(equity - initial, ZERO)),
        "totalPerpUPL": fixed(equity - wallet),
        "totalInitialMargin": fixed(initial),
        "totalMaintenanceMargin": fixed(maintained),
        "accountIMRate": rates[0],
        "accountMMRate": rates[1],
        "accountLTV": "0",
        "coin": [_coin(ask, coin) for coin in coins],
    }
    return {"list": [account]}


def _coin(ask: Ask, coin: str) -> dict[str, object]:
    account, price = ask.engine.account(coin), ask.engine.usd(coin)
    return {
        "coin": coin,
        "equity": plain(account.equity),
        "usdValue": "" if price is None else fixed(account.equity * price),
        "walletBalance": plain(account.wallet),
        "availableToWithdraw": "",
        "availableToBorrow": "",
        "borrowAmount": "0",
        "accruedInterest": "0",
        "totalOrderIM": plain(account.orders),
        "totalPositionIM": plain(account.initial),
        "totalPositionMM": plain(account.maintenance),
        "unrealisedPnl": plain(account.unrealised),
        "cumRealisedPnl": "0",
        "bonus": "0",
        "locked": plain(ask.engine.state.spot_locked.get(coin, ZERO)),
        "marginCollateral": price is not None,
        "collateralSwitch": price is not None,
        "spotBorrow": "0",
    }


@route("GET", "/v5/account/info", "read")
def account_info(ask: Ask) -> object:
    isolated = bool(ask.engine.state.isolated)
    return {
        "marginMode": "ISOLATED_MARGIN" if isolated else "REGULAR_MARGIN",
        "updatedTime": str(millis(ONBOARD)),
        "unifiedMarginStatus": 5,
        "dcpStatus": "OFF",
        "timeWindow": 10,
        "smpGroup": 0,
        "isMasterTrader": False,
        "spotHedgingStatus": "OFF",
    }


@route("POST", "/v5/account/set-margin-mode", "futures", 10)
def set_margin_mode(ask: Ask) -> object:
    """One mode for the whole account."""
    mode = ask.params.need("setMarginMode")
    if mode not in MARGIN_MODES:
        raise wrong("setMarginMode invalid")
    for symbol in ask.engine.state.markets:
        try:
            ask.engine.set_isolated(symbol, MARGIN_MODES[mode])
        except Refused as refused:
            if refused.reason != "margin_mode_same":
                raise Refused("margin_mode") from None
    return {"reasons": []}


@route("GET", "/v5/account/fee-rate", "read")
def fee_rate(ask: Ask) -> object:
    symbol = ask.params.text("symbol")
    rows = [
        {
            "symbol": m.contract.id,
            "takerFeeRate": plain(m.contract.taker),
            "makerFeeRate": plain(m.contract.maker),
        }
        for m in of_category(ask, category(ask))
        if symbol in ("", m.contract.id)
    ]
    return {"category": ask.params.text("category"), "list": rows}


@route("GET", "/v5/position/list", "read")
def position_list(ask: Ask) -> object:
    """The named contract, flat or not; else what is held in one settle coin, or in inverse ones."""
    asked, symbol = category(ask), ask.params.text("symbol")
    settle = ask.params.text("settleCoin")
    if symbol:
        symbols, flat_too = [market(ask).contract.id], True
    else:
        if asked == "linear" and not settle:
            raise wrong("Missing some parameters that must be filled in, symbol or settleCoin")
        found = of_category(ask, asked)
        symbols = [m.contract.id for m in found if settle in ("", m.contract.settle)]
        flat_too = False
    rows = [
        position_row(ask, ask.engine.position(name, slot))
        for name in symbols
        for slot in (("LONG", "SHORT") if ask.engine.hedged(name) else ("BOTH",))
    ]
    kept = [row for row in rows if flat_too or row["size"] != "0"]
    return {"category": asked, **paged(ask, kept, size=20, most=200)}


def position_row(ask: Ask, position: Position) -> dict[str, object]:
    """A position as the venue shows it; its value is at the entry price."""
    engine = ask.engine
    found, need = engine.market(position.symbol), engine.need(position, ())
    contract, size = found.contract, abs(position.quantity)
    value = notional(contract, size, position.entry_price) if size else ZERO
    liquidated = liquidation_price_of(engine, position)
    side = "Buy" if position.quantity > 0 else "Sell" if position.quantity else ""
    tier = tier_of(contract, notional(contract, size, found.mark))
    opened, updated = position.opened_at, position.updated_at
    return {
        "positionIdx": SLOT_INDEX[position.slot],
        "riskId": contract.tiers.index(tier) + 1,
        "riskLimitValue": plain(tier.notional_max),
        "symbol": position.symbol,
        "side": side,
        "size": plain(size),
        "avgPrice": plain(position.entry_price.quantize(Decimal("1e-8"))),
        "positionValue": plain(value.quantize(Decimal("1e-8"))),
        "tradeMode": 0,
        "autoAddMargin": 0,
        "positionStatus": "Normal",
        "leverage": str(engine.leverage(position.symbol)),
        "markPrice": plain(found.mark),
        "liqPrice": plain(round(liquidated, 2)) if liquidated else "",
        "bustPrice": "",
        "positionIM": fixed(need.initial),
        "positionMM": fixed(need.maintenance),
        "positionBalance": plain(position.isolated),
        "takeProfit": "",
        "stopLoss": "",
        "trailingStop": "0",
        "tpslMode": "Full",
        "sessionAvgPrice": "",
        "unrealisedPnl": plain(need.unrealised.quantize(Decimal("1e-8"))) if size else "",
        "curRealisedPnl": plain(position.realised),
        "cumRealisedPnl": plain(position.realised),
        "adlRankIndicator": position.adl_rank if size else 0,
        "isReduceOnly": False,
        "mmrSysUpdatedTime": "",
        "leverageSysUpdatedTime": "",
        "createdTime": str(millis(opened)) if opened else "0",
        "updatedTime": str(millis(updated)) if updated else "0",
        "seq": engine.state.serial if size else -1,
    }


@route("POST", "/v5/position/set-leverage", "futures", 10)
def set_leverage(ask: Ask) -> object:
    symbol, buy = market(ask).contract.id, ask.params.decimal("buyLeverage")
    if buy is None or buy != ask.params.decimal("sellLeverage"):
        raise wrong("buyLeverage must be equal to sellLeverage under one-way mode")
    ask.engine.set_leverage(symbol, int(buy))
    return {}


@route("POST", "/v5/position/switch-mode", "futures", 10)
def switch_mode(ask: Ask) -> object:
    """Of one contract, or of all that settle in a coin; inverse contracts know one way only."""
    asked, hedged = category(ask), ask.params.need("mode") == "3"
    if asked == "inverse":
        raise Refused("no_hedge_mode")
    coin = ask.params.text("coin")
    symbols = (
        [market(ask).contract.id]
        if ask.params.text("symbol")
        else [m.contract.id for m in of_category(ask, asked) if m.contract.settle == coin]
    )
    changed = [s for s in symbols if ask.engine.hedged(s) != hedged]
    if not changed:
        raise Refused("position_mode_same")
    for symbol in changed:
        ask.engine.set_hedge_mode(hedged, symbol)
    return {}
