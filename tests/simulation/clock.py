"""
Time that jumps: an asyncio loop on a virtual clock, and the daemon's clock that may be wrong.

Enters nothing; leaves a loop whose timers are due at once when nothing else is ready. One thread, no
sockets, no waiting: a day takes as long as its work.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")
MICRO = 1e-6


class Stuck(Exception):
    """Nothing is ready and no timer is set: the simulated world stands still."""


class Time:
    """The true time, in microseconds since *start*; exchanges go by it."""

    def __init__(self, start: datetime) -> None:
        self.start = start
        self.micros = 0

    def __call__(self) -> datetime:
        return self.start + timedelta(microseconds=self.micros)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return self.micros * MICRO


class Wall:
    """The clock of the daemon's machine: the true time and an *offset* that it knows nothing of."""

    def __init__(self, time: Time) -> None:
        self.time = time
        self.offset = timedelta(0)

    def __call__(self) -> datetime:
        return (self.time() + self.offset).astimezone(UTC)


class _Jumping(selectors.SelectSelector):
    """Looks at no file: to wait is to move the clock."""

    def __init__(self, time: Time) -> None:
        super().__init__()
        self._time = time

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Stuck("nothing is ready, and no timer is set")
        if timeout > 0:
            self._time.micros += max(1, round(timeout / MICRO))
        return []


class Loop(asyncio.SelectorEventLoop):
    """An event loop that lives on *time*."""

    def __init__(self, time: Time) -> None:
        self._virtual = time
        super().__init__(_Jumping(time))
        # A nanosecond is lost in a float of 194 days: timers would then never come due.
        self._clock_resolution = MICRO

    def time(self) -> float:
        return self._virtual.seconds


def run(time: Time, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What *main* comes to on a loop of its own."""
    loop = Loop(time)
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
