"""``hedged rules ...`` and the settings it reads, for the tests of its commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands import Config, Hedged, answer, written


@pytest.fixture
def hedged(monkeypatch: pytest.MonkeyPatch) -> Hedged:
    """``hedged rules ...`` in this process, from `main` to its exit code."""
    return lambda *args: answer(monkeypatch, "rules", *args)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The shipped demo's settings in a folder of their own, with other rules if any are given."""
    return lambda *rules, **changed: written(tmp_path / "own" / "demo.toml", *rules, **changed)
