"""
``rules lint``: what is doubtful about the rules, on recorded history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from hedged.cli import exits
from hedged.cli.rules import policies_of
from hedged.cli.show import console, print_json, settings_of
from hedged.core.lint import Finding, lint
from hedged.core.market import Holding
from hedged.core.metrics import measure
from hedged.core.policy import Policy
from hedged.core.rehearsal import rehearse
from hedged.history.watch import names_of
from hedged.service.ticks import Schedule
from hedged.venue.replay import ReplayMarket
from hedged.wiring import check_served, recorded_signal, rehearsed, stated_holdings

_COLOURS = {"error": "bold red", "warning": "yellow", "note": "dim"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixLinted:
    """The findings on a portfolio's rules, and the reviews they rest on."""

    portfolio: str
    cadence: str
    reviews: int
    first_review: datetime | None
    last_review: datetime | None
    findings: tuple[Finding, ...]


def lint_rules(config: list[Path], portfolio: str | None, *, json: bool) -> None:
    """Rehearse every review of the recorded history, and tell what is doubtful."""
    on = rehearsed(settings_of(config).settings)
    settings, market, schedule = on.settings, on.market, Schedule(on.settings.schedule)
    linted = [
        _linted(policy, stated_holdings(settings, policy.portfolio), market, schedule)
        for policy in policies_of(settings, portfolio)
    ]
    if json:
        print_json(linted)
    else:
        if on.source:
            console().print(f"[dim]on {escape(on.source)}[/]")
        for matrix in linted:
            _print(console(), matrix)
    if any(finding.severity == "error" for matrix in linted for finding in matrix.findings):
        raise SystemExit(exits.VERIFY)


def _linted(
    policy: Policy, holdings: tuple[Holding, ...], market: ReplayMarket, schedule: Schedule
) -> MatrixLinted:
    check_served(policy, market)
    history, _ = recorded_signal(market, policy, holdings)
    first = history.bars["open_time"][0] + market.step
    last = history.bars["open_time"][-1] + market.step
    measured = measure(history, names_of(policy), policy.signal, last)
    rehearsal = rehearse(
        policy.rules, measured, market.bar, reviews_of(schedule, first, last), policy.ratio
    )
    stamps = [review.at for review in rehearsal.reviews]
    return MatrixLinted(
        portfolio=policy.portfolio,
        cadence=schedule.review_name,
        reviews=len(stamps),
        first_review=stamps[0] if stamps else None,
        last_review=stamps[-1] if stamps else None,
        findings=lint(rehearsal),
    )


def reviews_of(schedule: Schedule, first: datetime, last: datetime) -> Sequence[datetime]:
    """Every review of the schedule from *first* to *last*."""
    found: list[datetime] = []
    at: datetime | None = schedule.review.get_next_fire_time(None, first)
    while at is not None and at <= last:
        found.append(at)
        at = schedule.review.get_next_fire_time(at, at + timedelta(microseconds=1))
    return found


def _print(out: Console, linted: MatrixLinted) -> None:
    span = "no review of the schedule lies in the recorded history"
    if linted.first_review and linted.last_review:
        span = (
            f"rehearsed on {linted.reviews} {linted.cadence} reviews, "
            f"{linted.first_review:%Y-%m-%d} to {linted.last_review:%Y-%m-%d}"
        )
    out.print(f"[bold]The rules of {linted.portfolio}[/], {span}")
    for finding in linted.findings:
        colour = _COLOURS[finding.severity]
        names = ", ".join(finding.rules)
        out.print(f"\n  [{colour}]{finding.severity}[/]  [bold]{escape(names)}[/]  ({finding.kind})")
        out.print(f"     {escape(finding.wrong)}")
        out.print(f"     [dim]seen:[/] {escape(finding.evidence)}")
        out.print(f"     [dim]fix:[/]  {escape(finding.fix)}")
    if not linted.findings:
        out.print("\n  nothing doubtful was found")
