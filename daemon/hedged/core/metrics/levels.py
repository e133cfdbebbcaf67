"""
Support and resistance, and what price did at them (sections 3.2 and 5.1).

Enters the levels that swing pivots form; leaves the nearest of them, and tests, rejections and
breaks of the nearest, and tests of the nearest major one, as events with a window in bars.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from hedged.core.metrics import windows
from hedged.core.metrics.clusters import LEVEL_BARS, MAJOR_TOUCHES, levels
from hedged.core.metrics.columns import (
    Array,
    Columns,
    Holds,
    Indices,
    both,
    events_of,
    within_last,
    within_last_while,
)
from hedged.core.metrics.pivots import REACH, atr
from hedged.core.metrics.vocabulary import BuildColumn, Signal, column_metric

Side = Literal[1, -1]
RESISTANCE: Final = 1
SUPPORT: Final = -1  # below is above with the signs turned

TEST_ATR = 0.25
"""How near a level a bar must come to test it, in ATRs of the bar before."""

APPROACH_BARS = 5
"""
Bars before a test of which none closed beyond the level: price came from the side that it tests.

A level that price has just fallen through lies above it too, and every bar near it would test it.
"""

REJECT_ATR = 0.5
"""How far from the level, on the side it came from, a bar that is rejected closes, in ATRs."""

FIRST = f"until a first level: {REACH} bars after the second pivot near one price; again after a gap"


def level_price(columns: Columns, side: Side, rank: int) -> Array:
    """The *rank*-th nearest level on *side* of the close, in the quote currency; NaN without one."""
    return columns.once(
        (side, rank), lambda: _taken(columns, levels(columns).prices, _place(columns, side, rank))
    )


def major_price(columns: Columns, side: Side) -> Array:
    """
    The nearest level on *side* of the close that `MAJOR_TOUCHES` pivots or more have made.

    In the quote currency; NaN without one.
    """

    def make() -> Array:
        found = levels(columns)
        place = found.major_resistance() if side == RESISTANCE else found.major_support()
        return _taken(columns, found.prices, place)

    return columns.once(("major", side), make)


def _place(columns: Columns, side: Side, rank: int) -> Indices:
    found = levels(columns)
    return found.resistance(rank) if side == RESISTANCE else found.support(rank)


def _taken(columns: Columns, figures: Array, place: Indices) -> Array:
    taken = np.append(figures, np.nan)[place]  # -1, no such level, takes the NaN
    return np.where(np.isfinite(columns["close"]), taken, np.nan)


def _touches(columns: Columns, side: Side, rank: int) -> Array:
    """
    Pivots of the *rank*-th level on *side*; 0 where there is no such level, for nothing touched it.

    NaN only before the stretch has its first level: at a record high a rule that asks for touches
    of a resistance is known to be false.
    """
    touches = _taken(columns, levels(columns).touches, _place(columns, side, rank))
    return np.where(np.isnan(touches) & levels(columns).known, 0.0, touches)


def _nearest(side: Side, rank: int) -> BuildColumn:
    return lambda columns, _n, _signal: level_price(columns, side, rank)


def _touched(side: Side, rank: int) -> BuildColumn:
    return lambda columns, _n, _signal: _touches(columns, side, rank)


for _rank, _nth in ((1, "nearest"), (2, "2nd nearest"), (3, "3rd nearest")):
    column_metric(
        f"resistance_{_rank}", unit="quote", section="3.2", warm_up=FIRST,
        formula=f"{_nth} level at or above the close: mean of 2 or more swing pivots of the last "
        f"{LEVEL_BARS} bars that lie within half an ATR; null above the last level",
    )(_nearest(RESISTANCE, _rank))  # fmt: skip
    column_metric(
        f"support_{_rank}", unit="quote", section="3.2", warm_up=FIRST,
        formula=f"{_nth} level at or below the close: mean of 2 or more swing pivots of the last "
        f"{LEVEL_BARS} bars that lie within half an ATR; null below the last level",
    )(_nearest(SUPPORT, _rank))  # fmt: skip


for _rank in (1, 2, 3):
    _end = "" if _rank == 1 else f"_{_rank}"
    column_metric(
        f"resistance_touches{_end}", unit="pivots", section="3.2", warm_up=FIRST,
        formula=f"swing pivots that make up resistance_{_rank}; 0 where there is none",
    )(_touched(RESISTANCE, _rank))  # fmt: skip
    column_metric(
        f"support_touches{_end}", unit="pivots", section="3.2", warm_up=FIRST,
        formula=f"swing pivots that make up support_{_rank}; 0 where there is none",
    )(_touched(SUPPORT, _rank))  # fmt: skip


@column_metric(
    "resistance_distance", unit="ratio", section="3.2", warm_up=FIRST, threshold_max=0.3,
    formula="resistance_1 / close - 1: positive before the break, 0 on the level; null above the last"
    " level, for there is none to measure to",
)  # fmt: skip
def resistance_distance(columns: Columns, _n: int, _signal: Signal) -> Array:
    return level_price(columns, RESISTANCE, 1) / columns["close"] - 1


@column_metric(
    "support_distance", unit="ratio", section="3.2", warm_up=FIRST, threshold_max=0.3,
    formula="1 - support_1 / close: positive before the break, 0 on the level; null below the last"
    " level, for there is none to measure to",
)  # fmt: skip
def support_distance(columns: Columns, _n: int, _signal: Signal) -> Array:
    return 1 - level_price(columns, SUPPORT, 1) / columns["close"]


# ---- what price did at a level, as it stood before the bar


def before(figures: Array, bars: int = 1) -> Array:
    """*figures* as they stood *bars* bars before; NaN in the first bars."""
    return np.concatenate((np.full(bars, np.nan), figures))[: figures.size]


def level_tests(columns: Columns, side: Side, span: int = 1) -> Array:
    """
    Whether the last *span* bars tested level 1 of *side* as it stood before them: 1, 0 or NaN.

    Their highest high (lowest low) came within `TEST_ATR` ranges of the level or beyond it, and
    the bar closed at it or on the side it came from, as did the `APPROACH_BARS` bars before them.
    Without any level on that side nothing is tested: 0. NaN before the stretch has its first level.
    """
    return columns.once(
        ("level_tests", side, span),
        lambda: _tests(columns, side, _level_before(columns, side, span), span),
    )


def major_tests(columns: Columns, side: Side) -> Array:
    """Whether the bar tested the nearest major level of *side*, as `level_tests` says of level 1."""
    return columns.once(
        ("major_tests", side),
        lambda: _tests(columns, side, before(major_price(columns, side)), span=1),
    )


def major_test_bars(columns: Columns, side: Side, at: int) -> tuple[int, ...]:
    """The bars up to *at* that tested a major level of *side* which has not been passed by *at*."""
    holds = _not_passed(columns, side)
    tested = np.flatnonzero(major_tests(columns, side)[: at + 1] == 1)
    return tuple(int(bar) for bar in tested if holds(np.array([bar]), np.arange(bar, at + 1))[-1])


def _tests(columns: Columns, side: Side, level: Array, span: int) -> Array:
    """Whether the last *span* bars tested *level*, which is given as it stood before them."""
    near, close = TEST_ATR * before(atr(columns), span), side * columns["close"]
    extreme = side * columns["high" if side == RESISTANCE else "low"]
    reached = np.maximum.reduce([before(extreme, k) for k in range(span)])
    # A level is younger than the first range, so these bars are of its stretch.
    came = before(windows.rolled(np.maximum, close, APPROACH_BARS), span)
    stayed = np.maximum(came, close) <= side * level
    return events_of((reached >= side * level - near) & stayed, _judged(columns, span))


def _major(columns: Columns, side: Side, n: int) -> Array:
    return within_last_while(major_tests(columns, side), n, _not_passed(columns, side))


def _not_passed(columns: Columns, side: Side) -> Holds:
    """
    Says up to where no close since a bar is beyond the major level that stood before it.

    What price passed and fell back through is no level that it came to from below.
    """
    level, close = side * before(major_price(columns, side)), side * columns["close"]
    return lambda bar, later: np.maximum.accumulate(close[later], axis=-1) <= level[bar]


def _level_before(columns: Columns, side: Side, span: int = 1) -> Array:
    return before(level_price(columns, side, 1), span)


def _judged(columns: Columns, span: int) -> NDArray[np.bool_]:
    """Bars whose stretch had its first level *span* bars before."""
    known = levels(columns).known
    judged = known.copy()
    judged[:span] = False
    for k in range(1, span + 1):
        judged[k:] &= known[:-k]
    return judged


def _rejected(columns: Columns, side: Side) -> Array:
    """A test that closed `REJECT_ATR` ranges or more away from the level it tested."""
    away = side * (_level_before(columns, side) - columns["close"])
    clearly = away >= REJECT_ATR * before(atr(columns))
    return both(level_tests(columns, side), events_of(clearly, _judged(columns, 1)))


def _breaks(columns: Columns, side: Side) -> Array:
    """A close beyond the level, which was at or beyond the close before."""
    beyond = side * columns["close"] > side * _level_before(columns, side)
    return events_of(beyond, _judged(columns, 1))


@column_metric(
    "tests_resistance_n", unit="true or false", section="5.1", kind="boolean", warm_up=FIRST,
    formula="within n bars a high within 0.25 ATR of the resistance_1 of the bar before, or above "
    f"it, and the close at or below it, as were the {APPROACH_BARS} closes before",
)  # fmt: skip
def tests_resistance(columns: Columns, n: int, _signal: Signal) -> Array:
    return within_last(level_tests(columns, RESISTANCE), n)


@column_metric(
    "tests_support_n", unit="true or false", section="3.2", kind="boolean", warm_up=FIRST,
    formula="within n bars a low within 0.25 ATR of the support_1 of the bar before, or below it, "
    f"and the close at or above it, as were the {APPROACH_BARS} closes before",
)  # fmt: skip
def tests_support(columns: Columns, n: int, _signal: Signal) -> Array:
    return within_last(level_tests(columns, SUPPORT), n)


@column_metric(
    "tests_major_resistance_n", unit="true or false", section="5.1", kind="boolean", warm_up=FIRST,
    formula="within n bars a bar that tests, as in tests_resistance_n, the nearest level above of "
    f"{MAJOR_TOUCHES} or more pivots, and no close since, this bar's included, above that level",
)  # fmt: skip
def tests_major_resistance(columns: Columns, n: int, _signal: Signal) -> Array:
    return _major(columns, RESISTANCE, n)


@column_metric(
    "tests_major_support_n", unit="true or false", section="3.2", kind="boolean", warm_up=FIRST,
    formula="within n bars a bar that tests, as in tests_support_n, the nearest level below of "
    f"{MAJOR_TOUCHES} or more pivots, and no close since, this bar's included, below that level",
)  # fmt: skip
def tests_major_support(columns: Columns, n: int, _signal: Signal) -> Array:
    return _major(columns, SUPPORT, n)


@column_metric(
    "rejected_at_resistance_n", unit="true or false", section="3.2", kind="boolean", warm_up=FIRST,
    formula="within n bars a bar that tests resistance and closes 0.5 ATR or more below it",
)  # fmt: skip
def rejected_at_resistance(columns: Columns, n: int, _signal: Signal) -> Array:
    return within_last(_rejected(columns, RESISTANCE), n)


@column_metric(
    "rejected_at_support_n", unit="true or false", section="3.2", kind="boolean", warm_up=FIRST,
    formula="within n bars a bar that tests support and closes 0.5 ATR or more above it",
)  # fmt: skip
def rejected_at_support(columns: Columns, n: int, _signal: Signal) -> Array:
    return within_last(_rejected(columns, SUPPORT), n)


@column_metric(
    "breaks_resistance_n", unit="true or false", section="3.2", kind="boolean", warm_up=FIRST,
    formula="within n bars a close above the resistance_1 of the bar before",
)  # fmt: skip
def breaks_resistance(columns: Columns, n: int, _signal: Signal) -> Array:
    return within_last(_breaks(columns, RESISTANCE), n)


@column_metric(
    "breaks_support_n", unit="true or false", section="3.2", kind="boolean", warm_up=FIRST,
    formula="within n bars a close below the support_1 of the bar before",
)  # fmt: skip
def breaks_support(columns: Columns, n: int, _signal: Signal) -> Array:
    return within_last(_breaks(columns, SUPPORT), n)
