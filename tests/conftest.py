"""
What every test stands on: no network beyond loopback, no settings from the environment; and the
demo, run once for all tests that look at it.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from decimal import localcontext
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from hedged.cli.app import app
from hedged.core.record import CycleRecord
from hedged.journal.store import Journal
from hedged.wiring import wall_clock

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--run-long", action="store_true", help="run the long campaigns too")


def pytest_configure() -> None:
    """What is printed is as wide as a pipe takes it, also in a worker, which has the runner's width."""
    os.environ.pop("COLUMNS", None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--run-long"):
        return
    for item in items:
        if "long" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="a long campaign; make test-long runs it"))


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def only_loopback(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOOPBACK:
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", only_loopback)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("HEDGED_")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _own_arithmetic() -> Iterator[None]:
    """ccxt, which some tests call themselves, sets how decimals round for all that comes after."""
    with localcontext():
        yield


@pytest.fixture(autouse=True)
def _silent_log() -> Iterator[None]:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """One run of the demo: its folder, and its summary."""
    folder = tmp_path_factory.mktemp("demo") / "hedged-demo"
    ran = CliRunner().invoke(app, ["demo", "--dir", str(folder), "--json"])
    assert ran.exit_code == 0, ran.output
    return folder, json.loads(ran.stdout)


@pytest.fixture(scope="session")
def demo_records(demo: tuple[Path, dict[str, Any]]) -> list[CycleRecord]:
    """Every record of the demo's journal."""
    folder, _ = demo
    with Journal.open_to_read(folder / "journal.sqlite", wall_clock) as journal:
        return [journal.record(row) for row in journal.row_ids()]


@pytest.fixture(scope="session")
def demo_told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a second run of the demo prints for a person."""
    folder = tmp_path_factory.mktemp("demo-told") / "hedged-demo"
    ran = CliRunner().invoke(app, ["demo", "--dir", str(folder)])
    assert ran.exit_code == 0, ran.output
    return ran.stdout
