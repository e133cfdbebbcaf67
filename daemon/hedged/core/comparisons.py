"""
The comparisons that a condition is made of, read from its text.

Enters a condition; leaves the pairs of sides it compares, and which is bounded by what number.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from hedged.core.rules import constant_of, parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """*what* is below (or above) *bound*; without a number, two sides are compared and it is 0."""

    what: str
    below: bool
    bound: float
    text: str


def bounds(text: str) -> Iterator[Bound]:
    """Every side that a condition bounds: ``sma_50 > close`` is ``close - sma_50`` below 0."""
    for left, op, right in comparisons(text):
        below = isinstance(op, ast.Lt | ast.LtE)
        if not below and not isinstance(op, ast.Gt | ast.GtE):
            continue
        sides = ast.unparse(left), ast.unparse(right)
        said = f" {_SIGNS[type(op)]} ".join(sides)
        low, high = constant_of(left), constant_of(right)
        if high is not None:
            yield Bound(what=sides[0], below=below, bound=high, text=said)
        elif low is not None:
            yield Bound(what=sides[1], below=not below, bound=low, text=said)
        elif sides[0] <= sides[1]:
            yield Bound(what=" - ".join(sides), below=below, bound=0.0, text=said)
        else:
            yield Bound(what=" - ".join(reversed(sides)), below=not below, bound=0.0, text=said)


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
