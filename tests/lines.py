"""The daemon's own lines to a loopback exchange: a wire, an exchange, an account, a portfolio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from exchange.clocks import Stopped
from exchange.server import Server
from exchange.state import Side, Ticket
from exchange.venue import KEY, SECRET, Venue
from hedged.venue.accounts import Account, Wanted
from hedged.venue.book import Book
from hedged.venue.budget import Budgets
from hedged.venue.dialect import Dialect
from hedged.venue.exchange import Exchange
from hedged.venue.holdings import LivePortfolio, StatedHolding
from hedged.venue.keys import always
from hedged.venue.ledger import Ledger
from hedged.venue.live import LiveVenue
from hedged.venue.opening import DIALECTS
from hedged.venue.protocol import Order
from hedged.venue.wire import Credentials, Wire

ORDER_PLACED = ("POST /fapi/v1/order", "POST /v5/order/create")
D = Decimal
BTC = "BTC/USDT:USDT"
ETH = "ETH/USDT:USDT"
BTC_ID, ETH_ID = "BTCUSDT", "ETHUSDT"
"""As the exchanges call them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One loopback exchange and what speaks to it; *allowed* are the ids that may be sent."""

    venue: Venue
    clock: Stopped
    dialect: Dialect
    public: Wire
    private: Wire
    exchange: Exchange
    allowed: set[str]

    def account(self, *legs: str, name: str = "main", **wanted: object) -> Account:
        """The account with its key."""
        return Account(
            name=name,
            exchange=self.exchange,
            wire=self.private,
            legs=frozenset(legs),
            wanted=Wanted(**wanted),  # type: ignore[arg-type]
        )

    def asked(self) -> list[str]:
        """Method and path of every request, in order."""
        return [f"{one.call.method} {one.call.path}" for one in self.venue.recorder.all]

    def orders_sent(self) -> int:
        """How many requests to place an order the exchange has seen."""
        return sum(one in ORDER_PLACED for one in self.asked())


@asynccontextmanager
async def linked(
    venue: Venue,
    *,
    permit: Callable[[str, datetime], bool] | None = None,
    secret: str = SECRET,
    ahead_s: float | Callable[[], float] = 0,
    limit_times: float = 1,
) -> AsyncIterator[Line]:
    """
    Speak to *venue* over sockets, on a clock that is *ahead_s* seconds ahead of its own, with a
    request budget of *limit_times* the real one.
    """
    clock = venue.engine.clock
    assert isinstance(clock, Stopped)
    dialect = DIALECTS[venue.engine.rules.venue]
    allowed: set[str] = set()
    clock.step(minutes=1)  # what opened the account lies in the past

    def local() -> datetime:
        return clock() + timedelta(seconds=ahead_s() if callable(ahead_s) else ahead_s)

    async def at_once(seconds: float) -> None:
        clock.step(seconds=seconds)

    async with Server(venue) as server:
        budgets = Budgets(clock.seconds, at_once)
        limits = {host: most * limit_times for host, most in dialect.speech.weight_limits.items()}
        speech = replace(dialect.speech, weight_limits=limits)
        public = Wire(speech, budgets, local, endpoint=server.url)
        private = Wire(
            speech,
            budgets,
            local,
            endpoint=server.url,
            credentials=Credentials(api_key=KEY, api_secret=secret),
            permit=permit or (lambda id_, _at: id_ in allowed),
        )
        exchange = Exchange(venue.engine.rules.venue, dialect, public, local)
        try:
            yield Line(
                venue=venue,
                clock=clock,
                dialect=dialect,
                public=public,
                private=private,
                exchange=exchange,
                allowed=allowed,
            )
        finally:
            await public.close()
            await private.close()


def portfolio(
    line: Line,
    folder: Path,
    *legs: str,
    stated: tuple[StatedHolding, ...] = (),
    sources: bool = True,
    accept_positions: bool = False,
    may_change: Callable[[], bool] = always,
    **wanted: object,
) -> LiveVenue:
    """A portfolio hedged with *legs* on the account, whose coins it protects."""
    hedge = line.account(*(legs or (BTC,)), **wanted)
    return LiveVenue(
        LivePortfolio(name="p", account="main", numeraire="USDT", stated=stated),
        (hedge,),
        (line.account(),) if sources else (),
        Book(Ledger(folder / "book.sqlite", read_only=False)),
        line.exchange._clock,
        accept_positions=accept_positions,
        may_change=may_change,
    )


def order(
    client_order_id: str,
    side: Side = "sell",
    contracts: str = "0.1",
    limit: str | None = None,
    symbol: str = BTC,
    *,
    reduce_only: bool = False,
) -> Order:
    """A price-capped order near 60,000."""
    return Order(
        client_order_id=client_order_id,
        symbol=symbol,
        side=side,
        contracts=Decimal(contracts),
        limit_price=Decimal(limit or ("59700" if side == "sell" else "60300")),
        reduce_only=reduce_only,
    )


def later(line: Line, **by: float) -> datetime:
    """The venue's time after a while."""
    line.clock.step(**by)
    return line.clock()


def trade_by_hand(line: Line, side: Side, contracts: str, symbol: str = BTC_ID) -> None:
    """A person trades past us, at the market."""
    line.venue.engine.manual(
        Ticket(symbol=symbol, side=side, quantity=Decimal(contracts), kind="market")
    )


def rest(line: Line, price: str, client_order_id: str = "by-hand", symbol: str = BTC_ID) -> None:
    """An order to sell that rests above the market."""
    line.venue.engine.place(
        Ticket(
            symbol=symbol,
            side="sell",
            quantity=Decimal("0.1"),
            price=Decimal(price),
            client_order_id=client_order_id,
        )
    )
