"""The demo: hedged's main job on real history, told and accounted for to the cent."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from hedged.cli.app import app
from hedged.core.record import CycleRecord, decode_record
from hedged.journal.store import Journal

CENT = Decimal("0.01")


def journal(folder: Path) -> Journal:
    return Journal.open_to_read(folder / "journal.sqlite", lambda: datetime(2023, 1, 1, tzinfo=UTC))


def test_it_reviews_every_week_and_guards_every_other_day(demo: tuple[Path, dict[str, Any]]) -> None:
    _, summary = demo

    assert summary["reviews"] == 86
    assert summary["passes"] == 601


def test_the_account_identity_holds_to_the_cent(demo: tuple[Path, dict[str, Any]]) -> None:
    _, summary = demo
    terms = {name: Decimal(text) for name, text in summary["totals"].items()}
    explained = (
        terms["hedge_pnl"] + terms["basis_pnl"] + terms["funding"] - terms["fees"] - terms["slippage"]
    )

    assert abs(Decimal(summary["equity"]) - Decimal(summary["collateral"]) - explained) < CENT / 100
    assert abs(terms["unexplained"]) < CENT / 100
    assert terms["basis_pnl"] == 0  # no index is recorded for these years
    assert abs(Decimal(summary["collateral"]) - 400_000) < CENT / 100


def test_the_portfolio_is_a_million_at_first_and_falls_less_than_unhedged(
    demo: tuple[Path, dict[str, Any]],
) -> None:
    _, summary = demo

    assert abs(Decimal(summary["unhedged"]["first"]) - 1_000_000) < 1
    assert Decimal(summary["hedged"]["drawdown"]) > Decimal(summary["unhedged"]["drawdown"])
    assert summary["hedged"]["volatility"] < summary["unhedged"]["volatility"]


def test_each_kind_of_row_but_the_bullish_one_fires_in_these_years(
    demo: tuple[Path, dict[str, Any]],
) -> None:
    folder, _ = demo
    opened = journal(folder)
    reviews = [opened.record(row) for row in opened.row_ids(kind="review")]
    deciders = {r.thought.judgement.decider for r in reviews if r.thought.judgement}
    opened.close()

    assert {"high risk", "moderate risk", "mild caution"} < deciders
    assert "bullish confirmation" not in deciders  # no close above the high came with the volume


def test_the_hedge_never_passes_its_target_by_more_than_the_band(
    demo: tuple[Path, dict[str, Any]],
) -> None:
    folder, _ = demo
    opened = journal(folder)
    records = [decode_record(opened.body(row)) for row in opened.row_ids()]
    opened.close()

    for before, after in pairwise(records):
        wanted = after.thought.wanted
        assert wanted is not None
        assert wanted.held_ratio is not None
        if not before.outcomes:
            assert not before.thought.drift.due
        assert wanted.held_ratio <= Decimal("0.90")


def test_starting_over_gives_the_same_journal_to_the_byte(
    demo: tuple[Path, dict[str, Any]], demo_told: str
) -> None:
    _, summary = demo

    assert f"head {summary['head']}\n" in demo_told


def test_what_was_paid_at_negative_rates_is_told_beside_what_was_received(
    demo: tuple[Path, dict[str, Any]], demo_records: list[CycleRecord]
) -> None:
    _, summary = demo
    amounts = [p.amount for r in demo_records for p in r.inputs.snapshot.funding_payments]
    paid, received = (sum(a for a in amounts if (a < 0) is under) for under in (True, False))

    assert Decimal(summary["funding_paid"]) == paid < 0
    assert abs(received + paid - Decimal(summary["totals"]["funding"])) < CENT / 100


def test_it_refuses_a_folder_that_is_not_a_demos(tmp_path: Path) -> None:
    (tmp_path / "wallet.dat").write_text("mine")
    ran = CliRunner().invoke(app, ["demo", "--dir", str(tmp_path)])

    assert "holds more than a demo" in str(ran.exception)
    assert (tmp_path / "wallet.dat").read_text() == "mine"


def test_it_leaves_settings_and_a_journal_for_the_next_commands(
    demo: tuple[Path, dict[str, Any]],
) -> None:
    _, summary = demo

    assert Path(summary["settings"]).exists()
    assert Path(summary["journal"]).exists()
