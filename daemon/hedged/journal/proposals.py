"""
Rows of proposals, decisions and used consents, inside a transaction of the journal.

Enters a connection; leaves rows, and whether a used consent covers an intent. `claim` asks that again
for every order that is about to leave, so that nothing else can let one out.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Connection, insert

from hedged.core.consent import Bound, Decision, Proposal
from hedged.core.encoding import digest, encode
from hedged.core.market import ZERO
from hedged.core.plan import Step
from hedged.errors import JournalError
from hedged.journal import schema, statements


def add_proposal(connection: Connection, proposal: Proposal, tick_id: str) -> None:
    """Keep *proposal*, which the record of *tick_id* holds too, in the transaction of that record."""
    body = encode(proposal)
    values = {
        "number": proposal.number,
        "portfolio": proposal.portfolio,
        "account": proposal.account,
        "tick_id": tick_id,
        "body": body.decode(),
        "digest": digest(body),
        "made_at": proposal.made_at.isoformat(),
        "expires_at": proposal.expires_at.isoformat(),
    }
    connection.execute(insert(schema.proposal), values)


def next_number(connection: Connection) -> int:
    """The number of the next proposal; the rows are never dropped, so none comes twice."""
    return int(connection.execute(statements.NEXT_PROPOSAL).scalar_one())


def proposal_of(row: Any) -> Proposal | None:
    """The proposal in *row*, None where the row does not agree with itself."""
    body = str(row.body).encode()
    try:
        found = msgspec.json.decode(body, type=Proposal)
    except msgspec.MsgspecError:
        return None
    columns = (found.number, found.portfolio, found.account, found.expires_at.isoformat())
    same = columns == (row.number, row.portfolio, row.account, row.expires_at)
    return found if same and row.digest == digest(body) else None


def decision_of(row: Any) -> Decision | None:
    """The decision in a *row* of a proposal with all that hangs on it; None while there is none."""
    if row.verdict is None:
        return None
    return Decision(
        number=row.number,
        verdict=row.verdict,
        by=row.by,
        why=row.why,
        at=datetime.fromisoformat(row.decided_at),
    )


def uncovered(connection: Connection, client_order_id: str, now: datetime) -> str:
    """
    Why no consent covers the intent of this id at *now*; empty when one does, or none is needed.

    The consent was approved in time, used by the very tick of the intent, has not expired, and the
    intents of that tick together are no more than what was approved.
    """
    sent = connection.execute(statements.INTENT, {"client_order_id": client_order_id}).first()
    if sent is None:
        return "the journal has no such intent"
    if sent.mode != "alert":
        return ""
    this = {"portfolio": sent.portfolio, "tick_id": sent.tick_id}
    row = connection.execute(statements.USED_BY, this).first()
    if row is None:
        return f"no consent was used by {sent.tick_id}"
    proposal, decision = proposal_of(row), decision_of(row)
    if proposal is None:
        return f"the row of proposal {row.number} was altered"
    if (proposal.portfolio, proposal.account) != (sent.portfolio, sent.account):
        return f"proposal {proposal.number} is for {proposal.portfolio} on {proposal.account}"
    if decision is None or decision.verdict != "approve":
        return f"proposal {proposal.number} is not approved"
    if max(now, decision.at) >= proposal.expires_at:
        return f"proposal {proposal.number} has expired"
    return _beyond(proposal, connection.execute(statements.STEPS_OF_TICK, this).scalars())


def refuse_uncovered(connection: Connection, client_order_id: str, now: datetime) -> None:
    """Raise `JournalError` where no consent covers the intent of this id."""
    why = uncovered(connection, client_order_id, now)
    if why:
        raise JournalError(f"{why}; nothing is sent")


def _beyond(proposal: Proposal, bodies: Iterable[str]) -> str:
    """What of the steps in *bodies* is more than *proposal* lets be sent."""
    spent: dict[Bound, Decimal] = dict.fromkeys(proposal.steps, ZERO)
    for body in bodies:
        step = msgspec.json.decode(body, type=Step)
        bound = next((bound for bound in proposal.steps if bound.covers(step)), None)
        if bound is None:
            return (
                f"proposal {proposal.number} does not cover {step.side} {step.contracts} {step.symbol}"
            )
        spent[bound] += step.contracts
        if spent[bound] > bound.contracts_max:
            return f"proposal {proposal.number} covers {bound}, and {spent[bound]} would be sent"
    return ""
