"""
Passes that come ahead of the schedule: at once after a refused order, soon after a doubt.

Enters the record of a pass; leaves the tick of the next one, named after the pass that it follows:
``guard+1@2026-03-02T00:05:00Z``. It decides nothing new: the target is the stored one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hedged.core.record import CycleRecord, Tick
from hedged.journal.store import Journal

SOON = timedelta(seconds=60)
AT_ONCE_MAX = 2
"""Passes at once after one of the schedule; an order refused so often is a matter of the breaker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _FollowUp:
    """*tick* is the pass of the schedule that is followed, *number* how manieth this one is."""

    tick: Tick
    number: int
    at: datetime
    at_once: int


class Again:
    """What each portfolio must be looked at again for; nothing of it survives a restart."""

    def __init__(self) -> None:
        self._next: dict[str, _FollowUp] = {}
        self._made: dict[str, _FollowUp] = {}

    def note(self, record: CycleRecord, now: datetime) -> None:
        """A pass was made: what it leaves open is looked at again, and nothing else is."""
        portfolio, tick = record.portfolio, record.inputs.tick
        self._next.pop(portfolio, None)
        before = self._made.get(portfolio)
        if before is None or not tick.cadence.startswith(f"{before.tick.cadence}+"):
            before = _FollowUp(tick=tick, number=0, at=now, at_once=0)
        if not record.look_again:
            self._made.pop(portfolio, None)
            return
        at_once = record.look_again == "at once" and before.at_once < AT_ONCE_MAX
        self._made[portfolio] = self._next[portfolio] = _FollowUp(
            tick=before.tick,
            number=before.number + 1,
            at=now if at_once else now + SOON,
            at_once=before.at_once + at_once,
        )

    def failed(self, portfolio: str, now: datetime) -> None:
        """A pass could not be made: what it should have looked at is still open."""
        made = self._made.get(portfolio)
        if made is not None:
            self._next[portfolio] = replace(made, at=now + SOON)

    def due(self, journal: Journal, portfolio: str, now: datetime) -> Tick | None:
        """The tick of a pass that must come by *now*, if there is one."""
        follow_up = self._next.get(portfolio)
        if follow_up is None or now < follow_up.at <= now + SOON:  # later still: the clock went back
            return None
        del self._next[portfolio]
        number, tick = follow_up.number, _tick(follow_up.tick, follow_up.number)
        while journal.has(portfolio, tick.id):
            number += 1
            tick = _tick(follow_up.tick, number)
        return tick

    def wait_s(self, now: datetime) -> float | None:
        """Seconds until the first such pass; None when there is none."""
        waits = [(one.at - now).total_seconds() for one in self._next.values()]
        return min(max(min(waits), 0.0), SOON.total_seconds()) if waits else None


def _tick(of: Tick, number: int) -> Tick:
    return Tick(kind="guard", cadence=f"{of.cadence}+{number}", scheduled_at=of.scheduled_at)
