"""What is told: at first sight, again every so often, and when it is over."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from builders import MONDAY
from hedged.core.alerts import (
    SETTLED,
    TEXT_LENGTH_MAX,
    TITLE_LENGTH_MAX,
    Kind,
)
from hedged.core.telling import from_record
from told import OF_RECORDS, REPEAT, Ear, only, passed, seen, telling

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
OF_REVIEWS = ("rule", "late", "metric", "beta")


def test_a_standing_hold_is_told_at_first_sight_then_every_six_hours_and_when_it_is_over() -> None:
    ear, told = Ear(), []
    for step in range(14 * 12):
        at = MONDAY + step * 5 * MINUTE
        held = step < 13 * 12
        record = telling("hold", at, guard=True) if held else passed(at, guard=True)
        told += [(alert.at - MONDAY, alert.what) for alert in ear.hears(from_record(record))]

    what = "HOLD: the account can't be read"
    assert told == [
        (timedelta(0), what),
        (6 * HOUR, f"still: {what}"),
        (12 * HOUR, f"still: {what}"),
        (13 * HOUR + 10 * MINUTE, f"over: {what}"),
    ]
    assert ear.open == {}


def test_a_hold_that_comes_and_goes_is_one_hold() -> None:
    ear, told = Ear(), []
    for step in range(20):
        at = MONDAY + step * 5 * MINUTE
        record = passed(at, guard=True) if step % 2 else telling("hold", at, guard=True)
        told += ear.titles(record)

    assert told == ["[paper] main: HOLD: the account can't be read"]


def test_a_weekly_run_closes_what_its_last_one_told() -> None:
    ear = Ear()
    ear.titles(telling("hold"))
    (over,) = ear.hears(from_record(passed(MONDAY + timedelta(weeks=1))))

    assert over.what == "over: HOLD: the account can't be read"
    assert over.text == "It stood from 2024-01-01 00:00 to 2024-01-01 00:00 UTC at least."


def test_a_long_reason_is_cut() -> None:
    doubt = "so much to say; " * 500
    alert = only(passed(snapshot=seen(MONDAY, doubts=(doubt,)), guard=True))

    assert len(alert.title) == TITLE_LENGTH_MAX
    assert len(alert.text) <= TEXT_LENGTH_MAX


def test_a_clock_that_was_wrong_does_not_silence_a_condition_for_years() -> None:
    ear = Ear()
    ear.titles(telling("hold", MONDAY + timedelta(days=3000), guard=True))

    assert ear.titles(telling("hold", MONDAY, guard=True)) == [
        "[paper] main: still: HOLD: the account can't be read"
    ]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from((None, *OF_RECORDS)), st.integers(1, 600), st.booleans()), max_size=25
    )
)
def test_from_any_sequence_of_passes_each_condition_is_told_at_first_sight_and_no_more_often(
    passes: list[tuple[Kind | None, int, bool]],
) -> None:
    """A model of its own: when each condition was told and seen last; events are always told."""
    ear, at = Ear(), MONDAY
    told_at: dict[str, datetime] = {}
    for kind, minutes, some in passes:
        at += minutes * MINUTE
        guard = some and kind not in OF_REVIEWS
        record = passed(at, guard=guard) if kind is None else telling(kind, at, guard=guard)
        told = from_record(record)
        heard = ear.hears(told)
        ended = {alert.key for alert in heard if alert.what.startswith("over: ")}
        raised = [alert for alert in heard if not alert.what.startswith("over: ")]

        standing = {one.alert.key for one in told.standing}
        wanted = {key for key in standing if key not in told_at or told.at - told_at[key] >= REPEAT}
        assert {alert.key for alert in raised} == wanted | {event.key for event in told.events}
        assert len(raised) == len(wanted) + len(told.events)
        assert ended <= told_at.keys() - standing
        assert all(alert.title.startswith("[paper] main: ") for alert in heard)
        if kind is not None:
            assert kind in {one.alert.kind for one in told.standing} | {e.kind for e in told.events}
        told_at |= dict.fromkeys(wanted, told.at)
        told_at = {key: then for key, then in told_at.items() if key not in ended}
        assert told_at.keys() == ear.open.keys()


@given(st.integers(0, 60))
def test_a_condition_is_over_no_sooner_than_it_has_settled(minutes: int) -> None:
    ear = Ear()
    ear.titles(telling("hold", guard=True))
    over = ear.titles(passed(MONDAY + minutes * MINUTE, guard=True))

    assert bool(over) == (minutes * MINUTE >= SETTLED)
