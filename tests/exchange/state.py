"""
The state of a loopback exchange as plain values: orders, fills, positions, markets, the ledger.

`State.copy` is cheap, so a state of some seconds ago can be answered again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal

from exchange.instruments import Contract
from exchange.tape import Tape

Side = Literal["buy", "sell"]
Slot = Literal["BOTH", "LONG", "SHORT"]
Kind = Literal["limit", "market"]
TimeInForce = Literal["GTC", "IOC", "FOK", "POST"]
Cause = Literal["order", "manual", "liquidation", "adl", "delivery"]
Status = Literal["new", "partial", "filled", "canceled", "expired", "rejected"]
Level = tuple[Decimal, Decimal]

ZERO = Decimal(0)
OPEN: tuple[Status, ...] = ("new", "partial")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """An order as asked for. *slot* is the position it is for: BOTH in one-way mode."""

    symbol: str
    side: Side
    quantity: Decimal
    kind: Kind = "limit"
    price: Decimal | None = None
    time_in_force: TimeInForce = "GTC"
    reduce_only: bool = False
    slot: Slot = "BOTH"
    client_order_id: str = ""
    cause: Cause = "order"


@dataclass(slots=True, kw_only=True)
class Order:
    """
    An order the exchange has taken; *cost* is what has filled, in the settle coin.

    *note* says why it ended without filling, if it did.
    """

    id: int
    ticket: Ticket
    quantity: Decimal
    created_at: datetime
    updated_at: datetime
    filled: Decimal = ZERO
    cost: Decimal = ZERO
    fee: Decimal = ZERO
    status: Status = "new"
    note: str = ""

    @property
    def open(self) -> bool:
        return self.status in OPEN

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.filled


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One trade of the account; *fee* positive when paid, *realised* before it, both in *coin*."""

    id: int
    order_id: int
    at: datetime
    symbol: str
    side: Side
    slot: Slot
    quantity: Decimal
    price: Decimal
    mark_price: Decimal
    fee: Decimal
    fee_rate: Decimal
    realised: Decimal
    coin: str
    maker: bool
    client_order_id: str
    cause: Cause
    closed: Decimal
    size_after: Decimal

    @property
    def signed(self) -> Decimal:
        return self.quantity if self.side == "buy" else -self.quantity


EntryKind = Literal["transfer", "realised", "fee", "funding", "insurance", "delivery"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A change of a wallet; *amount* is signed, positive when it came in."""

    id: int
    at: datetime
    kind: EntryKind
    coin: str
    amount: Decimal
    balance: Decimal
    symbol: str = ""
    fill_id: int | None = None
    order_id: int | None = None
    rate: Decimal = ZERO
    price: Decimal = ZERO
    quantity: Decimal = ZERO
    source: str = ""


@dataclass(slots=True, kw_only=True)
class Position:
    """What is held in one slot; *quantity* is signed in every mode, *isolated* its own margin."""

    symbol: str
    slot: Slot
    quantity: Decimal = ZERO
    entry_price: Decimal = ZERO
    isolated: Decimal = ZERO
    realised: Decimal = ZERO
    opened_at: datetime | None = None
    updated_at: datetime | None = None
    adl_rank: int = 1


@dataclass(slots=True, kw_only=True)
class Book:
    """Others' orders, best first. A book that *refills* is whole again after every order of ours."""

    bids: list[Level] = field(default_factory=list)
    asks: list[Level] = field(default_factory=list)
    refills: bool = False
    update_id: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingRate:
    """A settled rate of a perpetual."""

    at: datetime
    rate: Decimal
    mark_price: Decimal


@dataclass(slots=True, kw_only=True)
class Market:
    """Everything public about one contract."""

    contract: Contract
    mark: Decimal
    index: Decimal
    last: Decimal
    funding_due: datetime
    book: Book = field(default_factory=Book)
    funding_rate: Decimal = Decimal("0.0001")
    funding: list[FundingRate] = field(default_factory=list)
    open_interest: Decimal = Decimal(80_000)
    open_interests: list[tuple[datetime, Decimal]] = field(default_factory=list)
    trading: bool = True
    delivery_price: Decimal | None = None
    tapes: dict[str, Tape] = field(
        default_factory=lambda: {k: Tape() for k in ("last", "mark", "index")}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Money moved between the account's own wallets."""

    id: int
    at: datetime
    coin: str
    amount: Decimal
    source: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Earn:
    """A coin lent to the venue: flexible, or locked."""

    coin: str
    amount: Decimal
    locked: bool = False


@dataclass(slots=True, kw_only=True)
class State:
    """All that changes."""

    markets: dict[str, Market]
    spot_prices: dict[str, Decimal] = field(default_factory=dict)
    wallets: dict[str, Decimal] = field(default_factory=dict)
    spot: dict[str, Decimal] = field(default_factory=dict)
    coin_margin: dict[str, Decimal] = field(default_factory=dict)
    """Margin balances of Binance's COIN-M account."""
    coin_positions: dict[str, Decimal] = field(default_factory=dict)
    """Contracts held there, signed, by name: `BTCUSD_PERP`."""
    spot_locked: dict[str, Decimal] = field(default_factory=dict)
    funding_wallet: dict[str, Decimal] = field(default_factory=dict)
    earn: list[Earn] = field(default_factory=list)
    positions: dict[tuple[str, Slot], Position] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    leverage: dict[str, int] = field(default_factory=dict)
    isolated: set[str] = field(default_factory=set)
    hedge_mode: bool = False
    hedge_symbols: set[str] = field(default_factory=set)
    serial: int = 0
    place: int = 0
    """Which of the dialect's accounts this is: its number is that of the first, and so many more."""

    def copy(self) -> State:
        """A state of its own: values that never change are shared, the others copied."""
        return replace(
            self,
            markets={symbol: _market(market) for symbol, market in self.markets.items()},
            spot_prices=dict(self.spot_prices),
            wallets=dict(self.wallets),
            spot=dict(self.spot),
            coin_margin=dict(self.coin_margin),
            coin_positions=dict(self.coin_positions),
            spot_locked=dict(self.spot_locked),
            funding_wallet=dict(self.funding_wallet),
            earn=list(self.earn),
            positions={key: replace(position) for key, position in self.positions.items()},
            orders={number: replace(order) for number, order in self.orders.items()},
            fills=list(self.fills),
            entries=list(self.entries),
            transfers=list(self.transfers),
            leverage=dict(self.leverage),
            isolated=set(self.isolated),
            hedge_symbols=set(self.hedge_symbols),
        )


def _market(market: Market) -> Market:
    return replace(
        market,
        book=replace(market.book, bids=list(market.book.bids), asks=list(market.book.asks)),
        funding=list(market.funding),
        open_interests=list(market.open_interests),
        tapes={name: tape.copy() for name, tape in market.tapes.items()},
    )
