"""The unattended loop: what goes wrong stays where it went wrong, and SIGTERM leaves cleanly."""

from __future__ import annotations

import asyncio
import json
import os
import selectors
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from builders import BTC, ETH, MONDAY, bars, contract, policy, position, quote, rule, snapshot
from fakes import FakeClock, FakeVenue
from hedged.core.market import ZERO, Snapshot
from hedged.core.record import CycleRecord, Outcome
from hedged.core.sizing import HedgeLeg
from hedged.core.watch import WatchPolicy
from hedged.cycle import Shell
from hedged.errors import JournalBusy, VenueUnavailable
from hedged.history.keeper import Keeper
from hedged.history.store import HistoryStore
from hedged.journal.store import Journal
from hedged.service.loop import UNAVAILABLE_ALERT, Service
from hedged.service.ticks import Schedule
from hedged.settings import sections
from hedged.settings.load import load
from hedged.venue.protocol import Order
from hedged.wiring import Daemon

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
NOW = MONDAY + 5 * MINUTE
PLAIN = """
[service]
state_dir = "state"
[venue]
data = "history"
clock = "wall"
[paper]
collateral = 1000
[hedge]
legs = [{ symbol = "BTC/USDT:USDT" }]
initial_ratio = 0.20
[limits]
price_age_s_max = 172_800
[[portfolio]]
name = "main"
account = "paper"
holding = [{ asset = "BTC", quantity = 1 }]
[[instrument]]
symbol = "BTC/USDT:USDT"
lot = 0.001
tick = 0.1
"""


class Live(FakeVenue):
    """Shows the market as it is at the very instant; *trouble* is raised instead while it is set."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble: Exception | None = None
        self.frames["bars"] = bars([100.0] * 40, start=MONDAY - 10 * DAY)

    async def observe(self, now: datetime, *, after: int) -> Snapshot:
        self.observed += 1
        if self.trouble is not None:
            raise self.trouble
        self._fail()
        sold = sum((order.contracts for order in self.orders), ZERO)
        held = (position(str(-sold)),) if sold else ()
        return snapshot(at=now, quotes=(quote(at=now),), positions=held)


class Rig:
    """Two portfolios in one service, each at its own fake venue, over one real journal."""

    def __init__(self, folder: Path) -> None:
        (folder / "hedged.toml").write_text(PLAIN)
        self.clock = FakeClock(NOW)
        self.journal: Any = Journal.open_for(folder / "journal.sqlite", "paper", ("paper",), self.clock)
        self.venues = {name: Live() for name in ("main", "other")}
        self.records: list[CycleRecord] = []
        self.troubles: list[tuple[str, str | None, str, int]] = []
        self.folder = folder
        self.service = self.made(self.journal)

    def made(self, journal: Any) -> Service:
        shells = tuple(
            Shell(
                mode="paper",
                policy=policy(portfolio=name, rules=(rule(raise_to="0.30"),)),
                venue=venue,
                journal=journal,
                keeper=Keeper(venue, HistoryStore(self.folder / name, read_only=False)),
                clock=self.clock,
            )
            for name, venue in self.venues.items()
        )
        daemon = Daemon(
            settings=load([self.folder / "hedged.toml"], {}).settings,
            shells=shells,
            journal=journal,
            clock=self.clock,
            replay_clock=None,
        )
        schedule = Schedule(sections.Schedule())
        return Service(
            daemon,
            schedule,
            self.records.append,
            on_trouble=lambda *told: self.troubles.append(told),
        )

    async def wakes(self, *steps: Callable[[], object]) -> AsyncIterator[None]:
        """One wake now, and one after each of *steps*."""
        yield
        for step in steps:
            step()
            yield

    def later(self, minutes: float = 5) -> Callable[[], None]:
        return lambda: self.clock.step(minutes=minutes)

    def told(self) -> list[tuple[str, str]]:
        return [(record.portfolio, record.inputs.tick.kind) for record in self.records]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.journal.close()


async def test_every_portfolio_is_reviewed_and_then_guarded(rig: Rig) -> None:
    await rig.service.run(rig.wakes(rig.later()))

    assert rig.told() == [
        ("main", "review"), ("other", "review"), ("main", "guard"), ("other", "guard")
    ]  # fmt: skip


async def test_a_wake_with_nothing_due_makes_no_pass(rig: Rig) -> None:
    await rig.service.run(rig.wakes(lambda: None, rig.later(1), rig.later(-0.5)))

    assert len(rig.told()) == 2
    assert rig.venues["main"].observed == 1


async def test_after_downtime_one_review_is_made_on_the_bar_of_the_missed_tick(rig: Rig) -> None:
    await rig.service.run(rig.wakes(rig.later(60 * 24 * 16), lambda: None))

    reviews = [r for r in rig.records if r.portfolio == "main" and r.inputs.tick.kind == "review"]
    assert [r.inputs.tick.scheduled_at for r in reviews] == [MONDAY, MONDAY + 14 * DAY]
    assert reviews[1].inputs.metrics is not None
    assert reviews[1].inputs.metrics.bar_close == MONDAY + 14 * DAY
    assert reviews[1].inputs.now == NOW + 16 * DAY


def skipped(logs: Sequence[Mapping[str, Any]]) -> list[str]:
    return [line["log_level"] for line in logs if line["event"] == "pass_skipped"]


async def test_an_unavailable_venue_is_counted_and_the_other_portfolio_goes_on(rig: Rig) -> None:
    rig.venues["main"].trouble = VenueUnavailable("maintenance")
    with capture_logs() as logs:
        await rig.service.run(rig.wakes(*[rig.later()] * UNAVAILABLE_ALERT))
    rig.venues["main"].trouble = None
    rig.clock.step(minutes=5)
    await rig.service.run(rig.wakes())

    levels = skipped(logs)
    assert levels[: UNAVAILABLE_ALERT - 1] == ["warning"] * (UNAVAILABLE_ALERT - 1)
    assert levels[-1] == "error"
    assert rig.told().count(("other", "guard")) == UNAVAILABLE_ALERT + 1
    assert rig.told().count(("main", "review")) == 1
    assert rig.service.failures == {}
    assert rig.journal.restrictions("main", rig.clock()) == ()


async def test_reviews_that_fail_in_a_row_alert_though_guard_passes_succeed(rig: Rig) -> None:
    class WithoutBars(Live):
        async def series(self, *args: Any) -> Any:
            raise VenueUnavailable("no bars")

    rig.venues["main"] = WithoutBars()
    with capture_logs() as logs:
        await rig.made(rig.journal).run(rig.wakes(*[rig.later()] * UNAVAILABLE_ALERT))

    assert ("main", "guard") in rig.told()
    assert "error" in skipped(logs)


async def test_an_unexpected_error_freezes_that_portfolio_once_and_only_that(rig: Rig) -> None:
    rig.venues["main"].trouble = KeyError("contractSize")
    await rig.service.run(rig.wakes(rig.later(), rig.later()))

    (restriction,) = rig.journal.restrictions("main", rig.clock())
    assert (restriction.scope, restriction.allows) == ("main", "nothing")
    assert "KeyError" in restriction.reason
    assert rig.journal.restrictions("other", rig.clock()) == ()
    assert len(rig.venues["other"].orders) == 1


async def test_a_pass_that_could_not_be_made_is_handed_on_with_how_often(rig: Rig) -> None:
    rig.venues["main"].trouble = VenueUnavailable("maintenance")
    await rig.service.run(rig.wakes(rig.later()))
    rig.venues["main"].trouble = ValueError("unexpected figure")
    await rig.service.run(rig.wakes(rig.later(), rig.later()))
    kinds = ("review", "guard")
    skipped_twice = [("main", kind, "maintenance", n) for n in (1, 2) for kind in kinds]
    frozen = ("main", None, "unexpected ValueError: unexpected figure", 1)

    assert rig.troubles[:4] == skipped_twice
    assert set(rig.troubles[4:]) == {frozen}


async def test_a_frozen_portfolio_stays_frozen_after_the_error_and_a_restart(rig: Rig) -> None:
    rig.venues["main"].trouble = TypeError("an odd payload")
    await rig.service.run(rig.wakes())
    rig.venues["main"].trouble = None
    rig.journal.close()
    rig.journal = Journal.open_for(rig.journal.path, "paper", ("paper",), rig.clock)
    rig.clock.step(minutes=5)
    again = rig.made(rig.journal)
    await again.run(rig.wakes(rig.later()))

    assert rig.venues["main"].orders == []
    mine = [r for r in rig.records if r.portfolio == "main"]
    assert all("restricted to nothing by hedged" in record.because for record in mine)
    assert [r.inputs.tick.kind for r in mine] == ["review", "guard"]

    rig.journal.lift("main", "a person")
    rig.clock.step(minutes=5)
    await again.run(rig.wakes())
    assert len(rig.venues["main"].orders) == 1


async def test_a_hedge_that_lost_contracts_is_told_at_first_sight_and_when_it_is_whole(
    rig: Rig,
) -> None:
    class Losing(Live):
        lost = ZERO

        async def observe(self, now: datetime, *, after: int) -> Snapshot:
            seen = await super().observe(now, after=after)
            held = seen.held(BTC) + self.lost
            return replace(seen, positions=(position(str(held)),) if held else ())

    venue = rig.venues["main"] = Losing()

    def lose() -> None:
        venue.lost = Decimal(1)
        rig.clock.step(minutes=5)

    with capture_logs() as logs:
        await rig.made(rig.journal).run(rig.wakes(rig.later(), lose, rig.later(), rig.later()))

    told = [line for line in logs if line["event"] in ("unhedged", "hedged_again")]
    assert [(line["event"], line["log_level"]) for line in told] == [
        ("unhedged", "error"), ("hedged_again", "warning")
    ]  # fmt: skip
    assert told[0]["notional"] == told[1]["notional_max"] == "100.00"
    assert (told[1]["seconds"], told[1]["notional_seconds"]) == (300, "30000")


async def test_a_guard_is_told_loudly_at_first_sight_only(rig: Rig) -> None:
    class Ranked(Live):
        async def observe(self, now: datetime, *, after: int) -> Snapshot:
            seen = await super().observe(now, after=after)
            return replace(seen, positions=tuple(replace(p, adl_rank=4) for p in seen.positions))

    rig.venues = {"main": Ranked()}
    made = rig.made(rig.journal)
    (shell,) = made.daemon.shells
    watched = replace(shell, policy=replace(shell.policy, watch=WatchPolicy()))
    made.daemon = replace(made.daemon, shells=(watched,))
    with capture_logs() as logs:
        await made.run(rig.wakes(rig.later(), rig.later(), rig.later()))

    told = [(one["guard"], one["log_level"]) for one in logs if one["event"] == "guard"]
    assert told[0] == ("ADL", "warning")
    assert set(told[1:]) == {("ADL", "info")}


async def test_errors_that_differ_in_their_words_freeze_once(rig: Rig) -> None:
    def again() -> None:
        rig.venues["main"].trouble = ValueError(f"odd at {rig.clock().isoformat()}")
        rig.clock.step(minutes=5)

    again()
    await rig.service.run(rig.wakes(again, again, again))

    assert len(rig.journal.restrictions("main", rig.clock())) == 1


async def test_a_journal_that_fails_kills_neither_the_loop_nor_sends_anything(rig: Rig) -> None:
    def alter(statement: str) -> Callable[[], None]:
        def run() -> None:
            connection = sqlite3.connect(rig.journal.path)
            connection.execute(statement)
            connection.commit()
            connection.close()
            rig.clock.step(minutes=5)

        return run

    full = "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
    alter(f"CREATE TRIGGER broken BEFORE INSERT ON intent {full}")()
    await rig.service.run(rig.wakes(rig.later(), alter("DROP TRIGGER broken")))

    assert [len(venue.orders) for venue in rig.venues.values()] == [1, 1]
    assert [name for name, kind in rig.told() if kind == "review"] == ["main", "other"]
    assert rig.journal.restrictions("main", rig.clock()) == ()


class Failing:
    """A journal that raises at the calls named, each as often as it says."""

    def __init__(self, inner: Journal, **failures: int) -> None:
        self.inner, self.failures = inner, failures

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **named: Any) -> Any:
            if self.failures.get(name, 0) > 0:
                self.failures[name] -= 1
                raise JournalBusy(f"{name}: locked")
            return getattr(self.inner, name)(*args, **named)

        return call if callable(getattr(self.inner, name)) else getattr(self.inner, name)


@pytest.mark.parametrize("name", ["has", "last_pass_at", "memory", "usage", "append", "unresolved"])
async def test_a_journal_that_is_busy_for_a_moment_costs_no_more_than_a_pass(
    rig: Rig, name: str
) -> None:
    failing = Failing(rig.journal, **{name: 1})
    await rig.made(failing).run(rig.wakes(rig.later(), rig.later()))

    assert failing.failures[name] == 0
    assert sorted(set(rig.told())) == [
        ("main", "guard"), ("main", "review"), ("other", "guard"), ("other", "review")
    ]  # fmt: skip


async def test_a_journal_too_busy_to_tell_its_head_does_not_end_the_loop(rig: Rig) -> None:
    failing = Failing(rig.journal)
    service = rig.made(failing)

    def busy() -> None:
        failing.failures["head"] = 1
        rig.clock.step(minutes=5)

    await service.run(rig.wakes(busy, rig.later()))

    assert [kind for name, kind in rig.told() if name == "other"] == ["review", "guard", "guard"]


async def test_a_journal_too_busy_at_the_very_end_still_leaves_cleanly(rig: Rig) -> None:
    failing = Failing(rig.journal)

    def busy() -> None:
        failing.failures["head"] = 99

    await rig.made(failing).run(rig.wakes(busy))

    assert len(rig.records) == 2


async def test_asked_to_leave_before_an_order_it_records_the_pass_and_sends_none(rig: Rig) -> None:
    class Leaving(Live):
        async def observe(self, now: datetime, *, after: int) -> Snapshot:
            os.kill(os.getpid(), signal.SIGTERM)
            for _ in range(5):
                await asyncio.sleep(0)
            return await super().observe(now, after=after)

    rig.venues["main"] = Leaving()
    await asyncio.wait_for(rig.made(rig.journal).run(rig.wakes(rig.later(), rig.later())), 10)

    assert rig.told() == [("main", "review")]
    assert rig.venues["main"].orders == []
    assert rig.journal.intents("main") == []
    (told,) = rig.records[0].left_out
    assert told.endswith("left out, hedged was asked to leave")
    assert told in rig.records[0].because

    rig.venues["main"] = Live()  # the next start sends what was left out
    rig.clock.step(minutes=5)
    await rig.made(rig.journal).run(rig.wakes())
    assert len(rig.venues["main"].orders) == 1


async def test_asked_to_leave_during_an_order_it_waits_for_its_outcome_and_sends_no_other(
    rig: Rig,
) -> None:
    class Leaving(Live):
        async def observe(self, now: datetime, *, after: int) -> Snapshot:
            seen = await super().observe(now, after=after)
            return replace(
                seen,
                instruments=(contract(), contract(ETH)),
                quotes=(quote(at=now), quote(ETH, at=now)),
            )

        async def send(self, order: Order) -> Outcome:
            os.kill(os.getpid(), signal.SIGTERM)
            for _ in range(5):
                await asyncio.sleep(0)
            return await super().send(order)

    rig.venues = {"main": Leaving()}
    made = rig.made(rig.journal)
    (shell,) = made.daemon.shells
    legs = tuple(HedgeLeg(symbol=one, weight=Decimal(1)) for one in (BTC, ETH))
    made.daemon = replace(
        made.daemon, shells=(replace(shell, policy=replace(shell.policy, legs=legs)),)
    )
    await asyncio.wait_for(made.run(rig.wakes(rig.later())), 10)
    (record,) = rig.records

    assert made.leaving
    assert len(record.thought.plan.steps) == 2
    assert [one.status for one in record.outcomes] == ["filled"]
    assert len(record.left_out) == len(rig.venues["main"].orders) == 1
    assert record.memory.executed_ratio is None
    assert rig.journal.unresolved("main") == []
    assert [intent.outcome for intent in rig.journal.intents("main")] == list(record.outcomes)


async def test_a_freeze_that_can_not_be_written_holds_and_is_written_as_soon_as_it_can_be(
    rig: Rig,
) -> None:
    failing = Failing(rig.journal, restrict=99)
    service = rig.made(failing)
    rig.venues["main"].trouble = KeyError("contractSize")

    def venue_heals() -> None:
        rig.venues["main"].trouble = None
        rig.clock.step(minutes=5)

    def disk_heals() -> None:
        assert rig.venues["main"].observed == 1  # no pass is made meanwhile
        assert rig.troubles == []
        failing.failures["restrict"] = 0
        rig.clock.step(minutes=5)

    await service.run(rig.wakes(venue_heals, disk_heals))
    (frozen,) = rig.journal.restrictions("main", rig.clock())
    assert "KeyError" in frozen.reason
    rig.clock.step(minutes=5)
    await service.run(rig.wakes())

    assert rig.venues["main"].orders == []
    assert rig.venues["main"].observed > 1
    assert len(rig.venues["other"].orders) == 1
    assert [what[:2] for what in rig.troubles] == [("main", None)]


async def test_asked_to_leave_while_it_waits_it_leaves_at_once(rig: Rig) -> None:
    async def forever() -> AsyncIterator[None]:
        yield
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()
        yield

    await asyncio.wait_for(rig.service.run(forever()), 10)

    assert len(rig.records) == 2


async def test_its_signal_handlers_are_gone_when_it_has_left(rig: Rig) -> None:
    await rig.service.run(rig.wakes())
    loop = asyncio.get_running_loop()

    assert not loop.remove_signal_handler(signal.SIGTERM)
    assert not loop.remove_signal_handler(signal.SIGINT)


# The real process.


def settings_of_a_wall_clock(folder: Path) -> Path:
    """A folder of history that ends today, as a recorder keeps it."""
    today = datetime.now(tz=UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    store = HistoryStore(folder / "history", read_only=False)
    store.append(BTC, "bars", "1d", bars([100.0] * 60, start=today - 60 * DAY))
    (folder / "hedged.toml").write_text(PLAIN)
    return folder / "hedged.toml"


class Process:
    """``hedged run`` as a process of its own, its log read line by line with a bounded wait."""

    def __init__(self, file: Path) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-m", "hedged", "run", "-c", str(file)],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        assert self.child.stderr is not None
        self.stream = self.child.stderr
        os.set_blocking(self.stream.fileno(), False)
        self.log = b""

    def until(self, event: str, wait_s_max: float = 30) -> dict[str, Any]:
        """The first line that tells of *event*."""
        deadline = time.monotonic() + wait_s_max
        with selectors.DefaultSelector() as selector:
            selector.register(self.stream, selectors.EVENT_READ)
            while time.monotonic() < deadline and selector.select(deadline - time.monotonic()):
                more = self.stream.read()
                if more == b"":
                    break
                self.log += more or b""
                for line in self.log.splitlines():
                    if f'"{event}"'.encode() in line and line.endswith(b"}"):
                        found: dict[str, Any] = json.loads(line)
                        return found
        raise AssertionError(f"no {event} in {self.log.decode()}")

    def close(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        self.stream.close()


def test_sigterm_while_the_exchange_is_down_is_no_failure(tmp_path: Path) -> None:
    down = 'kind = "binance"\nendpoint = "http://127.0.0.1:1"'
    file = tmp_path / "hedged.toml"
    file.write_text(PLAIN.replace('data = "history"\nclock = "wall"', down))
    daemon = Process(file)
    try:
        daemon.until("pass_skipped")
        daemon.child.send_signal(signal.SIGTERM)
        assert daemon.child.wait(30) == 0
    finally:
        daemon.close()


def test_sigterm_ends_a_real_daemon_cleanly_and_a_second_one_is_refused(tmp_path: Path) -> None:
    file = settings_of_a_wall_clock(tmp_path)
    first = Process(file)
    try:
        started = first.until("service_started")
        second = subprocess.run(
            [sys.executable, "-m", "hedged", "run", "-c", str(file)],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        recorded = first.until("cycle_recorded")
        first.child.send_signal(signal.SIGTERM)
        stopped = first.until("service_stopped")
        code = first.child.wait(timeout=30)
    finally:
        first.close()

    assert (started["mode"], started["record"]) == ("paper", 0)
    assert second.returncode == 4
    assert f"process {first.child.pid}" in second.stderr
    assert recorded["record"] == 1
    assert stopped["head"] == recorded["head"]
    assert code == 0
