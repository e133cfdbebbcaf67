"""
What all commands share in printing: the console, tables, JSON, and loading settings.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import msgspec
import typer
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from hedged.settings.load import Loaded, load, load_venue
from hedged.settings.venues import Venue

PIPE_WIDTH = 200
VERDICT = {True: "[bold]true[/]", False: "false", None: "[yellow]unknown[/]"}


def console() -> Console:
    """Standard output; into a pipe tables are wide, so that nothing in them is broken for grep."""
    piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(highlight=False, soft_wrap=piped, width=PIPE_WIDTH if piped else None)


def table(*headers: str, title: str | None = None) -> Table:
    """A plain table; a header that starts with ``>`` is right-aligned, and figures never wrap."""
    made = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for header in headers:
        right = header.startswith(">")
        made.add_column(
            header.removeprefix(">"),
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=right,
        )
    return made


def indented(out: Console, text: str, by: int) -> None:
    """*text* behind *by* blanks, on a terminal also where it goes on in a second line."""
    out.print(" " * by + text if out.soft_wrap else Padding.indent(text, by))


def figure(value: float | bool | None) -> str:
    """A metric's value beside the rule that names it."""
    if value is None:
        return "[yellow]no value[/]"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:,.2f}" if abs(value) >= 100 else f"{value:.6g}"


def print_json(value: object) -> None:
    """One JSON value on standard output; decimals as text, times in ISO 8601."""
    print(json.dumps(msgspec.to_builtins(value, order="sorted"), indent=2, default=str))


def given(config: list[Path]) -> str:
    """The settings files of this command, as the next one names them."""
    return "".join(f" -c {shlex.quote(str(file))}" for file in config)


def settings_of(config: list[Path]) -> Loaded:
    """The settings of the files named, with the environment over them."""
    return load(_named(config), os.environ)


def venue_of(config: list[Path]) -> Venue:
    """The venue of the same settings; where there is no file at all, Binance."""
    return load_venue(_named(config), os.environ)


def midnight(text: str, option: str) -> datetime:
    """00:00 UTC of the day that *option* names."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise typer.BadParameter(f"{text!r} is not a date; write it as 2022-06-13", param_hint=option)
    return datetime.combine(day, time(), tzinfo=UTC)


def _named(config: list[Path]) -> list[Path]:
    return config or [Path(p) for p in _from_environment()]


def _from_environment() -> list[Any]:
    """``HEDGED_CONFIG`` names settings files when ``-c`` does not."""
    return [part for part in os.environ.get("HEDGED_CONFIG", "").split(os.pathsep) if part]
