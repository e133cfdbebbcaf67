"""
What the daemon writes down and reads back: records, see `journal.records`, intents and restrictions.

Enters values of the core; leaves them again. Nothing is sent before its intent is committed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import IO, Self

import msgspec
from sqlalchemy import Engine, func, insert, select, update

from hedged.core.arming import Terms
from hedged.core.encoding import encode
from hedged.core.gate import Restriction, Usage
from hedged.core.market import Side
from hedged.core.plan import Step
from hedged.core.policy import Policy
from hedged.core.record import Mode, Outcome, Tick
from hedged.errors import JournalBroken, JournalError
from hedged.journal import schema, statements
from hedged.journal.armings import add_arming, armed_at, unarmed
from hedged.journal.binding import bind, new_epoch, order_id
from hedged.journal.database import guarded, lock_writer, opened, opened_in_memory
from hedged.journal.intents import Intent, intent_of, step_of, tried
from hedged.journal.proposals import refuse_uncovered, uncovered
from hedged.journal.records import Records
from hedged.journal.usage import usage_of


class Journal(Records):
    """
    One journal, for one mode and one set of accounts. Open it with `open_for` or `open_to_read`.

    With *terms* set, as they are live, nothing may be sent unless they are what was armed last.
    """

    def __init__(
        self, path: Path, engine: Engine, clock: Callable[[], datetime], lock: IO[str] | None
    ) -> None:
        super().__init__(path, engine)
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
    def open_to_tell(cls, path: Path, clock: Callable[[], datetime]) -> Journal:
        """
        Open the journal for its queue of alerts alone, with the writer's lock: to whomever it belongs,
        it is not bound, and no epoch begins. One that is not there is made.

        Raises
        ------
        JournalError
            When another process writes to it (`JournalBusy`), or it can't be written.
        """
        with ExitStack() as held:
            lock = held.enter_context(lock_writer(path))
            journal = cls(path, opened(path, read_only=False), clock, lock)
            held.pop_all()  # from here on `close` lets go of it
        return journal

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
        standing = self._restrictions_of(bodies)
        standing += [missing] if missing is not None else []
        return tuple(r for r in standing if r.until is None or r.until > now)

    def restricted_by(self, by: str, portfolio: str) -> list[Restriction]:
        """What *by* ever restricted *portfolio* with, lifted or not, in order."""
        with guarded(self.path), self.engine.connect() as connection:
            found = connection.execute(statements.EVER_RESTRICTED, {"portfolio": portfolio})
            bodies = list(found.scalars())
        return [one for one in self._restrictions_of(bodies) if one.by == by]

    def _restrictions_of(self, bodies: list[str]) -> list[Restriction]:
        try:
            return [msgspec.json.decode(body, type=Restriction) for body in bodies]
        except msgspec.MsgspecError as error:
            raise JournalBroken(f"a restriction in {self.path} was altered: {error}") from error

    def arm(self, terms: Terms, now: datetime) -> str:
        """Commit that a person has seen *terms* and lets orders be sent under them; their digest."""
        with guarded(self.path), self.engine.begin() as connection:
            return add_arming(connection, terms, now)

    def armed_at(self) -> datetime | None:
        """When `arm` was called last; None where it never was."""
        with guarded(self.path), self.engine.connect() as connection:
            return armed_at(connection)

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
