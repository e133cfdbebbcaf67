"""
A venue's steps of maintenance margin: when they are asked for, and when they are believed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import structlog

from hedged.core.market import ZERO, MarginTier
from hedged.errors import VenueUnavailable
from hedged.venue.dialect import Dialect, Listing
from hedged.venue.wire import Wire

log = structlog.get_logger()

ASKED_AGAIN = timedelta(days=1)
FAILED_AGAIN = timedelta(minutes=10)
MEETS_WITHIN = Decimal("0.001")
"""Venues round deductions: by how much of the margin two steps may differ where they meet."""

Steps = tuple[MarginTier, ...]


class TierTable:
    """
    The steps of contracts, as one venue tells them to its accounts, each asked for once a day.

    Unknown steps are ``()``, and nothing may be concluded from them: an answer that fails or can't be
    true leaves what was known before, and is asked for again a little later.
    """

    def __init__(self, dialect: Dialect, clock: Callable[[], datetime]) -> None:
        self._dialect = dialect
        self._clock = clock
        self._known: dict[tuple[str, str], Steps] = {}
        self._next: dict[tuple[str, str], datetime] = {}
        self._asking = asyncio.Lock()

    async def of(self, account: str, wire: Wire, listings: Iterable[Listing]) -> dict[str, Steps]:
        """The steps of *listings* for *account*, by symbol. Accounts share what is no account's own."""
        owner = account if self._dialect.tiers_by_account else ""
        found: dict[str, Steps] = {}
        async with self._asking:
            for listing in listings:
                key = owner, listing.instrument.symbol
                if self._clock() >= self._next.get(key, self._clock()):
                    await self._ask(key, wire, listing)
                found[key[1]] = self._known.get(key, ())
        return found

    async def _ask(self, key: tuple[str, str], wire: Wire, listing: Listing) -> None:
        again = ASKED_AGAIN
        try:
            self._known[key] = steps_of(await self._dialect.tiers(wire, listing), listing.market_id)
        except VenueUnavailable as error:
            again = FAILED_AGAIN
            log.warning("margin_tiers_unknown", contract=key[1], account=key[0], why=str(error))
        self._next[key] = self._clock() + again


def steps_of(tiers: Iterable[MarginTier], what: str) -> Steps:
    """
    *tiers* in order, as `core.margin` takes them.

    The formula ``maintenance = notional * rate - deduction`` must give one margin at the edge of two
    steps, whichever is used. Raises `VenueUnavailable` when it does not, or the steps do not rise.
    """
    steps = tuple(sorted(tiers, key=lambda tier: tier.notional_max))
    possible = all(0 < tier.rate <= 1 and tier.leverage_max >= 1 for tier in steps)
    first = all(tier.deduction == ZERO for tier in steps[:1])
    if not (possible and first and all(_meet(low, high) for low, high in pairwise(steps))):
        raise VenueUnavailable(f"margin tiers of {what}: the steps do not fit together")
    return steps


def _meet(low: MarginTier, high: MarginTier) -> bool:
    edge = low.notional_max
    below, above = edge * low.rate - low.deduction, edge * high.rate - high.deduction
    return (
        edge < high.notional_max
        and low.rate <= high.rate
        and abs(above - below) <= MEETS_WITHIN * below + 1
    )
