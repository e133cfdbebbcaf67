"""A portfolio on real accounts: several as one, what happened told once, and what is doubted."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio

from exchange import happenings
from exchange.faults import fault
from exchange.opening import VENUES, binance_venue
from exchange.state import Earn
from hedged.core.resolution import Absence
from hedged.errors import Unjudged, VenueUnavailable
from hedged.venue.accounts import Account
from hedged.venue.binance import dialect
from hedged.venue.book import Book
from hedged.venue.holdings import LivePortfolio, StatedHolding
from hedged.venue.ledger import Ledger
from hedged.venue.live import LiveVenue
from hedged.venue.opening import DIALECTS
from lines import BTC, BTC_ID, ETH, ETH_ID, Line, later, linked, order, portfolio, rest, trade_by_hand

D = Decimal


@pytest_asyncio.fixture
async def line() -> AsyncIterator[Line]:
    async with linked(binance_venue(deposit=50_000)) as found:
        yield found


@pytest.fixture
def live(line: Line, tmp_path: Path) -> LiveVenue:
    return portfolio(line, tmp_path)


async def sold(line: Line, live: LiveVenue, client_order_id: str, symbol: str = BTC) -> None:
    line.allowed.add(client_order_id)
    await live.send(order(client_order_id, symbol=symbol))


# ---- several accounts


async def test_two_venues_and_holdings_on_three_are_one_portfolio(tmp_path: Path) -> None:
    names = [name for name in ("binance", "bybit", "binance") if name in DIALECTS]
    async with AsyncExitStack() as opened:
        lines = [
            await opened.enter_async_context(linked(VENUES[name](deposit=9_000))) for name in names
        ]
        for place, (line, coins) in enumerate(zip(lines, ("1", "2", "4"), strict=False)):
            line.venue.engine.state.funding_wallet = {"BTC": D(coins)}
            line.venue.engine.state.place = place
            line.clock.now = lines[0].clock.now if place else line.clock.now
        first, *others = lines
        hedges = (first.account(BTC, name="first"), others[0].account(BTC, name="second"))
        sources = tuple(line.account(name=f"coins{i}") for i, line in enumerate(lines))
        live = LiveVenue(
            LivePortfolio(name="p", account="first", numeraire="USDT"),
            hedges,
            sources,
            Book(Ledger(tmp_path / "book.sqlite", read_only=False)),
            first.clock,
        )
        seen = await live.observe(first.clock(), after=0)

        assert {i.symbol for i in seen.instruments} == {BTC, f"{BTC}@second"}
        assert seen.margin.equity == 18_000
        held = {h.source: h.quantity for h in seen.holdings if h.asset == "BTC"}
        assert sum(held.values()) == sum((1, 2, 4)[: len(lines)])
        assert len(held) == len(lines)

        await sold(first, live, "a1")
        await sold(others[0], live, "b1", f"{BTC}@second")
        for line in lines:
            later(line, seconds=30)
        again = await live.observe(first.clock(), after=seen.cursor)

        assert {p.symbol: p.contracts for p in again.positions} == {
            BTC: D("-0.1"), f"{BTC}@second": D("-0.1"),
        }  # fmt: skip
        assert {fill.symbol for fill in again.fills} == {BTC, f"{BTC}@second"}
        assert again.doubts == ()
        found = await live.lookup("b1", f"{BTC}@second")
        assert found is not None
        assert found.symbol == f"{BTC}@second"


async def test_a_leg_of_an_account_that_is_gone_is_told(line: Line, live: LiveVenue) -> None:
    with pytest.raises(VenueUnavailable, match="no hedge account other any more"):
        await live.lookup("a1", f"{BTC}@other")


# ---- the book


async def test_a_restart_from_disk_tells_nothing_twice_and_forgets_nothing(
    line: Line, tmp_path: Path
) -> None:
    live = portfolio(line, tmp_path)
    first = await live.observe(line.clock(), after=0)
    later(line, seconds=5)
    await sold(line, live, "a1")
    await live.close()
    again = portfolio(line, tmp_path)
    second = await again.observe(later(line, seconds=30), after=first.cursor)
    third = await again.observe(later(line, seconds=30), after=second.cursor)
    whole = await again.observe(later(line, seconds=30), after=0)

    assert [fill.client_order_id for fill in second.fills] == ["a1"]
    assert third.fills == ()
    assert whole.fills == second.fills
    assert second.doubts == ()


async def test_a_book_older_than_its_journal_is_not_gone_on_from(line: Line, live: LiveVenue) -> None:
    with pytest.raises(VenueUnavailable, match="restore both"):
        await live.observe(line.clock(), after=99)


async def test_an_empty_answer_about_positions_is_not_flat(line: Line, live: LiveVenue) -> None:
    first = await live.observe(line.clock(), after=0)
    later(line, seconds=5)
    await sold(line, live, "a1")
    await live.observe(later(line, seconds=30), after=first.cursor)
    line.venue.fail(fault("mutated", path="*/positionRisk", edits=[["set", "body", []]]))
    seen = await live.observe(later(line, seconds=30), after=0)

    assert seen.positions == ()
    assert any("0 contracts of BTC/USDT:USDT are held, and -0.1" in doubt for doubt in seen.doubts)
    assert (await live.observe(later(line, seconds=30), after=0)).doubts == ()


@pytest.mark.parametrize("ahead_s", [-3600, 3600])
async def test_what_happens_while_the_local_clock_is_wrong_is_told(
    tmp_path: Path, ahead_s: float
) -> None:
    """A clock that is behind asked up to its own present, and was told up to the venue's."""
    async with linked(binance_venue(deposit=50_000), ahead_s=ahead_s) as line:
        live, local = portfolio(line, tmp_path), line.exchange._clock
        first = await live.observe(local(), after=0)
        later(line, seconds=5)
        await sold(line, live, "a1")
        later(line, minutes=1)
        second = await live.observe(local(), after=first.cursor)
        happenings.adl(line.venue.engine, BTC_ID, D("0.04"))
        later(line, minutes=1)
        third = await live.observe(local(), after=second.cursor)

    assert [fill.client_order_id for fill in second.fills] == ["a1"]
    assert [fill.cause for fill in third.fills] == ["adl"]
    assert third.unexplained == ()


async def test_a_clock_that_is_set_back_in_the_middle_of_a_look_puts_nothing_off(
    tmp_path: Path,
) -> None:
    """What was known by then would be told up to an hour from now, and the hour not asked for again."""
    ahead_s = [0]
    async with linked(binance_venue(deposit=50_000), ahead_s=lambda: ahead_s[0]) as line:
        live, local = portfolio(line, tmp_path), line.exchange._clock
        first = await live.observe(local(), after=0)
        later(line, minutes=10)
        began, ahead_s[0] = local(), -3600
        await live.observe(began, after=first.cursor)
        later(line, minutes=20)
        trade_by_hand(line, "sell", "0.5")
        later(line, minutes=40)
        ahead_s[0] = 0
        seen = await live.observe(local(), after=first.cursor)

    assert [fill.contracts for fill in seen.fills] == [D("0.5")]


async def test_an_order_is_absent_as_of_when_it_was_looked_for(
    line: Line, live: LiveVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not as of when the last answer came, or a slow one would shorten the quarantine."""
    await live.observe(line.clock(), after=0)
    looked_for, look = line.clock(), live._look

    async def slow(account: Account) -> object:
        later(line, seconds=30)
        return await look(account)

    monkeypatch.setattr(live, "_look", slow)
    found = await live.seek("a1", BTC, looked_for)

    assert isinstance(found, Absence)
    assert (found.at, found.adds_up) == (looked_for, True)


async def test_what_no_fill_explains_is_doubted_then_taken_as_it_is(
    line: Line, live: LiveVenue
) -> None:
    first = await live.observe(line.clock(), after=0)
    line.venue.fail(fault("mutated", path="*/userTrades", count=None, edits=[["set", "body", []]]))
    trade_by_hand(line, "sell", "0.3")
    looks = [await live.observe(later(line, seconds=40), after=first.cursor) for _ in range(4)]

    assert [bool(look.doubts) for look in looks] == [True, True, False, False]
    assert "-0.3 contracts" in looks[0].doubts[0]


async def test_a_short_that_shrank_without_a_fill_is_never_sold_again(
    line: Line, live: LiveVenue
) -> None:
    trade_by_hand(line, "sell", "0.3")
    first = await live.observe(line.clock(), after=0)
    line.venue.fail(fault("mutated", path="*/userTrades", count=None, edits=[["set", "body", []]]))
    trade_by_hand(line, "buy", "0.1")
    looks = [await live.observe(later(line, minutes=5), after=first.cursor) for _ in range(5)]

    assert all("no fill tells who closed the rest" in look.doubts[0] for look in looks)
    assert all(look.unexplained == (BTC,) for look in looks)


async def test_a_position_that_was_adopted_wrongly_comes_back_to_what_fills_make_it(
    line: Line, live: LiveVenue
) -> None:
    trade_by_hand(line, "sell", "0.1")
    first = await live.observe(later(line, seconds=30), after=0)
    line.venue.fail(
        fault("mutated", path="*/positionRisk", count=3, edits=[["set", "body.0.positionAmt", "-0.300"],
              ["set", "body.0.notional", "-18000"]])
    )  # fmt: skip
    wrong = [await live.observe(later(line, seconds=70), after=first.cursor) for _ in range(3)]
    right = await live.observe(later(line, seconds=70), after=first.cursor)

    assert [bool(look.doubts) for look in wrong] == [True, False, False]
    assert (right.doubts, right.unexplained, right.held(BTC)) == ((), (), D("-0.1"))


async def test_a_person_may_take_a_position_as_it_is(line: Line, tmp_path: Path) -> None:
    live = portfolio(line, tmp_path)
    trade_by_hand(line, "sell", "0.3")
    await live.observe(line.clock(), after=0)
    await live.close()
    line.venue.fail(fault("mutated", path="*/userTrades", count=None, edits=[["set", "body", []]]))
    trade_by_hand(line, "buy", "0.1")
    live = portfolio(line, tmp_path, accept_positions=True)
    accepted = await live.observe(later(line, seconds=30), after=0)
    trade_by_hand(line, "buy", "0.1")
    doubted = await live.observe(later(line, seconds=30), after=0)
    await live.close()

    assert (accepted.doubts, accepted.held(BTC)) == ((), D("-0.2"))
    assert "-0.1 contracts" in doubted.doubts[0]


async def test_adl_is_told_with_its_cause(line: Line, live: LiveVenue) -> None:
    first = await live.observe(line.clock(), after=0)
    later(line, seconds=5)
    await sold(line, live, "a1")
    second = await live.observe(later(line, seconds=30), after=first.cursor)
    happenings.adl(line.venue.engine, BTC_ID, D("0.04"))
    third = await live.observe(later(line, seconds=30), after=second.cursor)

    assert [(fill.cause, fill.contracts) for fill in third.fills] == [("adl", D("0.04"))]
    assert third.held(BTC) == D("-0.06")
    assert third.doubts == ()


# ---- doubts


async def test_a_contract_whose_size_changed_is_doubted(line: Line, tmp_path: Path) -> None:
    live = portfolio(line, tmp_path)
    await live.observe(line.clock(), after=0)
    listing = line.exchange._listings[BTC]
    line.exchange._listings[BTC] = replace(
        listing, instrument=replace(listing.instrument, contract_multiplier=D("0.001"))
    )
    seen = await live.observe(later(line, seconds=30), after=0)

    assert any("was 1 a contract and is 0.001 now" in doubt for doubt in seen.doubts)


async def test_a_contract_that_does_not_trade_is_doubted(line: Line, live: LiveVenue) -> None:
    line.venue.engine.halt(BTC_ID)
    seen = await live.observe(line.clock(), after=0)

    assert any("does not trade" in doubt for doubt in seen.doubts)


async def test_a_contract_that_is_listed_anew_while_it_is_looked_at_is_seen_as_it_is_now(
    line: Line, live: LiveVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hour of the listings may end between the account and the quotes of one look."""
    await live.observe(line.clock(), after=0)
    later(line, minutes=59)
    line.venue.engine.halt(BTC_ID)
    ask = line.exchange.quotes

    async def slow(*asked: object, **given: object) -> object:
        later(line, minutes=2)
        return await ask(*asked, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(line.exchange, "quotes", slow)
    seen = await live.observe(line.clock(), after=0)

    assert any("does not trade" in doubt for doubt in seen.doubts)


async def test_what_a_contract_is_now_is_asked_before_an_order_of_it_leaves(
    line: Line, live: LiveVenue
) -> None:
    await live.observe(line.clock(), after=0)
    later(line, seconds=30)
    line.venue.engine.relist(BTC_ID, multiplier=D(10))
    line.venue.engine.halt(BTC_ID)
    with pytest.raises(Unjudged, match="nothing was sent: BTC/USDT:USDT does not trade any more"):
        await sold(line, live, "a1")
    asked = line.asked()
    with pytest.raises(Unjudged):
        await sold(line, live, "a2")

    assert line.asked() == asked  # a moment later it is known
    assert line.orders_sent() == 0


async def test_an_order_of_a_contract_that_has_another_size_now_does_not_leave(
    tmp_path: Path,
) -> None:
    async with linked(VENUES["bybit"](deposit=50_000)) as line:
        live = portfolio(line, tmp_path)
        await live.observe(line.clock(), after=0)
        live.book._tally.multipliers[BTC] = D("0.1")
        with pytest.raises(Unjudged, match=r"nothing was sent: BTC/USDT:USDT was 0.1 a contract and"):
            await sold(line, live, "a1")

        assert line.orders_sent() == 0


async def test_a_leg_that_is_not_listed_is_doubted(line: Line, tmp_path: Path) -> None:
    live = portfolio(line, tmp_path, BTC, "XYZ/USDT:USDT")
    seen = await live.observe(line.clock(), after=0)

    assert any("does not list XYZ/USDT:USDT" in doubt for doubt in seen.doubts)


async def test_a_position_worth_something_else_by_the_venue_is_doubted(
    line: Line, live: LiveVenue
) -> None:
    trade_by_hand(line, "sell", "0.3")
    wrong = fault("mutated", path="*/positionRisk", edits=[["set", "body.0.notional", "-1800"]])
    line.venue.fail(wrong)
    seen = await live.observe(line.clock(), after=0)

    assert any("by the venue's own figure" in doubt for doubt in seen.doubts)
    assert seen.misvalued == (BTC,)
    assert (await live.observe(later(line, seconds=30), after=0)).misvalued == ()


@pytest.mark.parametrize(("ahead_s", "doubted"), [(1, False), (-2, False), (3, True), (-40, True)])
async def test_a_clock_that_is_off_is_put_right_and_far_off_is_doubted(
    tmp_path: Path, ahead_s: float, doubted: bool
) -> None:
    async with linked(binance_venue(), ahead_s=ahead_s) as line:
        seen = await portfolio(line, tmp_path).observe(line.exchange._clock(), after=0)

    assert any("the local clock is" in doubt for doubt in seen.doubts) is doubted


async def test_what_a_person_trades_beside_the_hedge_is_no_doubt(line: Line, tmp_path: Path) -> None:
    """Nobody asks for fills of what is no leg, so nothing would ever explain it."""
    live = portfolio(line, tmp_path)
    trade_by_hand(line, "sell", "1", ETH_ID)
    await live.observe(line.clock(), after=0)
    trade_by_hand(line, "buy", "0.4", ETH_ID)

    for _ in range(3):
        seen = await live.observe(later(line, minutes=2), after=0)
        assert (seen.doubts, seen.unexplained) == ((), ())
        assert seen.held(ETH) == D("-0.6")


async def test_an_order_is_sought_by_the_venues_clock_after_the_local_one_was_set(
    tmp_path: Path,
) -> None:
    """Else the venue refuses the first request of every pass, and no pass is ever made again."""
    async with linked(binance_venue(), ahead_s=0) as line:
        live = portfolio(line, tmp_path)
        await live.observe(line.clock(), after=0)
        line.private.clock_is_off(-30_000)  # as it was before the local clock was put right
        later(line, minutes=6)

        assert await live.lookup("hdgneversent", BTC) is None


async def test_a_holding_that_was_counted_long_ago_is_outdated(line: Line, tmp_path: Path) -> None:
    old = StatedHolding(
        asset="BTC", quantity=D(1), source="cold.csv", as_of=line.clock().replace(year=2025)
    )
    seen = await portfolio(line, tmp_path, stated=(old,)).observe(line.clock(), after=0)

    assert "count it again" in seen.outdated[0]
    assert seen.doubts == ()
    assert {h.asset: h.mark_price for h in seen.holdings} == {"BTC": 60_000}


async def test_a_coin_in_earn_is_counted_once_whatever_the_spot_wallet_calls_it(
    line: Line, live: LiveVenue
) -> None:
    """BNB has no contract here, so its name in the spot wallet is told by Earn alone."""
    line.venue.engine.state.earn += [
        Earn(coin="BNB", amount=D(3)),
        Earn(coin="SHIB", amount=D(9)),
        Earn(coin="BTC", amount=D(1), locked=True),
    ]
    line.venue.engine.state.spot |= {"LDSHIB2": D(9), "LDXYZ": D(7)}
    seen = await live.observe(line.clock(), after=0)
    found = {(one.asset, one.source): one.quantity for one in seen.holdings if one.asset != "USDT"}

    assert found == {
        ("BNB", "main earn"): 3,
        ("SHIB", "main earn"): 9,
        ("BTC", "main earn"): 1,
        ("LDXYZ", "main spot"): 7,
    }


async def test_a_short_in_coin_margin_is_a_doubt_where_its_coins_count(
    line: Line, live: LiveVenue
) -> None:
    """Its contracts are no legs, and the coins that it protects already would be hedged again."""
    state = line.venue.engine.state
    state.coin_margin, state.coin_positions = {"BTC": D(1)}, {"BTCUSD_PERP": D(-600)}
    seen = await live.observe(line.clock(), after=0)
    state.coin_positions = {}
    closed = await live.observe(later(line, seconds=30), after=0)

    (why,) = seen.doubts
    assert why.startswith("-600 contracts of BTCUSD_PERP are held on main, and hedged does not count")
    assert "or set account.main.futures_wallets = false" in why
    assert [(one.asset, one.quantity) for one in seen.holdings] == [("BTC", 1)]
    assert closed.doubts == ()


async def test_a_short_in_coin_margin_is_nothing_to_a_portfolio_that_does_not_count_its_coins(
    line: Line, tmp_path: Path
) -> None:
    line.venue.engine.state.coin_positions = {"BTCUSD_PERP": D(-600)}
    hedge = line.account(BTC)
    live = LiveVenue(
        LivePortfolio(name="p", account="main", numeraire="USDT"),
        (hedge,),
        (replace(hedge, futures_wallets=False),),
        Book(Ledger(tmp_path / "book.sqlite", read_only=False)),
        line.clock,
    )

    assert (await live.observe(line.clock(), after=0)).doubts == ()


# ---- cost


PER_PORTFOLIO = {"binance": 8, "bybit": 10}
SHARED = {
    "binance": {"premiumIndex": 2, "depth": 2, "bookTicker": 0},
    "bybit": {"market/tickers": 2, "orderbook": 2},
}
"""Market data of two contracts, asked once for all twenty portfolios."""


@pytest.mark.parametrize("name", sorted(DIALECTS))
async def test_a_cycle_asks_little_and_market_data_once_for_all(name: str, tmp_path: Path) -> None:
    async with linked(VENUES[name](deposit=50_000), limit_times=100) as line:
        lives = []
        for i in range(20):
            (tmp_path / str(i)).mkdir()
            lives.append(portfolio(line, tmp_path / str(i), BTC, ETH, sources=False))
            await lives[i].observe(line.clock(), after=0)
        later(line, seconds=300)
        line.venue.recorder.all.clear()
        for live in lives:
            await live.observe(line.clock(), after=0)
        asked = line.asked()

    for place, count in SHARED[name].items():
        assert sum(place in one for one in asked) == count, place
    for seldom in ("exchangeInfo", "instruments-info", "leverageBracket", "risk-limit"):
        assert not any(seldom in one for one in asked)
    assert len(asked) <= 20 * PER_PORTFOLIO[name] + 6


async def test_what_a_pass_weighs_is_what_the_exchange_counts(line: Line, live: LiveVenue) -> None:
    """Its headers, which correct the count, are not heard here."""
    for wire in (line.public, line.private):
        wire.speech = replace(wire.speech, used_of=lambda _: None)
    await live.observe(line.clock(), after=0)
    await line.dialect.prices(line.public, (("BTC", "USDT"),))
    counted: Counter[str] = Counter()
    free: Counter[str] = Counter()
    for one in line.venue.recorder.all:
        apart = f"{one.call.host}/{one.call.path.split('/')[1]}"
        meter = apart if apart in line.dialect.speech.weight_limits else one.call.host
        counted[meter] += one.weight
        free[meter] += not one.weight  # a limit of their own; we count one
    ours = {meter: line.public._metered(meter)._used(line.clock.seconds()) for meter in counted}

    assert counted.keys() == line.dialect.speech.weight_limits.keys()
    assert ours == {meter: counted[meter] + free[meter] for meter in counted}


@pytest.mark.parametrize(("at_once", "weights"), [(40, [1, 1]), (1, [1, 40])])
async def test_orders_of_other_contracts_are_asked_for_where_any_rest_and_all_at_once_where_many(
    line: Line, live: LiveVenue, monkeypatch: pytest.MonkeyPatch, at_once: int, weights: list[int]
) -> None:
    monkeypatch.setattr(dialect, "ORDERS_AT_ONCE", at_once)
    await live.observe(line.clock(), after=0)
    alone = line.venue.recorder.seen("GET", "*/openOrders")
    rest(line, "3200", "in-eth", ETH_ID)
    rest(line, "61000")
    seen = await live.observe(later(line, seconds=30), after=0)
    asked = line.venue.recorder.seen("GET", "*/openOrders")[len(alone) :]

    assert [one.weight for one in alone] == [1]
    assert [one.weight for one in asked] == weights
    assert sorted(one.symbol for one in seen.open_orders) == [BTC, ETH]


# ---- margin


async def test_margin_is_told_of_each_account_and_nothing_of_it_is_taken_for_zero(
    line: Line, live: LiveVenue
) -> None:
    first = await live.observe(line.clock(), after=0)
    await sold(line, live, "a1")
    later(line, seconds=30)
    seen = await live.observe(line.clock(), after=first.cursor)
    for name in ("assets.0", "assets.1", "assets.2"):
        edits = [["set", f"body.{name}.maintMargin", "0"]]
        line.venue.fail(fault("mutated", path="*/v3/account", count=1, edits=edits))
    later(line, seconds=30)
    untold = await live.observe(line.clock(), after=seen.cursor)

    assert [one.maintenance_margin for one in first.margins] == [0]
    (margin,), (position,) = seen.margins, seen.positions
    assert margin.account == seen.account
    assert margin.equity == seen.margin.equity
    assert margin.maintenance_margin == seen.margin.maintenance_margin
    assert margin.maintenance_margin
    assert position.adl_rank is not None
    assert untold.positions
    assert [one.maintenance_margin for one in untold.margins] == [None]


async def test_an_order_that_came_too_late_holds_with_that_reason_and_the_clock_is_measured_anew(
    line: Line, tmp_path: Path
) -> None:
    live = portfolio(line, tmp_path)
    await live.observe(line.clock(), after=0)
    line.allowed.update(("a1", "a2"))
    line.venue.fail(fault("rate_limited", method="POST", refusal="clock", headers={}))
    with pytest.raises(Unjudged, match="a clock is off, or the line is slow"):
        await live.send(order("a1"))
    asked = line.asked().count("GET /fapi/v1/time")
    held = await live.observe(line.clock(), after=0)
    over = await live.observe(later(line, seconds=61), after=0)

    assert line.asked().count("GET /fapi/v1/time") == asked + 1
    (why,) = held.doubts
    assert why.startswith("an order was not judged at 12:01:00, HTTP 400, -1021")
    assert over.doubts == ()
    assert (await live.send(order("a2"))).status == "filled"
