"""
Where wakes come from: APScheduler on the wall clock, or the schedule itself on history's clock.

A wake carries no data: it is an instant at which the service looks what is due.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from hedged.service.ticks import Schedule
from hedged.venue.replay import ReplayClock


async def from_history(schedule: Schedule, clock: ReplayClock) -> AsyncIterator[None]:
    """Set *clock* to one scheduled instant after another until the history ends."""
    yield
    while (at := schedule.next_wake(clock())) is not None and at <= clock.end:
        clock.set(at)
        yield


async def from_wall(schedule: Schedule) -> AsyncIterator[None]:
    """Wake once at the start, and then whenever APScheduler says so; wakes in a burst are one."""
    woken = asyncio.Event()

    async def wake() -> None:  # a coroutine, for APScheduler runs plain functions in a thread
        woken.set()

    scheduler = AsyncIOScheduler(timezone=UTC)
    for trigger in schedule.triggers:
        scheduler.add_job(wake, trigger, misfire_grace_time=None, coalesce=True, max_instances=1)
    scheduler.start()
    try:
        yield
        while True:
            await woken.wait()
            woken.clear()
            yield
    finally:
        scheduler.shutdown(wait=False)
