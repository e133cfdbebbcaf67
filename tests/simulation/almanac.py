"""
What a year must have had, counted on the calendar alone; nothing of the daemon's schedule is used.

Enters a `Script` and what it came to; leaves figures, and a sentence for every review or guard pass
that is missing without a reason, or is there and should not be. Days are days of UTC: a zone that
changes its clocks has no say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from statistics import mean

from simulation.script import Script
from simulation.year import Pass, Result, Sample

SETTLED = timedelta(minutes=1)
SOON = timedelta(minutes=1)
"""A pass that is due begins within this, or the venue was asked in vain."""
GUARDS = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "12h": timedelta(hours=12),
    "1d": timedelta(days=1),
}
MONDAY = 0


def midnights(first: date, end: date) -> Iterator[datetime]:
    """The midnight every day of [*first*, *end*) begins with."""
    for ordinal in range(first.toordinal(), end.toordinal()):
        yield datetime.combine(date.fromordinal(ordinal), time(), UTC)


def reviews(script: Script) -> list[datetime]:
    """When a review is to be: every day's midnight, or every Monday's."""
    days = midnights(script.begins.date(), script.ends.date())
    return [day for day in days if script.review == "daily" or day.weekday() == MONDAY]


def guards(script: Script) -> list[datetime]:
    """When a guard pass is to be."""
    every = GUARDS[script.guard]
    return [script.begins + n * every for n in range((script.ends - script.begins) // every)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """
    What was there. Each of the *ticks*, the guard instants, has a guard pass, was *replaced* by another
    pass, came while the venue was *closed*, the process *away* or its clock *astray*, or is a fault.
    """

    ticks: int
    passes: int
    replaced: int
    closed: int
    away: int
    astray: int
    reviews: int
    late: int
    follow_ups: int
    faults: tuple[str, ...]


def counted(script: Script, result: Result) -> Count:
    """Every instant of the calendar, and what became of it."""
    records = Counter(one.tick for one in result.passes)
    faults = [f"{tick} has {times} records" for tick, times in records.items() if times > 1]
    made = [one for one in result.passes if one.kind == "review"]
    faults += _of_reviews(script, made)
    said: Counter[str] = Counter()
    own = {one.scheduled_at for one in result.passes if one.cadence == "guard"}
    others = [
        one.at for one in result.passes if one.kind == "review" or one.cadence.startswith("decision")
    ]
    for at in guards(script):
        wakes = at + SETTLED
        if at in own:
            said["made"] += 1
        elif any(span.holds(wakes) for span in script.away):
            said["away"] += 1
        elif any(span.holds(wakes) for span in script.maintenance):
            said["closed"] += 1
        elif any(span.at <= wakes < span.at + span.lasts + abs(span.by) for span in script.clock):
            said["astray"] += 1  # who waits for an instant waits longer when the clock is set back
        elif any(wakes <= other < wakes + SOON for other in others):
            said["replaced"] += 1
        else:
            faults.append(f"no guard pass at {at:%Y-%m-%d %H:%M}, and no reason")
    unscheduled = own - set(guards(script))
    faults += [f"a guard pass of {at}, which is no instant of the calendar" for at in unscheduled]
    return Count(
        ticks=len(guards(script)),
        passes=said["made"],
        replaced=said["replaced"],
        closed=said["closed"],
        away=said["away"],
        astray=said["astray"],
        reviews=len(_within(script, made)),
        late=sum(one.at - one.scheduled_at > SETTLED + SOON for one in _within(script, made)),
        follow_ups=sum("+" in one.cadence for one in result.passes),
        faults=tuple(faults),
    )


def _within(script: Script, made: list[Pass]) -> list[Pass]:
    """Without the one of before the beginning, which every new daemon makes first."""
    return [one for one in made if one.scheduled_at >= script.begins]


def _of_reviews(script: Script, made: list[Pass]) -> Iterator[str]:
    """Each is there, but for those that the process was away for until the next was due."""
    wanted = reviews(script)
    there = [one.scheduled_at for one in _within(script, made)]
    if len(made) - len(there) != 1:
        yield f"{len(made) - len(there)} reviews of before the beginning, and one was to be"
    if there != sorted(there):
        yield "reviews were not made in their order"
    for at, after in zip(wanted, [*wanted[1:], script.ends], strict=True):
        missed = any(span.holds(at + SETTLED) and span.holds(after + SETTLED) for span in script.away)
        if (at in there) is missed:
            yield f"the review of {at:%Y-%m-%d} was {'made' if missed else 'not made'}"
    yield from (f"a review of {at}, which is none of the calendar's" for at in set(there) - set(wanted))


def grown(samples: tuple[Sample, ...], name: str) -> float:
    """By how many percent a figure grew in the second half: the last four weeks, the middle four."""
    middle = len(samples) // 2
    before = mean(getattr(one, name) for one in samples[middle - 2 : middle + 2])
    return 100 * (mean(getattr(one, name) for one in samples[-4:]) / before - 1)


def told(script: Script, result: Result) -> tuple[str, ...]:
    """All that is wrong with a year: of passes, of invariants, of what the process holds."""
    found = [*counted(script, result).faults]
    found += [f"{one.invariant} at {one.at}: {one.what}" for one in result.violations]
    if script.crash is not None:
        fell = script.crash
        found += [f"an order in the crash, at {at}" for at in result.sent if fell <= at < fell + SOON]
    found += [
        f"{one.rows} rows of {one.passes} passes" for one in result.samples if one.rows != one.passes
    ]
    for name in ("files", "tasks"):
        held = {getattr(one, name) for one in result.samples}
        if len(held) > 1:
            found.append(f"{name} held: {sorted(held)}")
    return tuple(found)
