"""What is known of Bitcoin's past, as the metrics tell it: averages, highs, funding, open interest."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import polars as pl
import pytest

from builders import BTC, rule
from hedged.core.metrics import Signal, measure, row_at
from hedged.core.metrics.history import SCHEMAS
from hedged.core.rules import evaluate, parse
from reviews import DAY, article_policy, binance_funding, bitcoin, known_by, weekly

BARS = bitcoin().bars
END = BARS["open_time"][-1] + DAY
CLOSES = dict(zip(BARS["open_time"].dt.date(), BARS["close"], strict=True))
HIGHS = dict(zip(BARS["open_time"].dt.date(), BARS["high"], strict=True))


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def judged(when: str, at: datetime) -> bool | None:
    """The condition as a review at *at* finds it."""
    known = known_by(bitcoin(), at)
    row = row_at(measure(known, parse(when).names, article_policy().signal, at), BTC)
    (verdict,) = evaluate((rule(when=when),), row)
    return verdict.value


def figures(names: list[str], day: date) -> dict[str, float]:
    """The metrics on the bar of *day*."""
    at = midnight(day) + DAY
    return measure(known_by(bitcoin(), at), names, article_policy().signal, at).row(-1, named=True)


def days_of(name: str, first: date) -> list[date]:
    """The days from *first* on at whose close *name* is true."""
    measured = measure(bitcoin(), [name], article_policy().signal, END)
    found = measured.filter(pl.col(name))["open_time"].dt.date()
    return [day for day in found if day >= first]


# ---- the 50-day average


@pytest.mark.parametrize("broken", [date(2021, 5, 10), date(2022, 4, 11)])
def test_bitcoin_closed_below_its_50_day_average_on_a_monday_and_a_review_saw_it_when_it_had(
    broken: date,
) -> None:
    """Both are Mondays: the review of that very day judges the Sunday before."""
    below = "close < sma_50"
    average = {
        day: math.fsum(CLOSES[day - timedelta(days=i)] for i in range(50)) / 50
        for day in (broken - DAY, broken)
    }

    assert CLOSES[broken - DAY] > average[broken - DAY]
    assert CLOSES[broken] < average[broken]
    assert figures(["sma_50"], broken)["sma_50"] == pytest.approx(average[broken])
    assert [judged(below, midnight(broken) + i * DAY) for i in (0, 1)] == [False, True]  # daily
    mondays = weekly(midnight(broken), midnight(broken) + 7 * DAY)
    assert [judged(below, monday) for monday in mondays] == [False, True]


# ---- the prior all-time high


@pytest.mark.parametrize(
    ("day", "close", "ath", "made"),
    [
        (date(2021, 10, 20), 66055.0, 64943.5, date(2021, 4, 14)),
        (date(2024, 3, 11), 72152.4, 70320.0, date(2024, 3, 8)),
    ],
)
def test_a_close_passed_the_prior_high_on_the_days_known(
    day: date, close: float, ath: float, made: date
) -> None:
    found = figures(["close", "ath", "breaks_ath_1", "breaks_ath_volume_1"], day)

    assert (found["close"], found["ath"], HIGHS[made]) == (close, ath, ath)
    assert found["breaks_ath_1"] is True
    assert found["breaks_ath_volume_1"] is False  # neither had the volume
    assert judged("breaks_ath_7", midnight(day)) is False
    assert judged("breaks_ath_7", midnight(day) + DAY) is True


def test_after_2021_a_close_next_passed_the_prior_high_in_march_2024_and_then_in_november() -> None:
    assert days_of("breaks_ath_1", date(2021, 11, 9)) == [
        date(2024, 3, 11), date(2024, 11, 6), date(2024, 11, 10), date(2024, 11, 11),
        date(2024, 11, 13), date(2024, 11, 20), date(2024, 11, 21), date(2024, 12, 16),
    ]  # fmt: skip


def test_a_high_above_the_prior_high_is_no_break_but_raises_it() -> None:
    """The high of 2021-11-10, 69,138.50, was passed within the day on 2024-03-05 and on 03-08."""
    names = ["ath", "breaks_ath_1"]
    wick, again = figures(names, date(2024, 3, 5)), figures(names, date(2024, 3, 8))

    assert wick["ath"] == HIGHS[date(2021, 11, 10)] == 69138.5
    assert HIGHS[date(2024, 3, 5)] == 69387.2 == again["ath"]
    assert HIGHS[date(2024, 3, 8)] == 70320.0
    assert (wick["breaks_ath_1"], again["breaks_ath_1"]) == (False, False)


# ---- funding


@pytest.mark.parametrize(
    ("year", "percent", "count"),
    [
        (2019, 7.48, 338),
        (2020, 17.19, 1098),
        (2021, 30.61, 1095),
        (2022, 4.16, 1095),
        (2023, 7.87, 1095),
    ],
)
def test_the_funding_of_a_year_on_binance_is_the_one_known(
    year: int, percent: float, count: int
) -> None:
    settled = binance_funding()
    stamps = settled["at"]
    # A bar that closes at every settlement, so that each rate is judged once.
    flat = [(stamp - timedelta(hours=8), *[100.0] * 4, 1.0, None) for stamp in stamps]
    bars = pl.DataFrame(flat, schema=SCHEMAS["bars"], orient="row")
    h = replace(bitcoin(), bar="8h", bars=bars, funding=settled)

    measured = measure(h, ["funding_annualized"], Signal(symbol=BTC, bar="8h"), stamps[-1])
    found = measured.filter(pl.col("close_time").dt.year() == year)["funding_annualized"]

    rates = settled.filter(pl.col("at").dt.year() == year)["funding_rate"].to_list()
    assert len(rates) == found.len() == count
    assert found.mean() == pytest.approx(math.fsum(rates) / count * 3 * 365)
    assert 100 * found.mean() == pytest.approx(percent, abs=0.005)  # type: ignore[operator]


# ---- open interest

REGIMES = ("oi_up_price_up", "oi_up_price_down", "oi_down_price_up", "oi_down_price_down")
DROPS = "oi_drops_while_price_falls_1"


def regime(day: date) -> list[str]:
    found = figures([f"{name}_1" for name in REGIMES], day)
    return [name for name in REGIMES if found[f"{name}_1"]]


def test_half_of_what_open_interest_lost_in_usd_on_19_may_2021_was_the_price() -> None:
    day = date(2021, 5, 19)
    found = figures(["open_interest_change_1", "open_interest_notional_change_1", DROPS], day)
    coins, usd = found["open_interest_change_1"], found["open_interest_notional_change_1"]
    price = CLOSES[day] / CLOSES[day - DAY] - 1

    assert [round(100 * x, 1) for x in (usd, coins, price)] == [-27.5, -15.3, -14.4]
    assert (1 + coins) * (1 + price) - 1 == pytest.approx(usd, abs=0.002)
    assert found[DROPS] is True


def test_the_fall_of_19_may_2021_was_pressed_by_new_shorts_until_the_day_longs_were_closed() -> None:
    days = [date(2021, 5, day) for day in (17, 18, 19, 20)]

    assert [regime(day) for day in days] == [
        ["oi_up_price_down"], ["oi_up_price_down"], ["oi_down_price_down"], ["oi_down_price_up"],
    ]  # fmt: skip
    # What was known at the reviews of those mornings: the collapse, on the 20th alone.
    assert [judged(DROPS, midnight(day) + DAY) for day in days] == [False, False, True, False]


@pytest.mark.parametrize(
    ("day", "usd", "coins"),
    [(date(2022, 6, 13), -15.2, 0.2), (date(2022, 11, 9), -16.8, 7.8)],
)
def test_a_fall_in_usd_that_the_price_alone_made_is_no_drop(
    day: date, usd: float, coins: float
) -> None:
    found = figures(["open_interest_change_1", "open_interest_notional_change_1", DROPS], day)

    assert 100 * found["open_interest_notional_change_1"] == pytest.approx(usd, abs=0.05)
    assert 100 * found["open_interest_change_1"] == pytest.approx(coins, abs=0.05)
    assert found[DROPS] is False
    assert regime(day) == ["oi_up_price_down"]
