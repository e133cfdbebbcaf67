"""A market, a venue and a clock that do as they are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl

from builders import MONDAY, snapshot
from hedged.core.market import ZERO, Snapshot
from hedged.core.metrics import Series
from hedged.core.metrics.history import SCHEMAS
from hedged.core.record import Outcome
from hedged.core.resolution import Absence
from hedged.errors import OutcomeUnknown, VenueRefused, VenueUnavailable
from hedged.venue.protocol import Order


class FakeClock:
    """A clock that stands still until it is told."""

    def __init__(self, now: datetime = MONDAY + timedelta(minutes=5)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def step(self, **by: float) -> None:
        self.now += timedelta(**by)


class FakeVenue:
    """
    Answers with *snapshots* in turn (the last for ever), and with *answers* to sends: ``fill``,
    ``partial``, ``refuse``, ``land then time out``, ``time out``, ``rest``. What rests ends, when it is
    cancelled, as *ends* say in turn: ``nothing`` (the default), ``part``, ``all``, or ``later`` (not
    yet). A string in *failures* is raised as `VenueUnavailable` by the next read.
    """

    def __init__(
        self, snapshots: list[Snapshot] | None = None, *, absence_is_proof: bool = False
    ) -> None:
        self.snapshots = snapshots or [snapshot()]
        self.absence_is_proof = absence_is_proof
        self.answers: list[str] = []
        self.failures: list[str] = []
        self.orders: list[Order] = []
        self.ends: list[str] = []
        self.landed: dict[str, Outcome] = {}
        self.frames: dict[Series, pl.DataFrame] = {}
        self.permit: Callable[[str, datetime], bool] | None = None
        self.cancelled: list[str] = []
        self.sought_at, self.seek_every, self.adds_up = MONDAY, timedelta(minutes=5), True
        self.observed = 0
        self.closed = False

    async def observe(self, now: datetime, *, after: int) -> Snapshot:
        self._fail()
        self.observed += 1
        return self.snapshots.pop(0) if len(self.snapshots) > 1 else self.snapshots[0]

    async def series(
        self, symbol: str, series: Series, bar: str, after: datetime | None, until: datetime
    ) -> pl.DataFrame:
        self._fail()
        return self.frames.get(series, pl.DataFrame(schema=SCHEMAS[series]))

    async def send(self, order: Order) -> Outcome:
        if self.permit is not None and not self.permit(order.client_order_id, self.sought_at):
            raise VenueRefused("it may not be sent")
        self.orders.append(order)
        answer = self.answers.pop(0) if self.answers else "fill"
        if answer == "refuse":
            raise VenueRefused("the venue said no")
        if answer in ("time out", "land then time out"):
            if answer.startswith("land"):
                self.landed[order.client_order_id] = _filled(order)
            raise OutcomeUnknown("no answer")
        outcome = _filled(order, part=answer == "partial")
        if answer == "rest":
            outcome = replace(outcome, status="resting", filled=ZERO, fill_price=None)
        self.landed[order.client_order_id] = outcome
        return outcome

    async def lookup(self, client_order_id: str, symbol: str) -> Outcome | None:
        self._fail()
        return self.landed.get(client_order_id)

    async def seek(self, client_order_id: str, symbol: str, since: datetime) -> Outcome | Absence:
        found = await self.lookup(client_order_id, symbol)
        self.sought_at += self.seek_every
        return found or Absence(at=self.sought_at, adds_up=self.adds_up)

    async def cancel(self, client_order_id: str, symbol: str) -> None:
        self.cancelled.append(client_order_id)
        outcome = self.landed.get(client_order_id)
        end = self.ends.pop(0) if self.ends else "nothing"
        if outcome is None or outcome.status != "resting":
            return
        if end == "nothing":
            self.landed[client_order_id] = replace(outcome, status="unfilled")
        elif end != "later":
            whole = _filled(self.orders[-1], part=end == "part")
            self.landed[client_order_id] = replace(whole, client_order_id=client_order_id)

    async def close(self) -> None:
        self.closed = True

    def _fail(self) -> None:
        if self.failures:
            raise VenueUnavailable(self.failures.pop(0))


def _filled(order: Order, *, part: bool = False) -> Outcome:
    return Outcome(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        contracts=order.contracts,
        filled=order.contracts / 2 if part else order.contracts,
        fill_price=order.limit_price,
        fee=order.contracts * 0,
        status="partial" if part else "filled",
    )
