"""
The commands of ``config`` and their arguments; `cli.config` does what they say.
"""

from __future__ import annotations

import typer

from hedged.cli.arguments import Config, Json

config_app = typer.Typer(help="The settings in force, and what can be set.", no_args_is_help=True)


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
