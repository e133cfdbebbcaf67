"""
Basis, funding and open interest: against plain loops, on any prefix, over gaps, on real history.

Funding where the interval changes midway has a file of its own, test_funding.py.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction
from functools import cache
from importlib.resources import as_file, files
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import (
    BTC,
    MONDAY,
    bars,
    contract,
    d,
    funding,
    history,
    open_interest,
    position,
    quote,
    signal,
    snapshot,
)
from hedged.core.account import attribute, state_of
from hedged.core.market import Snapshot
from hedged.core.metrics import History, Signal, find, measure
from hedged.core.metrics.history import SCHEMAS, grid
from hedged.history.store import HistoryStore

DAY = timedelta(days=1)
EXPIRY = MONDAY + 12 * DAY + timedelta(hours=8)
Rows = list[dict[str, Any] | None]
Found = float | bool | None


def days(count: int) -> datetime:
    return MONDAY + count * DAY


def column(name: str, given_history: History, count: int, expiry: datetime | None = None) -> list[Any]:
    return measure(given_history, [name], signal(expiry=expiry), days(count))[name].to_list()


# ---- slow references: loops over a list of rows in which None is a bar that is missing


def at(rows: Rows, i: int, name: str) -> float | None:
    row = rows[i] if 0 <= i < len(rows) else None
    return None if row is None else row[name]


def whole(rows: Rows, i: int, n: int) -> bool:
    """Whether this bar and the n before it are all there."""
    return i >= n and all(row is not None for row in rows[i - n : i + 1])


def ends(rows: Rows, i: int, n: int, name: str) -> tuple[float, float] | None:
    """The figure now and n bars ago, when both are known and no bar between is missing."""
    now, then = at(rows, i, name), at(rows, i - n, name)
    return None if now is None or then is None or not whole(rows, i, n) else (now, then)


def slow_basis_ratio(rows: Rows, i: int, _n: int) -> Found:
    close, index = at(rows, i, "close"), at(rows, i, "index_close")
    return None if close is None or index is None else close / index - 1


def slow_contango(rows: Rows, i: int, n: int) -> Found:
    ratio = slow_basis_ratio(rows, i, n)
    return None if ratio is None else ratio > 0.0005


def slow_backwardation(rows: Rows, i: int, n: int) -> Found:
    ratio = slow_basis_ratio(rows, i, n)
    return None if ratio is None else ratio < -0.0005


def slow_days(rows: Rows, i: int, _n: int) -> Found:
    return None if rows[i] is None else (EXPIRY - rows[i]["close_time"]) / DAY  # type: ignore[index,no-any-return]


def slow_basis_annualized(rows: Rows, i: int, n: int) -> Found:
    ratio, left = slow_basis_ratio(rows, i, n), slow_days(rows, i, n)
    return None if ratio is None or left is None or left < 1 else ratio * 365 / left


def slow_rate(rows: Rows, i: int, hours: float) -> float | None:
    rate, interval = at(rows, i, "funding_rate"), at(rows, i, "funding_interval")
    return None if rate is None or interval is None else rate * hours / interval


def slow_funding_annualized(rows: Rows, i: int, _n: int) -> Found:
    return slow_rate(rows, i, 365 * 24)


def score(values: list[float | None]) -> Found:
    known = [figure for figure in values if figure is not None]
    if len(known) < len(values) or len(values) < 2 or min(known) == max(known):
        return None
    return (known[-1] - statistics.fmean(known)) / statistics.stdev(known)


def slow_funding_zscore(rows: Rows, i: int, n: int) -> Found:
    return score([slow_rate(rows, k, 8) for k in range(i - n + 1, i + 1)])


def slow_open_interest_zscore(rows: Rows, i: int, n: int) -> Found:
    return score([at(rows, k, "open_interest") for k in range(i - n + 1, i + 1)])


def slow_funding_run(rows: Rows, i: int, _n: int) -> Found:
    rate = at(rows, i, "funding_rate")
    if not rate:
        return rate
    first = i
    while (earlier := at(rows, first - 1, "funding_rate")) is not None and earlier * rate > 0:
        first -= 1
    return math.copysign(i - first + 1, rate)


def slow_turns(
    left: Callable[[float], bool], entered: Callable[[float], bool]
) -> Callable[[Rows, int, int], Found]:
    """Any of the last n pairs, each and all of them by Kleene's tables."""

    def turned(rows: Rows, i: int, n: int) -> Found:
        pairs: list[bool | None] = []
        for k in range(i - n + 1, i + 1):
            earlier, now = at(rows, k - 1, "funding_rate"), at(rows, k, "funding_rate")
            sides = (None if earlier is None else left(earlier), None if now is None else entered(now))
            pairs.append(False if False in sides else None if None in sides else True)
        return True if True in pairs else None if None in pairs else False

    return turned


def slow_change(name: str) -> Callable[[Rows, int, int], Found]:
    def change(rows: Rows, i: int, n: int) -> Found:
        pair = ends(rows, i, n, name)
        return None if pair is None or not pair[1] else pair[0] / pair[1] - 1

    return change


def slow_regime(oi_up: bool, price_up: bool) -> Callable[[Rows, int, int], Found]:
    def regime(rows: Rows, i: int, n: int) -> Found:
        coins, price = ends(rows, i, n, "open_interest"), ends(rows, i, n, "close")
        if coins is None or price is None:
            return None
        ways = [coins[0] - coins[1], price[0] - price[1]]
        return all(way > 0 if up else way < 0 for way, up in zip(ways, (oi_up, price_up), strict=True))

    return regime


def slow_drop(rows: Rows, i: int, n: int) -> Found:
    coins, price = ends(rows, i, n, "open_interest"), ends(rows, i, n, "close")
    if coins is None or price is None:
        return None
    fallen = coins[1] > 0 and Fraction(coins[1] - coins[0]) / Fraction(coins[1]) >= Fraction(1, 10)
    return fallen and price[0] < price[1]


SLOW: dict[str, Callable[[Rows, int, int], Found]] = {
    "basis_ratio": slow_basis_ratio,
    "basis_annualized": slow_basis_annualized,
    "days_to_expiry": slow_days,
    "contango": slow_contango,
    "backwardation": slow_backwardation,
    "funding_annualized": slow_funding_annualized,
    "funding_zscore_n": slow_funding_zscore,
    "funding_run": slow_funding_run,
    "funding_turns_negative_n": slow_turns(lambda rate: rate >= 0, lambda rate: rate < 0),
    "funding_turns_positive_n": slow_turns(lambda rate: rate <= 0, lambda rate: rate > 0),
    "open_interest_change_n": slow_change("open_interest"),
    "open_interest_notional_change_n": slow_change("open_interest_notional"),
    "open_interest_zscore_n": slow_open_interest_zscore,
    "oi_up_price_up_n": slow_regime(True, True),
    "oi_up_price_down_n": slow_regime(True, False),
    "oi_down_price_up_n": slow_regime(False, True),
    "oi_down_price_down_n": slow_regime(False, False),
    "oi_drops_while_price_falls_n": slow_drop,
}
WINDOWS = (1, 2, 3, 7)


def named(windows: tuple[int, ...]) -> list[tuple[str, str, int]]:
    """Name, family and window of every metric here."""
    return [
        (f"{family.removesuffix('_n')}_{n}" if family.endswith("_n") else family, family, n)
        for family in SLOW
        for n in (windows if family.endswith("_n") else (0,))
    ]


NAMES = [name for name, _, _ in named(WINDOWS)]


@st.composite
def a_history(draw: st.DrawFn) -> History:
    """Up to 30 bars with gaps; rates and coins from a few figures, so that many are equal."""
    count = draw(st.integers(1, 30))
    missing = draw(st.sets(st.integers(1, 29), max_size=4))
    hours = draw(st.sampled_from((1.0, 4.0, 8.0, 24.0)))
    rates = draw(st.sampled_from(((1e-4,), (1e-4, 1e-4, 1e-4, 2e-4), (-3e-4, -1e-4, 0.0, 1e-4, 5e-4))))
    coins = draw(st.sampled_from(((500_000.0,), (0.0, 405_000.0, 450_000.0, 500_000.0, 500_000.0))))
    chosen = random.Random(draw(st.integers(0, 10_000)))
    kept, settled, outstanding = [], [], []
    for i in range(count):
        close, index = chosen.choice((99.0, 100.0, 100.03, 100.06)), chosen.choice((None, 100.0))
        if not i or i not in missing:
            kept.append((days(i), close, close, close, close, 1.0, index))
    for i in range(count + 1):
        if chosen.random() > 0.15:
            settled.append((days(i), chosen.choice(rates), hours))
        if chosen.random() > 0.15:
            outstanding.append((days(i), chosen.choice(coins), chosen.choice((5e7, 6e7)), hours))
    return replace(
        history(),
        bars=pl.DataFrame(kept, schema=SCHEMAS["bars"], orient="row"),
        funding=pl.DataFrame(settled, schema=SCHEMAS["funding"], orient="row"),
        open_interest=pl.DataFrame(outstanding, schema=SCHEMAS["open_interest"], orient="row"),
    )


def end_of(h: History) -> datetime:
    return h.bars["open_time"][-1] + DAY


def rows_of(h: History, until: datetime) -> Rows:
    return [None if row["close"] is None else row for row in grid(h, until).to_dicts()]


def near(expected: Found) -> object:
    """A number but for rounding; true, false and null as they are."""
    return pytest.approx(expected, rel=1e-9, abs=1e-12) if type(expected) is float else expected


def assert_as_the_loops_say(h: History, s: Signal, windows: tuple[int, ...], every: int) -> None:
    rows = rows_of(h, end_of(h))
    measured = measure(h, [name for name, _, _ in named(windows)], s, end_of(h))
    for name, family, n in named(windows):
        found = measured[name].to_list()
        for i in range(0, len(rows), every):
            if rows[i] is None:
                assert found[i] is None
                continue
            expected = SLOW[family](rows, i, n)
            assert found[i] == near(expected), (name, i)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(h=a_history())
def test_every_metric_is_what_its_formula_says(h: History) -> None:
    assert_as_the_loops_say(h, signal(expiry=EXPIRY), WINDOWS, every=1)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(h=a_history(), data=st.data())
def test_every_metric_is_the_same_to_the_last_bit_on_any_prefix(
    h: History, data: st.DataObject
) -> None:
    count = (end_of(h) - MONDAY) // DAY
    cut = data.draw(st.integers(1, count))
    known = replace(
        h,
        bars=h.bars.filter(pl.col("open_time") < days(cut)),
        funding=h.funding.filter(pl.col("at") <= days(cut)),
        open_interest=h.open_interest.filter(pl.col("at") <= days(cut)),
    )

    dated = signal(expiry=EXPIRY)

    measured = measure(h, NAMES, dated, days(count)).head(cut)

    assert measured.equals(measure(known, NAMES, dated, days(cut)))


# ---- warm-up and gaps


def full(count: int, missing: tuple[int, ...] = ()) -> History:
    """Bars on which every metric has a value after its warm-up, and nothing turns."""
    closes = [None if i in missing else 100.0 + i % 3 for i in range(count)]
    return replace(
        history(closes),
        bars=bars(closes).with_columns(index_close=pl.col("close") - 1),
        funding=funding([0.0001 + 1e-6 * (i % 7) for i in range(3 * count + 1)]),
        open_interest=open_interest([5e5 + i % 5 for i in range(count + 1)]),
    )


def warm_up(family: str, n: int) -> int:
    """Rates above zero settle at once that none of them turned negative."""
    return n - 1 if "zscore" in family or family == "funding_turns_negative_n" else n


@pytest.mark.parametrize(("name", "family", "n"), named((2, 3, 7)))
def test_a_metric_is_null_in_its_warm_up_and_across_a_gap_and_known_elsewhere(
    name: str, family: str, n: int
) -> None:
    found = column(name, full(24, missing=(10,)), 24, expiry=days(25))

    unknown = {*range(warm_up(family, n)), *range(10, 11 + warm_up(family, n))}
    assert {i for i, figure in enumerate(found) if figure is None} == unknown


@pytest.mark.parametrize("name", ["funding_zscore_1", "open_interest_zscore_1"])
def test_one_bar_has_no_score(name: str) -> None:
    assert column(name, full(9), 9) == [None] * 9


def test_without_an_index_funding_or_open_interest_theirs_are_null() -> None:
    measured = measure(history([100.0 + i for i in range(9)]), NAMES, signal(), days(9))

    assert {name for name in NAMES if measured[name].null_count() == 9} == set(NAMES)


# ---- basis and curve state


def with_index(closes: list[float], index: list[float | None]) -> History:
    h = history([*closes])
    return replace(h, bars=h.bars.with_columns(index_close=pl.Series(index, dtype=pl.Float64)))


def test_a_curve_is_in_contango_in_backwardation_or_flat_between() -> None:
    closes = [100.06, 100.05, 100.0, 99.95, 99.94, 100.0]
    h = with_index(closes, [100.0] * 5 + [None])

    assert column("contango", h, 6) == [True, False, False, False, False, None]
    assert column("backwardation", h, 6) == [False, False, False, False, True, None]
    assert column("basis_ratio", h, 6)[:1] == [pytest.approx(0.0006)]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 0.0])
def test_an_index_that_is_no_price_is_no_state_of_the_curve(bad: float) -> None:
    h = with_index([100.0, 100.0], [bad, 99.0])

    for name in ("basis_ratio", "contango", "backwardation"):
        assert column(name, h, 2)[0] is None
        assert column(name, h, 2)[1] is not None


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_close_that_is_no_price_is_no_state_of_the_curve(bad: float) -> None:
    h = with_index([100.0, bad, 100.0], [99.0, 99.0, 99.0])

    for name in ("contango", "backwardation"):
        assert column(name, h, 3) == [name == "contango", None, name == "contango"]


def test_the_basis_is_annualised_over_the_calendar_days_that_are_left() -> None:
    h = with_index([102.0, 97.5, 100.0], [100.0, 100.0, None])

    assert column("basis_annualized", h, 3, expiry=days(1) + 73 * DAY) == [
        pytest.approx(0.02 * 5), pytest.approx(-0.025 * 365 / 72), None,
    ]  # fmt: skip
    assert column("days_to_expiry", h, 3, expiry=days(2) + DAY / 4) == [1.25, 0.25, -0.75]


@pytest.mark.parametrize(
    ("left", "known"),
    [(DAY, True), (DAY - timedelta(microseconds=1), False), (timedelta(0), False), (-DAY, False)],
)
def test_under_a_day_to_the_expiry_no_rate_a_year_is_told(left: timedelta, known: bool) -> None:
    (found,) = column("basis_annualized", with_index([101.0], [100.0]), 1, expiry=days(1) + left)

    assert found == (pytest.approx(0.01 * 365) if known else None)


def test_an_expiry_of_another_zone_is_the_same_instant() -> None:
    there = timezone(timedelta(hours=9))
    h = with_index([102.0], [100.0])

    assert column("days_to_expiry", h, 1, expiry=days(11).astimezone(there)) == [10.0]


@pytest.mark.parametrize("future", [102, 98])
def test_a_short_held_to_delivery_earns_the_annualised_basis_and_pays_it_when_negative(
    future: int,
) -> None:
    """The index stands still at 100 for 73 days, and the contract is delivered at it."""
    dated = contract("BTC/USDT:USDT-240628")

    def short_at(mark: int) -> Snapshot:
        return snapshot(
            instruments=(dated,),
            positions=(position(-1, dated.symbol, entry=future),),
            quotes=(quote(dated.symbol, mark, index_price=d(100)),),
        )

    earned = attribute(state_of(short_at(future)), short_at(100)).basis_pnl
    (told,) = column("basis_annualized", with_index([float(future)], [100.0]), 1, days(74))

    assert float(earned) / 100 * 365 / 73 == pytest.approx(told)
    assert (told > 0) == (future > 100)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("contango", "a short hedge earns this premium"),
        ("backwardation", "a short hedge pays this"),
        ("basis_annualized", "a short held to delivery earns in a year when positive (contango)"),
        ("basis_annualized", "for a perpetual, whose carry is its funding"),
        ("funding_annualized", "what a short receives in a year at this rate when positive"),
    ],
)
def test_the_formula_says_who_earns_the_carry(name: str, said: str) -> None:
    metric = find(name)

    assert metric is not None
    assert said in metric.family.formula


# ---- funding


def at_closes(rates: list[float | None], hours: float = 8) -> History:
    """A rate at the close of each bar, None being a bar whose rate is not known."""
    rows = [(days(i + 1), rate, hours) for i, rate in enumerate(rates) if rate is not None]
    frame = pl.DataFrame(rows, schema=SCHEMAS["funding"], orient="row")
    return replace(history([100.0] * len(rates)), funding=frame)


@pytest.mark.parametrize("hours", [1, 4, 8])
def test_the_same_cost_reads_the_same_on_venues_of_every_interval(hours: float) -> None:
    rates: list[float | None] = [0.0001 * i * hours / 8 for i in (1, 1, 2, -3, 5)]
    names = ["funding_annualized", "funding_zscore_3", "funding_run", "funding_turns_negative_2"]

    row = measure(at_closes(rates, hours), names, signal(), days(5)).row(-1, named=True)

    assert row["funding_annualized"] == pytest.approx(0.0005 * 3 * 365)
    assert row["funding_zscore_3"] == pytest.approx((5 - 4 / 3) / statistics.stdev([2, -3, 5]))
    assert row["funding_run"] == 1
    assert row["funding_turns_negative_2"] is True


@pytest.mark.parametrize("before", [[], [0.9, -0.9], [math.pi, 1e-9], [1e300]])
def test_funding_that_stands_still_has_no_score_whatever_came_before(before: list[float]) -> None:
    found = column("funding_zscore_5", at_closes([*before, *[0.0001] * 20]), 20 + len(before))

    assert found[len(before) + 4 :] == [None] * 16


def test_a_venue_that_changes_its_interval_at_the_same_cost_has_no_unusual_funding() -> None:
    slower, faster = at_closes([0.0001] * 5), at_closes([0.0001] * 5 + [0.00005] * 5, hours=4)
    h = replace(faster, funding=pl.concat([slower.funding, faster.funding[5:]]))

    assert column("funding_zscore_4", h, 10) == [None] * 10
    assert column("funding_rate_8h", h, 10) == [0.0001] * 10


def test_funding_that_moves_again_is_scored_again() -> None:
    found = column("funding_zscore_5", at_closes([0.0001] * 9 + [0.0003]), 10)

    assert found[-1] == pytest.approx(score([0.0001] * 4 + [0.0003]))


def test_a_run_counts_bars_of_one_sign_and_begins_again_after_what_is_not_known() -> None:
    rates = [1e-4, 2e-4, 0.0, -1e-4, -1e-4, -5e-4, None, -1e-4, 1e-4]

    assert column("funding_run", at_closes(rates), 9) == [1, 2, 0, -1, -2, -3, None, -1, 1]


def test_a_turn_is_seen_for_n_bars_and_zero_is_not_negative() -> None:
    rates = [1e-4, 0.0, -1e-4, -2e-4, 0.0, 0.0, 1e-4, 1e-4]

    assert column("funding_turns_negative_2", at_closes(rates), 8) == [
        None, False, True, True, False, False, False, False,
    ]  # fmt: skip
    assert column("funding_turns_positive_2", at_closes(rates), 8) == [
        None, None, False, False, False, False, True, True,
    ]  # fmt: skip


def test_a_turn_across_an_unknown_rate_is_unknown_unless_one_side_settles_it() -> None:
    turned = [1e-4, None, -1e-4, -1e-4, 1e-4, -1e-4, None, None]

    assert column("funding_turns_negative_1", at_closes(turned), 8) == [
        False, None, None, False, False, True, False, None,
    ]  # fmt: skip
    assert column("funding_turns_negative_3", at_closes(turned), 8) == [
        None, None, None, None, None, True, True, True,
    ]  # fmt: skip


# ---- open interest


def with_coins(coins: list[float], closes: list[float]) -> History:
    rows = [(days(i + 1), figure, figure * closes[i], 24.0) for i, figure in enumerate(coins)]
    frame = pl.DataFrame(rows, schema=SCHEMAS["open_interest"], orient="row")
    return replace(history([*closes]), open_interest=frame)


REGIMES = ("oi_up_price_up", "oi_up_price_down", "oi_down_price_up", "oi_down_price_down")


@pytest.mark.parametrize(
    ("coins", "close", "regime"),
    [
        (110.0, 51.0, "oi_up_price_up"),
        (110.0, 49.0, "oi_up_price_down"),
        (99.0, 51.0, "oi_down_price_up"),
        (99.0, 49.0, "oi_down_price_down"),
        (100.0, 51.0, None),
        (110.0, 50.0, None),
        (100.0, 50.0, None),
    ],
)
def test_at_most_one_regime_holds_and_no_change_is_none_of_them(
    coins: float, close: float, regime: str | None
) -> None:
    h = with_coins([100.0, coins], [50.0, close])

    assert [name for name in REGIMES if column(f"{name}_1", h, 2)[-1]] == ([regime] if regime else [])


def test_a_falling_price_alone_moves_open_interest_in_money_and_not_in_coins() -> None:
    h = with_coins([100.0, 100.0], [50.0, 40.0])

    assert column("open_interest_change_1", h, 2)[-1] == 0
    assert column("open_interest_notional_change_1", h, 2)[-1] == pytest.approx(-0.20)
    assert column("oi_drops_while_price_falls_1", h, 2)[-1] is False


@pytest.mark.parametrize(
    ("then", "now", "close", "drops"),
    [
        (100.0, 90.0, 49.0, True),
        (100.0, 90.1, 49.0, False),
        (333_330.0, 299_997.0, 49.0, True),
        (70.0, 63.0, 49.0, True),
        (100.0, 80.0, 50.0, False),
        (100.0, 80.0, 51.0, False),
        (0.0, 0.0, 49.0, False),
    ],
)
def test_a_drop_is_ten_percent_or_more_while_the_price_falls(
    then: float, now: float, close: float, drops: bool
) -> None:
    h = with_coins([then, now], [50.0, close])

    assert column("oi_drops_while_price_falls_1", h, 2)[-1] is drops


# ---- real history


@cache
def demo() -> History:
    with as_file(files("hedged") / "demo_data" / "history") as root:
        return HistoryStore(root, read_only=True).history(BTC, "1d")


def measured_demo(*names: str) -> pl.DataFrame:
    measured = measure(demo(), names, Signal(symbol=BTC), end_of(demo()))
    return measured.with_columns(day=pl.col("open_time").dt.date())


def test_real_history_is_measured_as_the_loops_measure_it() -> None:
    assert_as_the_loops_say(demo(), Signal(symbol=BTC, expiry=EXPIRY), (5, 60), every=7)


@pytest.mark.parametrize(("year", "mean"), [(2021, 0.3830), (2022, 0.0295)])
def test_bitcoins_funding_by_year_is_the_mean_of_the_rates_annualised(year: int, mean: float) -> None:
    stamps = demo().funding["at"]
    flat = [
        (stamp - timedelta(hours=8), 100.0, 100.0, 100.0, 100.0, 1.0, None) for stamp in stamps
    ]  # a bar that closes at every settlement
    h = replace(demo(), bar="8h", bars=pl.DataFrame(flat, schema=SCHEMAS["bars"], orient="row"))

    measured = measure(h, ["funding_annualized"], Signal(symbol=BTC, bar="8h"), stamps[-1])
    of_year = measured.filter(pl.col("close_time").dt.year() == year)["funding_annualized"]

    assert of_year.len() == 3 * 365
    assert of_year.mean() == pytest.approx(mean, abs=5e-5)


def test_open_interest_collapsed_on_19_may_2021_in_money_more_than_in_coins() -> None:
    names = ("open_interest_change", "open_interest_notional_change", "oi_down_price_down")
    row = measured_demo(*(f"{name}_1" for name in names), "oi_drops_while_price_falls_1").row(
        by_predicate=pl.col("day") == date(2021, 5, 19), named=True
    )

    assert row["open_interest_change_1"] == pytest.approx(308481.9987 / 364374.8614 - 1)
    assert row["open_interest_notional_change_1"] == pytest.approx(11327613235 / 15617653121 - 1)
    assert row["oi_down_price_down_1"] is True
    assert row["oi_drops_while_price_falls_1"] is True


def days_of(name: str) -> list[date]:
    return measured_demo(name).filter(pl.col(name))["day"].to_list()


def test_open_interest_dropped_in_a_falling_market_on_three_days() -> None:
    assert days_of("oi_drops_while_price_falls_1") == [
        date(2021, 5, 19), date(2021, 9, 7), date(2021, 12, 4),
    ]  # fmt: skip


def test_funding_first_turned_negative_in_april_2021_after_116_days_of_longs_paying() -> None:
    measured = measured_demo("funding_run", "funding_turns_negative_1")
    turned = measured.filter(pl.col("funding_turns_negative_1"))["day"].to_list()

    assert turned[:3] == [date(2021, 4, 26), date(2021, 5, 19), date(2021, 5, 27)]
    assert measured.row(by_predicate=pl.col("funding_run") == 116, named=True)["day"] == date(
        2021, 4, 25
    )


def test_the_most_unusual_funding_of_the_kept_years_is_that_of_the_week_ftx_failed() -> None:
    measured = measured_demo("funding_zscore_90", "funding_annualized").sort("funding_zscore_90")
    lowest = measured.drop_nulls().row(0, named=True)

    assert lowest["day"] == date(2022, 11, 9)
    assert lowest["funding_zscore_90"] == pytest.approx(-7.2096, abs=1e-4)
    assert lowest["close_time"] == datetime(2022, 11, 10, tzinfo=UTC)
