"""
What is to happen in a simulated year: when the venue is down, the clock wrong, the process away.

Enters a seed; leaves a `Script`. Instants are UTC, as all instants of the schedule.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hedged.core.record import Mode

BEGINS = datetime(2026, 1, 1, tzinfo=UTC)
ENDS = datetime(2027, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Something that begins *at* an instant and *lasts*; *by* is how far a clock is off."""

    at: datetime
    lasts: timedelta
    by: timedelta = timedelta(0)

    def holds(self, instant: datetime) -> bool:
        """Whether it is so at *instant*."""
        return self.at <= instant < self.at + self.lasts


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What is to happen. *away*: the process is told to leave, and started again after it."""

    mode: Mode
    review: str
    guard: str
    seed: int = 0
    begins: datetime = BEGINS
    ends: datetime = ENDS
    maintenance: tuple[Span, ...] = ()
    away: tuple[Span, ...] = ()
    clock: tuple[Span, ...] = ()
    adl: tuple[datetime, ...] = ()
    crash: datetime | None = None


def calendar(mode: Mode, review: str, guard: str, seed: int = 0) -> Script:
    """A whole year in which everything comes that comes in years."""
    dice = random.Random(f"{seed} calendar")

    def at(month: int, day: int, hour: int, minute: int) -> datetime:
        return datetime(BEGINS.year, month, day, hour, minute, tzinfo=UTC)

    drawn = dice.randint(1, 25)
    return Script(
        mode=mode,
        review=review,
        guard=guard,
        seed=seed,
        maintenance=(
            Span(at=at(2, drawn, 2, 8), lasts=timedelta(hours=4)),
            Span(at=at(4, 19, 22, 38), lasts=timedelta(hours=3)),  # over a review: Monday comes in it
            Span(at=at(6, drawn, 11, 53), lasts=timedelta(hours=2)),
            Span(at=at(9, 6, 23, 52), lasts=timedelta(minutes=31)),  # and again
            Span(at=at(11, drawn, 17, 8), lasts=timedelta(hours=8)),
        ),
        adl=(at(3, drawn, 9, 20), at(8, drawn, 14, 20), at(12, drawn, 3, 20)),
        # A pass falls into it, and where reviews are daily a review.
        crash=at(7, drawn, 0, 0) + timedelta(seconds=40),
    )
