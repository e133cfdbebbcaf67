"""What a portfolio on paper protects: stated, and seen with keys that should only read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
import pytest_asyncio

from exchange.faults import fault
from exchange.opening import VENUES
from exchange.venue import Key, Right, Venue
from hedged.core.market import Holding
from hedged.errors import VenueUnavailable
from hedged.venue.asking import answers
from hedged.venue.dialect import Rights
from hedged.venue.holdings import StatedHolding
from hedged.venue.keys import DOUBTED_AGAIN
from hedged.venue.opening import DIALECTS
from hedged.venue.protected import Protected
from lines import Line, later, linked

D = Decimal
READS: frozenset[Right] = frozenset({"read"})
MONTH = timedelta(days=31)
BTC = StatedHolding(asset="BTC", quantity=D("0.5"), source="vault")
CASH = StatedHolding(asset="USDT", quantity=D(100), source="vault")
UNKNOWN = StatedHolding(asset="XYZ", quantity=D(7), source="vault")


@pytest.fixture(params=sorted(DIALECTS))
def venue(request: pytest.FixtureRequest) -> Venue:
    return VENUES[request.param](keys=(Key(rights=READS),))


@pytest_asyncio.fixture
async def line(venue: Venue) -> AsyncIterator[Line]:
    async with linked(venue) as found:
        yield found


def protected(
    line: Line, *stated: StatedHolding, sources: bool = True, futures_wallets: bool | None = None
) -> Protected:
    """With *sources* an account, whose futures wallets count where its key can see them."""
    seen = not line.dialect.wallets_apart if futures_wallets is None else futures_wallets
    account = replace(line.account(name="spot"), futures_wallets=seen)
    return Protected(line.exchange, "USDT", stated, MONTH, (account,) if sources else ())


def given(line: Line, *rights: Right) -> None:
    """The key may do this."""
    dialect = line.venue.dialect
    dialect.keys = {k: replace(v, rights=frozenset(rights)) for k, v in dialect.keys.items()}  # type: ignore[attr-defined]


def shown(holdings: tuple[Holding, ...]) -> list[tuple[str, Decimal, Decimal | None, str]]:
    return [(one.asset, one.quantity, one.mark_price, one.source) for one in holdings]


async def test_what_is_stated_is_priced_without_a_key(line: Line) -> None:
    held = await protected(line, BTC, CASH, UNKNOWN, sources=False)(line.clock())

    assert shown(held.holdings) == [
        ("BTC", D("0.5"), 60_000, "vault"),
        ("USDT", 100, 1, "vault"),
        ("XYZ", 7, None, "vault"),
    ]
    assert held.doubts == ()


async def test_coins_on_an_account_are_told_with_the_accounts_name(line: Line) -> None:
    line.venue.engine.state.funding_wallet = {"ETH": D(2)}
    held = await protected(line, BTC)(line.clock())

    assert ("BTC", D("0.5"), 60_000, "vault") in shown(held.holdings)
    assert ("ETH", 2, 3000, "spot funding") in shown(held.holdings)
    assert held.doubts == ()


async def test_coins_that_a_key_can_not_see_are_not_taken_for_none(line: Line) -> None:
    look = protected(line, futures_wallets=True)
    if line.dialect.wallets_apart:
        with pytest.raises(VenueUnavailable, match=r"set account\.spot\.futures_wallets"):
            await look(line.clock())
        given(line, "read", "futures")
    held = await look(line.clock())

    assert [(one.asset, one.quantity) for one in held.holdings] == [("USDT", 10_000)]


async def test_coins_in_futures_wallets_can_be_left_out(line: Line) -> None:
    line.venue.engine.state.coin_margin = {"BTC": D(3)}
    line.venue.engine.state.funding_wallet = {"ETH": D(2)}
    held = await protected(line)(line.clock())

    assert ("ETH", 2) in [(one.asset, one.quantity) for one in held.holdings]
    assert "BTC" not in [one.asset for one in held.holdings]


@pytest.mark.parametrize("right", ["withdraw", "transfer"])
async def test_a_key_that_could_take_the_coins_away_is_a_doubt(line: Line, right: Right) -> None:
    if (line.exchange.name, right) == ("bybit", "transfer"):
        pytest.skip("one right there")
    given(line, "read", right)
    held = await protected(line)(line.clock())

    assert held.doubts[0] == "the key of spot may withdraw or transfer; make one that can't"
    assert "may do more than read" in held.doubts[1]


@pytest.mark.parametrize("right", ["futures", "spot"])
async def test_a_key_that_may_trade_is_a_doubt_that_names_account_and_fix(
    line: Line, right: Right
) -> None:
    given(line, "read", right)
    held = await protected(line)(line.clock())

    assert held.doubts == (
        "the key of spot may do more than read, and on paper no key that may trade is used; "
        "make one that only reads",
    )


async def test_on_binance_the_fix_of_a_key_that_sees_futures_tells_of_what_it_sees_no_more(
    line: Line,
) -> None:
    given(line, "read", "futures")
    held = await protected(line, futures_wallets=True)(line.clock())

    said = "set account.spot.futures_wallets = false" in held.doubts[0]
    assert said is line.dialect.wallets_apart


async def test_rights_that_are_not_told_are_not_taken_for_none(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def untold(*_: object) -> Rights:
        return Rights(account_uid="1", may_trade=False, may_withdraw=None, address_bound=None)

    monkeypatch.setattr(type(line.dialect), "rights", untold)
    held = await protected(line)(line.clock())

    (doubt,) = held.doubts
    assert f"{line.exchange.name} does not tell whether the key of spot only reads" in doubt
    assert "make one that only reads" in doubt


async def test_a_key_that_was_put_right_is_seen_before_the_hour_is_over(line: Line) -> None:
    given(line, "read", "spot")
    look = protected(line)
    before = await look(line.clock())
    given(line, "read")
    after = await look(later(line, seconds=DOUBTED_AGAIN.total_seconds()))

    assert (len(before.doubts), after.doubts) == (1, ())


async def test_the_key_is_looked_at_every_hour(line: Line) -> None:
    look = protected(line)
    asked: list[int] = []
    for by in (timedelta(0), timedelta(minutes=59), timedelta(minutes=1)):
        before = len(line.asked())
        await look(later(line, seconds=by.total_seconds()))
        asked.append(sum("estrictions" in one or "query-api" in one for one in line.asked()[before:]))

    assert asked == [1, 0, 1]


async def test_a_list_that_nobody_keeps_up_is_outdated(line: Line) -> None:
    old = replace(BTC, as_of=line.clock() - MONTH - timedelta(days=1))
    held = await protected(line, old, sources=False)(line.clock())

    assert held.doubts == ()
    assert "BTC in vault was counted on" in held.outdated[0]


async def test_an_account_that_can_not_be_read_is_not_an_empty_one(line: Line) -> None:
    line.venue.fail(fault("http_503", count=None))
    with pytest.raises(VenueUnavailable):
        await protected(line, BTC)(line.clock())


async def test_when_one_of_several_fails_nothing_goes_on_in_the_background() -> None:
    ended: list[str] = []

    async def slow() -> str:
        await asyncio.sleep(0)
        ended.append("slow")
        return "slow"

    async def fails() -> str:
        raise VenueUnavailable("no")

    with pytest.raises(VenueUnavailable):
        await answers([fails(), slow()])

    assert ended == ["slow"]
    assert await answers([slow(), slow()]) == ["slow", "slow"]
