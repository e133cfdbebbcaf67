"""Bytes that can be compared: canonical JSON, and differences of any of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import d
from hedged.core.encoding import encode, pack, unpack


def test_the_order_in_which_a_table_was_filled_does_not_show() -> None:
    assert encode({"b": 1, "a": {"d": 1, "c": 2}}) == encode({"a": {"c": 2, "d": 1}, "b": 1})
    assert encode(frozenset(["b", "a", "c"])) == b'["a","b","c"]'


def test_decimals_keep_every_digit_they_came_with() -> None:
    assert encode([d("1.50"), d("1E+3"), d("0.1")]) == b'["1.50","1E+3","0.1"]'


# Differences of any JSON.

SCALARS = (
    st.none()
    | st.booleans()
    | st.sampled_from([0, 1, 0.0, 1.0, -0.0, "1", "", "0"])
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
)
KEYS = st.sampled_from(["a", "b", "é", "0", "1", "in", "set", "drop"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
)
TABLES = st.dictionaries(KEYS, VALUES, max_size=4)


@settings(deadline=None, derandomize=True, max_examples=400)
@given(TABLES, TABLES)
def test_any_table_comes_back_from_its_difference_to_any_other(
    table: dict[str, Any], base: dict[str, Any]
) -> None:
    full, against = encode(table), encode(base)

    assert unpack(pack(full, against, 1), against) == full


@st.composite
def _edited(draw: st.DrawFn, value: Any) -> Any:
    """*value* with a few places changed deep inside, as one pass differs from the one before."""
    if draw(st.integers(0, 4)) == 0:
        return draw(VALUES)
    if isinstance(value, dict):
        return {key: draw(_edited(inner)) for key, inner in value.items() if draw(st.integers(0, 7))}
    if isinstance(value, list):
        return [draw(_edited(inner)) for inner in value]
    return value


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.data(), TABLES)
def test_a_table_comes_back_from_its_difference_to_what_it_was_before(
    data: st.DataObject, base: dict[str, Any]
) -> None:
    table = {key: data.draw(_edited(value)) for key, value in base.items()}
    full, against = encode(table), encode(base)

    assert unpack(pack(full, against, 1), against) == full


@pytest.mark.parametrize(
    ("before", "after"),
    [(1, 1.0), (1, True), (0, False), (0.0, -0.0), (None, False), ([], {}), ("1", 1)],
)
def test_values_that_python_takes_for_equal_are_told_apart(before: Any, after: Any) -> None:
    base, full = encode({"x": before, "y": [before]}), encode({"x": after, "y": [after]})

    assert unpack(pack(full, base, 1), base) == full
    assert json.loads(pack(full, base, 1))["changes"]


@pytest.mark.parametrize(("before", "after"), [(9, 12), (12, 9), (12, 12), (0, 11), (11, 0)])
def test_a_list_of_many_keeps_its_order_however_its_length_changes(before: int, after: int) -> None:
    base, full = encode({"x": list(range(before))}), encode({"x": [f"new {i}" for i in range(after)]})

    assert unpack(pack(full, base, 1), base) == full


def test_a_difference_that_was_altered_or_lost_its_base_is_an_error() -> None:
    base, full = encode({"x": 1, "z": 1}), encode({"x": 2, "z": 1})
    packed = pack(full, base, 1)

    with pytest.raises(ValueError, match="does not unpack"):
        unpack(packed.replace(b'"x":2', b'"x":3'), base)
    with pytest.raises(ValueError, match="does not unpack"):
        unpack(packed, encode({"x": 1, "z": 2}))
