"""
What the order book of a contract shows. Pure: levels as a venue lists them in, four figures out.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hedged.core.market import DEPTH_BPS, ZERO
from hedged.errors import VenueUnavailable
from hedged.venue.reading import positive

BPS = Decimal(10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """
    The best prices, and the contracts within `DEPTH_BPS` of the middle between them.

    A price is None where its side is empty. Then there is no middle, and both depths are None.
    """

    bid_price: Decimal | None
    ask_price: Decimal | None
    bid_depth: Decimal | None
    ask_depth: Decimal | None


def depth_of(bids: Any, asks: Any, what: str) -> Depth:
    """
    The depth of *bids* and *asks*, lists of [price, contracts], the best first.

    ``bid_depth = sum of contracts at prices >= middle * (1 - 50 / 10,000)``; asks likewise, upward.
    Raises `VenueUnavailable` when a level can't be read, or they are not in order.
    """
    bought, sold = _levels(bids, f"bids of {what}"), _levels(asks, f"asks of {what}")
    ordered = all(a[0] > b[0] for a, b in pairwise(bought)) and all(
        a[0] < b[0] for a, b in pairwise(sold)
    )
    bid, ask = bought[0][0] if bought else None, sold[0][0] if sold else None
    if not ordered or (bid is not None and ask is not None and bid >= ask):
        raise VenueUnavailable(f"book of {what}: its levels are not in order")
    if bid is None or ask is None:
        return Depth(bid_price=bid, ask_price=ask, bid_depth=None, ask_depth=None)
    middle = (bid + ask) / 2
    lowest, highest = middle * (1 - DEPTH_BPS / BPS), middle * (1 + DEPTH_BPS / BPS)
    return Depth(
        bid_price=bid,
        ask_price=ask,
        bid_depth=sum((size for price, size in bought if price >= lowest), ZERO),
        ask_depth=sum((size for price, size in sold if price <= highest), ZERO),
    )


def _levels(rows: Any, what: str) -> list[tuple[Decimal, Decimal]]:
    if not isinstance(rows, list) or not all(isinstance(r, list) and len(r) >= 2 for r in rows):
        raise VenueUnavailable(f"{what}: not a list of levels")
    named = ({"price": row[0], "contracts": row[1]} for row in rows)
    return [(positive(row, "price", what), positive(row, "contracts", what)) for row in named]
