"""The only door to ccxt: what may pass, how often it is asked, and what never comes out of it."""

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Underflow, getcontext
from email.utils import format_datetime

import pytest
import pytest_asyncio
from ccxt.base.decimal_to_precision import ROUND, decimal_to_precision

from exchange.faults import fault
from exchange.opening import binance_venue
from exchange.venue import KEY, SECRET
from hedged.errors import OutcomeUnknown, Unjudged, VenueRefused, VenueUnavailable
from hedged.venue.budget import Budgets
from hedged.venue.wire import ORDER_WAIT_S_MAX, Answered, Credentials, Wire, _boundary
from lines import Line, linked

ORDER = {
    "symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "IOC", "quantity": "0.1",
    "price": "59000", "newClientOrderId": "a1",
}  # fmt: skip


@pytest_asyncio.fixture
async def line() -> AsyncIterator[Line]:
    async with linked(binance_venue()) as found:
        yield found


async def test_the_original_host_is_the_first_segment_of_the_path(line: Line) -> None:
    await line.public.read("fapiPublicGetTime")
    (seen,) = line.venue.recorder.all

    assert (seen.call.host, seen.call.path) == ("fapi.binance.com", "/fapi/v1/time")


async def test_reading_never_changes_anything(line: Line) -> None:
    for endpoint in ("fapiPrivatePostOrder", "fapiPrivateDeleteOrder", "fapiPrivatePostLeverage"):
        with pytest.raises(AssertionError, match="does not only read"):
            await line.private.read(endpoint, {})

    assert line.asked() == []


async def test_a_wire_without_a_permit_sends_nothing(line: Line) -> None:
    silent = Wire(
        line.dialect.speech, Budgets(line.clock.seconds), line.clock, endpoint="http://127.0.0.1:1",
        credentials=Credentials(api_key=KEY, api_secret=SECRET),
    )  # fmt: skip
    with pytest.raises(VenueRefused, match="may not be sent"):
        await silent.send("fapiPrivatePostOrder", ORDER, "a1")
    with pytest.raises(AssertionError, match="may not change"):
        await silent.change("fapiPrivateDeleteOrder", {})
    await silent.close()


async def test_an_order_is_asked_once_whatever_happens(line: Line) -> None:
    line.allowed.add("a1")
    line.venue.fail(fault("reset", method="POST", count=None))
    with pytest.raises(OutcomeUnknown):
        await line.private.send("fapiPrivatePostOrder", ORDER, "a1")

    assert line.orders_sent() == 1


async def test_an_order_is_claimed_last_of_all_and_by_the_venues_clock(line: Line) -> None:
    claimed: list[tuple[str, datetime]] = []
    wire = Wire(
        line.dialect.speech, Budgets(line.clock.seconds), line.clock, endpoint="http://127.0.0.1:1",
        credentials=Credentials(api_key=KEY, api_secret=SECRET),
        permit=lambda id_, at: bool(claimed.append((id_, at))),
    )  # fmt: skip
    wire.clock_is_off(1500)
    wire._budget("https://fapi.binance.com").told_to_wait(60)
    with pytest.raises(VenueRefused, match="asked us to wait"):
        await wire.send("fapiPrivatePostOrder", ORDER, "a1")
    early = list(claimed)
    line.clock.step(minutes=2)
    with pytest.raises(VenueRefused, match="may not be sent"):
        await wire.send("fapiPrivatePostOrder", ORDER, "a1")
    await wire.close()

    assert early == []
    assert claimed == [("a1", line.clock() - timedelta(seconds=1.5))]


async def test_an_error_of_the_venue_keeps_its_raw_code(line: Line) -> None:
    line.allowed.add("a1")
    with pytest.raises(Answered) as caught:
        await line.private.send("fapiPrivatePostOrder", ORDER | {"quantity": "0.00001"}, "a1")

    assert (caught.value.status, caught.value.code) == (400, "-1111")


async def test_a_redirect_is_not_followed(line: Line) -> None:
    line.allowed.add("a1")
    moved = fault(
        "html", method="POST", status=307, headers={"Location": "/fapi.binance.com/fapi/v1/order"}
    )
    line.venue.fail(moved)
    with pytest.raises((Answered, OutcomeUnknown)):
        await line.private.send("fapiPrivatePostOrder", ORDER, "a1")

    assert line.orders_sent() == 1


@pytest.mark.parametrize("kind", ["reset", "truncated", "half_header", "http_503", "html", "waf"])
async def test_no_secret_comes_out_of_an_error(line: Line, kind: str) -> None:
    line.venue.fail(fault(kind, count=None))
    with pytest.raises(VenueUnavailable) as caught:
        await line.dialect.account(line.private, {}, "USDT", frozenset())
    told = "".join(traceback.format_exception(caught.value))

    assert SECRET not in told
    assert KEY not in told
    assert "signature=" not in told


def test_what_ccxt_does_to_decimals_stays_inside() -> None:
    """It sets how the process rounds; a decision would round so too, and its replay would not."""
    with _boundary("what ccxt does"):
        decimal_to_precision("0.5", ROUND, 0)

        assert getcontext().rounding == ROUND_HALF_UP
    assert getcontext().rounding == ROUND_HALF_EVEN
    assert not getcontext().traps[Underflow]


def test_a_key_is_never_shown() -> None:
    shown = repr(Credentials(api_key="canary-key", api_secret="canary-secret"))

    assert "canary" not in shown


async def test_the_host_counts_and_the_budget_listens(line: Line) -> None:
    await line.public.read("fapiPublicGetTime")
    budget = line.public._budget("https://fapi.binance.com")
    line.venue.meter.add("fapi.binance.com", 60, 1150, line.clock())
    before = budget._used(line.clock.seconds())
    await line.public.read("fapiPublicGetTime")

    assert budget._used(line.clock.seconds()) > before


@pytest.mark.parametrize("kind", ["rate_limited", "banned"])
async def test_during_a_ban_nothing_is_asked(line: Line, kind: str) -> None:
    line.venue.fail(fault(kind))
    with pytest.raises(VenueUnavailable):
        await line.public.read("fapiPublicGetTime")
    asked = len(line.asked())
    with pytest.raises(VenueUnavailable, match="asked us to wait"):
        await line.public.read("fapiPublicGetTime")
    line.allowed.add("a1")
    with pytest.raises(VenueRefused, match="asked us to wait"):
        await line.private.send("fapiPrivatePostOrder", ORDER, "a1")
    assert len(line.asked()) == asked

    line.clock.step(seconds=130)
    await line.public.read("fapiPublicGetTime")


@pytest.mark.parametrize("told", ["60", "a date"])
async def test_a_host_that_is_down_says_for_how_long(line: Line, told: str) -> None:
    at = line.clock() + timedelta(seconds=60)
    told = told if told == "60" else format_datetime(at, usegmt=True)
    line.venue.fail(fault("http_503", headers={"Retry-After": told}))
    with pytest.raises(VenueUnavailable, match="HTTP 503"):
        await line.public.read("fapiPublicGetTime")
    asked = len(line.asked())
    for again in (line.public.read("fapiPublicGetTime"), line.public.markets()):
        with pytest.raises(VenueUnavailable, match="asked us to wait"):
            await again
    assert len(line.asked()) == asked

    line.clock.step(seconds=61)
    await line.public.markets()


async def test_a_ban_of_one_part_of_a_host_is_one_of_all_of_it(line: Line) -> None:
    line.venue.fail(fault("banned", path="*/sapi/*"))
    with pytest.raises(VenueUnavailable):
        await line.private.read("sapiGetAccountApiRestrictions")
    with pytest.raises(VenueUnavailable, match="asked us to wait"):
        await line.private.read("privateGetAccount")


def test_ccxt_tries_nothing_again(line: Line) -> None:
    for wire in (line.public, line.private):
        assert wire._exchange.options["maxRetriesOnFailure"] == 0


@pytest.mark.parametrize("waits_for", ["the budget", "other requests", "the claim"])
async def test_an_order_that_waited_is_not_sent(line: Line, waits_for: str) -> None:
    """Its prices were looked at before it waited, and its stamp is from before it too."""
    claimed: list[str] = []

    def permit(client_order_id: str, _signed_at: datetime) -> bool:
        claimed.append(client_order_id)
        if waits_for == "the claim":  # the database was locked meanwhile
            line.clock.step(seconds=ORDER_WAIT_S_MAX + 0.1)
        return True

    private = line.private
    private._permit = permit
    if waits_for == "the budget":
        private._budget("https://fapi.binance.com").told_used(2400)
    if waits_for == "other requests":
        budgets, spent = private._budgets, private._budget("https://fapi.binance.com")

        async def spend(_weight: float, **_how: object) -> None:
            line.clock.step(seconds=ORDER_WAIT_S_MAX + 0.1)

        spent.spend = spend  # type: ignore[method-assign]
        assert budgets.of("fapi.binance.com", 0, 0) is spent
    before = line.clock()
    with pytest.raises(Unjudged, match="nothing was sent"):
        await private.send("fapiPrivatePostOrder", ORDER, "a1")

    assert line.orders_sent() == 0
    assert claimed == ([] if waits_for == "the budget" else ["a1"])
    assert (line.clock() - before).total_seconds() <= ORDER_WAIT_S_MAX + 0.2


async def test_an_order_that_hardly_waited_is_sent(line: Line) -> None:
    def permit(_id: str, _signed_at: datetime) -> bool:
        line.clock.step(seconds=ORDER_WAIT_S_MAX - 0.1)
        return True

    line.private._permit = permit
    await line.private.send("fapiPrivatePostOrder", ORDER, "a1")

    assert line.orders_sent() == 1
