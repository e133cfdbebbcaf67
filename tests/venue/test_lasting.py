"""A perpetual is what lasts and pays funding; what a venue calls its type decides nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import contract
from exchange.opening import bybit_venue
from hedged.errors import SettingsError
from hedged.venue.catalogue import resolve, sort_of
from hedged.venue.dialect import Listing, ListingKind
from hedged.venue.lasting import LASTING_MIN, classified, lasts
from hedged.venue.wire import Wire
from lines import linked

NOW = datetime(2026, 8, 1, tzinfo=UTC)
# As OKX lists it; ccxt calls it a future, and it pays funding (ccxt/ccxt issue 29349).
XPERP_ENDS = datetime(2031, 4, 4, 8, tzinfo=UTC)
XPERP = Listing(
    instrument=contract("ETH/USD:USD-310404", base="ETH", quote="USD", settle="USD", expiry=XPERP_ENDS),
    market_id="ETH-USD_UM_XPERP-310404",
    kind="dated",
    active=True,
    pays_funding=True,
)


def test_a_future_that_expires_in_years_and_pays_funding_is_a_perpetual() -> None:
    found = classified(XPERP, NOW)

    assert (found.kind, found.funds, sort_of(found)) == ("perpetual", True, "perpetual")
    assert found.instrument.expiry == XPERP_ENDS  # the guards see its end coming
    listed = {found.instrument.symbol: found}
    assert resolve("ETH USD perpetual", listed, NOW) is found


def test_a_far_expiry_that_falls_on_a_quarters_last_friday_makes_no_quarter_of_it() -> None:
    friday = datetime(2031, 3, 28, 8, tzinfo=UTC)
    found = classified(replace(XPERP, instrument=replace(XPERP.instrument, expiry=friday)), NOW)

    assert sort_of(found) == "perpetual"
    with pytest.raises(SettingsError, match="nothing that trades here"):
        resolve("ETH USD front quarter", {found.instrument.symbol: found}, NOW)


@pytest.mark.parametrize("told", [False, None])
def test_a_future_of_years_without_funding_or_of_unknown_funding_is_dated(told: bool | None) -> None:
    found = classified(replace(XPERP, pays_funding=told), NOW)

    assert (found.kind, found.funds) == ("dated", False)


def test_near_its_end_it_is_dated_and_still_pays_funding() -> None:
    before = XPERP_ENDS - LASTING_MIN
    late = before + timedelta(microseconds=1)

    assert [classified(XPERP, at).kind for at in (before, late)] == ["perpetual", "dated"]
    assert classified(XPERP, late).funds


def test_what_is_called_a_perpetual_and_is_delivered_next_week_is_none() -> None:
    ends = NOW + timedelta(days=7)
    called = replace(
        XPERP, kind="perpetual", pays_funding=None, instrument=replace(XPERP.instrument, expiry=ends)
    )
    found = classified(called, NOW)

    assert (found.kind, found.funds) == ("dated", True)


@given(
    kind=st.sampled_from(get_args(ListingKind)),
    told=st.sampled_from([True, False, None]),
    days=st.none() | st.integers(-400, 4000),
)
def test_the_kind_follows_from_expiry_and_funding(
    kind: ListingKind, told: bool | None, days: int | None
) -> None:
    expiry = None if days is None else NOW + timedelta(days=days)
    given_ = replace(
        XPERP, kind=kind, pays_funding=told, instrument=replace(XPERP.instrument, expiry=expiry)
    )
    found = classified(given_, NOW)

    assert found.funds == given_.funds
    assert classified(found, NOW) == found
    assert found.instrument == given_.instrument
    if expiry is None:
        assert found == given_
    else:
        assert (found.kind != "dated") == (given_.funds and expiry - NOW >= LASTING_MIN)


@given(days=st.integers(-400, 4000), nearer=st.integers(0, 4000), pays=st.booleans())
def test_time_never_makes_a_perpetual_of_a_dated_contract(days: int, nearer: int, pays: bool) -> None:
    expiry, later = NOW + timedelta(days=days), NOW + timedelta(days=nearer)

    assert lasts(expiry, NOW, pays_funding=pays) or not lasts(expiry, later, pays_funding=pays)


async def test_whatever_a_dialect_calls_it_the_exchange_lists_it_by_expiry_and_funding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with linked(bybit_venue()) as line:
        now = line.clock()
        expiry = now + timedelta(days=4 * 365)
        made = replace(XPERP, instrument=replace(XPERP.instrument, expiry=expiry))

        async def listings(*_: Wire) -> dict[str, Listing]:
            return {made.instrument.symbol: made}

        monkeypatch.setattr(type(line.dialect), "listings", listings)
        found = await line.exchange.listing(made.instrument.symbol)

    assert (found.kind, found.instrument.expiry) == ("perpetual", expiry)
