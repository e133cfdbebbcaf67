"""Faults that strike both venues alike: what ccxt makes of each, and orders that land late or hide."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import ccxt.async_support as ccxt
import pytest
import pytest_asyncio

from exchange.clients import (
    IMPATIENT_MS,
    TIMEOUT_MS,
    client,
    clock,
    found,
    outcome,
    sell,
    unanswered,
)
from exchange.faults import fault
from exchange.opening import binance_venue, bybit_venue
from exchange.venue import Venue


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What the venues differ in: where an order is sent and looked up, and what ccxt tells."""

    opened: Callable[[], Venue]
    create: str
    lookup: str
    absent: str
    faults: list[tuple[str, str, bool]]


# A fault, the class that ccxt raises, and whether the order landed.

BINANCE_FAULTS = [
    ("lost", "RequestTimeout", False),
    ("landed_then_silent", "RequestTimeout", True),
    ("reset", "ExchangeNotAvailable", False),
    ("close", "ExchangeNotAvailable", False),
    ("landed_then_reset", "ExchangeNotAvailable", True),
    ("landed_then_close", "ExchangeNotAvailable", True),
    ("half_header", "ExchangeNotAvailable", True),
    ("truncated", "ExchangeError", True),
    ("html", "", True),
    ("empty", "", True),
    ("null", "", True),
    ("object", "", True),
    ("waf", "ExchangeNotAvailable", False),
    ("http_500", "ExchangeNotAvailable", False),
    ("landed_502", "ExchangeNotAvailable", True),
    ("landed_503", "ExchangeNotAvailable", True),
    ("landed_504", "RequestTimeout", True),
    ("http_520", "ExchangeNotAvailable", False),
    ("landed_524", "", True),
    ("landed_529", "", True),
    ("rate_limited", "DDoSProtection", False),
    ("banned", "DDoSProtection", False),
    ("maintenance", "OnMaintenance", False),
    ("unknown_status", "RequestTimeout", True),
    ("overloaded", "OperationFailed", False),
]
BYBIT_FAULTS = [
    ("lost", "RequestTimeout", False),
    ("landed_then_silent", "RequestTimeout", True),
    ("reset", "ExchangeNotAvailable", False),
    ("landed_then_close", "ExchangeNotAvailable", True),
    ("half_header", "ExchangeNotAvailable", True),
    ("truncated", "ExchangeError", True),
    ("html", "", True),
    ("empty", "", True),
    ("null", "", True),
    ("object", "ExchangeError", True),
    ("waf", "RateLimitExceeded", False),
    ("http_500", "ExchangeNotAvailable", False),
    ("landed_503", "ExchangeNotAvailable", True),
    ("landed_504", "RequestTimeout", True),
    ("landed_524", "", True),
    ("rate_limited", "RateLimitExceeded", False),
    ("banned", "RateLimitExceeded", False),
    ("unknown_status", "ExchangeError", True),
]
BINANCE = Spoken(
    opened=binance_venue,
    create="*/fapi/v1/order",
    lookup="*/fapi/v1/order",
    absent="-2013",
    faults=BINANCE_FAULTS,
)
BYBIT = Spoken(
    opened=bybit_venue,
    create="*/v5/order/create",
    lookup="*/v5/order/realtime",
    absent="was not found",
    faults=BYBIT_FAULTS,
)


@pytest.fixture(params=[BINANCE, BYBIT], ids=["binance", "bybit"])
def spoken(request: pytest.FixtureRequest) -> Spoken:
    chosen: Spoken = request.param
    return chosen


@pytest.fixture
def venue(spoken: Spoken) -> Venue:
    return spoken.opened()


@pytest_asyncio.fixture
async def exchange(venue: Venue) -> AsyncIterator[Any]:
    async with client(venue) as made:
        yield made


@pytest.mark.parametrize("sockets", [True, False], ids=["socket", "in process"])
async def test_what_each_fault_looks_like(spoken: Spoken, venue: Venue, sockets: bool) -> None:
    """An empty class: ccxt raises nothing and returns an order without an id."""
    async with client(venue, sockets=sockets) as exchange:
        for number, (name, error, landed) in enumerate(spoken.faults):
            venue.script.clear()
            venue.fail(fault(name, method="POST", path=spoken.create))
            exchange.timeout = IMPATIENT_MS if name in ("lost", "landed_then_silent") else TIMEOUT_MS
            named = f"faulty{number}"
            assert (name, await outcome(exchange, clientOrderId=named)) == (name, error)
            order = venue.engine.find("BTCUSDT", client_order_id=named)
            assert (name, order is not None) == (name, landed)
            exchange.timeout = TIMEOUT_MS
            assert (await sell(exchange, "0.01"))["id"]


async def test_an_order_lands_late_though_a_lookup_did_not_find_it(
    spoken: Spoken, venue: Venue, exchange: Any
) -> None:
    venue.fail(fault("late", path=spoken.create, late_s=20))
    await unanswered(exchange, clientOrderId="late")
    with pytest.raises(ccxt.OrderNotFound):
        await found(exchange, "late")

    clock(venue).step(seconds=21)

    assert (await found(exchange, "late"))["filled"] == 0.1


async def test_an_order_lands_right_after_the_lookup_that_did_not_find_it(
    spoken: Spoken, venue: Venue, exchange: Any
) -> None:
    venue.fail(fault("late_after_lookup", method="POST", path=spoken.create))
    await unanswered(exchange, clientOrderId="late")
    with pytest.raises(ccxt.OrderNotFound):
        await found(exchange, "other")
    assert venue.engine.state.orders == {}

    with pytest.raises(ccxt.OrderNotFound):
        await found(exchange, "late")

    assert (await found(exchange, "late"))["filled"] == 0.1


async def test_an_order_that_exists_can_be_hidden(spoken: Spoken, venue: Venue, exchange: Any) -> None:
    await sell(exchange, clientOrderId="there")
    venue.fail(fault("hidden", method="GET", path=spoken.lookup, count=2))

    for _ in range(2):
        with pytest.raises(ccxt.OrderNotFound, match=spoken.absent):
            await found(exchange, "there")
    assert (await found(exchange, "there"))["filled"] == 0.1
