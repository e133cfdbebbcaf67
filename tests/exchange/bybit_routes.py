"""The routes of Bybit's dialect, and what its handlers share: categories, cursors, time windows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from exchange.engine import Engine
from exchange.state import Market
from exchange.venue import Key, Right
from exchange.wire import Params, millis

WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a handler gets."""

    engine: Engine
    params: Params
    key: Key | None

    @property
    def now_ms(self) -> int:
        return millis(self.engine.now)


Handler = Callable[[Ask], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A handler; *right* None is public, ``read`` any valid key. *per_second* is the venue's limit."""

    handler: Handler
    right: Right | None
    per_second: int


class Rejected(Exception):
    """An error of the dialect alone: code and message as the venue words them."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


ROUTES: dict[tuple[str, str], Route] = {}


def route(
    method: str, path: str, right: Right | None = None, per_second: int = 50
) -> Callable[[Handler], Handler]:
    """Register a handler of *method* at *path*."""

    def register(handler: Handler) -> Handler:
        ROUTES[method, path] = Route(handler=handler, right=right, per_second=per_second)
        return handler

    return register


def wrong(what: str) -> Rejected:
    """10001, as the venue words it."""
    return Rejected(10001, f"params error: {what}")


def category(ask: Ask, *allowed: str) -> str:
    """The product asked for: linear, inverse or spot. Raises `Rejected`."""
    asked = ask.params.need("category")
    if asked not in (allowed or ("linear", "inverse")):
        raise wrong("Category is invalid")
    return asked


def of_category(ask: Ask, asked: str) -> list[Market]:
    """The contracts of a category."""
    inverse = asked == "inverse"
    return [m for m in ask.engine.state.markets.values() if m.contract.inverse == inverse]


def market(ask: Ask) -> Market:
    """The named market, in the category it is of. Raises `Rejected`."""
    asked, symbol = category(ask), ask.params.need("symbol")
    found = [m for m in of_category(ask, asked) if m.contract.id == symbol]
    if not found:
        raise Rejected(10001, "Not supported symbols")
    return found[0]


def paged(
    ask: Ask, rows: Sequence[object], *, size: int, most: int, name: str = "list"
) -> dict[str, object]:
    """A page of *rows* from the cursor on, and the cursor of the next; empty when there is none."""
    size = min(ask.params.whole("limit", size), most)
    cursor = ask.params.text("cursor").partition(":")[0]
    start = int(cursor) if cursor.isdigit() else 0
    end = start + size
    following = quote(f"{end}:{len(rows)}", safe="") if end < len(rows) else ""
    return {name: list(rows[start:end]), "nextPageCursor": following}


def window(ask: Ask, span: timedelta = WEEK) -> tuple[datetime, datetime]:
    """The asked range: *span* from its start, or up to its end, or up to now; a week at most."""
    start, end = ask.params.moment("startTime"), ask.params.moment("endTime")
    if start and end:
        if start > end:
            raise wrong("startTime should be smaller than endTime")
        if end - start > WEEK:
            raise wrong("The time range between startTime and endTime cannot exceed 7 days")
        return start, end
    if start:
        return start, start + span
    end = end or ask.engine.now
    return end - span, end


def uuid(kind: str, number: int) -> str:
    """The id that the venue shows for our number: it looks random and always is the same."""
    text = hashlib.sha256(f"{kind}{number}".encode()).hexdigest()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"
