"""``hedged status --healthy``: one line and an exit code, for what watches from outside."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from builders import MONDAY
from commands import answer, written
from fakes import FakeClock
from hedged.cli.health import health_of
from hedged.core.record import Tick
from hedged.journal.store import Journal
from hedged.settings.load import load
from passes import passed

MINUTE = timedelta(minutes=1)
NOW = MONDAY + 5 * MINUTE
TEXT = """
[service]
state_dir = "state"
pass_time_max = "3m"
[venue]
data = "history"
clock = "wall"
[paper]
collateral = 1000
[hedge]
legs = [{ symbol = "BTC/USDT:USDT" }]
initial_ratio = 0.20
[[portfolio]]
name = "main"
account = "paper"
holding = [{ asset = "BTC", quantity = 1 }]
[[portfolio]]
name = "other"
account = "second"
holding = [{ asset = "BTC", quantity = 1 }]
[[instrument]]
symbol = "BTC/USDT:USDT"
lot = 0.001
tick = 0.1
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "hedged.toml"
    file.write_text(TEXT)
    return file


@pytest.fixture
def journal(config: Path) -> Iterator[Journal]:
    """Both portfolios were reviewed."""
    path = config.parent / "state" / "journal.sqlite"
    made = Journal.open_for(path, "paper", ("paper", "second"), FakeClock())
    for portfolio in ("main", "other"):
        tick = Tick(kind="review", cadence="weekly", scheduled_at=MONDAY)
        passed(made, tick, NOW, portfolio)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("minutes", "healthy"), [(0, True), (4, True), (8.9, True), (9.1, False), (1e5, False), (-60, True)]
)
def test_it_is_healthy_until_a_pass_is_later_than_it_may_take(
    config: Path, journal: Journal, minutes: float, healthy: bool
) -> None:
    """The next pass is due 5 minutes after the last, may take 3, and may begin 1 late."""
    found = health_of(load([config], {}).settings, NOW + timedelta(minutes=minutes))

    assert found.healthy is healthy


def test_every_portfolio_counts(config: Path, journal: Journal) -> None:
    later = NOW + 60 * MINUTE
    passed(journal, Tick(kind="guard", cadence="guard", scheduled_at=later - 5 * MINUTE), later, "main")
    found = health_of(load([config], {}).settings, later)

    assert not found.healthy
    assert found.said == "other has made no pass since 2024-01-01 00:05:00 UTC"


def test_an_overdue_pass_is_one_line_and_1(
    config: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = answer(monkeypatch, "status", "--healthy", "-c", config)
    told = answer(monkeypatch, "status", "--healthy", "--json", "-c", config)

    assert (found.code, told.code) == (1, 1)
    assert found.out.splitlines() == [
        "unhealthy: main has made no pass since 2024-01-01 00:05:00 UTC; "
        "other has made no pass since 2024-01-01 00:05:00 UTC"
    ]
    assert told.json["healthy"] is False


def test_before_the_first_run_it_is_not_healthy(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = answer(monkeypatch, "status", "--healthy", "-c", config)

    assert found.code == 1
    assert found.out.startswith("unhealthy: there is no journal at ")
    assert not (config.parent / "state").exists()


def test_a_portfolio_without_a_pass_is_not_healthy(config: Path) -> None:
    path = config.parent / "state" / "journal.sqlite"
    Journal.open_for(path, "paper", ("paper", "second"), FakeClock()).close()
    found = health_of(load([config], {}).settings, NOW)

    assert (found.healthy, found.said) == (
        False, "main has made no pass yet; other has made no pass yet"
    )  # fmt: skip


def test_a_damaged_journal_is_not_healthy(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (config.parent / "state").mkdir()
    (config.parent / "state" / "journal.sqlite").write_bytes(b"SQLite format 3\0" + bytes(5000))

    assert answer(monkeypatch, "status", "--healthy", "-c", config).code == 1


def test_settings_that_can_not_be_used_have_their_own_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert answer(monkeypatch, "status", "--healthy", "-c", tmp_path / "none.toml").code == 3


def test_a_walk_through_history_is_never_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path / "own" / "demo.toml")
    assert answer(monkeypatch, "run", "--once", "-c", file).code == 0
    found = answer(monkeypatch, "status", "--healthy", "-c", file)

    assert (found.code, found.out) == (0, "healthy: 1 records of a history that is walked\n")
