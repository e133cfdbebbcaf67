"""
The history that rules are tried on before they run: ``rules lint``, ``rules test``, ``rules chart``.

Enters settings; leaves them in symbols, the market, and where its history comes from.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hedged.settings.model import Settings
from hedged.settings.policies import policy_of
from hedged.venue.replay import ReplayMarket
from hedged.wiring.daemon import kept_history, wall_clock
from hedged.wiring.recorded import recorded_market
from hedged.wiring.words import understood


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """*settings* with symbols only; *source* says which history it is, where they name none."""

    settings: Settings
    market: ReplayMarket
    source: str = ""


def rehearsed(settings: Settings) -> Rehearsed:
    """
    What *settings* are tried on: the history that they name. On an exchange it is what the daemon has
    kept, or the shipped one before it has kept any; what words mean is asked there.

    Raises
    ------
    SettingsError
        When there is no such history, or words mean nothing or several contracts.
    VenueUnavailable
        When an exchange is to be asked, and does not answer.
    """
    if settings.venue.recorded:
        return Rehearsed(settings=settings, market=recorded_market(settings))
    found = asyncio.run(understood(settings, wall_clock)).settings
    store, bar = kept_history(found), found.signal.bar
    symbols = {policy_of(found, portfolio).signal.symbol for portfolio in found.portfolio}
    kept = any(store.read(symbol, "bars", bar).height for symbol in symbols)
    if found.venue.data == "demo" and kept:
        market = ReplayMarket(store, bar)
        return Rehearsed(settings=found, market=market, source=f"the history kept in {store.root}")
    market = recorded_market(found)
    shipped = f"the shipped history, for {store.root} keeps none of it yet"
    source = shipped if found.venue.data == "demo" else f"the history in {market.store.root}"
    return Rehearsed(settings=found, market=market, source=source)
