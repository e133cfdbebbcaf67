"""What Bybit answers when something is wrong, and what the real ccxt class makes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import ccxt.async_support as ccxt
import pytest
import pytest_asyncio

from exchange.bybit import ERRORS
from exchange.clients import client, sell
from exchange.faults import fault
from exchange.opening import bybit_venue
from exchange.venue import Venue

CREATE = "*/v5/order/create"


@pytest.fixture
def venue() -> Venue:
    return bybit_venue()


@pytest_asyncio.fixture
async def bybit(venue: Venue) -> AsyncIterator[Any]:
    async with client(venue) as exchange:
        yield exchange


# Errors, natural and on demand


@pytest.mark.parametrize(
    ("asked", "error", "code"),
    [
        ({"quantity": "20"}, ccxt.InsufficientFunds, 110007),
        ({"quantity": "1191"}, ccxt.BadRequest, 10001),
        ({"reduceOnly": True}, ccxt.InvalidOrder, 110017),
        ({"clientOrderId": "x" * 37}, ccxt.BadRequest, 10001),
        ({"price": "50000"}, ccxt.InvalidOrder, 110003),
    ],
)
async def test_what_a_bad_order_is_answered(
    bybit: Any, asked: dict[str, Any], error: type[Exception], code: int
) -> None:
    with pytest.raises(error, match=str(code)) as caught:
        await sell(bybit, **asked)
    assert type(caught.value).__name__ == error.__name__


async def test_numbers_that_ccxt_would_round_are_refused_by_the_venue(bybit: Any) -> None:
    raw = {
        "category": "linear", "symbol": "BTCUSDT", "side": "Sell", "orderType": "Limit",
        "qty": "0.1", "price": "60000",
    }  # fmt: skip
    for changed, told in (
        ({"qty": "0.0001"}, "Qty invalid"),
        ({"price": "60000.05"}, "Price invalid"),
        ({"qty": "NaN"}, "qty invalid"),
        ({"side": "Up"}, "side invalid"),
        ({"symbol": "XYZ"}, "symbol invalid"),
        ({"category": "inverse"}, "symbol invalid"),
        ({"price": ""}, "price is required"),
        ({"positionIdx": 3}, "position idx"),
    ):
        with pytest.raises(ccxt.BadRequest, match=told):
            await bybit.privatePostV5OrderCreate(raw | changed)


CLASSES = {
    "unknown_symbol": "BadRequest", "not_trading": "ExchangeError", "quantity_zero": "BadRequest",
    "quantity_step": "BadRequest", "quantity_min": "BadRequest", "quantity_max": "BadRequest",
    "price_zero": "BadRequest", "price_step": "BadRequest", "price_high": "InvalidOrder",
    "price_low": "InvalidOrder", "notional_min": "InvalidOrder", "position_side": "BadRequest",
    "reduce_only": "InvalidOrder", "client_id": "BadRequest", "client_id_known": "InvalidOrder",
    "margin": "InsufficientFunds", "position_max": "InvalidOrder", "orders_max": "InvalidOrder",
    "order_gone": "OrderNotFound", "leverage_range": "BadRequest", "leverage_tier": "BadRequest",
    "leverage_same": "BadRequest", "margin_mode": "ExchangeError", "position_mode_same": "NoChange",
    "has_orders": "BadRequest", "has_position": "BadRequest", "no_hedge_mode": "BadRequest",
    "key": "AuthenticationError", "signature": "AuthenticationError", "right": "PermissionDenied",
    "address": "PermissionDenied", "clock": "InvalidNonce", "account_banned": "PermissionDenied",
    "reduce_only_account": "InvalidOrder", "settling": "ExchangeError",
    "rate_limited": "RateLimitExceeded", "maintenance": "ExchangeError", "overloaded": "ExchangeError",
    "unknown_status": "ExchangeError", "unexpected": "ExchangeError", "unknown_error": "ExchangeError",
    "timed_out": "RequestTimeout",
}  # fmt: skip


async def test_every_error_and_the_class_that_ccxt_makes_of_it(venue: Venue, bybit: Any) -> None:
    assert set(CLASSES) == set(ERRORS)
    for reason, name in CLASSES.items():
        venue.script.clear()
        venue.fail(fault("overloaded", refusal=reason, path=CREATE))
        with pytest.raises(ccxt.BaseError) as caught:
            await sell(bybit)
        assert (reason, type(caught.value).__name__) == (reason, name)
        assert str(ERRORS[reason][0]) in str(caught.value)
    assert venue.engine.state.orders == {}


# Faults; those that strike both venues alike are in test_faults_of_venues.py


async def test_positions_can_be_stale_and_payloads_mutated(venue: Venue, bybit: Any) -> None:
    listing = "*/v5/position/list"
    venue.fail(
        fault("stale", path=listing, stale_s=5),
        fault("mutated", path=listing, first=2, edits=[["set", "body.result.list.0.size", "NaN"]]),
        fault("mutated", path=listing, first=3, edits=[["repeat", "body.result.list"]]),
    )
    await sell(bybit)

    assert await bybit.fetch_positions() == []
    raw = await bybit.privateGetV5PositionList({"category": "linear", "settleCoin": "USDT"})
    assert raw["result"]["list"][0]["size"] == "NaN"
    assert len(await bybit.fetch_positions()) == 2
    assert len(await bybit.fetch_positions()) == 1
