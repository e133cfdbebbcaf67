"""The routes of Binance's dialect: who registers a handler, what a call weighs, what right it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from exchange.engine import Engine
from exchange.venue import Key, Right
from exchange.wire import Params, millis

API, FAPI, DAPI = "api.binance.com", "fapi.binance.com", "dapi.binance.com"
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
Weigh = Callable[[Params], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A handler; *right* None is public, ``read`` any valid key."""

    handler: Handler
    weigh: Weigh
    right: Right | None


class Rejected(Exception):
    """An error of the dialect alone: code and message as the venue words them."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


ROUTES: dict[tuple[str, str, str], Route] = {}


def route(
    method: str, host: str, path: str, weight: int | Weigh = 1, right: Right | None = None
) -> Callable[[Handler], Handler]:
    """Register a handler of *method* at *host* and *path*."""
    weigh = weight if callable(weight) else lambda _: weight

    def register(handler: Handler) -> Handler:
        ROUTES[method, host, path] = Route(handler=handler, weigh=weigh, right=right)
        return handler

    return register


def per_symbol(one: int, every: int) -> Weigh:
    """A weight that depends on whether a symbol is named."""
    return lambda params: one if params.values.get("symbol") else every


def by_limit(default: int, *steps: tuple[int, int]) -> Weigh:
    """A weight that grows with the limit: (up to, weight) rising."""

    def weigh(params: Params) -> int:
        text = params.values.get("limit", "")
        limit = int(text) if text.isdigit() else default
        return next((weight for most, weight in steps if limit <= most), steps[-1][1])

    return weigh


def window(ask: Ask, span: timedelta = WEEK) -> tuple[datetime, datetime]:
    """The asked time range: *span* from its start, or up to its end, or up to now."""
    start, end = ask.params.moment("startTime"), ask.params.moment("endTime")
    if start and end:
        if start > end:
            raise Rejected(-1023, "Start time is greater than end time.")
        if end - start > span:
            raise Rejected(-4165, f"Maximum time interval is {span.days} days")
    if start:
        return start, end or min(start + span, ask.engine.now)
    end = end or ask.engine.now
    return end - span, end
