"""
Orders of unknown outcome, one a seed, through the real resolver against a venue that is a few numbers.

The order may have landed before its reply was lost, land up to `TAIL_S` seconds later, or never; it is
shown by each way with a delay of its own, and denied at times though it is there; positions and fills
are told late; passes come irregularly, are skipped, and the process is started again. What is resolved
is planned anew from the position that is read, and sent. Over-hedged is who holds more than the target
in the end.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

from builders import BTC, MONDAY, d, fill
from hedged.core.plan import Step
from hedged.core.record import Outcome
from hedged.core.resolution import Absence
from hedged.errors import VenueUnavailable
from hedged.execute import Resolver
from hedged.journal.intents import Intent
from hedged.venue.ledger import Contract
from hedged.venue.tally import Tally

TAIL_S = 300.0
TARGET = d(10)
PASSES_MAX = 200
STEP = Step(
    symbol=BTC, side="sell", contracts=TARGET, reduce_only=False, limit_price=d(99), notional=d(1000)
)


@dataclass(frozen=True, slots=True)
class World:
    """When the order lands (None: never) and with what; how late each thing is told, in seconds."""

    lands_s: float | None
    filled: int
    shown_s: tuple[float, float]
    position_s: float
    fills_s: float
    denied: float

    def held(self, at_s: float) -> int:
        return self.filled if self.lands_s is not None and at_s >= self.lands_s else 0

    def shows(self, at_s: float, way: int, dice: Random) -> bool:
        landed = self.lands_s is not None and at_s >= self.lands_s + self.shown_s[way]
        return landed and dice.random() >= self.denied


def drawn(dice: Random, tail_s: float) -> World:
    """The usual case is one of a lost reply; delays are short, and at times half a minute."""
    fate = dice.random()
    lands = 0.0 if fate < 0.3 else None if fate < 0.5 else dice.uniform(0, tail_s)

    def late() -> float:
        return dice.uniform(0, 2) if dice.random() < 0.8 else dice.uniform(0, 30)

    return World(
        lands_s=lands,
        filled=dice.choice((0, 3, 10, 10)),
        shown_s=(late(), late()),
        position_s=late(),
        fills_s=late(),
        denied=dice.choice((0.0, 0.0, 0.1, 0.5)),
    )


class OneVenue:
    """The side of a venue that the resolver sees, at *now_s* seconds after the order was signed."""

    absence_is_proof = False

    def __init__(self, world: World, dice: Random) -> None:
        self.world, self.dice, self.now_s = world, dice, 0.0
        self.tally, self.told = Tally(), False
        self.tally.add(Contract(symbol=BTC, contract_multiplier=d(1)))

    def observe(self) -> int | None:
        """The contracts sold as they are read now; None when that is not what the book makes them."""
        read = self.world.held(self.now_s - self.world.position_s)
        if not self.told and self.world.held(self.now_s - self.world.fills_s):
            self.told = True
            self.tally.add(fill(contracts=d(self.world.filled)))
        return read if self.tally.expected(BTC) == -read else None

    async def seek(self, client_order_id: str, symbol: str, since: datetime) -> Outcome | Absence:
        world, now = self.world, self.now_s
        if self.dice.random() < 0.05:
            raise VenueUnavailable("maintenance")
        if world.shows(now, 0, self.dice) or world.shows(now, 1, self.dice):
            found = outcome(client_order_id, world.filled)
            self.tally.add(found)
            return found
        return Absence(at=since + timedelta(seconds=now), adds_up=self.observe() is not None)


class OneIntent:
    """The side of a journal that the resolver sees."""

    def __init__(self) -> None:
        self.intent = Intent(
            id=1,
            client_order_id="hdg1",
            tick_id="t",
            opened_at=MONDAY,
            step=STEP,
            sent_at=MONDAY,
        )

    def unresolved(self, _portfolio: str) -> list[Intent]:
        return [self.intent] if self.intent.outcome is None else []

    def resolve_intent(self, intent: Intent, found: Outcome) -> None:
        self.intent = replace(intent, outcome=found)


def outcome(client_order_id: str, filled: int) -> Outcome:
    return Outcome(
        client_order_id=client_order_id,
        symbol=BTC,
        side="sell",
        contracts=TARGET,
        filled=d(filled),
        fill_price=d(99) if filled else None,
        fee=d(0),
        status="filled" if filled == TARGET else "partial" if filled else "unfilled",
    )


def now(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waited for something")


def one(seed: int, tail_s: float = TAIL_S) -> tuple[bool, float | None]:
    """Whether seed *seed* ends over-hedged, and after how many seconds it was resolved (None: not)."""
    dice = Random(seed)
    world = drawn(dice, tail_s)
    venue, journal, resolver = OneVenue(world, dice), OneIntent(), Resolver()
    every = dice.choice((60.0, 60.0, 300.0, 900.0))
    for _ in range(PASSES_MAX):
        venue.now_s += every * dice.uniform(0.2, 1.2)
        if dice.random() < 0.05:
            resolver = Resolver()
        try:
            if now(resolver.resolve(venue, journal, "main")):  # type: ignore[arg-type]
                continue
        except VenueUnavailable:
            continue
        read = venue.observe()
        if read is None:
            continue
        sent = int(TARGET) - read
        landed = world.filled if world.lands_s is not None else 0
        return landed + sent > TARGET, venue.now_s
    return False, None


def run(seed0: int, count: int, tail_s: float = TAIL_S) -> dict[str, float]:
    """Figures over *count* seeds from *seed0* on."""
    over, open_, longest = 0, 0, 0.0
    for seed in range(seed0, seed0 + count):
        over_hedged, after_s = one(seed, tail_s)
        over += over_hedged
        open_ += after_s is None
        longest = max(longest, after_s or 0.0)
    return {"violations": over, "still open": open_, "max resolved after s": round(longest)}
