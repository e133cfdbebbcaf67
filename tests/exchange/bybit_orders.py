"""Bybit's orders: place, cancel, look up, list; executions."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from exchange.bybit_routes import (
    Ask,
    category,
    market,
    of_category,
    paged,
    route,
    uuid,
    window,
    wrong,
)
from exchange.desk import Refused
from exchange.state import ZERO, Entry, Fill, Order, Side, Slot, Ticket, TimeInForce
from exchange.wire import Missing, millis, plain

REALTIME = "/v5/order/realtime"
CLOSED_SHOWN = 500
IN_FORCE: dict[str, TimeInForce] = {"GTC": "GTC", "IOC": "IOC", "FOK": "FOK", "PostOnly": "POST"}
SLOTS: dict[str, Slot] = {"0": "BOTH", "1": "LONG", "2": "SHORT"}
STATUS = {
    "new": "New",
    "partial": "PartiallyFilled",
    "filled": "Filled",
    "canceled": "Cancelled",
    "expired": "Cancelled",
    "rejected": "Rejected",
}
REASONS = {
    "post_only": "EC_PostOnlyWillTakeLiquidity",
    "fill_or_kill": "EC_CancelForNoFullFill",
    "no_liquidity": "EC_NoImmediateQtyToFill",
    "user": "EC_PerCancelRequest",
}
CANCEL_TYPES = {
    "user": "CancelByUser",
    "reduce_only": "CancelByReduceOnly",
    "liquidation": "CancelByPrepareLiq",
    "delivery": "CancelBySettle",
}
EXEC_TYPES = {"order": "Trade", "manual": "Trade", "liquidation": "BustTrade", "adl": "AdlTrade",
              "delivery": "Delivery"}  # fmt: skip


@route("POST", "/v5/order/create", "futures", 10)
def create(ask: Ask) -> object:
    """An acknowledgement: what becomes of the order is for the client to ask."""
    order = ask.engine.place(_ticket(ask))
    return {"orderId": uuid("order", order.id), "orderLinkId": order.ticket.client_order_id}


def _ticket(ask: Ask) -> Ticket:
    params = ask.params
    asked, symbol = category(ask), params.need("symbol")
    if symbol not in {m.contract.id for m in of_category(ask, asked)}:
        raise Refused("unknown_symbol")
    sides: dict[str, Side] = {"Buy": "buy", "Sell": "sell"}
    side, kind = params.need("side"), params.need("orderType")
    force = params.text("timeInForce", "GTC")
    if side not in sides:
        raise wrong("side invalid")
    if kind not in ("Limit", "Market") or force not in IN_FORCE:
        raise wrong("OrderType invalid" if force in IN_FORCE else "TimeInForce invalid")
    if params.text("triggerPrice"):
        raise wrong("conditional orders are not kept here")
    quantity, limited = params.decimal("qty"), kind == "Limit"
    if quantity is None:
        raise Missing("qty")
    price = params.decimal("price") if limited else None
    if limited and price is None:
        raise Missing("price")
    slot = SLOTS.get(params.text("positionIdx", "0"))
    if slot is None:
        raise Refused("position_side")
    return Ticket(
        symbol=symbol,
        side=sides[side],
        quantity=quantity,
        kind="limit" if limited else "market",
        price=price,
        time_in_force=IN_FORCE[force] if limited else "GTC",
        reduce_only=params.flag("reduceOnly"),
        slot=slot,
        client_order_id=params.text("orderLinkId"),
    )


@route("POST", "/v5/order/cancel", "futures", 10)
def cancel(ask: Ask) -> object:
    order = next(iter(_named(ask, ask.engine.state.orders.values()) or []), None)
    market(ask)
    if order is None or order.ticket.symbol != ask.params.text("symbol"):
        raise Refused("order_gone")
    ask.engine.cancel(order)
    return {"orderId": uuid("order", order.id), "orderLinkId": order.ticket.client_order_id}


@route("POST", "/v5/order/cancel-all", "futures", 10)
def cancel_all(ask: Ask) -> object:
    asked, symbol = category(ask), ask.params.text("symbol")
    inverse = asked == "inverse"
    gone = [
        ask.engine.cancel(order)
        for order in ask.engine.open_orders(symbol or None)
        if ask.engine.contract(order.ticket.symbol).inverse == inverse
    ]
    rows = [{"orderId": uuid("order", o.id), "orderLinkId": o.ticket.client_order_id} for o in gone]
    return {"list": rows, "success": "1"}


def _named(ask: Ask, orders: Iterable[Order]) -> list[Order] | None:
    """The orders with the id asked for, the venue's before ours; None if no id was asked for."""
    number, link = ask.params.text("orderId"), ask.params.text("orderLinkId")
    if number:
        return [o for o in orders if uuid("order", o.id) == number]
    return [o for o in orders if o.ticket.client_order_id == link] if link else None


def _shown(ask: Ask) -> list[Order]:
    """The orders of the category, latest first: open ones, and the last that ended."""
    inverse = category(ask) == "inverse"
    orders = [
        order
        for order in reversed(ask.engine.state.orders.values())
        if ask.engine.contract(order.ticket.symbol).inverse == inverse
    ]
    ended = [order.id for order in orders if not order.open][:CLOSED_SHOWN]
    return [order for order in orders if order.open or order.id in set(ended)]


@route("GET", REALTIME, "read")
def realtime(ask: Ask) -> object:
    """By id any recent order; otherwise what is open, or with *openOnly* 1 what has ended."""
    params, orders = ask.params, _shown(ask)
    named = _named(ask, orders)
    symbol, settle = params.text("symbol"), params.text("settleCoin")
    if named is None:
        if params.text("category") == "linear" and not (symbol or settle or params.text("baseCoin")):
            raise wrong("Missing some parameters that must be filled in, symbol or settleCoin")
        ended = params.text("openOnly", "0") != "0"
        named = [
            order
            for order in orders
            if order.open != ended
            and symbol in ("", order.ticket.symbol)
            and settle in ("", ask.engine.contract(order.ticket.symbol).settle)
        ]
    rows = [told(ask, order) for order in named]
    return {"category": params.text("category"), **paged(ask, rows, size=20, most=50)}


def found_nothing(path: str, ask: Ask, result: object) -> bool:
    """Whether a lookup by id came back empty; that is how this venue says unknown."""
    by_id = ask.params.text("orderId") or ask.params.text("orderLinkId")
    looked = path in (REALTIME, "/v5/order/history") and bool(by_id)
    return looked and isinstance(result, dict) and not result["list"]


@route("GET", "/v5/order/history", "read")
def history(ask: Ask) -> object:
    """Orders that ended, and open ones; of a week unless another time is named."""
    start, end = window(ask)
    inverse, params = category(ask) == "inverse", ask.params
    orders = [
        order
        for order in reversed(ask.engine.state.orders.values())
        if ask.engine.contract(order.ticket.symbol).inverse == inverse
    ]
    named = _named(ask, orders)
    if named is None:
        named = [
            o
            for o in orders
            if start <= o.created_at <= end and params.text("symbol") in ("", o.ticket.symbol)
        ]
    status = params.text("orderStatus")
    rows = [told(ask, order) for order in named if status in ("", STATUS[order.status])]
    return {"category": params.text("category"), **paged(ask, rows, size=20, most=50)}


def told(ask: Ask, order: Order) -> dict[str, object]:
    """An order as the listings show it; a part that expired shows as Cancelled with what filled."""
    ticket, engine = order.ticket, ask.engine
    contract = engine.contract(ticket.symbol)
    back = {ours: theirs for theirs, ours in IN_FORCE.items()}
    indices = {slot: index for index, slot in SLOTS.items()}
    average = engine.average_price(order)
    left = order.remaining if order.open else ZERO
    reason = REASONS.get(order.note, "EC_NoError")
    if order.note == "no_liquidity" and order.filled:
        reason = "EC_NoEnoughQtyToFill"
    forced = ticket.cause in ("liquidation", "adl", "delivery")
    return {
        "symbol": ticket.symbol,
        "orderType": ticket.kind.capitalize(),
        "orderLinkId": ticket.client_order_id,
        "orderId": uuid("order", order.id),
        "cancelType": CANCEL_TYPES.get(order.note, "UNKNOWN"),
        "avgPrice": plain(average.quantize(Decimal("1e-8"))) if order.filled else "",
        "stopOrderType": "",
        "lastPriceOnCreated": plain(engine.market(ticket.symbol).last),
        "orderStatus": STATUS[order.status],
        "createType": "CreateByLiq" if forced else "CreateByUser",
        "takeProfit": "",
        "cumExecValue": plain(order.cost),
        "tpslMode": "",
        "smpType": "None",
        "triggerDirection": 0,
        "blockTradeId": "",
        "isLeverage": "",
        "rejectReason": reason,
        "price": plain(ticket.price) if ticket.price else "0",
        "orderIv": "",
        "createdTime": str(millis(order.created_at)),
        "tpTriggerBy": "",
        "positionIdx": int(indices[ticket.slot]),
        "timeInForce": "IOC" if ticket.kind == "market" else back[ticket.time_in_force],
        "leavesValue": plain(left * (ticket.price or ZERO)),
        "updatedTime": str(millis(order.updated_at)),
        "side": ticket.side.capitalize(),
        "smpGroup": 0,
        "triggerPrice": "",
        "tpLimitPrice": "0",
        "cumExecFee": plain(order.fee),
        "cumFeeDetail": {contract.settle: plain(order.fee)} if order.filled else {},
        "leavesQty": plain(left),
        "slTriggerBy": "",
        "closeOnTrigger": False,
        "placeType": "",
        "cumExecQty": plain(order.filled),
        "reduceOnly": ticket.reduce_only,
        "qty": plain(order.quantity),
        "stopLoss": "",
        "smpOrderId": "",
        "triggerBy": "",
    }


@route("GET", "/v5/execution/list", "read")
def executions(ask: Ask) -> object:
    """Trades and fundings, latest first; of a week. An id asked for overrides everything else."""
    params, engine = ask.params, ask.engine
    inverse, kind = category(ask) == "inverse", params.text("execType")
    number, link = params.text("orderId"), params.text("orderLinkId")
    start, end = window(ask)
    rows = [_trade(ask, f) for f in engine.state.fills if engine.contract(f.symbol).inverse == inverse]
    rows += [
        _funding(ask, e)
        for e in engine.state.entries
        if e.kind == "funding" and engine.contract(e.symbol).inverse == inverse
    ]
    rows.sort(key=lambda row: (int(str(row["execTime"])), int(str(row["seq"]))), reverse=True)
    if number or link:
        name, wanted = ("orderId", number) if number else ("orderLinkId", link)
        kept = [row for row in rows if row[name] == wanted]
    else:
        kept = [
            row
            for row in rows
            if millis(start) <= int(str(row["execTime"])) <= millis(end)
            and kind in ("", row["execType"])
            and params.text("symbol") in ("", row["symbol"])
        ]
    return {"category": params.text("category"), **paged(ask, kept, size=50, most=100)}


def _trade(ask: Ask, fill: Fill) -> dict[str, object]:
    order, contract = ask.engine.state.orders[fill.order_id], ask.engine.contract(fill.symbol)
    units = fill.quantity * contract.multiplier
    value = units / fill.price if contract.inverse else units * fill.price
    return {
        "symbol": fill.symbol,
        "orderType": order.ticket.kind.capitalize(),
        "underlyingPrice": "",
        "orderLinkId": fill.client_order_id,
        "side": fill.side.capitalize(),
        "indexPrice": "",
        "orderId": uuid("order", fill.order_id),
        "stopOrderType": "UNKNOWN",
        "leavesQty": plain(order.remaining),
        "execTime": str(millis(fill.at)),
        "feeCurrency": "",
        "feeCoin": fill.coin,
        "createType": "CreateByUser",
        "isMaker": fill.maker,
        "execFee": plain(fill.fee),
        "feeRate": plain(fill.fee_rate),
        "execId": uuid("fill", fill.id),
        "tradeIv": "",
        "blockTradeId": "",
        "markPrice": plain(fill.mark_price),
        "execPrice": plain(fill.price),
        "markIv": "",
        "orderQty": plain(order.quantity),
        "orderPrice": plain(order.ticket.price) if order.ticket.price else "0",
        "execValue": plain(value.quantize(Decimal("1e-8"))),
        "execType": EXEC_TYPES[fill.cause],
        "execQty": plain(fill.quantity),
        "closedSize": plain(fill.closed),
        "execPnl": plain(fill.realised),
        "extraFees": "",
        "seq": fill.id,
    }


def _funding(ask: Ask, entry: Entry) -> dict[str, object]:
    """A funding as an execution: here the fee is positive when paid, unlike in the log."""
    contract = ask.engine.contract(entry.symbol)
    units = abs(entry.quantity) * contract.multiplier
    value = units / entry.price if contract.inverse else units * entry.price
    long = entry.quantity > 0
    return {
        "symbol": entry.symbol,
        "orderType": "UNKNOWN",
        "underlyingPrice": "",
        "orderLinkId": "",
        "side": "Buy" if long else "Sell",
        "indexPrice": "",
        "orderId": uuid("funding", entry.id),
        "stopOrderType": "UNKNOWN",
        "leavesQty": "0",
        "execTime": str(millis(entry.at)),
        "feeCurrency": "",
        "createType": "",
        "isMaker": False,
        "execFee": plain(-entry.amount),
        "feeRate": plain(entry.rate if long else -entry.rate),
        "execId": uuid("entry", entry.id),
        "tradeIv": "",
        "blockTradeId": "",
        "markPrice": plain(entry.price),
        "execPrice": plain(entry.price),
        "markIv": "",
        "orderQty": "0",
        "orderPrice": "0",
        "execValue": plain(value.quantize(Decimal("1e-8"))),
        "execType": "Funding",
        "execQty": plain(abs(entry.quantity)),
        "closedSize": "0",
        "extraFees": "",
        "seq": entry.id,
    }
