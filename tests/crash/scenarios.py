"""
Small worlds in which one thing goes on, each a few ticks long: what is enumerated.

A scenario starts at 00:50, hedges half of the coins, and looks again every 15 minutes; its one thing
comes with the review of 01:01. Only an order that rests is given more time than two ticks, the tick
that it rests for: the quarantine of an order of unknown outcome (335 s) is shorter than a tick, and
its passes follow one another by the minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crash.quiet import Strike
from exchange import happenings as forced
from exchange.state import Ticket
from simulation.answers import UID
from simulation.daemon import SETTINGS
from simulation.evidence import Sent
from simulation.world import BTC, ETH, D

if TYPE_CHECKING:
    from crash.course import Course

Happening = tuple[float, Callable[["Course"], Any]]

FROM_S = 300.0
"""The hedge of before stands; the points of a scenario that begins with one are from here on."""
MOVE_S = 420.0
"""Prices move at 00:57, and the bar of 00:00 closes with them."""
REVIEW_S = 660.0
ONE_LEG = {BTC: 1.0}
SYMBOLS = {BTC: "BTC/USDT:USDT", ETH: "ETH/USDT:USDT"}
STRAY = "hdgstray"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """
    *ends_s*: when a run without a kill is over; points are sites passed from *from_s* to then.
    *before* happens a second before the daemon starts.
    *settled_s*: before that a person has not done his part, so that no tick but the next can.
    *rests*: so many ticks an order is given to rest, beside those of `course`.
    """

    name: str
    what: str
    from_s: float = FROM_S
    ends_s: float = 1700.0
    settled_s: float = 0.0
    rests: int = 0
    legs: dict[str, float] = field(default_factory=lambda: ONE_LEG)
    style: str = "ioc"
    strikes: tuple[Strike, ...] = ()
    happenings: tuple[Happening, ...] = ()
    before: Callable[[Course], Any] | None = None
    foreign: frozenset[str] = frozenset()

    @property
    def settings(self) -> str:
        """The text of the daemon's settings."""
        legs = ", ".join(
            f'{{ symbol = "{SYMBOLS[leg]}", weight = {weight} }}' for leg, weight in self.legs.items()
        )
        return SETTINGS.replace("0 */2 * * *", "0 * * * *").format(
            guard_every="15m",
            legs=legs,
            initial=0.5,
            uid=UID,
            style=self.style,
            slow=3,
            high=0.8,
            low=0.2,
            adjust="true",
        )


def _falls(course: Course) -> None:
    course.world.move(0.98)


def _rises(course: Course) -> None:
    course.world.move(1.02)


def _rises_a_little(course: Course) -> None:
    course.world.move(1.001)


FALLS: tuple[Happening, ...] = ((MOVE_S, _falls),)
RISES: tuple[Happening, ...] = ((MOVE_S, _rises),)


def _after(fault: str, **given: Any) -> tuple[Strike, ...]:
    return (Strike(fault=fault, from_s=FROM_S, **given),)


def _looked_at(course: Course) -> None:
    """A person lifts what a breaker has set, and looks again every five minutes."""
    if course.checker.restrictions():
        course.lift()
    asyncio.get_running_loop().call_later(300.0, _looked_at, course)


def _deleveraged(course: Course) -> None:
    course.checker.happened("adl")
    forced.adl(course.world.engine, BTC, D("0.3"))


def _stray(course: Course) -> None:
    """An order of ours rests that the journal does not know, as when it was restored from a copy."""
    price = course.world.mark(BTC) * D("1.03") // 1
    course.checker.sent[STRAY] = Sent(
        id=STRAY, symbol=BTC, side="sell", quantity=D("0.1"), at=course.time()
    )
    course.world.engine.place(
        Ticket(
            symbol=BTC,
            side="sell",
            quantity=D("0.1"),
            price=price,
            time_in_force="POST",
            client_order_id=STRAY,
        )
    )


SCENARIOS: dict[str, Scenario] = {
    one.name: one
    for one in (
        Scenario(
            name="first",
            what="nothing is held, half is to be: a small first order, and the rest",
            from_s=0.0,
            ends_s=720.0,
        ),
        Scenario(name="increase", what="a rule raises the target to 0.8", happenings=FALLS),
        Scenario(name="reduce", what="a rule lowers the target to 0.2", happenings=RISES),
        Scenario(
            name="partial",
            what="the book holds less than the order wants; the rest follows a tick later",
            strikes=_after("order_partial", size=0.4),
            happenings=FALLS,
        ),
        Scenario(
            name="refused",
            what="the exchange refuses the order once",
            strikes=_after("order_rejected"),
            happenings=FALLS,
        ),
        Scenario(
            name="landed",
            what="the answer is lost, and the order has landed",
            strikes=_after("order_reply_lost"),
            happenings=FALLS,
        ),
        Scenario(
            name="lost",
            what="the request is lost: nothing ever lands, and that needs its proof",
            strikes=_after("order_lost"),
            happenings=FALLS,
        ),
        Scenario(
            name="late",
            what="the order lands 100 seconds after its answer was lost",
            strikes=_after("order_late", size=100.0),
            happenings=FALLS,
        ),
        Scenario(
            name="resting",
            what="post-only: one fills as it rests, one is taken back after a tick, and IOC follows",
            style="post_only_then_ioc",
            rests=1,
            happenings=((120.0, _rises_a_little), *FALLS),
            ends_s=2600.0,
        ),
        Scenario(
            name="legs", what="two legs, both larger", legs={BTC: 0.6, ETH: 0.4}, happenings=FALLS
        ),
        Scenario(
            name="breaker",
            what="three refusals in a row trip a breaker; a person looks from 01:20 on, and lifts it",
            strikes=_after("order_rejected", times=3),
            happenings=(*FALLS, (1800.0, _looked_at)),
            settled_s=1800.0,
            ends_s=2600.0,
        ),
        Scenario(
            name="stray",
            what="an order of ours that the journal does not know rests, and is taken back",
            before=_stray,
            from_s=0.0,
            foreign=frozenset({STRAY}),
        ),
        Scenario(
            name="fills",
            what="the exchange tells of fills a quarter of an hour late",
            strikes=(
                Strike(fault="late_fills", from_s=REVIEW_S, until_s=2000.0, times=99, size=900.0),
            ),
            happenings=FALLS,
        ),
        Scenario(
            name="adl",
            what="the exchange closes a part of the short; the second look repairs it",
            happenings=((MOVE_S, _deleveraged),),
        ),
    )
}
