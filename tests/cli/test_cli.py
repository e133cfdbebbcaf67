"""The commands as a person or a script meets them: exit codes, JSON, and what they leave alone."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import pytest
import structlog
import typer
from typer.testing import CliRunner

from builders import d
from hedged.cli import exits
from hedged.cli.app import app, main
from hedged.core.encoding import digest, encode
from hedged.core.gate import BREAKER, Restriction
from hedged.core.guard import Naked
from hedged.core.metrics import vocabulary
from hedged.core.policy import Policy
from hedged.core.record import CycleRecord
from hedged.journal.store import Journal
from hedged.settings.model import Settings
from hedged.wiring import wall_clock

SHIPPED = Path(str(resources.files("hedged") / "demo_data" / "demo.toml"))


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def hedged(*args: object, columns: int = 80) -> Answer:
    """The command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "hedged", *map(str, args)],
        capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "COLUMNS": str(columns)},
    )  # fmt: skip
    return Answer(done.returncode, done.stdout, done.stderr)


def here(monkeypatch: pytest.MonkeyPatch, *args: object) -> Answer:
    """The command in this process, from `main` to its exit code."""
    monkeypatch.setattr(sys, "argv", ["hedged", *map(str, args)])
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 0
    return Answer(code, out.getvalue(), err.getvalue())


def config_in(folder: Path, *changes: tuple[str, str]) -> Path:
    """The shipped demo's settings in *folder*, changed."""
    text = SHIPPED.read_text()
    for before, after in changes:
        assert before in text
        text = text.replace(before, after, 1)
    path = folder / "demo.toml"
    path.write_text(text)
    return path


def files(folder: Path) -> dict[str, str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found
    }


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    commands = getattr(command, "commands", None)
    if commands is None:
        yield path, command
        return
    for name, below in commands.items():
        yield from leaves(below, (*path, name))


COMMANDS = dict(leaves(typer.main.get_command(app)))


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Answer]]:
    """A folder in which ``run --once`` was called twice: a review, then a guard pass."""
    config = config_in(tmp_path_factory.mktemp("ran"))
    return config, [
        hedged("run", "-c", config, "--once"),
        hedged("run", "-c", config, "--once", "--json"),
    ]


@pytest.fixture
def state(ran: tuple[Path, list[Answer]], tmp_path: Path) -> Path:
    """A copy of that folder, to do with as a test likes; its settings file."""
    shutil.copytree(ran[0].parent, tmp_path / "state")
    return tmp_path / "state" / ran[0].name


# Help.


@pytest.mark.parametrize("path", list(COMMANDS), ids=" ".join)
def test_the_help_of_every_command_has_an_example_of_it(path: tuple[str, ...]) -> None:
    found = CliRunner().invoke(app, [*path, "--help"])

    assert found.exit_code == 0
    assert f"Example: hedged {' '.join(path)}" in found.output


@pytest.mark.parametrize("path", list(COMMANDS), ids=" ".join)
def test_every_command_can_print_json(path: tuple[str, ...]) -> None:
    options = {option for parameter in COMMANDS[path].params for option in parameter.opts}

    assert "--json" in options


@pytest.mark.parametrize(
    "path", [(), *sorted({path[:1] for path in COMMANDS if path[1:]})], ids=" ".join
)
def test_the_list_of_commands_is_not_cut_off_at_80_columns(path: tuple[str, ...]) -> None:
    found = CliRunner().invoke(app, [*path, "--help"], terminal_width=80)

    assert found.exit_code == 0
    assert not [line for line in found.output.splitlines() if line.startswith("  ") and "..." in line]


@pytest.mark.parametrize(
    "args",
    [["--help"], ["demo", "--help"], ["rules", "metrics"], ["config", "show", "-c", str(SHIPPED)]],
)
def test_a_command_that_needs_no_exchange_imports_none(args: list[str]) -> None:
    code = (
        "import sys, atexit\n"
        "sys.argv = ['hedged', *sys.argv[1:]]\n"
        "atexit.register(lambda: print('imported', 'ccxt' in sys.modules, file=sys.stderr))\n"
        "from hedged.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == "imported False"


def test_the_version_is_the_package_s(monkeypatch: pytest.MonkeyPatch) -> None:
    assert re.fullmatch(r"hedged \d+\.\d+\.\d+\n", here(monkeypatch, "--version").out)


# Exit codes.


def test_the_exit_codes_are_those_that_scripts_rely_on() -> None:
    codes = (exits.DONE, exits.UNEXPECTED, exits.USAGE, exits.SETTINGS, exits.JOURNAL, exits.VERIFY,
             exits.VENUE, exits.HELD, exits.REFUSED)  # fmt: skip

    assert codes == (0, 1, 2, 3, 4, 5, 6, 7, 8)


NEEDED = {
    ("rules", "test"): ["--at", "2022-06-13"],
    ("approve",): ["1"],
    ("reject",): ["1", "--why", "no"],
    ("market", "fetch"): ["--symbols", "BTC/USDT:USDT", "--since", "2024-01-01"],
}
NEEDS_CONFIG = [path for path in COMMANDS if any(p.name == "config" for p in COMMANDS[path].params)]


@pytest.mark.parametrize("path", [p for p in NEEDS_CONFIG if p[0] != "stop"], ids=" ".join)
def test_wrong_settings_leave_with_their_code_and_one_plain_text(
    path: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_in(tmp_path, ("band = 0.05", "bnad = 0.05"))
    needed = NEEDED.get(path, [])
    found = here(monkeypatch, *path, *needed, "-c", config)

    assert found.code == exits.SETTINGS
    assert found.err == f"hedged: {config}: hedge.bnad: unknown key; did you mean 'band'?\n"
    assert found.out == ""
    assert list(tmp_path.iterdir()) == [config]


def test_settings_that_are_not_there_leave_with_their_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = here(monkeypatch, "config", "show")

    assert found.code == exits.SETTINGS
    assert "hedged.toml is not there" in found.err


def test_settings_too_odd_to_read_are_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_in(tmp_path, ("band = 0.05", "band = 1e99999999999999999999"))

    assert here(monkeypatch, "config", "show", "-c", config).code == exits.SETTINGS


@pytest.mark.parametrize(
    "path", [("status",), ("explain",), ("journal", "verify"), ("journal", "replay")]
)
def test_a_journal_that_is_not_there_leaves_with_its_code(
    path: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_in(tmp_path)
    found = here(monkeypatch, *path, "-c", config)

    assert found.code == exits.JOURNAL
    assert "there is no journal" in found.err
    assert list(tmp_path.iterdir()) == [config]


@pytest.mark.parametrize(
    "args", [["nonsense"], ["run", "--nonsense"], ["explain", "x"], ["stop", "resume"]]
)
def test_a_wrong_call_leaves_with_2(args: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert here(monkeypatch, *args).code == exits.USAGE


@pytest.mark.parametrize("path", [("explain", "99"), ("journal", "replay", "99")])
def test_a_record_that_is_not_there_is_said_to_be_missing(
    path: tuple[str, ...], state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = here(monkeypatch, *path, "-c", state)

    assert found.code == exits.JOURNAL
    assert "record 99" in found.err


def test_a_held_pass_leaves_with_its_code_and_the_reason(tmp_path: Path) -> None:
    config = config_in(tmp_path, ('asset = "LTC"', 'asset = "SOL"'))
    found = hedged("run", "-c", config, "--once")

    assert found.code == exits.HELD
    assert "HOLD: SOL has no price" in found.out


def test_a_pass_that_was_skipped_is_no_success(tmp_path: Path) -> None:
    config = config_in(tmp_path, ("start = 2021-05-10", "start = 2019-05-10"))
    found = hedged("run", "-c", config, "--once")

    assert "pass_skipped" in found.err
    assert found.code == exits.VENUE


# Settings.


def test_config_show_tells_the_origin_of_each_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_in(tmp_path)
    monkeypatch.setenv("HEDGED__HEDGE__MIX_BAND", "0.2")
    found = here(monkeypatch, "config", "show", "-c", config, "--json")
    lines = {line["key"]: (line["value"], line["origin"]) for line in found.json}

    assert found.code == exits.DONE
    assert lines["hedge.band"] == ("0.05", str(config))
    assert lines["hedge.mix_band"] == ("0.2", "environment")
    assert lines["hedge.min_ratio"] == ("0", "default")


@pytest.mark.parametrize("extra", [[], ["--json"]])
def test_config_show_hides_secrets(
    extra: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEDGED__ACCOUNT__PAPER__API_KEY", "canary-key")
    found = here(monkeypatch, "config", "show", "-c", config_in(tmp_path), *extra)

    assert "[hidden]" in found.out
    assert "canary" not in found.out + found.err


def test_later_settings_files_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text("[hedge]\nband = 0.07\n")
    found = here(monkeypatch, "config", "show", "-c", config_in(tmp_path), "-c", mine, "--json")

    assert {"key": "hedge.band", "value": "0.07", "origin": str(mine)} in found.json


def test_config_schema_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    found = here(monkeypatch, "config", "schema")

    assert found.code == exits.DONE
    assert set(found.json["properties"]) == set(Settings.model_fields)


def test_rules_metrics_tells_every_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    found = here(monkeypatch, "rules", "metrics", "--json")

    assert [metric["name"] for metric in found.json] == [family.name for family in vocabulary()]
    assert all(metric["unit"] and metric["formula"] and metric["section"] for metric in found.json)
    told = here(monkeypatch, "rules", "metrics")
    assert told.code == exits.DONE
    for family in vocabulary():  # a table of the settings is no markup
        assert "".join(family.formula.split()) in "".join(told.out.split())
    assert "The value at a bar uses that bar and earlier ones only." in told.out


def test_a_metric_stands_under_its_section_and_nothing_but_a_name_begins_its_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = here(monkeypatch, "rules", "metrics").out.splitlines()
    last = next(i for i, line in enumerate(lines) if line.startswith("n is a number of bars"))
    first = next(i for i, line in enumerate(lines) if line.startswith("Section"))
    section, found = "", []
    for line in lines[first:last]:
        if line.startswith("Section "):
            section = line.split()[1].removesuffix(":")
        elif line and not line.startswith("    "):
            found.append((section, *line.split("  ")))

    assert all(len(line) <= 80 for line in lines)
    assert found == sorted(
        ((family.section, family.name, family.unit) for family in vocabulary()),
        key=lambda told: (told[0], told[1]),
    )


def test_betas_are_told_in_one_line_each_on_a_narrow_terminal_and_why_one_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(bars_min: int) -> str:
        beta = f'[beta]\nmethod = "ols"\nbars_min = {bars_min}\n\n[limits]'
        return here(monkeypatch, "plan", "-c", config_in(tmp_path, ("[limits]", beta))).out

    monkeypatch.setenv("COLUMNS", "80")
    rows = [line.split() for line in told(50).splitlines()]
    measured = {row[0]: row for row in rows if len(row) == 8 and row[7] == "55"}
    assert set(measured) == {"BTC", "ETH", "LTC", "LINK", "BCH", "portfolio"}
    assert "LTC has 1: only 55 of the 60 returns that it needs are kept" in told(60)


# Check.


def checked(monkeypatch: pytest.MonkeyPatch, config: Path) -> tuple[int, dict[str, tuple[str, str]]]:
    found = here(monkeypatch, "check", "-c", config, "--json")
    structlog.reset_defaults()
    return found.code, {line["what"]: (line["result"], line["said"]) for line in found.json}


def test_check_finds_nothing_wrong_with_the_demo_and_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, found = checked(monkeypatch, config_in(tmp_path))

    assert code == exits.DONE
    assert {result for result, _ in found.values()} == {"ok"}
    assert {"settings", "schedule", "rules of demo", "journal", "clock", "disk"} < set(found)
    assert [path.name for path in tmp_path.iterdir()] == ["demo.toml"]


@pytest.mark.parametrize(
    ("change", "what", "says"),
    [
        (('"demo"\nclock', '"nowhere"\nclock'), "data", "not a folder of recorded history"),
        (("close < sma_50", "basis < 0"), "rules of demo", "needs index"),
    ],
)
def test_check_names_what_is_wrong(
    change: tuple[str, str], what: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, found = checked(monkeypatch, config_in(tmp_path, change))

    assert code == exits.VERIFY
    assert found[what][0] == "FAILED"
    assert says in found[what][1]


def test_check_finds_a_holding_that_nobody_prices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, found = checked(monkeypatch, config_in(tmp_path, ('asset = "LTC"', 'asset = "SOL"')))

    assert code == exits.VERIFY
    assert any("SOL" in what + said and result == "FAILED" for what, (result, said) in found.items())


def test_check_looks_at_all_that_an_index_is_made_of_and_at_the_measure_of_its_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holdings = ('bar = "1d"', 'bar = "1d"\nindex = "holdings"')
    code, found = checked(monkeypatch, config_in(tmp_path, holdings))

    assert code == exits.DONE
    assert found["LINK/USDT:USDT"] == ("ok", "777 bars, 2020-11-15 to 2022-12-31, 0 missing")
    result, said = found["the index (holdings)"]
    assert result == "warning"
    assert "ath_seed, 19,798.68, is above all of them" in said
    points = ("price = 19798.68", "price = 1200")
    assert (
        checked(monkeypatch, config_in(tmp_path, holdings, points))[1]["the index (holdings)"][0]
        == "ok"
    )


def test_check_finds_an_altered_journal(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alter(state.parent)
    code, found = checked(monkeypatch, state)

    assert code == exits.VERIFY
    assert "record 1" in found["journal"][1]


# Run.


def test_a_first_run_makes_the_review_and_sells_the_hedge(ran: tuple[Path, list[Answer]]) -> None:
    first = ran[1][0]

    assert first.code == exits.DONE
    assert "weekly review of Monday 2021-05-10" in first.out
    assert "the target is 20%" in first.out
    assert '"event": "order"' in first.err


def test_a_second_run_makes_the_next_pass_and_nothing_twice(ran: tuple[Path, list[Answer]]) -> None:
    (made,) = ran[1][1].json

    assert ran[1][1].code == exits.DONE
    assert made["cycle_id"].startswith("demo/guard@2021-05-11")
    assert made["record"]["outcomes"] == []


def test_the_state_lies_in_the_folder_that_was_named_whatever_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "a#b %20?c"
    folder.mkdir()
    found = hedged("run", "-c", config_in(folder), "--once")

    assert found.code == exits.DONE
    assert "journal.sqlite" in files(folder)
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


# What was done.


def test_status_tells_where_the_hedge_stands(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = here(monkeypatch, "status", "-c", state, "--json")
    (portfolio,) = found.json["portfolios"]

    assert found.code == exits.DONE
    assert found.json["records"] == 2
    assert portfolio["last_review"] == "weekly@2021-05-10T00:00:00Z"
    assert portfolio["target_ratio"] == portfolio["goal_ratio"] == "0.20"
    assert abs(float(portfolio["held_ratio"]) - 0.20) < 0.01
    assert portfolio["next_pass"] == "2021-05-12T00:05:00Z"
    assert portfolio["restrictions"] == []
    assert "hedge held" in here(monkeypatch, "status", "-c", state).out


def test_explain_tells_the_last_review_with_every_rule_and_figure(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = here(monkeypatch, "explain", "-c", state)

    assert found.code == exits.DONE
    for name in ("high risk", "moderate risk", "bullish confirmation", "mild caution", "recovery"):
        assert name in found.out
    for said in (
        "Record 1: weekly review",
        "tests_major_resistance_7 = ",
        "raise_to 0.30",
        "What is protected",
    ):
        assert said in found.out


def test_explain_says_why_nothing_was_done(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = here(monkeypatch, "explain", 2, "-c", state)

    assert "did nothing because drift" in found.out


def test_explain_in_json_has_the_record_and_its_policy(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = here(monkeypatch, "explain", "-c", state, "--json").json

    assert found["id"] == 1
    assert found["record"]["portfolio"] == found["policy"]["portfolio"] == "demo"
    assert len(found["record"]["thought"]["judgement"]["rules"]) == len(found["policy"]["rules"])


def test_explain_of_an_unknown_portfolio_names_it(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = here(monkeypatch, "explain", "--portfolio", "nosuch", "-c", state)

    assert found.code != exits.DONE
    assert "nosuch" in found.err


def test_no_figure_is_broken_over_two_lines_at_80_columns(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {}
    for columns in (80, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        told[columns] = here(monkeypatch, "explain", "-c", state).out
    hedge = told[80].split("The hedge, in contracts")[1]

    assert "-119,975.43" in hedge
    assert "BTC/USDT:USDT " in hedge
    assert headers(told[80]) == headers(told[200])


def headers(text: str) -> list[list[str]]:
    """The words in the line above the rule of each table."""
    lines = text.splitlines()
    return [above.split() for above, line in pairwise(lines) if line.strip().startswith("──")]


# Plan.


def test_plan_changes_no_file(state: Path) -> None:
    before = files(state.parent)
    found = hedged("plan", "-c", state)
    after = files(state.parent)

    assert found.code == exits.DONE
    assert "nothing was sent, nothing was written" in found.out
    assert {name: after.get(name) for name in before} == before


def test_plan_and_status_leave_no_new_file(state: Path) -> None:
    for name in ("journal.sqlite-shm", "journal.sqlite-wal"):
        (state.parent / name).unlink(missing_ok=True)
    for name in ("paper-paper.sqlite-shm", "paper-paper.sqlite-wal"):
        (state.parent / name).unlink(missing_ok=True)
    before = files(state.parent)
    for command in ("plan", "status"):
        assert hedged(command, "-c", state).code == exits.DONE

    assert files(state.parent) == before


def test_plan_tells_what_the_next_pass_then_does(state: Path) -> None:
    planned = hedged("plan", "-c", state, "--json")
    made = hedged("run", "-c", state, "--once", "--json")

    assert planned.json[0]["cycle_id"] == made.json[0]["cycle_id"]
    assert planned.json[0]["record"]["thought"] == made.json[0]["record"]["thought"]


def test_plan_works_before_anything_ran(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    found = hedged("plan", "-c", config, "--json")

    assert found.code == exits.DONE
    assert found.json[0]["record"]["thought"]["plan"]["steps"]
    assert list(tmp_path.iterdir()) == [config]


# The journal.


def alter(folder: Path) -> None:
    """Change one byte of the first record."""
    with contextlib.closing(sqlite3.connect(folder / "journal.sqlite")) as journal:
        triggers = journal.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            journal.execute(f'DROP TRIGGER "{name}"')
        journal.execute("UPDATE record SET body = replace(body, '58240.5', '58240.6') WHERE id = 1")
        journal.commit()


def test_an_intact_journal_is_told_with_its_head(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = here(monkeypatch, "journal", "verify", "-c", state, "--json")

    assert found.code == exits.DONE
    assert found.json["records"] == 2
    assert found.json["fault_id"] is None
    assert f"intact: 2 records, head {found.json['head']}" in re.sub(
        r"\s+", " ", here(monkeypatch, "journal", "verify", "-c", state).out
    )
    head = ["--head", found.json["head"]]
    assert here(monkeypatch, "journal", "verify", "-c", state, *head).code == exits.DONE


def test_an_altered_record_is_named(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alter(state.parent)
    found = here(monkeypatch, "journal", "verify", "-c", state, "--json")

    assert found.code == exits.VERIFY
    assert found.json["fault_id"] == 1
    assert "record 1 (demo/weekly@2021-05-10T00:00:00Z) was altered" in found.json["fault"]


def test_a_journal_cut_short_shows_against_the_head_of_the_log(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = here(monkeypatch, "journal", "verify", "-c", state, "--head", "ab" * 32)

    assert found.code == exits.VERIFY
    assert "BROKEN at record 2" in found.out


def test_every_record_is_decided_again_byte_for_byte(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = here(monkeypatch, "journal", "replay", "-c", state, "--json")

    assert found.code == exits.DONE
    assert found.json == {"records": 2, "differences": []}
    assert "agree: 2 records" in here(monkeypatch, "journal", "replay", "-c", state).out


def before_betas(value: object) -> bytes:
    """A record or a policy as it was written when neither knew of betas or of an index."""
    table = json.loads(encode(value))
    if isinstance(value, Policy):
        del table["beta"]
        for key in ("ath_volume_ratio", "basket", "expiry", "index"):
            del table["signal"][key]
    if isinstance(value, CycleRecord):
        for memory in (table["memory"], table["inputs"]["memory"], table["inputs"]):
            del memory["betas"]
        for held in table["inputs"]["snapshot"]["holdings"]:
            del held["price_symbol"]
    return encode(table)


def test_a_journal_from_before_it_had_all_of_todays_keys_is_read_and_decided_again(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = state.parent / "journal.sqlite"
    with Journal.open_to_read(file, wall_clock) as journal:
        records = [journal.record(row) for row in journal.row_ids()]
        policy = journal.policy(records[0].policy_digest)
    for path in state.parent.glob("journal.sqlite*"):
        path.unlink()
    with (
        monkeypatch.context() as older,
        Journal.open_for(file, "paper", ("paper",), wall_clock) as made,
    ):
        older.setattr("hedged.journal.records.encode", before_betas)
        for record in records:
            made.append(replace(record, policy_digest=digest(before_betas(policy))), policy)
    found = here(monkeypatch, "journal", "replay", "-c", state, "--json")

    assert found.json == {"records": 2, "differences": []}
    assert here(monkeypatch, "status", "-c", state).code == exits.DONE


def test_a_record_that_this_version_can_not_read_is_told_by_the_check_and_the_replay(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = state.parent / "journal.sqlite"
    with Journal.open_to_read(file, wall_clock) as journal:
        record = journal.record(1)
        policy = journal.policy(record.policy_digest)
    for path in state.parent.glob("journal.sqlite*"):
        path.unlink()
    with (
        monkeypatch.context() as other,
        Journal.open_for(file, "paper", ("paper",), wall_clock) as made,
    ):
        other.setattr("hedged.journal.records.encode", lambda _: b'{"version":9}')
        made.append(record, policy)

    assert "record 1: " in here(monkeypatch, "journal", "replay", "-c", state).err
    assert checked(monkeypatch, state)[1]["journal"][0] == "FAILED"


def test_an_altered_record_is_not_decided_again(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alter(state.parent)
    found = here(monkeypatch, "journal", "replay", 1, "-c", state, "--json")

    assert found.code == exits.VERIFY
    assert "record 1 (demo/weekly@2021-05-10T00:00:00Z) was altered" in found.err


def test_a_history_that_is_gone_is_told_by_the_replay(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(state.parent / "history")
    found = here(monkeypatch, "journal", "replay", "-c", state, "--json")

    assert found.code == exits.VERIFY
    assert any("the kept history gives None" in d["what"] for d in found.json["differences"])


# Restrictions.


def test_resume_says_how_many_restrictions_it_lifted(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = here(monkeypatch, "stop", "resume", "demo", "-c", state)

    assert found.code == exits.DONE
    assert "0 restrictions on demo lifted" in found.out


def test_status_says_what_a_breaker_allows_and_what_lifts_it_and_resume_lifts_it(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = state.parent / "journal.sqlite"
    with Journal.open_beside(file, wall_clock) as journal:
        last = journal.latest("demo")
        assert last is not None
        tripped = Restriction(
            scope="demo", allows="nothing", reason="61 [orders] today", by=BREAKER, at=last.inputs.now
        )
        journal.restrict(tripped)
    before = here(monkeypatch, "status", "-c", state).out
    lifted = here(monkeypatch, "stop", "resume", "demo", "-c", state)
    after = here(monkeypatch, "status", "-c", state).out
    connection = sqlite3.connect(file)
    at = connection.execute("SELECT lifted_at FROM restriction").fetchall()
    connection.close()

    assert "nothing may be sent, by breaker: 61 [orders] today" in before
    assert "hedged stop resume demo -c " in before
    assert "1 restriction on demo lifted" in lifted.out
    assert "restricted" not in after
    # The clock of a history stands at its last pass: what is sent after that counts anew.
    assert at == [(last.inputs.now.isoformat(),)]


def test_a_hedge_that_lost_contracts_is_in_the_status_and_in_the_explanation(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal.open_for(state.parent / "journal.sqlite", "paper", ("paper",), wall_clock) as journal:
        last = journal.latest("demo")
        assert last is not None
        now = last.inputs.now
        spell = Naked(
            since=now, seen_at=now + timedelta(seconds=90), notional=d(1000), notional_max=d(2500),
            notional_seconds=d(90_000), because="BTC/USDT:USDT: adl",
        )  # fmt: skip
        tick = replace(last.inputs.tick, scheduled_at=now + timedelta(days=9))
        record = replace(
            last,
            inputs=replace(last.inputs, tick=tick),
            thought=replace(last.thought, naked=spell),
            memory=replace(last.memory, naked=spell),
        )
        journal.append(record, journal.policy(last.policy_digest))
        row = journal.head()[0]
    told = here(monkeypatch, "status", "-c", state).out
    explained = " ".join(here(monkeypatch, "explain", row, "-c", state).out.split())

    assert "unhedged" in told
    assert "1,000.00 since 2021-05-11 00:05 UTC: BTC/USDT:USDT: adl" in told
    assert "and still: 90 s, 2,500.00 at worst, 90,000.00 x seconds (BTC/USDT:USDT: adl)" in explained


def test_resume_of_an_unknown_portfolio_is_refused(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = here(monkeypatch, "stop", "resume", "nosuch", "-c", state)

    assert found.code != exits.DONE
    assert "nosuch" in found.err
