"""
Keys of every account are looked at, and nothing that is read of another account passes for ours.

Each test runs through the real ccxt on every loopback exchange.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio

from exchange.opening import VENUES
from exchange.venue import Right
from hedged.core.resolution import Absence
from hedged.errors import VenueUnavailable
from hedged.venue.book import Book
from hedged.venue.holdings import LivePortfolio
from hedged.venue.keys import DOUBTED_AGAIN, VOUCHED_AGAIN
from hedged.venue.ledger import Ledger
from hedged.venue.live import LiveVenue
from hedged.venue.opening import DIALECTS
from lines import BTC, Line, later, linked, order, portfolio, rest

D = Decimal
RIGHTS: tuple[Right, ...] = ("read", "futures")


@pytest_asyncio.fixture(params=sorted(DIALECTS))
async def line(request: pytest.FixtureRequest) -> AsyncIterator[Line]:
    async with linked(VENUES[request.param](deposit=50_000)) as found:
        yield found


def with_cold(line: Line, folder: Path, **wanted: object) -> LiveVenue:
    """Hedged on one account, with the coins of another name."""
    return LiveVenue(
        LivePortfolio(name="p", account="main", numeraire="USDT"),
        (line.account(BTC),),
        (line.account(name="cold", **wanted),),
        Book(Ledger(folder / "book.sqlite", read_only=False)),
        line.clock,
    )


def given(line: Line, *rights: Right) -> None:
    """The key may do this."""
    dialect = line.venue.dialect
    dialect.keys = {k: replace(v, rights=frozenset(rights)) for k, v in dialect.keys.items()}  # type: ignore[attr-defined]


async def test_a_key_of_coins_alone_that_may_withdraw_is_a_doubt(line: Line, tmp_path: Path) -> None:
    live = with_cold(line, tmp_path)
    sound = await live.observe(line.clock(), after=0)
    given(line, *RIGHTS, "withdraw")
    unseen = await live.observe(later(line, minutes=30), after=0)
    seen = await live.observe(later(line, seconds=VOUCHED_AGAIN.total_seconds() - 1800), after=0)
    given(line, *RIGHTS)
    mended = await live.observe(later(line, seconds=DOUBTED_AGAIN.total_seconds()), after=0)

    doubt = "the key of cold may withdraw or transfer; make one that can't"
    assert [doubt in one.doubts for one in (sound, unseen, seen, mended)] == [False, False, True, False]


async def test_coins_of_an_account_that_is_not_the_one_meant_are_a_doubt(
    line: Line, tmp_path: Path
) -> None:
    seen = await with_cold(line, tmp_path, account_uid="1").observe(line.clock(), after=0)

    assert any(doubt.startswith("account.cold.uid is 1, and the key") for doubt in seen.doubts)


async def test_what_is_read_of_another_account_is_not_booked(line: Line, tmp_path: Path) -> None:
    for told in (False, True):
        folder = tmp_path / str(told)
        if told:
            mine = portfolio(line, folder)
            await mine.observe(line.clock(), after=0)
            await mine.close()
        line.allowed.add(f"a{told}")
        await portfolio(line, tmp_path / f"b{told}").send(order(f"a{told}"))
        live = portfolio(line, folder, account_uid="1")
        before = live.book.told_until, live.book.cursor, live.book.expected(BTC)
        seen = await live.observe(later(line, minutes=2), after=live.book.cursor)

        assert any("account.main.uid is 1" in doubt for doubt in seen.doubts)
        assert (live.book.told_until, live.book.cursor, live.book.expected(BTC)) == before
        assert seen.fills == ()


async def test_an_order_is_not_absent_because_it_is_not_on_another_account(
    line: Line, tmp_path: Path
) -> None:
    mine = portfolio(line, tmp_path)
    await mine.observe(line.clock(), after=0)
    found = await mine.seek("hdgnever", BTC, line.clock())
    await mine.close()
    other = portfolio(line, tmp_path, account_uid="1")

    assert isinstance(found, Absence)
    with pytest.raises(VenueUnavailable, match="uid is 1, and the key belongs to"):
        await other.seek("hdgnever", BTC, later(line, minutes=1))


async def test_nothing_is_cancelled_on_another_account(line: Line, tmp_path: Path) -> None:
    rest(line, "61000", "hdgstray")
    other = portfolio(line, tmp_path, account_uid="1")
    await other.observe(line.clock(), after=0)
    before = len(line.venue.recorder.all)

    with pytest.raises(VenueUnavailable, match="uid is 1, and the key belongs to"):
        await other.cancel("hdgstray", BTC)
    assert len(line.venue.recorder.all) == before
