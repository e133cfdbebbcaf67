"""
Binance's answers as values of the core, and orders as its requests. Pure: rows in, values out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hedged.core.market import (
    ZERO,
    Instrument,
    Margin,
    MarginTier,
    OpenOrder,
    Position,
    Quote,
    Side,
)
from hedged.core.record import Outcome
from hedged.errors import OutcomeUnknown, VenueUnavailable
from hedged.venue.depth import depth_of
from hedged.venue.dialect import (
    Listing,
    ListingKind,
    SeenPosition,
)
from hedged.venue.outcomes import end_of
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

SIDES: Mapping[str, Side] = {"BUY": "buy", "SELL": "sell"}
RESTS = frozenset({"NEW", "PARTIALLY_FILLED"})
"""Where an order that is meant to rest is not over; of one that is not, it says nothing certain."""
POST_ONLY = "GTX"
OVER = frozenset({"FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH", "REJECTED"})
UNDERLYINGS = ("COIN", "INDEX")
"""Binance lists shares and commodities too, and ccxt makes ordinary swaps of them."""


def error_of(answer: Any) -> str | None:
    """The raw code of ``{"code": -2019, "msg": ...}``; success is 200, or has no code."""
    if isinstance(answer, dict) and "code" in answer and "msg" in answer:
        code = str(answer["code"])
        return None if code == "200" else code
    return None


def listing_of(market: Mapping[str, Any]) -> Listing | None:
    """A contract out of ccxt's market, None for what can't hedge."""
    info = table_of(market.get("info"), "market")
    if not market.get("linear") or not (market.get("swap") or market.get("future")):
        return None
    if info.get("underlyingType") not in UNDERLYINGS:
        return None
    what = f"market {market.get('symbol')}"
    limits, precision = table_of(market.get("limits"), what), table_of(market.get("precision"), what)
    amounts, costs = table_of(limits.get("amount"), what), table_of(limits.get("cost"), what)
    expires = info.get("contractType") not in ("PERPETUAL", "TRADIFI_PERPETUAL")
    lasting: ListingKind = "index" if info["underlyingType"] == "INDEX" else "perpetual"
    return Listing(
        instrument=Instrument(
            symbol=text(market, "symbol", what),
            base=text(market, "base", what),
            quote=text(market, "quote", what),
            settle=text(market, "settle", what),
            contract_multiplier=positive(market, "contractSize", what),
            lot=positive(precision, "amount", what),
            tick=positive(precision, "price", what),
            contracts_min=number(amounts, "min", what),
            notional_min=number(costs, "min", what),
            expiry=instant(market, "expiry", what) if expires else None,
        ),
        market_id=text(market, "id", what),
        kind="dated" if expires else lasting,
        active=market.get("active") is True,
        contracts_max=maybe_positive(amounts, "max", what),
    )


def quote_of(listing: Listing, premium: Any, book: Any) -> Quote:
    """From ``premiumIndex`` and ``ticker/bookTicker`` of one symbol."""
    what = f"bookTicker of {listing.market_id}"
    top = _row_of(listing, book, what)
    return replace(
        _marked(listing, premium),
        bid_price=maybe_positive(top, "bidPrice", what),
        ask_price=maybe_positive(top, "askPrice", what),
    )


def deep_quote_of(listing: Listing, premium: Any, book: Any) -> Quote:
    """From ``premiumIndex`` and ``depth`` of one symbol; ``depth`` does not say of which it is."""
    table = table_of(book, f"depth of {listing.market_id}")
    found = depth_of(table.get("bids"), table.get("asks"), listing.market_id)
    return replace(
        _marked(listing, premium),
        bid_price=found.bid_price,
        ask_price=found.ask_price,
        bid_depth=found.bid_depth,
        ask_depth=found.ask_depth,
    )


def _marked(listing: Listing, premium: Any) -> Quote:
    """
    The half of a quote that ``premiumIndex`` tells. Its ``lastFundingRate`` is the one that runs, to be
    settled at ``nextFundingTime``, whatever it is called.
    """
    what = f"premiumIndex of {listing.market_id}"
    row = _row_of(listing, premium, what)
    return Quote(
        symbol=listing.instrument.symbol,
        at=instant(row, "time", what),
        mark_price=positive(row, "markPrice", what),
        index_price=maybe_positive(row, "indexPrice", what),
        funding_rate_next=maybe_number(row, "lastFundingRate", what) if listing.funds else None,
    )


def _row_of(listing: Listing, answer: Any, what: str) -> dict[str, Any]:
    row = table_of(answer, what)
    if row.get("symbol") != listing.market_id:
        raise VenueUnavailable(f"{what}: the answer is of {row.get('symbol')}")
    return row


def tiers_of(listing: Listing, answer: Any) -> tuple[MarginTier, ...]:
    """
    From ``leverageBracket`` of one symbol, a row or a list of one; ``cum`` is the deduction.

    An account may have brackets of its own, ``notionalCoef`` times the usual ones. Whether the caps
    are multiplied already is not documented; with 1 or more they are at least not too wide as they
    stand, and below 1 they are refused.
    """
    what = f"leverageBracket of {listing.market_id}"
    rows = rows_of(answer if isinstance(answer, list) else [answer], what)
    if len(rows) != 1:
        raise VenueUnavailable(f"{what}: {len(rows)} answers")
    row = _row_of(listing, rows[0], what)
    times = maybe_number(row, "notionalCoef", what)
    if times is not None and times < 1:
        raise VenueUnavailable(f"{what}: the brackets are {times} times the usual ones")
    return tuple(
        MarginTier(
            notional_max=positive(one, "notionalCap", what),
            rate=positive(one, "maintMarginRatio", what),
            deduction=number(one, "cum", what),
            leverage_max=positive(one, "initialLeverage", what),
        )
        for one in rows_of(at(row, "brackets", what), what)
    )


def margin_of(account: Any, settle: str) -> Margin:
    """The row of *settle* in ``v3/account``."""
    table = table_of(account, "futures account")
    assets = rows_of(at(table, "assets", "futures account"), "futures account assets")
    for row in assets:
        if row.get("asset") == settle:
            what = f"futures account, {settle}"
            return Margin(
                wallet_balance=number(row, "walletBalance", what),
                equity=number(row, "marginBalance", what),
                maintenance_margin=number(row, "maintMargin", what),
            )
    raise VenueUnavailable(f"futures account: no asset {settle}")


def position_of(row: Mapping[str, Any], symbols: Mapping[str, str]) -> SeenPosition | None:
    """A row of ``v3/positionRisk``; *symbols* are unified by market id. None when it is flat."""
    what = f"position of {row.get('symbol')}"
    contracts = _contracts_of(row, what)
    if not contracts:
        return None
    rank = row.get("adl")
    return SeenPosition(
        position=Position(
            symbol=symbols.get(text(row, "symbol", what), text(row, "symbol", what)),
            contracts=contracts,
            entry_price=number(row, "entryPrice", what),
        ),
        notional=abs(number(row, "notional", what)),
        liquidation_price=maybe_positive(row, "liquidationPrice", what),
        adl_rank=whole(row, "adl", what) if rank is not None else None,
    )


def coin_position_of(row: Mapping[str, Any]) -> Position | None:
    """A row of COIN-M's ``positionRisk``, by the venue's own name. None when it is flat."""
    what = f"coin-m position of {row.get('symbol')}"
    contracts = _contracts_of(row, what)
    if not contracts:
        return None
    return Position(
        symbol=text(row, "symbol", what),
        contracts=contracts,
        entry_price=number(row, "entryPrice", what),
    )


def _contracts_of(row: Mapping[str, Any], what: str) -> Decimal:
    """Signed, in one-way mode and in hedge mode."""
    contracts = number(row, "positionAmt", what)
    if not contracts:
        return contracts
    side = text(row, "positionSide", what)
    if side not in ("BOTH", "LONG", "SHORT") or ((side == "LONG") and contracts < 0):
        raise VenueUnavailable(f"{what}: positionSide {side} with {contracts}")
    return -abs(contracts) if side == "SHORT" else contracts


def open_order_of(row: Mapping[str, Any], symbols: Mapping[str, str]) -> OpenOrder:
    """A row of ``openOrders``; *contracts* is what is left of it."""
    what = f"open order {row.get('orderId')}"
    market_id = text(row, "symbol", what)
    return OpenOrder(
        symbol=symbols.get(market_id, market_id),
        side=side_of(row, what),
        contracts=number(row, "origQty", what) - number(row, "executedQty", what),
        limit_price=number(row, "price", what),
        client_order_id=text(row, "clientOrderId", what),
        reduce_only=flag(row, "reduceOnly", what),
    )


def side_of(row: Mapping[str, Any], what: str) -> Side:
    """BUY or SELL; anything else is refused, not guessed."""
    side = SIDES.get(text(row, "side", what))
    if side is None:
        raise VenueUnavailable(f"{what}: side {row['side']!r} is neither BUY nor SELL")
    return side


# ---- orders


def request_of(listing: Listing, order: Order) -> dict[str, str]:
    """
    The body of a price-capped order in one-way mode: immediate-or-cancel, or post-only (GTX).

    Without *positionSide*: on an account in hedge mode the venue refuses it.
    """
    request = {
        "symbol": listing.market_id,
        "side": "BUY" if order.side == "buy" else "SELL",
        "type": "LIMIT",
        "timeInForce": POST_ONLY if order.post_only else "IOC",
        "quantity": f"{order.contracts:f}",
        "price": f"{order.limit_price:f}",
        "newClientOrderId": order.client_order_id,
        "newOrderRespType": "RESULT",
    }
    return request | ({"reduceOnly": "true"} if order.reduce_only else {})


def outcome_of(answer: Any, listing: Listing, client_order_id: str) -> Outcome:
    """
    What an order's row says became of it.

    Raises
    ------
    OutcomeUnknown
        When it says nothing certain: no id, another order's id, or it is not over yet and does not
        rest post-only.
    """
    try:
        return _outcome_of(table_of(answer, "order"), listing, client_order_id)
    except VenueUnavailable as error:
        raise OutcomeUnknown(str(error)) from None


def _outcome_of(row: dict[str, Any], listing: Listing, client_order_id: str) -> Outcome:
    what = f"order {client_order_id}"
    if text(row, "clientOrderId", what) != client_order_id:
        raise VenueUnavailable(f"{what}: the answer is of {row['clientOrderId']}")
    if text(row, "symbol", what) != listing.market_id:
        raise VenueUnavailable(f"{what}: the answer is of {row['symbol']}")
    text(row, "orderId", what)
    status = text(row, "status", what)
    rests = status in RESTS and row.get("timeInForce") == POST_ONLY
    if status not in OVER and not rests:
        raise VenueUnavailable(f"{what}: its status is {status}, and that is not its end")
    wanted, filled = positive(row, "origQty", what), number(row, "executedQty", what)
    if not ZERO <= filled <= wanted or (status == "FILLED") != (filled == wanted):
        raise VenueUnavailable(f"{what}: {filled} of {wanted} executed, and its status is {status}")
    return Outcome(
        client_order_id=client_order_id,
        symbol=listing.instrument.symbol,
        side=side_of(row, what),
        contracts=wanted,
        filled=filled,
        fill_price=positive(row, "avgPrice", what) if filled else None,
        fee=ZERO,
        status="resting" if rests else end_of(filled, wanted),
        reason="" if filled == wanted else f"the venue says {status}",
    )
