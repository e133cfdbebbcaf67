"""
Rolling windows over whole columns, made of the values inside each window and of nothing else.

Enters an array in which NaN is unknown; leaves the sum, deviation or extreme of every n values, in
time linear in their number, without the residue that adding and taking away leaves in a sum.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hedged.core.metrics.columns import Array, Columns

# Values whose spread is at most this share of the largest of them differ by rounding only.
CONSTANT = 1e-12


def rolled(operation: np.ufunc, values: Array, n: int) -> Array:
    """
    *operation* (`np.add`, `np.maximum`, ...) over the last n values, NaN where one of them is.

    The values are cut into blocks of n. A window is the end of one block and the beginning of the
    next, and both are running results inside their own block: nothing is ever taken away again.
    """
    rows = _blocks(values, n)
    heads = operation.accumulate(rows, axis=1).ravel()
    tails = operation.accumulate(rows[:, ::-1], axis=1)[:, ::-1].ravel()
    out = heads[: len(values)].copy()
    out[: n - 1] = np.nan
    ends = _crossing(len(values), n)
    out[ends] = operation(tails[ends - n + 1], heads[ends])
    return out


def mean(values: Array, n: int) -> Array:
    """Mean of the last n values; NaN where one of them is."""
    with np.errstate(all="ignore"):
        return rolled(np.add, values, n) / n


def deviation(values: Array, n: int) -> Array:
    """
    Standard deviation (n - 1) of the last n values; NaN where one of them is, and for n = 1.

    Exactly 0 where the values are the same but for rounding (`CONSTANT`).
    """
    with np.errstate(all="ignore"):
        rows = _blocks(values, n)
        head_mean, head_squares = (part.ravel() for part in _running(rows))
        tail_mean, tail_squares = (part[:, ::-1].ravel() for part in _running(rows[:, ::-1]))
        squares = head_squares[: len(values)].copy()
        squares[: n - 1] = np.nan
        ends = _crossing(len(values), n)
        starts, in_head = ends - n + 1, ends % n + 1
        between = (head_mean[ends] - tail_mean[starts]) ** 2 * (in_head * (n - in_head) / n)
        squares[ends] = tail_squares[starts] + head_squares[ends] + between
        top, bottom = rolled(np.maximum, values, n), rolled(np.minimum, values, n)
        constant = top - bottom <= CONSTANT * np.maximum(np.abs(top), np.abs(bottom))
        spread = np.sqrt(squares / (n - 1)) if n > 1 else np.full(len(values), np.nan)
        return np.where(constant & np.isfinite(spread), 0.0, spread)


def zscore(values: Array, n: int) -> Array:
    """(value - mean) / deviation of the last n values, this one included; NaN where they are equal."""
    with np.errstate(all="ignore"):
        spread = deviation(values, n)
        return (values - mean(values, n)) / np.where(spread > 0, spread, np.nan)


def any_of(states: Array, n: int) -> Array:
    """
    Whether one of the last n states (1, 0 or NaN) is 1, as Kleene has it.

    1 when one is; else NaN when one is unknown or lies before the first; else 0.
    """
    since_true = since(states == 1, never=np.inf)
    since_unknown = since(np.isnan(states), never=1)
    return np.where(since_true < n, 1.0, np.where(since_unknown < n, np.nan, 0.0))


def since(states: NDArray[np.bool_], never: float) -> Array:
    """Bars since the last true state, 0 at it; as if the last were *never* bars before the first."""
    at = np.arange(len(states), dtype=np.float64)
    return at - np.maximum.accumulate(np.where(states, at, -never))


def before(columns: Columns, values: Array, n: int) -> Array:
    """The values n bars before each; NaN when one of those bars, or of the bars since, is missing."""
    out = columns.empty()
    out[n:] = values[: max(len(values) - n, 0)]
    out[bars_in_a_row(columns) <= n] = np.nan
    return out


def at_bars(columns: Columns, name: str) -> Array:
    """
    The column *name*, NaN at a bar that is missing and at what is no finite number.

    Funding and open interest are known at the close of a missing bar too; yet a window of bars
    that spans a gap is unknown.
    """
    known = np.isfinite(columns["close"]) & np.isfinite(columns[name])
    return np.where(known, columns[name], np.nan)


def bars_in_a_row(columns: Columns) -> Array:
    """The number of bars without a gap that end at each; 0 at a bar that is missing."""
    missing = ~np.isfinite(columns["close"])
    return columns.once("bars in a row", lambda: since(missing, never=1))


def _blocks(values: Array, n: int) -> Array:
    """The values in rows of n, filled up with NaN."""
    padded = np.full(-(-len(values) // n) * n, np.nan)
    padded[: len(values)] = values
    return padded.reshape(-1, n)


def _crossing(count: int, n: int) -> NDArray[np.int64]:
    """Where a window of n ends that lies in two blocks."""
    ends = np.arange(n - 1, count, dtype=np.int64)
    return np.compress(ends % n != n - 1, ends)


def _running(rows: Array) -> tuple[Array, Array]:
    """
    Mean, and sum of squared deviations from it, of the first 1, 2, ... values of each row.

    Welford's recurrence: its terms are never negative, so nothing cancels.
    """
    counts = np.arange(1.0, rows.shape[1] + 1)
    means = np.add.accumulate(rows, axis=1) / counts
    terms = np.zeros_like(rows)
    terms[:, 1:] = (rows[:, 1:] - means[:, :-1]) ** 2 * (counts[:-1] / counts[1:])
    terms[:, 0] = rows[:, 0] * 0  # a value that is unknown stays unknown
    return means, np.add.accumulate(terms, axis=1)
