"""Wakes come from the history's clock, or from APScheduler."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.triggers.base import BaseTrigger

from builders import MONDAY
from hedged.service.ticks import Schedule
from hedged.service.wakes import from_history, from_wall
from hedged.settings import sections
from hedged.venue.replay import ReplayClock

DAY = timedelta(days=1)


class Soon(BaseTrigger):  # type: ignore[misc]
    """Fires *times* times, at once."""

    def __init__(self, times: int) -> None:
        self.left = times

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        self.left -= 1
        return now if self.left >= 0 else None


class Wanting:
    """A schedule of these triggers."""

    def __init__(self, *triggers: BaseTrigger) -> None:
        self.triggers = triggers


async def test_history_sets_its_clock_to_one_instant_after_another_until_it_ends() -> None:
    schedule = Schedule(sections.Schedule(review="weekly", guard_every="1d"))  # type: ignore[arg-type]
    clock = ReplayClock(MONDAY, MONDAY + 3 * DAY)
    seen = [clock() async for _ in from_history(schedule, clock)]

    settled = timedelta(minutes=5)
    assert seen == [MONDAY, *(MONDAY + n * DAY + settled for n in range(3))]


async def test_history_that_has_ended_wakes_once_more() -> None:
    schedule = Schedule(sections.Schedule())
    clock = ReplayClock(MONDAY, MONDAY)

    assert [clock() async for _ in from_history(schedule, clock)] == [MONDAY]


async def test_the_wall_wakes_at_the_start_and_then_when_a_job_is_triggered() -> None:
    wanting: Any = Wanting(Soon(1))
    wakes = from_wall(wanting)
    await asyncio.wait_for(anext(wakes), 5)
    await asyncio.wait_for(anext(wakes), 5)
    third = asyncio.ensure_future(anext(wakes))
    done, _ = await asyncio.wait({third}, timeout=0)
    third.cancel()
    await asyncio.wait({third})
    await wakes.aclose()

    assert done == set()


async def test_a_burst_of_triggers_is_one_wake() -> None:
    wanting: Any = Wanting(Soon(1), Soon(1), Soon(1))
    wakes = from_wall(wanting)
    await anext(wakes)
    for _ in range(50):
        await asyncio.sleep(0)
    await asyncio.wait_for(anext(wakes), 5)
    more = asyncio.ensure_future(anext(wakes))
    for _ in range(50):
        await asyncio.sleep(0)
    woken = more.done()
    more.cancel()
    await asyncio.wait({more})
    await wakes.aclose()

    assert not woken


async def test_waking_ends_when_the_loop_does_and_leaves_no_task_behind() -> None:
    wakes = from_wall(Schedule(sections.Schedule()))
    await anext(wakes)
    await wakes.aclose()

    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_the_schedules_triggers_are_later_than_now_and_in_utc() -> None:
    now = datetime(2024, 3, 31, 0, 59, tzinfo=UTC)
    times = [
        trigger.get_next_fire_time(None, now) for trigger in Schedule(sections.Schedule()).triggers
    ]

    assert times == [datetime(2024, 4, 1, 0, 5, tzinfo=UTC), datetime(2024, 3, 31, 1, 0, tzinfo=UTC)]
