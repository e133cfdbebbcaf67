"""
What happened on a Binance account: fills, funding, transfers. Pure: rows in, events out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from hedged.core.market import ZERO, Fill, Flow, FundingPayment
from hedged.errors import VenueUnavailable
from hedged.venue.binance.translate import side_of
from hedged.venue.dialect import Happening, Listing
from hedged.venue.reading import instant, number, positive, text

TRANSFERS = frozenset(
    {"TRANSFER", "INTERNAL_TRANSFER", "CROSS_COLLATERAL_TRANSFER", "COIN_SWAP_DEPOSIT"}
    | {"COIN_SWAP_WITHDRAW", "STRATEGY_UMFUTURES_TRANSFER", "WELCOME_BONUS", "COMMISSION_REBATE"}
    | {"REFERRAL_KICKBACK", "FEE_RETURN", "API_REBATE", "CONTEST_REWARD", "OPTIONS_PREMIUM_FEE"}
)
"""Incomes that are money moved, not earned by the hedge. Fees and profits come with the fills."""


def fill_of(
    row: Mapping[str, Any], listing: Listing, order: Mapping[str, Any], settle: str
) -> Happening:
    """A row of ``userTrades`` with the *order* that it belongs to; its marks are not known yet."""
    what = key_of_trade(row, listing)
    asset, fee = text(row, "commissionAsset", what), number(row, "commission", what)
    if asset != settle and fee:
        raise VenueUnavailable(
            f"{what}: its fee is in {asset}; let the account pay its fees in {settle}"
        )
    when, price = instant(row, "time", what), positive(row, "price", what)
    client_order_id = text(order, "clientOrderId", what)
    return Happening(
        at=when,
        key=what,
        value=Fill(
            at=when,
            symbol=listing.instrument.symbol,
            side=side_of(row, what),
            contracts=positive(row, "qty", what),
            fill_price=price,
            mark_price=price,
            index_price=None,
            fee=fee,
            client_order_id=client_order_id,
            cause=cause_of(client_order_id),
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
    A row of ``income`` with the *settled* rate of its instant.

    contracts = - income / (multiplier * mark * rate): a short (negative) receives a positive rate.
    """
    what = f"funding of {listing.market_id}"
    amount, when = number(row, "income", what), instant(row, "time", what)
    rate, mark = number(settled, "fundingRate", what), positive(settled, "markPrice", what)
    one = listing.instrument.contract_multiplier * mark * rate
    lot = listing.instrument.lot
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
        ),
    )


def flow_of(row: Mapping[str, Any]) -> Happening:
    """A row of ``income`` that is money moved."""
    when = instant(row, "time", "income")
    return Happening(
        at=when, key=key_of_income(row), value=Flow(at=when, amount=number(row, "income", "income"))
    )


def key_of_income(row: Mapping[str, Any]) -> str:
    """A transaction id is unique within its type."""
    what = "income"
    return (
        f"income:{text(row, 'incomeType', what)}:{text(row, 'tranId', what)}:{row.get('symbol') or ''}"
    )
