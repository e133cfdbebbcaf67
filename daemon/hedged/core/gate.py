"""
The gate between a plan and an order: cleared, or refused with every reason.

Enters a plan, what it was made from and the limits; leaves a `Review`. `settle` joins a review
with a consent and is the only maker of `Approved`, which is all that `execute` takes.

What is refused is refused in one of two ways. Bad data heals by itself: stale prices, a jump, prices
that disagree, an order too large or too small hold this pass, and the next one looks again. What
shows that hedged itself goes wrong does not heal: too many orders an hour or a day, too much notional
a day, refusals in a row, a position that moved against the order. That is a `Trip`, which the shell
keeps as a restriction until a person lifts it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from itertools import combinations
from typing import Literal

from hedged.core.market import ZERO, Quote, Snapshot
from hedged.core.plan import Plan, Step
from hedged.core.plausible import implausible
from hedged.core.wording import contracts, money, percent

Allows = Literal["all", "reductions", "nothing"]

# Ceilings no setting can raise, and no person by lifting a breaker.
ORDERS_PER_TICK_CEILING = 8
ORDERS_PER_HOUR_CEILING = 60
ORDERS_PER_DAY_CEILING = 500
REJECTS_IN_A_ROW_CEILING = 10
CLOCK_S_MAX = Decimal(3)
"""Prices are stamped by the exchange, whose clock may be a little ahead of ours."""
NOTIONAL_PER_ORDER_CEILING = Decimal(10_000_000)
NOTIONAL_PER_DAY_CEILING = Decimal(50_000_000)

BREAKER = "breaker"
"""Who sets the restriction that follows a trip."""
ARMING = "arming"
"""Who restricts what is not armed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """
    What an order may be; notionals in the numeraire, ages in seconds, jumps as shares of price.

    Orders are counted by instrument: of one tick, of the last hour, since 00:00 UTC.
    """

    orders_per_tick_max: int = 2
    orders_per_hour_max: int = 12
    orders_per_day_max: int = 60
    rejects_in_a_row_max: int = 3
    order_notional_max: Decimal = Decimal(250_000)
    day_notional_max: Decimal = Decimal(1_000_000)
    price_age_s_max: Decimal = Decimal(30)
    position_age_s_max: Decimal = Decimal(15)
    price_jump_max: Decimal = Decimal("0.25")
    price_gap_max: Decimal = Decimal("0.02")
    slippage_bps_max: Decimal = Decimal(50)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restriction:
    """
    Everything that may not trade: pause, halt, freeze, breaker and hold all are one of these.

    With *unwinds* the hedge is closed meanwhile, slice by slice.
    """

    scope: str
    allows: Allows
    reason: str
    by: str
    at: datetime
    until: datetime | None = None
    unwinds: bool = False

    @property
    def lift(self) -> str:
        """What a person types to lift it."""
        return "hedged run --arm --live" if self.by == ARMING else f"hedged stop resume {self.scope}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Notional since 00:00 UTC, and orders by instrument of the last hour and since 00:00 UTC."""

    notional_today: Decimal = ZERO
    orders_hour: dict[str, int] = field(default_factory=dict)
    orders_today: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """
    What was sent already: as in `Sent`, and *orders* of this very tick.

    *since_lift* is the part of it that was sent after a person last lifted a breaker, None when nobody
    did: the limits count anew from there, or the breaker would trip again at once. *refused_in_a_row*
    counts from there too.
    """

    notional_today: Decimal = ZERO
    orders: dict[str, int]
    orders_hour: dict[str, int] = field(default_factory=dict)
    orders_today: dict[str, int] = field(default_factory=dict)
    refused_in_a_row: int = 0
    since_lift: Sent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """
    What the gate looks at beside the plan; *astray* are facts that trip whatever is planned, *barred*
    says of symbols why they must not grow.
    """

    now: datetime
    marks_before: dict[str, Decimal]
    usage: Usage
    restrictions: tuple[Restriction, ...]
    holds: tuple[str, ...]
    astray: tuple[str, ...] = ()
    prices_before: dict[str, Decimal] = field(default_factory=dict)
    barred: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """
    A breaker that tripped; *allows* is what may still be sent until a person lifts it.

    Too much notional a day leaves reductions: each is reduce-only and no larger than what is held, so
    without increases they end at flat, and a short near its margin can still be cut. All else allows
    nothing: an order that is sent again and again, that the venue refuses, or that moves the position
    the wrong way is as wrong when it means to reduce.
    """

    allows: Allows
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A plan that was looked at: *cleared*, or refused for all of *reasons*, some of them *trips*."""

    plan: Plan
    cleared: bool
    reasons: tuple[str, ...]
    trips: tuple[Trip, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """
    That someone, or the mode itself, lets the steps of a cleared plan be sent.

    *steps* are those that are let through, None for all of them; none may be more than the plan's.
    """

    granted: bool
    by: str
    steps: tuple[Step, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """Steps that passed the gate and have a consent; made by `settle` alone."""

    steps: tuple[Step, ...]
    by: str


def review(plan: Plan, snapshot: Snapshot, limits: Limits, around: Circumstances) -> Review:
    """
    Look at every step; a refusal keeps all its reasons, and refuses the whole plan.

    A restriction to reductions, and what a guard has barred, take the increases out first, so that the
    reductions go on. What a
    breaker counts trips only where nothing else holds the plan: a figure made from bad prices shall
    heal, and a plan that is paused is not sent. It is counted again at every pass, so a crash before
    the trip is kept loses nothing.
    """
    standing = [r for r in around.restrictions if r.until is None or r.until > around.now]
    plan = _narrowed(plan, standing, around.barred)
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
    counted = _counted(plan.steps, limits, around.usage)
    trips = () if reasons else counted
    over = tuple(trip.reason for trip in counted) + tuple(_past_ceilings(plan.steps, around.usage))
    kept = {r.reason for r in standing if r.by == BREAKER}
    trips += tuple(Trip(allows="nothing", reason=fact) for fact in around.astray if fact not in kept)
    reasons += tuple(dict.fromkeys(over + around.astray))
    return Review(plan=plan, cleared=not reasons, reasons=reasons, trips=trips)


def _narrowed(plan: Plan, standing: list[Restriction], barred: dict[str, str]) -> Plan:
    """The plan without its increases where a restriction or a guard allows reductions only."""
    why = [
        f"restricted to reductions by {r.by}: {r.reason}" for r in standing if r.allows == "reductions"
    ]
    reasons = {
        step.symbol: why[0] if why else barred[step.symbol]
        for step in plan.steps
        if not step.reduce_only and (why or step.symbol in barred)
    }
    if not reasons:
        return plan
    left_out = [
        f"{step.symbol}: {step.side} {contracts(step.contracts)} left out, {reasons[step.symbol]}"
        for step in plan.steps
        if not step.reduce_only and step.symbol in reasons
    ]
    kept = tuple(step for step in plan.steps if step.reduce_only or step.symbol not in reasons)
    return replace(plan, steps=kept, notes=(*plan.notes, *left_out))


def settle(reviewed: Review, consent: Consent) -> Approved:
    """The steps that may be sent: those of a cleared plan with a granted consent, else none."""
    if not (reviewed.cleared and consent.granted):
        return Approved(steps=(), by=consent.by)
    planned = reviewed.plan.steps
    if consent.steps is None:
        return Approved(steps=planned, by=consent.by)
    within = len(consent.steps) == len(planned) and all(
        step.contracts <= most.contracts
        and step == replace(most, contracts=step.contracts, notional=step.notional)
        for step, most in zip(consent.steps, planned, strict=True)
    )
    return Approved(steps=consent.steps if within else (), by=consent.by)


def _orders_per_tick(
    steps: tuple[Step, ...], _snapshot: Snapshot, limits: Limits, around: Circumstances
) -> Iterator[str]:
    most = min(limits.orders_per_tick_max, ORDERS_PER_TICK_CEILING)
    for step in steps:
        sent = around.usage.orders.get(step.symbol, 0)
        if sent + sum(s.symbol == step.symbol for s in steps) > most:
            yield f"{step.symbol}: {sent} orders sent this tick, limits.orders_per_tick_max is {most}"


def _notional(
    steps: tuple[Step, ...], _snapshot: Snapshot, limits: Limits, _around: Circumstances
) -> Iterator[str]:
    most = min(limits.order_notional_max, NOTIONAL_PER_ORDER_CEILING)
    for step in steps:
        if step.notional > most:
            yield (
                f"{step.symbol}: an order of {money(step.notional)} is above "
                f"limits.order_notional_max of {money(most)}"
            )


def _ages(
    steps: tuple[Step, ...], snapshot: Snapshot, limits: Limits, around: Circumstances
) -> Iterator[str]:
    for step in steps:
        age = (around.now - snapshot.quote(step.symbol).at).total_seconds()
        if not -CLOCK_S_MAX <= age <= limits.price_age_s_max:
            yield (
                f"{step.symbol}: its price is {age:.0f} s old, "
                f"limits.price_age_s_max is {limits.price_age_s_max}"
            )
    for holding in snapshot.holdings:
        if holding.priced_at is None:
            continue
        age = (around.now - holding.priced_at).total_seconds()
        if not -CLOCK_S_MAX <= age <= limits.price_age_s_max:
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


def _implausible(
    _steps: tuple[Step, ...], snapshot: Snapshot, _limits: Limits, around: Circumstances
) -> Iterator[str]:
    """A price that is suddenly a multiple, or a part, is rather a wrong answer than a market."""
    for name, before, price in implausible(snapshot, around.prices_before):
        yield f"{name}: its price went from {money(before)} to {money(price)}"


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


def _counted(steps: tuple[Step, ...], limits: Limits, usage: Usage) -> tuple[Trip, ...]:
    """The breakers that *steps* would trip, over what was sent since a person last lifted one."""
    sent = usage.since_lift or usage
    found = []
    hour = min(limits.orders_per_hour_max, ORDERS_PER_HOUR_CEILING)
    day = min(limits.orders_per_day_max, ORDERS_PER_DAY_CEILING)
    for symbol, more in _by_symbol(steps).items():
        so_far = sent.orders_hour.get(symbol, 0)
        if so_far + more > hour:
            said = f"{symbol}: {so_far} orders in the last hour, limits.orders_per_hour_max is {hour}"
            found.append(Trip(allows="nothing", reason=said))
        so_far = sent.orders_today.get(symbol, 0)
        if so_far + more > day:
            said = f"{symbol}: {so_far} orders today, limits.orders_per_day_max is {day}"
            found.append(Trip(allows="nothing", reason=said))
    row = min(limits.rejects_in_a_row_max, REJECTS_IN_A_ROW_CEILING)
    if steps and usage.refused_in_a_row >= row:
        said = f"{usage.refused_in_a_row} orders refused in a row, limits.rejects_in_a_row_max is {row}"
        found.append(Trip(allows="nothing", reason=said))
    notional = sent.notional_today + sum((step.notional for step in steps), ZERO)
    most = min(limits.day_notional_max, NOTIONAL_PER_DAY_CEILING)
    if notional > most and not all(step.reduce_only for step in steps):
        said = f"{money(notional)} today would be above limits.day_notional_max of {money(most)}"
        found.append(Trip(allows="reductions", reason=said))
    return tuple(found)


def _past_ceilings(steps: tuple[Step, ...], usage: Usage) -> Iterator[str]:
    """Over all that was sent, whatever was lifted meanwhile; the hour or the day must end first."""
    for symbol, more in _by_symbol(steps).items():
        if usage.orders_hour.get(symbol, 0) + more > ORDERS_PER_HOUR_CEILING:
            yield f"{symbol}: no more than {ORDERS_PER_HOUR_CEILING} orders an hour, whatever is lifted"
        if usage.orders_today.get(symbol, 0) + more > ORDERS_PER_DAY_CEILING:
            yield f"{symbol}: no more than {ORDERS_PER_DAY_CEILING} orders a day, whatever is lifted"
    day = usage.notional_today + sum((step.notional for step in steps), ZERO)
    if steps and day > NOTIONAL_PER_DAY_CEILING:
        yield f"no more than {money(NOTIONAL_PER_DAY_CEILING)} a day, whatever is lifted"


def _by_symbol(steps: tuple[Step, ...]) -> Counter[str]:
    return Counter(step.symbol for step in steps)


_CHECKS = (
    _orders_per_tick,
    _notional,
    _ages,
    _price_jump,
    _implausible,
    _price_agreement,
    _lots_and_minimums,
    _reduces,
)
