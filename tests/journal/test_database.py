"""The database under the journal: one writer, a known schema, and faults that a person can act on."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from hedged.errors import JournalBroken, JournalBusy, JournalError, JournalForeign
from hedged.journal import schema
from hedged.journal.database import guarded, lock_writer, opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.sqlite"


@pytest.fixture
def made(path: Path) -> Path:
    """A journal of today's schema, closed."""
    opened(path, read_only=False).dispose()
    return path


@pytest.fixture
def other(made: Path) -> Iterator[sqlite3.Connection]:
    """Another program's hands on the same file."""
    connection = sqlite3.connect(made, isolation_level=None)
    yield connection
    connection.close()


def test_the_migrations_make_exactly_the_tables_of_the_schema(made: Path) -> None:
    engine = create_engine(f"sqlite:///{made}")
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), schema.metadata)
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    engine.dispose()

    assert differences == []
    assert revision == schema.HEAD


def test_every_commit_waits_for_the_disk(made: Path) -> None:
    engine = opened(made, read_only=False)
    with engine.connect() as connection:
        mode = connection.execute(text("PRAGMA journal_mode")).scalar()
        synchronous = connection.execute(text("PRAGMA synchronous")).scalar()
    engine.dispose()

    assert mode == "wal"
    assert synchronous == 2


def test_a_second_opening_leaves_the_schema_as_it_is(made: Path) -> None:
    before = made.read_bytes()
    opened(made, read_only=False).dispose()

    assert made.read_bytes() == before


def test_a_newer_schema_is_refused_and_named(made: Path, other: sqlite3.Connection) -> None:
    other.execute("UPDATE alembic_version SET version_num = '9999'")
    other.close()

    for read_only in (False, True):
        with pytest.raises(JournalForeign, match=f"schema 9999, this hedged knows up to {schema.HEAD}"):
            opened(made, read_only=read_only)


def test_reading_never_makes_a_journal(path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal"):
        opened(path, read_only=True)

    assert not path.parent.exists()


def test_a_reader_does_not_bring_an_empty_file_up_to_date(path: Path) -> None:
    path.parent.mkdir()
    path.touch()

    with pytest.raises(JournalForeign, match="older schema"):
        opened(path, read_only=True)
    assert path.read_bytes() == b""


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_database_is_broken(path: Path, read_only: bool) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is not a database, it is a letter" * 40)

    with pytest.raises(JournalBroken, match="damaged"):
        opened(path, read_only=read_only)


def test_a_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file stands here")

    with pytest.raises(JournalError, match="can't be"):
        opened(tmp_path / "state" / "journal.sqlite", read_only=False)
    with pytest.raises(JournalError, match="can't be"):
        lock_writer(tmp_path / "state" / "journal.sqlite")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_read_only_file_is_told(made: Path) -> None:
    made.chmod(0o400)
    made.parent.chmod(0o500)
    try:
        with pytest.raises(JournalError, match="owner"):
            opened(made, read_only=False)
    finally:
        made.parent.chmod(0o700)


@pytest.mark.parametrize("name", ["a b", "50% ü", "what?", "v#2", "a&b=c"])
def test_the_journal_lies_where_the_settings_say_whatever_the_folder_is_called(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name / "journal.sqlite"
    opened(path, read_only=False).dispose()

    assert path.exists()
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_database_that_another_program_holds_is_busy(made: Path, other: sqlite3.Connection) -> None:
    engine = opened(made, read_only=False)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 20")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(JournalBusy, match="locked by another program"), guarded(made), engine.begin():
        pass
    other.execute("ROLLBACK")
    with guarded(made), engine.begin() as connection:
        connection.execute(text("INSERT INTO writer VALUES ('now', 1)"))
    engine.dispose()

    assert other.execute("SELECT count(*) FROM writer").fetchone() == (1,)


def test_a_reader_reads_while_a_writer_is_in_the_middle_of_it(
    made: Path, other: sqlite3.Connection
) -> None:
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO writer VALUES ('now', 1)")
    engine = opened(made, read_only=True)
    with guarded(made), engine.connect() as connection:
        seen = connection.execute(text("SELECT count(*) FROM writer")).scalar()
    engine.dispose()

    assert seen == 0


def test_a_reader_can_not_write(made: Path) -> None:
    engine = opened(made, read_only=True)
    with pytest.raises(JournalError, match="can't be written"), guarded(made), engine.begin() as c:
        c.execute(text("INSERT INTO writer VALUES ('now', 1)"))
    engine.dispose()


def test_one_process_has_one_writer(path: Path) -> None:
    first = lock_writer(path)

    with pytest.raises(JournalBusy, match=f"process {os.getpid()}"):
        lock_writer(path)
    first.close()
    lock_writer(path).close()


def test_another_process_that_writes_is_named_and_its_death_frees_the_lock(path: Path) -> None:
    held = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )
    assert held.stdout is not None
    assert held.stdin is not None
    assert held.stdout.readline() == b"held\n"

    with pytest.raises(JournalBusy, match=f"process {held.pid}"):
        lock_writer(path)
    held.kill()
    held.wait()
    held.stdout.close()
    held.stdin.close()
    lock_writer(path).close()


_HOLD = """
import sys
from pathlib import Path
from hedged.journal.database import lock_writer
handle = lock_writer(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_journal_that_became_read_only_is_told(made: Path) -> None:
    """What a file system that was remounted read-only answers, for root too."""
    engine = opened(made, read_only=False)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")
    with (
        pytest.raises(JournalError, match="can't be written"),
        guarded(made),
        engine.begin() as connection,
    ):
        connection.exec_driver_sql("INSERT INTO writer VALUES ('2024-01-01', 1)")
    engine.dispose()
