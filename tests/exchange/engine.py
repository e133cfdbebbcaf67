"""
The account engine of the loopback exchanges: what it does with an order.

Orders are checked, matched against the settable book, and rest until the price comes to them. One
engine stands behind every dialect; where venues differ, `Rules` says how. Refusals are `Refused`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from exchange import happenings
from exchange.desk import Desk, Refused
from exchange.instruments import Contract
from exchange.margins import average, notional, notional_max, order_margin, pnl
from exchange.matching import consume, crosses, levels, takes
from exchange.state import ZERO, Cause, Fill, Level, Order, Position, Side, Slot, Status, Ticket

CLIENT_ID = re.compile(r"[.A-Za-z0-9:/_-]{1,36}")
CLOSING: dict[Slot, Side] = {"LONG": "sell", "SHORT": "buy"}


class Engine(Desk):
    """The whole exchange: `Desk` with orders, fills and positions."""

    pending: tuple[tuple[datetime, Callable[[], object]], ...] = ()

    # The market moves

    def set_price(self, symbol: str, mark: Decimal, **prices: Decimal) -> None:
        """Move the market (see `Desk.put_price`): resting orders fill, positions may be liquidated."""
        self.remember()
        self.put_price(symbol, mark, **prices)
        self._match_resting(symbol)
        happenings.liquidate_due(self)

    def set_book(self, symbol: str, bids: Sequence[Level], asks: Sequence[Level]) -> None:
        """Set the book (see `Desk.put_book`): resting orders that it crosses fill."""
        self.remember()
        self.put_book(symbol, bids, asks)
        self._match_resting(symbol)

    def later(self, at: datetime, action: Callable[[], object]) -> None:
        """Do *action* at the first `tick` from *at* on."""
        self.pending = (*self.pending, (at, action))

    def tick(self) -> None:
        """Let everything happen that is due by now: late landings, funding, delivery."""
        due = [action for at, action in self.pending if at <= self.now]
        self.pending = tuple(p for p in self.pending if p[0] > self.now)
        for action in due:
            action()
        happenings.settle_due(self)

    # Orders

    def place(self, ticket: Ticket) -> Order:
        """Take an order and match it. Raises `Refused` where the venue would not take it."""
        self.tick()
        market = self.market(ticket.symbol)
        if not market.trading:
            raise Refused("not_trading", ticket.symbol)
        self._check_form(market.contract, ticket)
        self._check_slot(ticket)
        self._check_client_id(ticket)
        ticket, quantity = self._fitted(ticket)
        dead = self._stillborn(ticket, quantity)
        if dead and not self.rules.late_refusals:
            raise Refused(dead)
        if not dead and not self.closes(ticket):
            self._check_margin(market.contract, ticket, quantity)
        if len(self.open_orders(ticket.symbol)) >= self.rules.orders_max:
            raise Refused("orders_max")
        self.remember()
        order = self._taken(ticket, quantity)
        if dead:
            self.end(order, "rejected" if dead == "post_only" else "canceled", dead)
        else:
            self._match(order)
        return order

    def cancel(self, order: Order) -> Order:
        """Cancel a resting order. Raises `Refused` (order_gone) for one that no longer rests."""
        if not order.open:
            raise Refused("order_gone")
        self.remember()
        order = self.state.orders[order.id]
        self.end(order, "canceled", "user")
        return order

    def find(
        self, symbol: str, order_id: int | None = None, client_order_id: str | None = None
    ) -> Order | None:
        """The order by number, else the latest one with that client id."""
        for order in reversed(self.state.orders.values()):
            named = order.ticket.client_order_id == client_order_id and order_id is None
            if order.ticket.symbol == symbol and (named or order.id == order_id):
                return order
        return None

    def manual(self, ticket: Ticket) -> Order:
        """An order that a person placed past us; it carries no id of ours."""
        named = self.forced_id("manual")
        return self.place(replace(ticket, client_order_id=named, cause="manual"))

    def forced_id(self, cause: Cause) -> str:
        """The client order id the venue gives to an order the account did not send."""
        return dict(self.rules.forced_ids).get(cause, "").format(n=self.serial())

    def force(self, position: Position, quantity: Decimal, price: Decimal, cause: Cause) -> Order:
        """Close *quantity* of *position* at *price*, whatever the book says."""
        side: Side = "sell" if position.quantity > 0 else "buy"
        ticket = Ticket(
            symbol=position.symbol,
            side=side,
            quantity=quantity,
            price=price,
            slot=position.slot,
            time_in_force="IOC",
            cause=cause,
            client_order_id=self.forced_id(cause),
        )
        order = self._taken(ticket, quantity)
        self._fill(order, quantity, price, maker=False)
        self._settle_status(order)
        return order

    def end(self, order: Order, status: Status, note: str = "") -> None:
        """The order rests no longer."""
        order.status, order.note, order.updated_at = status, note, self.now

    def closes(self, ticket: Ticket) -> bool:
        """Whether an order may only make a position smaller."""
        return ticket.reduce_only or CLOSING.get(ticket.slot) == ticket.side

    def reducible(self, ticket: Ticket) -> Decimal:
        """How much of a position an order on its other side could close."""
        held = self.position(ticket.symbol, ticket.slot).quantity
        opposite = held < 0 if ticket.side == "buy" else held > 0
        return abs(held) if opposite else ZERO

    def average_price(self, order: Order) -> Decimal:
        """The mean price of what has filled, zero if nothing has."""
        contract = self.contract(order.ticket.symbol)
        if not order.filled:
            return ZERO
        units = order.filled * contract.multiplier
        return units / order.cost if contract.inverse else order.cost / units

    # Checks

    def _check_form(self, contract: Contract, ticket: Ticket) -> None:
        most = contract.quantity_market_max if ticket.kind == "market" else contract.quantity_max
        if ticket.quantity <= 0:
            raise Refused("quantity_zero")
        # A person may close what a larger step has left off the grid: the page has a button for it.
        by_hand = ticket.kind == "market" and ticket.quantity == self.reducible(ticket)
        if ticket.quantity % contract.lot and not by_hand:
            raise Refused("quantity_step", str(contract.lot))
        if ticket.quantity < contract.quantity_min:
            raise Refused("quantity_min", str(contract.quantity_min))
        if ticket.quantity > most:
            raise Refused("quantity_max", str(most))
        price = ticket.price
        if ticket.kind == "limit":
            if price is None or price <= 0:
                raise Refused("price_zero")
            if price % contract.tick:
                raise Refused("price_step", str(contract.tick))
            self._check_band(contract, ticket.side, price)
        at = price or self.market(ticket.symbol).mark
        if not self.closes(ticket) and notional(contract, ticket.quantity, at) < contract.notional_min:
            raise Refused("notional_min", str(contract.notional_min))

    def _check_band(self, contract: Contract, side: Side, price: Decimal) -> None:
        mark = self.market(contract.id).mark
        high, low = mark * (1 + contract.price_band), mark * (1 - contract.price_band)
        if side == "buy" and price > high:
            raise Refused("price_high", str(high // contract.tick * contract.tick))
        if side == "sell" and price < low:
            raise Refused("price_low", str(low // contract.tick * contract.tick))

    def _check_slot(self, ticket: Ticket) -> None:
        if (ticket.slot == "BOTH") == self.hedged(ticket.symbol):
            raise Refused("position_side")
        if self.closes(ticket) and not self.reducible(ticket):
            raise Refused("reduce_only")

    def _check_client_id(self, ticket: Ticket) -> None:
        named = ticket.client_order_id
        if not named:
            return
        if not CLIENT_ID.fullmatch(named):
            raise Refused("client_id", named)
        known = (o for o in self.state.orders.values() if o.ticket.client_order_id == named)
        if any(order.open or self.rules.ids_unique == "always" for order in known):
            raise Refused("client_id_known", named)

    def _fitted(self, ticket: Ticket) -> tuple[Ticket, Decimal]:
        """The ticket with the venue's cut of a closing order that asks for more than is held."""
        if self.closes(ticket) and self.rules.excess == "cut":
            return ticket, min(ticket.quantity, self.reducible(ticket))
        return ticket, ticket.quantity

    def _stillborn(self, ticket: Ticket, quantity: Decimal) -> str:
        """Why an order can't live as it asks to, or nothing."""
        book = self.market(ticket.symbol).book
        taken = takes(levels(book, ticket.side), ticket.side, quantity, ticket.price)
        if ticket.time_in_force == "POST" and taken:
            return "post_only"
        if ticket.time_in_force == "FOK" and sum(part for _, part in taken) < quantity:
            return "fill_or_kill"
        return ""

    def _check_margin(self, contract: Contract, ticket: Ticket, quantity: Decimal) -> None:
        """Initial margin of what would grow, the loss it starts with, and its fee must be available."""
        position = self.position(ticket.symbol, ticket.slot)
        market, leverage = self.market(ticket.symbol), self.leverage(ticket.symbol)
        price = self._expected_price(ticket, quantity)
        resting = [o for o in self.open_orders(ticket.symbol) if o.ticket.slot == ticket.slot]
        asked = Order(
            id=0,
            ticket=replace(ticket, price=price),
            quantity=quantity,
            created_at=self.now,
            updated_at=self.now,
        )
        held, mark = position.quantity, market.mark
        before = order_margin(contract, held, resting, mark=mark, leverage=leverage)
        after = order_margin(contract, held, [*resting, asked], mark=mark, leverage=leverage)
        grown = max(quantity - self.reducible(ticket), ZERO)
        signed = grown if ticket.side == "buy" else -grown
        loss = max(-pnl(contract, signed, price, market.mark), ZERO)
        fee = notional(contract, quantity, price) * contract.taker
        if after > before and after - before + loss + fee > self.account(contract.settle).available:
            raise Refused("margin")
        reached = abs(held) + grown if grown else ZERO
        if notional(contract, reached, mark) > notional_max(contract, leverage):
            raise Refused("position_max")

    def _expected_price(self, ticket: Ticket, quantity: Decimal) -> Decimal:
        market = self.market(ticket.symbol)
        taken = takes(levels(market.book, ticket.side), ticket.side, quantity, ticket.price)
        if ticket.price is None:
            return taken[-1][0] if taken else market.mark
        return ticket.price

    # Matching

    def _taken(self, ticket: Ticket, quantity: Decimal) -> Order:
        order = Order(
            id=self.serial(),
            ticket=ticket,
            quantity=quantity,
            created_at=self.now,
            updated_at=self.now,
        )
        self.state.orders[order.id] = order
        return order

    def _match(self, order: Order) -> None:
        ticket, book = order.ticket, self.market(order.ticket.symbol).book
        wanted = self._fillable(order)
        taken = takes(levels(book, ticket.side), ticket.side, wanted, ticket.price)
        consume(book, ticket.side, taken)
        for price, part in taken:
            self._fill(order, part, price, maker=False)
        self._settle_status(order)

    def _match_resting(self, symbol: str) -> None:
        market = self.market(symbol)
        for order in self.open_orders(symbol):
            side, limit = order.ticket.side, order.ticket.price
            if limit is None or not order.open:
                continue
            offered = [lv for lv in levels(market.book, side) if crosses(side, limit, lv[0])]
            taken = takes(offered, side, self._fillable(order), limit)
            consume(market.book, side, taken)
            part = sum((quantity for _, quantity in taken), ZERO)
            if part:
                self._fill(order, part, limit, maker=True)
                self._settle_status(order)

    def _fillable(self, order: Order) -> Decimal:
        if self.closes(order.ticket):
            return min(order.remaining, self.reducible(order.ticket))
        return order.remaining

    def _settle_status(self, order: Order) -> None:
        order.updated_at = self.now
        immediate = order.ticket.kind == "market" or order.ticket.time_in_force in ("IOC", "FOK")
        if not order.remaining:
            order.status = "filled"
        elif immediate:
            self.end(order, "expired", "no_liquidity")
        else:
            order.status = "partial" if order.filled else "new"
        for other in self.open_orders(order.ticket.symbol):
            if self.closes(other.ticket) and not self.reducible(other.ticket):
                self.end(other, "expired", "reduce_only")

    def _fill(self, order: Order, quantity: Decimal, price: Decimal, *, maker: bool) -> None:
        ticket, market = order.ticket, self.market(order.ticket.symbol)
        contract, coin = market.contract, market.contract.settle
        position = self.position(ticket.symbol, ticket.slot)
        closed = min(quantity, self.reducible(ticket))
        rate = contract.maker if maker else contract.taker
        fill_id = self.serial()
        about = {"symbol": ticket.symbol, "fill_id": fill_id, "order_id": order.id, "price": price}
        about |= {"quantity": quantity}
        realised = ZERO
        if closed:
            gone = closed if position.quantity > 0 else -closed
            gain = pnl(contract, gone, position.entry_price, price)
            kind = "delivery" if ticket.cause == "delivery" else "realised"
            realised = self.enter(kind, coin, gain, **about)  # type: ignore[arg-type]
        _move(contract, position, quantity if ticket.side == "buy" else -quantity, price)
        self._isolate(position, closed)
        worth = notional(contract, quantity, price)
        fee = -self.enter("fee", coin, -worth * rate, rate=rate, **about)
        position.realised += realised - fee
        position.updated_at = self.now
        position.opened_at = position.opened_at or self.now
        order.filled, order.cost = order.filled + quantity, order.cost + worth
        order.fee += fee
        market.last = price
        market.tapes["last"].record(self.now, price, quantity)
        self.state.fills.append(
            Fill(
                id=fill_id,
                order_id=order.id,
                at=self.now,
                symbol=ticket.symbol,
                side=ticket.side,
                slot=ticket.slot,
                quantity=quantity,
                price=price,
                mark_price=market.mark,
                fee=fee,
                fee_rate=rate,
                realised=realised,
                coin=coin,
                maker=maker,
                cause=ticket.cause,
                client_order_id=ticket.client_order_id,
                closed=closed,
                size_after=position.quantity,
            )
        )

    def _isolate(self, position: Position, closed: Decimal) -> None:
        """Keep an isolated position's own margin: its initial margin, and less as it shrinks."""
        if position.symbol not in self.state.isolated:
            return
        contract = self.contract(position.symbol)
        value = notional(contract, position.quantity, position.entry_price or Decimal(1))
        wanted = value / self.leverage(position.symbol)
        position.isolated = min(position.isolated, wanted) if closed else max(position.isolated, wanted)


def _move(contract: Contract, position: Position, signed: Decimal, price: Decimal) -> None:
    """Add *signed* to a position: its own side averages, the other closes, and then opens anew."""
    held, after = position.quantity, position.quantity + signed
    if held * signed >= 0:
        position.entry_price = average(contract, held, position.entry_price, signed, price)
    elif held * after < 0:
        position.entry_price = price
    elif not after:
        position.entry_price = ZERO
    position.quantity = after
