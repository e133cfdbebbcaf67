"""
Binance as ccxt 4.5.90 speaks to it: USD-M futures, and of the spot side what holdings need.

This file has the signature, the clock window, the limits and the errors; the handlers stand in
`binance_public`, `binance_account`, `binance_orders` and `binance_wallet`. Codes and messages are
those of the venue's error page and of ccxt's own table.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from datetime import datetime, timedelta

from exchange import binance_account, binance_orders, binance_public, binance_wallet
from exchange.binance_routes import ROUTES, Ask, Rejected, Route
from exchange.desk import Refused, Rules
from exchange.engine import Engine
from exchange.venue import Key, Meter
from exchange.wire import Call, Malformed, Missing, Params, Reply, from_millis, millis

HANDLERS = (binance_account, binance_orders, binance_public, binance_wallet)
RULES = Rules(
    venue="binance",
    ids_unique="open",
    excess="expire",
    late_refusals=False,
    unified=False,
    hedge_by_symbol=False,
    first_id=8_389_765_000,
    forced_ids=(
        ("manual", "web_{n}"),
        ("liquidation", "autoclose-{n}"),
        ("adl", "adl_autoclose"),
        ("delivery", "settlement_autoclose-{n}"),
    ),
)
AHEAD_MAX = timedelta(seconds=1)
WINDOW_DEFAULT_MS = 5000
WEIGHT_MAX = {"fapi": 2400, "dapi": 2400, "api": 6000, "sapi": 12_000}
ORDERS_MAX = {10: 300, 60: 1200}
BAN_S, BAN_AFTER = 120, 1.5

ERRORS: dict[str, tuple[int, int, str]] = {
    "unknown_symbol": (400, -1121, "Invalid symbol."),
    "not_trading": (400, -4141, "Symbol is closed."),
    "quantity_zero": (400, -4003, "Quantity less than or equal to zero."),
    "quantity_step": (400, -1111, "Precision is over the maximum defined for this asset."),
    "quantity_min": (400, -4004, "Quantity less than min quantity."),
    "quantity_max": (400, -4005, "Quantity greater than max quantity."),
    "price_zero": (400, -4001, "Price less than 0."),
    "price_step": (400, -4014, "Price not increased by tick size."),
    "price_high": (400, -4016, "Limit price can't be higher than {detail}."),
    "price_low": (400, -4024, "Limit price can't be lower than {detail}."),
    "notional_min": (
        400,
        -4164,
        "Order's notional must be no smaller than {detail} (unless you choose reduce only).",
    ),
    "position_side": (400, -4061, "Order's position side does not match user's setting."),
    "reduce_only": (400, -2022, "ReduceOnly Order is rejected."),
    "hedge_reduce_only": (400, -1106, "Parameter 'reduceonly' sent when not required."),
    "client_id": (400, -4015, "Client order id is not valid."),
    "client_id_known": (400, -4116, "ClientOrderId is duplicated."),
    "post_only": (
        400,
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected.",
    ),
    "fill_or_kill": (
        400,
        -5021,
        "Due to the order could not be filled immediately, the FOK order has been rejected.",
    ),
    "margin": (400, -2019, "Margin is insufficient."),
    "position_max": (
        400,
        -2027,
        "Exceeded the maximum allowable position at current leverage.",
    ),
    "leverage_tier": (
        400,
        -2027,
        "Exceeded the maximum allowable position at current leverage.",
    ),
    "orders_max": (400, -2025, "Reach max open order limit."),
    "order_gone": (400, -2011, "Unknown order sent."),
    "order_unknown": (400, -2013, "Order does not exist."),
    "leverage_range": (400, -4028, "Leverage {detail} is not valid"),
    "margin_mode_same": (400, -4046, "No need to change margin type."),
    "margin_has_orders": (400, -4047, "Margin type cannot be changed if there exists open orders."),
    "margin_has_position": (400, -4048, "Margin type cannot be changed if there exists position."),
    "position_mode_same": (400, -4059, "No need to change position side."),
    "mode_has_orders": (400, -4067, "Position side cannot be changed if there exists open orders."),
    "mode_has_position": (400, -4068, "Position side cannot be changed if there exists position."),
    "key_format": (401, -2014, "API-key format invalid."),
    "key": (401, -2015, "Invalid API-key, IP, or permissions for action."),
    "signature": (400, -1022, "Signature for this request is not valid."),
    "clock": (400, -1021, "Timestamp for this request is outside of the recvWindow."),
    "clock_ahead": (
        400,
        -1021,
        "Timestamp for this request was 1000ms ahead of the server's time.",
    ),
    "engine_clock": (
        400,
        -5028,
        "Timestamp for this request is outside of the ME recvWindow.",
    ),
    "liquidating": (400, -2023, "User in liquidation mode now."),
    "reduce_only_account": (400, -4400, "Futures Trading Quantitative Rules violated, only "
                            "reduceOnly order is allowed, please try again later."),
    "rate_limited": (429, -1003, "Too many requests; current limit is 2400 requests per minute. "
                     "Please use the websocket for live updates to avoid polling the API."),
    "orders_limited": (429, -1015, "Too many new orders; current limit is 300 orders per TEN_SECONDS."),
    "banned": (418, -1003, "Way too many requests; IP banned until {until}. "
               "Please use the websocket for live updates to avoid bans."),
    "maintenance": (503, 1, "System is under maintenance."),
    "unavailable": (503, -1001, "Internal error; unable to process your request. Please try again."),
    "overloaded": (503, -1008, "Request throttled by system-level protection. Reduce-only/"
                   "close-position orders are exempt. Please try again."),
    "unknown_status": (408, -1007, "Timeout waiting for response from backend server. "
                       "Send status unknown; execution status unknown."),
    "unexpected": (500, -1006, "An unexpected response was received from the message bus. "
                   "Execution status unknown."),
    "unknown_error": (500, -1000, "An unknown error occurred while processing the request."),
}  # fmt: skip


class Binance:
    """The dialect; *keys* are those it knows."""

    def __init__(self, keys: Iterable[Key] = (Key(),)) -> None:
        self.keys = {key.name: key for key in keys}

    def answer(self, call: Call, engine: Engine, *, late: bool = False) -> Reply:
        """See `exchange.venue.Dialect`."""
        try:
            route = self._route(call)
            key = self._allowed(call, route, engine, late=late) if route.right else None
            ask = Ask(engine=engine, params=Params(call.params), key=key)
            return Reply(body=route.handler(ask))
        except Refused as refused:
            return self.refuse(refused, engine)
        except Rejected as error:
            return _error(error.status, error.code, error.message)
        except Missing as error:
            told = f"Mandatory parameter '{error}' was not sent, was empty/null, or malformed."
            return _error(400, -1102, told)
        except Malformed as error:
            return _error(400, -1130, f"Data sent for parameter '{error}' is not valid.")

    def refuse(self, refused: Refused, engine: Engine) -> Reply:
        """See `exchange.venue.Dialect`."""
        status, code, message = ERRORS[refused.reason]
        until = millis(engine.now) + 1000 * int(refused.detail or BAN_S) if status == 418 else 0
        reply = _error(status, code, message.format(detail=refused.detail, until=until))
        return Reply(status=status, body=reply.body, refused=refused.reason)

    def weight(self, call: Call) -> int:
        """See `exchange.venue.Dialect`."""
        route = ROUTES.get((call.method, call.host, call.path))
        return route.weigh(Params(call.params)) if route else 1

    def meter(self, call: Call, meter: Meter, now: datetime, *, enforced: bool) -> dict[str, str]:
        """See `exchange.venue.Dialect`."""
        budget = "sapi" if call.path.startswith("/sapi") else call.host.partition(".")[0]
        banned = meter.banned_until.get(budget)
        if enforced and banned and now < banned:
            raise Refused("banned", str(int((banned - now).total_seconds()) + 1))
        used = meter.add(budget, 60, self.weight(call), now)
        most = WEIGHT_MAX.get(budget, 2400)
        if enforced and used > most:
            if used > most * BAN_AFTER:
                meter.banned_until[budget] = now + timedelta(seconds=BAN_S)
                raise Refused("banned", str(BAN_S))
            raise Refused("rate_limited", str(meter.left_s(budget, 60, now)))
        name = "X-SAPI-USED-IP-WEIGHT-1M" if budget == "sapi" else "X-MBX-USED-WEIGHT-1M"
        headers = {name: str(used)}
        if call.method == "POST" and call.path.endswith("/order"):
            for seconds, orders_max in ORDERS_MAX.items():
                placed = meter.add(f"orders-{seconds}", seconds, 1, now)
                headers[f"X-MBX-ORDER-COUNT-{'10S' if seconds == 10 else '1M'}"] = str(placed)
                if enforced and placed > orders_max:
                    left = meter.left_s(f"orders-{seconds}", seconds, now)
                    raise Refused("orders_limited", str(left))
        return headers

    def _route(self, call: Call) -> Route:
        route = ROUTES.get((call.method, call.host, call.path))
        if route is None:
            told = f"Path {call.path}, Method {call.method} is invalid"
            raise Rejected(-5000, told, status=404)
        return route

    def _allowed(self, call: Call, route: Route, engine: Engine, *, late: bool) -> Key:
        """The caller's key: known, with the right, its signature good, its clock within the window."""
        name = call.headers.get("x-mbx-apikey", "")
        if not name:
            raise Refused("key_format")
        key = self.keys.get(name)
        if key is None or (route.right not in key.rights):
            raise Refused("key")
        params = Params(call.params)
        stamp = from_millis(int(params.need("timestamp")))
        signed = call.query + call.body.decode()
        total, _, signature = signed.rpartition("&signature=")
        wanted = hmac.new(key.secret.encode(), total.encode(), "sha256").hexdigest()
        if not hmac.compare_digest(wanted, signature.lower()):
            raise Refused("signature")
        if not late:
            allowed = timedelta(milliseconds=params.whole("recvWindow", WINDOW_DEFAULT_MS))
            if stamp > engine.now + AHEAD_MAX:
                raise Refused("clock_ahead")
            if stamp < engine.now - allowed:
                raise Refused("clock")
        return key


def _error(status: int, code: int, message: str) -> Reply:
    return Reply(status=status, body={"code": code, "msg": message})
