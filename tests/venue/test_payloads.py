"""
Damaged answers: whatever a venue says, there is a valid snapshot, the same as from the undamaged
answer, or there is none and the pass is skipped; never another error, never a changed figure.
"""

from __future__ import annotations

import asyncio
import copy
import random
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exchange.opening import VENUES
from exchange.venue import Venue
from hedged.core.market import Fill, Flow, FundingPayment, Snapshot
from hedged.errors import OutcomeUnknown, VenueUnavailable
from hedged.venue.accounts import Account
from hedged.venue.book import Book
from hedged.venue.dialect import Dialect
from hedged.venue.exchange import Exchange
from hedged.venue.first_price import FirstPrices
from hedged.venue.holdings import LivePortfolio
from hedged.venue.ledger import Contract, Ledger
from hedged.venue.live import LiveVenue
from hedged.venue.opening import DIALECTS
from hedged.venue.tiers import TierTable
from lines import (
    BTC,
    BTC_ID,
    ETH,
    ETH_ID,
    D,
    Line,
    later,
    linked,
    order,
    portfolio,
    rest,
    trade_by_hand,
)

WORDS: tuple[Any, ...] = (
    "NaN", "Infinity", "-Infinity", "1e999999", "abc", "null", "\uff10.\uff15", "0x10", "12,5", "1_000",
    " 5", "5 ", "--5",
)  # fmt: skip
KINDS: tuple[Any, ...] = (None, "", True, [], {}, [[]], {"a": 1}, float("nan"), float("inf"), b"bytes")
REMOVED = object()
MAY_BE_EMPTY = ("orderLinkId",)
"""Fields whose emptiness says something: an order of another hand has no id of ours."""
TIMES = ("startTime", "endTime", "start", "end")
Place = tuple[Any, ...]


class Replayed:
    """A wire that answers every endpoint with what the exchange answered once, damaged or not."""

    def __init__(self, line: Line) -> None:
        self.now = line.clock
        self.answers: dict[str, Any] = {}
        self.markets_found: dict[str, Any] = {}
        self.speech = line.dialect.speech

    async def read(self, endpoint: str, params: Any = None) -> Any:
        key = key_of(endpoint, params)
        if key not in self.answers:
            raise VenueUnavailable(f"{key}: the exchange knows nothing of it")
        return self.answers[key]

    find = read

    async def markets(self) -> dict[str, Any]:
        return self.markets_found

    def shown(self, row: Any) -> str:
        return str(row)

    def clock_is_off(self, milliseconds: int) -> None:
        """Nothing is signed here."""

    async def close(self) -> None:
        """There is no socket."""


def key_of(endpoint: str, params: Any) -> str:
    """Times differ from call to call; everything else tells one question from another."""
    steady = {
        k: v for k, v in (params or {}).items() if k not in ("startTime", "endTime", "start", "end")
    }
    return f"{endpoint} {sorted(steady.items())}"


async def recorded(venue: Venue, folder: Path) -> tuple[Replayed, LiveVenue, Dialect]:
    """A look at an account that holds something of everything, and all answers that it took."""
    async with linked(venue) as line:
        live = portfolio(line, folder, BTC, ETH)
        first = await live.observe(line.clock(), after=0)
        later(line, seconds=30)
        line.allowed.add("a1")
        await live.send(order("a1"))
        for market_id, price in ((BTC_ID, D(60_000)), (ETH_ID, D(3000))):
            line.venue.engine.set_book(market_id, ladder(price, -1), ladder(price, 1))
        trade_by_hand(line, "buy", "1", symbol=ETH_ID)
        rest(line, "61000")
        venue.engine.state.funding_wallet = {"ETH": D("2"), "USDC": D(5)}
        venue.engine.transfer("USDT", D(100), source="FUNDING")
        later(line, hours=4, minutes=2)
        replayed = Replayed(line)
        for wire in (line.public, line.private):
            _listen(wire, replayed)
        line.exchange.tiers = TierTable(line.dialect, line.clock)  # they are asked for anew
        line.exchange.first_prices = FirstPrices(line.dialect, line.public)  # and compared with bars
        replayed.markets_found = await line.public.markets()
        await live.observe(line.clock(), after=first.cursor)
        await live.lookup("a1", BTC)
        await live.close()
    return replayed, live, line.dialect


def ladder(price: Decimal, sign: int) -> list[tuple[Decimal, Decimal]]:
    """A side of a book: three levels, the last of them beyond what counts as its depth."""
    return [(price + sign * price * D(far) / 10_000, D(30)) for far in (1, 20, 100)]


def _listen(wire: Any, replayed: Replayed) -> None:
    for name in ("read", "find"):
        ask = getattr(wire, name)

        async def heard(endpoint: str, params: Any = None, ask: Any = ask) -> Any:
            answer = await ask(endpoint, params or {})
            replayed.answers[key_of(endpoint, params)] = copy.deepcopy(answer)
            return answer

        setattr(wire, name, heard)


async def looked(replayed: Replayed, dialect: Dialect) -> Snapshot | None:
    """The snapshot that the answers make, None when the pass would be skipped."""
    wire: Any = replayed
    exchange = Exchange("loopback", dialect, wire, replayed.now)
    account = Account(name="main", exchange=exchange, wire=wire, legs=frozenset({BTC, ETH}))
    book = Ledger(Path(tempfile.gettempdir()) / "nowhere.sqlite", read_only=True)
    for symbol in (BTC, ETH):  # nothing was held when the book was opened
        pin = Contract(symbol=symbol, contract_multiplier=D(1), held=D(0))
        book.stage("contract", f"contract {symbol}", pin)
    book.commit(replayed.now().replace(hour=11, minute=55))
    live = LiveVenue(
        LivePortfolio(name="p", account="main", numeraire="USDT"), (account,), (account,), Book(book),
        replayed.now,
    )  # fmt: skip
    try:
        found = await live.observe(replayed.now(), after=0)
        await live.lookup("a1", BTC)
    except (VenueUnavailable, OutcomeUnknown):
        return None
    return replace(found, at=replayed.now())


def places(answer: Any, path: Place = ()) -> Iterator[Place]:
    """The path of every value in an answer."""
    children = (
        answer.items() if isinstance(answer, dict)
        else enumerate(answer) if isinstance(answer, list) else ()
    )  # fmt: skip
    for step, value in children:
        yield (*path, step)
        yield from places(value, (*path, step))


def damaged(answer: Any, path: Place, damage: Any) -> Any:
    """A copy with one value replaced, or taken out."""
    if not path:
        return damage
    made = copy.deepcopy(answer)
    node = made
    for step in path[:-1]:
        node = node[step]
    if damage is REMOVED:
        del node[path[-1]]
    else:
        node[path[-1]] = damage
    return made


def damages(answer: Any, path: Place) -> tuple[Any, ...]:
    """
    What may befall a value. Another word in place of a name, or an empty list of what may be empty, is
    no damage that anybody can see; that of positions has a test of its own.
    """
    for step in path:
        answer = answer[step]
    named = isinstance(answer, str) and not answer.lstrip("+-").replace(".", "", 1).isdigit()
    kinds = tuple(
        kind
        for kind in KINDS
        if not (isinstance(answer, list) and kind == []) and not (answer is False and kind is True)
    )
    if path and path[-1] in MAY_BE_EMPTY:
        kinds = tuple(kind for kind in kinds if kind != "")
    may_go = path and not isinstance(path[-1], int)  # a row less is an answer too
    return (*kinds, *(() if named else WORDS), *((REMOVED,) if may_go else ()))


async def listings_damaged(name: str, folder: Path, count: int, seed: int) -> dict[str, int]:
    """As `campaign`, of the contracts as ccxt lists them."""
    replayed, _, dialect = await recorded(VENUES[name](deposit=50_000), folder)
    whole = await looked(replayed, dialect)
    assert whole is not None
    drawn, listed = random.Random(seed), replayed.markets_found
    every = [(symbol, path) for symbol in (BTC, ETH) for path in places(listed[symbol])]
    told = {"same": 0, "skipped": 0}
    for _ in range(count):
        symbol, path = drawn.choice(every)
        damage = drawn.choice(damages(listed[symbol], path))
        replayed.markets_found = listed | {symbol: damaged(listed[symbol], path, damage)}
        try:
            found = await looked(replayed, dialect)
        except Exception as error:
            raise AssertionError(f"{symbol} {path} = {damage!r}: {error!r}") from error
        told["skipped" if found is None else "same"] += 1
        assert found is None or harmless(found, whole), f"{symbol} {path} = {damage!r}"
    return told


async def campaign(name: str, folder: Path, count: int, seed: int) -> dict[str, int]:
    """Damage *count* answers, one at a time."""
    replayed, _, dialect = await recorded(VENUES[name](deposit=50_000), folder)
    whole = await looked(replayed, dialect)
    assert whole is not None, "undamaged, the answers make a snapshot"
    assert whole.fills
    assert whole.funding_payments
    assert whole.flows
    assert whole.open_orders
    assert all(one.tiers for one in whole.instruments)
    assert all(one.bid_depth and one.ask_depth for one in whole.quotes)
    drawn = random.Random(seed)
    every = [(key, path) for key, answer in replayed.answers.items() for path in ((), *places(answer))]
    told, pristine = {"same": 0, "skipped": 0}, copy.deepcopy(replayed.answers)
    for _ in range(count):
        key, path = drawn.choice(every)
        before = replayed.answers[key]
        damage = drawn.choice(damages(before, path))
        replayed.answers[key] = damaged(before, path, damage)
        try:
            found = await looked(replayed, dialect)
        except Exception as error:
            raise AssertionError(f"{key} {path} = {damage!r}: {error!r}") from error
        replayed.answers[key] = before
        if found is None:
            told["skipped"] += 1
        else:
            told["same"] += 1
            assert harmless(found, whole), f"{key} {path} = {damage!r}"
    assert replayed.answers == pristine, "translating an answer leaves it as it was"
    return told


MAY_BE_UNKNOWN: dict[type, tuple[str, ...]] = {
    Fill: ("fill_price", "mark_price", "fee"),
    FundingPayment: ("funding_rate", "contracts", "mark_price", "amount"),
    Flow: ("amount",),
}


def in_part(now: Fill | FundingPayment | Flow, was: Fill | FundingPayment | Flow) -> bool:
    """Whether *now* is *was*, but for money that is unknown and named, and an index."""
    if type(now) is not type(was):
        return False
    unknown = [name for name in MAY_BE_UNKNOWN[type(now)] if getattr(now, name) is None]
    if isinstance(now, Fill) and isinstance(was, Fill) and now.index_price is None:
        was = replace(was, index_price=None)
    told: Any = replace(was, untold=now.untold, **dict.fromkeys(unknown))
    return bool(now.untold) == bool(unknown) and bool(now == told)


def nameless(flow: Flow) -> bool:
    """Money that moved, nobody knows how much or why, and that is said."""
    return flow.amount is None and bool(flow.untold)


def harmless(found: Snapshot, whole: Snapshot) -> bool:
    """
    Every figure is the undamaged one. Held back by a doubt it may differ; an index, a bid, an ask or a
    running rate that the venue may leave out may be unknown, never other; so may all margin steps of a
    contract, and a position's place in the queue of ADL and its liquidation price. A coin without a
    price holds the pass. Money whose coin can't be read is left out: it shows as unexplained. Of an
    event of money, and of a fill that moved the position as it did, what is unknown is named.
    """
    if not all(any(in_part(now, was) for was in whole.flows) or nameless(now) for now in found.flows):
        return False
    paid = whole.funding_payments
    if not all(any(in_part(now, was) for was in paid) for now in found.funding_payments):
        return False
    if found == whole or found.doubts:
        return True
    quotes = tuple(
        replace(
            was,
            index_price=was.index_price if now.index_price is not None else None,
            bid_price=was.bid_price if now.bid_price is not None else None,
            ask_price=was.ask_price if now.ask_price is not None else None,
            funding_rate_next=was.funding_rate_next if now.funding_rate_next is not None else None,
        )
        for now, was in zip(found.quotes, whole.quotes, strict=True)
    )
    if len(found.fills) != len(whole.fills):
        return False
    if not all(in_part(now, was) for now, was in zip(found.fills, whole.fills, strict=True)):
        return False
    instruments = tuple(
        was if now.tiers else replace(was, tiers=())
        for now, was in zip(found.instruments, whole.instruments, strict=True)
    )
    if len(found.positions) != len(whole.positions):
        return False
    positions = tuple(
        replace(
            was,
            adl_rank=was.adl_rank if now.adl_rank is not None else None,
            liquidation_price=was.liquidation_price if now.liquidation_price is not None else None,
        )
        for now, was in zip(found.positions, whole.positions, strict=True)
    )
    if len(found.holdings) != len(whole.holdings):
        return False
    holdings = tuple(
        was if now.mark_price is not None else replace(was, mark_price=None, priced_at=None)
        for now, was in zip(found.holdings, whole.holdings, strict=True)
    )
    return found == replace(
        whole,
        positions=positions,
        holdings=holdings,
        instruments=instruments,
        quotes=quotes,
        fills=found.fills,
        flows=found.flows,
        funding_payments=found.funding_payments,
        cursor=found.cursor,
    )


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_a_damaged_answer_is_no_snapshot_or_the_same_one(name: str, tmp_path: Path) -> None:
    told = asyncio.run(campaign(name, tmp_path, 10_000, seed=1))

    assert told["skipped"] > 1000
    assert told["same"] > 1000


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_a_damaged_listing_is_no_snapshot_or_the_same_one(name: str, tmp_path: Path) -> None:
    told = asyncio.run(listings_damaged(name, tmp_path, 1_000, seed=1))

    assert told["skipped"] > 100
    assert told["same"] > 500


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_a_damaged_answer_is_no_snapshot_long(name: str, tmp_path: Path) -> None:
    asyncio.run(campaign(name, tmp_path, 250_000, seed=2))
