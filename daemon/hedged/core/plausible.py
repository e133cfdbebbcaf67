"""
Prices that can't be right, however well the answer is formed that they came in. Pure.

Two prices of one answer agree also when the answer is wrong; only what was seen before tells. Enters a
snapshot and the prices that were believed last; leaves what is not believed now.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from hedged.core.market import Snapshot

PRICE_TIMES_MAX = Decimal(3)
"""No price of a leg or a protected coin changes by more than this between two passes."""
BELIEVED_AFTER = 10
"""A price that changed by more is believed when it was seen in so many passes in a row."""


def prices_of(snapshot: Snapshot) -> dict[str, Decimal]:
    """The price of every coin that is protected, and the mark of every contract, by name."""
    coins = {one.asset: one.mark_price for one in snapshot.holdings if one.mark_price is not None}
    return coins | {quote.symbol: quote.mark_price for quote in snapshot.quotes}


def believed(
    snapshot: Snapshot, before: dict[str, Decimal], doubted: dict[str, int]
) -> tuple[dict[str, Decimal], dict[str, int]]:
    """
    The prices that the next pass compares with, and how often in a row each other one was seen.

    *before* and *doubted* are those of the pass before. A wrong answer may come twice.
    """
    prices, odd = dict(before), {}
    for name, price in prices_of(snapshot).items():
        seen = doubted.get(name, 0) + 1
        if name not in before or is_plausible(price, before[name]) or seen >= BELIEVED_AFTER:
            prices[name] = price
        else:
            odd[name] = seen
    return prices, odd


def implausible(
    snapshot: Snapshot, before: dict[str, Decimal]
) -> Iterator[tuple[str, Decimal, Decimal]]:
    """What is not believed: its name, the price that was believed last, and the present one."""
    for name, price in prices_of(snapshot).items():
        if name in before and not is_plausible(price, before[name]):
            yield name, before[name], price


def is_plausible(price: Decimal, before: Decimal) -> bool:
    """Whether a price may follow one *before*."""
    return before / PRICE_TIMES_MAX <= price <= before * PRICE_TIMES_MAX
