"""
What a venue's translation must provide: which endpoints to ask, and what their answers mean.

A dialect holds no state and no figures of its own. Everything that an answer lacks or garbles is a
`VenueUnavailable` that names the field; it is never a zero, never flat, never no.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol

import polars as pl

from hedged.core.market import (
    Fill,
    Flow,
    FundingPayment,
    Instrument,
    Margin,
    MarginTier,
    OpenOrder,
    Position,
    Quote,
)
from hedged.core.metrics import Series
from hedged.core.metrics.vocabulary import Need
from hedged.core.record import Outcome
from hedged.venue.protocol import MarginMode, Order
from hedged.venue.wire import Speech, Wire

ListingKind = Literal["perpetual", "dated", "index"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """
    A contract that the venue lists: *market_id* is its own name for it, *active* whether it trades.

    *contracts_max* bounds one order. *pays_funding* is what the venue tells of it, None where only its
    type says so; see `lasting` for the kind.
    """

    instrument: Instrument
    market_id: str
    kind: ListingKind
    active: bool
    contracts_max: Decimal | None = None
    pays_funding: bool | None = None

    @property
    def funds(self) -> bool:
        """Whether funding is settled on it: as told, else as its kind has it."""
        return self.kind != "dated" if self.pays_funding is None else self.pays_funding


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """A coin that lies at the venue; *source* says where, such as ``spot`` or ``earn``."""

    asset: str
    quantity: Decimal
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPosition:
    """A position with what only the venue knows of it; *notional* is its own figure, unsigned."""

    position: Position
    notional: Decimal | None
    liquidation_price: Decimal | None
    adl_rank: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSeen:
    """
    The futures account, whole: every book. *margin* is in the settle currency, *collateral* are other
    coins that serve as margin.
    """

    margin: Margin
    positions: tuple[SeenPosition, ...]
    open_orders: tuple[OpenOrder, ...]
    hedge_mode: bool
    collateral: tuple[Balance, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """
    Something that happened to the account, under a *key* that the venue never uses twice.

    A fill's *value* lacks the mark and the index at its instant, which the account's reader adds.
    """

    at: datetime
    key: str
    value: Fill | FundingPayment | Flow


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """
    A trade of *symbol* of which it can't be read how it moved the position; *why* has the venue's own
    words. *at* is None where that can't be read either.
    """

    key: str
    symbol: str
    at: datetime | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """
    What the key may do; None where the venue does not tell.

    *may_trade* is of futures; a key that *only_reads* may trade nothing anywhere, and move nothing.
    """

    account_uid: str
    may_trade: bool
    may_withdraw: bool | None
    address_bound: bool | None
    only_reads: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolMode:
    """
    How the account trades one contract; *hedge_mode* where the venue tells it of each contract, and
    a flat account does not show it.
    """

    leverage: Decimal | None
    margin_mode: MarginMode | None
    hedge_mode: bool | None = None


class Dialect(Protocol):
    """One venue. Its methods ask; the functions beside them translate, and are pure."""

    speech: Speech
    unserved: frozenset[Need]
    """What metrics may need and the venue never serves."""
    unserved_inverse: frozenset[Need]
    """What it doesn't serve of inverse contracts besides."""
    bars: tuple[str, ...]
    """The lengths of its bars, the shortest first."""
    wallets_apart: bool
    """Whether futures have wallets of their own, which a key without the right to trade can't read."""
    tiers_by_account: bool
    """Whether the steps of margin are an account's own, and told to its key only."""

    margin_mode_of_account: bool
    """Whether the margin mode is one for the whole account, not one of each contract."""

    async def server_time(self, wire: Wire) -> datetime:
        """The venue's clock."""

    async def listings(self, wire: Wire) -> dict[str, Listing]:
        """Every contract that can hedge, by its unified symbol."""

    async def rights(self, wire: Wire) -> Rights:
        """What the key of *wire* may do."""

    async def quotes(
        self, wire: Wire, listings: tuple[Listing, ...], deep: frozenset[str]
    ) -> tuple[Quote, ...]:
        """Mark, index, best bid and ask, running funding of each; of the symbols *deep* also depth."""

    async def prices(self, wire: Wire, pairs: tuple[tuple[str, str], ...]) -> dict[str, Decimal]:
        """Spot prices by base asset of (base, quote) pairs; absent where the pair is not traded."""

    async def tiers(self, wire: Wire, listing: Listing) -> tuple[MarginTier, ...]:
        """The steps of maintenance margin as the venue lists them; empty where it tells none."""

    async def funding_hours(self, wire: Wire, listing: Listing) -> Decimal:
        """Hours between two fundings of a perpetual, today."""

    async def account(
        self, wire: Wire, listings: dict[str, Listing], settle: str, symbols: frozenset[str]
    ) -> AccountSeen:
        """Margin in *settle*, positions of all books, and the open orders of *symbols* at least."""

    async def collateral(self, wire: Wire) -> tuple[Balance, ...]:
        """
        All coins that lie in what `account` speaks of, its settle currency too: for an account that
        holds coins and does not hedge.
        """

    async def balances(
        self, wire: Wire, known: frozenset[str], *, futures: bool
    ) -> tuple[Balance, ...]:
        """
        All coins at the venue outside of `account`; *known* are the assets that exist. Without
        *futures*, where `wallets_apart`, also without those of other futures wallets.
        """

    async def other_positions(self, wire: Wire) -> tuple[Position, ...]:
        """
        What is held in books that `account` does not speak of, by the venue's own names: its margin is
        among `balances`, and no `Listing` is made of its contracts.
        """

    async def happenings(
        self,
        wire: Wire,
        listings: dict[str, Listing],
        symbols: frozenset[str],
        settle: str,
        since: datetime,
        until: datetime,
        known: Callable[[str], bool],
    ) -> tuple[Happening | Unread, ...]:
        """
        Fills of *symbols*, funding and transfers in *settle* from *since* on, in any order, maybe
        twice; what is *known* by its key may be left out. One event that can't be read fails nothing:
        it is told in part, or that it can't be.
        """

    async def marks_at(
        self, wire: Wire, listing: Listing, at: datetime
    ) -> tuple[Decimal | None, Decimal | None]:
        """Mark and index price of the minute of *at*; None where the venue has none of it."""

    async def series(
        self,
        wire: Wire,
        listing: Listing,
        series: Series,
        bar: str,
        after: datetime | None,
        until: datetime,
    ) -> pl.DataFrame:
        """Rows of *series* known in (after, until], as `SCHEMAS` has them; empty if never served."""

    async def mode(self, wire: Wire, listing: Listing) -> SymbolMode:
        """Leverage and margin mode of one contract."""

    async def set_leverage(self, wire: Wire, listing: Listing, leverage: Decimal) -> None:
        """
        Set the leverage of one contract.

        Raises
        ------
        VenueRefused
            When the venue says no.
        VenueUnavailable
            When nobody knows; `mode` does.
        """

    async def set_margin_mode(self, wire: Wire, listing: Listing, margin_mode: MarginMode) -> None:
        """Set the margin mode of one contract, or of the account; raises as `set_leverage`."""

    async def send(self, wire: Wire, listing: Listing, order: Order) -> Outcome:
        """
        Place *order*, once. The answer's fill is what it says; fees come with the fills.

        Raises
        ------
        VenueRefused
            When it certainly was not executed.
        OutcomeUnknown
            When nobody knows.
        """

    async def lookup(self, wire: Wire, listing: Listing, client_order_id: str) -> Outcome | None:
        """What became of an order, or None when the venue does not know it (now)."""

    async def trace(
        self, wire: Wire, listing: Listing, client_order_id: str, since: datetime
    ) -> Outcome | None:
        """As `lookup`, by another way: in the list of all orders that were made from *since* on."""

    async def cancel(self, wire: Wire, listing: Listing, client_order_id: str) -> None:
        """Take a resting order back; one that is gone is no error."""
