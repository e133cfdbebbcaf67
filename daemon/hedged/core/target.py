"""
From verdicts to the goal and the target hedge ratio (sections 5.1 and 5.2).

Enters the verdicts of one review and the memory of those before; leaves what was decided, why,
and the memory for the next. All ratios are `Decimal`, in points of the exposure.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from hedged.core.rules import Rule, Verdict
from hedged.core.wording import percent

NULL_REVIEWS_ALERT = 3

Status = Literal[
    "fired",  # decided this review
    "spent",  # an entry, used up by a rule above that decided
    "cooling",  # an entry inside its own cooldown: kept
    "blocked",  # an entry that would reduce, below an unknown rule that could raise: kept
    "waiting",  # true at its first known verdict, but only a real entry may do what it does
    "holds",  # true, and was true before
    "false",
    "unknown",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioPolicy:
    """Bounds of the goal, the largest move of the target at one review, and where to start."""

    min_ratio: Decimal = Decimal(0)
    max_ratio: Decimal = Decimal(1)
    max_step: Decimal = Decimal(1)
    initial_ratio: Decimal | None = None

    def clamp(self, ratio: Decimal) -> Decimal:
        return min(max(ratio, self.min_ratio), self.max_ratio)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleMemory:
    """
    What is remembered of a rule.

    *when* is the condition it belongs to (an edited rule starts afresh); *last_known* its last
    verdict that was not unknown; *kept* an entry that has not fired yet; *must_enter* that only a
    real entry may fire it, because it was true when first seen.
    """

    name: str
    when: str
    last_known: bool | None = None
    kept: bool = False
    must_enter: bool = False
    fired_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioMemory:
    """What reviews leave for the next: the goal that rules set, the target that moves toward it."""

    goal_ratio: Decimal
    target_ratio: Decimal
    rules: tuple[RuleMemory, ...] = ()
    null_reviews: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleJudged:
    """One rule at one review: its verdict, its status, and the goal it would have set."""

    rule: str
    value: bool | None
    figures: dict[str, float | bool | None]
    status: Status
    would_set: Decimal
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A review's decision, with every rule's part in it."""

    goal_before: Decimal
    goal_ratio: Decimal
    target_before: Decimal
    target_ratio: Decimal
    decider: str | None
    because: str
    rules: tuple[RuleJudged, ...]
    alerts: tuple[str, ...]


def first_memory(present_ratio: Decimal | None, policy: RatioPolicy) -> RatioMemory | None:
    """
    The memory of a first start: goal and target are the clamped initial (or present) ratio.

    None while the present ratio is unknown and no initial one is set: nothing can be decided from.
    """
    start = present_ratio if policy.initial_ratio is None else policy.initial_ratio
    if start is None:
        return None
    return RatioMemory(goal_ratio=policy.clamp(start), target_ratio=policy.clamp(start))


def bounded(memory: RatioMemory | None, policy: RatioPolicy) -> RatioMemory | None:
    """The memory inside bounds that may have been set since: a lowered maximum holds at once."""
    if memory is None:
        return None
    goal, target = policy.clamp(memory.goal_ratio), policy.clamp(memory.target_ratio)
    return replace(memory, goal_ratio=goal, target_ratio=target)


def decide(
    rules: tuple[Rule, ...],
    verdicts: tuple[Verdict, ...],
    memory: RatioMemory | None,
    policy: RatioPolicy,
    tick_at: datetime,
) -> tuple[Judgement | None, RatioMemory | None]:
    """
    Go down the matrix, most severe first; the first rule that fires decides, also when the goal
    does not move.

    An unknown rule whose action could raise the present goal blocks every rule below it from
    reducing it. The target then moves toward the goal by at most ``max_step``. Without a memory
    (see `first_memory`) nothing is decided.
    """
    if memory is None:
        return None, None
    goal_before = policy.clamp(memory.goal_ratio)
    known = {(past.name, past.when): past for past in memory.rules}
    judged: list[RuleJudged] = []
    remembered: list[RuleMemory] = []
    decider: RuleJudged | None = None
    blocker: str | None = None
    for rule, verdict in zip(rules, verdicts, strict=True):
        past = known.get((rule.name, rule.when), RuleMemory(name=rule.name, when=rule.when))
        would_set = policy.clamp(rule.action.applied(goal_before))
        case = _Case(rule, verdict, past, goal_before, would_set, tick_at)
        status, because = _status(case, decider, blocker)
        line = RuleJudged(
            rule=rule.name,
            value=verdict.value,
            figures=verdict.figures,
            status=status,
            would_set=would_set,
            because=because,
        )
        judged.append(line)
        remembered.append(_remember(case, status, spent=decider is not None))
        if status == "fired":
            decider = line
        if verdict.value is None and would_set > goal_before and blocker is None:
            blocker = rule.name
    goal = goal_before if decider is None else decider.would_set
    target = _stepped(memory.target_ratio, goal, policy)
    nulls, alerts = _null_reviews(verdicts, memory.null_reviews)
    judgement = Judgement(
        goal_before=goal_before,
        goal_ratio=goal,
        target_before=memory.target_ratio,
        target_ratio=target,
        decider=decider.rule if decider else None,
        because=_because(decider, goal_before, goal, judged),
        rules=tuple(judged),
        alerts=alerts,
    )
    after = RatioMemory(
        goal_ratio=goal, target_ratio=target, rules=tuple(remembered), null_reviews=nulls
    )
    return judgement, after


@dataclass(frozen=True, slots=True)
class _Case:
    """One rule at one review, with all that its status depends on."""

    rule: Rule
    verdict: Verdict
    past: RuleMemory
    goal: Decimal
    would_set: Decimal
    tick_at: datetime

    @property
    def cooling_until(self) -> datetime | None:
        """The end of a cooldown that is still running, else None; over at exactly its end."""
        if self.past.fired_at is None:
            return None
        until = self.past.fired_at + (self.rule.cooldown or timedelta(0))
        return until if self.tick_at < until else None

    @property
    def first_known(self) -> bool:
        return self.past.last_known is None

    @property
    def may_fire_at_first_sight(self) -> bool:
        """No earlier verdict counts as false, but only for what raises to a stated ratio."""
        return self.rule.action.verb in ("raise_to", "set_to") and self.would_set > self.goal

    @property
    def must_enter(self) -> bool:
        """True when first seen, and of a kind that waits for a real entry: `raise_by`, lowering."""
        if self.past.must_enter:
            return True
        harmless = self.rule.action.verb in ("raise_to", "set_to") and self.would_set >= self.goal
        return self.first_known and not harmless

    @property
    def wants_to_fire(self) -> bool:
        """True now, and an entry: new, kept, or (``while``) simply true."""
        if self.verdict.value is not True:
            return False
        if self.past.kept:
            return True
        if self.first_known:
            return self.may_fire_at_first_sight
        if self.past.last_known is False:
            return True
        return self.rule.fires == "while" and not self.past.must_enter


def _status(case: _Case, decider: RuleJudged | None, blocker: str | None) -> tuple[Status, str]:
    if case.verdict.value is None:
        nulls = [name for name, figure in case.verdict.figures.items() if figure is None]
        return "unknown", f"unknown: {', '.join(nulls) or 'its arithmetic'} has no value"
    if case.verdict.value is False:
        return "false", ""
    if not case.wants_to_fire:
        if case.must_enter:
            return "waiting", "true when first seen; it fires only after it has been false once"
        return "holds", "true already; it fires when it turns true"
    if decider is not None:
        return "spent", f"used up: {decider.rule} decided"
    if case.cooling_until is not None:
        return "cooling", f"cooling until {case.cooling_until:%Y-%m-%d %H:%M}, kept"
    if blocker is not None and case.would_set < case.goal:
        return "blocked", f"would reduce, but {blocker} above is unknown and could raise; kept"
    return "fired", ""


def _remember(case: _Case, status: Status, *, spent: bool) -> RuleMemory:
    """The rule's memory after this review; an unknown verdict changes only what a decider spends."""
    if status == "unknown":
        return replace(case.past, kept=case.past.kept and not spent)
    return RuleMemory(
        name=case.past.name,
        when=case.past.when,
        last_known=case.verdict.value,
        kept=status in ("cooling", "blocked"),
        must_enter=status == "waiting",
        fired_at=case.tick_at if status == "fired" else case.past.fired_at,
    )


def _stepped(target: Decimal, goal: Decimal, policy: RatioPolicy) -> Decimal:
    step = min(max(goal - target, -policy.max_step), policy.max_step)
    return policy.clamp(target + step)


def _null_reviews(
    verdicts: tuple[Verdict, ...], before: dict[str, int]
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Count the reviews running at which each metric was null; alert at the third."""
    figures = {name: value for verdict in verdicts for name, value in verdict.figures.items()}
    nulls = {name: before.get(name, 0) + 1 for name, value in figures.items() if value is None}
    alerts = tuple(
        f"{name} has had no value at {count} reviews running"
        for name, count in sorted(nulls.items())
        if count % NULL_REVIEWS_ALERT == 0
    )
    return nulls, alerts


def _because(
    decider: RuleJudged | None, before: Decimal, goal: Decimal, judged: list[RuleJudged]
) -> str:
    if decider is not None:
        same = f"goal stays {percent(goal)}"
        moved = same if goal == before else f"goal {percent(before)} to {percent(goal)}"
        return f"{decider.rule} fired: {moved}"
    kept = [line for line in judged if line.status in ("cooling", "blocked")]
    if kept:
        return f"no rule fired; {kept[0].rule} is {kept[0].status}"
    unknown = [line.rule for line in judged if line.status == "unknown"]
    if unknown:
        return f"no rule fired; unknown: {', '.join(unknown)}"
    return "no rule fired"
