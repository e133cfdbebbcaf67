"""
What waits for a person, what the person decided, and that each consent is used once.

Enters a journal; leaves what stands, and decisions. A proposal is believed only where its row is, byte
for byte, what the record of its pass holds, which the hash chain covers.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from hedged.core.consent import Decision, Proposal, Standing, Verdict
from hedged.core.encoding import encode
from hedged.core.record import CycleRecord
from hedged.errors import ConsentRefused, JournalBroken
from hedged.journal import schema, statements
from hedged.journal.database import guarded
from hedged.journal.proposals import decision_of, next_number, proposal_of
from hedged.journal.store import Journal

ALTERED = "the row of proposal {} was altered; see `hedged journal verify`"


class Approvals:
    """The part of a journal that consents are kept in."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def standing(self, portfolio: str) -> Standing:
        """What *portfolio* stands on when a pass begins."""
        with guarded(self.journal.path), self.journal.engine.connect() as connection:
            number, row = next_number(connection), _last(connection, portfolio)
            asked = {"portfolio": portfolio, "kind": "review"}
            review = connection.execute(statements.LAST_OF_KIND, asked).first()
        if row is None:
            return Standing(next_number=number, counts=True)
        record = self._trusted(row)
        return Standing(
            next_number=number,
            proposal=record.proposal if record else None,
            decision=decision_of(row),
            used_by=row.used_by,
            altered="" if record else f"the row of proposal {row.number} was altered",
            by_hand=record is not None and record.inputs.snapshot.by_hand,
            reviewed_at=datetime.fromisoformat(review.at) if review else None,
            counts=True,
        )

    def undone(self, portfolio: str) -> Decision | None:
        """The decision on the last proposal of *portfolio*, while no pass has used it up."""
        with guarded(self.journal.path), self.journal.engine.connect() as connection:
            row = _last(connection, portfolio)
        return None if row is None or row.used_by is not None else decision_of(row)

    def use(self, number: int, portfolio: str, tick_id: str, now: datetime) -> None:
        """
        Commit that the consent to proposal *number* is used up by *tick_id*.

        From here on it lets nothing else be sent, whatever becomes of this process.

        Raises
        ------
        ConsentRefused
            When it is not approved in time, not intact, or used already; nothing may be sent then.
        """
        row, proposal = self._found(number)
        decision = decision_of(row)
        if proposal.portfolio != portfolio or decision is None or decision.verdict != "approve":
            raise ConsentRefused(f"proposal {number} is not approved for {portfolio}")
        if max(now, decision.at) >= proposal.expires_at:
            raise ConsentRefused(f"proposal {number} has expired")
        values = {
            "proposal": number, "portfolio": portfolio, "tick_id": tick_id, "at": now.isoformat()
        }  # fmt: skip
        with guarded(self.journal.path), self.journal.engine.begin() as connection:
            again = _row(connection, number)
            if again is not None and again.used_by is not None:
                raise ConsentRefused(f"proposal {number} was used by {again.used_by}")
            if again != row:
                raise ConsentRefused(f"proposal {number} was altered")
            connection.execute(insert(schema.consent_use), values)

    def decide(
        self, number: int, verdict: Verdict, by: str, why: str, now: datetime, accounts: dict[str, str]
    ) -> Proposal:
        """
        Commit what a person says to proposal *number*; *accounts* are the settings', by portfolio.

        Raises
        ------
        ConsentRefused
            When there is no such proposal here, it is altered, replaced, expired or decided already.
        """
        with guarded(self.journal.path), self.journal.engine.connect() as connection:
            mode = connection.execute(select(schema.binding.c.mode)).scalar()
        if mode != "alert":
            raise ConsentRefused(f"{self.journal.path} belongs to mode {mode}, where nobody approves")
        row, proposal = self._found(number)
        here = accounts.get(proposal.portfolio)
        if here != proposal.account:
            raise ConsentRefused(
                f"proposal {number} is of portfolio {proposal.portfolio} on account "
                f"{proposal.account}, which is not that of these settings ({here or 'none'})"
            )
        decision = Decision(number=number, verdict=verdict, by=by, why=why, at=now)
        with guarded(self.journal.path), self.journal.engine.begin() as connection:
            again = _row(connection, number)
            if again is None or again.body != row.body:
                raise ConsentRefused(ALTERED.format(number))
            _refuse(again, proposal, now)
            values = {
                "proposal": number, "verdict": verdict, "by": by, "why": why,
                "at": decision.at.isoformat(),
            }  # fmt: skip
            connection.execute(insert(schema.decision), values)
        return proposal

    def _found(self, number: int) -> tuple[Any, Proposal]:
        """The row of proposal *number*. Raises `ConsentRefused` where it can't be believed."""
        with guarded(self.journal.path), self.journal.engine.connect() as connection:
            row = _row(connection, number)
        if row is None:
            raise ConsentRefused(f"there is no proposal {number} in {self.journal.path}")
        record = self._trusted(row)
        if record is None or record.proposal is None:
            raise ConsentRefused(ALTERED.format(number))
        return row, record.proposal

    def _trusted(self, row: Any) -> CycleRecord | None:
        """The record of the pass that made the proposal in *row*, if it holds the very same bytes."""
        readable = proposal_of(row) is not None
        record_id = self.journal.id_of(row.portfolio, row.tick_id) if readable else None
        if record_id is None:
            return None
        try:
            record = self.journal.record(record_id)
        except JournalBroken:
            return None
        recorded = record.proposal
        return record if recorded is not None and encode(recorded).decode() == row.body else None


def _row(connection: Connection, number: int) -> Any:
    """Proposal *number* with all that hangs on it; None when there is none."""
    return connection.execute(statements.PROPOSAL, {"number": number}).first()


def _last(connection: Connection, portfolio: str) -> Any:
    """The last proposal of *portfolio*, likewise."""
    return connection.execute(statements.LAST_PROPOSAL, {"portfolio": portfolio}).first()


def _refuse(row: Any, proposal: Proposal, now: datetime) -> None:
    """Why nothing can be decided on *proposal* any more. Raises `ConsentRefused`."""
    number, decision = proposal.number, decision_of(row)
    if decision is not None:
        said = "approved" if decision.verdict == "approve" else "rejected"
        why = f" ({decision.why})" if decision.why else ""
        raise ConsentRefused(
            f"proposal {number} was {said} by {decision.by} at {decision.at:%Y-%m-%d %H:%M} UTC{why}"
        )
    if row.newest != number:
        raise ConsentRefused(f"proposal {number} was replaced by {row.newest}; see `hedged plan`")
    if now >= proposal.expires_at:
        raise ConsentRefused(
            f"proposal {number} expired at {proposal.expires_at:%Y-%m-%d %H:%M} UTC; if it is still "
            "due, the next pass proposes it anew"
        )
