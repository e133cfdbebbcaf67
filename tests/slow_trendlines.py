"""Trendlines the slow, obvious way: at every bar, every pair of pivots, every close."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations

import polars as pl

from hedged.core.metrics import trendlines


@dataclass(frozen=True)
class Slow:
    """Plain lists of one stretch, upside down for descending lines."""

    close: list[float]
    extreme: list[float]
    atr: list[float | None]
    found: dict[int, tuple[int, float, int] | None] = field(default_factory=dict)

    def pivot(self, i: int) -> bool:
        before, after = self.extreme[i - 5 : i], self.extreme[i + 1 : i + 6]
        return i >= 5 and min(before) > self.extreme[i] <= min(after)

    def considered(self, t: int) -> list[int]:
        first = max(14, t - trendlines.LOOKBACK + 1)
        found = [i for i in range(first, t - 4) if self.pivot(i)]
        return found[-trendlines.PIVOTS_MAX :]

    def best(self, t: int) -> tuple[int, float, int] | None:
        """The first pivot, the slope and the touches of the major line at bar t."""
        if t not in self.found:
            self.found[t] = self._best(t)
        return self.found[t]

    def _best(self, t: int) -> tuple[int, float, int] | None:
        found = []
        kept = self.considered(t)
        for a, b in combinations(kept, 2):
            slope = (self.extreme[b] - self.extreme[a]) / (b - a)
            if self.extreme[b] - self.extreme[a] <= 0.5 * self.atr[a] + 0.5 * self.atr[b]:
                continue  # a flat line is as good
            line = [self.extreme[a] + slope * (s - a) for s in range(a, t + 1)]
            if any(self.close[s] < line[s - a] - 0.5 * self.atr[s] for s in range(a + 1, t)):
                continue
            touched = [
                c for c in kept
                if c >= a and (c in (a, b) or abs(self.extreme[c] - line[c - a]) <= 0.5 * self.atr[c])
            ]  # fmt: skip
            if touched[-1] - a >= trendlines.SPAN_MIN:
                found.append((len(touched), touched[-1] - a, b, a, slope))
        if not found:
            return None
        touches, _, _, a, slope = max(found)
        return a, slope, touches

    def value(self, t: int, s: int) -> float | None:
        """At bar s the line that stands at t."""
        best = self.best(t)
        return best and self.extreme[best[0]] + best[1] * (s - best[0])

    def broke(self, t: int) -> bool | None:
        if t < 15:
            return None
        best = self.best(t - 1)
        if best is None:
            return False
        line = [self.extreme[best[0]] + best[1] * (s - best[0]) for s in (t, t - 1)]
        floors = [self.close[s] + 0.5 * self.atr[s] for s in (t, t - 1)]
        return floors[0] < line[0] and floors[1] >= line[1]

    def broken(self, t: int, n: int) -> bool | None:
        """Whether a line broke within the n bars up to t, and the close of t is still beyond it."""
        found: list[bool | None] = []
        for s in range(t - n + 1, t + 1):
            broke = None if s < 0 else self.broke(s)
            line = self.value(s - 1, t) if broke else None
            found.append(broke if line is None else self.close[t] < line)
        return True if True in found else None if None in found else False


def slow_atr(rows: pl.DataFrame) -> list[float | None]:
    high, low, close = (rows[name].to_list() for name in ("high", "low", "close"))
    found: list[float | None] = [None] * len(close)
    ranges = [max(high[i], close[i - 1]) - min(low[i], close[i - 1]) for i in range(1, len(close))]
    for i in range(14, len(close)):
        before = found[i - 1]
        found[i] = sum(ranges[:14]) / 14 if before is None else (before * 13 + ranges[i - 1]) / 14
    return found


def slow_of(rows: pl.DataFrame, side: str) -> Slow:
    """Of one gap-free stretch."""
    sign, extreme = (1, "low") if side == "ascending" else (-1, "high")
    return Slow(
        close=[sign * close for close in rows["close"]],
        extreme=[sign * price for price in rows[extreme]],
        atr=slow_atr(rows),
    )
