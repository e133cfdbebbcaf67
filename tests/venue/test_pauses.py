"""After an order that nobody judged nothing is sent for a while, longer each time."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest

from builders import MONDAY
from hedged.errors import OutcomeUnknown, Unjudged, VenueRefused
from hedged.venue.pauses import Pause

SECOND = timedelta(seconds=1)


def test_it_doubles_from_one_minute_to_thirty() -> None:
    pause, now, minutes = Pause(), MONDAY, []
    for _ in range(8):
        pause.begin("late", now)
        began = now
        while pause.doubts(now):
            now += SECOND
        minutes.append((now - began) / timedelta(minutes=1))

    assert minutes == [1, 2, 4, 8, 16, 30, 30, 30]


def test_no_hour_has_more_than_six_orders_in_it() -> None:
    pause, now, sent = Pause(), MONDAY, []
    while now < MONDAY + timedelta(hours=6):
        if not pause.doubts(now):
            pause.begin("late", now)
            sent.append(now)
        now += SECOND

    assert max(sum(timedelta(0) <= at - one < timedelta(hours=1) for at in sent) for one in sent) == 6


def test_it_says_why_and_until_when() -> None:
    pause = Pause()
    pause.begin("HTTP 400, -1021: a clock is off", MONDAY)

    assert pause.doubts(MONDAY) == (
        "an order was not judged at 00:00:00, HTTP 400, -1021: a clock is off; none is sent before "
        "00:01:00",
    )


def test_an_order_that_was_judged_begins_it_anew() -> None:
    pause = Pause()
    pause.begin("late", MONDAY)
    pause.begin("late", MONDAY)
    pause.end()
    assert pause.doubts(MONDAY) == ()

    pause.begin("late", MONDAY)
    assert pause.doubts(MONDAY + 59 * SECOND)
    assert pause.doubts(MONDAY + 60 * SECOND) == ()


def test_a_clock_that_was_set_back_ends_it() -> None:
    pause = Pause()
    pause.begin("late", MONDAY)

    assert pause.doubts(MONDAY - SECOND) == ()


def test_a_row_of_a_thousand_is_still_counted() -> None:
    pause = Pause()
    for _ in range(1000):
        pause.begin("late", MONDAY)

    assert pause.doubts(MONDAY + timedelta(minutes=30) - SECOND)
    assert not pause.doubts(MONDAY + timedelta(minutes=30))


@pytest.mark.parametrize("judged", [None, VenueRefused("no"), OutcomeUnknown("no answer")])
def test_it_begins_and_ends_with_the_order_that_is_sent_inside(judged: Exception | None) -> None:
    pause, measured = Pause(), []
    for _ in range(2):
        with pytest.raises(Unjudged), pause.unless_judged(lambda: MONDAY, lambda: measured.append(1)):
            raise Unjudged("late")
    assert pause.doubts(MONDAY + 119 * SECOND)
    assert len(measured) == 2

    with (
        suppress(VenueRefused, OutcomeUnknown),
        pause.unless_judged(lambda: MONDAY, lambda: measured.append(1)),
    ):
        if judged is not None:
            raise judged
    assert pause.doubts(MONDAY) == ()
    assert len(measured) == 2
