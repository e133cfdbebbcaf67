"""
What ccxt sends its requests through.

Enters an aiohttp session; leaves one that follows no redirect and can be led to loopback.
"""

from __future__ import annotations

from typing import Any

import aiohttp
from yarl import URL


class Session:
    """
    What ccxt sends its requests through: never follows a redirect, which could send an order twice.

    With an *endpoint* on loopback the original host becomes the first segment of the path, so that
    ccxt's own tables, which go by the URL, still apply.
    """

    def __init__(self, session: aiohttp.ClientSession, endpoint: str | None) -> None:
        self.headers = session.headers
        self._session = session
        self._endpoint = endpoint.rstrip("/") if endpoint else None

    def get(self, url: URL, **given: Any) -> Any:
        return self._session.get(self._addressed(url), allow_redirects=False, **given)

    def post(self, url: URL, **given: Any) -> Any:
        return self._session.post(self._addressed(url), allow_redirects=False, **given)

    def put(self, url: URL, **given: Any) -> Any:
        return self._session.put(self._addressed(url), allow_redirects=False, **given)

    def delete(self, url: URL, **given: Any) -> Any:
        return self._session.delete(self._addressed(url), allow_redirects=False, **given)

    def _addressed(self, url: URL) -> URL:
        if self._endpoint is None:
            return url
        query = f"?{url.raw_query_string}" if url.raw_query_string else ""
        return URL(f"{self._endpoint}/{url.host}{url.raw_path}{query}", encoded=True)
