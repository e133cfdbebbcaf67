"""
Maintenance margin by the venue's tiers, and how far the market may rise before liquidation (1.2).

Enters positions and prices; leaves amounts in the settle currency and a fraction of price.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from hedged.core.market import ZERO, Instrument, notional

RISE_MAX = Decimal(10)
_HALVINGS = 60


def maintenance_margin(instrument: Instrument, contracts: Decimal, mark_price: Decimal) -> Decimal:
    """
    ``|notional| * rate - deduction`` of the tier that holds the notional; 0 without tiers.

    $100,000 in a tier of 0.5% with a deduction of $50: $450.
    """
    size = abs(notional(instrument, contracts, mark_price))
    for tier in instrument.tiers:
        if size <= tier.notional_max:
            return max(ZERO, size * tier.rate - tier.deduction)
    if not instrument.tiers:
        return ZERO
    last = instrument.tiers[-1]
    return size * last.rate - last.deduction


def initial_margin(instrument: Instrument, contracts: Decimal, mark_price: Decimal) -> Decimal:
    """``|notional| / maximum leverage`` of the tier that holds it; the notional without tiers."""
    size = abs(notional(instrument, contracts, mark_price))
    for tier in instrument.tiers:
        if size <= tier.notional_max:
            return size / tier.leverage_max
    return size


def rise_to_liquidation(
    equity: Decimal,
    positions: Mapping[str, Decimal],
    instruments: Mapping[str, Instrument],
    marks: Mapping[str, Decimal],
) -> Decimal | None:
    """
    The common rise of all marks, as a fraction, at which equity meets maintenance margin.

    For linear contracts, found by bisection; None when it is further than `RISE_MAX`, as for a flat
    or long account. Short $100 with $50 of equity and 0.5% maintenance: (50 - 0.5) / 100.5 = 49.3%.
    """

    def excess(rise: Decimal) -> Decimal:
        left = equity
        for symbol, contracts in positions.items():
            instrument, mark = instruments[symbol], marks[symbol]
            left -= maintenance_margin(instrument, contracts, mark * (1 + rise))
            left += notional(instrument, contracts, mark) * rise
        return left

    safe, gone = ZERO, RISE_MAX
    if excess(safe) <= 0:
        return ZERO
    if excess(gone) > 0:
        return None
    for _ in range(_HALVINGS):
        middle = (safe + gone) / 2
        safe, gone = (middle, gone) if excess(middle) > 0 else (safe, middle)
    return safe
