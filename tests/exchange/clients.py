"""The real ccxt classes, led to a venue and kept on its clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import ccxt.async_support as ccxt

from exchange.clocks import Stopped
from exchange.server import Server
from exchange.session import InProcess, Redirect
from exchange.venue import KEY, SECRET, Venue
from exchange.wire import millis

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
TIMEOUT_MS = 5000
IMPATIENT_MS = 200
"""For a call whose answer is known not to come."""
CLASSES = {"binance": ccxt.binanceusdm, "bybit": ccxt.bybit}
OPTIONS: dict[str, dict[str, Any]] = {
    "binance": {"fetchCurrencies": False, "warnOnFetchOpenOrdersWithoutSymbol": False},
    "bybit": {"fetchMarkets": {"types": ["linear", "inverse"]}},
}


async def sell(
    exchange: Any, quantity: str = "0.1", price: str = "59900", symbol: str = BTC, **params: Any
) -> Any:
    """A price-capped IOC, as the daemon sends it."""
    asked = {"timeInForce": "IOC"} | params
    return await exchange.create_order(symbol, "limit", "sell", quantity, price, asked)


async def buy(
    exchange: Any, quantity: str = "0.1", price: str = "60100", symbol: str = BTC, **params: Any
) -> Any:
    """The other way."""
    asked = {"timeInForce": "IOC"} | params
    return await exchange.create_order(symbol, "limit", "buy", quantity, price, asked)


async def found(exchange: Any, client_order_id: str, symbol: str = BTC) -> Any:
    """The order by our id, the way that works on the venue."""
    asked: dict[str, Any] = {"clientOrderId": client_order_id}
    if exchange.id == "bybit":
        asked = {"orderLinkId": client_order_id, "acknowledged": True}
    return await exchange.fetch_order("", symbol, asked)


async def unanswered(exchange: Any, **params: Any) -> None:
    """Sell, and give up waiting."""
    exchange.timeout = IMPATIENT_MS
    try:
        await sell(exchange, **params)
    except ccxt.RequestTimeout:
        exchange.timeout = TIMEOUT_MS
        return
    raise AssertionError("an answer came")


async def outcome(exchange: Any, **params: Any) -> str:
    """Sell 0.01: the class that ccxt raises, nothing for an order without an id, or ``an order``."""
    try:
        order = await sell(exchange, "0.01", **params)
    except ccxt.BaseError as error:
        return type(error).__name__
    return "" if order["id"] is None else "an order"


def clock(venue: Venue) -> Stopped:
    """The clock to step."""
    assert isinstance(venue.engine.clock, Stopped)
    return venue.engine.clock


@asynccontextmanager
async def client(
    venue: Venue, *, sockets: bool = True, key: str = KEY, secret: str = SECRET
) -> AsyncIterator[Any]:
    """A ccxt client of *venue*, markets loaded; over sockets unless told otherwise."""
    if not sockets:
        async with _connected(venue, InProcess(venue), key, secret) as exchange:
            yield exchange
        return
    async with Server(venue) as server:
        session = Redirect(server.url)
        try:
            async with _connected(venue, session, key, secret) as exchange:
                yield exchange
        finally:
            await session.close()


@asynccontextmanager
async def _connected(
    venue: Venue, session: Redirect | InProcess, key: str, secret: str
) -> AsyncIterator[Any]:
    name = venue.engine.rules.venue
    exchange = CLASSES[name](
        {
            "apiKey": key,
            "secret": secret,
            "session": session,
            "enableRateLimit": False,
            "timeout": TIMEOUT_MS,
            "options": OPTIONS[name],
            **({"has": {"fetchCurrencies": False}} if name == "bybit" else {}),
        }
    )
    exchange.timeout_on_exit = 0
    exchange.milliseconds = lambda: millis(venue.engine.now)
    try:
        await exchange.load_markets()
        yield exchange
    finally:
        await exchange.close()
