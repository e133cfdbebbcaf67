"""
From approved steps to outcomes: the intent goes to the journal first, then the order is sent,
then the outcome is resolved.

An id is sent at most once, ever. After an unknown outcome nothing more is sent, and the next
pass asks the venue before it does anything else; `core.resolution` says when it may be given up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import structlog

from hedged.core import stops
from hedged.core.gate import ARMING, Approved
from hedged.core.headroom import under_floor
from hedged.core.market import ZERO
from hedged.core.plan import Step
from hedged.core.policy import Policy
from hedged.core.record import Inputs, Outcome
from hedged.core.resolution import Absence, why_open
from hedged.core.wording import contracts
from hedged.errors import OutcomeUnknown, Unjudged, VenueRefused, VenueUnavailable
from hedged.journal.intents import Intent
from hedged.journal.store import Journal
from hedged.venue.protocol import Order, Venue

log = structlog.get_logger()

LOOKS = 3
"""How often an order that was taken back is looked up at once; the next pass looks again."""


LEAVING = "hedged was asked to leave"


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """One outcome a step that was sent, and of steps that were *left_out* what and why."""

    outcomes: tuple[Outcome, ...]
    left_out: tuple[str, ...] = ()


def staying() -> bool:
    """Nobody asked to leave."""
    return False


async def execute(
    approved: Approved,
    inputs: Inputs,
    venue: Venue,
    journal: Journal,
    policy: Policy,
    leaving: Callable[[], bool] = staying,
) -> Executed:
    """
    Send the steps in order; the last outcome may be unknown or resting.

    Either leaves its intent open, and nothing more is sent until the next pass has resolved it.
    What restricts the portfolio is looked at before each, for a person may stop it at any time; and
    whether the daemon is *leaving*, and what margin carries after less was filled than was planned.
    """
    outcomes: list[Outcome] = []
    left_out: list[str] = []
    for step in approved.steps:
        now = journal.clock()
        stopped = stops.refusal(step, journal.restrictions(policy.portfolio, now), now)
        if leaving():
            stopped = LEAVING
        stopped = stopped or _not_carried(step, outcomes, inputs, policy)
        if stopped:  # after the pass began: the order in hand was the last
            log.warning("order_not_sent", symbol=step.symbol, side=step.side, reason=stopped)
            left_out.append(
                f"{step.symbol}: {step.side} {contracts(step.contracts)} left out, {stopped}"
            )
            continue
        intent = journal.open_intent(policy, inputs.tick, step)
        outcome = await _send(intent, step, venue)
        outcomes.append(outcome)
        say = log.info if outcome.filled or outcome.status == "resting" else log.warning
        say("order", intent=intent.id, **_shown(outcome))
        if outcome.status in ("unknown", "resting"):
            break
        journal.resolve_intent(intent, outcome)
    return Executed(outcomes=tuple(outcomes), left_out=tuple(left_out))


def _not_carried(step: Step, outcomes: list[Outcome], inputs: Inputs, policy: Policy) -> str:
    """
    Why a short must not grow by *step* after *outcomes*; empty when it may.

    The plan as a whole keeps its margin, a part of it may not: where a reduction was refused, what was
    to grow in its place comes on top.
    """
    if step.side == "buy" or policy.watch is None or all(o.filled == o.contracts for o in outcomes):
        return ""
    trades = {step.symbol: -step.contracts}
    for outcome in outcomes:
        filled = outcome.filled if outcome.side == "buy" else -outcome.filled
        trades[outcome.symbol] = trades.get(outcome.symbol, ZERO) + filled
    why = under_floor(inputs.snapshot, trades, policy.watch.margin).get(step.symbol)
    return f"less was filled before it than planned, and {why}" if why else ""


class Resolver:
    """
    Asks what became of orders without an outcome, and remembers which looks were in vain.

    A restart looks anew: what was seen before it proves nothing any more.
    """

    def __init__(self) -> None:
        self._absences: dict[str, list[Absence]] = {}

    async def resolve(self, venue: Venue, journal: Journal, portfolio: str) -> tuple[str, ...]:
        """
        Resolve what can be; return why the rest can't, a sentence an order.

        An order that rests is taken back: a pass goes on from what has filled, and nothing else. One
        that can't be looked for, as when its contract is listed no more, must not end all passes.
        """
        unresolved: list[str] = []
        for intent in journal.unresolved(portfolio):
            try:
                found = await self._found(intent, venue)
            except VenueUnavailable as error:
                found = f"it could not be looked for at this pass, {error}"
            if isinstance(found, str):
                unresolved.append(f"{intent.step.symbol} ({intent.client_order_id}): {found}")
                log.warning("order_unresolved", intent=intent.id, reason=found)
                continue
            journal.resolve_intent(intent, found)
            self._absences.pop(intent.client_order_id, None)
            log.info("order_resolved", intent=intent.id, **_shown(found))
        return tuple(unresolved)

    async def _found(self, intent: Intent, venue: Venue) -> Outcome | str:
        """The outcome, or why there is none yet."""
        id_, symbol = intent.client_order_id, intent.step.symbol
        since = intent.sent_at or intent.opened_at
        found = await venue.seek(id_, symbol, since)
        if isinstance(found, Outcome):
            return await _taken_back(intent, venue) if found.status == "resting" else found
        if venue.absence_is_proof:
            return _outcome(intent, intent.step, "refused", "it never reached the venue")
        if intent.sent_at is None:
            never = _outcome(intent, intent.step, "refused", "it was never sent")
            return replace(never, judged=False)
        absences = self._absences.setdefault(id_, [])
        absences.append(found)
        return why_open(since, absences) or _outcome(
            intent, intent.step, "refused", "it never landed: absent twice, long after it was sent"
        )


async def take_back(inputs: Inputs, venue: Venue) -> None:
    """
    Cancel what rests of orders that are ours and that the journal does not know.

    Not before it is armed, for nothing is sent then. What can't be cancelled now holds this pass, and
    the next one tries again.
    """
    if any(one.by == ARMING for one in inputs.restrictions):
        return
    for order in inputs.snapshot.open_orders:
        if order.client_order_id in inputs.strays:
            log.error("stray_order_taken_back", symbol=order.symbol, order=order.client_order_id)
            try:
                await venue.cancel(order.client_order_id, order.symbol)
            except VenueUnavailable as error:
                log.warning("stray_order_left", order=order.client_order_id, error=str(error))


async def _taken_back(intent: Intent, venue: Venue) -> Outcome | str:
    """
    The end of an order that rests, or why it is not known yet.

    That the venue will cancel it is no end, for it may fill until then; nor does an answer that is lost
    say anything. Only a look tells.
    """
    symbol, client_order_id = intent.step.symbol, intent.client_order_id
    try:
        await venue.cancel(client_order_id, symbol)
    except VenueUnavailable as error:
        log.warning("cancel_unanswered", client_order_id=client_order_id, error=str(error))
    for _ in range(LOOKS):
        found = await venue.seek(client_order_id, symbol, intent.sent_at or intent.opened_at)
        if isinstance(found, Outcome) and found.status != "resting":
            return found
    return "it was taken back, and may still rest"


async def _send(intent: Intent, step: Step, venue: Venue) -> Outcome:
    order = Order(
        client_order_id=intent.client_order_id,
        symbol=step.symbol,
        side=step.side,
        contracts=step.contracts,
        limit_price=step.limit_price,
        reduce_only=step.reduce_only,
        post_only=step.post_only,
    )
    try:
        return await venue.send(order)
    except Unjudged as error:
        return replace(_outcome(intent, step, "refused", str(error)), judged=False)
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
