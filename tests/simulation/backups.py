"""
Copies of the daemon's state, and how one of them is put back: as the runbook tells it.

Enters a state folder; leaves a copy beside it, made by SQLite itself while the daemon is at work.
"""

from __future__ import annotations

import shutil
import sqlite3
from datetime import datetime
from pathlib import Path


class Backups:
    """The last copy of *state*, kept in *kept*; *wanted* says that it shall be put back."""

    def __init__(self, state: Path, kept: Path) -> None:
        self.state, self.kept = state, kept
        self.taken_at: datetime | None = None
        self.wanted = False

    def take(self, at: datetime) -> None:
        """
        Journal and book of one moment, and the history; nothing before a pass was made.

        A copy of a book that was not told of anything is like no copy: what is held is the hedge.
        """
        files = (self.state / "journal.sqlite", self.state / "book-main.sqlite")
        if not all(file.exists() for file in files) or not _begun(*files):
            return
        shutil.rmtree(self.kept, ignore_errors=True)
        self.kept.mkdir()
        for file in files:
            source, copy = sqlite3.connect(file), sqlite3.connect(self.kept / file.name)
            source.backup(copy)
            copy.close()
            source.close()
        if (self.state / "history").exists():
            shutil.copytree(self.state / "history", self.kept / "history")
        self.taken_at = at

    def put_back(self) -> None:
        """The whole folder is that of the copy again."""
        self.wanted = False
        shutil.rmtree(self.state)
        shutil.copytree(self.kept, self.state)


def _begun(journal: Path, book: Path) -> bool:
    passed = _first(journal, "SELECT 1 FROM record LIMIT 1")
    return passed and _first(book, "SELECT 1 FROM clock LIMIT 1")


def _first(file: Path, asked: str) -> bool:
    connection = sqlite3.connect(file)
    try:
        return connection.execute(asked).fetchone() is not None
    except sqlite3.OperationalError:  # its tables are not made yet
        return False
    finally:
        connection.close()
