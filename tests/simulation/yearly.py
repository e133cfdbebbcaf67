"""
The exchange of a simulated year: prices drawn beforehand, and nothing kept that nobody asks for.

Enters a `Script`; leaves a world and an exchange whose memory does not grow: what does is the daemon's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from exchange import happenings
from exchange.state import FundingRate
from hedged.core.metrics import Series
from hedged.core.metrics.history import SCHEMAS
from hedged.venue.dialect import Listing
from hedged.venue.exchange import Exchange
from hedged.venue.wire import Wire
from simulation.answers import Answers
from simulation.clock import Time, Wall
from simulation.daemon import SimulatedLines
from simulation.dialect import Simulated
from simulation.faults import Swarm
from simulation.path import Path
from simulation.script import Script
from simulation.world import BTC, PRICES, World

FUNDED = timedelta(hours=8)
AFTER = timedelta(days=7)
KEPT = timedelta(days=50)
CLOSES = 10
"""As many days as a rule of the settings looks at, and more."""
CRASH_LEFT = 0.13
CRASH_LASTS = timedelta(minutes=1)


class YearlyWorld(World):
    """A world whose prices are drawn for the whole year, and that forgets what nobody asks for."""

    def __init__(self, script: Script, time: Time, wall: Wall, swarm: Swarm) -> None:
        super().__init__(script.seed, time, wall, swarm)
        self.script = script
        self.reads_only = script.mode == "paper"
        ends = script.ends + AFTER
        self.paths = {
            symbol: Path(f"{script.seed} {symbol}", script.begins, ends, price)
            for symbol, price in PRICES.items()
        }
        for symbol, path in self.paths.items():
            path.crash = script.crash and (script.crash, CRASH_LASTS, CRASH_LEFT)
            self.prices[symbol] = path.at(time())
        self.bars.clear()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let come what the script says."""
        script = self.script
        for symbol in PRICES:  # who reads the account on paper wants to see some
            due = self.engine.market(symbol).funding_due
            self.engine.market(symbol).funding += [
                FundingRate(at=due - n * FUNDED, rate=Decimal("0.0001"), mark_price=self.mark(symbol))
                for n in range(21, 0, -1)
            ]
        for instant in script.adl:
            self._at(loop, instant, self._deleveraged)
        for span in script.maintenance:
            self._at(loop, span.at, lambda until=span.at + span.lasts: self._closed(until))
        for span in script.clock:
            self._at(loop, span.at, lambda by=span.by: self._set(by))
            self._at(loop, span.at + span.lasts, lambda: self._set(timedelta(0)))
        if script.crash is not None:
            self._at(loop, script.crash, self.sync)
            self._at(loop, script.crash + CRASH_LASTS, self.sync)

        def funded() -> None:
            self.sync()
            rate = Decimal(str(round(self.dice.gauss(0.0001, 0.0002), 6)))
            for symbol in PRICES:
                self.engine.market(symbol).funding_rate = rate
            self.engine.tick()
            self._forget()
            loop.call_later(FUNDED.total_seconds(), funded)

        loop.call_later(FUNDED.total_seconds(), funded)

    def sync(self) -> None:
        """The market is where it is now."""
        now = self.time()
        for symbol, path in self.paths.items():
            price = path.at(now)
            if price != self.prices[symbol]:
                self._price(symbol, price)

    def closes(self, symbol: str, at: datetime) -> list[float]:
        return [bar["close"] for bar in self.paths[symbol].bars("1d", None, at, CLOSES)]

    def remember(self, symbol: str) -> None:
        super().remember(symbol)
        mark, now = self.mark(symbol), self.time().replace(second=0, microsecond=0)
        self.marks[symbol, now] = (mark, mark)

    def _at(self, loop: asyncio.AbstractEventLoop, instant: datetime, do: Callable[[], None]) -> None:
        seconds = (instant - self.time.start).total_seconds()
        if seconds > 0:
            loop.call_at(seconds, do)

    def _price(self, symbol: str, price: float) -> None:
        self.prices[symbol] = price
        tick = self.engine.contract(symbol).tick
        mark = Decimal(str(price)) // tick * tick
        self._put(symbol, mark)
        self.engine.match_resting(symbol)
        if self.engine.state.spot_prices:
            self.engine.set_spot(f"{symbol}", mark)

    def _history(self, symbol: str) -> list[Any]:
        return []

    def _deleveraged(self) -> None:
        contract, held = self.engine.contract(BTC), abs(self.engine.position(BTC).quantity)
        half = (held / 2) // contract.lot * contract.lot
        if half:
            self.sync()
            self.engine.watcher.happened("adl")
            happenings.adl(self.engine, BTC, half)

    def _closed(self, until: datetime) -> None:
        self.engine.watcher.happened("maintenance")
        self.maintenance_until = (until - self.time.start).total_seconds()

    def _set(self, by: timedelta) -> None:
        self.wall.offset = by
        self.engine.watcher.happened("clock", offset=by.total_seconds())

    def _forget(self) -> None:
        """What the exchange would hardly tell any more, and the simulator needs no more."""
        state, since = self.engine.state, self.time() - KEPT
        state.entries = [one for one in state.entries if one.at >= since]
        for market in state.markets.values():
            market.funding = [one for one in market.funding if one.at >= since]
        for symbol, held in self.held.items():
            self.held[symbol] = held[-20:]
        self.marks = dict(list(self.marks.items())[-200:])


class YearlyAnswers(Answers):
    """Answers at the price of their instant, with bars of the length that is asked for."""

    world: YearlyWorld

    def __call__(self, endpoint: str, params: Any) -> Any:
        self.world.sync()
        return super().__call__(endpoint, params)

    def _bars_of(
        self, market_id: str, bar: str, after: datetime | None, until: datetime
    ) -> list[dict[str, Any]]:
        return list(self.world.paths[market_id].bars(bar, after, min(until, self.world.time())))


class YearlyDialect(Simulated):
    """Asks for bars by their length."""

    async def series(
        self,
        wire: Wire,
        listing: Listing,
        series: Series,
        bar: str,
        after: datetime | None,
        until: datetime,
    ) -> pl.DataFrame:
        if series != "bars":
            return await super().series(wire, listing, series, bar, after, until)
        asked = {"market_id": listing.market_id, "bar": bar, "after": after, "until": until}
        rows = await wire.read("bars_of", asked)
        return pl.DataFrame(rows, schema=SCHEMAS[series], orient="row")


class YearlyLines(SimulatedLines):
    """Lines that speak that dialect."""

    def exchange(self, name: str) -> Exchange:
        if name not in self._exchanges:
            wire = self._simulated(None)
            self._exchanges[name] = Exchange(name, YearlyDialect(), wire, self._clock)  # type: ignore[arg-type]
        return self._exchanges[name]
