"""
From the target ratio to contracts per instrument, on the lot grid (sections 1.1 and 2.3).

Enters exposure, target and prices; leaves the wanted positions and what rounding leaves
unhedged. Here the ratio meets `Decimal`, and everything is rounded toward zero before anything
is compared, so that a second look plans nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, localcontext

from hedged.core.exposure import Exposure
from hedged.core.market import ZERO, Snapshot, contracts_of, notional, to_lot
from hedged.core.target import RatioMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeLeg:
    """A contract that hedges, and its share of the hedge."""

    symbol: str
    weight: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedLeg:
    """
    The position wanted in one instrument, beside the one held; contracts are signed.

    *exact_contracts* is what the ratio asks for before the lot grid, *residual_notional* what
    rounding leaves unhedged.
    """

    symbol: str
    mark_price: Decimal
    target_notional: Decimal
    exact_contracts: Decimal
    contracts: Decimal
    held_contracts: Decimal
    wanted_notional: Decimal
    held_notional: Decimal
    residual_notional: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The whole hedge wanted; *held_ratio* is None when the exposure is zero."""

    exposure: Decimal
    target_ratio: Decimal
    target_notional: Decimal
    residual_notional: Decimal
    held_ratio: Decimal | None
    legs: tuple[WantedLeg, ...]


def held_ratio(snapshot: Snapshot, exposure: Exposure, legs: tuple[HedgeLeg, ...]) -> Decimal | None:
    """``h = short notional / E``; None when E is unknown or zero."""
    if not exposure.total:
        return None
    held = (leg.symbol for leg in legs if snapshot.held(leg.symbol))
    return -sum((_held_notional(snapshot, symbol) for symbol in held), ZERO) / exposure.total


def present_ratio(snapshot: Snapshot, exposure: Exposure, legs: tuple[HedgeLeg, ...]) -> Decimal | None:
    """Where a first start begins: the held ratio, 0 with nothing to hedge, None when E is unknown."""
    if exposure.total == 0:
        return ZERO
    with localcontext(rounding=ROUND_CEILING):  # times E it must not fall just short of a whole lot
        return held_ratio(snapshot, exposure, legs)


def size(
    ratio: RatioMemory | None, exposure: Exposure, snapshot: Snapshot, legs: tuple[HedgeLeg, ...]
) -> Wanted | None:
    """
    ``contracts = E * h * weight / (multiplier * mark)`` (linear; inverse: / contract value), short,
    rounded toward zero to the lot. None while there is no target, the exposure is unknown, or the venue
    lists a leg no more: that one's price is unknown, and so is the hedge.

    $500,000 at 50%, index 2,000, $100 a point: 1.25 contracts; on whole lots 1, and a residual of
    $50,000, 10% of the portfolio (2.3).
    """
    if ratio is None or exposure.total is None:
        return None
    hedge = exposure.total * ratio.target_ratio
    weights = sum((leg.weight for leg in legs), ZERO)
    used = [leg for leg in legs if leg.weight or snapshot.held(leg.symbol)]
    if not {leg.symbol for leg in used} <= {quote.symbol for quote in snapshot.quotes}:
        return None
    wanted = tuple(wanted_leg(snapshot, leg.symbol, hedge * leg.weight / weights) for leg in used)
    return Wanted(
        exposure=exposure.total,
        target_ratio=ratio.target_ratio,
        target_notional=hedge,
        residual_notional=sum((leg.residual_notional for leg in wanted), ZERO),
        held_ratio=held_ratio(snapshot, exposure, legs),
        legs=wanted,
    )


def wanted_leg(snapshot: Snapshot, symbol: str, target_notional: Decimal) -> WantedLeg:
    """The short position worth *target_notional* in one instrument, beside the one held."""
    instrument, mark = snapshot.instrument(symbol), snapshot.quote(symbol).mark_price
    exact = contracts_of(instrument, target_notional, mark)
    contracts = -to_lot(exact, instrument.lot)
    hedged = notional(instrument, contracts, mark)
    return WantedLeg(
        symbol=symbol,
        mark_price=mark,
        target_notional=target_notional,
        exact_contracts=exact,
        contracts=contracts,
        held_contracts=snapshot.held(symbol),
        wanted_notional=hedged,
        held_notional=_held_notional(snapshot, symbol),
        residual_notional=target_notional + hedged,
    )


def _held_notional(snapshot: Snapshot, symbol: str) -> Decimal:
    mark = snapshot.quote(symbol).mark_price
    return notional(snapshot.instrument(symbol), snapshot.held(symbol), mark)
