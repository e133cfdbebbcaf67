"""What Binance answers when something is wrong, and what the real ccxt class makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import ccxt.async_support as ccxt
import pytest
import pytest_asyncio

from exchange.binance import ERRORS
from exchange.clients import client, clock, found, sell, unanswered
from exchange.faults import fault
from exchange.opening import binance_venue
from exchange.venue import Venue

ORDER = "*/fapi/v1/order"


@pytest.fixture
def venue() -> Venue:
    return binance_venue()


@pytest_asyncio.fixture
async def binance(venue: Venue) -> AsyncIterator[Any]:
    async with client(venue) as exchange:
        yield exchange


# Errors, natural and on demand

NATURAL = [
    ({"quantity": "0.1", "price": "59900.05"}, None, None),
    ({"quantity": "3.9"}, ccxt.InsufficientFunds, -2019),
    ({"quantity": "0.001"}, ccxt.InvalidOrder, -4164),
    ({"price": "66000", "timeInForce": "GTX"}, None, None),
    ({"price": "59000", "timeInForce": "GTX"}, ccxt.OrderNotFillable, -5022),
    ({"reduceOnly": True}, ccxt.InvalidOrder, -2022),
    ({"clientOrderId": "x" * 37}, ccxt.BadRequest, -4015),
    ({"price": "50000"}, ccxt.BadRequest, -4024),
    ({"quantity": "1001"}, ccxt.BadRequest, -4005),
]


@pytest.mark.parametrize(("asked", "error", "code"), NATURAL)
async def test_what_a_bad_order_is_answered(
    binance: Any, asked: dict[str, Any], error: type[Exception] | None, code: int | None
) -> None:
    """ccxt rounds to the tick itself, so a price between ticks is no error here."""
    if error is None:
        assert (await sell(binance, **asked))["id"]
        return
    with pytest.raises(error, match=str(code)) as caught:
        await sell(binance, **asked)
    assert type(caught.value).__name__ == error.__name__


async def test_numbers_that_ccxt_would_round_are_refused_by_the_venue(binance: Any) -> None:
    raw = {"symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC"}
    for asked, code in (
        ({"quantity": "0.0001", "price": "60000"}, -1111),
        ({"quantity": "0.1", "price": "60000.05"}, -4014),
        ({"quantity": "0", "price": "60000"}, -4003),
        ({"quantity": "0.1"}, -1102),
        ({"quantity": "0.1", "price": "NaN"}, -1130),
        ({"quantity": "0.1", "price": "60000", "side": "UP"}, -1117),
        ({"quantity": "0.1", "price": "60000", "symbol": "XYZ"}, -1121),
        ({"quantity": "0.1", "price": "60000", "type": "STOP"}, -4120),
    ):
        with pytest.raises(ccxt.ExchangeError, match=str(code)):
            await binance.fapiPrivatePostOrder(raw | asked)


CLASSES = {
    "unknown_symbol": "BadSymbol", "not_trading": "OperationRejected", "quantity_zero": "BadRequest",
    "quantity_step": "BadRequest", "quantity_min": "BadRequest", "quantity_max": "BadRequest",
    "price_zero": "BadRequest", "price_step": "BadRequest", "price_high": "BadRequest",
    "price_low": "BadRequest", "notional_min": "InvalidOrder", "position_side": "OperationRejected",
    "reduce_only": "InvalidOrder", "hedge_reduce_only": "BadRequest", "client_id": "BadRequest",
    "client_id_known": "InvalidOrder", "post_only": "OrderNotFillable",
    "fill_or_kill": "OrderNotFillable", "margin": "InsufficientFunds",
    "position_max": "OperationRejected", "leverage_tier": "OperationRejected",
    "orders_max": "OperationRejected", "order_gone": "OrderNotFound", "order_unknown": "OrderNotFound",
    "leverage_range": "BadRequest", "margin_mode_same": "MarginModeAlreadySet",
    "margin_has_orders": "OperationRejected", "margin_has_position": "OperationRejected",
    "position_mode_same": "OperationRejected", "mode_has_orders": "OperationRejected",
    "mode_has_position": "OperationRejected", "key_format": "AuthenticationError",
    "key": "AuthenticationError", "signature": "AuthenticationError", "clock": "InvalidNonce",
    "clock_ahead": "InvalidNonce", "engine_clock": "BadRequest", "liquidating": "OperationFailed",
    "reduce_only_account": "PermissionDenied", "rate_limited": "DDoSProtection",
    "orders_limited": "DDoSProtection", "banned": "DDoSProtection", "maintenance": "OnMaintenance",
    "unavailable": "OperationFailed", "overloaded": "OperationFailed",
    "unknown_status": "RequestTimeout", "unexpected": "OperationFailed",
    "unknown_error": "OperationFailed",
}  # fmt: skip


async def test_every_error_and_the_class_that_ccxt_makes_of_it(venue: Venue, binance: Any) -> None:
    assert set(CLASSES) == set(ERRORS)
    for reason, name in CLASSES.items():
        venue.script.clear()
        venue.fail(fault("overloaded", refusal=reason, path=ORDER))
        with pytest.raises(ccxt.BaseError) as caught:
            await sell(binance)
        assert (reason, type(caught.value).__name__) == (reason, name)
        _, code, message = ERRORS[reason]
        assert str(code) in str(caught.value) or message in str(caught.value)
    assert venue.engine.state.orders == {}


# Faults; those that strike both venues alike are in test_faults_of_venues.py


async def test_a_delay_holds_the_answer_back_and_the_order_lands_after_the_client_left() -> None:
    over, asked = asyncio.Event(), []

    async def held_back(delay_s: float) -> None:
        asked.append(delay_s)
        await over.wait()

    venue = binance_venue()
    venue.sleep = held_back
    venue.fail(fault("slow", path=ORDER, delay_s=7))
    async with client(venue) as binance:
        await unanswered(binance, clientOrderId="slow")
        assert (asked, venue.engine.state.orders) == ([7], {})
        over.set()

        assert (await found(binance, "slow"))["filled"] == 0.1


async def test_the_window_keeps_a_late_order_from_landing(venue: Venue, binance: Any) -> None:
    venue.fail(fault("late", path=ORDER, late_s=20, window=True))
    await unanswered(binance, clientOrderId="late")

    clock(venue).step(seconds=21)

    with pytest.raises(ccxt.OrderNotFound):
        await found(binance, "late")


async def test_positions_can_be_those_of_some_seconds_ago(venue: Venue, binance: Any) -> None:
    venue.fail(fault("stale", path="*/positionRisk", stale_s=5, count=None))
    await sell(binance)

    assert await binance.fetch_positions() == []
    clock(venue).step(seconds=6)
    assert len(await binance.fetch_positions()) == 1


async def test_fills_can_be_listed_twice_and_out_of_order(venue: Venue, binance: Any) -> None:
    for quantity in ("0.01", "0.02", "0.03"):
        await sell(binance, quantity)
    raw = {"symbol": "BTCUSDT"}
    venue.fail(
        fault("mutated", path="*/userTrades", edits=[["repeat", "body"]]),
        fault("mutated", path="*/userTrades", edits=[["reverse", "body"]], first=2),
    )

    twice = [row["qty"] for row in await binance.fapiPrivateGetUserTrades(raw)]
    back = [row["qty"] for row in await binance.fapiPrivateGetUserTrades(raw)]

    assert twice == ["0.010", "0.020", "0.030"] * 2
    assert back == ["0.030", "0.020", "0.010"]


@pytest.mark.parametrize(
    ("edit", "seen"),
    [
        (("remove", "body.0.positionAmt"), None),
        (("set", "body.0.positionAmt", None), None),
        (("set", "body.*.positionAmt", "NaN"), "NaN"),
        (("set", "body.0.positionAmt", 7), 7),
        (("set", "body.0", {}), None),
    ],
)
async def test_a_payload_can_be_mutated(
    venue: Venue, binance: Any, edit: tuple[Any, ...], seen: object
) -> None:
    await sell(binance)
    venue.fail(fault("mutated", path="*/positionRisk", edits=[edit]))

    (row,) = await binance.fapiPrivateV3GetPositionRisk()

    assert row.get("positionAmt") == seen
    (row,) = await binance.fapiPrivateV3GetPositionRisk()
    assert row["positionAmt"] == "-0.1"


async def test_a_fault_strikes_the_nth_matching_call_only(venue: Venue, binance: Any) -> None:
    venue.fail(fault("http_500", path="*/v3/account", first=2, count=2))

    await binance.fetch_balance()
    for _ in range(2):
        with pytest.raises(ccxt.ExchangeNotAvailable):
            await binance.fetch_balance()
    await binance.fetch_balance()

    assert [s.fault for s in venue.recorder.seen("GET", "*/v3/account")] == [
        "",
        "http_500",
        "http_500",
        "",
    ]
