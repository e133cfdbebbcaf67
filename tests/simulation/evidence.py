"""
What the checker keeps and looks into: orders that were sent, violations, the journal's file.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """An invariant that did not hold."""

    event: int
    at: str
    invariant: str
    what: str


@dataclass(slots=True, kw_only=True)
class Sent:
    """An order that left the daemon."""

    id: str
    symbol: str
    side: str
    quantity: Decimal
    at: datetime
    heard: str = ""
    heard_at: datetime | None = None
    arrivals: int = 0
    filled: Decimal = ZERO
    looked: datetime | None = None
    held: Decimal = ZERO

    @property
    def signed(self) -> Decimal:
        return self.quantity if self.side == "buy" else -self.quantity


class JournalFile:
    """The journal as it lies on the disk, by a connection of its own: it sees what is committed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None

    def ask(self, text: str, *values: object) -> list[Any]:
        """Rows; none before there is a journal."""
        if self._connection is None:
            if not self.path.exists():
                return []
            self._connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=0)
        return self._connection.execute(text, values).fetchall()

    def forget(self) -> None:
        """Look at the file anew next time."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
