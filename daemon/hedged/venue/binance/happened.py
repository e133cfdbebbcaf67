"""
What happened on a Binance account: fills, funding, transfers. Pure: rows in, events out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from hedged.core.market import ZERO, Fill, Flow, FundingPayment
from hedged.venue.binance.translate import side_of
from hedged.venue.dialect import Happening, Listing
from hedged.venue.partly import Partly, fee_in, plain
from hedged.venue.reading import instant, number, positive, text

TRANSFERS = frozenset(
    {"TRANSFER", "INTERNAL_TRANSFER", "CROSS_COLLATERAL_TRANSFER", "COIN_SWAP_DEPOSIT"}
    | {"COIN_SWAP_WITHDRAW", "STRATEGY_UMFUTURES_TRANSFER", "WELCOME_BONUS", "COMMISSION_REBATE"}
    | {"REFERRAL_KICKBACK", "FEE_RETURN", "API_REBATE", "CONTEST_REWARD", "OPTIONS_PREMIUM_FEE"}
)
"""Incomes that are money moved, not earned by the hedge."""
FUNDING = "FUNDING_FEE"
BY_FILLS = frozenset({"COMMISSION", "REALIZED_PNL", "DELIVERED_SETTELMENT"})
"""Incomes that come with the fills."""
LEFT_OUT = BY_FILLS | {"INSURANCE_CLEAR"}
"""What a liquidation costs beside its fills has no term of its own: it shows as unexplained."""


def fill_of(
    row: Mapping[str, Any], listing: Listing, order: Mapping[str, Any], settle: str
) -> Happening:
    """
    A row of ``userTrades`` with the *order* that it belongs to; its marks are not known yet.

    Raises
    ------
    VenueUnavailable
        When it can't be read what moved the position, when, and by whose order.
    """
    what, partly = key_of_trade(row, listing), Partly()
    when, client_order_id = instant(row, "time", what), text(order, "clientOrderId", what)
    price = partly.told(lambda: positive(row, "price", what))
    fee = partly.told(
        lambda: fee_in(settle, number(row, "commission", what), row.get("commissionAsset"), what)
    )
    return Happening(
        at=when,
        key=what,
        value=Fill(
            at=when,
            symbol=listing.instrument.symbol,
            side=side_of(row, what),
            contracts=positive(row, "qty", what),
            fill_price=price,
            mark_price=None,
            index_price=None,
            fee=fee,
            client_order_id=client_order_id,
            cause=cause_of(client_order_id),
            untold=partly.words,
        ),
    )


def key_of_trade(row: Mapping[str, Any], listing: Listing) -> str:
    """A trade's number is unique within its symbol."""
    return f"trade:{listing.market_id}:{text(row, 'id', f'trade of {listing.market_id}')}"


def cause_of(client_order_id: str) -> Literal["order", "liquidation", "adl", "delivery"]:
    """Binance names the orders that it makes itself."""
    for prefix, cause in CAUSES.items():
        if client_order_id.startswith(prefix):
            return cause
    return "order"


CAUSES: Mapping[str, Literal["liquidation", "adl", "delivery"]] = {
    "autoclose-": "liquidation",
    "adl_autoclose": "adl",
    "settlement_autoclose-": "delivery",
    "delivery_autoclose-": "delivery",
}


def funding_of(row: Mapping[str, Any], listing: Listing, settled: Mapping[str, Any]) -> Happening:
    """
    A row of ``income`` with the *settled* rate of its instant, which is empty where there is none.

    contracts = - income / (multiplier * mark * rate): a short (negative) receives a positive rate, and
    of none it is not told who held what.
    """
    what, partly = f"funding of {listing.market_id}", Partly()
    when, amount = instant(row, "time", what), partly.told(lambda: number(row, "income", what))
    rate = partly.told(lambda: number(settled, "fundingRate", what))
    mark = partly.told(lambda: positive(settled, "markPrice", what))
    lot, held = listing.instrument.lot, None
    if amount is not None and rate is not None and mark is not None:
        one = listing.instrument.contract_multiplier * mark * rate
        held = (-amount / one / lot).to_integral_value() * lot if one else ZERO
    return Happening(
        at=when,
        key=key_of_income(row),
        value=FundingPayment(
            at=when,
            symbol=listing.instrument.symbol,
            funding_rate=rate,
            contracts=held,
            mark_price=mark,
            amount=amount,
            untold=partly.words,
        ),
    )


def flow_of(row: Mapping[str, Any]) -> Happening:
    """A row of ``income`` that is money moved, or may be: its type is not known here."""
    when, kind = instant(row, "time", "income"), text(row, "incomeType", "income")
    amount, words = number(row, "income", "income"), ""
    if kind not in TRANSFERS:
        words = (
            f"an income of {amount} of type {plain(kind)}, which is not known here: counted as a flow"
        )
    return Happening(at=when, key=key_of_income(row), value=Flow(at=when, amount=amount, untold=words))


def key_of_income(row: Mapping[str, Any]) -> str:
    """A transaction id is unique within its type."""
    what = "income"
    return (
        f"income:{text(row, 'incomeType', what)}:{text(row, 'tranId', what)}:{row.get('symbol') or ''}"
    )
