"""Every file in config/ loads, runs, and does what its own comments say."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hedged.cli.app import app
from hedged.cli.demo import Story
from hedged.cli.rules import metrics_markdown
from hedged.core.alerts import KINDS
from hedged.core.metrics import measure
from hedged.core.performance import perform
from hedged.core.rehearsal import rehearse
from hedged.history.watch import names_of
from hedged.journal.store import Journal
from hedged.settings.load import load
from hedged.settings.policies import policy_of
from hedged.settings.show import schema
from hedged.wiring import check_served, recorded_market, recorded_signal, stated_holdings, wall_clock
from stories import always, story_of

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "config"
DEMO = ROOT / "daemon" / "hedged" / "demo_data" / "demo.toml"
WEEKLY, DAILY = CONFIG / "weekly-strategic.toml", CONFIG / "daily-tactical.toml"

each_matrix = pytest.mark.parametrize("file", [WEEKLY, DAILY], ids=lambda file: file.stem)


def told(file: Path) -> str:
    """The comments of *file* as one line of text."""
    lines = [line.strip() for line in file.read_text().splitlines()]
    return " ".join(" ".join(line.lstrip("# ") for line in lines if line.startswith("#")).split())


@pytest.mark.parametrize(
    "files",
    [
        [CONFIG / "replay.toml"],
        [CONFIG / "replay.toml", CONFIG / "article-matrix.toml"],
        [CONFIG / "alert.toml"],
        [DEMO],
        [WEEKLY],
        [DAILY],
    ],
    ids=["replay", "replay with the matrix", "alert", "demo", "weekly", "daily"],
)
def test_a_shipped_config_loads_and_its_metrics_are_served(files: list[Path]) -> None:
    settings = load(files, {}).settings

    for portfolio in settings.portfolio:
        check_served(policy_of(settings, portfolio), recorded_market(settings))


def test_every_file_in_config_is_tried_above() -> None:
    tried = {"replay.toml", "alert.toml", "article-matrix.toml", WEEKLY.name, DAILY.name}
    tried |= {"paper.toml", "live.toml"}  # by tests/cli/test_cli_init.py, as `init` writes them

    assert {file.name for file in CONFIG.glob("*.toml")} == tried


def test_the_demo_runs_the_articles_matrix_and_one_rule_of_its_own() -> None:
    matrix = load([CONFIG / "replay.toml", CONFIG / "article-matrix.toml"], {}).settings.rule
    demo = load([DEMO], {}).settings.rule

    assert demo[:4] == matrix
    assert len(demo) == 5
    assert "demo only" in demo[4].name
    assert demo[4].actions()[0][0] == "lower_to"


def test_the_matrix_lists_its_rows_most_severe_first() -> None:
    matrix = load([CONFIG / "replay.toml", CONFIG / "article-matrix.toml"], {}).settings.rule
    actions = [rule.actions()[0] for rule in matrix]

    assert [f"{verb} {by}" for verb, by in actions] == [
        "raise_to 0.75",
        "raise_to 0.30",
        "set_to 0",
        "lower_by 0.10",
    ]


@each_matrix
def test_every_warning_of_the_lint_is_explained_with_its_dates(file: Path) -> None:
    linted = CliRunner().invoke(app, ["rules", "lint", "-c", str(file), "--json"])
    (matrix,) = json.loads(linted.stdout)
    warnings = [found for found in matrix["findings"] if found["severity"] != "note"]
    expected = {
        WEEKLY: [("never_fires", ["mild caution"], 2), ("churn", ["high risk", "recovery"], 2)],
        DAILY: [("churn", ["over-leveraged longs", "through resistance"], 2)],
    }

    assert linted.exit_code == 0
    assert [(found["kind"], found["rules"], found["count"]) for found in warnings] == expected[file]
    for found in warnings:
        seen = f"twice in {matrix['reviews']}" if found["kind"] == "churn" else "never true at a review"
        assert seen in told(file)
        assert " and ".join(found["first_dates"]) in told(file)


def test_only_rules_that_reduce_have_a_cooldown() -> None:
    for file in (WEEKLY, DAILY):
        for rule in load([file], {}).settings.rule:
            ((verb, by),) = rule.actions()
            assert rule.cooldown is None or verb in ("lower_to", "lower_by") or by < 0


@each_matrix
def test_the_goal_moves_as_often_as_the_file_says(file: Path) -> None:
    """The decisions of the whole span, from columns: every rule's moves stand in the head comment."""
    settings = load([file], {}).settings
    policy, market = policy_of(settings, settings.portfolio[0]), recorded_market(settings)
    holdings = stated_holdings(settings, policy.portfolio)
    history, _ = recorded_signal(market, policy, holdings)
    start, end = settings.venue.start, settings.venue.end
    assert start is not None
    assert end is not None
    step = timedelta(days=7 if settings.schedule.review == "weekly" else 1)
    first = start - settings.schedule.settle_delay
    ticks = [first + k * step for k in range((end - start) // step + 1)]

    measured = measure(history, names_of(policy), policy.signal, end)
    rehearsal = rehearse(policy.rules, measured, market.bar, ticks, policy.ratio)

    moves = Counter(review.decider for review in rehearsal.reviews if review.moved)
    assert f"The goal moved {moves.total()} times: " in told(file)
    for rule in policy.rules:
        assert re.search(rf"[:,] {rule.name} {moves[rule.name]}[,.]", told(file))


@each_matrix
def test_it_runs_and_holds_what_it_decides(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four weeks of `hedged run`: every review made, no order refused, the hedge at its target."""
    monkeypatch.setenv("HEDGED__SERVICE__STATE_DIR", str(tmp_path))
    monkeypatch.setenv("HEDGED__VENUE__END", "2021-06-07T00:05:00Z")

    ran = CliRunner().invoke(app, ["run", "-c", str(file)])

    assert ran.exit_code == 0, ran.output
    with Journal.open_to_read(tmp_path / "journal.sqlite", wall_clock) as journal:
        records = [journal.record(row) for row in journal.row_ids()]
        restrictions = journal.restrictions("main", wall_clock())
    reviews = [record for record in records if record.inputs.tick.kind == "review"]
    last = records[-1]
    assert (len(records), len(reviews)) == (29, 5 if file == WEEKLY else 29)
    assert all(record.thought.review.reasons == () for record in records)
    assert restrictions == ()
    assert last.memory.ratio is not None
    assert last.thought.wanted is not None
    assert last.thought.wanted.held_ratio is not None
    assert last.memory.ratio.goal_ratio >= 0.5  # May 2021 fell by more than a third
    assert abs(last.thought.wanted.held_ratio - last.memory.ratio.target_ratio) <= 0.05


@pytest.mark.long
@each_matrix
def test_the_figures_at_the_head_of_the_file_come_out(file: Path, tmp_path: Path) -> None:
    """The whole span, beside the demo and beside the mean hedge held throughout."""
    lines = {" ".join(line.lstrip("#").split()) for line in file.read_text().splitlines()}
    (held,) = re.findall(r"min_ratio = max_ratio = ([\d.]+)", told(file))

    demo = story_of(DEMO, {}, tmp_path / "demo")
    own = story_of(file, {}, tmp_path / "own")
    unmoved = story_of(file, always(held), tmp_path / "unmoved")

    columns = [*figures(own, own.spot)], *([*figures(s, s.hedged)] for s in (demo, own, unmoved))
    names = ("change", "deepest drawdown", "volatility a year", "rally 07-21 to 11-09 2021")
    for name, *cells in zip(names, *columns, strict=True):
        assert " ".join((name, *cells)) in lines
    changes = " ".join(str(len(story.changes)) for story in (demo, own, unmoved))
    prices = " ".join(price_of(story) for story in (demo, own, unmoved))
    assert f"changes of the hedge 0 {changes}" in lines
    assert f"price of protection 0 {prices}" in lines
    mean = sum(ratio for _, ratio in own.ratios) / len(own.ratios)
    assert f"{mean:.2f}" == held
    if file == DAILY:
        said = f"paid {costs_of(own)} in fees and slippage against its {costs_of(demo)}"
        assert said in told(file)


def figures(story: Story, values: list[Any]) -> tuple[str, ...]:
    """Change, drawdown, volatility, and the change in the rally, as the head comments print them."""
    whole = perform(values)
    rally = perform([v for v in values if "2021-07-21" <= f"{v[0]:%Y-%m-%d}" <= "2021-11-09"])
    return (
        f"{whole.change:.0%}",
        f"{whole.drawdown:.0%}",
        f"{whole.volatility:.0%}",
        f"{rally.change:+.0%}",
    )


def price_of(story: Story) -> str:
    """The price of protection, to the hundred."""
    assert story.last is not None
    return f"{round(story.last.memory.totals.price_of_protection, -2):,.0f}"


def costs_of(story: Story) -> str:
    """Fees and slippage, to the hundred."""
    assert story.last is not None
    totals = story.last.memory.totals
    return f"{round(totals.fees + totals.slippage, -2):,.0f}"


def test_the_reference_of_the_settings_tells_of_every_key() -> None:
    text = (CONFIG / "README.md").read_text()
    definitions = {**schema()["$defs"], "Settings": schema()}
    keys = {key for table in definitions.values() for key in table.get("properties", {})}
    untold = sorted(key for key in keys if not re.search(rf"`{key}`", text))

    assert untold == []


def test_the_reference_of_the_settings_tells_of_every_kind_of_alert() -> None:
    row = re.search(r"^\| `kinds` .*$", (CONFIG / "README.md").read_text(), re.MULTILINE)

    assert row is not None
    assert [kind for kind in KINDS if f"`{kind}`" not in row[0]] == []


def test_the_table_of_metrics_is_that_of_the_vocabulary() -> None:
    text = (CONFIG / "README.md").read_text()
    table = text.partition("<!-- metrics -->")[2].partition("<!-- /metrics -->")[0]

    assert table.strip() == metrics_markdown()


@pytest.mark.parametrize("name", ["requirements.lock", "deploy/requirements.lock"])
def test_no_file_names_a_registry_or_a_path_of_a_machine(name: str) -> None:
    lock = (ROOT / name).read_text()

    assert "http" not in lock.replace("aiohttp", "").replace("httpx", "").replace("httpcore", "")
    assert all("--hash=sha256:" in block for block in lock.split("\n\n") if "==" in block)
