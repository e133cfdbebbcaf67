"""
A quiet world: prices stand still, nothing goes wrong but what is asked for, and that at its time.

Enters strikes and moves with their seconds; leaves the parts of `simulation` that are drawn by a seed
there, without anything drawn.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from exchange.happenings import settle_funding
from hedged.venue.wire import Answered
from simulation.faults import Drawn, Swarm
from simulation.network import Network, Params
from simulation.world import PRICES, Bar, D, Watcher, World

CHANGES = frozenset({"order", "cancel", "set_leverage"})
"""Requests that change something, so that it matters if the process dies while they are under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """
    A fault of `simulation.faults.CATALOGUE`, the first *times* that it can strike from *from_s* to
    *until_s*; *size* is what it would draw: seconds late, a share of the book.
    """

    fault: str
    from_s: float = 0.0
    until_s: float = 1e9
    times: int = 1
    size: float = 0.0


class Script(Swarm):
    """Strikes as they are written down, in place of those that a seed draws."""

    def __init__(self, strikes: tuple[Strike, ...]) -> None:
        self.quiet_s = 1e9
        self.met: Counter[str] = Counter()
        self.drawn: dict[str, Drawn] = {}
        self._strikes = {one.fault: one for one in strikes}
        self._size = 0.0

    def strikes(self, name: str, now_s: float) -> bool:
        written = self._strikes.get(name)
        if written is None or not written.from_s <= now_s < written.until_s:
            return False
        if self.met[name] >= written.times:
            return False
        self.met[name] += 1
        self._size = written.size
        return True

    def instants(self, name: str, day_s: float) -> list[float]:
        return []

    def between(self, low: float, high: float) -> float:
        return self._size

    def mostly_small(self, low: float, high: float) -> float:
        return self._size


class QuietWorld(World):
    """A market that moves by `move` only; funding was paid at midnight, for rules that ask for it."""

    def open(self, watcher: Watcher) -> None:
        super().open(watcher)
        midnight = self.time().replace(hour=0, minute=0)
        for symbol in PRICES:
            settle_funding(self.engine, symbol, D("0.0001"), midnight)

    def _history(self, symbol: str) -> list[Bar]:
        self.volatility = 0.0
        return super()._history(symbol)

    def move(self, by: float) -> None:
        """All prices become *by* times what they were."""
        for symbol in PRICES:
            self._price(symbol, self.prices[symbol] * by)


class Way(Network):
    """
    The network, on which the process may also die while a request that changes something is under way,
    and after one that got no answer.
    """

    visit: Callable[[str], None]

    async def carry(self, endpoint: str, params: Params, signed_at: datetime) -> Any:
        try:
            return await self._carried(endpoint, params, signed_at)
        except Answered:  # the wire visits that site itself
            raise
        except Exception:
            self.visit(f"after {endpoint}")
            raise

    async def _carried(self, endpoint: str, params: Params, signed_at: datetime) -> Any:
        going = asyncio.ensure_future(super().carry(endpoint, params, signed_at))
        await asyncio.sleep(0)
        if endpoint in CHANGES:
            self.visit(f"during {endpoint}")
        return await going
