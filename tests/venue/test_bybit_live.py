"""Bybit's dialect end to end, through the real ccxt and its loopback exchange: what only Bybit does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio

from exchange import happenings
from exchange.faults import fault
from exchange.opening import bybit_venue
from exchange.state import Earn, FundingRate, Ticket
from exchange.tape import Bar
from exchange.venue import Key, Venue
from hedged.core.market import Fill, FundingPayment
from hedged.errors import OutcomeUnknown, VenueUnavailable
from hedged.venue.book import Book
from hedged.venue.bybit.dialect import LOOKS
from hedged.venue.dialect import Happening
from hedged.venue.holdings import LivePortfolio
from hedged.venue.ledger import Ledger
from hedged.venue.live import LiveVenue
from lines import BTC, BTC_ID, Line, later, linked, order, portfolio, rest, trade_by_hand

D = Decimal
INVERSE, USDC = "BTC/USD:BTC", "BTC/USDC:USDC"
LOOKUP, HISTORY = "*/v5/order/realtime", "*/v5/order/history"


@pytest.fixture
def venue() -> Venue:
    return bybit_venue(deposit=50_000)


@pytest_asyncio.fixture
async def line(venue: Venue) -> AsyncIterator[Line]:
    async with linked(venue) as found:
        yield found


@pytest.fixture
def live(line: Line, tmp_path: Path) -> LiveVenue:
    return portfolio(line, tmp_path)


# ---- every book, every page


async def test_positions_of_every_book_are_seen(line: Line, live: LiveVenue) -> None:
    line.venue.engine.deposit("BTC", D(1))
    line.venue.engine.deposit("USDC", D(50_000))
    for market_id, contracts in (("BTCPERP", "0.1"), ("BTCUSD", "600"), ("BTCUSDM26", "1200")):
        trade_by_hand(line, "sell", contracts, symbol=market_id)
    seen = await live.observe(line.clock(), after=0)

    assert {p.symbol: p.contracts for p in seen.positions} == {
        USDC: D("-0.1"), INVERSE: -600, "BTC/USD:BTC-260626": -1200
    }  # fmt: skip
    assert seen.doubts == ()  # contracts, size and mark agree with the venue's own value of each


async def test_positions_are_asked_for_though_nothing_is_listed(line: Line) -> None:
    line.venue.engine.deposit("USDC", D(50_000))
    trade_by_hand(line, "sell", "0.1", symbol="BTCPERP")
    trade_by_hand(line, "buy", "0.2")
    seen = await line.dialect.account(line.private, {}, "USDT", frozenset())

    assert {found.position.symbol: found.position.contracts for found in seen.positions} == {
        "BTCPERP": D("-0.1"), "BTCUSDT": D("0.2")
    }  # fmt: skip


async def test_a_mark_far_from_the_entry_is_no_doubt(line: Line, live: LiveVenue) -> None:
    line.venue.engine.deposit("BTC", D(1))
    trade_by_hand(line, "sell", "0.1")
    trade_by_hand(line, "sell", "600", symbol="BTCUSD")
    for symbol in (BTC_ID, "BTCUSD"):
        line.venue.engine.set_price(symbol, D(66_000))
    seen = await live.observe(later(line, seconds=30), after=0)

    assert not any("worth" in doubt for doubt in seen.doubts)


async def test_resting_orders_are_seen_over_all_pages_and_books(line: Line, live: LiveVenue) -> None:
    line.venue.engine.deposit("BTC", D(1))
    for number in range(60):  # a page has fifty
        line.venue.engine.place(
            Ticket(symbol=BTC_ID, side="sell", quantity=D("0.001"), price=D(61_000 + number))
        )
    line.venue.engine.place(
        Ticket(symbol="BTCUSD", side="buy", quantity=D(100), price=D(59_000), client_order_id="x")
    )
    seen = await live.observe(line.clock(), after=0)

    assert len({o.limit_price for o in seen.open_orders if o.symbol == BTC}) == 60
    assert [o.client_order_id for o in seen.open_orders if o.symbol == INVERSE] == ["x"]


async def test_what_happened_is_told_over_all_pages_and_weeks(line: Line) -> None:
    begun, listings = line.clock(), await line.exchange.listings()
    for day in range(1, 24):  # three windows of a week, and a bit
        later(line, days=1)
        for _ in range(6 if day < 23 else 120):  # a page has a hundred
            trade_by_hand(line, "sell", "0.001")
    found = await line.dialect.happenings(
        line.private, listings, frozenset({BTC}), "USDT", begun, line.clock(), lambda _: False
    )
    fills = {one.key: one.value for one in found if isinstance(one.value, Fill)}

    assert len(fills) == 22 * 6 + 120
    assert sum(fill.signed_contracts for fill in fills.values()) == D("-0.252")
    assert sum(isinstance(one.value, FundingPayment) for one in found) == 22 * 3

    known = set(sorted(fills)[:200])
    again = await line.dialect.happenings(
        line.private, listings, frozenset({BTC}), "USDT", begun, line.clock(), known.__contains__
    )
    assert {one.key for one in again if isinstance(one.value, Fill)} == fills.keys() - known


async def test_pages_that_go_round_in_a_circle_are_left(line: Line, live: LiveVenue) -> None:
    trade_by_hand(line, "sell", "0.1")
    circle = (("set", "body.result.nextPageCursor", "0%3A9"),)
    line.venue.fail(fault("mutated", path="*/v5/position/list", edits=circle, count=None))
    with pytest.raises(VenueUnavailable, match="go round in a circle"):
        await live.observe(line.clock(), after=0)


async def test_the_last_page_may_name_a_next_one_that_is_empty(line: Line, live: LiveVenue) -> None:
    trade_by_hand(line, "sell", "0.1")
    beyond = (("set", "body.result.nextPageCursor", "200%3A9"),)
    where = {"category": "linear", "settleCoin": "USDT"}
    line.venue.fail(fault("mutated", path="*/v5/position/list", edits=beyond, where=where))
    seen = await live.observe(line.clock(), after=0)

    assert seen.held(BTC) == D("-0.1")


# ---- coins


async def test_a_settle_coin_without_money_is_asked_by_its_name(tmp_path: Path) -> None:
    venue = bybit_venue(deposit=0)
    venue.engine.deposit("BTC", D(1))
    async with linked(venue) as line:
        seen = await portfolio(line, tmp_path).observe(line.clock(), after=0)

    assert (seen.margin.wallet_balance, seen.margin.equity) == (0, 0)
    assert [(h.asset, h.quantity, h.source) for h in seen.holdings] == [("BTC", 1, "main unified")]


async def test_coins_of_all_wallets_are_held_once(line: Line, live: LiveVenue) -> None:
    line.venue.engine.deposit("BTC", D("1.5"))
    line.venue.engine.state.funding_wallet = {"BTC": D("0.5"), "ETH": D(2)}
    line.venue.engine.state.earn = [Earn(coin="BTC", amount=D("0.25")),
                                    Earn(coin="ETH", amount=D(3), locked=True)]  # fmt: skip
    seen = await live.observe(line.clock(), after=0)

    assert {(h.asset, h.source): h.quantity for h in seen.holdings} == {
        ("BTC", "main unified"): D("1.5"), ("BTC", "main funding"): D("0.5"),
        ("BTC", "main earn"): D("0.25"), ("ETH", "main funding"): 2, ("ETH", "main earn"): 3,
    }  # fmt: skip


async def test_an_account_that_only_holds_coins_tells_its_unified_wallet_too(
    line: Line, tmp_path: Path
) -> None:
    async with linked(bybit_venue(deposit=50_000)) as other:
        other.venue.engine.state.place = 1
        other.venue.engine.deposit("BTC", D("1.5"))
        live = LiveVenue(
            LivePortfolio(name="p", account="main", numeraire="USDT"),
            (line.account(BTC),),
            (other.account(name="vault"),),
            Book(Ledger(tmp_path / "book.sqlite", read_only=False)),
            line.clock,
        )
        seen = await live.observe(line.clock(), after=0)

    assert ("BTC", "vault unified") in {(h.asset, h.source) for h in seen.holdings}


# ---- orders


async def test_an_order_that_does_not_show_yet_is_unknown_and_found_later(
    line: Line, live: LiveVenue
) -> None:
    await live.observe(line.clock(), after=0)
    line.allowed.add("a1")
    line.venue.fail(fault("hidden", path=LOOKUP, count=LOOKS))
    with pytest.raises(OutcomeUnknown, match="it does not show yet"):
        await live.send(order("a1"))
    assert line.orders_sent() == 1
    found = await live.lookup("a1", BTC)

    assert found is not None
    assert (found.status, found.filled) == ("filled", D("0.1"))


async def test_an_order_that_shows_at_the_second_look_is_told_at_once(
    line: Line, live: LiveVenue
) -> None:
    await live.observe(line.clock(), after=0)
    line.allowed.add("a1")
    line.venue.fail(fault("hidden", path=LOOKUP, count=1))

    assert (await live.send(order("a1"))).status == "filled"


@pytest.mark.parametrize("kind", ["http_500", "reset", "object", "rate_limited"])
async def test_a_look_that_fails_leaves_the_order_unknown_and_not_refused(
    line: Line, live: LiveVenue, kind: str
) -> None:
    await live.observe(line.clock(), after=0)
    line.allowed.add("a1")
    line.venue.fail(fault(kind, path=LOOKUP, count=None))
    with pytest.raises(OutcomeUnknown, match="a1 was taken"):
        await live.send(order("a1"))


async def test_an_order_that_the_venue_forgot_is_found_in_its_history(
    line: Line, live: LiveVenue
) -> None:
    await live.observe(line.clock(), after=0)
    line.allowed.add("a1")
    await live.send(order("a1"))
    line.venue.fail(fault("hidden", path=LOOKUP))
    found = await live.lookup("a1", BTC)

    assert found is not None
    assert found.filled == D("0.1")


async def test_a_lookup_that_is_refused_is_no_absence(line: Line, live: LiveVenue) -> None:
    line.venue.fail(fault("maintenance", path=LOOKUP))
    with pytest.raises(VenueUnavailable):
        await live.lookup("a1", BTC)


async def test_an_inverse_contract_is_traded_in_dollars(line: Line, tmp_path: Path) -> None:
    line.venue.engine.deposit("BTC", D(1))
    live = portfolio(line, tmp_path, INVERSE)
    listing = await line.exchange.listing(INVERSE)
    line.allowed.add("i1")
    sold = order("i1", contracts="600", symbol=INVERSE)
    outcome = await live.send(sold)
    seen = await line.dialect.account(line.private, await line.exchange.listings(), "BTC", frozenset())

    assert (outcome.status, outcome.filled) == ("filled", 600)
    assert [p.position.contracts for p in seen.positions] == [-600]
    assert seen.margin.wallet_balance < 1  # the fee is in the coin
    assert await line.dialect.lookup(line.private, listing, "i1") == outcome


# ---- what happened


@pytest.mark.parametrize("cause", ["adl", "liquidation"])
async def test_the_venues_own_trades_say_why(line: Line, live: LiveVenue, cause: str) -> None:
    first = await live.observe(line.clock(), after=0)
    later(line, seconds=30)
    trade_by_hand(line, "sell", "0.3")
    if cause == "adl":
        happenings.adl(line.venue.engine, BTC_ID, D("0.1"))
    else:
        happenings.liquidate(line.venue.engine, BTC_ID, D("0.1"))
    seen = await live.observe(later(line, seconds=30), after=first.cursor)

    assert {(f.cause, f.side) for f in seen.fills} == {("order", "sell"), (cause, "buy")}
    assert seen.held(BTC) == D("-0.2")


async def test_equity_is_explained_to_the_cent(line: Line, live: LiveVenue) -> None:
    first = await live.observe(line.clock(), after=0)
    line.allowed.update({"a1", "a2"})
    later(line, seconds=30)
    await live.send(order("a1"))
    line.venue.engine.market(BTC_ID).funding_rate = D("-0.0003")
    later(line, hours=5)
    line.venue.engine.transfer("USDT", D(700), source="FUNDING")
    await live.send(order("a2", "buy", "0.04", "60300", reduce_only=True))
    seen = await live.observe(later(line, seconds=30), after=first.cursor)
    spent = sum((fill.fee for fill in seen.fills), D(0))
    earned = sum((payment.amount for payment in seen.funding_payments), D(0))
    moved = sum((flow.amount for flow in seen.flows), D(0))
    traded = -sum((f.signed_contracts * f.fill_price for f in seen.fills), D(0))
    worth = seen.held(BTC) * seen.quote(BTC).mark_price

    assert len(seen.fills) == 2
    assert earned < 0  # a short pays a rate below zero
    assert moved == 700
    assert seen.margin.equity - first.margin.equity == traded + worth - spent + earned + moved


async def test_a_leg_in_hedge_mode_is_a_doubt_though_it_is_flat(line: Line, live: LiveVenue) -> None:
    line.venue.engine.set_hedge_mode(True, BTC_ID)
    seen = await live.observe(line.clock(), after=0)

    assert seen.doubts == (f"{BTC} on main is in hedge mode; switch it to one-way mode",)


async def test_what_the_venue_refuses_as_too_much_is_waited_out_by_all(
    line: Line, live: LiveVenue
) -> None:
    line.venue.fail(fault("rate_limited", path="*/v5/position/list"))
    with pytest.raises(VenueUnavailable, match="10006"):
        await live.observe(line.clock(), after=0)
    with pytest.raises(VenueUnavailable, match="asked us to wait"):
        await live.observe(line.clock(), after=0)
    later(line, seconds=1.5)

    assert (await live.observe(line.clock(), after=0)).doubts == ()


BEGINS = "GET /v5/execution/list"
"""What a look at an account asks first."""


async def test_a_banned_address_keeps_still_for_ten_minutes(line: Line, live: LiveVenue) -> None:
    line.venue.fail(fault("banned", path="*/v5/position/list", headers={}))
    with pytest.raises(VenueUnavailable, match="403"):
        await live.observe(line.clock(), after=0)
    looks = line.asked().count(BEGINS)
    later(line, minutes=9)
    with pytest.raises(VenueUnavailable, match="asked us to wait"):
        await live.observe(line.clock(), after=0)

    assert looks == line.asked().count(BEGINS), "what was under way may still arrive, no look begins"


async def test_a_key_that_only_reads_does_not_trade(tmp_path: Path) -> None:
    async with linked(bybit_venue(keys=(Key(rights=frozenset({"read"})),))) as line:
        seen = await portfolio(line, tmp_path).observe(line.clock(), after=0)

    assert seen.doubts == ("the key of main may not trade futures",)


# ---- series


async def test_bars_beyond_one_page_come_in_order_with_their_index(line: Line, live: LiveVenue) -> None:
    end = line.clock().replace(hour=0, minute=0)
    for name, less in (("last", 0), ("index", 7)):
        tape = line.venue.engine.market(BTC_ID).tapes[name]
        tape.load([_bar(end - timedelta(days=2300 - i), 10_000 + i - less) for i in range(2300)])
    found = await live.series(BTC, "bars", "1d", end - timedelta(days=2201), end)

    assert found["open_time"].to_list() == [end - timedelta(days=2200 - i) for i in range(2200)]
    assert found["close"].to_list() == [float(10_100 + i) for i in range(2200)]
    assert (found["close"] - found["index_close"]).unique().to_list() == [7.0]


def _bar(opens_at: object, price: int) -> Bar:
    value = D(price)
    return Bar(opens_at=opens_at, open=value, high=value, low=value, close=value, volume=D(1))  # type: ignore[arg-type]


async def test_funding_beyond_one_page_comes_in_order(line: Line, live: LiveVenue) -> None:
    end = line.clock()
    stamps = [end - timedelta(hours=8 * (499 - i)) for i in range(500)]
    line.venue.engine.market(BTC_ID).funding = [
        FundingRate(at=at, rate=D(i) / 10**7, mark_price=D(60_000)) for i, at in enumerate(stamps)
    ]
    found = await live.series(BTC, "funding", "1d", stamps[49], end)

    assert found["at"].to_list() == stamps[50:]
    assert found["funding_rate"].to_list() == [i / 10**7 for i in range(50, 500)]
    assert set(found["interval_hours"].to_list()) == {8.0}


async def test_open_interest_beyond_one_page_comes_in_order(line: Line, live: LiveVenue) -> None:
    end = line.clock().replace(hour=0, minute=0)
    samples = [(end - timedelta(days=449 - i), D(80_000 + i)) for i in range(450)]
    line.venue.engine.market(BTC_ID).open_interests = samples
    found = await live.series(BTC, "open_interest", "1d", samples[9][0], end)

    assert found["at"].to_list() == [at for at, _ in samples[10:]]
    assert found["open_interest"].to_list() == [float(size) for _, size in samples[10:]]
    assert found["open_interest_notional"].null_count() == 440


async def test_a_dated_contract_has_bars_and_no_funding(line: Line, live: LiveVenue) -> None:
    dated = "BTC/USDT:USDT-260626"

    assert (await live.series(dated, "funding", "1d", None, line.clock())).is_empty()
    assert (await live.series(dated, "funding_next", "1d", None, line.clock())).is_empty()


async def test_marks_are_those_of_the_minute(line: Line) -> None:
    listing = await line.exchange.listing(BTC)
    when = line.clock() - timedelta(minutes=30)
    minute = when.replace(second=0, microsecond=0)
    for name, price in (("mark", 59_000), ("index", 59_001)):
        line.venue.engine.market(BTC_ID).tapes[name].load([_bar(minute, price)])
    found = await line.dialect.marks_at(line.public, listing, minute + timedelta(seconds=42))

    assert found == (59_000, 59_001)
    long_ago = when.replace(year=2020, month=1, day=1)
    assert await line.dialect.marks_at(line.public, listing, long_ago) == (None, None)


async def test_spot_prices_are_told_for_pairs_that_are_traded(line: Line) -> None:
    found = await line.dialect.prices(line.public, (("BTC", "USDT"), ("XYZ", "USDT")))

    assert found == {"BTC": 60_000}
    assert await line.dialect.prices(line.public, ()) == {}


async def test_a_delivered_contract_is_told_as_a_delivery(line: Line) -> None:
    dated = "BTC/USDT:USDT-260626"
    listings = await line.exchange.listings()
    begun = line.clock()
    trade_by_hand(line, "sell", "0.1", symbol=listings[dated].market_id)
    happenings.deliver(line.venue.engine, listings[dated].market_id, D(61_000))
    found = await line.dialect.happenings(
        line.private, listings, frozenset({dated}), "USDT", begun, line.clock(), lambda _: False
    )
    values = [one.value for one in found if isinstance(one, Happening)]
    fills = [value for value in values if isinstance(value, Fill)]

    assert {(f.cause, f.side) for f in fills} == {("order", "sell"), ("delivery", "buy")}
    assert replace(fills[0], cause="order").symbol == dated


async def test_a_resting_order_of_ours_is_taken_back(line: Line) -> None:
    rest(line, "61000", "ours1")
    listing = await line.exchange.listing(BTC)
    line.venue.fail(fault("maintenance", path="*/v5/order/cancel"))
    with pytest.raises(VenueUnavailable, match="ours1"):
        await line.dialect.cancel(line.private, listing, "ours1")
    await line.dialect.cancel(line.private, listing, "ours1")

    assert line.venue.engine.open_orders(BTC_ID) == []
