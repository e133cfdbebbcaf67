"""
``config show`` and ``config schema``.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from rich.markup import escape

from hedged.cli.show import console, print_json, settings_of, table
from hedged.errors import HedgedError
from hedged.settings.model import Settings
from hedged.settings.show import lines_of, schema
from hedged.settings.words import words_of
from hedged.wiring import understood, wall_clock


def show_settings(config: list[Path], *, json: bool) -> None:
    """Every value in force, and its origin; of words also what they mean now."""
    loaded = settings_of(config)
    lines, (meanings, trouble) = lines_of(loaded), _meanings(loaded.settings)
    if json:
        print_json([{"key": k, "value": v, "origin": o} | _means(meanings, k) for k, v, o in lines])
        return
    made = table("key", "value", "from")
    for key, value, origin in lines:
        made.add_row(
            key,
            escape(value),
            f"[dim]{escape(origin)}[/]" if origin == "default" else escape(origin),
        )
    console().print(made)
    for key, symbols in meanings.items():
        said = ", ".join(symbols) or f"[yellow]not known: {escape(trouble)}[/]"
        console().print(f"{key} means {said}")


def _meanings(settings: Settings) -> tuple[dict[str, list[str]], str]:
    """Contracts that the words at a key mean, none when that can't be told; and why it can't."""
    found: dict[str, list[str]] = {words.key: [] for words in words_of(settings)}
    try:
        meanings = asyncio.run(understood(settings, wall_clock)).meanings
    except HedgedError as error:
        return found, str(error)
    for one in meanings:
        found[one.words.key].append(f"{one.symbol} on {one.venue}")
    return {key: list(dict.fromkeys(symbols)) for key, symbols in found.items()}, ""


def _means(meanings: dict[str, list[str]], key: str) -> dict[str, list[str] | None]:
    """What is added to the line of *key* where words stand: null when their meaning can't be told."""
    return {"means": meanings[key] or None} if key in meanings else {}


def show_schema() -> None:
    """The JSON schema of the settings."""
    print_json(schema())
