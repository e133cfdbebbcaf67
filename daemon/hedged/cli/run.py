"""
``run`` and ``plan``: the daemon, and a look at what it would do.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
from contextlib import nullcontext
from pathlib import Path

import structlog
from rich.markup import escape

from hedged import logs
from hedged.alerts.desk import LEAVING_S
from hedged.cli import exits
from hedged.cli.approvals import Waiting, print_waiting, waiting
from hedged.cli.explain import print_record
from hedged.cli.show import console, print_json, settings_of
from hedged.core.policy import Policy
from hedged.core.record import CycleRecord, Tick, record_of
from hedged.cycle import Shell, deliberate, observe
from hedged.errors import SettingsError
from hedged.service.decisions import Decisions
from hedged.service.loop import Service, untold
from hedged.service.notify import Notifier
from hedged.service.ticks import Schedule
from hedged.service.wakes import from_history, from_wall
from hedged.service.watchdog import Watchdog
from hedged.settings.load import Loaded
from hedged.settings.show import secrets_of
from hedged.wiring import Daemon, check_live, put_together, wall_clock
from hedged.wiring.alerts import alert_desk
from hedged.wiring.refusals import refusals_told

log = structlog.get_logger()

ONCE_S = 25.0  # a channel that is slow is waited for: the next run may be a week away


def run_daemon(
    config: list[Path], *, once: bool, live: bool, json: bool, accept_positions: bool = False
) -> None:
    """Run until history or the process ends; with *once*, only what is due now."""
    if accept_positions and not (once and live):
        raise SettingsError("--accept-positions is for one pass by hand: give --once and --live too")
    loaded = settings_of(config)
    start_logs(loaded)
    records: list[CycleRecord] = []

    async def work() -> tuple[Daemon, Service]:
        async with refusals_told(loaded.settings):
            check_live(loaded.settings, asked=live)
            daemon = await put_together(loaded.settings, accept_positions=accept_positions)
        _tell_meanings(daemon)
        schedule = Schedule(loaded.settings.schedule)
        watchdog, desk = _watchdog(loaded, schedule), alert_desk(daemon)

        def on_record(record: CycleRecord) -> None:
            if once:
                records.append(record)
            if desk is not None:
                desk.wake()

        on_trouble = untold if desk is None else desk.trouble
        service = Service(daemon, schedule, on_record, watchdog, on_trouble)
        try:
            async with nullcontext() if desk is None else desk.at_work(ONCE_S if once else LEAVING_S):
                if once:
                    _to_next_tick(daemon, schedule)
                    await service.pass_all()
                else:
                    replayed = daemon.replay_clock
                    wakes = (
                        from_wall(schedule) if replayed is None else from_history(schedule, replayed)
                    )
                    async with watchdog.feeding():
                        await service.run(wakes)
        finally:
            await daemon.close()
        return daemon, service

    daemon, service = asyncio.run(work())
    if once:
        _tell_once(records, daemon, Schedule(loaded.settings.schedule), json=json)
    if service.leaving:
        return
    if service.last_error is not None and (once or service.failures):
        raise service.last_error  # what was skipped last was never made up for


def _watchdog(loaded: Loaded, schedule: Schedule) -> Watchdog:
    """As the service manager wants it; a stuck daemon that it kills leaves its stack in the log."""
    notifier, service = Notifier.of(os.environ), loaded.settings.service
    if notifier.address is not None:
        faulthandler.enable()
    return Watchdog(notifier, schedule, mode=service.mode, pass_time_max=service.pass_time_max)


def _tell_once(records: list[CycleRecord], daemon: Daemon, schedule: Schedule, *, json: bool) -> None:
    if json:
        print_json([{"cycle_id": record.cycle_id, "record": record} for record in records])
    else:
        for record in records:
            print_record(record, _policy(daemon, record), None)
    if not records and not json:
        console().print(_nothing_due(daemon, schedule))
    if any(record.thought.review.reasons for record in records):
        raise SystemExit(exits.HELD)


def _nothing_due(daemon: Daemon, schedule: Schedule) -> str:
    clock = daemon.replay_clock
    if clock is not None:
        return f"No pass was made: the history ends at {clock.end:%Y-%m-%d %H:%M} UTC."
    at = schedule.next_wake(wall_clock())
    waits = "" if at is None else f"; `hedged run` without --once wakes at {at:%Y-%m-%d %H:%M} UTC"
    return f"No pass was made: no review is due{waits}."


def show_plan(config: list[Path], *, json: bool) -> None:
    """Observe, measure, decide and plan as the next pass would, and write nothing."""
    loaded = settings_of(config)
    start_logs(loaded)

    async def work() -> tuple[Daemon, list[tuple[CycleRecord, Policy]], list[Waiting | None]]:
        daemon = await put_together(loaded.settings, read_only=True)
        schedule = Schedule(loaded.settings.schedule)
        try:
            names = [shell.policy.portfolio for shell in daemon.shells]
            waits = [waiting(daemon.settings, daemon.journal, name) for name in names]
            _to_next_tick(daemon, schedule)
            imagined = [(await _imagined(shell, schedule), shell.policy) for shell in daemon.shells]
            return daemon, imagined, waits
        finally:
            await daemon.close()

    daemon, imagined, waits = asyncio.run(work())
    if json:
        print_json(
            [
                {"cycle_id": record.cycle_id, "record": record, "waits": waiting_}
                for (record, _), waiting_ in zip(imagined, waits, strict=True)
            ]
        )
        return
    for meaning in dict.fromkeys(map(str, daemon.meanings)):
        console().print(escape(meaning) + ".")
    for found in waits:
        if found is not None:
            print_waiting(found, config)
    for record, policy in imagined:
        console().print("[bold]A plan only: nothing was sent, nothing was written.[/]")
        print_record(record, policy, None)


async def _imagined(shell: Shell, schedule: Schedule) -> CycleRecord:
    """The record of the pass that would come now, had it been made."""
    tick = schedule.due(shell.journal, shell.policy.portfolio, shell.clock()) or Tick(
        kind="guard", cadence="plan", scheduled_at=shell.clock()
    )
    inputs = await observe(tick, shell, ())
    thought = deliberate(inputs, shell.policy)
    return record_of(inputs, thought, (), policy=shell.policy, mode=shell.mode, approved_by="nobody")


def _tell_meanings(daemon: Daemon) -> None:
    """The symbols that stand for words in the settings, in the log."""
    for one in daemon.meanings:
        log.info("words_understood", key=one.words.key, words=one.words.text, symbol=one.symbol)


def _policy(daemon: Daemon, record: CycleRecord) -> Policy:
    return next(s.policy for s in daemon.shells if s.policy.portfolio == record.portfolio)


def _to_next_tick(daemon: Daemon, schedule: Schedule) -> None:
    """On history's clock nothing is due before the next tick, unless a person has decided something."""
    clock = daemon.replay_clock
    if clock is None or any(
        schedule.due(shell.journal, shell.policy.portfolio, clock()) for shell in daemon.shells
    ):
        return
    decisions = Decisions(daemon.settings.service.mode, daemon.settings.consent.remind_every)
    if any(decisions.due(s.journal, s.policy.portfolio, clock()) for s in daemon.shells):
        return
    at = schedule.next_wake(clock())
    if at is not None and at <= clock.end:
        clock.set(at)


def start_logs(loaded: Loaded) -> None:
    """Logging as the settings say, with every secret of theirs hidden."""
    service = loaded.settings.service
    logs.configure(service.log_level, service.log_format, secrets_of(loaded.settings))
