"""
The record of a cycle: all that went in, all that came out, and the memory for the next one.

Enters the values of one pass; leaves one value, which `encoding` turns into bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from hedged.core.account import AccountState, Attribution, state_of
from hedged.core.beta import Betas
from hedged.core.consent import Answer, Decision, Proposal, Standing
from hedged.core.encoding import digest, encode
from hedged.core.exposure import Exposure
from hedged.core.foregone import Foregone, Passed, Trade, counted
from hedged.core.gate import Restriction, Review, Usage
from hedged.core.guard import Drift, Naked, other_hand, touched
from hedged.core.headroom import Headroom
from hedged.core.market import ZERO, Side, Snapshot
from hedged.core.metrics import MetricRow
from hedged.core.plan import Plan
from hedged.core.plausible import believed
from hedged.core.policy import Policy
from hedged.core.sizing import Wanted
from hedged.core.target import Judgement, RatioMemory
from hedged.core.watch import Alarm

RECORD_VERSION = 1

Mode = Literal["paper", "alert", "live"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Why a pass runs: a scheduled instant of a cadence. Its id is unique in the journal."""

    kind: Literal["review", "guard"]
    cadence: str
    scheduled_at: datetime

    @property
    def id(self) -> str:
        return f"{self.cadence}@{self.scheduled_at:%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """
    What a pass leaves for the next one of the same portfolio.

    *ratio* is None until a first review has decided; *betas* are the last review's, None where each
    is taken as 1; *executed_ratio* is the target that was last fully executed, *offered_ratio* the one
    that is when the order that rests fills wholly; *totals* sums the account identity since the
    beginning; *naked* is the spell that stands, in which contracts of the hedge are lost and not yet
    replaced; *unwinding* is what was held when a person began to unwind; *touched_at* is when a trade
    of another hand was first seen, None once that is a minute ago; *foregone* counts in alert mode what
    was proposed and not traded.
    """

    ratio: RatioMemory | None = None
    betas: Betas | None = None
    executed_ratio: Decimal | None = None
    account: AccountState | None = None
    totals: Attribution = field(default_factory=Attribution)
    funding_missed: int = 0
    cursor: int = 0
    observed_at: datetime | None = None
    prices: dict[str, Decimal] = field(default_factory=dict)
    prices_doubted: dict[str, int] = field(default_factory=dict)
    naked: Naked | None = None
    unwinding: dict[str, Decimal] | None = None
    touched_at: datetime | None = None
    offered_ratio: Decimal | None = None
    foregone: Foregone | None = None

    @property
    def marks(self) -> dict[str, Decimal]:
        """The marks of the pass before."""
        legs = self.account.legs if self.account else {}
        return {symbol: leg.mark_price for symbol, leg in legs.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """
    All that a pass decides on; *metrics* and *betas* are None in a guard pass.

    *unresolved* says of each order without an outcome why it has none, *strays* are the ids of orders
    that are ours by their name and not in the journal, *second* says of those that a second daemon
    sent what was seen, by id. *sent* is the side of every order of ours that
    the snapshot has fills of, None where an older hedged did not look; *untried* are legs that never
    had a fill of ours on a real account; *post_only_tried* are symbols whose last order since the last
    review was a post-only one that did not fill wholly. *standing* is what a person has
    decided, in alert mode only.
    """

    tick: Tick
    now: datetime
    snapshot: Snapshot
    metrics: MetricRow | None
    betas: Betas | None = None
    memory: Memory
    usage: Usage
    restrictions: tuple[Restriction, ...]
    unresolved: tuple[str, ...]
    strays: tuple[str, ...] = ()
    second: dict[str, str] = field(default_factory=dict)
    sent: dict[str, Side] | None = None
    untried: tuple[str, ...] = ()
    post_only_tried: tuple[str, ...] = ()
    standing: Standing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Thought:
    """
    All that was decided, and why; *judgement* is None in a guard pass.

    *naked* is the spell without a whole hedge that stands, or has just ended; *alarms* are what the
    guards found, *headrooms* the margin of each account; *unwinding* is what was held when it began.
    """

    exposure: Exposure
    attribution: Attribution
    judgement: Judgement | None
    ratio: RatioMemory | None
    wanted: Wanted | None
    drift: Drift
    plan: Plan
    review: Review
    naked: Naked | None = None
    alarms: tuple[Alarm, ...] = ()
    headrooms: tuple[Headroom, ...] = ()
    unwinding: dict[str, Decimal] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """
    What became of a step; *filled* is in contracts, *fill_price* None when nothing filled.

    A *resting* order may still fill; only the end of one resolves its intent. A refused one that was
    not *judged* never left the machine, or reached the venue too late: that says nothing of the order.
    """

    client_order_id: str
    symbol: str
    side: Side
    contracts: Decimal
    filled: Decimal
    fill_price: Decimal | None
    fee: Decimal
    status: Literal["filled", "partial", "unfilled", "refused", "unknown", "resting"]
    reason: str = ""
    judged: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleRecord:
    """
    One pass, whole. The journal's row is this value.

    In alert mode *proposal* is a new one, *decision* is what a person said and this pass followed, and
    *waits* says why a cleared plan was not sent. *left_out* are steps that were not sent because a
    person, or the system, told the daemon to stop after the pass began, or because margin would not
    carry them after less was filled than planned.
    """

    version: int
    portfolio: str
    mode: Mode
    policy_digest: str
    inputs: Inputs
    thought: Thought
    approved_by: str
    outcomes: tuple[Outcome, ...]
    memory: Memory
    proposal: Proposal | None = None
    decision: Decision | None = None
    waits: str = ""
    left_out: tuple[str, ...] = ()

    @property
    def cycle_id(self) -> str:
        return cycle_id(self.portfolio, self.inputs.tick)

    @property
    def quiet(self) -> bool:
        """A guard pass that sent, was refused and asked for nothing, and found the hedge whole."""
        thought = self.thought
        told = self.outcomes or thought.review.reasons or thought.naked is not None or self.proposal
        told = told or self.left_out
        return self.inputs.tick.kind == "guard" and not told

    @property
    def look_again(self) -> Literal["", "soon", "at once"]:
        """
        Whether the next pass must come ahead of its schedule.

        At once when an order was refused, or less was planned than is missing; soon when something
        must be seen twice before it is acted on. What the market did not take follows on schedule, and
        what rests is given the time until then.
        """
        inputs, wanted = self.inputs, self.thought.wanted
        statuses = {outcome.status for outcome in self.outcomes}
        if "resting" in statuses:
            return ""
        if (
            inputs.unresolved
            or inputs.strays
            or inputs.snapshot.unexplained
            or other_hand(inputs.snapshot, _legs(inputs, self.thought))
            or (self.memory.touched_at and self.thought.review.reasons)
            or "unknown" in statuses
        ):
            return "soon"
        missing = wanted is not None and self.memory.executed_ratio != wanted.target_ratio
        if self.memory.unwinding is not None and statuses and missing:
            return "soon"  # slice by slice
        if any(not outcome.judged for outcome in self.outcomes):
            return "soon"  # a clock, the line or the disk is wrong, and not at once right again
        return "at once" if "refused" in statuses or (statuses == {"filled"} and missing) else ""

    @property
    def because(self) -> str:
        """One line: what this pass did, or why it did nothing."""
        return "; ".join((self._done, *self.left_out))

    @property
    def _done(self) -> str:
        thought = self.thought
        decided = f"{thought.judgement.because}; " if thought.judgement else ""
        if thought.review.reasons:
            return f"{decided}sent nothing: {'; '.join(thought.review.reasons)}"
        if any(outcome.filled for outcome in self.outcomes):
            return f"{decided}traded: {thought.plan.because}"
        if any(outcome.status == "resting" for outcome in self.outcomes):
            return f"{decided}offered, and waiting to be taken: {thought.plan.because}"
        if self.outcomes:
            failed = "; ".join(f"{o.symbol} {o.status}: {o.reason}" for o in self.outcomes)
            return f"{decided}nothing was filled ({failed}): {thought.plan.because}"
        waits = f"; {self.waits}" if self.waits else ""
        if thought.plan.steps:
            left_out = f" ({'; '.join(thought.review.plan.notes)})" if thought.review.plan.notes else ""
            return f"{decided}planned, not sent: {thought.plan.because}{left_out}{waits}"
        notes = f" ({'; '.join(thought.plan.notes)})" if thought.plan.notes else ""
        return f"{decided}did nothing because {thought.plan.because}{notes}{waits}"


def cycle_id(portfolio: str, tick: Tick) -> str:
    """The name of a pass in the log and the journal."""
    return f"{portfolio}/{tick.id}"


def record_of(
    inputs: Inputs,
    thought: Thought,
    outcomes: tuple[Outcome, ...],
    *,
    policy: Policy,
    mode: Mode,
    approved_by: str,
    answer: Answer | None = None,
    left_out: tuple[str, ...] = (),
) -> CycleRecord:
    """All of a pass as one value, with the memory that it leaves."""
    answer = answer or Answer()
    return CycleRecord(
        version=RECORD_VERSION,
        portfolio=policy.portfolio,
        mode=mode,
        policy_digest=digest(encode(policy)),
        inputs=inputs,
        thought=thought,
        approved_by=approved_by,
        outcomes=outcomes,
        memory=remember(inputs, thought, outcomes, answer.proposal),
        proposal=answer.proposal,
        decision=answer.decision,
        waits=answer.because,
        left_out=left_out,
    )


def remember(
    inputs: Inputs,
    thought: Thought,
    outcomes: tuple[Outcome, ...],
    made: Proposal | None = None,
) -> Memory:
    """
    The memory after a pass, which *made* a proposal or none. A target counts as executed when nothing
    of its plan is missing.
    """
    before = inputs.memory
    prices, doubted = believed(inputs.snapshot, before.prices, before.prices_doubted)
    executed, offered = executed_before(inputs), None
    if thought.wanted is not None and _executed(thought, outcomes):
        executed = thought.wanted.target_ratio
    elif outcomes:
        executed = None  # neither the old target nor the new one is held now
        offered = (
            thought.wanted.target_ratio if thought.wanted and _offered(thought, outcomes) else None
        )
    elif inputs.unresolved:
        offered = before.offered_ratio
    return Memory(
        ratio=thought.ratio,
        betas=inputs.betas if inputs.metrics is not None else before.betas,
        executed_ratio=executed,
        account=state_of(inputs.snapshot),
        totals=before.totals + thought.attribution,
        funding_missed=before.funding_missed + inputs.snapshot.funding_missed,
        cursor=inputs.snapshot.cursor,
        observed_at=inputs.now,
        prices=prices,
        prices_doubted=doubted,
        naked=thought.naked if thought.naked and thought.naked.until is None else None,
        unwinding=thought.unwinding,
        touched_at=touched(inputs.snapshot, _legs(inputs, thought), before.touched_at),
        offered_ratio=offered,
        foregone=_foregone(inputs, thought, outcomes, made),
    )


def executed_before(inputs: Inputs) -> Decimal | None:
    """
    The target that was fully executed when a pass began: also by an order that has rested since.

    A review begins anew, and is not told what became of that order.
    """
    memory = inputs.memory
    waits = inputs.tick.kind == "review" or inputs.unresolved or inputs.post_only_tried
    if memory.executed_ratio is None and not waits:
        return memory.offered_ratio
    return memory.executed_ratio


def _foregone(
    inputs: Inputs, thought: Thought, outcomes: tuple[Outcome, ...], made: Proposal | None
) -> Foregone | None:
    """What is counted as not traded after a pass; as it was where nothing is proposed to a person."""
    before, seen = inputs.memory.foregone, inputs.snapshot
    if inputs.standing is None or not inputs.standing.counts:
        return before
    marks = {quote.symbol: quote.mark_price for quote in seen.quotes}
    fills = (
        Trade(
            symbol=fill.symbol,
            side=fill.side,
            contracts=fill.contracts,
            mark_price=fill.fill_price if fill.mark_price is None else fill.mark_price,
            client_order_id=fill.client_order_id,
        )
        for fill in seen.fills
        if fill.cause == "order"
    )
    ends = (
        Trade(
            symbol=end.symbol,
            side=end.side,
            contracts=end.filled,
            mark_price=marks.get(end.symbol),
            client_order_id=end.client_order_id,
        )
        for end in outcomes
        if end.status not in ("resting", "unknown")  # the fills of those are told later
    )
    nothing_due = thought.review.cleared and thought.wanted is not None and not thought.plan.steps
    passed = Passed(
        now=inputs.now,
        snapshot=seen,
        standing=inputs.standing,
        made=made,
        fills=tuple(fills),
        sent=tuple(ends),
        due=not nothing_due,
    )
    return counted(before, passed)


def _legs(inputs: Inputs, thought: Thought) -> list[str]:
    """The hedge's contracts; where no position is wanted, as without a price, all that was traded."""
    if thought.wanted is None:
        return [fill.symbol for fill in inputs.snapshot.fills]
    return [leg.symbol for leg in thought.wanted.legs]


def _executed(thought: Thought, outcomes: tuple[Outcome, ...]) -> bool:
    if not _whole(thought):
        return False
    if thought.plan.steps:
        return len(outcomes) == len(thought.plan.steps) and all(
            outcome.status == "filled" for outcome in outcomes
        )
    # An empty plan: the wanted contracts are held, or what is missing is dust.
    return thought.drift.due or thought.drift.net in (None, ZERO)


def _offered(thought: Thought, outcomes: tuple[Outcome, ...]) -> bool:
    """Whether nothing is missing but what rests."""
    *before, last = (outcome.status for outcome in outcomes)
    sent_all = _whole(thought) and len(outcomes) == len(thought.plan.steps)
    return sent_all and last == "resting" and all(status == "filled" for status in before)


def _whole(thought: Thought) -> bool:
    return thought.review.cleared and not thought.plan.cut


def decode_record(body: bytes) -> CycleRecord:
    """The record in *body*. Raises `msgspec.ValidationError` where it is not one."""
    return msgspec.json.decode(body, type=CycleRecord)
