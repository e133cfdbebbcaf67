"""The intent first, then the order, then its outcome; an id is sent at most once, ever."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from builders import (
    BTC,
    ETH,
    MONDAY,
    contract,
    d,
    inputs,
    policy,
    position,
    quote,
    review_tick,
    snapshot,
)
from fakes import FakeClock, FakeVenue
from hedged.core.arming import disarmed
from hedged.core.gate import Approved
from hedged.core.headroom import MarginLimits
from hedged.core.market import Margin, OpenOrder
from hedged.core.plan import Step
from hedged.core.record import Inputs, Outcome
from hedged.core.resolution import Absence
from hedged.core.stops import stop
from hedged.core.watch import WatchPolicy
from hedged.errors import JournalError, Unjudged, VenueUnavailable
from hedged.execute import Resolver, execute, take_back
from hedged.journal.store import Journal
from hedged.venue.protocol import Order


class Watching(FakeVenue):
    """Looks into the journal with its own eyes whenever it is sent an order."""

    def __init__(self, path: Path, **changed: Any) -> None:
        super().__init__(**changed)
        self.path = path
        self.seen: list[tuple[str, str | None]] = []

    async def send(self, order: Order) -> Outcome:
        connection = sqlite3.connect(self.path)
        query = "SELECT client_order_id, outcome FROM intent ORDER BY id"
        self.seen = connection.execute(query).fetchall()
        connection.close()
        return await super().send(order)


class Asked(FakeVenue):
    """Writes down what it is asked of an order."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Any, ...]] = []

    async def seek(self, client_order_id: str, symbol: str, since: datetime) -> Outcome | Absence:
        self.asked.append(("seek", client_order_id, symbol, since))
        return await super().seek(client_order_id, symbol, since)

    async def cancel(self, client_order_id: str, symbol: str) -> None:
        self.asked.append(("cancel", client_order_id, symbol))
        await super().cancel(client_order_id, symbol)


def step(symbol: str = BTC, contracts: int = 2, *, post_only: bool = False) -> Step:
    return Step(
        symbol=symbol,
        side="sell",
        contracts=d(contracts),
        reduce_only=False,
        limit_price=d(99),
        notional=d(200),
        post_only=post_only,
    )


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal.open_for(tmp_path / "journal.sqlite", "paper", ("paper",), FakeClock())
    yield made
    made.close()


async def run(venue: FakeVenue, journal: Journal, *steps: Step) -> tuple[Outcome, ...]:
    done = await execute(Approved(steps=steps, by="paper"), inputs(), venue, journal, policy())
    return done.outcomes


async def test_the_intent_is_on_disk_before_the_order_is_sent(journal: Journal) -> None:
    venue = Watching(journal.path)
    await run(venue, journal, step(BTC))

    assert venue.seen == [(venue.orders[0].client_order_id, None)]


async def test_an_outcome_is_on_disk_before_the_next_order_is_sent(journal: Journal) -> None:
    venue = Watching(journal.path)
    await run(venue, journal, step(BTC), step(ETH))

    assert venue.seen[0][1] is not None
    assert venue.seen[1] == (venue.orders[1].client_order_id, None)


async def test_steps_are_sent_in_order_each_under_its_intents_id(journal: Journal) -> None:
    venue = FakeVenue()
    venue.answers = ["partial", "fill"]
    outcomes = await run(venue, journal, step(BTC), step(ETH, 3))

    intents = journal.intents("main")
    assert [o.client_order_id for o in venue.orders] == [i.client_order_id for i in intents]
    assert [(o.symbol, o.contracts) for o in venue.orders] == [(BTC, 2), (ETH, 3)]
    assert [o.status for o in outcomes] == ["partial", "filled"]
    assert [intent.outcome for intent in intents] == list(outcomes)
    assert journal.unresolved("main") == []


async def test_an_order_is_the_step_as_it_was_approved(journal: Journal) -> None:
    venue = FakeVenue()
    steps = step(BTC), step(ETH, post_only=True), replace(step(BTC), side="buy", reduce_only=True)
    await run(venue, journal, *steps)

    for order, approved in zip(venue.orders, steps, strict=True):
        shared = {key: getattr(approved, key) for key in Order.__slots__ if key != "client_order_id"}
        assert order == Order(client_order_id=order.client_order_id, **shared)


async def test_nothing_approved_sends_nothing_and_intends_nothing(journal: Journal) -> None:
    venue = FakeVenue()

    assert await run(venue, journal) == ()
    assert venue.orders == []
    assert journal.intents("main") == []


async def test_a_refused_order_ends_its_intent_and_the_rest_goes_on(journal: Journal) -> None:
    venue = FakeVenue()
    venue.answers = ["refuse", "fill"]
    outcomes = await run(venue, journal, step(BTC), step(ETH))

    assert [(o.status, o.filled) for o in outcomes] == [("refused", 0), ("filled", 2)]
    assert outcomes[0].reason == "the venue said no"
    assert journal.unresolved("main") == []


SOL = "SOL/USDT:USDT"


async def margined(
    journal: Journal, equity: int, answers: list[str], *steps: Step
) -> tuple[list[str], list[str]]:
    """What is sent and what left out of *steps* from 5 short BTC; 500 short need an equity of ~90."""
    listed = (BTC, ETH, SOL)
    seen = snapshot(
        instruments=tuple(contract(symbol) for symbol in listed),
        quotes=tuple(quote(symbol) for symbol in listed),
        positions=(position(-5),),
        margin=Margin(wallet_balance=d(equity), equity=d(equity), maintenance_margin=d("12.5")),
    )
    venue = FakeVenue()
    venue.answers = answers
    watched = policy(watch=WatchPolicy(margin=MarginLimits()))
    approved = Approved(steps=steps, by="paper")
    done = await execute(approved, inputs(snapshot=seen), venue, journal, watched)
    return [order.symbol for order in venue.orders], list(done.left_out)


@pytest.mark.parametrize(
    ("answer", "equity", "sent"),
    [
        ("fill", 100, 2),
        ("refuse", 100, 1),
        ("partial", 100, 1),
        ("partial", 160, 2),
        ("refuse", 160, 1),
        ("refuse", 300, 2),
    ],
)
async def test_nothing_grows_in_place_of_a_reduction_that_did_not_fill(
    journal: Journal, answer: str, equity: int, sent: int
) -> None:
    """Five of BTC are to become five of ETH: margin carries five, and after a refusal not ten."""
    bought = replace(step(BTC, 5), side="buy", reduce_only=True)
    orders, left_out = await margined(journal, equity, [answer, "fill"], bought, step(ETH, 5))

    assert orders == [BTC, ETH][:sent]
    told = [one for one in left_out if "less was filled before it than planned" in one]
    assert [one.startswith(f"{ETH}: sell 5 left out") for one in told] == [True] * (2 - sent)


async def test_what_grew_before_a_step_counts_when_margin_is_counted_again(journal: Journal) -> None:
    """After a refusal margin carries one of two sales, be it of one contract or of another."""
    bought = replace(step(BTC, 1), side="buy", reduce_only=True)
    for second in (ETH, SOL):
        steps = bought, step(ETH, 2), step(second, 2)
        orders, left_out = await margined(journal, 140, ["refuse", "fill", "fill"], *steps)

        assert orders == [BTC, ETH]
        assert left_out[0].startswith(f"{second}: sell 2 left out")


async def test_a_reduction_is_sent_whatever_margin_is_left(journal: Journal) -> None:
    bought = replace(step(BTC, 2), side="buy", reduce_only=True)

    assert await margined(journal, 14, ["refuse", "fill"], bought, bought) == ([BTC, BTC], [])


class Silent(FakeVenue):
    """Refuses before anything is sent, so that no order was judged."""

    async def send(self, order: Order) -> Outcome:
        raise Unjudged("nothing was sent: the line is slow")


async def test_an_order_that_nobody_judged_ends_and_is_told_as_that(journal: Journal) -> None:
    (outcome,) = await run(Silent(), journal, step(BTC, 5))
    (intent,) = journal.intents("main")

    assert outcome == Outcome(
        client_order_id=intent.client_order_id,
        symbol=BTC,
        side="sell",
        contracts=d(5),
        filled=d(0),
        fill_price=None,
        fee=d(0),
        status="refused",
        reason="nothing was sent: the line is slow",
        judged=False,
    )
    assert intent.outcome == outcome


async def test_who_is_asked_to_leave_sends_nothing_more(journal: Journal) -> None:
    venue = FakeVenue()
    approved = Approved(steps=(step(BTC), step(ETH)), by="paper")
    leave = iter((False, True))
    done = await execute(approved, inputs(), venue, journal, policy(), lambda: next(leave))

    assert [order.symbol for order in venue.orders] == [BTC]
    assert done.left_out == (f"{ETH}: sell 2 left out, hedged was asked to leave",)


@pytest.mark.parametrize("answer", ["time out", "land then time out"])
async def test_an_unknown_outcome_stops_the_rest_and_leaves_its_intent_open(
    journal: Journal, answer: str
) -> None:
    venue = FakeVenue()
    venue.answers = [answer]
    outcomes = await run(venue, journal, step(BTC), step(ETH))

    assert [(o.status, o.reason) for o in outcomes] == [("unknown", "no answer")]
    assert len(venue.orders) == 1
    assert [i.step.symbol for i in journal.unresolved("main")] == [BTC]


async def test_an_error_nobody_expects_leaves_its_intent_open(journal: Journal) -> None:
    class Odd(FakeVenue):
        async def send(self, order: Order) -> Outcome:
            raise TypeError("an odd payload")

    with pytest.raises(TypeError):
        await run(Odd(), journal, step(BTC), step(ETH))
    assert [i.step.symbol for i in journal.unresolved("main")] == [BTC]


async def test_what_restricts_the_portfolio_now_is_looked_at_before_each_order(
    journal: Journal,
) -> None:
    class Stopping(FakeVenue):
        async def send(self, order: Order) -> Outcome:
            until = journal.clock() + timedelta(hours=1)
            journal.restrict(replace(stop("pause", "main", "", MONDAY), until=until))
            return await super().send(order)

    over = replace(stop("halt", "main", "", MONDAY), until=journal.clock())
    for other in (stop("halt", "other", "", MONDAY), over):
        journal.restrict(other)
    venue, closing = Stopping(), replace(step(BTC), side="buy", reduce_only=True)
    await run(venue, journal, step(BTC), step(ETH), closing)

    assert [(order.symbol, order.side) for order in venue.orders] == [(BTC, "sell"), (BTC, "buy")]
    assert len(journal.intents("main")) == 2


async def test_an_intent_that_can_not_be_written_sends_nothing(journal: Journal) -> None:
    venue = FakeVenue()
    connection = sqlite3.connect(journal.path)
    connection.execute(
        "CREATE TRIGGER broken BEFORE INSERT ON intent BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    )
    connection.close()

    with pytest.raises(JournalError):
        await run(venue, journal, step(BTC))
    assert venue.orders == []


async def test_an_outcome_that_can_not_be_written_sends_nothing_more(journal: Journal) -> None:
    venue = FakeVenue()
    connection = sqlite3.connect(journal.path)
    connection.execute(
        "CREATE TRIGGER broken BEFORE UPDATE ON intent BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    )
    connection.close()

    with pytest.raises(JournalError):
        await run(venue, journal, step(BTC), step(ETH))
    assert [order.symbol for order in venue.orders] == [BTC]
    assert [i.step.symbol for i in journal.unresolved("main")] == [BTC]


async def test_the_log_tells_of_every_order_and_louder_of_one_that_did_not_fill(
    journal: Journal,
) -> None:
    venue = FakeVenue()
    venue.answers = ["refuse", "fill", "rest"]
    with capture_logs() as told:
        await run(venue, journal, step(BTC), step(ETH), step(BTC, post_only=True))
    ids = [order.client_order_id for order in venue.orders]
    shared = {"event": "order", "side": "sell", "contracts": "2"}

    assert told == [
        shared
        | {"log_level": level, "intent": n, "client_order_id": ids[n - 1], "symbol": symbol}
        | {"status": status, "filled": filled, "reason": reason}
        for n, level, symbol, status, filled, reason in (
            (1, "warning", BTC, "refused", "0", "the venue said no"),
            (2, "info", ETH, "filled", "2", ""),
            (3, "info", BTC, "resting", "0", ""),
        )
    ]


# Resolving.


async def test_an_order_that_landed_is_found_and_never_sent_again(journal: Journal) -> None:
    resolver = Resolver()
    venue = FakeVenue()
    venue.answers = ["land then time out"]
    await run(venue, journal, step(BTC))

    assert await resolver.resolve(venue, journal, "main") == ()
    (intent,) = journal.intents("main")
    assert intent.outcome == venue.landed[intent.client_order_id]
    assert len(venue.orders) == 1
    assert await resolver.resolve(venue, journal, "main") == ()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Journal]:
    made = Journal.open_for(tmp_path / "live.sqlite", "live", ("main",), FakeClock())
    yield made
    made.close()


async def lost(live: Journal) -> FakeVenue:
    """A venue that was sent an order at `MONDAY`, and says nothing of it."""
    venue = FakeVenue()
    venue.permit = live.claim
    venue.answers = ["land then time out"]
    await run(venue, live, step(BTC))
    return venue


async def test_an_order_that_lands_late_is_waited_for(live: Journal) -> None:
    venue, resolver = await lost(live), Resolver()
    venue.seek_every = timedelta(minutes=2)
    late = dict(venue.landed)
    venue.landed.clear()
    before = [await resolver.resolve(venue, live, "main") for _ in range(2)]
    venue.landed.update(late)

    assert all("may still land until 00:05:35" in why for (why,) in before)
    assert await resolver.resolve(venue, live, "main") == ()
    assert live.intents("main")[0].outcome == next(iter(late.values()))


async def test_an_order_that_is_absent_twice_after_the_quarantine_never_landed(live: Journal) -> None:
    venue, resolver = await lost(live), Resolver()
    venue.landed.clear()
    venue.sought_at += timedelta(minutes=5)
    venue.seek_every = timedelta(minutes=1)
    (once,) = await resolver.resolve(venue, live, "main")

    assert "looked for again" in once
    assert await resolver.resolve(venue, live, "main") == ()
    outcome = live.intents("main")[0].outcome
    assert outcome is not None
    assert (outcome.status, outcome.filled) == ("refused", 0)
    assert outcome.reason == "it never landed: absent twice, long after it was sent"


async def test_looks_for_one_order_are_no_proof_for_another(live: Journal) -> None:
    venue, resolver = await lost(live), Resolver()
    venue.answers = ["time out"]
    await run(venue, live, step(ETH))
    venue.landed.clear()
    venue.sought_at += timedelta(hours=1)

    assert len(await resolver.resolve(venue, live, "main")) == 2
    assert await resolver.resolve(venue, live, "main") == ()


async def test_an_order_is_sought_in_its_contract_and_from_the_instant_it_was_signed_at(
    live: Journal,
) -> None:
    venue, signed_at = Asked(), MONDAY + timedelta(seconds=3)
    venue.permit, venue.sought_at, venue.answers = live.claim, signed_at, ["rest"]
    await run(venue, live, step(ETH, post_only=True))
    await Resolver().resolve(venue, live, "main")
    id_ = venue.orders[0].client_order_id
    look = ("seek", id_, ETH, signed_at)

    assert venue.asked == [look, ("cancel", id_, ETH), look]


async def test_an_order_that_nobody_signed_is_sought_from_when_it_was_intended(
    journal: Journal,
) -> None:
    venue = Asked()
    venue.answers = ["rest"]
    await run(venue, journal, step(BTC, post_only=True))
    await Resolver().resolve(venue, journal, "main")
    (intent,) = journal.intents("main")

    assert {asked[3] for asked in venue.asked if asked[0] == "seek"} == {intent.opened_at}


async def test_a_restart_looks_twice_again(live: Journal) -> None:
    venue = await lost(live)
    venue.landed.clear()
    venue.sought_at += timedelta(hours=1)
    before = await Resolver().resolve(venue, live, "main")

    assert before
    assert await Resolver().resolve(venue, live, "main")


async def test_a_position_that_does_not_add_up_keeps_the_order_open(live: Journal) -> None:
    venue, resolver = await lost(live), Resolver()
    venue.landed.clear()
    venue.adds_up = False
    venue.sought_at += timedelta(hours=1)
    for _ in range(3):
        (why,) = await resolver.resolve(venue, live, "main")
        assert "not what the fills make it" in why


async def test_an_intent_that_was_never_claimed_was_never_sent(live: Journal) -> None:
    live.open_intent(policy(), review_tick(), step(BTC))

    assert await Resolver().resolve(FakeVenue(), live, "main") == ()
    outcome = live.intents("main")[0].outcome
    assert outcome is not None
    assert (outcome.status, outcome.reason) == ("refused", "it was never sent")
    assert not outcome.judged  # a process that died is no word of the venue against the order


async def test_absence_is_proof_only_where_the_venue_says_so(journal: Journal) -> None:
    resolver = Resolver()
    venue = FakeVenue(absence_is_proof=True)
    venue.answers = ["time out"]
    await run(venue, journal, step(BTC))

    assert await resolver.resolve(venue, journal, "main") == ()
    outcome = journal.intents("main")[0].outcome
    assert outcome is not None
    assert (outcome.status, outcome.filled) == ("refused", 0)
    assert outcome.reason == "it never reached the venue"


async def test_a_lookup_that_fails_resolves_nothing(journal: Journal) -> None:
    resolver = Resolver()
    venue = FakeVenue(absence_is_proof=True)
    venue.answers = ["time out"]
    await run(venue, journal, step(BTC))
    venue.failures = ["maintenance"]

    (why,) = await resolver.resolve(venue, journal, "main")
    assert "it could not be looked for at this pass, maintenance" in why
    assert len(journal.unresolved("main")) == 1


async def test_only_the_portfolios_own_intents_are_asked_about(journal: Journal) -> None:
    resolver = Resolver()
    venue = FakeVenue(absence_is_proof=True)
    journal.open_intent(policy(portfolio="other"), review_tick(), step(BTC))

    assert await resolver.resolve(venue, journal, "main") == ()
    assert len(journal.unresolved("other")) == 1


# Orders that rest.


async def test_a_resting_order_stops_the_rest_and_leaves_its_intent_open(journal: Journal) -> None:
    venue = FakeVenue()
    venue.answers = ["rest"]
    outcomes = await run(venue, journal, step(BTC, post_only=True), step(ETH, post_only=True))

    assert [(o.status, o.filled) for o in outcomes] == [("resting", 0)]
    assert [(o.symbol, o.post_only) for o in venue.orders] == [(BTC, True)]
    assert [i.step.symbol for i in journal.unresolved("main")] == [BTC]


@pytest.mark.parametrize(
    ("end", "status", "filled"),
    [("nothing", "unfilled", 0), ("part", "partial", 1), ("all", "filled", 2)],
)
async def test_a_resting_order_is_taken_back_and_counts_with_what_filled_until_then(
    journal: Journal, end: str, status: str, filled: int
) -> None:
    venue = FakeVenue()
    venue.answers, venue.ends = ["rest"], [end]
    await run(venue, journal, step(BTC, post_only=True))

    assert await Resolver().resolve(venue, journal, "main") == ()
    (intent,) = journal.intents("main")
    assert intent.outcome is not None
    assert (intent.outcome.status, intent.outcome.filled) == (status, filled)
    assert venue.cancelled == [intent.client_order_id]
    assert len(venue.orders) == 1


async def test_a_cancel_that_takes_its_time_leaves_the_intent_open(journal: Journal) -> None:
    venue = FakeVenue()
    venue.answers, venue.ends = ["rest"], ["later", "later", "all"]
    await run(venue, journal, step(BTC, post_only=True))
    before = [await Resolver().resolve(venue, journal, "main") for _ in range(2)]

    assert [len(why) for why in before] == [1, 1]
    assert before[0][0].endswith("): it was taken back, and may still rest")
    assert await Resolver().resolve(venue, journal, "main") == ()
    assert journal.intents("main")[0].outcome == venue.landed[venue.orders[0].client_order_id]


async def test_an_order_that_filled_while_it_rested_is_not_cancelled(journal: Journal) -> None:
    venue = FakeVenue()
    venue.answers = ["rest"]
    await run(venue, journal, step(BTC, post_only=True))
    name = venue.orders[0].client_order_id
    venue.landed[name] = replace(venue.landed[name], status="filled", filled=d(2), fill_price=d(99))

    assert await Resolver().resolve(venue, journal, "main") == ()
    assert venue.cancelled == []


async def test_a_cancel_without_an_answer_is_looked_up(journal: Journal) -> None:
    class Lost(FakeVenue):
        async def cancel(self, client_order_id: str, symbol: str) -> None:
            await super().cancel(client_order_id, symbol)
            raise VenueUnavailable("no answer")

    venue = Lost()
    venue.answers, venue.ends = ["rest"], ["part"]
    await run(venue, journal, step(BTC, post_only=True))

    assert await Resolver().resolve(venue, journal, "main") == ()
    assert journal.intents("main")[0].outcome == venue.landed[venue.orders[0].client_order_id]


@pytest.mark.parametrize("status", ["resting", "unknown"])
async def test_what_is_no_end_is_never_written_as_one(journal: Journal, status: Any) -> None:
    venue = FakeVenue()
    venue.answers = ["rest"]
    (outcome,) = await run(venue, journal, step(BTC, post_only=True))
    (intent,) = journal.unresolved("main")

    with pytest.raises(AssertionError, match="no end"):
        journal.resolve_intent(intent, replace(outcome, status=status))
    assert len(journal.unresolved("main")) == 1


def with_stray(**changed: Any) -> Inputs:
    """Three orders rest: of a person, of ours, and one of ours that the journal does not know."""
    resting = [
        OpenOrder(
            symbol=symbol, side="sell", contracts=d(1), limit_price=d(101), client_order_id=id_,
            reduce_only=False,
        )
        for symbol, id_ in ((BTC, "by-hand"), (ETH, "hdgstray"), (BTC, "hdgknown"))
    ]  # fmt: skip
    return inputs(snapshot=snapshot(open_orders=tuple(resting)), strays=("hdgstray",), **changed)


async def test_only_strays_of_ours_are_taken_back_each_in_its_own_contract() -> None:
    venue = Asked()
    await take_back(with_stray(), venue)

    assert venue.asked == [("cancel", "hdgstray", ETH)]


async def test_before_it_is_armed_nothing_is_taken_back() -> None:
    venue = Asked()
    seen = with_stray(restrictions=(disarmed(None, {"accounts": "{}"}, MONDAY),))
    await take_back(seen, venue)

    assert venue.asked == []


async def test_a_stray_that_can_not_be_taken_back_now_ends_no_pass() -> None:
    class Deaf(Asked):
        async def cancel(self, client_order_id: str, symbol: str) -> None:
            await super().cancel(client_order_id, symbol)
            raise VenueUnavailable("no answer")

    venue = Deaf()
    with capture_logs() as logs:
        await take_back(with_stray(), venue)

    assert venue.asked == [("cancel", "hdgstray", ETH)]
    assert [log["error"] for log in logs if log["event"] == "stray_order_left"] == ["no answer"]
