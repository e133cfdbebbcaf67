"""``rules chart``: its figures against the metric row and ``rules test``, and what is drawn of them."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import MONDAY, policy, rule, walk
from commands import Config, Hedged
from commands import rule as written_rule
from hedged.cli import exits
from hedged.cli.chart.canvas import panels_of
from hedged.cli.chart.figures import Chart, chart_of
from hedged.cli.chart.picture import page, picture
from hedged.cli.chart.prices import spread
from hedged.core.metrics import History, measure
from hedged.core.metrics.history import SCHEMAS
from hedged.core.record import CycleRecord
from hedged.errors import VenueUnavailable
from hedged.service.ticks import Schedule
from hedged.settings import sections
from price_action import DEMO_SIGNAL, demo

DAY = timedelta(days=1)
WEEKLY = Schedule(sections.Schedule())
AUGUST = datetime(2022, 8, 22, tzinfo=UTC)
LEVELS = [f"{side}_{rank}" for side in ("resistance", "support") for rank in (1, 2, 3)]
MATRIX = (
    rule("high risk", "breaks_trendline_ascending_7 and funding_turns_negative_7", raise_to="0.75"),
    rule("moderate risk", "close < sma_50", raise_to="0.30"),
    rule("mild caution", "tests_major_resistance_7", lower_by="0.10"),
    rule("recovery", "close > sma_50", lower_to="0.10"),
)


def of_demo(until: datetime = AUGUST, days: int = 250, **changed: Any) -> Chart:
    known = policy(rules=MATRIX, signal=DEMO_SIGNAL)
    return chart_of(replace(known, **changed), demo(), WEEKLY, until, days, ())


# The figures.


@pytest.mark.parametrize("at", ["2021-01-04", "2021-05-17", "2022-04-13", "2022-08-22", "2023-01-01"])
def test_the_figures_are_those_of_the_metric_row_of_that_date(
    hedged: Hedged, config: Config, at: str
) -> None:
    found = hedged("chart", "--at", at, "-c", config(), "--json").json
    names = ["sma_50", "ath", "funding_rate_8h", "open_interest", "volume", *LEVELS,
             *(f"trendline_{side}{what}" for side in ("ascending", "descending")
               for what in ("", "_touches"))]  # fmt: skip
    until = datetime.fromisoformat(at).replace(tzinfo=UTC)
    row = measure(demo(), names, DEMO_SIGNAL, until).row(-1, named=True)

    assert found["values"]["close"] == row["close"]
    assert all(found["values"][name] == row[name] for name in names if name in found["values"])
    levels = {level["metric"]: level["price"] for level in found["levels"]}
    assert levels == {name: row[name] for name in LEVELS if row[name] is not None}
    for line in found["trendlines"]:
        if not line["broken"]:
            assert line["end"]["price"] == pytest.approx(row[line["metric"]], rel=1e-12)
            assert len(line["pivots"]) == row[f"{line['metric']}_touches"]
    standing = {line["metric"] for line in found["trendlines"] if not line["broken"]}
    assert standing == {n for n in names if n in found["values"] and "trendline" in n and row[n]}


def test_the_verdicts_of_every_review_are_those_of_rules_test(hedged: Hedged, config: Config) -> None:
    path = config()
    found = hedged("chart", "--at", "2022-09-14", "--days", 70, "-c", path, "--json").json

    assert len(found["reviews"]) == 10
    for review in found["reviews"]:
        (tested,) = hedged("test", "--at", review["at"][:10], "-c", path, "--json").json
        assert review["verdicts"] == {line["rule"]: line["value"] for line in tested["rules"]}
        assert review["bar"] < review["at"] == tested["bar_close"]
    entries = [(entry["at"][:10], entry["rule"]) for entry in found["entries"]]
    assert entries == [
        ("2022-08-01", "recovery (demo only)"),
        ("2022-08-22", "high risk"),
    ]  # fmt: skip
    for entry in found["entries"]:
        (review,) = [review for review in found["reviews"] if review["at"] == entry["at"]]
        assert review["verdicts"][entry["rule"]] is True
        assert review["statuses"][entry["rule"]] == "fired"


def test_the_goal_goes_on_from_review_to_review_whatever_span_is_shown() -> None:
    long, short = of_demo(days=400).figures.reviews, of_demo(days=60).figures.reviews

    assert all(after.goal_before == before.goal_ratio for before, after in pairwise(long))
    assert short == long[-len(short) :]
    assert len(short) == 9
    assert [f"{r.bar:%m-%d}" for r in of_demo(days=8).figures.reviews] == ["08-14", "08-21"]


def test_nothing_in_the_picture_looks_ahead() -> None:
    known = replace(
        demo(),
        bars=demo().bars.filter(pl.col("open_time") + DAY <= AUGUST),
        funding=demo().funding.filter(pl.col("at") <= AUGUST),
        open_interest=demo().open_interest.filter(pl.col("at") <= AUGUST),
    )

    then = chart_of(policy(rules=MATRIX, signal=DEMO_SIGNAL), known, WEEKLY, AUGUST, 250, ())

    assert then.figures == of_demo().figures
    assert then.bars.equals(of_demo().bars)


def test_a_line_that_a_rule_has_just_seen_broken_is_shown_to_the_bar_that_broke_it() -> None:
    (broken,) = [line for line in of_demo().figures.trendlines if line.broken]
    days = [f"{pivot.bar:%m-%d}" for pivot in broken.pivots]

    assert broken.metric == "trendline_ascending"
    assert days == ["06-18", "06-30", "07-26", "08-04", "08-10"]
    assert f"{broken.end.bar:%m-%d}" == "08-19"
    events = [(event.metric, f"{event.at.bar:%m-%d}") for event in of_demo().figures.events]
    assert ("breaks_trendline_ascending", "08-19") in events
    # A week later no rule looks back so far.
    after = of_demo(AUGUST + 5 * DAY).figures
    assert not any(f"{line.end.bar:%m-%d}" == "08-19" for line in after.trendlines if line.broken)


def test_a_test_of_a_level_is_shown_at_the_level_as_it_stood_before_the_bar() -> None:
    february = datetime(2022, 2, 11, tzinfo=UTC)
    when = "tests_resistance_7 or tests_major_resistance_7"
    events = of_demo(february, rules=(rule("any", when),)).figures.events
    nearest, major = (
        {event.at.bar: event.at.price for event in events if event.metric == f"tests_{which}"}
        for which in ("resistance", "major_resistance")
    )
    before = measure(demo(), ["resistance_1"], DEMO_SIGNAL, february)
    levels = dict(before.select("open_time", "resistance_1").iter_rows())

    assert [f"{bar:%m-%d}" for bar in nearest] == ["02-06", "02-08", "02-09", "02-10"]
    assert nearest == {bar: levels[bar - DAY] for bar in nearest}
    # On 02-07 price went through the nearest level, of two pivots, and stopped at the next, of three.
    assert [f"{bar:%m-%d}" for bar in major] == ["02-07", "02-08", "02-09", "02-10"]
    assert levels[february - 5 * DAY] == pytest.approx(42764.75)
    assert [round(price, 2) for price in major.values()] == [44576.67] * 4


@pytest.mark.parametrize(
    ("metric", "happened"),
    [
        ("tests_major_resistance", datetime(2022, 2, 1, tzinfo=UTC)),
        ("breaks_trendline_ascending", datetime(2022, 9, 6, tzinfo=UTC)),
    ],
)
def test_what_a_close_has_undone_is_shown_no_longer(metric: str, happened: datetime) -> None:
    undone = happened + 3 * DAY
    before, after = of_demo(undone).figures, of_demo(undone + DAY).figures

    assert [e.at.bar for e in before.events if e.metric == metric] == [happened]
    assert [e.at.bar for e in after.events if e.metric == metric] == []
    ends = [[x.end.bar for x in f.trendlines if x.broken] for f in (before, after)]
    assert ends == ([[happened], []] if "trendline" in metric else [[], []])


def test_every_event_has_a_price_also_where_no_level_was_left() -> None:
    when = " or ".join((
        "engulfing_bearish_at_resistance_700", "engulfing_bullish_at_support_700", "breaks_support_700",
        "shooting_star_at_resistance_700", "rejected_at_support_700", "breaks_ath_700", "doji_700",
    ))  # fmt: skip
    figures = of_demo(datetime(2023, 1, 1, tzinfo=UTC), 777, rules=(rule("any", when),)).figures
    closes = dict(demo().bars.select("open_time", "close").iter_rows())
    engulfed = {e.at.bar: e.at.price for e in figures.events if e.metric.startswith("engulfing")}
    without_level = datetime(2022, 9, 22, tzinfo=UTC)

    assert len({event.metric for event in figures.events}) == 7
    assert all(math.isfinite(event.at.price) for event in figures.events)
    assert engulfed[without_level] == closes[without_level]


@pytest.mark.parametrize(
    ("when", "curves"),
    [
        ("close > 0", ("sma_50", "ath")),
        ("close < sma_20 and breaks_below_ema_100_7", ("ema_100", "sma_20", "ath")),
        ("holds_fib_618_7", ("sma_50", "fib_618", "ath")),
        ("close > pivot_r1 and close > high_20", ("sma_50", "high_20", "pivot_r1", "ath")),
    ],
)
def test_every_price_that_a_rule_names_is_drawn(when: str, curves: tuple[str, ...]) -> None:
    chart = of_demo(rules=(rule("one", when),))

    assert chart.curves == curves
    drawn = {trace.name: trace for trace in picture(chart).data}
    for name in curves:
        assert drawn[name].y[-1] == chart.figures.values[name] == chart.bars[name][-1]


# What is drawn.


def test_the_markers_stand_at_the_reviews_at_which_a_rule_fired() -> None:
    chart = of_demo()
    entries, highs = chart.figures.entries, dict(chart.bars.select("open_time", "high").iter_rows())
    lanes = {known.name: -place for place, known in enumerate(MATRIX)}
    marks = [
        trace for trace in picture(chart).data
        if trace.type == "scatter" and str(trace.marker.symbol).startswith(("triangle", "diamond"))
    ]  # fmt: skip
    above = {at: y for t in marks if t.yaxis is None for at, y in zip(t.x, t.y, strict=True)}
    fired = {(at, y) for t in marks if t.yaxis is not None for at, y in zip(t.x, t.y, strict=True)}

    assert above.keys() == {entry.bar.replace(tzinfo=None) for entry in entries}
    assert all(above[entry.bar.replace(tzinfo=None)] > highs[entry.bar] for entry in entries)
    assert fired == {(entry.bar.replace(tzinfo=None), lanes[entry.rule]) for entry in entries}
    raised = {at for t in marks if t.marker.symbol == "triangle-up" for at in t.x}
    assert raised == {e.bar.replace(tzinfo=None) for e in entries if e.goal_ratio > e.goal_before}


def test_levels_lines_and_goal_are_drawn_as_they_are_printed() -> None:
    chart = of_demo()
    drawn = picture(chart)
    ends = {shape.y1 for shape in drawn.layout.shapes if shape.yref != "paper"}
    (goal,) = [trace for trace in drawn.data if trace.name == "goal"]
    figures = chart.figures

    assert ends == {
        *(level.price for level in figures.levels), *(line.end.price for line in figures.trendlines),
    }  # fmt: skip
    assert list(goal.y) == [
        float(figures.reviews[0].goal_before),
        *(float(review.goal_ratio) for review in figures.reviews),
        float(figures.reviews[-1].goal_ratio),
    ]


def test_a_line_that_begins_before_the_picture_enters_it_where_it_runs() -> None:
    before = AUGUST - 4 * DAY  # both lines stood then
    whole, part = of_demo(before), of_demo(before, days=30)
    shapes = {s.y1: s for s in picture(part).layout.shapes if s.line.dash == "solid" and s.y0 != s.y1}

    assert len(shapes) == 2
    for line in whole.figures.trendlines:
        if not line.broken:
            slope = (line.end.price - line.start.price) / (line.end.bar - line.start.bar).days
            shape = shapes[line.end.price]
            entered = (part.figures.first_bar - line.start.bar).days
            assert shape.x0 == part.figures.first_bar.replace(tzinfo=None)
            assert shape.y0 == pytest.approx(line.start.price + slope * entered)


def test_only_panels_with_data_are_drawn() -> None:
    bare = replace(
        walk(120, 3),
        funding=pl.DataFrame(schema=SCHEMAS["funding"]),
        open_interest=pl.DataFrame(schema=SCHEMAS["open_interest"]),
    )

    def shown(h: History, days: int, **changed: Any) -> list[str]:
        chart = chart_of(policy(**changed), h, WEEKLY, MONDAY + 120 * DAY, days, ())
        assert page(chart)
        return list(panels_of(chart))

    one = (rule(),)
    no_volume = replace(bare, bars=bare.bars.with_columns(volume=pl.lit(None, pl.Float64)))
    assert list(panels_of(of_demo())) == ["price", "volume", "rules", "goal", "funding", "interest"]
    assert shown(bare, 60, rules=one) == ["price", "volume", "rules", "goal"]
    assert shown(bare, 60) == ["price", "volume", "goal"]
    assert shown(no_volume, 60, rules=one) == ["price", "rules", "goal"]
    assert shown(bare, 1, rules=one) == ["price", "volume"]  # no review is in it


def test_the_panels_lie_one_under_the_other() -> None:
    panels = list(panels_of(of_demo()).values())

    assert panels[0].top == 1
    assert panels[-1].bottom == pytest.approx(0)
    assert all(above.bottom > below.top for above, below in pairwise(panels))


def test_what_a_person_has_named_is_text_and_never_markup() -> None:
    evil = rule("<img src=x> & co", "close > 0", raise_to="0.9")
    chart = of_demo(rules=(evil,), portfolio="<script>")
    text = page(chart)

    assert "<img src=x>" not in text
    assert "<title>&lt;script&gt;: BTC/USDT:USDT until 2022-08-22</title>" in text
    assert "&lt;img src=x&gt; &amp; co" in picture(chart).layout.yaxis3.ticktext


def test_names_at_the_edge_lie_inside_the_panel() -> None:
    drawn = picture(of_demo(datetime(2023, 1, 1, tzinfo=UTC), 777))
    low, high = drawn.layout.yaxis.range
    names = {note.text: note.y for note in drawn.layout.annotations if note.x == 1.004}

    assert {name.split()[0] for name in names} == {"ath", "sma_50", "R1", "R2", "R3", "S1", "↗", "↘"}
    assert all(low < y < high for y in names.values())


@given(
    places=st.lists(st.floats(0, 100), max_size=12),
    gap=st.floats(0.01, 8),
)
@settings(deadline=None, derandomize=True)
def test_names_are_moved_apart_in_their_order_and_no_more_than_needed(
    places: list[float], gap: float
) -> None:
    moved = spread(places, gap, 0, 100)
    order = sorted(range(len(places)), key=lambda i: places[i])

    assert all(moved[j] - moved[i] >= gap * (1 - 1e-9) for i, j in pairwise(order))
    assert all(-1e-9 <= place <= 100 + 1e-9 for place in moved)
    if all(places[j] - places[i] >= gap for i, j in pairwise(order)):
        assert moved == pytest.approx(places)


# Bars that are missing, and short ones.


def test_a_missing_last_bar_is_told_and_has_no_levels() -> None:
    gone = replace(demo(), bars=demo().bars.filter(pl.col("open_time") != AUGUST - DAY))
    chart = chart_of(policy(rules=MATRIX, signal=DEMO_SIGNAL), gone, WEEKLY, AUGUST, 100, ("so",))

    assert chart.figures.notes == ("so", "the bar that closed 2022-08-22 00:00 UTC is missing")
    assert chart.figures.levels == ()
    assert [f"{line.end.bar:%m-%d}" for line in chart.figures.trendlines if line.broken] == ["08-19"]
    assert all(line.broken for line in chart.figures.trendlines)
    assert chart.figures.values["close"] is None
    assert set(chart.figures.reviews[-1].statuses.values()) == {"unknown"}
    assert page(chart)


def test_a_span_without_any_bar_is_refused_with_the_fix() -> None:
    opened = pl.col("open_time")
    gone = replace(demo(), bars=demo().bars.filter((opened < AUGUST - 9 * DAY) | (opened >= AUGUST)))

    with pytest.raises(VenueUnavailable, match=r"every bar of the 7 days is missing.*--days"):
        chart_of(policy(signal=DEMO_SIGNAL), gone, WEEKLY, AUGUST, 7, ())


def test_shorter_bars_are_drawn_as_many_as_the_days_have() -> None:
    hours = replace(walk(480, 5), bar="4h")
    step = timedelta(hours=4)
    bars = hours.bars.with_columns(
        open_time=pl.datetime_range(MONDAY, MONDAY + 479 * step, step, time_zone="UTC", time_unit="us")
    )
    known = policy(rules=(rule(),), signal=replace(DEMO_SIGNAL, bar="4h"))

    chart = chart_of(known, replace(hours, bars=bars), WEEKLY, MONDAY + 80 * DAY, 14, ())

    assert chart.bars.height == 14 * 6
    assert [review.bar for review in chart.figures.reviews] == [
        MONDAY + days * DAY - step for days in (70, 77)
    ]
    assert page(chart)


# The command.


def test_the_page_opens_offline_and_is_the_same_every_time(
    hedged: Hedged, config: Config, tmp_path: Path
) -> None:
    path, pages = config(), [tmp_path / "one.html", tmp_path / "two.html"]
    for file in pages:
        file.write_text("what was there before")
        found = hedged("chart", "--at", "2022-08-22", "-c", path, "--out", file)
        assert (found.code, found.out, found.err) == (exits.DONE, f"{file}\n", "")
    text = pages[0].read_text()

    assert text == pages[1].read_text()
    assert text.startswith("<!doctype html>")
    assert "plotly.js v" in text
    assert not any(loads in text.replace("'", '"') for loads in ('<script src="', "<link", "@import"))
    assert "high risk" in text


def test_the_last_bar_and_the_working_directory_are_the_default(
    hedged: Hedged, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert hedged("chart", "-c", config()).out == "chart.html\n"
    assert "until 2023-01-01" in (tmp_path / "chart.html").read_text()
    before = {path.name for path in tmp_path.iterdir()}
    assert hedged("chart", "-c", config(), "--json", "--out", "other.html").json["entries"]
    assert {path.name for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("--at", "2022-13-01"), exits.USAGE, "is not a date; write it as 2022-06-13"),
        (("--days", "1"), exits.USAGE, "--days"),
        (("--days", "many"), exits.USAGE, "--days"),
        (("--at", "2020-11-15"), exits.VENUE, "outside the recorded history"),
        (("--at", "2023-01-02"), exits.VENUE, "close from 2020-11-16 00:00 to 2023-01-01 00:00 UTC"),
        (("--portfolio", "demon"), exits.SETTINGS, "there is no portfolio 'demon'"),
        (("--out", "none/chart.html"), exits.USAGE, "--out"),
    ],
)
def test_what_is_wrong_is_named_with_its_fix(
    hedged: Hedged,
    config: Config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    args: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    found = hedged("chart", *args, "-c", config())

    assert found.code == code
    assert said in found.err
    assert not (tmp_path / "chart.html").exists()


def test_a_metric_that_is_not_recorded_is_a_settings_error(hedged: Hedged, config: Config) -> None:
    found = hedged("chart", "-c", config(written_rule("basis", "basis < 0", "raise_to = 0.3")))

    assert found.code == exits.SETTINGS
    assert "needs index" in found.err


def test_of_several_portfolios_one_must_be_named(hedged: Hedged, config: Config) -> None:
    path = config()
    text = path.read_text()
    start = text.index("[[portfolio]]")
    other = text[start : text.index("[[instrument]]")].replace("demo", "second").replace("paper", "b")
    path.write_text(f"{text[:start]}{other}{text[start:]}")

    found = hedged("chart", "-c", path)

    assert found.code == exits.SETTINGS
    assert "say --portfolio, one of second, demo" in found.err
    assert hedged("chart", "-c", path, "--portfolio", "second", "--json").json["portfolio"] == "second"


def test_an_index_of_coins_is_drawn_under_its_own_name(hedged: Hedged, config: Config) -> None:
    path = config(written_rule("low", "close < sma_50", "raise_to = 0.3"))
    text = path.read_text()
    path.write_text(text.replace("[signal]\n", '[signal]\nindex = "holdings"\n', 1))

    found = hedged("chart", "--at", "2022-06-13", "-c", path, "--json")

    assert found.code == exits.DONE, found.err
    assert found.json["symbol"] == "the index (holdings)"
    assert found.json["entries"]


def test_only_the_picture_needs_plotly(config: Config) -> None:
    code = (
        "import sys\n"
        "sys.argv = ['hedged', *sys.argv[1:]]\n"
        "from hedged.__main__ import main\n"
        "try:\n    main()\n"
        "finally:\n    print('imported', 'plotly' in sys.modules, file=sys.stderr)\n"
    )
    for args in (["rules", "--help"], ["rules", "chart", "--json", "-c", str(config())]):
        done = subprocess.run(
            [sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.stderr.strip() == "imported False"


# The run that the settings describe.


def test_every_review_of_the_demo_is_drawn_as_it_is_recorded(
    hedged: Hedged, demo: tuple[Path, dict[str, Any]], demo_records: list[CycleRecord]
) -> None:
    drawn = hedged("chart", "--at", "2023-01-01", "--days", "900", "-c", demo[1]["settings"], "--json")
    shown = [
        (
            datetime.fromisoformat(review["at"]),
            review["decider"],
            Decimal(review["goal_before"]),
            Decimal(review["goal_ratio"]),
            {rule: review["statuses"][rule] for rule in review["verdicts"]},
        )
        for review in drawn.json["reviews"]
    ]
    recorded = [
        (
            record.inputs.tick.scheduled_at,
            judged.decider,
            judged.goal_before,
            judged.goal_ratio,
            {line.rule: line.status for line in judged.rules},
        )
        for record in demo_records
        if (judged := record.thought.judgement) is not None
    ]

    assert len(recorded) == 86
    assert shown == recorded


def test_a_picture_before_the_run_says_where_its_rehearsal_begins(
    hedged: Hedged, demo: tuple[Path, dict[str, Any]]
) -> None:
    first, before = (
        hedged("chart", "--at", at, "-c", demo[1]["settings"], "--json").json
        for at in ("2021-05-10", "2021-05-09")
    )

    assert [review["at"][:10] for review in first["reviews"]] == ["2021-05-10"]
    assert first["notes"] == []
    assert before["reviews"][0]["at"][:10] == "2020-11-16"
    assert "the run begins on 2021-05-10, after the picture" in before["notes"][0]


def test_a_run_begins_with_the_review_that_is_due_at_its_start() -> None:
    known = policy(rules=MATRIX, signal=DEMO_SIGNAL)
    wednesday = datetime(2022, 6, 15, 12, tzinfo=UTC)
    reviews = chart_of(known, demo(), WEEKLY, AUGUST, 250, (), wednesday).figures.reviews

    assert reviews[0].at == datetime(2022, 6, 13, tzinfo=UTC)
