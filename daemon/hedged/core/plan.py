"""
From the wanted positions to ordered steps.

Enters what is wanted and held; leaves the orders that close the gap, reductions first, and notes
on what is too small to trade. Held equal to wanted gives an empty plan. The first order ever in a
contract of an account is a small one: what is misunderstood there costs little.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Literal

from hedged.core.guard import Drift
from hedged.core.market import DEPTH_BPS, Side, Snapshot, notional, to_lot, to_tick
from hedged.core.sizing import Wanted, WantedLeg
from hedged.core.wording import contracts, money

BPS = Decimal(10_000)
FIRST_SHARE = Decimal("0.05")
"""Of what is planned, the most that a first order takes."""

Style = Literal["ioc", "post_only_then_ioc"]
"""How an order is sent: to take at once, or first to wait at the best price of its own side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """
    One order: *contracts* is positive; *limit_price* caps what it may cost.

    It takes at once what it can get (IOC), or with *post_only* it rests until others take it.
    """

    symbol: str
    side: Side
    contracts: Decimal
    reduce_only: bool
    limit_price: Decimal
    notional: Decimal
    post_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    The steps in the order they are sent, why, and what was left out.

    *cut* are symbols of which a later pass must send the rest: the target is not executed with this.
    """

    steps: tuple[Step, ...]
    because: str
    notes: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()


def make_plan(
    snapshot: Snapshot,
    wanted: Wanted | None,
    drift: Drift,
    slippage_bps_max: Decimal,
    untried: tuple[str, ...] = (),
    style: Style = "ioc",
    tried: tuple[str, ...] = (),
) -> Plan:
    """
    The steps from held to wanted when trading is due, else none.

    A leg below the venue's minimum is left out and noted: dust is reported, not chased. Of *untried*
    symbols, in which the account never had a fill of ours, only a first part is planned. A step that
    is larger than the book is noted, and stays: its limit caps the price of what fills. With *style*
    post_only_then_ioc a leg is first offered post-only, unless that was *tried* already.
    """
    if wanted is None or not drift.due:
        return Plan(steps=(), because=drift.because)
    gaps = [leg for leg in wanted.legs if _gap(snapshot, leg)]
    notes = tuple(note for leg in gaps if (note := _too_small(snapshot, leg)))
    steps = [_step(snapshot, leg, slippage_bps_max) for leg in gaps if not _too_small(snapshot, leg)]
    firsts = {s.symbol: _first(snapshot, s) for s in steps if s.symbol in untried}
    cut = [s for s in steps if firsts.get(s.symbol, s) != s]
    notes += tuple(
        f"{s.symbol}: first order on this account: {contracts(firsts[s.symbol].contracts)} of "
        f"{contracts(s.contracts)}; the rest follows at the next pass"
        for s in cut
    )
    steps = [firsts.get(s.symbol, s) for s in steps]
    if style == "post_only_then_ioc":
        steps = [step if step.symbol in tried else _offered(snapshot, step) for step in steps]
    ordered = sorted(steps, key=lambda step: not step.reduce_only)
    thin = tuple(note for step in ordered if (note := _too_large(snapshot, step)))
    return Plan(
        steps=tuple(ordered),
        because=drift.because,
        notes=(*notes, *thin),
        cut=tuple(s.symbol for s in cut),
    )


def _first(snapshot: Snapshot, step: Step) -> Step:
    """
    *step*, or its first part: 5% of it, or the least that the venue takes where that is more.

    The least notional counts at the lower of mark and limit price, for venues count at either.
    """
    instrument = snapshot.instrument(step.symbol)
    mark = snapshot.quote(step.symbol).mark_price
    one = abs(notional(instrument, Decimal(1), min(mark, step.limit_price)))
    least = max(instrument.contracts_min, instrument.notional_min / one, instrument.lot)
    lots = (least / instrument.lot).to_integral_value(rounding=ROUND_CEILING)
    share = to_lot(FIRST_SHARE * step.contracts, instrument.lot)
    part = min(step.contracts, max(share, lots * instrument.lot))
    return replace(step, contracts=part, notional=abs(notional(instrument, part, mark)))


def _gap(snapshot: Snapshot, leg: WantedLeg) -> Decimal:
    """Contracts to trade, positive to buy, in whole lots: a position off the grid leaves dust."""
    return to_lot(leg.contracts - leg.held_contracts, snapshot.instrument(leg.symbol).lot)


def _step(snapshot: Snapshot, leg: WantedLeg, slippage_bps_max: Decimal) -> Step:
    instrument, gap = snapshot.instrument(leg.symbol), _gap(snapshot, leg)
    side: Side = "sell" if gap < 0 else "buy"
    worst = 1 - slippage_bps_max / BPS if side == "sell" else 1 + slippage_bps_max / BPS
    rounding = ROUND_FLOOR if side == "sell" else ROUND_CEILING
    return Step(
        symbol=leg.symbol,
        side=side,
        contracts=abs(gap),
        reduce_only=side == "buy",
        limit_price=to_tick(leg.mark_price * worst, instrument.tick, rounding),
        notional=abs(notional(instrument, gap, leg.mark_price)),
    )


def _too_large(snapshot: Snapshot, step: Step) -> str:
    """That the book shows less than *step* on its side; nothing where nobody asked for its depth."""
    quote = snapshot.quote(step.symbol)
    depth = quote.bid_depth if step.side == "sell" else quote.ask_depth
    if depth is None or step.contracts <= depth:
        return ""
    return (
        f"{step.symbol}: the book shows {contracts(depth)} contracts within {DEPTH_BPS} bps; "
        f"{contracts(step.contracts)} are planned, what does not fill follows at the next pass"
    )


def _offered(snapshot: Snapshot, step: Step) -> Step:
    """
    *step* as a post-only order at the best price of its own side, or as it is where nobody quotes one.

    Never at a worse price than the cap of an IOC order: far below the mark nothing is sold either way.
    """
    quote, tick = snapshot.quote(step.symbol), snapshot.instrument(step.symbol).tick
    if step.side == "sell":
        if quote.ask_price is None:
            return step
        price = max(to_tick(quote.ask_price, tick, ROUND_CEILING), step.limit_price)
    else:
        if quote.bid_price is None:
            return step
        price = min(to_tick(quote.bid_price, tick, ROUND_FLOOR), step.limit_price)
    return replace(step, limit_price=price, post_only=True)


def _too_small(snapshot: Snapshot, leg: WantedLeg) -> str:
    """Why the venue would not take this leg's order; closing a position wholly is always taken."""
    instrument = snapshot.instrument(leg.symbol)
    gap = abs(_gap(snapshot, leg))
    size = abs(notional(instrument, gap, leg.mark_price))
    if leg.contracts == 0 and gap == abs(leg.held_contracts):
        return ""
    if gap < instrument.contracts_min:
        least = contracts(instrument.contracts_min)
        return f"{leg.symbol}: {contracts(gap)} contracts are below the minimum of {least}"
    if size < instrument.notional_min:
        least = money(instrument.notional_min)
        return f"{leg.symbol}: {money(size)} is below the minimum notional of {least}"
    return ""
