"""
The matrix rehearsed over recorded history: every review that would have been, decided in order.

Enters rules, a frame of metric rows and the instants of the reviews; leaves each review's verdicts
and decision. The conditions are judged over whole columns, the decisions by the real `decide`.

A review is kept as its bare outcome; its figures are in the rows. Whole judgements made a review among
100,000 dearer than one among 1,000: Python's collector walks all that is alive again and again, and
no cache holds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import polars as pl

from hedged.core.metrics.history import TIME, last_close_time
from hedged.core.rules import Condition, Rule, Verdict, parse
from hedged.core.target import Judgement, RatioPolicy, Status, decide, first_memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """
    One review of the past: when it was, what would have been decided, and each rule's part in it.

    *values* and *statuses* have one entry a rule, in the order of the rules.
    """

    at: datetime
    goal_before: Decimal
    goal_ratio: Decimal
    decider: str | None
    because: str
    values: tuple[bool | None, ...]
    statuses: tuple[Status, ...]

    @property
    def moved(self) -> Decimal:
        """How far the goal moved, in points of the exposure; positive when it rose."""
        return self.goal_ratio - self.goal_before


def rehearsed(at: datetime, judgement: Judgement) -> Rehearsed:
    """What a rehearsal keeps of the *judgement* of its review at *at*."""
    return Rehearsed(
        at=at,
        goal_before=judgement.goal_before,
        goal_ratio=judgement.goal_ratio,
        decider=judgement.decider,
        because=judgement.because,
        values=tuple([line.value for line in judgement.rules]),
        statuses=tuple([line.status for line in judgement.rules]),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rehearsal:
    """
    All reviews in order; *rows* has one metric row a review, with *at* beside it, and *bars* every
    bar of the history.
    """

    rules: tuple[Rule, ...]
    reviews: tuple[Rehearsed, ...]
    rows: pl.DataFrame
    bars: pl.DataFrame


def rehearse(
    rules: tuple[Rule, ...],
    measured: pl.DataFrame,
    bar: str,
    ticks: Sequence[datetime],
    policy: RatioPolicy,
) -> Rehearsal:
    """
    Decide at every tick on the bar of *measured* (see `measure`) that had closed by then.

    A tick whose bar lies outside the history is left out. The goal starts at ``initial_ratio``, or
    at 0: nothing was held. Raises `RuleError` where a condition is wrong.
    """
    rows = _rows_at(measured, bar, ticks)
    memory = first_memory(Decimal(0), policy)
    reviews: list[Rehearsed] = []
    for at, verdicts in zip(rows["at"].to_list(), _verdicts(rules, rows), strict=True):
        judgement, memory = decide(rules, verdicts, memory, policy, at)
        assert judgement is not None, "there is a memory from the start"
        reviews.append(rehearsed(at, judgement))
    return Rehearsal(rules=rules, reviews=tuple(reviews), rows=rows, bars=measured)


def known_of(frame: pl.DataFrame, condition: Condition) -> pl.Series:
    """*condition* over every row of *frame*; null where it is unknown."""
    column = frame.select(condition.expression.alias("is"))["is"]
    return pl.repeat(column[0], frame.height, eager=True) if column.len() < frame.height else column


def _rows_at(measured: pl.DataFrame, bar: str, ticks: Sequence[datetime]) -> pl.DataFrame:
    closes = [last_close_time(bar, at) for at in ticks]
    wanted = pl.DataFrame(
        {"at": list(ticks), "close_time": closes}, schema={"at": TIME, "close_time": TIME}
    )
    return wanted.join(measured, on="close_time", how="inner", maintain_order="left")


def _verdicts(rules: tuple[Rule, ...], rows: pl.DataFrame) -> Iterator[tuple[Verdict, ...]]:
    """Every rule's verdict at every row, as `evaluate` gives it for one; made when it is asked for."""
    told = [(rule.name, f"rule {place}", parse(rule.when)) for place, rule in enumerate(rules)]
    judged = rows.with_columns(known_of(rows, condition).alias(column) for _, column, condition in told)
    for row in judged.iter_rows(named=True):
        yield tuple(
            Verdict(rule=name, value=row[column], figures={said: row[said] for said in condition.names})
            for name, column, condition in told
        )
