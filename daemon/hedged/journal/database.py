"""
Opens the journal's database: one writer, one mode, one set of accounts, one known schema.

Enters a path; leaves an engine whose every commit is on the disk (WAL, synchronous=FULL).
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DatabaseError, SQLAlchemyError
from sqlalchemy.pool import QueuePool, StaticPool

from hedged.errors import JournalBroken, JournalBusy, JournalError, JournalForeign
from hedged.journal import schema

BUSY_TIMEOUT_MS = 5_000


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turn what the database says into a `JournalError` that a person can act on."""
    try:
        yield
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", error)).lower()
        if "locked" in said:
            raise JournalBusy(f"{path} is locked by another program; stop it and try again") from error
        if "full" in said:
            raise JournalError(
                f"{path}: the disk is full; free some space, nothing was sent"
            ) from error
        if "readonly" in said or "read-only" in said:
            raise JournalError(f"{path} can't be written; check its owner and its file mode") from error
        if "malformed" in said or "not a database" in said:
            raise JournalBroken(f"{path} is damaged ({said}); restore it from a copy") from error
        raise JournalError(f"{path}: {said}") from error


def opened(path: Path, *, read_only: bool) -> Engine:
    """
    An engine on the journal at *path*, brought to this program's schema unless *read_only*.

    Raises
    ------
    JournalForeign
        When a newer hedged has written it.
    JournalError
        When it is missing (read-only), or can't be opened.
    """
    if read_only and not path.exists():
        raise JournalError(f"there is no journal at {path} yet; `hedged run` makes it")
    if not read_only:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalError(f"{path.parent} can't be made: {error.strerror}") from error
    engine = create_engine(
        "sqlite+pysqlite://",
        creator=partial(
            sqlite3.connect, database_uri(path, read_only=read_only), uri=True,
            timeout=BUSY_TIMEOUT_MS / 1000, check_same_thread=False,
        ),
        poolclass=QueuePool,
    )  # fmt: skip
    event.listen(engine, "connect", _pragmas_ro if read_only else _pragmas)
    event.listen(engine, "begin", _begin_read if read_only else _begin)
    try:
        with guarded(path):
            _bring_to_head(engine, path, read_only=read_only)
    except BaseException:
        engine.dispose()
        raise
    return engine


def database_uri(path: Path, *, read_only: bool) -> str:
    """
    SQLite's address of *path*, whatever characters are in it.

    A reader makes no files of its own while no writer is at work (there is no write-ahead log).
    """
    idle = not path.with_name(path.name + "-wal").exists()
    mode = ("mode=ro&immutable=1" if idle else "mode=ro") if read_only else "mode=rwc"
    return f"{path.absolute().as_uri()}?{mode}"


def opened_in_memory() -> Engine:
    """An engine on an empty journal in memory."""
    engine = create_engine("sqlite+pysqlite://", poolclass=StaticPool)
    with engine.begin() as connection:
        _upgrade(connection)
    return engine


def lock_writer(path: Path) -> IO[str]:
    """
    The one writer's lock; the system lets go of it when the process ends, however it ends.

    Raises
    ------
    JournalBusy
        When another process holds it.
    """
    name = path.with_name(path.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = name.open("a+")
    except OSError as error:
        raise JournalError(f"{name} can't be written: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.seek(0)
        pid = handle.read().strip()
        handle.close()
        raise JournalBusy(f"another hedged (process {pid}) writes to {path}") from None
    try:
        handle.truncate(0)
        handle.write(f"{os.getpid()}\n")
        handle.flush()
    except OSError as error:
        with suppress(OSError):  # what could not be written is tried once more
            handle.close()
        raise JournalError(f"{name} can't be written: {error.strerror}") from error
    return handle


def _pragmas(connection: Any, _record: object) -> None:
    _plain(connection)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _plain(connection: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's own BEGIN below
    # Bytes that are no text any more must reach `journal verify`, which names their record.
    connection.text_factory = lambda raw: raw.decode(errors="replace")


def _pragmas_ro(connection: Any, _record: object) -> None:
    _plain(connection)
    connection.execute("PRAGMA query_only = ON")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_read(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _bring_to_head(engine: Engine, path: Path, *, read_only: bool) -> None:
    with engine.begin() as connection:
        found = _revision(connection)
        if found == schema.HEAD:
            return
        _refuse_newer(found, path)
        if read_only:
            raise JournalForeign(f"{path} has an older schema; `hedged run` brings it up to date")
        _upgrade(connection)


def _revision(connection: Connection) -> str | None:
    try:
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except DatabaseError as error:
        if "no such table" in str(error):
            return None
        raise


def _refuse_newer(found: str | None, path: Path) -> None:
    from alembic.script import ScriptDirectory  # slow to import, and seldom needed

    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found is not None and found not in known:
        raise JournalForeign(
            f"{path} has schema {found}, this hedged knows up to {schema.HEAD}; use a newer hedged"
        )


def _upgrade(connection: Connection) -> None:
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "hedged:journal/migrations")
    return config
