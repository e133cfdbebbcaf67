"""An account under two names: its coins count once, or nothing is traded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio

from exchange.opening import VENUES
from hedged.venue.accounts import Account
from hedged.venue.book import Book
from hedged.venue.holdings import LivePortfolio
from hedged.venue.ledger import Ledger
from hedged.venue.live import LiveVenue
from hedged.venue.opening import DIALECTS
from hedged.venue.owners import Owners, pairs_of
from hedged.venue.protected import Protected
from lines import BTC, Line, later, linked

D = Decimal


@pytest_asyncio.fixture(params=sorted(DIALECTS))
async def line(request: pytest.FixtureRequest) -> AsyncIterator[Line]:
    async with linked(VENUES[request.param](deposit=50_000)) as found:
        found.venue.engine.transfer("BTC", D(2), source="OUTSIDE")  # as margin
        found.venue.engine.state.funding_wallet = {"BTC": D(1)}
        yield found


def looking(line: Line, folder: Path, *names: str) -> LiveVenue:
    """A portfolio hedged on `main`, whose coins lie under *names*, all of one account."""
    return LiveVenue(
        LivePortfolio(name="p", account="main", numeraire="USDT"),
        (line.account(BTC),),
        tuple(line.account(name=name) for name in names),
        Book(Ledger(folder / "book.sqlite", read_only=False)),
        line.clock,
    )


def rights_asked(line: Line) -> int:
    return sum("apiRestrictions" in one or "query-api" in one for one in line.asked())


async def test_two_names_of_one_account_are_a_doubt_that_names_both(line: Line, tmp_path: Path) -> None:
    live = looking(line, tmp_path, "main", "again")
    seen = await live.observe(line.clock(), after=0)
    asked = rights_asked(line)
    await live.observe(later(line, seconds=30), after=0)

    (why,) = seen.doubts
    assert why.startswith("account.again and account.main are one account, ")
    assert f"of {line.exchange.name}, and both are in holdings_from" in why
    assert rights_asked(line) == asked  # whose a key is, is asked once


async def test_a_key_of_its_own_that_reads_the_coins_of_the_hedge_account_counts_its_margin_once(
    line: Line, tmp_path: Path
) -> None:
    """A key that may see every wallet need not be the one that trades."""
    seen = await looking(line, tmp_path, "reader").observe(line.clock(), after=0)
    found = {one.source: one.quantity for one in seen.holdings if one.asset == "BTC"}

    assert seen.doubts == ()
    assert sum(found.values()) == 3
    assert found["reader funding"] == 1


async def test_where_there_is_one_name_nobody_is_asked(line: Line) -> None:
    owners, account = Owners(), line.account(BTC)

    assert await owners.of((account, account)) == {"main": (line.exchange.name, "main")}
    assert rights_asked(line) == 0
    assert list(owners.twins((account,))) == []


async def test_two_names_of_one_account_are_a_doubt_on_paper_too(line: Line) -> None:
    def account(name: str) -> Account:
        return replace(line.account(name=name), futures_wallets=not line.dialect.wallets_apart)

    sources = (account("spot"), account("again"))
    held = await Protected(line.exchange, "USDT", (), timedelta(days=31), sources)(line.clock())

    assert any("account.again and account.spot are one account" in why for why in held.doubts)


def test_accounts_of_two_exchanges_may_have_one_number() -> None:
    owners = {"a": ("binance", "1"), "b": ("bybit", "1"), "c": ("binance", "2"), "d": ("binance", "1")}

    assert list(pairs_of(owners)) == [("a", "d")]
