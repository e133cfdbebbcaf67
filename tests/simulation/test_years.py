"""
A year in each mode: every review once, every guard instant accounted for, and nothing that grows.

What a year must have is counted on the calendar (`simulation.almanac`), not by the daemon's schedule.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from hedged.core.record import Mode, Tick
from hedged.service.ticks import Schedule
from simulation.almanac import counted, grown, guards, reviews, told
from simulation.script import BEGINS, Script, Span, calendar
from simulation.year import Result, Sample, lived
from simulation.years import KINDS, figures, script_of, zone

MODES: tuple[Mode, ...] = ("live", "paper", "alert")
ZONES = {"weekly": "Europe/Berlin", "daily": "America/New_York"}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SPRING = datetime(2026, 3, 1, tzinfo=UTC)
"""In America clocks go forward on the 8th of March, in Europe on the 29th."""
MEMORY_PERCENT_MAX = 5.0
OBJECTS_PERCENT_MAX = 1.5
"""
The daemon keeps its book of events in memory, which grows by some 10,000 objects a year. Of a million
this sees a leak of some 60 objects a pass; a long year, with its 35,040, sees one of a single object.
"""


def year(mode: Mode, review: str) -> Script:
    """
    A year with one guard instant a day. Where nothing but that wakes the daemon, maintenance over
    midnight would take the day's only chance of a daily review: there it is left out.
    """
    script = calendar(mode, review, "1d")
    if review == "weekly" or mode == "alert":
        return script
    within = tuple(one for one in script.maintenance if one.at.date() == (one.at + one.lasts).date())
    return replace(script, maintenance=within)


@cache
def outcome(mode: Mode, review: str) -> tuple[Script, Result]:
    script = year(mode, review)
    with zone(ZONES[review]):
        return script, lived(script)


@pytest.mark.parametrize("review", ["weekly", "daily"])
@pytest.mark.parametrize("mode", MODES)
def test_a_year_has_every_review_once_and_all_guard_passes(mode: Mode, review: str) -> None:
    script, result = outcome(mode, review)
    count = counted(script, result)

    assert told(script, result) == ()
    assert count.reviews == {"weekly": 52, "daily": 365}[review]
    assert count.ticks == 365
    assert count.passes + count.replaced + count.closed == 365
    if mode != "alert":  # there a person's decisions wake it too, now and then at such an instant
        closed = sum(
            any(span.holds(day + timedelta(minutes=1)) for span in script.maintenance)
            for day in guards(script)
        )
        assert (count.closed, count.replaced) == (closed, count.reviews)
    if review == "weekly":
        assert count.late == 2  # maintenance over midnight, twice


@pytest.mark.parametrize("mode", MODES)
def test_a_year_is_full_of_what_years_bring(mode: Mode) -> None:
    _, result = outcome(mode, "weekly")
    counts = result.counts

    assert counts["maintenance"] == 5
    assert counts["log pass_skipped"] >= 3
    assert counts["log order"] >= 25
    if mode == "paper":
        assert result.sent == ()
        return
    assert counts["fill by adl"] == 3
    assert counts["log hedged_again"] == 3
    assert counts["log plan_refused"] >= 3
    assert len(result.sent) >= 25
    assert min(abs(result.ratio - goal) for goal in (0.3, 0.5, 0.7)) < 0.05


@pytest.mark.parametrize("mode", MODES)
def test_a_year_leaves_nothing_behind_in_memory(mode: Mode) -> None:
    _, result = outcome(mode, "weekly")

    assert len(result.samples) >= 51
    assert grown(result.samples, "blocks") <= OBJECTS_PERCENT_MAX
    assert grown(result.samples, "resident") <= MEMORY_PERCENT_MAX
    assert len({one.files for one in result.samples}) == 1
    assert len({one.tasks for one in result.samples}) == 1


def test_a_pass_writes_as_much_in_december_as_in_february() -> None:
    _, result = outcome("live", "weekly")
    quiet = [one for one in result.passes if one.cadence == "guard"]

    def mean(passes: list[Any]) -> float:
        return sum(one.size for one in passes) / len(passes)

    assert mean(quiet[-60:]) <= 1.2 * mean(quiet[30:90])


def test_on_the_days_on_which_clocks_change_there_is_one_review() -> None:
    days = [date(2026, 3, 8), date(2026, 3, 29), date(2026, 10, 25), date(2026, 11, 1)]
    for mode in MODES:
        _, result = outcome(mode, "daily")
        made = [one.scheduled_at.date() for one in result.passes if one.kind == "review"]

        assert [made.count(day) for day in days] == [1] * 4


# Reviews that are missed, and a clock that jumps over one.


def missed(mode: Mode, days: int = 40) -> Script:
    """Reviews every day, and a process that is away for *days* of them."""
    away = Span(at=SPRING + 3 * DAY + 5 * HOUR, lasts=days * DAY)
    return Script(
        mode=mode,
        review="daily",
        guard="12h",
        begins=SPRING,
        ends=SPRING + (days + 6) * DAY,
        away=(away,),
    )


@pytest.mark.parametrize("mode", MODES)
def test_of_forty_missed_reviews_one_is_caught_up_with(mode: Mode) -> None:
    script = missed(mode)
    result = lived(script)
    count = counted(script, result)
    back = script.away[0].at + script.away[0].lasts
    lately = [one for one in result.passes if one.kind == "review" and one.at >= back]

    assert told(script, result) == ()
    assert count.reviews == len(reviews(script)) - 39
    assert lately[0].scheduled_at == back - 5 * HOUR
    assert lately[0].at - back < timedelta(minutes=1)
    assert [one.scheduled_at for one in lately] == [back - 5 * HOUR + n * DAY for n in range(3)]


@pytest.mark.parametrize("by", [2 * HOUR, -2 * HOUR], ids=["forward", "back"])
@pytest.mark.parametrize("mode", MODES)
def test_a_clock_that_jumps_over_a_review_neither_loses_nor_repeats_it(
    mode: Mode, by: timedelta
) -> None:
    midnight = SPRING + 2 * DAY
    begins = midnight - HOUR if by > timedelta(0) else midnight + HOUR / 2
    script = Script(
        mode=mode,
        review="daily",
        guard="1h",
        begins=SPRING + DAY,
        ends=SPRING + 4 * DAY,
        clock=(Span(at=begins, lasts=3 * HOUR, by=by),),
    )
    result = lived(script)

    assert told(script, result) == ()
    assert counted(script, result).reviews == 3
    assert counted(script, result).astray >= 2
    assert not [at for at in result.sent if script.clock[0].holds(at)]


# What would be seen.


def test_a_daemon_that_makes_up_for_all_missed_reviews_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    due = Schedule.due_review

    def burst(self: Schedule, journal: Any, portfolio: str, now: datetime) -> Tick | None:
        last = journal.last_review_at(portfolio)
        if last is None or last + DAY + self.delay > now:
            return due(self, journal, portfolio, now)
        return Tick(kind="review", cadence=self.review_name, scheduled_at=last + DAY)

    monkeypatch.setattr(Schedule, "due_review", burst)
    script = missed("live", days=5)
    faults = told(script, lived(script))

    assert [one for one in faults if one.endswith("was made")]


def test_a_daemon_that_reviews_again_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    due = Schedule.due_review

    def again(self: Schedule, journal: Any, portfolio: str, now: datetime) -> Tick | None:
        tick = due(self, journal, portfolio, now)
        at = now.replace(minute=0, second=0, microsecond=0)
        return tick or Tick(kind="review", cadence=self.review_name, scheduled_at=at)

    monkeypatch.setattr(Schedule, "due_review", again)
    script = missed("live", days=5)
    faults = told(script, lived(script))

    assert [one for one in faults if "none of the calendar's" in one]


def test_a_daemon_that_leaves_guard_passes_out_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Schedule, "due_guard", lambda *_: None)
    script = missed("live", days=5)
    faults = told(script, lived(script))

    assert [one for one in faults if one.startswith("no guard pass at")]


def test_growth_is_that_of_the_second_half() -> None:
    def sampled(*held: int) -> tuple[Sample, ...]:
        return tuple(
            Sample(
                at=BEGINS + n * 7 * DAY,
                resident=1,
                blocks=blocks,
                files=1,
                tasks=1,
                rows=n,
                passes=n,
            )
            for n, blocks in enumerate(held)
        )

    settled = sampled(*([50] * 20 + [100] * 32))
    growing = sampled(*range(100, 152))

    assert grown(settled, "blocks") == 0
    assert grown(growing, "blocks") > 15


def test_the_almanac_counts_days_and_mondays() -> None:
    days = [date(2026, 1, 1) + n * DAY for n in range(365)]
    mondays = [day for day in days if day.isoweekday() == 1]

    assert (len(days), days[-1]) == (365, date(2026, 12, 31))
    assert [one.date() for one in reviews(year("live", "daily"))] == days
    assert [one.date() for one in reviews(year("live", "weekly"))] == mondays
    assert len(mondays) == 52
    assert len(guards(script_of(0)[0])) == 35_040


@pytest.mark.long
def test_a_year_of_guard_passes_every_quarter_of_an_hour() -> None:
    """The campaign has one of each of `KINDS`."""
    found = figures(0, 1)

    assert found["violations"] == 0
    assert found["ticks"] == 35_040
    assert found["reviews"] == 52
    assert found["max growth of memory, %"] <= MEMORY_PERCENT_MAX
    assert found["max growth of objects, %"] <= OBJECTS_PERCENT_MAX
    assert {mode for mode, _, _ in KINDS} == set(MODES)
