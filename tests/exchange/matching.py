"""What an order would take from a book, and taking it; only `consume` changes the book."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from exchange.state import ZERO, Book, Level, Side


def levels(book: Book, side: Side) -> list[Level]:
    """The levels an order of *side* trades against, best first."""
    return book.asks if side == "buy" else book.bids


def crosses(side: Side, limit: Decimal | None, price: Decimal) -> bool:
    """Whether an order limited at *limit* (None: market) would trade at *price*."""
    if limit is None:
        return True
    return price <= limit if side == "buy" else price >= limit


def takes(
    offered: Sequence[Level], side: Side, quantity: Decimal, limit: Decimal | None
) -> list[Level]:
    """(price, quantity) of each level that an order would trade with."""
    taken: list[Level] = []
    for price, available in offered:
        if quantity <= 0 or not crosses(side, limit, price):
            break
        part = min(available, quantity)
        taken.append((price, part))
        quantity -= part
    return taken


def consume(book: Book, side: Side, taken: Sequence[Level]) -> None:
    """Shrink *book* by what was taken, unless it refills."""
    book.update_id += 1
    if book.refills:
        return
    left = dict(levels(book, side))
    for price, part in taken:
        left[price] -= part
    kept = [(price, quantity) for price, quantity in left.items() if quantity > 0]
    if side == "buy":
        book.asks = kept
    else:
        book.bids = kept


def ladder(mid: Decimal, *, tick: Decimal, spread: Decimal, depth: Decimal, steps: int = 20) -> Book:
    """
    A book around *mid*: *steps* levels of *depth* each, a tick apart, the best ones *spread* apart.

    It refills: what a test takes from it is there again for the next order.
    """
    half = max(spread / 2, tick / 2)
    bid = (mid - half) // tick * tick
    ask = -((-mid - half) // tick) * tick
    ask = ask if ask > bid else bid + tick
    return Book(
        bids=[(bid - i * tick, depth) for i in range(steps) if bid - i * tick > ZERO],
        asks=[(ask + i * tick, depth) for i in range(steps)],
        refills=True,
    )
