"""An account on paper over what an exchange shows: fills, funding, liquidation, downtime."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from exchange.faults import fault
from exchange.opening import VENUES
from exchange.tape import Bar
from exchange.venue import Venue
from hedged.core.account import Attribution, attribute, state_of
from hedged.core.market import Snapshot
from hedged.core.record import Outcome
from hedged.errors import VenueRefused, VenueUnavailable
from hedged.venue.exchange import Exchange
from hedged.venue.ledger import Ledger, Value
from hedged.venue.live_market import LENGTHS, MINUTE, RECENT, ROWS_MAX, LiveMarket, stretches
from hedged.venue.opening import DIALECTS
from hedged.venue.paper import PaperPortfolio, PaperVenue
from hedged.venue.paper_account import PaperAccount, PaperTerms
from lines import BTC, BTC_ID, Line, later, linked, order

D = Decimal
TERMS = PaperTerms(
    collateral=D(10_000),
    fee_bps=D(5),
    half_spread_bps=D(1),
    slippage_bps=D(2),
    volume_share_max=D("0.1"),
    liquidation_fee_bps=D(50),
)
PARTS = {
    "binance": {"bars": "*/fapi/v1/klines", "funding": "*/fapi/v1/fundingRate"},
    "bybit": {"bars": "*/v5/market/kline", "funding": "*/v5/market/funding/history"},
}


class Rig:
    """An account on paper over a loopback exchange, its book on disk."""

    def __init__(self, line: Line, folder: Path, *legs: str, **terms: Any) -> None:
        self.line, self.folder = line, folder
        self.legs = frozenset(legs or (BTC,))
        self.terms = replace(TERMS, **terms)
        self.sent = 0
        self.start()

    def start(self) -> None:
        """Everything anew, from what is on disk."""
        ledger = Ledger(self.folder / "paper.sqlite", read_only=False)
        market = LiveMarket(self.line.exchange)
        self.account = PaperAccount(market, ledger, self.terms, (), self.legs)
        portfolio = PaperPortfolio(account="paper", hedges=self.legs, numeraire="USDT")
        self.venue = PaperVenue(self.account, portfolio, self.line.clock)

    async def restart(self) -> None:
        await self.venue.close()
        self.start()

    async def look(self, after: int = 0, **by: float) -> Snapshot:
        """Let time pass without a trade, then observe."""
        return await self.venue.observe(later(self.line, **by), after=after)

    async def send(self, *given: str, **more: Any) -> Outcome:
        self.sent += 1
        return await self.venue.send(order(f"hdg{self.sent}", *given, **more))  # type: ignore[arg-type]

    def told(self) -> dict[str, Value]:
        """The account's events by their keys."""
        return {event.key: event.value for event in self.account.ledger.events}


def trade(
    line: Line,
    minutes: int,
    price: str = "60000",
    *,
    high: str | None = None,
    volume: str = "10",
    symbol: str = BTC_ID,
) -> None:
    """So many minutes of trading pass at *price*, the first with a *high*; then the book is there."""
    tape, begins = line.venue.engine.market(symbol).tapes["last"], line.clock()
    tape.load(
        Bar(
            opens_at=begins + i * MINUTE,
            open=D(price),
            high=D(high) if high and i == 0 else D(price),
            low=D(price),
            close=D(price),
            volume=D(volume),
        )
        for i in range(minutes)
    )
    line.clock.step(minutes=minutes)
    line.venue.engine.set_price(symbol, D(price))
    line.clock.step(seconds=10)  # the last of the bars has been closed for a while
    line.venue.engine.tick()


def to_the_minute(line: Line) -> None:
    """Forward to the next whole minute."""
    now = line.clock()
    line.clock.now = now.replace(second=0, microsecond=0) + MINUTE


@pytest.fixture(params=sorted(DIALECTS))
def venue(request: pytest.FixtureRequest) -> Venue:
    return VENUES[request.param]()


@pytest_asyncio.fixture
async def line(venue: Venue) -> AsyncIterator[Line]:
    """The exchange at 16:11, eleven minutes after a funding of one in ten thousand."""
    async with linked(venue) as found:
        found.clock.step(hours=4)
        venue.engine.tick()
        trade(found, 9)
        to_the_minute(found)
        yield found


@pytest.fixture
def rig(line: Line, tmp_path: Path) -> Rig:
    return Rig(line, tmp_path)


# ---- what is seen


async def test_contracts_are_the_venues_own_and_quotes_its_book(rig: Rig) -> None:
    seen = await rig.look()
    instrument, quote = seen.instrument(BTC), seen.quote(BTC)

    assert (instrument.lot, instrument.tick, instrument.contract_multiplier) == (
        D("0.001"),
        D("0.1"),
        1,
    )
    assert (quote.mark_price, quote.index_price) == (60_000, 60_000)
    assert (quote.bid_price, quote.ask_price) == (D("59999.9"), D(60_000))
    assert (seen.margin.wallet_balance, seen.margin.equity) == (10_000, 10_000)
    assert [flow.amount for flow in seen.flows] == [10_000]


async def test_without_a_key_margin_is_a_share_of_the_notional(rig: Rig) -> None:
    await rig.look()
    await rig.send("sell", "1")
    seen = await rig.look()

    assert seen.margin.maintenance_margin == D("0.025") * 60_000
    with pytest.raises(VenueRefused, match="insufficient margin"):
        await rig.send("sell", "2.5")  # 3.5 at 60,000 and twenty times: 10,500
    assert (await rig.send("sell", "2.2")).filled == D("2.2")


async def test_a_quote_that_is_old_is_no_price(rig: Rig) -> None:
    await rig.look()
    market, now = rig.account.market, rig.line.clock()

    assert market.quote(BTC, now + timedelta(seconds=60)) is not None
    assert market.quote(BTC, now + timedelta(seconds=61)) is None
    assert market.trading(BTC, now + timedelta(seconds=61)) is None


async def test_a_leg_that_is_not_listed_is_named(line: Line, tmp_path: Path) -> None:
    with pytest.raises(VenueUnavailable, match="does not list XYZ/USDT:USDT"):
        await Rig(line, tmp_path, "XYZ/USDT:USDT").look()


async def test_the_running_rate_has_its_hours(rig: Rig) -> None:
    seen = await rig.look()

    assert seen.quote(BTC).funding_hours == 8


async def test_only_what_was_looked_at_is_answered(rig: Rig) -> None:
    now = rig.line.clock()
    market = LiveMarket(rig.line.exchange)
    with pytest.raises(VenueUnavailable, match="not looked at"):
        market.quote(BTC, now)
    await market.refresh([BTC], now, now - timedelta(minutes=20))

    assert market.close_at(BTC, now - timedelta(minutes=20)) == 60_000
    for ask in (market.closed_bars, market.funding):
        with pytest.raises(VenueUnavailable, match="nothing was asked"):
            ask(BTC, now - timedelta(hours=3), now)
    with pytest.raises(VenueUnavailable, match="no bar closed in the hour before"):
        market.close_at(BTC, now - timedelta(hours=9))


# ---- fills


@pytest.mark.parametrize(
    ("side", "fill_price"),
    [("sell", "59987.9"), ("buy", "60012")],  # 59,999.9 and 60,000, 2 bps worse, to the worse tick
)
async def test_an_order_meets_the_best_price_of_the_book(rig: Rig, side: Any, fill_price: str) -> None:
    await rig.look()
    done = await rig.send(side, "0.1")
    seen = await rig.look()
    (fill,) = seen.fills

    assert (done.status, done.filled, done.fill_price) == ("filled", D("0.1"), D(fill_price))
    assert (fill.mark_price, fill.index_price) == (60_000, 60_000)
    assert fill.fee == D(fill_price) * D("0.1") * D("0.0005")


async def test_an_order_meets_the_book_of_now_not_of_the_observation(rig: Rig) -> None:
    await rig.look()
    trade(rig.line, 1, "59000")
    sold = await rig.send("sell", "0.1")
    assert (sold.status, sold.reason) == ("unfilled", "58988.1 is beyond the limit price")

    assert (await rig.send("sell", "0.1", "58000")).fill_price == D("58988.1")


async def test_orders_take_no_more_than_a_share_of_five_minutes(rig: Rig) -> None:
    """Ten coins a minute: a tenth of fifty, whatever the number of orders."""
    terms = replace(rig.terms, collateral=D(10**6))
    rig.terms = terms
    await rig.restart()
    await rig.look()
    first, second = await rig.send("sell", "3"), await rig.send("sell", "3")
    rig.line.clock.step(minutes=4)
    third = await rig.send("sell", "1")

    assert (first.filled, second.filled, second.status) == (3, 2, "partial")
    assert "volume" in second.reason
    assert third.filled == 0
    trade(rig.line, 5)
    assert (await rig.send("sell", "3")).filled == 3


async def test_nothing_trades_without_a_book_on_both_sides(rig: Rig) -> None:
    await rig.look()
    engine = rig.line.venue.engine
    engine.set_book(BTC_ID, [(D(59_999), D(1))], [])
    rig.line.clock.step(seconds=6)
    sold = await rig.send("sell", "0.1")

    assert (sold.status, sold.reason) == ("unfilled", "nothing trades at this time")


async def test_nothing_trades_where_nobody_traded(rig: Rig) -> None:
    await rig.look()
    rig.line.clock.step(minutes=30)
    sold = await rig.send("sell", "0.1")

    assert (sold.status, sold.reason) == ("unfilled", "the bar has no volume for it")


async def test_nothing_is_executed_while_the_venue_is_down(rig: Rig) -> None:
    await rig.look()
    rig.line.clock.step(minutes=1)
    rig.line.venue.fail(fault("http_503", count=None))
    with pytest.raises(VenueRefused, match="nothing was executed"):
        await rig.send("sell", "0.1")
    rig.line.venue.script.clear()

    assert await rig.venue.lookup("hdg1", BTC) is None
    assert (await rig.look()).positions == ()


# ---- funding


async def test_funding_is_booked_once_on_the_close_before_its_stamp(rig: Rig) -> None:
    first = await rig.look()
    await rig.send("sell", "0.1")
    trade(rig.line, 470, "61000")
    seen = await rig.look(after=first.cursor)
    again = await rig.look(after=seen.cursor, minutes=10)
    (paid,) = seen.funding_payments

    assert (paid.at.hour, paid.funding_rate, paid.contracts) == (0, D("0.0001"), D("-0.1"))
    assert (paid.mark_price, paid.amount) == (61_000, D("0.61"))
    assert (again.funding_payments, again.funding_missed) == ((), 0)


async def test_a_fill_after_the_stamp_has_no_part_in_it(rig: Rig) -> None:
    """The stamp is published only after the fill, and is booked on what was held before."""
    await rig.look()
    await rig.send("sell", "0.1")
    funding = rig.line.venue.engine.market(BTC_ID).funding
    trade(rig.line, 471)
    published = funding.pop()
    before = await rig.look()
    await rig.send("sell", "0.3")
    funding.append(published)
    after = await rig.look(after=before.cursor, minutes=1)
    (paid,) = after.funding_payments

    assert before.funding_payments == ()
    assert (paid.contracts, after.funding_missed) == (D("-0.1"), 0)


async def test_a_stamp_that_nobody_publishes_is_counted_once_and_nothing_is_booked(rig: Rig) -> None:
    first = await rig.look()
    await rig.send("sell", "0.1")
    trade(rig.line, 471)
    rig.line.venue.engine.market(BTC_ID).funding.pop()
    waiting = await rig.look(after=first.cursor, minutes=10)
    given_up = await rig.look(after=waiting.cursor, minutes=5)
    later_on = await rig.look(after=given_up.cursor, minutes=5)

    assert [s.funding_missed for s in (waiting, given_up, later_on)] == [0, 1, 0]
    assert all(s.funding_payments == () for s in (waiting, given_up, later_on))


async def test_two_stamps_that_nobody_publishes_are_two_though_one_between_is(rig: Rig) -> None:
    """The distance over a missing stamp is not taken for a new interval."""
    first = await rig.look()
    await rig.send("sell", "0.1")
    funding = rig.line.venue.engine.market(BTC_ID).funding
    for gone in (True, False, True):
        trade(rig.line, 480)
        if gone:
            funding.pop()
    seen = await rig.look(after=first.cursor, minutes=20)

    assert (seen.funding_missed, len(seen.funding_payments)) == (2, 1)


async def test_a_perpetual_without_any_settled_funding_is_not_taken_for_free(venue: Venue) -> None:
    async with linked(venue) as line:
        line.clock.step(minutes=30)
        with pytest.raises(VenueUnavailable, match="no funding was settled since"):
            await LiveMarket(line.exchange).refresh([BTC], line.clock(), None)


async def test_a_dated_contract_has_none(line: Line) -> None:
    (dated, *_) = [s for s, one in (await line.exchange.listings()).items() if one.kind == "dated"]
    market, now = LiveMarket(line.exchange), line.clock()
    await market.refresh([dated], now, now - timedelta(hours=9))

    assert market.funding(dated, now - timedelta(hours=9), now) == []


# ---- liquidation


async def test_a_high_between_two_looks_closes_everything(rig: Rig) -> None:
    await rig.look()
    await rig.send("sell", "1")
    trade(rig.line, 30, "60000", high="70000")
    seen = await rig.look()
    fill = seen.fills[-1]

    assert (fill.cause, fill.contracts, fill.client_order_id) == ("liquidation", 1, "")
    assert 68_200 < fill.fill_price < 68_300  # 9,957.9 of equity, 2.5% of 61,500 a coin
    assert (seen.positions, seen.margin.equity >= 0) == ((), True)
    assert seen.margin.equity < 1700


async def test_a_high_below_the_maintenance_margin_closes_nothing(rig: Rig) -> None:
    await rig.look()
    await rig.send("sell", "1")
    trade(rig.line, 30, "60000", high="68000")

    assert (await rig.look()).held(BTC) == -1


async def test_a_high_before_the_account_was_opened_is_nothing_to_it(
    line: Line, tmp_path: Path
) -> None:
    trade(line, 3, "60000", high="90000")
    rig = Rig(line, tmp_path)
    await rig.look()
    await rig.send("sell", "1")

    assert (await rig.look(minutes=2)).held(BTC) == -1


# ---- downtime, restarts, the clock


@pytest.mark.parametrize(("days", "hidden"), [(3, 1), (20, 12)])
async def test_after_a_long_downtime_nothing_between_is_left_out(
    rig: Rig, days: int, hidden: int
) -> None:
    """A high somewhere in the time liquidates; in few rows, and with all its funding before."""
    await rig.look()
    await rig.send("sell", "1")
    tape, begins = rig.line.venue.engine.market(BTC_ID).tapes["last"], rig.line.clock()
    flat = Bar(opens_at=begins, open=D(60_000), high=D(60_000), low=D(60_000), close=D(60_000))
    tape.load([flat, replace(flat, opens_at=begins + timedelta(days=hidden), high=D(75_000))])
    rig.line.clock.step(days=days)
    rig.line.venue.engine.tick()
    rows = await rows_told(rig)
    seen = await rig.look()
    fill = seen.fills[-1]

    assert fill.cause == "liquidation"
    assert timedelta(0) <= fill.at - begins - timedelta(days=hidden) <= timedelta(days=1)
    assert seen.positions == ()
    paid = [payment.at for payment in seen.funding_payments]
    assert abs(len(paid) - 3 * hidden) <= 3
    assert max(paid) <= fill.at
    assert seen.funding_missed == 0
    assert rows <= ROWS_MAX + 120


async def rows_told(rig: Rig) -> int:
    """How many bars a look asks for."""
    exchange, told = rig.line.exchange, 0
    asked = exchange.series

    async def counted(*given: Any) -> Any:
        nonlocal told
        frame = await asked(*given)
        told += frame.height if given[1] == "bars" else 0
        return frame

    exchange.series = counted  # type: ignore[method-assign]
    now = rig.line.clock()
    await LiveMarket(exchange).refresh([BTC], now, rig.account.ledger.advanced_to)
    del exchange.series  # type: ignore[method-assign]
    return told


async def test_while_the_venue_is_down_nothing_is_booked_and_then_all_of_it(rig: Rig) -> None:
    first = await rig.look()
    await rig.send("sell", "0.1")
    booked, carried = rig.told(), rig.account.ledger.advanced_to
    trade(rig.line, 475)
    rig.line.venue.fail(fault("http_503", count=None))
    for _ in range(2):
        with pytest.raises(VenueUnavailable):
            await rig.look(minutes=1)
    assert (rig.told(), rig.account.ledger.advanced_to) == (booked, carried)
    rig.line.venue.script.clear()
    seen = await rig.look(after=first.cursor, minutes=1)

    assert len(seen.funding_payments) == 1


@pytest.mark.parametrize("part", ["bars", "funding"])
async def test_a_part_that_can_not_be_read_is_not_taken_for_nothing(rig: Rig, part: str) -> None:
    await rig.look()
    await rig.send("sell", "0.1")
    booked = rig.told()
    trade(rig.line, 475)
    path = PARTS[rig.line.exchange.name][part]
    rig.line.venue.fail(fault("truncated", path=path, count=None))
    with pytest.raises(VenueUnavailable):
        await rig.look()

    assert rig.told() == booked


async def test_a_contract_of_another_size_is_not_gone_on_with(rig: Rig) -> None:
    await rig.look()
    await rig.send("sell", "0.1")
    booked = rig.told()
    exchange = rig.line.exchange
    listing = await exchange.listing(BTC)
    changed = replace(listing.instrument, contract_multiplier=D(10))
    (await exchange.listings())[BTC] = replace(listing, instrument=changed)
    with pytest.raises(VenueUnavailable, match="traded on paper with 1 a contract, and has 10 now"):
        await rig.look(minutes=1)

    assert rig.told() == booked


async def test_a_clock_that_steps_back_changes_nothing(rig: Rig) -> None:
    await rig.look()
    await rig.send("sell", "0.1")
    trade(rig.line, 475)
    before = await rig.look()
    back = await rig.look(hours=-2)

    assert (back.margin.wallet_balance, back.cursor) == (before.margin.wallet_balance, before.cursor)


async def test_a_bar_is_closed_by_the_venues_clock(line: Line) -> None:
    """Ours is 7 s ahead: what we take for the end of the minute is not its end."""
    fast = Exchange(
        line.exchange.name, line.dialect, line.public, lambda: line.clock() + timedelta(seconds=7)
    )
    market = LiveMarket(fast)
    minute = line.clock().replace(second=0)
    line.clock.now = minute + timedelta(seconds=58)
    await market.refresh([BTC], line.clock() + timedelta(seconds=7), None)

    assert market.known_until(line.clock()) == minute
    line.clock.now = minute + timedelta(seconds=65)
    await market.refresh([BTC], line.clock() + timedelta(seconds=7), None)
    assert market.known_until(line.clock()) == minute + MINUTE


async def test_bars_that_have_not_closed_by_the_venues_clock_are_not_asked_for(line: Line) -> None:
    """Ours is an hour ahead: a bar that still runs would be kept as if it had closed so."""
    hour = timedelta(hours=1)
    fast = Exchange(line.exchange.name, line.dialect, line.public, lambda: line.clock() + hour)
    await fast.measure_skew()
    closed = line.clock().replace(minute=0, second=0)

    with pytest.raises(VenueUnavailable, match="is the local clock ahead"):
        await fast.series(BTC, "bars", "1h", closed - 3 * hour, closed + hour)
    told = await fast.series(BTC, "bars", "1h", closed - 3 * hour, closed)
    assert told["open_time"].is_empty() or told["open_time"].max() <= closed - hour


CUTS = st.lists(st.integers(1, 1499), max_size=4, unique=True)


@settings(deadline=None, derandomize=True, max_examples=6, phases=[Phase.generate])
@given(CUTS, st.integers(0, 4))
async def test_however_often_it_is_looked_at_and_restarted_the_account_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], restarted: int
) -> None:
    """A day of fills and funding, with passes at any minutes between."""
    told = []
    for stops in ([], cuts):
        venue = VENUES["binance"]()
        async with linked(venue) as line:
            line.clock.step(hours=4)
            venue.engine.tick()
            trade(line, 9)
            to_the_minute(line)
            rig = Rig(line, tmp_path_factory.mktemp("paper"))
            told.append(await a_day(rig, {*stops, 720, 1500}, restarted))
            await rig.venue.close()

    assert told[0] == told[1]
    assert len(told[0][0]) == 1 + 3 + 3 + 2  # money, fundings, contract and outcomes, fills


async def a_day(rig: Rig, stops: set[int], restarted: int) -> tuple[dict[str, Value], Decimal]:
    """Sell at once, buy a part back after 12 hours; what the account is after 25."""
    line, begins = rig.line, rig.line.clock()
    seen = await rig.look()
    state, total = state_of(seen), Attribution()
    await rig.send("sell", "0.2")
    for i, minute in enumerate(sorted(stops)):
        line.clock.now = begins + minute * MINUTE
        line.venue.engine.set_price(BTC_ID, D(60_000 + minute))
        a_walk(line, begins)
        if i == restarted:
            await rig.restart()
        seen = await rig.look(after=seen.cursor)
        step = attribute(state, seen)
        state, total = state_of(seen), total + step
        if minute == 720:
            assert (await rig.send("buy", "0.05", "70000", reduce_only=True)).status == "filled"
    assert abs(total.unexplained) < D("1e-9")
    return rig.told(), seen.margin.wallet_balance


def a_walk(line: Line, begins: datetime) -> None:
    """Minutes of trading over 25 hours, each with a price of its own."""
    line.venue.engine.market(BTC_ID).tapes["last"].load(
        Bar(opens_at=begins + i * MINUTE, open=p, high=p + 5, low=p, close=p, volume=D(100))
        for i, p in ((i, D(60_000 + i % 97)) for i in range(1500))
    )


# ---- how bars are asked for


WHEN = st.integers(0, 4_000_000).map(lambda minute: datetime(2020, 1, 1, tzinfo=UTC) + minute * MINUTE)


def grid(at: datetime, bar: str) -> bool:
    step = dict(zip(LENGTHS, (1, 5, 15, 60, 240, 1440), strict=True))[bar]
    return at.minute % min(step, 60) == 0 and (at.hour * 60 + at.minute) % step == 0


@settings(deadline=None, derandomize=True, max_examples=300)
@given(WHEN, st.integers(1, 1_400_000))
def test_stretches_tile_the_time_in_few_rows_and_end_in_minutes(since: datetime, minutes: int) -> None:
    until = since + minutes * MINUTE
    found = stretches(since, until)

    assert (found[0].begins, found[-1].ends) == (since, until)
    assert all(a.ends == b.begins for a, b in pairwise(found))
    assert all(grid(s.begins, s.bar) and grid(s.ends, s.bar) for s in found)
    assert sum((s.ends - s.begins) // s.step for s in found) <= ROWS_MAX + 40
    assert found[-1].bar == "1m"
    assert until - found[-1].begins >= min(RECENT, until - since)
    assert len(found) <= 2 * len(LENGTHS) - 1


def test_a_short_gap_is_told_in_minutes_alone() -> None:
    since = datetime(2026, 3, 2, 12, 7, tzinfo=UTC)

    assert [s.bar for s in stretches(since, since + 1000 * MINUTE)] == ["1m"]
    assert [s.bar for s in stretches(since, since + 1001 * MINUTE)] == ["1m", "5m", "1m"]
