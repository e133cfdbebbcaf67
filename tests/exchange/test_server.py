"""The exchange as a process of its own, told over its control endpoints."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from exchange.clients import CLASSES, OPTIONS
from exchange.faults import fault
from exchange.opening import binance_venue, bybit_venue
from exchange.server import Server
from exchange.session import Redirect
from exchange.venue import KEY, SECRET, Key

TESTS = Path(__file__).parent.parent
SYMBOL = {"binance": "BTCUSDT", "bybit": "BTCUSDT"}
ORDER = {"binance": "*/fapi/v1/order", "bybit": "*/v5/order/create"}


@asynccontextmanager
async def process(name: str) -> AsyncIterator[str]:
    """The URL of an exchange that runs on its own."""
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "exchange", "--venue", name,
        stdout=asyncio.subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(TESTS)},
    )  # fmt: skip
    assert running.stdout is not None
    try:
        port = int(await asyncio.wait_for(running.stdout.readline(), 60))
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        assert await asyncio.wait_for(running.wait(), 30) == 0


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("reset", aiohttp.ClientOSError),
        ("close", aiohttp.ServerDisconnectedError),
        ("half_header", aiohttp.ServerDisconnectedError),
        ("truncated", aiohttp.ClientPayloadError),
    ],
)
async def test_the_connection_breaks_as_told(name: str, error: type[Exception]) -> None:
    venue = binance_venue()
    venue.fail(fault(name, count=None))
    async with Server(venue) as server, aiohttp.ClientSession() as session:
        with pytest.raises(error) as caught:
            await body(session, f"{server.url}/fapi.binance.com/fapi/v1/exchangeInfo")
        assert type(caught.value).__name__ in (error.__name__, "ClientConnectionResetError")


async def test_two_venues_and_two_accounts_of_one_share_an_address() -> None:
    first, second = binance_venue(), binance_venue(keys=(Key(name="second-key"),))
    bybit = bybit_venue()
    beside = {"second": second, "bybit": bybit}
    asked = {
        "fapi.binance.com/fapi/v1/time": ({}, first),
        "api.binance.com/api/v3/time": ({"X-MBX-APIKEY": "second-key"}, second),
        "dapi.binance.com/dapi/v1/time": ({"X-MBX-APIKEY": "nobodys-key"}, first),
        "api.bybit.com/v5/market/time": ({"X-BAPI-API-KEY": KEY}, bybit),
    }
    async with Server(first, beside=beside) as server, aiohttp.ClientSession() as session:
        for path, (headers, venue) in asked.items():
            async with session.get(f"{server.url}/{path}", headers=headers) as answer:
                await answer.text()
            assert venue.recorder.all[-1].call.place == path
        for door, venue in {"": first, "second/": second, "bybit/": bybit}.items():
            coins = {"coin": "BTC", "amount": "2"}
            async with session.post(f"{server.url}/_control/{door}holding", json=coins) as answer:
                assert await answer.json() == {}
            assert venue.engine.state.spot["BTC"] == 2
        async with session.post(f"{server.url}/_control/nobody/state") as answer:
            assert "error" in await answer.json()

    assert [len(venue.recorder.all) for venue in (first, second, bybit)] == [2, 1, 1]


async def body(session: aiohttp.ClientSession, url: str) -> str:
    async with session.post(url) as answer:
        return await answer.text()


@pytest.mark.parametrize("name", ["binance", "bybit"])
async def test_a_process_trades_and_is_told(name: str) -> None:
    async with (
        process(name) as url,
        aiohttp.ClientSession(f"{url}/_control/") as control,
        trader(name, url) as exchange,
    ):

        async def tell(action: str, **asked: Any) -> Any:
            async with control.post(action, json=asked) as answer:
                return await answer.json()

        arrived = asyncio.create_task(tell("wait", method="POST", path=ORDER[name]))
        await exchange.create_order(
            "BTC/USDT:USDT", "limit", "sell", "0.1", "59900",
            {"timeInForce": "IOC", "clientOrderId": "ours1"},
        )  # fmt: skip
        assert "ours1" in (await arrived)["request"]

        moved = await tell("price", symbol=SYMBOL[name], mark="61000")
        assert moved["positions"][0]["quantity"] == "-0.1"
        by_hand = await tell("trade", symbol=SYMBOL[name], side="buy", quantity="0.04")
        assert (by_hand["status"], by_hand["cause"]) == ("filled", "manual")
        await tell("funding", symbol=SYMBOL[name], rate="0.001")
        (position,) = await exchange.fetch_positions()
        assert position["contracts"] == pytest.approx(0.06)

        await tell("fault", name="landed_503", path=ORDER[name])
        with pytest.raises(Exception, match="503"):
            await exchange.create_order(
                "BTC/USDT:USDT", "limit", "buy", "0.06", "61100",
                {"timeInForce": "IOC", "reduceOnly": True},
            )  # fmt: skip
        state = await tell("state")
        assert state["positions"] == []
        assert [entry["kind"] for entry in state["entries"]].count("funding") == 1
        told = await tell("requests", method="POST", path=ORDER[name])
        assert [row["fault"] for row in told] == ["", "landed_503"]
        assert "error" in await tell("nonsense")


async def test_what_was_asked_is_forgotten_when_told() -> None:
    async with (
        process("binance") as url,
        aiohttp.ClientSession(f"{url}/_control/") as control,
        trader("binance", url) as exchange,
    ):

        async def used() -> int:
            await exchange.fetch_positions()
            return int(exchange.last_response_headers["X-MBX-USED-WEIGHT-1M"])

        first = await used()
        async with control.post("forget_used", json={}):
            second = await used()

    assert second < first


@asynccontextmanager
async def trader(name: str, url: str) -> AsyncIterator[Any]:
    session = Redirect(url)
    has = {"has": {"fetchCurrencies": False}} if name == "bybit" else {}
    exchange = CLASSES[name](
        {"apiKey": KEY, "secret": SECRET, "session": session, "options": OPTIONS[name], **has}
    )
    exchange.timeout_on_exit = 0
    try:
        yield exchange
    finally:
        await exchange.close()
        await session.close()
