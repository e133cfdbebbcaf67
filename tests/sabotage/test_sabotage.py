"""Every bug that was put back is seen: some of them in CI, all in the long run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sabotage.bugs import BUGS, Bug
from sabotage.run import TESTS, is_seen, spoiled

IN_CI = 6
"""Every so manieth bug is tried in CI; each takes some seconds."""


def named(bug: Bug) -> str:
    return bug.what.replace(" ", "_")


def test_there_are_at_least_thirty_and_each_has_a_name_of_its_own() -> None:
    assert len(BUGS) >= 30
    assert len({bug.what for bug in BUGS}) == len(BUGS)


@pytest.mark.parametrize("bug", BUGS, ids=named)
def test_a_bug_still_has_its_place_and_its_test(bug: Bug, tmp_path: Path) -> None:
    spoiled(bug, tmp_path)
    file, _, test = bug.seen_by.partition("::")

    assert not test or re.search(rf"def {test}\(", (TESTS / file).read_text())


@pytest.mark.parametrize("bug", BUGS[::IN_CI], ids=named)
def test_a_bug_that_was_put_back_is_seen(bug: Bug, tmp_path: Path) -> None:
    assert is_seen(bug, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("bug", BUGS, ids=named)
def test_every_bug_that_was_put_back_is_seen(bug: Bug, tmp_path: Path) -> None:
    assert is_seen(bug, tmp_path)
