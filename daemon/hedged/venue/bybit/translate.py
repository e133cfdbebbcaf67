"""
Bybit's answers as values of the core, and orders as its requests. Pure: rows in, values out.

Every answer is an envelope: ``retCode``, ``retMsg``, ``result`` and ``time``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from hedged.core.market import ZERO, Instrument, MarginTier, OpenOrder, Position, Quote, Side
from hedged.core.record import Outcome
from hedged.errors import OutcomeUnknown, VenueUnavailable
from hedged.venue.depth import depth_of
from hedged.venue.dialect import Listing, SeenPosition
from hedged.venue.outcomes import MarketType, end_of
from hedged.venue.protocol import Order
from hedged.venue.reading import (
    at,
    flag,
    instant,
    maybe_number,
    maybe_positive,
    number,
    positive,
    rows_of,
    table_of,
    text,
    whole,
)

SIDES: Mapping[str, Side] = {"Buy": "buy", "Sell": "sell"}
RESTS = frozenset({"New", "PartiallyFilled"})
"""Where an order that is meant to rest is not over; of one that is not, it says nothing certain."""
POST_ONLY = "PostOnly"
OVER = frozenset({"Filled", "Cancelled", "PartiallyFilledCanceled", "Rejected", "Deactivated"})
HEDGE_SIDES: Mapping[Decimal, str] = {Decimal(1): "Buy", Decimal(2): "Sell"}
"""What ``positionIdx`` means in hedge mode; it is 0 in one-way mode."""
LASTING = ("LinearPerpetual", "InversePerpetual")
EXPIRING = ("LinearFutures", "InverseFutures")
SHARES = "xstocks"
"""A ``symbolType`` that is no coin: Bybit lists shares too, and ccxt makes ordinary markets of them."""
USD_PER_CONTRACT = Decimal(1)
"""Of every inverse contract; ccxt's contractSize is its minOrderQty, which is something else."""

RATE_UNITS = (Decimal(1), Decimal(100))
RATE_UNIT_GAP_MAX = Decimal("0.05")


def error_of(answer: Any) -> str | None:
    """The raw code of ``{"retCode": 110007, "retMsg": ...}``; success is 0, sometimes as text."""
    if isinstance(answer, dict) and "retCode" in answer:
        code = str(answer["retCode"])
        return None if code == "0" else code
    return None


def result_of(answer: Any, what: str) -> dict[str, Any]:
    """The ``result`` of an envelope."""
    return table_of(at(table_of(answer, what), "result", what), what)


def list_of(answer: Any, what: str, field: str = "list") -> list[dict[str, Any]]:
    """The rows of an envelope's ``result``."""
    return rows_of(at(result_of(answer, what), field, what), what)


def cursor_of(answer: Any, what: str) -> str:
    """Where the next page begins, empty after the last one."""
    told = result_of(answer, what).get("nextPageCursor") or ""
    if not isinstance(told, str):
        raise VenueUnavailable(f"{what}: nextPageCursor is no text")
    return told


def time_of(answer: Any, what: str) -> datetime:
    """When the venue answered."""
    return instant(table_of(answer, what), "time", what)


def market_of(listing: Listing) -> MarketType:
    """What Bybit calls the category of a contract."""
    return "inverse" if listing.instrument.inverse else "linear"


def named(listing: Listing) -> dict[str, str]:
    """How a contract is asked about."""
    return {"category": market_of(listing), "symbol": listing.market_id}


def listing_of(market: Mapping[str, Any]) -> Listing | None:
    """A contract out of ccxt's market, None for what can't hedge; the figures are Bybit's own texts."""
    info = table_of(market.get("info"), "market")
    kind = info.get("contractType")
    if kind not in LASTING + EXPIRING or info.get("symbolType") == SHARES:
        return None
    what = f"market {market.get('symbol')}"
    sizes = table_of(info.get("lotSizeFilter"), what)
    inverse = market.get("inverse") is True
    return Listing(
        instrument=Instrument(
            symbol=text(market, "symbol", what),
            base=text(market, "base", what),
            quote=text(market, "quote", what),
            settle=text(market, "settle", what),
            contract_multiplier=USD_PER_CONTRACT if inverse else Decimal(1),
            lot=positive(sizes, "qtyStep", what),
            tick=positive(table_of(info.get("priceFilter"), what), "tickSize", what),
            contracts_min=number(sizes, "minOrderQty", what),
            # an inverse order has no such limit of its own: its contracts are dollars already
            notional_min=ZERO if inverse else number(sizes, "minNotionalValue", what),
            inverse=inverse,
            expiry=instant(info, "deliveryTime", what) if kind in EXPIRING else None,
        ),
        market_id=text(market, "id", what),
        kind="dated" if kind in EXPIRING else "perpetual",
        active=info.get("status") == "Trading",
        contracts_max=maybe_positive(sizes, "maxOrderQty", what),
        pays_funding=_pays_funding(info, what) if kind in EXPIRING else None,
    )


def _pays_funding(info: Mapping[str, Any], what: str) -> bool | None:
    """Of a contract that expires: 0 minutes between fundings mean none; None where it is not told."""
    minutes = maybe_number(info, "fundingInterval", what)
    return None if minutes is None else minutes > 0


def quote_of(listing: Listing, answer: Any) -> Quote:
    """From ``market/tickers`` of one symbol; its time is the envelope's."""
    what = f"ticker of {listing.market_id}"
    row = only_of(list_of(answer, what), listing, what)
    return Quote(
        symbol=listing.instrument.symbol,
        at=time_of(answer, what),
        mark_price=positive(row, "markPrice", what),
        index_price=maybe_positive(row, "indexPrice", what),
        bid_price=maybe_positive(row, "bid1Price", what),
        ask_price=maybe_positive(row, "ask1Price", what),
        funding_rate_next=maybe_number(row, "fundingRate", what) if listing.funds else None,
    )


def deep_quote_of(listing: Listing, ticker: Any, book: Any) -> Quote:
    """From ``market/tickers`` and ``market/orderbook`` of one symbol. Best prices are the book's."""
    what = f"orderbook of {listing.market_id}"
    table = result_of(book, what)
    if table.get("s") != listing.market_id:
        raise VenueUnavailable(f"{what}: the answer is of {table.get('s')}")
    found = depth_of(table.get("b"), table.get("a"), listing.market_id)
    return replace(
        quote_of(listing, ticker),
        bid_price=found.bid_price,
        ask_price=found.ask_price,
        bid_depth=found.bid_depth,
        ask_depth=found.ask_depth,
    )


def tiers_of(listing: Listing, answer: Any) -> tuple[MarginTier, ...]:
    """From ``market/risk-limit`` of one linear symbol."""
    what = f"risk-limit of {listing.market_id}"
    return tuple(_tier_of(row, listing, what) for row in list_of(answer, what))


def _tier_of(row: Mapping[str, Any], listing: Listing, what: str) -> MarginTier:
    """
    A step. Its rates are shares (0.005) or, in older answers, percentages (0.5): the initial one is
    1 / leverage in one of the two. The lowest step may leave its deduction empty.
    """
    if row.get("symbol") != listing.market_id:
        raise VenueUnavailable(f"{what}: the answer is of {row.get('symbol')}")
    leverage, initial = positive(row, "maxLeverage", what), positive(row, "initialMargin", what)
    unit = next((u for u in RATE_UNITS if abs(initial * leverage / u - 1) <= RATE_UNIT_GAP_MAX), None)
    if unit is None:
        raise VenueUnavailable(f"{what}: an initial margin of {initial} at a leverage of {leverage}")
    lowest = number(row, "isLowestRisk", what) == 1
    deduction = maybe_number(row, "mmDeduction", what)
    if deduction is None and not lowest:
        raise VenueUnavailable(f"{what}: no mmDeduction")
    return MarginTier(
        notional_max=positive(row, "riskLimitValue", what),
        rate=positive(row, "maintenanceMargin", what) / unit,
        deduction=deduction or ZERO,
        leverage_max=leverage,
    )


def only_of(rows: list[dict[str, Any]], listing: Listing, what: str) -> dict[str, Any]:
    """The only row, which must be of *listing*."""
    if len(rows) != 1 or rows[0].get("symbol") != listing.market_id:
        raise VenueUnavailable(f"{what}: the answer is of {[row.get('symbol') for row in rows]}")
    return rows[0]


def side_of(row: Mapping[str, Any], what: str) -> Side:
    """Buy or Sell; anything else is refused, not guessed."""
    side = SIDES.get(text(row, "side", what))
    if side is None:
        raise VenueUnavailable(f"{what}: side {row['side']!r} is neither Buy nor Sell")
    return side


# ---- the account


def is_of_hedge_mode(row: Mapping[str, Any]) -> bool:
    """Whether a row of ``position/list`` is one side of a contract in hedge mode."""
    what = f"position of {row.get('symbol')}"
    index = number(row, "positionIdx", what)
    if index != 0 and index not in HEDGE_SIDES:
        raise VenueUnavailable(f"{what}: positionIdx {index} is unknown")
    return index != 0


def position_of(
    row: Mapping[str, Any], market: MarketType, symbols: Mapping[str, str]
) -> SeenPosition | None:
    """A row of ``position/list``; *symbols* are unified by market id. None when it is flat."""
    what = f"position of {row.get('symbol')}"
    size = number(row, "size", what)
    if not size:
        return None
    if size < 0:
        raise VenueUnavailable(f"{what}: size {size} is below zero")
    side = side_of(row, what)
    if HEDGE_SIDES.get(number(row, "positionIdx", what), row["side"]) != row["side"]:
        raise VenueUnavailable(f"{what}: side {row['side']} at positionIdx {row['positionIdx']}")
    market_id, rank = text(row, "symbol", what), row.get("adlRankIndicator")
    return SeenPosition(
        position=Position(
            symbol=symbols.get(market_id, market_id),
            contracts=size if side == "buy" else -size,
            entry_price=positive(row, "avgPrice", what),
        ),
        notional=_notional_at_mark(row, market, what),
        liquidation_price=maybe_positive(row, "liqPrice", what),
        adl_rank=whole(row, "adlRankIndicator", what) if rank is not None else None,
    )


def _notional_at_mark(row: Mapping[str, Any], market: MarketType, what: str) -> Decimal | None:
    """
    The venue's ``positionValue``, which is at the average price, in the quote currency at the mark.

    linear: ``value / avg * mark``; inverse: the value is in coins, so ``value * avg`` dollars always.
    """
    value = maybe_positive(row, "positionValue", what)
    if value is None:
        return None
    average = positive(row, "avgPrice", what)
    return (
        value * average if market == "inverse" else value / average * positive(row, "markPrice", what)
    )


def open_order_of(row: Mapping[str, Any], symbols: Mapping[str, str]) -> OpenOrder:
    """A row of ``order/realtime``; *contracts* is what is left of it. Orders by hand have no own id."""
    what = f"open order {row.get('orderId')}"
    market_id = text(row, "symbol", what)
    return OpenOrder(
        symbol=symbols.get(market_id, market_id),
        side=side_of(row, what),
        contracts=number(row, "qty", what) - number(row, "cumExecQty", what),
        limit_price=number(row, "price", what),
        client_order_id=own_id_of(row, what),
        reduce_only=flag(row, "reduceOnly", what),
    )


def own_id_of(row: Mapping[str, Any], what: str) -> str:
    """Our id of an order; empty for one that was placed without, by hand or by the venue."""
    told = at(row, "orderLinkId", what)
    if not isinstance(told, str):
        raise VenueUnavailable(f"{what}: orderLinkId is no text")
    return told


# ---- orders


def request_of(listing: Listing, order: Order) -> dict[str, Any]:
    """
    The body of a price-capped order in one-way mode: immediate-or-cancel, or post-only.

    On a contract in hedge mode the venue refuses *positionIdx* 0.
    """
    return {
        "category": market_of(listing),
        "symbol": listing.market_id,
        "side": "Buy" if order.side == "buy" else "Sell",
        "orderType": "Limit",
        "qty": f"{order.contracts:f}",
        "price": f"{order.limit_price:f}",
        "timeInForce": POST_ONLY if order.post_only else "IOC",
        "positionIdx": 0,
        "orderLinkId": order.client_order_id,
        "reduceOnly": order.reduce_only,
    }


def check_taken(answer: Any, client_order_id: str) -> None:
    """
    The answer to a new order, which says only that the venue has taken it.

    Raises
    ------
    OutcomeUnknown
        When it does not even say that: no id, or another order's.
    """
    what = f"order {client_order_id}"
    try:
        row = result_of(answer, what)
        text(row, "orderId", what)
        told = text(row, "orderLinkId", what)
    except VenueUnavailable as error:
        raise OutcomeUnknown(str(error)) from None
    if told != client_order_id:
        raise OutcomeUnknown(f"{what}: the answer is of {told}")


def outcome_of(row: Mapping[str, Any], listing: Listing, client_order_id: str) -> Outcome:
    """
    What an order's row says became of it.

    Raises
    ------
    OutcomeUnknown
        When it says nothing certain: another order's id, or it is not over yet and does not rest
        post-only.
    """
    try:
        return _outcome_of(row, listing, client_order_id)
    except VenueUnavailable as error:
        raise OutcomeUnknown(str(error)) from None


def _outcome_of(row: Mapping[str, Any], listing: Listing, client_order_id: str) -> Outcome:
    what = f"order {client_order_id}"
    if text(row, "orderLinkId", what) != client_order_id:
        raise VenueUnavailable(f"{what}: the answer is of {row['orderLinkId']}")
    if text(row, "symbol", what) != listing.market_id:
        raise VenueUnavailable(f"{what}: the answer is of {row['symbol']}")
    text(row, "orderId", what)
    status = text(row, "orderStatus", what)
    rests = status in RESTS and row.get("timeInForce") == POST_ONLY
    if status not in OVER and not rests:
        raise VenueUnavailable(f"{what}: its status is {status}, and that is not its end")
    wanted, filled = positive(row, "qty", what), number(row, "cumExecQty", what)
    if not ZERO <= filled <= wanted or (status == "Filled") != (filled == wanted):
        raise VenueUnavailable(f"{what}: {filled} of {wanted} executed, and its status is {status}")
    why = row.get("rejectReason")
    return Outcome(
        client_order_id=client_order_id,
        symbol=listing.instrument.symbol,
        side=side_of(row, what),
        contracts=wanted,
        filled=filled,
        fill_price=positive(row, "avgPrice", what) if filled else None,
        fee=ZERO,
        status="resting" if rests else end_of(filled, wanted),
        reason="" if filled == wanted else f"the venue says {status}, {why or 'without a reason'}",
    )
