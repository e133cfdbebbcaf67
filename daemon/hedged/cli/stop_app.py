"""
The commands of ``stop`` and their arguments; `cli.stop` does what they say.
"""

from __future__ import annotations

from typing import Annotated

import typer

from hedged.cli.arguments import Config, Json

stop_app = typer.Typer(help="Restrict what the daemon may send.", no_args_is_help=True)
Scope = Annotated[str, typer.Argument(metavar="PORTFOLIO", help="The portfolio, or 'all'.")]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="Kept, and shown by `status`.")]


@stop_app.command("pause", short_help="Let nothing grow; reductions go on.")
def stop_pause(scope: Scope, why: Why = "", config: Config = None, json: Json = False) -> None:
    """
    Let the hedge of a portfolio shrink, and not grow, until it is resumed.

    Example: hedged stop pause main --why "listing tomorrow" -c hedged.toml
    """
    from hedged.cli.stop import stop_at

    stop_at(config or [], "pause", scope, why, json=json)


@stop_app.command("halt", short_help="Send nothing at all.")
def stop_halt(scope: Scope, why: Why = "", config: Config = None, json: Json = False) -> None:
    """
    Send nothing for a portfolio until it is resumed; an order that is in hand is the last.

    Example: hedged stop halt main --why "the key leaked" -c hedged.toml
    """
    from hedged.cli.stop import stop_at

    stop_at(config or [], "halt", scope, why, json=json)


@stop_app.command("unwind", short_help="Close the hedge, slice by slice.")
def stop_unwind(scope: Scope, why: Why = "", config: Config = None, json: Json = False) -> None:
    """
    Close the hedge of a portfolio, reduce-only, a quarter a pass; it stays flat until it is resumed,
    and then what the rules want comes back.

    Example: hedged stop unwind main --why "portfolio sold" -c hedged.toml
    """
    from hedged.cli.stop import stop_at

    stop_at(config or [], "unwind", scope, why, json=json)


@stop_app.command("resume", short_help="Lift every restriction on a portfolio.")
def stop_resume(
    scope: Scope,
    config: Config = None,
    json: Json = False,
) -> None:
    """
    Lift every restriction on a portfolio: a stop, a breaker, the freeze after an unexpected error.

    Example: hedged stop resume main -c hedged.toml
    """
    from hedged.cli.stop import resume

    resume(config or [], scope, json=json)


@stop_app.command("settle", short_help="Say what became of an order that nobody can tell of.")
def stop_settle(
    order: Annotated[str, typer.Argument(metavar="ORDER", help="Its id, as the alert shows it.")],
    filled: Annotated[
        str | None, typer.Option("--filled", metavar="CONTRACTS", help="So much of it was filled.")
    ] = None,
    absent: Annotated[bool, typer.Option("--absent", help="It never landed.")] = False,
    why: Why = "",
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Who says so. Default: the login name.")
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """
    End an order that holds its portfolio and that no look can find any more, as when its contract is
    listed no more. Look it up at the exchange first: what is said here is believed. Stop the daemon
    before; refused while the order may still land, or no pass has looked for it since.

    Example: hedged stop settle hdg3k... --filled 0.25 --why "in the trade history" -c hedged.toml
    """
    from hedged.cli.settle import settle

    settle(config or [], order, filled, by, why, absent=absent, json=json)
