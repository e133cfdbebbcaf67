"""The matrix rehearsed over history: the same as one review after the other."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

import hedged.core
from builders import MONDAY, d, history, metric_row, rule, signal
from hedged.core.lint import lint
from hedged.core.metrics import measure
from hedged.core.rehearsal import Rehearsal, Rehearsed, rehearse, rehearsed
from hedged.core.rules import Rule, evaluate
from hedged.core.target import RatioPolicy, decide, first_memory

MATRIX = (
    rule("below", "close < sma_3 and true", raise_to="0.50"),
    rule("always", "true", lower_by="0.05", fires="while", cooldown=timedelta(days=2)),
    rule("above", "close > 101 or sma_3 > 100", lower_to="0.10"),
)
POLICY = RatioPolicy(initial_ratio=d("0.20"), max_step=d("0.25"))


def measured(closes: list[float | None]) -> pl.DataFrame:
    end = MONDAY + timedelta(days=len(closes))
    return measure(history(closes), ["close", "sma_3"], signal(), end)


def one_by_one(rules: tuple[Rule, ...], frame: pl.DataFrame, ticks: list[datetime]) -> list[Rehearsed]:
    """The slow way: for each tick the row of its bar, `evaluate`, `decide`."""
    memory, found = first_memory(d(0), POLICY), []
    for at in ticks:
        for row in frame.iter_rows(named=True):
            if row["close_time"] == at.replace(hour=0):
                values = {"close": row["close"], "sma_3": row["sma_3"]}
                verdicts = evaluate(rules, metric_row(at, **values))
                judgement, memory = decide(rules, verdicts, memory, POLICY, at)
                assert judgement is not None
                found.append(rehearsed(at, judgement))
    return found


@given(
    closes=st.lists(st.one_of(st.none(), st.floats(95, 105)), min_size=1, max_size=25),
    every=st.integers(1, 4),
    hour=st.integers(0, 23),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_rehearsal_is_one_review_after_the_other(
    closes: list[float | None], every: int, hour: int
) -> None:
    frame = measured([100.0, *closes])
    ticks = [MONDAY + timedelta(days=i, hours=hour) for i in range(0, 30, every)]

    found = rehearse(MATRIX, frame, "1d", ticks, POLICY)

    assert list(found.reviews) == one_by_one(MATRIX, frame, ticks)


def test_a_review_outside_the_history_is_left_out() -> None:
    frame = measured([100.0, 101.0])
    ticks = [MONDAY, MONDAY + timedelta(days=1), MONDAY + timedelta(days=3)]

    found = rehearse(MATRIX, frame, "1d", ticks, POLICY)

    assert [review.at for review in found.reviews] == [ticks[1]]


def test_nothing_was_hedged_at_the_start_unless_the_settings_say_so() -> None:
    frame = measured([100.0])

    found = rehearse((), frame, "1d", [MONDAY + timedelta(days=1)], RatioPolicy())

    assert found.reviews[0].goal_before == 0
    assert found.rows.height == 1


def rehearse_waves(reviews: int) -> Rehearsal:
    """Daily reviews over closes that come again every 8 days, gaps and all rules' turns among them."""
    closes = [99.0, 103.0, 99.0, None, 100.0, 102.0, 98.0, 100.5] * (reviews // 8)
    ticks = [MONDAY + timedelta(days=i + 1) for i in range(reviews)]
    frame = measured(closes)
    gc.collect()
    return rehearse(MATRIX, frame, "1d", ticks, POLICY)


def calls_in_the_core(work: Callable[[], object]) -> int:
    """How often a function of the core was called, or a generator of it resumed, during *work*."""
    core, count = str(Path(hedged.core.__file__).parent), 0

    def on_event(frame: FrameType, event: str, _arg: object) -> None:
        nonlocal count
        count += event == "call" and frame.f_code.co_filename.startswith(core)

    sys.setprofile(on_event)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_a_review_takes_as_many_steps_however_many_came_before_it() -> None:
    rehearse_waves(80)  # whatever is computed once
    counts = [calls_in_the_core(lambda n=n: lint(rehearse_waves(n))) for n in (800, 1600, 2400)]

    assert counts[2] - counts[1] == counts[1] - counts[0] > 0


def test_a_review_leaves_little_behind_for_the_collector_to_walk() -> None:
    def left_behind(reviews: int) -> int:
        found = rehearse_waves(reviews)
        gc.collect()
        alive = len(gc.get_objects())
        del found
        gc.collect()
        return alive - len(gc.get_objects())

    few, many = left_behind(800), left_behind(1600)

    assert (many - few) / 800 <= 1.1
