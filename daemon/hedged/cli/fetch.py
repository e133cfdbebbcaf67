"""
``market fetch``: bars, funding and open interest of the past, into a folder that can be replayed.
"""

from __future__ import annotations

import asyncio
from asyncio import sleep
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from hedged import logs
from hedged.cli.market import venue_named
from hedged.cli.show import console, midnight, print_json, table, venue_of
from hedged.core.metrics import Series, bar_seconds
from hedged.errors import SettingsError, VenueUnavailable
from hedged.history.download import SERIES, Download, Fetched, Gap
from hedged.history.store import HistoryStore
from hedged.journal.database import lock_writer
from hedged.settings.venues import Venue
from hedged.venue.catalogue import resolve
from hedged.venue.opening import DIALECTS
from hedged.venue.retry import PatientSource
from hedged.wiring import JOURNAL_FILE, wall_clock
from hedged.wiring.live import Lines

LOCK = "fetch"
CALLED: dict[Series, str] = {"bars": "bars", "funding": "funding", "open_interest": "open interest"}
TOLD_MAX = 5
"""Gaps and refused rows of one series that are printed; JSON has them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is fetched, and where it is kept."""

    symbols: tuple[str, ...]
    since: datetime
    until: datetime
    bar: str
    into: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What is kept now of what was asked for."""

    venue: str
    into: str
    bar: str
    since: datetime
    until: datetime
    series: tuple[Fetched, ...]


def fetch_history(
    config: list[Path],
    venue: str | None,
    symbols: str,
    since: str,
    until: str | None,
    bar: str,
    into: Path,
    *,
    json: bool,
) -> None:
    """Download what is not kept yet, and tell what is there and what is missing."""
    section = venue_of(config)
    name = venue_named(section, venue)
    asked = _asked(symbols, since, until, bar, into)
    if bar not in DIALECTS[name].bars:
        known = ", ".join(DIALECTS[name].bars)
        raise typer.BadParameter(f"{name} has no bars of {bar}; it has {known}", param_hint="--bar")
    logs.configure("warning", "auto", ())
    with closing(lock_writer(into / LOCK)):
        series = asyncio.run(_fetched(section, name, asked, json=json))
    summary = Summary(
        venue=name, into=str(into), bar=bar, since=asked.since, until=asked.until, series=series
    )
    if json:
        print_json(summary)
    else:
        _print(summary)


def _asked(symbols: str, since: str, until: str | None, bar: str, into: Path) -> Asked:
    named = tuple(dict.fromkeys(part.strip() for part in symbols.split(",") if part.strip()))
    if not named:
        raise typer.BadParameter("name at least one contract", param_hint="--symbols")
    try:
        bar_seconds(bar)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--bar") from None
    now = wall_clock()
    begins = midnight(since, "--since")
    ends = min(midnight(until, "--until"), now) if until is not None else now
    if ends <= begins:
        raise typer.BadParameter(f"{since} is not before {ends:%Y-%m-%d %H:%M}", param_hint="--since")
    if (into.parent / JOURNAL_FILE).exists():
        raise SettingsError(
            f"{into} lies beside a daemon's journal, and the daemon keeps its own history there; "
            "fetch into another folder"
        )
    return Asked(symbols=named, since=begins, until=ends, bar=bar, into=into)


async def _fetched(section: Venue, name: str, asked: Asked, *, json: bool) -> tuple[Fetched, ...]:
    lines = Lines(section, {}, wall_clock, None)
    try:
        exchange = lines.exchange(name)
        listings = await exchange.listings()
        symbols = [resolve(words, listings, wall_clock()).instrument.symbol for words in asked.symbols]
        store = HistoryStore(asked.into, read_only=False)
        source = PatientSource(exchange, sleep)
        download = Download(source, store, asked.bar, asked.since, asked.until)
        with _progress(quiet=json) as progress:
            wanted = [(symbol, series) for symbol in dict.fromkeys(symbols) for series in SERIES]
            return tuple([await _one(download, *one, progress) for one in wanted])
    except VenueUnavailable as error:
        raise VenueUnavailable(
            f"{error}. What was fetched is kept in {asked.into}: the same command goes on from there"
        ) from None
    finally:
        await lines.close()


async def _one(download: Download, symbol: str, series: Series, progress: Progress) -> Fetched:
    spans = download.spans(symbol, series)
    total = sum((span.length for span in spans), timedelta()) / timedelta(days=1)
    task = progress.add_task(f"{symbol} {CALLED[series]}", total=total or 1.0, rows=0)
    rows = 0

    def on_chunk(length: timedelta, new: int) -> None:
        nonlocal rows
        rows += new
        progress.update(task, advance=length / timedelta(days=1), rows=rows)

    fetched = await download.fetch(symbol, series, on_chunk)
    progress.update(task, completed=total or 1.0)
    return fetched


def _progress(*, quiet: bool) -> Progress:
    """On standard error, so that results can be piped."""
    shown = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"), BarColumn(None), TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} new"), TimeRemainingColumn(),
        console=shown, transient=True, expand=True, disable=quiet or not shown.is_terminal,
    )  # fmt: skip


# ---- what is told


def _print(summary: Summary) -> None:
    out = console()
    made = table("symbol", "series", ">rows", ">new", "first", "last", ">missing", ">refused")
    for one in summary.series:
        missing = f"[yellow]{one.missing:,}[/]" if one.missing else "0"
        refused = f"[yellow]{len(one.refused):,}[/]" if one.refused else "0"
        made.add_row(one.symbol, CALLED[one.series], f"{one.rows:,}", f"{one.new:,}",
                     _at(one.first), _at(one.last), missing, refused)  # fmt: skip
    out.print(made)
    for one in summary.series:
        for note in _notes(one, summary):
            out.print(f"{one.symbol} {CALLED[one.series]}: {escape(note)}")
    out.print(
        f"Kept in {escape(summary.into)}, in bars of {summary.bar}; venue.data can name that folder."
    )


def _notes(one: Fetched, summary: Summary) -> Iterator[str]:
    if not one.rows:
        yield f"{summary.venue} serves none of {summary.since:%Y-%m-%d} to {summary.until:%Y-%m-%d}"
    if one.none_before is not None:
        yield (
            f"{summary.venue} serves none from {summary.since:%Y-%m-%d} to {_at(one.none_before)}: not "
            "listed yet, or not kept any more"
        )
    gaps = [_gap(gap) for gap in one.gaps]
    yield from _some(gaps, "gaps")
    yield from _some(list(one.refused), "refused rows")


def _gap(gap: Gap) -> str:
    if gap.missing == 1:
        return f"1 row is missing, {_at(gap.first)}"
    return f"{gap.missing:,} rows are missing, {_at(gap.first)} to {_at(gap.last)}"


def _some(told: list[str], what: str) -> Iterator[str]:
    yield from told[:TOLD_MAX]
    if len(told) > TOLD_MAX:
        yield f"and {len(told) - TOLD_MAX:,} more {what}; --json has them all"


def _at(stamp: datetime | None) -> str:
    return "" if stamp is None else f"{stamp:%Y-%m-%d %H:%M}"
