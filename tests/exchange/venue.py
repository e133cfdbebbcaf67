"""
An exchange as its clients meet it: a dialect before an engine; faults, limits, a recorder between.

`Venue.respond` takes a `Call` and gives a `Delivery`; `exchange.server` carries it over sockets,
`exchange.session.InProcess` without any, on whatever clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol

from exchange.desk import Refused
from exchange.engine import Engine
from exchange.faults import Fault, Script, disguised
from exchange.recorder import Recorder, Seen
from exchange.wire import Call, Delivery, Reply

Right = Literal["read", "futures", "spot", "withdraw", "transfer"]
KEY, SECRET = "loopback-key", "loopback-secret"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An API key and what it may do; *ips* empty: from anywhere."""

    name: str = KEY
    secret: str = SECRET
    rights: frozenset[Right] = frozenset({"read", "futures"})
    ips: tuple[str, ...] = ()


@dataclass(slots=True)
class Meter:
    """What each budget has used in its present window; a budget is a name and a window in seconds."""

    used: dict[str, tuple[datetime, int]] = field(default_factory=dict)
    banned_until: dict[str, datetime] = field(default_factory=dict)

    def add(self, budget: str, window_s: int, weight: int, now: datetime) -> int:
        """Count *weight*; what the window has used by now."""
        started, used = self.used.get(budget, (now, 0))
        if now - started >= timedelta(seconds=window_s):
            started, used = now, 0
        self.used[budget] = (started, used + weight)
        return used + weight

    def left_s(self, budget: str, window_s: int, now: datetime) -> int:
        """Seconds until the window of *budget* is over, at least one."""
        started, _ = self.used[budget]
        return max(1, int((started + timedelta(seconds=window_s) - now).total_seconds()))


class Dialect(Protocol):
    """A venue's language, and the *keys* it knows by their names."""

    keys: dict[str, Key]

    def answer(self, call: Call, engine: Engine, *, late: bool = False) -> Reply:
        """Do what *call* asks; *late* skips the check of its timestamp."""

    def refuse(self, refused: Refused, engine: Engine) -> Reply:
        """The venue's error for a word."""

    def weight(self, call: Call) -> int:
        """What a call counts."""

    def meter(self, call: Call, meter: Meter, now: datetime, *, enforced: bool) -> dict[str, str]:
        """Count the call; the headers that tell. Raises `Refused` over a limit, if *enforced*."""


class Venue:
    """One exchange with one account."""

    def __init__(
        self,
        engine: Engine,
        dialect: Dialect,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        limits: bool = False,
    ) -> None:
        self.engine = engine
        self.dialect = dialect
        self.script = Script()
        self.recorder = Recorder()
        self.meter = Meter()
        self.limits = limits
        self.sleep = sleep
        self._waiting: list[tuple[Call, Fault, int]] = []

    def fail(self, *faults: Fault) -> None:
        """Add faults to the script."""
        self.script.add(*faults)
        self.engine.remember_s = max(self.engine.remember_s, self.script.remember_s)

    async def respond(self, call: Call) -> Delivery:
        """Answer one request, or spoil the answer as the script says."""
        fault = self.script.match(call)
        weight = self.dialect.weight(call)
        seen = Seen(at=self.engine.now, call=call, weight=weight, fault=fault.name)
        await self.recorder.note(seen)
        if fault.delay_s:
            await self.sleep(fault.delay_s)
        self.engine.tick()
        try:
            told = self.dialect.meter(
                call, self.meter, self.engine.now, enforced=self.limits and not fault.name
            )
            reply = self._processed(call, fault)
        except Refused as refused:
            told = {"Retry-After": refused.detail} if refused.detail else {}
            reply = self.dialect.refuse(refused, self.engine)
        reply = disguised(fault, reply, call)
        whole = Reply(
            status=reply.status,
            body=reply.body,
            content_type=reply.content_type,
            headers={**told, **reply.headers},
        )
        return Delivery(reply=whole, manner=fault.manner)

    def _processed(self, call: Call, fault: Fault) -> Reply:
        reply = Reply()
        if fault.processing == "late":
            self._put_off(call, fault)
        elif fault.processing == "now":
            engine = self.engine
            if fault.stale_s:
                engine = engine.as_of(engine.now - timedelta(seconds=fault.stale_s))
            reply = self.dialect.answer(call, engine)
            if fault.refusal:
                reply = self.dialect.refuse(Refused(fault.refusal), engine)
            self._looked_up(call, reply)
        elif fault.refusal:
            reply = self.dialect.refuse(Refused(fault.refusal), self.engine)
        return reply

    def _put_off(self, call: Call, fault: Fault) -> None:
        if fault.late_lookups:
            self._waiting.append((call, fault, fault.late_lookups))
        else:
            at = self.engine.now + timedelta(seconds=fault.late_s)
            self.engine.later(at, lambda: self._land(call, fault))

    def _land(self, call: Call, fault: Fault) -> None:
        self.dialect.answer(call, self.engine, late=not fault.window)

    def _looked_up(self, call: Call, reply: Reply) -> None:
        """A lookup that found nothing brings an order nearer that waits for it."""
        if reply.refused != "order_unknown" or not self._waiting:
            return
        asked = set(call.params.values())
        still: list[tuple[Call, Fault, int]] = []
        for late, fault, left in self._waiting:
            if not asked & _ids(late):
                still.append((late, fault, left))
            elif left > 1:
                still.append((late, fault, left - 1))
            else:
                self._land(late, fault)
        self._waiting = still


def _ids(call: Call) -> set[str]:
    params = call.params
    return {params[name] for name in ("newClientOrderId", "orderLinkId") if params.get(name)}
