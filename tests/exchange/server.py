"""
Venues on a socket of 127.0.0.1: ``/{original host}/{path}``, and ``/_control/{action}`` beside it.

Several share the socket as they share the world: the host tells whose an address is, and the key
whose account, where two are of one venue. ``/_control/{name}/{action}`` is of the one so called.
Faults of transport are real here: a reset is a reset, a cut body has its full Content-Length.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

from aiohttp import web

from exchange.control import Control
from exchange.venue import Venue
from exchange.wire import Call, Delivery, Reply

LINGER_NOT = struct.pack("ii", 1, 0)
GONE_CHECK_S = 0.02
KEY_HEADERS = ("x-mbx-apikey", "x-bapi-api-key")


class Server:
    """``async with Server(venue) as server:`` answers at `url` until the end, *beside* it others."""

    def __init__(
        self, venue: Venue, *, port: int = 0, beside: Mapping[str, Venue] | None = None
    ) -> None:
        self.venue = venue
        self.port = port
        self._stopped = asyncio.Event()
        self._control = Control(venue)
        self._controls = {name: Control(other) for name, other in (beside or {}).items()}
        self._all = (venue, *(beside or {}).values())
        app = web.Application(client_max_size=1 << 20)
        app.router.add_route("*", "/_control/{action}", self._controlled)
        app.router.add_route("*", "/_control/{name}/{action}", self._controlled)
        app.router.add_route("*", "/{host}/{path:.*}", self._asked)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def stop(self) -> None:
        self._stopped.set()
        await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _asked(self, request: web.Request) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        _, host, path = path.split("/", 2)
        call = Call(
            method=request.method,
            host=host,
            path=f"/{path}",
            query=query,
            headers={name.lower(): text for name, text in request.headers.items()},
            body=await request.read(),
        )
        return await self._deliver(request, await self._asked_of(call).respond(call))

    def _asked_of(self, call: Call) -> Venue:
        """The venue at the host of *call*; of two there the one that knows its key, else the first."""
        there = [one for one in self._all if one.engine.rules.venue in call.host] or [self.venue]
        key = next((call.headers[name] for name in KEY_HEADERS if name in call.headers), None)
        return next((one for one in there if key in one.dialect.keys), there[0])

    async def _controlled(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else {}
        asked = {**request.query, **body}
        name = request.match_info.get("name")
        try:
            control = self._controls[name] if name else self._control
            return web.json_response(await control.do(request.match_info["action"], asked))
        except Exception as error:  # noqa: BLE001
            return web.json_response({"error": repr(error)}, status=400)

    async def _deliver(self, request: web.Request, delivery: Delivery) -> web.StreamResponse:
        reply, transport = delivery.reply, request.transport
        if delivery.manner == "whole" or transport is None:
            return _response(reply)
        assert isinstance(transport, asyncio.Transport)
        if delivery.manner == "none":
            await self._until_gone(transport)
        elif delivery.manner == "reset":
            kept = transport.get_extra_info("socket")
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        elif delivery.manner == "half_header":
            transport.write(b"HTTP/1.1 200 OK\r\nContent-Ty")
        elif delivery.manner == "truncated":
            body = reply.payload()
            head = f"HTTP/1.1 {reply.status} OK\r\nContent-Type: {reply.content_type}\r\n"
            transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
            transport.write(body[: len(body) // 2])
        transport.close()
        return web.Response()

    async def _until_gone(self, transport: asyncio.Transport) -> None:
        """Wait until the client hangs up, or the server stops."""
        while not (self._stopped.is_set() or transport.is_closing()):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), GONE_CHECK_S)


def _response(reply: Reply) -> web.Response:
    headers = {"Content-Type": reply.content_type, **reply.headers}
    return web.Response(status=reply.status, body=reply.payload(), headers=headers)
