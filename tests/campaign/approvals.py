"""
Random interleavings of approve, reject, silence, restarts, moves of the market, altered rows and kills
at every commit and every call of the venue, one a seed, through the real cycle on a real journal. Of
eight seeds three hedge with two contracts, and in two a person trades by hand, where nothing can be
sent.

The judge keeps a ledger of its own: what a person has approved and when, and every order that reaches
the venue. An order is a violation when the last thing approved does not cover it, when it comes before
the approval or after it expired, or when anything under that approval was sent in an earlier pass; any
order is one where nothing can be sent. So is a person's being asked again for what was approved, after
a part of it was traded by hand and nothing else has moved.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

from approving import Killed, Rig, Template
from builders import BTC, ETH, d, rule
from hedged import cycle
from hedged.core.consent import Proposal, Verdict
from hedged.core.market import ZERO
from hedged.core.plan import Step
from hedged.core.record import CycleRecord
from hedged.core.sizing import HedgeLeg
from hedged.errors import ConsentRefused, JournalError
from hedged.journal.approvals import Approvals
from hedged.service.decisions import Decisions
from hedged.venue.protocol import Order

ROUNDS = 4
HOUR = timedelta(hours=1)
TWO_LEGS = (HedgeLeg(symbol=BTC, weight=d("0.6")), HedgeLeg(symbol=ETH, weight=d("0.4")))
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
    sent: dict[str, Decimal] = field(default_factory=dict)


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
        bound = next((one for one in given.proposal.steps if one.symbol == order.symbol), None)
        if bound is None:
            self.violations.append(f"{order}: another contract")
            return
        sent = given.sent[order.symbol] = given.sent.get(order.symbol, ZERO) + order.contracts
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
            (sent > bound.contracts_max, "more than approved"),
            (self.rig.venue.by_hand, "where nothing can be sent"),
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
        two_legs = {"legs": TWO_LEGS} if seed % 8 in (1, 3, 7) else {}
        self.rig = Rig(folder, rules=RULES, at_ease=True, **two_legs)
        self.rig.venue.by_hand = seed % 8 in (2, 3)
        self.judge = Judge(self.rig)
        self.rig.venue.seen = self.judge.sees
        self.kills = self.proposals = self.refusals = self.by_hand = 0
        self.waits: Proposal | None = None
        self.due: tuple[Step, ...] = ()
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
        if rig.venue.by_hand:
            await self.traded_by_hand()
        for _ in range(dice.choice((0, 0, 1, 1, 2))):
            self.happens()
        held, beside = rig.venue.held, rig.venue.beside
        await self.passed(dice.choice(("guard", "decision", "decision")))
        if dice.random() < 0.4:
            rig.venue.held, rig.venue.beside = (
                held,
                beside,
            )  # by another hand: the same plan is due again
        await self.passed("guard")

    async def traded_by_hand(self) -> None:
        """A person trades what was approved, or a part; the next pass asks for none of that again."""
        standing = self.rig.standing()
        proposal, decision = standing.proposal, standing.decision
        if proposal is None or decision is None or decision.verdict != "approve":
            return
        if standing.altered or standing.used_by or self.rig.clock() >= proposal.expires_at - HOUR:
            return
        for bound in proposal.steps:
            lots = (bound.contracts_max * self.dice.choice((0, 1, 2, 2, 2)) / 2).quantize(d("0.001"))
            self.rig.venue.trade(bound.symbol, bound.side, lots)
            self.by_hand += bool(lots)
        before, due = self.proposals, {step.symbol: step for step in self.due}
        as_approved = len(due) == len(proposal.steps) and all(
            bound.symbol in due
            and bound.covers(due[bound.symbol])
            and bound.contracts_max == due[bound.symbol].contracts
            for bound in proposal.steps
        )
        await self.passed("guard")
        if as_approved and self.proposals != before:
            self.judge.violations.append(f"asked again for proposal {proposal.number}: {self.waits}")

    def happens(self) -> None:
        rig, dice = self.rig, self.dice
        what = dice.choice(("hours", "size", "size", "price", "restart", "alter", "quantity", "close"))
        if what == "hours":
            rig.clock.step(hours=dice.choice((6, 25, 25)))
        elif what == "size" and self.waits is not None and self.waits.target_ratio:
            bound = self.waits.steps[0]  # so much that the order changes by about a hundredth
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
        self.judge.passes, self.due = self.judge.passes + 1, ()
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
        self.due = record.thought.plan.steps if record is not None else ()
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
    names = ("violations", "orders", "traded by hand", "proposals", "refused decisions", "kills")
    sums = dict.fromkeys(names, 0)
    with tempfile.TemporaryDirectory() as place:
        template = Template(Path(place))
        for seed in range(seed0, seed0 + count):
            with tempfile.TemporaryDirectory(dir=place) as folder:
                template.copied(Path(folder))
                life = Life(seed, Path(folder))
                asyncio.run(life.lived())
            found = (
                len(life.judge.violations), life.judge.orders, life.by_hand, life.proposals,
                life.refusals, life.kills,
            )  # fmt: skip
            for name, figure in zip(sums, found, strict=True):
                sums[name] += figure
    return dict(sums)
