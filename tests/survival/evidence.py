"""
What the journal's file and the exchange's own state say, read without any of the daemon's code.

`faults` compares them: no order without its intent, no intent with two orders, no position beyond the
target, no foreign order touched, no outcome that is not the exchange's.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from survival.world import FOREIGN, LOT

PREFIX = "hdg"
GENESIS = "0" * 64
COLUMNS = "id, portfolio, tick_id, kind, at, body, prev_hash, hash"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A row of the journal's intents; *filled* is None while nobody knows the outcome."""

    client_order_id: str
    claimed: bool
    filled: Decimal | None
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A journal: its intents, how many records it has, when the last was made and why it held."""

    intents: tuple[Intent, ...]
    records: int
    last_at: datetime | None
    held: tuple[str, ...]
    chained: bool

    @property
    def unresolved(self) -> tuple[str, ...]:
        return tuple(i.client_order_id for i in self.intents if i.filled is None)


EMPTY = Told(intents=(), records=0, last_at=None, held=(), chained=True)


def copied(journal: Path, folder: Path) -> Path:
    """The journal and its write-ahead log in another folder, so that looking changes nothing."""
    for suffix in ("", "-wal"):
        source = journal.with_name(journal.name + suffix)
        if source.exists():
            shutil.copy(source, folder / source.name)
    return folder / journal.name


def told(journal: Path) -> Told:
    """What *journal* holds, of a daemon that is dead; `EMPTY` where there is none yet."""
    if not journal.exists():
        return EMPTY
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(copied(journal, Path(folder)))) as database,
    ):
        return _told(database)


def records(journal: Path) -> int:
    """How many records are committed; a daemon may be at work."""
    if not journal.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"{journal.as_uri()}?mode=ro", uri=True)) as database:
            (found,) = database.execute("SELECT count(*) FROM record").fetchone()
    except sqlite3.OperationalError:  # its tables are not made yet
        return 0
    return int(found)


def _told(database: sqlite3.Connection) -> Told:
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'intent'").fetchone():
        return EMPTY
    rows = database.execute(f"SELECT {COLUMNS} FROM record ORDER BY id").fetchall()
    return Told(
        intents=tuple(_intents(database)),
        records=len(rows),
        last_at=datetime.fromisoformat(rows[-1][4]) if rows else None,
        held=_held(rows[-1][5]) if rows else (),
        chained=_chained(rows),
    )


def _intents(database: sqlite3.Connection) -> Iterator[Intent]:
    query = "SELECT client_order_id, sent_at, outcome FROM intent ORDER BY id"
    for client_order_id, sent_at, outcome in database.execute(query):
        ended = json.loads(outcome) if outcome else None
        yield Intent(
            client_order_id=client_order_id,
            claimed=sent_at is not None,
            filled=Decimal(ended["filled"]) if ended else None,
            status=ended["status"] if ended else "open",
        )


def _held(body: str) -> tuple[str, ...]:
    """Why the pass sent nothing; a quiet pass, which is kept as what changed, had no reason."""
    record: dict[str, Any] = json.loads(body)
    return tuple(record.get("thought", {}).get("review", {}).get("reasons", ()))


def _chained(rows: list[tuple[Any, ...]]) -> bool:
    head = GENESIS
    for number, (row_id, portfolio, tick, kind, at, body, before, linked) in enumerate(rows, start=1):
        link = [head, row_id, portfolio, tick, kind, at, body]
        text = json.dumps(link, ensure_ascii=False, separators=(",", ":"))
        if row_id != number or before != head or linked != hashlib.sha256(text.encode()).hexdigest():
            return False
        head = linked
    return True


def faults(journal: Told, state: dict[str, Any], start: Decimal, target: Decimal) -> list[str]:
    """
    What must never be, as sentences. *start* and *target* are the positions of the last round, whose
    fills are those after it held *start*.
    """
    ours = [o for o in state["orders"] if o["client_order_id"].startswith(PREFIX)]
    intents = {i.client_order_id: i for i in journal.intents}
    found = [] if journal.chained else ["the chain of records is broken"]
    times = Counter(order["client_order_id"] for order in ours)
    found += [f"{name} is at the exchange {n} times" for name, n in times.items() if n > 1]
    for order in ours:
        name = order["client_order_id"]
        intent = intents.get(name)
        if intent is None:
            found.append(f"{name} has no intent: it is lost")
        elif not intent.claimed:
            found.append(f"{name} was sent, and its intent was never claimed")
        elif intent.filled not in (None, Decimal(order["filled"])):
            found.append(f"{name} filled {order['filled']}, and the journal says {intent.filled}")
    landed = set(times)
    found += [
        f"{name} is said to be {intent.status}, and never reached the exchange"
        for name, intent in intents.items()
        if intent.filled and name not in landed
    ]
    return found + _beyond(state, start, target) + _touched(state)


def _beyond(state: dict[str, Any], start: Decimal, target: Decimal) -> list[str]:
    """No fill of the round may carry the position out of what lies between its start and its target."""
    least, most = min(start, target) - LOT, max(start, target) + LOT
    signed = [Decimal(f["signed"]) for f in state["fills"] if f["symbol"] == "BTCUSDT"]
    held = sum(signed, Decimal(0))
    walked = [held]
    for one in reversed(signed):  # back to where the round began
        if held == start:
            break
        held -= one
        walked.append(held)
    return [
        f"{held} was held between {start} and {target}" for held in walked if not least <= held <= most
    ]


def _touched(state: dict[str, Any]) -> list[str]:
    theirs = [o for o in state["orders"] if not o["client_order_id"].startswith(PREFIX)]
    whole = [o for o in theirs if o["status"] == "new" and Decimal(o["filled"]) == 0]
    return [] if len(whole) == len(FOREIGN) else [f"foreign orders were touched: {theirs}"]
