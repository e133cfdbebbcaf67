"""Which pass is due: each review once, the latest missed one, guard passes in between."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import MONDAY
from fakes import FakeClock
from hedged.core.record import Tick
from hedged.journal.store import Journal
from hedged.service.ticks import Schedule, Settled
from hedged.settings import sections
from passes import passed

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
DELAY = 5 * MINUTE


def schedule(review: str = "weekly", guard: str = "5m", delay: str = "5m") -> Schedule:
    return Schedule(sections.Schedule(review=review, guard_every=guard, settle_delay=delay))  # type: ignore[arg-type]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal.open_for(tmp_path / "journal.sqlite", "paper", ("paper",), FakeClock())
    yield made
    made.close()


def made_at(journal: Journal, cadence: Schedule, now: datetime) -> Tick | None:
    """What was due at *now*, made."""
    tick = cadence.due(journal, "main", now)
    if tick is not None:
        passed(journal, tick, now)
    return tick


def reviewed(journal: Journal, cadence: Schedule, *nows: datetime) -> list[datetime]:
    """The scheduled instants of the reviews made when woken at *nows*."""
    ticks = [made_at(journal, cadence, now) for now in nows]
    return [tick.scheduled_at for tick in ticks if tick is not None and tick.kind == "review"]


# Cadences.


@pytest.mark.parametrize(
    ("review", "now", "due"),
    [
        ("weekly", "2024-05-15T12:00Z", "2024-05-13T00:00Z"),
        ("weekly", "2024-05-13T00:05Z", "2024-05-13T00:00Z"),
        ("weekly", "2024-05-13T00:04:59Z", "2024-05-06T00:00Z"),
        ("daily", "2024-05-15T12:00Z", "2024-05-15T00:00Z"),
        ("daily", "2024-05-15T00:03Z", "2024-05-14T00:00Z"),
        ("monthly", "2024-05-31T12:00Z", "2024-05-01T00:00Z"),
        ("monthly", "2024-03-01T00:05Z", "2024-03-01T00:00Z"),
        ("monthly", "2024-03-01T00:04Z", "2024-02-01T00:00Z"),
        ("cron: 30 6 * * fri", "2024-05-15T12:00Z", "2024-05-10T06:30Z"),
        ("cron: 0 */4 * * *", "2024-05-15T15:00Z", "2024-05-15T12:00Z"),
        ("cron: 0 0 29 feb *", "2027-01-01T00:00Z", "2024-02-29T00:00Z"),
    ],
)
def test_a_cadence_names_the_latest_settled_instant(
    journal: Journal, review: str, now: str, due: str
) -> None:
    tick = schedule(review).due(journal, "main", datetime.fromisoformat(now))

    assert tick is not None
    assert (tick.kind, tick.scheduled_at) == ("review", datetime.fromisoformat(due))
    assert tick.cadence == review.partition(":")[0]


def test_a_tick_is_named_by_its_cadence_and_its_scheduled_instant(journal: Journal) -> None:
    tick = schedule().due(journal, "main", MONDAY + 30 * HOUR)

    assert tick is not None
    assert tick.id == "weekly@2024-01-01T00:00:00Z"


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe"])
def test_daylight_saving_neither_doubles_nor_drops_a_tick(
    monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    cadence = schedule("cron: 30 * * * *", guard="1d")
    try:
        for month in (3, 4, 10, 11):
            wakes = [datetime(2024, month, 1, tzinfo=UTC)]
            while wakes[-1] < datetime(2024, month, 30, tzinfo=UTC):
                wakes.append(cadence.next_wake(wakes[-1]) or wakes[0])
            reviews = [wake for wake in wakes if wake.minute == 35]

            assert {later - earlier for earlier, later in pairwise(reviews)} == {HOUR}
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_guard_pass_is_due_every_five_minutes_all_year() -> None:
    cadence = schedule(review="monthly")
    at, count = datetime(2024, 3, 30, tzinfo=UTC), 0
    while at < datetime(2024, 4, 1, tzinfo=UTC):
        at = cadence.next_wake(at) or at
        count += 1

    assert count == 2 * 24 * 12


@pytest.mark.parametrize("guard", ["1m", "15m", "1h", "8h", "1d"])
def test_the_next_wake_is_later_and_something_is_due_then(journal: Journal, guard: str) -> None:
    cadence, now = schedule(guard=guard), MONDAY - DAY
    for _ in range(5):
        at = cadence.next_wake(now)
        assert at is not None
        assert at > now
        now = at
        assert made_at(journal, cadence, now) is not None
        assert cadence.due(journal, "main", now) is None


def test_a_settled_trigger_is_the_crons_own_instants_later() -> None:
    review, _ = schedule(delay="7m").triggers
    first = review.get_next_fire_time(None, MONDAY)
    assert isinstance(review, Settled)
    assert first == MONDAY + 7 * MINUTE

    assert review.get_next_fire_time(first, first) == MONDAY + 7 * DAY + 7 * MINUTE


# Exactly once.


def test_a_review_is_due_once_and_guard_passes_follow(journal: Journal) -> None:
    cadence = schedule()
    nows = [MONDAY + DELAY + n * 5 * MINUTE for n in range(5)]
    ticks = [made_at(journal, cadence, now) for now in nows]

    assert [tick.kind for tick in ticks if tick] == ["review", "guard", "guard", "guard", "guard"]
    assert len({tick.id for tick in ticks if tick}) == 5


def test_a_second_wake_in_one_guard_interval_finds_nothing_due(journal: Journal) -> None:
    cadence = schedule()
    made_at(journal, cadence, MONDAY + DELAY)
    made_at(journal, cadence, MONDAY + 10 * MINUTE)

    assert cadence.due(journal, "main", MONDAY + 14 * MINUTE) is None


def test_each_portfolio_has_its_own_ticks(journal: Journal) -> None:
    cadence = schedule()
    made_at(journal, cadence, MONDAY + DELAY)

    other = cadence.due(journal, "other", MONDAY + DELAY)
    assert other is not None
    assert other.kind == "review"


def test_after_downtime_the_latest_missed_review_is_made_once(journal: Journal) -> None:
    cadence = schedule()
    reviews = reviewed(
        journal, cadence, MONDAY + DELAY, MONDAY + 24 * DAY, MONDAY + 24 * DAY + 5 * MINUTE
    )

    assert reviews == [MONDAY, MONDAY + 21 * DAY]


def test_a_review_that_failed_stays_due_at_every_wake(journal: Journal) -> None:
    cadence = schedule()
    due = [cadence.due(journal, "main", MONDAY + n * 5 * MINUTE) for n in (1, 2, 3, 500)]

    assert [tick.scheduled_at for tick in due if tick and tick.kind == "review"] == [MONDAY] * 4


@settings(deadline=None, derandomize=True, max_examples=25)
@given(
    st.lists(st.integers(0, 40 * 24 * 12), min_size=1, max_size=25),
    st.sampled_from(["weekly", "daily"]),
)
def test_whenever_it_is_woken_no_tick_is_made_twice_and_reviews_come_in_order(
    tmp_path_factory: pytest.TempPathFactory, wakes: list[int], review: str
) -> None:
    folder, cadence = tmp_path_factory.mktemp("ticks"), schedule(review)
    journal = Journal.open_for(folder / "journal.sqlite", "paper", ("paper",), FakeClock())
    made = [made_at(journal, cadence, MONDAY + n * 5 * MINUTE) for n in sorted(wakes)]
    journal.close()
    reviews = [tick.scheduled_at for tick in made if tick and tick.kind == "review"]

    assert len({tick.id for tick in made if tick}) == sum(tick is not None for tick in made)
    assert reviews == sorted(set(reviews))


# The clock and the cadence change.


@pytest.mark.parametrize("back", [MINUTE, HOUR, 3 * DAY])
def test_a_clock_that_steps_back_makes_no_second_review(journal: Journal, back: timedelta) -> None:
    cadence, now = schedule(), MONDAY + 7 * DAY + 10 * MINUTE
    reviews = reviewed(
        journal, cadence, MONDAY + DELAY, now, now - back, now - back + MINUTE, now + MINUTE
    )

    assert reviews == [MONDAY, MONDAY + 7 * DAY]


def test_a_clock_that_steps_back_after_a_first_start_makes_no_older_review(journal: Journal) -> None:
    cadence, now = schedule(), MONDAY + 10 * MINUTE

    assert reviewed(journal, cadence, now, now - HOUR, now) == [MONDAY]


def test_a_clock_that_steps_back_after_a_catch_up_makes_no_older_review(journal: Journal) -> None:
    """The review of the second week was missed; the third's was made, and the clock steps back."""
    cadence, now = schedule(), MONDAY + 14 * DAY + 10 * MINUTE

    assert reviewed(journal, cadence, MONDAY + DELAY, now, now - HOUR, now) == [
        MONDAY,
        MONDAY + 14 * DAY,
    ]


def test_another_cadence_reviews_no_bar_older_than_the_last_reviewed(journal: Journal) -> None:
    weekly, monthly = schedule("weekly"), schedule("monthly")
    reviewed(journal, weekly, MONDAY + 21 * DAY + DELAY)

    assert reviewed(journal, monthly, MONDAY + 23 * DAY, datetime(2024, 2, 1, 0, 5, tzinfo=UTC)) == [
        datetime(2024, 2, 1, tzinfo=UTC)
    ]
