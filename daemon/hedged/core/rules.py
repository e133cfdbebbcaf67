"""
The rule language: conditions over metric names, judged true, false or unknown (section 5.1).

A condition is parsed by Python's own `ast.parse`, and a white-listed tree becomes a Polars
expression: ``and or not``, chained comparisons, ``+ - *``, unary minus, numbers, ``true``,
``false`` and metric names. Nothing else exists: no calls, no division, no strings, no subscripts.
So a condition can't look ahead, can't do I/O, and can't turn "unknown" into "false".
"""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Literal

import polars as pl

from hedged.core.metrics import MetricRow, find
from hedged.core.metrics.vocabulary import Kind, nearest
from hedged.errors import RuleError

CONDITION_LENGTH_MAX = 1000
FLOAT_MAX = 1.7976931348623157e308

Verb = Literal["set_to", "raise_to", "lower_to", "raise_by", "lower_by", "scale_by"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What a rule does to the goal, in points of exposure (`scale_by`: a fraction of the goal)."""

    verb: Verb
    by: Decimal

    def applied(self, goal: Decimal) -> Decimal:
        """
        The goal after the action, not yet clamped.

        A goal of 0.20: ``raise_to 0.30`` gives 0.30, ``raise_by 0.30`` 0.50, ``lower_by 0.10``
        0.10; a goal of 0.50 with ``scale_by -0.40`` gives 0.30.
        """
        match self.verb:
            case "set_to":
                return self.by
            case "raise_to":
                return max(goal, self.by)
            case "lower_to":
                return min(goal, self.by)
            case "raise_by":
                return goal + self.by
            case "lower_by":
                return goal - self.by
            case "scale_by":
                return goal * (1 + self.by)

    def __str__(self) -> str:
        return f"{self.verb} {self.by}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """
    One row of the matrix.

    *fires* ``enter``: true now and not true at the last review that knew; ``while``: at every
    review while true. *cooldown* counts from the tick at which the rule last decided.
    """

    name: str
    when: str
    action: Action
    fires: Literal["enter", "while"] = "enter"
    cooldown: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a condition is now: true, false, or None for unknown; and the figures it was judged on."""

    rule: str
    value: bool | None
    figures: dict[str, float | bool | None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Condition:
    """A parsed condition: its expression over metric columns, and the *names* it reads."""

    text: str
    expression: pl.Expr
    names: tuple[str, ...]


def evaluate(rules: tuple[Rule, ...], row: MetricRow) -> tuple[Verdict, ...]:
    """Judge every rule on *row*, in their order. Raises `RuleError` where a condition is wrong."""
    if not rules:
        return ()
    conditions = [parse(rule.when) for rule in rules]
    frame = frame_of(row, {name for condition in conditions for name in condition.names})
    judged = frame.select(c.expression.alias(str(i)) for i, c in enumerate(conditions)).row(0)
    return tuple(
        Verdict(
            rule=rule.name,
            value=value,
            figures={name: row.values[name] for name in condition.names},
        )
        for rule, condition, value in zip(rules, conditions, judged, strict=True)
    )


def frame_of(row: MetricRow, names: set[str]) -> pl.DataFrame:
    """A frame of one row with the columns of *names*, typed as the vocabulary has them."""
    columns = {"": pl.Series([True])}
    for name in sorted(names):
        metric = find(name)
        dtype = pl.Boolean if metric and metric.family.kind == "boolean" else pl.Float64
        columns[name] = pl.Series([row.values[name]], dtype=dtype)
    return pl.DataFrame(columns)


@cache
def parse(text: str) -> Condition:
    """
    The condition written in *text*.

    Raises
    ------
    RuleError
        When it is too long, is not in the language, names an unknown metric, or is not Boolean;
        it points at the column.
    """
    if len(text) > CONDITION_LENGTH_MAX:
        raise RuleError(f"a condition has at most {CONDITION_LENGTH_MAX} characters")
    flat = "".join(" " if letter.isspace() else letter for letter in text)
    lead = len(flat) - len(flat.lstrip())
    if "#" in flat:
        raise RuleError("a comment is not in the rule language", text=flat, column=flat.index("#"))
    try:
        tree = ast.parse(flat.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        column = (getattr(error, "offset", None) or 1) - 1
        said = getattr(error, "msg", None) or "it can't be read"
        raise RuleError(f"not a condition: {said}", text=flat, column=lead + column) from None
    visitor = _Visitor(flat, lead)
    try:
        expression = visitor.typed(tree.body, "boolean")
    except RecursionError:
        raise RuleError("not a condition: it is nested too deeply", text=flat) from None
    return Condition(text=text, expression=expression, names=tuple(dict.fromkeys(visitor.names)))


class _Visitor:
    """Turns a white-listed tree into an expression, checking the kind of every part."""

    def __init__(self, text: str, lead: int) -> None:
        self.text = text
        self.lead = lead
        self.visits = 0
        self.names: list[str] = []

    def typed(self, node: ast.expr, kind: Kind) -> pl.Expr:
        expression, found = self.visit(node)
        if found != kind:
            wanted = "true or false" if kind == "boolean" else "a number"
            raise self.error(f"this is a {found}, where {wanted} is needed", node)
        return expression

    def visit(self, node: ast.expr) -> tuple[pl.Expr, Kind]:
        self.visits += 1
        if self.visits > 2 * CONDITION_LENGTH_MAX:  # chains within chains double at every level
            raise self.error("this condition is too involved", node)
        constant = constant_of(node)
        if constant is not None:  # what overflows is unknown here too
            return pl.lit(constant if math.isfinite(constant) else None, dtype=pl.Float64), "number"
        match node:
            case ast.BoolOp(op=op, values=values):
                return self._all(op, [self.typed(value, "boolean") for value in values])
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return ~self.typed(operand, "boolean"), "boolean"
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.typed(operand, "number"), "number"
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() as op, right=right):
                return self._arithmetic(op, left, right), "number"
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                pairs = zip([left, *comparators[:-1]], ops, comparators, strict=True)
                return self._all(ast.And(), [self._compare(*pair) for pair in pairs])
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                raise self.error("this number is too large", node)
            case ast.Name(id="true" | "false" as word):
                return pl.lit(word == "true"), "boolean"
            case ast.Name(id=name):
                return self._metric(name, node)
        raise self.error(f"{_described(node)} is not in the rule language", node)

    def _all(self, op: ast.boolop, parts: list[pl.Expr]) -> tuple[pl.Expr, Kind]:
        joined = parts[0]
        for part in parts[1:]:
            joined = joined & part if isinstance(op, ast.And) else joined | part
        return joined, "boolean"

    def _arithmetic(self, op: ast.operator, left: ast.expr, right: ast.expr) -> pl.Expr:
        a, b = self.typed(left, "number"), self.typed(right, "number")
        return a + b if isinstance(op, ast.Add) else a - b if isinstance(op, ast.Sub) else a * b

    def _compare(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> pl.Expr:
        a, kind = self.visit(left)
        b = self.typed(right, kind)
        if kind == "number":
            # What has overflowed is unknown, not infinitely large; + - * never make it finite again.
            a, b = _finite(a), _finite(b)
        match op:
            case ast.Eq():
                return a == b
            case ast.NotEq():
                return a != b
        if kind == "boolean":
            raise self.error("true and false have no order; compare them with == or !=", right)
        match op:
            case ast.Lt():
                return a < b
            case ast.LtE():
                return a <= b
            case ast.Gt():
                return a > b
            case ast.GtE():
                return a >= b
        raise self.error("compare with < <= > >= == !=", right)

    def _metric(self, name: str, node: ast.expr) -> tuple[pl.Expr, Kind]:
        metric = find(name)
        if metric is None:
            near = nearest(name)
            hint = f", did you mean '{near}'?" if near else "; see `hedged rules metrics`"
            raise self.error(f"unknown metric '{name}'{hint}", node)
        self.names.append(name)
        return pl.col(name), metric.family.kind

    def error(self, message: str, node: ast.expr) -> RuleError:
        prefix = self.text[self.lead :].encode()[: node.col_offset].decode(errors="ignore")
        return RuleError(message, text=self.text, column=self.lead + len(prefix))


def _finite(side: pl.Expr) -> pl.Expr:
    """A side of a comparison, null where it is not a finite number; a literal always is one."""
    return side if side.meta.is_literal() else pl.when(side.is_finite()).then(side)


def constant_of(node: ast.expr) -> float | None:
    """The value of a part that names no metric, such as ``-1`` or ``2 * 50``; else None."""
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return float(number) if abs(number) <= FLOAT_MAX else None
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = constant_of(operand)
            return None if value is None else -value
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() as op, right=right):
            a, b = constant_of(left), constant_of(right)
            if a is None or b is None:
                return None
            return a + b if isinstance(op, ast.Add) else a - b if isinstance(op, ast.Sub) else a * b
    return None


def _described(node: ast.expr) -> str:
    """The construct in a reader's words: ``ast.Call`` is "a call"."""
    words = {
        "Call": "a call",
        "Subscript": "a subscript",
        "Attribute": "a dot",
        "Constant": "this value",
        "BinOp": "this operator",
        "Lambda": "a lambda",
        "IfExp": "if/else",
    }
    return words.get(type(node).__name__, type(node).__name__.lower())
