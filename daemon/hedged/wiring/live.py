"""
Real exchanges: lines to them, and the venues of portfolios on real accounts.

Live trading is never the default: the settings, the command line and the account must all agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from hedged.core.metrics import find
from hedged.core.metrics.vocabulary import Need
from hedged.core.policy import Policy
from hedged.core.rules import parse
from hedged.errors import SettingsError
from hedged.settings.model import Settings, currencies
from hedged.settings.sections import Portfolio
from hedged.settings.venues import Account as AccountSection
from hedged.settings.venues import Venue as VenueSection
from hedged.venue.accounts import Account, Wanted
from hedged.venue.book import Book
from hedged.venue.budget import Budgets, loop_time
from hedged.venue.catalogue import refuse_only_leg
from hedged.venue.dialect import Dialect
from hedged.venue.exchange import Exchange
from hedged.venue.holdings import LivePortfolio, StatedHolding, read_holdings
from hedged.venue.ledger import Ledger
from hedged.venue.live import LiveVenue
from hedged.venue.opening import DIALECTS
from hedged.venue.wire import Credentials, Permit, Proxies, Wire
from hedged.wiring.recorded import unfit


class Lines:
    """Everything that speaks to exchanges: one public line a venue, one of each key."""

    def __init__(
        self,
        venue: VenueSection,
        accounts: Mapping[str, AccountSection],
        clock: Callable[[], datetime],
        permit: Permit | None,
    ) -> None:
        self.venue = venue
        self.accounts = accounts
        self._clock = clock
        self._permit = permit
        self._budgets = Budgets(loop_time)
        self._exchanges: dict[str, Exchange] = {}
        self._keys: dict[str, Wire] = {}

    def exchange(self, name: str) -> Exchange:
        """
        The public side of the venue *name*.

        Raises
        ------
        SettingsError
            When hedged does not speak to it.
        """
        if name not in DIALECTS:
            raise SettingsError(f"hedged does not speak to {name!r}; it does to {', '.join(DIALECTS)}")
        if name not in self._exchanges:
            dialect = DIALECTS[name]
            self._exchanges[name] = Exchange(name, dialect, self._wire(dialect), self._clock)
        return self._exchanges[name]

    def account(self, name: str, legs: frozenset[str]) -> Account:
        """
        The account *name*, with its key.

        Raises
        ------
        SettingsError
            When it has none, or leaves wallets out that are not apart.
        """
        section = self.accounts[name]
        exchange = self.exchange(section.venue or self.venue.kind)
        if not (section.futures_wallets or exchange.dialect.wallets_apart):
            raise SettingsError(
                f"account.{name}.futures_wallets is false, but {exchange.name} keeps all coins in one "
                "wallet. Leave it out"
            )
        if name not in self._keys:
            self._keys[name] = self._wire(exchange.dialect, _credentials(name, section))
        return Account(
            name=name,
            exchange=exchange,
            wire=self._keys[name],
            legs=legs,
            wanted=Wanted(
                account_uid=section.uid,
                leverage=section.leverage,
                margin_mode=section.margin_mode,
                adjust=section.adjust,
            ),
            futures_wallets=section.futures_wallets,
        )

    async def close(self) -> None:
        """Let go of all sockets."""
        for exchange in self._exchanges.values():
            await exchange.close()
        for wire in self._keys.values():
            await wire.close()

    def _wire(self, dialect: Dialect, credentials: Credentials | None = None) -> Wire:
        venue = self.venue
        return Wire(
            dialect.speech,
            self._budgets,
            self._clock,
            credentials=credentials,
            permit=self._permit if credentials else None,
            endpoint=venue.endpoint,
            proxies=Proxies(https=venue.way_out("https_proxy"), socks=venue.way_out("socks_proxy")),
        )


def check_exchange_serves(policy: Policy, exchange: Exchange) -> None:
    """Refuse rules that name what the exchange never serves. Raises `SettingsError`."""
    if policy.signal.bar not in exchange.dialect.bars:
        raise SettingsError(
            f"signal.bar is {policy.signal.bar}, and {exchange.name} has no such bars; it has those of "
            f"{', '.join(exchange.dialect.bars)}"
        )
    base, _, settle = currencies(policy.signal.symbol)
    unserved = exchange.dialect.unserved
    if base == settle:
        unserved |= exchange.dialect.unserved_inverse
    for rule in policy.rules:
        for name in sorted(parse(rule.when).names):
            metric = find(name)
            needs = metric.family.needs if metric else frozenset[Need]()
            never = unfit(needs, policy.signal)
            if not never and needs & unserved:
                never = f"{min(needs & unserved)}; {exchange.name} does not serve it. Take the rule out"
            if never:
                raise SettingsError(f"rule {rule.name!r} names {name}, which needs {never}")


def check_legs(policy: Policy) -> None:
    """Refuse a hedge of nothing but an index of one coin against others. Raises `SettingsError`."""
    try:
        refuse_only_leg(currencies(leg.symbol)[0] for leg in policy.legs if leg.weight)
    except SettingsError as error:
        raise SettingsError(f"hedge.legs of portfolio {policy.portfolio}: {error}") from None


def live_venues(
    settings: Settings,
    lines: Lines,
    clock: Callable[[], datetime],
    opened: ExitStack,
    *,
    read_only: bool,
    accept_positions: bool = False,
    may_change: Callable[[str], bool] = lambda _: False,
) -> dict[str, LiveVenue]:
    """
    A venue for every portfolio, each with a book of its own; *may_change* says of one whether its
    accounts may be changed now.
    """
    found: dict[str, LiveVenue] = {}
    for portfolio in settings.portfolio:
        book = Ledger(book_path(settings, portfolio), read_only=read_only)
        opened.callback(book.close)
        legs = settings.hedge_of(portfolio).legs
        hedges = tuple(
            _in_mode(
                settings,
                lines.account(
                    name,
                    frozenset(leg.symbol for leg in legs if (leg.account or portfolio.account) == name),
                ),
            )
            for name in sorted(
                settings.hedge_accounts(portfolio), key=lambda name: (name != portfolio.account, name)
            )
        )
        sources = tuple(lines.account(name, frozenset()) for name in portfolio.holdings_from)
        found[portfolio.name] = LiveVenue(
            _portfolio(portfolio),
            hedges,
            sources,
            Book(book),
            clock,
            accept_positions=accept_positions,
            may_change=partial(may_change, portfolio.name),
        )
    return found


def book_path(settings: Settings, portfolio: Portfolio) -> Path:
    """Where a portfolio's book of what happened on its accounts lies."""
    return settings.service.state_dir / f"book-{portfolio.name}.sqlite"


def stated(portfolio: Portfolio) -> tuple[StatedHolding, ...]:
    """The holdings that a person states, in the settings and in a file beside them."""
    listed = tuple(
        StatedHolding(
            asset=holding.asset,
            quantity=holding.quantity,
            source="settings",
            price_symbol=holding.price_symbol,
        )
        for holding in portfolio.holding
    )
    return listed + (read_holdings(portfolio.holdings_file) if portfolio.holdings_file else ())


def _in_mode(settings: Settings, account: Account) -> Account:
    """In alert mode a key may be one that only reads, and nothing is changed that nobody approved."""
    if settings.service.mode != "alert":
        return account
    return replace(account, wanted=replace(account.wanted, may_only_read=True, adjust=False))


def _portfolio(portfolio: Portfolio) -> LivePortfolio:
    return LivePortfolio(
        name=portfolio.name,
        account=portfolio.account,
        numeraire=portfolio.numeraire,
        stated=stated(portfolio),
        stated_age_max=portfolio.holdings_age_max,
    )


def _credentials(name: str, section: AccountSection) -> Credentials:
    if section.api_key is None or section.api_secret is None:
        raise SettingsError(
            f"[account.{name}] has no key; set HEDGED__ACCOUNT__{name.upper()}__API_KEY_FILE and "
            "..._API_SECRET_FILE"
        )
    return Credentials(
        api_key=section.api_key.get_secret_value(), api_secret=section.api_secret.get_secret_value()
    )
