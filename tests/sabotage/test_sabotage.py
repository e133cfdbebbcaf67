"""
Every bug that was put back is seen: some of them in CI, all in the long run; every incident has a test.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sabotage.bug import Bug
from sabotage.bugs import BUGS
from sabotage.incidents import INCIDENTS, README, table, written
from sabotage.run import TESTS, is_seen, spoiled

IN_CI = 6
"""Every so manieth bug is tried in CI; each takes some seconds."""

HELD = {*range(1, 43), 47, 48, 49, 61} - {27}
"""
Invariants of which every incident has a test; others have one, or wait for their part, as 27 (what
funding will cost) does for its guard.
"""


def named(bug: Bug) -> str:
    return bug.what.replace(" ", "_")


def test_there_are_at_least_fifty_and_each_has_a_name_of_its_own() -> None:
    assert len(BUGS) >= 50
    assert len({bug.what for bug in BUGS}) == len(BUGS)


def is_there(test: str) -> bool:
    file, _, name = test.partition("::")
    return (TESTS / file).exists() and f"def {name}(" in (TESTS / file).read_text()


def test_every_incident_that_was_collected_is_told() -> None:
    assert sorted(INCIDENTS) == list(range(1, 58))
    assert len({incident.what for incident in INCIDENTS.values()}) == len(INCIDENTS)


@pytest.mark.parametrize("number", INCIDENTS)
def test_an_incident_has_a_test_or_waits_for_a_part(number: int) -> None:
    incident = INCIDENTS[number]

    assert incident.seen_by or incident.waits_for
    assert incident.seen_by or not HELD.issuperset(incident.invariants)
    assert [test for test in incident.seen_by if not is_there(test)] == []
    assert len(set(incident.seen_by)) == len(incident.seen_by)


def test_the_test_that_sees_a_bug_is_one_of_its_incidents() -> None:
    strange = [
        (bug.what, number)
        for bug in BUGS
        for number in bug.incidents
        if bug.seen_by not in INCIDENTS[number].seen_by
    ]

    assert strange == []


def test_the_page_of_the_tests_lists_the_incidents() -> None:
    assert README.read_text() == written(README.read_text(), table(INCIDENTS))


@pytest.mark.parametrize("bug", BUGS, ids=named)
def test_a_bug_still_has_its_place_and_its_test(bug: Bug, tmp_path: Path) -> None:
    spoiled(bug, tmp_path)

    assert is_there(bug.seen_by)


@pytest.mark.parametrize("bug", BUGS[::IN_CI], ids=named)
def test_a_bug_that_was_put_back_is_seen(bug: Bug, tmp_path: Path) -> None:
    assert is_seen(bug, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("bug", BUGS, ids=named)
def test_every_bug_that_was_put_back_is_seen(bug: Bug, tmp_path: Path) -> None:
    assert is_seen(bug, tmp_path)
