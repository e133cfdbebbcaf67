"""``hedged stop``: what a person types, what is kept, and what passes make of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from commands import answer, written
from hedged.cli import exits

Told = Any


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The demo from its first day on; every run makes the pass that comes next."""
    return written(tmp_path / "demo" / "hedged.toml")


@pytest.fixture
def hedged(config: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    def run(*args: str, code: int = 0) -> Any:
        told = answer(monkeypatch, *args, "-c", config, "--json")
        assert told.code == code, told.out + told.err
        return told.json if told.out else told.err

    return run


def held(records: Any) -> list[float]:
    legs = records[-1]["record"]["thought"]["wanted"]["legs"]
    return [float(leg["held_contracts"]) for leg in legs]


def test_a_stop_before_the_first_run_says_what_is_missing(hedged: Told) -> None:
    assert "there is no journal" in hedged("stop", "halt", "demo", code=exits.JOURNAL)


def test_an_unknown_portfolio_is_named(hedged: Told) -> None:
    assert "there is no portfolio 'dmo'" in hedged("stop", "pause", "dmo", code=exits.SETTINGS)


def test_each_level_is_kept_shown_and_lifted(hedged: Told) -> None:
    hedged("run", "--once")
    for level, allows in (("pause", "reductions"), ("halt", "nothing"), ("unwind", "reductions")):
        made = hedged("stop", level, "demo", "--why", "a reason")
        (shown,) = hedged("status")["portfolios"]

        assert (made["allows"], made["by"], made["reason"]) == (
            allows,
            "operator",
            f"{level}: a reason",
        )
        assert shown["restrictions"] == [made]
        assert hedged("stop", "resume", "demo") == {"scope": "demo", "lifted": 1, "still": []}


def test_what_stands_on_everything_is_lifted_by_its_own_name(hedged: Told) -> None:
    hedged("run", "--once")
    hedged("stop", "halt", "all")
    lifted = hedged("stop", "resume", "demo")

    assert (lifted["lifted"], [one["scope"] for one in lifted["still"]]) == (0, ["all"])
    assert hedged("stop", "resume", "all")["lifted"] == 1


def test_an_unwinding_closes_the_hedge_of_the_demo_and_resuming_brings_it_back(hedged: Told) -> None:
    hedged("run", "--once")
    full = held(hedged("run", "--once"))
    hedged("stop", "unwind", "demo")
    seen = [held(hedged("run", "--once")) for _ in range(6)]
    hedged("stop", "resume", "demo")
    hedged("run", "--once")
    back = held(hedged("run", "--once"))

    assert all(before < 0 for before in full)
    for one, other in zip([full, *seen], seen, strict=False):
        assert all(a <= b <= 0 for a, b in zip(one, other, strict=True))
    assert seen[-1] == [0, 0]
    assert all(leg < 0 for leg in back)
    assert hedged("journal", "replay")["differences"] == []


@pytest.mark.parametrize(
    ("level", "said"),
    [("pause", "nothing grows"), ("halt", "nothing is sent"), ("unwind", "closed slice by slice")],
)
def test_what_a_level_does_is_said_with_what_lifts_it(
    config: Path, hedged: Told, monkeypatch: pytest.MonkeyPatch, level: str, said: str
) -> None:
    hedged("run", "--once")
    told = answer(monkeypatch, "stop", level, "demo", "-c", config)
    shown = answer(monkeypatch, "status", "-c", config)
    explained = answer(monkeypatch, "explain", "-c", config)

    assert said in told.out
    assert f"hedged stop resume demo -c {config} lifts it" in " ".join(told.out.split())
    assert f"by operator: {level}" in " ".join(shown.out.split())
    assert "liquidates" in shown.out
    assert "Margin of paper: equity" in explained.out
