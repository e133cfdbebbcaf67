"""
Bybit v5 as ccxt 4.5.90 speaks to it: a unified account with linear and inverse contracts.

This file has the envelope, the signature, the clock window, the limits and the errors; the handlers
stand in `bybit_market`, `bybit_account`, `bybit_orders` and `bybit_wallet`. An error is HTTP 200 with a
retCode, but for those that a gateway gives.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from datetime import datetime, timedelta

from exchange import bybit_account, bybit_market, bybit_orders, bybit_wallet
from exchange.bybit_routes import ROUTES, Ask, Rejected, Route
from exchange.desk import Refused, Rules
from exchange.engine import Engine
from exchange.venue import Key, Meter
from exchange.wire import Call, Malformed, Missing, Params, Reply, from_millis, millis

HANDLERS = (bybit_account, bybit_market, bybit_orders, bybit_wallet)
HOSTS = ("api.bybit.com", "api.bytick.com")
RULES = Rules(
    venue="bybit",
    ids_unique="always",
    excess="cut",
    late_refusals=True,
    unified=True,
    hedge_by_symbol=True,
    first_id=1000,
    orders_max=500,
)
AHEAD_MAX = timedelta(seconds=1)
WINDOW_DEFAULT_MS = 5000
IP_MAX, IP_WINDOW_S, IP_BAN_S = 600, 5, 600
FORBIDDEN = "<html><body><h1>403 Forbidden</h1>access too frequent</body></html>"

ERRORS: dict[str, tuple[int, str]] = {
    "unknown_symbol": (10001, "params error: symbol invalid"),
    "not_trading": (110074, "This contract is not live"),
    "quantity_zero": (10001, "Qty invalid"),
    "quantity_step": (10001, "Qty invalid"),
    "quantity_min": (10001, "The number of contracts exceeds minimum limit allowed"),
    "quantity_max": (10001, "The number of contracts exceeds maximum limit allowed: too large"),
    "price_zero": (10001, "Price invalid"),
    "price_step": (10001, "Price invalid"),
    "price_high": (110003, "Order price exceeds the allowable range."),
    "price_low": (110003, "Order price exceeds the allowable range."),
    "notional_min": (110094, "Order does not meet minimum order value {detail}USDT"),
    "position_side": (10001, "position idx not match position mode"),
    "reduce_only": (110017, "current position is zero, cannot fix reduce-only order qty"),
    "client_id": (10001, "params error: OrderLinkId invalid"),
    "client_id_known": (110072, "OrderLinkedID is duplicate"),
    "margin": (110007, "ab not enough for new order"),
    "position_max": (110021, "Not allowed to exceeded position limits due to Open Interest."),
    "orders_max": (110020, "Not allowed to have more than 500 active orders."),
    "order_gone": (110001, "order not exists or too late to cancel"),
    "leverage_range": (110013, "cannot set leverage [{detail}] gt maxLeverage by risk limit"),
    "leverage_tier": (110013, "cannot set leverage gt maxLeverage by risk limit"),
    "leverage_same": (110043, "leverage not modified"),
    "margin_mode": (3400045, "Set margin mode failed"),
    "position_mode_same": (110025, "Position mode has not been modified."),
    "has_orders": (
        110028,
        "You have existing open orders, so the position mode cannot be switched.",
    ),
    "has_position": (
        110024,
        "You have an existing position, so the position mode cannot be switched.",
    ),
    "no_hedge_mode": (110029, "Hedge mode is not supported for this symbol."),
    "key": (10003, "API key is invalid."),
    "signature": (10004, "Error sign, please check your signature generation algorithm."),
    "right": (10005, "Permission denied, please check your API key permissions."),
    "address": (10010, "Unmatched IP, please check your API key's bound IP addresses."),
    "clock": (
        10002,
        "invalid request, please check your server timestamp or recv_window param",
    ),
    "account_banned": (10027, "Transactions are banned."),
    "reduce_only_account": (
        110023,
        "Currently you can only reduce your position on this contract.",
    ),
    "settling": (110063, "Settlement in progress! Not available for trading."),
    "rate_limited": (10006, "Too many visits. Exceeded the API Rate Limit."),
    "maintenance": (110066, "Trading is currently not allowed."),
    "overloaded": (429, "The trading service is experiencing a high server load. Please retry."),
    "unknown_status": (10000, "Server Timeout"),
    "unexpected": (10016, "Server error."),
    "unknown_error": (5004, "Server Timeout"),
    "timed_out": (10016, "Request timeout, please try again later"),
}
"""``banned`` (HTTP 403, no JSON) and ``order_unknown`` (an empty list) are no errors of this form."""


class Bybit:
    """The dialect; *keys* are those it knows."""

    def __init__(self, keys: Iterable[Key] = (Key(),)) -> None:
        self.keys = {key.name: key for key in keys}

    def answer(self, call: Call, engine: Engine, *, late: bool = False) -> Reply:
        """See `exchange.venue.Dialect`."""
        route = ROUTES.get((call.method, call.path)) if call.host in HOSTS else None
        if route is None:
            return Reply(status=404, body="404 page not found", content_type="text/plain")
        try:
            key = self._allowed(call, route, engine, late=late) if route.right else None
            ask = Ask(engine=engine, params=Params(call.params), key=key)
            result = route.handler(ask)
        except Refused as refused:
            return self.refuse(refused, engine)
        except Rejected as error:
            return _envelope(engine, error.code, error.message)
        except Missing as error:
            return _envelope(engine, 10001, f"params error: {error} is required")
        except Malformed as error:
            return _envelope(engine, 10001, f"params error: {error} invalid")
        refused_as = "order_unknown" if bybit_orders.found_nothing(call.path, ask, result) else ""
        return _envelope(engine, 0, "OK", result, refused_as)

    def refuse(self, refused: Refused, engine: Engine) -> Reply:
        """See `exchange.venue.Dialect`."""
        if refused.reason == "banned":
            return Reply(status=403, body=FORBIDDEN, content_type="text/html", refused="banned")
        if refused.reason == "order_unknown":
            empty = {"list": [], "nextPageCursor": "", "category": "linear"}
            return _envelope(engine, 0, "OK", empty, refused.reason)
        code, message = ERRORS[refused.reason]
        told = message.format(detail=refused.detail)
        return _envelope(engine, code, told, {}, refused.reason)

    def weight(self, call: Call) -> int:
        """See `exchange.venue.Dialect`."""
        return 1

    def meter(self, call: Call, meter: Meter, now: datetime, *, enforced: bool) -> dict[str, str]:
        """See `exchange.venue.Dialect`."""
        banned = meter.banned_until.get("ip")
        if enforced and banned and now < banned:
            raise Refused("banned")
        if meter.add("ip", IP_WINDOW_S, 1, now) > IP_MAX and enforced:
            meter.banned_until["ip"] = now + timedelta(seconds=IP_BAN_S)
            raise Refused("banned")
        route = ROUTES.get((call.method, call.path))
        if route is None or route.right is None:
            return {}
        used = meter.add(call.path, 1, 1, now)
        if enforced and used > route.per_second:
            raise Refused("rate_limited")
        return {
            "X-Bapi-Limit": str(route.per_second),
            "X-Bapi-Limit-Status": str(max(0, route.per_second - used)),
            "X-Bapi-Limit-Reset-Timestamp": str(millis(now)),
            "Traceid": "1d25a4e5b4b0a4d2",
        }

    def _allowed(self, call: Call, route: Route, engine: Engine, *, late: bool) -> Key:
        """The caller's key: known, its signature good, its clock within the window, with the right."""
        headers = {name: call.headers.get(f"x-bapi-{name}", "") for name in
                   ("api-key", "timestamp", "recv-window", "sign")}  # fmt: skip
        key = self.keys.get(headers["api-key"])
        if key is None:
            raise Refused("key")
        told = Params(headers)
        stamp = from_millis(told.whole("timestamp", 0))
        allowed = timedelta(milliseconds=told.whole("recv-window", WINDOW_DEFAULT_MS))
        if not late and not engine.now - allowed <= stamp <= engine.now + AHEAD_MAX:
            raise Refused("clock")
        payload = call.body.decode() if call.method == "POST" else call.query
        signed = f"{headers['timestamp']}{key.name}{headers['recv-window']}{payload}"
        wanted = hmac.new(key.secret.encode(), signed.encode(), "sha256").hexdigest()
        if not hmac.compare_digest(wanted, headers["sign"].lower()):
            raise Refused("signature")
        if route.right not in key.rights:
            raise Refused("right")
        return key


def _envelope(
    engine: Engine, code: int, message: str, result: object = None, refused: str = ""
) -> Reply:
    body = {
        "retCode": code,
        "retMsg": message,
        "result": {} if result is None else result,
        "retExtInfo": {},
        "time": millis(engine.now),
    }
    return Reply(body=body, refused=refused)
