"""
Passes that a person's decision wakes, and reminders of what waits for one, in alert mode.

Enters the journal, where another process may have written a decision; leaves the tick of a pass that
observes and plans again. Nothing here survives a restart, and nothing has to: it is all in the journal.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from hedged.core.consent import Proposal
from hedged.core.record import Mode, Tick
from hedged.journal.approvals import Approvals
from hedged.journal.store import Journal

log = structlog.get_logger()

LOOK_EVERY_S = 5.0
AGAIN = timedelta(minutes=1)
"""After this a pass is tried again that a decision has woken and the venue did not let be made."""


class Decisions:
    """What each portfolio's last proposal has come to, as far as passes have not seen it."""

    def __init__(self, mode: Mode, remind_every: timedelta) -> None:
        self.wait_s = LOOK_EVERY_S if mode == "alert" else None
        self._remind_every = remind_every
        self._tried: dict[tuple[str, str], datetime] = {}
        self._reminded: dict[int, datetime] = {}
        self._looked: dict[str, datetime] = {}

    def due(self, journal: Journal, portfolio: str, now: datetime) -> Tick | None:
        """The pass of a decision that none has been made for, once a decision."""
        if self.wait_s is None:
            return None
        decision = Approvals(journal).undone(portfolio)
        if decision is None:
            self._remind(journal, portfolio, now)
            return None
        at = decision.at.replace(microsecond=0)
        tick = Tick(kind="guard", cadence=f"decision+{decision.number}", scheduled_at=at)
        tried = self._tried.get((portfolio, tick.id))
        if tried is not None and tried <= now < tried + AGAIN:
            return None
        if journal.has(portfolio, tick.id):
            return None
        self._tried[portfolio, tick.id] = now
        return tick

    def _remind(self, journal: Journal, portfolio: str, now: datetime) -> None:
        """Say again what waits, every so often; after a restart at the first look."""
        looked = self._looked.get(portfolio)
        if looked is not None and looked <= now < looked + AGAIN:
            return
        self._looked[portfolio] = now
        standing = Approvals(journal).standing(portfolio)
        proposal = standing.proposal
        if proposal is None or standing.used_by or standing.decision or now >= proposal.expires_at:
            return
        if now - self._reminded.get(proposal.number, proposal.made_at) < self._remind_every:
            return
        self._reminded[proposal.number] = now
        log.warning("approval_waits", alert=True, **wanted(proposal))


def wanted(proposal: Proposal) -> dict[str, str | int]:
    """What a person must know to decide, and what to type."""
    return {
        "portfolio": proposal.portfolio,
        "proposal": proposal.number,
        "orders": str(proposal),
        "because": proposal.because,
        "moved": proposal.moved,
        "until": proposal.expires_at.isoformat(),
        "approve": f"hedged approve {proposal.number}",
        "reject": f"hedged reject {proposal.number} --why TEXT",
    }
