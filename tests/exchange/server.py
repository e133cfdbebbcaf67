"""
A venue on a socket of 127.0.0.1: ``/{original host}/{path}``, and ``/_control/{action}`` beside it.

Faults of transport are real here: a reset is a reset, a cut body has its full Content-Length.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from types import TracebackType
from typing import Self

from aiohttp import web

from exchange.control import Control
from exchange.venue import Venue
from exchange.wire import Call, Delivery, Reply

LINGER_NOT = struct.pack("ii", 1, 0)
GONE_CHECK_S = 0.02


class Server:
    """``async with Server(venue) as server:`` answers at `url` until the end."""

    def __init__(self, venue: Venue, *, port: int = 0) -> None:
        self.venue = venue
        self.port = port
        self._stopped = asyncio.Event()
        self._control = Control(venue)
        app = web.Application(client_max_size=1 << 20)
        app.router.add_route("*", "/_control/{action}", self._controlled)
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
        return await self._deliver(request, await self.venue.respond(call))

    async def _controlled(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else {}
        asked = {**request.query, **body}
        try:
            return web.json_response(await self._control.do(request.match_info["action"], asked))
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
