"""A decision wakes a pass at once, also one that was made while the daemon was down; waits are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from approving import Rig, Template
from hedged.core.record import CycleRecord
from hedged.errors import VenueUnavailable
from hedged.service import decisions
from hedged.service.decisions import Decisions
from hedged.service.loop import Service
from hedged.service.ticks import Schedule
from hedged.settings import sections
from hedged.settings.load import load
from hedged.wiring import Daemon

PLAIN = """
[service]
mode = "alert"
state_dir = "state"
[venue]
clock = "wall"
[paper]
collateral = 1000
[hedge]
legs = [{ symbol = "BTC/USDT:USDT" }]
[[portfolio]]
name = "main"
account = "paper"
holding = [{ asset = "BTC", quantity = 1 }]
[[instrument]]
symbol = "BTC/USDT:USDT"
lot = 0.001
tick = 0.1
"""
EVERY = timedelta(hours=6)


class Served(Rig):
    """The rig of approvals under the real loop."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (folder / "hedged.toml").write_text(PLAIN)
        self.folder = folder
        self.records: list[CycleRecord] = []

    def service(self) -> Service:
        daemon = Daemon(
            settings=load([self.folder / "hedged.toml"], {}).settings,
            shells=(self.shell,),
            journal=self.journal,
            clock=self.clock,
            replay_clock=None,
        )
        return Service(daemon, Schedule(sections.Schedule()), self.records.append)

    def ticks(self) -> list[str]:
        return [record.inputs.tick.cadence for record in self.records]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Served]:
    Template(tmp_path).copied(tmp_path)
    made = Served(tmp_path)
    yield made
    made.close()


async def wakes(*steps: Callable[[], object]) -> AsyncIterator[None]:
    yield
    for step in steps:
        step()
        yield


async def test_a_decision_is_found_between_the_ticks_of_the_schedule(
    rig: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop looks by itself while nothing else wakes it."""
    monkeypatch.setattr(decisions, "LOOK_EVERY_S", 0.01)
    service, waiting = rig.service(), asyncio.Event()

    async def one_wake() -> AsyncIterator[None]:
        yield
        rig.clock.step(seconds=30)
        rig.approve(1)
        await waiting.wait()

    def seen(record: CycleRecord) -> None:
        rig.records.append(record)
        if record.outcomes:
            service.leave()

    service.on_record = seen
    await asyncio.wait_for(service.run(one_wake()), timeout=30)

    assert rig.ticks() == ["weekly", "decision+1"]
    assert rig.sent == [2]


async def test_a_decision_made_while_the_daemon_was_down_is_found_at_the_start(rig: Served) -> None:
    await rig.service().run(wakes())
    rig.clock.step(seconds=30)
    rig.approve(1)
    rig.restart(seconds=30)
    await rig.service().run(wakes())

    assert rig.ticks() == ["weekly", "decision+1"]
    assert rig.sent == [2]


async def test_a_decision_wakes_one_pass(rig: Served) -> None:
    later = [lambda: rig.clock.step(minutes=1)] * 4
    await rig.service().run(wakes(lambda: rig.reject(1), *later))

    assert rig.ticks().count("decision+1") == 1
    assert "rejected by alice: no" in rig.records[1].because
    assert rig.sent == []


async def test_a_pass_that_the_venue_did_not_let_be_made_is_tried_again_after_a_minute(
    rig: Served,
) -> None:
    shown, tries = rig.venue.observe, 0
    down = False

    async def observe(*args: Any, **named: Any) -> Any:
        nonlocal tries
        tries += 1
        if down:
            raise VenueUnavailable("maintenance")
        return await shown(*args, **named)

    def approve() -> None:
        nonlocal down
        down = True
        rig.approve(1)

    def up() -> None:
        nonlocal down
        down = False
        rig.clock.step(seconds=50)

    rig.venue.observe = observe  # type: ignore[method-assign]
    soon = [lambda: rig.clock.step(seconds=5)] * 2
    await rig.service().run(wakes(approve, *soon, up))

    assert tries == 3  # the review, the one that failed, the one after a minute
    assert rig.sent == [2]


async def test_what_waits_is_told_at_once_and_again_every_so_often(rig: Served) -> None:
    later = [lambda: rig.clock.step(hours=1)] * 23
    with capture_logs() as logs:
        await rig.service().run(wakes(*later))
    wanted = [line for line in logs if line["event"] == "approval_wanted"]
    waits = [line for line in logs if line["event"] == "approval_waits"]

    assert [line["proposal"] for line in wanted] == [1]
    assert wanted[0]["approve"] == "hedged approve 1"
    assert wanted[0]["orders"] == "sell 2 BTC/USDT:USDT"
    assert len(waits) == 3  # after 6, 12 and 18 hours
    assert rig.sent == []


async def test_after_a_restart_it_is_told_again_at_the_first_look(rig: Served) -> None:
    await rig.review()
    rig.clock.step(hours=7)
    desk = Decisions("alert", EVERY)
    with capture_logs() as logs:
        for _ in range(3):
            assert desk.due(rig.journal, "main", rig.clock()) is None
            rig.clock.step(minutes=2)

    assert [line["event"] for line in logs] == ["approval_waits"]


async def test_what_is_decided_or_expired_is_not_told_again(rig: Served) -> None:
    await rig.review()
    rig.clock.step(hours=25)
    with capture_logs() as logs:
        assert Decisions("alert", EVERY).due(rig.journal, "main", rig.clock()) is None

    assert logs == []


@pytest.mark.parametrize("mode", ["paper", "live"])
async def test_in_other_modes_nobody_is_waited_for(rig: Served, mode: Any) -> None:
    await rig.review()
    rig.approve(1)

    assert Decisions(mode, EVERY).wait_s is None
    assert Decisions(mode, EVERY).due(rig.journal, "main", rig.clock()) is None
