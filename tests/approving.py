"""A portfolio in alert mode: a venue with a position of its own, a mortal journal, and a person."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import event

from builders import (
    BTC,
    ETH,
    MONDAY,
    contract,
    d,
    guard_tick,
    holding,
    metric_row,
    policy,
    position,
    quote,
    snapshot,
)  # fmt: skip
from fakes import FakeClock, FakeVenue
from hedged import cycle
from hedged.core.consent import Decision, Proposal, Standing, Verdict
from hedged.core.gate import Limits
from hedged.core.market import ZERO, Side, Snapshot
from hedged.core.policy import Policy
from hedged.core.record import CycleRecord, Mode, Outcome, Tick
from hedged.history.keeper import Measured
from hedged.journal.approvals import Approvals
from hedged.journal.store import Journal
from hedged.venue.protocol import Order

NOW = MONDAY + timedelta(minutes=5)
MINUTE = timedelta(minutes=1)


class Killed(BaseException):
    """The process ends here, as by kill -9."""


@dataclass
class Fate:
    """Kills at the n-th point from now; counts the points that were passed."""

    at: int | None = None
    passed: int = 0
    sites: list[str] = field(default_factory=list)

    def point(self, site: str) -> None:
        self.passed += 1
        self.sites.append(site)
        if self.at is not None and self.passed == self.at:
            raise Killed(site)

    def again(self, at: int | None) -> None:
        self.at, self.passed, self.sites = at, 0, []


class Frail:
    """An engine whose every commit has a point before it and one after it."""

    def __init__(self, engine: Any, fate: Fate) -> None:
        self._engine = engine
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    @contextmanager
    def begin(self) -> Iterator[Any]:
        with self._engine.begin() as connection:
            yield connection
            self._fate.point("before commit")
        self._fate.point("after commit")


class Market(FakeVenue):
    """
    Contracts of BTC and ETH and *quantity* coins; what is sent moves the position, no order is lost.

    *held* are the contracts of BTC, *beside* those of ETH.
    """

    def __init__(self, clock: FakeClock, fate: Fate) -> None:
        super().__init__(absence_is_proof=True)
        self.clock, self.fate = clock, fate
        self.quantity, self.mark, self.held, self.beside = d(10), d(100), ZERO, ZERO
        self.by_hand = False
        self.seen: Callable[[Order], object] = lambda order: None

    async def observe(self, now: datetime, *, after: int) -> Snapshot:
        self.fate.point("observe")
        at = self.clock()
        held = {BTC: self.held, ETH: self.beside}
        return replace(
            snapshot(at=at, quotes=tuple(quote(symbol, mark=self.mark, at=at) for symbol in held)),
            holdings=(holding(quantity=self.quantity, mark=self.mark),),
            instruments=tuple(contract(symbol) for symbol in held),
            positions=tuple(position(str(many), symbol) for symbol, many in held.items() if many),
            by_hand=self.by_hand,
        )

    def trade(self, symbol: str, side: Side, contracts: Decimal) -> None:
        """The position moves, whoever traded."""
        signed = contracts if side == "buy" else -contracts
        if symbol == BTC:
            self.held += signed
        else:
            self.beside += signed

    async def send(self, order: Order) -> Outcome:
        self.fate.point("before the order")
        self.seen(order)
        self.trade(order.symbol, order.side, order.contracts)
        outcome = await super().send(order)
        self.fate.point("after the order")
        return outcome


class Figures:
    """What a review measures: a close, as it is set."""

    def __init__(self) -> None:
        self.close = 100.0

    async def keep_running(self, policy: Policy, now: datetime) -> None:
        pass

    async def measured(self, policy: Policy, at: datetime, holdings: Any) -> Measured:
        return Measured(row=metric_row(at, close=self.close), betas=None)


class Rig:
    """One portfolio, killed and started again at will; a person speaks through another connection."""

    def __init__(
        self, folder: Path, *, mode: Mode = "alert", at_ease: bool = False, **changed: Any
    ) -> None:
        self.at_ease = at_ease
        self.path, self.mode = folder / "journal.sqlite", mode
        self.clock, self.fate = FakeClock(NOW), Fate()
        self.venue, self.figures = Market(self.clock, self.fate), Figures()
        plain = policy(limits=Limits(price_jump_max=d("0.9"), day_notional_max=d(10**7)))
        self.policy = replace(plain, **changed)
        self.start()

    def start(self) -> None:
        """A process of the daemon."""
        self.journal = Journal.open_for(self.path, self.mode, (self.policy.account,), self.clock)
        if self.at_ease:  # who is killed by an exception loses nothing that the disk has not got yet
            self.journal.engine.dispose()
            event.listen(self.journal.engine, "connect", _unhurried)
        self.journal.engine = Frail(self.journal.engine, self.fate)  # type: ignore[assignment]
        self.shell = cycle.Shell(
            mode=self.mode,
            policy=self.policy,
            venue=self.venue,
            journal=self.journal,
            keeper=self.figures,  # type: ignore[arg-type]
            clock=self.clock,
        )

    def restart(self, **later: float) -> None:
        self.journal.close()
        self.clock.step(**(later or {"minutes": 1}))
        self.fate.again(None)
        self.start()

    def close(self) -> None:
        self.journal.close()

    async def review(self) -> CycleRecord:
        tick = Tick(kind="review", cadence="weekly", scheduled_at=self.clock().replace(microsecond=0))
        return await cycle.run(tick, self.shell)

    async def guard(self, **later: float) -> CycleRecord:
        self.clock.step(**(later or {"minutes": 5}))
        return await cycle.run(guard_tick(self.clock()), self.shell)

    def standing(self) -> Standing:
        return Approvals(self.journal).standing(self.policy.portfolio)

    def decide(self, number: int, verdict: Verdict, by: str = "alice", why: str = "") -> Proposal:
        accounts = {self.policy.portfolio: self.policy.account}
        with Journal.open_beside(self.path, self.clock) as beside:
            return Approvals(beside).decide(number, verdict, by, why, self.clock(), accounts)

    def approve(self, number: int = 1, by: str = "alice") -> Proposal:
        return self.decide(number, "approve", by)

    def reject(self, number: int = 1, why: str = "no") -> Proposal:
        return self.decide(number, "reject", "alice", why)

    def alter(self, table: str, change: str) -> None:
        """*change* rows of *table* as nobody may: the database's own guard is taken away first."""
        with Journal.open_beside(self.path, self.clock) as beside, beside.engine.begin() as connection:
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {table}_no_update")
            connection.exec_driver_sql(f"UPDATE {table} SET {change}")

    @property
    def sent(self) -> list[Decimal]:
        return [order.contracts for order in self.venue.orders]


def _unhurried(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")


class Template:
    """An empty journal that is copied, for a migration takes longer than a pass."""

    def __init__(self, folder: Path, mode: Mode = "alert") -> None:
        self.path = folder / "template.sqlite"
        Journal.open_for(self.path, mode, ("paper",), FakeClock(NOW - timedelta(days=1))).close()

    def copied(self, folder: Path) -> None:
        shutil.copy(self.path, folder / "journal.sqlite")


def said(number: int, verdict: Verdict, at: datetime, why: str = "") -> Decision:
    return Decision(number=number, verdict=verdict, by="alice", why=why, at=at)


__all__ = ["BTC", "MINUTE", "NOW", "Fate", "Killed", "Market", "Rig", "Template", "said"]
