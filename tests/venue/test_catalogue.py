"""Words mean one listed contract, or nothing; never the nearest."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import contract, d
from exchange.clocks import START
from exchange.opening import binance_venue
from hedged.errors import SettingsError
from hedged.venue.binance.translate import listing_of
from hedged.venue.catalogue import is_quarter, refuse_only_leg, resolve, sort_of
from hedged.venue.dialect import Listing, ListingKind
from lines import linked

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def listing(symbol: str, kind: ListingKind = "perpetual", **changed: Any) -> Listing:
    """A contract as its symbol says: inverse where it settles in its base, dated where it ends so."""
    pair, _, rest = symbol.partition(":")
    base, _, quote = pair.partition("/")
    settle, _, ends = rest.partition("-")
    expiry = datetime.strptime(f"{ends}08Z", "%y%m%d%HZ").replace(tzinfo=UTC) if ends else None
    instrument = contract(
        symbol, base=base, quote=quote, settle=settle, inverse=settle == base, expiry=expiry
    )
    plain = Listing(
        instrument=instrument,
        market_id=f"{base}{quote}{ends}",
        kind="dated" if ends else kind,
        active=True,
    )
    return replace(plain, **changed)


def listed(*more: Listing) -> dict[str, Listing]:
    """Bitcoin in every form, indices, a look-alike; a weekly and a monthly among the quarterlies."""
    found = [
        listing("BTCDOM/USDT:USDT", "index"),
        listing("BTC/USDT:USDT"),
        listing("BTC/USDC:USDC"),
        listing("BTC/USD:BTC"),
        listing("BTC/USDT:USDT-260306"),
        listing("BTC/USDT:USDT-260327"),
        listing("BTC/USDT:USDT-260424"),
        listing("BTC/USDT:USDT-260626"),
        listing("BTC/USDT:USDT-260925"),
        listing("BTC/USD:BTC-260327"),
        listing("ALL/USDT:USDT", "index"),
        listing("1000SHIB/USDT:USDT"),
        listing("ETH/USDT:USDT"),
    ]
    return {one.instrument.symbol: one for one in (*found, *more)}


def meant(words: str, now: datetime = NOW, **given: Any) -> str:
    return resolve(words, listed(), now, **given).instrument.symbol


def refusal(words: str, listings: dict[str, Listing] | None = None, now: datetime = NOW) -> str:
    with pytest.raises(SettingsError) as caught:
        resolve(words, listed() if listings is None else listings, now)
    return str(caught.value)


@pytest.mark.parametrize(
    ("words", "symbol"),
    [
        ("BTC/USDT:USDT", "BTC/USDT:USDT"),
        (" btc/usdt:usdt-260626 ", "BTC/USDT:USDT-260626"),
        ("BTC perpetual", "BTC/USDT:USDT"),
        ("btc  PERPETUAL", "BTC/USDT:USDT"),
        ("BTC USDC perpetual", "BTC/USDC:USDC"),
        ("BTC USDT perpetual", "BTC/USDT:USDT"),
        ("BTC inverse perpetual", "BTC/USD:BTC"),
        ("BTC front quarter", "BTC/USDT:USDT-260327"),
        ("BTC next quarter", "BTC/USDT:USDT-260626"),
        ("BTC inverse front quarter", "BTC/USD:BTC-260327"),
        ("BTC inverse 2026-03-27", "BTC/USD:BTC-260327"),
        ("BTC 2026-06-26", "BTC/USDT:USDT-260626"),
        ("BTC 2026-04-24", "BTC/USDT:USDT-260424"),
        ("ALL index perpetual", "ALL/USDT:USDT"),
        ("btcdom index perpetual", "BTCDOM/USDT:USDT"),
        ("1000SHIB perpetual", "1000SHIB/USDT:USDT"),
    ],
)
def test_words_mean_a_contract(words: str, symbol: str) -> None:
    assert meant(words) == symbol


def test_the_currency_may_be_another_where_words_name_none() -> None:
    assert meant("BTC perpetual", settle="USDC") == "BTC/USDC:USDC"
    assert meant("BTC USDT perpetual", settle="USDC") == "BTC/USDT:USDT"


@pytest.mark.parametrize("before", [timedelta(days=1), timedelta(days=1, seconds=-1)])
def test_the_front_quarter_is_at_least_a_day_away(before: timedelta) -> None:
    now = datetime(2026, 3, 27, 8, tzinfo=UTC) - before
    near, far = ("260327", "260626") if before >= timedelta(days=1) else ("260626", "260925")

    assert meant("BTC front quarter", now) == f"BTC/USDT:USDT-{near}"
    assert meant("BTC next quarter", now) == f"BTC/USDT:USDT-{far}"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("SHIB perpetual", "did you mean 1000SHIB/USDT:USDT (perpetual)?"),
        ("BTCD perpetual", "BTCDOM/USDT:USDT (index perpetual)"),
        ("ALL perpetual", "did you mean ALL/USDT:USDT (index perpetual)?"),
        ("BTCDOM perpetual", "did you mean BTCDOM/USDT:USDT (index perpetual)?"),
        ("BTC index perpetual", "did you mean BTC/USDT:USDT (perpetual), BTC/USDC:USDC (perpetual)"),
        ("ETH inverse perpetual", "did you mean ETH/USDT:USDT (perpetual)?"),
        ("ETH front quarter", "did you mean ETH/USDT:USDT (perpetual)?"),
        ("ETH USDC perpetual", "did you mean ETH/USDT:USDT (perpetual)?"),
        ("BTC perpetuall", "did you mean 'perpetual'?"),
        ("BTC USDX perpetual", "did you mean 'usdt'?"),
        ("BTC next quater", "did you mean 'next quarter'?"),
        ("BTC front", "did you mean 'front quarter'?"),
        ("BTC USDC", "'BTC USDC' names no sort of contract; write 'BTC perpetual'"),
        ("BTC quarter", "which one? write 'front quarter', 'next quarter' or its date"),
        ("BTC USDT sometime", "'sometime' says no sort of contract"),
        ("next quarter", "'next quarter' names no coin; write it first: 'BTC perpetual'"),
        ("perpetual", "names no coin"),
        ("ETH", "of ETH there are ETH/USDT:USDT (perpetual)"),
        ("BTCDO", "did you mean BTCDOM/USDT:USDT (index perpetual)"),
        ("", "no contract is named"),
        ("BTC 2026-06-31", "2026-06-31 is no date"),
        ("BTC 2026-06-27", "nothing that trades here"),
        ("BTC/USDT", "BTC/USDT is not listed; did you mean BTC/USDT:USDT (perpetual), BTC/USDT:USDT-"),
        ("BTC/USDT:USDT-260627", "did you mean BTC/USDT:USDT-260626 (quarter)"),
        ("DOGE/USDT:USDT", "see `hedged market instruments`"),
    ],
)
def test_what_is_not_listed_is_refused_and_the_nearest_named(words: str, said: str) -> None:
    assert said in refusal(words)


def test_the_second_quarter_must_be_there() -> None:
    now = datetime(2026, 8, 1, tzinfo=UTC)

    assert meant("BTC front quarter", now) == "BTC/USDT:USDT-260925"
    assert "nothing that trades here is 'BTC next quarter'" in refusal("BTC next quarter", now=now)


def test_two_that_fit_are_not_chosen_between() -> None:
    twin = listing("BTC/USDT:USDT", market_id="BTCUSDT2")
    listings = {**listed(), "BTC/USDT:USDT#2": twin}

    assert "may be BTC/USDT:USDT (perpetual), BTC/USDT:USDT (perpetual)" in refusal(
        "BTC perpetual", listings
    )


def test_what_does_not_trade_is_not_meant_by_words_but_can_be_named() -> None:
    listings = listed(listing("ETH/USDT:USDT", active=False))

    assert "ETH/USDT:USDT (perpetual) is listed and does not trade now" in refusal(
        "ETH perpetual", listings
    )
    assert not resolve("ETH/USDT:USDT", listings, NOW).active
    late = datetime(2026, 6, 26, 8, tzinfo=UTC)
    assert "does not trade now" in refusal("BTC 2026-06-26", now=late)


def test_shares_and_commodities_are_never_listed() -> None:
    market = {
        "symbol": "TSLA/USDT:USDT", "id": "TSLAUSDT", "base": "TSLA", "quote": "USDT",
        "settle": "USDT", "linear": True, "swap": True, "future": False, "active": True,
        "contractSize": 1, "expiry": 4133404800000, "limits": {"amount": {"min": 1, "max": 9},
        "cost": {"min": 5}}, "precision": {"amount": 1, "price": 1},
        "info": {"underlyingType": "EQUITY", "contractType": "TRADIFI_PERPETUAL"},
    }  # fmt: skip
    coin = {**market, "info": {"underlyingType": "COIN", "contractType": "PERPETUAL"}}

    assert listing_of(market) is None
    assert listing_of(coin) is not None


BASES = st.text("BTCDOMALSHI10", min_size=1, max_size=8)
KINDS = st.sampled_from(["perpetual", "index perpetual"])


@given(bases=st.sets(BASES, max_size=6), indices=st.sets(BASES, max_size=3), asked=BASES, sort=KINDS)
def test_the_coin_and_the_sort_are_those_of_the_words_or_nothing(
    bases: set[str], indices: set[str], asked: str, sort: str
) -> None:
    coins = [listing(f"{base}/USDT:USDT") for base in bases - indices]
    found = [*coins, *(listing(f"{base}/USDT:USDT", "index") for base in indices)]
    listings = {one.instrument.symbol: one for one in found}
    there = asked in (indices if sort == "index perpetual" else bases - indices)
    if there:
        one = resolve(f"{asked} {sort}", listings, NOW)
        assert (one.instrument.base, sort_of(one)) == (asked, sort)
    else:
        assert "nothing that trades here" in refusal(f"{asked} {sort}", listings)


@given(st.sampled_from(sorted(listed())))
def test_every_symbol_means_itself_in_any_case(symbol: str) -> None:
    assert meant(symbol.lower()) == meant(symbol) == symbol


@given(st.text(max_size=40))
def test_any_words_mean_one_listed_contract_or_are_refused_in_words(words: str) -> None:
    with contextlib.suppress(SettingsError):
        assert resolve(words, listed(), NOW) in listed().values()


@pytest.mark.parametrize(
    ("day", "quarter"),
    [("2026-03-27", True), ("2026-03-20", False), ("2026-06-26", True), ("2026-09-25", True),
     ("2026-12-25", True), ("2026-04-24", False), ("2026-03-31", False), ("2024-03-29", True)],
)  # fmt: skip
def test_a_quarterly_ends_on_the_last_friday_of_its_quarter(day: str, quarter: bool) -> None:
    assert is_quarter(datetime.fromisoformat(f"{day}T08:00:00+00:00")) is quarter


def test_bitcoin_against_the_others_is_no_hedge_by_itself() -> None:
    with pytest.raises(SettingsError, match="BTCDOM can't be the only leg of a hedge: it is Bitcoin"):
        refuse_only_leg(["BTCDOM"])
    with pytest.raises(SettingsError):
        refuse_only_leg(["BTCDOM", "BTCDOM"])


@pytest.mark.parametrize(
    "bases", [("1000BTCDOM",), ("btcdom",), ("BtcDom",), ("1mbtcdom",), ("10BTCDOM", "BTCDOM")]
)
def test_neither_a_multiple_of_it_nor_another_spelling_passes(bases: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError, match=f"^{bases[0]} can't be the only leg of a hedge: it is Bit"):
        refuse_only_leg(bases)


@pytest.mark.parametrize(
    "bases",
    [
        (),
        ("BTC",),
        ("ALL",),
        ("BTCDOM", "BTC"),
        ("1000BTCDOM", "1000SHIB"),
        ("btcdom", "1INCH"),
        ("1000",),
    ],
)
def test_beside_others_it_may_stand(bases: tuple[str, ...]) -> None:
    refuse_only_leg(bases)


async def test_the_words_mean_what_a_venue_really_lists() -> None:
    words = ("BTC perpetual", "BTC USDC perpetual", "BTC front quarter", "BTC next quarter",
             "ALL index perpetual", "ETH perpetual")  # fmt: skip
    async with linked(binance_venue()) as line:
        listings = await line.exchange.listings()
    found = {text: resolve(text, listings, START) for text in words}

    assert [one.market_id for one in found.values()] == [
        "BTCUSDT", "BTCUSDC", "BTCUSDT_260626", "BTCUSDT_260925", "ALLUSDT", "ETHUSDT",
    ]  # fmt: skip
    assert found["ALL index perpetual"].instrument.notional_min == d(5)
    assert "nothing that trades here is 'ALL perpetual'" in refusal("ALL perpetual", listings, START)
