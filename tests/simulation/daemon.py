"""
The real daemon, put together as `hedged.wiring` does it: service, cycle, journal, book, budget, wire.

What differs from a real one: the dialect and the network below its wires, the clock, and who wakes it.
One life of it is a `Process`; killed, it leaves its files as they are, and the next starts from them.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.exc import OperationalError

from hedged.core.record import CycleRecord
from hedged.cycle import Shell
from hedged.history.keeper import Keeper
from hedged.history.store import HistoryStore
from hedged.journal.store import Journal
from hedged.service.loop import Service
from hedged.service.ticks import Schedule
from hedged.settings.load import load
from hedged.settings.model import Settings
from hedged.settings.policies import policy_of
from hedged.venue.exchange import Exchange
from hedged.venue.paper import PaperVenue
from hedged.venue.retry import PatientVenue
from hedged.venue.wire import Wire
from hedged.wiring import Daemon
from hedged.wiring.live import Lines, live_venues
from hedged.wiring.live_paper import live_paper_venues
from simulation.clock import Wall
from simulation.dialect import Simulated, SimulatedWire
from simulation.faults import Swarm
from simulation.network import Network

PORTFOLIO = "main"
SETTINGS = """
[service]
mode = "live"
state_dir = "state"
[schedule]
review = "cron: 0 */2 * * *"
guard_every = "{guard_every}"
settle_delay = "1m"
[venue]
kind = "binance"
endpoint = "http://127.0.0.1:1"
[signal]
bar = "1h"
[hedge]
legs = [{legs}]
initial_ratio = {initial}
[limits]
day_notional_max = 20_000_000
[orders]
style = "{style}"
[account.main]
leverage = 20
margin_mode = "cross"
adjust = {adjust}
api_key = "key"
api_secret = "secret"
uid = "{uid}"
[[rule]]
name = "falling"
when = "close < sma_{slow}"
raise_to = {high}
[[rule]]
name = "paid"
when = "funding_rate > 0.0015"
raise_by = 0.1
[[rule]]
name = "rising"
when = "close > sma_{slow}"
lower_to = {low}
[[portfolio]]
name = "main"
account = "main"
holdings_from = ["main"]
holding = [{{ asset = "BTC", quantity = 1 }}]
"""


DISK_SAYS = {
    "": "",
    "disk_locked": "database is locked",
    "disk_io": "disk I/O error",
    "disk_unreadable": "disk I/O error",
}


class Killed(BaseException):
    """The process is gone; nothing of it runs on."""


class Sites:
    """The places at which a process may die, or its disk may refuse."""

    def __init__(self, swarm: Swarm, seconds: Callable[[], float], told: Callable[..., None]) -> None:
        self.swarm = swarm
        self.visited = 0
        self.dead = False
        self.dies_at: int | None = None
        self._seconds = seconds
        self._told = told

    def visit(self, site: str) -> None:
        """Raises `Killed` where the process ends."""
        self.visited += 1
        if self.dies_at is not None and self.visited >= self.dies_at:
            self.dead = True
            self.dies_at = None
            self._told("killed", site=site)
        if self.dead:
            raise Killed(site)

    def disk_error(self, names: tuple[str, ...]) -> str:
        """What the disk says instead of doing as it is told."""
        struck = self.swarm.first(names, self._seconds())
        if struck:
            self._told("disk", name=struck)
        return DISK_SAYS.get(struck, "database or disk is full")


class Disk:
    """A connection of the book that fails, and at which the process may die."""

    def __init__(self, connection: Any, sites: Sites) -> None:
        self._connection = connection
        self._sites = sites

    def __enter__(self) -> Disk:
        self._sites.visit("before book commit")
        said = self._sites.disk_error(("book_full", "disk_io"))
        if said:
            raise sqlite3.OperationalError(said)
        self._connection.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        self._connection.__exit__(*raised)
        self._sites.visit("after book commit")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class SimulatedLines(Lines):
    """Lines that end in a simulated network."""

    network: Network
    sites: Sites

    def exchange(self, name: str) -> Exchange:
        if name not in self._exchanges:
            wire = self._simulated(None)
            self._exchanges[name] = Exchange(name, Simulated(), wire, self._clock)  # type: ignore[arg-type]
        return self._exchanges[name]

    def _wire(self, dialect: Any, credentials: Any = None) -> Wire:
        return self._simulated(self._permit if credentials else None)

    def _simulated(self, permit: Any) -> Wire:
        return SimulatedWire(self.network, self._budgets, self._clock, permit, self.sites.visit)


def settings_in(folder: Path, text: str) -> Settings:
    """Settings as they are read from a file."""
    file = folder / "hedged.toml"
    file.touch(mode=0o600)
    file.write_text(text)
    return load([file], {}).settings


class Process:
    """One life of the daemon, from start to end."""

    def __init__(
        self,
        settings: Settings,
        wall: Wall,
        sites: Sites,
        lines_of: Callable[..., Lines],
        on_record: Callable[[CycleRecord], None],
    ) -> None:
        self.sites = sites
        folder, mode = settings.service.state_dir, settings.service.mode
        with ExitStack() as opened:
            self.journal = opened.enter_context(
                Journal.open_for(folder / "journal.sqlite", mode, ("main",), wall)
            )
            self._make_fallible(self.journal)
            self.lines = lines_of(settings, wall, None if mode == "paper" else self.journal.claim)
            venues = live_paper_venues if mode == "paper" else live_venues
            self.venue = venue = venues(settings, self.lines, wall, opened, read_only=False)[PORTFOLIO]
            opened.pop_all()
        self.ledger = venue.account.ledger if isinstance(venue, PaperVenue) else venue.book.ledger
        self.ledger._disk = Disk(self.ledger._disk, sites)  # type: ignore[assignment]
        patient = PatientVenue(venue, asyncio.sleep)
        store = HistoryStore(folder / "history", read_only=False)
        shell = Shell(
            mode=mode,
            policy=policy_of(settings, settings.portfolio[0]),
            venue=patient,
            journal=self.journal,
            keeper=Keeper(patient, store),
            clock=wall,
        )
        self.daemon = Daemon(
            settings=settings,
            shells=(shell,),
            journal=self.journal,
            clock=wall,
            replay_clock=None,
            lines=self.lines,
        )
        self.schedule = Schedule(settings.schedule)
        self.service = Service(self.daemon, self.schedule, on_record)
        self._wall = wall

    def _make_fallible(self, journal: Journal) -> None:
        """Every commit may fail, and the process may die before and after it."""
        dialect = journal.engine.dialect
        commit = dialect.do_commit

        def do_commit(connection: Any) -> None:
            self.sites.visit("before commit")
            said = self.sites.disk_error(("disk_locked", "disk_full", "disk_io"))
            if said:
                raise OperationalError("COMMIT", {}, sqlite3.OperationalError(said))
            commit(connection)
            self.sites.visit("after commit")

        dialect.do_commit = do_commit  # type: ignore[method-assign]
        if "disk_unreadable" not in self.sites.swarm.drawn:
            return
        execute = dialect.do_execute

        def do_execute(cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
            said = self.sites.disk_error(("disk_unreadable",)) if statement.startswith("SELECT") else ""
            if said:
                raise sqlite3.OperationalError(said)
            execute(cursor, statement, parameters, context)

        dialect.do_execute = do_execute  # type: ignore[method-assign]

    async def wakes(self) -> AsyncIterator[None]:
        """At the start, and then at every scheduled instant by the machine's own clock."""
        yield
        while (at := self.schedule.next_wake(self._wall())) is not None:
            await self._until(at)
            yield

    async def _until(self, at: datetime) -> None:
        """As APScheduler: the clock may be set while one waits, and is not looked at meanwhile."""
        if (left := (at - self._wall()).total_seconds()) > 0:
            await asyncio.sleep(left)
            await self._until(at)

    async def run(self) -> None:
        """Until it is told to leave, or dies."""
        await self.service.run(self.wakes())

    def release(self) -> None:
        """What the system does when a process is gone: files are closed, locks let go."""
        self.journal.close()
        if self.ledger._disk is not None:
            self.ledger._disk.close()
