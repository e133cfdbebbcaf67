"""How long a host wants to be left alone, in each spelling that HTTP has for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.venue.retry_after import retry_after_s

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@given(st.integers(0, 10**6))
def test_seconds_and_a_date_say_the_same(seconds: int) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)

    assert retry_after_s({"retry-after": str(seconds)}, NOW) == seconds
    assert retry_after_s({"retry-after": date}, NOW) == seconds


def test_a_date_is_reckoned_from_the_clock_of_the_host() -> None:
    told = {
        "retry-after": "Mon, 02 Mar 2026 12:02:00 GMT",
        "date": "Mon, 02 Mar 2026 12:00:30 GMT",
    }

    assert retry_after_s(told, NOW - timedelta(hours=1)) == 90


def test_a_date_that_is_over_waits_for_nothing() -> None:
    assert retry_after_s({"retry-after": "Sun, 01 Mar 2026 00:00:00 GMT"}, NOW) == 0


@pytest.mark.parametrize("told", ["", "soon", "nan", "inf", "Mon, 99 Xyz 2026 12:00:00 GMT"])
def test_what_can_not_be_read_says_nothing(told: str) -> None:
    assert retry_after_s({"retry-after": told}, NOW) is None


@given(st.text(max_size=40))
def test_no_header_is_an_error(told: str) -> None:
    found = retry_after_s({"retry-after": told, "date": told}, NOW)

    assert found is None or found == found
