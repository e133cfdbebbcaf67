"""Binance's futures orders: place, look up, cancel, list; trades and forced orders."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from exchange.binance_routes import FAPI, WEEK, Ask, Rejected, per_symbol, route, window
from exchange.desk import Refused
from exchange.engine import Engine
from exchange.state import Fill, Order, Side, Slot, Ticket, TimeInForce
from exchange.wire import Missing, decimals, fixed, millis, plain

IN_FORCE: dict[str, TimeInForce] = {"GTC": "GTC", "IOC": "IOC", "FOK": "FOK", "GTX": "POST"}
ALGO = {"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"}
STATUS = {
    "new": "NEW",
    "partial": "PARTIALLY_FILLED",
    "filled": "FILLED",
    "canceled": "CANCELED",
    "expired": "EXPIRED",
    "rejected": "REJECTED",
}
KEPT_UNFILLED = timedelta(days=3)


@route("POST", FAPI, "/fapi/v1/order", 0, "futures")
def place(ask: Ask) -> object:
    """The answer is an acknowledgement unless RESULT is asked for."""
    order = ask.engine.place(_ticket(ask))
    row = told(ask.engine, order) | {"cumQty": plain(order.filled)}
    del row["time"]
    if ask.params.text("newOrderRespType", "ACK") != "RESULT":
        row |= {"status": "NEW", "executedQty": "0", "cumQty": "0", "cumQuote": "0", "avgPrice": "0.00"}
    return row


def _ticket(ask: Ask) -> Ticket:
    params, engine = ask.params, ask.engine
    contract = engine.contract(params.need("symbol"))
    side, kind = params.need("side"), params.need("type")
    slot = params.text("positionSide", "BOTH")
    if side not in ("BUY", "SELL"):
        raise Rejected(-1117, "Invalid side.")
    if kind in ALGO:
        told = "Order type not supported for this endpoint. Please use the Algo Order API endpoints"
        raise Rejected(-4120, f"{told} instead.")
    if kind not in ("LIMIT", "MARKET"):
        raise Rejected(-1116, "Invalid orderType.")
    if slot not in ("BOTH", "LONG", "SHORT"):
        raise Rejected(-4060, "Invalid position side.")
    if engine.state.hedge_mode and params.text("reduceOnly"):
        raise Refused("hedge_reduce_only")
    quantity = params.decimal("quantity")
    if quantity is None:
        raise Missing("quantity")
    if kind == "LIMIT":
        params.need("price")
        if params.need("timeInForce") not in IN_FORCE:
            raise Rejected(-1115, "Invalid timeInForce.")
    sides: dict[str, Side] = {"BUY": "buy", "SELL": "sell"}
    slots: dict[str, Slot] = {"BOTH": "BOTH", "LONG": "LONG", "SHORT": "SHORT"}
    limited = kind == "LIMIT"
    return Ticket(
        symbol=contract.id,
        side=sides[side],
        quantity=quantity,
        kind="limit" if limited else "market",
        price=params.decimal("price") if limited else None,
        time_in_force=IN_FORCE[params.text("timeInForce", "GTC")] if limited else "GTC",
        reduce_only=params.flag("reduceOnly"),
        slot=slots[slot],
        client_order_id=params.text("newClientOrderId") or f"auto{engine.state.serial}",
    )


def told(engine: Engine, order: Order) -> dict[str, object]:
    """An order as the listings show it."""
    ticket, contract = order.ticket, engine.contract(order.ticket.symbol)
    back = {ours: theirs for theirs, ours in IN_FORCE.items()}
    places = decimals(contract.tick)
    kind = ticket.kind.upper()
    return {
        "orderId": order.id,
        "symbol": ticket.symbol,
        "status": STATUS[order.status],
        "clientOrderId": ticket.client_order_id,
        "price": fixed(ticket.price or Decimal(0), places),
        "avgPrice": fixed(engine.average_price(order), places + 4),
        "origQty": plain(order.quantity),
        "executedQty": plain(order.filled),
        "cumQuote": plain(order.cost),
        "timeInForce": back[ticket.time_in_force],
        "type": kind,
        "reduceOnly": ticket.reduce_only,
        "closePosition": False,
        "side": ticket.side.upper(),
        "positionSide": ticket.slot,
        "stopPrice": "0",
        "workingType": "CONTRACT_PRICE",
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": 0,
        "time": millis(order.created_at),
        "updateTime": millis(order.updated_at),
        "origType": kind,
        "priceProtect": False,
    }


def _named(ask: Ask, unknown: str) -> Order:
    """The order asked for, by number or by client id, if it is still shown."""
    params, engine = ask.params, ask.engine
    engine.contract(params.need("symbol"))
    number, named = params.text("orderId"), params.text("origClientOrderId")
    if not number and not named:
        raise Rejected(
            -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
        )
    order = engine.find(params.need("symbol"), params.whole("orderId", 0) if number else None, named)
    if order is None or _forgotten(engine, order):
        raise Refused(unknown)
    return order


def _forgotten(engine: Engine, order: Order) -> bool:
    """An order that ended without a fill is shown for three days."""
    return not order.open and not order.filled and engine.now - order.created_at > KEPT_UNFILLED


@route("GET", FAPI, "/fapi/v1/order", 1, "futures")
def look_up(ask: Ask) -> object:
    return told(ask.engine, _named(ask, "order_unknown"))


@route("GET", FAPI, "/fapi/v1/openOrder", 1, "futures")
def look_up_open(ask: Ask) -> object:
    order = _named(ask, "order_unknown")
    if not order.open:
        raise Refused("order_unknown")
    return told(ask.engine, order)


@route("DELETE", FAPI, "/fapi/v1/order", 1, "futures")
def cancel(ask: Ask) -> object:
    return told(ask.engine, ask.engine.cancel(_named(ask, "order_gone")))


@route("DELETE", FAPI, "/fapi/v1/allOpenOrders", 1, "futures")
def cancel_all(ask: Ask) -> object:
    for order in ask.engine.open_orders(ask.engine.contract(ask.params.need("symbol")).id):
        ask.engine.cancel(order)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


@route("GET", FAPI, "/fapi/v1/openOrders", per_symbol(1, 40), "futures")
def open_orders(ask: Ask) -> object:
    symbol = ask.params.text("symbol")
    if symbol:
        ask.engine.contract(symbol)
    return [told(ask.engine, order) for order in ask.engine.open_orders(symbol or None)]


@route("GET", FAPI, "/fapi/v1/allOrders", 5, "futures")
def all_orders(ask: Ask) -> object:
    """Ascending; of a week at most."""
    start, end = window(ask)
    symbol, first = ask.engine.contract(ask.params.need("symbol")).id, ask.params.whole("orderId", 0)
    limit = min(ask.params.whole("limit", 500), 1000)
    rows = [
        told(ask.engine, order)
        for order in ask.engine.state.orders.values()
        if order.ticket.symbol == symbol
        and (order.id >= first if first else start <= order.created_at <= end)
        and not _forgotten(ask.engine, order)
    ]
    return rows[:limit] if first or ask.params.text("startTime") else rows[-limit:]


@route("GET", FAPI, "/fapi/v1/userTrades", 5, "futures")
def user_trades(ask: Ask) -> object:
    """Ascending; of a week at most, or from a trade's number on."""
    params, symbol = ask.params, ask.engine.contract(ask.params.need("symbol")).id
    first, order_id = params.whole("fromId", 0), params.whole("orderId", 0)
    if first and (params.text("startTime") or params.text("endTime")):
        raise Rejected(-1128, "Combination of optional parameters invalid.")
    start, end = window(ask)
    limit = min(params.whole("limit", 500), 1000)
    rows = [
        _trade(ask.engine, fill)
        for fill in ask.engine.state.fills
        if fill.symbol == symbol
        and (fill.id >= first if first else start <= fill.at <= end)
        and order_id in (0, fill.order_id)
    ]
    return rows[:limit] if first or params.text("startTime") else rows[-limit:]


def _trade(engine: Engine, fill: Fill) -> dict[str, object]:
    contract = engine.contract(fill.symbol)
    return {
        "symbol": fill.symbol,
        "id": fill.id,
        "orderId": fill.order_id,
        "side": fill.side.upper(),
        "price": fixed(fill.price, decimals(contract.tick)),
        "qty": fixed(fill.quantity, max(decimals(contract.lot), decimals(fill.quantity))),
        "realizedPnl": fixed(fill.realised),
        "quoteQty": plain(fill.quantity * contract.multiplier * fill.price),
        "commission": fixed(fill.fee),
        "commissionAsset": fill.coin,
        "time": millis(fill.at),
        "buyer": fill.side == "buy",
        "maker": fill.maker,
        "positionSide": fill.slot,
        "marginAsset": fill.coin,
    }


@route("GET", FAPI, "/fapi/v1/forceOrders", per_symbol(20, 50), "futures")
def force_orders(ask: Ask) -> object:
    """Liquidations and deleveragings of the last week, latest first."""
    causes = {"LIQUIDATION": ("liquidation",), "ADL": ("adl",)}
    wanted = causes.get(ask.params.text("autoCloseType"), ("liquidation", "adl"))
    symbol, limit = ask.params.text("symbol"), min(ask.params.whole("limit", 50), 100)
    start, end = window(ask, WEEK)
    rows = [
        told(ask.engine, order)
        for order in reversed(ask.engine.state.orders.values())
        if order.ticket.cause in wanted
        and symbol in ("", order.ticket.symbol)
        and start <= order.created_at <= end
    ]
    return rows[:limit]
