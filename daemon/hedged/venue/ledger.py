"""
An account's own book: events that are only ever added, in one small SQLite file.

On paper it plays the part of the exchange's database, so it is kept apart from the daemon's journal.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal

import msgspec

from hedged.core.market import ZERO, Fill, Flow, FundingPayment
from hedged.core.record import Outcome
from hedged.errors import VenueUnavailable

_SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
    seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL UNIQUE, body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS clock (
    id INTEGER PRIMARY KEY CHECK (id = 1), advanced_to TEXT NOT NULL, opened_at TEXT NOT NULL
);
"""
_DURABLE = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
_HAS_TABLES = "SELECT 1 FROM sqlite_master WHERE name = 'clock'"
_ALL = "SELECT seq, kind, key, body FROM event ORDER BY seq"
_CLOCK = "SELECT advanced_to, opened_at FROM clock"
_ADD = "INSERT INTO event VALUES (?, ?, ?, ?)"
_CARRY = (
    "INSERT INTO clock VALUES (1, ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET advanced_to = excluded.advanced_to"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """
    What a contract was when it was first traded; the book is read with it for ever.

    *held* is what was held of it then: what is held later is that and the fills since. *adopted*: it
    was taken as it was read, with fills that say otherwise.
    """

    symbol: str
    contract_multiplier: Decimal
    held: Decimal = ZERO
    adopted: bool = False

    def worth(self, contracts: Decimal, price: Decimal) -> Decimal:
        """``contracts * multiplier * price``, as of a linear contract, which may be listed no more."""
        return contracts * self.contract_multiplier * price


Kind = Literal["contract", "flow", "funding", "funding_missed", "fill", "outcome", "unread"]
Value = Contract | Flow | FundingPayment | Fill | Outcome | None
_TYPES = {
    "contract": Contract,
    "flow": Flow,
    "funding": FundingPayment,
    "fill": Fill,
    "outcome": Outcome,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """
    One line of the book; *value* is None for a funding stamp that nobody recorded, and for a trade that
    could not be read and was passed over.
    """

    seq: int
    kind: Kind
    key: str
    value: Value


class Ledger:
    """The events of one account, in memory and on disk; *read_only* never touches the disk."""

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self.path = path
        self.read_only = read_only
        self.events: list[Event] = []
        self.advanced_to: datetime | None = None
        self.opened_at: datetime | None = None
        self._written = 0
        self._disk: sqlite3.Connection | None = None
        if read_only and not path.exists():
            return
        try:
            self._disk = self._opened()
            self._load(self._disk)
        except (sqlite3.Error, OSError, msgspec.MsgspecError) as error:
            self.close()
            raise VenueUnavailable(f"the book {path}: {error}") from error

    def multipliers(self) -> dict[str, Decimal]:
        """The contract multiplier with which each instrument was traded."""
        made = (event.value for event in self.events if isinstance(event.value, Contract))
        return {contract.symbol: contract.contract_multiplier for contract in made}

    def symbols(self) -> set[str]:
        """Every instrument that was ever traded."""
        return {event.value.symbol for event in self.events if isinstance(event.value, Fill)}

    def since(self, seq: int) -> list[Event]:
        """The events after *seq*; what lies before is not walked, however long the book is."""
        return self.events[bisect_right(self.events, seq, key=lambda event: event.seq) :]

    def stage(self, kind: Kind, key: str, value: Value) -> Event:
        """Add an event; it is on disk after the next `commit`."""
        seq = self.events[-1].seq + 1 if self.events else 1
        event = Event(seq=seq, kind=kind, key=key, value=value)
        self.events.append(event)
        return event

    def commit(self, advanced_to: datetime) -> None:
        """
        Put all staged events and the instant the account was carried to on disk, as one transaction.

        Raises
        ------
        VenueUnavailable
            When the disk refuses; then the staged events are gone, as if they had never been.
        """
        if self._disk is not None and not self.read_only:
            staged = self.events[self._written :]
            rows = [(e.seq, e.kind, e.key, msgspec.json.encode(e.value).decode()) for e in staged]
            try:
                with self._disk:
                    self._disk.executemany(_ADD, rows)
                    self._disk.execute(_CARRY, (advanced_to.isoformat(), advanced_to.isoformat()))
            except sqlite3.Error as error:
                del self.events[self._written :]
                raise VenueUnavailable(f"the book {self.path.name}: {error}") from error
        self._written = len(self.events)
        self.advanced_to = advanced_to
        self.opened_at = self.opened_at or advanced_to

    def close(self) -> None:
        if self._disk is not None:
            self._disk.close()

    def _opened(self) -> sqlite3.Connection:
        if self.read_only:
            idle = not self.path.with_name(self.path.name + "-wal").exists()
            mode = "mode=ro&immutable=1" if idle else "mode=ro"  # a reader makes no files
            return sqlite3.connect(f"{self.path.absolute().as_uri()}?{mode}", uri=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return sqlite3.connect(self.path)

    def _load(self, disk: sqlite3.Connection) -> None:
        if not self.read_only:
            disk.executescript(_DURABLE + _SCHEMA)
        elif not disk.execute(_HAS_TABLES).fetchone():
            return  # killed before its tables were made: nothing is booked yet
        rows = disk.execute(_ALL).fetchall()
        clock = disk.execute(_CLOCK).fetchone()
        for seq, kind, key, body in rows:
            value = msgspec.json.decode(body, type=_TYPES.get(kind))
            self.events.append(Event(seq=seq, kind=kind, key=key, value=value))
        self._written = len(self.events)
        if clock is not None:
            self.advanced_to, self.opened_at = map(datetime.fromisoformat, clock)
