"""
The way to the exchange and back: requests take time, get lost, come late, or are answered by a proxy.

Enters an endpoint and its parameters; leaves the exchange's answer, or what a client gets to see of a
fault. A request that is on its way arrives even when the process that sent it is dead.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from hedged.venue.wire import Answered
from simulation.faults import ORDER_FAULTS, READ_FAULTS, Swarm
from simulation.world import World

TIMEOUT_S = 10.0
WINDOW = timedelta(seconds=5)
AHEAD = timedelta(seconds=1)
LATE_S_MAX = 290.0
"""With the request's own window and way no order lands more than 300 seconds after it was sent."""
HTML = "<html><h1>502 Bad Gateway</h1></html>"

Params = Mapping[str, Any]
Answer = Callable[[str, Params], Any]


class Seen(Protocol):
    """Who watches the wire."""

    def posted(self, params: Params, signed_at: datetime) -> None:
        """An order left the daemon."""

    def replied(self, client_order_id: str, what: str) -> None:
        """What the daemon got to hear of an order, if anything."""

    def happened(self, what: str, **about: object) -> None:
        """Anything else."""


@dataclass(slots=True, kw_only=True)
class Fate:
    """What becomes of one request."""

    out_s: float
    back_s: float
    fault: str = ""
    late_s: float = 0.0


class Network:
    """Carries requests between one machine and one exchange."""

    def __init__(self, seed: int, world: World, swarm: Swarm, answer: Answer, seen: Seen) -> None:
        self.world = world
        self.swarm = swarm
        self.answer = answer
        self.seen = seen
        self.carried = 0
        self._dice = random.Random(f"{seed} network")
        self._far = self._dice.choice((0.02, 0.08, 0.3))

    def fate(self, endpoint: str) -> Fate:
        """Drawn for every request."""
        now, dice = self.world.time.seconds, self._dice
        fate = Fate(
            out_s=round(self._far * dice.uniform(0.3, 1.5), 6),
            back_s=round(self._far * dice.uniform(0.3, 1.5), 6),
        )
        if now < self.world.maintenance_until:
            fate.fault = "maintenance"
            return fate
        fate.fault = self.swarm.first(ORDER_FAULTS if endpoint == "order" else READ_FAULTS, now)
        if fate.fault in ("order_slow", "read_slow"):
            fate.back_s = self.swarm.between(9.0, 40.0)
        elif fate.fault == "order_past_window":
            fate.out_s = self.swarm.between(5.5, 60.0)
        elif fate.fault in ("order_late", "order_late_unknown"):
            fate.late_s = self.swarm.mostly_small(1.0, LATE_S_MAX)
        return fate

    async def carry(self, endpoint: str, params: Params, signed_at: datetime) -> Any:
        """
        What the exchange answers.

        Raises
        ------
        Answered
            When it, or something on the way, answers with an error.
        TimeoutError
            When nothing comes back in time.
        """
        loop = asyncio.get_running_loop()
        self.carried += 1
        fate = self.fate(endpoint)
        if endpoint == "order":
            self.seen.posted(params, signed_at)
        if fate.fault:
            self.seen.happened("fault", name=fate.fault, endpoint=endpoint)
        reply: asyncio.Future[Any] = loop.create_future()
        late = loop.call_later(TIMEOUT_S, _give_up, reply)
        loop.call_later(fate.out_s, self._arrive, endpoint, params, signed_at, fate, reply)
        try:
            found = await reply
        except BaseException as error:
            if endpoint == "order":
                self.seen.replied(params["client_order_id"], _words(error))
            raise
        finally:
            late.cancel()
        if endpoint == "order":
            self.seen.replied(params["client_order_id"], "answered")
        return found

    def _arrive(
        self, endpoint: str, params: Params, signed_at: datetime, fate: Fate, reply: asyncio.Future[Any]
    ) -> None:
        """The request is at the exchange, or at what stands before it."""
        loop, fault = asyncio.get_running_loop(), fate.fault
        spoiled = _SPOILED.get(fault)
        if fault in _NEVER or (spoiled is None and fault in ("read_lost", "order_lost")):
            if spoiled is not None:
                loop.call_later(fate.back_s, _fail, reply, spoiled)
            return
        found, error = self._processed(endpoint, params, signed_at, fate)
        if fault in ("order_reply_lost", "order_late"):
            return
        if spoiled is not None and not (isinstance(error, Answered) and error.code == "recv_window"):
            found, error = None, spoiled
        if error is not None:
            loop.call_later(fate.back_s, _fail, reply, error)
        else:
            loop.call_later(fate.back_s, _succeed, reply, found)

    def _processed(
        self, endpoint: str, params: Params, signed_at: datetime, fate: Fate
    ) -> tuple[Any, BaseException | None]:
        now = self.world.time()
        private = endpoint not in PUBLIC
        if private and not (now - WINDOW <= signed_at <= now + AHEAD):
            return None, Answered(400, "recv_window", "timestamp outside of recvWindow")
        if endpoint == "order" and fate.fault == "order_rejected":
            return None, Answered(400, "margin", "margin is insufficient")
        if fate.late_s:
            asyncio.get_running_loop().call_later(fate.late_s, self._land, endpoint, params)
            return None, None
        self.world.engine.tick()
        try:
            return self.answer(endpoint, params), None
        except Answered as error:
            return None, error

    def _land(self, endpoint: str, params: Params) -> None:
        """An order comes out of the exchange's own queue, long after it was taken in."""
        self.seen.happened("lands_late", client_order_id=params["client_order_id"])
        try:
            self.answer(endpoint, params)
        except Answered as error:
            self.seen.happened("late_refused", reason=str(error))


PUBLIC = frozenset({"time", "listings", "quotes", "prices", "marks", "bars", "funding", "interest"})

_PROXY = Answered(503, None, HTML)
_NEVER = frozenset(
    {"maintenance", "order_http_503", "read_http_503", "read_html", "rate_limited", "banned"}
    | {"read_truncated"}
)
_SPOILED: dict[str, BaseException] = {
    "maintenance": _PROXY,
    "order_http_503": _PROXY,
    "read_http_503": _PROXY,
    "read_html": Answered(200, None, HTML),
    "read_truncated": ConnectionResetError("payload is not completed"),
    "rate_limited": Answered(429, "too_many", "Retry-After 30"),
    "banned": Answered(418, "banned", "Retry-After 120"),
    "order_landed_503": _PROXY,
    "order_timeout_1007": Answered(503, "-1007", "execution status unknown"),
    "order_late_unknown": Answered(503, "-1007", "execution status unknown"),
    "order_html": ValueError("<html> is no JSON"),
    "order_truncated": ConnectionResetError("payload is not completed"),
    "order_said_duplicate": Answered(400, "client_id_known", "duplicate client order id"),
}


def _give_up(reply: asyncio.Future[Any]) -> None:
    _fail(reply, TimeoutError("no answer in time"))


def _fail(reply: asyncio.Future[Any], error: BaseException) -> None:
    if not reply.done():
        # A fresh one each time: an exception remembers where it was raised.
        reply.set_exception(
            type(error)(*error.args) if not isinstance(error, Answered) else _again(error)
        )


def _again(error: Answered) -> Answered:
    return Answered(error.status, error.code, error.text)


def _succeed(reply: asyncio.Future[Any], found: Any) -> None:
    if not reply.done():
        reply.set_result(found)


def _words(error: BaseException) -> str:
    return f"{error.status} {error.code}" if isinstance(error, Answered) else type(error).__name__
