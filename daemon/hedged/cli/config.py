"""
``config show`` and ``config schema``.
"""

from __future__ import annotations

from pathlib import Path

from rich.markup import escape

from hedged.cli.show import console, print_json, settings_of, table
from hedged.settings.show import lines_of, schema


def show_settings(config: list[Path], *, json: bool) -> None:
    """Every value in force, and its origin."""
    lines = lines_of(settings_of(config))
    if json:
        print_json([{"key": k, "value": v, "origin": o} for k, v, o in lines])
        return
    made = table("key", "value", "from")
    for key, value, origin in lines:
        made.add_row(
            key,
            escape(value),
            f"[dim]{escape(origin)}[/]" if origin == "default" else escape(origin),
        )
    console().print(made)


def show_schema() -> None:
    """The JSON schema of the settings."""
    print_json(schema())
