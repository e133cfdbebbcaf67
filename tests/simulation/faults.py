"""
What goes wrong: every seed draws its own few faults of the catalogue, and how often each strikes.

Enters a seed; leaves answers to "does it strike now?", counted. Swarm testing: a day on which all is a
little broken hides what a day finds on which one thing is broken badly.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import Literal

Where = Literal["order", "read", "lie", "world", "disk", "process"]

RATES: dict[Where, tuple[float, float]] = {
    "order": (0.03, 0.5),  # a chance of each order
    "read": (0.0005, 0.02),  # of each request that only reads
    "lie": (0.002, 0.06),  # of each answer that the lie is about
    "world": (0.5, 4.0),  # times a day
    "disk": (0.001, 0.02),  # of each commit
    "process": (0.5, 6.0),  # times a day
}

CATALOGUE: dict[str, Where] = {
    # an order on its way
    "order_lost": "order",
    "order_reply_lost": "order",
    "order_slow": "order",
    "order_past_window": "order",
    "order_late": "order",
    "order_late_unknown": "order",
    "order_http_503": "order",
    "order_landed_503": "order",
    "order_timeout_1007": "order",
    "order_html": "order",
    "order_truncated": "order",
    "order_rejected": "order",
    "order_said_duplicate": "order",
    "order_acknowledged_only": "order",
    "order_partial": "order",
    "lookup_hidden": "order",
    # any request
    "read_lost": "read",
    "read_slow": "read",
    "read_http_503": "read",
    "read_html": "read",
    "read_truncated": "read",
    "rate_limited": "read",
    "banned": "read",
    # answers that are well formed and wrong
    "stale_positions": "lie",
    "empty_positions": "lie",
    "sign_flip": "lie",
    "positions_lie_again": "lie",
    "stale_orders": "lie",
    "stale_balances": "lie",
    "price_none": "lie",
    "price_x10": "lie",
    "price_tenth": "lie",
    "holding_price_x10": "lie",
    "late_fills": "lie",
    "repeated_fills": "lie",
    "reversed_fills": "lie",
    "size_lie": "lie",
    "stale_bars": "lie",
    "missing_bar": "lie",
    # the world
    "flash_crash": "world",
    "jump": "world",
    "funding_spike": "world",
    "adl": "world",
    "liquidation": "world",
    "manual_trade": "world",
    "manual_order": "world",
    "deposit": "world",
    "step_change": "world",
    "size_change": "world",
    "leverage_change": "world",
    "halt": "world",
    "maintenance": "world",
    "clock_drift": "world",
    "clock_step": "world",
    # the machine
    "disk_locked": "disk",
    "disk_full": "disk",
    "book_full": "disk",
    "kill": "process",
    "terminate": "process",
    # people, and what the exchange does for good
    "hedge_mode": "world",
    "isolated": "world",
    "manual_fight": "world",
    "collateral_out": "world",
    "delisting": "world",
    "adl_rank_top": "world",
    "other_account": "lie",
    "running_bar": "lie",
    "disk_io": "disk",
    "disk_unreadable": "disk",
    "restored": "process",
    "second_start": "process",
}

ONCE_IN_A_WHILE = {"size_change", "size_lie", "delisting"}
"""A person must mend what these break, and the rest of the day tests little: few seeds draw them."""

AWAITED: dict[str, str] = {}
"""Faults that the daemon does not survive yet, and why: drawn only when asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One fault of a seed, and its rate (see `RATES`)."""

    name: str
    where: Where
    rate: float


class Swarm:
    """The faults of one seed. They end at *quiet_s* seconds after the start."""

    def __init__(self, seed: int, quiet_s: float, *, awaited: bool = False) -> None:
        self.quiet_s = quiet_s
        self.met: Counter[str] = Counter()
        dice = random.Random(f"{seed} swarm")
        share = dice.choice((0.0, 0.08, 0.2, 0.4, 0.7))
        self.drawn: dict[str, Drawn] = {}
        for name, where in CATALOGUE.items():
            chance = share * (0.15 if name in ONCE_IN_A_WHILE else 1.0)
            low, high = RATES[where]
            rate = low * (high / low) ** dice.random()
            if dice.random() < chance and (awaited or name not in AWAITED):
                self.drawn[name] = Drawn(name=name, where=where, rate=rate)
        self._dice = random.Random(f"{seed} strikes")

    def strikes(self, name: str, now_s: float) -> bool:
        """Whether the fault *name* strikes here; drawn anew every time."""
        drawn = self.drawn.get(name)
        if drawn is None or now_s >= self.quiet_s or self._dice.random() >= drawn.rate:
            return False
        self.met[name] += 1
        return True

    def first(self, names: tuple[str, ...], now_s: float) -> str:
        """The first of *names* that strikes, or nothing."""
        return next((name for name in names if self.strikes(name, now_s)), "")

    def instants(self, name: str, day_s: float) -> list[float]:
        """When a fault that is counted by the day happens, before it is quiet."""
        drawn = self.drawn.get(name)
        if drawn is None:
            return []
        times = int(drawn.rate) + (self._dice.random() < drawn.rate % 1)
        until = min(day_s, self.quiet_s)
        return sorted(round(self._dice.uniform(60.0, until), 3) for _ in range(times))

    def between(self, low: float, high: float) -> float:
        """A number of seconds, or what else is asked for."""
        return round(self._dice.uniform(low, high), 3)

    def mostly_small(self, low: float, high: float) -> float:
        """As `between`, small ones more often."""
        return round(low + (high - low) * self._dice.random() ** 3, 3)


BY_THE_EXCHANGE = ("order_partial", "order_acknowledged_only", "lookup_hidden")
"""Faults of orders that the exchange itself commits; the others happen on the way."""

ORDER_FAULTS = tuple(
    name for name, where in CATALOGUE.items() if where == "order" and name not in BY_THE_EXCHANGE
)
READ_FAULTS = tuple(name for name, where in CATALOGUE.items() if where == "read")
