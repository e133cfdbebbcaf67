"""
Settled funding as the history keeps it, out of bare stamps and rates.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

GAP_MAX = timedelta(hours=24)
"""No venue settles less often; a longer distance between two stamps is a hole in what it told."""


def to_minute(when: datetime) -> datetime:
    """Stamps come some milliseconds after the instant at which they are due."""
    return (when + timedelta(seconds=5)).replace(second=0, microsecond=0)


def settled_rates(
    stamps: Iterable[tuple[datetime, Decimal]], interval_hours: Decimal
) -> list[dict[str, Any]]:
    """
    Rows of ``funding`` out of *stamps* in the order of time.

    The interval of each is the distance to the stamp before; *interval_hours*, today's, for the first.
    """
    found: list[dict[str, Any]] = []
    before: datetime | None = None
    for told, rate in stamps:
        when = to_minute(told)
        hours = float(interval_hours)
        if before is not None and timedelta() < when - before <= GAP_MAX:
            hours = (when - before) / timedelta(hours=1)
        found.append({"at": when, "funding_rate": float(rate), "interval_hours": hours})
        before = when
    return found
