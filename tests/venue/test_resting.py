"""
Post-only, then IOC, through the whole cycle on each loopback exchange, with a real journal.

A pass offers and lets rest; the next one takes back, counts what filled, and takes the rest.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio

from builders import policy
from exchange.faults import Fault, fault
from exchange.opening import VENUES
from exchange.state import Order as Placed
from exchange.tape import Bar
from hedged import cycle
from hedged.core.gate import Limits, Restriction
from hedged.core.plan import Step
from hedged.core.record import CycleRecord, Outcome, Tick
from hedged.history.keeper import Keeper
from hedged.history.store import HistoryStore
from hedged.journal.store import Journal
from hedged.venue.live import LiveVenue
from hedged.venue.opening import DIALECTS
from lines import BTC, BTC_ID, ETH_ID, Line, later, linked, order, portfolio, trade_by_hand

D = Decimal
PLACE = {"binance": "*/fapi/v1/order", "bybit": "*/v5/order/create"}
CANCEL = {"binance": ("DELETE", "*/fapi/v1/order"), "bybit": ("POST", "*/v5/order/cancel")}
SHOWN = {
    "binance": ("*/depth", "body.asks", "body.bids"),
    "bybit": ("*/orderbook", "body.result.a", "body.result.b"),
}
BOOK = [(D(59_990), D(5))], [(D(60_010), D(5))]
WANTED = D("0.2")
"""A fifth of one BTC."""


@dataclass(slots=True, kw_only=True)
class Rig:
    """The daemon's cycle on a loopback exchange, with one BTC to protect."""

    line: Line
    folder: Path
    journal: Journal
    live: LiveVenue
    reviewed: Tick

    @property
    def name(self) -> str:
        return self.line.exchange.name

    def shell(self) -> cycle.Shell:
        limits = Limits(orders_per_tick_max=2)
        chosen = replace(
            policy(portfolio="p", account="main", limits=limits), order_style="post_only_then_ioc"
        )
        return cycle.Shell(
            mode="live",
            policy=chosen,
            venue=self.live,
            journal=self.journal,
            keeper=Keeper(self.live, HistoryStore(self.folder / "history", read_only=False)),
            clock=self.line.clock,
        )

    async def review(self) -> CycleRecord:
        return await cycle.run(self.reviewed, self.shell())

    async def guard(self) -> CycleRecord:
        now = later(self.line, minutes=5)
        return await cycle.run(Tick(kind="guard", cadence="guard", scheduled_at=now), self.shell())

    async def restart(self) -> None:
        """As after kill -9: nothing is left but what is on disk and at the venue."""
        await self.live.close()
        self.journal.close()
        later(self.line, seconds=30)
        self.journal = opened(self.line, self.folder)
        self.live = portfolio(self.line, self.folder)

    def placed(self) -> list[Placed]:
        """Our orders as the exchange has them."""
        return [o for o in self.line.venue.engine.state.orders.values() if o.ticket.cause == "order"]

    def held(self) -> Decimal:
        return self.line.venue.engine.position(BTC_ID).quantity

    def quoted(self, bid: int, ask: int, ask_depth: str = "5") -> None:
        """Others offer at other prices; what they cross fills."""
        asks = [(D(ask), D(ask_depth))]
        self.line.venue.engine.set_book(BTC_ID, [(D(bid), D(5))], asks)


def opened(line: Line, folder: Path) -> Journal:
    return Journal.open_for(folder / "journal.sqlite", "live", ("main",), line.clock)


def filled_once(journal: Journal) -> None:
    """A first order was filled before, which is small on a new account."""
    step = Step(
        symbol=BTC, side="sell", contracts=D("0.001"), reduce_only=False, limit_price=D(1),
        notional=D(60),
    )  # fmt: skip
    tick = Tick(kind="guard", cadence="before", scheduled_at=journal.clock())
    intent = journal.open_intent(policy(portfolio="before", account="main"), tick, step)
    journal.resolve_intent(
        intent,
        Outcome(
            client_order_id=intent.client_order_id, symbol=BTC, side="sell", contracts=D("0.001"),
            filled=D("0.001"), fill_price=D(60_000), fee=D(0), status="filled",
        ),
    )  # fmt: skip


@pytest_asyncio.fixture(params=sorted(DIALECTS))
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    made: Rig

    def permit(client_order_id: str, signed_at: datetime) -> bool:
        return made.journal.claim(client_order_id, signed_at)

    async with linked(VENUES[request.param](deposit=50_000), permit=permit) as line:
        today = line.clock().replace(hour=0, minute=0)
        tape = line.venue.engine.market(BTC_ID).tapes["last"]
        for day in range(20):
            at = today - timedelta(days=20 - day)
            tape.load([Bar(opens_at=at, open=D(60_000), high=D(60_100), low=D(59_900),
                           close=D(60_000), volume=D(9))])  # fmt: skip
        line.venue.engine.state.funding_wallet = {"BTC": D(1)}
        line.venue.engine.set_book(BTC_ID, *BOOK)
        made = Rig(
            line=line,
            folder=tmp_path,
            journal=opened(line, tmp_path),
            live=portfolio(line, tmp_path),
            reviewed=Tick(kind="review", cadence="daily", scheduled_at=today),
        )
        filled_once(made.journal)
        yield made
        made.journal.close()


# ---- it rests, and the next pass takes the rest


async def test_an_order_rests_at_the_best_price_of_its_own_side(rig: Rig) -> None:
    record = await rig.review()
    (outcome,), (order,) = record.outcomes, rig.placed()

    assert (outcome.status, outcome.filled) == ("resting", 0)
    assert (order.ticket.price, order.ticket.time_in_force, order.open) == (D(60_010), "POST", True)
    assert "waiting to be taken" in record.because
    assert [i.client_order_id for i in rig.journal.unresolved("p")] == [outcome.client_order_id]


async def test_what_nobody_took_is_taken_back_and_taken_by_the_next_pass(rig: Rig) -> None:
    await rig.review()
    record = await rig.guard()
    first, second = rig.placed()

    assert (first.open, first.filled, first.status) == (False, 0, "canceled")
    assert (second.ticket.time_in_force, second.filled) == ("IOC", WANTED)
    assert record.inputs.post_only_tried == (BTC,)
    assert rig.held() == -WANTED
    assert rig.journal.unresolved("p") == []
    assert record.memory.executed_ratio == D("0.20")


async def test_what_filled_while_it_rested_is_not_bought_again(rig: Rig) -> None:
    await rig.review()
    rig.quoted(60_010, 60_020)
    record = await rig.guard()

    assert [o.filled for o in rig.placed()] == [WANTED]
    assert (record.outcomes, record.memory.executed_ratio) == ((), D("0.20"))
    (fill,) = record.inputs.snapshot.fills
    assert (fill.fill_price, fill.client_order_id) == (
        60_010,
        rig.journal.intents("p")[0].client_order_id,
    )


async def test_a_part_that_filled_leaves_the_rest_to_an_immediate_order(rig: Rig) -> None:
    await rig.review()
    rig.line.venue.engine.set_book(BTC_ID, [(D(60_010), D("0.05"))], [(D(60_020), D(5))])
    rig.line.venue.engine.set_book(BTC_ID, *BOOK)
    await rig.guard()
    first, second = rig.placed()

    assert (first.filled, second.ticket.quantity) == (D("0.05"), D("0.15"))
    assert rig.held() == -WANTED
    assert rig.journal.intents("p")[0].outcome is not None
    assert rig.journal.intents("p")[0].outcome.status == "partial"  # type: ignore[union-attr]


async def test_when_the_target_is_reached_nothing_more_is_sent(rig: Rig) -> None:
    await rig.review()
    await rig.guard()
    quiet = [await rig.guard() for _ in range(3)]

    assert len(rig.placed()) == 2
    assert all(record.quiet for record in quiet)


async def test_a_reduction_rests_reduce_only_at_the_bid(rig: Rig) -> None:
    await rig.review()
    await rig.guard()
    rig.line.venue.engine.state.funding_wallet = {"BTC": D("0.5")}
    await rig.guard()
    *_, order = rig.placed()

    assert (order.ticket.side, order.ticket.quantity) == ("buy", D("0.1"))
    assert (order.ticket.price, order.ticket.reduce_only) == (D(59_990), True)
    assert order.ticket.time_in_force == "POST"
    await rig.guard()
    assert rig.held() == D("-0.1")


# ---- it would take


async def test_an_order_that_would_take_leads_to_an_immediate_one(rig: Rig) -> None:
    first = await rig.live.observe(rig.line.clock(), after=0)
    assert first.quote(BTC).ask_price == 60_010
    path, asks, bids = SHOWN[rig.name]
    edits = [["set", bids, [["59970", "5"]]], ["set", asks, [["59980", "5"]]]]
    crossed = fault("mutated", path=path, count=1, edits=edits)
    later(rig.line, seconds=10)
    rig.line.venue.fail(crossed)
    record = await rig.review()
    (outcome,) = record.outcomes

    assert (outcome.status, outcome.filled) == (
        ("refused" if rig.name == "binance" else "unfilled"),
        0,
    )
    assert ("-5022" if rig.name == "binance" else "EC_PostOnlyWillTakeLiquidity") in outcome.reason
    again = await rig.guard()
    assert [o.status for o in again.outcomes] == ["filled"]
    assert rig.placed()[-1].ticket.time_in_force == "IOC"
    assert rig.held() == -WANTED


# ---- the end is not what the cancel says


async def test_a_fill_between_the_look_and_the_cancel_counts(rig: Rig) -> None:
    await rig.review()
    engine, method, path = rig.line.venue.engine, *CANCEL[rig.name]
    lookup = rig.live.lookup

    async def then_filled(client_order_id: str, symbol: str):  # type: ignore[no-untyped-def]
        found = await lookup(client_order_id, symbol)
        if found is not None and found.status == "resting":
            engine.set_book(BTC_ID, [(D(60_010), D(5))], [(D(60_020), D(5))])
        return found

    rig.live.lookup = then_filled  # type: ignore[method-assign]
    record = await rig.guard()

    assert rig.line.venue.recorder.seen(method, path)
    assert [o.filled for o in rig.placed()] == [WANTED]
    assert record.outcomes == ()
    assert rig.held() == -WANTED


async def test_a_cancel_that_was_only_promised_resolves_nothing(rig: Rig) -> None:
    await rig.review()
    rig.line.venue.engine.set_book(BTC_ID, [(D(60_010), D("0.05"))], [(D(60_020), D(5))])
    rig.line.venue.engine.set_book(BTC_ID, *BOOK)
    method, path = CANCEL[rig.name]
    promised = json.dumps({"retCode": 0, "retMsg": "OK", "result": {}, "time": 1})
    rig.line.venue.fail(Fault(method=method, path=path, processing="never", status=200, body=promised))
    held = await rig.guard()
    rig.quoted(60_010, 60_020)  # it fills after all
    found = await rig.guard()

    assert [BTC in why for why in held.inputs.unresolved] == [True]
    assert found.inputs.snapshot.doubts == ()
    assert "is not resolved yet" in held.because
    assert found.inputs.unresolved == ()
    assert [o.filled for o in rig.placed()] == [WANTED]
    assert rig.held() == -WANTED


async def test_a_cancel_whose_answer_is_lost_is_looked_up(rig: Rig) -> None:
    await rig.review()
    method, path = CANCEL[rig.name]
    rig.line.venue.fail(fault("landed_then_reset", method=method, path=path))
    await rig.guard()

    assert [(o.status, o.filled) for o in rig.placed()] == [("canceled", 0), ("filled", WANTED)]


async def test_a_resting_order_that_its_id_does_not_find_is_taken_back_all_the_same(rig: Rig) -> None:
    await rig.review()
    lookup, looks = rig.live.lookup, list[str]()

    async def blind_once(client_order_id: str, symbol: str):  # type: ignore[no-untyped-def]
        looks.append(client_order_id)
        return await lookup(client_order_id, symbol) if len(looks) > 1 else None

    rig.live.lookup = blind_once  # type: ignore[method-assign]
    record = await rig.guard()

    assert record.inputs.unresolved == ()
    assert [(o.status, o.filled) for o in rig.placed()] == [("canceled", 0), ("filled", WANTED)]


# ---- crashes and restrictions


async def test_a_crash_while_it_rests_is_gone_on_from(rig: Rig) -> None:
    await rig.review()
    await rig.restart()
    assert rig.placed()[0].open
    record = await rig.guard()

    assert record.inputs.post_only_tried == (BTC,)
    assert [o.filled for o in rig.placed()] == [0, WANTED]
    assert rig.held() == -WANTED


async def test_a_crash_before_the_answer_was_read_sends_nothing_twice(rig: Rig) -> None:
    rig.line.venue.fail(fault("landed_then_reset", method="POST", path=PLACE[rig.name]))
    record = await rig.review()
    assert [o.status for o in record.outcomes] == ["unknown"]
    await rig.restart()
    rig.quoted(60_010, 60_020)
    await rig.guard()

    assert [o.filled for o in rig.placed()] == [WANTED]
    assert rig.line.orders_sent() == 1


async def test_a_crash_between_the_cancel_and_its_record_is_gone_on_from(rig: Rig) -> None:
    await rig.review()
    (intent,) = rig.journal.unresolved("p")
    await rig.live.cancel(intent.client_order_id, BTC)
    await rig.restart()
    await rig.guard()

    assert [o.filled for o in rig.placed()] == [0, WANTED]
    assert [i.outcome is None for i in rig.journal.intents("p")] == [False, False]


async def test_what_rests_is_taken_back_also_where_nothing_may_be_sent(rig: Rig) -> None:
    await rig.review()
    rig.journal.restrict(
        Restriction(scope="p", allows="nothing", reason="r", by="me", at=rig.line.clock())
    )
    await rig.guard()

    assert [o.status for o in rig.placed()] == ["canceled"]
    assert rig.held() == 0


async def test_orders_of_other_hands_are_left_alone(rig: Rig) -> None:
    await rig.review()
    trade_by_hand(rig.line, "buy", "1", symbol=ETH_ID)
    engine = rig.line.venue.engine
    (ours,) = rig.placed()
    theirs = engine.place(replace(ours.ticket, client_order_id="by-hand", price=D(60_500)))
    await rig.guard()

    assert theirs.id in [o.id for o in engine.open_orders(BTC_ID)]


async def test_the_next_review_begins_anew(rig: Rig) -> None:
    await rig.review()
    await rig.guard()
    rig.line.venue.engine.state.funding_wallet = {"BTC": D(2)}
    later(rig.line, seconds=30)
    rig.reviewed = replace(rig.reviewed, cadence="other")
    record = await rig.review()

    assert record.inputs.post_only_tried == ()
    assert rig.placed()[-1].ticket.time_in_force == "POST"


# ---- what is asked


GOLDEN = {
    "binance": "POST fapi.binance.com/fapi/v1/order symbol=BTCUSDT&side=SELL&type=LIMIT"
    "&timeInForce=GTX&quantity=0.1&price=60010&newClientOrderId=a1&newOrderRespType=RESULT"
    "&recvWindow=5000",
    "bybit": 'POST api.bybit.com/v5/order/create {"category":"linear","symbol":"BTCUSDT",'
    '"side":"Sell","orderType":"Limit","qty":"0.1","price":"60010",'
    '"timeInForce":"PostOnly","positionIdx":0,"orderLinkId":"a1","reduceOnly":false}',
}


@pytest.mark.parametrize("name", sorted(DIALECTS))
async def test_the_bytes_of_a_post_only_order(name: str, tmp_path: Path) -> None:
    async with linked(VENUES[name](deposit=50_000)) as line:
        line.venue.engine.set_book(BTC_ID, *BOOK)
        line.allowed.add("a1")
        live = portfolio(line, tmp_path)
        await live.send(replace(order("a1", limit="60010"), post_only=True))
        (sent,) = line.venue.recorder.seen("POST", PLACE[name])

        assert sent.golden == GOLDEN[name]
