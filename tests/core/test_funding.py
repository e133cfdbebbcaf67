"""
Funding on venues of any interval, and where the interval changes midway.

Every metric is held against loops over the settled rows themselves: not over the grid that the
metrics are measured on, so that the join of rates to bars is tried too.
"""

from __future__ import annotations

import random
import statistics
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import MONDAY, funding, funding_next, history, signal
from hedged.core.metrics import History, bar_seconds, measure
from hedged.core.metrics.history import SCHEMAS
from hedged.history.rows import accept

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MOMENT = timedelta(microseconds=1)
WINDOWS = (1, 2, 5)
LEVELS = ("funding_rate", "funding_interval", "funding_rate_8h", "funding_annualized")
NAMES = [
    *LEVELS,
    "funding_run",
    *(
        f"funding_{kind}_{n}"
        for kind in ("zscore", "turns_negative", "turns_positive")
        for n in WINDOWS
    ),
]
Found = float | bool | None
Settled = tuple[Fraction, Fraction]
"""A rate, and the hours it covers."""


def stamped(series: str, rows: list[tuple[datetime, float, float]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMAS[series], orient="row")  # type: ignore[index]


@st.composite
def a_venue_that_changes_its_interval(draw: st.DrawFn) -> History:
    """Bars of any length with gaps; rates every 8, 4, 2, 1 or 6 hours in turn, some of them missing."""
    bar = draw(st.sampled_from(("1h", "4h", "8h", "1d")))
    step = timedelta(seconds=bar_seconds(bar))
    count = draw(st.integers(1, 24))
    gaps = draw(st.sets(st.integers(1, 23), max_size=2))
    pieces = draw(st.lists(st.sampled_from((8, 4, 2, 1, 6)), min_size=2, max_size=4))
    chosen = random.Random(draw(st.integers(0, 10_000)))
    late = chosen.choice((timedelta(0), 3 * timedelta(milliseconds=1)))
    rates: list[tuple[datetime, float, float]] = []
    at = MONDAY - timedelta(hours=chosen.choice((0, 8)))
    for hours in pieces:
        end = at + count * step / len(pieces)
        while at <= end:
            a_day = chosen.choice((3e-4, 3e-4, 3e-4, -3e-4, -6e-4, 0.0))
            if chosen.random() > 0.15:
                rates.append((at + late, a_day * hours / 24, float(hours)))
            at += timedelta(hours=hours)
    kept = [(MONDAY + i * step, *[100.0] * 4, 1.0, None) for i in range(count) if i not in gaps]
    return replace(history(), bar=bar, bars=stamped("bars", kept), funding=stamped("funding", rates))


class Slow:
    """What every metric says of the bar numbered i, counted in fractions from the settled rows."""

    def __init__(self, h: History) -> None:
        self.step = timedelta(seconds=bar_seconds(h.bar))
        self.first = h.bars["open_time"][0]
        self.opened, self.rows = set(h.bars["open_time"]), h.funding.rows()

    def settled(self, i: int) -> Settled | None:
        """The last rate settled by the close of bar i, if the bar is there and the rate fresh."""
        opened = self.first + i * self.step
        known = [row for row in self.rows if row[0] <= opened + self.step]
        if i < 0 or opened not in self.opened or not known:
            return None
        at, rate, hours = known[-1]
        fresh = opened + self.step - at <= 2 * timedelta(hours=hours)
        return (Fraction(rate), Fraction(hours)) if fresh else None

    def over(self, i: int, hours: int) -> Fraction | None:
        """The rate as if it covered so many hours."""
        found = self.settled(i)
        return found and found[0] * hours / found[1]

    def zscore(self, i: int, n: int) -> Found:
        known = [rate for k in range(i - n + 1, i + 1) if (rate := self.over(k, 8)) is not None]
        if len(known) < n or n == 1:
            return None
        if max(known) - min(known) <= 1e-12 * max(abs(rate) for rate in known):
            return None  # the same but for the rounding of the rates themselves
        return float((known[-1] - statistics.mean(known)) / Fraction(statistics.stdev(known)))

    def run(self, i: int) -> Found:
        found = self.settled(i)
        if found is None or not found[0]:
            return found and 0.0
        length = 1
        while (before := self.settled(i - length)) is not None and before[0] * found[0] > 0:
            length += 1
        return float(length if found[0] > 0 else -length)

    def turns(self, i: int, n: int, sign: int) -> Found:
        states: list[bool | None] = []
        for k in range(i - n + 1, i + 1):
            before, now = self.settled(k - 1), self.settled(k)
            entered = None if now is None else sign * now[0] > 0
            left = None if before is None else sign * before[0] <= 0
            either = (entered, left)
            states.append(False if False in either else None if None in either else True)
        return True if True in states else None if None in states else False

    def all(self, i: int) -> dict[str, Found]:
        """Every metric of `NAMES` at bar i."""
        found = self.settled(i)
        figures: list[Found] = [None] * len(LEVELS)
        if found is not None:
            rate, hours = found
            figures = [float(x) for x in (rate, hours, rate * 8 / hours, rate * 365 * 24 / hours)]
        told: dict[str, Found] = dict(zip(LEVELS, figures, strict=True))
        told["funding_run"] = self.run(i)
        for n in WINDOWS:
            told[f"funding_zscore_{n}"] = self.zscore(i, n)
            told[f"funding_turns_negative_{n}"] = self.turns(i, n, -1)
            told[f"funding_turns_positive_{n}"] = self.turns(i, n, 1)
        return told


@settings(deadline=None, derandomize=True, max_examples=150)
@given(h=a_venue_that_changes_its_interval())
def test_every_metric_is_what_the_settled_rates_say_where_the_interval_changes(h: History) -> None:
    slow, step = Slow(h), timedelta(seconds=bar_seconds(h.bar))
    end = h.bars["open_time"][-1] + step
    measured = measure(h, NAMES, signal(bar=h.bar), end)

    for i, row in enumerate(measured.iter_rows(named=True)):
        if row["close"] is None:
            assert {row[name] for name in NAMES} == {None}
            continue
        for name, expected in slow.all(i).items():
            near = expected if type(expected) is not float else pytest.approx(expected, rel=1e-9)
            assert row[name] == near, (name, i)


def column(name: str, h: History, until: datetime) -> list[Found]:
    return measure(h, [name], signal(bar=h.bar), until)[name].to_list()


def from_eight_to_four_to_one(per_8h: float) -> History:
    """Three days of 8 h, then of 4 h, then of 1 h, all at the same cost."""
    pieces = [
        funding(
            [per_8h * hours / 8] * (72 // hours), MONDAY + timedelta(days=3 * i, hours=hours), hours
        )
        for i, hours in enumerate((8, 4, 1))
    ]
    return history([100.0] * 9, funding=pl.concat(pieces))


@pytest.mark.parametrize("per_8h", [0.0001, -0.0003])
def test_the_same_cost_reads_the_same_through_changes_from_8_to_4_to_1_hours(per_8h: float) -> None:
    h = from_eight_to_four_to_one(per_8h)
    end = MONDAY + 9 * DAY
    sign = 1 if per_8h > 0 else -1

    assert accept(h.funding, h.funding.clear(), "funding", "1d").refused == ()
    assert column("funding_interval", h, end) == [8] * 3 + [4] * 3 + [1] * 3
    assert column("funding_rate_8h", h, end) == [pytest.approx(per_8h)] * 9
    assert column("funding_annualized", h, end) == [pytest.approx(per_8h * 3 * 365)] * 9
    assert column("funding_zscore_5", h, end) == [None] * 9
    assert column("funding_run", h, end) == [sign * (i + 1) for i in range(9)]
    assert column("funding_turns_negative_3", h, end)[3:] == [False] * 6


def test_a_short_that_is_paid_every_settled_rate_receives_the_annualised_funding() -> None:
    """Longs pay when the rate is positive, so a short of notional 1 receives the sum of the rates."""
    for per_8h in (0.0001, -0.0003):
        h = from_eight_to_four_to_one(per_8h)
        received = sum(h.funding["funding_rate"].to_list())  # in nine days

        assert received / 9 * 365 == pytest.approx(
            column("funding_annualized", h, MONDAY + 9 * DAY)[-1]
        )


@pytest.mark.parametrize("hours", [1, 4, 8])
def test_a_rate_older_than_two_of_its_intervals_is_unknown_to_the_microsecond(hours: int) -> None:
    for name, series in (("funding_rate", "funding"), ("funding_rate_next", "funding_next")):
        limit = MONDAY + DAY - 2 * timedelta(hours=hours)
        found = [
            column(name, history([1.0], **{series: stamped(series, [(at, 1e-4, hours)])}), MONDAY + DAY)
            for at in (limit, limit - MOMENT)
        ]

        assert found == [[1e-4], [None]]


# ---- the running rate


def test_the_running_rate_is_the_one_told_last_by_the_close() -> None:
    told = funding_next([0.0001, 0.0002, 0.0003], start=MONDAY + 23 * HOUR)
    h = history([100.0, 100.0], funding_next=told)

    assert column("funding_rate_next", h, MONDAY + DAY) == [0.0002]
    known = replace(h, funding_next=told.filter(pl.col("at") < MONDAY + DAY))
    assert column("funding_rate_next", known, MONDAY + DAY) == [0.0001]


@pytest.mark.parametrize(("hours", "factor"), [(1, 8), (4, 2), (8, 1)])
def test_the_running_rate_is_normalised_to_eight_hours(hours: int, factor: int) -> None:
    h = history([100.0], funding_next=funding_next([-0.0003] * 25, hours=hours))

    assert column("funding_rate_next", h, MONDAY + DAY) == [-0.0003]
    assert column("funding_rate_next_8h", h, MONDAY + DAY) == [pytest.approx(-0.0003 * factor)]


def test_the_settled_and_the_running_rate_do_not_stand_in_for_each_other() -> None:
    end = MONDAY + 2 * DAY
    settled = history([100.0] * 2, funding=funding([0.0001] * 7))
    running = history([100.0] * 2, funding_next=funding_next([0.0009] * 49, hours=1))
    names = ["funding_rate", "funding_interval", "funding_rate_8h", "funding_annualized", "funding_run"]

    for name in ("funding_rate_next", "funding_rate_next_8h"):
        assert column(name, settled, end) == [None, None]
    for name in names:
        assert column(name, running, end) == [None, None]
    both = replace(settled, funding_next=running.funding_next)
    assert column("funding_interval", both, end) == [8, 8]
    assert column("funding_rate_next_8h", both, end) == [pytest.approx(0.0072)] * 2
