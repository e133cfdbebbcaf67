"""
Stop levels of a person: pause, halt, unwind; and what is still sent under each.

Enters restrictions and a plan; leaves whether the hedge unwinds, the slice of it that may be closed
now, and whether an order may still be sent. What rules want is kept in memory all along.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import Literal

from hedged.core.gate import Allows, Restriction
from hedged.core.market import ZERO, Snapshot, notional, to_lot
from hedged.core.plan import Plan, Step
from hedged.core.target import RatioMemory
from hedged.core.wording import contracts

OPERATOR = "operator"
"""Who sets a stop level: a person."""
SLICE = Decimal("0.25")
FLAT = RatioMemory(goal_ratio=ZERO, target_ratio=ZERO)
"""What is sized while the hedge unwinds; the memory of rules stays as it is."""

StopLevel = Literal["pause", "halt", "unwind"]
ALLOWS: dict[StopLevel, Allows] = {"pause": "reductions", "halt": "nothing", "unwind": "reductions"}


def stop(level: StopLevel, scope: str, why: str, at: datetime) -> Restriction:
    """The restriction that a stop level is."""
    return Restriction(
        scope=scope,
        allows=ALLOWS[level],
        reason=f"{level}: {why}" if why else level,
        by=OPERATOR,
        at=at,
        unwinds=level == "unwind",
    )


def refusal(step: Step, standing: Iterable[Restriction], now: datetime) -> str:
    """Why *step* may not be sent under what stands at *now*; empty when it may."""
    for one in standing:
        if one.until is not None and one.until <= now:
            continue
        if one.allows == "nothing" or (one.allows == "reductions" and not step.reduce_only):
            return f"restricted to {one.allows} by {one.by}: {one.reason}"
    return ""


def unwinding(
    standing: Iterable[Restriction],
    started: dict[str, Decimal] | None,
    snapshot: Snapshot,
    symbols: Iterable[str],
    now: datetime,
) -> dict[str, Decimal] | None:
    """
    What was held of each contract when the unwinding began; None when the hedge does not unwind.

    *started* is what the pass before remembers. A contract that was not held then counts as it is.
    """
    if not any(one.unwinds and (one.until is None or one.until > now) for one in standing):
        return None
    held = {symbol: abs(snapshot.held(symbol)) for symbol in symbols if snapshot.held(symbol)}
    return held | (started or {})


def sliced(plan: Plan, snapshot: Snapshot, started: dict[str, Decimal], order_max: Decimal) -> Plan:
    """
    *plan* with each order cut to a slice of what was held when the unwinding began.

    A slice is ``max(1 lot, 25%)``, no more than *order_max* (in the numeraire), no less than the venue
    takes; what would be left below that minimum is closed with it.
    """
    steps = tuple(_slice(step, snapshot, started, order_max) for step in plan.steps)
    cut = [new.symbol for new, old in zip(steps, plan.steps, strict=True) if new != old]
    notes = tuple(
        f"{new.symbol}: unwinding, {contracts(new.contracts)} of {contracts(old.contracts)} now"
        for new, old in zip(steps, plan.steps, strict=True)
        if new != old
    )
    both = tuple(dict.fromkeys((*plan.cut, *cut)))
    return replace(plan, steps=steps, notes=(*plan.notes, *notes), cut=both)


def _slice(step: Step, snapshot: Snapshot, started: dict[str, Decimal], order_max: Decimal) -> Step:
    instrument = snapshot.instrument(step.symbol)
    lot, mark = instrument.lot, snapshot.quote(step.symbol).mark_price
    one = abs(notional(instrument, Decimal(1), mark))
    least = max(lot, instrument.contracts_min, instrument.notional_min / one)
    least = (least / lot).to_integral_value(rounding=ROUND_CEILING) * lot
    part = max(to_lot(SLICE * started.get(step.symbol, ZERO), lot), lot)
    part = max(min(part, to_lot(order_max / one, lot)), least)
    if step.contracts - part < least:
        part = min(step.contracts, part + least)
    part = min(step.contracts, part)
    return replace(step, contracts=part, notional=part * one) if part < step.contracts else step
