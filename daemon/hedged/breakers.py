"""
Breakers that tripped become restrictions, which stand until a person lifts them.

Enters the trips of a review; leaves rows of the journal, before anything is sent.
"""

from __future__ import annotations

from datetime import datetime

import structlog

from hedged.core.gate import BREAKER, Restriction, Trip
from hedged.journal.store import Journal

log = structlog.get_logger()


def keep(trips: tuple[Trip, ...], portfolio: str, journal: Journal, now: datetime) -> None:
    """
    Commit a restriction for every trip, and say how it is lifted.

    Raises
    ------
    JournalError
        When it can't be written; the plan it belongs to is refused all the same, and the next pass
        counts again.
    """
    for trip in trips:
        journal.restrict(
            Restriction(scope=portfolio, allows=trip.allows, reason=trip.reason, by=BREAKER, at=now)
        )
        log.critical(
            "breaker_tripped",
            portfolio=portfolio,
            allows=trip.allows,
            reason=trip.reason,
            lift=lifted_with(portfolio),
        )


def lifted_with(portfolio: str) -> str:
    """What a person types to lift the restrictions of *portfolio*."""
    return f"hedged stop resume {portfolio}"
