"""
What a venue's error says of an order: a table a venue, and the rule for all that no table lists.

ccxt's classes mislead (a timed-out order comes as InvalidOrder on one venue, as BadRequest on
another), so the raw code decides. What is not listed is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, NoReturn

from hedged.errors import OutcomeUnknown, Unjudged, VenueRefused
from hedged.venue.wire import Answered

Said = Literal["rejected", "landed", "unknown"]
"""rejected: it certainly was not executed; landed: an order of this id is there already."""

MarketType = Literal["linear", "inverse"]
Table = Mapping[tuple[MarketType, str], Said]

TIMED_OUT = 408
"""What Binance answers when its own backend did not answer in time."""


class Landed(Exception):
    """The venue knows this client order id already: look it up, never send it again."""


def said(table: Table, market: MarketType, error: Answered) -> Said:
    """
    What *error* says of the order that it answers.

    Only a code that *table* lists decides, and only where the venue answered in good order. 418 and 429
    are no exception: the venue that refuses a request there says so with a listed code (-1003, -1015
    on Binance); without one nobody knows who spoke. The wait costs nothing: the host is not asked now.
    """
    if error.code is None:
        return "unknown"  # not the venue's own words: a proxy, a maintenance page, half a body
    if not is_in_good_order(error.status):
        return "unknown"
    return table.get((market, error.code), "unknown")


def is_in_good_order(status: int) -> bool:
    """
    Whether a code that comes with this HTTP *status* can be believed.

    With 2XX, as Bybit has it, and with 4XX, as Binance has it. Never with 5XX, after which Binance
    calls the execution status unknown, even with a code that is sure elsewhere; nor with 408, nor with
    a redirect, which nobody follows.
    """
    return 200 <= status < 300 or (400 <= status < 500 and status != TIMED_OUT)


def raised(
    table: Table, market: MarketType, error: Answered, late: frozenset[str] = frozenset()
) -> NoReturn:
    """
    Raise what *error* says: `VenueRefused`, `Landed` or `OutcomeUnknown`.

    *late* are codes of *table* that reject a request for its stamp: a clock or the line is wrong, and
    the order was not looked at. They raise `Unjudged`.
    """
    match said(table, market, error):
        case "rejected" if error.code in late:
            raise Unjudged(f"{error}; a clock is off, or the line is slow") from None
        case "rejected":
            raise VenueRefused(str(error)) from None
        case "landed":
            raise Landed(str(error)) from None
        case _:
            raise OutcomeUnknown(str(error)) from None


def end_of(filled: Decimal, wanted: Decimal) -> Literal["filled", "partial", "unfilled"]:
    """What became of an order that is over."""
    return "filled" if filled == wanted else "partial" if filled else "unfilled"
