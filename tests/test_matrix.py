"""The article's matrix (section 5.1) as shipped: on Bitcoin's history, and on some made by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from builders import BTC, MONDAY, d, funding, history
from hedged.cli.app import app
from hedged.core.metrics import History, measure
from hedged.core.rehearsal import rehearse, rehearsed
from hedged.core.rules import parse
from hedged.history.store import HistoryStore
from hedged.journal.store import Journal
from price_action import SlowLevels, any_held, any_within, both, listed, of_rows
from reviews import (
    CONFIG,
    DAY,
    Review,
    article_policy,
    binance_funding,
    bitcoin,
    reviewed,
    weekly,
)
from slow_trendlines import slow_of

BARS = bitcoin().bars
FIRST, LAST = BARS["open_time"][0], BARS["open_time"][-1] + DAY
WEEK = 7 * DAY
ROWS = [rule.name for rule in article_policy().rules]
ENTRY = ("fired", "spent", "cooling", "blocked", "waiting")
Verdicts = list[bool | None]

# Every review at which a row turned true, 2020-11-16 to 2024-12-30, and what became of it unless it
# fired. Bars and funding of Bybit's perpetual; funding is known from 2021 to 2023.
ENTRIES = {
    "high risk": """
        2021-09-27 2022-01-24 2022-05-02 2022-08-22 2022-12-19 2023-08-21""",
    "moderate risk": """
        2021-04-19 2021-05-17 2021-09-27:spent 2021-11-22 2022-02-21 2022-04-18 2022-08-22:spent
        2022-11-14 2023-03-06 2023-05-08 2023-07-31 2024-01-15 2024-04-15 2024-06-24 2024-08-05
        2024-09-02 2024-12-30""",
    "bullish confirmation": """
        2020-12-21:blocked 2021-01-04 2021-02-15 2024-11-11""",
    "mild caution": """
        2021-09-13 2022-02-14 2022-03-07 2022-03-21 2022-04-25 2022-09-19 2022-10-10
        2023-07-31:spent 2023-08-14 2023-09-18 2023-10-09 2023-10-23 2024-06-10 2024-09-23
        2024-10-14""",
}  # fmt: skip


@cache
def all_reviews() -> list[Review]:
    return reviewed(bitcoin(), article_policy(), FIRST, LAST)


def entries(reviews: list[Review], row: str) -> list[str]:
    """The reviews at which *row* turned true, each with its status unless it fired."""
    lines = [(r.at, line) for r in reviews for line in r.judgement.rules if line.rule == row]
    return [
        f"{at:%Y-%m-%d}" + ("" if line.status == "fired" else f":{line.status}")
        for at, line in lines
        if line.status in ENTRY
    ]


def review_of(day: date) -> Review:
    return next(review for review in all_reviews() if review.at.date() == day)


# ---- real history


@pytest.mark.parametrize("row", ROWS)
def test_each_row_turned_true_at_the_reviews_known_and_fired_at_one_of_them_at_least(row: str) -> None:
    found = entries(all_reviews(), row)

    assert found == ENTRIES[row].split()
    assert any(":" not in entry for entry in found)


def test_every_review_from_the_first_bar_to_the_last_was_made_on_sundays_bar() -> None:
    reviews = all_reviews()

    assert len(reviews) == 216
    assert {(r.at.weekday(), r.at - r.row.bar_close) for r in reviews} == {(0, 0 * DAY)}
    assert {r.row.bars_missing for r in reviews} == {0}


def test_the_goal_follows_from_the_rows_that_fired() -> None:
    """20% at the start; the article's four actions, and nothing else, move it."""
    acts: dict[str | None, Callable[[Decimal], Decimal]] = {
        "high risk": lambda goal: max(goal, d("0.75")),
        "moderate risk": lambda goal: max(goal, d("0.30")),
        "bullish confirmation": lambda _goal: d(0),
        "mild caution": lambda goal: max(goal - d("0.10"), d(0)),
        None: lambda goal: goal,
    }
    goal = d("0.20")
    for review in all_reviews():
        goal = acts[review.judgement.decider](goal)
        assert review.judgement.goal_ratio == goal


# What each row says on every bar, by loops that know nothing of the metrics


def high_risk() -> Verdicts:
    rates = dict(zip(bitcoin().funding["at"], bitcoin().funding["funding_rate"], strict=True))
    eight = DAY / 3
    closes = [opened + DAY for opened in BARS["open_time"]]
    known = [
        next((rates[close - i * eight] for i in (0, 1, 2) if close - i * eight in rates), None)
        for close in closes
    ]
    turned: Verdicts = [None]
    for before, now in pairwise(known):
        turned.append(both(None if now is None else now < 0, None if before is None else before >= 0))
    slow = slow_of(BARS, "ascending")
    return [both(slow.broken(i, 7), any_within(turned, i, 7)) for i in range(BARS.height)]


def moderate_risk() -> Verdicts:
    closes = BARS["close"].to_list()
    return [
        None if i < 49 else closes[i] < math.fsum(closes[i - 49 : i + 1]) / 50
        for i in range(len(closes))
    ]


def bullish_confirmation() -> Verdicts:
    highs, closes, volumes = (BARS[name].to_list() for name in ("high", "close", "volume"))
    breaks: Verdicts = []
    for i in range(len(closes)):
        above = closes[i] > max([19798.68, *highs[:i]])
        heavy = None if i < 20 else volumes[i] > 1.5 * math.fsum(volumes[i - 20 : i]) / 20
        breaks.append(both(above, heavy))
    return [any_within(breaks, i, 7) for i in range(len(closes))]


def mild_caution() -> Verdicts:
    rows = listed(bitcoin())
    levels = SlowLevels(rows)
    tests = [levels.major_test(i, 1) for i in range(BARS.height)]
    return [any_held(rows, tests, i, 7) for i in range(BARS.height)]


LOOPS = dict(zip(ROWS, (high_risk, moderate_risk, bullish_confirmation, mild_caution), strict=True))


@pytest.mark.parametrize("row", ROWS)
def test_each_row_is_true_false_or_unknown_as_slow_loops_find_it(row: str) -> None:
    expected = LOOPS[row]()

    for review in all_reviews():
        (line,) = [line for line in review.judgement.rules if line.rule == row]
        assert line.value is expected[(review.at - FIRST) // DAY - 1], review.at


# What the reviews tell of single weeks


@pytest.mark.parametrize("broken", [date(2021, 5, 10), date(2022, 4, 11)])
def test_a_break_of_the_average_on_a_monday_fires_at_the_review_of_the_monday_after(
    broken: date,
) -> None:
    closes = BARS.filter(pl.col("open_time").dt.date() < broken + WEEK)["close"].to_list()[-50:]
    before, after = (review_of(day).judgement.rules[1] for day in (broken, broken + WEEK))

    assert (before.status, after.status) == ("false", "fired")
    assert after.figures == {"close": closes[-1], "sma_50": pytest.approx(math.fsum(closes) / 50)}


def test_the_bullish_row_was_true_in_the_first_winter_and_in_november_2024_only() -> None:
    """In 2024 the volume came with the close of 11-06, three times the usual."""
    true = [r.at.date() for r in all_reviews() if r.judgement.rules[2].value]
    bars = measure(bitcoin(), ["breaks_ath_volume_1", "volume_ratio_20"], article_policy().signal, LAST)
    heavy = bars.filter(pl.col("breaks_ath_volume_1") & (pl.col("open_time") < review_of(true[3]).at))

    assert true == [
        date(2020, 12, 21), date(2021, 1, 4), date(2021, 2, 15), date(2024, 11, 11), date(2024, 11, 18),
    ]  # fmt: skip
    assert review_of(date(2024, 11, 11)).row.bar_close == datetime(2024, 11, 11, tzinfo=UTC)
    assert heavy["open_time"].dt.date().to_list() == [
        date(2020, 12, 16), date(2020, 12, 17), date(2021, 1, 2), date(2021, 2, 8),
        date(2024, 11, 6), date(2024, 11, 10),
    ]  # fmt: skip
    assert heavy["volume_ratio_20"].to_list()[-2:] == pytest.approx([3.044, 1.528], abs=5e-4)


def test_while_the_average_was_not_known_the_bullish_row_could_not_lift_the_hedge() -> None:
    """50 bars make an average: until then the row above might have raised 20% to 30%."""
    early = review_of(date(2020, 12, 21)).judgement

    assert [line.status for line in early.rules[1:3]] == ["unknown", "blocked"]
    assert early.goal_ratio == d("0.20")
    assert review_of(date(2021, 1, 4)).judgement.goal_ratio == 0


def test_in_may_2021_the_line_broke_a_week_before_funding_turned_and_the_row_missed_it() -> None:
    """The line broke on 05-12 and 05-15, funding turned on 05-19: one week, and the next."""
    line, turn = "breaks_trendline_ascending_7", "funding_turns_negative_7"
    found = [review_of(date(2021, 5, day)).row.values for day in (17, 24)]

    assert [(row[line], row[turn]) for row in found] == [(True, False), (False, True)]


def test_without_funding_a_broken_line_leaves_the_high_row_unknown_and_holds_back_what_reduces() -> (
    None
):
    unknown = [r.at.date() for r in all_reviews() if r.judgement.rules[0].value is None]
    # No resistance was tested in those weeks; so the row that lowers speaks of what did happen.
    policy, broken = article_policy(), review_of(date(2024, 7, 8)).at
    fell = replace(policy.rules[3], when="close < 0.9 * sma_50")
    with_it = replace(policy, rules=(*policy.rules[:3], fell))
    held_back = reviewed(bitcoin(), with_it, broken - 3 * WEEK, broken)[-1].judgement

    assert unknown[3:] == [
        date(2024, 1, 29), date(2024, 6, 24), date(2024, 7, 8), date(2024, 9, 9),
    ]  # fmt: skip
    assert held_back.rules[3].status == "blocked"
    assert held_back.goal_ratio == held_back.goal_before


def test_the_funding_of_another_venue_tells_the_same_weeks_but_one() -> None:
    """In the week before 2022-12-19 funding was negative at a daily close on Bybit only."""
    policy, ticks = article_policy(), weekly(FIRST, LAST)
    names = {name for rule in policy.rules for name in parse(rule.when).names}
    measured = measure(replace(bitcoin(), funding=binance_funding()), names, policy.signal, LAST)
    reviews = rehearse(policy.rules, measured, "1d", ticks, policy.ratio).reviews

    fired = [f"{r.at:%Y-%m-%d}" for r in reviews if r.decider == "high risk"]

    assert fired == [day for day in ENTRIES["high risk"].split() if day != "2022-12-19"]


def test_a_rehearsal_decides_what_the_reviews_decided_one_by_one() -> None:
    policy = article_policy()
    names = {name for rule in policy.rules for name in parse(rule.when).names}
    measured = measure(bitcoin(), names, policy.signal, LAST)

    found = rehearse(policy.rules, measured, "1d", weekly(FIRST, LAST), policy.ratio).reviews

    assert list(found) == [rehearsed(r.at, r.judgement) for r in all_reviews()]


# ---- the daemon itself, in the week of 2024-11-11

NOVEMBER = """
[service]
state_dir = "state"
[venue]
data = "recorded"
start = 2024-11-04T00:05:00Z
end = 2024-11-11T00:05:00Z
[[portfolio]]
name = "main"
account = "paper"
holding = [{ asset = "BTC", quantity = 1.5 }]
"""


@pytest.fixture
def november(tmp_path: Path) -> list[str]:
    """The arguments that name the settings: the shipped ones, over the history of these tests."""
    store = HistoryStore(tmp_path / "recorded", read_only=False)
    frames = (bitcoin().bars, bitcoin().funding, bitcoin().open_interest)
    for series, frame in zip(("bars", "funding", "open_interest"), frames, strict=True):
        assert store.append(BTC, series, "1d", frame) == ()
    (tmp_path / "november.toml").write_text(NOVEMBER)
    files = (CONFIG / "replay.toml", CONFIG / "article-matrix.toml", tmp_path / "november.toml")
    return [argument for file in files for argument in ("-c", str(file))]


def test_the_daemon_lifts_its_hedge_five_minutes_into_2024_11_11(
    november: list[str], tmp_path: Path
) -> None:
    ran = CliRunner().invoke(app, ["run", *november])
    assert ran.exit_code == 0, ran.output
    journal = Journal.open_to_read(tmp_path / "state" / "journal.sqlite", lambda: LAST)
    before, review = [journal.record(row) for row in journal.row_ids(kind="review")]
    journal.close()

    assert before.inputs.tick.id == "weekly@2024-11-04T00:00:00Z"
    assert review.inputs.tick.id == "weekly@2024-11-11T00:00:00Z"
    assert f"{review.inputs.now:%Y-%m-%d %H:%M}" == "2024-11-11 00:05"
    assert review.inputs.metrics.bar_close == datetime(2024, 11, 11, tzinfo=UTC)
    assert before.thought.judgement.decider is None
    assert review.thought.judgement.decider == "bullish confirmation"
    assert review.thought.judgement.because == "bullish confirmation fired: goal 20% to 0%"
    # 20% of 1.5 bitcoin were short, and are bought back.
    assert [(o.side, o.contracts, o.status) for o in before.outcomes] == [("sell", d("0.3"), "filled")]
    assert [(o.side, o.contracts, o.status) for o in review.outcomes] == [("buy", d("0.3"), "filled")]


@pytest.mark.parametrize(("day", "value"), [("2024-11-04", False), ("2024-11-11", True)])
def test_a_person_can_ask_what_the_rows_said_that_day(
    november: list[str], day: str, value: bool
) -> None:
    ran = CliRunner().invoke(app, ["rules", "test", "--at", day, *november, "--json"])
    (found,) = json.loads(ran.stdout)
    bullish = found["rules"][2]

    assert found["bar_close"].startswith(f"{day}T00:00")
    assert (bullish["rule"], bullish["value"]) == ("bullish confirmation", value)


# ---- histories made by hand, and what a person would say of them

Closes = list[float]
Fired = list[tuple[int, str, str]]


def legs(start: float, *stretches: tuple[int, float]) -> Closes:
    """Closes after *start*, along straight lines, each of (days, the close at its end)."""
    found = [start]
    for days, end in stretches:
        begin = found[-1]
        found += [begin + (end - begin) * day / days for day in range(1, days + 1)]
    return found[1:]


def market(
    closes: Closes,
    *,
    heavy: int | None = None,
    high: tuple[int, float] = (-1, 0.0),
    funding_turns: int | None = None,
) -> History:
    """
    Daily bars a point wide around *closes*, from a Monday on; day 0 is the first.

    A volume of 1,000 a day, of 2,000 on day *heavy*; one *high* (day, price) of its own. Longs pay
    funding up to the midnight that begins day *funding_turns*, and are paid from there on.
    """
    rows = [(c, high[1] if day == high[0] else c + 0.5, c - 0.5, c) for day, c in enumerate(closes)]
    volumes = [2000.0 if day == heavy else 1000.0 for day in range(len(closes))]
    bars = of_rows(rows).bars.with_columns(volume=pl.Series(volumes))
    turns = len(closes) if funding_turns is None else funding_turns
    rates = [0.0001] * (3 * turns + 1) + [-0.0001] * 3 * (len(closes) - turns)
    return replace(history(), bars=bars, funding=funding(rates))


def fired(h: History) -> Fired:
    """The reviews at which a row decided: after how many weeks, which row, and the goal it set."""
    policy = article_policy()
    assert policy.signal.ath_seed is not None
    seed = replace(policy.signal.ath_seed, price=d(120))
    here = replace(policy, signal=replace(policy.signal, ath_seed=seed))
    reviews = reviewed(h, here, MONDAY, MONDAY + h.bars.height * DAY)
    return [
        ((r.at - MONDAY) // WEEK, r.judgement.decider, str(r.judgement.goal_ratio))
        for r in reviews
        if r.judgement.decider
    ]


# Ten weeks of a quiet rise: the average of 50 days lags two and a half points behind.
RISE = legs(99.9, (70, 106.9))


@pytest.mark.parametrize(
    ("closes", "expected"),
    [
        # Wednesday of the eleventh week falls below the average, and it stays there.
        (legs(106.9, (2, 107), (1, 103), (18, 102)), [(11, "moderate risk", "0.30")]),
        # It falls below on Sunday, the very bar that is judged.
        (legs(106.9, (6, 107), (1, 103), (14, 102)), [(11, "moderate risk", "0.30")]),
        # On the Monday after: that is the next week's.
        (legs(106.9, (7, 107), (1, 103), (13, 102)), [(12, "moderate risk", "0.30")]),
        # It is above again by Sunday.
        (legs(106.9, (2, 107), (1, 103), (2, 107), (16, 108)), []),
        # It recovers for a week and falls again: the row fires, though the goal is there already.
        (
            legs(106.9, (3, 103), (4, 103), (2, 107), (5, 107.5), (2, 102), (5, 101)),
            [(11, "moderate risk", "0.30"), (13, "moderate risk", "0.30")],
        ),
    ],
    ids=["midweek", "sunday", "the monday after", "a dip", "twice"],
)
def test_a_week_that_ends_below_the_50_day_average_raises_the_hedge(
    closes: Closes, expected: Fired
) -> None:
    assert fired(market([*RISE, *closes])) == expected


# A staircase of half a point a day with lows on days 10, 30, 50 and 70, all on one line.
STAIRS = [100 + day / 2 + 2 * abs(day % 20 - 10) for day in range(105)]
BREAK = 86  # a Wednesday
BROKEN = [*STAIRS[:BREAK], *legs(STAIRS[BREAK - 1], (1, 130), (18, 112))]


@pytest.mark.parametrize(
    ("closes", "funding_turns", "expected"),
    [
        (BROKEN, BREAK + 1, [(13, "high risk", "0.75")]),
        (BROKEN, BREAK - 2, [(13, "high risk", "0.75")]),
        (BROKEN, None, [(13, "moderate risk", "0.30")]),
        (STAIRS, BREAK + 1, []),
        (BROKEN, BREAK - 3, [(13, "moderate risk", "0.30")]),
        (BROKEN, BREAK + 5, [(13, "moderate risk", "0.30")]),
    ],
    ids=[
        "line, then funding", "funding, then line", "line alone", "funding alone",
        "funding a week before", "funding a week after",
    ],
)  # fmt: skip
def test_a_week_that_breaks_the_line_under_the_lows_while_funding_turns_raises_it_most(
    closes: Closes, funding_turns: int | None, expected: Fired
) -> None:
    assert fired(market(closes, funding_turns=funding_turns)) == expected


# The rise again; the prior high is 120. Day 72 is a Wednesday.
ABOVE = [*RISE, *legs(106.9, (2, 107), (1, 121), (18, 121.4))]
BELOW = [*RISE, *legs(106.9, (2, 107), (1, 119), (18, 119.4))]


@pytest.mark.parametrize(
    ("h", "expected"),
    [
        (market(ABOVE, heavy=72), [(11, "bullish confirmation", "0")]),
        (market(ABOVE), []),
        (market(ABOVE, heavy=71), []),
        (market(ABOVE, heavy=73), []),
        (market(BELOW, heavy=72, high=(72, 125.0)), []),
        (
            market([*ABOVE[:73], *legs(121, (4, 110), (14, 111))], heavy=72),
            [(11, "bullish confirmation", "0")],
        ),
    ],
    ids=["with volume", "without", "volume before", "volume after", "a wick", "back below by sunday"],
)
def test_a_close_above_the_prior_high_on_heavy_volume_lifts_the_hedge(
    h: History, expected: Fired
) -> None:
    assert fired(h) == expected


# Eight quiet weeks, then tops at 110 (highs of 110.5) on days 65, 77 and 90, above rising valleys.
QUIET = legs(89.9, (56, 90.5))
TOPS = [(10, 110.0), (6, 105.0), (6, 110.0), (6, 106.0), (7, 110.0), (6, 107.0), (10, 108.5)]


@pytest.mark.parametrize(
    ("closes", "expected"),
    [
        # A fourth approach, on Wednesday of the sixteenth week, that closes below it.
        (legs(90.5, *TOPS, (1, 110), (4, 108.5), (8, 109)), [(16, "mild caution", "0.10")]),
        # It stops a point short of it.
        (legs(90.5, *TOPS, (1, 109), (4, 108.5), (8, 109)), []),
        # It closes well above: that is a break, no test.
        (legs(90.5, *TOPS, (1, 113), (4, 114), (8, 115)), []),
        # It closes below it at first, and above it by Sunday: that is a break as well.
        (legs(90.5, *TOPS, (1, 110), (4, 113), (8, 114)), []),
        # There were two tops before: the third approach tests what only it makes a level of three.
        (legs(90.5, *TOPS[:4], (23, 108.5), (1, 110), (4, 108.5), (8, 109)), []),
        # There were three, but the third stands out from five bars only after this one.
        (legs(90.5, *TOPS[:5], (4, 107), (1, 110), (1, 108.5), (15, 109)), []),
        # A day later it is known.
        (
            legs(90.5, *TOPS[:5], (5, 107), (1, 110), (1, 108.5), (15, 109)),
            [(14, "mild caution", "0.10")],
        ),
        # It fell through the level from above, and hangs below it.
        (legs(90.5, *TOPS, (1, 113), (8, 113), (1, 109.8), (6, 109.7)), []),
    ],
    ids=[
        "a fourth approach", "short of it", "through it", "through it in the end", "two tops",
        "three tops, the third too late", "three tops, in time", "from above",
    ],
)  # fmt: skip
def test_a_week_that_tests_a_level_of_three_tops_lowers_the_hedge(
    closes: Closes, expected: Fired
) -> None:
    assert fired(market([*QUIET, *closes])) == expected
