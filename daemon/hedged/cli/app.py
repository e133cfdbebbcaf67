"""
The commands and their arguments. Each imports what it needs when it runs, so that ``--help`` is
quick and nothing that needs no exchange imports one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from hedged.cli import exits
from hedged.cli.arguments import Config, Json
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
journal_app = typer.Typer(help="Verify and replay the journal.", no_args_is_help=True)
rules_app = typer.Typer(
    help="What rules may say, and what yours would have done.", no_args_is_help=True
)
config_app = typer.Typer(help="The settings in force, and what can be set.", no_args_is_help=True)
market_app = typer.Typer(
    help="What an exchange lists, and its past. Needs no key.", no_args_is_help=True
)
alerts_app = typer.Typer(help="What was told, and whether it can be.", no_args_is_help=True)
app.add_typer(journal_app, name="journal")
app.add_typer(rules_app, name="rules")
app.add_typer(config_app, name="config")
app.add_typer(stop_app, name="stop")
app.add_typer(alerts_app, name="alerts")
app.add_typer(market_app, name="market")

Kind = Literal["perpetual", "dated", "index"]
Use = Literal["weekly-unattended", "paper", "alert"]
VenueKind = Literal["binance", "bybit"]
VenueName = Annotated[
    str | None,
    typer.Option("--venue", metavar="NAME", help="The exchange. Default: venue.kind, or binance"),
]
By = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who decides. Default: the login name.")
]
Portfolio = Annotated[
    str | None, typer.Option("--portfolio", metavar="NAME", help="Only this portfolio.")
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


@journal_app.command("verify")
def journal_verify(
    config: Config = None,
    head: Annotated[
        str | None, typer.Option("--head", metavar="HASH", help="The head hash from the log.")
    ] = None,
    json: Json = False,
) -> None:
    """
    Walk the hash chain and name the first altered record.

    Example: hedged journal verify -c hedged.toml
    """
    from hedged.cli.journal import verify_journal

    verify_journal(config or [], head, json=json)


@journal_app.command("replay")
def journal_replay(
    record_id: Annotated[
        int | None, typer.Argument(metavar="[ID]", help="A record; default: all of them.")
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """
    Decide again from the recorded inputs, and compare byte for byte.

    Example: hedged journal replay 42 -c hedged.toml
    """
    from hedged.cli.journal import replay_journal

    replay_journal(config or [], record_id, json=json)


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
    and trendlines as they stood, every firing before it, and the goal. The page opens offline.

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


@market_app.command("instruments", short_help="Print the contracts that can hedge.")
def market_instruments(
    words: Annotated[
        str | None,
        typer.Argument(metavar="[WORDS]", help="Which contract is that? Such as 'BTC front quarter'."),
    ] = None,
    config: Config = None,
    venue: VenueName = None,
    base: Annotated[
        str | None, typer.Option("--base", metavar="COIN", help="Only this coin's, such as BTC.")
    ] = None,
    kind: Annotated[
        Kind | None, typer.Option("--kind", help="Only perpetuals, dated contracts or indices.")
    ] = None,
    json: Json = False,
) -> None:
    """
    Print the contracts that can hedge, or the one that words mean: 'BTC perpetual', 'BTC USDC
    perpetual', 'BTC inverse perpetual', 'ALL index perpetual', 'BTC front quarter', 'BTC next
    quarter', 'BTC 2026-06-26', or a symbol. Without a settings file Binance is asked.

    Example: hedged market instruments --base BTC
    """
    from hedged.cli.market import show_instruments

    show_instruments(config or [], words, venue, base, kind, json=json)


@market_app.command("fetch", short_help="Download bars, funding and open interest.")
def market_fetch(
    symbols: Annotated[
        str, typer.Option("--symbols", metavar="LIST", help="Contracts, separated by commas.")
    ],
    since: Annotated[str, typer.Option("--since", metavar="DATE", help="The first day.")],
    until: Annotated[
        str | None, typer.Option("--until", metavar="DATE", help="Up to 00:00 UTC of it. Default: now")
    ] = None,
    bar: Annotated[str, typer.Option("--bar", metavar="LENGTH", help="Such as 1h.")] = "1d",
    into: Annotated[Path, typer.Option("--into", metavar="DIR", help="Where it is kept.")] = Path(
        "history"
    ),
    config: Config = None,
    venue: VenueName = None,
    json: Json = False,
) -> None:
    """
    Download bars, settled funding and open interest into a folder that venue.data can name. Asks for
    what is not kept there yet, so that a run that was broken off goes on where it stood.

    Example: hedged market fetch --symbols BTC/USDT:USDT,ETH/USDT:USDT --since 2024-01-01
    """
    from hedged.cli.fetch import fetch_history

    fetch_history(config or [], venue, symbols, since, until, bar, into, json=json)


@config_app.command("show", short_help="Print the settings in force, and their origins.")
def config_show(config: Config = None, json: Json = False) -> None:
    """
    Print the settings in force, secrets hidden, and where each value comes from.

    Example: hedged config show -c hedged.toml
    """
    from hedged.cli.config import show_settings

    show_settings(config or [], json=json)


@config_app.command("schema")
def config_schema(json: Json = True) -> None:
    """
    Print the JSON schema of the settings, for editors.

    Example: hedged config schema > hedged.schema.json
    """
    from hedged.cli.config import show_schema

    show_schema()


@alerts_app.command("test", short_help="Send one message to every channel.")
def alerts_test(config: Config = None, json: Json = False) -> None:
    """
    Send one message to every channel of alerts.urls, and say which took it. Leaves with 5 when one
    did not.

    Example: hedged alerts test -c hedged.toml
    """
    from hedged.cli.alerts import test_channels

    test_channels(config or [], json=json)


@alerts_app.command("list", short_help="Print the last alerts, and what became of them.")
def alerts_list(
    config: Config = None,
    last: Annotated[
        int, typer.Option("--last", metavar="N", min=1, max=10_000, help="How many, at most.")
    ] = 20,
    json: Json = False,
) -> None:
    """
    Print the last alerts, the newest at the end, with what became of them at every channel.

    Example: hedged alerts list --last 50 -c hedged.toml
    """
    from hedged.cli.alerts import list_alerts

    list_alerts(config or [], last, json=json)
