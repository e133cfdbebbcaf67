"""Orders of ours by name that no row knows: of a writer that was lost, or of a second daemon."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import BTC, MONDAY, d, fill, guard_tick, policy, position, quote, snapshot
from fakes import FakeClock, FakeVenue
from hedged import cycle
from hedged.core.gate import BREAKER
from hedged.core.market import OpenOrder, Snapshot
from hedged.core.record import CycleRecord
from hedged.history.keeper import Keeper
from hedged.history.store import HistoryStore
from hedged.journal.store import Journal
from hedged.strangers import LOST, Strangers

BEGAN = MONDAY + timedelta(minutes=5)
RESTING = OpenOrder(
    symbol=BTC,
    side="sell",
    contracts=d(1),
    limit_price=d(101),
    client_order_id="hdgabc",
    reduce_only=False,
)


class Rig:
    """A portfolio in passes at seconds after `BEGAN`; `start` is another process on its journal."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock, self.venue = folder, FakeClock(BEGAN), FakeVenue()
        self.start()

    def start(self, seconds: float = 0) -> None:
        if hasattr(self, "journal"):
            self.journal.close()
        self.clock.now = BEGAN + timedelta(seconds=seconds)
        self.journal = Journal.open_for(self.folder / "journal.sqlite", "paper", ("paper",), self.clock)
        self.shell = cycle.Shell(
            mode="paper",
            policy=policy(),
            venue=self.venue,
            journal=self.journal,
            keeper=Keeper(self.venue, HistoryStore(self.folder / "history", read_only=False)),
            clock=self.clock,
        )

    async def pass_at(self, seconds: float, **shown: Any) -> CycleRecord:
        self.clock.now = at = BEGAN + timedelta(seconds=seconds)
        self.venue.snapshots = [replace(snapshot(at=at, quotes=(quote(at=at),)), **shown)]
        return await cycle.run(guard_tick(at), self.shell)

    def standing(self) -> list[tuple[str, str]]:
        found = self.journal.restrictions("main", self.clock())
        return [(one.by, one.reason) for one in found]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.journal.close()


def stray_fill(seconds: float, id_: str = "hdgother") -> dict[str, Any]:
    """A sale of one contract that some daemon made, so many seconds after `BEGAN`."""
    made = fill(client_order_id=id_, contracts=d(1), at=BEGAN + timedelta(seconds=seconds))
    return {"fills": (made,), "positions": (position("-1"),), "cursor": 2}


async def test_what_another_daemon_sends_while_this_one_works_stops_it_until_a_person_resumes(
    rig: Rig,
) -> None:
    await rig.pass_at(0)
    tripped = await rig.pass_at(600, **stray_fill(500))
    after = await rig.pass_at(660, positions=(position("-1"),), cursor=2)
    rig.start(4000)
    restarted = await rig.pass_at(4000, positions=(position("-1"),), cursor=2)

    ((by, reason),) = rig.standing()
    assert by == BREAKER
    assert reason.startswith(f"a sell of 1 {BTC} (hdgother) filled at 2024-01-01 00:13:20, and it was")
    assert "Stop one" in reason
    assert [one.outcomes for one in (tripped, after, restarted)] == [(), (), ()]
    assert rig.journal.lift("main", "a person") == 1


async def test_an_order_of_another_daemon_that_rests_stops_this_one_too(rig: Rig) -> None:
    await rig.pass_at(0)
    await rig.pass_at(600, open_orders=(RESTING,))
    await rig.pass_at(660, open_orders=(RESTING,))

    assert rig.venue.cancelled == ["hdgabc", "hdgabc"]
    ((by, reason),) = rig.standing()
    assert (by, "(hdgabc) rests" in reason) == (BREAKER, True)


@pytest.mark.parametrize("at_s", [-86_400, -1, 0, 60, 330])
async def test_orders_of_a_lost_writer_are_waited_for_and_need_no_person(rig: Rig, at_s: int) -> None:
    first = await rig.pass_at(max(at_s, 0), **stray_fill(at_s))
    ((by, reason),) = rig.standing()
    rig.start(331)
    waiting = await rig.pass_at(334, positions=(position("-1"),), cursor=2)

    assert (by, "hdgother" in reason) == (LOST, True)
    assert (first.outcomes, waiting.outcomes) == ((), ())
    assert rig.journal.restricted_by(BREAKER, "main") == []
    assert len(rig.journal.restricted_by(LOST, "main")) == 1
    await rig.pass_at(700, positions=(position("-1"),), cursor=2)
    assert rig.standing() == []


async def test_what_was_known_as_a_lost_writers_stays_so_however_late_it_fills(rig: Rig) -> None:
    await rig.pass_at(0, open_orders=(RESTING,))
    await rig.pass_at(5000, **stray_fill(4900, "hdgabc"))

    assert rig.journal.restricted_by(BREAKER, "main") == []
    assert len(rig.journal.restricted_by(LOST, "main")) == 1


async def test_two_daemons_that_each_run_once_an_hour_are_noticed_at_the_second_order(rig: Rig) -> None:
    """Every process takes what came before it for a lost writer's; the journal remembers the first."""
    await rig.pass_at(0, **stray_fill(-1800, "hdgone"))
    rig.start(3600)
    await rig.pass_at(3600, **stray_fill(1800, "hdgtwo"))

    assert [by for by, _ in rig.standing()] == [BREAKER]


async def test_a_writer_that_was_lost_long_ago_makes_no_second_daemon_of_one_lost_now(rig: Rig) -> None:
    await rig.pass_at(0, **stray_fill(-1800, "hdgone"))
    later = timedelta(days=30).total_seconds()
    rig.start(later)
    await rig.pass_at(later, **stray_fill(later - 60, "hdgtwo"))

    assert [by for by, _ in rig.standing()] == [LOST]


async def test_where_no_order_is_ever_under_way_nothing_is_waited_for(rig: Rig) -> None:
    rig.venue.absence_is_proof = True
    await rig.pass_at(0, **stray_fill(-60))

    assert rig.standing() == []


async def test_who_only_looks_accuses_nobody_and_restricts_nothing(rig: Rig) -> None:
    """`plan` has no epoch: it sends nothing, and does not know when the daemon began."""
    await rig.pass_at(0)
    told = Strangers()
    with Journal.open_to_read(rig.journal.path, rig.clock) as journal:
        shown = replace(snapshot(at=BEGAN + timedelta(seconds=900)), **stray_fill(800))
        assert told.second(snapshot(at=BEGAN), (), journal, "main") == {}
        assert told.second(shown, ("hdgother",), journal, "main") == {}


@settings(deadline=None, derandomize=True, max_examples=60)
@given(looked_s=st.integers(0, 900), at_s=st.integers(-2_000, 2_000))
def test_the_line_is_335_seconds_after_the_first_look(looked_s: int, at_s: int) -> None:
    """Whenever the process took the lock: what a lost writer left may fill until it is taken back."""
    told, journal = Strangers(), Journal.imagined(FakeClock(BEGAN))
    journal.epoch = BEGAN

    def judged(at: float, **shown: Any) -> dict[str, str]:
        seen: Snapshot = replace(snapshot(at=BEGAN + timedelta(seconds=at)), **shown)
        strays = tuple(one.client_order_id for one in seen.fills)
        return told.second(seen, strays, journal, "main")

    assert judged(looked_s) == {}
    assert bool(judged(looked_s + 3_000, **stray_fill(at_s))) == (at_s > looked_s + 335)
