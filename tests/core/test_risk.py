"""Risk metrics: against plain loops, on any prefix, over gaps, and on real history."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import as_file, files
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import BTC, MONDAY, history, signal
from hedged.core.metrics import History, Signal, measure
from hedged.core.metrics.history import SCHEMAS, grid
from hedged.history.store import HistoryStore

DAY = timedelta(days=1)
Rows = list[dict[str, Any]]
WINDOWS = (1, 2, 3, 7)


def days(count: int) -> datetime:
    return MONDAY + count * DAY


def column(name: str, given_history: History, count: int) -> list[Any]:
    return measure(given_history, [name], signal(), days(count))[name].to_list()


def slow_parkinson(rows: Rows) -> float:
    squares = [math.log(row["high"] / row["low"]) ** 2 for row in rows]
    return math.sqrt(math.fsum(squares) / len(rows) / (4 * math.log(2))) * math.sqrt(365)


def slow_downside(rows: Rows) -> float:
    returns = [math.log(b["close"] / a["close"]) for a, b in itertools.pairwise(rows)]
    squares = [figure**2 for figure in returns if figure < 0]
    return math.sqrt(math.fsum(squares) / len(returns)) * math.sqrt(365)


def slow_drawdown(rows: Rows) -> float:
    return rows[-1]["close"] / max(row["high"] for row in rows) - 1


def slow_return(rows: Rows) -> float:
    return rows[-1]["close"] / rows[0]["close"] - 1


# The loop, and how many bars before the last n - 1 it needs.
SLOW: dict[str, tuple[Callable[[Rows], float], int]] = {
    "volatility_parkinson": (slow_parkinson, 0),
    "downside_volatility": (slow_downside, 1),
    "drawdown": (slow_drawdown, 0),
    "return": (slow_return, 1),
}
NAMES = [f"{stem}_{n}" for stem in SLOW for n in WINDOWS]


def slow(stem: str, rows: list[dict[str, Any]], i: int, n: int) -> float | None:
    loop, more = SLOW[stem]
    part = rows[max(0, i - n + 1 - more) : i + 1]
    complete = len(part) == n + more and all(row["close"] is not None for row in part)
    return loop(part) if complete else None


@st.composite
def a_history(draw: st.DrawFn) -> History:
    """Up to 30 bars with gaps, some of them without any range, some without any move."""
    count = draw(st.integers(1, 30))
    missing = draw(st.sets(st.integers(1, 29), max_size=4))
    step = draw(st.sampled_from((0.0, 0.001, 0.05, 0.6)))
    chosen = random.Random(draw(st.integers(0, 10_000)))
    close, rows = chosen.choice((0.004, 48.0, 60_000.0)), []
    for i in range(count):
        before, close = close, close * math.exp(chosen.choice((0, chosen.gauss(0, step))))
        high = max(before, close) * (1 + abs(chosen.gauss(0, step)))
        low = min(before, close) * math.exp(-abs(chosen.gauss(0, step)))
        if not i or i not in missing:
            rows.append((days(i), before, high, low, close, 1.0, None))
    return replace(history(), bars=pl.DataFrame(rows, schema=SCHEMAS["bars"], orient="row"))


def end_of(h: History) -> datetime:
    return h.bars["open_time"][-1] + DAY


def near(expected: float | None) -> object:
    return None if expected is None else pytest.approx(expected, rel=1e-9, abs=1e-12)


def assert_as_the_loops_say(h: History, s: Signal, windows: tuple[int, ...]) -> None:
    rows = grid(h, end_of(h)).to_dicts()
    measured = measure(h, [f"{stem}_{n}" for stem in SLOW for n in windows], s, end_of(h))
    for stem, n in itertools.product(SLOW, windows):
        for i, found in enumerate(measured[f"{stem}_{n}"].to_list()):
            expected = slow(stem, rows, i, n)
            assert (found is None) == (expected is None), (stem, n, i, found, expected)
            assert found == near(expected), (stem, n, i)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(h=a_history())
def test_every_metric_is_what_its_formula_says(h: History) -> None:
    assert_as_the_loops_say(h, signal(), WINDOWS)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(h=a_history(), data=st.data())
def test_every_metric_is_the_same_to_the_last_bit_on_any_prefix(
    h: History, data: st.DataObject
) -> None:
    count = (end_of(h) - MONDAY) // DAY
    cut = data.draw(st.integers(1, count))
    known = replace(h, bars=h.bars.filter(pl.col("open_time") < days(cut)))

    measured = measure(h, NAMES, signal(), days(count)).head(cut)

    assert measured.equals(measure(known, NAMES, signal(), days(cut)))


@pytest.mark.parametrize(("stem", "n"), list(itertools.product(SLOW, (1, 3, 7))))
def test_a_metric_is_null_in_its_warm_up_and_across_a_gap_and_known_elsewhere(
    stem: str, n: int
) -> None:
    closes = [None if i == 10 else 100.0 + i % 3 for i in range(24)]

    found = column(f"{stem}_{n}", history(closes), 24)

    warm_up = n - 1 + SLOW[stem][1]
    unknown = {*range(warm_up), *range(10, 11 + warm_up)}
    assert {i for i, figure in enumerate(found) if figure is None} == unknown


# ---- figures


def ranged(*bars: tuple[float, float, float]) -> History:
    """Bars of (high, low, close)."""
    rows = [(days(i), close, high, low, close, 1.0, None) for i, (high, low, close) in enumerate(bars)]
    return replace(history(), bars=pl.DataFrame(rows, schema=SCHEMAS["bars"], orient="row"))


def test_the_range_of_a_bar_makes_its_volatility() -> None:
    h = ranged((math.exp(0.02), 1.0, 1.0), (math.exp(0.04), 1.0, 1.0))

    found = column("volatility_parkinson_2", h, 2)

    assert found == [None, pytest.approx(math.sqrt(365 * (0.0004 + 0.0016) / 2 / (4 * math.log(2))))]


def test_rises_count_as_zero_in_the_downside_and_are_still_counted() -> None:
    h = history([100.0, 110.0, 99.0, 99.0, 120.0])

    found = column("downside_volatility_4", h, 5)

    assert found[-1] == pytest.approx(math.sqrt(365) * abs(math.log(0.9)) / 2)


@pytest.mark.parametrize("spike", [1e-3, 3.3, 1e12])
def test_a_market_that_never_fell_has_exactly_no_downside_whatever_came_before(spike: float) -> None:
    h = history([100.0, spike, 77.7, *[100.0 + i for i in range(10)], *[109.0] * 10])

    assert column("downside_volatility_5", h, 23)[8:] == [0.0] * 15


def test_bars_without_a_range_have_exactly_no_volatility_whatever_came_before() -> None:
    h = ranged((1e9, 1e-9, 1.0), (3.0, 1.0, 2.0), *[(2.0, 2.0, 2.0)] * 20)

    assert column("volatility_parkinson_5", h, 22)[6:] == [0.0] * 16


def test_a_drawdown_counts_from_the_highest_high_of_its_bars_this_one_included() -> None:
    h = ranged((200.0, 90.0, 100.0), (120.0, 90.0, 100.0), (100.0, 80.0, 90.0), (160.0, 80.0, 80.0))

    assert column("drawdown_2", h, 4) == [None, -0.5, 90 / 120 - 1, -0.5]
    assert column("drawdown_1", h, 4) == [-0.5, 100 / 120 - 1, 90 / 100 - 1, -0.5]


def test_a_return_is_from_the_close_n_bars_ago() -> None:
    assert column("return_2", history([100.0, 90.0, 110.0, 45.0]), 4) == [
        None, None, pytest.approx(0.10), -0.5,
    ]  # fmt: skip


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 0.0, -5.0])
def test_what_is_no_price_is_no_return_and_no_range(bad: float) -> None:
    h = ranged(*[(110.0, 90.0, 100.0)] * 4, (bad, bad, bad), *[(110.0, 90.0, 100.0)] * 4)

    for name in ("volatility_parkinson_1", "downside_volatility_1", "drawdown_1", "return_1"):
        assert column(name, h, 9)[4] is None
        assert column(name, h, 9)[6] is not None


def test_shorter_bars_are_annualised_by_their_length() -> None:
    h = history([100.0, 101.0, 99.0, 102.0])
    hours = h.bars.with_columns(open_time=MONDAY + (pl.col("open_time") - MONDAY) / 24)
    hourly = replace(h, bar="1h", bars=hours)

    for name in ("volatility_parkinson_3", "downside_volatility_3"):
        by_hour = measure(hourly, [name], signal(bar="1h"), MONDAY + timedelta(hours=4))[name][-1]
        assert by_hour == pytest.approx(column(name, h, 4)[-1] * math.sqrt(24))


# ---- real history


@cache
def demo() -> History:
    with as_file(files("hedged") / "demo_data" / "history") as root:
        return HistoryStore(root, read_only=True).history(BTC, "1d")


def extreme(name: str, *, highest: bool) -> tuple[date, float]:
    measured = measure(demo(), [name], Signal(symbol=BTC), end_of(demo())).drop_nulls()
    row = measured.sort(name, descending=highest).row(0, named=True)
    return row["open_time"].date(), row[name]


def test_real_history_is_measured_as_the_loops_measure_it() -> None:
    assert_as_the_loops_say(demo(), Signal(symbol=BTC), (30,))


def test_the_worst_days_of_bitcoin_are_those_that_are_remembered() -> None:
    assert extreme("return_1", highest=False) == (date(2022, 6, 13), pytest.approx(-0.15398521))
    assert extreme("return_1", highest=True) == (date(2021, 2, 8), pytest.approx(0.19509086))
    assert extreme("drawdown_30", highest=False) == (date(2021, 6, 8), pytest.approx(-0.44026281))


def test_volatility_was_highest_after_may_2021_and_lowest_at_the_end_of_2022() -> None:
    assert extreme("volatility_parkinson_30", highest=True) == (
        date(2021, 6, 10),
        pytest.approx(1.5674451),
    )
    assert extreme("volatility_parkinson_30", highest=False)[0] == date(2022, 12, 31)
    assert extreme("downside_volatility_30", highest=True) == (
        date(2021, 6, 7),
        pytest.approx(1.0004071),
    )
