"""
``init``: one commented settings file for a way of use, and what to type next.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import Literal

import typer
from rich.markup import escape

from hedged.cli.show import console, indented, print_json
from hedged.errors import SettingsError

Use = Literal["weekly-unattended", "paper", "alert"]
VenueKind = Literal["binance", "bybit"]
RULES: dict[Use, str] = {"weekly-unattended": "weekly", "paper": "weekly", "alert": "daily"}

# What a template says of an exchange.
_VENUES: dict[VenueKind, dict[str, str]] = {
    "binance": {
        "title": "Binance USD-M",
        "uid": "the User ID in your profile",
        "reading": "it must be allowed futures, for no other sees them",
    },
    "bybit": {
        "title": "Bybit",
        "uid": "the UID in your profile",
        "reading": "one that only reads is enough",
    },
}

_KEY_FILES = (
    ("HEDGED__ACCOUNT__MAIN__API_KEY_FILE", "keys/main.api_key", "a file with the key alone"),
    ("HEDGED__ACCOUNT__MAIN__API_SECRET_FILE", "keys/main.api_secret", "a file with its secret alone"),
    (
        "HEDGED__ALERTS__URLS_FILE",
        "keys/alerts.urls",
        "addresses of alerts, one a line; without it nobody hears",
    ),
)
_YOURS: dict[Use, tuple[str, ...]] = {
    "weekly-unattended": ("account.main.uid", "portfolio.holding", "limits"),
    "paper": ("portfolio.holding",),
    "alert": ("account.main.uid", "portfolio.holding", "limits"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable of the environment that names a file of secrets, and what the file holds."""

    name: str
    example: str
    holds: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A command to type next, and what it does."""

    command: str
    does: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What `init` has written, what a person fills in, and what to type then."""

    file: str
    use: Use
    venue: VenueKind
    fill_in: tuple[str, ...]
    variables: tuple[Variable, ...]
    steps: tuple[Step, ...]


def write_settings(use: Use, venue: VenueKind, out: Path, *, json: bool) -> None:
    """Write the settings for *use* on *venue* to *out*, and say what comes next."""
    _write_new(out, text_of(use, venue, out.name))
    begun = Begun(
        file=str(out),
        use=use,
        venue=venue,
        fill_in=_YOURS[use],
        variables=_variables(use),
        steps=_steps(use, f"-c {shlex.quote(str(out))}"),
    )
    if json:
        print_json(begun)
    else:
        _print(begun)


def text_of(use: Use, venue: VenueKind, name: str) -> str:
    """The whole text of a settings file called *name*: the head of *use*, then its rules."""
    data = resources.files("hedged") / "init_data"
    head = Template((data / f"{use}.toml").read_text())
    rules = (data / f"rules-{RULES[use]}.toml").read_text()
    return head.substitute(_VENUES[venue], venue=venue, file=shlex.quote(name)) + rules


def _write_new(out: Path, text: str) -> None:
    """
    Write *text* to a file that is not there yet.

    Raises
    ------
    SettingsError
        When something is there, or it can't be written; what was begun is removed.
    """
    if not out.name.isprintable():  # a comment in the file tells its name
        raise typer.BadParameter("the name has a character that can't be printed", param_hint="--out")
    try:
        file = out.open("x", encoding="utf-8")
    except FileExistsError:
        raise SettingsError(
            f"{out} is there already, and init overwrites nothing; give --out another name"
        ) from None
    except OSError as error:
        raise SettingsError(f"{out} can't be written: {error.strerror}") from None
    try:
        with file:
            file.write(text)
    except OSError as error:
        out.unlink(missing_ok=True)
        raise SettingsError(f"{out} can't be written: {error.strerror}") from None


def _variables(use: Use) -> tuple[Variable, ...]:
    if use == "paper":
        return ()
    return tuple(Variable(name=name, example=path, holds=what) for name, path, what in _KEY_FILES)


def _steps(use: Use, option: str) -> tuple[Step, ...]:
    check = Step(command=f"hedged check {option}", does="settings, exchange, prices; sends nothing")
    plan = Step(command=f"hedged plan {option}", does="what it would do now, and why; sends nothing")
    if use == "paper":
        return check, plan, Step(command=f"hedged run {option}", does="the daemon, on paper")
    if use == "weekly-unattended":
        live = Step(
            command=f"hedged run --live {option}",
            does="the daemon; it sends orders",
        )
        arm = Step(
            command=f"hedged run --arm --live {option}",
            does="accounts, limits, legs and rules, for you to look at; then orders may be sent",
        )
        return check, plan, arm, live
    approve = Step(command=f"hedged approve ID {option}", does="or: hedged reject ID --why TEXT")
    run = Step(command=f"hedged run {option}", does="the daemon; what it would send waits for you")
    return check, run, Step(command=plan.command, does="what waits, why, until when"), approve


def _print(begun: Begun) -> None:
    out = console()
    out.print(
        f"[bold]{escape(begun.file)}[/]: {begun.use} on {begun.venue}. Read it once; it is short."
    )
    out.print(f"\nFill in: {', '.join(begun.fill_in)}")
    if begun.variables:
        out.print("\nSet (files that only you can read: chmod 600):")
        for one in begun.variables:
            out.print(f"  export {one.name}={one.example}", soft_wrap=True)
            indented(out, f"[dim]{one.holds}[/]", 6)
    out.print("\n[bold]Next:[/]")
    for step in begun.steps:
        out.print(f"  {escape(step.command)}", soft_wrap=True)
        indented(out, f"[dim]{step.does}[/]", 6)
