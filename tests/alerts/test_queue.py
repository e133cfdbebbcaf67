"""The queue of alerts in the journal: raised once, in order, and lost by no crash."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import create_engine

from builders import MONDAY, policy
from fakes import FakeClock
from hedged.core.alerts import Told
from hedged.core.telling import from_record
from hedged.errors import JournalBroken, JournalError
from hedged.journal import alerts as module
from hedged.journal import database
from hedged.journal.alerts import AlertQueue
from hedged.journal.store import Journal
from told import passed, telling

FIRST_TABLES = ("alembic_version", "binding", "writer", "policy", "record", "intent", "restriction")
HOUR = timedelta(hours=1)
REPEAT = 6 * HOUR


class Crash(BaseException):
    """The process ends here."""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal.open_for(tmp_path / "journal.sqlite", "paper", ("paper",), FakeClock())
    yield made
    made.close()


@pytest.fixture
def queue(journal: Journal) -> AlertQueue:
    made = AlertQueue(journal)
    made.register(["a"], MONDAY)
    return made


def hold(hours: float = 0) -> Told:
    return from_record(telling("hold", MONDAY + hours * HOUR, guard=True))


def titles(queue: AlertQueue, channel: str = "a") -> list[str]:
    return [queued.alert.title for queued in queue.pending(channel)]


def fill(queue: AlertQueue, count: int) -> None:
    for n in range(count):
        event = from_record(telling("liquidation", MONDAY + n * timedelta(seconds=1), guard=True))
        queue.raise_due(event, REPEAT)


def test_what_is_raised_waits_for_the_channel_and_comes_back_as_it_was(queue: AlertQueue) -> None:
    told = hold()
    raised = queue.raise_due(told, REPEAT)

    assert raised == 1
    assert [queued.alert for queued in queue.pending("a")] == [told.standing[0].alert]


def test_a_standing_condition_waits_once_until_it_is_due_again(queue: AlertQueue) -> None:
    counts = [queue.raise_due(hold(hours), REPEAT) for hours in (0, 1, 5.9, 6, 11.9)]

    assert counts == [1, 0, 0, 1, 0]
    assert [one.alert.what for one in queue.standing()] == ["HOLD: the account can't be read"]


def test_conditions_of_one_portfolio_do_not_end_those_of_another(queue: AlertQueue) -> None:
    queue.raise_due(hold(), REPEAT)
    other = from_record(passed(MONDAY + HOUR, chosen=policy(portfolio="other")))
    queue.raise_due(other, REPEAT)

    assert len(queue.standing()) == 1


def test_a_record_is_looked_at_once(queue: AlertQueue, journal: Journal) -> None:
    for hours in range(3):
        record = telling("orders", MONDAY + hours * HOUR, guard=True)
        journal.append(record, policy())
    before = queue.unseen(2)
    counts = [queue.raise_due(from_record(journal.record(1)), REPEAT, 1) for _ in range(3)]

    assert before == [1, 2]
    assert counts == [1, 0, 0]
    assert queue.unseen(9) == [2, 3]


@pytest.mark.parametrize("step", ["_row", "_replace_open"])
def test_a_crash_in_the_middle_of_raising_leaves_nothing_behind(
    queue: AlertQueue, journal: Journal, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def crash(*_: Any) -> None:
        raise Crash

    journal.append(telling("hold", guard=True), policy())
    with monkeypatch.context() as patch:
        patch.setattr(module, step, crash)
        with pytest.raises(Crash):
            queue.raise_due(hold(), REPEAT, 1)
    after = (queue.unseen(9), titles(queue), queue.standing())
    again = queue.raise_due(hold(), REPEAT, 1)

    assert after == ([1], [], [])
    assert again == 1


def test_a_channel_goes_on_where_it_stands(queue: AlertQueue) -> None:
    fill(queue, 3)
    first, second, third = queue.pending("a")
    queue.failed("a", "refused", MONDAY + HOUR)
    failed = queue.channel("a")
    queue.settle("a", [first.id, second.id], "sent", MONDAY)
    state = queue.channel("a")

    assert (failed.tries, failed.next_try_at, failed.error) == (1, MONDAY + HOUR, "refused")
    assert (state.reached, state.tries, state.next_try_at, state.error) == (2, 0, None, "")
    assert queue.pending("a") == [third]


def test_a_channel_whose_address_changed_gets_what_nobody_got(queue: AlertQueue) -> None:
    fill(queue, 3)
    queue.settle("a", [1], "sent", MONDAY)
    queue.register(["a", "b"], MONDAY + HOUR)

    assert [queued.id for queued in queue.pending("b")] == [2, 3]


def test_a_new_channel_does_not_get_what_others_sent_or_what_is_old(queue: AlertQueue) -> None:
    fill(queue, 3)
    queue.register(["late"], MONDAY + 25 * HOUR)
    queue.settle("a", [1, 2, 3], "sent", MONDAY)
    queue.register(["beside"], MONDAY + HOUR)

    assert queue.pending("late") == []
    assert queue.pending("beside") == []


def test_registering_again_changes_nothing(queue: AlertQueue) -> None:
    fill(queue, 2)
    queue.settle("a", [1], "sent", MONDAY)
    queue.register(["a"], MONDAY + HOUR)

    assert queue.channel("a").reached == 1


def test_the_list_tells_what_became_of_each_alert(queue: AlertQueue) -> None:
    queue.register(["a", "b"], MONDAY)
    fill(queue, 3)
    queue.settle("a", [1, 2, 3], "sent", MONDAY)
    queue.settle("b", [1], "given up", MONDAY + 25 * HOUR)
    listed = queue.listed(2)
    told = {one.id: [(made.channel, made.result) for made in one.deliveries] for one in listed}
    oldest = queue.listed(9)[-1].deliveries

    assert told == {3: [("a", "sent")], 2: [("a", "sent")]}
    assert [(made.channel, made.result) for made in oldest] == [("a", "sent"), ("b", "given up")]


def test_an_alert_can_not_be_changed_and_one_that_was_is_told(queue: AlertQueue) -> None:
    fill(queue, 1)
    connection = sqlite3.connect(queue.path)
    with pytest.raises(sqlite3.IntegrityError, match="stands as it was raised"):
        connection.execute("UPDATE alert SET body = '{}'")
    connection.execute("DROP TRIGGER alert_no_update")
    connection.execute("UPDATE alert SET body = '{}'")
    connection.commit()
    connection.close()

    with pytest.raises(JournalBroken, match="an alert in the journal was altered"):
        queue.pending("a")


def test_a_journal_from_before_alerts_is_brought_up_to_date_and_its_past_is_not_told(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.sqlite"
    old = Journal.open_for(path, "paper", ("paper",), FakeClock())
    old.append(telling("hold", guard=True), policy())
    old.close()
    downgraded(path)
    with pytest.raises(JournalError, match="older schema"):
        Journal.open_to_read(path, FakeClock())

    with Journal.open_for(path, "paper", ("paper",), FakeClock()) as journal:
        queue = AlertQueue(journal)
        journal.append(telling("orders", MONDAY + HOUR, guard=True), policy())

        assert queue.unseen(9) == [2]


def downgraded(path: Path) -> None:
    """The file as the first schema had it: what came later is gone, the revision 0001."""
    connection = sqlite3.connect(path)
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (name,) in tables:
        if name not in FIRST_TABLES:
            connection.execute(f"DROP TABLE {name}")
    connection.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.commit()
    connection.close()


def test_the_first_schema_alone_becomes_todays(tmp_path: Path) -> None:
    """From the migrations themselves, not from a schema that was taken apart."""
    path = tmp_path / "journal.sqlite"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = database._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    with Journal.open_for(path, "paper", ("paper",), FakeClock()) as journal:
        assert AlertQueue(journal).unseen(9) == []
