"""
The unattended loop: one pass at a time, one portfolio after another, until told to leave.

What goes wrong in one portfolio is logged, counted and at worst freezes that portfolio; the others
go on. SIGTERM lets the order in hand end and leaves: no other is sent, and the hedge stays as it is.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from decimal import Decimal

import structlog

from hedged import cycle
from hedged.core.gate import Restriction
from hedged.core.record import CycleRecord, Tick, cycle_id
from hedged.errors import BadData, HedgedError, JournalError, VenueUnavailable
from hedged.journal.store import Journal
from hedged.logs import redacted
from hedged.service.again import Again
from hedged.service.decisions import Decisions, wanted
from hedged.service.notify import Notifier
from hedged.service.ticks import Schedule
from hedged.service.watchdog import Watchdog
from hedged.wiring import Daemon

log = structlog.get_logger()

UNAVAILABLE_ALERT = 3
LEAVE_S_MAX = 25.0
UNEXPLAINED_MIN = Decimal("0.01")
FROZEN_BY = "hedged"

OnRecord = Callable[[CycleRecord], None]
# The portfolio, the kind of pass that failed (None: it was frozen), the error, how often in a row.
OnTrouble = Callable[[str, str | None, str, int], None]
Due = Callable[[Journal, str, datetime], Tick | None]


def untold(_portfolio: str, _kind: str | None, _error: str, _in_a_row: int) -> None:
    """The log has told of it."""


class Service:
    """
    Runs what is due; *on_record* sees every record after it is in the journal, *on_trouble* every
    pass that could not be made.
    """

    def __init__(
        self,
        daemon: Daemon,
        schedule: Schedule,
        on_record: OnRecord,
        watchdog: Watchdog | None = None,
        on_trouble: OnTrouble = untold,
    ) -> None:
        self.daemon = daemon
        self.schedule = schedule
        self.on_record = on_record
        self.watchdog = watchdog or Watchdog(Notifier(), schedule)
        self.on_trouble = on_trouble
        self.failures: dict[tuple[str, str], int] = {}
        self.last_error: HedgedError | None = None
        self._again = Again()
        settings = daemon.settings
        self.decisions = Decisions(settings.service.mode, settings.consent.remind_every)
        self._alarms: dict[str, frozenset[str]] = {}
        self._leave = asyncio.Event()
        self._waking: asyncio.Task[object] | None = None
        self._unkept: dict[str, Restriction] = {}

    @property
    def leaving(self) -> bool:
        """Whether someone asked to leave; what failed until then is no failure of this run."""
        return self._leave.is_set()

    def leave(self) -> None:
        """Ask the loop to end after the order in hand."""
        self._leave.set()
        self.watchdog.leaves()

    async def run(self, wakes: AsyncIterator[None]) -> None:
        """Make a pass at every wake, until *wakes* ends or someone asks to leave."""
        stops = (signal.SIGTERM, signal.SIGINT)
        loop = asyncio.get_running_loop()
        for stop in stops:
            loop.add_signal_handler(stop, self.leave)
        log.info("service_started", mode=self.daemon.settings.service.mode, **self._head())
        try:
            while await self._next(wakes):
                await self._unless_leaving(self.pass_all())
                now = self.daemon.clock()
                self.watchdog.waits(now, map(" ".join, self.failures), self._again.wait_s(now))
        finally:
            for stop in stops:
                loop.remove_signal_handler(stop)
            for shell in self.daemon.shells:
                self._freeze_is_kept(shell)  # the last chance
            log.info("service_stopped", **self._head())

    async def pass_all(self) -> None:
        """
        Every pass that is due, for every portfolio. A review that fails stays due, and the guard
        goes on without it.
        """
        schedule = self.schedule
        for shell in self.daemon.shells:
            for due in (schedule.due_review, self.decisions.due, schedule.due_guard):
                if not self._leave.is_set():
                    await self.pass_one(shell, due)
            while not self._leave.is_set() and await self.pass_one(shell, self._again.due):
                continue

    async def pass_one(self, shell: cycle.Shell, due: Due) -> bool:
        """
        Run the cycle that is due; what it raises is dealt with here, and stays here.

        Whether there was one.
        """
        portfolio, kind = shell.policy.portfolio, "pass"
        if not self._freeze_is_kept(shell):
            return False
        try:
            tick = due(shell.journal, portfolio, shell.clock())
            if tick is None:
                return False
            kind = tick.kind
            self.watchdog.began(f"{kind} of {portfolio}")
            structlog.contextvars.bind_contextvars(cycle_id=cycle_id(portfolio, tick), mode=shell.mode)
            record = await cycle.run(tick, shell, self._leave.is_set)
            self._again.note(record, shell.clock())
            self._tell(record)
            for passed in (kind, "guard"):  # a review is a guard pass too
                self.failures.pop((portfolio, passed), None)
        except (VenueUnavailable, BadData) as error:
            self._count((portfolio, kind), error)
            self._again.failed(portfolio, shell.clock())
        except JournalError as error:
            self._journal_failed(error)
        except Exception as error:  # noqa: BLE001 - the service's one catch-all: freeze, go on
            self._freeze(shell, error)
        finally:
            structlog.contextvars.clear_contextvars()
        return True

    def _head(self) -> dict[str, int | str]:
        """The last record, for the log: its hash, noted there, shows when rows were cut off."""
        try:
            head_id, head_hash = self.daemon.journal.head()
        except JournalError as error:
            return {"head": str(error)}
        return {"record": head_id, "head": head_hash}

    def _tell_proposal(self, record: CycleRecord) -> None:
        made = record.proposal
        if made is not None:
            log.warning("approval_wanted", alert=True, **wanted(made))

    def _tell(self, record: CycleRecord) -> None:
        betas = record.inputs.betas
        for alert in (
            *(record.thought.judgement.alerts if record.thought.judgement else ()),
            *(betas.warnings if betas else ()),
        ):
            log.warning("alert", text=alert)
        for fill in record.inputs.snapshot.fills:
            if fill.cause == "liquidation":
                log.error("liquidated", symbol=fill.symbol, contracts=str(fill.contracts))
        for words in record.inputs.snapshot.untold:
            log.warning("told_in_part", text=words)
        unexplained = record.thought.attribution.unexplained
        if abs(unexplained) >= UNEXPLAINED_MIN:
            log.warning("unexplained", amount=str(unexplained))
        for reason in record.thought.review.reasons:
            log.warning("plan_refused", reason=reason)
        self._tell_naked(record)
        self._tell_proposal(record)
        self._tell_alarms(record)
        say = log.debug if record.quiet else log.info
        say("cycle_recorded", because=record.because, **self._head())
        self.on_record(record)

    def _tell_alarms(self, record: CycleRecord) -> None:
        """A guard is an alert at first sight; its figures may change from pass to pass."""
        before = self._alarms.get(record.portfolio, frozenset())
        for alarm in record.thought.alarms:
            say = log.info if alarm.key in before else log.warning
            say("guard", guard=alarm.guard, level=alarm.level, text=alarm.text)
        self._alarms[record.portfolio] = frozenset(alarm.key for alarm in record.thought.alarms)

    def _tell_naked(self, record: CycleRecord) -> None:
        """A hedge that lost contracts is an alert at first sight, and again when it is whole."""
        spell = record.thought.naked
        if spell is None:
            return
        said = {"because": spell.because, "seconds": spell.seconds}
        if record.inputs.memory.naked is None:
            log.error("unhedged", notional=f"{spell.notional_max:.2f}", **said)
        if spell.until is not None:
            log.warning(
                "hedged_again",
                notional_max=f"{spell.notional_max:.2f}",
                notional_seconds=f"{spell.notional_seconds:.0f}",
                **said,
            )

    def _count(self, what: tuple[str, str], error: HedgedError) -> None:
        """Reviews that fail in a row are counted apart from the guard passes between them."""
        self.last_error = error
        count = self.failures[what] = self.failures.get(what, 0) + 1
        say = log.error if count >= UNAVAILABLE_ALERT else log.warning
        say("pass_skipped", error=str(error), in_a_row=count)
        self.on_trouble(*what, str(error), count)

    def _journal_failed(self, error: JournalError) -> None:
        self.last_error = error
        log.critical("journal_failed", error=str(error))

    def _freeze(self, shell: cycle.Shell, error: Exception) -> None:
        """Nothing more is sent for this portfolio until a person lifts it; it survives a restart."""
        log.critical("portfolio_frozen", exc_info=error)
        self.last_error = HedgedError(f"{shell.policy.portfolio} is frozen: {error!r}")
        portfolio, now = shell.policy.portfolio, shell.clock()
        reason = redacted(f"unexpected {type(error).__name__}: {error}")
        self._unkept[portfolio] = Restriction(
            scope=portfolio, allows="nothing", reason=reason, by=FROZEN_BY, at=now
        )
        self._freeze_is_kept(shell)

    def _freeze_is_kept(self, shell: cycle.Shell) -> bool:
        """
        Write down a freeze that is not yet on the disk; False while the disk refuses.

        Until then it holds here: no pass of its portfolio is made.
        """
        portfolio = shell.policy.portfolio
        freeze = self._unkept.get(portfolio)
        if freeze is None:
            return True
        try:
            if not any(r.by == FROZEN_BY for r in shell.journal.restrictions(portfolio, shell.clock())):
                shell.journal.restrict(freeze)
            self.on_trouble(portfolio, None, freeze.reason, 1)
        except JournalError as failed:
            self._journal_failed(failed)
            return False
        del self._unkept[portfolio]
        return True

    async def _next(self, wakes: AsyncIterator[None]) -> bool:
        """Wait for the next wake, or a pass ahead of it; False when none comes, or someone leaves."""
        if self._leave.is_set():
            return False
        if self._waking is None:
            self._waking = asyncio.create_task(_woken(wakes))
        leaving = asyncio.ensure_future(self._leave.wait())
        waits = (self._again.wait_s(self.daemon.clock()), self.decisions.wait_s)
        await asyncio.wait(
            {self._waking, leaving},
            timeout=min((wait for wait in waits if wait is not None), default=None),
            return_when=asyncio.FIRST_COMPLETED,
        )
        leaving.cancel()
        if self._leave.is_set():
            self._waking.cancel()
            return False
        if not self._waking.done():
            return True
        woken, self._waking = self._waking.result(), None
        return woken is not _END

    async def _unless_leaving(self, work: object) -> None:
        """Let *work* finish, but no longer than `LEAVE_S_MAX` once someone asked to leave."""
        working = asyncio.ensure_future(work)  # type: ignore[call-overload]
        leaving = asyncio.ensure_future(self._leave.wait())
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if not working.done():
            await asyncio.wait({working}, timeout=LEAVE_S_MAX)
        if not working.done():
            working.cancel()
            log.error("step_cut_short", after_s=LEAVE_S_MAX)
            await asyncio.wait({working})
            return
        working.result()


async def _woken(wakes: AsyncIterator[None]) -> object:
    return await anext(wakes, _END)


_END: object | None = object()
