"""What no linter sees: purity of the core, sizes, names, one test file a module, and ratchets."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "daemon" / "hedged"
MODULES = sorted(PACKAGE.rglob("*.py"))
CORE = sorted((PACKAGE / "core").rglob("*.py"))
TESTS = ROOT / "tests"

BANNED_NAMES = {"utils", "helpers", "common", "manager", "base", "misc", "types"}
SOURCE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70

# Calls and imports that would make the core's answer depend on more than its arguments.
IMPURE_CALLS = {
    "open",
    "print",
    "input",
    "now",
    "utcnow",
    "today",
    "time",
    "monotonic",
    "urandom",
    "uuid4",
}
IMPURE_MODULES = {"os", "sys", "io", "time", "random", "secrets", "socket", "subprocess", "pathlib",
                  "asyncio", "threading", "logging", "uuid", "sqlite3", "urllib"}  # fmt: skip

# Modules whose tests stand elsewhere, and where.
TESTED_BY = {
    "core/watch.py": "tests/core/test_guards_watch.py",
    "__init__.py": "imports only",
    "__main__.py": "tests/cli/test_cli.py runs it",
    "errors.py": "classes only",
    "alerts/*": "tests/alerts/",
    "cli/chart/*": "tests/cli/test_chart.py",
    "cli/*": "tests/cli/test_cli.py and tests/test_demo.py",
    "core/comparisons.py": "tests/core/test_lint.py",
    "core/metrics/*": "tests/core/test_metrics.py",
    "history/files.py": "tests/history/test_history_store.py",
    "journal/migrations/*": "tests/journal/test_database.py",
    "journal/proposals.py": "tests/journal/test_approvals.py",
    "journal/intents.py": "tests/journal/test_journal_store.py",
    "journal/alerts.py": "tests/alerts/test_queue.py",
    "journal/binding.py": "tests/journal/test_journal_store.py",
    "journal/usage.py": "tests/journal/test_journal_store.py",
    "journal/schema.py": "tests/journal/test_database.py",
    "journal/statements.py": "tests/journal/test_journal_store.py",
    "journal/store.py": "tests/journal/test_journal_store.py",
    "history/rows.py": "tests/history/test_history_rows.py",
    "history/store.py": "tests/history/test_history_store.py",
    "settings/alerts.py": "tests/settings/test_settings_alerts.py",
    "settings/kinds.py": "tests/settings/test_settings_load.py",
    "settings/load.py": "tests/settings/test_settings_load.py",
    "settings/model.py": "tests/settings/test_settings_load.py",
    "settings/scenario.py": "tests/cli/test_cli_rules.py",
    "settings/sections.py": "tests/settings/test_settings_load.py",
    "settings/show.py": "tests/settings/test_settings_show.py",
    "settings/venues.py": "tests/settings/test_settings_load.py",
    "venue/accounts.py": "tests/venue/test_live.py",
    "venue/asking.py": "tests/venue/test_protected.py",
    "venue/binance/*": "tests/venue/test_binance.py and tests/venue/test_conformance.py",
    "venue/dialect.py": "protocols only",
    "venue/due.py": "tests/venue/test_replay.py",
    "venue/doubts.py": "tests/venue/test_live.py and tests/venue/test_conformance.py",
    "venue/exchange.py": "tests/venue/test_conformance.py",
    "venue/opening.py": "tests/venue/test_conformance.py",
    "venue/session.py": "tests/venue/test_wire.py",
    "venue/bybit/*": "tests/venue/test_bybit.py and tests/venue/test_conformance.py",
    "venue/paper_account.py": "tests/venue/test_paper.py",
    "venue/protocol.py": "protocols only",
    "wiring/orphans.py": "tests/test_legs.py",
    "wiring/refusals.py": "tests/cli/test_cli_refusals.py",
    "wiring/words.py": "tests/test_legs.py",
    "wiring/*": "tests/test_wiring.py",
}


def name(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name):
                yield called.id
            elif isinstance(called, ast.Attribute):
                yield called.attr


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("path", CORE, ids=name)
def test_the_core_reads_no_clock_no_file_and_no_random_number(path: Path) -> None:
    tree = ast.parse(path.read_text())

    assert IMPURE_CALLS.isdisjoint(calls(tree))
    assert IMPURE_MODULES.isdisjoint(imported(tree))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    lines = [line.strip() for line in path.read_text().splitlines()]
    source = [line for line in lines if line and not line.startswith("#")]
    functions = [n for n in ast.walk(ast.parse(path.read_text()))
                 if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]  # fmt: skip

    assert len(source) <= SOURCE_LINES_MAX
    assert all((f.end_lineno or 0) - f.lineno < FUNCTION_LINES_MAX for f in functions)
    assert path.stem not in BANNED_NAMES


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_says_what_it_is_and_so_does_what_it_offers(path: Path) -> None:
    tree = ast.parse(path.read_text())
    offered = [
        n for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    registered = {n.name for n in offered if isinstance(n, ast.FunctionDef) and n.decorator_list}
    public = [n for n in offered if not n.name.startswith("_") and n.name not in registered]
    silent = [n.name for n in public if not ast.get_docstring(n)]

    assert ast.get_docstring(tree)
    if "migrations" not in path.parts and path.name not in ("sections.py", "venues.py"):
        assert silent == []


def test_every_module_has_its_tests() -> None:
    untested = []
    for path in MODULES:
        folders = path.relative_to(PACKAGE).parents
        told = {path.name, name(path), *(f"{folder}/*" for folder in folders)}
        mirrored = TESTS / path.relative_to(PACKAGE).with_name(f"test_{path.stem}.py")
        if told.isdisjoint(TESTED_BY) and not mirrored.exists():
            untested.append(name(path))

    assert untested == []


def test_two_places_catch_everything() -> None:
    """Handlers that let go of something and raise again catch nothing."""
    broad = [
        name(path)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
        and ast.unparse(node.body[-1]) != "raise"
    ]

    assert broad == ["service/loop.py", "venue/wire.py"]


def test_ratchets_stand_where_they_stood() -> None:
    text = "".join(path.read_text() for path in MODULES)

    assert text.count("# noqa") == 2
    assert text.count("# type: ignore") == 2
    assert text.count("# pragma: no cover") == 0
