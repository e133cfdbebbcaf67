"""
Who lets a cleared plan be sent.

Enters a review; leaves a `Consent`. On paper the mode itself consents, always: the money is not
real, and there is no code path from here to a signing client.
"""

from __future__ import annotations

from hedged.core.gate import Consent, Review
from hedged.core.record import Mode


def consent(review: Review, mode: Mode) -> Consent:
    """The consent for *review*: granted on paper whenever the gate has cleared the plan."""
    return Consent(granted=review.cleared, by=mode)
