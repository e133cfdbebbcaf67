"""The vocabulary: each metric against a slow loop, on any prefix, over gaps, and on real history."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import as_file, files
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import BTC, MONDAY, bars, d, funding, funding_next, history, open_interest, signal
from hedged.core.metrics import (
    Family,
    History,
    Signal,
    bar_seconds,
    find,
    measure,
    row_at,
    vocabulary,
)
from hedged.core.metrics.history import BESIDE, SCHEMAS, last_close_time
from hedged.core.metrics.vocabulary import N_MAX, AthSeed, nearest
from hedged.history.store import HistoryStore

DAY = timedelta(days=1)
EXPIRY = MONDAY + 20 * DAY + timedelta(hours=8)
WINDOWS = (1, 2, 3, 7)
Bars = list[dict[str, Any] | None]


def names_of(family: Family, windows: Sequence[int] = WINDOWS) -> list[str]:
    stem = family.name.removesuffix("_n")
    if family.name.endswith("_m_n"):
        stem = stem.removesuffix("m") + "3"
    return [f"{stem}_{n}" for n in windows] if family.windowed else [family.name]


ALL_NAMES = [name for family in vocabulary() for name in names_of(family)]


def value(name: str, given_history: History, until: datetime, **changed: Any) -> float | bool | None:
    """The metric at the last bar that closes at or before *until*."""
    return row_at(measure(given_history, [name], dated(**changed), until), BTC).values[name]


def column(name: str, given_history: History, until: datetime, **changed: Any) -> list[Any]:
    return measure(given_history, [name], dated(**changed), until)[name].to_list()


def dated(**changed: Any) -> Signal:
    """A signal with an expiry, so that the metrics which need one have values too."""
    return signal(**{"expiry": EXPIRY, **changed})


def days(count: int) -> datetime:
    return MONDAY + count * DAY


# ---- slow references: plain loops over a list of bars in which None is a bar that is missing


def field_of(rows: Bars, i: int, name: str) -> float | None:
    row = rows[i] if 0 <= i < len(rows) else None
    return None if row is None else row[name]


def window(rows: Bars, first: int, last: int, name: str) -> list[float] | None:
    """The figures of bars *first* to *last*, or None when one of them is missing."""
    found = [field_of(rows, i, name) for i in range(first, last + 1)]
    return None if None in found else found  # type: ignore[return-value]


def slow_sma(rows: Bars, i: int, n: int) -> float | None:
    closes = window(rows, i - n + 1, i, "close")
    return None if closes is None else math.fsum(closes) / n


def slow_ema(rows: Bars, i: int, n: int) -> float | None:
    first = i
    while field_of(rows, first - 1, "close") is not None:
        first -= 1
    closes = window(rows, first, i, "close")
    if closes is None or len(closes) < n:
        return None
    smooth = math.fsum(closes[:n]) / n
    for close in closes[n:]:
        smooth = close * 2 / (n + 1) + smooth * (1 - 2 / (n + 1))
    return smooth


def slow_high(rows: Bars, i: int, n: int) -> float | None:
    highs = window(rows, i - n, i - 1, "high")
    return None if highs is None else max(highs)


def slow_low(rows: Bars, i: int, n: int) -> float | None:
    lows = window(rows, i - n, i - 1, "low")
    return None if lows is None else min(lows)


def slow_volume_ratio(rows: Bars, i: int, n: int) -> float | None:
    volumes, volume = window(rows, i - n, i - 1, "volume"), field_of(rows, i, "volume")
    if volumes is None or volume is None or not any(volumes):
        return None
    return volume / (math.fsum(volumes) / n)


def slow_volatility(rows: Bars, i: int, n: int) -> float | None:
    closes = window(rows, i - n, i, "close")
    if closes is None or n == 1:
        return None
    returns = [math.log(after / before) for before, after in itertools.pairwise(closes)]
    return statistics.stdev(returns) * math.sqrt(365)


def slow_ath(rows: Bars, i: int, _n: int) -> float | None:
    return max([50.0] + [row["high"] for row in rows[:i] if row is not None])


def slow_drawdown(rows: Bars, i: int, _n: int) -> float | None:
    top = max([50.0] + [row["high"] for row in rows[: i + 1] if row is not None])
    return rows[i]["close"] / top - 1  # type: ignore[index]


def slow_basis(rows: Bars, i: int, _n: int) -> float | None:
    close, index = field_of(rows, i, "close"), field_of(rows, i, "index_close")
    return None if close is None or index is None else close - index


def plain(name: str) -> Callable[[Bars, int, int], float | None]:
    return lambda rows, i, _n: field_of(rows, i, name)


SLOW: dict[str, Callable[[Bars, int, int], float | None]] = {
    **{name: plain(name) for name in ("open", "high", "low", "close", "volume")},
    "sma_n": slow_sma,
    "ema_n": slow_ema,
    "high_n": slow_high,
    "low_n": slow_low,
    "volume_ratio_n": slow_volume_ratio,
    "volatility_n": slow_volatility,
    "ath": slow_ath,
    "drawdown": slow_drawdown,
    "basis": slow_basis,
}


def slow_known(series: pl.DataFrame, close_time: datetime) -> dict[str, Any] | None:
    """The last row stamped at or before the close, unless it is older than two intervals."""
    known = [row for row in series.to_dicts() if row["at"] <= close_time]
    if not known or close_time - known[-1]["at"] > 2 * timedelta(hours=known[-1]["interval_hours"]):
        return None
    return known[-1]


def slow_funding_rate(h: History, at: datetime, _n: int) -> float | None:
    row = slow_known(h.funding, at)
    return row and row["funding_rate"]


def slow_funding_interval(h: History, at: datetime, _n: int) -> float | None:
    row = slow_known(h.funding, at)
    return row and row["interval_hours"]


def slow_funding_rate_8h(h: History, at: datetime, _n: int) -> float | None:
    row = slow_known(h.funding, at)
    return row and row["funding_rate"] * (8 / row["interval_hours"])


def slow_funding_rate_next(h: History, at: datetime, _n: int) -> float | None:
    row = slow_known(h.funding_next, at)
    return row and row["funding_rate_next"]


def slow_funding_rate_next_8h(h: History, at: datetime, _n: int) -> float | None:
    row = slow_known(h.funding_next, at)
    return row and row["funding_rate_next"] * (8 / row["interval_hours"])


def slow_days_to_expiry(_h: History, at: datetime, _n: int) -> float | None:
    return (EXPIRY - at).total_seconds() / 86_400


def slow_open_interest(h: History, at: datetime, _n: int) -> float | None:
    row = slow_known(h.open_interest, at)
    return row and row["open_interest"]


def slow_open_interest_notional(h: History, at: datetime, _n: int) -> float | None:
    row = slow_known(h.open_interest, at)
    return row and row["open_interest_notional"]


def slow_open_interest_change(h: History, at: datetime, n: int) -> float | None:
    if at - n * DAY <= h.bars["open_time"][0]:
        return None  # before the first bar nothing was measured
    opened = set(h.bars["open_time"])
    if any(at - (k + 1) * DAY not in opened for k in range(n + 1)):
        return None  # a gap lies between
    now, then = slow_open_interest(h, at, 0), slow_open_interest(h, at - n * DAY, 0)
    return None if now is None or not then else now / then - 1


SLOW_KNOWN: dict[str, Callable[[History, datetime, int], float | None]] = {
    "funding_rate": slow_funding_rate,
    "funding_interval": slow_funding_interval,
    "funding_rate_8h": slow_funding_rate_8h,
    "funding_rate_next": slow_funding_rate_next,
    "funding_rate_next_8h": slow_funding_rate_next_8h,
    "days_to_expiry": slow_days_to_expiry,
    "open_interest": slow_open_interest,
    "open_interest_notional": slow_open_interest_notional,
    "open_interest_change_n": slow_open_interest_change,
}


# The other families have theirs in test_derivatives.py, test_risk.py and beside them.
SLOW_FAMILIES = [family for family in vocabulary() if family.name in SLOW.keys() | SLOW_KNOWN.keys()]
SLOW_NAMES = [name for family in SLOW_FAMILIES for name in names_of(family)]


def test_every_slow_reference_is_of_a_metric() -> None:
    assert {family.name for family in SLOW_FAMILIES} == SLOW.keys() | SLOW_KNOWN.keys()


# ---- any history: gaps, jumps, quiet markets, late funding, holes in the open interest


@st.composite
def a_history(draw: st.DrawFn) -> History:
    """Up to 30 daily bars with gaps, and sparse funding and open interest around them."""
    count = draw(st.integers(min_value=1, max_value=30))
    missing = draw(st.sets(st.integers(min_value=1, max_value=29), max_size=4))
    hours = draw(st.sampled_from((1.0, 4.0, 8.0, 24.0)))
    step = draw(st.sampled_from((0.0, 0.001, 0.05, 0.6)))
    seed = random.Random(draw(st.integers(min_value=0, max_value=10_000)))
    close, rows = seed.choice((0.004, 48.0, 60_000.0)), []
    for i in range(count):
        before, close = close, close * math.exp(seed.gauss(0, step))
        if i and i in missing:
            continue
        high = max(before, close) * (1 + abs(seed.gauss(0, step)))
        low = min(before, close) * math.exp(-abs(seed.gauss(0, step)))
        volume = seed.choice((0.0, seed.uniform(0, 1e7), seed.uniform(0, 1e7)))
        index = seed.choice((None, close * (1 + seed.gauss(0, 0.001))))
        rows.append((days(i), before, high, low, close, volume, index))
    stamps = [MONDAY + timedelta(hours=hours * i) for i in range(int(count * 24 / hours) + 3)]
    settled = [(at, seed.gauss(0, 1e-3), hours) for at in stamps if seed.random() > 0.6]
    running = [
        (at + seed.choice((0, 0.1, 0.9)) * timedelta(hours=hours), seed.gauss(0, 1e-3), hours)
        for at in stamps
        if seed.random() > 0.6
    ]
    coins = [
        (days(i) + timedelta(hours=seed.choice((0, 0, 7))), seed.choice((0.0, 5e5, 6e5)), 6e10, 24.0)
        for i in range(count + 2)
        if seed.random() > 0.4
    ]
    held = [
        (days(i), 1000 * math.exp(seed.gauss(0, 0.05)), 900 * math.exp(seed.gauss(0, 0.05)))
        for i in range(count)
        if seed.random() > 0.1
    ]
    return History(
        symbol=BTC,
        bar="1d",
        bars=pl.DataFrame(rows, schema=SCHEMAS["bars"], orient="row"),
        funding=pl.DataFrame(settled, schema=SCHEMAS["funding"], orient="row"),
        funding_next=pl.DataFrame(running, schema=SCHEMAS["funding_next"], orient="row"),
        open_interest=pl.DataFrame(coins, schema=SCHEMAS["open_interest"], orient="row"),
        beside=pl.DataFrame(held, schema=BESIDE, orient="row"),
    )


def listed(h: History) -> Bars:
    """A dict a bar, None where a bar that should exist is missing."""
    kept = {row["open_time"]: row for row in h.bars.to_dicts()}
    count = (h.bars["open_time"][-1] - h.bars["open_time"][0]) // DAY + 1
    return [kept.get(h.bars["open_time"][0] + i * DAY) for i in range(count)]


def slow(name: str, h: History, rows: Bars, i: int) -> float | None:
    metric = find(name)
    assert metric is not None
    if metric.family.name in SLOW:
        return SLOW[metric.family.name](rows, i, metric.n)
    close_time = h.bars["open_time"][0] + (i + 1) * DAY
    return SLOW_KNOWN[metric.family.name](h, close_time, metric.n)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(h=a_history())
def test_every_metric_is_what_its_formula_says(h: History) -> None:
    rows = listed(h)

    measured = measure(h, SLOW_NAMES, dated(), days(len(rows)))

    assert measured.height == len(rows)
    for name in SLOW_NAMES:
        for i, found in enumerate(measured[name].to_list()):
            if rows[i] is None:
                continue
            expected = slow(name, h, rows, i)
            assert (found is None) == (expected is None), (name, i, found, expected)
            assert found is None or math.isfinite(found)
            assert found == (expected and pytest.approx(expected, rel=1e-9, abs=1e-7)), (name, i)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(h=a_history(), data=st.data())
def test_every_metric_is_the_same_on_the_whole_history_and_on_any_prefix(
    h: History, data: st.DataObject
) -> None:
    count = len(listed(h))
    cut = data.draw(st.integers(min_value=1, max_value=count))
    whole = measure(h, ALL_NAMES, dated(), days(count))

    earlier = measure(h, ALL_NAMES, dated(), days(cut))
    before = measure(known_by(h, days(cut)), ALL_NAMES, dated(), days(cut))

    assert whole.head(cut).rows() == earlier.rows()
    assert earlier.rows() == before.rows()


def known_by(h: History, at: datetime) -> History:
    """What was known at *at*, and nothing else."""
    return replace(
        h,
        bars=h.bars.filter(pl.col("open_time") + DAY <= at),
        funding=h.funding.filter(pl.col("at") <= at),
        funding_next=h.funding_next.filter(pl.col("at") <= at),
        open_interest=h.open_interest.filter(pl.col("at") <= at),
        beside=h.beside.filter(pl.col("open_time") + DAY <= at),
    )


@pytest.mark.parametrize("name", ALL_NAMES)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_finite_number_becomes_null(name: str, bad: float) -> None:
    poisoned = replace(
        history([100.0 + i for i in range(12)]),
        funding=funding([0.0001] * 20 + [bad] + [0.0001] * 20),
        funding_next=funding_next([0.0001] * 120 + [bad] + [0.0001] * 170),
        open_interest=open_interest([5e5] * 6 + [bad] + [5e5] * 6),
    )
    prices = ["open", "high", "low", "close", "volume", "index_close"]
    sixth = pl.col("open_time") == days(5)
    bad_bar = [pl.when(sixth).then(bad).otherwise(pl.col(price)).alias(price) for price in prices]
    poisoned = replace(poisoned, bars=poisoned.bars.with_columns(bad_bar))

    found = column(name, poisoned, days(12))

    assert all(figure is None or math.isfinite(figure) for figure in found)


# ---- warm-up, gaps, the judged bar

WARM_UP = {
    "sma_n": lambda n: n - 1,
    "ema_n": lambda n: n - 1,
    "high_n": lambda n: n,
    "low_n": lambda n: n,
    "volume_ratio_n": lambda n: n,
    "volatility_n": lambda n: n,
    "open_interest_change_n": lambda n: n,
}


def full(count: int, missing: tuple[int, ...] = ()) -> History:
    """Bars on which every metric has a value after its warm-up."""
    closes = [None if i in missing else 100.0 + i % 3 for i in range(count)]
    return replace(
        history(closes),
        bars=bars(closes).with_columns(index_close=pl.col("close") - 1),
        funding=funding([0.0001] * (3 * count + 1)),
        funding_next=funding_next([0.0001] * (24 * count + 1)),
        open_interest=open_interest([5e5] * (count + 1)),
    )


@pytest.mark.parametrize("name", [name for name in SLOW_NAMES if name != "volatility_1"])
def test_a_metric_is_null_through_its_warm_up_and_has_a_value_after_it(name: str) -> None:
    metric = find(name)
    assert metric is not None
    warm_up = WARM_UP.get(metric.family.name, lambda _n: 0)(metric.n)

    found = column(name, full(12), days(12))

    assert found[:warm_up] == [None] * warm_up
    assert None not in found[warm_up:]


@pytest.mark.parametrize(
    ("name", "nulls"),
    [
        ("sma_3", [0, 1, 6, 7, 8]),
        ("ema_3", [0, 1, 6, 7, 8]),
        ("volatility_3", [0, 1, 2, 6, 7, 8, 9]),
        ("volume_ratio_3", [0, 1, 2, 6, 7, 8, 9]),
        ("close", [6]),
        ("ath", [6]),
        ("drawdown", [6]),
        ("basis", [6]),
    ],
)
def test_a_window_across_a_gap_is_null_and_whole_again_after_it(name: str, nulls: list[int]) -> None:
    found = column(name, full(14, missing=(6,)), days(14))

    assert [i for i, figure in enumerate(found) if figure is None] == nulls


@pytest.mark.parametrize("name", ["high_3", "low_3"])
def test_a_range_of_the_bars_before_is_null_while_a_gap_is_among_them(name: str) -> None:
    found = column(name, full(14, missing=(6,)), days(14))

    assert [i for i in range(14) if found[i] is None and i != 6] == [0, 1, 2, 7, 8, 9]


def test_an_average_after_a_gap_starts_from_the_bars_after_it() -> None:
    closes: list[float | None] = [1000.0, 1000.0, 1000.0, None, 10.0, 20.0, 30.0, 40.0]

    assert value("ema_3", history(closes), days(7)) == pytest.approx(20.0)
    assert value("ema_3", history(closes), days(8)) == pytest.approx(30.0)


@pytest.mark.parametrize("name", ALL_NAMES)
def test_a_judged_bar_that_is_missing_has_no_value_at_all(name: str) -> None:
    short = full(10, missing=(9,))

    assert value(name, short, days(10)) is None


def test_a_judged_bar_that_is_missing_is_counted_and_is_not_the_bar_before() -> None:
    row = row_at(measure(full(10, missing=(4, 9)), ["sma_2"], signal(), days(10)), BTC, ("a note",))

    assert row.bar_close == days(10)
    assert (row.bars_kept, row.bars_missing) == (8, 2)
    assert row.values == {"close": None, "sma_2": None}
    assert row.notes == ("a note",)


def test_without_any_bar_everything_is_null() -> None:
    empty = replace(history(), bars=pl.DataFrame(schema=SCHEMAS["bars"]))

    row = row_at(measure(empty, ALL_NAMES, dated(), days(3)), BTC)

    assert row.bar_close == days(3)
    assert (row.bars_kept, row.bars_missing) == (0, 1)
    assert set(row.values.values()) == {None}


def test_only_closed_bars_are_judged() -> None:
    h = history([1.0, 2.0, 3.0])

    assert value("close", h, days(2)) == 2.0
    assert value("close", h, days(3) - timedelta(seconds=1)) == 2.0
    assert value("close", h, days(3)) == 3.0


def test_one_extreme_bar_is_forgotten_when_it_leaves_the_window() -> None:
    h = history([100.0] * 3 + [1e300] + [100.0] * 6)

    assert column("sma_3", h, days(10))[6:] == [100.0] * 4
    assert column("volume_ratio_3", h, days(10))[6:] == [1.0] * 4


def test_a_volume_after_bars_without_any_is_no_finite_ratio() -> None:
    volumes = [300_000.0, 0.1, 4.0, 0.4, 0.0, 0.0, 5.0]  # a rolled sum of them ends at -4e-16
    h = history([100.0] * len(volumes))

    found = column(
        "volume_ratio_2", replace(h, bars=h.bars.with_columns(volume=pl.Series(volumes))), days(7)
    )

    assert found[-1] is None


# ---- funding and open interest


def settled(*stamps: tuple[datetime, float], hours: float = 8) -> History:
    rows = [(at, rate, hours) for at, rate in stamps]
    frame = pl.DataFrame(rows, schema=SCHEMAS["funding"], orient="row")
    return replace(history([100.0] * 5), funding=frame)


SECOND = timedelta(seconds=1)


def test_funding_settled_exactly_at_the_close_counts_and_a_second_later_does_not() -> None:
    before = (days(1) - timedelta(hours=8), 0.0001)

    assert value("funding_rate", settled(before, (days(1), 0.0007)), days(1)) == 0.0007
    assert value("funding_rate", settled(before, (days(1) + SECOND, 0.0007)), days(1)) == 0.0001


@pytest.mark.parametrize("hours", [1, 4, 8, 24])
@pytest.mark.parametrize("name", ["funding_rate", "funding_interval", "funding_rate_8h"])
def test_funding_older_than_two_of_its_intervals_is_null(name: str, hours: float) -> None:
    limit = days(4) - 2 * timedelta(hours=hours)

    assert value(name, settled((limit, 0.0001), hours=hours), days(4)) is not None
    assert value(name, settled((limit - SECOND, 0.0001), hours=hours), days(4)) is None


@pytest.mark.parametrize(("hours", "factor"), [(1, 8), (2, 4), (4, 2), (8, 1), (24, 1 / 3)])
def test_a_rate_is_normalised_to_eight_hours(hours: float, factor: float) -> None:
    h = settled((days(2), -0.0003), hours=hours)

    assert value("funding_rate", h, days(2)) == -0.0003
    assert value("funding_interval", h, days(2)) == hours
    assert value("funding_rate_8h", h, days(2)) == pytest.approx(-0.0003 * factor, rel=1e-12)


def test_a_venue_that_changes_its_interval_is_judged_by_the_interval_of_each_rate() -> None:
    frames = [funding([0.0008] * 4, hours=8), funding([0.0001] * 8, start=days(1) + SECOND, hours=1)]
    h = replace(history([100.0] * 3), funding=pl.concat(frames))

    assert column("funding_rate_8h", h, days(3))[:2] == [0.0008, None]
    assert value("funding_rate_8h", h, days(1) + timedelta(hours=1)) == 0.0008


def test_without_funding_or_open_interest_theirs_are_null() -> None:
    row = row_at(measure(history([1.0] * 9), SLOW_NAMES, dated(), days(9)), BTC)

    assert {name for name, found in row.values.items() if found is None} == {
        "basis", "funding_rate", "funding_interval", "funding_rate_8h", "funding_rate_next",
        "funding_rate_next_8h", "open_interest", "open_interest_notional",
        "volatility_1", *(f"open_interest_change_{n}" for n in WINDOWS),
    }  # fmt: skip


def coins(*stamps: tuple[datetime, float], hours: float = 24) -> History:
    rows = [(at, amount, amount * 100, hours) for at, amount in stamps]
    frame = pl.DataFrame(rows, schema=SCHEMAS["open_interest"], orient="row")
    return replace(history([100.0] * 9), open_interest=frame)


def test_open_interest_at_the_close_counts_and_a_second_later_does_not() -> None:
    assert value("open_interest", coins((days(0), 5.0), (days(1), 7.0)), days(1)) == 7.0
    assert value("open_interest", coins((days(0), 5.0), (days(1) + SECOND, 7.0)), days(1)) == 5.0
    assert value("open_interest_notional", coins((days(1), 7.0)), days(1)) == 700.0


@pytest.mark.parametrize("name", ["open_interest", "open_interest_notional"])
@pytest.mark.parametrize("hours", [1, 4, 24])
def test_open_interest_older_than_two_of_its_intervals_is_null(name: str, hours: float) -> None:
    limit = days(6) - 2 * timedelta(hours=hours)

    assert value(name, coins((limit, 5.0), hours=hours), days(6)) is not None
    assert value(name, coins((limit - SECOND, 5.0), hours=hours), days(6)) is None


def test_a_change_of_open_interest_is_in_coins_and_null_when_either_end_is_unknown() -> None:
    h = coins(
        *((days(i), amount) for i, amount in ((1, 100.0), (2, 110.0), (6, 99.0), (7, 0.0), (8, 5.0)))
    )

    found = column("open_interest_change_1", h, days(9))

    assert found[1] == pytest.approx(0.10)
    assert found[2:6] == [0.0, 0.0, None, None]
    assert found[6] == -1.0
    assert found[7:] == [None, 0.0]  # from nothing to something is no finite share


# ---- basis and the highest price


def test_basis_is_the_contract_minus_its_index_and_null_without_one() -> None:
    h = history([100.0, 90.0])
    with_index = replace(h, bars=h.bars.with_columns(index_close=pl.Series([99.0, 92.5])))

    assert column("basis", with_index, days(2)) == [1.0, -2.5]
    assert column("basis", h, days(2)) == [None, None]


def test_the_all_time_high_leaves_the_current_bar_out() -> None:
    h = history([100.0, 200.0, 150.0])

    assert column("ath", h, days(3)) == [50.0, 101.0, 202.0]
    assert column("drawdown", h, days(3)) == [
        pytest.approx(100 / 101 - 1), pytest.approx(200 / 202 - 1), pytest.approx(150 / 202 - 1),
    ]  # fmt: skip


def test_the_seed_stands_until_the_kept_history_is_higher() -> None:
    seed = AthSeed(price=d("150"), date=date(2017, 12, 17))
    h = history([100.0, 200.0, 120.0, 130.0])

    assert column("ath", h, days(4), ath_seed=seed) == [150.0, 150.0, 202.0, 202.0]


def test_the_all_time_high_is_remembered_across_a_gap() -> None:
    assert column("ath", history([100.0, 200.0, None, 120.0]), days(4)) == [50.0, 101.0, None, 202.0]


def test_a_seed_dated_inside_the_kept_history_is_not_known_before_its_date() -> None:
    later = AthSeed(price=d("500"), date=days(2).date())

    found = column("ath", history([100.0, 110.0, 120.0, 130.0]), days(4), ath_seed=later)

    assert 500.0 not in found[:2]
    assert found[3] == 500.0


@pytest.mark.parametrize("name", ["ath", "drawdown"])
def test_without_a_seed_nobody_knows_the_all_time_high(name: str) -> None:
    assert value(name, history([100.0, 110.0]), days(2), ath_seed=None) is None


# ---- names


def test_a_name_is_found_with_its_window_and_only_as_it_is_written() -> None:
    for n in (1, 50, N_MAX):
        metric = find(f"sma_{n}")
        assert metric is not None
        assert (metric.name, metric.n, metric.family.name) == (f"sma_{n}", n, "sma_n")

    wrong = [
        "sma",
        "sma_n",
        "sma_0",
        "sma_01",
        "sma_-1",
        "sma_2001",
        "close_5",
        "SMA_5",
        "sma_5 ",
        "",
        "_5",
    ]
    assert [name for name in wrong if find(name) is not None] == []


def test_the_nearest_name_keeps_the_window_and_is_a_name() -> None:
    assert nearest("smaa_50") == "sma_50"
    assert nearest("volume_ration_7") == "volume_ratio_7"
    assert nearest("clsoe") == "close"
    assert nearest("zzzzzz") is None
    suggested = nearest("sma_5000")
    assert suggested is None or find(suggested) is not None


EVENTS = [family for family in vocabulary() if family.is_event]
UNDONE = ("breaks_trendline_", "tests_major_")  # a later close undoes these; see their own tests


@pytest.mark.parametrize("family", EVENTS, ids=lambda family: family.name)
def test_the_window_of_an_event_says_how_long_ago_it_may_have_happened(family: Family) -> None:
    """So the metric with a window of 1 names the very bar, and the others follow from it."""
    names = names_of(family, (1, 7))
    once, week = (measure(demo(), names, DEMO_SIGNAL, DEMO_END)[name].to_list() for name in names)

    for i in range(7, len(once)):
        last = once[i - 6 : i + 1]
        ever = True if True in last else None if None in last else False
        undone = family.name.startswith(UNDONE) and ever is True and week[i] is False
        assert week[i] is ever or undone, i
    assert True in once


def test_every_family_says_what_it_is() -> None:
    for family in vocabulary():
        assert family.unit, family.name
        assert family.formula, family.name
        assert family.section, family.name
        assert family.warm_up, family.name


@pytest.mark.parametrize(("bar", "seconds"), [("1m", 60), ("15m", 900), ("4h", 14_400), ("1d", 86_400)])
def test_a_bar_has_a_length(bar: str, seconds: int) -> None:
    assert bar_seconds(bar) == seconds


@pytest.mark.parametrize("bar", ["", "d", "0d", "-1d", "1.5h", "1w", "1D", "1"])
def test_what_is_no_bar_length_is_refused(bar: str) -> None:
    with pytest.raises(ValueError, match="is not a bar length"):
        bar_seconds(bar)


def test_bars_tile_the_day_in_utc() -> None:
    at = datetime(2024, 1, 1, 13, 37, tzinfo=UTC)

    assert last_close_time("1d", at) == datetime(2024, 1, 1, tzinfo=UTC)
    assert last_close_time("4h", at) == datetime(2024, 1, 1, 12, tzinfo=UTC)
    assert last_close_time("1h", datetime(2024, 1, 1, 13, tzinfo=UTC)) == datetime(
        2024, 1, 1, 13, tzinfo=UTC
    )


def test_volatility_of_shorter_bars_is_annualised_by_their_length() -> None:
    h = history([100.0, 101.0, 99.0, 102.0])
    hourly = replace(
        h, bar="1h", bars=h.bars.with_columns(open_time=MONDAY + (pl.col("open_time") - MONDAY) / 24)
    )

    by_day = value("volatility_3", h, days(4))
    by_hour = value("volatility_3", hourly, MONDAY + timedelta(hours=4), bar="1h")

    assert isinstance(by_day, float)
    assert by_hour == pytest.approx(by_day * math.sqrt(24))


# ---- real history


@cache
def demo() -> History:
    with as_file(files("hedged") / "demo_data" / "history") as root:
        return HistoryStore(root, read_only=True).history(BTC, "1d")


DEMO_SIGNAL = Signal(
    symbol=BTC, bar="1d", ath_seed=AthSeed(price=d("19798.68"), date=date(2017, 12, 17))
)
DEMO_END = datetime(2023, 1, 1, tzinfo=UTC)


def breaks_below_sma_50(closes: list[float], opened: list[datetime]) -> list[date]:
    """The days on which the close turns from not below its 50-day average to below it."""
    below = [closes[i] < math.fsum(closes[i - 49 : i + 1]) / 50 for i in range(49, len(closes))]
    return [opened[i + 50].date() for i in range(len(below) - 1) if below[i + 1] and not below[i]]


def test_bitcoin_broke_below_its_50_day_average_on_the_days_known() -> None:
    measured = measure(demo(), ["sma_50"], DEMO_SIGNAL, DEMO_END)
    below = measured.select("open_time", below=pl.col("close") < pl.col("sma_50"))
    turned = below.filter(pl.col("below") & ~pl.col("below").shift(1))

    found = turned["open_time"].dt.date().to_list()

    assert found == breaks_below_sma_50(
        demo().bars["close"].to_list(), demo().bars["open_time"].to_list()
    )
    assert [day for day in found if date(2021, 5, 8) <= day <= date(2021, 9, 1)] == [date(2021, 5, 10)]
    assert [day for day in found if date(2022, 3, 15) <= day <= date(2022, 7, 1)] == [date(2022, 4, 11)]
    assert found[0] == date(2021, 4, 18)
    assert len(found) == 20


@pytest.mark.parametrize(("year", "annualized"), [(2021, 0.3830), (2022, 0.0295)])
def test_a_short_earned_the_funding_that_bybit_settled(year: int, annualized: float) -> None:
    rates = demo().funding.filter(pl.col("at").dt.year() == year)["funding_rate"]

    assert rates.len() == 3 * 365
    assert math.fsum(rates) == pytest.approx(annualized, abs=5e-5)


def test_a_days_funding_rate_is_the_one_settled_at_its_close() -> None:
    measured = measure(demo(), ["funding_rate", "funding_rate_8h"], DEMO_SIGNAL, DEMO_END)
    at_close = dict(zip(demo().funding["at"], demo().funding["funding_rate"], strict=True))

    from_2021 = measured.filter(pl.col("close_time") >= datetime(2021, 1, 1, tzinfo=UTC))

    assert from_2021.height == 731
    assert from_2021["funding_rate"].to_list() == [at_close[at] for at in from_2021["close_time"]]
    assert from_2021["funding_rate_8h"].to_list() == from_2021["funding_rate"].to_list()
    assert measured.filter(pl.col("close_time") < datetime(2021, 1, 1, tzinfo=UTC))[
        "funding_rate"
    ].to_list() == [None] * (measured.height - 731)


@pytest.mark.parametrize("name", ["days_to_expiry", "basis_annualized"])
def test_a_perpetual_has_no_expiry_to_count_to(name: str) -> None:
    assert column(name, full(10), days(10), expiry=None) == [None] * 10


def test_real_history_reads_the_same_on_any_prefix() -> None:
    names = [name for family in vocabulary() for name in names_of(family, (1, 7, 50, 200))]
    whole = measure(demo(), names, DEMO_SIGNAL, DEMO_END)

    for cut in (1, 2, 51, 201, 300, 555, whole.height - 1):
        until = whole["close_time"][cut - 1]
        prefix = measure(known_by(demo(), until), names, DEMO_SIGNAL, until)
        assert whole.head(cut).rows() == prefix.rows()


def test_real_history_is_measured_as_the_slow_loops_measure_it() -> None:
    rows = listed(demo())
    names = [name for family in SLOW_FAMILIES for name in names_of(family, (20, 50))]
    measured = measure(demo(), names, replace(DEMO_SIGNAL, expiry=EXPIRY), DEMO_END)

    for name in set(names) - {"ath", "drawdown"}:
        for i in range(0, measured.height, 37):
            expected = slow(name, demo(), rows, i)
            assert measured[name][i] == (expected and pytest.approx(expected, rel=1e-9)), (name, i)


def test_the_all_time_high_of_the_kept_years_is_of_november_2021() -> None:
    measured = measure(demo(), ["ath", "drawdown"], DEMO_SIGNAL, DEMO_END)
    top = demo().bars.sort("high", descending=True).row(0, named=True)

    assert top["open_time"].date() == date(2021, 11, 10)
    assert measured["ath"][0] == 19798.68
    assert measured["ath"][-1] == top["high"]
    assert measured["drawdown"].min() == pytest.approx(
        demo().bars["close"].tail(400).min() / top["high"] - 1  # type: ignore[operator]
    )
