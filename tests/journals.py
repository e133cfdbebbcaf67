"""Journals for tests: opened to write, and read past what hedged would let through."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from fakes import FakeClock
from hedged.journal.store import Journal


def opened(tmp_path: Path, clock: FakeClock | None = None, **changed: Any) -> Journal:
    chosen: dict[str, Any] = {"mode": "paper", "accounts": ("paper",)} | changed
    return Journal.open_for(tmp_path / "journal.sqlite", clock=clock or FakeClock(), **chosen)


def asked(journal: Journal, query: str) -> list[tuple[Any, ...]]:
    """What the file itself answers."""
    connection = sqlite3.connect(journal.path)
    rows = connection.execute(query).fetchall()
    connection.close()
    return rows


def stored(journal: Journal) -> list[tuple[int, str]]:
    """Every record's id and body, as they are in the file."""
    return asked(journal, "SELECT id, body FROM record ORDER BY id")
