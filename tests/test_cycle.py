"""The whole story: its order, its freezing, its resting, and a crash before and after every call."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import (
    BTC,
    ETH,
    MONDAY,
    bars,
    contract,
    d,
    fill,
    guard_tick,
    holding,
    metric_row,
    policy,
    position,
    quote,
    review_tick,
    rule,
    snapshot,
)
from fakes import FakeClock, FakeVenue
from hedged import cycle
from hedged.core.encoding import encode
from hedged.core.gate import Limits
from hedged.core.market import Fill, Holding, OpenOrder, Position, Snapshot
from hedged.core.policy import Policy
from hedged.core.record import CycleRecord, Mode
from hedged.core.sizing import HedgeLeg
from hedged.core.target import RatioPolicy
from hedged.errors import BadData, VenueUnavailable
from hedged.history.keeper import Keeper, Measured
from hedged.history.store import HistoryStore
from hedged.journal.chain import verify
from hedged.journal.store import Journal
from hedged.service.loop import Service
from hedged.service.ticks import Schedule
from hedged.service.wakes import from_history
from hedged.settings.load import load
from hedged.venue.ledger import Ledger
from hedged.wiring import Daemon, build

DAY = timedelta(days=1)
NOW = MONDAY + timedelta(minutes=5)


def seen_at(hours: float = 0, **changed: Any) -> Snapshot:
    """What the venue shows some hours after the review."""
    at = NOW + timedelta(hours=hours)
    return replace(snapshot(at=at, quotes=(quote(at=at),)), **changed)


class Rig:
    """One portfolio at a fake venue, with a real journal and history."""

    def __init__(
        self, folder: Path, venue: FakeVenue, chosen: Policy | None = None, mode: Mode = "paper"
    ) -> None:
        self.clock = FakeClock(NOW)
        self.venue = venue
        self.venue.frames["bars"] = bars([100.0] * 5, start=MONDAY - 5 * DAY)
        self.journal = Journal.open_for(folder / "journal.sqlite", mode, ("paper",), self.clock)
        self.shell = cycle.Shell(
            mode=mode,
            policy=chosen or policy(),
            venue=venue,
            journal=self.journal,
            keeper=Keeper(venue, HistoryStore(folder / "history", read_only=False)),
            clock=self.clock,
        )

    async def review(self) -> CycleRecord:
        return await cycle.run(review_tick(), self.shell)

    async def guard(self, hours: float = 1) -> CycleRecord:
        self.clock.now = NOW + timedelta(hours=hours)
        return await cycle.run(guard_tick(MONDAY + timedelta(hours=hours)), self.shell)


@pytest.fixture
def rig(tmp_path: Path) -> Any:
    made: list[Rig] = []

    def start(
        *shown: Snapshot, chosen: Policy | None = None, mode: Mode = "paper", **changed: Any
    ) -> Rig:
        made.append(Rig(tmp_path, FakeVenue(list(shown) or [seen_at()], **changed), chosen, mode))
        return made[-1]

    yield start
    for one in made:
        one.journal.close()


class Weighing:
    """Keeps the holdings that each review was measured for; the first time it takes 6 seconds."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.weighed: list[tuple[Holding, ...]] = []

    async def keep_running(self, policy: Policy, now: datetime) -> None:
        pass

    async def measured(self, policy: Policy, at: datetime, holdings: tuple[Holding, ...]) -> Measured:
        self.weighed.append(holdings)
        self.clock.step(seconds=6 if len(self.weighed) == 1 else 0)
        return Measured(row=metric_row(at, close=float(len(self.weighed))), betas=None)


async def test_what_took_too_long_is_observed_again_and_measured_for_what_is_then_held(
    rig: Any,
) -> None:
    """A replay measures for the holdings of the record: for others, its betas would not come out."""
    later = timedelta(seconds=6) / timedelta(hours=1)
    one = rig(seen_at(), seen_at(later, holdings=(holding(quantity=20, mark=101),)))
    keeper = Weighing(one.clock)
    one.shell = replace(one.shell, keeper=keeper)
    record = await one.review()

    assert one.venue.observed == len(keeper.weighed) == 2
    assert record.inputs.snapshot.at == NOW + timedelta(seconds=6)
    assert keeper.weighed[-1] == record.inputs.snapshot.holdings
    assert record.inputs.metrics.values["close"] == 2  # what was measured the second time


async def test_what_took_five_seconds_is_not_observed_again(rig: Any) -> None:
    one = rig(seen_at(-5 / 3600), seen_at())
    await one.guard(hours=0)

    assert one.venue.observed == 1


# The order of the story.


async def test_a_review_observes_decides_trades_and_records(rig: Any) -> None:
    made = rig(chosen=policy(rules=(rule(raise_to="0.30"),)))
    record = await made.review()

    assert [(o.symbol, o.side, o.contracts, o.status) for o in record.outcomes] == [
        (BTC, "sell", 3, "filled")
    ]
    assert record.thought.judgement is not None
    assert record.thought.judgement.decider == "a rule"
    assert record.memory.executed_ratio == d("0.30")
    assert made.journal.record(1) == record
    assert record.approved_by != ""


async def test_a_guard_pass_takes_the_target_from_memory_and_measures_nothing(rig: Any) -> None:
    made = rig(seen_at(), seen_at(1, positions=(position("-2"),)))
    await made.review()
    record = await made.guard()

    assert record.inputs.metrics is None
    assert record.thought.judgement is None
    assert record.thought.wanted is not None
    assert record.thought.wanted.target_ratio == d("0.20")
    assert record.quiet


async def test_a_guard_pass_before_any_review_has_no_target_and_trades_nothing(rig: Any) -> None:
    made = rig(seen_at(1))
    record = await made.guard()

    assert record.outcomes == ()
    assert record.memory.ratio is None
    assert "no target is decided" in record.because


async def test_a_review_is_judged_on_the_bar_of_its_tick(rig: Any) -> None:
    made = rig(seen_at(30))
    made.clock.now = NOW + timedelta(hours=30)
    made.venue.frames["bars"] = bars([100.0] * 5 + [70.0], start=MONDAY - 5 * DAY)
    record = await made.review()

    assert record.inputs.metrics.bar_close == MONDAY
    assert record.inputs.now == NOW + timedelta(hours=30)


@pytest.mark.parametrize("failed", ["observe", "series"])
async def test_what_can_not_be_observed_is_not_decided_on(rig: Any, failed: str) -> None:
    made = rig()

    class Broken(FakeVenue):
        async def observe(self, now: Any, *, after: int) -> Snapshot:
            if failed == "observe":
                raise VenueUnavailable("down")
            return await super().observe(now, after=after)

        async def series(self, *args: Any) -> Any:
            raise VenueUnavailable("down")

    venue = Broken()
    shell = replace(made.shell, venue=venue, keeper=Keeper(venue, made.shell.keeper.store))
    with pytest.raises(VenueUnavailable):
        await cycle.run(review_tick(), shell)

    assert venue.orders == []
    assert made.journal.head()[0] == 0


async def test_a_history_that_can_not_be_written_trades_nothing(rig: Any, tmp_path: Path) -> None:
    made = rig()
    (tmp_path / "history").write_text("a file where the folder should be")

    with pytest.raises(BadData):
        await made.review()
    assert made.venue.orders == []
    assert made.journal.head()[0] == 0


# Unknown outcomes.


async def test_an_unknown_outcome_freezes_the_instrument_until_it_is_found(rig: Any) -> None:
    made = rig(seen_at(), seen_at(1), seen_at(2), seen_at(3, positions=(position("-2"),)), mode="live")
    made.venue.permit = made.journal.claim
    made.venue.answers = ["land then time out"]
    first = await made.review()
    landed = dict(made.venue.landed)
    made.venue.landed.clear()
    blind = [await made.guard(hours) for hours in (1, 2)]
    made.venue.landed.update(landed)
    found = await made.guard(3)

    assert [o.status for o in first.outcomes] == ["unknown"]
    assert [BTC in record.inputs.unresolved[0] for record in blind] == [True, True]
    assert [record.look_again for record in (first, *blind)] == ["soon"] * 3
    assert all("not resolved yet" in record.because for record in blind)
    assert len(made.venue.orders) == 1
    assert found.inputs.unresolved == ()
    assert found.memory.executed_ratio == d("0.20")
    assert made.journal.unresolved("main") == []


async def test_orders_of_ours_that_the_journal_does_not_know_are_taken_back_and_hold(rig: Any) -> None:
    stray = OpenOrder(
        symbol=BTC,
        side="sell",
        contracts=d(1),
        limit_price=d(101),
        client_order_id="hdgabc",
        reduce_only=False,
    )
    others = (
        replace(stray, client_order_id="by-hand"),
        replace(stray, symbol=ETH, client_order_id="hdgdef"),
    )
    made = rig(seen_at(open_orders=(stray, *others)), seen_at(1))
    first = await made.review()
    second = await made.guard()

    assert made.venue.cancelled == ["hdgabc"]
    assert first.inputs.strays == ("hdgabc",)
    assert (first.outcomes, first.look_again) == ((), "soon")
    assert "hdgabc" in first.because
    assert [o.status for o in second.outcomes] == ["filled"]


async def test_what_another_hand_did_is_looked_at_once_before_it_is_repaired(rig: Any) -> None:
    adl = fill(side="buy", contracts=d(2), client_order_id="adl_autoclose", cause="adl")
    made = rig(
        seen_at(positions=(position("-2"),)),
        seen_at(1, fills=(adl,), cursor=2),
        seen_at(2, cursor=2),
    )
    await made.review()
    held, repaired = [await made.guard(hours) for hours in (1, 2)]

    assert (held.outcomes, held.look_again) == ((), "soon")
    assert "by adl" in held.because
    assert [(o.side, o.filled) for o in repaired.outcomes] == [("sell", 2)]


async def test_an_order_that_never_landed_is_planned_again_under_another_id(rig: Any) -> None:
    made = rig(seen_at(), seen_at(1), absence_is_proof=True)
    made.venue.answers = ["time out", "fill"]
    await made.review()
    again = await made.guard()

    assert [o.status for o in again.outcomes] == ["filled"]
    first, second = (order.client_order_id for order in made.venue.orders)
    assert first != second


async def test_a_lookup_that_fails_holds_the_pass_which_looks_at_all_else(rig: Any) -> None:
    """Of a contract that is listed no more, it fails for ever."""
    made = rig()
    made.venue.answers = ["time out"]
    await made.review()
    made.venue.failures = ["BTC/USDT:USDT is not listed (any more)"]
    record = await made.guard()

    assert len(made.venue.orders) == 1
    assert "it could not be looked for at this pass, BTC/USDT:USDT is not listed" in record.because
    assert record.look_again == "soon"


async def test_a_refused_order_is_planned_again_at_the_next_pass(rig: Any) -> None:
    made = rig(seen_at(), seen_at(1))
    made.venue.answers = ["refuse"]
    first = await made.review()
    second = await made.guard()

    assert [o.status for o in first.outcomes] == ["refused"]
    assert first.memory.executed_ratio is None
    assert [o.status for o in second.outcomes] == ["filled"]


async def test_a_partial_fill_is_not_executed_and_the_rest_follows(rig: Any) -> None:
    made = rig(seen_at(), seen_at(1, positions=(position("-1"),)))
    made.venue.answers = ["partial", "fill"]
    first = await made.review()
    second = await made.guard()

    assert first.memory.executed_ratio is None
    assert [(o.contracts, o.filled) for o in second.outcomes] == [(1, 1)]
    assert second.memory.executed_ratio == d("0.20")


# A second cycle on the outcome of the first plans nothing.

MARKS = st.decimals("0.01", 100_000, places=2)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(
    ratio=st.decimals(0, 1, places=4),
    marks=st.tuples(MARKS, MARKS),
    weights=st.tuples(st.decimals("0.01", 1, places=2), st.decimals("0.01", 1, places=2)),
    lots=st.tuples(st.sampled_from(["0.001", "0.5", "1", "7"]), st.sampled_from(["0.01", "3"])),
    held=st.tuples(st.integers(-40, 0), st.integers(-40, 0)),
    quantity=st.decimals(0, 50, places=3),
    notional_min=st.sampled_from([0, 5, 500]),
)
async def test_a_second_cycle_on_the_outcome_of_the_first_plans_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    ratio: Decimal,
    marks: tuple[Decimal, Decimal],
    weights: tuple[Decimal, Decimal],
    lots: tuple[str, str],
    held: tuple[int, int],
    quantity: Decimal,
    notional_min: int,
) -> None:
    symbols = (BTC, ETH)
    instruments = tuple(
        contract(s, lot=d(lot), contracts_min=d(lot), notional_min=d(notional_min))
        for s, lot in zip(symbols, lots, strict=True)
    )
    before = {s: d(lot) * n for s, lot, n in zip(symbols, lots, held, strict=True)}

    def shown(hours: float, contracts: dict[str, Decimal]) -> Snapshot:
        at = NOW + timedelta(hours=hours)
        return snapshot(
            at=at,
            holdings=(holding("BTC", str(quantity), str(marks[0])),),
            instruments=instruments,
            quotes=tuple(quote(s, str(m), at) for s, m in zip(symbols, marks, strict=True)),
            positions=tuple(
                Position(symbol=s, contracts=c, entry_price=d(1)) for s, c in contracts.items() if c
            ),
        )

    chosen = policy(
        ratio=RatioPolicy(initial_ratio=ratio),
        legs=tuple(HedgeLeg(symbol=s, weight=w) for s, w in zip(symbols, weights, strict=True)),
        limits=Limits(
            price_age_s_max=d(3600),
            position_age_s_max=d(3600),
            order_notional_max=d(10**7),
            day_notional_max=d(5 * 10**7),
        ),
    )
    made = Rig(tmp_path_factory.mktemp("cycle"), FakeVenue([shown(0, before)]), chosen)
    first = await made.review()
    after = dict(before)
    for outcome in first.outcomes:
        after[outcome.symbol] += outcome.filled if outcome.side == "buy" else -outcome.filled
    made.venue.snapshots = [shown(1, after)]
    second = await made.guard()
    made.journal.close()

    assert second.thought.plan.steps == () or first.thought.review.reasons
    if not first.thought.review.reasons:
        assert second.outcomes == ()


# A crash anywhere.

SETTINGS = """
[service]
state_dir = "state"
[schedule]
guard_every = "1d"
[venue]
start = {start}
end = {end}
[paper]
collateral = 400_000
volume_share_max = {share}
[hedge]
legs = [{{ symbol = "BTC/USDT:USDT", weight = 0.6 }}, {{ symbol = "ETH/USDT:USDT", weight = 0.4 }}]
initial_ratio = 0.20
[limits]
order_notional_max = 1_000_000
day_notional_max = 9_000_000
orders_per_tick_max = 8
price_age_s_max = 3600
price_jump_max = 0.40
[[rule]]
name = "moderate risk"
when = "close < sma_50"
raise_to = 0.30
[[rule]]
name = "recovery"
when = "close > sma_10"
lower_to = 0.10
[[portfolio]]
name = "main"
account = "paper"
holding = [{{ asset = "BTC", quantity = 8.5 }}, {{ asset = "ETH", quantity = 76.4 }}]
[[instrument]]
symbol = "BTC/USDT:USDT"
lot = 0.001
tick = 0.1
notional_min = 5
tiers = [{{ notional_max = 12_000_000, rate = 0.01, leverage_max = 50 }}]
[[instrument]]
symbol = "ETH/USDT:USDT"
lot = 0.01
tick = 0.01
notional_min = 5
tiers = [{{ notional_max = 12_000_000, rate = 0.01, leverage_max = 50 }}]
"""
VENUE_CALLS = frozenset({"observe", "series", "send", "seek", "cancel"})
JOURNAL_CALLS = frozenset(
    {"append", "memory", "has", "last_pass_at", "head", "open_intent", "resolve_intent", "unresolved",
     "usage", "restrictions", "strangers"}
)  # fmt: skip


class Crash(BaseException):
    """The process ends here."""


class Bomb:
    """Goes off before or after the *at*-th call (each call has two sides); 0 only counts."""

    def __init__(self, at: int = 0) -> None:
        self.at = at
        self.passed = 0

    def tick(self) -> None:
        self.passed += 1
        if self.passed == self.at:
            raise Crash


class Wired:
    """Passes every call on, with the bomb before and after it."""

    def __init__(self, inner: object, calls: frozenset[str], bomb: Bomb) -> None:
        self.inner, self.calls, self.bomb = inner, calls, bomb

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if name not in self.calls:
            return found
        if isinstance(self.inner, Journal):
            return self._call(found)
        return self._acall(found)

    def _call(self, found: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            self.bomb.tick()
            answer = found(*args, **named)
            self.bomb.tick()
            return answer

        return call

    def _acall(self, found: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **named: Any) -> Any:
            self.bomb.tick()
            answer = await found(*args, **named)
            self.bomb.tick()
            return answer

        return call


def settings_file(folder: Path, *, days: int, share: str = "0.05") -> Path:
    """From Sunday 2021-05-16 on, through the crash of that month: a catch-up, then weekly reviews."""
    folder.mkdir(parents=True, exist_ok=True)
    text = SETTINGS.format(
        start="2021-05-16T00:05:00Z", end=f"2021-05-{16 + days:02d}T00:05:00Z", share=share
    )
    (folder / "hedged.toml").write_text(text)
    return folder / "hedged.toml"


async def run_once(file: Path, bomb: Bomb) -> None:
    """Everything fresh from disk, until history ends or the bomb goes off."""
    loaded = load([file], {}).settings
    daemon = build(loaded)
    assert daemon.replay_clock is not None
    try:
        journal: Any = Wired(daemon.journal, JOURNAL_CALLS, bomb)
        (shell,) = daemon.shells
        venue: Any = Wired(shell.venue, VENUE_CALLS, bomb)
        keeper = Keeper(venue, shell.keeper.store)
        wired = Daemon(
            settings=loaded,
            shells=(replace(shell, venue=venue, journal=journal, keeper=keeper),),
            journal=journal,
            clock=daemon.clock,
            replay_clock=daemon.replay_clock,
        )
        schedule = Schedule(loaded.schedule)
        service = Service(wired, schedule, lambda _record: None)
        await service.run(from_history(schedule, daemon.replay_clock))
    finally:
        await daemon.close()


async def run_to_the_end(file: Path, bomb: Bomb) -> int:
    """Run, crash, and run again; how many starts it took."""
    try:
        await run_once(file, bomb)
    except Crash:
        await run_once(file, Bomb())
        return 2
    return 1


def told(file: Path) -> dict[str, Any]:
    """All that a crash must not change: the goal and target of every tick, all fills, the book."""
    journal = Journal.open_to_read(file.parent / "state" / "journal.sqlite", FakeClock())
    rows = [journal.record(i) for i in journal.row_ids()]
    filled: dict[tuple[str, str], Decimal] = {}
    intents = journal.intents("main")
    for intent in intents:
        assert intent.outcome is not None
        key = (intent.tick_id, intent.step.symbol)
        filled[key] = filled.get(key, d(0)) + intent.outcome.filled
    ids = [intent.client_order_id for intent in intents]
    chain = verify(journal.rows())
    journal.close()

    assert len(set(ids)) == len(ids)
    assert chain.fault == ""
    last = rows[-1]
    ledger = Ledger(file.parent / "state" / "paper-paper.sqlite", read_only=True)
    ledger.close()
    return {
        "ticks": [row.inputs.tick.id for row in rows],
        "ratios": [encode(row.memory.ratio) for row in rows],
        "wanted": [
            [(leg.symbol, leg.contracts) for leg in row.thought.wanted.legs]
            if row.thought.wanted
            else None
            for row in rows
        ],
        "filled": {key: quantity for key, quantity in filled.items() if quantity},
        "book": [
            replace(event.value, client_order_id="") if isinstance(event.value, Fill) else event.value
            for event in ledger.events
            if event.kind != "outcome"
        ],
        "executed": last.memory.executed_ratio,
        "unexplained": last.memory.totals.unexplained,
    }


async def enumerated(folder: Path, *, days: int, share: str, points: slice) -> tuple[int, list[str]]:
    """Crash at each of *points* in turn; how many there are, and where the end differed."""
    plain = settings_file(folder / "plain", days=days, share=share)
    counting = Bomb()
    await run_to_the_end(plain, counting)
    expected, differences = told(plain), []
    assert expected["filled"]
    for at in range(1, counting.passed + 1)[points]:
        file = settings_file(folder / "crashed", days=days, share=share)
        bomb = Bomb(at)
        starts = await run_to_the_end(file, bomb)
        found = told(file)
        shutil.rmtree(folder / "crashed")
        differing = [name for name in expected if found[name] != expected[name]]
        if starts != 2 or differing:
            differences.append(f"point {at}: {differing} after {starts} starts")
    return counting.passed, differences


async def test_a_crash_after_any_call_changes_nothing_in_the_end(tmp_path: Path) -> None:
    """
    The catch-up review that opens both legs, and the next day's that grows them. The moment after a
    call is the moment before the next, so every second point will do here.
    """
    points, differences = await enumerated(tmp_path, days=1, share="0.05", points=slice(1, None, 2))

    assert points > 50
    assert differences == []


async def test_a_crash_amid_partial_fills_takes_no_more_of_the_bar(tmp_path: Path) -> None:
    points, differences = await enumerated(tmp_path, days=1, share="0.00001", points=slice(20, None, 5))

    assert points > 50
    assert differences == []


@pytest.mark.long
@pytest.mark.parametrize("share", ["0.05", "0.00001"])
async def test_a_crash_before_or_after_any_call_of_two_weeks_changes_nothing_in_the_end(
    tmp_path: Path, share: str
) -> None:
    points, differences = await enumerated(tmp_path, days=14, share=share, points=slice(None))

    assert points > 300
    assert differences == []


async def test_a_crash_while_starting_again_changes_nothing_either(tmp_path: Path) -> None:
    plain = settings_file(tmp_path / "plain", days=1)
    await run_to_the_end(plain, Bomb())
    for first, second in ((24, 3), (27, 12), (29, 14), (32, 8)):
        file = settings_file(tmp_path / f"{first}", days=1)
        for at in (first, second):
            with pytest.raises(Crash):
                await run_once(file, Bomb(at))
        await run_once(file, Bomb())

        assert told(file) == told(plain)
