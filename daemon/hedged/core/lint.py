"""
What is doubtful about a matrix of rules, with the evidence of recorded history.

Enters a rehearsal of the rules (see `rehearse`); leaves findings, each with the rules it is about,
what is wrong, how often and when it showed, and the fix.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations, pairwise
from typing import Literal

import polars as pl

from hedged.core.comparisons import Bound, Threshold, bounds, thresholds
from hedged.core.metrics import Metric, find
from hedged.core.rehearsal import Rehearsal, Rehearsed, known_of
from hedged.core.rules import Rule, parse
from hedged.core.target import Status
from hedged.core.wording import percent

REVIEWS_UNDONE_MAX = 3
FLAP_MAX = timedelta(weeks=3)
RARE_MAX = 0.10
"""A figure is rare when at most this share of the bars is as far from zero."""
_DATES_SHOWN = 3
_ENTRIES = ("fired", "spent", "cooling", "blocked")

Severity = Literal["error", "warning", "note"]
Kind = Literal[
    "churn", "shadowed", "never_fires", "always_true", "reduces_while_higher_holds", "units",
    "cooldown_delays_protection", "while_spends_entries", "no_dead_zone",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """
    One doubt: *wrong* says what, *evidence* what history showed of it, *fix* what to do.

    *count* is how often it showed, *first_dates* the first reviews at which it did; a fault that is
    plain from the text alone may have neither.
    """

    kind: Kind
    severity: Severity
    rules: tuple[str, ...]
    wrong: str
    evidence: str
    count: int
    first_dates: tuple[str, ...]
    fix: str


def lint(rehearsal: Rehearsal) -> tuple[Finding, ...]:
    """All findings: errors first, then warnings, then notes."""
    checks = (
        _units, _truth, _shadowed, _churn, _flapping, _cooldowns, _spenders, _reducers,
    )  # fmt: skip
    found = [finding for check in checks for finding in check(rehearsal)]
    order: list[Severity] = ["error", "warning", "note"]
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))


def protects(rule: Rule) -> bool:
    """Whether the rule's action can raise the hedge."""
    verb, by = rule.action.verb, rule.action.by
    return verb in ("raise_to", "raise_by") or (verb in ("set_to", "scale_by") and by > 0)


def _dates(stamps: Iterable[datetime]) -> tuple[str, ...]:
    return tuple(f"{at:%Y-%m-%d}" for at in list(stamps)[:_DATES_SHOWN])


def _first(stamps: Iterable[datetime]) -> str:
    dates = _dates(stamps)
    return f" (first {', '.join(dates)})" if dates else ""


# Rules that are never or always true, or never come to decide.


def _truth(rehearsal: Rehearsal) -> Iterator[Finding]:
    """A rule that is always true, and one that never fires, unless `_shadowed` tells of it."""
    for place, rule in enumerate(rehearsal.rules):
        values = [review.values[place] for review in rehearsal.reviews]
        known = [value for value in values if value is not None]
        if values and not any(known):
            yield _never_true(rule, rehearsal.bars, len(values), len(known))
        elif values and all(known):
            yield _always(rule, [r.at for r in rehearsal.reviews if r.values[place]])
        elif values and not _fires(rehearsal, place) and not _is_shadowed(rehearsal, place):
            yield _held_back(rehearsal, place)


def _always(rule: Rule, since: list[datetime]) -> Finding:
    return Finding(
        kind="always_true",
        severity="warning",
        rules=(rule.name,),
        wrong="it is always true, so it says nothing and hardly ever turns true",
        evidence=f"true at all {len(since)} reviews that knew{_first(since[:1])}",
        count=len(since),
        first_dates=_dates(since),
        fix="narrow the condition, or take the rule out",
    )


def _never_true(rule: Rule, bars: pl.DataFrame, reviews: int, known: int) -> Finding:
    """A rule without a true review; bars on which it was true say that the reviews missed them."""
    missed = bars.filter(known_of(bars, parse(rule.when)).fill_null(value=False))["close_time"]
    unknown = "" if known else f"; unknown at all {reviews}, for a metric of it has no value"
    return Finding(
        kind="never_fires",
        severity="warning",
        rules=(rule.name,),
        wrong="it is never true at a review, so it never decides",
        evidence=f"true at 0 of {reviews} reviews{unknown}, on {missed.len()} of {bars.height} bars"
        + _first(missed.head(_DATES_SHOWN).to_list()),
        count=missed.len(),
        first_dates=_dates(missed.head(_DATES_SHOWN).to_list()),
        fix="let it remember with a window of at least the bars between two reviews, or review more "
        "often"
        if missed.len()
        else "check its figures and their units against `hedged rules test --at DATE`; keep it if it "
        "waits for what this history did not have",
    )


def _held_back(rehearsal: Rehearsal, place: int) -> Finding:
    """A rule that was true at some reviews and decided at none, with what kept it from deciding."""
    rule = rehearsal.rules[place]
    true = [review for review in rehearsal.reviews if review.values[place]]
    why = Counter(review.statuses[place] for review in true)
    blocked = [review for review in true if review.statuses[place] == "blocked"]
    unknown = tuple(
        above.name
        for i, above in enumerate(rehearsal.rules[:place])
        if protects(above) and any(review.values[i] is None for review in blocked)
    )
    told = ", ".join(f"{_KEPT_BY[status]} at {count}" for status, count in why.items())
    return Finding(
        kind="never_fires",
        severity="warning",
        rules=(rule.name, *unknown),
        wrong="it is true at some reviews, and decides at none",
        evidence=f"true at {len(true)} of {len(rehearsal.reviews)} reviews: {told}"
        + _first(review.at for review in true),
        count=len(true),
        first_dates=_dates(review.at for review in true),
        fix=f"find out with `hedged rules test --at DATE` which metric of {' and '.join(unknown)} has "
        "no value; a rule that may not reduce until it is known stays below it, another goes above"
        if unknown
        else "list it higher if it is the more severe one; keep it if it waits for a turn that this "
        "history did not have",
    )


_KEPT_BY: dict[Status, str] = {
    "blocked": "blocked by an unknown rule above",
    "spent": "used up by a rule above",
    "waiting": "true when first seen",
    "holds": "true already",
    "cooling": "cooling",
}


def _fires(rehearsal: Rehearsal, place: int) -> bool:
    return any(review.statuses[place] == "fired" for review in rehearsal.reviews)


def _entries(rehearsal: Rehearsal, place: int) -> list[Rehearsed]:
    """The reviews at which the rule wanted to fire."""
    return [review for review in rehearsal.reviews if review.statuses[place] in _ENTRIES]


def _is_shadowed(rehearsal: Rehearsal, place: int) -> bool:
    entries = _entries(rehearsal, place)
    return bool(entries) and all(review.statuses[place] == "spent" for review in entries)


def _shadowed(rehearsal: Rehearsal) -> Iterator[Finding]:
    for place, rule in enumerate(rehearsal.rules):
        if not _is_shadowed(rehearsal, place):
            continue
        entries = _entries(rehearsal, place)
        deciders = [review.decider or "" for review in entries]
        above = tuple(name for name in (r.name for r in rehearsal.rules) if name in deciders)
        told = ", ".join(f"{name} {deciders.count(name)} times" for name in above)
        yield Finding(
            kind="shadowed",
            severity="warning",
            rules=(rule.name, *above),
            wrong=f"whenever {rule.name} turns true, a rule above it decides and uses its entry up",
            evidence=f"at {len(entries)} of {len(entries)} entries: {told}"
            + _first(r.at for r in entries),
            count=len(entries),
            first_dates=_dates(r.at for r in entries),
            fix="list it higher if it is the more severe one, narrow the rule above it, or take it out",
        )


# Rules that work against each other.


def _churn(rehearsal: Rehearsal) -> Iterator[Finding]:
    moves = [(place, review) for place, review in enumerate(rehearsal.reviews) if review.moved]
    undone: dict[frozenset[str], list[tuple[Rehearsed, Rehearsed]]] = {}
    for (i, before), (j, after) in pairwise(moves):
        pair = frozenset((before.decider or "", after.decider or ""))
        if j - i <= REVIEWS_UNDONE_MAX and len(pair) == 2 and before.moved * after.moved < 0:
            undone.setdefault(pair, []).append((before, after))
    for pair, cases in undone.items():
        names = tuple(rule.name for rule in rehearsal.rules if rule.name in pair)
        forth = sum(before.decider == names[0] for before, _ in cases)
        points = percent(sum(min(abs(a.moved), abs(b.moved)) for a, b in cases))
        yield Finding(
            kind="churn",
            severity="warning" if len(cases) > 1 else "note",
            rules=names,
            wrong="one undoes what the other has just done, and every turn is paid for",
            evidence=f"within {REVIEWS_UNDONE_MAX} reviews {len(cases)} times in "
            f"{len(rehearsal.reviews)}: {names[0]} then {names[1]} {forth}, the other way round "
            f"{len(cases) - forth}; {points} of the exposure moved there and back"
            + _first(after.at for _, after in cases),
            count=len(cases),
            first_dates=_dates(after.at for _, after in cases),
            fix="ask more of the rule that lowers: a margin (close > 1.03 * sma_50), a confirmation of "
            "several bars, or a cooldown on it",
        )


def _reducers(rehearsal: Rehearsal) -> Iterator[Finding]:
    """Pairs that are true on one bar: an unmoved upper rule does not hold a lower one back."""
    true = [known_of(rehearsal.bars, parse(rule.when)) for rule in rehearsal.rules]
    for (i, higher), (j, lower) in combinations(enumerate(rehearsal.rules), 2):
        together = (true[i] & true[j]).sum()
        if not (protects(higher) and _lowers(lower) and together):
            continue
        stamps = [
            review.at
            for review in rehearsal.reviews
            if review.decider == lower.name and review.values[i] and review.moved < 0
        ]
        yield Finding(
            kind="reduces_while_higher_holds",
            severity="note",
            rules=(lower.name, higher.name),
            wrong=f"{lower.name} may reduce the hedge while {higher.name} above it is still true",
            evidence=f"both are true on {together} of {rehearsal.bars.height} bars; it reduced so at "
            f"{len(stamps)} of {len(rehearsal.reviews)} reviews{_first(stamps)}",
            count=len(stamps),
            first_dates=_dates(stamps),
            fix="that is the matrix as written; to forbid it, add `and not (...)` with the condition "
            "of the upper rule",
        )


def _lowers(rule: Rule) -> bool:
    verb, by = rule.action.verb, rule.action.by
    return verb in ("set_to", "lower_to", "lower_by") or (verb == "scale_by" and by < 0)


def _cooldowns(rehearsal: Rehearsal) -> Iterator[Finding]:
    for place, rule in enumerate(rehearsal.rules):
        if rule.cooldown is None or not protects(rule):
            continue
        cooled = [r.at for r in rehearsal.reviews if r.statuses[place] == "cooling"]
        bounds_steps = rule.action.verb in ("raise_by", "scale_by")
        yield Finding(
            kind="cooldown_delays_protection",
            severity="note" if bounds_steps else "warning",
            rules=(rule.name,),
            wrong=f"its cooldown keeps the protection it gives waiting for up to {rule.cooldown.days} "
            "days",
            evidence=f"it was kept waiting at {len(cooled)} of {len(rehearsal.reviews)} reviews"
            + _first(cooled),
            count=len(cooled),
            first_dates=_dates(cooled),
            fix="mean it only as a bound on repeated steps; else put the cooldown on the rule that "
            "lowers"
            if bounds_steps
            else "put the cooldown on the rule that lowers",
        )


def _spenders(rehearsal: Rehearsal) -> Iterator[Finding]:
    for place, rule in enumerate(rehearsal.rules):
        below = {
            i: lower for i, lower in enumerate(rehearsal.rules) if i > place and lower.fires == "enter"
        }
        if rule.fires != "while" or not below:
            continue
        spent = [
            review.at
            for review in rehearsal.reviews
            if review.decider == rule.name
            for i in below
            if review.statuses[i] == "spent"
        ]
        yield Finding(
            kind="while_spends_entries",
            severity="warning",
            rules=(rule.name, *(lower.name for lower in below.values())),
            wrong="it decides at every review while it is true, and uses up the entries of the rules "
            "below it, which fire only when they turn true",
            evidence=f"it has used up {len(spent)} entries in {len(rehearsal.reviews)} reviews"
            + _first(spent),
            count=len(spent),
            first_dates=_dates(spent),
            fix='let it fire on "enter", or list it below them',
        )


# What the text of the conditions alone shows.


def _flapping(rehearsal: Rehearsal) -> Iterator[Finding]:
    bounded = {rule.name: list(bounds(rule.when)) for rule in rehearsal.rules}
    for a, b in combinations(rehearsal.rules, 2):
        if protects(a) == protects(b) and "set_to" not in (a.action.verb, b.action.verb):
            continue
        for x in bounded[a.name]:
            meets = [y for y in bounded[b.name] if _no_dead_zone(x, y)]
            if meets:
                yield _flaps(rehearsal, (a.name, b.name), x, meets[0])
                break


def _no_dead_zone(x: Bound, y: Bound) -> bool:
    below, above = (x, y) if x.below else (y, x)
    return x.what == y.what and x.below != y.below and above.bound <= below.bound


def _flaps(rehearsal: Rehearsal, names: tuple[str, str], x: Bound, y: Bound) -> Finding:
    """Count how often the first state changed at a review, and changed again within three weeks."""
    values = known_of(rehearsal.rows, parse(x.text)).to_list()
    stamps = rehearsal.rows["at"].to_list()
    states = [(at, value) for at, value in zip(stamps, values, strict=True) if value is not None]
    changes = [after[0] for before, after in pairwise(states) if before[1] != after[1]]
    flaps = [after for before, after in pairwise(changes) if after - before <= FLAP_MAX]
    return Finding(
        kind="no_dead_zone",
        severity="warning" if flaps else "note",
        rules=names,
        wrong=f"`{x.text}` and `{y.text}` leave no dead zone between them: one of them is always near",
        evidence=f"the state changed {len(changes)} times in {len(stamps)} reviews, {len(flaps)} of "
        f"them within 3 weeks of the change before{_first(flaps)}",
        count=len(flaps),
        first_dates=_dates(flaps),
        fix="leave a zone in which neither is true, such as close < sma_50 and close > 1.03 * sma_50",
    )


def _units(rehearsal: Rehearsal) -> Iterator[Finding]:
    for rule in rehearsal.rules:
        for threshold in thresholds(rule.when):
            metric = find(threshold.metric)
            if metric is not None:
                yield from _unit(rule, metric, threshold, rehearsal.bars)


def _unit(rule: Rule, metric: Metric, threshold: Threshold, bars: pl.DataFrame) -> Iterator[Finding]:
    """
    A number that is too large for the metric's unit, and that history does not bear out.

    Beyond all that was recorded it is an error. Within it, a rare figure may well be what a rule waits
    for; but a rule that asks for less than a rare figure says next to nothing, and is warned of.
    """
    number, family = threshold.number, metric.family
    if family.threshold_max is None or abs(number) <= family.threshold_max:
        return
    recorded = bars[metric.name].drop_nulls().cast(pl.Float64)
    low, high = recorded.min(), recorded.max()
    beyond, evidence = True, f"no {metric.name} is recorded"
    if isinstance(low, float) and isinstance(high, float):
        beyond = not low <= number <= high
        evidence = f"recorded: {low:.6g} to {high:.6g} over {recorded.len()} bars"
    if not beyond:
        rare = int((recorded >= number).sum() if number > 0 else (recorded <= number).sum())
        if threshold.below is not (number > 0) or rare > RARE_MAX * recorded.len():
            return
        evidence += f", and as far out on {rare} of them only"
    yield Finding(
        kind="units",
        severity="error" if beyond else "warning",
        rules=(rule.name,),
        wrong=f"`{threshold.text}` compares {metric.name} with {number:g}, and it is counted as a "
        f"{family.unit}: that would be {percent(number)}{_per(family.unit)}",
        evidence=evidence,
        count=0,
        first_dates=(),
        fix=f"a ratio of {number:g}% is written {number / 100:g}",
    )


def _per(unit: str) -> str:
    """What a ratio is counted for: ``ratio a year`` is " a year"."""
    return unit.removeprefix("log ").removeprefix("ratio").removeprefix("share")
