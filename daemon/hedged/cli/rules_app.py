"""
The commands of ``rules`` and their arguments: one checks, draws or counts what rules say.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hedged.cli.arguments import Config, Json, Portfolio

rules_app = typer.Typer(
    help="What rules may say, and what yours would have done.", no_args_is_help=True
)


@rules_app.command("metrics", short_help="Print every metric that a rule may name.")
def rules_metrics(
    json: Json = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the table of config/README.md.")
    ] = False,
) -> None:
    """
    Print every metric a rule may name: unit, formula, warm-up, section of the source.

    Example: hedged rules metrics
    """
    from hedged.cli.rules import show_metrics

    show_metrics(json=json, markdown=markdown)


@rules_app.command("test", short_help="Print every rule's verdict on a date.")
def rules_test(
    at: Annotated[str, typer.Option("--at", metavar="DATE", help="A day, such as 2022-06-13.")],
    config: Config = None,
    portfolio: Portfolio = None,
    goal: Annotated[
        str | None,
        typer.Option("--goal", metavar="RATIO", help="The goal before. Default: initial_ratio, or 0."),
    ] = None,
    json: Json = False,
) -> None:
    """
    Print every rule's verdict on the last bar closed by 00:00 UTC of a date, with its figures, and
    what it would do to the goal. Reads recorded history, writes nothing.

    Example: hedged rules test --at 2022-06-13 -c hedged.toml
    """
    from hedged.cli.rules import show_verdicts

    show_verdicts(config or [], at, portfolio, goal, json=json)


@rules_app.command("chart", short_help="Draw a decision: prices, lines, rules, goal.")
def rules_chart(
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="DATE", help="A day, such as 2022-06-13. Default: the last."),
    ] = None,
    days: Annotated[
        int, typer.Option("--days", metavar="N", min=2, max=36_500, help="How many days to show.")
    ] = 250,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Where the picture goes; overwritten.")
    ] = Path("chart.html"),
    config: Config = None,
    portfolio: Portfolio = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the picture's figures instead of drawing it.")
    ] = False,
) -> None:
    """
    Draw what the rules saw on the last bar closed by 00:00 UTC of a date: candles, averages, levels
    and trendlines as they stood, every firing before it, and the goal, from the start of the run
    (venue.start) on. The page opens offline.

    Example: hedged rules chart --at 2022-08-22 --out august.html -c hedged.toml
    """
    from hedged.cli.chart.command import draw_chart

    draw_chart(config or [], at, days, out, portfolio, json=json)


@rules_app.command("lint", short_help="Find what is doubtful about the rules.")
def rules_lint(config: Config = None, portfolio: Portfolio = None, json: Json = False) -> None:
    """
    Find rules that undo or shadow each other, that never fire, and units that look wrong, each with
    the evidence of recorded history. Leaves with 5 when there is an error.

    Example: hedged rules lint -c hedged.toml
    """
    from hedged.cli.lint import lint_rules

    lint_rules(config or [], portfolio, json=json)


@rules_app.command("scenario", short_help="Count a scenario of phases through.")
def rules_scenario(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A scenario, in TOML.")],
    json: Json = False,
) -> None:
    """
    Count a scenario through, phase by phase: goal, contracts, notionals, profit and loss.

    Example: hedged rules scenario config/scenarios/alex.toml
    """
    from hedged.cli.scenario import show_scenario

    show_scenario(file, json=json)
