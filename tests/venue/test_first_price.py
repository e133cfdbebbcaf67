"""A first price, and one that is suddenly another, is compared with bars before it is believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from builders import d, quote
from exchange.opening import VENUES, binance_venue
from exchange.tape import Bar, Tape
from hedged.core.metrics.history import SCHEMAS
from hedged.errors import VenueUnavailable
from hedged.venue.first_price import LATELY, FirstPrices
from hedged.venue.opening import DIALECTS
from lines import BTC, BTC_ID, ETH, Line, later, linked, portfolio

NOW = datetime(2022, 6, 13, 9, 30, tzinfo=UTC)


class Bars:
    """A dialect that tells one close, or none, and counts how often it is asked."""

    def __init__(self, close: float | None = 100.0) -> None:
        self.close = close
        self.asked: list[tuple[Any, ...]] = []

    async def series(self, _wire: Any, *asked: Any) -> pl.DataFrame:
        self.asked.append(asked)
        flat = dict.fromkeys(SCHEMAS["bars"], self.close) | {"open_time": NOW, "volume": 1.0}
        return pl.DataFrame([flat] if self.close is not None else [], schema=SCHEMAS["bars"])


async def compare(first: FirstPrices, mark: object) -> None:
    unlisted: Any = {BTC: "its listing"}
    await first.compare((quote(mark=mark),), unlisted, NOW)


def over(bars: Bars) -> FirstPrices:
    told: Any = bars
    return FirstPrices(told, told)


async def test_the_first_price_is_compared_with_the_bars_of_the_last_day_and_the_next_with_it() -> None:
    bars = Bars()
    first = over(bars)
    await compare(first, 101)
    await compare(first, 290)

    assert bars.asked == [("its listing", "bars", "15m", NOW - LATELY, NOW)]


@pytest.mark.parametrize("mark", ["1000", "10", "301", "33"])
async def test_a_first_price_far_from_the_last_close_is_asked_for_again(mark: str) -> None:
    first = over(Bars())
    with pytest.raises(VenueUnavailable, match=f"told at {d(mark):,.6g}, and its bars closed at 100"):
        await compare(first, mark)
    with pytest.raises(VenueUnavailable, match="one of the two is wrong"):
        await compare(first, mark)  # it was not taken for right

    await compare(first, 100)


async def test_a_price_that_is_a_multiple_of_the_last_needs_bars_that_bear_it_out() -> None:
    bars = Bars()
    first = over(bars)
    await compare(first, 100)
    await compare(first, 20)
    assert [why[:41] for why in first.doubts([BTC, "ETH"])] == [
        "BTC/USDT:USDT is told at 20, and its bars"
    ]
    assert first.doubts(["ETH"]) == []
    bars.close = 21.0
    await compare(first, 20)
    assert first.doubts([BTC]) == []
    await compare(first, 19)

    assert len(bars.asked) == 3


async def test_a_price_that_comes_back_ends_the_doubt() -> None:
    first = over(Bars())
    await compare(first, 100)
    await compare(first, 20)
    await compare(first, 99)

    assert first.doubts([BTC]) == []


@pytest.mark.parametrize("held", [{}, {"BTC": d(1)}])
async def test_a_price_that_falls_to_a_tenth_holds_and_is_recorded(
    tmp_path: Path, held: dict[str, Decimal]
) -> None:
    async with linked(binance_venue(deposit=50_000)) as line:
        line.venue.engine.state.funding_wallet = held
        live = portfolio(line, tmp_path, *([ETH] if held else [BTC]))
        await live.observe(line.clock(), after=0)
        multiply(line, d("0.1"))
        seen = await live.observe(later(line, seconds=30), after=0)

    told = "BTC/USDT:USDT is told at 6,000, and its bars closed at 60,000"
    assert len([why for why in seen.doubts if told in why]) == 1


async def test_a_contract_without_a_bar_is_taken_at_its_price() -> None:
    bars = Bars(close=None)
    first = over(bars)
    await compare(first, 1000)
    await compare(first, 1001)

    assert len(bars.asked) == 1


@pytest.mark.parametrize("name", sorted(DIALECTS))
async def test_mark_index_and_book_that_are_all_a_tenth_are_no_quote(name: str) -> None:
    async with linked(VENUES[name](deposit=50_000)) as line:
        multiply(line, d("0.1"))
        with pytest.raises(VenueUnavailable, match="BTC/USDT:USDT is told at 6,000"):
            await line.exchange.quotes([BTC])
        multiply(line, d(10))

        assert (await line.exchange.quotes([BTC]))[BTC].mark_price == 60_000


class Still(Tape):
    """Bars that what is quoted from now on does not reach."""

    def record(self, *_: Any) -> None:
        pass


def multiply(line: Line, times: Decimal) -> None:
    """All prices of the contract at once, but for its bars."""
    market = line.venue.engine.market(BTC_ID)
    opens_at, flat = line.clock() - timedelta(hours=2), d(60_000)
    for name in market.tapes:
        market.tapes[name] = still = Still()
        still.load([Bar(opens_at=opens_at, open=flat, high=flat, low=flat, close=flat)])
    market.mark, market.index = market.mark * times, market.index * times
    line.venue.engine.set_book(
        BTC_ID,
        [(round(price * times, 1), size) for price, size in market.book.bids[:1]],
        [(round(price * times, 1) + 1, size) for price, size in market.book.asks[:1]],
    )
