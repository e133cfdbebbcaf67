"""
The hash chain over the records: each row's hash covers the row and the hash before it.

Enters rows; leaves the first one that is not what was written. A changed byte, a row removed from
the middle and a row added out of turn all show; rows cut from the end show against a head hash
that was noted elsewhere, such as in the log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from hedged.core.encoding import encode

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A record as the database holds it."""

    id: int
    portfolio: str
    tick_id: str
    kind: str
    at: str
    body: str
    prev_hash: str
    hash: str

    @property
    def fields(self) -> tuple[str, str, str, str, str]:
        """What the hash covers beside the id and the hash before."""
        return (self.portfolio, self.tick_id, self.kind, self.at, self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """How many records were walked, the hash of the last one, and the first fault, if any."""

    records: int
    head: str
    fault_id: int | None = None
    fault: str = ""


def hash_of(prev_hash: str, row_id: int, fields: tuple[str, str, str, str, str]) -> str:
    """``sha256(prev_hash, id, portfolio, tick_id, kind, at, body)`` as one JSON array."""
    return hashlib.sha256(encode([prev_hash, row_id, *fields])).hexdigest()


def verify(rows: Iterable[Row], expected_head: str | None = None) -> Verification:
    """
    Walk the chain from the first row to the last, and name the first that does not hold.

    *expected_head* is a hash that was noted when it was the last; it must be that of some record.
    """
    head, count = GENESIS, 0
    noted = expected_head in (None, GENESIS)
    for count, row in enumerate(rows, start=1):
        fault = ""
        if row.id != count:
            fault = f"record {count} is missing; the next one found is {row.id}"
        elif row.prev_hash != head:
            fault = f"record {row.id} does not follow the one before it"
        elif row.hash != hash_of(row.prev_hash, row.id, row.fields):
            fault = f"record {row.id} ({row.portfolio}/{row.tick_id}) was altered"
        if fault:
            return Verification(records=count, head=head, fault_id=count, fault=fault)
        head = row.hash
        noted = noted or head == expected_head
    if not noted:
        fault = f"no record has the hash {expected_head}; the last one, {count}, has {head}"
        return Verification(records=count, head=head, fault_id=count, fault=fault)
    return Verification(records=count, head=head)
