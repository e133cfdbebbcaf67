"""
Which pass is due: reviews of a cadence exactly once a tick, guard passes in between.

Enters a schedule, the journal and an instant; leaves the due tick, if any. After downtime only the
latest missed review is due; weekdays are named, for APScheduler counts Monday as 0.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger

from hedged.core.record import Tick
from hedged.errors import SettingsError
from hedged.journal.store import Journal
from hedged.settings import sections

CLOCK_ERROR_MAX = timedelta(days=31)
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)

# How far back the latest scheduled instant is looked for, the nearest first.
_LOOK_BACK = tuple(timedelta(days=days) for days in (1 / 24, 1, 8, 32, 366, 5 * 366))


class Settled(BaseTrigger):  # type: ignore[misc]
    """A cron trigger whose every instant comes *delay* later, when its bar has settled."""

    def __init__(self, cron: CronTrigger, delay: timedelta) -> None:
        self.cron = cron
        self.delay = delay

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        before = None if previous_fire_time is None else previous_fire_time - self.delay
        due: datetime | None = self.cron.get_next_fire_time(before, now - self.delay)
        return None if due is None else due + self.delay


class Schedule:
    """The two cadences of a daemon, as cron triggers in UTC."""

    def __init__(self, settings: sections.Schedule) -> None:
        self.review_name = settings.review.partition(":")[0]
        self.delay = settings.settle_delay
        self.review = _review_trigger(settings.review)
        self.guard = _guard_trigger(settings.guard_every)
        if self.review.get_next_fire_time(None, EPOCH) is None:
            raise SettingsError(f"schedule.review: {settings.review!r} never comes")

    @property
    def triggers(self) -> tuple[Settled, Settled]:
        """What wakes the daemon."""
        return Settled(self.review, self.delay), Settled(self.guard, self.delay)

    def next_wake(self, after: datetime) -> datetime | None:
        """The first instant later than *after* at which something may be due."""
        later = after + timedelta(microseconds=1)
        times = [trigger.get_next_fire_time(None, later) for trigger in self.triggers]
        return min((at for at in times if at is not None), default=None)

    def last_review(self, now: datetime) -> datetime | None:
        """The latest review that should have been by *now*: the first of a daemon started then."""
        return _latest(self.review, now - self.delay)

    def due(self, journal: Journal, portfolio: str, now: datetime) -> Tick | None:
        """The pass that is due for *portfolio* at *now*: a review before a guard pass."""
        return self.due_review(journal, portfolio, now) or self.due_guard(journal, portfolio, now)

    def due_review(self, journal: Journal, portfolio: str, now: datetime) -> Tick | None:
        """The latest review that should have been by *now*, unless it has its record already."""
        at = self.last_review(now)
        if at is None:
            return None
        last = journal.last_review_at(portfolio)
        # No review goes back behind the last one, though the clock or the cadence may; but a clock
        # that was wrong by years must not end all reviews until those years have passed.
        if last is not None and at < last <= now + CLOCK_ERROR_MAX:
            return None
        tick = Tick(kind="review", cadence=self.review_name, scheduled_at=at)
        return None if journal.has(portfolio, tick.id) else tick

    def due_guard(self, journal: Journal, portfolio: str, now: datetime) -> Tick | None:
        """The latest guard instant, unless a pass of any kind was made since."""
        at = _latest(self.guard, now - self.delay)
        if at is None:
            return None
        tick = Tick(kind="guard", cadence="guard", scheduled_at=at)
        last = journal.last_pass_at(portfolio)
        # A last pass later than now means that the clock stepped back: then only the id tells.
        passed_since = last is not None and at + self.delay <= last <= now
        return None if passed_since or journal.has(portfolio, tick.id) else tick


def _latest(trigger: CronTrigger, now: datetime) -> datetime | None:
    """The last instant of *trigger* at or before *now*."""
    for back in _LOOK_BACK:
        found = None
        at: datetime | None = trigger.get_next_fire_time(None, now - back)
        while at is not None and at <= now:
            found = at
            at = trigger.get_next_fire_time(at, at + timedelta(microseconds=1))
        if found is not None:
            return found.astimezone(UTC)
    return None


def _review_trigger(review: str) -> CronTrigger:
    named: dict[str, dict[str, str | int]] = {
        "weekly": {"day_of_week": "mon", "hour": 0, "minute": 0},
        "daily": {"hour": 0, "minute": 0},
        "monthly": {"day": 1, "hour": 0, "minute": 0},
    }
    if review in named:
        return CronTrigger(**named[review], timezone=UTC)
    return CronTrigger.from_crontab(review.removeprefix("cron:").strip(), timezone=UTC)


def _guard_trigger(every: timedelta) -> CronTrigger:
    minutes = int(every.total_seconds()) // 60
    if minutes < 60:
        return CronTrigger(minute=f"*/{minutes}", timezone=UTC)
    if minutes < 1440:
        return CronTrigger(hour=f"*/{minutes // 60}", minute=0, timezone=UTC)
    return CronTrigger(hour=0, minute=0, timezone=UTC)
