"""
From approved steps to outcomes: the intent goes to the journal first, then the order is sent,
then the outcome is resolved.

An id is sent at most once, ever. After an unknown outcome nothing more is sent, and the next
pass asks the venue before it does anything else.
"""

from __future__ import annotations

from typing import Literal

import structlog

from hedged.core.gate import Approved
from hedged.core.market import ZERO
from hedged.core.plan import Step
from hedged.core.record import Outcome, Policy, Tick
from hedged.errors import OutcomeUnknown, VenueRefused
from hedged.journal.intents import Intent
from hedged.journal.store import Journal
from hedged.venue.protocol import Order, Venue

log = structlog.get_logger()


async def execute(
    approved: Approved, tick: Tick, venue: Venue, journal: Journal, policy: Policy
) -> tuple[Outcome, ...]:
    """Send the steps in order; one outcome a step that was sent, the last may be unknown."""
    outcomes: list[Outcome] = []
    for step in approved.steps:
        intent = journal.open_intent(policy, tick, step)
        outcome = await _send(intent, step, venue)
        outcomes.append(outcome)
        say = log.info if outcome.filled else log.warning
        say("order", intent=intent.id, **_shown(outcome))
        if outcome.status == "unknown":
            break
        journal.resolve_intent(intent, outcome)
    return tuple(outcomes)


async def resolve(venue: Venue, journal: Journal, portfolio: str) -> tuple[str, ...]:
    """
    Ask the venue what became of intents without an outcome; return the symbols still unresolved.

    An order that the venue does not know is proof only where the venue keeps every order for ever.
    """
    unresolved: list[str] = []
    for intent in journal.unresolved(portfolio):
        outcome = await venue.lookup(intent.client_order_id, intent.step.symbol)
        if outcome is None and venue.absence_is_proof:
            outcome = _outcome(intent, intent.step, "refused", "it never reached the venue")
        if outcome is None:
            unresolved.append(intent.step.symbol)
            continue
        journal.resolve_intent(intent, outcome)
        log.info("order_resolved", intent=intent.id, **_shown(outcome))
    return tuple(unresolved)


async def _send(intent: Intent, step: Step, venue: Venue) -> Outcome:
    order = Order(
        client_order_id=intent.client_order_id,
        symbol=step.symbol,
        side=step.side,
        contracts=step.contracts,
        limit_price=step.limit_price,
        reduce_only=step.reduce_only,
    )
    try:
        return await venue.send(order)
    except VenueRefused as error:
        return _outcome(intent, step, "refused", str(error))
    except OutcomeUnknown as error:
        return _outcome(intent, step, "unknown", str(error))


def _outcome(intent: Intent, step: Step, status: Literal["refused", "unknown"], reason: str) -> Outcome:
    return Outcome(
        client_order_id=intent.client_order_id,
        symbol=step.symbol,
        side=step.side,
        contracts=step.contracts,
        filled=ZERO,
        fill_price=None,
        fee=ZERO,
        status=status,
        reason=reason,
    )


def _shown(outcome: Outcome) -> dict[str, str]:
    return {
        "client_order_id": outcome.client_order_id,
        "symbol": outcome.symbol,
        "side": outcome.side,
        "contracts": str(outcome.contracts),
        "filled": str(outcome.filled),
        "status": outcome.status,
        "reason": outcome.reason,
    }
