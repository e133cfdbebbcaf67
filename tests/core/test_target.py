"""From verdicts to the goal and the target: each sentence of the decision, and all of them at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builders import MONDAY, action_of, d, rule
from hedged.core.rules import Rule, Verb, Verdict
from hedged.core.target import (
    Judgement,
    RatioMemory,
    RatioPolicy,
    RuleMemory,
    bounded,
    decide,
    first_memory,
)

WEEK = timedelta(weeks=1)
T, F, U = True, False, None


class Reviews:
    """Reviews in turn: hand it one verdict a rule, and when; it carries the memory."""

    def __init__(self, *rules: Rule, goal: str = "0.50", **policy: str) -> None:
        self.rules = rules
        self.policy = RatioPolicy(**{key: d(value) for key, value in policy.items()})
        self.memory: RatioMemory = RatioMemory(goal_ratio=d(goal), target_ratio=d(goal))
        self.at = MONDAY - WEEK

    def review(self, *values: bool | None, after: timedelta = WEEK) -> Judgement:
        self.at += after
        verdicts = tuple(
            Verdict(rule=rule.name, value=value, figures={})
            for rule, value in zip(self.rules, values, strict=True)
        )
        judgement, memory = decide(self.rules, verdicts, self.memory, self.policy, self.at)
        assert judgement is not None
        assert memory is not None
        self.memory = memory
        return judgement


def statuses(judgement: Judgement) -> list[str]:
    return [line.status for line in judgement.rules]


# ---- actions


@pytest.mark.parametrize(
    ("verb", "by", "goal", "expected"),
    [
        ("set_to", "0", "0.50", "0"),
        ("set_to", "0.75", "0.50", "0.75"),
        ("raise_to", "0.30", "0.20", "0.30"),
        ("raise_to", "0.30", "0.50", "0.50"),
        ("lower_to", "0.10", "0.50", "0.10"),
        ("lower_to", "0.10", "0.05", "0.05"),
        ("raise_by", "0.30", "0.20", "0.50"),
        ("raise_by", "0.30", "0.90", "1"),
        ("lower_by", "0.10", "0.50", "0.40"),
        ("lower_by", "0.10", "0.05", "0"),
        ("scale_by", "-0.40", "0.50", "0.30"),
        ("scale_by", "0.50", "0.20", "0.30"),
        ("scale_by", "-1", "0.50", "0"),
    ],
)
def test_an_action_moves_the_goal_in_points_of_exposure(
    verb: Verb, by: str, goal: str, expected: str
) -> None:
    reviews = Reviews(rule("a", **{verb: by}), goal=goal)
    reviews.review(F)

    judgement = reviews.review(T)

    assert statuses(judgement) == ["fired"]
    assert judgement.goal_ratio == d(expected)
    assert judgement.target_ratio == d(expected)


def test_an_action_starts_from_the_last_goal_and_not_from_the_target_on_its_way() -> None:
    reviews = Reviews(
        rule("up", set_to="0.80"), rule("a", lower_by="0.10"), goal="0.20", max_step="0.10"
    )
    reviews.review(F, F)
    first = reviews.review(T, F)

    second = reviews.review(T, T)

    assert (first.goal_ratio, first.target_ratio) == (d("0.80"), d("0.30"))
    assert (second.goal_ratio, second.target_ratio) == (d("0.70"), d("0.40"))


def test_alexs_goal_goes_from_20_to_50_to_30() -> None:
    over = rule("over-leveraged longs", raise_by="0.30")
    support = rule("support", scale_by="-0.40")
    reviews = Reviews(over, support, goal="0.20")

    goals = [reviews.review(*values).goal_ratio for values in ((F, F), (T, F), (T, F), (F, T))]

    assert goals == [d("0.20"), d("0.50"), d("0.50"), d("0.30")]


# ---- entries


def test_an_entry_is_true_now_and_not_true_at_the_last_review() -> None:
    reviews = Reviews(rule("a", raise_by="0.10"), goal="0.20")

    seen = [reviews.review(value).rules[0].status for value in (F, T, T, T, F, F, T)]

    assert seen == ["false", "fired", "holds", "holds", "false", "false", "fired"]
    assert reviews.memory.goal_ratio == d("0.40")


def test_an_entry_is_compared_with_the_last_review_that_knew() -> None:
    reviews = Reviews(rule("a", raise_by="0.10"), goal="0.20")

    seen = [reviews.review(value).rules[0].status for value in (F, T, U, T, U, F, U, U, T)]

    assert seen == [
        "false", "fired", "unknown", "holds", "unknown", "false", "unknown", "unknown", "fired",
    ]  # fmt: skip


def test_a_while_rule_fires_at_every_review_while_true() -> None:
    reviews = Reviews(rule("a", raise_by="0.10", fires="while"), goal="0.20")

    seen = [reviews.review(value).rules[0].status for value in (F, T, T, U, T, F, T)]

    assert seen == ["false", "fired", "fired", "unknown", "fired", "false", "fired"]
    assert reviews.memory.goal_ratio == d("0.60")


# ---- the order of the rules


def test_the_first_rule_that_fires_decides() -> None:
    reviews = Reviews(rule("high", raise_to="0.75"), rule("moderate", raise_to="0.30"), goal="0.20")
    reviews.review(F, F)

    judgement = reviews.review(T, T)

    assert judgement.decider == "high"
    assert judgement.goal_ratio == d("0.75")
    assert statuses(judgement) == ["fired", "spent"]


def test_the_first_that_fires_decides_also_when_the_goal_does_not_move() -> None:
    reviews = Reviews(rule("moderate", raise_to="0.30"), rule("mild", lower_by="0.10"), goal="0.50")
    reviews.review(F, F)

    judgement = reviews.review(T, T)

    assert judgement.decider == "moderate"
    assert judgement.goal_ratio == judgement.goal_before == d("0.50")
    assert "goal stays 50%" in judgement.because
    assert statuses(judgement) == ["fired", "spent"]


def test_a_new_entry_below_the_decider_is_spent_and_never_fires_later() -> None:
    reviews = Reviews(rule("high", raise_to="0.75"), rule("mild", lower_by="0.10"))
    reviews.review(F, F)

    seen = [statuses(reviews.review(*values)) for values in ((T, T), (F, T), (F, U), (F, T))]

    assert seen == [["fired", "spent"], ["false", "holds"], ["false", "unknown"], ["false", "holds"]]
    assert reviews.memory.goal_ratio == d("0.75")


def test_a_kept_entry_below_the_decider_is_spent_too() -> None:
    mild = rule("mild", lower_by="0.10", cooldown=timedelta(weeks=4))
    reviews = Reviews(rule("high", raise_to="0.75"), mild)
    for value in (F, T, F):
        reviews.review(F, value)

    seen = [statuses(reviews.review(*values)) for values in ((F, T), (T, T), (F, T), (F, T), (F, T))]

    assert [line[1] for line in seen] == ["cooling", "spent", "holds", "holds", "holds"]


def test_a_kept_entry_that_is_unknown_while_another_decides_is_spent_too() -> None:
    mild = rule("mild", lower_by="0.10", cooldown=timedelta(weeks=4))
    reviews = Reviews(rule("high", raise_to="0.75"), mild)
    for value in (F, T, F, T):
        reviews.review(F, value)

    reviews.review(T, U)
    seen = [statuses(reviews.review(F, T))[1] for _ in range(3)]

    assert seen == ["holds", "holds", "holds"]


def test_a_spent_entry_starts_no_cooldown() -> None:
    mild = rule("mild", lower_by="0.10", cooldown=timedelta(weeks=4))
    reviews = Reviews(rule("high", raise_to="0.75"), mild)
    reviews.review(F, F)

    seen = [statuses(reviews.review(*values))[1] for values in ((T, T), (F, F), (F, T))]

    assert seen == ["spent", "false", "fired"]


def test_a_kept_entry_above_the_decider_stays_kept() -> None:
    mild = rule("mild", lower_by="0.10", cooldown=timedelta(weeks=3))
    reviews = Reviews(mild, rule("moderate", raise_to="0.60"))
    for values in ((F, F), (T, F), (F, F)):
        reviews.review(*values)

    seen = [statuses(reviews.review(*values)) for values in ((T, T), (T, T))]

    assert seen == [["cooling", "fired"], ["fired", "holds"]]


def test_a_lower_rule_may_reduce_while_a_higher_one_merely_holds() -> None:
    reviews = Reviews(rule("moderate", raise_to="0.30"), rule("mild", lower_by="0.10"), goal="0.20")
    reviews.review(F, F)
    reviews.review(T, F)

    judgement = reviews.review(T, T)

    assert statuses(judgement) == ["holds", "fired"]
    assert judgement.goal_ratio == d("0.20")


# ---- cooldown


@pytest.mark.parametrize("fires", ["enter", "while"])
@pytest.mark.parametrize(
    ("early", "status"), [(timedelta(microseconds=1), "cooling"), (timedelta(0), "fired")]
)
def test_a_cooldown_is_over_at_exactly_its_end(fires: str, early: timedelta, status: str) -> None:
    reviews = Reviews(rule("a", raise_by="0.10", fires=fires, cooldown=3 * WEEK), goal="0.20")
    for value in (F, T, F):
        reviews.review(value)

    judgement = reviews.review(T, after=2 * WEEK - early)

    assert statuses(judgement) == [status]


def test_a_while_rule_cools_between_its_firings() -> None:
    reviews = Reviews(rule("a", raise_by="0.10", fires="while", cooldown=2 * WEEK), goal="0.20")

    seen = [statuses(reviews.review(value))[0] for value in (F, T, T, T, T, T)]

    assert seen == ["false", "fired", "cooling", "fired", "cooling", "fired"]


def test_an_entry_during_the_cooldown_fires_at_the_first_review_after_it_if_still_true() -> None:
    reviews = Reviews(rule("a", raise_by="0.10", cooldown=4 * WEEK), goal="0.20")

    seen = [reviews.review(value) for value in (F, T, F, T, T, T)]

    assert [statuses(judgement)[0] for judgement in seen] == [
        "false", "fired", "false", "cooling", "cooling", "fired",
    ]  # fmt: skip
    assert "a is cooling" in seen[3].because
    assert reviews.memory.goal_ratio == d("0.40")


def test_a_condition_merely_true_since_its_firing_does_not_fire_after_the_cooldown() -> None:
    reviews = Reviews(rule("a", raise_by="0.10", cooldown=2 * WEEK), goal="0.20")

    seen = [statuses(reviews.review(value))[0] for value in (F, T, T, T, U, T, T)]

    assert seen == ["false", "fired", "holds", "holds", "unknown", "holds", "holds"]


def test_a_kept_entry_ends_at_a_known_false() -> None:
    reviews = Reviews(rule("a", raise_by="0.10", cooldown=5 * WEEK), goal="0.20")

    seen = [statuses(reviews.review(value))[0] for value in (F, T, F, T, F, U, U, F)]

    assert seen[3:5] == ["cooling", "false"]
    assert reviews.memory.rules[0].kept is False


def test_a_kept_entry_outlives_an_unknown() -> None:
    reviews = Reviews(rule("a", raise_by="0.10", cooldown=4 * WEEK), goal="0.20")

    seen = [statuses(reviews.review(value))[0] for value in (F, T, F, T, U, U, T)]

    assert seen[3:] == ["cooling", "unknown", "unknown", "fired"]


# ---- unknown blocks


def test_an_unknown_rule_that_could_raise_blocks_reductions_below_it() -> None:
    reviews = Reviews(rule("high", raise_to="0.75"), rule("mild", lower_by="0.10"))
    reviews.review(F, F)

    judgement = reviews.review(U, T)

    assert statuses(judgement) == ["unknown", "blocked"]
    assert judgement.decider is None
    assert judgement.goal_ratio == d("0.50")
    assert "high" in judgement.rules[1].because


@pytest.mark.parametrize(
    ("verb", "by", "goal", "max_ratio", "blocks"),
    [
        ("raise_to", "0.75", "0.50", "1", True),
        ("raise_to", "0.50", "0.50", "1", False),
        ("raise_to", "0.30", "0.50", "1", False),
        ("raise_to", "0.75", "0.60", "0.60", False),
        ("raise_by", "0.10", "0.50", "1", True),
        ("raise_by", "0.10", "1", "1", False),
        ("raise_by", "0.10", "0.80", "0.80", False),
        ("set_to", "0.75", "0.50", "1", True),
        ("set_to", "0", "0.50", "1", False),
        ("lower_to", "0.10", "0.50", "1", False),
        ("lower_by", "0.10", "0.50", "1", False),
        ("scale_by", "0.10", "0.50", "1", True),
        ("scale_by", "-0.10", "0.50", "1", False),
    ],
)
def test_whether_an_unknown_rule_could_raise_is_judged_on_the_clamped_goal(
    verb: Verb, by: str, goal: str, max_ratio: str, blocks: bool
) -> None:
    unknown, mild = rule("unknown", **{verb: by}), rule("mild", lower_by="0.10")
    reviews = Reviews(unknown, mild, goal=goal, max_ratio=max_ratio)
    reviews.review(F, F)

    judgement = reviews.review(U, T)

    assert statuses(judgement) == ["unknown", "blocked" if blocks else "fired"]


def test_a_goal_above_a_lowered_ceiling_is_clamped_before_anything_is_judged() -> None:
    reviews = Reviews(rule("a", raise_to="0.75"), rule("mild", lower_to="0.60"), goal="0.50")
    reviews.review(F, F)
    reviews.memory = RatioMemory(
        goal_ratio=d("0.90"), target_ratio=d("0.60"), rules=reviews.memory.rules
    )
    reviews.policy = RatioPolicy(max_ratio=d("0.60"))

    judgement = reviews.review(U, T)

    assert judgement.goal_before == d("0.60")
    assert statuses(judgement) == ["unknown", "fired"]


def test_rules_below_an_unknown_one_are_still_judged_and_may_raise() -> None:
    reviews = Reviews(
        rule("high", raise_to="0.75"), rule("mild", lower_by="0.10"), rule("moderate", raise_to="0.60")
    )
    reviews.review(F, F, F)

    judgement = reviews.review(U, T, T)

    assert statuses(judgement) == ["unknown", "blocked", "fired"]
    assert judgement.goal_ratio == d("0.60")


def test_an_action_that_leaves_the_goal_where_it_is_is_no_reduction_and_not_blocked() -> None:
    reviews = Reviews(rule("high", raise_to="0.75"), rule("mild", lower_to="0.60"), goal="0.50")
    reviews.review(F, F)

    assert statuses(reviews.review(U, T)) == ["unknown", "fired"]


def test_an_unknown_rule_does_not_block_what_is_listed_above_it() -> None:
    reviews = Reviews(rule("mild", lower_by="0.10"), rule("high", raise_to="0.75"))
    reviews.review(F, F)

    assert statuses(reviews.review(T, U)) == ["fired", "unknown"]


def test_a_blocked_entry_stays_pending_and_fires_when_the_unknown_is_known() -> None:
    reviews = Reviews(rule("high", raise_to="0.75"), rule("mild", lower_by="0.10"))

    seen = [statuses(reviews.review(*values))[1] for values in ((F, F), (U, T), (U, T), (U, U), (F, T))]

    assert seen == ["false", "blocked", "blocked", "unknown", "fired"]


def test_a_blocked_entry_ends_at_a_known_false() -> None:
    reviews = Reviews(rule("high", raise_to="0.75"), rule("mild", lower_by="0.10"))

    seen = [statuses(reviews.review(*values))[1] for values in ((F, F), (U, T), (U, F), (F, F))]

    assert seen == ["false", "blocked", "false", "false"]
    assert reviews.memory.goal_ratio == d("0.50")


def test_a_blocked_entry_below_a_decider_is_spent() -> None:
    reviews = Reviews(
        rule("high", raise_to="0.75"), rule("moderate", raise_to="0.60"), rule("mild", lower_by="0.10")
    )
    seen = [
        statuses(reviews.review(*values)) for values in ((F, F, F), (U, F, T), (U, T, T), (F, T, T))
    ]

    assert [line[2] for line in seen] == ["false", "blocked", "spent", "holds"]


# ---- first start


@pytest.mark.parametrize(
    ("verb", "by", "status", "goal"),
    [
        ("raise_to", "0.30", "fired", "0.30"),
        ("raise_to", "0.10", "holds", "0.20"),
        ("set_to", "0.75", "fired", "0.75"),
        ("set_to", "0", "waiting", "0.20"),
        ("raise_by", "0.30", "waiting", "0.20"),
        ("lower_to", "0.10", "waiting", "0.20"),
        ("lower_by", "0.10", "waiting", "0.20"),
        ("scale_by", "-0.40", "waiting", "0.20"),
    ],
)
@pytest.mark.parametrize("fires", ["enter", "while"])
def test_only_what_raises_to_a_stated_ratio_fires_at_its_first_known_verdict(
    verb: Verb, by: str, status: str, goal: str, fires: str
) -> None:
    reviews = Reviews(rule("a", fires=fires, **{verb: by}), goal="0.20")
    unknown = reviews.review(U)

    judgement = reviews.review(T)

    assert statuses(unknown) == ["unknown"]
    assert statuses(judgement) == [status]
    assert judgement.goal_ratio == d(goal)


@pytest.mark.parametrize("fires", ["enter", "while"])
@pytest.mark.parametrize(("verb", "by"), [("raise_by", "0.30"), ("lower_by", "0.10"), ("set_to", "0")])
def test_a_rule_that_waits_fires_at_its_first_real_entry(fires: str, verb: Verb, by: str) -> None:
    reviews = Reviews(rule("a", fires=fires, **{verb: by}), goal="0.20")

    seen = [statuses(reviews.review(value))[0] for value in (T, T, U, T, F, T)]

    assert seen == ["waiting", "waiting", "unknown", "waiting", "false", "fired"]


def test_a_rule_that_waits_is_no_entry_and_spends_nothing() -> None:
    reviews = Reviews(rule("by", raise_by="0.30"), rule("to", raise_to="0.30"), goal="0.20")

    judgement = reviews.review(T, T)

    assert statuses(judgement) == ["waiting", "fired"]
    assert judgement.decider == "to"


def test_a_first_entry_below_the_decider_is_spent() -> None:
    reviews = Reviews(rule("high", raise_to="0.75"), rule("moderate", raise_to="0.90"), goal="0.20")

    seen = [statuses(reviews.review(T, T)) for _ in range(2)]

    assert seen == [["fired", "spent"], ["holds", "holds"]]


@pytest.mark.parametrize(
    ("initial", "present", "start"),
    [
        ("0.20", "0.70", "0.20"),
        (None, "0.70", "0.60"),
        (None, "0.50", "0.50"),
        (None, "-0.10", "0.10"),
        ("0.05", None, "0.10"),
        ("0.90", None, "0.60"),
    ],
)
def test_a_first_start_takes_the_clamped_initial_ratio_or_the_present_one(
    initial: str | None, present: str | None, start: str
) -> None:
    policy = RatioPolicy(
        min_ratio=d("0.10"), max_ratio=d("0.60"), initial_ratio=None if initial is None else d(initial)
    )

    memory = first_memory(None if present is None else d(present), policy)

    assert memory == RatioMemory(goal_ratio=d(start), target_ratio=d(start))


def test_nothing_is_decided_while_no_start_is_known() -> None:
    verdicts = (Verdict(rule="a rule", value=True, figures={}),)

    assert first_memory(None, RatioPolicy()) is None
    assert decide((rule(),), verdicts, None, RatioPolicy(), MONDAY) == (None, None)


# ---- goal and target


def test_the_target_moves_toward_the_goal_by_at_most_max_step_a_review() -> None:
    reviews = Reviews(rule("a", set_to="0.75"), rule("b", set_to="0"), goal="0.20", max_step="0.20")
    reviews.review(F, F)

    seen = [reviews.review(*values).target_ratio for values in ((T, F), (T, F), (T, F), (T, F))]
    back = [reviews.review(*values).target_ratio for values in ((F, T), (F, T), (F, T), (F, T))]

    assert seen == [d("0.40"), d("0.60"), d("0.75"), d("0.75")]
    assert back == [d("0.55"), d("0.35"), d("0.15"), d("0")]


def test_the_goal_stays_between_min_and_max_ratio() -> None:
    reviews = Reviews(
        rule("a", raise_by="0.90"), rule("b", lower_by="0.90"),
        goal="0.50", min_ratio="0.10", max_ratio="0.80",
    )  # fmt: skip
    reviews.review(F, F)

    assert reviews.review(T, F).goal_ratio == d("0.80")
    assert reviews.review(F, T).goal_ratio == d("0.10")


# ---- metrics without a value, edited rules


def alerts_of(figures: list[float | None], value: bool | None) -> list[tuple[str, ...]]:
    memory, found = RatioMemory(goal_ratio=d("0.5"), target_ratio=d("0.5")), []
    only = rule("a", "open_interest > 5 or true")
    for i, figure in enumerate(figures):
        verdict = Verdict(rule="a", value=value, figures={"open_interest": figure, "close": 1.0})
        judgement, after = decide((only,), (verdict,), memory, RatioPolicy(), MONDAY + i * WEEK)
        assert judgement is not None
        assert after is not None
        memory = after
        found.append(judgement.alerts)
    return found


@pytest.mark.parametrize("value", [T, F, U])
def test_a_metric_null_at_three_reviews_running_alerts_whatever_the_verdict(value: bool | None) -> None:
    seen = alerts_of([None, None, None, None], value)

    assert [bool(alerts) for alerts in seen] == [False, False, True, False]
    assert seen[2] == ("open_interest has had no value at 3 reviews running",)


def test_a_metric_that_had_a_value_in_between_starts_its_count_again() -> None:
    assert not any(alerts_of([None, None, 1.0, None, None, 0.0, None, None], U))


def test_an_edited_condition_starts_afresh() -> None:
    before = Reviews(rule("a", "close < sma_50", raise_to="0.30", cooldown=9 * WEEK), goal="0.20")
    before.review(F)
    before.review(T)
    edited = Reviews(rule("a", "close < sma_40", raise_to="0.60", cooldown=9 * WEEK), goal="0.20")
    edited.memory, edited.at = before.memory, before.at

    judgement = edited.review(T)

    assert statuses(judgement) == ["fired"]
    assert [past.when for past in edited.memory.rules] == ["close < sma_40"]


def test_a_rule_that_moved_in_the_list_keeps_its_memory() -> None:
    a, b = rule("a", "close > 1", raise_by="0.10"), rule("b", "close > 2", raise_by="0.20")
    before = Reviews(a, b, goal="0.20")
    before.review(F, F)
    before.review(T, F)
    turned = Reviews(b, a, goal="0.20")
    turned.memory, turned.at = before.memory, before.at

    assert statuses(turned.review(F, T)) == ["false", "holds"]
    assert isinstance(turned.memory.rules[0], RuleMemory)


# ---- everything at once, against a slow model written from the mission's text


@dataclass
class Line:
    """What one review saw of one rule: its verdict, and what became of its entry."""

    at: datetime
    value: bool | None
    became: str | None = None


@dataclass
class Model:
    """
    The decision told from a log of everything that ever happened, instead of from a memory.

    Every question ("is there a kept entry?", "is it cooling?") is answered by reading the log.
    """

    rules: tuple[Rule, ...]
    lowest: Decimal
    highest: Decimal
    step: Decimal
    goal: Decimal
    target: Decimal
    logs: dict[str, list[Line]] = field(default_factory=dict)

    def review(self, at: datetime, values: tuple[bool | None, ...]) -> tuple[list[str], str | None]:
        goal, decider, shield = self.goal, None, False
        seen = []
        for rule_, value in zip(self.rules, values, strict=True):
            log = self.logs.setdefault(rule_.name + rule_.when, [])
            wish = min(max(self._acted(rule_, goal), self.lowest), self.highest)
            status, became = self._one(rule_, log, at, value, wish, goal, decider, shield)
            log.append(Line(at, value, became))
            seen.append(status)
            if status == "fired":
                decider, self.goal = rule_.name, wish
            if value is None and wish > goal:
                shield = True
        gap = self.goal - self.target
        self.target += max(-self.step, min(self.step, gap))
        return seen, decider

    def _acted(self, rule_: Rule, goal: Decimal) -> Decimal:
        by = rule_.action.by
        return {
            "set_to": by,
            "raise_to": by if by > goal else goal,
            "lower_to": by if by < goal else goal,
            "raise_by": goal + by,
            "lower_by": goal - by,
            "scale_by": goal + goal * by,
        }[rule_.action.verb]

    def _one(
        self, rule_: Rule, log: list[Line], at: datetime, value: bool | None,
        wish: Decimal, goal: Decimal, decider: str | None, shield: bool,
    ) -> tuple[str, str | None]:  # fmt: skip
        if value is None:
            return "unknown", "spent" if decider and self._kept(log) else None
        if value is False:
            return "false", None
        if not self._entry(rule_, log, wish, goal):
            waits = self._waits(log) if self._knew(log) else self._would_wait(rule_, wish, goal)
            return ("waiting", "waits") if waits else ("holds", None)
        if decider:
            return "spent", "spent"
        fired = [line.at for line in log if line.became == "fired"]
        if fired and rule_.cooldown and at < fired[-1] + rule_.cooldown:
            return "cooling", "kept"
        if shield and wish < goal:
            return "blocked", "kept"
        return "fired", "fired"

    def _knew(self, log: list[Line]) -> list[Line]:
        return [line for line in log if line.value is not None]

    def _kept(self, log: list[Line]) -> bool:
        """Kept since some review, and since then neither known false, nor fired, nor spent."""
        for line in reversed(log):
            if line.value is False or line.became in ("fired", "spent"):
                return False
            if line.became == "kept":
                return True
        return False

    def _would_wait(self, rule_: Rule, wish: Decimal, goal: Decimal) -> bool:
        """`raise_by` and anything that lowers (a fraction does either) wait for a real entry."""
        verb = rule_.action.verb
        return verb in ("raise_by", "lower_by", "lower_to", "scale_by") or wish < goal

    def _waits(self, log: list[Line]) -> bool:
        """True at its first known verdict, made to wait there, and never false since."""
        knew = self._knew(log)
        return knew[0].became == "waits" and all(line.value for line in knew)

    def _entry(self, rule_: Rule, log: list[Line], wish: Decimal, goal: Decimal) -> bool:
        knew = self._knew(log)
        if not knew:
            return rule_.action.verb in ("raise_to", "set_to") and wish > goal
        if knew[-1].value is False or self._kept(log):
            return True
        return rule_.fires == "while" and not self._waits(log)


POINTS = tuple(d(point) for point in ("0", "0.05", "0.10", "0.25", "0.30", "0.50", "0.75", "1"))
DAYS = st.integers(min_value=1, max_value=9).map(lambda days: timedelta(days=days))


@st.composite
def a_rule(draw: st.DrawFn, name: str) -> Rule:
    verb = draw(st.sampled_from(("set_to", "raise_to", "lower_to", "raise_by", "lower_by", "scale_by")))
    by = draw(st.sampled_from(POINTS))
    if verb == "scale_by" and draw(st.booleans()):
        by = -by
    return Rule(
        name=name,
        when="close > 0",
        action=action_of(verb, by),
        fires=draw(st.sampled_from(("enter", "enter", "while"))),
        cooldown=draw(st.none() | DAYS),
    )


@st.composite
def a_career(draw: st.DrawFn) -> tuple[tuple[Rule, ...], RatioPolicy, Decimal, list[tuple]]:
    count = draw(st.integers(min_value=1, max_value=4))
    rules = tuple(draw(a_rule(f"rule {i}")) for i in range(count))
    policy = RatioPolicy(
        min_ratio=draw(st.sampled_from((d(0), d("0.10")))),
        max_ratio=draw(st.sampled_from((d("0.60"), d(1)))),
        max_step=draw(st.sampled_from((d("0.07"), d("0.30"), d(1)))),
    )
    verdict = st.sampled_from((T, T, F, F, U))
    review = st.tuples(DAYS, st.tuples(*[verdict] * count))
    start = draw(st.sampled_from(POINTS))
    return rules, policy, start, draw(st.lists(review, min_size=1, max_size=14))


KEPT_AND_SPENT = (
    Rule(name="up", when="true", action=action_of("raise_to", "0.75")),
    Rule(name="down", when="true", action=action_of("lower_by", "0.1"), cooldown=timedelta(days=9)),
)
KEPT_AND_SPENT_REVIEWS = [
    (timedelta(days=2), values)
    for values in ((F, F), (F, T), (F, F), (F, T), (T, U), (F, T), (F, T), (F, T))
]
"""A kept entry that is unknown while another rule decides."""


@settings(deadline=None, derandomize=True, max_examples=800)
@given(career=a_career())
@example(career=(KEPT_AND_SPENT, RatioPolicy(), d("0.5"), KEPT_AND_SPENT_REVIEWS))
def test_any_career_of_any_matrix_is_as_the_mission_tells_it(
    career: tuple[tuple[Rule, ...], RatioPolicy, Decimal, list[tuple]],
) -> None:
    rules, policy, start, reviews = career
    memory = first_memory(start, policy)
    assert memory is not None
    clamped = min(max(start, policy.min_ratio), policy.max_ratio)
    model = Model(rules, policy.min_ratio, policy.max_ratio, policy.max_step, clamped, clamped)
    at = MONDAY

    for after, values in reviews:
        at += after
        told, who = model.review(at, values)
        verdicts = tuple(
            Verdict(rule=rule_.name, value=value, figures={})
            for rule_, value in zip(rules, values, strict=True)
        )
        judgement, memory = decide(rules, verdicts, memory, policy, at)

        assert judgement is not None
        assert memory is not None
        assert statuses(judgement) == told
        assert judgement.decider == who
        assert memory.goal_ratio == judgement.goal_ratio == model.goal
        assert memory.target_ratio == judgement.target_ratio == model.target


def test_a_lowered_maximum_holds_at_once() -> None:
    memory = RatioMemory(goal_ratio=d("0.75"), target_ratio=d("0.75"))
    found = bounded(memory, RatioPolicy(max_ratio=d("0.30")))

    assert found is not None
    assert (found.goal_ratio, found.target_ratio) == (d("0.30"), d("0.30"))
    assert bounded(None, RatioPolicy()) is None
