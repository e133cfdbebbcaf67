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

# Values that a score is made of at a time; see `zscore`.
PART = 8192


def rolled(operation: np.ufunc, values: Array, n: int) -> Array:
    """
    *operation* (`np.add`, `np.maximum`, ...) over the last n values, NaN where one of them is.

    The values are cut into blocks of n. A window is the end of one block and the beginning of the
    next, and both are running results inside their own block: nothing is ever taken away again.
    """
    rows = _blocks(values, n)
    heads, tails = operation.accumulate(rows, axis=1), np.empty_like(rows)
    operation.accumulate(rows[:, ::-1], axis=1, out=tails[:, ::-1])
    return _joined(operation(*_ends(heads, tails, len(values), n)), heads, len(values), n)


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
        head_means, head_squares = _running(rows)
        tail_means, tail_squares = (part[:, ::-1] for part in _running(rows[:, ::-1]))
        tails, heads = _ends(head_squares, tail_squares, len(values), n)
        earlier, later = _ends(head_means, tail_means, len(values), n)
        in_head = np.resize(np.append(n, np.arange(1, n)), len(heads))
        both = tails + heads + (later - earlier) ** 2 * (in_head * (n - in_head) / n)
        squares = _joined(both, head_squares, len(values), n)
        top, bottom = rolled(np.maximum, values, n), rolled(np.minimum, values, n)
        constant = top - bottom <= CONSTANT * np.maximum(np.abs(top), np.abs(bottom))
        spread = np.sqrt(squares / (n - 1)) if n > 1 else np.full(len(values), np.nan)
        return np.where(constant & np.isfinite(spread), 0.0, spread)


def zscore(values: Array, n: int) -> Array:
    """(value - mean) / deviation of the last n values, this one included; NaN where they are equal."""
    # A part at a time: its dozen arrays stay in the cache. Parts begin with a block, so that every
    # window is made of the same blocks as in the whole.
    size = -(-PART // n) * n
    parts = [
        _zscore(values[max(first - n, 0) : first + size], n)[n if first else 0 :]
        for first in range(0, max(len(values), 1), size)
    ]
    return np.concatenate(parts)


def _zscore(values: Array, n: int) -> Array:
    with np.errstate(all="ignore"):
        spread = deviation(values, n)
        return (values - mean(values, n)) / np.where(spread > 0, spread, np.nan)


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


def _ends(heads: Array, tails: Array, count: int, n: int) -> tuple[Array, Array]:
    """Of every window the result in the block where it begins, and that in the block where it ends."""
    return tails.ravel()[: max(count - n + 1, 0)], heads.ravel()[n - 1 : count]


def _joined(both: Array, heads: Array, count: int, n: int) -> Array:
    """*both* ends of every window as a column; every n-th is one whole block, and its head alone."""
    out = np.full(count, np.nan)
    out[n - 1 :] = both
    out[n - 1 :: n] = heads.ravel()[n - 1 : count : n]
    return out


def _running(rows: Array) -> tuple[Array, Array]:
    """
    Mean, and sum of squared deviations from it, of the first 1, 2, ... values of each row.

    Welford's recurrence: its terms are never negative, so nothing cancels.
    """
    counts = np.arange(1.0, rows.shape[1] + 1)
    means = np.add.accumulate(rows, axis=1)
    means /= counts
    terms = np.empty_like(rows)
    terms[:, 0] = rows[:, 0] * 0  # a value that is unknown stays unknown
    later = np.subtract(rows[:, 1:], means[:, :-1], out=terms[:, 1:])
    later *= later
    later *= counts[:-1] / counts[1:]
    return means, np.add.accumulate(terms, axis=1, out=terms)
