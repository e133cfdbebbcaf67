"""
The world: an exchange with one account, its market's path, and what happens to the account by itself.

Enters a seed and its faults; leaves an `Engine` that is watched, bars and funding for the rules, and
the true exposure. Nothing here knows the daemon.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from exchange import happenings
from exchange.binance import RULES
from exchange.desk import Refused
from exchange.engine import Engine
from exchange.instruments import SPOT_PAIRS, binance_contracts
from exchange.matching import ladder
from exchange.state import Fill, Order, Ticket
from exchange.tape import Tape
from simulation import people
from simulation.clock import Time, Wall
from simulation.faults import Swarm

D = Decimal
BTC, ETH = "BTCUSDT", "ETHUSDT"
PRICES = {BTC: 60_000.0, ETH: 3_000.0}
COIN = {BTC: "BTC", ETH: "ETH"}
HOUR = timedelta(hours=1)
BARS_BEFORE = 60
LEVERAGE = 20
DAY_S = 86_400.0
STEP_S = 60.0


class Watcher(Protocol):
    """Who sees everything that happens at the exchange."""

    def arrived(self, ticket: Ticket) -> None:
        """An order reached the matching engine."""

    def filled(self, fill: Fill) -> None:
        """The account traded."""

    def happened(self, what: str, **about: object) -> None:
        """Anything else."""


class Watched(Engine):
    """The account engine, whose every event is seen."""

    watcher: Watcher
    resting: list[Order]

    def place(self, ticket: Ticket) -> Order:
        self.watcher.arrived(ticket)
        order = super().place(ticket)
        if order.open:
            self.resting.append(order)
        return order

    def match_resting(self, symbol: str) -> None:
        """Fill resting orders that the price has come to."""
        if any(order.open for order in self.resting):
            self._match_resting(symbol)
        self.resting = [order for order in self.resting if order.open]

    def _fill(self, order: Order, quantity: Decimal, price: Decimal, *, maker: bool) -> None:
        super()._fill(order, quantity, price, maker=maker)
        self.watcher.filled(self.state.fills[-1])


class NoTape(Tape):
    """Keeps nothing: the world has bars of its own."""

    def record(self, at: datetime, price: Decimal, volume: Decimal = Decimal(0)) -> None:
        """Forget it."""


@dataclass(slots=True, kw_only=True)
class Bar:
    """An hour of prices."""

    open_time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float

    def grow(self, price: float) -> None:
        """Trade at *price*."""
        self.high, self.low, self.close = max(self.high, price), min(self.low, price), price
        self.volume += 3.0


class World:
    """Everything outside of the daemon, but for the network."""

    def __init__(self, seed: int, time: Time, wall: Wall, swarm: Swarm, *, tapes: bool = False) -> None:
        self.time = time
        self.wall = wall
        self.swarm = swarm
        self.dice = random.Random(f"{seed} world")
        listed = tuple(one for one in binance_contracts() if one.id in PRICES)
        unique = self.dice.choice(("open", "always"))
        self.engine = Watched(
            listed,
            clock=time,
            rules=replace(RULES, ids_unique=unique),  # type: ignore[arg-type]
            spot_pairs=SPOT_PAIRS,
        )
        self.volatility = self.dice.choice((0.0002, 0.0006, 0.0015))
        self.prices = dict(PRICES)
        self.marks: dict[tuple[str, datetime], tuple[Decimal, Decimal]] = {}
        self.held: dict[str, list[tuple[float, Decimal, Decimal]]] = {BTC: [], ETH: []}
        self.bars: dict[str, list[Bar]] = {}
        self.maintenance_until = -1.0
        self.stated = {"BTC": D(1)}
        self.adl_rank = self.rank_told = 1
        self.delisted: set[str] = set()
        self.gone: set[str] = set()
        self.thin = False
        self.given_up = False
        self.reads_only = False
        if not tapes:
            for market in self.engine.state.markets.values():
                market.tapes = {name: NoTape() for name in market.tapes}
        for symbol in PRICES:
            self.bars[symbol] = self._history(symbol)

    # ---- the market

    def open(self, watcher: Watcher) -> None:
        """Let the exchange trade."""
        self.engine.watcher, self.engine.resting = watcher, []
        for symbol in PRICES:
            self._price(symbol, self.prices[symbol])
        self.engine.deposit("USDT", D(400_000))
        self.engine.state.spot = {"ETH": D(10), "BTC": D("0.2")}
        for symbol, coin in COIN.items():
            self.engine.set_spot(f"{coin}USDT", self.mark(symbol))
        for symbol in PRICES:
            self.remember(symbol)

    def mark(self, symbol: str) -> Decimal:
        """The true mark."""
        return self.engine.market(symbol).mark

    def coins(self) -> dict[str, Decimal]:
        """What there is to protect, by the symbol of its price."""
        spot = self.engine.state.spot
        return {
            symbol: self.stated.get(coin, D(0)) + spot.get(coin, D(0)) for symbol, coin in COIN.items()
        }

    def exposure(self, coins: dict[str, Decimal] | None = None) -> Decimal:
        """What all coins, or *coins*, are worth, by the true prices."""
        held = self.coins() if coins is None else coins
        return sum((quantity * self.mark(symbol) for symbol, quantity in held.items()), D(0))

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let time bring what it brings."""

        def step() -> None:
            self.step()
            loop.call_later(STEP_S, step)

        loop.call_later(STEP_S, step)
        for name, event in self._events().items():
            for at in self.swarm.instants(name, DAY_S):
                loop.call_at(at, self._event, name, event)

    def step(self) -> None:
        """A minute passes."""
        if self.engine.now >= self.engine.market(BTC).funding_due:
            rate = D(str(round(self.dice.gauss(0.0001, 0.0002), 6)))
            for symbol in PRICES:
                self.engine.market(symbol).funding_rate = rate
        self.engine.tick()
        common = self.dice.gauss(0.0, self.volatility)
        for symbol in PRICES:
            own = self.dice.gauss(0.0, self.volatility / 2)
            self._price(symbol, self.prices[symbol] * (1 + common + own))
        if self.thin:
            happenings.liquidate_due(self.engine)

    def remember(self, symbol: str) -> None:
        """Keep what is held now, for answers that come too late."""
        position = self.engine.position(symbol)
        self.held[symbol].append((self.time.seconds, position.quantity, position.entry_price))

    def closes(self, symbol: str, at: datetime) -> list[float]:
        """The closes of the signal's bars that were over at *at*."""
        return [one.close for one in self.bars[symbol] if one.open_time + HOUR <= at]

    def held_at(self, symbol: str, seconds: float) -> tuple[Decimal, Decimal]:
        """(quantity, entry price) at an earlier instant."""
        before = [one for one in self.held[symbol] if one[0] <= seconds]
        return (before or self.held[symbol])[-1][1:]

    def _price(self, symbol: str, price: float) -> None:
        self.prices[symbol] = price
        tick = self.engine.contract(symbol).tick
        mark = D(str(price)) // tick * tick
        self._put(symbol, mark)
        self.engine.match_resting(symbol)
        now = self.time()
        self.marks[symbol, now.replace(second=0, microsecond=0)] = (mark, mark)
        opens = now.replace(minute=0, second=0, microsecond=0)
        bars = self.bars[symbol]
        if not bars or bars[-1].open_time < opens:
            last = bars[-1].close if bars else price
            bars.append(Bar(open_time=opens, open=last, high=last, low=last, close=last, volume=1.0))
        bars[-1].grow(float(mark))
        if self.engine.state.spot_prices:
            self.engine.set_spot(f"{COIN[symbol]}USDT", mark)

    def _put(self, symbol: str, mark: Decimal) -> None:
        """As `Desk.put_price`, with a short book and no look for liquidations, for it is often done."""
        market = self.engine.market(symbol)
        market.mark = market.index = market.last = mark
        market.book = ladder(mark, tick=market.contract.tick, spread=D(0), depth=D(1000), steps=2)
        for tape in market.tapes.values():
            tape.record(self.time(), mark)

    def _history(self, symbol: str) -> list[Bar]:
        begins = self.time.start.replace(minute=0, second=0, microsecond=0) - BARS_BEFORE * HOUR
        bars: list[Bar] = []
        price = self.prices[symbol]
        for hour in range(BARS_BEFORE):
            bar = Bar(
                open_time=begins + hour * HOUR,
                open=price,
                high=price,
                low=price,
                close=price,
                volume=90.0,
            )
            for _ in range(4):
                price *= 1 + self.dice.gauss(0.0, self.volatility * 4)
                bar.grow(price)
            bars.append(bar)
        self.prices[symbol] = price
        return bars

    # ---- what happens by itself

    def _event(self, name: str, event: Callable[[], None]) -> None:
        self.swarm.met[name] += 1
        self.engine.watcher.happened(name)
        try:
            event()
        except Refused as refused:
            self.engine.watcher.happened("refused", reason=str(refused))

    def _events(self) -> dict[str, Callable[[], None]]:
        return {
            "flash_crash": self._flash_crash,
            "jump": self._jump,
            "funding_spike": self._funding_spike,
            "adl": lambda: self._forced("adl"),
            "liquidation": lambda: self._forced("liquidation"),
            "manual_trade": self._manual_trade,
            "manual_order": self._manual_order,
            "deposit": self._deposit,
            "step_change": self._step_change,
            "size_change": lambda: self.engine.relist(BTC, multiplier=D(10)),
            "leverage_change": self._leverage_change,
            "halt": self._halt,
            "maintenance": self._maintenance,
            "clock_drift": lambda: self._clock(self.dice.uniform(-4.0, 4.0)),
            "clock_step": lambda: self._clock(self.dice.choice((-3600.0, 3600.0))),
            **people.events(self),
        }

    def _flash_crash(self) -> None:
        deep, before = self.dice.uniform(0.7, 0.95), dict(self.prices)
        for symbol in PRICES:
            self._price(symbol, self.prices[symbol] * deep)

        def back() -> None:
            for symbol in PRICES:
                self._price(symbol, before[symbol] * self.dice.uniform(0.97, 1.0))

        asyncio.get_running_loop().call_later(self.dice.uniform(30.0, 900.0), back)

    def _jump(self) -> None:
        by = self.dice.uniform(0.92, 1.08)
        for symbol in PRICES:
            self._price(symbol, self.prices[symbol] * by)

    def _funding_spike(self) -> None:
        rate = D(str(round(self.dice.choice((-1, 1)) * self.dice.uniform(0.002, 0.01), 5)))
        for symbol in PRICES:
            happenings.settle_funding(self.engine, symbol, rate, at=self.engine.now)
            self.engine.market(symbol).funding_rate = rate

    def symbols(self) -> tuple[str, ...]:
        """All contracts."""
        return tuple(PRICES)

    def part_of(self, symbol: str) -> Decimal:
        """Some of what is held."""
        held, lot = abs(self.engine.position(symbol).quantity), self.engine.contract(symbol).lot
        return (held * D(str(round(self.dice.uniform(0.1, 1.0), 3)))) // lot * lot

    def _forced(self, how: str) -> None:
        symbol = self.dice.choice((BTC, ETH))
        quantity = self.part_of(symbol)
        if not quantity:
            return
        if how == "adl":
            happenings.adl(self.engine, symbol, quantity)
        else:
            happenings.liquidate(self.engine, symbol, quantity)

    def _manual_trade(self) -> None:
        symbol, lot = self.dice.choice((BTC, ETH)), self.engine.contract(BTC).lot
        size = self.part_of(symbol) or lot * 100
        side = self.dice.choice(("buy", "sell"))
        reduce = side == "buy"
        self.engine.manual(
            Ticket(symbol=symbol, side=side, quantity=size, kind="market", reduce_only=reduce)  # type: ignore[arg-type]
        )

    def _manual_order(self) -> None:
        tick = self.engine.contract(BTC).tick
        price = self.mark(BTC) * D("1.04") // tick * tick
        named = f"by-hand-{self.engine.serial()}"
        self.engine.place(
            Ticket(
                symbol=BTC,
                side="sell",
                quantity=D("0.05"),
                price=price,
                client_order_id=named,
                cause="manual",
            )
        )

    def _deposit(self) -> None:
        coin = self.dice.choice(("BTC", "ETH"))
        had = self.engine.state.spot.get(coin, D(0))
        by = D(str(round(self.dice.uniform(0.3, 1.6), 2)))
        self.engine.state.spot[coin] = (had or D("0.1")) * by
        self.engine.transfer("USDT", D(self.dice.choice((-5_000, 5_000))))

    def _step_change(self) -> None:
        symbol = self.dice.choice((BTC, ETH))
        lot = self.dice.choice((D("0.001"), D("0.002"), D("0.01")))
        self.engine.relist(symbol, lot=lot, quantity_min=lot)

    def _leverage_change(self) -> None:
        """Another hand changes it, and changes it back when it is told."""
        self.engine.set_leverage(BTC, 7)
        loop = asyncio.get_running_loop()
        loop.call_later(self.dice.uniform(600.0, 5400.0), self._leverage_back)

    def _leverage_back(self) -> None:
        if self.engine.leverage(BTC) != LEVERAGE:
            self.engine.set_leverage(BTC, LEVERAGE)

    def _halt(self) -> None:
        symbol = self.dice.choice((BTC, ETH))
        self.engine.halt(symbol)
        loop = asyncio.get_running_loop()
        loop.call_later(self.dice.uniform(60.0, 5400.0), self._trade_again, symbol)

    def _trade_again(self, symbol: str) -> None:
        if symbol not in self.delisted:
            self.engine.halt(symbol, trading=True)

    def _maintenance(self) -> None:
        self.maintenance_until = self.time.seconds + self.dice.uniform(30.0, 3600.0)

    def _clock(self, seconds: float) -> None:
        """The machine's clock is wrong from now on, for a while."""
        self.wall.offset += timedelta(seconds=round(seconds, 3))
        self.engine.watcher.happened("clock", offset=self.wall.offset.total_seconds())

        def right() -> None:
            self.wall.offset = timedelta(0)
            self.engine.watcher.happened("clock", offset=0.0)

        asyncio.get_running_loop().call_later(self.dice.uniform(60.0, 7200.0), right)
