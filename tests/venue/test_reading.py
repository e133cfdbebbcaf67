"""Figures out of answers: exact, present, finite; or an error that names them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.errors import VenueUnavailable
from hedged.venue import reading

D = Decimal


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**12), max_value=10**12)
)
def test_a_number_is_the_same_number_however_it_is_written(value: Decimal) -> None:
    for written in (str(value), f"{value:f}", value):
        found = reading.number({"x": written}, "x", "row")
        assert found == value


@pytest.mark.parametrize(
    "value",
    [None, "", True, False, [], {}, "NaN", "inf", "-Infinity", "abc", "1_000", "0x1", " 1", "1 ", "1\n",
     "--1",
     "1e999", math.nan, math.inf, b"1", "\uff11", "1,5", "."],
)  # fmt: skip
def test_what_is_no_number_is_refused_and_named(value: Any) -> None:
    with pytest.raises(VenueUnavailable, match=r"row: (no )?x"):
        reading.number({"x": value}, "x", "row")


def test_a_missing_field_is_never_a_zero() -> None:
    for read in (reading.number, reading.positive, reading.text, reading.flag, reading.instant):
        with pytest.raises(VenueUnavailable, match="row: no x"):
            read({}, "x", "row")


def test_padding_is_taken_off_and_the_value_kept() -> None:
    assert str(reading.number({"x": "60000.00000000"}, "x", "r")) == "60000"
    assert str(reading.number({"x": "0.00100"}, "x", "r")) == "0.001"
    assert str(reading.number({"x": "600"}, "x", "r")) == "600"


@pytest.mark.parametrize("value", ["0", "-1", "0.000"])
def test_a_price_is_above_zero(value: str) -> None:
    with pytest.raises(VenueUnavailable, match="not above zero"):
        reading.positive({"x": value}, "x", "row")
    assert reading.maybe_positive({"x": value}, "x", "row") is None


def test_a_price_that_may_be_missing_is_none_and_a_garbled_one_is_not() -> None:
    assert reading.maybe_positive({}, "x", "row") is None
    assert reading.maybe_positive({"x": ""}, "x", "row") is None
    with pytest.raises(VenueUnavailable):
        reading.maybe_positive({"x": "abc"}, "x", "row")


@pytest.mark.parametrize("value", ["true", 1, 0, None, "False"])
def test_a_flag_is_true_or_false_and_nothing_else(value: Any) -> None:
    with pytest.raises(VenueUnavailable):
        reading.flag({"x": value}, "x", "row")


@given(st.datetimes(datetime(2015, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_times_are_milliseconds(when: datetime) -> None:
    whole = when.replace(microsecond=when.microsecond // 1000 * 1000)

    assert reading.instant({"t": reading.milliseconds(whole)}, "t", "row") == whole


@pytest.mark.parametrize("value", [0, -1, "1.5", 10**18, "soon", 1_600_000_000])
def test_a_time_in_another_unit_is_refused(value: Any) -> None:
    with pytest.raises(VenueUnavailable):
        reading.instant({"t": value}, "t", "row")


@pytest.mark.parametrize("value", ["1.5", "-1", "abc", 10**21])
def test_a_count_is_whole(value: Any) -> None:
    with pytest.raises(VenueUnavailable):
        reading.whole({"n": value}, "n", "row")
    assert reading.whole({"n": "12"}, "n", "row") == 12


@pytest.mark.parametrize("answer", [None, {}, "text", [1], [None], [[]]])
def test_rows_are_tables(answer: Any) -> None:
    with pytest.raises(VenueUnavailable, match="not a list of tables"):
        reading.rows_of(answer, "rows")
