"""A breaker that tripped stays tripped, through a crash and a restart, until a person lifts it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from builders import BTC, MONDAY, bars, d, policy, position, quote, snapshot
from fakes import FakeClock, FakeVenue
from hedged import cycle
from hedged.core.encoding import encode
from hedged.core.gate import BREAKER, Limits
from hedged.core.market import ZERO, Fill, Snapshot
from hedged.core.record import CycleRecord, Mode, Outcome, Tick
from hedged.core.target import RatioPolicy
from hedged.errors import JournalBusy, Unjudged, VenueRefused
from hedged.history.keeper import Keeper
from hedged.history.store import HistoryStore
from hedged.journal.store import Journal
from hedged.venue.protocol import Order

NOW = MONDAY + timedelta(minutes=5)


class Account(FakeVenue):
    """
    Holds what it was sent, and tells the fills; *mirrored*: a sale makes it long; *refusing*: every
    order is refused; *late*: every order comes too late to be looked at.
    """

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(absence_is_proof=True)
        self.clock = clock
        self.held = ZERO
        self.fills: list[Fill] = []
        self.refusing = self.mirrored = self.late = False
        self.frames["bars"] = bars([100.0] * 5, start=MONDAY - timedelta(days=5))

    async def observe(self, now: Any, *, after: int) -> Snapshot:
        self._fail()
        return snapshot(
            at=now,
            quotes=(quote(at=now, index_price=d(100)),),
            positions=(position(str(self.held)),) if self.held else (),
            fills=tuple(self.fills[after:]),
            cursor=len(self.fills),
            unexplained=(BTC,) if self.mirrored else (),
        )

    async def send(self, order: Order) -> Outcome:
        if self.late:
            self.orders.append(order)
            raise Unjudged("outside of recvWindow")
        if self.refusing:
            self.orders.append(order)
            raise VenueRefused("margin is insufficient")
        outcome = await super().send(order)
        signed = outcome.filled if order.side == "buy" else -outcome.filled
        self.held += -signed if self.mirrored else signed
        self.fills.append(
            Fill(
                at=self.clock(), symbol=order.symbol, side=order.side, contracts=outcome.filled,
                fill_price=d(100), mark_price=d(100), index_price=d(100), fee=ZERO,
                client_order_id=order.client_order_id,
            )
        )  # fmt: skip
        return outcome


class Rig:
    """One portfolio that wants 2 of 10 coins short, with a pass every five minutes."""

    def __init__(self, folder: Path, mode: Mode = "paper", **limits: Any) -> None:
        self.folder, self.mode = folder, mode
        self.clock = FakeClock(NOW)
        self.venue = Account(self.clock)
        self.policy = policy(
            limits=Limits(price_age_s_max=d(3600), position_age_s_max=d(3600), **limits)
        )
        self.passes = 0
        self.journal: Any = None
        self.start()

    def start(self) -> None:
        if self.journal is not None:
            self.journal.close()
        path = self.folder / "journal.sqlite"
        self.journal = Journal.open_for(path, self.mode, ("paper",), self.clock)

    async def run(self, journal: Any = None) -> CycleRecord:
        """The next pass; the first is a review."""
        self.passes += 1
        self.clock.now = NOW + timedelta(minutes=5 * self.passes)
        kind: Any = "review" if self.passes == 1 else "guard"
        at = MONDAY if self.passes == 1 else self.clock.now
        shell = cycle.Shell(
            mode=self.mode,
            policy=self.policy,
            venue=self.venue,
            journal=journal or self.journal,
            keeper=Keeper(self.venue, HistoryStore(self.folder / "history", read_only=False)),
            clock=self.clock,
        )
        return await cycle.run(Tick(kind=kind, cadence=kind, scheduled_at=at), shell)

    def wants(self, ratio: str) -> None:
        """Another target, as a person would set it."""
        bounds = RatioPolicy(initial_ratio=d(ratio), min_ratio=d(ratio), max_ratio=d(ratio))
        self.policy = replace(self.policy, ratio=bounds)

    def standing(self) -> list[tuple[str, str]]:
        found = self.journal.restrictions("main", self.clock())
        return [(r.allows, r.reason) for r in found if r.by == BREAKER]

    def lift(self) -> None:
        beside = Journal.open_beside(self.journal.path, self.clock)
        beside.lift("main", "a person")
        beside.close()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Any]:
    made: list[Rig] = []

    def start(**changed: Any) -> Rig:
        made.append(Rig(tmp_path, **changed))
        return made[-1]

    yield start
    for one in made:
        one.journal.close()


async def test_refusals_in_a_row_trip_stay_tripped_over_a_restart_and_are_lifted(rig: Any) -> None:
    made = rig()
    made.venue.refusing = True
    first = [await made.run() for _ in range(3)]
    with capture_logs() as logs:
        tripped = await made.run()
    made.venue.refusing = False
    made.start()
    after = [await made.run() for _ in range(3)]

    assert [o.status for record in first for o in record.outcomes] == ["refused"] * 3
    assert tripped.outcomes == ()
    assert made.standing() == [
        ("nothing", "3 orders refused in a row, limits.rejects_in_a_row_max is 3")
    ]
    assert all("restricted to nothing by breaker: 3 orders" in record.because for record in after)
    assert len(made.venue.orders) == 3
    (told,) = [line for line in logs if line["event"] == "breaker_tripped"]
    assert (told["log_level"], told["lift"]) == ("critical", "hedged stop resume main")

    made.lift()
    lifted = await made.run()
    assert [o.status for o in lifted.outcomes] == ["filled"]
    assert made.standing() == []


async def test_after_a_lift_refusals_are_counted_anew(rig: Any) -> None:
    made = rig()
    made.venue.refusing = True
    for _ in range(4):
        await made.run()
    made.lift()
    again = [await made.run() for _ in range(4)]

    assert [len(record.outcomes) for record in again] == [1, 1, 1, 0]
    assert len(made.standing()) == 1


async def test_orders_that_nobody_judged_are_no_refusals_in_a_row_and_are_looked_at_again_soon(
    rig: Any,
) -> None:
    made = rig(orders_per_hour_max=6)
    made.venue.refusing = True
    await made.run()
    made.venue.late = True
    late = [await made.run() for _ in range(4)]
    counted = made.journal.usage(
        "main", Tick(kind="guard", cadence="x", scheduled_at=NOW), made.clock()
    )
    made.venue.late = False
    await made.run()
    bounded = await made.run()

    assert [(o.status, o.judged) for one in late for o in one.outcomes] == [("refused", False)] * 4
    assert {one.look_again for one in late} == {"soon"}
    assert counted.refused_in_a_row == 1
    assert bounded.outcomes == ()
    assert [reason.partition(",")[0] for _, reason in made.standing()] == [
        f"{BTC}: 6 orders in the last hour"
    ]


async def test_an_order_that_was_not_refused_ends_the_row(rig: Any) -> None:
    made = rig()
    for refusing, ratio in ((True, "0.2"), (True, "0.2"), (False, "0.2"), (True, "0.5"), (True, "0.5")):
        made.venue.refusing = refusing
        made.wants(ratio)
        await made.run()
    made.venue.refusing = False

    assert (await made.run()).outcomes != ()
    assert made.standing() == []


async def test_a_crash_between_the_trip_and_its_keeping_trips_again_at_the_next_pass(rig: Any) -> None:
    made = rig()
    made.venue.refusing = True
    for _ in range(3):
        await made.run()

    class Torn:
        """The process ends before (or after) the restriction is on the disk."""

        def __init__(self, call: str) -> None:
            self.call = call

        def __getattr__(self, name: str) -> Any:
            if name == self.call:
                raise KeyboardInterrupt
            return getattr(made.journal, name)

    with pytest.raises(KeyboardInterrupt):
        await made.run(Torn("restrict"))
    assert made.standing() == []
    made.start()
    with pytest.raises(KeyboardInterrupt):
        await made.run(Torn("append"))
    made.start()
    await made.run()

    assert len(made.standing()) == 1
    assert len(made.venue.orders) == 3


async def test_a_trip_that_can_not_be_kept_sends_nothing(rig: Any) -> None:
    made = rig(rejects_in_a_row_max=1)
    made.venue.refusing = True
    await made.run()

    class Busy:
        def __getattr__(self, name: str) -> Any:
            if name == "restrict":
                raise JournalBusy("locked")
            return getattr(made.journal, name)

    with pytest.raises(JournalBusy):
        await made.run(Busy())
    assert len(made.venue.orders) == 1


async def test_the_notional_of_a_day_leaves_reductions_until_it_is_lifted(rig: Any) -> None:
    made = rig(day_notional_max=d(300))
    await made.run()
    made.wants("0.5")
    await made.run()
    made.wants("0.1")
    reduced = await made.run()
    made.wants("0.3")
    still = await made.run()
    made.lift()
    lifted = await made.run()

    assert [o.side for o in reduced.outcomes] == ["buy"]
    assert still.outcomes == ()
    assert [(o.side, o.filled) for o in lifted.outcomes] == [("sell", 2)]


@pytest.mark.parametrize(
    ("limit", "minutes"), [("orders_per_hour_max", 65), ("orders_per_day_max", 60 * 24)]
)
async def test_too_many_orders_trip_and_time_alone_does_not_lift_it(
    rig: Any, limit: str, minutes: int
) -> None:
    made = rig(**{limit: 3})
    for ratio in ("0.2", "0.3", "0.4", "0.5"):
        made.wants(ratio)
        await made.run()
    made.passes += minutes // 5
    late = await made.run()

    assert len(made.venue.orders) == 3
    assert late.outcomes == ()
    made.lift()
    assert len((await made.run()).outcomes) == 1


async def test_a_position_that_moved_against_the_order_freezes_before_the_next(rig: Any) -> None:
    made = rig()
    await made.run()
    made.venue.mirrored = True
    made.wants("0.5")
    await made.run()
    frozen = await made.run()
    made.start()
    still = await made.run()

    ((allows, reason),) = made.standing()
    assert (allows, reason) == ("nothing", f"{BTC}: the position went from -2 to 1 after a sale of 3")
    assert frozen.outcomes == still.outcomes == ()
    assert len(made.venue.orders) == 2


# The first order on an account.


async def test_the_first_live_order_is_small_and_the_rest_follows_at_the_next_pass(rig: Any) -> None:
    made = rig(mode="live")
    first = await made.run()
    made.start()
    second, third = await made.run(), await made.run()

    assert [o.filled for o in first.outcomes] == [d("0.1")]
    assert first.memory.executed_ratio is None
    assert [o.filled for o in second.outcomes] == [d("1.9")]
    assert second.memory.executed_ratio == d("0.2")
    assert third.outcomes == ()


async def test_a_first_order_that_did_not_fill_is_small_again(rig: Any) -> None:
    made = rig(mode="live")
    made.venue.refusing = True
    await made.run()
    made.venue.refusing = False
    again = await made.run()

    assert [order.contracts for order in made.venue.orders] == [d("0.1")] * 2
    assert again.inputs.untried == (BTC,)
    assert (await made.run()).inputs.untried == ()


async def test_on_paper_the_first_order_is_whole(rig: Any) -> None:
    first = await rig().run()

    assert [o.filled for o in first.outcomes] == [2]
    assert first.inputs.untried == ()


# What the records tell.


async def test_a_spell_without_a_whole_hedge_is_in_the_records_from_first_sight_to_repair(
    rig: Any,
) -> None:
    made = rig()
    await made.run()
    await made.run()
    made.venue.held += 1
    forced = Fill(
        at=made.clock() + timedelta(seconds=60), symbol=BTC, side="buy", contracts=d(1),
        fill_price=d(100), mark_price=d(100), index_price=d(100), fee=ZERO, client_order_id="",
        cause="adl",
    )  # fmt: skip
    made.venue.fills.append(forced)
    seen, acted, repaired, quiet = [await made.run() for _ in range(4)]

    assert seen.memory.naked == seen.thought.naked
    assert (seen.memory.naked.since, seen.memory.naked.notional) == (forced.at, 100)
    assert (seen.outcomes, [o.filled for o in acted.outcomes]) == ((), [1])
    spell = repaired.thought.naked
    assert (spell.until, spell.seconds, spell.notional_seconds) == (acted.inputs.now, 540, 100 * 540)
    assert repaired.memory.naked is None
    assert not repaired.quiet
    for record in (seen, acted, repaired, quiet):
        assert encode(cycle.deliberate(record.inputs, made.policy)) == encode(record.thought)
    assert quiet.quiet
