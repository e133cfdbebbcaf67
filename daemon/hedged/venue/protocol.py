"""
What a venue must answer. Two protocols: a `Market` speaks of prices, a `Venue` also of an account.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol

import polars as pl

from hedged.core.market import Instrument, Quote, Side, Snapshot
from hedged.core.metrics import Series
from hedged.core.record import Outcome
from hedged.core.resolution import Absence

MarginMode = Literal["cross", "isolated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A price-capped order under our own id: it takes at once (IOC), or only rests (post-only)."""

    client_order_id: str
    symbol: str
    side: Side
    contracts: Decimal
    limit_price: Decimal
    reduce_only: bool
    post_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trading:
    """
    What an order sent now meets.

    On recorded history that is the bar after the last closed one, whose open is its *mark_price*; on a
    live market the book, with *bid_price* and *ask_price*. *volume*, in coins of the base, bounds what
    may be taken from *since* on.
    """

    since: datetime
    mark_price: Decimal
    index_price: Decimal | None
    volume: Decimal
    bid_price: Decimal | None = None
    ask_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedBar:
    """The prices of a closed bar that an account on paper needs."""

    close_time: datetime
    high: Decimal
    close: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledFunding:
    """A funding stamp; the rate is None where the stamp is due and nothing was recorded."""

    at: datetime
    funding_rate: Decimal | None


class Market(Protocol):
    """Public prices, by symbol; times are the market's own."""

    async def refresh(self, symbols: Iterable[str], now: datetime, since: datetime | None) -> None:
        """
        Look again at *symbols*: what is *now*, and what happened after *since* (None: nothing matters).

        The other methods answer from what was seen here.

        Raises
        ------
        VenueUnavailable
            When any part of it is missing or can't be understood.
        """

    def known_until(self, now: datetime) -> datetime:
        """Up to when everything is known that happened by *now*: bars closed, funding settled."""

    def instruments(self) -> tuple[Instrument, ...]:
        """The contracts as the venue lists them; empty where the settings state them."""

    def quote(self, symbol: str, now: datetime) -> Quote | None:
        """The last price known at *now*; None when there is none, or none fresh enough."""

    def close_at(self, symbol: str, at: datetime) -> Decimal | None:
        """The last close at or before *at*."""

    def trading(self, symbol: str, now: datetime) -> Trading | None:
        """What an order sent at *now* meets; None when nothing trades."""

    def closed_bars(self, symbol: str, after: datetime, until: datetime) -> list[ClosedBar]:
        """Bars that closed in (after, until]."""

    def funding(self, symbol: str, after: datetime, until: datetime) -> list[SettledFunding]:
        """Every funding stamp due in (after, until]."""

    async def series(
        self, symbol: str, series: Series, bar: str, after: datetime | None, until: datetime
    ) -> pl.DataFrame:
        """Rows of *series* known in (after, until], as `SCHEMAS` has them, in any order."""


class Venue(Protocol):
    """One futures account at one venue, and the market around it."""

    absence_is_proof: bool
    """Whether an order that the venue does not know has certainly never reached it."""

    async def observe(self, now: datetime, *, after: int) -> Snapshot:
        """
        Everything, complete, with the account's events after the cursor *after*.

        Raises
        ------
        VenueUnavailable
            When any part of it is missing or can't be understood.
        """

    async def series(
        self, symbol: str, series: Series, bar: str, after: datetime | None, until: datetime
    ) -> pl.DataFrame:
        """See `Market.series`."""

    async def send(self, order: Order) -> Outcome:
        """
        Send *order*, once.

        Raises
        ------
        VenueRefused
            When it certainly was not executed.
        OutcomeUnknown
            When nobody knows.
        """

    async def lookup(self, client_order_id: str, symbol: str) -> Outcome | None:
        """What became of an order, or None when the venue does not know it."""

    async def seek(self, client_order_id: str, symbol: str, since: datetime) -> Outcome | Absence:
        """
        What became of an order that was signed at *since*, looked for by every way there is.

        Raises
        ------
        VenueUnavailable
            When the venue does not answer, or the order is not over yet and does not rest.
        """

    async def cancel(self, client_order_id: str, symbol: str) -> None:
        """
        Take a resting order back; one that is gone is no error. Its end is for `seek` to tell: it may
        have filled meanwhile.

        Raises
        ------
        VenueUnavailable
            When the venue does not say yes.
        """

    async def close(self) -> None:
        """Let go of files and sockets."""
