"""
The commands of ``journal`` and their arguments; `cli.journal` does what they say.
"""

from __future__ import annotations

from typing import Annotated

import typer

from hedged.cli.arguments import Config, Json

journal_app = typer.Typer(help="Verify and replay the journal.", no_args_is_help=True)


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
