"""
The commands of ``alerts`` and their arguments; `cli.alerts` does what they say.
"""

from __future__ import annotations

from typing import Annotated

import typer

from hedged.cli.arguments import Config, Json

alerts_app = typer.Typer(help="What was told, and whether it can be.", no_args_is_help=True)


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
