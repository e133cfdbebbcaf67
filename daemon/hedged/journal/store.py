"""
What the daemon writes down and reads back: records, intents, restrictions.

Enters values of the core; leaves them again. Nothing is sent before its intent is committed here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Self

import msgspec
from sqlalchemy import Connection, Engine, func, insert, select, union, update

from hedged.core.arming import Terms
from hedged.core.gate import Restriction, Usage
from hedged.core.market import Side
from hedged.core.plan import Step
from hedged.core.record import (
    CycleRecord,
    Memory,
    Mode,
    Outcome,
    Policy,
    Tick,
    base_of,
    decode_policy,
    decode_record,
    encode,
    pack,
    unpack,
)
from hedged.errors import JournalBroken, JournalError
from hedged.journal import schema, statements
from hedged.journal.armings import add_arming, unarmed
from hedged.journal.binding import bind, new_epoch, order_id
from hedged.journal.chain import GENESIS, Row, hash_of
from hedged.journal.database import guarded, lock_writer, opened, opened_in_memory
from hedged.journal.intents import Intent, intent_of, step_of, tried
from hedged.journal.proposals import add_proposal, refuse_uncovered, uncovered
from hedged.journal.usage import usage_of


class Journal:
    """
    One journal, for one mode and one set of accounts. Open it with `open_for` or `open_to_read`.

    With *terms* set, as they are live, nothing may be sent unless they are what was armed last.
    """

    def __init__(
        self, path: Path, engine: Engine, clock: Callable[[], datetime], lock: IO[str] | None
    ) -> None:
        self.path = path
        self.engine = engine
        self.clock = clock
        self.epoch: datetime | None = None
        self.terms: Terms | None = None
        self._lock = lock

    @classmethod
    def open_for(
        cls,
        path: Path,
        mode: Mode,
        accounts: tuple[str, ...],
        clock: Callable[[], datetime],
        not_before: datetime | None = None,
    ) -> Journal:
        """
        Open the journal to write: take the writer's lock, bind it, begin a new epoch.

        The epoch is later than *not_before*, see `new_epoch`.

        Raises
        ------
        JournalBusy
            When another process writes to it.
        JournalForeign
            When it belongs to another mode or other accounts, or a newer hedged wrote it.
        """
        lock = lock_writer(path)
        try:
            engine = opened(path, read_only=False)
        except BaseException:
            lock.close()
            raise
        journal = cls(path, engine, clock, lock)
        try:
            with guarded(path), engine.begin() as connection:
                bind(connection, path, mode, accounts, clock())
                journal.epoch = new_epoch(connection, clock(), not_before)
        except BaseException:
            journal.close()
            raise
        return journal

    @classmethod
    def open_beside(cls, path: Path, clock: Callable[[], datetime]) -> Journal:
        """
        Open the journal to restrict or lift while the daemon runs; records and intents stay its own.

        Raises
        ------
        JournalError
            When it is missing, locked or damaged.
        """
        if not path.exists():
            raise JournalError(f"there is no journal at {path} yet; `hedged run` makes it")
        return cls(path, opened(path, read_only=False), clock, None)

    @classmethod
    def open_to_read(cls, path: Path, clock: Callable[[], datetime]) -> Journal:
        """Open the journal to read; a writer may be at work meanwhile. Raises `JournalError`."""
        return cls(path, opened(path, read_only=True), clock, None)

    @classmethod
    def imagined(cls, clock: Callable[[], datetime]) -> Journal:
        """An empty journal that is nowhere: what `plan` goes on from before the first run."""
        return cls(Path(":memory:"), opened_in_memory(), clock, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database and of the writer's lock."""
        self.engine.dispose()
        if self._lock is not None:
            self._lock.close()

    # Records.

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

    # Intents.

    def open_intent(self, policy: Policy, tick: Tick, step: Step) -> Intent:
        """
        Commit the intent to send *step*, under an id that was never used and never will be again.

        In alert mode a consent that was used by this tick must cover it; else `JournalError` is raised.
        """
        assert self.epoch is not None, "only a writer opens intents"
        now = self.clock()
        with guarded(self.path), self.engine.begin() as connection:
            mode = connection.execute(select(schema.binding.c.mode)).scalar_one()
            last = connection.execute(select(func.max(schema.intent.c.id))).scalar() or 0
            client_order_id = order_id(policy.account, self.epoch, last + 1)
            values = {
                "id": last + 1,
                "portfolio": policy.portfolio,
                "account": policy.account,
                "mode": mode,
                "tick_id": tick.id,
                "symbol": step.symbol,
                "client_order_id": client_order_id,
                "notional": str(step.notional),
                "body": encode(step).decode(),
                "opened_at": now.isoformat(),
            }
            connection.execute(insert(schema.intent), values)
            refuse_uncovered(connection, client_order_id, now)
        return Intent(
            id=last + 1, client_order_id=client_order_id, tick_id=tick.id, opened_at=now, step=step
        )

    def claim(self, client_order_id: str, signed_at: datetime) -> bool:
        """
        Commit that the order of this id is sent now, at *signed_at* on the venue's clock.

        True once for an open intent of a mode that may send, false ever after, and for an id that no
        intent has. In alert mode also false without a used consent that covers it and has not expired.
        """
        table = schema.intent
        with guarded(self.path), self.engine.begin() as connection:
            if unarmed(connection, self.terms, signed_at) is not None or uncovered(
                connection, client_order_id, max(signed_at, self.clock())
            ):
                return False
            done = connection.execute(
                update(table)
                .where(
                    table.c.client_order_id == client_order_id,
                    table.c.mode.in_(("alert", "live")),
                    table.c.sent_at.is_(None),
                    table.c.outcome.is_(None),
                )
                .values(sent_at=signed_at.isoformat())
            )
        return done.rowcount == 1

    def strangers(self, client_order_ids: Iterable[str]) -> list[str]:
        """Those of the ids that no intent has, each once, in order."""
        asked = dict.fromkeys(client_order_ids)
        table = schema.intent.c.client_order_id
        with guarded(self.path), self.engine.connect() as connection:
            known = {
                one
                for one in asked
                if connection.execute(select(table).where(table == one)).first() is not None
            }
        return [one for one in asked if one not in known]

    def resolve_intent(self, intent: Intent, outcome: Outcome) -> None:
        """Commit what became of *intent*; the first outcome stands."""
        assert outcome.status not in ("resting", "unknown"), f"{outcome.status} is no end of an order"
        table = schema.intent
        with guarded(self.path), self.engine.begin() as connection:
            connection.execute(
                update(table)
                .where(table.c.id == intent.id, table.c.outcome.is_(None))
                .values(outcome=encode(outcome).decode(), resolved_at=self.clock().isoformat())
            )

    def intents(self, portfolio: str) -> list[Intent]:
        """Every intent of *portfolio*, in order."""
        query = select(schema.intent).filter_by(portfolio=portfolio).order_by(schema.intent.c.id)
        with guarded(self.path), self.engine.connect() as connection:
            return [intent_of(row._mapping) for row in connection.execute(query)]

    def unresolved(self, portfolio: str) -> list[Intent]:
        """The intents whose outcome nobody knows."""
        with guarded(self.path), self.engine.connect() as connection:
            found = connection.execute(statements.UNRESOLVED, {"portfolio": portfolio})
            return [intent_of(row._mapping) for row in found]

    def post_only_tried(self, portfolio: str, tick: Tick) -> tuple[str, ...]:
        """
        The symbols whose last order since the last review of *portfolio* was a post-only one that
        ended without filling wholly; of a review, which is a new beginning, none.
        """
        if tick.kind == "review":
            return ()
        asked = {"portfolio": portfolio, "kind": "review"}
        with guarded(self.path), self.engine.connect() as connection:
            review = connection.execute(statements.LAST_OF_KIND, asked).first()
            since = {"portfolio": portfolio, "since": review.at if review else ""}
            return tried(connection.execute(statements.SENT_AFTER, since))

    def usage(self, portfolio: str, tick: Tick, now: datetime) -> Usage:
        """What *portfolio* has sent in this very tick, in the last hour and since 00:00 UTC."""
        with guarded(self.path), self.engine.connect() as connection:
            return usage_of(connection, portfolio, tick.id, now)

    def sides(self, client_order_ids: Iterable[str]) -> dict[str, Side]:
        """The side of every order of ours among *client_order_ids*."""
        asked = {"ids": sorted(client_order_ids)}
        if not asked["ids"]:
            return {}
        with guarded(self.path), self.engine.connect() as connection:
            found = connection.execute(statements.SIDES, asked)
            return {row.client_order_id: step_of(row.body).side for row in found}

    def untried(self, account: str, symbols: Iterable[str]) -> tuple[str, ...]:
        """Those of *symbols* in which no live order of ours was ever filled on *account*."""
        with guarded(self.path), self.engine.connect() as connection:
            return tuple(
                symbol
                for symbol in sorted(symbols)
                if connection.execute(statements.FILLED, {"account": account, "symbol": symbol}).first()
                is None
            )

    # Restrictions.

    def restrict(self, restriction: Restriction) -> None:
        """Commit a restriction; it stands until it is lifted, or its *until* has passed."""
        values = {"scope": restriction.scope, "body": encode(restriction).decode()}
        with guarded(self.path), self.engine.begin() as connection:
            connection.execute(insert(schema.restriction), values)

    def restrictions(self, portfolio: str, now: datetime) -> tuple[Restriction, ...]:
        """What restricts *portfolio* (or everything) at *now*, be it only that it is not armed."""
        with guarded(self.path), self.engine.connect() as connection:
            found = connection.execute(statements.RESTRICTIONS, {"portfolio": portfolio})
            bodies = list(found.scalars())
            missing = unarmed(connection, self.terms, now)
        try:
            standing = [msgspec.json.decode(body, type=Restriction) for body in bodies]
        except msgspec.MsgspecError as error:
            raise JournalBroken(f"a restriction in {self.path} was altered: {error}") from error
        standing += [missing] if missing is not None else []
        return tuple(r for r in standing if r.until is None or r.until > now)

    def arm(self, terms: Terms, now: datetime) -> str:
        """Commit that a person has seen *terms* and lets orders be sent under them; their digest."""
        with guarded(self.path), self.engine.begin() as connection:
            return add_arming(connection, terms, now)

    def lift(self, scope: str, by: str, at: datetime | None = None) -> int:
        """
        Lift every restriction on *scope*; how many there were.

        *at* is now by the daemon's clock, where that is not the journal's: breakers count from it.
        """
        table = schema.restriction
        with guarded(self.path), self.engine.begin() as connection:
            lifted = connection.execute(
                update(table)
                .where(table.c.scope == scope, table.c.lifted_at.is_(None))
                .values(lifted_at=(at or self.clock()).isoformat(), lifted_by=by)
            )
            return lifted.rowcount


def _head(connection: Connection) -> tuple[int, str]:
    row = connection.execute(statements.HEAD).first()
    return (0, GENESIS) if row is None else (row.id, row.hash)
