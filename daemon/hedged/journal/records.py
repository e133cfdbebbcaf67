"""
The records of a journal: a chain that only grows, each link a pass, and the policies they name.

Enters a record and its policy; leaves them again, byte for byte, or says that they were altered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
from sqlalchemy import Connection, Engine, insert, select, union

from hedged.core.encoding import base_of, encode, pack, unpack
from hedged.core.policy import Policy, decode_policy
from hedged.core.record import CycleRecord, Memory, decode_record
from hedged.errors import JournalBroken
from hedged.journal import schema, statements
from hedged.journal.chain import GENESIS, Row, hash_of
from hedged.journal.database import guarded
from hedged.journal.proposals import add_proposal


class Records:
    """The part of a journal that every pass adds one row to, and that nothing changes afterwards."""

    def __init__(self, path: Path, engine: Engine) -> None:
        self.path = path
        self.engine = engine

    def append(self, record: CycleRecord, policy: Policy) -> str:
        """Commit *record* as the next link of the chain and return its hash."""
        inputs = record.inputs
        full, policy_body = encode(record), encode(policy).decode()
        with guarded(self.path), self.engine.begin() as connection:
            known = connection.execute(statements.POLICY, {"digest": record.policy_digest})
            if known.first() is None:
                values = {"digest": record.policy_digest, "body": policy_body}
                connection.execute(insert(schema.policy), values)
            body = self._stored(connection, record, full)
            row_id, prev_hash = _head(connection)
            at = inputs.now.isoformat()
            fields = (record.portfolio, inputs.tick.id, inputs.tick.kind, at, body)
            linked = hash_of(prev_hash, row_id + 1, fields)
            names = ("portfolio", "tick_id", "kind", "at", "body")
            values = dict(zip(names, fields, strict=True))
            chain = {"id": row_id + 1, "prev_hash": prev_hash, "hash": linked}
            connection.execute(statements.NEW_RECORD, values | chain)
            if record.proposal is not None:
                add_proposal(connection, record.proposal, inputs.tick.id)
        return linked

    def _stored(self, connection: Connection, record: CycleRecord, full: bytes) -> str:
        """The body to store: whole, or for a quiet pass what changed since the last whole one."""
        if not record.quiet:
            return full.decode()
        last = connection.execute(statements.LAST, {"portfolio": record.portfolio}).first()
        if last is None:
            return full.decode()
        base_id = base_of(last.body.encode()) or last.id
        base = self._body(connection, base_id)
        return pack(full, base.encode(), base_id).decode()

    def _body(self, connection: Connection, row_id: int) -> str:
        """The stored body of a record whose hash holds: nothing altered is gone on from."""
        found = connection.execute(statements.RECORD, {"id": row_id}).first()
        if found is None:
            raise JournalBroken(f"record {row_id} is missing from {self.path}")
        row = Row(**found._mapping)
        if row.hash != hash_of(row.prev_hash, row.id, row.fields):
            raise JournalBroken(f"record {row_id} was altered; see `hedged journal verify`")
        return row.body

    def body(self, row_id: int) -> bytes:
        """The full canonical body of a record. Raises `JournalBroken` where it can't be had."""
        with guarded(self.path), self.engine.connect() as connection:
            stored = self._body(connection, row_id).encode()
            try:
                base = base_of(stored)
                if base is None:
                    return stored
                return unpack(stored, self._body(connection, base).encode())
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise JournalBroken(f"record {row_id}: {error}") from error

    def record(self, row_id: int) -> CycleRecord:
        """A record. Raises `JournalBroken` when its body is not one."""
        try:
            return decode_record(self.body(row_id))
        except msgspec.MsgspecError as error:
            raise JournalBroken(f"record {row_id}: {error}") from error

    def rows(self) -> Iterator[Row]:
        """Every record as it is stored, in order."""
        table = schema.record
        with guarded(self.path), self.engine.connect() as connection:
            for row in connection.execute(select(table).order_by(table.c.id)):
                yield Row(**row._mapping)

    def row_ids(self, portfolio: str | None = None, kind: str | None = None) -> list[int]:
        """Ids of the records, in order."""
        query = select(schema.record.c.id).order_by(schema.record.c.id)
        for name, value in (("portfolio", portfolio), ("kind", kind)):
            query = query if value is None else query.filter_by(**{name: value})
        with guarded(self.path), self.engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def portfolios(self) -> list[str]:
        """Every portfolio that has a record or an intent, by name."""
        query = union(select(schema.record.c.portfolio), select(schema.intent.c.portfolio))
        with guarded(self.path), self.engine.connect() as connection:
            return sorted(connection.execute(query).scalars())

    def latest(self, portfolio: str, kind: str | None = None) -> CycleRecord | None:
        """The last record of *portfolio*, or its last review."""
        asked = {"portfolio": portfolio}
        query = statements.LAST
        if kind is not None:
            query, asked = statements.LAST_OF_KIND, asked | {"kind": kind}
        with guarded(self.path), self.engine.connect() as connection:
            row_id = connection.execute(query, asked).scalar()
        return None if row_id is None else self.record(row_id)

    def memory(self, portfolio: str) -> Memory:
        """What the last pass of *portfolio* left; a first pass starts with an empty memory."""
        last = self.latest(portfolio)
        return last.memory if last else Memory()

    def policy(self, digest: str) -> Policy:
        """The policy with that digest. Raises `JournalBroken` when it is gone, altered or not one."""
        with guarded(self.path), self.engine.connect() as connection:
            body: str | None = connection.execute(statements.POLICY, {"digest": digest}).scalar()
        if body is None or hashlib.sha256(body.encode()).hexdigest() != digest:
            raise JournalBroken(f"the policy {digest[:12]} is missing or was altered")
        try:
            return decode_policy(body.encode())
        except msgspec.MsgspecError as error:
            raise JournalBroken(f"the policy {digest[:12]}: {error}") from error

    def altered_policy(self) -> str | None:
        """The digest of the first policy whose body is not what was digested."""
        with guarded(self.path), self.engine.connect() as connection:
            for row in connection.execute(select(schema.policy)):
                if hashlib.sha256(row.body.encode()).hexdigest() != row.digest:
                    return str(row.digest)
        return None

    def has(self, portfolio: str, tick_id: str) -> bool:
        """Whether a tick has its record already."""
        return self.id_of(portfolio, tick_id) is not None

    def id_of(self, portfolio: str, tick_id: str) -> int | None:
        """The id of the record of a tick, None while it has none."""
        asked = {"portfolio": portfolio, "tick_id": tick_id}
        with guarded(self.path), self.engine.connect() as connection:
            found: int | None = connection.execute(statements.TICK, asked).scalar()
        return found

    def last_pass_at(self, portfolio: str) -> datetime | None:
        """When the last pass of *portfolio* was made."""
        with guarded(self.path), self.engine.connect() as connection:
            last = connection.execute(statements.LAST, {"portfolio": portfolio}).first()
        return None if last is None else datetime.fromisoformat(last.at)

    def last_review_at(self, portfolio: str) -> datetime | None:
        """The scheduled instant of the last review of *portfolio*."""
        asked = {"portfolio": portfolio, "kind": "review"}
        with guarded(self.path), self.engine.connect() as connection:
            last = connection.execute(statements.LAST_OF_KIND, asked).first()
        return None if last is None else datetime.fromisoformat(last.tick_id.partition("@")[2])

    def head(self) -> tuple[int, str]:
        """The id and the hash of the last record."""
        with guarded(self.path), self.engine.connect() as connection:
            return _head(connection)


def _head(connection: Connection) -> tuple[int, str]:
    row = connection.execute(statements.HEAD).first()
    return (0, GENESIS) if row is None else (row.id, row.hash)
