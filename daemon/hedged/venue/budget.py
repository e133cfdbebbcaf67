"""
How much one host may be asked: half of what it allows, a part of it kept for orders.

Enters the weight of each request and what the host says about it; leaves permission, a wait, or
a refusal while a ban lasts. One budget serves all portfolios that speak to the host.

Windows and bans are measured on a clock that only runs on: one that is set back would lengthen a ban,
one that is set forward would empty the window.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from hedged.errors import VenueUnavailable

SHARE = 0.5
"""Of the host's own limit; other programs may run on the same address."""
ORDERS_SHARE = 0.2
"""Of our share, kept for orders and for finding out what became of them."""
BACKOFF_S = 60.0
"""After a refusal that does not say for how long."""
BAN_S_MAX = 3 * 86400.0
WAIT_S_MAX = 60.0
"""How long a request waits for room; of orders see `wire.ORDER_WAIT_S_MAX`."""


def loop_time() -> float:
    """Seconds on the clock of the running event loop, the one that `asyncio.sleep` waits by."""
    return asyncio.get_running_loop().time()


class Budget:
    """
    A sliding window of *window_s* seconds in which a host allows *limit* of weight.

    *monotonic* tells seconds on a clock that nobody sets, the one by which *sleep* waits.
    """

    def __init__(
        self,
        host: str,
        *,
        limit: float,
        window_s: float,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.host = host
        self.window_s = window_s
        self.allowed = limit * SHARE
        self.banned_until: float | None = None
        self._monotonic = monotonic
        self._sleep = sleep
        self._spent: deque[tuple[float, float]] = deque()

    async def spend(self, weight: float, *, order: bool, wait_s_max: float = WAIT_S_MAX) -> None:
        """
        Take *weight* from the window, waiting at most *wait_s_max* for room.

        Raises
        ------
        VenueUnavailable
            During a ban, and when there would be no room in time; nothing was asked.
        """
        waited = 0.0
        while True:
            now = self._monotonic()
            if self.banned_until is not None and now < self.banned_until:
                left_s = self.banned_until - now
                raise VenueUnavailable(f"{self.host} asked us to wait {left_s:.0f} seconds more")
            wait_s = self._wait_s(now, weight, order=order)
            if wait_s == 0:
                self._spent.append((now, weight))
                return
            if waited + wait_s > wait_s_max:
                raise VenueUnavailable(
                    f"the request budget of {self.host} is used up for {wait_s:.0f} seconds more"
                )
            waited += wait_s
            await self._sleep(wait_s)

    def told_used(self, used: float) -> None:
        """The host counts *used* in its present window: more than we know of was spent by others."""
        now = self._monotonic()
        unknown = used - self._used(now)
        if unknown > 0:
            self._spent.append((now, unknown))

    def told_to_wait(self, seconds: float | None) -> None:
        """The host refused to answer; nobody asks it again before *seconds* have passed."""
        wait_s = min(max(seconds if seconds is not None else BACKOFF_S, 1.0), BAN_S_MAX)
        until = self._monotonic() + wait_s
        self.banned_until = max(until, self.banned_until or until)

    def _used(self, now: float) -> float:
        while self._spent and self._spent[0][0] + self.window_s <= now:
            self._spent.popleft()
        return sum(weight for _, weight in self._spent)

    def _wait_s(self, now: float, weight: float, *, order: bool) -> float:
        """Seconds until *weight* fits, 0 when it does now."""
        room = self.allowed if order else self.allowed * (1 - ORDERS_SHARE)
        over = self._used(now) + weight - room
        if over <= 0 or not self._spent:
            return 0.0
        for at, spent in self._spent:
            over -= spent
            if over <= 0:
                return max(at + self.window_s - now, 0.001)
        return self.window_s


class Budgets:
    """One budget a host, shared by every wire of the process."""

    def __init__(
        self,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.monotonic = monotonic
        self._sleep = sleep
        self._budgets: dict[str, Budget] = {}

    def of(self, host: str, limit: float, window_s: float) -> Budget:
        """The budget of *host*, made when it is first asked for."""
        if host not in self._budgets:
            self._budgets[host] = Budget(
                host,
                limit=limit,
                window_s=window_s,
                monotonic=self.monotonic,
                sleep=self._sleep,
            )
        return self._budgets[host]
