"""
Events that a venue tells in part, through the real ccxt against its loopback exchange.

What moves a position is kept, once; money that can't be told is None and named, and nothing is held for
it. A trade that can't be read holds its contract until it can be.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from exchange.faults import Fault, fault
from exchange.opening import VENUES
from exchange.venue import SECRET, Venue
from hedged.core.market import FundingPayment, Snapshot
from hedged.errors import VenueUnavailable
from hedged.venue.live import LiveVenue
from hedged.venue.opening import DIALECTS
from hedged.venue.partly import key_or_digest, plain
from lines import BTC, BTC_ID, Line, later, linked, order, portfolio, trade_by_hand

D = Decimal
ROWS = {"binance": "body.*", "bybit": "body.result.list.*"}
NONE = {"binance": ("set", "body", []), "bybit": ("set", "body.result.list", [])}
FILLS = {"binance": "*/fapi/v1/userTrades", "bybit": "*/v5/execution/list"}
MONEY = {"binance": "*/fapi/v1/income", "bybit": "*/v5/account/transaction-log"}
MARKS = {"binance": "*/fapi/v1/markPriceKlines", "bybit": "*/v5/market/mark-price-kline"}
QUANTITY = {"binance": "qty", "bybit": "execQty"}
FEE = {"binance": "commission", "bybit": "execFee"}
FEE_COIN = {"binance": "commissionAsset", "bybit": "feeCurrency"}
PRICE = {"binance": "price", "bybit": "execPrice"}
KEY = {"binance": "id", "bybit": "execId"}


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


def spoil(line: Line, path: dict[str, str], field: dict[str, str], value: object, **when: Any) -> None:
    """Let every row of *path* have *value* for *field*, once unless told otherwise."""
    name = line.exchange.name
    edit = ("set", f"{ROWS[name]}.{field[name]}", value)
    line.venue.fail(fault("mutated", path=path[name], edits=[edit], **when))


def emptied(line: Line, path: dict[str, str]) -> Fault:
    name = line.exchange.name
    return fault("mutated", path=path[name], count=None, edits=[NONE[name]])


async def traded(line: Line, live: LiveVenue, client_order_id: str = "a1") -> int:
    """A first look, then a sale of ours; the cursor of that look."""
    first = await live.observe(line.clock(), after=0)
    later(line, seconds=30)
    line.allowed.add(client_order_id)
    await live.send(order(client_order_id))
    return first.cursor


async def look(line: Line, live: LiveVenue, after: int) -> Snapshot:
    return await live.observe(later(line, seconds=30), after=after)


# ---- fills


async def test_a_fee_in_another_coin_is_unknown_and_holds_nothing(line: Line, live: LiveVenue) -> None:
    cursor = await traded(line, live)
    spoil(line, FILLS, FEE_COIN, "BNB")
    seen = await look(line, live, cursor)
    again = await look(line, live, seen.cursor)
    (fill,) = seen.fills

    assert (fill.contracts, fill.client_order_id, fill.fee) == (D("0.1"), "a1", None)
    assert fill.mark_price == 60_000
    assert "BNB" in fill.untold
    assert seen.untold == (fill.untold,)
    assert (seen.doubts, again.fills, again.doubts) == ((), (), ())
    assert seen.held(BTC) == D("-0.1")


@pytest.mark.parametrize(("field", "name"), [(FEE, "fee"), (PRICE, "fill_price")])
async def test_a_figure_of_money_that_can_not_be_read_is_unknown_and_holds_nothing(
    line: Line, live: LiveVenue, field: dict[str, str], name: str
) -> None:
    cursor = await traded(line, live)
    spoil(line, FILLS, field, "much")
    seen = await look(line, live, cursor)
    (fill,) = seen.fills

    assert getattr(fill, name) is None
    assert field[line.exchange.name] in fill.untold
    assert fill.contracts == D("0.1")
    assert (await look(line, live, seen.cursor)).fills == ()
    assert seen.doubts == ()


async def test_a_mark_that_the_venue_has_not_is_unknown_and_holds_nothing(
    line: Line, live: LiveVenue
) -> None:
    cursor = await traded(line, live)
    line.venue.fail(emptied(line, MARKS))
    seen = await look(line, live, cursor)
    (fill,) = seen.fills

    assert (fill.contracts, fill.mark_price) == (D("0.1"), None)
    assert fill.fee is not None
    assert f"no mark price of {BTC}" in fill.untold
    assert seen.doubts == ()


async def test_an_answer_without_marks_that_is_no_answer_is_asked_for_again(
    line: Line, live: LiveVenue
) -> None:
    """The venue may have it at the next try: only what it says it has not is given up."""
    cursor = await traded(line, live)
    line.venue.fail(fault("http_502", path=MARKS[line.exchange.name]))
    with pytest.raises(VenueUnavailable, match="502"):
        await look(line, live, cursor)
    seen = await look(line, live, cursor)

    assert [fill.mark_price for fill in seen.fills] == [60_000]


async def test_what_is_told_in_part_stays_so_after_a_restart(
    line: Line, live: LiveVenue, tmp_path: Path
) -> None:
    cursor = await traded(line, live)
    spoil(line, FILLS, FEE_COIN, "BNB")
    seen = await look(line, live, cursor)
    await live.close()
    again = await look(line, portfolio(line, tmp_path), cursor)

    assert again.fills == seen.fills
    assert again.doubts == ()


# ---- a trade that can't be read


@pytest.mark.parametrize("field", [QUANTITY, KEY, {"binance": "side", "bybit": "side"}])
async def test_a_trade_that_can_not_be_read_is_a_doubt_until_it_can_be_and_is_told_once(
    line: Line, live: LiveVenue, field: dict[str, str]
) -> None:
    cursor = await traded(line, live)
    spoil(line, FILLS, field, ["much"], count=None)
    unread = [await look(line, live, cursor) for _ in range(2)]
    unread.append(await live.observe(later(line, hours=2), after=cursor))  # past any looking back
    line.venue.script.clear()
    seen = await look(line, live, cursor)
    again = await look(line, live, seen.cursor)

    for one in unread:
        assert one.fills == ()
        assert one.unexplained == ()  # and nothing was adopted
        (doubt,) = one.doubts
        assert doubt.startswith(f"{BTC}: a trade can't be read")
        assert "much" in doubt
    assert [(f.contracts, f.client_order_id) for f in seen.fills] == [(D("0.1"), "a1")]
    assert (seen.doubts, again.fills, again.doubts) == ((), (), ())


async def test_a_position_is_not_adopted_while_the_trade_that_made_it_can_not_be_read(
    line: Line, live: LiveVenue
) -> None:
    """Taken as it is and then told, another hand's trade would count twice."""
    first = await live.observe(line.clock(), after=0)
    later(line, seconds=30)
    trade_by_hand(line, "sell", "0.3")
    spoil(line, FILLS, QUANTITY, "much", count=None)
    unread = [await live.observe(later(line, minutes=2), after=first.cursor) for _ in range(3)]
    line.venue.script.clear()
    seen = await look(line, live, first.cursor)
    again = await look(line, live, seen.cursor)

    assert all(len(one.doubts) == 1 and one.fills == () for one in unread)
    assert [fill.contracts for fill in seen.fills] == [D("0.3")]
    assert (seen.doubts, again.doubts, again.held(BTC)) == ((), (), D("-0.3"))


async def test_other_events_are_told_beside_a_trade_that_can_not_be_read(
    line: Line, live: LiveVenue
) -> None:
    cursor = await traded(line, live)
    line.venue.engine.transfer("USDT", D(1000), source="FUNDING")
    spoil(line, FILLS, QUANTITY, "much", count=None)
    seen = await look(line, live, cursor)
    again = await look(line, live, seen.cursor)

    assert ([flow.amount for flow in seen.flows], again.flows) == ([1000], ())
    assert len(again.doubts) == 1


@pytest.mark.parametrize("field", [QUANTITY, KEY, {"binance": "time", "bybit": "execTime"}])
async def test_a_trade_from_before_the_first_look_that_can_not_be_read_counts_in_no_position(
    line: Line, live: LiveVenue, field: dict[str, str]
) -> None:
    """
    The position was read with it. Only one of which not even the time is told is doubted: it may be
    from after that.
    """
    trade_by_hand(line, "sell", "0.3")
    later(line, seconds=30)
    spoil(line, FILLS, field, ["much"], count=None)
    first = await live.observe(line.clock(), after=0)
    next_one = await look(line, live, first.cursor)
    line.venue.script.clear()
    seen = await look(line, live, first.cursor)

    assert (first.doubts, first.fills, first.held(BTC)) == ((), (), D("-0.3"))
    dateless = "ime" in field["binance"]
    assert [BTC in doubt for doubt in next_one.doubts] == [True] * dateless
    assert (seen.fills, seen.doubts, seen.held(BTC)) == ((), (), D("-0.3"))


async def test_a_trade_that_can_not_be_read_comes_while_the_account_is_first_read(
    line: Line, live: LiveVenue
) -> None:
    """Nobody can tell whether the position has it: all is read again."""
    asked = line.exchange.dialect.account
    looks = 0

    async def account(*args: Any) -> Any:
        nonlocal looks
        looks += 1
        if looks == 1:
            trade_by_hand(line, "sell", "0.3")
            later(line, seconds=1)
        return await asked(*args)

    line.exchange.dialect.account = account  # type: ignore[method-assign]
    spoil(line, FILLS, QUANTITY, "much", count=None)
    first = await live.observe(line.clock(), after=0)
    next_one = await look(line, live, first.cursor)

    assert looks == 3  # twice before it was the same, and the look after it
    assert (first.held(BTC), first.doubts) == (D("-0.3"), ())
    assert (next_one.held(BTC), next_one.doubts) == (D("-0.3"), ())


async def test_a_secret_in_the_venues_words_is_not_told(line: Line, live: LiveVenue) -> None:
    cursor = await traded(line, live)
    spoil(line, FILLS, QUANTITY, f"key {SECRET}")
    seen = await look(line, live, cursor)

    assert len(seen.doubts) == 1
    assert SECRET not in str(seen)


async def test_a_person_may_say_that_the_position_is_right_with_it(
    line: Line, live: LiveVenue, tmp_path: Path
) -> None:
    cursor = await traded(line, live)
    spoil(line, FILLS, QUANTITY, "much", count=None)
    assert len((await look(line, live, cursor)).doubts) == 1
    await live.close()
    accepting = portfolio(line, tmp_path, accept_positions=True)
    accepted = await look(line, accepting, cursor)
    await accepting.close()
    again = await look(line, portfolio(line, tmp_path), cursor)

    assert (accepted.doubts, again.doubts) == ((), ())
    assert again.held(BTC) == D("-0.1")


async def test_an_order_sought_beside_a_trade_that_can_not_be_read_is_not_given_up(
    line: Line, live: LiveVenue
) -> None:
    await traded(line, live)
    spoil(line, FILLS, QUANTITY, "much", count=None)
    found = await live.seek("a2", BTC, later(line, seconds=30) - timedelta(seconds=5))

    assert not found.adds_up  # type: ignore[union-attr]


async def test_a_trade_whose_order_is_not_known_yet_is_read_at_the_next_look(tmp_path: Path) -> None:
    """Binance: a trade does not say whose it is, and its order may show a moment later."""
    async with linked(VENUES["binance"](deposit=50_000)) as line:
        live = portfolio(line, tmp_path)
        cursor = await traded(line, live)
        line.venue.fail(fault("hidden", method="GET", path="*/fapi/v1/order"))
        unread = await look(line, live, cursor)
        seen = await look(line, live, cursor)

    assert "the venue does not know it" in unread.doubts[0]
    assert [fill.client_order_id for fill in seen.fills] == ["a1"]


async def test_a_trade_of_an_unknown_type_moves_the_position(tmp_path: Path) -> None:
    """Bybit names the type of each; on Binance there is none."""
    async with linked(VENUES["bybit"](deposit=50_000)) as line:
        live = portfolio(line, tmp_path)
        cursor = await traded(line, live)
        spoil(line, FILLS, {"bybit": "execType"}, "Novation")
        seen = await look(line, live, cursor)
    (fill,) = seen.fills

    assert (fill.contracts, fill.cause, fill.client_order_id) == (D("0.1"), "order", "a1")
    assert "execType Novation" in fill.untold
    assert seen.doubts == ()


# ---- money


RATE = {"binance": "*/fapi/v1/fundingRate", "bybit": MONEY["bybit"]}


async def test_a_funding_without_its_rate_is_told_with_its_amount(line: Line, live: LiveVenue) -> None:
    cursor = await traded(line, live)
    line.venue.engine.market(BTC_ID).funding_rate = D("0.0005")
    if line.exchange.name == "binance":
        line.venue.fail(emptied(line, RATE))
    else:
        spoil(line, RATE, {"bybit": "feeRate"}, "")
    seen = await live.observe(later(line, hours=4, minutes=2), after=cursor)
    (payment,) = seen.funding_payments

    assert isinstance(payment, FundingPayment)
    assert (payment.amount, payment.funding_rate) == (3, None)
    assert "ate" in payment.untold
    assert seen.doubts == ()
    assert (await look(line, live, seen.cursor)).funding_payments == ()


@pytest.mark.parametrize("value", ["much", "NaN", ""])
async def test_money_whose_amount_can_not_be_read_is_never_zero(
    line: Line, live: LiveVenue, value: str
) -> None:
    first = await live.observe(line.clock(), after=0)
    later(line, seconds=30)
    line.venue.engine.transfer("USDT", D(1000), source="FUNDING")
    spoil(line, MONEY, {"binance": "income", "bybit": "change"}, value)
    seen = await look(line, live, first.cursor)
    again = await look(line, live, seen.cursor)

    assert [flow.amount for flow in seen.flows] == [None]
    assert {"binance": "income", "bybit": "change"}[line.exchange.name] in seen.untold[0]
    assert (seen.doubts, again.flows, again.untold) == ((), (), ())


async def test_money_of_an_unknown_kind_is_named_with_its_amount(line: Line, live: LiveVenue) -> None:
    """Binance has types of income, Bybit products; of both there will be new ones."""
    first = await live.observe(line.clock(), after=0)
    later(line, seconds=30)
    if line.exchange.name == "binance":
        line.venue.engine.transfer("USDT", D(1000), source="FUNDING")
        spoil(line, MONEY, {"binance": "incomeType"}, "NEW_KIND", count=None)
    else:
        trade_by_hand(line, "sell", "0.3")
        spoil(line, MONEY, {"bybit": "category"}, "NEW_KIND")
    seen = await look(line, live, first.cursor)
    again = await look(line, live, seen.cursor)

    assert [flow.amount for flow in seen.flows] == [1000 if line.exchange.name == "binance" else None]
    assert "NEW_KIND" in seen.untold[0]
    assert (seen.doubts, again.flows) == ((), ())


# ---- words and keys


@given(st.text())
def test_a_word_of_the_venue_is_short_and_plain_or_not_shown(word: str) -> None:
    assert plain(word) in (word, "(not a plain word)")
    assert len(plain(word)) <= 32
    assert plain(word).isprintable()


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_what_has_no_key_is_known_again_by_its_text(row: dict[str, Any]) -> None:
    def none(_row: dict[str, Any]) -> str:
        raise VenueUnavailable("no id")

    shuffled = dict(reversed(row.items()))

    assert key_or_digest(row, none) == key_or_digest(shuffled, none)
    assert key_or_digest(row, none) != key_or_digest({**row, "more": 1}, none) or row.get("more") == 1
    assert key_or_digest(row, lambda _row: "trade:1") == "trade:1"
