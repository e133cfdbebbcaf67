"""
The machine fails under the daemon: it is stopped, its disk is full, its folder read-only, its database
held by another. Nothing is sent without its intent on the disk, and afterwards it goes on.
"""

from __future__ import annotations

import ctypes
import os
import random
import resource
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from exchange.running import Running
from hedged.cli import exits
from survival import evidence
from survival.killing import SLOW_S, Result, let_through
from survival.world import Daemon, World, asked, world

EARLY_S = 60.0
CAP_DAC_OVERRIDE, PR_CAPBSET_DROP = 1, 24


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with world(tmp_path_factory.mktemp("exchange"), "binance") as lived:
        yield lived.exchange


class Case:
    """A state folder of its own on an account that others have traded, and a target to reach."""

    def __init__(self, folder: Path, exchange: Running) -> None:
        exchange.control("clear_faults")
        exchange.control("forget_used")  # one case a second is not how a daemon is started
        self.lived = World(folder, exchange)
        self.start = self.lived.position()
        self.target = self.lived.hold((abs(self.start) % 2 + Decimal("0.6")) * 2)
        self.before = {o["id"] for o in exchange.control("state")["orders"]}

    def placed(self) -> set[str]:
        """The ids of the orders placed since."""
        orders = self.lived.exchange.control("state")["orders"]
        return {o["client_order_id"] for o in orders if o["id"] not in self.before}

    def ended(self, daemon: Daemon, within_s: float = EARLY_S) -> int:
        """The exit code of a daemon that ends by itself."""
        return daemon.process.wait(timeout=within_s)

    def goes_on(self) -> None:
        """Everything placed has its intent; without the fault the target is reached."""
        told = evidence.told(self.lived.journal)
        assert self.placed() <= {intent.client_order_id for intent in told.intents if intent.claimed}
        result = Result(seed=1, venue=self.lived.exchange.name)
        let_through(self.lived, self.target, result)
        assert (result.ends, result.faults) == (["at target"], [])
        told = evidence.told(self.lived.journal)
        assert self.placed() == {i.client_order_id for i in told.intents if i.status == "filled"}
        assert self.placed()
        assert told.chained


@pytest.fixture
def case(tmp_path: Path, exchange: Running) -> Case:
    return Case(tmp_path, exchange)


@pytest.mark.parametrize(
    ("seed", "stopped_s"),
    [(0, 6.0), *(pytest.param(n, 1.0 + n * 7 % 120, marks=pytest.mark.long) for n in range(1, 21))],
)
def test_a_daemon_that_was_stopped_for_a_while_sends_nothing_stale(
    case: Case, seed: int, stopped_s: float
) -> None:
    """For it the clock jumps: what it has read is old, and what it has signed may be refused."""
    lived, control = case.lived, case.lived.exchange.control
    control("fault", name="slow", delay_s=SLOW_S, count=None)
    seen = lived.requests()
    daemon = lived.start()
    try:
        assert lived.arrived("*", "*", seen + 1, 30)
        time.sleep(random.Random(seed).uniform(0, 1.2))
        daemon.process.send_signal(signal.SIGSTOP)
        time.sleep(stopped_s)
        daemon.process.send_signal(signal.SIGCONT)
        while not evidence.records(lived.journal) and "pass_skipped" not in daemon.said():
            assert daemon.runs(), daemon.said()
            assert daemon.age_s < EARLY_S + stopped_s, daemon.said()
            time.sleep(0.05)
    finally:
        code = daemon.leave()
    assert code in (exits.DONE, exits.VENUE), daemon.said()
    control("clear_faults")
    told = evidence.told(lived.journal)
    if told.held:  # and looked at again in a minute
        assert case.placed() <= {intent.client_order_id for intent in told.intents if intent.claimed}
    else:
        case.goes_on()


@pytest.mark.parametrize(
    "kilobytes", [0, 40, 100, *(pytest.param(n, marks=pytest.mark.long) for n in range(4, 200, 8))]
)
def test_a_full_disk_sends_nothing_that_is_not_written_down(case: Case, kilobytes: int) -> None:
    """No file may grow beyond so much: the write fails in the middle, as on a disk that is full."""

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, kilobytes * 1024))

    ran = asked(
        "run", "--once", "--live", "-c", case.lived.settings, folder=case.lived.folder, before=full
    )
    if ran.returncode == exits.DONE:
        assert kilobytes > 100, "it was enough"
        return

    assert ran.returncode in (exits.JOURNAL, exits.VENUE), ran.stderr
    assert "Traceback" not in ran.stderr
    case.goes_on()


def test_a_read_only_folder_sends_nothing(case: Case) -> None:
    state = case.lived.folder / "state"
    shutil.rmtree(state)
    state.mkdir(mode=0o500)
    daemon = case.lived.start("--once", before=_without_override)
    code = case.ended(daemon)
    state.chmod(0o700)
    case.lived.arm()

    assert code == exits.JOURNAL, daemon.said()
    assert "can't be" in daemon.log.read_text()
    assert case.placed() == set()
    case.goes_on()


def test_a_journal_that_another_program_holds_sends_nothing(case: Case) -> None:
    """From before the start."""
    code, said = _held_from_the_start(case)

    assert code == exits.JOURNAL
    assert "locked" in said
    assert case.placed() == set()
    case.goes_on()


@pytest.mark.long
def test_a_journal_that_is_taken_away_sends_nothing(case: Case) -> None:
    """From before the first intent: every look at it waits for seconds, so that this takes minutes."""
    code, said = _held_from_the_first_request(case)

    assert code == exits.JOURNAL
    assert "locked" in said
    assert case.placed() == set()
    case.goes_on()


def _held_from_the_start(case: Case) -> tuple[int, str]:
    case.lived.journal.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(case.lived.journal, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        daemon = case.lived.start("--once")
        return case.ended(daemon), daemon.said()


def _held_from_the_first_request(case: Case) -> tuple[int, str]:
    lived = case.lived
    lived.exchange.control("fault", name="slow", delay_s=1, count=1)
    seen = lived.requests()
    daemon = lived.start("--once")
    assert lived.arrived("*", "*", seen + 1, 30)
    with closing(sqlite3.connect(lived.journal, isolation_level=None, timeout=10)) as other:
        other.execute("BEGIN IMMEDIATE")
        return case.ended(daemon, 300), daemon.said()


def _without_override() -> None:
    """File modes hold for root too."""
    if os.geteuid() == 0:
        ctypes.CDLL(None, use_errno=True).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)
