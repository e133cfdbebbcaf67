"""
The market's and the account's values, as the venue reported them at one instant.

Quantities, prices and notionals are `Decimal`; times are aware UTC; nothing here computes more
than a notional.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Literal, TypeVar

ZERO = Decimal(0)
OURS = "hdg"
"""Every order of ours has an id that begins so; others are never touched."""
DEPTH_BPS = Decimal(50)
"""How far from the middle of the book a quote's depth is counted."""
Side = Literal["buy", "sell"]
_T = TypeVar("_T", "Instrument", "Quote")


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginTier:
    """
    One step of a venue's maintenance table, for position notionals up to *notional_max*.

    ``maintenance = notional * rate - deduction`` (the deduction makes the steps meet).
    """

    notional_max: Decimal
    rate: Decimal
    deduction: Decimal
    leverage_max: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """
    A futures contract as the venue lists it.

    *contract_multiplier* is units of the base per contract (linear), or units of the quote per
    contract (inverse). *lot* is the step of an order in contracts, *tick* the step of a price.
    """

    symbol: str
    base: str
    quote: str
    settle: str
    contract_multiplier: Decimal
    lot: Decimal
    tick: Decimal
    contracts_min: Decimal
    notional_min: Decimal
    inverse: bool = False
    expiry: datetime | None = None
    tiers: tuple[MarginTier, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """
    Prices of one instrument at *at*; the index is None where the venue records none.

    *bid_depth* and *ask_depth* are contracts within `DEPTH_BPS` of the middle, as far down as the book
    was asked for: at least so many; None where it was not. *funding_rate_next* is the running rate of
    an interval that is not settled yet, of *funding_hours* hours.
    """

    symbol: str
    at: datetime
    mark_price: Decimal
    index_price: Decimal | None = None
    bid_price: Decimal | None = None
    ask_price: Decimal | None = None
    bid_depth: Decimal | None = None
    ask_depth: Decimal | None = None
    funding_rate_next: Decimal | None = None
    funding_hours: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """
    What the account holds of an instrument; *contracts* is signed, long positive.

    *liquidation_price* and *adl_rank* (0 lowest) are None where the venue does not tell them.
    """

    symbol: str
    contracts: Decimal
    entry_price: Decimal
    liquidation_price: Decimal | None = None
    adl_rank: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrder:
    """An order resting at the venue, ours or not."""

    symbol: str
    side: Side
    contracts: Decimal
    limit_price: Decimal
    client_order_id: str
    reduce_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """
    A coin that is to be protected.

    *mark_price* is in the numeraire, None if nobody quotes it; *price_symbol* is whose price that
    is, and *priced_at* of when. Both are None for the numeraire itself.
    """

    asset: str
    quantity: Decimal
    mark_price: Decimal | None
    source: str
    price_symbol: str | None = None
    priced_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """
    A trade of the account; *mark_price* and *index_price* are those at the trade's instant.

    What moves the position is always told. A price or a fee (in the settle currency) that the venue
    does not tell is None, and *untold* says which and why.
    """

    at: datetime
    symbol: str
    side: Side
    contracts: Decimal
    fill_price: Decimal | None
    mark_price: Decimal | None
    index_price: Decimal | None
    fee: Decimal | None
    client_order_id: str
    cause: Literal["order", "liquidation", "adl", "delivery"] = "order"
    untold: str = ""

    @property
    def signed_contracts(self) -> Decimal:
        return self.contracts if self.side == "buy" else -self.contracts


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingPayment:
    """
    A settled funding; *amount* is positive when the account received it.

    What the venue does not tell is None, and *untold* says what and why.
    """

    at: datetime
    symbol: str
    funding_rate: Decimal | None
    contracts: Decimal | None
    mark_price: Decimal | None
    amount: Decimal | None
    untold: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """
    Money moved into (positive) or out of the futures account.

    *untold* says why its amount is None, or why an amount that is told may be no flow.
    """

    at: datetime
    amount: Decimal | None
    untold: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """The futures account in its settle currency; equity includes unrealised profit and loss."""

    wallet_balance: Decimal
    equity: Decimal
    maintenance_margin: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountMargin:
    """One hedge account of several, in its settle currency; None where the venue does not tell."""

    account: str
    equity: Decimal | None
    maintenance_margin: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """
    Everything observed for one pass; complete, or never built.

    *margin* is of all hedge accounts together, *margins* of each; a venue with one account may leave
    *margins* out.

    *fills*, *funding_payments*, *flows* and *funding_missed* are the account's events after the
    cursor of the pass before; *cursor* is where the next pass goes on. *doubts* are reasons of the
    venue not to trade on this picture, complete as it is; *unexplained* are the contracts whose
    position is not what all fills make it, *misvalued* those whose position has another notional by
    the venue's own figure than by ours; *outdated* tells of holdings that a person counted too long
    ago to sell more against them. *by_hand* says that no order can be sent from here, so that a
    person trades what is approved.
    """

    at: datetime
    account: str
    numeraire: str
    holdings: tuple[Holding, ...]
    instruments: tuple[Instrument, ...]
    quotes: tuple[Quote, ...]
    positions: tuple[Position, ...]
    open_orders: tuple[OpenOrder, ...]
    margin: Margin
    cursor: int
    fills: tuple[Fill, ...] = ()
    funding_payments: tuple[FundingPayment, ...] = ()
    flows: tuple[Flow, ...] = ()
    funding_missed: int = 0
    doubts: tuple[str, ...] = ()
    unexplained: tuple[str, ...] = ()
    misvalued: tuple[str, ...] = ()
    by_hand: bool = False
    margins: tuple[AccountMargin, ...] = ()
    outdated: tuple[str, ...] = ()

    def instrument(self, symbol: str) -> Instrument:
        """The instrument of *symbol*. Raises `KeyError` when the venue did not report it."""
        return _one(self.instruments, symbol)

    def quote(self, symbol: str) -> Quote:
        """The quote of *symbol*. Raises `KeyError` when the venue did not report it."""
        return _one(self.quotes, symbol)

    @property
    def untold(self) -> tuple[str, ...]:
        """What the venue did not tell of the money in these events; no reason not to trade."""
        fills = (fill.untold for fill in self.fills)
        payments = (payment.untold for payment in self.funding_payments)
        flows = (flow.untold for flow in self.flows)
        return tuple(words for words in (*fills, *payments, *flows) if words)

    def held(self, symbol: str) -> Decimal:
        """Signed contracts held; a complete snapshot lists every open position, so absent is flat."""
        return sum((p.contracts for p in self.positions if p.symbol == symbol), ZERO)


def _one(values: tuple[_T, ...], symbol: str) -> _T:
    for value in values:
        if value.symbol == symbol:
            return value
    raise KeyError(symbol)


def notional(instrument: Instrument, contracts: Decimal, price: Decimal) -> Decimal:
    """
    Value of *contracts* in the quote currency, signed like them.

    linear: ``contracts * multiplier * price``; inverse: ``contracts * contract value``.
    1.25 contracts of $100 a point at 2,000 points: 1.25 * 100 * 2,000 = $250,000 (2.3).
    """
    if instrument.inverse:
        return contracts * instrument.contract_multiplier
    return contracts * instrument.contract_multiplier * price


def contracts_of(instrument: Instrument, value: Decimal, price: Decimal) -> Decimal:
    """
    Contracts whose notional is *value*, not yet on the lot grid: the inverse of `notional`.

    $250,000 at 2,000 points of $100: 1.25 contracts (2.3).
    """
    return value / notional(instrument, Decimal(1), price)


def to_lot(contracts: Decimal, lot: Decimal) -> Decimal:
    """Round toward zero to a multiple of *lot*: 1.25 on whole lots is 1; -1.25 is -1."""
    return (contracts / lot).to_integral_value(rounding=ROUND_DOWN) * lot


def to_tick(price: Decimal, tick: Decimal, rounding: str) -> Decimal:
    """Round *price* to a multiple of *tick* with one of `decimal`'s rounding modes."""
    return (price / tick).to_integral_value(rounding=rounding) * tick
