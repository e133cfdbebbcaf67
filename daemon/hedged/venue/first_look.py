"""
What one look at an account sees; and the first look at accounts that no book knows.

Enters the accounts' reads; leaves what was seen and the instant from which fills add to it. A fill that
comes while the position is read may be in it or not, so nothing may happen meanwhile; where something
does, all is read again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from hedged.core.market import AccountMargin, Instrument, Margin, OpenOrder, Position, Quote
from hedged.errors import VenueUnavailable
from hedged.venue.dialect import Balance

T = TypeVar("T")

INSTANT = timedelta(microseconds=1)
LOOKS_MAX = 3
"""So often is it read, before the next pass tries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One hedge account at one look; symbols are the core's."""

    margin: Margin
    positions: tuple[Position, ...]
    open_orders: tuple[OpenOrder, ...]
    quotes: tuple[Quote, ...]
    instruments: tuple[Instrument, ...]
    collateral: tuple[Balance, ...]
    doubts: tuple[str, ...]
    misvalued: tuple[str, ...]


async def anchored(
    read: Callable[[], Awaitable[T]],
    happened: Callable[[], Awaitable[Set[tuple[str, datetime]]]],
    present: Callable[[], datetime],
) -> tuple[T, datetime]:
    """
    What *read* tells, and the instant from which events add to it.

    *happened* tells the events of late, by key and instant, and is asked before and after. What it
    tells only after came while it was read, and all is read again. The instant is *present*, the
    venues' time, before it was read, and later than all that was told before, whatever the clocks say.

    Raises
    ------
    VenueUnavailable
        When something happens at every look.
    """
    for _ in range(LOOKS_MAX):
        before = await happened()
        opened = max((present(), *(at + INSTANT for _, at in before)))
        seen = await read()
        after = await happened()
        if after <= before:
            return seen, opened
    raise VenueUnavailable(
        f"the account is seen for the first time, and was traded at each of {LOOKS_MAX} looks; its "
        "position can't be told from its fills before that ends"
    )


def margin_of(account: str, look: Seen) -> AccountMargin:
    """A maintenance margin of nothing, while something is held, is a figure that is not told."""
    held = any(one.contracts for one in look.positions)
    told = look.margin.maintenance_margin
    return AccountMargin(
        account=account,
        equity=look.margin.equity,
        maintenance_margin=None if held and not told else told,
    )
