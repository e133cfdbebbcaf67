"""
Margin of a position, the account of one settle coin, and the price that liquidates.

Pure; quantities signed, notionals and margins in the settle coin.
linear: ``pnl = q * m * (mark - entry)``, ``notional = |q| * m * mark``;
inverse: ``pnl = q * m * (1/entry - 1/mark)``, ``notional = |q| * m / mark``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from exchange.instruments import Contract, Tier
from exchange.state import ZERO, Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What one slot asks for: margins, and the profit that counts against them."""

    unrealised: Decimal = ZERO
    initial: Decimal = ZERO
    maintenance: Decimal = ZERO
    orders: Decimal = ZERO
    isolated: Decimal = ZERO

    def __add__(self, other: Need) -> Need:
        return Need(
            unrealised=self.unrealised + other.unrealised,
            initial=self.initial + other.initial,
            maintenance=self.maintenance + other.maintenance,
            orders=self.orders + other.orders,
            isolated=self.isolated + other.isolated,
        )


def pnl(contract: Contract, quantity: Decimal, entry: Decimal, price: Decimal) -> Decimal:
    """Profit of *quantity* opened at *entry*, at *price*."""
    if not quantity:
        return ZERO
    if contract.inverse:
        return quantity * contract.multiplier * (1 / entry - 1 / price)
    return quantity * contract.multiplier * (price - entry)


def notional(contract: Contract, quantity: Decimal, price: Decimal) -> Decimal:
    """Absolute value of *quantity* at *price* in the settle coin."""
    value = abs(quantity) * contract.multiplier
    return value / price if contract.inverse else value * price


def average(
    contract: Contract, held: Decimal, entry: Decimal, added: Decimal, price: Decimal
) -> Decimal:
    """Entry price after adding to a position on its own side; harmonic for inverse contracts."""
    if not held:
        return price
    if contract.inverse:
        return (held + added) / (held / entry + added / price)
    return (held * entry + added * price) / (held + added)


def tier_of(contract: Contract, value: Decimal) -> Tier:
    """The tier of a position worth *value*; beyond the table, the last one."""
    fits = (tier for tier in contract.tiers if value <= tier.notional_max)
    return next(fits, contract.tiers[-1])


def maintenance(contract: Contract, value: Decimal) -> Decimal:
    """``value * rate - deduction`` of its tier."""
    tier = tier_of(contract, value)
    return value * tier.rate - tier.deduction


def notional_max(contract: Contract, leverage: int) -> Decimal:
    """The largest position a leverage may have."""
    return max(
        (tier.notional_max for tier in contract.tiers if tier.leverage_max >= leverage), default=ZERO
    )


def order_margin(
    contract: Contract, held: Decimal, orders: Iterable[Order], *, mark: Decimal, leverage: int
) -> Decimal:
    """
    What resting orders reserve beyond the position: the worse of all buys and all sells filling.

    ``max(|q|, |q + buys|, |q - sells|) - |q|``, valued at the orders' prices, over the leverage.
    """
    sums = {"buy": ZERO, "sell": ZERO}
    values = {"buy": ZERO, "sell": ZERO}
    for order in orders:
        if not order.ticket.reduce_only:
            side, price = order.ticket.side, order.ticket.price or mark
            sums[side] += order.remaining
            values[side] += notional(contract, order.remaining, price)
    worst = ZERO
    for side, sign in (("buy", 1), ("sell", -1)):
        after = held + sign * sums[side]
        grown = abs(after) - abs(held)
        if sums[side] and grown > 0:
            worst = max(worst, values[side] * grown / sums[side])
    return worst / leverage


def liquidation_price(
    contract: Contract, quantity: Decimal, entry: Decimal, spare: Decimal, mark: Decimal
) -> Decimal | None:
    """
    Where ``spare + pnl(P) = maintenance(P)``; *spare* is what the account has beside this position.

    None where no price does it. Solved within the tier that the solution falls in.
    """
    tier, seen = tier_of(contract, notional(contract, quantity, mark)), []
    while tier not in seen:
        seen.append(tier)
        price = _crossing(contract, quantity, entry, spare=spare, tier=tier)
        if price is None or price <= 0:
            return None
        tier = tier_of(contract, notional(contract, quantity, price))
    return price


def _crossing(
    contract: Contract, quantity: Decimal, entry: Decimal, *, spare: Decimal, tier: Tier
) -> Decimal | None:
    q, size = quantity * contract.multiplier, abs(quantity) * contract.multiplier
    if contract.inverse:
        below = spare + tier.deduction + q / entry
        return (q + size * tier.rate) / below if below else None
    below = q - size * tier.rate
    return (q * entry - spare - tier.deduction) / below if below else None
