"""What was altered is named: by the walk over rows, over the table, and over the file's own bytes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import MONDAY, guard_tick, policy
from fakes import FakeClock
from hedged.errors import JournalError
from hedged.journal.chain import GENESIS, Row, Verification, hash_of, verify
from hedged.journal.store import Journal
from passes import record_of

COLUMNS = ("portfolio", "tick_id", "kind", "at", "body", "prev_hash", "hash")
QUICK = settings(deadline=None, derandomize=True, max_examples=60)


def rows(count: int = 5) -> list[Row]:
    made: list[Row] = []
    head = GENESIS
    for i in range(1, count + 1):
        fields = ("main", f"weekly@{i}", "review", f"2024-01-0{i}T00:00:00+00:00", f'{{"n":{i}}}')
        linked = hash_of(head, i, fields)
        names = dict(zip(COLUMNS[:5], fields, strict=True))
        made.append(Row(id=i, **names, prev_hash=head, hash=linked))
        head = linked
    return made


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A journal of a review and four guard passes, closed, all of it in the one file."""
    path = tmp_path / "journal.sqlite"
    journal = Journal.open_for(path, "paper", ("paper",), FakeClock())
    journal.append(record_of(), policy())
    for day in range(1, 5):
        at = MONDAY + timedelta(days=day)
        journal.append(record_of(tick=guard_tick(at), now=at), policy())
    journal.close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path


def walked(path: Path, expected_head: str | None = None) -> Verification:
    journal = Journal.open_to_read(path, FakeClock())
    try:
        return verify(journal.rows(), expected_head)
    finally:
        journal.close()


def forge(path: Path, *statements: str, values: tuple[object, ...] = ()) -> None:
    """What a hand with the file can do: the triggers go first."""
    connection = sqlite3.connect(path)
    connection.execute("DROP TRIGGER IF EXISTS record_no_update")
    connection.execute("DROP TRIGGER IF EXISTS record_no_delete")
    for statement in statements:
        connection.execute(statement, values)
    connection.commit()
    connection.close()


def test_an_untouched_chain_holds_and_tells_its_head() -> None:
    chain = rows()

    assert verify(chain) == Verification(records=5, head=chain[-1].hash)
    assert verify(chain, chain[-1].hash).fault == ""
    assert verify([]) == Verification(records=0, head=GENESIS)


@QUICK
@given(st.integers(0, 4), st.sampled_from(COLUMNS), st.data())
def test_one_changed_character_of_any_field_names_that_record(
    place: int, column: str, data: st.DataObject
) -> None:
    chain = rows()
    text: str = getattr(chain[place], column)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda c: c != text[at]))
    chain[place] = replace(chain[place], **{column: text[:at] + other + text[at + 1 :]})

    assert verify(chain).fault_id == place + 1


@QUICK
@given(st.permutations(range(5)))
def test_any_other_order_is_a_fault(order: list[int]) -> None:
    chain = rows()
    fault = verify([chain[i] for i in order]).fault_id
    first_moved = next((i + 1 for i, was in enumerate(order) if i != was), None)

    assert fault == first_moved


@pytest.mark.parametrize("gone", [1, 2, 3, 4])
def test_a_record_missing_before_the_last_is_named(gone: int) -> None:
    chain = [row for row in rows() if row.id != gone]

    found = verify(chain)
    assert found.fault_id == gone
    assert f"record {gone} is missing" in found.fault


def test_records_cut_from_the_end_show_against_the_head_that_the_log_told() -> None:
    chain = rows()
    head = chain[-1].hash

    assert verify(chain[:-1]).fault == ""
    assert verify(chain[:-1], head).fault_id == 4
    assert verify([], head).fault_id == 0


def test_records_renumbered_after_one_was_taken_out_do_not_follow_each_other() -> None:
    chain = rows()
    closed_up = [*chain[:2], *(replace(row, id=row.id - 1) for row in chain[3:])]

    assert verify(closed_up).fault_id == 3


def test_a_record_rewritten_with_a_hash_of_its_own_breaks_the_next() -> None:
    chain = rows()
    fields = ("main", chain[1].tick_id, "review", chain[1].at, '{"n":22}')
    forged = hash_of(chain[1].prev_hash, 2, fields)
    chain[1] = replace(chain[1], body=fields[4], hash=forged)

    found = verify(chain)
    assert found.fault_id == 3
    assert "does not follow" in found.fault


def test_fields_that_run_into_each_other_hash_differently() -> None:
    joined = hash_of(GENESIS, 1, ("a", "bc", "review", "at", "{}"))

    assert joined != hash_of(GENESIS, 1, ("ab", "c", "review", "at", "{}"))
    assert joined != hash_of(GENESIS, 11, ("a", "bc", "review", "at", "{}"))


@pytest.mark.parametrize("record", [1, 3, 5])
@pytest.mark.parametrize("column", COLUMNS)
def test_a_byte_changed_in_the_table_is_named(kept: Path, record: int, column: str) -> None:
    connection = sqlite3.connect(kept)
    query = f"SELECT {column} FROM record WHERE id = ?"
    (text,) = connection.execute(query, (record,)).fetchone()
    connection.close()
    place = len(text) // 2
    altered = text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
    forge(kept, f"UPDATE record SET {column} = ? WHERE id = {record}", values=(altered,))

    assert walked(kept).fault_id == record


def test_text_turned_into_bytes_or_nothing_is_named(kept: Path) -> None:
    forge(kept, "UPDATE record SET body = CAST(body AS BLOB) WHERE id = 3")

    assert walked(kept).fault_id == 3


def test_a_row_taken_out_of_the_table_is_named(kept: Path) -> None:
    forge(kept, "DELETE FROM record WHERE id = 3")

    assert walked(kept).fault_id == 3


def test_the_last_row_taken_out_of_the_table_is_named_with_the_head(kept: Path) -> None:
    head = walked(kept).head
    forge(kept, "DELETE FROM record WHERE id = 5")

    assert walked(kept).fault == ""
    assert walked(kept, head).fault_id == 4


def test_two_rows_that_changed_places_are_named(kept: Path) -> None:
    forge(
        kept,
        "UPDATE record SET id = 99 WHERE id = 2",
        "UPDATE record SET id = 2 WHERE id = 4",
        "UPDATE record SET id = 4 WHERE id = 99",
    )

    assert walked(kept).fault_id == 2


def _flip(path: Path, place: int, change: Callable[[int], int]) -> None:
    raw = bytearray(path.read_bytes())
    raw[place] = change(raw[place])
    path.write_bytes(bytes(raw))


CHANGES: dict[str, Callable[[int], int]] = {
    "one bit": lambda byte: byte ^ 1,
    "no text any more": lambda _: 0xFF,
    "nothing": lambda _: 0,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_byte_of_a_hash_changed_in_the_file_itself_is_named(kept: Path, change: str) -> None:
    head = walked(kept).head.encode()
    assert kept.read_bytes().count(head) == 1
    _flip(kept, kept.read_bytes().index(head) + 5, CHANGES[change])

    assert walked(kept).fault_id == 5


@pytest.mark.parametrize("change", CHANGES)
def test_a_byte_of_a_body_changed_in_the_file_itself_is_named(kept: Path, change: str) -> None:
    connection = sqlite3.connect(kept)
    (body,) = connection.execute("SELECT body FROM record WHERE id = 3").fetchone()
    connection.close()
    unique = body[body.index('"digest"') :][:40].encode()
    assert kept.read_bytes().count(unique) == 1
    _flip(kept, kept.read_bytes().index(unique) + 20, CHANGES[change])

    assert walked(kept).fault_id == 3


def test_no_byte_of_the_records_pages_can_change_unseen(kept: Path) -> None:
    """Flip every 7th byte of the stored rows: the walk names a record, or the file is refused."""
    connection = sqlite3.connect(kept)
    bodies = [row[0] for row in connection.execute("SELECT body FROM record WHERE id > 1")]
    connection.close()
    intact, whole = walked(kept), kept.read_bytes()
    seen = 0
    for body in bodies:
        start = whole.index(body[:40].encode())
        for place in range(start, start + min(len(body), 700), 7):
            altered = bytearray(whole)
            altered[place] ^= 0x10
            kept.write_bytes(bytes(altered))
            try:
                found = walked(kept)
            except JournalError:
                continue
            seen += 1

            assert found.fault_id is not None
    kept.write_bytes(whole)

    assert seen > 20
    assert walked(kept) == intact


def test_a_head_noted_earlier_still_verifies(kept: Path) -> None:
    journal = Journal.open_to_read(kept, FakeClock())
    earlier = list(journal.rows())[1].hash
    journal.close()

    assert walked(kept, earlier).fault == ""
    assert "no record has the hash" in walked(kept, "f" * 64).fault
