"""
One seed, one day: from the seed to what was done, what was seen, and what was violated.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import structlog

from exchange.binance_wallet import UID as BINANCE_UID
from hedged.core.record import CycleRecord
from hedged.errors import HedgedError, JournalBusy
from hedged.journal.store import Journal
from hedged.settings.model import Settings
from hedged.wiring.live import Lines
from simulation.answers import UID, Answers
from simulation.backups import Backups
from simulation.checker import SYMBOLS, Checker
from simulation.clock import Time, Wall, run
from simulation.daemon import PORTFOLIO, SETTINGS, Killed, Process, SimulatedLines, Sites, settings_in
from simulation.dialect import Broken
from simulation.evidence import Violation
from simulation.faults import Swarm
from simulation.network import Network
from simulation.wired import Faulty, RealLines
from simulation.world import BTC, DAY_S, ETH, World

QUIET_S = 0.75 * DAY_S
PERSON_S = 2000.0
RESTORE_S_MIN = 360.0
WIRED_EVERY = 30
"""Every so many seeds go through ccxt and the Binance dialect."""
DAYS = (
    datetime(2026, 3, 2, tzinfo=UTC),
    datetime(2026, 3, 29, tzinfo=UTC),  # clocks go forward in Europe
    datetime(2026, 10, 25, tzinfo=UTC),  # and back again
    datetime(2026, 11, 1, tzinfo=UTC),  # and back in America
    datetime(2028, 2, 29, tzinfo=UTC),
    datetime(2026, 12, 31, tzinfo=UTC),
)
TMPFS = Path("/dev/shm")
MENDED_BY_HAND = (
    "restricted",
    "held long",
    "was ",
    "does not trade",
    "does not list",
    "by the venue's own figure",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one seed came to."""

    seed: int
    trace_hash: str
    events: int
    passes: int
    requests: int
    violations: tuple[Violation, ...]
    faults: dict[str, int]
    counts: dict[str, int]
    last: tuple[str, ...] = ()
    stands: str = ""


class Day:
    """Everything of one simulated day."""

    def __init__(self, seed: int, folder: Path, *, awaited: bool) -> None:
        self.dice = random.Random(f"{seed} day")
        self.time = Time(self.dice.choice(DAYS))
        self.wall = Wall(self.time)
        self.swarm = Swarm(seed, QUIET_S, awaited=awaited)
        self.wired = seed % WIRED_EVERY == WIRED_EVERY - 1
        if self.wired:  # a contract of Binance USD-M is one coin, and its listing tells of no size
            self.swarm.drawn.pop("size_change", None)
        self.world = World(seed, self.time, self.wall, self.swarm, tapes=self.wired)
        state = folder / "state"
        self.checker = Checker(self.time, self.wall, self.world, state)
        self.sites = Sites(self.swarm, lambda: self.time.seconds, self.checker.happened)
        answers = Answers(self.world, self.swarm, self.checker.served)
        self.network = Network(seed, self.world, self.swarm, answers, self.checker)
        self.venue = Faulty(self.world, self.network, self.checker.served) if self.wired else None
        self.logged: Counter[str] = Counter()
        self.last_record: CycleRecord | None = None
        self.settings = self._settings(folder)
        self.backups = Backups(state, folder / "backup")
        self.lives = 0
        self.alive = False
        self.stands = ""
        self.faulty: RuntimeError | None = None
        self.real: RealLines | None = None

    def _settings(self, folder: Path) -> Settings:
        dice = self.dice
        both = dice.random() < 0.4
        legs = '{ symbol = "BTC/USDT:USDT", weight = 1 }'
        if both:
            legs = (
                '{ symbol = "BTC/USDT:USDT", weight = 0.6 }, { symbol = "ETH/USDT:USDT", weight = 0.4 }'
            )
        self.checker.safety.legs = tuple(SYMBOLS)[: 1 + both]
        self.checker.weights = {BTC: Decimal("0.6") if both else Decimal(1), ETH: Decimal("0.4")}
        text = SETTINGS.format(
            guard_every="15m",
            legs=legs,
            initial=dice.choice((0.3, 0.5)),
            uid=BINANCE_UID if self.wired else UID,
            style=dice.choice(("ioc", "ioc", "post_only_then_ioc")),
            slow=dice.choice((3, 6, 10)),
            high=dice.choice((0.6, 0.8, 1.0)),
            low=dice.choice((0.0, 0.2, 0.4)),
            adjust=dice.choice(("true", "false")),
        )
        return settings_in(folder, text)

    async def run(self) -> None:
        """Live through the day, one process after another."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._broken)
        self.world.open(self.checker)
        self.world.start(loop)
        loop.call_later(PERSON_S, self._person)
        for at in self.swarm.instants("kill", DAY_S):
            loop.call_at(at, self._die_soon)
        for at in self.swarm.instants("second_start", DAY_S):
            loop.call_at(at, self._start_beside)
        for at in self.swarm.instants("restored", DAY_S):
            loop.call_at(max(0.0, at - self.dice.uniform(600.0, 4 * 3600.0)), self._back_up)
            loop.call_at(at, self._lose_disk)
        while self.time.seconds < DAY_S:
            await self._life()
            if self.backups.wanted:
                await self._restore()
        self.checker.finish()
        self._check_converged()
        for one in self.checker.restrictions():
            if one["by"] != "breaker":
                self.checker.violate("00", f"frozen: {one['reason']}")
        if self.faulty is not None:
            raise self.faulty

    def _broken(self, _loop: object, context: dict[str, Any]) -> None:
        """What nobody caught is a fault of the simulator, or of a task that the daemon left behind."""
        error = context.get("exception")
        if not isinstance(error, Killed | asyncio.CancelledError):
            self.faulty = RuntimeError(f"{context['message']}: {error!r}")
            self.faulty.__cause__ = error

    async def _life(self) -> None:
        self.lives += 1
        self.sites.dead = False
        try:
            process = Process(
                self.settings,
                self.wall,
                self.sites,
                self._lines,
                self._on_record,
            )
        except Killed:
            self.checker.ended("killed at start")
            return await asyncio.sleep(5)
        except HedgedError as error:
            self.checker.note(f"no start: {type(error).__name__}")
            return await asyncio.sleep(15)
        self.checker.started(self.lives)
        how = await self._lived(process)
        self.checker.ended(how)
        await asyncio.sleep(self.dice.choice((1, 5, 60, 900)) if how == "killed" else 5)
        return None

    async def _lived(self, process: Process) -> str:
        others = asyncio.all_tasks()
        task = asyncio.ensure_future(process.run())
        leaving = [at for at in self.swarm.instants("terminate", DAY_S) if at > self.time.seconds][:1]
        loop = asyncio.get_running_loop()
        timers = [loop.call_at(at, self._terminate, process) for at in leaving]
        timers.append(loop.call_at(DAY_S, task.cancel))
        self.alive = True
        try:
            await task
            return "left"
        except Killed:
            return "killed"
        except asyncio.CancelledError:
            return "day over"
        finally:
            self.alive = False
            for timer in timers:
                timer.cancel()
            await self._bury(others)
            process.release()
            for wire in self.real.made if self.real else ():
                wire.forget()

    async def _bury(self, others: set[asyncio.Task[Any]]) -> None:
        """Nothing of a process that is gone runs on."""
        self.sites.dead = True
        left = sorted(asyncio.all_tasks() - others, key=lambda one: int(one.get_name().split("-")[-1]))
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _lines(self, settings: Settings, clock: Callable[[], datetime], permit: Any) -> Lines:
        if self.venue is not None:
            real = RealLines(settings.venue, settings.account, clock, permit)
            real.venue_behind, real.visit, real.made = self.venue, self.sites.visit, []
            self.real = real
            return real
        lines = SimulatedLines(settings.venue, settings.account, clock, permit)
        lines.network, lines.sites = self.network, self.sites
        return lines

    def _person(self) -> None:
        """Somebody looks now and then, and lifts what a breaker has set; never what froze."""
        asyncio.get_running_loop().call_later(PERSON_S, self._person)
        standing = self.checker.restrictions()
        if any(one["by"] == "breaker" for one in standing):
            self.checker.lifted()
            with Journal.open_beside(self.checker.journal.path, self.wall) as journal:
                journal.lift(PORTFOLIO, by="person")

    def _terminate(self, process: Process) -> None:
        self.swarm.met["terminate"] += 1
        process.service.leave()

    def _die_soon(self) -> None:
        self.swarm.met["kill"] += 1
        self.sites.dies_at = self.sites.visited + self.dice.randint(1, 60)

    def _back_up(self) -> None:
        self.backups.take(self.time())

    def _lose_disk(self) -> None:
        """The process ends, and a person puts an older copy of its state back."""
        if self.backups.taken_at is not None:
            self.swarm.met["restored"] += 1
            self.backups.wanted = True
            self.sites.dies_at = self.sites.visited + self.dice.randint(1, 60)

    async def _restore(self) -> None:
        """It takes a person longer than any order is on its way."""
        await asyncio.sleep(self.dice.uniform(RESTORE_S_MIN, 3600.0))
        self.backups.put_back()
        assert self.backups.taken_at is not None
        self.checker.restored(self.backups.taken_at)

    def _start_beside(self) -> None:
        """42: a second daemon on the same journal, while the first one lives."""
        if not self.alive:
            return
        self.swarm.met["second_start"] += 1
        path = self.checker.journal.path
        try:
            Journal.open_for(path, "live", ("main",), self.wall).close()
        except JournalBusy:
            return
        self.checker.violate("42", "a second daemon writes to the journal")

    def _on_record(self, record: CycleRecord) -> None:
        self.last_record = record
        self.checker.passed()

    def _check_converged(self) -> None:
        """T1c: hours after the last fault the hedge is what it should be, or a person must act."""
        record, checker = self.last_record, self.checker
        if record is None or self.time() - record.inputs.now > timedelta(minutes=40):
            checker.violate("T1c", f"no pass for long: the last is {record and record.inputs.now}")
            return
        reasons = record.thought.review.reasons
        self.stands = "; ".join(reasons)
        if reasons:
            waits = self.world.given_up and "by hand" in self.stands  # nobody sets it back any more
            if not waits and not any(word in self.stands for word in MENDED_BY_HAND):
                checker.violate("T1c", f"still held: {self.stands}")
            return
        if checker.unresolved():
            checker.violate("T1c", f"still unresolved: {checker.unresolved()}")
        ratio = record.thought.ratio.target_ratio if record.thought.ratio else None
        if ratio is None:
            checker.violate("T1c", "no target")
            return
        exposure = self.world.exposure()
        legs = (BTC, ETH)[: len(checker.safety.legs)]  # another contract is not hedged's
        short = -sum(checker.position[s] * checker.multiplier[s] * self.world.mark(s) for s in legs)
        lots = sum(self.world.engine.contract(s).lot * self.world.mark(s) for s in (BTC, ETH))
        gap = abs(short - ratio * exposure)
        if gap > exposure * Decimal("0.06") + lots:
            checker.violate("T1c", f"{short:.0f} is hedged, {ratio} of {exposure:.0f} is the target")


def simulate(seed: int, *, awaited: bool = False) -> Result:
    """Run one seed; with *awaited* also the faults that the daemon does not survive yet."""
    with tempfile.TemporaryDirectory(dir=TMPFS if TMPFS.is_dir() else None) as made:
        day = Day(seed, Path(made), awaited=awaited)
        structlog.configure(
            processors=[_counting(day.logged)],
            wrapper_class=structlog.make_filtering_bound_logger(20),
            logger_factory=structlog.ReturnLoggerFactory(),
        )
        try:
            run(day.time, day.run)
        except Broken as broken:
            raise RuntimeError(f"seed {seed}: {broken}") from broken
        finally:
            structlog.reset_defaults()
    checker = day.checker
    return Result(
        seed=seed,
        trace_hash=checker.hash.hexdigest(),
        events=checker.events,
        passes=checker.counts["guard"] + checker.counts["review"],
        requests=day.network.carried,
        violations=tuple(checker.violations),
        faults=dict(sorted(day.swarm.met.items())),
        counts=dict(sorted((checker.counts + day.logged).items())),
        last=tuple(checker.last) if checker.violations else (),
        stands=day.stands,
    )


def _counting(into: Counter[str]) -> Callable[..., Any]:
    def count(_logger: Any, _method: str, event: Any) -> Any:
        into[f"log {event['event']}"] += 1
        raise structlog.DropEvent

    return count
