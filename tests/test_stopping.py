"""A person stops the daemon: before a pass, in the middle of a plan, and over restarts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from builders import BTC, ETH, MONDAY, contract, d, guard_tick, policy, quote, review_tick, snapshot
from fakes import FakeClock, FakeVenue
from hedged import cycle
from hedged.core.market import AccountMargin, Position, Snapshot
from hedged.core.policy import Policy
from hedged.core.record import CycleRecord, Outcome
from hedged.core.sizing import HedgeLeg
from hedged.core.stops import StopLevel, stop
from hedged.core.target import RatioPolicy
from hedged.core.watch import WatchPolicy
from hedged.cycle import deliberate
from hedged.history.keeper import Keeper
from hedged.history.store import HistoryStore
from hedged.journal.store import Journal
from hedged.venue.protocol import Order

NOW = MONDAY + timedelta(minutes=5)


class Exchange(FakeVenue):
    """Holds what was traded; *on_send* is called while an order is in hand."""

    def __init__(self, **held: Decimal) -> None:
        super().__init__()
        self.held = {BTC: held.get("BTC", d(0)), ETH: held.get("ETH", d(0))}
        self.on_send: Callable[[], None] = lambda: None
        self.changed: dict[str, Any] = {}

    async def observe(self, now: datetime, *, after: int) -> Snapshot:
        return replace(
            snapshot(
                at=now,
                instruments=(contract(), contract(ETH)),
                quotes=(quote(at=now), quote(ETH, at=now)),
                positions=tuple(
                    Position(symbol=s, contracts=c, entry_price=d(100))
                    for s, c in self.held.items()
                    if c
                ),
            ),
            **self.changed,
        )

    async def send(self, order: Order) -> Outcome:
        self.on_send()
        outcome = await super().send(order)
        self.held[order.symbol] += outcome.filled if order.side == "buy" else -outcome.filled
        return outcome


class Rig:
    """One portfolio, 10 BTC at 100; the journal can be opened anew."""

    def __init__(self, folder: Path, venue: Exchange, chosen: Policy) -> None:
        self.clock, self.venue, self.folder, self.policy = FakeClock(NOW), venue, folder, chosen
        self.number = 0
        self.start()

    def start(self) -> None:
        self.journal = Journal.open_for(self.folder / "j.sqlite", "paper", ("paper",), self.clock)
        self.shell = cycle.Shell(
            mode="paper",
            policy=self.policy,
            venue=self.venue,
            journal=self.journal,
            keeper=Keeper(self.venue, HistoryStore(self.folder / "history", read_only=False)),
            clock=self.clock,
        )

    def restart(self) -> None:
        self.journal.close()
        self.start()

    def stop(self, level: StopLevel, scope: str = "main") -> None:
        self.journal.restrict(stop(level, scope, "by the test", self.clock()))

    async def passed(self) -> CycleRecord:
        self.number += 1
        self.clock.step(minutes=5)
        if self.number == 1:
            return await cycle.run(review_tick(), self.shell)
        return await cycle.run(guard_tick(self.clock()), self.shell)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []

    def start(ratio: str = "0.4", *legs: str, **held: Decimal) -> Rig:
        chosen = policy(
            ratio=RatioPolicy(initial_ratio=d(ratio)),
            legs=tuple(HedgeLeg(symbol=one, weight=d(1)) for one in legs or (BTC,)),
            watch=WatchPolicy(),
        )
        made.append(Rig(tmp_path, Exchange(**held), chosen))
        return made[-1]

    yield start
    for one in made:
        one.journal.close()


@pytest.mark.parametrize(("waits_s", "looks"), [(4, 1), (6, 2)])
async def test_what_was_read_before_a_wait_is_read_again_once(
    rig: Callable[..., Rig], waits_s: int, looks: int
) -> None:
    """As when the request budget made a read wait: positions would be as old as that."""
    made = rig("0.4")
    seen, observe = [], made.venue.observe

    async def slow(now: datetime, *, after: int) -> Snapshot:
        seen.append(now)
        found = await observe(now, after=after)
        made.clock.step(seconds=waits_s)
        return found

    made.venue.observe = slow  # type: ignore[method-assign]
    began = made.clock() + timedelta(minutes=5)
    record = await made.passed()

    assert seen == [began + timedelta(seconds=waits_s * look) for look in range(looks)]
    assert record.inputs.snapshot.at == seen[-1]


async def test_a_pause_lets_nothing_grow_and_reductions_go_on(rig: Callable[..., Rig]) -> None:
    made = rig("0.4", BTC, ETH, BTC=d(-5))
    made.stop("pause")
    record = await made.passed()

    assert made.venue.held == {BTC: d(-2), ETH: d(0)}
    assert "restricted to reductions by operator: pause: by the test" in "".join(
        record.thought.review.plan.notes
    )
    assert record.memory.executed_ratio is None


async def test_a_halt_sends_nothing_until_it_is_resumed(rig: Callable[..., Rig]) -> None:
    made = rig("0.4", BTC=d(-9))
    made.stop("halt", "all")
    held = await made.passed()
    made.restart()
    still = await made.passed()
    made.journal.lift("all", "a test")
    await made.passed()

    assert "restricted to nothing by operator: halt" in held.because
    assert "restricted to nothing by operator: halt" in still.because
    assert made.venue.held[BTC] == -4
    assert len(made.venue.orders) == 1


@pytest.mark.parametrize("level", ["halt", "pause", "unwind"])
async def test_a_stop_during_a_plan_lets_the_order_in_hand_be_the_last(
    rig: Callable[..., Rig], level: StopLevel
) -> None:
    made = rig("0.4", BTC, ETH)
    made.venue.on_send = lambda: made.stop(level)
    record = await made.passed()

    assert len(record.thought.plan.steps) == 2
    assert len(made.venue.orders) == len(record.outcomes) == 1
    assert len(made.journal.intents("main")) == 1
    assert record.memory.executed_ratio is None


async def test_a_pause_during_a_plan_does_not_stop_a_reduction(rig: Callable[..., Rig]) -> None:
    made = rig("0.4", BTC, ETH, BTC=d(-5), ETH=d(-5))
    made.venue.on_send = lambda: made.stop("pause")
    await made.passed()

    assert made.venue.held == {BTC: d(-2), ETH: d(-2)}


async def test_an_unwinding_goes_flat_by_quarters_stays_flat_and_comes_back(
    rig: Callable[..., Rig],
) -> None:
    made = rig("0.4")
    await made.passed()
    made.stop("unwind")
    held = []
    for look in range(7):
        record = await made.passed()
        held.append(made.venue.held[BTC])
        if look == 1:
            made.restart()
        if look < 3:
            assert record.look_again == "soon"
            assert record.memory.executed_ratio is None

    assert held == [-3, -2, -1, 0, 0, 0, 0]
    assert all(order.reduce_only for order in made.venue.orders[1:])
    assert record.memory.ratio is not None
    assert record.memory.ratio.target_ratio == d("0.4")
    assert record.memory.executed_ratio == 0
    assert record.look_again == ""

    made.journal.lift("main", "a test")
    back = await made.passed()
    assert made.venue.held[BTC] == -4
    assert (back.memory.unwinding, back.memory.executed_ratio) == (None, d("0.4"))


async def test_a_pass_of_an_unwinding_decides_the_same_again(rig: Callable[..., Rig]) -> None:
    made = rig("0.4")
    await made.passed()
    made.stop("unwind")
    record = await made.passed()

    assert deliberate(record.inputs, made.policy) == record.thought


async def test_without_margin_figures_nothing_grows_and_reductions_go_on(
    rig: Callable[..., Rig],
) -> None:
    made = rig("0.4", BTC, ETH, BTC=d(-5))
    unknown = AccountMargin(account="paper", equity=d(1000), maintenance_margin=None)
    made.venue.changed = {"margins": (unknown,)}
    record = await made.passed()

    assert made.venue.held == {BTC: d(-2), ETH: d(0)}
    assert [(one.guard, one.level) for one in record.thought.alarms] == [("margin", "no increase")]
    assert "does not tell the maintenance margin" in "".join(record.thought.review.plan.notes)


async def test_a_hedge_is_degraded_before_margin_runs_out_and_comes_back_with_collateral(
    rig: Callable[..., Rig],
) -> None:
    made = rig("0.5")
    thin, rich = (
        (AccountMargin(account="paper", equity=d(equity), maintenance_margin=d(5)),)
        for equity in (100, 1000)
    )
    made.venue.changed = {"margins": thin}
    first, second = await made.passed(), await made.passed()
    assert made.venue.held[BTC] == d("-3.9")
    assert "degraded from 50% to 39%" in first.thought.alarms[0].text
    assert second.outcomes == ()

    made.venue.changed = {"margins": rich}
    third = await made.passed()
    assert made.venue.held[BTC] == -5
    assert third.thought.alarms == ()


async def test_a_depeg_bars_growth_alone(rig: Callable[..., Rig]) -> None:
    made = rig("0.4", BTC, ETH, BTC=d(-5))
    usdc = replace(snapshot().holdings[0], asset="USDC", mark_price=d("1.05"))
    made.venue.changed = {"holdings": (*snapshot().holdings, usdc)}
    await made.passed()

    assert made.venue.held == {BTC: d(-2), ETH: d(0)}


async def test_holdings_counted_too_long_ago_bar_growth_alone(rig: Callable[..., Rig]) -> None:
    made = rig("0.4", BTC, ETH, BTC=d(-5))
    made.venue.changed = {"outdated": ("BTC in cold.csv was counted long ago",)}
    record = await made.passed()

    assert made.venue.held == {BTC: d(-2), ETH: d(0)}
    assert ("holdings", "no increase") in [(one.guard, one.level) for one in record.thought.alarms]


async def test_an_unexplained_position_holds(rig: Callable[..., Rig]) -> None:
    made = rig("0.4")
    made.venue.changed = {"unexplained": (BTC,)}
    record = await made.passed()

    assert made.venue.orders == []
    assert "HOLD: unexplained position" in record.because
