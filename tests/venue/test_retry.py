"""Reads are patient, sends are not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from builders import BTC, MONDAY, d
from fakes import FakeVenue
from hedged.core.metrics import Series
from hedged.core.record import Outcome
from hedged.errors import OutcomeUnknown, VenueRefused, VenueUnavailable
from hedged.venue.protocol import Order
from hedged.venue.retry import ATTEMPTS_MAX, PatientSource, PatientVenue

ORDER = Order(
    client_order_id="hdg1",
    symbol=BTC,
    side="sell",
    contracts=d(1),
    limit_price=d(99),
    reduce_only=False,
)


class Naps(list[float]):
    """How long it would have slept."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


READS = ("observe", "series", "lookup")


async def read(venue: PatientVenue, name: str) -> object:
    if name == "observe":
        return await venue.observe(MONDAY, after=0)
    if name == "series":
        return await venue.series(BTC, "bars", "1d", None, MONDAY + timedelta(days=1))
    return await venue.lookup("hdg1", BTC)


@pytest.mark.parametrize("name", READS)
async def test_a_read_that_fails_is_tried_again_after_1_2_and_4_seconds(name: str) -> None:
    fake, naps = FakeVenue(), Naps()
    fake.failures = ["one", "two", "three"]
    await read(PatientVenue(fake, naps), name)

    assert naps == [1, 2, 4]
    assert fake.failures == []


@pytest.mark.parametrize("name", READS)
async def test_a_read_gives_up_after_its_last_attempt_with_the_venues_own_error(name: str) -> None:
    fake, naps = FakeVenue(), Naps()
    fake.failures = [str(n) for n in range(1, 9)]

    with pytest.raises(VenueUnavailable, match=str(ATTEMPTS_MAX)):
        await read(PatientVenue(fake, naps), name)
    assert len(fake.failures) == 8 - ATTEMPTS_MAX
    assert len(naps) == ATTEMPTS_MAX - 1


@pytest.mark.parametrize(("answer", "error"), [("refuse", VenueRefused), ("time out", OutcomeUnknown)])
async def test_a_send_is_never_tried_again(answer: str, error: type[Exception]) -> None:
    fake, naps = FakeVenue(), Naps()
    fake.answers = [answer, "fill"]

    with pytest.raises(error):
        await PatientVenue(fake, naps).send(ORDER)
    assert fake.orders == [ORDER]
    assert naps == []


async def test_a_send_is_not_tried_again_whatever_it_raises() -> None:
    class Broken(FakeVenue):
        async def send(self, order: Order) -> Outcome:
            self.orders.append(order)
            raise VenueUnavailable("a send should not say this")

    fake, naps = Broken(), Naps()

    with pytest.raises(VenueUnavailable):
        await PatientVenue(fake, naps).send(ORDER)
    assert fake.orders == [ORDER]
    assert naps == []


async def test_a_cancel_is_asked_once() -> None:
    class Broken(FakeVenue):
        async def cancel(self, client_order_id: str, symbol: str) -> None:
            self.cancelled.append(client_order_id)
            raise VenueUnavailable("no answer")

    fake, naps = Broken(), Naps()

    with pytest.raises(VenueUnavailable):
        await PatientVenue(fake, naps).cancel("hdg1", BTC)
    assert (fake.cancelled, naps) == (["hdg1"], [])


async def test_an_error_that_is_not_the_venues_is_not_tried_again() -> None:
    class Broken(FakeVenue):
        async def lookup(self, client_order_id: str, symbol: str) -> None:
            self.observed += 1
            raise KeyError(symbol)

    fake, naps = Broken(), Naps()

    with pytest.raises(KeyError):
        await PatientVenue(fake, naps).lookup("hdg1", BTC)
    assert fake.observed == 1
    assert naps == []


@pytest.mark.parametrize("absence_is_proof", [False, True])
async def test_it_is_the_venue_it_wraps(absence_is_proof: bool) -> None:
    fake = FakeVenue(absence_is_proof=absence_is_proof)
    venue = PatientVenue(fake, Naps())
    await venue.close()

    assert venue.absence_is_proof is absence_is_proof
    assert fake.closed


async def ask(source: PatientSource, series: Series = "bars") -> None:
    await source.series(BTC, series, "1d", None, MONDAY + timedelta(days=1))


async def test_a_download_gives_up_soon_on_what_never_answered() -> None:
    fake, naps = FakeVenue(), Naps()
    fake.failures = ["no"] * 20
    with pytest.raises(VenueUnavailable):
        await ask(PatientSource(fake, naps))

    assert naps == [1, 2, 4]


async def test_a_download_waits_out_a_used_up_budget_once_it_was_answered() -> None:
    fake, naps = FakeVenue(), Naps()
    source = PatientSource(fake, naps)
    await ask(source)
    fake.failures = ["used up"] * 7
    await ask(source)
    fake.failures = ["no"] * 20
    with pytest.raises(VenueUnavailable):
        await ask(source, "funding")

    assert naps == [1, 2, 4, 8, 16, 32, 60, 1, 2, 4]
