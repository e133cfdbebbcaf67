"""
How far each position that is held is from liquidation (section 1.2).

Enters a snapshot and the headroom of each account; leaves a price and a distance for each position:
the venue's own where it tells one, else ours, at which the account is liquidated when the marks of all
its shorts rise together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal

from hedged.core.headroom import Headroom, account_of
from hedged.core.market import Position, Snapshot, to_tick

_SHOWN = Decimal("1e-6")


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquidation:
    """
    One position: ``distance = |liquidation price / mark - 1|``, by the *venue*'s price or by *ours*.

    Both are None where nobody knows, or where no rise of less than tenfold liquidates; *because* says
    which. A mark that has passed the price already has distance 0.
    """

    symbol: str
    contracts: Decimal
    mark_price: Decimal | None
    liquidation_price: Decimal | None = None
    distance: Decimal | None = None
    told_by: Literal["venue", "ours", ""] = ""
    because: str = ""


def liquidations(snapshot: Snapshot, headrooms: Iterable[Headroom]) -> tuple[Liquidation, ...]:
    """
    Every position that is held, in the venue's order.

    A short at a mark of 100 with a liquidation price of 139.5: 39.5%.
    """
    rooms = {one.account: one for one in headrooms}
    return tuple(
        _liquidation(one, snapshot, rooms.get(account_of(one.symbol, snapshot.account)))
        for one in snapshot.positions
        if one.contracts
    )


def _liquidation(held: Position, snapshot: Snapshot, room: Headroom | None) -> Liquidation:
    mark = next((q.mark_price for q in snapshot.quotes if q.symbol == held.symbol), None)
    if mark is None:
        return Liquidation(
            symbol=held.symbol,
            contracts=held.contracts,
            mark_price=None,
            liquidation_price=held.liquidation_price,
            told_by="venue" if held.liquidation_price is not None else "",
            because="its mark is unknown",
        )
    price, rise, because = held.liquidation_price, None, ""
    if price is None:
        rise, because = _ours(held, room)
        if rise is not None:
            price = to_tick(mark * (1 + rise), snapshot.instrument(held.symbol).tick, ROUND_HALF_EVEN)
    else:
        move = price / mark - 1 if held.contracts < 0 else 1 - price / mark
        rise = max(Decimal(0), move).quantize(_SHOWN)
    told_by: Literal["venue", "ours", ""] = "" if rise is None else "ours"
    return Liquidation(
        symbol=held.symbol,
        contracts=held.contracts,
        mark_price=mark,
        liquidation_price=price,
        distance=rise,
        told_by="venue" if held.liquidation_price is not None else told_by,
        because=because,
    )


def _ours(held: Position, room: Headroom | None) -> tuple[Decimal | None, str]:
    """The rise that liquidates the account of a short, or why none is told."""
    if held.contracts > 0:
        return None, "the venue tells no price, and ours is for shorts"
    if room is None:
        return None, "the venue tells no price, and the margin of its account was not counted"
    if room.missing:
        return None, f"the venue tells no price, and of its margin: {room.missing}"
    if room.distance_now is None:
        return None, "no rise of less than tenfold liquidates"
    return room.distance_now, ""
