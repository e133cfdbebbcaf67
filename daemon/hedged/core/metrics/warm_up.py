"""
How many bars a metric waits for: the formula that its warm-up begins with, read from the text.

Enters a text such as ``max(119, 13 + n), again after a gap``; leaves the bars for given windows. So
what is printed of a warm-up, and what the tests hold every metric to, is the same words.
"""

from __future__ import annotations

import ast
import re

# What stands before the first comma or semicolon; a maximum has a comma of its own.
_HEAD = re.compile(r"(?:max\([^()]*\)|[^,;])*")
_FORMULA = re.compile(r"(?:max|[0-9mn+\-(), ])+")
_FACTOR = re.compile(r"([0-9])([mn])")


def bars_of(text: str, m: int, n: int) -> int | None:
    """
    The bars that *text* counts for windows of *m* and *n*; None where it tells of an event instead.

    Raises `ValueError` where it looks like a formula and is none.
    """
    head = _HEAD.match(text)
    counted = head[0].strip() if head else ""
    if not _FORMULA.fullmatch(counted):
        return None
    try:
        return _counted(ast.parse(_FACTOR.sub(r"\1 * \2", counted), mode="eval").body, m, n)
    except SyntaxError:
        raise ValueError(f"the warm-up {text!r} begins with no formula of m and n") from None


def _counted(node: ast.expr, m: int, n: int) -> int:
    match node:
        case ast.Constant(value=int() as number):
            return number
        case ast.Name(id="m"):
            return m
        case ast.Name(id="n"):
            return n
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() as op, right=right):
            a, b = _counted(left, m, n), _counted(right, m, n)
            return a + b if isinstance(op, ast.Add) else a - b if isinstance(op, ast.Sub) else a * b
        case ast.Call(func=ast.Name(id="max"), args=[*among], keywords=[]) if among:
            return max(_counted(one, m, n) for one in among)
    raise SyntaxError
