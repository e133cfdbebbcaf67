"""
The account of a loopback exchange: wallets, settings, margins and markets, on an injected clock.

`exchange.engine.Engine` adds orders and positions. Decimal throughout; deterministic; no I/O.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal, Self

from exchange.instruments import Contract, SpotPair
from exchange.margins import Need, maintenance, notional, notional_max, order_margin, pnl
from exchange.matching import ladder
from exchange.state import (
    ZERO,
    Book,
    Entry,
    EntryKind,
    Level,
    Market,
    Order,
    Position,
    Slot,
    State,
    Transfer,
)
from exchange.tape import bucket

Clock = Callable[[], datetime]
STABLE = {"USDT", "USDC", "USD"}
SATOSHI = Decimal("0.00000001")
START_PRICE = Decimal(100)


class Refused(Exception):
    """The exchange says no; *reason* is a word of its own, the dialect makes the venue's code of it."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason} {detail}".strip())
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """
    Where the venues differ.

    *ids_unique*: a client order id may not be that of an open order, or of any order ever.
    *excess*: a reduce-only order beyond the position is cut on arrival, or expires after filling it.
    *late_refusals*: a post-only or fill-or-kill order that can't be is taken first, then ended.
    *unified*: all coins are one margin. *hedge_by_symbol*: hedge mode is a setting of the symbol.
    *forced_ids*: client order ids of orders the account did not send, by cause; ``{n}`` is a number.
    """

    venue: str
    ids_unique: Literal["open", "always"]
    excess: Literal["expire", "cut"]
    late_refusals: bool
    unified: bool
    hedge_by_symbol: bool
    first_id: int = 1
    forced_ids: tuple[tuple[str, str], ...] = ()
    orders_max: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The margin account of one settle coin; *available* is never below zero."""

    wallet: Decimal
    unrealised: Decimal
    cross_unrealised: Decimal
    initial: Decimal
    orders: Decimal
    maintenance: Decimal
    isolated: Decimal
    available: Decimal

    @property
    def equity(self) -> Decimal:
        return self.wallet + self.unrealised


class Desk:
    """Markets, wallets and settings of one account."""

    def __init__(
        self,
        contracts: Iterable[Contract],
        *,
        clock: Clock,
        rules: Rules,
        spot_pairs: Iterable[SpotPair] = (),
    ) -> None:
        self.clock = clock
        self.rules = rules
        self.spot_pairs = {pair.id: pair for pair in spot_pairs}
        self.remember_s = 0.0
        self._memory: list[tuple[datetime, State]] = []
        self.state = State(markets={c.id: self._opened(c) for c in contracts}, serial=rules.first_id)

    @property
    def now(self) -> datetime:
        return self.clock()

    def serial(self) -> int:
        """The next number; orders, fills and entries share one series."""
        self.state.serial += 1
        return self.state.serial

    # What was

    def remember(self) -> None:
        """Keep the state as it stands before a change, if stale answers are asked for."""
        if self.remember_s:
            self._memory.append((self.now, self.state.copy()))
            oldest = self.now - timedelta(seconds=self.remember_s)
            while len(self._memory) > 1 and self._memory[1][0] < oldest:
                self._memory.pop(0)

    def as_of(self, at: datetime) -> Self:
        """This exchange as it stood at *at*, as far as remembered; to read from, not to trade on."""
        old = next((state for changed_at, state in self._memory if changed_at > at), self.state)
        view = copy.copy(self)
        view.state = old
        view.remember_s = 0.0
        return view

    # Markets

    def market(self, symbol: str) -> Market:
        """The market of *symbol*. Raises `Refused` (unknown_symbol)."""
        try:
            return self.state.markets[symbol]
        except KeyError:
            raise Refused("unknown_symbol", symbol) from None

    def contract(self, symbol: str) -> Contract:
        return self.market(symbol).contract

    def _opened(self, contract: Contract) -> Market:
        step = timedelta(hours=contract.funding_hours)
        return Market(
            contract=contract,
            mark=START_PRICE,
            index=START_PRICE,
            last=START_PRICE,
            funding_due=bucket(self.now, step) + step,
        )

    def put_price(
        self,
        symbol: str,
        mark: Decimal,
        *,
        index: Decimal | None = None,
        last: Decimal | None = None,
        spread: Decimal = ZERO,
        depth: Decimal = Decimal(1000),
    ) -> None:
        """Set all prices of *symbol* (index and last: the mark) and a book around the last price."""
        market = self.market(symbol)
        market.mark, market.index = mark, mark if index is None else index
        market.last = mark if last is None else last
        tick = market.contract.tick
        market.book = ladder(market.last, tick=tick, spread=spread, depth=depth)
        for name, price in (("last", market.last), ("mark", market.mark), ("index", market.index)):
            market.tapes[name].record(self.now, price)

    def put_book(self, symbol: str, bids: Sequence[Level], asks: Sequence[Level]) -> None:
        """Set the levels others offer, best first; what is taken from them stays taken."""
        book = self.market(symbol).book
        self.market(symbol).book = Book(bids=list(bids), asks=list(asks), update_id=book.update_id + 1)

    def relist(self, symbol: str, **changed: object) -> None:
        """Change a contract's terms: its lot, its multiplier, its smallest order, its delivery."""
        self.remember()
        market = self.market(symbol)
        market.contract = replace(market.contract, **changed)  # type: ignore[arg-type]

    def halt(self, symbol: str, *, trading: bool = False) -> None:
        """Stop a contract from trading, as before a delisting, or let it trade again."""
        self.remember()
        self.market(symbol).trading = trading

    def set_open_interest(self, symbol: str, contracts: Decimal, at: datetime | None = None) -> None:
        """Set the open interest, and keep it as a sample of *at* (now)."""
        market = self.market(symbol)
        if at is None:
            market.open_interest = contracts
        market.open_interests.append((at or self.now, contracts))
        market.open_interests.sort()

    def set_spot(self, pair: str, price: Decimal) -> None:
        """Price a spot pair. Raises `Refused` (unknown_symbol) for one not listed."""
        if pair not in self.spot_pairs:
            raise Refused("unknown_symbol", pair)
        self.state.spot_prices[pair] = price

    def usd(self, coin: str) -> Decimal | None:
        """Dollars of a coin: 1 for a stable one, the spot price, or None where nobody quotes it."""
        return Decimal(1) if coin in STABLE else self.state.spot_prices.get(f"{coin}USDT")

    # Money

    def enter(self, kind: EntryKind, coin: str, amount: Decimal, **about: object) -> Decimal:
        """Book *amount*, rounded to eight places, into the wallet of *coin*; the amount booked."""
        amount = amount.quantize(SATOSHI, rounding=ROUND_HALF_EVEN)
        balance = self.state.wallets.get(coin, ZERO) + amount
        self.state.wallets[coin] = balance
        entry = Entry(
            id=self.serial(),
            kind=kind,
            coin=coin,
            amount=amount,
            balance=balance,
            **({"at": self.now} | about),  # type: ignore[arg-type]
        )
        self.state.entries.append(entry)
        return amount

    def transfer(self, coin: str, amount: Decimal, source: str = "SPOT", target: str = "") -> None:
        """
        Move *amount* of *coin* into the futures wallet; negative moves it out again, to *source*.

        *source* SPOT or FUNDING is the account's own other wallet; anything else is the world outside.
        """
        self.remember()
        others = {"SPOT": self.state.spot, "FUNDING": self.state.funding_wallet}
        if source in others:
            others[source][coin] = others[source].get(coin, ZERO) - amount
        booked = self.enter("transfer", coin, amount, source=source)
        own = target or "FUTURES"
        self.state.transfers.append(
            Transfer(
                id=self.serial(),
                at=self.now,
                coin=coin,
                amount=abs(booked),
                source=source if amount > 0 else own,
                target=own if amount > 0 else source,
            )
        )

    def deposit(self, coin: str, amount: Decimal) -> None:
        """Money from outside into the futures wallet."""
        self.transfer(coin, amount, source="OUTSIDE")

    # Settings

    def leverage(self, symbol: str) -> int:
        tier = self.contract(symbol).tiers[0]
        return self.state.leverage.get(symbol, min(20, tier.leverage_max))

    def set_leverage(self, symbol: str, leverage: int) -> None:
        """Raises `Refused`: leverage_range, leverage_same, or leverage_tier with such a position."""
        contract = self.contract(symbol)
        if not 1 <= leverage <= contract.tiers[0].leverage_max:
            raise Refused("leverage_range", str(leverage))
        if leverage == self.leverage(symbol):
            raise Refused("leverage_same")
        held = max((p.quantity for p in self.slots(symbol)), key=abs, default=ZERO)
        if notional(contract, held, self.market(symbol).mark) > notional_max(contract, leverage):
            raise Refused("leverage_tier")
        self.remember()
        self.state.leverage[symbol] = leverage

    def set_isolated(self, symbol: str, isolated: bool) -> None:
        """Raises `Refused`: margin_mode_same, has_orders, has_position."""
        if isolated == (symbol in self.state.isolated):
            raise Refused("margin_mode_same")
        self._idle([symbol])
        self.remember()
        (self.state.isolated.add if isolated else self.state.isolated.discard)(symbol)

    def hedged(self, symbol: str) -> bool:
        """Whether longs and shorts of *symbol* are held apart."""
        return self.state.hedge_mode or symbol in self.state.hedge_symbols

    def set_hedge_mode(self, hedged: bool, symbol: str | None = None) -> None:
        """Raises `Refused`: position_mode_same, has_orders, has_position."""
        symbols = [symbol] if symbol else list(self.state.markets)
        if hedged == (self.hedged(symbol) if symbol else self.state.hedge_mode):
            raise Refused("position_mode_same")
        self._idle(symbols)
        self.remember()
        if symbol is None:
            self.state.hedge_mode = hedged
        else:
            (self.state.hedge_symbols.add if hedged else self.state.hedge_symbols.discard)(symbol)

    def _idle(self, symbols: Sequence[str]) -> None:
        if any(order.ticket.symbol in symbols for order in self.open_orders()):
            raise Refused("has_orders")
        if any(p.quantity for symbol in symbols for p in self.slots(symbol)):
            raise Refused("has_position")

    # Margin

    def open_orders(self, symbol: str | None = None) -> list[Order]:
        """Resting orders, oldest first."""
        return [
            order
            for order in self.state.orders.values()
            if order.open and symbol in (None, order.ticket.symbol)
        ]

    def slots(self, symbol: str) -> list[Position]:
        """The positions of *symbol*, empty ones included."""
        return [p for p in self.state.positions.values() if p.symbol == symbol]

    def position(self, symbol: str, slot: Slot = "BOTH") -> Position:
        """The position in *slot*, made when missing."""
        key = (symbol, slot)
        if key not in self.state.positions:
            self.state.positions[key] = Position(symbol=symbol, slot=slot)
        return self.state.positions[key]

    def need(self, position: Position, orders: Iterable[Order] | None = None) -> Need:
        """What *position* and its resting *orders* (those of its slot) ask for."""
        market = self.market(position.symbol)
        contract, leverage = market.contract, self.leverage(position.symbol)
        value = notional(contract, position.quantity, market.mark)
        if orders is None:
            orders = [o for o in self.open_orders(position.symbol) if o.ticket.slot == position.slot]
        reserved = order_margin(
            contract, position.quantity, orders, mark=market.mark, leverage=leverage
        )
        return Need(
            unrealised=pnl(contract, position.quantity, position.entry_price, market.mark),
            initial=value / leverage,
            maintenance=maintenance(contract, value) if value else ZERO,
            orders=reserved,
            isolated=position.isolated,
        )

    def account(self, coin: str) -> Account:
        """The margin account of *coin*."""
        cross, isolated = self._needs(coin)
        wallet = self.state.wallets.get(coin, ZERO)
        spare = wallet - isolated.isolated + cross.unrealised - cross.initial
        spare -= cross.orders + isolated.orders
        price = self.usd(coin)
        if self.rules.unified and price:
            spare = self.unified_available() / price
        return Account(
            wallet=wallet,
            unrealised=cross.unrealised + isolated.unrealised,
            cross_unrealised=cross.unrealised,
            initial=cross.initial + isolated.initial,
            orders=cross.orders + isolated.orders,
            maintenance=cross.maintenance + isolated.maintenance,
            isolated=isolated.isolated,
            available=max(spare, ZERO),
        )

    def _needs(self, coin: str) -> tuple[Need, Need]:
        """Of the cross positions of *coin*, and of the isolated ones."""
        cross, isolated = Need(), Need()
        held = {o.ticket.symbol for o in self.open_orders()} | {s for s, _ in self.state.positions}
        for symbol in sorted(held):
            if self.contract(symbol).settle != coin:
                continue
            for slot in sorted({o.ticket.slot for o in self.open_orders(symbol)}):
                self.position(symbol, slot)
            for position in self.slots(symbol):
                if symbol in self.state.isolated:
                    isolated += self.need(position)
                else:
                    cross += self.need(position)
        return cross, isolated

    def unified_totals(self) -> tuple[Decimal, Decimal, Decimal]:
        """(equity, initial with orders, maintenance) of all coins, in dollars."""
        equity = initial = maintained = ZERO
        for coin, wallet in self.state.wallets.items():
            price = self.usd(coin)
            if price is not None:
                cross, isolated = self._needs(coin)
                both = cross + isolated
                equity += (wallet + both.unrealised) * price
                initial += (both.initial + both.orders) * price
                maintained += both.maintenance * price
        return equity, initial, maintained

    def unified_available(self) -> Decimal:
        """Dollars not bound by any margin."""
        equity, initial, _ = self.unified_totals()
        return max(equity - initial, ZERO)
