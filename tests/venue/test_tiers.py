"""Steps of margin: as the exchange reckons with them, asked for once a day, never guessed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from exchange.faults import fault
from exchange.instruments import tiers as listed
from exchange.opening import VENUES
from exchange.venue import Venue
from hedged.core.margin import maintenance_margin
from hedged.core.market import MarginTier, Snapshot
from hedged.errors import VenueUnavailable
from hedged.venue.live import LiveVenue
from hedged.venue.opening import DIALECTS
from hedged.venue.tiers import steps_of
from lines import BTC, BTC_ID, ETH, Line, later, linked, portfolio, trade_by_hand

D = Decimal
PATH = {"binance": "*/leverageBracket", "bybit": "*/risk-limit"}


def tier(top: int, rate: str, deduction: str | int = 0, leverage: int = 10) -> MarginTier:
    return MarginTier(
        notional_max=D(top), rate=D(rate), deduction=D(deduction), leverage_max=D(leverage)
    )


TWO = (tier(50_000, "0.004", 0, 125), tier(600_000, "0.005", 50, 100))


# ---- what is believed


def test_steps_are_put_in_order() -> None:
    assert steps_of(reversed(TWO), "BTCUSDT") == TWO
    assert steps_of((), "BTCUSDT") == ()


@pytest.mark.parametrize(
    "second",
    [
        tier(600_000, "0.005", 0),
        tier(600_000, "0.005", 500),
        tier(600_000, "0.003", -50),
        tier(50_000, "0.005", 50),
        tier(600_000, "5", 249_800),
        tier(600_000, "0.005", 50, 0),
    ],
    ids=["no deduction", "too much", "falling rate", "twice", "percent", "no leverage"],
)
def test_steps_that_do_not_fit_together_are_refused(second: MarginTier) -> None:
    with pytest.raises(VenueUnavailable, match="do not fit together"):
        steps_of((TWO[0], second), "BTCUSDT")


def test_the_lowest_step_deducts_nothing() -> None:
    with pytest.raises(VenueUnavailable, match="do not fit together"):
        steps_of((replace(TWO[0], deduction=D(5)),), "BTCUSDT")


@given(
    rises=st.lists(st.integers(1, 10**7), min_size=1, max_size=8),
    rates=st.lists(st.decimals("0.001", "0.9", places=4), min_size=8, max_size=8).map(sorted),
)
def test_any_steps_that_meet_are_taken_as_they_are(rises: list[int], rates: list[Decimal]) -> None:
    tops = [sum(rises[: place + 1]) for place in range(len(rises))]
    made = listed(*((top, str(rate), 2) for top, rate in zip(tops, rates, strict=False)))
    told = [
        MarginTier(
            notional_max=one.notional_max,
            rate=one.rate,
            deduction=one.deduction,
            leverage_max=D(one.leverage_max),
        )
        for one in made
    ]

    assert steps_of(told, "any") == tuple(told)


# ---- through the real ccxt


@pytest.fixture(params=sorted(DIALECTS))
def venue(request: pytest.FixtureRequest) -> Venue:
    return VENUES[request.param](deposit=50_000)


@pytest_asyncio.fixture
async def line(venue: Venue) -> AsyncIterator[Line]:
    async with linked(venue) as found:
        yield found


@pytest.fixture
def live(line: Line, tmp_path: Path) -> LiveVenue:
    return portfolio(line, tmp_path, BTC, ETH)


def asked(line: Line) -> int:
    path = PATH[line.exchange.name].lstrip("*")
    return sum(one.endswith(path) for one in line.asked())


def margin_of(seen: Snapshot) -> Decimal:
    return maintenance_margin(seen.instrument(BTC), seen.held(BTC), seen.quote(BTC).mark_price)


@pytest.mark.parametrize("contracts", ["0.2", "7", "15"])
async def test_our_formula_gives_the_margin_that_the_exchange_asks_for(
    line: Line, live: LiveVenue, contracts: str
) -> None:
    line.venue.engine.deposit("USDT", D(1_000_000))
    trade_by_hand(line, "sell", contracts)
    seen = await live.observe(line.clock(), after=0)

    assert margin_of(seen) > 0
    assert margin_of(seen) == seen.margin.maintenance_margin
    assert [one.leverage_max for one in seen.instrument(BTC).tiers[:2]] == [125, 100]


async def test_they_are_asked_once_a_day_and_not_at_every_pass(line: Line, live: LiveVenue) -> None:
    await live.observe(line.clock(), after=0)
    first = asked(line)
    for _ in range(3):
        await live.observe(later(line, minutes=5), after=0)
    same_day = asked(line)
    await live.observe(later(line, days=1), after=0)

    assert (first, same_day, asked(line)) == (2, 2, 4)


async def test_what_is_not_told_stays_unknown_and_is_asked_again_soon(
    line: Line, live: LiveVenue
) -> None:
    line.venue.fail(fault("http_503", path=PATH[line.exchange.name], count=2))
    looks = [await live.observe(later(line, minutes=i), after=0) for i in (0, 9, 1)]

    assert [bool(look.instrument(BTC).tiers) for look in looks] == [False, False, True]
    assert looks[0].doubts == ()  # unknown steps hold no pass by themselves


async def test_steps_that_were_known_stay_when_the_next_answer_can_not_be_true(
    line: Line, live: LiveVenue
) -> None:
    before = await live.observe(line.clock(), after=0)
    market = line.venue.engine.market(BTC_ID)
    wrong = (*market.contract.tiers[:1], replace(market.contract.tiers[1], deduction=D(9_999)))
    line.venue.engine.relist(BTC_ID, tiers=wrong)
    after = await live.observe(later(line, days=1), after=0)

    assert asked(line) == 4
    assert after.instrument(BTC).tiers == before.instrument(BTC).tiers != ()


async def test_portfolios_of_one_account_ask_once(line: Line, tmp_path: Path) -> None:
    for i in range(5):
        (tmp_path / str(i)).mkdir()
        await portfolio(line, tmp_path / str(i), BTC, ETH).observe(line.clock(), after=0)

    assert asked(line) == 2


async def test_an_account_has_steps_of_its_own_where_the_key_tells_them(line: Line) -> None:
    table, listing = line.exchange.tiers, await line.exchange.listing(BTC)
    for account in ("first", "second", "first"):
        await table.of(account, line.private, [listing])

    assert asked(line) == (2 if line.dialect.tiers_by_account else 1)


async def test_an_inverse_contract_has_none_for_its_steps_are_in_coins() -> None:
    async with linked(VENUES["bybit"]()) as line:
        inverse = await line.exchange.listing("BTC/USD:BTC")
        found = await line.exchange.tiers.of("main", line.private, [inverse])

    assert found == {"BTC/USD:BTC": ()}
