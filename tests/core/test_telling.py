"""Records, failed passes and freezes give what there is to tell, and no more."""

from __future__ import annotations

from datetime import timedelta

import pytest

from builders import MONDAY
from hedged.core.alerts import Kind
from hedged.core.gate import Restriction
from hedged.core.telling import from_record, frozen, skipped
from told import OF_RECORDS, Ear, only, passed, telling

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.mark.parametrize("guard", [False, True])
def test_a_pass_without_news_tells_nothing(guard: bool) -> None:
    assert Ear().hears(from_record(passed(guard=guard))) == []


@pytest.mark.parametrize("kind", OF_RECORDS)
def test_every_kind_is_told_at_first_sight_with_the_mode_and_the_portfolio(kind: Kind) -> None:
    alert = only(telling(kind))

    assert alert.kind == kind
    assert alert.title.startswith("[paper] main: ")
    assert alert.text


def test_passes_that_fail_are_told_from_the_third_on_and_when_they_work_again() -> None:
    ear = Ear()
    counts = [
        len(ear.hears(skipped("live", "main", "pass", "no answer", n, MONDAY + n * MINUTE)))
        for n in range(1, 7)
    ]
    (over,) = ear.titles(passed(MONDAY + HOUR, guard=True))

    assert counts == [0, 0, 1, 0, 0, 0]
    assert over == "[live] main: over: 3 guard passes failed in a row"


def test_a_guard_pass_does_not_end_reviews_that_fail() -> None:
    ear = Ear()
    ear.hears(skipped("live", "main", "review", "no bars", 3, MONDAY))

    assert ear.titles(passed(MONDAY + HOUR, guard=True)) == []
    assert len(ear.titles(passed(MONDAY + 2 * HOUR))) == 1


def test_a_freeze_is_one_condition_whoever_tells_of_it() -> None:
    ear = Ear()
    freeze = Restriction(
        scope="main", allows="nothing", reason="unexpected KeyError: 3", by="hedged", at=MONDAY
    )
    (alert,) = ear.hears(frozen("paper", "main", (freeze,), MONDAY))

    assert alert.severity == "critical"
    assert ear.titles(passed(MONDAY + 5 * MINUTE, guard=True, restrictions=(freeze,))) == []
