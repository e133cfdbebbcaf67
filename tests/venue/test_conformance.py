"""
What every venue must do, through the real ccxt against its loopback exchange: one suite for all.

A venue passes when its dialect reads, sizes, signs and sends as the daemon needs it, and tells
apart what landed, what was refused, and what nobody knows.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio

from exchange.faults import fault
from exchange.instruments import perpetual
from exchange.opening import VENUES
from exchange.tape import Bar
from exchange.venue import Key, Venue
from hedged.core.market import Fill, Flow, FundingPayment, notional
from hedged.core.record import Outcome
from hedged.core.resolution import Absence
from hedged.errors import OutcomeUnknown, Unjudged, VenueRefused, VenueUnavailable
from hedged.venue.dialect import Listing
from hedged.venue.live import LiveVenue
from hedged.venue.opening import DIALECTS
from hedged.venue.wire import Wire
from lines import BTC, BTC_ID, ETH, ETH_ID, Line, later, linked, order, portfolio, rest, trade_by_hand

D = Decimal
PLACE = {"binance": "*/fapi/v1/order", "bybit": "*/v5/order/create"}
BY_ID = {"binance": ["*/fapi/v1/order"], "bybit": ["*/v5/order/realtime", "*/v5/order/history"]}
FILLS = {
    "binance": ("*/fapi/v1/userTrades", "body"),
    "bybit": ("*/v5/execution/list", "body.result.list"),
}
POSITIONS = {"binance": "*/positionRisk", "bybit": "*/v5/position/list"}


@pytest.fixture(params=sorted(DIALECTS))
def venue(request: pytest.FixtureRequest) -> Venue:
    return VENUES[request.param](deposit=50_000)


@pytest_asyncio.fixture
async def line(venue: Venue) -> AsyncIterator[Line]:
    async with linked(venue) as found:
        yield found


@pytest.fixture
def live(line: Line, tmp_path: Path) -> LiveVenue:
    return portfolio(line, tmp_path)


def name(line: Line) -> str:
    return line.exchange.name


async def placed(line: Line, live: LiveVenue, client_order_id: str, *given: str, **more: bool):  # type: ignore[no-untyped-def]
    """Send an order that may be sent."""
    line.allowed.add(client_order_id)
    return await live.send(order(client_order_id, *given, **more))  # type: ignore[arg-type]


# ---- reading


async def test_an_empty_account_is_seen_whole(line: Line, live: LiveVenue) -> None:
    seen = await live.observe(line.clock(), after=0)

    assert (seen.positions, seen.open_orders, seen.fills, seen.doubts) == ((), (), (), ())
    assert (seen.margin.wallet_balance, seen.margin.equity) == (50_000, 50_000)
    assert seen.margin.maintenance_margin == 0


async def test_the_contract_has_its_size_its_steps_and_its_minimums(line: Line) -> None:
    listing = await line.exchange.listing(BTC)
    found = listing.instrument

    assert (found.base, found.quote, found.settle) == ("BTC", "USDT", "USDT")
    assert (found.contract_multiplier, found.lot, found.inverse) == (1, D("0.001"), False)
    assert found.tick == D("0.1")
    assert found.contracts_min == D("0.001")
    assert found.notional_min > 0
    assert (listing.kind, listing.active, found.expiry) == ("perpetual", True, None)


async def test_dated_contracts_are_told_by_their_expiry(line: Line) -> None:
    dated = [one for one in (await line.exchange.listings()).values() if one.kind == "dated"]

    assert dated
    for listing in dated:
        expiry = listing.instrument.expiry
        assert expiry is not None
        assert expiry > line.clock()
        assert (expiry.hour, expiry.minute) == (8, 0)


async def test_a_quote_has_mark_index_and_both_sides(line: Line) -> None:
    quote = (await line.exchange.quotes([BTC]))[BTC]

    assert (quote.mark_price, quote.index_price) == (60_000, 60_000)
    assert quote.bid_price is not None
    assert quote.ask_price is not None
    assert quote.bid_price < quote.ask_price
    assert quote.at == line.clock()


async def test_a_quote_is_asked_once_for_all_portfolios_of_a_moment(line: Line) -> None:
    await line.exchange.quotes([BTC])
    before = line.public.requests
    await line.exchange.quotes([BTC])
    assert line.public.requests == before
    later(line, seconds=6)
    await line.exchange.quotes([BTC])

    assert line.public.requests > before


async def test_the_depth_is_that_of_the_legs_within_fifty_bps(line: Line, tmp_path: Path) -> None:
    bids = [(D(59_990), D("0.5")), (D(59_710), D(2)), (D(59_600), D(70))]
    asks = [(D(60_010), D("0.25")), (D(60_400), D(9))]
    line.venue.engine.set_book(BTC_ID, bids, asks)
    line.venue.engine.state.funding_wallet = {"ETH": D("2")}
    seen = await portfolio(line, tmp_path).observe(line.clock(), after=0)
    quote, other = seen.quote(BTC), (await line.exchange.quotes([ETH]))[ETH]

    assert (quote.bid_price, quote.ask_price) == (59_990, 60_010)
    assert (quote.bid_depth, quote.ask_depth) == (D("2.5"), D("0.25"))
    assert (other.bid_depth, other.ask_depth) == (None, None)


async def test_a_quote_without_depth_is_asked_again_by_who_needs_it(line: Line) -> None:
    shallow = (await line.exchange.quotes([BTC]))[BTC]
    deep = (await line.exchange.quotes([BTC], frozenset({BTC})))[BTC]
    before = line.public.requests
    again = (await line.exchange.quotes([BTC]))[BTC]
    same = (await line.exchange.quotes([BTC], frozenset({BTC})))[BTC]

    assert shallow.bid_depth is None
    assert deep.bid_depth is not None
    assert again == same == deep
    assert line.public.requests == before


async def test_holdings_are_priced_by_their_perpetual(line: Line, live: LiveVenue) -> None:
    line.venue.engine.state.funding_wallet = {"ETH": D("2"), "BTC": D("0.5")}
    seen = await live.observe(line.clock(), after=0)
    found = {h.asset: h for h in seen.holdings}

    assert found["ETH"].quantity == 2
    assert found["ETH"].mark_price == 3000
    assert (found["BTC"].price_symbol, found["BTC"].mark_price) == (BTC, 60_000)


async def test_a_coin_that_costs_nothing_is_a_coin_without_a_price(line: Line, live: LiveVenue) -> None:
    line.venue.engine.set_spot("BNBUSDT", D(0))
    line.venue.engine.state.funding_wallet = {"BNB": D(2)}
    seen = await live.observe(line.clock(), after=0)
    (held,) = [h for h in seen.holdings if h.asset == "BNB"]

    assert (held.quantity, held.mark_price) == (2, None)


async def test_a_position_of_another_hand_is_seen(line: Line, live: LiveVenue) -> None:
    trade_by_hand(line, "sell", "0.2")
    seen = await live.observe(line.clock(), after=0)
    (position,) = seen.positions

    assert (position.symbol, position.contracts) == (BTC, D("-0.2"))


async def test_positions_of_other_contracts_are_seen_too(line: Line, live: LiveVenue) -> None:
    trade_by_hand(line, "buy", "1", symbol=ETH_ID)
    seen = await live.observe(line.clock(), after=0)

    assert {p.symbol: p.contracts for p in seen.positions} == {ETH: 1}


async def test_a_resting_order_of_another_hand_is_seen(line: Line, live: LiveVenue) -> None:
    rest(line, "61000")
    seen = await live.observe(line.clock(), after=0)
    (resting,) = seen.open_orders

    assert (resting.side, resting.contracts, resting.limit_price) == ("sell", D("0.1"), 61_000)


async def test_a_resting_order_of_another_contract_is_seen_and_left_alone(
    line: Line, live: LiveVenue
) -> None:
    trade_by_hand(line, "buy", "1", symbol=ETH_ID)
    rest(line, "3200", "in-eth", ETH_ID)
    rest(line, "61000")
    seen = await live.observe(line.clock(), after=0)

    assert sorted((one.symbol, one.limit_price) for one in seen.open_orders) == [
        (BTC, 61_000),
        (ETH, 3200),
    ]
    assert all(one.open for one in line.venue.engine.state.orders.values() if not one.filled)


def listed_without(line: Line, monkeypatch: pytest.MonkeyPatch, left_out: str) -> list[datetime]:
    """From now on the exchange lists all but one contract; when it was asked."""
    told, asked = line.exchange.dialect.listings, list[datetime]()

    async def without(wire: Wire) -> dict[str, Listing]:
        asked.append(line.clock())
        return {symbol: one for symbol, one in (await told(wire)).items() if symbol != left_out}

    monkeypatch.setattr(line.exchange.dialect, "listings", without)
    return asked


async def test_a_contract_that_is_held_and_not_listed_is_doubted_until_the_listing_has_it(
    line: Line, live: LiveVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for again, but not at every pass."""
    engine = line.venue.engine
    listed = listed_without(line, monkeypatch, "XYZ")
    await live.observe(line.clock(), after=0)
    engine.state.markets["SOLUSDT"] = engine._opened(perpetual("SOL", lot=D("0.1"), notional_min=D(5)))
    engine.set_price("SOLUSDT", D(100))
    trade_by_hand(line, "sell", "2", symbol="SOLUSDT")
    listed.clear()
    looks = [await live.observe(later(line, seconds=70), after=0) for _ in range(5)]

    assert [len(look.doubts) for look in looks] == [1, 1, 1, 1, 0]
    assert all("SOLUSDT is held on main, and " in look.doubts[0] for look in looks[:4])
    assert [look.positions for look in looks[:4]] == [()] * 4
    assert {one.symbol: one.contracts for one in looks[4].positions} == {"SOL/USDT:USDT": -2}
    assert len(listed) == 1


async def test_what_no_listing_ever_has_is_doubted_at_every_pass_and_asked_for_every_five_minutes(
    line: Line, live: LiveVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    trade_by_hand(line, "sell", "1", symbol=ETH_ID)
    listed = listed_without(line, monkeypatch, ETH)
    looks = [await live.observe(later(line, minutes=1), after=0) for _ in range(11)]

    assert all("ETHUSDT is held on main" in look.doubts[0] for look in looks)
    assert len(listed) == 3


async def test_hedge_mode_is_a_doubt(line: Line, live: LiveVenue) -> None:
    line.venue.engine.set_hedge_mode(True)
    seen = await live.observe(line.clock(), after=0)

    assert any("hedge mode" in doubt for doubt in seen.doubts)


# ---- signing


async def test_a_wrong_secret_is_no_empty_account(venue: Venue, tmp_path: Path) -> None:
    async with linked(venue, secret="wrong") as line:
        with pytest.raises(VenueUnavailable):
            await portfolio(line, tmp_path).observe(line.clock(), after=0)


async def test_requests_are_stamped_with_the_venues_own_time(venue: Venue, tmp_path: Path) -> None:
    async with linked(venue, ahead_s=-30) as line:
        seen = await portfolio(line, tmp_path).observe(line.clock(), after=0)

    assert seen.margin.equity == 50_000  # half a minute off, and yet no request was refused
    assert line.exchange.skew == timedelta(seconds=-30)


# ---- orders


async def test_nothing_is_sent_that_the_journal_does_not_know(line: Line, live: LiveVenue) -> None:
    await live.observe(line.clock(), after=0)
    with pytest.raises(VenueRefused, match="no intent of it is in the journal"):
        await live.send(order("stranger"))

    assert line.orders_sent() == 0


async def test_opening_a_short_fills_at_the_bid(line: Line, live: LiveVenue) -> None:
    await live.observe(line.clock(), after=0)
    outcome = await placed(line, live, "a1")

    assert (outcome.status, outcome.filled, outcome.side) == ("filled", D("0.1"), "sell")
    assert outcome.fill_price is not None
    assert 59_700 <= outcome.fill_price < 60_000
    assert (await live.observe(later(line, seconds=20), after=0)).held(BTC) == D("-0.1")


async def test_adding_and_reducing_are_summed(line: Line, live: LiveVenue) -> None:
    await live.observe(line.clock(), after=0)
    await placed(line, live, "a1", "sell", "0.2")
    await placed(line, live, "a2", "sell", "0.1")
    await placed(line, live, "a3", "buy", "0.05", reduce_only=True)
    seen = await live.observe(later(line, seconds=20), after=0)

    assert seen.held(BTC) == D("-0.25")


async def test_reduce_only_never_flips(line: Line, live: LiveVenue) -> None:
    await live.observe(line.clock(), after=0)
    await placed(line, live, "a1", "sell", "0.1")
    with contextlib.suppress(VenueRefused):  # one venue refuses, another cuts it
        await placed(line, live, "a2", "buy", "0.5", reduce_only=True)
    seen = await live.observe(later(line, seconds=20), after=0)

    assert seen.held(BTC) in (D(0), D("-0.1"))


async def test_reduce_only_on_a_flat_account_is_refused(line: Line, live: LiveVenue) -> None:
    await live.observe(line.clock(), after=0)
    with pytest.raises(VenueRefused):
        await placed(line, live, "a1", "buy", "0.1", reduce_only=True)

    assert (await live.observe(later(line, seconds=20), after=0)).positions == ()


async def test_a_book_that_is_too_thin_fills_a_part(line: Line, live: LiveVenue) -> None:
    line.venue.engine.set_book(BTC_ID, [(D("59990"), D("0.04"))], [(D("60010"), D("5"))])
    await live.observe(line.clock(), after=0)
    outcome = await placed(line, live, "a1")

    assert (outcome.status, outcome.filled) == ("partial", D("0.04"))
    assert (await live.observe(later(line, seconds=20), after=0)).open_orders == ()


async def test_a_book_beyond_the_cap_fills_nothing_and_rests_nowhere(
    line: Line, live: LiveVenue
) -> None:
    line.venue.engine.set_book(BTC_ID, [(D("59000"), D("5"))], [(D("60010"), D("5"))])
    await live.observe(line.clock(), after=0)
    outcome = await placed(line, live, "a1")

    assert (outcome.status, outcome.filled, outcome.fill_price) == ("unfilled", 0, None)
    assert (await live.observe(later(line, seconds=20), after=0)).open_orders == ()


@pytest.mark.parametrize("contracts", ["0.0001", "0.00015"])
async def test_an_order_below_the_step_or_the_minimum_is_refused(
    line: Line, live: LiveVenue, contracts: str
) -> None:
    await live.observe(line.clock(), after=0)
    with pytest.raises(VenueRefused):
        await placed(line, live, "a1", "sell", contracts)


async def test_a_price_off_the_tick_is_refused(line: Line, live: LiveVenue) -> None:
    await live.observe(line.clock(), after=0)
    with pytest.raises(VenueRefused):
        await placed(line, live, "a1", "sell", "0.1", "59700.0371")


async def test_an_order_above_the_most_of_one_order_is_not_sent(line: Line, live: LiveVenue) -> None:
    await live.observe(line.clock(), after=0)
    with pytest.raises(VenueRefused, match="contracts are above"):
        await placed(line, live, "a1", "sell", "100000")

    assert line.orders_sent() == 0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"lot": D("0.1")}, "the lot of BTC/USDT:USDT was 0.001 and is 0.1 now"),
        ({"tick": D(5)}, "the tick of BTC/USDT:USDT was 0.1 and is 5 now"),
        (
            {"quantity_min": D(3)},
            "the least order in contracts of BTC/USDT:USDT was 0.001 and is 3 now",
        ),
        (
            {"notional_min": D(9_000)},
            "the least order in money of BTC/USDT:USDT was .+ and is 9000 now",
        ),
    ],
)
async def test_an_order_that_was_planned_with_other_steps_does_not_leave_and_the_next_one_does(
    line: Line, live: LiveVenue, changed: dict[str, Decimal], said: str
) -> None:
    """It would be refused again and again, for an hour, until the listing is asked for anew."""
    await live.observe(line.clock(), after=0)
    line.venue.engine.relist(BTC_ID, **changed)
    line.venue.engine.set_price(BTC_ID, D(60_000))
    later(line, seconds=10)
    with pytest.raises(Unjudged, match=f"nothing was sent: {said}"):
        await placed(line, live, "a1", "sell", "3")
    assert line.orders_sent() == 0
    seen = await live.observe(line.clock(), after=0)
    (what, value), *_ = changed.items()

    assert getattr(seen.instrument(BTC), what.replace("quantity", "contracts")) == value
    assert seen.doubts == ()
    assert (await placed(line, live, "a2", "sell", "3", "59700")).status != "refused"


async def test_insufficient_margin_is_refused(line: Line, live: LiveVenue) -> None:
    line.venue.engine.set_book(BTC_ID, [(D("59990"), D("500"))], [(D("60010"), D("500"))])
    await live.observe(line.clock(), after=0)
    with pytest.raises(VenueRefused):
        await placed(line, live, "a1", "sell", "100")

    assert (await live.observe(later(line, seconds=20), after=0)).positions == ()


async def test_a_contract_that_is_not_listed_is_refused_before_it_is_sent(
    line: Line, live: LiveVenue
) -> None:
    line.allowed.add("a1")
    with pytest.raises(VenueRefused, match="does not list"):
        await live.send(order("a1", symbol="XYZ/USDT:USDT"))

    assert line.orders_sent() == 0


# ---- lookup, cancel, duplicates


async def test_an_order_is_found_by_our_own_id(line: Line, live: LiveVenue) -> None:
    await live.observe(line.clock(), after=0)
    sent = await placed(line, live, "a1")
    found = await live.lookup("a1", BTC)

    assert found is not None
    assert (found.status, found.filled, found.side) == (sent.status, sent.filled, sent.side)


async def test_an_id_that_was_never_sent_is_not_found(line: Line, live: LiveVenue) -> None:
    assert await live.lookup("never", BTC) is None


async def test_a_resting_order_is_taken_back_by_our_own_id(line: Line, live: LiveVenue) -> None:
    await live.observe(line.clock(), after=0)
    rest(line, "61000", "ours1")
    listing = await line.exchange.listing(BTC)
    await line.dialect.cancel(line.private, listing, "ours1")
    await line.dialect.cancel(line.private, listing, "ours1")  # gone already: no error

    assert (await live.observe(later(line, seconds=20), after=0)).open_orders == ()


async def test_an_id_that_landed_already_is_looked_up_and_not_sent_twice(
    line: Line, live: LiveVenue
) -> None:
    await live.observe(line.clock(), after=0)
    rest(line, "61000", "a1")
    with pytest.raises((OutcomeUnknown, VenueUnavailable)):
        await placed(line, live, "a1")  # it rests, so its end is not known

    assert len((await live.observe(later(line, seconds=20), after=0)).open_orders) == 1


# ---- outcomes that nobody knows


UNKNOWN = (
    "landed_then_reset", "landed_then_close", "half_header", "truncated", "html", "empty", "null",
    "object", "http_500", "http_502", "http_503", "http_504", "http_520", "http_524", "http_529",
    "landed_503", "landed_524", "reset", "close", "waf",
)  # fmt: skip


@pytest.mark.parametrize("kind", UNKNOWN)
async def test_an_answer_that_says_nothing_certain_is_unknown(
    line: Line, live: LiveVenue, kind: str
) -> None:
    await live.observe(line.clock(), after=0)
    line.venue.fail(fault(kind, method="POST", path=PLACE[name(line)]))
    with pytest.raises(OutcomeUnknown):
        await placed(line, live, "a1")
    assert line.orders_sent() == 1

    later(line, seconds=60 if kind != "waf" else 601)  # so long a gateway may want to be left alone
    found = await live.lookup("a1", BTC)
    landed = (await live.observe(later(line, seconds=20), after=0)).held(BTC)
    assert (found is not None) == (landed != 0)
    assert found is None or -found.filled == landed


@pytest.mark.parametrize("kind", ["rate_limited", "banned"])
async def test_a_gateway_that_refuses_is_left_alone_by_all(
    line: Line, live: LiveVenue, kind: str
) -> None:
    await live.observe(line.clock(), after=0)
    line.venue.fail(fault(kind, method="POST", path=PLACE[name(line)]))
    with pytest.raises((VenueRefused, OutcomeUnknown)):
        await placed(line, live, "a1")
    seen = len(line.asked())
    with pytest.raises(VenueUnavailable, match="asked us to wait"):
        await live.observe(line.clock(), after=0)

    assert len(line.asked()) == seen


async def test_maintenance_is_no_empty_account(line: Line, live: LiveVenue) -> None:
    line.venue.fail(fault("maintenance", path=POSITIONS[name(line)], count=None))
    with pytest.raises(VenueUnavailable):
        await live.observe(line.clock(), after=0)


async def test_a_lookup_that_says_unknown_is_believed_for_now_only(line: Line, live: LiveVenue) -> None:
    await live.observe(line.clock(), after=0)
    await placed(line, live, "a1")
    line.venue.fail(fault("hidden", method="GET", path="*order*"))
    hidden = await live.lookup("a1", BTC)
    again = await live.lookup("a1", BTC)

    assert again is not None
    assert hidden is None or hidden.filled == again.filled
    assert live.absence_is_proof is False


# ---- an order whose end nobody knows


async def test_an_order_that_landed_is_found_by_both_ways(line: Line, live: LiveVenue) -> None:
    await live.observe(line.clock(), after=0)
    since = line.clock()
    sent = await placed(line, live, "a1")
    listing = await line.exchange.listing(BTC)
    traced = await line.dialect.trace(line.private, listing, "a1", since)
    found = await live.seek("a1", BTC, since)

    assert isinstance(found, Outcome)
    assert traced is not None
    assert traced.filled == found.filled == sent.filled


async def test_an_order_that_one_way_denies_is_found_by_the_other(line: Line, live: LiveVenue) -> None:
    await live.observe(line.clock(), after=0)
    since = line.clock()
    await placed(line, live, "a1")
    for path in BY_ID[name(line)]:
        line.venue.fail(fault("hidden", method="GET", path=path))
    found = await live.seek("a1", BTC, since)

    assert isinstance(found, Outcome)
    assert found.filled == D("0.1")


async def test_an_order_that_never_landed_is_absent_and_the_position_adds_up(
    line: Line, live: LiveVenue
) -> None:
    await live.observe(line.clock(), after=0)
    await placed(line, live, "a1")
    found = await live.seek("a2", BTC, line.clock())

    assert found == Absence(at=line.clock(), adds_up=True)


async def test_what_another_hand_trades_adds_up_since_it_is_told(line: Line, live: LiveVenue) -> None:
    await live.observe(line.clock(), after=0)
    trade_by_hand(line, "sell", "0.3")
    later(line, seconds=10)
    found = await live.seek("a2", BTC, line.clock())

    assert found == Absence(at=line.clock(), adds_up=True)


async def test_fills_that_are_not_told_make_the_position_odd_for_as_long_as_one_seeks(
    line: Line, live: LiveVenue
) -> None:
    await live.observe(line.clock(), after=0)
    line.venue.fail(
        fault(
            "mutated", path=FILLS[name(line)][0], count=None, edits=[("set", FILLS[name(line)][1], [])]
        )
    )
    trade_by_hand(line, "sell", "0.3")
    for _ in range(3):
        found = await live.seek("a2", BTC, later(line, seconds=61))
        assert isinstance(found, Absence)
        assert not found.adds_up


# ---- what happened


async def test_a_fill_is_told_once_with_its_fee_and_its_marks(line: Line, live: LiveVenue) -> None:
    first = await live.observe(line.clock(), after=0)
    later(line, seconds=30)
    await placed(line, live, "a1")
    second = await live.observe(later(line, seconds=30), after=first.cursor)
    third = await live.observe(later(line, minutes=5), after=second.cursor)
    (fill,) = second.fills

    assert isinstance(fill, Fill)
    assert (fill.side, fill.contracts, fill.client_order_id) == ("sell", D("0.1"), "a1")
    assert fill.mark_price == 60_000
    assert fill.fee > 0
    assert third.fills == ()
    spent = second.margin.wallet_balance - first.margin.wallet_balance
    assert spent == -fill.fee


async def test_funding_is_told_with_its_rate_and_its_sign(line: Line, live: LiveVenue) -> None:
    first = await live.observe(line.clock(), after=0)
    await placed(line, live, "a1")
    line.venue.engine.market(BTC_ID).funding_rate = D("0.0005")
    second = await live.observe(later(line, hours=4, minutes=2), after=first.cursor)
    (payment,) = second.funding_payments

    assert isinstance(payment, FundingPayment)
    assert payment.amount == D("0.1") * 60_000 * D("0.0005")  # longs pay, and a short receives
    assert (payment.funding_rate, payment.contracts) == (D("0.0005"), D("-0.1"))


async def test_money_that_is_moved_is_a_flow(line: Line, live: LiveVenue) -> None:
    first = await live.observe(line.clock(), after=0)
    later(line, seconds=30)
    line.venue.engine.transfer("USDT", D(1000), source="FUNDING")
    second = await live.observe(later(line, seconds=30), after=first.cursor)

    assert [flow.amount for flow in second.flows] == [1000]
    assert all(isinstance(flow, Flow) for flow in second.flows)


async def test_another_hands_trade_is_told_too(line: Line, live: LiveVenue) -> None:
    first = await live.observe(line.clock(), after=0)
    later(line, seconds=30)
    trade_by_hand(line, "sell", "0.3")
    second = await live.observe(later(line, seconds=30), after=first.cursor)

    assert [fill.contracts for fill in second.fills] == [D("0.3")]


# ---- series


async def test_bars_come_whole_closed_and_in_order(line: Line, live: LiveVenue) -> None:
    end = line.clock().replace(hour=0, minute=0)
    tape = line.venue.engine.market(BTC_ID).tapes["last"]
    for i in range(40):
        price = D(50_000 + 10 * i)
        opened, low, high = end - timedelta(days=40 - i), price - 5, price + 5
        tape.load([Bar(opens_at=opened, open=price, high=high, low=low, close=price + 1, volume=D(9))])
    found = await live.series(BTC, "bars", "1d", end - timedelta(days=11), end)

    assert found["open_time"].to_list() == [end - timedelta(days=10 - i) for i in range(10)]
    assert found["close"][-1] == 50_391


async def test_the_running_funding_is_told_of_now_in_one_row_and_no_question(
    line: Line, live: LiveVenue
) -> None:
    line.venue.engine.market(BTC_ID).funding_rate = D("0.00037")
    await live.observe(line.clock(), after=0)
    before, now = len(line.asked()), line.clock()
    found = await live.series(BTC, "funding_next", "1d", None, now)
    asked = line.asked()[before:]
    later(line, minutes=14)
    too_soon = await live.series(BTC, "funding_next", "1d", now, line.clock())
    due = await live.series(BTC, "funding_next", "1d", now, later(line, minutes=1))

    assert found.rows() == [(now, 0.00037, 8.0)]
    assert len(asked) == 1  # the hours between two fundings; the rate came with the prices
    assert too_soon.is_empty()
    assert due["at"].to_list() == [now + timedelta(minutes=15)]


async def test_the_running_funding_of_an_earlier_time_is_unknown_and_not_asked_for(
    line: Line, live: LiveVenue
) -> None:
    dated = next(s for s, one in (await line.exchange.listings()).items() if one.kind == "dated")
    before = len(line.asked())
    past = line.clock() - timedelta(minutes=5)
    found = await live.series(BTC, "funding_next", "1d", None, past)
    nothing = await live.series(dated, "funding_next", "1d", None, line.clock())

    assert found.is_empty()
    assert nothing.is_empty()
    assert len(line.asked()) == before


# ---- the whole


async def test_the_target_is_reached_within_one_lot_and_a_second_look_sends_nothing(
    line: Line, live: LiveVenue
) -> None:
    first = await live.observe(line.clock(), after=0)
    wanted = D(-30_000)
    contracts = (wanted / first.quote(BTC).mark_price).quantize(D("0.001"))
    await placed(line, live, "a1", "sell", str(-contracts))
    seen = await live.observe(later(line, seconds=20), after=first.cursor)
    held = notional(seen.instrument(BTC), seen.held(BTC), seen.quote(BTC).mark_price)

    assert abs(held - wanted) <= seen.instrument(BTC).lot * 60_000
    assert seen.doubts == ()


async def test_a_key_that_may_withdraw_is_a_doubt(venue: Venue, tmp_path: Path) -> None:
    key = Key(rights=frozenset({"read", "futures", "withdraw"}))
    venue = VENUES[venue.engine.rules.venue](keys=(key,))
    async with linked(venue) as line:
        seen = await portfolio(line, tmp_path).observe(line.clock(), after=0)

    assert any("may withdraw" in doubt for doubt in seen.doubts)


async def test_an_account_that_is_not_the_one_meant_is_a_doubt(line: Line, tmp_path: Path) -> None:
    seen = await portfolio(line, tmp_path, account_uid="1").observe(line.clock(), after=0)

    assert any("account.main.uid is 1" in doubt for doubt in seen.doubts)


async def test_leverage_and_margin_mode_that_were_asked_for_are_looked_at(
    line: Line, tmp_path: Path
) -> None:
    live = portfolio(line, tmp_path, leverage=D(3), margin_mode="isolated")
    seen = await live.observe(line.clock(), after=0)

    assert any("leverage" in doubt for doubt in seen.doubts)
    assert any("margin, not isolated" in doubt for doubt in seen.doubts)
    assert replace(seen, doubts=()).positions == ()
