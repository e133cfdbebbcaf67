"""
The commands at the top and their arguments; those of a group stand in its own file, ``<group>_app``.

Each imports what it needs when it runs, so that ``--help`` is quick and nothing that needs no exchange
imports one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from hedged.cli import exits
from hedged.cli.alerts_app import alerts_app
from hedged.cli.arguments import Config, Json, Portfolio
from hedged.cli.config_app import config_app
from hedged.cli.journal_app import journal_app
from hedged.cli.market_app import market_app
from hedged.cli.rules_app import rules_app
from hedged.cli.stop_app import stop_app

app = typer.Typer(
    name="hedged",
    help="Protects a crypto portfolio with short index futures, unattended.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(journal_app, name="journal")
app.add_typer(rules_app, name="rules")
app.add_typer(config_app, name="config")
app.add_typer(stop_app, name="stop")
app.add_typer(alerts_app, name="alerts")
app.add_typer(market_app, name="market")

Use = Literal["weekly-unattended", "paper", "alert"]
VenueKind = Literal["binance", "bybit"]
By = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who decides. Default: the login name.")
]


def main() -> None:
    """The ``hedged`` command."""
    with exits.told():
        app()


def _version(asked: bool) -> None:
    if asked:
        from hedged import __version__

        typer.echo(f"hedged {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Protects a crypto portfolio with short index futures, unattended."""


@app.command(short_help="Run the cycle on paper over shipped history, offline.")
def demo(
    folder: Annotated[
        Path, typer.Option("--dir", metavar="DIR", help="Where the demo keeps its journal.")
    ] = Path("hedged-demo"),
    json: Json = False,
) -> None:
    """
    Run the whole cycle on paper over shipped real history: offline, no keys.

    Example: hedged demo --dir /tmp/hedged-demo
    """
    from hedged.cli.demo import run_demo

    run_demo(folder, json=json)


@app.command(short_help="Write a commented settings file for a way of use.")
def init(
    use: Annotated[Use, typer.Option("--use", help="How it will be used.")],
    venue: Annotated[VenueKind, typer.Option("--venue", help="The exchange.")] = "binance",
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Where it goes; never overwritten.")
    ] = Path("hedged.toml"),
    json: Json = False,
) -> None:
    """
    Write one complete, commented settings file for a real exchange, and say what to type next. Asks
    nothing and overwrites nothing.

    Example: hedged init --use paper --venue bybit --out paper.toml
    """
    from hedged.cli.init import write_settings

    write_settings(use, venue, out, json=json)


@app.command(short_help="Run the daemon until it is told to stop.")
def run(
    config: Config = None,
    once: Annotated[bool, typer.Option("--once", help="Make what is due now, then leave.")] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Send orders; service.mode = 'live' must agree.")
    ] = False,
    accept_positions: Annotated[
        bool,
        typer.Option("--accept-positions", help="Believe positions that no fills explain."),
    ] = False,
    arm: Annotated[
        bool,
        typer.Option(
            "--arm", help="With --live: show what orders are sent under, keep that, and leave."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """
    Run the daemon: reviews and guard passes, until it is told to stop.

    Example: hedged run -c hedged.toml --once
    """
    if arm:
        from hedged.cli.arm import arm as show_and_arm

        show_and_arm(config or [], live=live, json=json)
        return
    from hedged.cli.run import run_daemon

    run_daemon(config or [], once=once, live=live, json=json, accept_positions=accept_positions)


@app.command(short_help="Show what would be done now, and why.")
def plan(config: Config = None, json: Json = False) -> None:
    """
    Show what would be done now, and why; in alert mode also what waits for approval. Touches nothing.

    Example: hedged plan -c hedged.toml
    """
    from hedged.cli.run import show_plan

    show_plan(config or [], json=json)


@app.command(short_help="Let a proposal be sent, once.")
def approve(
    number: Annotated[int, typer.Argument(metavar="ID", help="A proposal, as `plan` lists it.")],
    by: By = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """
    Let the daemon send what a proposal says, once and no more; see `hedged plan` for what waits.

    Example: hedged approve 7 -c hedged.toml
    """
    from hedged.cli.approvals import decide

    decide(config or [], number, "approve", by, "", json=json)


@app.command(short_help="Refuse a proposal until the next review.")
def reject(
    number: Annotated[int, typer.Argument(metavar="ID", help="A proposal, as `plan` lists it.")],
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Kept with the decision.")],
    by: By = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """
    Refuse a proposal; nothing is proposed again before the next review.

    Example: hedged reject 7 --why "not before the meeting" -c hedged.toml
    """
    from hedged.cli.approvals import decide

    decide(config or [], number, "reject", by, why, json=json)


@app.command(short_help="Show the hedge, the reviews, and what restricts it.")
def status(
    config: Config = None,
    healthy: Annotated[
        bool, typer.Option("--healthy", help="One line, and 0 or 1: is no pass overdue?")
    ] = False,
    json: Json = False,
) -> None:
    """
    Show the hedge, the last review and the next, and what restricts it.

    Example: hedged status -c hedged.toml --json
    """
    from hedged.cli.health import show_health
    from hedged.cli.status import show_status

    show = show_health if healthy else show_status
    show(config or [], json=json)


@app.command(short_help="Tell why a decision came out as it did.")
def explain(
    record_id: Annotated[
        int | None, typer.Argument(metavar="[ID]", help="A record; default: the last review.")
    ] = None,
    config: Config = None,
    portfolio: Portfolio = None,
    json: Json = False,
) -> None:
    """
    Tell what went into a decision and why it came out so, also when nothing was done.

    Example: hedged explain 42 -c hedged.toml
    """
    from hedged.cli.explain import explain_record

    explain_record(config or [], record_id, portfolio, json=json)


@app.command()
def check(config: Config = None, json: Json = False) -> None:
    """
    Check settings, data, clock and disk before anything runs.

    Example: hedged check -c hedged.toml
    """
    from hedged.cli.check import run_checks

    run_checks(config or [], json=json)
