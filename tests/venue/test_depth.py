"""What a book shows within half a percent of its middle."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.errors import VenueUnavailable
from hedged.venue.depth import depth_of

D = Decimal


def test_what_lies_within_fifty_bps_of_the_middle_is_counted_and_no_more() -> None:
    bids = [["99.9", "1"], ["99.5", "2.5"], ["99.4", "8"]]
    asks = [["100.1", "0.5"], ["100.5", "0.25"], ["100.6", "9"]]
    found = depth_of(bids, asks, "BTCUSDT")

    assert (found.bid_price, found.ask_price) == (D("99.9"), D("100.1"))
    assert (found.bid_depth, found.ask_depth) == (D("3.5"), D("0.75"))


@pytest.mark.parametrize("empty", ["bids", "asks"])
def test_a_side_without_orders_leaves_no_middle_and_no_depth(empty: str) -> None:
    sides = {"bids": [["99", "1"]], "asks": [["101", "1"]]} | {empty: []}
    found = depth_of(sides["bids"], sides["asks"], "BTCUSDT")

    assert (found.bid_depth, found.ask_depth) == (None, None)
    assert (found.bid_price is None) is (empty == "bids")


@pytest.mark.parametrize(
    ("bids", "asks"),
    [
        ([["99", "1"], ["99.5", "1"]], [["101", "1"]]),
        ([["99", "1"], ["99", "1"]], [["101", "1"]]),
        ([["99", "1"]], [["101", "1"], ["100", "1"]]),
        ([["101", "1"]], [["101", "1"]]),
    ],
    ids=["bids rise", "a price twice", "asks fall", "crossed"],
)
def test_a_book_out_of_order_is_refused(bids: Any, asks: Any) -> None:
    with pytest.raises(VenueUnavailable, match="not in order"):
        depth_of(bids, asks, "BTCUSDT")


LEVEL = ["99", "1"]
SPOILED: list[Any] = [
    None,
    {},
    "99",
    [LEVEL, None],
    [["99"]],
    [["99", "0"]],
    [["NaN", "1"]],
    [["99", ""]],
]


@pytest.mark.parametrize("side", SPOILED, ids=str)
def test_a_side_that_can_not_be_read_is_refused_and_not_empty(side: Any) -> None:
    with pytest.raises(VenueUnavailable, match="bids of BTCUSDT"):
        depth_of(side, [["101", "1"]], "BTCUSDT")
    with pytest.raises(VenueUnavailable, match="asks of BTCUSDT"):
        depth_of([LEVEL], side, "BTCUSDT")


@given(
    distances=st.lists(st.integers(1, 200), min_size=1, max_size=30, unique=True).map(sorted),
    sizes=st.lists(st.decimals("0.001", 50, places=3), min_size=30, max_size=30),
)
def test_the_depth_is_the_sum_of_the_levels_near_the_middle(
    distances: list[int], sizes: list[Decimal]
) -> None:
    levels = list(zip(distances, sizes, strict=False))  # in bps of a middle of 10,000
    bids = [[str(10_000 - far), str(size)] for far, size in levels]
    asks = [[str(10_000 + far), str(size)] for far, size in levels]
    found = depth_of(bids, asks, "BTCUSDT")
    near = sum((size for far, size in levels if far <= 50), D(0))

    assert found.bid_depth == found.ask_depth == near
