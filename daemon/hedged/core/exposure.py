"""
From holdings to the exposure that is hedged (sections 2.2 and 2.3).

Enters a snapshot; leaves the exposure in the numeraire, one line a holding, and the names of
holdings that nobody prices: unknown is never taken for zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from hedged.core.beta import BETA_DEFAULT, Betas
from hedged.core.market import ZERO, Holding, Snapshot

CASH_DEFAULT = frozenset(
    {"USD", "EUR", "GBP", "CHF", "JPY"}
    | {"USDT", "USDC", "DAI", "FDUSD", "TUSD", "USDP", "PYUSD", "USDE", "USD1", "RLUSD", "BUSD", "EURC"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposurePolicy:
    """
    What counts.

    *cash* are stablecoins and money, which are not hedged. A holding without a price must be in
    *ignore*, or hold no more than *unpriced_max* of its own units; else the pass holds.
    """

    cash: frozenset[str] = CASH_DEFAULT
    ignore: frozenset[str] = frozenset()
    unpriced_max: dict[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureLine:
    """
    One holding: its *notional*, its *beta* to the contracts that hedge (*beta_source* says where it
    comes from), and whether it counts.
    """

    asset: str
    quantity: Decimal
    mark_price: Decimal | None
    notional: Decimal | None
    beta: Decimal
    beta_source: str
    counted: bool
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """
    The sum to hedge, in the numeraire.

    *total* is None while *unpriced* names anything: a part of the portfolio is unknown.
    """

    total: Decimal | None
    lines: tuple[ExposureLine, ...]
    unpriced: tuple[str, ...]


def expose(snapshot: Snapshot, policy: ExposurePolicy, betas: Betas | None = None) -> Exposure:
    """
    ``E = sum of quantity * mark price * beta`` over the holdings that count, in the numeraire.

    10 BTC at 50,000 and 100,000 USDT: E = 500,000, for cash is not hedged. Without *betas* each is 1.
    """
    lines = tuple(_line(holding, policy, betas) for holding in snapshot.holdings)
    unpriced = tuple(line.asset for line in lines if line.counted and line.notional is None)
    counted = ((line.notional or ZERO) * line.beta for line in lines if line.counted)
    total = None if unpriced else sum(counted, ZERO)
    return Exposure(total=total, lines=lines, unpriced=unpriced)


def _line(holding: Holding, policy: ExposurePolicy, betas: Betas | None) -> ExposureLine:
    price = holding.mark_price
    counted, because = counts(holding, policy)
    estimate = betas.of(holding.asset) if betas and counted else None
    return ExposureLine(
        asset=holding.asset,
        quantity=holding.quantity,
        mark_price=price,
        notional=None if price is None else holding.quantity * price,
        beta=estimate.beta if estimate else BETA_DEFAULT,
        beta_source=estimate.because if estimate else "default",
        counted=counted,
        because=because,
    )


def counts(holding: Holding, policy: ExposurePolicy) -> tuple[bool, str]:
    """Whether *holding* is part of the exposure, and why not."""
    if holding.asset in policy.cash:
        return False, "cash is not hedged"
    if holding.asset in policy.ignore:
        return False, "ignored by the settings"
    limit = policy.unpriced_max.get(holding.asset)
    if holding.mark_price is None and limit is not None and holding.quantity <= limit:
        return False, f"unpriced, and no more than {limit} of it"
    return True, "" if holding.mark_price is not None else "no price"
