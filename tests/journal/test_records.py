"""A record comes back as it was, and what was altered or half-written is never gone on from."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from builders import MONDAY, guard_tick, inputs, policy, quote, review_tick, snapshot
from hedged.core.encoding import encode
from hedged.core.market import Flow
from hedged.core.record import Memory
from hedged.errors import JournalBroken, JournalError
from hedged.journal.chain import GENESIS, verify
from hedged.journal.store import Journal
from journals import asked, opened, stored
from passes import quiet_of, record_of

DAY = timedelta(days=1)


class Crash(BaseException):
    """The process ends here."""


def test_a_record_comes_back_as_it_was_with_its_policy_and_memory(journal: Journal) -> None:
    record = record_of()
    head = journal.append(record, policy())

    assert journal.body(1) == encode(record)
    assert journal.record(1) == record
    assert journal.policy(record.policy_digest) == policy()
    assert journal.memory("main") == record.memory
    assert journal.head() == (1, head)
    assert verify(journal.rows(), head).fault == ""


def test_an_empty_journal_remembers_nothing(journal: Journal) -> None:
    assert journal.memory("main") == Memory()
    assert journal.latest("main") is None
    assert journal.last_pass_at("main") is None
    assert journal.head() == (0, GENESIS)


def test_quiet_passes_are_stored_as_what_changed_and_come_back_as_the_same_bytes(
    journal: Journal,
) -> None:
    review = record_of()
    quiet = [quiet_of(day, memory=review.memory) for day in range(1, 6)]
    for record in (review, *quiet):
        journal.append(record, policy())

    bodies = dict(stored(journal))
    for row_id, record in enumerate((review, *quiet), start=1):
        assert journal.body(row_id) == encode(record)
    assert all(len(bodies[i]) < len(bodies[1]) for i in range(2, 7))
    assert verify(journal.rows()).fault == ""


def test_a_quiet_first_pass_is_stored_whole(journal: Journal) -> None:
    record = quiet_of(1)
    journal.append(record, policy())

    assert stored(journal)[0][1].encode() == encode(record)


def test_a_quiet_pass_differs_from_its_own_portfolios_last_whole_record(journal: Journal) -> None:
    for name in ("main", "other"):
        journal.append(record_of(portfolio=name), policy(portfolio=name))
    for day in (1, 2):
        journal.append(quiet_of(day), policy())

    assert [body.startswith('{"base":1,') for _, body in stored(journal)] == [False, False, True, True]
    assert journal.body(4) == encode(quiet_of(2))


MONEY = st.decimals(min_value=-(10**6), max_value=10**6, places=4, allow_nan=False)
FIGURES = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)


@settings(deadline=None, derandomize=True, max_examples=25)
@given(st.data())
def test_any_quiet_pass_unpacks_to_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    journal = opened(tmp_path_factory.mktemp("journal"))
    names = st.sampled_from(["close", "sma_50", "ath", "0", "base", "ä"])
    row = replace(inputs().metrics, values=data.draw(st.dictionaries(names, FIGURES)))  # type: ignore[type-var]
    records = [record_of(metrics=row)]
    for day in (1, 2, 3):
        price = data.draw(st.decimals(min_value=1, max_value=10**6, places=3))
        flows = tuple(Flow(at=MONDAY, amount=m) for m in data.draw(st.lists(MONEY, max_size=3)))
        seen = snapshot(quotes=(quote(mark=str(price)),), flows=flows, cursor=day)
        at = MONDAY + day * DAY
        record = record_of(tick=guard_tick(at), now=at, snapshot=seen, memory=records[0].memory)
        records.append(record)
    for record in records:
        journal.append(record, policy())
    bodies = [journal.body(i) for i in range(1, 5)]
    journal.close()

    assert bodies == [encode(record) for record in records]


def test_the_database_itself_refuses_to_change_or_drop_a_record(journal: Journal) -> None:
    journal.append(record_of(), policy())
    before = stored(journal)

    for table, column in (("record", "body"), ("policy", "body")):
        for statement in (f"UPDATE {table} SET {column} = 'x'", f"DELETE FROM {table}"):
            connection = sqlite3.connect(journal.path)
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)
            connection.close()
    assert stored(journal) == before


def test_a_tick_has_one_record_at_most(journal: Journal) -> None:
    journal.append(record_of(), policy())

    assert journal.has("main", review_tick().id)
    assert not journal.has("other", review_tick().id)
    with pytest.raises(JournalError):
        journal.append(record_of(), policy())
    assert journal.head()[0] == 1


def test_the_chain_goes_on_across_restarts(tmp_path: Path) -> None:
    for day in range(3):
        journal = opened(tmp_path)
        journal.append(quiet_of(day), policy())
        head = journal.head()[1]
        journal.close()
    journal = opened(tmp_path)
    found = verify(journal.rows(), head)
    journal.close()

    assert found.records == 3
    assert found.fault == ""


def test_a_crash_at_any_statement_of_an_append_leaves_no_half_record(tmp_path: Path) -> None:
    sent = 0
    while True:
        folder = tmp_path / str(sent)
        journal = opened(folder)
        journal.append(record_of(), policy())
        left = iter(range(sent))

        def crash(*_: object, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise Crash

        event.listen(journal.engine, "after_cursor_execute", crash)
        changed = replace(policy(), portfolio="new policy, same journal")
        try:
            journal.append(quiet_of(1), changed)
            crashed = False
        except Crash:
            crashed = True
        journal.close()
        gc.collect()  # the crashed connection, as the end of its process would
        journal = opened(folder)
        records, policies = stored(journal), len(asked(journal, "SELECT * FROM policy"))
        intact = verify(journal.rows()).fault == ""
        journal.append(quiet_of(2), policy())
        goes_on = verify(journal.rows()).fault == ""
        journal.close()

        assert intact
        assert goes_on
        assert len(records) == (1 if crashed else 2)
        assert policies == 1
        if not crashed:
            break
        sent += 1

    assert sent >= 5


def test_an_altered_body_is_broken_whatever_it_was_altered_to(journal: Journal) -> None:
    journal.append(record_of(), policy())
    journal.append(quiet_of(1), policy())
    packed = stored(journal)[1][1]
    connection = sqlite3.connect(journal.path, isolation_level=None)
    connection.execute("DROP TRIGGER record_no_update")
    forgeries = ["", "no JSON", "[]", '{"base":7}', packed.replace('"base":1', '"base":2'),
                 '{"base":1,"changes":[],"digest":""}', '{"base":1}', packed.replace("guard", "gUard"),
                 '{"base":"1","changes":{},"digest":""}']  # fmt: skip
    for forged in forgeries:
        connection.execute("UPDATE record SET body = ? WHERE id = 2", (forged,))

        with pytest.raises(JournalBroken):
            journal.body(2)
        with pytest.raises(JournalBroken):
            journal.memory("main")
        assert verify(journal.rows()).fault_id == 2
    connection.close()


def test_an_altered_policy_is_broken(journal: Journal) -> None:
    record = record_of()
    journal.append(record, policy())
    connection = sqlite3.connect(journal.path, isolation_level=None)
    connection.execute("DROP TRIGGER policy_no_update")
    connection.execute("UPDATE policy SET body = replace(body, '0.20', '0.90')")
    connection.close()

    with pytest.raises(JournalBroken, match="policy"):
        journal.policy(record.policy_digest)
