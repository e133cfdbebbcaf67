"""Every file in config/ loads, and says what the demo does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hedged.cli.rules import metrics_markdown
from hedged.settings.load import load
from hedged.settings.policies import policy_of
from hedged.settings.show import schema
from hedged.wiring import check_served, recorded_market

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "config"
DEMO = ROOT / "daemon" / "hedged" / "demo_data" / "demo.toml"


@pytest.mark.parametrize(
    "files",
    [[CONFIG / "paper.toml"], [CONFIG / "paper.toml", CONFIG / "article-matrix.toml"], [DEMO]],
    ids=["paper", "paper with the matrix", "demo"],
)
def test_a_shipped_config_loads_and_its_metrics_are_served(files: list[Path]) -> None:
    settings = load(files, {}).settings

    for portfolio in settings.portfolio:
        check_served(policy_of(settings, portfolio), recorded_market(settings))


def test_every_file_in_config_is_tried_above() -> None:
    tried = {"paper.toml", "article-matrix.toml"}

    assert {file.name for file in CONFIG.glob("*.toml")} == tried


def test_the_demo_runs_the_articles_matrix_and_one_rule_of_its_own() -> None:
    matrix = load([CONFIG / "paper.toml", CONFIG / "article-matrix.toml"], {}).settings.rule
    demo = load([DEMO], {}).settings.rule

    assert demo[:4] == matrix
    assert len(demo) == 5
    assert "demo only" in demo[4].name
    assert demo[4].actions()[0][0] == "lower_to"


def test_the_matrix_lists_its_rows_most_severe_first() -> None:
    matrix = load([CONFIG / "paper.toml", CONFIG / "article-matrix.toml"], {}).settings.rule
    actions = [rule.actions()[0] for rule in matrix]

    assert [f"{verb} {by}" for verb, by in actions] == [
        "raise_to 0.75",
        "raise_to 0.30",
        "set_to 0",
        "lower_by 0.10",
    ]


def test_the_reference_of_the_settings_tells_of_every_key() -> None:
    text = (CONFIG / "README.md").read_text()
    definitions = {**schema()["$defs"], "Settings": schema()}
    keys = {key for table in definitions.values() for key in table.get("properties", {})}
    untold = sorted(key for key in keys if not re.search(rf"`{key}`", text))

    assert untold == []


def test_the_table_of_metrics_is_that_of_the_vocabulary() -> None:
    text = (CONFIG / "README.md").read_text()
    table = text.partition("<!-- metrics -->")[2].partition("<!-- /metrics -->")[0]

    assert table.strip() == metrics_markdown()


def test_no_file_names_a_registry_or_a_path_of_a_machine() -> None:
    lock = (ROOT / "requirements.lock").read_text()

    assert "http" not in lock.replace("aiohttp", "").replace("httpx", "").replace("httpcore", "")
    assert all("--hash=sha256:" in block for block in lock.split("\n\n") if "==" in block)
