"""
A futures venue on paper: fees, spread, slippage, lots and minimums over any market.

Enters a market and orders; leaves snapshots and outcomes, the way an exchange would. It has no
client and no key, so there is no code path from here to a real order.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import polars as pl

from hedged.core.margin import initial_margin
from hedged.core.market import (
    ZERO,
    Fill,
    Flow,
    FundingPayment,
    Holding,
    Instrument,
    Margin,
    Quote,
    Snapshot,
    notional,
    to_lot,
    to_tick,
)
from hedged.core.metrics import Series
from hedged.core.record import Outcome
from hedged.core.resolution import Absence
from hedged.errors import OutcomeUnknown, VenueRefused, VenueUnavailable
from hedged.venue.ledger import Contract
from hedged.venue.paper_account import BPS, PaperAccount, sure
from hedged.venue.protocol import Order, Trading


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperPortfolio:
    """
    Whose account it is, and what hedges.

    *quantities* are the coins it protects and *price_symbols* where their prices are, unless the venue
    is told of its holdings otherwise.
    """

    account: str
    hedges: frozenset[str]
    numeraire: str
    quantities: tuple[tuple[str, Decimal], ...] = ()
    price_symbols: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is to be protected, and what speaks against relying on it."""

    holdings: tuple[Holding, ...]
    doubts: tuple[str, ...] = ()
    outdated: tuple[str, ...] = ()


Holdings = Callable[[datetime], Awaitable[Held]]
"""Asks what is to be protected; raises `VenueUnavailable`."""


class PaperVenue:
    """
    One paper account, seen and traded as a venue.

    *holdings* looks for what is protected, by default what the portfolio states.
    """

    absence_is_proof = True

    def __init__(
        self,
        account: PaperAccount,
        portfolio: PaperPortfolio,
        clock: Callable[[], datetime],
        holdings: Holdings | None = None,
    ) -> None:
        self.account = account
        self.market = account.market
        self.portfolio = portfolio
        self.clock = clock
        self._holdings = holdings or self._stated

    async def observe(self, now: datetime, *, after: int) -> Snapshot:
        account = self.account
        seen = account.ledger.events[-1].seq if account.ledger.events else 0
        if after > seen:
            raise VenueUnavailable(
                f"{account.ledger.path} ends before what the journal has seen of it; restore both "
                f"from one copy"
            )
        await self._look(now)
        held = await self._holdings(now)  # nothing is booked before everything is there
        account.advance(now)
        needed = [s for s in account.instruments if s in self.portfolio.hedges or account.held(s)]
        quotes = tuple(self._quote(symbol, now) for symbol in needed)
        marks = {quote.symbol: quote.mark_price for quote in quotes}
        events = account.ledger.since(after)
        values = [event.value for event in events]
        return Snapshot(
            at=now,
            account=self.portfolio.account,
            numeraire=self.portfolio.numeraire,
            holdings=held.holdings,
            instruments=tuple(account.instruments.values()),
            quotes=quotes,
            positions=tuple(p for p in account.positions.values() if p.contracts),
            open_orders=(),
            margin=Margin(
                wallet_balance=account.wallet,
                equity=account.equity(marks),
                maintenance_margin=account.maintenance(marks),
            ),
            cursor=account.ledger.events[-1].seq,
            fills=tuple(v for v in values if isinstance(v, Fill)),
            funding_payments=tuple(v for v in values if isinstance(v, FundingPayment)),
            flows=tuple(v for v in values if isinstance(v, Flow)),
            funding_missed=sum(event.kind == "funding_missed" for event in events),
            doubts=held.doubts,
            outdated=held.outdated,
        )

    async def series(
        self, symbol: str, series: Series, bar: str, after: datetime | None, until: datetime
    ) -> pl.DataFrame:
        return await self.market.series(symbol, series, bar, after, until)

    async def send(self, order: Order) -> Outcome:
        """
        Fill at the next open, or at the present book, or say why not; an id that was used before only
        shows its outcome.
        """
        known = self.account.outcomes.get(order.client_order_id)
        if known is not None:
            if (known.symbol, known.side, known.contracts) != (
                order.symbol,
                order.side,
                order.contracts,
            ):
                raise VenueRefused(f"the id {order.client_order_id} belongs to another order")
            return known
        if order.post_only:
            raise VenueRefused("on paper nothing rests; set orders.style = 'ioc'")
        now = self.clock()
        try:
            await self._look(now)
            self.account.advance(now)
            outcome, fill = self._matched(order, now)
        except VenueUnavailable as error:
            raise VenueRefused(f"nothing was executed: {error}") from error
        self.account.add("outcome", f"order {order.client_order_id}", outcome)
        if fill is not None and order.symbol not in self.account.traded:
            multiplier = self.account.instruments[order.symbol].contract_multiplier
            made = Contract(symbol=order.symbol, contract_multiplier=multiplier)
            self.account.add("contract", f"contract {order.symbol}", made)
        if fill is not None:
            self.account.add("fill", f"fill {order.client_order_id}", fill)
        try:
            self.account.commit()
        except VenueUnavailable as error:
            raise OutcomeUnknown(str(error)) from error
        return outcome

    async def lookup(self, client_order_id: str, symbol: str) -> Outcome | None:
        return self.account.outcomes.get(client_order_id)

    async def seek(self, client_order_id: str, symbol: str, since: datetime) -> Outcome | Absence:
        found = await self.lookup(client_order_id, symbol)
        return found or Absence(at=self.clock(), adds_up=True)

    async def cancel(self, client_order_id: str, symbol: str) -> None:
        """Nothing rests on paper."""

    async def close(self) -> None:
        self.account.ledger.close()

    async def _look(self, now: datetime) -> None:
        """What an order meets, and what happened since the account was last carried."""
        account = self.account
        await self.market.refresh(account.legs, now, account.ledger.advanced_to)
        account.relist(self.market.instruments())

    def _matched(self, order: Order, now: datetime) -> tuple[Outcome, Fill | None]:
        instrument = self.account.instruments.get(order.symbol)
        if instrument is None:
            raise VenueRefused(f"{order.symbol} is not listed")
        trading = self.market.trading(order.symbol, now)
        if trading is None:
            return _outcome(order, reason="nothing trades at this time"), None
        price = self._fill_price(instrument, order, trading)
        if (price < order.limit_price) if order.side == "sell" else (price > order.limit_price):
            return _outcome(order, reason=f"{price} is beyond the limit price"), None
        filled = min(order.contracts, self._fillable(instrument, trading))
        self._refuse(instrument, order, trading.mark_price, filled)
        if filled == 0:
            return _outcome(order, reason="the bar has no volume for it"), None
        fill = self._fill(instrument, order, trading, filled, price, now)
        return _outcome(order, filled=filled, fill_price=price, fee=sure(fill.fee)), fill

    def _fillable(self, instrument: Instrument, trading: Trading) -> Decimal:
        """What is left of our share of what trades, in whole lots."""
        taken = sum(
            (
                fill.contracts
                for fill in self.account.fills
                if fill.symbol == instrument.symbol and fill.at >= trading.since
            ),
            ZERO,
        )
        share = trading.volume / instrument.contract_multiplier * self.account.terms.volume_share_max
        return max(ZERO, to_lot(share - taken, instrument.lot))

    def _fill(
        self,
        instrument: Instrument,
        order: Order,
        trading: Trading,
        filled: Decimal,
        price: Decimal,
        now: datetime,
    ) -> Fill:
        size = abs(notional(instrument, filled, price))
        return Fill(
            at=now,
            symbol=order.symbol,
            side=order.side,
            contracts=filled,
            fill_price=price,
            mark_price=trading.mark_price,
            index_price=trading.index_price,
            fee=size * self.account.terms.fee_bps / BPS,
            client_order_id=order.client_order_id,
        )

    def _fill_price(self, instrument: Instrument, order: Order, trading: Trading) -> Decimal:
        """The best price of the book, or half a spread from the mark where none is known; and worse."""
        terms, sells = self.account.terms, order.side == "sell"
        best, worse = trading.bid_price if sells else trading.ask_price, terms.slippage_bps / BPS
        if best is None:
            best, worse = trading.mark_price, worse + terms.half_spread_bps / BPS
        if sells:
            return to_tick(best * (1 - worse), instrument.tick, ROUND_FLOOR)
        return to_tick(best * (1 + worse), instrument.tick, ROUND_CEILING)

    def _refuse(self, instrument: Instrument, order: Order, price: Decimal, filled: Decimal) -> None:
        """Raise `VenueRefused` for what an exchange would not take."""
        held = self.account.held(order.symbol)
        signed = filled if order.side == "buy" else -filled
        if order.contracts <= 0 or order.contracts % instrument.lot:
            raise VenueRefused(f"{order.contracts} contracts are not whole lots")
        if order.reduce_only and (held * signed > 0 or order.contracts > abs(held)):
            raise VenueRefused("reduce-only, and it would not only reduce")
        closes = order.reduce_only and order.contracts == abs(held)
        size = abs(notional(instrument, order.contracts, price))
        if not closes and (
            order.contracts < instrument.contracts_min or size < instrument.notional_min
        ):
            raise VenueRefused("below the minimum order")
        if abs(held + signed) > abs(held):
            self._refuse_margin(order.symbol, held + signed, price)

    def _refuse_margin(self, symbol: str, contracts: Decimal, price: Decimal) -> None:
        """Raise `VenueRefused` when equity does not cover the initial margin of all positions."""
        account = self.account
        marks = account.marks(self.clock()) | {symbol: price}
        after = {s: account.held(s) for s in account.instruments} | {symbol: contracts}
        needed = (initial_margin(account.instruments[s], c, marks[s]) for s, c in after.items() if c)
        if sum(needed, ZERO) > account.equity(marks):
            raise VenueRefused("insufficient margin")

    def _quote(self, symbol: str, now: datetime) -> Quote:
        quote = self.market.quote(symbol, now)
        if quote is None:
            raise VenueUnavailable(
                f"{symbol} has no price that is fresh enough at {now:%Y-%m-%d %H:%M}"
            )
        if quote.bid_price is not None or quote.index_price is not None:
            return quote
        half = quote.mark_price * self.account.terms.half_spread_bps / BPS
        return replace(quote, bid_price=quote.mark_price - half, ask_price=quote.mark_price + half)

    async def _stated(self, now: datetime) -> Held:
        """What the settings state, at the market's prices."""
        return Held(holdings=tuple(self._holding(a, q, now) for a, q in self.portfolio.quantities))

    def _holding(self, asset: str, quantity: Decimal, now: datetime) -> Holding:
        if asset == self.portfolio.numeraire:
            return Holding(asset=asset, quantity=quantity, mark_price=Decimal(1), source="settings")
        symbol = self.portfolio.price_symbols[asset]
        quote = self.market.quote(symbol, now)
        return Holding(
            asset=asset,
            quantity=quantity,
            mark_price=quote.mark_price if quote else None,
            source="settings",
            price_symbol=symbol,
            priced_at=quote.at if quote else None,
        )


def _outcome(
    order: Order,
    *,
    filled: Decimal = ZERO,
    fill_price: Decimal | None = None,
    fee: Decimal = ZERO,
    reason: str = "",
) -> Outcome:
    whole = filled == order.contracts
    return Outcome(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        contracts=order.contracts,
        filled=filled,
        fill_price=fill_price,
        fee=fee,
        status="filled" if whole else "partial" if filled else "unfilled",
        reason=reason or ("" if whole else "no more than a share of the bar's volume"),
    )
