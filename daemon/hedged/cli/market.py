"""
``market instruments``: what a venue lists that can hedge, and what words mean there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import typer
from rich.markup import escape

from hedged.cli.show import console, print_json, table, venue_of
from hedged.core.market import Instrument
from hedged.core.wording import contracts, percent
from hedged.settings.venues import Venue
from hedged.venue.catalogue import RELATIVE, resolve, sort_of
from hedged.venue.dialect import Listing, ListingKind
from hedged.wiring import wall_clock
from hedged.wiring.live import Lines

DEFAULT_VENUE = "binance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The first step of a venue's margin table."""

    notional_max: Decimal
    rate: Decimal
    leverage_max: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """
    A contract as it is printed.

    *sort* is what `catalogue.resolve` calls it; one that *needs_other_legs* is no hedge by itself.
    """

    symbol: str
    market_id: str
    kind: ListingKind
    sort: str
    base: str
    quote: str
    settle: str
    inverse: bool
    active: bool
    needs_other_legs: bool
    expiry: datetime | None
    days_to_expiry: float | None
    contract_multiplier: Decimal
    lot: Decimal
    tick: Decimal
    contracts_min: Decimal
    notional_min: Decimal
    contracts_max: Decimal | None
    first_tier: Step | None


def show_instruments(
    config: list[Path],
    words: str | None,
    venue: str | None,
    base: str | None,
    kind: ListingKind | None,
    *,
    json: bool,
) -> None:
    """All that is listed, of one *base* or *kind*; or the one contract that *words* mean."""
    if words is not None and (base or kind):
        raise typer.BadParameter("give words, or --base and --kind, not both", param_hint="WORDS")
    section = venue_of(config)
    name = venue_named(section, venue)
    listings, now = asyncio.run(_listings(section, name)), wall_clock()
    if words is not None:
        chosen = [resolve(words, listings, now)]
    else:
        chosen = [
            one
            for one in listings.values()
            if (base is None or one.instrument.base == base.upper()) and kind in (None, one.kind)
        ]
    shown = [_shown(one, now) for one in sorted(chosen, key=_order)]
    if json:
        print_json(shown)
        return
    if words is not None:
        console().print(f"{escape(words)!r} is [bold]{escape(shown[0].symbol)}[/] on {name}.")
    _print(shown, name)


def venue_named(section: Venue, name: str | None) -> str:
    """The venue that is meant: the one named, or that of the settings, or Binance."""
    if name is not None:
        return name
    return DEFAULT_VENUE if section.recorded else section.kind


async def _listings(section: Venue, name: str) -> dict[str, Listing]:
    lines = Lines(section, {}, wall_clock, None)
    try:
        return await lines.exchange(name).listings()
    finally:
        await lines.close()


def _order(listing: Listing) -> tuple[str, bool, datetime | None, str]:
    one = listing.instrument
    return one.base, one.expiry is not None, one.expiry, one.symbol


def _shown(listing: Listing, now: datetime) -> Shown:
    one = listing.instrument
    left = None if one.expiry is None else (one.expiry - now) / timedelta(days=1)
    return Shown(
        symbol=one.symbol,
        market_id=listing.market_id,
        kind=listing.kind,
        sort=sort_of(listing),
        base=one.base,
        quote=one.quote,
        settle=one.settle,
        inverse=one.inverse,
        active=listing.active,
        needs_other_legs=one.base in RELATIVE,
        expiry=one.expiry,
        days_to_expiry=None if left is None else round(left, 2),
        contract_multiplier=one.contract_multiplier,
        lot=one.lot,
        tick=one.tick,
        contracts_min=one.contracts_min,
        notional_min=one.notional_min,
        contracts_max=listing.contracts_max,
        first_tier=_first_step(one),
    )


def _first_step(instrument: Instrument) -> Step | None:
    if not instrument.tiers:
        return None
    first = instrument.tiers[0]
    return Step(notional_max=first.notional_max, rate=first.rate, leverage_max=first.leverage_max)


def _print(shown: list[Shown], name: str) -> None:
    out = console()
    if not shown:
        out.print(f"Nothing of that is listed on {name}.")
        return
    tiered = any(one.first_tier for one in shown)
    headers = ["symbol", "sort", "expiry", ">days", ">size", ">lot", ">tick", ">min", ">min value"]
    made = table(*headers, *([">first margin step"] if tiered else []))
    made.columns[0].no_wrap = True
    for one in shown:
        steps = (one.lot, one.tick, one.contracts_min, one.notional_min)
        cells = [one.symbol, one.sort, *_until(one), _size(one), *map(contracts, steps)]
        made.add_row(*map(escape, cells), *([_step(one.first_tier)] if tiered else []),
                     style=None if one.active else "dim")  # fmt: skip
    out.print(made)
    for note in _notes(shown, name):
        out.print(note)


def _until(one: Shown) -> tuple[str, str]:
    if one.expiry is None or one.days_to_expiry is None:
        return "", ""
    return f"{one.expiry:%Y-%m-%d}", f"{one.days_to_expiry:.0f}"


def _size(one: Shown) -> str:
    return f"{contracts(one.contract_multiplier)} {one.quote if one.inverse else one.base}"


def _step(step: Step | None) -> str:
    if step is None:
        return ""
    return f"{percent(step.rate)} to {step.notional_max:,.0f}"


def _notes(shown: list[Shown], name: str) -> Iterable[str]:
    many = f"{len(shown)} contracts" if len(shown) > 1 else "1 contract"
    yield f"[dim]{many} on {name}; size is of one contract, lot and min count contracts[/]"
    if not any(one.first_tier for one in shown):
        yield f"[dim]margin steps are not in the public listing of {name}[/]"
    halted = [one.symbol for one in shown if not one.active]
    if halted:
        yield f"[yellow]does not trade now:[/] {escape(', '.join(halted))}"
    for base in sorted({one.base for one in shown if one.needs_other_legs}):
        yield f"[yellow]{base} only beside other legs:[/] {RELATIVE[base]}"
