"""
What the exchange says to a request, true or not: the engine's state as the core's values.

Enters an endpoint and its parameters; leaves an answer, a lie of `simulation.faults`, or `Answered`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from exchange import state
from exchange.desk import Refused
from exchange.state import ZERO
from hedged.core.market import Instrument, Margin, MarginTier, OpenOrder, Position, Quote
from hedged.venue.dialect import Balance, Listing, Rights, SeenPosition, SymbolMode
from hedged.venue.wire import Answered
from simulation.faults import Swarm
from simulation.world import BTC, HOUR, World

UID = "4711"


class Answers:
    """The exchange's side: what it says to a request, true or not."""

    def __init__(self, world: World, swarm: Swarm, served: Callable[[str], None]) -> None:
        self.world = world
        self.swarm = swarm
        self.served = served
        self.hidden: dict[str, float] = {}
        self.lied = ""
        self.symbols = {
            market_id: f"{one.contract.base}/{one.contract.quote}:{one.contract.settle}"
            for market_id, one in world.engine.state.markets.items()
        }

    def __call__(self, endpoint: str, params: Any) -> Any:
        self.served(endpoint)
        try:
            return getattr(self, f"_{endpoint}")(**params)
        except Refused as refused:
            raise Answered(400, refused.reason, str(refused)) from None

    def _lies(self, name: str) -> bool:
        struck = self.swarm.strikes(name, self.world.time.seconds)
        if struck:
            self.world.engine.watcher.happened("lie", name=name)
        return struck

    # ---- public

    def _time(self) -> datetime:
        return self.world.time()

    def _listings(self) -> dict[str, Listing]:
        lie = self._lies("size_lie")
        found = {}
        for market_id, symbol in self.symbols.items():
            if market_id in self.world.gone:
                continue
            market = self.world.engine.market(market_id)
            contract = market.contract
            size = contract.multiplier * (10 if lie else 1)
            found[symbol] = Listing(
                instrument=Instrument(
                    symbol=symbol,
                    base=contract.base,
                    quote=contract.quote,
                    settle=contract.settle,
                    contract_multiplier=size,
                    lot=contract.lot,
                    tick=contract.tick,
                    contracts_min=contract.quantity_min,
                    notional_min=contract.notional_min,
                ),
                market_id=market_id,
                kind="perpetual",
                active=market.trading,
                contracts_max=contract.quantity_max,
            )
        return found

    def _quotes(self, market_ids: tuple[str, ...], deep: frozenset[str]) -> tuple[Quote | None, ...]:
        by, now = Decimal(1), self.world.time()
        if BTC not in market_ids:  # not a leg: a coin that is held
            by = Decimal(10) if self._lies("holding_price_x10") else by
        elif self._lies("price_x10"):
            by = Decimal(10)
        elif self._lies("price_tenth"):
            by = Decimal("0.1")
        elif self._lies("price_none"):
            return (None,)
        found: list[Quote | None] = []
        for market_id in market_ids:
            market = self.world.engine.market(market_id)
            shown = self.symbols[market_id] in deep and market.book.bids and market.book.asks
            found.append(
                Quote(
                    symbol=self.symbols[market_id],
                    at=now,
                    mark_price=market.mark * by,
                    index_price=market.index * by,
                    bid_price=market.book.bids[0][0] * by if market.book.bids else None,
                    ask_price=market.book.asks[0][0] * by if market.book.asks else None,
                    bid_depth=sum((size for _, size in market.book.bids), ZERO) if shown else None,
                    ask_depth=sum((size for _, size in market.book.asks), ZERO) if shown else None,
                    funding_rate_next=market.funding_rate,
                )
            )
        return tuple(found)

    def _prices(self, pairs: tuple[tuple[str, str], ...]) -> dict[str, Decimal]:
        known = self.world.engine.state.spot_prices
        return {base: known[base + quote] for base, quote in pairs if base + quote in known}

    def _marks(self, market_id: str, at: datetime) -> tuple[Decimal, Decimal] | None:
        return self.world.marks.get((market_id, at.replace(second=0, microsecond=0)))

    def _bars(self, market_id: str, after: datetime | None, until: datetime) -> list[dict[str, Any]]:
        kept = self.world.bars[market_id]
        if self._lies("stale_bars"):
            kept = kept[:-2]
        running = self._lies("running_bar")  # as exchanges do, whatever is asked for
        rows = [
            {
                "open_time": bar.open_time,
                "open": bar.open,
                "high": bar.high,
                "low": bar.low,
                "close": bar.close,
                "volume": bar.volume,
                "index_close": bar.close,
            }
            for bar in kept
            if (after is None or bar.open_time > after)
            and (bar.open_time + HOUR <= until or (running and bar.open_time <= until))
        ]
        if rows and self._lies("missing_bar"):
            rows.pop(len(rows) // 2)
        return rows

    def _funding(self, market_id: str, after: datetime | None, until: datetime) -> list[dict[str, Any]]:
        return [
            {"at": one.at, "funding_rate": float(one.rate), "interval_hours": 8.0}
            for one in self.world.engine.market(market_id).funding
            if (after is None or one.at > after) and one.at <= until
        ]

    # ---- the account

    def _margin(self) -> tuple[Margin, bool]:
        """The account's margin, and whether it is in hedge mode."""
        account = self.world.engine.account("USDT")
        margin = Margin(
            wallet_balance=account.wallet,
            equity=account.equity,
            maintenance_margin=account.maintenance,
        )
        return margin, self.world.engine.state.hedge_mode

    def _positions(self) -> tuple[SeenPosition, ...]:
        seconds, sign = self.world.time.seconds, 1
        lies = ("empty_positions", "stale_positions", "sign_flip")
        # The answer after a lie is the truth, unless that is what is to go wrong.
        again = not self.lied or self._lies("positions_lie_again")
        self.lied = next((name for name in lies if again and self._lies(name)), "")
        if self.lied == "empty_positions":
            return ()
        if self.lied == "stale_positions":
            seconds -= self.swarm.between(1.0, 90.0)
        elif self.lied == "sign_flip":
            sign = -1
        found = []
        for market_id, symbol in self.symbols.items():
            quantity, entry = self.world.held_at(market_id, seconds)
            market = self.world.engine.market(market_id)
            if quantity:
                found.append(
                    SeenPosition(
                        position=Position(symbol=symbol, contracts=quantity * sign, entry_price=entry),
                        notional=abs(quantity) * market.contract.multiplier * market.mark,
                        liquidation_price=None,
                        adl_rank=self.world.adl_rank,
                    )
                )
        self.world.rank_told = self.world.adl_rank if found else 1
        return tuple(found)

    def _open_orders(self, market_ids: tuple[str, ...]) -> tuple[OpenOrder, ...]:
        stale = self._lies("stale_orders")
        return tuple(
            OpenOrder(
                symbol=self.symbols[order.ticket.symbol],
                side=order.ticket.side,
                contracts=order.remaining,
                limit_price=order.ticket.price or Decimal(0),
                client_order_id=order.ticket.client_order_id,
                reduce_only=order.ticket.reduce_only,
            )
            for order in self.world.engine.open_orders()
            if order.ticket.symbol in market_ids and not stale
        )

    def _tiers(self, market_id: str) -> tuple[MarginTier, ...]:
        return tuple(
            MarginTier(
                notional_max=tier.notional_max,
                rate=tier.rate,
                deduction=tier.deduction,
                leverage_max=Decimal(tier.leverage_max),
            )
            for tier in self.world.engine.contract(market_id).tiers
        )

    def _set_leverage(self, market_id: str, leverage: Decimal) -> None:
        self.world.engine.watcher.happened("adjust", symbol=market_id)
        self.world.engine.set_leverage(market_id, int(leverage))

    def _set_margin_mode(self, market_id: str, margin_mode: str) -> None:
        self.world.engine.watcher.happened("adjust", symbol=market_id)
        self.world.engine.set_isolated(market_id, margin_mode == "isolated")

    def _rights(self) -> Rights:
        uid = "4712" if self._lies("other_account") else UID
        return Rights(
            account_uid=uid,
            may_trade=not self.world.reads_only,
            may_withdraw=False,
            address_bound=True,
            only_reads=self.world.reads_only,
        )

    def _mode(self, market_id: str) -> SymbolMode:
        engine = self.world.engine
        return SymbolMode(
            leverage=Decimal(engine.leverage(market_id)),
            margin_mode="isolated" if market_id in engine.state.isolated else "cross",
            hedge_mode=engine.hedged(market_id),
        )

    def _balances(self) -> tuple[Balance, ...]:
        by = Decimal("0.5") if self._lies("stale_balances") else Decimal(1)
        return tuple(
            Balance(asset=asset, quantity=quantity * by, source="spot")
            for asset, quantity in sorted(self.world.engine.state.spot.items())
        )

    def _fills(self, market_id: str, since: datetime, until: datetime) -> list[state.Fill]:
        end = self.world.time()
        if self._lies("late_fills"):
            end -= timedelta(seconds=self.swarm.between(1.0, 120.0))
        found = [
            fill
            for fill in self.world.engine.state.fills
            if fill.symbol == market_id and since <= fill.at <= end
        ]
        if self._lies("repeated_fills"):
            found = found + found
        return list(reversed(found)) if self._lies("reversed_fills") else found

    def _incomes(self, since: datetime) -> list[state.Entry]:
        kinds = ("funding", "transfer")
        entries = self.world.engine.state.entries
        return [one for one in entries if one.kind in kinds and one.at >= since]

    # ---- orders

    def _order(
        self, market_id: str, client_order_id: str, side: Any, quantity: Decimal, price: Decimal,
        reduce_only: bool, post_only: bool,
    ) -> dict[str, Any]:  # fmt: skip
        ticket = state.Ticket(
            symbol=market_id,
            side=side,
            quantity=quantity,
            price=price,
            time_in_force="POST" if post_only else "IOC",
            reduce_only=reduce_only,
            client_order_id=client_order_id,
        )
        engine, seconds = self.world.engine, self.world.time.seconds
        if self.swarm.strikes("order_partial", seconds):
            self._thin(market_id, quantity)
        order = engine.place(ticket)
        if self.swarm.strikes("lookup_hidden", seconds):
            self.hidden[client_order_id] = seconds + self.swarm.between(1.0, 30.0)
        row = _row(order, engine.average_price(order))
        acknowledged = self.swarm.strikes("order_acknowledged_only", seconds)
        return row | {"status": "new", "filled": Decimal(0)} if acknowledged else row

    def _thin(self, market_id: str, quantity: Decimal) -> None:
        """Others offer less than the order wants."""
        market = self.world.engine.market(market_id)
        lot = market.contract.lot
        part = (quantity * Decimal(str(self.swarm.between(0.0, 0.9)))) // lot * lot
        if not market.book.bids or not market.book.asks:
            return
        bid, ask = market.book.bids[0][0], market.book.asks[0][0]
        self.world.engine.put_book(
            market_id, [(bid, part)] if part else [], [(ask, part)] if part else []
        )

    def _lookup(self, market_id: str, client_order_id: str) -> dict[str, Any] | None:
        if self.hidden.get(client_order_id, -1.0) > self.world.time.seconds:
            return None
        order = self.world.engine.find(market_id, client_order_id=client_order_id)
        return None if order is None else _row(order, self.world.engine.average_price(order))

    def _orders(self, market_id: str, since: datetime) -> list[dict[str, Any]]:
        engine, now = self.world.engine, self.world.time.seconds
        return [
            _row(order, engine.average_price(order))
            for order in engine.state.orders.values()
            if order.ticket.symbol == market_id
            and order.created_at >= since
            and self.hidden.get(order.ticket.client_order_id, -1.0) <= now
        ]

    def _cancel(self, market_id: str, client_order_id: str) -> None:
        order = self.world.engine.find(market_id, client_order_id=client_order_id)
        if order is None:
            raise Refused("order_unknown")
        self.world.engine.watcher.happened("cancel", client_order_id=client_order_id)
        self.world.engine.cancel(order)


def _row(order: state.Order, average: Decimal) -> dict[str, Any]:
    return {
        "client_order_id": order.ticket.client_order_id,
        "side": order.ticket.side,
        "quantity": order.quantity,
        "filled": order.filled,
        "average": average if order.filled else None,
        "status": order.status,
        "post_only": order.ticket.time_in_force == "POST",
        "fee": order.fee,
    }
