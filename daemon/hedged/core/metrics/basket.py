"""
What an index of several coins is made of (section 1): coins, weights, and when these are reset.

Enters what a person has set; leaves the share of each coin at a reset, and the calendar of resets.
`chain` makes the index's bars of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hedged.core.metrics.columns import Array, Indices

Kind = Literal["basket", "holdings"]
Rebalance = Literal["daily", "weekly", "monthly", "quarterly", "never"]

_DAY = 86_400_000_000  # microseconds
_MONDAY = 4 * _DAY  # 1970-01-05 was the first Monday


@dataclass(frozen=True, slots=True, kw_only=True)
class Constituent:
    """A coin, by the *symbol* of its bars; *weight* is a share, or for holdings a quantity of coins."""

    symbol: str
    weight: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Basket:
    """
    An index of several coins.

    A ``basket`` has weights, relative to their sum; at each reset no coin has more than *cap* of
    the whole. ``holdings`` are quantities of coins, which nobody resets: the index moves as their
    value does.

    Raises
    ------
    ValueError
        Without a constituent, with one named twice or of no positive finite weight; with a cap that
        is not in (0, 1] or that this many constituents can't keep; and for holdings with a cap or
        a rebalance.
    """

    kind: Kind
    constituents: tuple[Constituent, ...]
    rebalance: Rebalance = "never"
    cap: Decimal | None = None

    def __post_init__(self) -> None:
        symbols = {constituent.symbol for constituent in self.constituents}
        if not symbols:
            raise ValueError("an index needs at least one constituent")
        if len(symbols) < len(self.constituents):
            raise ValueError("a constituent of the index is named twice")
        for constituent in self.constituents:
            if not 0 < float(constituent.weight) < math.inf:  # nan is neither
                raise ValueError(f"{constituent.symbol}: the weight is not a positive number")
        if self.kind == "holdings" and (self.rebalance != "never" or self.cap is not None):
            raise ValueError("an index of holdings is neither rebalanced nor capped")
        if self.cap is not None and not self.cap.is_finite():
            raise ValueError("the cap is not a number")
        if self.cap is not None and not 1 <= self.cap * len(symbols) <= len(symbols):
            raise ValueError(
                f"a cap of {self.cap} is not between 1/{len(symbols)} and 1,"
                f" as {len(symbols)} constituents need it"
            )


def capped(weights: Array, cap: float | None) -> Array:
    """
    Shares that sum to 1, in proportion to *weights*, none above *cap*.

    What is above the cap goes to the others in proportion to their weights; where that lifts one of
    them above it too, again: weights 6, 3, 1 with a cap of 0.5 give 0.5, 0.375, 0.125. A cap that
    so few can't keep, below 1 / count, gives each the same share.
    """
    if cap is None:
        return weights / float(weights.sum())
    if cap * weights.size <= 1:
        return np.full(weights.size, 1 / weights.size)
    full: NDArray[np.bool_] = np.zeros(weights.size, dtype=np.bool_)
    while True:
        rest = 1 - cap * np.count_nonzero(full)
        shares = np.where(full, cap, weights * (rest / weights[~full].sum()))
        above = ~full & (shares > cap)
        if not above.any():
            return shares
        full |= above


def period_of(instants: Indices, rebalance: Rebalance) -> Indices:
    """
    The number of the calendar period (UTC) that each instant, in microseconds since 1970, lies in.

    A period begins at its boundary: 00:00, of Mondays for ``weekly``, of the first of the month or
    of the quarter. With ``never`` all time is one period.
    """
    match rebalance:
        case "daily":
            return instants // _DAY
        case "weekly":
            return (instants - _MONDAY) // (7 * _DAY)
        case "monthly":
            return _months(instants)
        case "quarterly":
            return _months(instants) // 3
        case "never":
            return np.zeros_like(instants)


def _months(instants: Indices) -> Indices:
    months: Indices = instants.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    return months
