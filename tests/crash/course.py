"""
One run of a scenario, in which the process is killed at given sites and started again.

Enters a scenario and where to kill; leaves what was violated. After the last kill the daemon has two
ticks: the pass at its start counts as one where one was due then, so that a kill in the middle of a
pass leaves one tick of the schedule, and a kill between passes two. A second kill is given one more:
a tick has two orders, and each kill may use one up before it is sent.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from crash.mortal import Mortal, Points, bury
from crash.quiet import QuietWorld, Script, Way
from crash.scenarios import Scenario
from exchange.state import Fill
from hedged.core.record import CycleRecord
from hedged.errors import HedgedError
from hedged.journal.store import Journal
from hedged.settings.model import Settings
from hedged.wiring.live import Lines
from simulation.answers import Answers
from simulation.checker import Checker
from simulation.clock import Time, Wall, run
from simulation.daemon import PORTFOLIO, Killed, SimulatedLines
from simulation.world import STEP_S

D = Decimal
START = datetime(2026, 3, 2, 0, 50, tzinfo=UTC)
AWAY_S = 5.0
"""So long after a kill the process is started again, unless told otherwise."""
ANEW_S = 7800.0
"""The review of 03:00 sees other bars, and decides anew."""
IN_PASS_S = 120.0
"""A tick's pass, and those that follow it at once or after a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """At which site of a life the process dies, and how long it is away then."""

    site: int
    away_s: float = AWAY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """
    What a run came to. *passed* are the sites of its first life with their seconds, *most* the largest
    shorts, *last* what happened last.
    """

    violations: tuple[str, ...]
    last: tuple[str, ...]
    passed: tuple[tuple[str, float], ...]
    kills: int
    held: dict[str, Decimal]
    most: dict[str, Decimal]
    orders: int


class Eyes(Checker):
    """The checker, which also keeps how short the account ever was."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.most = dict(self.position)

    def filled(self, fill: Fill) -> None:
        super().filled(fill)
        self.most[fill.symbol] = min(self.most[fill.symbol], self.position[fill.symbol])


class Course:
    """The run. *expected* is where the run without a kill has ended; None of that run itself."""

    def __init__(
        self,
        scenario: Scenario,
        settings: Settings,
        kills: tuple[Kill, ...],
        expected: Ended | None,
    ) -> None:
        self.scenario, self.settings, self.expected = scenario, settings, expected
        self.kills = kills
        self.time = Time(START)
        self.wall = Wall(self.time)
        swarm = Script(scenario.strikes)
        self.world = QuietWorld(1, self.time, self.wall, swarm)
        self.checker = Eyes(self.time, self.wall, self.world, settings.service.state_dir)
        self.checker.weights = {leg: D(str(weight)) for leg, weight in scenario.legs.items()}
        self.sites = Points(swarm, lambda: self.time.seconds, self.checker.happened)
        self.network = Way(
            1, self.world, swarm, Answers(self.world, swarm, self.checker.served), self.checker
        )
        self.network.visit = self.sites.visit
        self.last: CycleRecord | None = None
        self.killed = 0
        self.first: tuple[tuple[str, float], ...] = ()
        self.fault: BaseException | None = None

    def person(self) -> Journal:
        """The journal, as a command opens it beside the daemon."""
        return Journal.open_beside(self.settings.service.state_dir / "journal.sqlite", self.wall)

    def lift(self) -> None:
        """A person has looked at it."""
        self.checker.happened("lifted")
        with self.person() as journal:
            journal.lift(PORTFOLIO, by="person")

    async def lived(self) -> None:
        """All lives, until its ticks after the last kill are over."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._broken)
        self.world.open(self.checker)
        loop.call_later(STEP_S, self._step, loop)
        for at_s, happens in self.scenario.happenings:
            loop.call_at(at_s, happens, self)
        if self.scenario.before is not None:
            self.scenario.before(self)
            await asyncio.sleep(1)
        pending = list(self.kills)
        while True:
            kill = pending.pop(0) if pending else None
            if not await self._life(kill):
                break
            assert kill is not None
            self.killed += 1
            await asyncio.sleep(kill.away_s)
        self.checker.finish()
        self._check_rows()
        if self.fault is not None:
            raise self.fault

    def _step(self, loop: asyncio.AbstractEventLoop) -> None:
        self.world.step()
        loop.call_later(STEP_S, self._step, loop)

    def _broken(self, _loop: object, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, Killed | asyncio.CancelledError):
            self.fault = RuntimeError(f"{context['message']}: {error!r}")

    async def _life(self, kill: Kill | None) -> bool:
        """Whether the process was killed; False when it lived until the end."""
        self.sites.begin(kill.site if kill else None)
        others = asyncio.all_tasks()
        process: Mortal | None = None
        try:
            process = Mortal(self.settings, self.wall, self.sites, self._lines, self._on_record)
        except Killed:
            self.checker.ended("killed at start")
            return True
        except HedgedError as error:
            self.checker.violate("36", f"it does not start again: {error}")
            return False
        finally:
            self._keep_sites(dead=process is None)
        self.checker.started(self.killed + 1)
        self.last = None
        task = asyncio.ensure_future(process.run())
        try:
            return await self._watched(process, task)
        finally:
            self._keep_sites(dead=True)
            await bury(others, self.sites)
            process.release()
            self.checker.ended("killed" if task.done() and not task.cancelled() else "over")

    def _keep_sites(self, *, dead: bool) -> None:
        if dead and not self.killed:
            self.first = tuple(self.sites.passed)

    async def _watched(self, process: Mortal, task: asyncio.Task[None]) -> bool:
        if not self.killed:
            if await self._died(task, self.scenario.ends_s):
                return True
        else:
            rows, now = self.checker._rows, self.wall()
            first = process.schedule.next_wake(now)
            if await self._died(task, self._seconds(first) - 1):
                return True
            ends = first if self.checker._rows > rows else process.schedule.next_wake(first)
            while self._seconds(ends) < self.scenario.settled_s:
                ends = process.schedule.next_wake(ends)
            for _ in range(max(self.scenario.rests, self.killed - 1)):
                after = process.schedule.next_wake(ends)
                ends = after if self._seconds(after) < ANEW_S else ends
            if await self._died(task, self._seconds(ends) + IN_PASS_S):
                return True
        self._check_converged()
        return False

    def _seconds(self, at: datetime | None) -> float:
        assert at is not None
        return (at - START).total_seconds()

    async def _died(self, task: asyncio.Task[None], until_s: float) -> bool:
        """Wait until then, or for the end of the process; whether that came."""
        await asyncio.wait({task}, timeout=until_s - self.time.seconds)
        if not task.done():
            return False
        if not isinstance(task.exception(), Killed):
            self.fault = RuntimeError(f"the process ended by itself: {task.exception()!r}")
        return True

    def _lines(self, settings: Settings, clock: Any, permit: Any) -> Lines:
        lines = SimulatedLines(settings.venue, settings.account, clock, permit)
        lines.network, lines.sites = self.network, self.sites
        return lines

    def _on_record(self, record: CycleRecord) -> None:
        self.last = record
        self.checker.passed()

    # ---- what must hold

    def _check_converged(self) -> None:
        """36: the hedge is what it would have been without a kill, and nothing is left open."""
        checker, record = self.checker, self.last
        if self.expected is not None and checker.position != self.expected.held:
            checker.violate("36", f"{checker.position} is held, and {self.expected.held} was to be")
        if record is None:
            checker.violate("36", "there was no pass")
        elif record.thought.review.reasons or any(one.status != "filled" for one in record.outcomes):
            because = (*record.thought.review.reasons, record.thought.drift.because)
            checker.violate("36", f"the last pass is not content: {'; '.join(because)}")
        open_ = checker.journal.ask("SELECT client_order_id FROM intent WHERE outcome IS NULL")
        if open_:
            checker.violate("36", f"{open_} have no outcome")
        rests = [one.ticket.client_order_id for one in self.world.engine.open_orders()]
        if rests:
            checker.violate("36", f"{rests} rest at the exchange")
        if standing := checker.restrictions():
            checker.violate("36", f"restricted: {standing}")

    def _check_rows(self) -> None:
        """01, 02: each order has its one row; 11: the short was never larger than without a kill."""
        rows = [row[0] for row in self.checker.journal.ask("SELECT client_order_id FROM intent")]
        for named in self.checker.sent.keys() - self.scenario.foreign:
            if rows.count(named) != 1:
                self.checker.violate("02", f"{named} has {rows.count(named)} rows")
        self.checker.journal.forget()
        if self.expected is None:
            return
        for symbol, most in self.expected.most.items():
            if self.checker.most[symbol] < most:
                self.checker.violate("11", f"{symbol} was {self.checker.most[symbol]}, {most} is most")

    def ended(self) -> Ended:
        return Ended(
            violations=tuple(
                f"{one.invariant} at {one.at[11:19]}: {one.what}" for one in self.checker.violations
            ),
            last=tuple(self.checker.last),
            passed=self.first,
            kills=self.killed,
            held=dict(self.checker.position),
            most=dict(self.checker.most),
            orders=self.checker.counts["orders"],
        )


def ran(
    scenario: Scenario,
    settings: Settings,
    template: Path,
    kills: tuple[Kill, ...] = (),
    expected: Ended | None = None,
) -> Ended:
    """Run *scenario* on an empty folder with a journal like *template*, killed as told."""
    state = settings.service.state_dir
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir()
    shutil.copy(template, state / "journal.sqlite")
    course = Course(scenario, settings, kills, expected)
    run(course.time, course.lived)
    return course.ended()
