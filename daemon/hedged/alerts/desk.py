"""
The desk: tells what is new, and carries the queue to every channel, beside the passes.

A message is sent at least once: a crash between the sending and the note of it sends it again. No
channel waits for another, and a channel that fails is tried ever less often, for a day.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from hedged.alerts.teller import Teller, Trouble
from hedged.core.messages import messages
from hedged.journal.alerts import GIVE_UP, AlertQueue, Queued

if TYPE_CHECKING:
    from hedged.alerts.channels import Channel  # Apprise takes a while to import

log = structlog.get_logger()

FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(minutes=15)
LEAVING_S = 10.0
"""With the service's own 25 s it ends before its manager ends it."""
RESTART_S = 60.0


class Desk:
    """Works while the daemon does; a pass only calls `wake` or `trouble`, which never wait or fail."""

    def __init__(
        self,
        teller: Teller,
        queue: AlertQueue,
        channels: Sequence[Channel],
        clock: Callable[[], datetime],
    ) -> None:
        self.teller = teller
        self.queue = queue
        self.channels = channels
        self.clock = clock
        self._woken = asyncio.Event()
        self._leave = asyncio.Event()
        self._last = False  # nothing more will be raised
        self._raised = {channel.name: asyncio.Event() for channel in channels}

    def wake(self) -> None:
        """There is a new record."""
        self._woken.set()

    def trouble(self, portfolio: str, kind: str | None, error: str, in_a_row: int) -> None:
        """A pass of *kind* failed, *in_a_row* by now; or (None) the portfolio was frozen."""
        self.teller.trouble(
            Trouble(portfolio=portfolio, kind=kind, error=error, in_a_row=in_a_row, at=self.clock())
        )
        self._woken.set()

    @asynccontextmanager
    async def at_work(self, leaving_s: float = LEAVING_S) -> AsyncIterator[None]:
        """
        Work until the block ends; what came last is told and tried once, for *leaving_s* at most.
        """
        working = asyncio.create_task(self._restarted())
        try:
            yield
        finally:
            self._leave.set()
            self._woken.set()
            await asyncio.wait({working}, timeout=leaving_s)
            if not working.done():
                working.cancel()
                await asyncio.wait({working})

    async def try_now(self, within_s: float) -> None:
        """
        Try every channel once with all that waits, however its last tries went, for *within_s* at most.

        For a process that ends now and may not come back by itself; what is not sent stays queued.
        """
        self.queue.register([channel.name for channel in self.channels], self.clock())
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await asyncio.gather(*(self._try(channel) for channel in self.channels))

    async def _try(self, channel: Channel) -> None:
        pending = self._young(channel, self.queue.pending(channel.name), self.clock())
        if pending:
            await self._send(channel, pending, self.queue.channel(channel.name).tries)

    async def deliver(self, channel: Channel) -> float | None:
        """Send what the channel has not got; seconds until the next try, None when all is sent."""
        while True:
            state, now = self.queue.channel(channel.name), self.clock()
            pending = self._young(channel, self.queue.pending(channel.name), now)
            if not pending:
                return None
            wait = timedelta(0) if state.next_try_at is None else state.next_try_at - now
            if timedelta(0) < wait <= LONGEST_WAIT:  # a longer one means that the clock went back
                return wait.total_seconds()
            await self._send(channel, pending, state.tries)

    async def _send(self, channel: Channel, pending: Sequence[Queued], tries: int) -> None:
        """Send all of *pending*; at the first failure the rest waits with it."""
        done = 0
        for message in messages([queued.alert for queued in pending]):
            error = await channel.send(message.title, message.text, message.severity)
            now = self.clock()
            if error:
                wait = min(FIRST_WAIT * 2 ** min(tries, 10), LONGEST_WAIT)
                self.queue.failed(channel.name, error, now + wait)
                log.warning("alert_not_sent", channel=channel.label, error=error, tries=tries + 1)
                return
            ids = [queued.id for queued in pending[done : done + message.alerts]]
            self.queue.settle(channel.name, ids, "sent", now)
            done, tries = done + message.alerts, 0

    def _young(self, channel: Channel, pending: list[Queued], now: datetime) -> list[Queued]:
        """What is worth sending still; the rest is given up, and the log says so."""
        old = [queued for queued in pending if now - queued.alert.at > GIVE_UP]
        if not old:
            return pending
        last = old[-1].id  # in order: what stands before an old one is given up with it
        given_up = [queued for queued in pending if queued.id <= last]
        self.queue.settle(channel.name, [queued.id for queued in given_up], "given up", now)
        for queued in given_up:
            log.error("alert_given_up", channel=channel.label, title=queued.alert.title)
        return pending[len(given_up) :]

    async def _restarted(self) -> None:
        """Work; whatever interrupts it, the log tells, and it begins anew."""
        for channel in self.channels:
            if not channel.usable:
                log.error("alert_channel_unusable", channel=channel.label)
        while True:
            working = asyncio.create_task(self._work())
            try:
                await asyncio.wait({working})
            finally:
                working.cancel()
            error = working.exception()
            if error is None:
                return  # it was asked to leave, and is done
            log.error("alerts_interrupted", exc_info=error, again_in_s=RESTART_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._leave.wait(), RESTART_S)
                return

    async def _work(self) -> None:
        self.queue.register([channel.name for channel in self.channels], self.clock())
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tell())
            for channel in self.channels:
                group.create_task(self._serve(channel))

    async def _tell(self) -> None:
        while True:
            leaving = self._leave.is_set()
            self._woken.clear()
            more = self.teller.look()
            self._last = leaving and not more
            for raised in self._raised.values():
                raised.set()
            if more:
                self._woken.set()  # after a breath, for the passes
                await asyncio.sleep(0)
            elif leaving:
                return
            await self._woken.wait()

    async def _serve(self, channel: Channel) -> None:
        raised = self._raised[channel.name]
        while True:
            raised.clear()
            last = self._last
            wait_s = await self.deliver(channel)
            if last:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(raised.wait(), wait_s)
