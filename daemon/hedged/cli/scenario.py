"""
``rules scenario``: a story of phases counted through, ours beside the source's own way.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from hedged.cli.show import console, print_json, table
from hedged.core.scenario import Account, Discrepancy, PhaseOutcome, Scenario, account_of
from hedged.core.wording import contracts, money, percent
from hedged.settings.scenario import load_scenario


def show_scenario(file: Path, *, json: bool) -> None:
    """Every phase of *file*: goal, contracts, notional at entry and at market, and both P&L."""
    scenario = load_scenario(file)
    account = account_of(scenario)
    if json:
        print_json({"scenario": scenario, "account": account})
        return
    out = console()
    _headline(out, scenario)
    _phases(out, account.ours)
    for discrepancy in account.told:
        _both_ways(out, account, discrepancy)
    if account.sized_with_realised_beta is not None:
        _resized(out, scenario, account.ours, account.sized_with_realised_beta)


def _headline(out: Console, scenario: Scenario) -> None:
    point = scenario.contract_multiplier
    out.print(
        f"[bold]{escape(scenario.name)}[/]: a portfolio of {_round(scenario.portfolio_value)}, an "
        f"index at {_round(scenario.index_price)}; a contract is {_round(point)} a point, "
        f"{_round(scenario.index_price * point)} at the start.\n"
        f"The hedge is sized with beta {contracts(scenario.sizing_beta)}, the portfolio moves by "
        f"{contracts(scenario.realised_beta)} times the index.\n"
        "Nothing is rebalanced between the phases. The future is taken at its index: neither basis\n"
        "nor funding is counted."
    )


def _phases(out: Console, outcomes: tuple[PhaseOutcome, ...]) -> None:
    made = table(
        "phase", ">goal", ">contracts", ">at entry", ">market", ">ratio", ">spot P&L", ">short P&L",
        title="\nThe short after each phase, and what the phase brought",
    )  # fmt: skip
    for outcome in outcomes:
        made.add_row(
            escape(outcome.phase),
            percent(outcome.goal_ratio),
            contracts(outcome.contracts),
            _round(outcome.notional_at_entry),
            _round(outcome.notional_at_market),
            percent(outcome.ratio_at_market),
            _round(outcome.spot_pnl),
            _round(outcome.short_pnl),
        )
    out.print(made)
    out.print(
        "[dim]at entry: the contracts at the price they were sold at; market: at the index now;\n"
        "ratio: market over the exposure.[/]"
    )
    for outcome in outcomes:
        said = "; ".join((f"portfolio {_round(outcome.portfolio_value)}", *outcome.remarks))
        out.print(f"[dim]{escape(outcome.phase)}: {escape(said)}[/]")
        if outcome.residual_notional:
            out.print(f"[dim]    rounding to lots leaves {_round(outcome.residual_notional)}[/]")


def _both_ways(out: Console, account: Account, found: Discrepancy) -> None:
    ours = next(outcome for outcome in account.ours if outcome.phase == found.phase)
    made = table(
        "way", ">contracts", ">at entry", ">at market", ">of exposure",
        title=f"\n{escape(found.phase)}, both ways",
    )  # fmt: skip
    for label, outcome in (
        ("ours, at the market", ours),
        ("the article's, at entry", found.told),
    ):
        made.add_row(
            label,
            contracts(outcome.contracts),
            _round(outcome.notional_at_entry),
            _round(outcome.notional_at_market),
            f"{100 * outcome.ratio_at_market:.1f}%",
        )
    out.print(made)
    claim, left = percent(found.claimed_ratio), f"{100 * found.told.ratio_at_market:.1f}%"
    if abs(found.claimed_ratio - found.told.ratio_at_market) >= Decimal("0.001"):
        out.print(
            f"[bold red]error in the article:[/] it claims that {claim} stay hedged, and its own trade "
            f"leaves {left};\n{claim} would be {contracts(found.claimed_contracts)} contracts."
        )


def _resized(
    out: Console, scenario: Scenario, ours: tuple[PhaseOutcome, ...], resized: tuple[PhaseOutcome, ...]
) -> None:
    beta = contracts(scenario.realised_beta)
    made = table(
        "phase", ">short", f">with beta {beta}", ">P&L spot", ">P&L short", f">with beta {beta}",
        title=f"\nHad the hedge been sized with the beta that came true, {beta}: the short at entry",
    )  # fmt: skip
    for was, would in zip(ours, resized, strict=True):
        made.add_row(
            escape(was.phase),
            _round(was.notional_at_entry),
            _round(would.notional_at_entry),
            _round(was.spot_pnl),
            _round(was.short_pnl),
            _round(would.short_pnl),
        )
    out.print(made)


def _round(value: Decimal) -> str:
    """Money without cents where there are none: 262500.00 is ``262,500``."""
    return money(value).removesuffix(".00")
