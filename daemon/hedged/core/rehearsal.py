"""
The matrix rehearsed over recorded history: every review that would have been, decided in order.

Enters rules, a frame of metric rows and the instants of the reviews; leaves each review's verdicts
and judgement. The conditions are judged over whole columns, the decisions by the real `decide`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import polars as pl

from hedged.core.metrics.history import TIME, last_close_time
from hedged.core.rules import Condition, Rule, Verdict, parse
from hedged.core.target import Judgement, RatioPolicy, decide, first_memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """One review of the past: when it was, and what would have been decided."""

    at: datetime
    judgement: Judgement


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
        reviews.append(Rehearsed(at=at, judgement=judgement))
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


def _verdicts(rules: tuple[Rule, ...], rows: pl.DataFrame) -> list[tuple[Verdict, ...]]:
    """Every rule's verdict at every row, as `evaluate` gives it for one."""
    conditions = [parse(rule.when) for rule in rules]
    judged = [known_of(rows, condition).to_list() for condition in conditions]
    figures: list[list[dict[str, float | bool | None]]] = [
        rows.select(c.names).to_dicts() if c.names else [{} for _ in range(rows.height)]
        for c in conditions
    ]
    return [
        tuple(
            Verdict(rule=rule.name, value=judged[j][i], figures=figures[j][i])
            for j, rule in enumerate(rules)
        )
        for i in range(rows.height)
    ]
