"""Arming in the journal: only ever added, and nothing is claimed without it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders import BTC, MONDAY, d, guard_tick, policy
from fakes import FakeClock
from hedged.core.gate import ARMING
from hedged.core.plan import Step
from hedged.errors import JournalBroken
from hedged.journal.store import Journal

TERMS = {"accounts": "{}", "main: limits": "[1]"}
STEP = Step(symbol=BTC, side="sell", contracts=d(1), reduce_only=False, limit_price=d(1), notional=d(1))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal.open_for(tmp_path / "journal.sqlite", "live", ("main",), FakeClock())
    made.terms = dict(TERMS)
    yield made
    made.close()


def claims(journal: Journal) -> bool:
    intent = journal.open_intent(policy(), guard_tick(), STEP)
    return journal.claim(intent.client_order_id, MONDAY)


def test_no_order_is_claimed_before_it_was_armed_nor_after_a_change(journal: Journal) -> None:
    assert not claims(journal)
    assert [one.by for one in journal.restrictions("main", MONDAY)] == [ARMING]

    journal.arm(TERMS, MONDAY)
    assert claims(journal)
    assert journal.restrictions("main", MONDAY) == ()

    journal.terms = TERMS | {"main: limits": "[2]"}
    assert not claims(journal)
    assert "what changed: main: limits" in journal.restrictions("main", MONDAY)[0].reason


def test_the_last_arming_counts_and_lifting_restrictions_is_none(journal: Journal) -> None:
    journal.arm(TERMS, MONDAY)
    journal.arm({"accounts": "other"}, MONDAY)
    journal.lift("all", "a test")

    assert not claims(journal)


def test_a_daemon_beside_arms_while_another_runs(journal: Journal) -> None:
    with Journal.open_beside(journal.path, FakeClock()) as beside:
        beside.arm(TERMS, MONDAY)

    assert claims(journal)


def test_an_arming_can_be_neither_changed_nor_dropped_and_an_altered_one_is_seen(
    journal: Journal,
) -> None:
    journal.arm(TERMS, MONDAY)
    other = sqlite3.connect(journal.path, isolation_level=None)
    for change in ("UPDATE arming SET body = '{}'", "DELETE FROM arming"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            other.execute(change)
    other.execute("DROP TRIGGER arming_no_update")
    other.execute("UPDATE arming SET body = '{}'")
    other.close()

    with pytest.raises(JournalBroken, match="altered"):
        claims(journal)


def test_where_nothing_must_be_armed_nothing_is_asked(journal: Journal) -> None:
    journal.terms = None

    assert claims(journal)
