"""
Random interleavings of approve, reject, silence, restarts, moves of the market, altered rows and kills
at every commit and every call of the venue, one a seed, through the real cycle on a real journal.

The judge keeps a ledger of its own: what a person has approved and when, and every order that reaches
the venue. An order is a violation when the last thing approved does not cover it, when it comes before
the approval or after it expired, or when anything under that approval was sent in an earlier pass.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

from approving import Killed, Rig, Template
from builders import d, rule
from hedged import cycle
from hedged.core.consent import Proposal, Verdict
from hedged.core.market import ZERO
from hedged.core.record import CycleRecord
from hedged.errors import ConsentRefused, JournalError
from hedged.journal.approvals import Approvals
from hedged.service.decisions import Decisions
from hedged.venue.protocol import Order

ROUNDS = 4
RULES = (rule("up", "close > 110", raise_to="0.6"), rule("down", "close < 90", lower_to="0.1"))
ALTERED = (
    """body = replace(body, '"price_min":"', '"price_min":"-')""",
    """body = replace(body, '"contracts_max":"', '"contracts_max":"9')""",
    "expires_at = '2034-01-01T00:00:00+00:00'",
    "digest = 'x'",
)


@dataclass
class Given:
    """An approval as the person who gave it knows it."""

    proposal: Proposal
    at: datetime
    altered: bool = False
    sent_in: int | None = None
    contracts: Decimal = ZERO


class Judge:
    """Watches the venue; *passes* counts the passes, so that two of them are told apart."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.given: Given | None = None
        self.passes = 0
        self.orders = 0
        self.violations: list[str] = []

    def approved(self, proposal: Proposal) -> None:
        self.given = Given(proposal=proposal, at=self.rig.clock())

    def withdrawn(self) -> None:
        self.given = None

    def sees(self, order: Order) -> None:
        self.orders += 1
        given, now = self.given, self.rig.clock()
        if given is None:
            self.violations.append(f"{order} without consent")
            return
        given.contracts += order.contracts
        (bound,) = given.proposal.steps
        again = given.sent_in is not None and given.sent_in != self.passes
        given.sent_in = self.passes
        within = (order.symbol, order.side, order.reduce_only, True) == (
            bound.symbol,
            bound.side,
            bound.reduce_only,
            bound.price_min <= order.limit_price <= bound.price_max,
        )
        for wrong, what in (
            (again, "twice"),
            (given.altered, "on an altered row"),
            (not given.at <= now < given.proposal.expires_at, "out of time"),
            (not within, "something else"),
            (given.contracts > bound.contracts_max, "more than approved"),
        ):
            if wrong:
                self.violations.append(f"{order}: {what}")


class Life:
    """
    One seed: a portfolio, its market and its people over some days. With *unwritable* the journal is
    expected to refuse intents.
    """

    unwritable = False

    def __init__(self, seed: int, folder: Path) -> None:
        self.dice = Random(seed)
        self.rig = Rig(folder, rules=RULES, at_ease=True)
        self.judge = Judge(self.rig)
        self.rig.venue.seen = self.judge.sees
        self.kills = self.proposals = self.refusals = 0
        self.waits: Proposal | None = None
        self.open = False
        self.decisions = Decisions("alert", timedelta(hours=6))

    async def lived(self) -> None:
        try:
            for _ in range(ROUNDS):
                await self.round()
        finally:
            self.rig.fate.again(None)
            self.rig.close()

    async def round(self) -> None:
        """A plan that is due, perhaps a decision on it, something that happens, and two looks more."""
        rig, dice = self.rig, self.dice
        if not self.open or dice.random() < 0.2:
            rig.venue.quantity = d(dice.randint(60, 200)) / 10
        await self.passed(dice.choice(("guard", "guard", "review")))
        for _ in range(dice.choice((0, 1, 1, 1, 1, 2))):
            self.decided()
        for _ in range(dice.choice((0, 0, 1, 1, 2))):
            self.happens()
        held = rig.venue.held
        await self.passed(dice.choice(("guard", "decision", "decision")))
        if dice.random() < 0.4:
            rig.venue.held = held  # closed by another hand: the very same plan is due again
        await self.passed("guard")

    def happens(self) -> None:
        rig, dice = self.rig, self.dice
        what = dice.choice(("hours", "size", "size", "price", "restart", "alter", "quantity", "close"))
        if what == "hours":
            rig.clock.step(hours=dice.choice((6, 25, 25)))
        elif what == "size" and self.waits is not None and self.waits.target_ratio:
            (bound,) = self.waits.steps  # so much that the order changes by about a hundredth
            share = Decimal(dice.choice(("-0.03", "-0.01", "0.01", "0.015", "0.03")))
            rig.venue.quantity += share * bound.contracts_max / self.waits.target_ratio
        elif what == "price":
            times = Decimal(dice.choice(("0.9", "0.99", "1.01", "1.1")))
            rig.venue.mark = round(rig.venue.mark * times, 1)
        elif what == "restart":
            self.restarted()
        elif what == "alter":
            self.altered()
        elif what == "quantity":
            rig.venue.quantity = d(dice.randint(60, 200)) / 10
        else:
            rig.figures.close = float(dice.choice((80, 100, 120)))

    async def passed(self, kind: str) -> None:
        """One pass; now and then the process is killed somewhere in it."""
        rig, dice = self.rig, self.dice
        self.judge.passes += 1
        rig.fate.again(dice.randint(1, 12) if dice.random() < 0.25 else None)
        try:
            record = await self.made(kind)
        except JournalError:
            assert self.unwritable
            return
        except Killed:
            self.kills += 1
            self.restarted()
            return
        rig.fate.again(None)
        if record is not None and record.proposal is not None:
            self.proposals += 1
            self.waits, self.open = record.proposal, True

    async def made(self, kind: str) -> CycleRecord | None:
        if kind == "decision":
            self.rig.clock.step(seconds=5)
            tick = self.decisions.due(self.rig.journal, "main", self.rig.clock())
            return None if tick is None else await cycle.run(tick, self.rig.shell)
        self.rig.clock.step(minutes=self.dice.choice((1, 5, 60)))
        return await (self.rig.review() if kind == "review" else self.rig.guard())

    def decided(self) -> None:
        """A person approves, now and then one of before, or rejects."""
        rig, dice = self.rig, self.dice
        last = self.waits.number if self.waits else 0
        number = last if dice.random() < 0.9 else last - dice.randint(1, 3)
        verdict: Verdict = "reject" if dice.random() < 0.07 else "approve"
        try:
            proposal = Approvals(rig.journal).decide(
                number, verdict, "alice", "", rig.clock(), {"main": "paper"}
            )
        except ConsentRefused:
            self.refusals += 1
            return
        self.open = False
        if verdict == "approve":
            self.judge.approved(proposal)
        else:
            self.judge.withdrawn()

    def restarted(self) -> None:
        self.rig.restart(minutes=1)
        self.decisions = Decisions("alert", timedelta(hours=6))
        self.waits = self.rig.standing().proposal

    def altered(self) -> None:
        """Somebody else's hands on the last proposal."""
        standing = self.rig.standing()
        if standing.proposal is None or standing.altered:
            return
        number = standing.proposal.number
        self.rig.alter("proposal", f"{self.dice.choice(ALTERED)} WHERE number = {number}")
        given = self.judge.given
        if given is not None and given.proposal.number == number:
            given.altered = True


def run(seed0: int, count: int) -> dict[str, float]:
    """Figures over *count* seeds from *seed0* on."""
    sums = dict.fromkeys(("violations", "orders", "proposals", "refused decisions", "kills"), 0)
    with tempfile.TemporaryDirectory() as place:
        template = Template(Path(place))
        for seed in range(seed0, seed0 + count):
            with tempfile.TemporaryDirectory(dir=place) as folder:
                template.copied(Path(folder))
                life = Life(seed, Path(folder))
                asyncio.run(life.lived())
            found = (
                len(life.judge.violations), life.judge.orders, life.proposals, life.refusals, life.kills
            )  # fmt: skip
            for name, figure in zip(sums, found, strict=True):
                sums[name] += figure
    return dict(sums)
