"""What the exchange was asked: every request with its bytes, its weight and the fault it met."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from urllib.parse import parse_qsl, urlencode

from exchange.wire import Call

VOLATILE = {"timestamp", "signature"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request at the exchange's time *at*."""

    at: datetime
    call: Call
    weight: int
    fault: str

    @property
    def bytes(self) -> bytes:
        """Method, place, query and body as they came."""
        return f"{self.call.method} {self.call.place}?{self.call.query} ".encode() + self.call.body

    @property
    def golden(self) -> str:
        """The same without what changes from run to run: timestamp and signature."""
        query, body = _steady(self.call.query), self.call.body.decode(errors="replace")
        body = body if body.startswith("{") else _steady(body)
        return f"{self.call.method} {self.call.place}?{query} {body}".replace("? ", " ").strip()


def _steady(form: str) -> str:
    return urlencode([p for p in parse_qsl(form, keep_blank_values=True) if p[0] not in VOLATILE])


class Recorder:
    """All requests in order; `wait` lets a driver act on one as it arrives."""

    def __init__(self) -> None:
        self.all: list[Seen] = []
        self.weights: Counter[str] = Counter()
        self._arrived: asyncio.Condition | None = None

    async def note(self, seen: Seen) -> None:
        self.all.append(seen)
        self.weights[seen.call.host] += seen.weight
        if self._arrived:
            async with self._arrived:
                self._arrived.notify_all()

    def seen(self, method: str = "*", path: str = "*") -> list[Seen]:
        """Requests of that method whose place fits the pattern."""
        return [
            s for s in self.all if method in ("*", s.call.method) and fnmatchcase(s.call.place, path)
        ]

    async def wait(self, method: str, path: str, count: int = 1) -> Seen:
        """The request with which *count* of them have been seen."""
        self._arrived = self._arrived or asyncio.Condition()
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.seen(method, path)) >= count)
        return self.seen(method, path)[count - 1]

    def clear(self) -> None:
        self.all.clear()
        self.weights.clear()
