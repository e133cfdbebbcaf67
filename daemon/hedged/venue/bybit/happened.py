"""
What happened to a Bybit account: executions and the transaction log as values of the core. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from hedged.core.market import Fill, Flow, FundingPayment
from hedged.errors import VenueUnavailable
from hedged.venue.bybit.translate import own_id_of, side_of
from hedged.venue.dialect import Happening, Listing
from hedged.venue.partly import Partly, fee_in, plain
from hedged.venue.reading import at, instant, number, positive, text

Cause = Literal["order", "liquidation", "adl", "delivery"]

FUNDING = "Funding"
"""An execution that the transaction log tells too, with its sign; it is read there."""
CAUSES: Mapping[str, Cause] = {
    "Trade": "order",
    "BlockTrade": "order",
    "MovePosition": "order",
    "FutureSpread": "order",
    "BustTrade": "liquidation",
    "AdlTrade": "adl",
    "Delivery": "delivery",
    "Settle": "delivery",
}

SETTLEMENT = "SETTLEMENT"
MATCHED = frozenset({"TRADE", "LIQUIDATION", "ADL", "DELIVERY"})
"""Log entries that executions tell as well, as long as they are of a contract."""
CONTRACTS = ("linear", "inverse")
OTHERS = ("spot", "option")
"""Products that share the wallet: what they pay and cost is money moved, seen from the hedge."""


# ---- executions


def key_of_execution(row: Mapping[str, Any]) -> str:
    """An execution's id is unique."""
    return f"exec:{text(row, 'execId', 'execution')}"


def is_funding(row: Mapping[str, Any]) -> bool:
    """Whether an execution is a funding, and no trade."""
    return row.get("execType") == FUNDING


def fill_of(row: Mapping[str, Any], listing: Listing, settle: str) -> Happening:
    """
    A row of ``execution/list`` that is a trade; its marks are not known yet.

    The fee is in the coin that the row names, else in the one that the contract settles in. A trade of
    a type that is not known here moves the position all the same, and counts as one of an order.

    Raises
    ------
    VenueUnavailable
        When it can't be read what moved the position, when, and by whose order.
    """
    what, partly = key_of_execution(row), Partly()
    if text(row, "symbol", what) != listing.market_id:
        raise VenueUnavailable(f"{what}: it is of {row['symbol']}, not of {listing.market_id}")
    kind = text(row, "execType", what)
    if kind not in CAUSES:
        partly.say(
            f"{what}: execType {plain(kind)} is not known here, and counts as a trade of an order"
        )
    coin = row.get("feeCurrency") or row.get("feeCoin") or listing.instrument.settle
    fee = partly.told(lambda: fee_in(settle, number(row, "execFee", what), coin, what))
    price, when = partly.told(lambda: positive(row, "execPrice", what)), instant(row, "execTime", what)
    return Happening(
        at=when,
        key=what,
        value=Fill(
            at=when,
            symbol=listing.instrument.symbol,
            side=side_of(row, what),
            contracts=positive(row, "execQty", what),
            fill_price=price,
            mark_price=None,
            index_price=None,
            fee=fee,
            client_order_id=own_id_of(row, what),
            cause=CAUSES.get(kind, "order"),
            untold=partly.words,
        ),
    )


# ---- the transaction log


def key_of_entry(row: Mapping[str, Any]) -> str:
    """A log entry's id is unique; its type is added because Bybit's own sample shows one twice."""
    what = "transaction-log"
    return f"log:{text(row, 'type', what)}:{text(row, 'id', what)}"


def entry_of(row: Mapping[str, Any], by_id: Mapping[str, Listing], settle: str) -> Happening | None:
    """
    A row of ``transaction-log``: a funding, or money moved; None for what executions tell.

    Everything else that changed the balance is money moved: transfers, interest, bonuses, conversions,
    and trades of other products in the same wallet. ``change = cashFlow + funding - fee``.
    """
    what = key_of_entry(row)
    if text(row, "currency", what) != settle:
        raise VenueUnavailable(f"{what}: it is in {row['currency']}, not in {settle}")
    kind, when = text(row, "type", what), instant(row, "transactionTime", what)
    if kind == SETTLEMENT:
        listing = by_id.get(text(row, "symbol", what))
        settles_profit_only = at(row, "funding", what) == ""
        return None if listing is None or settles_profit_only else _funding_of(row, listing, what)
    if kind in MATCHED:
        category = text(row, "category", what)
        if category in CONTRACTS:
            return None
        if category not in OTHERS:
            raise VenueUnavailable(f"{what}: category {plain(category)} is not known here")
    change = number(row, "change", what)
    return Happening(at=when, key=what, value=Flow(at=when, amount=change)) if change else None


def _funding_of(row: Mapping[str, Any], listing: Listing, what: str) -> Happening:
    """
    A funding: ``funding`` is positive when received.

    ``feeRate`` is the market's rate for a long and its opposite for a short, ``tradePrice`` is the
    mark, ``qty`` the position without its direction, which ``side`` tells.
    """
    when, partly = instant(row, "transactionTime", what), Partly()
    side = partly.told(lambda: side_of(row, what))
    direction = None if side is None else 1 if side == "buy" else -1
    rate = partly.told(lambda: number(row, "feeRate", what))
    quantity = partly.told(lambda: positive(row, "qty", what))
    return Happening(
        at=when,
        key=what,
        value=FundingPayment(
            at=when,
            symbol=listing.instrument.symbol,
            funding_rate=None if rate is None or direction is None else direction * rate,
            contracts=None if quantity is None or direction is None else direction * quantity,
            mark_price=partly.told(lambda: positive(row, "tradePrice", what)),
            amount=partly.told(lambda: number(row, "funding", what)),
            untold=partly.words,
        ),
    )
