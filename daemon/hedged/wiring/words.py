"""
What the words of the settings mean: looked up once, in what the exchange of each account lists.

Enters settings; leaves the same with symbols, so that policies and records know nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from hedged.errors import SettingsError
from hedged.settings.model import Settings
from hedged.settings.words import Words, with_symbols, words_of

if TYPE_CHECKING:
    from hedged.venue.exchange import Exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """The one contract that words mean, and the exchange that lists it."""

    words: Words
    symbol: str
    venue: str

    def __str__(self) -> str:
        return f"{self.words.text} is {self.symbol} on {self.venue}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """*settings* with symbols only, and what was written instead of them."""

    settings: Settings
    meanings: tuple[Meaning, ...] = ()


async def understood(settings: Settings, clock: Callable[[], datetime]) -> Understood:
    """
    *settings* in symbols. Nothing is asked where no words stand.

    Raises
    ------
    SettingsError
        When words mean nothing, or more than one contract, or what does not fit together.
    VenueUnavailable
        When an exchange does not answer.
    """
    if not words_of(settings):
        return Understood(settings=settings)
    from hedged.wiring.live import Lines  # ccxt takes a second

    lines = Lines(settings.venue, {}, clock, None)
    try:
        return await understood_at(settings, lines.exchange, clock)
    finally:
        await lines.close()


async def understood_at(
    settings: Settings, exchange: Callable[[str], Exchange], clock: Callable[[], datetime]
) -> Understood:
    """The same, asked of each *exchange* by its name."""
    from hedged.venue.catalogue import resolve
    from hedged.venue.retry import patiently

    found: list[Meaning] = []
    faults: list[str] = []
    for words in words_of(settings):
        name = _venue_of(settings, words.account)
        listings = await patiently(exchange(name).listings, asyncio.sleep)
        try:
            meant = resolve(words.text, listings, clock(), words.settle)
        except SettingsError as error:
            faults.append(f"{words.key}: {error}")
        else:
            found.append(Meaning(words=words, symbol=meant.instrument.symbol, venue=name))
    if faults:
        raise SettingsError("\n".join(dict.fromkeys(faults)))
    symbols = {one.words: one.symbol for one in found}
    return Understood(settings=with_symbols(settings, symbols), meanings=tuple(found))


def _venue_of(settings: Settings, account: str) -> str:
    """Who lists the contracts of an account; on paper all of them are those of `venue.kind`."""
    section = settings.account.get(account)
    on_paper = settings.service.mode == "paper"
    return settings.venue.kind if on_paper or section is None else section.venue or settings.venue.kind
