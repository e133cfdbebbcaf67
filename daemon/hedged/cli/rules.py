"""
``rules metrics`` and ``rules test``: the vocabulary, and what the rules say of one date.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import groupby
from pathlib import Path
from typing import Literal

import polars as pl
import typer
from rich.markup import escape

from hedged.cli.show import (
    VERDICT,
    console,
    figure,
    indented,
    midnight,
    print_json,
    settings_of,
)
from hedged.core.market import Holding
from hedged.core.metrics import Family, History, MetricRow, bar_seconds, measure, row_at, vocabulary
from hedged.core.metrics.history import last_close_time
from hedged.core.policy import Policy
from hedged.core.rules import evaluate
from hedged.core.wording import percent
from hedged.errors import SettingsError, VenueUnavailable
from hedged.history.watch import names_of
from hedged.settings.model import Settings
from hedged.settings.policies import policy_of
from hedged.venue.replay import ReplayMarket
from hedged.wiring import check_served, recorded_signal, rehearsed, stated_holdings


def metrics_markdown() -> str:
    """The vocabulary as the table that stands in config/README.md."""
    lines = ["| metric | unit | formula | warm-up, bars | section |", "|---|---|---|---|---|"]
    for f in vocabulary():
        formula = f.formula.replace("|", "\\|")
        lines.append(f"| `{f.name}` | {f.unit} | {formula} | {f.warm_up} | {f.section} |")
    return "\n".join(lines)


# The article's sections that metrics come from, in fewer words.
_SECTIONS = {
    "2.3": "the size of the hedge",
    "3.1": "basis, contango and backwardation",
    "3.2": "price action",
    "3.3": "trends and trendlines",
    "4.1": "open interest",
    "4.2": "funding",
    "5.1": "hedge triggers",
    "5.3": "rolling",
    "6": "the example",
}


def _section(family: Family) -> str:
    return family.section


def show_metrics(*, json: bool, markdown: bool) -> None:
    """Every metric a rule may name; n is a number of bars of ``signal.bar``, 1 to 2000."""
    families = vocabulary()
    if markdown:
        print(metrics_markdown())
        return
    if json:
        print_json(
            [
                {
                    "name": f.name,
                    "kind": f.kind,
                    "unit": f.unit,
                    "formula": f.formula,
                    "warm_up_bars": f.warm_up,
                    "section": f.section,
                    "needs": sorted(f.needs),
                }
                for f in families
            ]
        )
        return
    out = console()
    out.print(
        f"{len(families)} metrics, by section of the article. The value at a bar uses that bar and "
        "earlier ones only."
    )
    for section, its in groupby(sorted(families, key=_section), key=_section):
        heading = f"Section {section}: {_SECTIONS.get(section, 'other metrics')}"
        out.print(f"\n[bold underline]{escape(heading)}[/]\n")
        for family in its:
            out.print(f"[bold]{family.name}[/]  [dim]{family.unit}[/]")
            indented(out, escape(family.formula), 4)
            indented(out, f"[dim]warm-up in bars: {escape(family.warm_up)}[/]", 4)
    out.print(
        "\nn is a number of bars of signal.bar: write sma_50, not sma_n. A metric without a value is "
        "unknown,\nand an unknown condition is neither true nor false. A condition compares metrics "
        'and numbers:\n\n    when = "close < sma_50 and funding_rate < 0"',
        style="dim",
    )


GoalFrom = Literal["--goal", "initial_ratio", "nothing held"]
_GOAL_FROM: dict[GoalFrom, str] = {
    "--goal": "--goal",
    "initial_ratio": "initial_ratio; give another with --goal",
    "nothing held": "nothing held, for initial_ratio is not set; give another with --goal",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTested:
    """One rule on one date; *would_set* is what it would make of the goal, were it to fire."""

    rule: str
    when: str
    action: str
    fires: str
    value: bool | None
    figures: dict[str, float | bool | None]
    would_set: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixTested:
    """
    All rules of a portfolio on the last bar that had closed by *until*.

    *goal_from* says where the goal before comes from: no run is read, so it is not the one held then.
    """

    portfolio: str
    until: datetime
    symbol: str
    bar_close: datetime
    goal_ratio: Decimal
    goal_from: GoalFrom
    rules: tuple[RuleTested, ...]
    notes: tuple[str, ...]


def show_verdicts(
    config: list[Path], at: str, portfolio: str | None, goal: str | None, *, json: bool
) -> None:
    """Every rule's verdict on the last bar closed by 00:00 UTC of *at*, from recorded history."""
    until, ratio = midnight(at, "--at"), _ratio(goal)
    on = rehearsed(settings_of(config).settings)
    tested = [
        _tested(policy, stated_holdings(on.settings, policy.portfolio), on.market, until, ratio)
        for policy in policies_of(on.settings, portfolio)
    ]
    if json:
        print_json(tested)
        return
    if on.source:
        console().print(f"[dim]on {escape(on.source)}[/]")
    for matrix in tested:
        _print_tested(matrix)


def policies_of(settings: Settings, portfolio: str | None) -> Iterator[Policy]:
    """The policies of all portfolios, or of the one named. Raises `SettingsError` for another."""
    known = {known.name: known for known in settings.portfolio}
    if portfolio is not None and portfolio not in known:
        raise SettingsError(f"there is no portfolio {portfolio!r}; there are {', '.join(known)}")
    for name in [portfolio] if portfolio is not None else known:
        yield policy_of(settings, known[name])


def _ratio(goal: str | None) -> Decimal | None:
    if goal is None:
        return None
    try:
        ratio = Decimal(goal)
    except InvalidOperation:
        ratio = Decimal("NaN")
    if not (ratio.is_finite() and 0 <= ratio <= 1):
        raise typer.BadParameter(
            f"{goal!r} is no goal; write a ratio from 0 to 1, such as 0.20", param_hint="--goal"
        )
    return ratio


def _tested(
    policy: Policy,
    holdings: tuple[Holding, ...],
    market: ReplayMarket,
    until: datetime,
    goal: Decimal | None,
) -> MatrixTested:
    check_served(policy, market)
    row = _row(policy, holdings, market, until)
    start, goal_from = _start(policy, goal)
    verdicts = evaluate(policy.rules, row)
    return MatrixTested(
        portfolio=policy.portfolio,
        until=until,
        symbol=row.symbol,
        bar_close=row.bar_close,
        goal_ratio=start,
        goal_from=goal_from,
        rules=tuple(
            RuleTested(
                rule=rule.name,
                when=rule.when,
                action=str(rule.action),
                fires=rule.fires,
                value=verdict.value,
                figures=verdict.figures,
                would_set=policy.ratio.clamp(rule.action.applied(start)),
            )
            for rule, verdict in zip(policy.rules, verdicts, strict=True)
        ),
        notes=row.notes,
    )


def _start(policy: Policy, goal: Decimal | None) -> tuple[Decimal, GoalFrom]:
    """The goal that the rules find, inside its bounds, and where it comes from."""
    initial = policy.ratio.initial_ratio
    if goal is not None:
        return policy.ratio.clamp(goal), "--goal"
    if initial is not None:
        return policy.ratio.clamp(initial), "initial_ratio"
    return policy.ratio.clamp(Decimal(0)), "nothing held"


def _row(
    policy: Policy, holdings: tuple[Holding, ...], market: ReplayMarket, until: datetime
) -> MetricRow:
    """The metric row at *until*. Raises `VenueUnavailable` where no bar of history closed then."""
    # An index that one coin leaves unknown then ends before: what is recorded goes on.
    check_covered(recorded_signal(market, policy, holdings)[0], until)
    history, refused = recorded_signal(market, policy, holdings, until)
    measured = measure(history, names_of(policy), policy.signal, until)
    return row_at(measured, policy.signal.name, (*refused, *missing_last(measured)))


def missing_last(measured: pl.DataFrame) -> tuple[str, ...]:
    """A note when the bar to be judged is missing: its metrics are all unknown."""
    if measured["close"][-1] is not None:
        return ()
    return (f"the bar that closed {measured['close_time'][-1]:%Y-%m-%d %H:%M} UTC is missing",)


def check_covered(history: History, until: datetime) -> None:
    """Raise `VenueUnavailable` where no bar of *history* closed at *until*, or last before it."""
    step, opens = timedelta(seconds=bar_seconds(history.bar)), history.bars["open_time"]
    first, last = opens[0] + step, opens[-1] + step
    if not first <= last_close_time(history.bar, until) <= last:
        raise VenueUnavailable(
            f"--at {until:%Y-%m-%d} is outside the recorded history of {history.symbol}, whose "
            f"{history.bar} bars close from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
        )


def _print_tested(tested: MatrixTested) -> None:
    out = console()
    out.print(
        f"[bold]The rules of {tested.portfolio} on {tested.until:%A %Y-%m-%d}[/], judged on the bar of "
        f"{tested.symbol} that closed {tested.bar_close:%Y-%m-%d %H:%M} UTC, for a goal of "
        f"{percent(tested.goal_ratio)} ({_GOAL_FROM[tested.goal_from]})"
    )
    for note in tested.notes:
        out.print(f"[yellow]data:[/] {escape(note)}")
    for place, rule in enumerate(tested.rules, start=1):
        stays = rule.would_set == tested.goal_ratio
        goal = "would leave the goal as it is" if stays else f"would set {percent(rule.would_set)}"
        figures = ", ".join(f"{name} = {figure(value)}" for name, value in rule.figures.items())
        out.print(f"\n  {place}. [bold]{escape(rule.rule)}[/]: {VERDICT[rule.value]}")
        out.print(f"     when {escape(rule.when)}: {rule.action}, {goal}")
        out.print(f"     [dim]{figures}[/]")
    out.print(
        "\nA verdict alone does not fire: a rule fires when it turns true (or at every review, with\n"
        'fires = "while"), and the first that fires decides.',
        style="dim",
    )
