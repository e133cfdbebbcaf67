"""
Whether the daemon does what it should, told to the service manager every 20 seconds while it does.

It does while the pass in hand is within its time and the next wake is not overdue; a loop that is
blocked feeds nobody by itself. What is not fed for ``WatchdogSec`` is killed and started again: a start
like any other, which observes first. Time is counted on the monotonic clock. A wall clock that steps
forward starves nobody; one that steps back far would keep the scheduler asleep, and a start ends that.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import structlog

from hedged.service.notify import Notifier
from hedged.service.ticks import Schedule

log = structlog.get_logger()

WAKE_LATE_S_MAX = 60.0
PASS_TIME_MAX = timedelta(minutes=2)


class Watchdog:
    """Feeds *notifier* while all goes well; says so once when it does not."""

    def __init__(
        self,
        notifier: Notifier,
        schedule: Schedule,
        *,
        mode: str = "paper",
        pass_time_max: timedelta = PASS_TIME_MAX,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.notifier = notifier
        self.schedule = schedule
        self.mode = mode
        self.pass_s_max = pass_time_max.total_seconds()
        self._monotonic = monotonic
        self._sleep = sleep
        self._doing = "start"
        self._until = math.inf  # a start has the manager's own limit
        self._tried = self._ready = self._starved = self._left = False

    def began(self, what: str) -> None:
        """The pass *what* is in hand."""
        self._doing, self._until = what, self._monotonic() + self.pass_s_max

    def waits(self, now: datetime, failing: Iterable[str] = (), ahead_s: float | None = None) -> None:
        """
        Every pass that was due at *now* was tried; the next wake is awaited, or a pass that comes ahead
        of it in *ahead_s* seconds.

        Only then is the daemon ready: a start reconciles before it counts as one, and a first pass that
        fails, say as the exchange is down, was tried all the same.
        """
        at = self.schedule.next_wake(now)
        if ahead_s is not None:
            at = min(at or datetime.max.replace(tzinfo=UTC), now + timedelta(seconds=ahead_s))
        self._doing, self._until = "wait for the next wake", math.inf
        if at is not None:
            self._until = self._monotonic() + (at - now).total_seconds() + WAKE_LATE_S_MAX
        self._tried, self._starved = True, False
        if self._left:
            return
        status = f"{self.mode}; last pass {_told(now)}; next {_told(at)}"
        self.notifier.tell(STATUS=status + "".join(f"; failing: {what}" for what in failing))
        self.beat()

    def leaves(self) -> None:
        """Someone asked to leave; the step in hand is finished first."""
        if not self._left:
            self._left = self.notifier.tell(STOPPING="1", STATUS=f"{self.mode}; leaving")

    def beat(self) -> None:
        """Feed the manager, unless what is in hand takes longer than it may."""
        if self._tried and not self._ready:
            self._ready = self.notifier.tell(READY="1")
        late_s = self._monotonic() - self._until
        if late_s <= 0:
            self.notifier.tell(WATCHDOG="1")
        elif not self._starved:
            self._starved = True
            log.critical("watchdog_starved", doing=self._doing, late_s=round(late_s, 1))

    @asynccontextmanager
    async def feeding(self) -> AsyncIterator[None]:
        """Feed in the background while the body runs, and tell when it is left."""
        task = asyncio.create_task(self._feed())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self.leaves()

    async def _feed(self) -> None:
        while True:
            self.beat()
            await self._sleep(self.notifier.feed_s)


def _told(at: datetime | None) -> str:
    return "never" if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"
