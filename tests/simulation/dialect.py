"""
A venue's language that needs no translation: the engine's values become the core's, without JSON.

`SimulatedWire` is the real `Wire` (its permit, its budget, its boundary), with a network in the place
of ccxt. `Simulated` is a `Dialect` on top of it, of what `simulation.answers` says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import polars as pl

from exchange import state
from hedged.core.market import (
    Fill,
    Flow,
    FundingPayment,
    MarginTier,
    Position,
    Quote,
)
from hedged.core.metrics import Series
from hedged.core.metrics.history import SCHEMAS
from hedged.core.record import Outcome
from hedged.errors import OutcomeUnknown, VenueUnavailable
from hedged.logs import Redactor
from hedged.venue.budget import Budgets
from hedged.venue.dialect import (
    AccountSeen,
    Balance,
    Happening,
    Listing,
    Rights,
    SymbolMode,
)
from hedged.venue.outcomes import raised
from hedged.venue.protocol import MarginMode, Order
from hedged.venue.wire import AT_ONCE, Answered, Permit, Speech, Wire
from simulation.network import Network

HOST = "exchange"
SPEECH = Speech(
    ccxt_id="simulated",
    weight_limits={HOST: 2400.0},
    weight_window_s=60,
    error_of=lambda answer: answer,  # what `_request` hands to `_heard` is the code itself
    used_of=lambda headers: None,
    weighs=False,
    listed_by=(),
)
OUTCOMES: dict[tuple[Any, str], Any] = {
    ("linear", reason): "rejected"
    for reason in (
        "recv_window", "too_many", "banned", "margin", "quantity_zero", "quantity_step", "quantity_min",
        "quantity_max", "price_zero", "price_step", "price_high", "price_low", "notional_min",
        "position_side", "reduce_only", "not_trading", "unknown_symbol", "position_max",
    )
} | {("linear", "client_id_known"): "landed"}  # fmt: skip
CAUSES: dict[str, Any] = {"order": "order", "manual": "order"}


class Broken(BaseException):
    """The simulation is not what the daemon needs (any more); nothing may take it for a bad network."""


class SimulatedWire(Wire):
    """The real wire, but for ccxt and its sockets."""

    def __init__(
        self,
        network: Network,
        budgets: Budgets,
        clock: Callable[[], datetime],
        permit: Permit | None,
        visit: Callable[[str], None],
    ) -> None:
        self.speech = SPEECH
        self.requests = 0
        self.now = clock
        self._permit = permit
        self._budgets = budgets
        self._redact = Redactor(())
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._http = None
        self._network = network
        self._visit = visit
        self._exchange = SimpleNamespace(request=self._request, options={"timeDifference": 0})

    async def _open(self) -> None:
        """There is nothing to open."""

    def _entry(self, endpoint: str) -> Any:
        return SimpleNamespace(path=endpoint, api="", method="GET", config={})

    def _url(self, entry: Any) -> str:
        return f"https://{HOST}"

    def _overheard(self, error: Answered, url: str, told: dict[str, str]) -> None:
        """What the real wire hears of an answer; it raises it again."""
        try:
            self._heard(error.status, url, told, error.text, error.code)
        except Answered:
            raise
        except Exception as broken:
            raise Broken(repr(broken)) from broken

    async def _request(self, path: str, _api: str, _method: str, params: Any, _config: Any) -> Any:
        self._visit(f"before {path}")
        signed_at = self.now() - timedelta(milliseconds=self._exchange.options["timeDifference"])
        try:
            answer = await self._network.carry(path, params, signed_at)
        except Answered as error:
            self._visit(f"after {path}")
            wait_s = {429: "30", 418: "120"}.get(error.status)
            told = {"Retry-After": wait_s} if wait_s else {}
            self._overheard(error, f"https://{HOST}/{path}", told)
            raise
        self._visit(f"after {path}")
        return answer


class Simulated:
    """The `Dialect`."""

    speech = SPEECH
    unserved: frozenset[Any] = frozenset()
    unserved_inverse: frozenset[Any] = frozenset()
    bars = ("1h", "1d")
    wallets_apart = True
    tiers_by_account = True
    margin_mode_of_account = False

    async def server_time(self, wire: Wire) -> datetime:
        found: datetime = await wire.read("time")
        return found

    async def listings(self, wire: Wire) -> dict[str, Listing]:
        found: dict[str, Listing] = await wire.read("listings")
        return found

    async def rights(self, wire: Wire) -> Rights:
        found: Rights = await wire.read("rights")
        return found

    async def quotes(
        self, wire: Wire, listings: tuple[Listing, ...], deep: frozenset[str]
    ) -> tuple[Quote, ...]:
        asked = {"market_ids": tuple(one.market_id for one in listings), "deep": deep}
        found = await wire.read("quotes", asked)
        if None in found:
            raise VenueUnavailable("quote: markPrice is missing")
        return tuple(found)

    async def prices(self, wire: Wire, pairs: tuple[tuple[str, str], ...]) -> dict[str, Decimal]:
        if not pairs:
            return {}
        found: dict[str, Decimal] = await wire.read("prices", {"pairs": pairs})
        return found

    async def account(
        self, wire: Wire, listings: dict[str, Listing], settle: str, symbols: frozenset[str]
    ) -> AccountSeen:
        ids = tuple(listings[symbol].market_id for symbol in sorted(symbols & listings.keys()))
        (margin, hedge_mode), positions, orders = await asyncio.gather(
            wire.read("margin"), wire.read("positions"), wire.read("open_orders", {"market_ids": ids})
        )
        return AccountSeen(
            margin=margin,
            positions=positions,
            open_orders=orders,
            hedge_mode=hedge_mode,
            collateral=(),
        )

    async def collateral(self, wire: Wire) -> tuple[Balance, ...]:
        return ()

    async def balances(
        self, wire: Wire, known: frozenset[str], *, futures: bool
    ) -> tuple[Balance, ...]:
        found: tuple[Balance, ...] = await wire.read("balances")
        return found

    async def other_positions(self, wire: Wire) -> tuple[Position, ...]:
        return ()

    async def happenings(
        self,
        wire: Wire,
        listings: dict[str, Listing],
        symbols: frozenset[str],
        settle: str,
        since: datetime,
        until: datetime,
        known: Callable[[str], bool],
    ) -> tuple[Happening, ...]:
        named = {listings[symbol].market_id: symbol for symbol in sorted(symbols)}
        *pages, incomes = await asyncio.gather(
            *(wire.read("fills", {"market_id": one, "since": since, "until": until}) for one in named),
            wire.read("incomes", {"since": since}),
        )
        fills = [_fill(fill, named[fill.symbol]) for page in pages for fill in page]
        money = [_income(entry, named) for entry in incomes if entry.coin == settle]
        return tuple(one for one in (*fills, *money) if one is not None)

    async def marks_at(
        self, wire: Wire, listing: Listing, at: datetime
    ) -> tuple[Decimal, Decimal | None]:
        found = await wire.read("marks", {"market_id": listing.market_id, "at": at})
        if found is None:
            raise VenueUnavailable(f"no mark price of {listing.market_id} at {at:%H:%M}")
        return found[0], found[1]

    async def series(
        self,
        wire: Wire,
        listing: Listing,
        series: Series,
        bar: str,
        after: datetime | None,
        until: datetime,
    ) -> pl.DataFrame:
        rows: list[dict[str, Any]] = []
        if series in ("bars", "funding"):
            asked = {"market_id": listing.market_id, "after": after, "until": until}
            rows = await wire.read(series, asked)
        return pl.DataFrame(rows, schema=SCHEMAS[series], orient="row")

    async def mode(self, wire: Wire, listing: Listing) -> SymbolMode:
        found: SymbolMode = await wire.read("mode", {"market_id": listing.market_id})
        return found

    async def tiers(self, wire: Wire, listing: Listing) -> tuple[MarginTier, ...]:
        found: tuple[MarginTier, ...] = await wire.read("tiers", {"market_id": listing.market_id})
        return found

    async def funding_hours(self, wire: Wire, listing: Listing) -> Decimal:
        return Decimal(8)

    async def set_leverage(self, wire: Wire, listing: Listing, leverage: Decimal) -> None:
        asked = {"market_id": listing.market_id, "leverage": leverage}
        await wire.adjust("set_leverage", asked)

    async def set_margin_mode(self, wire: Wire, listing: Listing, margin_mode: MarginMode) -> None:
        asked = {"market_id": listing.market_id, "margin_mode": margin_mode}
        await wire.adjust("set_margin_mode", asked)

    async def send(self, wire: Wire, listing: Listing, order: Order) -> Outcome:
        request = {
            "market_id": listing.market_id,
            "client_order_id": order.client_order_id,
            "side": order.side,
            "quantity": order.contracts,
            "price": order.limit_price,
            "reduce_only": order.reduce_only,
            "post_only": order.post_only,
        }
        try:
            answer = await wire.send("order", request, order.client_order_id)
        except Answered as error:
            raised(OUTCOMES, "linear", error)
        return _outcome(answer, listing, order.client_order_id)

    async def lookup(self, wire: Wire, listing: Listing, client_order_id: str) -> Outcome | None:
        asked = {"market_id": listing.market_id, "client_order_id": client_order_id}
        try:
            answer = await wire.find("lookup", asked)
        except Answered as error:
            raise VenueUnavailable(str(error)) from None
        return None if answer is None else _outcome(answer, listing, client_order_id)

    async def trace(
        self, wire: Wire, listing: Listing, client_order_id: str, since: datetime
    ) -> Outcome | None:
        try:
            rows = await wire.find("orders", {"market_id": listing.market_id, "since": since})
        except Answered as error:
            raise VenueUnavailable(str(error)) from None
        for row in rows:
            if row["client_order_id"] == client_order_id:
                return _outcome(row, listing, client_order_id)
        return None

    async def cancel(self, wire: Wire, listing: Listing, client_order_id: str) -> None:
        asked = {"market_id": listing.market_id, "client_order_id": client_order_id}
        try:
            await wire.change("cancel", asked)
        except Answered as error:
            if error.code not in ("order_unknown", "order_gone"):
                raise VenueUnavailable(str(error)) from None


def _fill(fill: state.Fill, symbol: str) -> Happening:
    value = Fill(
        at=fill.at,
        symbol=symbol,
        side=fill.side,
        contracts=fill.quantity,
        fill_price=fill.price,
        mark_price=fill.price,
        index_price=None,
        fee=fill.fee,
        client_order_id=fill.client_order_id,
        cause=CAUSES.get(fill.cause, fill.cause),
    )
    return Happening(at=fill.at, key=f"trade:{fill.symbol}:{fill.id}", value=value)


def _income(entry: state.Entry, named: dict[str, str]) -> Happening | None:
    key = f"income:{entry.kind}:{entry.id}"
    if entry.kind == "transfer":
        return Happening(at=entry.at, key=key, value=Flow(at=entry.at, amount=entry.amount))
    symbol = named.get(entry.symbol)
    if symbol is None:
        return None
    value = FundingPayment(
        at=entry.at,
        symbol=symbol,
        funding_rate=entry.rate,
        contracts=entry.quantity,
        mark_price=entry.price,
        amount=entry.amount,
    )
    return Happening(at=entry.at, key=key, value=value)


def _outcome(row: dict[str, Any], listing: Listing, client_order_id: str) -> Outcome:
    rests = row["post_only"] and row["status"] in ("new", "partial")
    if row["status"] in ("new", "partial") and not rests:
        raise OutcomeUnknown(f"order {client_order_id} is {row['status']}, and not over")
    filled, asked = row["filled"], row["quantity"]
    status: Any = (
        "resting" if rests else "filled" if filled == asked else "partial" if filled else "unfilled"
    )
    return Outcome(
        client_order_id=client_order_id,
        symbol=listing.instrument.symbol,
        side=row["side"],
        contracts=asked,
        filled=filled,
        fill_price=row["average"],
        fee=Decimal(0),
        status=status,
        reason="" if filled else row["status"],
    )
