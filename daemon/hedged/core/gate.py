"""
The gate between a plan and an order: cleared, or refused with every reason.

Enters a plan, what it was made from and the limits; leaves a `Review`. `settle` joins a review
with a consent and is the only maker of `Approved`, which is all that `execute` takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import combinations
from typing import Literal

from hedged.core.market import ZERO, Quote, Snapshot
from hedged.core.plan import Plan, Step
from hedged.core.wording import contracts, money, percent

Allows = Literal["all", "reductions", "nothing"]

# Ceilings no setting can raise.
ORDERS_PER_TICK_CEILING = 8
NOTIONAL_PER_ORDER_CEILING = Decimal(10_000_000)
NOTIONAL_PER_DAY_CEILING = Decimal(50_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an order may be; notionals in the numeraire, ages in seconds, jumps as shares of price."""

    orders_per_tick_max: int = 2
    order_notional_max: Decimal = Decimal(250_000)
    day_notional_max: Decimal = Decimal(1_000_000)
    price_age_s_max: Decimal = Decimal(30)
    position_age_s_max: Decimal = Decimal(15)
    price_jump_max: Decimal = Decimal("0.25")
    price_gap_max: Decimal = Decimal("0.02")
    slippage_bps_max: Decimal = Decimal(50)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restriction:
    """Everything that may not trade: pause, halt, freeze, breaker and hold all are one of these."""

    scope: str
    allows: Allows
    reason: str
    by: str
    at: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What was sent already: *notional_today* since 00:00 UTC, and *orders* of this very tick."""

    notional_today: Decimal = ZERO
    orders: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What the gate looks at beside the plan."""

    now: datetime
    marks_before: dict[str, Decimal]
    usage: Usage
    restrictions: tuple[Restriction, ...]
    holds: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A plan that was looked at: *cleared*, or refused for all of *reasons*."""

    plan: Plan
    cleared: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """That someone, or the mode itself, lets the steps of a cleared plan be sent."""

    granted: bool
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """Steps that passed the gate and have a consent; made by `settle` alone."""

    steps: tuple[Step, ...]
    by: str


def review(plan: Plan, snapshot: Snapshot, limits: Limits, around: Circumstances) -> Review:
    """
    Look at every step; a refusal keeps all its reasons, and refuses the whole plan.

    A restriction to reductions takes the increases out first, so that the reductions go on.
    """
    standing = [r for r in around.restrictions if r.until is None or r.until > around.now]
    plan = _narrowed(plan, standing)
    reasons = tuple(f"HOLD: {hold}" for hold in around.holds)
    if plan.steps:
        reasons += tuple(
            f"restricted to nothing by {restriction.by}: {restriction.reason}"
            for restriction in standing
            if restriction.allows == "nothing"
        )
        reasons += tuple(
            reason
            for check in _CHECKS
            for reason in dict.fromkeys(check(plan.steps, snapshot, limits, around))
        )
    return Review(plan=plan, cleared=not reasons, reasons=reasons)


def _narrowed(plan: Plan, standing: list[Restriction]) -> Plan:
    """The plan without its increases where a restriction allows reductions only."""
    why = [
        f"restricted to reductions by {r.by}: {r.reason}" for r in standing if r.allows == "reductions"
    ]
    increases = [step for step in plan.steps if not step.reduce_only]
    if not why or not increases:
        return plan
    left_out = [
        f"{step.symbol}: {step.side} {contracts(step.contracts)} left out, {why[0]}"
        for step in increases
    ]
    kept = tuple(step for step in plan.steps if step.reduce_only)
    return replace(plan, steps=kept, notes=(*plan.notes, *left_out))


def settle(reviewed: Review, consent: Consent) -> Approved:
    """The steps that may be sent: those of a cleared plan with a granted consent, else none."""
    steps = reviewed.plan.steps if reviewed.cleared and consent.granted else ()
    return Approved(steps=steps, by=consent.by)


def _orders_per_tick(
    steps: tuple[Step, ...], _snapshot: Snapshot, limits: Limits, around: Circumstances
) -> Iterator[str]:
    most = min(limits.orders_per_tick_max, ORDERS_PER_TICK_CEILING)
    for step in steps:
        sent = around.usage.orders.get(step.symbol, 0)
        if sent + sum(s.symbol == step.symbol for s in steps) > most:
            yield f"{step.symbol}: {sent} orders sent this tick, limits.orders_per_tick_max is {most}"


def _notional(
    steps: tuple[Step, ...], _snapshot: Snapshot, limits: Limits, around: Circumstances
) -> Iterator[str]:
    most = min(limits.order_notional_max, NOTIONAL_PER_ORDER_CEILING)
    for step in steps:
        if step.notional > most:
            yield (
                f"{step.symbol}: an order of {money(step.notional)} is above "
                f"limits.order_notional_max of {money(most)}"
            )
    day = around.usage.notional_today + sum((step.notional for step in steps), ZERO)
    most_day = min(limits.day_notional_max, NOTIONAL_PER_DAY_CEILING)
    if day > most_day:
        yield f"{money(day)} today would be above limits.day_notional_max of {money(most_day)}"


def _ages(
    steps: tuple[Step, ...], snapshot: Snapshot, limits: Limits, around: Circumstances
) -> Iterator[str]:
    for step in steps:
        age = (around.now - snapshot.quote(step.symbol).at).total_seconds()
        if not 0 <= age <= limits.price_age_s_max:
            yield (
                f"{step.symbol}: its price is {age:.0f} s old, "
                f"limits.price_age_s_max is {limits.price_age_s_max}"
            )
    for holding in snapshot.holdings:
        if holding.priced_at is None:
            continue
        age = (around.now - holding.priced_at).total_seconds()
        if not 0 <= age <= limits.price_age_s_max:
            yield (
                f"{holding.asset}: its price is {age:.0f} s old, "
                f"limits.price_age_s_max is {limits.price_age_s_max}"
            )
    age = (around.now - snapshot.at).total_seconds()
    if not 0 <= age <= limits.position_age_s_max:
        yield f"positions are {age:.0f} s old, limits.position_age_s_max is {limits.position_age_s_max}"


def _price_jump(
    steps: tuple[Step, ...], snapshot: Snapshot, limits: Limits, around: Circumstances
) -> Iterator[str]:
    for step in steps:
        before = around.marks_before.get(step.symbol)
        if before is None:
            continue
        jump = abs(snapshot.quote(step.symbol).mark_price / before - 1)
        if jump > limits.price_jump_max:
            yield (
                f"{step.symbol}: its mark moved {percent(jump)} since the last pass, "
                f"limits.price_jump_max is {percent(limits.price_jump_max)}"
            )


def _price_agreement(
    steps: tuple[Step, ...], snapshot: Snapshot, limits: Limits, _around: Circumstances
) -> Iterator[str]:
    """At least two of mark, index and mid must be there and agree."""
    for step in steps:
        prices = _prices(snapshot.quote(step.symbol))
        if not any(abs(a / b - 1) <= limits.price_gap_max for a, b in combinations(prices, 2)):
            shown = ", ".join(money(price) for price in prices)
            yield f"{step.symbol}: no two of mark, index and mid agree ({shown})"


def _prices(quote: Quote) -> list[Decimal]:
    prices = [quote.mark_price]
    if quote.index_price is not None:
        prices.append(quote.index_price)
    if quote.bid_price is not None and quote.ask_price is not None:
        prices.append((quote.bid_price + quote.ask_price) / 2)
    return prices


def _lots_and_minimums(
    steps: tuple[Step, ...], snapshot: Snapshot, _limits: Limits, _around: Circumstances
) -> Iterator[str]:
    for step in steps:
        instrument = snapshot.instrument(step.symbol)
        if step.contracts <= 0 or step.contracts % instrument.lot:
            yield f"{step.symbol}: {step.contracts} contracts are not whole lots of {instrument.lot}"
        closes = step.reduce_only and step.contracts == abs(snapshot.held(step.symbol))
        if closes:
            continue
        if step.contracts < instrument.contracts_min or step.notional < instrument.notional_min:
            yield f"{step.symbol}: {step.contracts} contracts are below the venue's minimum"


def _reduces(
    steps: tuple[Step, ...], snapshot: Snapshot, _limits: Limits, _around: Circumstances
) -> Iterator[str]:
    """A buy only ever closes a short: it is reduce-only and no larger than what is held."""
    for step in steps:
        held = snapshot.held(step.symbol)
        if step.side == "buy" and not (step.reduce_only and step.contracts <= -held):
            yield f"{step.symbol}: a buy of {step.contracts} would do more than close {held}"


_CHECKS = (
    _orders_per_tick,
    _notional,
    _ages,
    _price_jump,
    _price_agreement,
    _lots_and_minimums,
    _reduces,
)
