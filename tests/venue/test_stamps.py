"""Settled funding out of bare stamps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from hedged.venue.stamps import settled_rates, to_minute

D = Decimal
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("late_ms", [0, 3, 999, -4])
def test_a_stamp_is_of_the_minute_at_which_it_is_due(late_ms: int) -> None:
    assert to_minute(NOON + timedelta(milliseconds=late_ms)) == NOON


def test_an_interval_is_the_distance_to_the_stamp_before() -> None:
    stamps = [(NOON + timedelta(hours=h, milliseconds=h), D("0.0001")) for h in (0, 8, 12, 16)]
    found = settled_rates(stamps, D(4))

    assert [row["interval_hours"] for row in found] == [4, 8, 4, 4]
    assert [row["at"].hour for row in found] == [12, 20, 0, 4]
    assert {row["funding_rate"] for row in found} == {0.0001}


def test_a_hole_is_no_long_interval() -> None:
    found = settled_rates([(NOON, D(0)), (NOON + timedelta(days=3), D(0))], D(8))

    assert [row["interval_hours"] for row in found] == [8, 8]


def test_a_stamp_told_twice_covers_the_usual_time() -> None:
    found = settled_rates([(NOON, D(0)), (NOON, D(0))], D(8))

    assert [row["interval_hours"] for row in found] == [8, 8]
