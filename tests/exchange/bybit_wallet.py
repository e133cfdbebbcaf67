"""Bybit's transaction log, the wallets beside the unified one, and the key."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from exchange.bybit_routes import (
    WEEK,
    Ask,
    category,
    paged,
    route,
    uuid,
    window,
    wrong,
)
from exchange.desk import STABLE
from exchange.state import ZERO, Entry, Fill
from exchange.wire import fixed, millis, plain

UID = 24617703
DAY = timedelta(days=1)
LOG_TYPES = {"order": "TRADE", "manual": "TRADE", "liquidation": "LIQUIDATION", "adl": "ADL",
             "delivery": "DELIVERY"}  # fmt: skip


@route("GET", "/v5/account/transaction-log", "read")
def transaction_log(ask: Ask) -> object:
    """Latest first; a day unless a time is named. ``change = cashFlow + funding - fee``."""
    start, end = window(ask, DAY)
    fills = {fill.id: fill for fill in ask.engine.state.fills}
    realised = {
        e.fill_id: e.amount
        for e in ask.engine.state.entries
        if e.kind in ("realised", "delivery") and e.fill_id
    }
    rows = []
    for entry in reversed(ask.engine.state.entries):
        if start <= entry.at <= end and entry.kind not in ("realised", "delivery"):
            fill = fills.get(entry.fill_id or 0)
            row = _logged(ask, entry, fill, realised.get(entry.fill_id or 0, ZERO))
            if _asked_for(ask, row):
                rows.append(row)
    return paged(ask, rows, size=20, most=50)


def _asked_for(ask: Ask, row: dict[str, object]) -> bool:
    names = ("category", "currency", "type")
    return all(ask.params.text(name) in ("", row[name]) for name in names)


def _logged(ask: Ask, entry: Entry, fill: Fill | None, realised: Decimal) -> dict[str, object]:
    kind, side, size, quantity = _kind(entry, fill), "None", ZERO, entry.quantity
    if fill:
        side, size, quantity = fill.side.capitalize(), fill.size_after, fill.quantity
    elif entry.kind == "funding":
        side, size = "Buy" if entry.quantity > 0 else "Sell", entry.quantity
    funding = entry.amount if entry.kind == "funding" else None
    cash = realised if fill else ZERO if funding is not None else entry.amount
    rate = -entry.rate if side == "Sell" and funding is not None else entry.rate
    inverse = bool(entry.symbol) and ask.engine.contract(entry.symbol).inverse
    return {
        "id": f"{UID}_{entry.symbol}_{entry.id}",
        "symbol": entry.symbol,
        "category": ("inverse" if inverse else "linear") if entry.symbol else "",
        "side": side,
        "transactionTime": str(millis(entry.at)),
        "type": kind,
        "transSubType": "",
        "qty": plain(abs(quantity)) if entry.symbol else plain(abs(entry.amount)),
        "size": plain(size),
        "currency": entry.coin,
        "tradePrice": plain(entry.price),
        "funding": "" if funding is None else plain(funding),
        "fee": fixed(-entry.amount) if fill else "0",
        "cashFlow": plain(cash),
        "change": plain(entry.amount + (realised if fill else ZERO)),
        "cashBalance": plain(entry.balance),
        "feeRate": plain(rate),
        "bonusChange": "",
        "tradeId": uuid("fill", fill.id) if fill else uuid("entry", entry.id),
        "orderId": uuid("order", fill.order_id) if fill else "",
        "orderLinkId": fill.client_order_id if fill else "",
        "extraFees": "",
    }


def _kind(entry: Entry, fill: Fill | None) -> str:
    if fill:
        return LOG_TYPES[fill.cause]
    if entry.kind == "transfer":
        return "TRANSFER_IN" if entry.amount > 0 else "TRANSFER_OUT"
    return {"funding": "SETTLEMENT", "insurance": "LIQUIDATION"}[entry.kind]


# Other wallets, and the key


@route("GET", "/v5/asset/transfer/query-account-coins-balance", "read", 5)
def coins_balance(ask: Ask) -> object:
    kind = ask.params.need("accountType")
    if kind not in ("FUND", "UNIFIED"):
        raise wrong("accountType invalid")
    state = ask.engine.state
    wallet = state.funding_wallet if kind == "FUND" else state.wallets
    rows = [
        {"coin": coin, "walletBalance": plain(amount), "transferBalance": plain(amount), "bonus": ""}
        for coin, amount in sorted(wallet.items())
    ]
    return {"memberId": str(UID + state.place), "accountType": kind, "balance": rows}


WALLETS = {"FUNDING": "FUND", "FUTURES": "UNIFIED"}


@route("GET", "/v5/asset/transfer/query-inter-transfer-list", "read", 1)
def transfers(ask: Ask) -> object:
    start, end = window(ask)
    rows = [
        {
            "transferId": uuid("transfer", t.id),
            "coin": t.coin,
            "amount": plain(t.amount),
            "fromAccountType": WALLETS[t.source],
            "toAccountType": WALLETS[t.target],
            "timestamp": str(millis(t.at)),
            "status": "SUCCESS",
        }
        for t in reversed(ask.engine.state.transfers)
        if t.source in WALLETS
        and t.target in WALLETS
        and ask.params.text("coin") in ("", t.coin)
        and start <= t.at <= end
    ]
    return paged(ask, rows, size=20, most=50)


@route("GET", "/v5/earn/position", "read")
def earn(ask: Ask) -> object:
    locked = ask.params.need("category") == "OnChain"
    rows = [
        {
            "coin": earn.coin,
            "productId": str(number),
            "amount": plain(earn.amount),
            "totalPnl": "0",
            "claimableYield": "0",
            "id": str(number),
            "status": "Active" if locked else "",
            "orderId": uuid("earn", number) if locked else "",
        }
        for number, earn in enumerate(ask.engine.state.earn)
        if earn.locked == locked and ask.params.text("coin") in ("", earn.coin)
    ]
    return {"list": rows}


@route("GET", "/v5/asset/coin/query-info", "read", 5)
def coins(ask: Ask) -> object:
    pairs = ask.engine.spot_pairs.values()
    names = sorted({p.base for p in pairs} | {p.quote for p in pairs} | STABLE - {"USD"})
    rows = [{"name": coin, "coin": coin, "remainAmount": "150", "chains": []} for coin in names]
    return {"rows": rows}


@route("GET", "/v5/asset/delivery-record", "read")
def delivery_record(ask: Ask) -> object:
    asked = category(ask)
    start, end = window(ask, WEEK)
    fills = [f for f in reversed(ask.engine.state.fills) if f.cause == "delivery"]
    rows = [
        {
            "deliveryTime": str(millis(f.at)),
            "symbol": f.symbol,
            "side": "Sell" if f.side == "buy" else "Buy",
            "position": plain(f.quantity),
            "deliveryPrice": plain(f.price),
            "strike": "",
            "fee": plain(f.fee),
            "deliveryRpl": plain(f.realised),
        }
        for f in fills
        if start <= f.at <= end and ask.engine.contract(f.symbol).inverse == (asked == "inverse")
    ]
    return {"category": asked, **paged(ask, rows, size=20, most=50)}


@route("GET", "/v5/user/query-api", "read", 10)
def query_api(ask: Ask) -> object:
    key = ask.key
    assert key is not None
    wallet = [name for right, name in (("transfer", "AccountTransfer"), ("withdraw", "Withdraw"))
              if right in key.rights]  # fmt: skip
    trades = bool({"futures", "spot"} & key.rights)
    futures = "futures" in key.rights
    return {
        "id": "13770661",
        "note": "loopback",
        "apiKey": key.name,
        "readOnly": 0 if trades or wallet else 1,
        "secret": "",
        "permissions": {
            "ContractTrade": ["Order", "Position"] if futures else [],
            "Spot": ["SpotTrade"] if "spot" in key.rights else [],
            "Wallet": wallet,
            "Options": [],
            "Derivatives": ["DerivativesTrade"] if futures else [],
            "CopyTrading": [],
            "BlockTrade": [],
            "Exchange": [],
            "NFT": [],
            "Affiliate": [],
            "Earn": [],
        },
        "ips": list(key.ips) or ["*"],
        "type": 1,
        "deadlineDay": 83,
        "expiredAt": "2026-08-22T07:20:25Z",
        "createdAt": "2025-10-16T02:24:40Z",
        "unified": 0,
        "uta": 1,
        "userID": UID + ask.engine.state.place,
        "inviterID": 0,
        "vipLevel": "No VIP",
        "mktMakerLevel": "0",
        "affiliateID": 0,
        "rsaPublicKey": "",
        "isMaster": True,
        "parentUid": "0",
        "kycLevel": "LEVEL_1",
        "kycRegion": "",
    }
