"""
config/the-article.md: every line below a command is printed by it, every figure is counted again. Pages
that name tests name those that exist.
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from builders import contract, d, holding, policy, position, quote, snapshot
from hedged.cli.app import app
from hedged.core.account import attribute, state_of
from hedged.core.exposure import ExposurePolicy, expose
from hedged.core.market import Snapshot
from hedged.core.record import CycleRecord
from hedged.core.scenario import account_of
from hedged.core.sizing import size
from hedged.core.target import RatioMemory
from hedged.settings.scenario import load_scenario
from stories import always, story_of

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "config" / "the-article.md"
DEMO = ROOT / "daemon" / "hedged" / "demo_data" / "demo.toml"


def flat(text: str) -> str:
    """*text* with every run of white space as one space."""
    return " ".join(text.split())


TEXT = flat(PAGE.read_text())


def shown() -> list[tuple[str, list[str]]]:
    """Every command of the page, with the lines that stand below it."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            if line.startswith("$ hedged "):
                found.append((line.removeprefix("$ hedged "), []))
            else:
                found[-1][1].append(flat(line))
    return found


def test_the_page_shows_what_it_promises() -> None:
    commands = {command for command, _ in shown()}

    assert "rules scenario config/scenarios/alex.toml" in commands
    assert "rules lint -c hedged-demo/hedged.toml" in commands
    assert all(lines for _, lines in shown())


@pytest.mark.parametrize(
    ("command", "lines"), [c for c in shown() if c[0] != "demo"], ids=lambda value: str(value)[:40]
)
def test_a_command_prints_the_lines_below_it(
    command: str,
    lines: list[str],
    demo: tuple[Path, dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, _ = demo
    if command.startswith("plan"):
        monkeypatch.setenv("HEDGED__SERVICE__STATE_DIR", str(tmp_path))
    here = {"config/": f"{ROOT}/config/", "hedged-demo/": f"{folder}/"}
    for written, meant in here.items():
        command = command.replace(f" {written}", f" {meant}")

    ran = CliRunner().invoke(app, command.split())

    assert ran.exit_code == 0, ran.output
    for line in lines:
        assert line in flat(ran.stdout)


def test_the_demo_prints_the_lines_below_it(demo_told: str) -> None:
    lines = [line for command, below in shown() if command == "demo" for line in below]

    assert len(lines) == 6
    for line in lines:
        assert line in flat(demo_told)


def test_a_contract_that_can_be_split_leaves_nothing_over(tmp_path: Path) -> None:
    text = (ROOT / "config" / "scenarios" / "whole-lots.toml").read_text()
    split = tmp_path / "split.toml"
    split.write_text(text.replace("lot = 1\n", "lot = 0.01\n"))

    (outcome,) = account_of(load_scenario(split)).ours

    assert (outcome.contracts, outcome.residual_notional) == (Decimal("1.25"), 0)


@pytest.mark.parametrize(("curve", "future"), [("contango", 2040), ("backwardation", 1960)])
def test_the_table_of_the_roll_has_the_sign_of_the_account_identity(curve: str, future: int) -> None:
    row = next(line for line in PAGE.read_text().splitlines() if line.startswith(f"| {curve} |"))
    told = [cell.strip() for cell in row.strip("|").split("|")]
    earned = {}
    for side, contracts in (("short", "-1.25"), ("long", "1.25")):
        earned[side] = basis_earned(contracts, future)

    assert abs(earned["short"]) == d("0.02") * 250_000
    assert told == [
        curve,
        f"{future:,}",
        f"{future - 2000:+,}",
        "0",
        f"{earned['short']:+,.0f}",
        f"{earned['long']:+,.0f}",
    ]


def test_half_of_a_portfolio_with_cash_is_half_of_its_coins() -> None:
    coins, cash = holding(quantity=1, mark=350_000), holding("USDT", 150_000, mark=1)
    seen = snapshot(holdings=(coins, cash), quotes=(quote(mark=2000),))
    exposure = expose(seen, ExposurePolicy(cash=frozenset({"USDT"})))
    half = RatioMemory(goal_ratio=d("0.5"), target_ratio=d("0.5"))

    wanted = size(half, exposure, seen, policy().legs)

    assert wanted is not None
    assert f"30% in cash is a short of ${wanted.target_notional:,.0f}, not of $250,000" in TEXT


def test_what_lifting_cost_and_spared_is_that_of_the_demos_fills(
    demo_records: list[CycleRecord],
) -> None:
    missed = lifted(demo_records, "2022-02-14", days=7)
    spared = -lifted(demo_records, "2022-03-21", days=7)
    missed_most = lifted(demo_records, "2022-10-31", days=14)
    recovery = next(r for r in demo_records if f"{r.inputs.now:%Y-%m-%d}" == "2022-10-31")
    judged = recovery.thought.judgement

    assert judged is not None
    points = f"{100 * (judged.goal_before - judged.goal_ratio):.0f} points"
    assert f'On 2022-10-31 "{mover(recovery)}" lifted {points};' in TEXT
    assert f"it would have lost another {spared:,.0f}." in TEXT
    assert f"what was bought back would have earned {missed:,.0f}." in TEXT
    assert f"they would have earned {missed_most:,.0f}." in TEXT


def test_the_funding_of_row_3_is_that_of_its_hedge(demo_records: list[CycleRecord]) -> None:
    paid = received = Decimal(0)
    setter = None
    for record in demo_records:
        amounts = [payment.amount for payment in record.inputs.snapshot.funding_payments]
        if setter == "high risk":
            paid -= sum(a for a in amounts if a < 0)
            received += sum(a for a in amounts if a > 0)
        setter = mover(record) or setter
    dearest = min(demo_records, key=lambda record: record.thought.attribution.funding)

    assert f"{paid:,.0f} was paid and {received:,.0f} received" in TEXT
    assert f"the dearest day, {dearest.inputs.now:%Y-%m-%d}, on a hedge that row 3 had set" in TEXT
    assert demo_records.index(dearest) + 1 == 494
    assert [mover(r) for r in demo_records[:494] if mover(r)][-1] == "high risk"


def test_the_row_that_lowers_at_resistance_did_so_as_often_as_told(
    demo_records: list[CycleRecord],
) -> None:
    lowered = [record for record in demo_records if mover(record) == "mild caution"]

    assert f"That row lowered its hedge {len(lowered)} times" in TEXT


def test_the_worth_of_the_matrix_is_the_demos(
    demo: tuple[Path, dict[str, Any]], demo_records: list[CycleRecord]
) -> None:
    _, summary = demo
    fell = [f"{Decimal(summary[way]['drawdown']):.2%}" for way in ("unhedged", "hedged")]
    held = [record.thought.wanted.held_ratio or 0 for record in demo_records if record.thought.wanted]

    assert f"drawdown from {' to '.join(fell)}." in TEXT
    assert f"Its mean hedge was {sum(held) / len(held):.0%} of the exposure" in TEXT
    assert f"instead of {summary['changes']}." in TEXT


@pytest.mark.long
def test_the_mean_hedge_held_throughout_comes_out_as_told(tmp_path: Path) -> None:
    story = story_of(DEMO, always("0.40"), tmp_path)
    values = [value for _, value in story.hedged]
    drawdown = min(value / max(values[: k + 1]) - 1 for k, value in enumerate(values))

    assert f"taken it to {drawdown:.0%}, with {len(story.changes)} changes" in TEXT


def basis_earned(contracts: str, future: int) -> Decimal:
    """Basis P&L, by the account identity, of a position whose *future* meets an index of 2,000."""

    def seen(mark: int) -> Snapshot:
        return snapshot(
            instruments=(contract(contract_multiplier=d(100)),),
            quotes=(quote(mark=mark, index_price=d(2000)),),
            positions=(position(contracts, entry=future),),
        )

    return attribute(state_of(seen(future)), seen(2000)).basis_pnl


def lifted(records: list[CycleRecord], day: str, *, days: int) -> Decimal:
    """What the contracts bought back on *day* would have earned short, *days* later at the mark."""
    at = next(record for record in records if f"{record.inputs.now:%Y-%m-%d}" == day)
    later = next(r for r in records if r.inputs.now == at.inputs.now + timedelta(days=days))
    marks = {quote.symbol: quote.mark_price for quote in later.inputs.snapshot.quotes}
    assert all(outcome.side == "buy" for outcome in at.outcomes)
    return sum(
        (o.filled * (o.fill_price - marks[o.symbol]) for o in at.outcomes if o.fill_price), Decimal(0)
    )


def mover(record: CycleRecord) -> str | None:
    """The rule that moved the goal in this pass."""
    judged = record.thought.judgement
    return judged.decider if judged and judged.goal_ratio != judged.goal_before else None


@pytest.mark.parametrize("page", ["daemon/README.md", "tests/README.md"])
def test_every_test_that_a_page_names_exists(page: str) -> None:
    text = (ROOT / page).read_text()
    named = set(re.findall(r"`(test_\w+)`", text)) | set(re.findall(r"`([\w/]*test_\w+\.py)`", text))
    tests = [path.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")]
    found = (re.findall(r"def (test_\w+)\(", (ROOT / "tests" / path).read_text()) for path in tests)
    known = {name for names in found for name in names}
    known |= {str(path) for path in tests}

    assert named
    assert named <= known
