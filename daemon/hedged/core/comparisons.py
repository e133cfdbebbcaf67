"""
The comparisons that a condition is made of, read from its text.

Enters a condition; leaves the pairs of sides it compares, which is bounded by what number, and the
number that a single metric comes to be compared with.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from hedged.core.metrics import find
from hedged.core.rules import constant_of, parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """
    *what* is below (or above) *bound*: a metric or a sum of them, the ratio of two prices, an event
    (which is above 0 where it is asked for), or two sides that are compared, and it is 0.
    """

    what: str
    below: bool
    bound: float
    text: str


def bounds(text: str) -> Iterator[Bound]:
    """
    All that a condition bounds, however it is written: ``close < 1.03 * sma_50`` is
    ``close / sma_50`` below 1.03, and ``sma_50 - close < 0`` the same above 1.
    """
    for left, op, right in comparisons(text):
        below = isinstance(op, ast.Lt | ast.LtE)
        if below or isinstance(op, ast.Gt | ast.GtE):
            said = f" {_SIGNS[type(op)]} ".join((ast.unparse(left), ast.unparse(right)))
            yield _of_sums(left, right, said, below=below) or _of_sides(left, right, said, below=below)
    event = _event(ast.parse(" ".join(text.split()), mode="eval").body)
    if event is not None:
        yield event


def _of_sums(left: ast.expr, right: ast.expr, said: str, *, below: bool) -> Bound | None:
    """Both sides as one sum, divided by the factor of its first metric; None where that can't be."""
    a, b = _linear(left), _linear(right)
    if a is None or b is None:
        return None
    named, free = _sum(a, b, -1)
    factors = sorted((name, factor) for name, factor in named.items() if factor)
    if not factors:
        return None
    first, scale = factors[0]
    below = below is (scale > 0)
    if len(factors) == 2 and not free and all(map(_is_price, (first, factors[1][0]))):
        ratio = f"{first} / {factors[1][0]}"
        return Bound(what=ratio, below=below, bound=-factors[1][1] / scale, text=said)
    what = " + ".join(f"{factor / scale:.9g} {name}" for name, factor in factors)
    return Bound(what=what, below=below, bound=-free / scale, text=said)


def _of_sides(left: ast.expr, right: ast.expr, said: str, *, below: bool) -> Bound:
    """Where metrics are multiplied, by the text of the sides."""
    low, high = sorted((ast.unparse(left), ast.unparse(right)))
    return Bound(
        what=f"{low} - {high}", below=below is (low == ast.unparse(left)), bound=0.0, text=said
    )


def _is_price(name: str) -> bool:
    """Whether it is a price, or a line of prices, above 0: what is divided by it keeps its order."""
    metric = find(name)
    return metric is not None and metric.family.unit == "quote" and name != "basis"


def _event(node: ast.expr, *, negated: bool = False) -> Bound | None:
    """
    The event that is a whole condition. Beside others one below a `not` only keeps two rules apart.
    """
    match node:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _event(operand, negated=not negated)
        case ast.Name(id=name):
            said = f"not {name}" if negated else name
            return Bound(what=name, below=negated, bound=0.0, text=said)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """
    The *metric* compared with a *number*; *below* says whether it has to be below it, None for == or
    !=. ``3 * funding_rate > 0.15`` compares the rate with 0.05.
    """

    metric: str
    number: float
    below: bool | None
    text: str


def thresholds(text: str) -> Iterator[Threshold]:
    """Every comparison in a condition that comes down to one metric and a number."""
    for left, op, right in comparisons(text):
        a, b = _linear(left), _linear(right)
        if a is None or b is None:
            continue
        named, free = _sum(a, b, -1)
        factors = {name: factor for name, factor in named.items() if factor}
        if len(factors) != 1:
            continue
        ((name, factor),) = factors.items()
        number = -free / factor
        if not math.isfinite(number):
            continue
        below = isinstance(op, ast.Lt | ast.LtE) is (factor > 0)
        yield Threshold(
            metric=name,
            number=number,
            below=below if type(op) in _OPPOSITE else None,
            text=ast.unparse(ast.Compare(left=left, ops=[op], comparators=[right])),
        )


_Linear = tuple[dict[str, float], float]
"""The factor of every metric, and what is added to them."""


def _linear(node: ast.expr) -> _Linear | None:
    """A side as a sum of metrics times numbers and a number; None where metrics are multiplied."""
    match node:
        case ast.Name(id=name):
            return {name: 1.0}, 0.0
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            turned = _linear(operand)
            return None if turned is None else _sum(({}, 0.0), turned, -1)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() as op, right=right):
            a, b = _linear(left), _linear(right)
            if a is None or b is None:
                return None
            if not isinstance(op, ast.Mult):
                return _sum(a, b, -1 if isinstance(op, ast.Sub) else 1)
            if a[0] and b[0]:
                return None
            return _sum(({}, 0.0), a, b[1]) if a[0] else _sum(({}, 0.0), b, a[1])
    number = constant_of(node)
    return None if number is None else ({}, number)


def _sum(a: _Linear, b: _Linear, factor: float) -> _Linear:
    """*a* + *factor* * *b*."""
    names = a[0].keys() | b[0].keys()
    factors = {name: a[0].get(name, 0.0) + factor * b[0].get(name, 0.0) for name in names}
    return factors, a[1] + factor * b[1]


_SIGNS: dict[type[ast.cmpop], str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_OPPOSITE: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Lt: ast.GtE(), ast.LtE: ast.Gt(), ast.Gt: ast.LtE(), ast.GtE: ast.Lt(),
}  # fmt: skip


def comparisons(text: str) -> Iterator[tuple[ast.expr, ast.cmpop, ast.expr]]:
    """Every comparison of two sides in a condition, turned round below a `not`."""
    parse(text)  # what is not in the language never gets here
    flat = " ".join(text.split())
    yield from _compared(ast.parse(flat, mode="eval").body, negated=False)


def _compared(node: ast.expr, *, negated: bool) -> Iterator[tuple[ast.expr, ast.cmpop, ast.expr]]:
    match node:
        case ast.BoolOp(values=values):
            for value in values:
                yield from _compared(value, negated=negated)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield from _compared(operand, negated=not negated)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            sides = [left, *comparators]
            for op, (a, b) in zip(ops, pairwise(sides), strict=True):
                yield a, _OPPOSITE.get(type(op), op) if negated else op, b
