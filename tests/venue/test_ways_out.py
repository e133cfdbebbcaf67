"""What goes through a proxy arrives, names are resolved there, and nothing goes around one."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from exchange.opening import binance_venue
from exchange.server import Server
from exchange.venue import Venue
from hedged.errors import VenueUnavailable
from hedged.venue.budget import Budgets
from hedged.venue.opening import DIALECTS
from hedged.venue.wire import Proxies, Wire

NOWHERE = "exchange.invalid"
"""A name that no machine resolves (RFC 6761): only a proxy can know where it leads."""
DOMAIN = 3
"""SOCKS5's type of an address that is a name (RFC 1928, 5)."""

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class Proxy:
    """What a proxy on loopback was asked for; it leads every name to *port*, or refuses."""

    port: int
    refuses: bool = False
    asked: list[str] = field(default_factory=list)
    signed: list[str] = field(default_factory=list)

    async def http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A plain request in absolute form is passed on; a tunnel (CONNECT) is noted and refused."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, target, version = first.split(" ")
        self.asked.append(f"{method} {target}")
        by_name = {name.lower(): text for name, _, text in (line.partition(": ") for line in lines)}
        self.signed.append(by_name.get("proxy-authorization", ""))
        if self.refuses or method == "CONNECT":
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            return
        url = urlsplit(target)
        kept = [one for one in lines if not one.lower().startswith("proxy-")]
        path = f"{url.path}?{url.query}" if url.query else url.path
        await self._passed_on(
            reader, writer, "\r\n".join([f"{method} {path} {version}", *kept]).encode("latin-1")
        )

    async def socks5(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """RFC 1928 with user and password (RFC 1929)."""
        _, methods = await reader.readexactly(2)
        signs_on = 2 in await reader.readexactly(methods)
        writer.write(b"\x05\x02" if signs_on else b"\x05\x00")
        if signs_on:
            parts = []
            await reader.readexactly(1)
            for _ in range(2):
                (length,) = await reader.readexactly(1)
                parts.append((await reader.readexactly(length)).decode())
            self.signed.append(":".join(parts))
            writer.write(b"\x01\x00")
        *_, kind = await reader.readexactly(4)
        (length,) = await reader.readexactly(1) if kind == DOMAIN else (4,)
        host = (await reader.readexactly(length)).decode("latin-1")
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.asked.append(f"{kind} {host}:{port}")
        verdict = b"\x02" if self.refuses else b"\x00"  # 2: not allowed by the ruleset
        writer.write(b"\x05" + verdict + b"\x00\x01" + bytes(6))
        await writer.drain()
        if not self.refuses:
            await self._passed_on(reader, writer, b"")

    async def _passed_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes
    ) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.port)
        far_writer.write(head)
        both = [
            asyncio.create_task(_copied(reader, far_writer)),
            asyncio.create_task(_copied(far_reader, writer)),
        ]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for one in both:
            one.cancel()
        await asyncio.gather(*both, return_exceptions=True)
        far_writer.close()


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while part := await reader.read(65_536):
        writer.write(part)
        await writer.drain()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """A loopback exchange, and the ports of an HTTP and a SOCKS5 proxy before it."""

    venue: Venue
    proxy: Proxy
    http: int
    socks: int
    direct: str


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[int]:
    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(guarded, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest_asyncio.fixture
async def ways() -> AsyncIterator[Ways]:
    venue = binance_venue()
    async with Server(venue) as server:
        port = urlsplit(server.url).port
        assert port is not None
        proxy = Proxy(port)
        async with listening(proxy.http) as http, listening(proxy.socks5) as socks:
            yield Ways(venue=venue, proxy=proxy, http=http, socks=socks, direct=server.url)


@asynccontextmanager
async def wire(ways: Ways, proxies: Proxies, endpoint: str | None) -> AsyncIterator[Wire]:
    clock = ways.venue.engine.clock
    speech = DIALECTS["binance"].speech
    made = Wire(speech, Budgets(clock.seconds), clock, endpoint=endpoint, proxies=proxies)
    try:
        yield made
    finally:
        await made.close()


def through(ways: Ways, kind: str, signed: str = "") -> Proxies:
    if kind == "http":
        return Proxies(https=f"http://{signed}127.0.0.1:{ways.http}")
    return Proxies(socks=f"socks5://{signed}127.0.0.1:{ways.socks}")


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("http", f"GET http://{NOWHERE}:7/fapi.binance.com/fapi/v1/time"),
        ("socks5", f"{DOMAIN} {NOWHERE}:7"),
    ],
)
async def test_a_read_goes_through_the_proxy_which_resolves_the_name(
    ways: Ways, kind: str, asked: str
) -> None:
    async with wire(ways, through(ways, kind), f"http://{NOWHERE}:7") as line:
        answer = await line.read("fapiPublicGetTime")
    (seen,) = ways.venue.recorder.all

    assert answer["serverTime"]
    assert (seen.call.host, seen.call.path) == ("fapi.binance.com", "/fapi/v1/time")
    assert ways.proxy.asked == [asked]


@pytest.mark.parametrize("kind", ["http", "socks5"])
async def test_it_signs_on_with_what_was_quoted(ways: Ways, kind: str) -> None:
    async with wire(ways, through(ways, kind, "me:p%40ss@"), f"http://{NOWHERE}:7") as line:
        await line.read("fapiPublicGetTime")
    told = ways.proxy.signed[0]

    assert (base64.b64decode(told.split()[-1]).decode() if kind == "http" else told) == "me:p@ss"


@pytest.mark.parametrize("kind", ["http", "socks5"])
async def test_nothing_reaches_the_exchange_when_the_proxy_refuses(ways: Ways, kind: str) -> None:
    ways.proxy.refuses = True
    async with wire(ways, through(ways, kind), ways.direct) as line:
        with pytest.raises(VenueUnavailable):
            await line.read("fapiPublicGetTime")

    assert ways.proxy.asked
    assert ways.venue.recorder.all == []


@pytest.mark.parametrize(
    ("kind", "asked"),
    [("http", "CONNECT fapi.binance.com:443"), ("socks5", f"{DOMAIN} fapi.binance.com:443")],
)
async def test_the_real_address_is_asked_for_as_a_tunnel_and_by_name(
    ways: Ways, kind: str, asked: str
) -> None:
    ways.proxy.refuses = True  # nothing may leave this machine
    async with wire(ways, through(ways, kind), None) as line:
        with pytest.raises(VenueUnavailable):
            await line.read("fapiPublicGetTime")

    assert set(ways.proxy.asked) == {asked}
