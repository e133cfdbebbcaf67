"""
What a pass looks out for: how far the hedge has drifted, and what must not be traded on.

Each check is a small pure function with a name of its own; the reasons go into the record.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from hedged.core.exposure import Exposure
from hedged.core.market import OURS, ZERO, Snapshot
from hedged.core.sizing import HedgeLeg, Wanted
from hedged.core.wording import beside, contracts, percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """How far the hedge (*band*) and its mix of legs (*mix_band*) may stray, as shares of E."""

    band: Decimal = Decimal("0.05")
    mix_band: Decimal = Decimal("0.10")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """
    Distance between the held and the wanted hedge, as shares of E (None when E is zero).

    *net* is ``|sum of signed (held - wanted) notional| / E`` after lot rounding, *mix* the sum of
    the absolute gaps. *due* says whether to trade, *because* why or why not.
    """

    net: Decimal | None
    mix: Decimal | None
    due: bool
    because: str


def drift(wanted: Wanted | None, executed_ratio: Decimal | None, band: Band) -> Drift:
    """
    Compare held with wanted. A zero target and an over-hedge ignore the band.

    *executed_ratio* is the target that was last fully executed: a changed one is traded at once.
    """
    if wanted is None:
        return Drift(
            net=None,
            mix=None,
            due=False,
            because="no target is decided, or the exposure is unknown",
        )
    gaps = [leg.held_notional - leg.wanted_notional for leg in wanted.legs]
    if all(leg.held_contracts == leg.contracts for leg in wanted.legs):
        zero = ZERO if wanted.exposure else None
        return Drift(net=zero, mix=zero, due=False, because="the wanted contracts are held")
    if not wanted.exposure:
        return Drift(net=None, mix=None, due=True, because="nothing to hedge, and a short is held")
    net = abs(sum(gaps, ZERO)) / wanted.exposure
    mix = sum((abs(gap) for gap in gaps), ZERO) / wanted.exposure
    due, because = _due(wanted, executed_ratio, band, net, mix)
    return Drift(net=net, mix=mix, due=due, because=because)


def _due(
    wanted: Wanted, executed_ratio: Decimal | None, band: Band, net: Decimal, mix: Decimal
) -> tuple[bool, str]:
    target = wanted.target_ratio
    if executed_ratio != target:
        return True, f"the target is {percent(target)}, and it is not fully executed yet"
    if target == 0:
        return True, "the target is zero, which ignores the band"
    if wanted.held_ratio is not None and wanted.held_ratio > 1:
        return True, f"over-hedged at {beside(wanted.held_ratio, Decimal(1))}, which ignores the band"
    for leg in wanted.legs:
        if leg.target_notional == 0 and leg.held_contracts:
            return True, f"{leg.symbol} has no weight and is held, which ignores the band"
    if net > band.band:
        return True, f"drift {beside(net, band.band)} is past the band of {percent(band.band)}"
    if mix > band.mix_band:
        return (
            True,
            f"leg mix {beside(mix, band.mix_band)} is past its band of {percent(band.mix_band)}",
        )
    return False, f"drift {percent(net)} is inside the band of {percent(band.band)}"


def holds(
    snapshot: Snapshot,
    exposure: Exposure,
    legs: tuple[HedgeLeg, ...],
    *,
    unresolved: tuple[str, ...],
    strays: tuple[str, ...],
    observed_at: datetime | None,
) -> tuple[str, ...]:
    """
    Reasons why this pass must not trade at all; empty when it may.

    *unresolved* tells of each order of unknown outcome, *strays* are orders of ours that the journal
    does not know, *observed_at* is when the pass before looked at the market.
    """
    return (
        *snapshot.doubts,
        *_clock(snapshot, observed_at),
        *_unpriced(exposure),
        *_long(snapshot, legs),
        *(f"an earlier order is not resolved yet, {order}" for order in unresolved),
        *_strays(strays),
        *other_hand(snapshot, [leg.symbol for leg in legs]),
    )


def _clock(snapshot: Snapshot, observed_at: datetime | None) -> tuple[str, ...]:
    """A clock that stepped back holds one pass, so that a person can see it; the next goes on."""
    if observed_at is None or snapshot.at >= observed_at:
        return ()
    then, now = (f"{at:%Y-%m-%d %H:%M:%S}" for at in (observed_at, snapshot.at))
    return (f"the clock went back, from {then} to {now}",)


def _strays(strays: tuple[str, ...]) -> tuple[str, ...]:
    """Ours by name, and yet unknown: the journal is older than the exchange, as a restored copy is."""
    if not strays:
        return ()
    return (
        f"the journal does not know {', '.join(strays)}, sent by a hedged on this account; was the "
        "journal restored from a copy? What rests of them is taken back, what filled is counted",
    )


def other_hand(snapshot: Snapshot, symbols: list[str]) -> tuple[str, ...]:
    """
    Fills of the hedge that we did not order: a liquidation, ADL, a delivery, a person.

    They hold the pass that sees them first; the next one repairs the hedge.
    """
    return tuple(
        f"{fill.side} of {contracts(fill.contracts)} {fill.symbol} at {fill.at:%Y-%m-%d %H:%M:%S} "
        f"by {'another hand' if fill.cause == 'order' else fill.cause}; the next pass goes on from it"
        for fill in snapshot.fills
        if fill.symbol in symbols
        and (fill.cause != "order" or not fill.client_order_id.startswith(OURS))
    )


def _unpriced(exposure: Exposure) -> tuple[str, ...]:
    return tuple(
        f"{asset} has no price; add it to exposure.ignore, or give exposure.unpriced_max for it"
        for asset in exposure.unpriced
    )


def _long(snapshot: Snapshot, legs: tuple[HedgeLeg, ...]) -> tuple[str, ...]:
    """Every position of a hedge instrument is the hedge, and a hedge is short."""
    return tuple(
        f"{leg.symbol} is held long ({contracts(snapshot.held(leg.symbol))} contracts) on the "
        "hedge account; close it by hand"
        for leg in legs
        if snapshot.held(leg.symbol) > 0
    )
