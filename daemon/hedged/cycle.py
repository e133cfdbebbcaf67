"""
One cycle, told in order: observe, measure, evaluate, decide, size, plan, review, approve,
execute, record. Each line is one room, and no line goes back.

A guard pass is this same cycle with the target taken from memory. There is no second flow, and a
crash at any line takes the same path as a start: observe again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hedged import approval, breakers
from hedged.core import gate, stops
from hedged.core.account import attribute
from hedged.core.beta import betas_in_force
from hedged.core.exposure import Exposure, expose
from hedged.core.guard import astray, drift, holds, naked
from hedged.core.headroom import Headroom, survivable
from hedged.core.market import OURS, Snapshot
from hedged.core.plan import Plan, make_plan
from hedged.core.policy import Policy
from hedged.core.record import CycleRecord, Inputs, Mode, Thought, Tick, executed_before, record_of
from hedged.core.rules import evaluate
from hedged.core.sizing import present_ratio, size
from hedged.core.target import bounded, decide, first_memory
from hedged.core.watch import Ages, Alarm, alarms, barred
from hedged.execute import Resolver, execute, staying, take_back
from hedged.history.keeper import Keeper, Measured
from hedged.journal.approvals import Approvals
from hedged.journal.store import Journal
from hedged.strangers import Strangers
from hedged.venue.protocol import Venue

OLD = timedelta(seconds=5)
"""What took longer from its first read on, as when the budget made it wait, is observed again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """The outside world of one portfolio, as `wiring` put it together."""

    mode: Mode
    policy: Policy
    venue: Venue
    journal: Journal
    keeper: Keeper
    clock: Callable[[], datetime]
    resolver: Resolver = field(default_factory=Resolver)
    strangers: Strangers = field(default_factory=Strangers)


async def run(tick: Tick, shell: Shell, leaving: Callable[[], bool] = staying) -> CycleRecord:
    """
    One pass for one portfolio, from observation to the journal's row.

    Once the daemon is *leaving* no order is sent any more; the one in hand is waited for.

    Raises
    ------
    VenueUnavailable
        When the venue can't be observed; nothing was decided or sent.
    JournalError
        When an intent or the record can't be written; nothing more is sent.
    """
    unresolved = await shell.resolver.resolve(shell.venue, shell.journal, shell.policy.portfolio)
    inputs = await observe(tick, shell, unresolved)
    if not shell.venue.absence_is_proof:  # there no order is ever under way
        shell.strangers.wait_for_lost(inputs, shell.journal, shell.policy.portfolio)
    if shell.mode != "alert":  # there nothing is changed at the venue that nobody has approved
        await take_back(inputs, shell.venue)
    thought = deliberate(inputs, shell.policy)
    breakers.keep(thought.review.trips, shell.policy.portfolio, shell.journal, inputs.now)
    answer = approval.consent(
        inputs, thought, shell.mode, shell.policy, shell.journal, leaving=leaving()
    )
    approved = gate.settle(thought.review, answer.consent)
    done = await execute(approved, inputs, shell.venue, shell.journal, shell.policy, leaving)
    record = record_of(
        inputs,
        thought,
        done.outcomes,
        policy=shell.policy,
        mode=shell.mode,
        approved_by=approved.by,
        answer=answer,
        left_out=done.left_out,
    )
    shell.journal.append(record, shell.policy)
    return record


async def observe(tick: Tick, shell: Shell, unresolved: tuple[str, ...]) -> Inputs:
    """Everything a pass decides on; only a review needs bars, and measures them."""
    policy, memory = shell.policy, shell.journal.memory(shell.policy.portfolio)
    await shell.keeper.keep_running(policy, shell.clock())  # first: it must not age the snapshot
    snapshot, measured = await _looked(tick, shell, memory.cursor)
    if shell.clock() - snapshot.at > OLD:  # once: a venue that stays slow is for the gate to refuse
        snapshot, measured = await _looked(tick, shell, memory.cursor)
    now = shell.clock()
    strays = tuple(shell.journal.strangers(_ours(snapshot, policy)))
    return Inputs(
        tick=tick,
        now=now,
        snapshot=snapshot,
        metrics=measured.row if measured else None,
        betas=measured.betas if measured else None,
        memory=memory,
        usage=shell.journal.usage(policy.portfolio, tick, now),
        restrictions=shell.journal.restrictions(policy.portfolio, now),
        unresolved=unresolved,
        strays=strays,
        second=shell.strangers.second(snapshot, strays, shell.journal, policy.portfolio),
        sent=shell.journal.sides(fill.client_order_id for fill in snapshot.fills),
        untried=shell.journal.untried(policy.account, (leg.symbol for leg in policy.legs))
        if shell.mode == "live"
        else (),
        post_only_tried=shell.journal.post_only_tried(policy.portfolio, tick),
        standing=Approvals(shell.journal).standing(policy.portfolio) if shell.mode == "alert" else None,
    )


async def _looked(tick: Tick, shell: Shell, after: int) -> tuple[Snapshot, Measured | None]:
    """A snapshot, and what is measured for its very holdings: betas weigh them at their prices."""
    snapshot = await shell.venue.observe(shell.clock(), after=after)
    if tick.kind != "review":
        return snapshot, None
    return snapshot, await shell.keeper.measured(shell.policy, tick.scheduled_at, snapshot.holdings)


def _ours(snapshot: Snapshot, policy: Policy) -> list[str]:
    """Ids of orders on the hedge's contracts that are ours by their name."""
    legs = {leg.symbol for leg in policy.legs}
    resting = {one.client_order_id for one in snapshot.open_orders if one.symbol in legs}
    filled = {one.client_order_id for one in snapshot.fills if one.symbol in legs}
    return sorted(id_ for id_ in resting | filled if id_.startswith(OURS))


def deliberate(inputs: Inputs, policy: Policy) -> Thought:
    """The pure middle of the cycle; `journal replay` runs it again on the recorded inputs."""
    snapshot, memory, executed = inputs.snapshot, inputs.memory, executed_before(inputs)
    betas = betas_in_force(policy.beta, inputs.betas, memory.betas)
    exposure = expose(snapshot, policy.exposure, betas)
    ratio, judgement = bounded(memory.ratio, policy.ratio), None
    if inputs.metrics is not None:
        ratio = ratio or first_memory(present_ratio(snapshot, exposure, policy.legs), policy.ratio)
        verdicts = evaluate(policy.rules, inputs.metrics)
        at = inputs.tick.scheduled_at
        judgement, ratio = decide(policy.rules, verdicts, ratio, policy.ratio, at)
    unwinds = stops.unwinding(
        inputs.restrictions, memory.unwinding, snapshot, _symbols(policy), inputs.now
    )
    wanted = size(ratio if unwinds is None else stops.FLAT, exposure, snapshot, policy.legs)
    headrooms: tuple[Headroom, ...] = ()
    if policy.watch is not None:
        wanted, headrooms = survivable(
            wanted, snapshot, executed, policy.band.band, policy.watch.margin
        )
    drifted = drift(wanted, executed, policy.band)
    spell = None
    if inputs.sent is not None:
        spell = naked(memory.naked, memory.account, snapshot, wanted, drifted, inputs.sent)
    plan = make_plan(
        snapshot,
        wanted,
        drifted,
        policy.limits.slippage_bps_max,
        untried=inputs.untried,
        style=policy.order_style,
        tried=inputs.post_only_tried,
    )
    if unwinds is not None:
        plan = stops.sliced(plan, snapshot, unwinds, policy.limits.order_notional_max)
    found = _watched(inputs, policy, headrooms, plan)
    return Thought(
        exposure=exposure,
        attribution=attribute(memory.account, snapshot),
        judgement=judgement,
        ratio=ratio,
        wanted=wanted,
        drift=drifted,
        plan=plan,
        review=gate.review(plan, snapshot, policy.limits, _around(inputs, policy, exposure, found)),
        naked=spell,
        alarms=found,
        headrooms=headrooms,
        unwinding=unwinds,
    )


def _around(
    inputs: Inputs, policy: Policy, exposure: Exposure, found: tuple[Alarm, ...]
) -> gate.Circumstances:
    """What the gate weighs a plan against."""
    memory = inputs.memory
    held = holds(
        inputs.snapshot,
        exposure,
        policy.legs,
        unresolved=inputs.unresolved,
        strays=inputs.strays,
        observed_at=memory.observed_at,
        touched_at=memory.touched_at,
    )
    return gate.Circumstances(
        now=inputs.now,
        marks_before=memory.marks,
        prices_before=memory.prices,
        usage=inputs.usage,
        restrictions=inputs.restrictions,
        holds=(*held, *(f"{one.guard}: {one.text}" for one in found if one.level == "hold")),
        astray=_astray(inputs),
        barred=barred(found, _symbols(policy)),
    )


def _astray(inputs: Inputs) -> tuple[str, ...]:
    """What trips whatever is planned: a second daemon, and orders that do not do what they say."""
    second = tuple(inputs.second.values())
    if not inputs.sent:
        return second
    return (*second, *astray(inputs.memory.account, inputs.snapshot, inputs.sent))


def _watched(
    inputs: Inputs, policy: Policy, headrooms: tuple[Headroom, ...], plan: Plan
) -> tuple[Alarm, ...]:
    """What the guards find; nothing where an older hedged decided without them."""
    if policy.watch is None:
        return ()
    return alarms(
        inputs.snapshot,
        _symbols(policy),
        headrooms,
        {s.symbol: s.contracts if s.side == "buy" else -s.contracts for s in plan.steps},
        inputs.now,
        Ages(
            price_s_max=policy.limits.price_age_s_max,
            position_s_max=policy.limits.position_age_s_max,
        ),
        policy.watch,
    )


def _symbols(policy: Policy) -> tuple[str, ...]:
    return tuple(leg.symbol for leg in policy.legs)
