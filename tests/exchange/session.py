"""
Sessions for ccxt that lead to a loopback exchange: over sockets, or without any.

ccxt keeps its own URLs, since it reads the market type from them; only the session knows better. Both
have what ccxt's `fetch` uses of an aiohttp session: ``async with session.get(url, data=..., ...)``.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from exchange.venue import Venue
from exchange.wire import Call, Delivery


class Redirect:
    """``https://fapi.binance.com/x`` goes to ``{base}/fapi.binance.com/x``, bytes unchanged."""

    def __init__(self, base: str) -> None:
        self._base = base.rstrip("/")
        self._session = aiohttp.ClientSession()
        self.headers = self._session.headers

    def moved(self, url: URL) -> URL:
        return URL(f"{self._base}/{url.host}{url.raw_path_qs}", encoded=True)

    def get(self, url: URL, **options: Any) -> Any:
        return self._session.get(self.moved(url), **options)

    def post(self, url: URL, **options: Any) -> Any:
        return self._session.post(self.moved(url), **options)

    def put(self, url: URL, **options: Any) -> Any:
        return self._session.put(self.moved(url), **options)

    def delete(self, url: URL, **options: Any) -> Any:
        return self._session.delete(self.moved(url), **options)

    async def close(self) -> None:
        await self._session.close()


class InProcess:
    """Asks *venue* itself; its faults are raised as aiohttp raises them."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self.headers: dict[str, str] = {}

    def get(self, url: URL, **options: Any) -> Any:
        return _Exchange(self._venue, "GET", url, options)

    def post(self, url: URL, **options: Any) -> Any:
        return _Exchange(self._venue, "POST", url, options)

    def put(self, url: URL, **options: Any) -> Any:
        return _Exchange(self._venue, "PUT", url, options)

    def delete(self, url: URL, **options: Any) -> Any:
        return _Exchange(self._venue, "DELETE", url, options)

    async def close(self) -> None:
        """Nothing is open."""


class _Exchange:
    """One request and its response, as an async context."""

    def __init__(self, venue: Venue, method: str, url: URL, options: dict[str, Any]) -> None:
        self._venue = venue
        self._call = Call(
            method=method,
            host=url.host or "",
            path=url.raw_path,
            query=url.raw_query_string,
            headers={name.lower(): text for name, text in (options.get("headers") or {}).items()},
            body=options.get("data") or b"",
        )
        self._timeout = options.get("timeout") or aiohttp.ClientTimeout()

    async def __aenter__(self) -> Self:
        async with asyncio.timeout(self._timeout.total):
            self._delivery = await self._venue.respond(self._call)
            if self._delivery.manner == "none":
                await asyncio.Event().wait()
        if self._delivery.manner == "reset":
            raise aiohttp.ClientOSError(104, "Connection reset by peer")
        if self._delivery.manner in ("close", "half_header"):
            raise aiohttp.ServerDisconnectedError
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to let go of."""

    @property
    def status(self) -> int:
        return self._delivery.reply.status

    @property
    def reason(self) -> str:
        known = {status.value: status.phrase for status in HTTPStatus}
        return known.get(self.status, "")

    @property
    def headers(self) -> CIMultiDict[str]:
        reply = self._delivery.reply
        return CIMultiDict({"Content-Type": reply.content_type, **reply.headers})

    async def text(self, **_: Any) -> str:
        delivery: Delivery = self._delivery
        if delivery.manner == "truncated":
            raise aiohttp.ClientPayloadError("Response payload is not completed")
        return delivery.reply.payload().decode()
