"""How often funding is settled: asked for once a day, unknown when it was not told, never guessed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from exchange.faults import fault
from exchange.opening import VENUES
from hedged.core.market import Snapshot
from hedged.venue.live import LiveVenue
from hedged.venue.opening import DIALECTS
from lines import BTC, BTC_ID, ETH, Line, later, linked, portfolio, trade_by_hand

PATH = {"binance": "*/fundingInfo", "bybit": "*/instruments-info"}
"""Bybit tells them with the contract itself, which is asked for anew every hour as well."""


@pytest_asyncio.fixture(params=sorted(DIALECTS))
async def line(request: pytest.FixtureRequest) -> AsyncIterator[Line]:
    async with linked(VENUES[request.param](deposit=50_000)) as found:
        yield found


@pytest.fixture
def live(line: Line, tmp_path: Path) -> LiveVenue:
    return portfolio(line, tmp_path, BTC, ETH)


def hours(seen: Snapshot) -> list[int | None]:
    told = [seen.quote(symbol).funding_hours for symbol in (BTC, ETH)]
    return [None if one is None else int(one) for one in told]


def asked(line: Line) -> int:
    path = PATH[line.exchange.name].lstrip("*")
    return sum(one.endswith(path) for one in line.asked())


async def test_the_running_rate_of_a_leg_has_its_hours(line: Line, live: LiveVenue) -> None:
    line.venue.engine.relist(BTC_ID, funding_hours=4)
    trade_by_hand(line, "sell", "0.2")
    seen = await live.observe(line.clock(), after=0)

    assert hours(seen) == [4, 8]
    assert seen.quote(BTC).funding_rate_next is not None


async def test_a_contract_without_a_running_rate_has_none(line: Line) -> None:
    listings = await line.exchange.listings()
    (dated, *_) = [symbol for symbol, one in listings.items() if one.kind == "dated"]
    before = asked(line)
    quotes = await line.exchange.quotes([dated])
    found = await line.exchange.intervals.beside(quotes.values(), listings)

    assert found == list(quotes.values())
    assert asked(line) == before


async def test_they_are_asked_for_once_a_day(line: Line, live: LiveVenue) -> None:
    await live.observe(line.clock(), after=0)
    first = asked(line)
    for _ in range(3):
        await live.observe(later(line, minutes=5), after=0)
    same_day = asked(line)
    line.venue.engine.relist(BTC_ID, funding_hours=1)
    seen = await live.observe(later(line, days=1), after=0)

    assert same_day == first
    assert asked(line) > first
    assert hours(seen) == [1, 8]


async def test_what_is_not_told_is_unknown_holds_nothing_and_is_asked_again_soon(
    line: Line, live: LiveVenue
) -> None:
    await line.exchange.listings()
    line.venue.fail(fault("http_503", path=PATH[line.exchange.name], count=2))
    looks = [await live.observe(later(line, minutes=i), after=0) for i in (0, 9, 1)]

    assert [hours(look) for look in looks] == [[None, None], [None, None], [8, 8]]
    assert [look.doubts for look in looks] == [()] * 3


async def test_what_was_known_stays_when_the_next_answer_fails(line: Line, live: LiveVenue) -> None:
    await live.observe(line.clock(), after=0)
    later(line, days=1)
    await line.exchange.listings()
    line.venue.fail(fault("http_503", path=PATH[line.exchange.name], count=2))
    seen = await live.observe(line.clock(), after=0)

    assert hours(seen) == [8, 8]
