"""
``stop``: a person says what may still be sent, and the daemon heeds it from the next order on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape

from hedged.cli.show import console, given, print_json, settings_of
from hedged.core.gate import Restriction
from hedged.core.stops import StopLevel, stop
from hedged.errors import SettingsError
from hedged.journal.store import Journal
from hedged.settings.model import Settings
from hedged.wiring import journal_path, wall_clock

ALL = "all"
_STILL: dict[StopLevel, str] = {
    "pause": "paused; nothing grows, reductions go on",
    "halt": "halted; nothing is sent, reductions neither",
    "unwind": "unwinding; the hedge is closed slice by slice from the next pass on, and stays flat",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifted:
    """How many restrictions were lifted, and those that stand on everything and were not."""

    scope: str
    lifted: int
    still: tuple[Restriction, ...]


def stop_at(config: list[Path], level: StopLevel, scope: str, why: str, *, json: bool) -> None:
    """Commit a restriction; it stands over restarts until a person resumes."""
    settings = settings_of(config).settings
    _known(settings, scope)
    with Journal.open_beside(journal_path(settings), wall_clock) as journal:
        made = stop(level, scope, why, wall_clock())
        journal.restrict(made)
    if json:
        print_json(made)
        return
    console().print(f"{escape(scope)}: {_STILL[level]}.")
    console().print(f"[dim]hedged stop resume {escape(scope)}{escape(given(config))} lifts it[/]")


def resume(config: list[Path], scope: str, *, json: bool) -> None:
    """Lift every restriction on *scope*."""
    settings = settings_of(config).settings
    known = _known(settings, scope)
    with Journal.open_beside(journal_path(settings), wall_clock) as journal:
        scopes = known if scope == ALL else [scope]
        # Breakers count anew from here: on a history's clock, where its last pass stands.
        at = {one: journal.last_pass_at(one) if settings.venue.walks else None for one in scopes}
        lifted = sum(journal.lift(one, "command line", at[one]) for one in scopes)
        still = journal.restrictions(scope, wall_clock())
    if json:
        print_json(Lifted(scope=scope, lifted=lifted, still=still))
        return
    console().print(f"{lifted} restriction{'' if lifted == 1 else 's'} on {scope} lifted")
    for one in still:
        console().print(
            f"[yellow]still[/] restricted to {one.allows}: {escape(one.reason)}; "
            f"hedged stop resume {one.scope}{escape(given(config))} lifts that"
        )


def _known(settings: Settings, scope: str) -> list[str]:
    known = [ALL, *(portfolio.name for portfolio in settings.portfolio)]
    if scope not in known:
        raise SettingsError(f"there is no portfolio {scope!r}; known: {', '.join(known)}")
    return known
