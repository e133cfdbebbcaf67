"""
``status --healthy``: one line and an exit code for whatever watches the daemon from outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from hedged.cli import exits
from hedged.cli.show import print_json, settings_of
from hedged.errors import JournalError
from hedged.journal.store import Journal
from hedged.service.ticks import Schedule
from hedged.service.watchdog import WAKE_LATE_S_MAX
from hedged.settings.model import Settings
from hedged.wiring import journal_path, wall_clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Whether the journal can be read and no portfolio's pass is overdue, and how that is known."""

    healthy: bool
    said: str


def show_health(config: list[Path], *, json: bool) -> None:
    """Print the health; leave with 1 when it is poor."""
    settings = settings_of(config).settings
    found = health_of(settings, wall_clock())
    if json:
        print_json(found)
    else:
        print(f"{'healthy' if found.healthy else 'unhealthy'}: {found.said}")
    if not found.healthy:
        raise SystemExit(exits.UNEXPECTED)


def health_of(settings: Settings, now: datetime) -> Health:
    """
    The health at *now*, from the journal alone.

    A pass that was skipped leaves no record: an exchange that is down makes the daemon unhealthy too.
    A restriction does not, for passes are made and recorded under it.
    """
    try:
        with Journal.open_to_read(journal_path(settings), wall_clock) as journal:
            if settings.venue.walks:
                return Health(
                    healthy=True, said=f"{journal.head()[0]} records of a history that is walked"
                )
            late = list(_late(settings, journal, now))
    except JournalError as error:
        return Health(healthy=False, said=str(error))
    names = ", ".join(portfolio.name for portfolio in settings.portfolio)
    return Health(healthy=not late, said="; ".join(late) or f"no pass of {names} is overdue")


def _late(settings: Settings, journal: Journal, now: datetime) -> Iterator[str]:
    """What is overdue: no record since a pass should have been made, and time for it has passed."""
    schedule = Schedule(settings.schedule)
    grace = settings.service.pass_time_max + timedelta(seconds=WAKE_LATE_S_MAX)
    for portfolio in settings.portfolio:
        last = journal.last_pass_at(portfolio.name)
        due = None if last is None else schedule.next_wake(last)
        if last is None:
            yield f"{portfolio.name} has made no pass yet"
        elif due is not None and now > due + grace:
            yield f"{portfolio.name} has made no pass since {last:%Y-%m-%d %H:%M:%S} UTC"
