"""
A person's consent to a cleared plan: what is proposed, what was decided, and what that lets be sent.

Enters a review and what the journal holds of the last proposal; leaves an `Answer`. Silence never
grants anything: without a recorded approval that fits the plan as it is now, no step is let through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from hedged.core.gate import Consent, Review
from hedged.core.market import ZERO, Side
from hedged.core.plan import Step
from hedged.core.wording import contracts, percent

Verdict = Literal["approve", "reject"]

NOBODY = Consent(granted=False, by="nobody")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentTerms:
    """How long a proposal *lives*, and by which share the orders may change until they are sent."""

    lives: timedelta = timedelta(hours=24)
    reprice_tolerance: Decimal = Decimal("0.02")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """
    One order of a proposal: at most *contracts_max*, under a limit price from *price_min* to
    *price_max*, which are *limit_price* less and more the tolerance.

    *held_after* is the position once it has filled, in contracts, positive for long; None in a
    proposal of an older hedged.
    """

    symbol: str
    side: Side
    reduce_only: bool
    contracts_max: Decimal
    limit_price: Decimal
    price_min: Decimal
    price_max: Decimal
    notional: Decimal
    held_after: Decimal | None = None

    def __str__(self) -> str:
        only = " reduce-only" if self.reduce_only else ""
        return f"{self.side}{only} {contracts(self.contracts_max)} {self.symbol}"

    def covers(self, step: Step) -> bool:
        """Whether *step* is no more than what is proposed here."""
        return (
            (step.symbol, step.side, step.reduce_only) == (self.symbol, self.side, self.reduce_only)
            and step.contracts <= self.contracts_max
            and self.price_min <= step.limit_price <= self.price_max
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Orders that wait for a person; *moved* says why an earlier proposal does not stand any more."""

    number: int
    portfolio: str
    account: str
    made_at: datetime
    expires_at: datetime
    steps: tuple[Bound, ...]
    target_ratio: Decimal
    because: str
    moved: str = ""

    def __str__(self) -> str:
        return "; ".join(map(str, self.steps))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person said to the proposal *number*."""

    number: int
    verdict: Verdict
    by: str
    why: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """
    What the journal holds of consent when a pass begins.

    *proposal* is the last one of the portfolio; *used_by* is the tick that has used it up; *altered*
    says why its row can't be trusted; *reviewed_at* is when the last review was made. *counts* says
    that what is not traded is counted; an older hedged did not. *by_hand* says that the proposal was
    made where a person trades.
    """

    next_number: int = 1
    proposal: Proposal | None = None
    decision: Decision | None = None
    used_by: str | None = None
    altered: str = ""
    reviewed_at: datetime | None = None
    counts: bool = False
    by_hand: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """
    Who asks, and when; *held* are the positions by symbol, in contracts, positive for long. *by_hand*
    says that no order can be sent from here, so a person trades.
    """

    portfolio: str
    account: str
    now: datetime
    reviewing: bool
    target_ratio: Decimal
    because: str
    by_hand: bool = False
    held: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """
    What may be sent, and why not more.

    *uses* is the proposal whose consent is used up by it; *proposal* is a new one; *decision* is what
    a person said and this follows.
    """

    consent: Consent = NOBODY
    because: str = ""
    uses: int | None = None
    proposal: Proposal | None = None
    decision: Decision | None = field(default=None)


def answer(review: Review, standing: Standing, ask: Ask, terms: ConsentTerms) -> Answer:
    """
    The consent to *review*; a plan that is refused, or empty, asks for none.

    Where a person trades what was approved, an empty plan says that it is done: the consent is used up.
    Without a proposal that stands a new one is made. One that stands waits for its decision, until it
    expires; a rejection holds until the next review. What was approved is granted if the orders are
    the same by instrument, side and reduce-only, each ``|new - approved| <= tolerance x approved``,
    and each limit price inside its bounds: then ``min(approved, new)`` contracts of each. What a person
    trades by hand, perhaps order by order, stays approved while it leads to the positions approved.
    """
    if not review.cleared:
        return Answer()
    if not review.plan.steps:
        return _traded_by_hand(standing, ask)
    proposal, decision = standing.proposal, standing.decision
    if standing.altered or proposal is None:
        return _proposed(review, standing, ask, terms, standing.altered)
    if proposal.account != ask.account:
        moved = f"{proposal.number} was for account {proposal.account}"
        return _proposed(review, standing, ask, terms, moved)
    if standing.used_by is not None:
        moved = f"{proposal.number} was used by {standing.used_by}, and this is due now"
        return _proposed(review, standing, ask, terms, moved)
    if decision is not None and decision.verdict == "reject":
        return _rejected(decision, review, standing, ask, terms)
    if ask.now >= proposal.expires_at:
        moved = f"{proposal.number} expired at {proposal.expires_at:%Y-%m-%d %H:%M} UTC, not executed"
        return _proposed(review, standing, ask, terms, moved)
    if decision is None:
        return _waiting(proposal, review, standing, ask, terms)
    return _approved(proposal, decision, review, standing, ask, terms)


def _traded_by_hand(standing: Standing, ask: Ask) -> Answer:
    """
    A consent that a person was to trade under, and nothing is due any more: it holds for no later plan.
    """
    proposal, decision = standing.proposal, standing.decision
    if not ask.by_hand or standing.altered or standing.used_by is not None:
        return Answer()
    if proposal is None or decision is None or decision.verdict != "approve":
        return Answer()
    if proposal.account != ask.account or ask.now >= proposal.expires_at:
        return Answer()
    because = f"approval {proposal.number} by {decision.by} is used up, nothing of it is left to trade"
    return Answer(because=because, uses=proposal.number)


def rejection_holds(standing: Standing) -> bool:
    """Whether no review was made since the last proposal was rejected."""
    decision = standing.decision
    if decision is None or decision.verdict != "reject":
        return False
    return standing.reviewed_at is None or standing.reviewed_at <= decision.at


def _rejected(
    decision: Decision, review: Review, standing: Standing, ask: Ask, terms: ConsentTerms
) -> Answer:
    said = f"rejected by {decision.by}: {decision.why}"
    if ask.reviewing or not rejection_holds(standing):
        return _proposed(review, standing, ask, terms, f"{decision.number} was {said}")
    return Answer(because=f"{said}; asked again at the next review", decision=decision)


def _waiting(
    proposal: Proposal, review: Review, standing: Standing, ask: Ask, terms: ConsentTerms
) -> Answer:
    """
    While nobody has decided, sizes and prices may move, for they are looked at when somebody has; but
    a person must not be shown other orders, or another target, than those that are due.
    """
    changed = _other_orders(review.plan.steps, proposal.steps)
    if not changed and proposal.target_ratio != ask.target_ratio:
        changed = f"the target {percent(proposal.target_ratio)} -> {percent(ask.target_ratio)}"
    if changed:
        return _proposed(review, standing, ask, terms, f"moved since {proposal.number}: {changed}")
    until = f"{proposal.expires_at:%Y-%m-%d %H:%M} UTC"
    return Answer(because=f"proposal {proposal.number} waits for approval until {until}")


def _approved(
    proposal: Proposal,
    decision: Decision,
    review: Review,
    standing: Standing,
    ask: Ask,
    terms: ConsentTerms,
) -> Answer:
    if standing.by_hand and not ask.by_hand:  # they may be trading it just now, as they were told
        said = f"{proposal.number}, approved by {decision.by}, was theirs to trade, and hedged can now"
        return replace(_proposed(review, standing, ask, terms, said), decision=decision)
    granted = _granted(review.plan.steps, proposal.steps, terms.reprice_tolerance)
    if ask.by_hand and _all_left(review.plan.steps, proposal.steps, ask.held, terms.reprice_tolerance):
        granted = review.plan.steps
    if isinstance(granted, str):
        moved = f"moved since {proposal.number}, which {decision.by} approved: {granted}"
        return replace(_proposed(review, standing, ask, terms, moved), decision=decision)
    by = f"approval {proposal.number} by {decision.by}"
    if ask.by_hand:
        due = "; ".join(f"{step.side} {contracts(step.contracts)} {step.symbol}" for step in granted)
        return Answer(because=f"{by}, for you to trade: {due}", decision=decision)
    consent = Consent(granted=True, by=by, steps=granted)
    return Answer(consent=consent, uses=proposal.number, decision=decision)


def _granted(
    steps: tuple[Step, ...], bounds: tuple[Bound, ...], tolerance: Decimal
) -> tuple[Step, ...] | str:
    """The steps that what was approved lets be sent, or what has moved."""
    changed = _other_orders(steps, bounds)
    if changed:
        return changed
    pairs = [(step, next(b for b in bounds if _leg(b) == _leg(step))) for step in steps]
    moved = [said for step, bound in pairs if (said := _moved(step, bound, tolerance))]
    if moved:
        return "; ".join(moved)
    return tuple(_at_most(step, bound.contracts_max) for step, bound in pairs)


def _all_left(
    steps: tuple[Step, ...],
    bounds: tuple[Bound, ...],
    held: Mapping[str, Decimal],
    tolerance: Decimal,
) -> bool:
    """
    Whether *steps* are what a person who trades order by order has not traded yet of what was approved.

    Each leads, at a price inside its bounds, from the same side to the position that was approved:
    ``|held + step - held_after| <= tolerance x approved``.
    """
    for step in steps:
        bound = next((one for one in bounds if _leg(one) == _leg(step)), None)
        if bound is None or bound.held_after is None:
            return False
        off = abs(_after(step, held) - bound.held_after)
        if off > tolerance * bound.contracts_max:
            return False
        if not bound.price_min <= step.limit_price <= bound.price_max:
            return False
    return True


def _after(step: Step, held: Mapping[str, Decimal]) -> Decimal:
    """The position in contracts, positive for long, once *step* has filled."""
    signed = step.contracts if step.side == "buy" else -step.contracts
    return held.get(step.symbol, ZERO) + signed


def _other_orders(steps: tuple[Step, ...], bounds: tuple[Bound, ...]) -> str:
    """How the orders differ, if by more than sizes and prices; each leg has one order in a plan."""
    if sorted(map(_leg, steps)) == sorted(map(_leg, bounds)):
        return ""
    now = "; ".join(f"{step.side} {contracts(step.contracts)} {step.symbol}" for step in steps)
    return f"the orders {'; '.join(map(str, bounds))} -> {now}"


def _leg(order: Step | Bound) -> tuple[str, Side, bool]:
    return (order.symbol, order.side, order.reduce_only)


def _moved(step: Step, bound: Bound, tolerance: Decimal) -> str:
    approved = bound.contracts_max
    if abs(step.contracts - approved) > tolerance * approved:
        return f"{step.symbol} {contracts(approved)} -> {contracts(step.contracts)} contracts"
    if not bound.price_min <= step.limit_price <= bound.price_max:
        return f"{step.symbol} limit price {bound.limit_price:,} -> {step.limit_price:,}"
    return ""


def _at_most(step: Step, contracts_max: Decimal) -> Step:
    if step.contracts <= contracts_max:
        return step
    notional = step.notional * contracts_max / step.contracts
    return replace(step, contracts=contracts_max, notional=notional)


def _proposed(review: Review, standing: Standing, ask: Ask, terms: ConsentTerms, moved: str) -> Answer:
    proposal = Proposal(
        number=standing.next_number,
        portfolio=ask.portfolio,
        account=ask.account,
        made_at=ask.now,
        expires_at=ask.now + terms.lives,
        steps=tuple(_bound(step, ask.held, terms.reprice_tolerance) for step in review.plan.steps),
        target_ratio=ask.target_ratio,
        because=ask.because,
        moved=moved,
    )
    earlier = f" ({moved})" if moved else ""
    until = f"{proposal.expires_at:%Y-%m-%d %H:%M} UTC"
    return Answer(
        because=f"proposal {proposal.number} waits for approval until {until}{earlier}",
        proposal=proposal,
    )


def _bound(step: Step, held: Mapping[str, Decimal], tolerance: Decimal) -> Bound:
    return Bound(
        symbol=step.symbol,
        side=step.side,
        reduce_only=step.reduce_only,
        contracts_max=step.contracts,
        limit_price=step.limit_price,
        price_min=step.limit_price * (1 - tolerance),
        price_max=step.limit_price * (1 + tolerance),
        notional=step.notional,
        held_after=_after(step, held),
    )
