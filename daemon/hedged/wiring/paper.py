"""
Accounts on paper, and their venues over recorded history.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from hedged.core.market import Instrument
from hedged.errors import SettingsError
from hedged.settings.model import Settings
from hedged.settings.policies import instrument_of
from hedged.settings.sections import Portfolio
from hedged.venue.ledger import Ledger
from hedged.venue.paper import PaperPortfolio, PaperVenue
from hedged.venue.paper_account import PaperAccount, PaperTerms
from hedged.venue.protocol import Market
from hedged.venue.replay import ReplayMarket
from hedged.wiring.recorded import price_symbol


def traded_until(settings: Settings, accounts: list[str]) -> datetime | None:
    """The latest instant up to which any of the accounts was carried; None before the first run."""
    found: list[datetime] = []
    for name in accounts:
        ledger = Ledger(ledger_path(settings, name), read_only=True)
        found += [ledger.advanced_to] if ledger.advanced_to else []
        ledger.close()
    return max(found, default=None)


def ledger_path(settings: Settings, account: str) -> Path:
    """Where the book of a paper account lies."""
    return settings.service.state_dir / f"paper-{account}.sqlite"


def paper_venues(
    settings: Settings,
    market: ReplayMarket,
    clock: Callable[[], datetime],
    opened: ExitStack,
    *,
    read_only: bool,
) -> dict[str, PaperVenue]:
    """A venue for every portfolio over recorded history; portfolios of one account share its book."""
    accounts = paper_accounts(settings, lambda: market, opened, read_only=read_only)
    return {
        portfolio.name: PaperVenue(accounts[portfolio.account], _on_history(settings, portfolio), clock)
        for portfolio in settings.portfolio
    }


def paper_accounts(
    settings: Settings, market: Callable[[], Market], opened: ExitStack, *, read_only: bool
) -> dict[str, PaperAccount]:
    """Every account by its name, each with a book of its own, over a *market*."""
    accounts: dict[str, PaperAccount] = {}
    for name in sorted({portfolio.account for portfolio in settings.portfolio}):
        ledger = Ledger(ledger_path(settings, name), read_only=read_only)
        opened.callback(ledger.close)
        accounts[name] = paper_account(settings, name, market(), ledger)
    return accounts


def paper_account(settings: Settings, name: str, market: Market, ledger: Ledger) -> PaperAccount:
    """The account *name*, with all that was ever traded on it. Raises `SettingsError` on a misfit."""
    used = _legs(settings, name)
    assert settings.paper is not None, "settings for paper have [paper]"
    terms = PaperTerms(**settings.paper.model_dump())
    stated_here = _stated_instruments(settings, name, used, ledger) if settings.venue.recorded else ()
    account = PaperAccount(market, ledger, terms, stated_here, used)
    for symbol in sorted(ledger.symbols() - used):
        if account.held(symbol):
            raise SettingsError(
                f"the paper account {name} holds {symbol}, which is no leg any more; put the leg back "
                f"with weight = 0, which closes it, or give service.state_dir another folder"
            )
    return account


def _legs(settings: Settings, name: str) -> frozenset[str]:
    """The contracts that the account *name* may trade."""
    used: set[str] = set()
    for portfolio in settings.portfolio:
        for leg in settings.hedge_of(portfolio).legs if portfolio.account == name else ():
            if leg.account not in (None, name):
                raise SettingsError(
                    f"leg {leg.symbol} of {portfolio.name} is on account {leg.account}; on paper a "
                    f"portfolio has one account, {name}. Leave the leg's account out"
                )
            used.add(leg.symbol)
    return frozenset(used)


def _stated_instruments(
    settings: Settings, name: str, used: frozenset[str], ledger: Ledger
) -> tuple[Instrument, ...]:
    listed = {instrument.symbol: instrument for instrument in settings.instrument}
    for symbol in sorted(ledger.symbols() - listed.keys()):
        raise SettingsError(
            f"the paper account {name} has traded {symbol}; put its [[instrument]] back"
        )
    instruments = tuple(instrument_of(listed[s]) for s in sorted(used | ledger.symbols()))
    for traded in instruments:
        before = ledger.multipliers().get(traded.symbol, traded.contract_multiplier)
        if before != traded.contract_multiplier:
            raise SettingsError(
                f"{traded.symbol}: account {name} has traded it with a contract_multiplier of "
                f"{before}; put that back, or give service.state_dir another folder"
            )
    return instruments


def paper_portfolio(settings: Settings, portfolio: Portfolio) -> PaperPortfolio:
    """A portfolio as its venue on paper needs it."""
    return PaperPortfolio(
        account=portfolio.account,
        hedges=frozenset(leg.symbol for leg in settings.hedge_of(portfolio).legs if leg.weight),
        numeraire=portfolio.numeraire,
    )


def _on_history(settings: Settings, portfolio: Portfolio) -> PaperPortfolio:
    """The same with the holdings that the settings state."""
    return replace(
        paper_portfolio(settings, portfolio),
        quantities=tuple((holding.asset, holding.quantity) for holding in portfolio.holding),
        price_symbols={
            holding.asset: price_symbol(portfolio, holding) for holding in portfolio.holding
        },
    )
