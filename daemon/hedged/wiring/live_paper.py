"""
Accounts on paper over what an exchange shows to everybody.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime

from hedged.settings.model import Settings
from hedged.venue.live_market import LiveMarket
from hedged.venue.paper import PaperVenue
from hedged.venue.protected import Protected
from hedged.wiring.live import Lines, stated
from hedged.wiring.paper import paper_accounts, paper_portfolio


def live_paper_venues(
    settings: Settings,
    lines: Lines,
    clock: Callable[[], datetime],
    opened: ExitStack,
    *,
    read_only: bool,
) -> dict[str, PaperVenue]:
    """
    A venue for every portfolio over an exchange, whose prices are asked for without a key; keys read
    what lies on `holdings_from`, no more.

    Raises
    ------
    SettingsError
        When one of these accounts has no key, or a file of holdings can't be read.
    """
    exchange = lines.exchange(settings.venue.kind)
    accounts = paper_accounts(settings, lambda: LiveMarket(exchange), opened, read_only=read_only)
    return {
        portfolio.name: PaperVenue(
            accounts[portfolio.account],
            paper_portfolio(settings, portfolio),
            clock,
            Protected(
                exchange,
                portfolio.numeraire,
                stated(portfolio),
                portfolio.holdings_age_max,
                tuple(lines.account(name, frozenset()) for name in portfolio.holdings_from),
            ),
        )
        for portfolio in settings.portfolio
    }
