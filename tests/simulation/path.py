"""
A year of prices, drawn at once: whoever asks gets the price of an instant, or bars of any length.

Enters a seed; leaves an array of constant size, so that memory that grows is not the simulator's.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np

STEP = timedelta(minutes=15)
BEFORE = timedelta(days=61)
VOLATILITY = 0.0012
"""Of a step; a day of 96 moves by some 1.2%."""
PULL = 0.0004
"""Of the way back to the first price, a step: the year ends somewhere near its beginning."""
VOLUME_A_MINUTE = 200.0
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


class Path:
    """The price of one contract from `BEFORE` *start* until *end*; a step of the grid has one price."""

    def __init__(self, seed: str, start: datetime, end: datetime, price: float) -> None:
        self.begins = start - BEFORE
        steps = (end - self.begins) // STEP + 2
        noise = np.random.default_rng(list(seed.encode())).normal(0.0, VOLATILITY, steps)
        logs = np.empty(steps)
        at = 0.0
        for step in range(steps):
            at += noise[step] - PULL * at
            logs[step] = at
        self.prices: list[float] = np.round(price * np.exp(logs), 1).tolist()
        self.crash: tuple[datetime, timedelta, float] | None = None

    def at(self, instant: datetime) -> float:
        """The price at *instant*."""
        price = self.prices[(instant - self.begins) // STEP]
        return price * self._fallen(instant, instant)

    def bars(
        self, length: str, after: datetime | None, until: datetime, rows_max: int = 2000
    ) -> Iterator[dict[str, Any]]:
        """Bars of *length* that opened later than *after* and closed by *until*, oldest first."""
        step = int(length[:-1]) * UNITS[length[-1]]
        opens = self.begins if after is None else after + step
        opens = max(opens, self.begins, until - rows_max * step)
        opens -= (opens - datetime(1970, 1, 1, tzinfo=opens.tzinfo)) % -step  # up to the grid
        while opens + step <= until:
            yield self._bar(opens, step)
            opens += step

    def _bar(self, opens: datetime, step: timedelta) -> dict[str, Any]:
        last = opens + step - timedelta(microseconds=1)
        first = (opens - self.begins) // STEP
        part = self.prices[first : (last - self.begins) // STEP + 1]
        fallen = self._fallen(opens, last)
        close = part[-1] * self._fallen(last, last)
        return {
            "open_time": opens,
            "open": part[0] * self._fallen(opens, opens),
            "high": max(part),
            "low": min(min(part) * fallen, close),
            "close": close,
            "volume": VOLUME_A_MINUTE * (step / UNITS["m"]),
            "index_close": close,
        }

    def _fallen(self, first: datetime, last: datetime) -> float:
        """The share of its price that is left in a flash crash within (*first*, *last*)."""
        if self.crash is None:
            return 1.0
        begins, lasts, left = self.crash
        return left if begins <= last and first < begins + lasts else 1.0
