"""
A year of the real daemon in one of its three modes, on the virtual clock.

Enters a `Script`; leaves every pass that the journal has, what could not be made and when, and what was
held of memory, files and tasks week by week. What the simulator keeps does not grow with the year.
"""

from __future__ import annotations

import asyncio
import gc
import random
import resource
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import structlog

from hedged.core.record import CycleRecord
from hedged.errors import ConsentRefused
from hedged.journal.approvals import Approvals
from hedged.journal.store import Journal
from simulation.answers import UID
from simulation.checker import Checker
from simulation.clock import Time, Wall, run
from simulation.daemon import PORTFOLIO, Process, Sites, settings_in
from simulation.evidence import Violation
from simulation.faults import Swarm
from simulation.network import Network
from simulation.run import TMPFS
from simulation.script import Script, Span
from simulation.world import BTC
from simulation.yearly import YearlyAnswers, YearlyLines, YearlyWorld

WEEK = timedelta(days=7)
DECISIONS_EVERY_S = 6 * 3600.0
"""In alert mode the daemon looks for decisions every 5 s, six million times a year: here less."""
PERSON_EVERY_S = 6 * 3600.0
UNDECIDED = "SELECT number FROM proposal WHERE number NOT IN (SELECT proposal FROM decision)"
SETTINGS = """
[service]
mode = "{mode}"
state_dir = "state"
[schedule]
review = "{review}"
guard_every = "{guard}"
settle_delay = "1m"
[venue]
kind = "binance"
endpoint = "http://127.0.0.1:1"
[hedge]
legs = [{{ symbol = "BTC/USDT:USDT", weight = 1 }}]
initial_ratio = 0.5
[limits]
day_notional_max = 20_000_000
{account}
[account.main]
leverage = 20
api_key = "key"
api_secret = "secret"
uid = "{uid}"
futures_wallets = {trades}
[[rule]]
name = "falling"
when = "close < sma_5"
raise_to = 0.7
[[rule]]
name = "rising"
when = "close > sma_5"
lower_to = 0.3
[[portfolio]]
name = "main"
account = "main"
holdings_from = ["main"]
holding = [{{ asset = "BTC", quantity = 1 }}]
"""
ON_PAPER = "[paper]\ncollateral = 400_000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """A record of the journal: its tick, and when it was made by the daemon's clock."""

    tick: str
    kind: str
    at: datetime
    size: int

    @property
    def cadence(self) -> str:
        return self.tick.partition("@")[0]

    @property
    def scheduled_at(self) -> datetime:
        return datetime.fromisoformat(self.tick.partition("@")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the process holds at one instant."""

    at: datetime
    resident: int
    blocks: int
    files: int
    tasks: int
    rows: int
    passes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a year came to."""

    passes: tuple[Pass, ...]
    skipped: tuple[tuple[datetime, str], ...]
    violations: tuple[Violation, ...]
    counts: dict[str, int]
    samples: tuple[Sample, ...]
    ratio: float
    sent: tuple[datetime, ...] = ()


@dataclass(slots=True)
class Seen:
    """What was seen on the way."""

    skipped: list[tuple[datetime, str]] = field(default_factory=list)
    logged: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)
    passes: int = 0
    last: CycleRecord | None = None


class Year:
    """One script, from its beginning to its end."""

    def __init__(self, script: Script, folder: Path) -> None:
        self.script = script
        self.time = Time(script.begins)
        self.wall = Wall(self.time)
        swarm = Swarm(script.seed, 0.0)
        swarm.drawn.clear()  # what goes wrong is in the script
        self.world = YearlyWorld(script, self.time, self.wall, swarm)
        self.checker = Checker(self.time, self.wall, self.world, folder / "state")
        self.checker.mode, self.checker.weights = script.mode, {BTC: Decimal(1)}
        self.checker.safety.legs = ("BTC/USDT:USDT",)
        self.sites = Sites(swarm, lambda: self.time.seconds, self.checker.happened)
        answers = YearlyAnswers(self.world, swarm, self.checker.served)
        self.network = Network(script.seed, self.world, swarm, answers, self.checker)
        self.seen = Seen()
        self.settings = settings_in(
            folder,
            SETTINGS.format(
                mode=script.mode,
                review=script.review,
                guard=script.guard,
                uid=UID,
                account=ON_PAPER if script.mode == "paper" else "",
                trades="false" if script.mode == "paper" else "true",  # a key that only reads
            ),
        )
        self.journal = folder / "state" / "journal.sqlite"
        self._dice = random.Random(f"{script.seed} person")

    async def run(self) -> None:
        """Live through it, one process after another."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._broken)
        self.world.open(self.checker)
        self.world.start(loop)
        loop.call_later(PERSON_EVERY_S + 1800, self._person)
        loop.call_later(WEEK.total_seconds() + 7200, self._sampled)
        over = Span(at=self.script.ends, lasts=timedelta(0))
        for number, away in enumerate((*self.script.away, over), start=1):
            await self._life(number, (away.at - self.time()).total_seconds())
            await asyncio.sleep((away.at + away.lasts - self.time()).total_seconds())
        self.checker.finish()
        for one in self.checker.restrictions():
            if one["by"] != "breaker":
                self.checker.violate("00", f"frozen: {one['reason']}")

    async def _life(self, number: int, seconds: float) -> None:
        process = Process(self.settings, self.wall, self.sites, self._lines, self._on_record)
        if process.service.decisions.wait_s is not None:
            process.service.decisions.wait_s = DECISIONS_EVERY_S
        self.checker.started(number)
        before = asyncio.all_tasks()
        asyncio.get_running_loop().call_later(seconds, process.service.leave)
        await process.run()
        await asyncio.sleep(0)  # what was cancelled ends
        left = asyncio.all_tasks() - before
        if left:
            self.checker.violate("00", f"tasks are left behind: {left}")
        self.checker.ended("left")
        process.release()

    def _lines(self, settings: Any, clock: Callable[[], datetime], permit: Any) -> YearlyLines:
        lines = YearlyLines(settings.venue, settings.account, clock, permit)
        lines.network, lines.sites = self.network, self.sites
        return lines

    def _broken(self, _loop: object, context: dict[str, Any]) -> None:
        self.checker.violate("00", f"{context['message']}: {context.get('exception')!r}")

    def _on_record(self, record: CycleRecord) -> None:
        self.seen.passes += 1
        self.seen.last = record
        self.checker.passed()

    def _person(self) -> None:
        """Somebody looks four times a day: approves mostly, lifts what a breaker has set."""
        asyncio.get_running_loop().call_later(PERSON_EVERY_S, self._person)
        tripped = any(one["by"] == "breaker" for one in self.checker.restrictions())
        waits = self.checker.journal.ask(UNDECIDED)
        if not (tripped or waits):  # to open a journal takes longer than a pass
            return
        with Journal.open_beside(self.journal, self.wall) as journal:
            if tripped:
                journal.lift(PORTFOLIO, by="person")
                self.checker.lifted()
            if waits:
                self._decided(Approvals(journal))

    def _decided(self, approvals: Approvals) -> None:
        standing = approvals.standing(PORTFOLIO)
        proposal, said = standing.proposal, self._dice.random()
        if proposal is None or self.wall() >= proposal.expires_at or standing.decision or said < 0.15:
            return
        with suppress(ConsentRefused):  # too late for that one
            approvals.decide(
                proposal.number,
                "approve" if said < 0.9 else "reject",
                "person",
                "",
                self.wall(),
                {PORTFOLIO: "main"},
            )
            self.checker.counts["decisions"] += 1

    def _sampled(self) -> None:
        asyncio.get_running_loop().call_later(WEEK.total_seconds(), self._sampled)
        gc.collect()
        (rows,) = self.checker.journal.ask("SELECT COUNT(*) FROM record")[0]
        self.seen.samples.append(
            Sample(
                at=self.time(),
                resident=resident(),
                blocks=sys.getallocatedblocks(),
                files=len(list(Path("/proc/self/fd").iterdir())),
                tasks=len(asyncio.all_tasks()),
                rows=rows,
                passes=self.seen.passes,
            )
        )

    def log(self, _logger: Any, _method: str, event: Any) -> Any:
        """Count what is logged, and keep when a pass could not be made and why."""
        self.seen.logged[f"log {event['event']}"] += 1
        if event["event"] == "pass_skipped":
            self.seen.skipped.append((self.time(), str(event["error"])))
        raise structlog.DropEvent

    def result(self) -> Result:
        """All of it."""
        connection = sqlite3.connect(self.journal)
        rows = connection.execute("SELECT tick_id, kind, at, length(body) FROM record ORDER BY id")
        passes = tuple(
            Pass(tick=tick, kind=kind, at=datetime.fromisoformat(at), size=size)
            for tick, kind, at, size in rows
        )
        connection.close()
        held = abs(self.world.engine.position(BTC).quantity) * self.world.mark(BTC)
        return Result(
            passes=passes,
            skipped=tuple(self.seen.skipped),
            violations=tuple(self.checker.violations),
            counts=dict(sorted((self.checker.counts + self.seen.logged).items())),
            samples=tuple(self.seen.samples),
            ratio=float(held / self.world.exposure()),
            sent=tuple(one.at for one in self.checker.sent.values()),
        )


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def lived(script: Script) -> Result:
    """Run *script*."""
    with tempfile.TemporaryDirectory(dir=TMPFS if TMPFS.is_dir() else None) as made:
        year = Year(script, Path(made))
        structlog.configure(
            processors=[year.log],
            wrapper_class=structlog.make_filtering_bound_logger(20),
            logger_factory=structlog.ReturnLoggerFactory(),
        )
        gc.collect()
        gc.freeze()  # what was there before is not looked through every week
        try:
            run(year.time, year.run)
            return year.result()
        finally:
            gc.unfreeze()
            structlog.reset_defaults()
