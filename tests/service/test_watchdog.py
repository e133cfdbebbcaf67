"""The watchdog is fed while all goes well, and only then; on a clock that is told."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from test_loop import Live, Rig, settings_of_a_wall_clock

from builders import MONDAY
from hedged.core.market import Snapshot
from hedged.errors import VenueUnavailable
from hedged.service.notify import Notifier
from hedged.service.ticks import Schedule
from hedged.service.watchdog import PASS_TIME_MAX, WAKE_LATE_S_MAX, Watchdog
from hedged.settings import sections

NOW = MONDAY + timedelta(minutes=5)
PASS_S_MAX = PASS_TIME_MAX.total_seconds()
GUARD_S = 300.0  # guard_every, by default
MODEL_STEPS = st.lists(
    st.one_of(st.sampled_from(["began", "waits", "beat"]), st.floats(0.1, 400)), max_size=40
)


class Manager:
    """A service manager: a real socket, and a monotonic clock that is told."""

    def __init__(self, folder: Path) -> None:
        self.name = str(folder / "notify")
        self.heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.heard.bind(self.name)
        self.heard.setblocking(False)
        self.s = 0.0

    def watchdog(self) -> Watchdog:
        return Watchdog(
            Notifier(self.name, 60),
            Schedule(sections.Schedule()),
            monotonic=lambda: self.s,
            sleep=self.slept,
        )

    async def slept(self, seconds: float) -> None:
        self.s += seconds
        await asyncio.sleep(0)

    def told(self) -> list[str]:
        """What came since it was last asked, line by line."""
        lines = []
        while True:
            try:
                lines += self.heard.recv(4096).decode().splitlines()
            except BlockingIOError:
                return lines

    def fed(self, watchdog: Watchdog) -> bool:
        self.told()
        watchdog.beat()
        return "WATCHDOG=1" in self.told()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path)
    yield made
    made.heard.close()


def test_it_is_ready_once_when_the_first_pass_was_tried(manager: Manager) -> None:
    watchdog = manager.watchdog()
    watchdog.began("review of main")
    watchdog.beat()
    assert "READY=1" not in manager.told()

    watchdog.waits(NOW)
    told = manager.told()
    assert told.count("READY=1") == 1
    assert "STATUS=paper; last pass 2024-01-01 00:05:00 UTC; next 2024-01-01 00:10:00 UTC" in told

    watchdog.waits(NOW + timedelta(minutes=5), ["main review"])
    told = manager.told()
    assert "READY=1" not in told
    assert told[0].endswith("next 2024-01-01 00:15:00 UTC; failing: main review")


def test_a_readiness_that_did_not_arrive_is_told_again(manager: Manager) -> None:
    watchdog = manager.watchdog()
    watchdog.notifier.address = manager.name + "-elsewhere"
    watchdog.waits(NOW)
    watchdog.notifier.address = manager.name
    watchdog.beat()
    watchdog.beat()

    assert manager.told().count("READY=1") == 1


def test_a_pass_that_takes_too_long_starves_it_and_is_named_once(manager: Manager) -> None:
    watchdog = manager.watchdog()
    watchdog.waits(NOW)
    watchdog.began("guard of main")
    manager.s = PASS_S_MAX
    assert manager.fed(watchdog)

    manager.s += 0.1
    with capture_logs() as logs:
        assert not manager.fed(watchdog)
        assert not manager.fed(watchdog)
    assert [(line["event"], line["doing"]) for line in logs] == [("watchdog_starved", "guard of main")]

    watchdog.waits(NOW)
    assert manager.fed(watchdog)


def test_every_pass_of_a_wake_has_its_own_time(manager: Manager) -> None:
    watchdog = manager.watchdog()
    for portfolio in ("main", "other", "third"):
        watchdog.began(f"review of {portfolio}")
        manager.s += PASS_S_MAX - 1
        assert manager.fed(watchdog)


def test_a_wake_that_does_not_come_starves_it(manager: Manager) -> None:
    watchdog = manager.watchdog()
    watchdog.waits(NOW)
    manager.s = GUARD_S + WAKE_LATE_S_MAX
    assert manager.fed(watchdog)

    manager.s += 0.1
    assert not manager.fed(watchdog)


def test_a_pass_ahead_of_the_schedule_is_waited_for_too(manager: Manager) -> None:
    watchdog = manager.watchdog()
    watchdog.waits(NOW, ahead_s=60)
    told = manager.told()
    manager.s = 60 + WAKE_LATE_S_MAX
    assert manager.fed(watchdog)
    manager.s += 0.1

    assert told[0].endswith("next 2024-01-01 00:06:00 UTC")
    assert not manager.fed(watchdog)


def test_a_cadence_that_never_comes_again_starves_nobody(manager: Manager) -> None:
    watchdog = manager.watchdog()
    watchdog.schedule = Ended(sections.Schedule())
    watchdog.waits(NOW)
    manager.s = 1e9

    assert manager.fed(watchdog)


class Ended(Schedule):
    """No wake is left."""

    def next_wake(self, after: object) -> None:
        return None


@settings(deadline=None, derandomize=True, max_examples=200)
@given(MODEL_STEPS)
def test_it_is_fed_exactly_while_what_is_in_hand_is_within_its_time(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str | float]
) -> None:
    manager = Manager(tmp_path_factory.mktemp("run"))
    watchdog, since, allowed = manager.watchdog(), 0.0, float("inf")
    for step in [*steps, "beat"]:
        if isinstance(step, float):
            manager.s += step
        elif step == "began":
            watchdog.began("a pass")
            since, allowed = manager.s, PASS_S_MAX
        elif step == "waits":
            watchdog.waits(NOW)
            since, allowed = manager.s, GUARD_S + WAKE_LATE_S_MAX
        else:
            assert manager.fed(watchdog) == (manager.s <= since + allowed)
    manager.heard.close()


async def test_it_is_fed_in_the_background_until_it_is_left(manager: Manager) -> None:
    watchdog = manager.watchdog()
    async with watchdog.feeding():
        watchdog.waits(NOW)
        watchdog.began("guard of main")
        for _ in range(50):
            await asyncio.sleep(0)
    told = manager.told()

    assert manager.s > PASS_S_MAX
    assert told.count("WATCHDOG=1") == 1 + 1 + PASS_S_MAX // 20
    assert told[-2:] == ["STOPPING=1", "STATUS=paper; leaving"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_loop_that_is_blocked_feeds_nobody(manager: Manager) -> None:
    async with manager.watchdog().feeding():
        manager.told()
        manager.s += 1000  # nothing was awaited meanwhile

        assert manager.told() == []


async def test_leaving_is_told_once_and_nothing_is_ready_after_it(manager: Manager) -> None:
    watchdog = manager.watchdog()
    async with watchdog.feeding():
        watchdog.leaves()
        watchdog.waits(NOW)
    told = manager.told()

    assert told.count("STOPPING=1") == 1
    assert "READY=1" not in told


async def test_the_service_tells_of_passes_that_fail_and_of_leaving(
    manager: Manager, tmp_path: Path
) -> None:
    rig = Rig(tmp_path)
    rig.venues["main"].trouble = VenueUnavailable("maintenance")
    rig.service.watchdog = manager.watchdog()
    await rig.service.run(rig.wakes())
    rig.service.leave()
    told = manager.told()
    rig.journal.close()

    assert "READY=1" in told
    assert any(line.endswith("; failing: main review; failing: main guard") for line in told)
    assert told[-2] == "STOPPING=1"


async def test_a_pass_that_hangs_starves_the_watchdog_of_the_service(
    manager: Manager, tmp_path: Path
) -> None:
    fed = []

    class Hanging(Live):
        async def observe(self, now: datetime, *, after: int) -> Snapshot:
            fed.append(manager.fed(watchdog))
            manager.s += PASS_S_MAX + 1
            fed.append(manager.fed(watchdog))
            return await super().observe(now, after=after)

    rig = Rig(tmp_path)
    rig.venues["main"] = Hanging()
    service = rig.made(rig.journal)
    service.watchdog = watchdog = manager.watchdog()
    await service.run(rig.wakes())
    rig.journal.close()

    assert fed[:2] == [True, False]
    assert manager.fed(watchdog)


def test_a_real_daemon_tells_when_it_is_ready_and_when_it_leaves(tmp_path: Path) -> None:
    file = settings_of_a_wall_clock(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(30)
        environ = {
            **os.environ,
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "WATCHDOG_USEC": "60000000",
        }
        child = subprocess.Popen(
            [sys.executable, "-m", "hedged", "run", "-c", str(file)],
            env=environ, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        told: list[str] = []
        try:
            while "READY=1" not in told:
                told += heard.recv(4096).decode().splitlines()
            child.send_signal(signal.SIGTERM)
            while "STOPPING=1" not in told:
                told += heard.recv(4096).decode().splitlines()
            _, log = child.communicate(timeout=30)
        finally:
            child.kill()
            child.wait()

    assert child.returncode == 0
    assert told.index("WATCHDOG=1") < told.index("READY=1") < told.index("STOPPING=1")
    assert any(line.startswith("STATUS=paper; last pass") for line in told)
    assert b'"cycle_recorded"' in log
