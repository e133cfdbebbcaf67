"""
Which funding stamps were due, and which of them lack a rate.

Enters the stamps that were told, with the hours that each covers; leaves all that were due. Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from hedged.venue.protocol import SettledFunding

MOMENT = timedelta(microseconds=1)
HOURS_DEFAULT = 8.0


def due_funding(
    stamps: Sequence[datetime],
    rates: Sequence[tuple[float | None, float]],
    after: datetime,
    until: datetime,
) -> list[SettledFunding]:
    """
    Every stamp due in (after, until], out of *stamps* and their *rates* (rate, hours covered).

    Between two stamps the interval of the earlier one says which were due; nothing was before the
    first, or without any.
    """
    place = bisect_right(stamps, after)
    found: list[SettledFunding] = []
    at = stamps[place - 1] if place else (stamps[0] if stamps else until)
    hours = rates[place - 1][1] if place else (rates[0][1] if rates else HOURS_DEFAULT)
    for stamp, (rate, interval) in zip(stamps[place:], rates[place:], strict=True):
        found += _missing(at, stamp, hours, after, until)
        if stamp > until:
            return found
        settled = None if rate is None else Decimal(str(rate))
        found.append(SettledFunding(at=stamp, funding_rate=settled))
        at, hours = stamp, interval
    return [*found, *_missing(at, until + MOMENT, hours, after, until)]


def _missing(
    at: datetime, before: datetime, hours: float, after: datetime, until: datetime
) -> list[SettledFunding]:
    """Stamps due every *hours* strictly between *at* and *before*, within (after, until]."""
    found = []
    due = at + timedelta(hours=hours)
    while due < before and due <= until:
        if due > after:
            found.append(SettledFunding(at=due, funding_rate=None))
        due += timedelta(hours=hours)
    return found
