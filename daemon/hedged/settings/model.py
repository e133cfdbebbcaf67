"""
The settings as a whole, and what must fit together across their tables.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from hedged.core.metrics.vocabulary import needs_seed
from hedged.core.rules import parse
from hedged.settings.alerts import Alerts
from hedged.settings.guards import GuardsSection
from hedged.settings.kinds import AccountName, is_words
from hedged.settings.sections import (
    Beta,
    Consent,
    ExposureSection,
    Hedge,
    LimitsSection,
    OrdersSection,
    Portfolio,
    Rule,
    Schedule,
    Service,
    Signal,
)
from hedged.settings.venues import Account, Instrument, Paper, Venue
from hedged.settings.words import words_of


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    service: Service = Service()
    consent: Consent = Consent()
    schedule: Schedule = Schedule()
    venue: Venue
    paper: Paper | None = None
    exposure: ExposureSection = ExposureSection()
    beta: Beta = Beta()
    limits: LimitsSection = LimitsSection()
    orders: OrdersSection = OrdersSection()
    alerts: Alerts = Alerts()
    guards: GuardsSection = GuardsSection()
    signal: Signal = Signal()
    hedge: Hedge | None = None
    rule: tuple[Rule, ...] = ()
    instrument: tuple[Instrument, ...] = ()
    account: dict[AccountName, Account] = Field(
        default_factory=dict, description="a table an account, by its name"
    )
    portfolio: Annotated[tuple[Portfolio, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        self.check_whole()
        return self

    def check_whole(self) -> None:
        """What must fit together across the tables. Raises `ValueError` with all that does not."""
        faults: list[str] = []
        for check in (
            _unique_names,
            _nothing_to_look_up,
            _mode_possible,
            _nothing_rests_on_paper,
            _known_accounts,
            _legs_listed,
            _one_owner,
            _counted_once,
            _linear,
            _one_currency,
            _seeded,
        ):
            try:
                check(self)
            except ValueError as error:
                faults.append(str(error))
        if faults:
            raise ValueError("\n".join(dict.fromkeys(faults)))

    def hedge_of(self, portfolio: Portfolio) -> Hedge:
        """The portfolio's own hedge, or the common one."""
        hedge = portfolio.hedge or self.hedge
        if hedge is None:
            raise ValueError(f"portfolio {portfolio.name} has no hedge; add [hedge] with legs")
        return hedge

    def hedge_accounts(self, portfolio: Portfolio) -> frozenset[str]:
        """The accounts on which the portfolio's legs are traded."""
        legs = self.hedge_of(portfolio).legs
        return frozenset(leg.account or portfolio.account for leg in legs) | {portfolio.account}

    def rules_of(self, portfolio: Portfolio) -> tuple[Rule, ...]:
        """The portfolio's own rules, or the common ones."""
        return self.rule if portfolio.rule is None else portfolio.rule

    def signal_of(self, portfolio: Portfolio) -> Signal:
        """The portfolio's own signal, or the common one."""
        return portfolio.signal or self.signal


def _unique_names(settings: Settings) -> None:
    groups = {
        "portfolio": [p.name for p in settings.portfolio],
        "instrument": [i.symbol for i in settings.instrument],
        "rule": [r.name for r in settings.rule],
        **{f"rule of {p.name}": [r.name for r in p.rule or ()] for p in settings.portfolio},
    }
    for what, names in groups.items():
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two entries of [[{what}]] are called {twice[0]!r}")


def _mode_possible(settings: Settings) -> None:
    """
    Paper can't be without an account on paper, live not without a key and its account's number. Alert
    has an account on paper over recorded history, and real ones on an exchange.
    """
    mode = settings.service.mode
    if mode == "paper" or (mode == "alert" and settings.venue.recorded):
        if settings.paper is None:
            raise ValueError(f"mode = '{mode}' needs [paper] with collateral")
        return
    if settings.venue.recorded:
        raise ValueError(
            "mode = 'live' needs venue.kind = 'binance' or 'bybit'; history takes no orders"
        )
    for portfolio in settings.portfolio:
        for name in sorted(settings.hedge_accounts(portfolio)):
            account = settings.account.get(name)
            no_key = account is None or account.api_key is None
            no_uid = account is None or account.uid is None
            if no_key or no_uid:
                needs = _needs(name, key=no_key, uid=no_uid)
                raise ValueError(f"mode = '{mode}': [account.{name}] needs {needs}")


def _needs(name: str, *, key: bool, uid: bool) -> str:
    """What the account *name* lacks, and where it is written."""
    number = "uid, the exchange's number of the account"
    if not key:
        return number
    variable = f"HEDGED__ACCOUNT__{name.upper()}__API"
    files = f"; {variable}_KEY_FILE and {variable}_SECRET_FILE name files of a key and its secret"
    return f"api_key, api_secret and {number}{files}" if uid else f"api_key and api_secret{files}"


def _nothing_to_look_up(settings: Settings) -> None:
    """Words are looked up in what an exchange lists, and recorded history lists nothing."""
    found = words_of(settings) if settings.venue.recorded else ()
    if found:
        raise ValueError(
            "\n".join(
                f"{one.key} is {one.text!r}, and recorded history lists nothing to look words up in; "
                "write the symbol, such as 'BTC/USDT:USDT'"
                for one in found
            )
        )


def _nothing_rests_on_paper(settings: Settings) -> None:
    """Who would have taken a resting order, and when, is a guess that a dry run should not make."""
    if settings.service.mode != "live" and settings.orders.style != "ioc":
        raise ValueError(
            f"orders.style = {settings.orders.style!r} needs mode = 'live': on paper nothing rests. "
            "Leave it out here; the paper account takes at once"
        )


def _legs_listed(settings: Settings) -> None:
    if not settings.venue.recorded:
        return  # the exchange lists them
    listed = {instrument.symbol for instrument in settings.instrument}
    for portfolio in settings.portfolio:
        for leg in settings.hedge_of(portfolio).legs:
            if not is_words(leg.symbol) and leg.symbol not in listed:
                raise ValueError(f"leg {leg.symbol} of {portfolio.name} has no [[instrument]]")


def _one_owner(settings: Settings) -> None:
    """Every position of a hedge instrument on an account is the hedge of one portfolio."""
    owners: dict[tuple[object, str], str] = {}
    for portfolio in settings.portfolio:
        for leg in settings.hedge_of(portfolio).legs:
            account = leg.account or portfolio.account
            known = settings.account.get(account)
            of = (known.venue or settings.venue.kind, known.uid) if known and known.uid else account
            place = (of, leg.symbol)
            if place in owners:
                raise ValueError(
                    f"portfolios {owners[place]} and {portfolio.name} both hedge with {leg.symbol} "
                    f"on account {account}; give one of them another account"
                )
            owners[place] = portfolio.name


def _counted_once(settings: Settings) -> None:
    """An account under two names counts twice: its coins, or the margin of the hedge."""
    for portfolio in settings.portfolio:
        places = {
            "in holdings_from": frozenset(portfolio.holdings_from),
            "hedged on": settings.hedge_accounts(portfolio),
        }
        for key in ("uid", "api_key"):
            for where, names in places.items():
                first: dict[tuple[str, object], str] = {}
                for name in sorted(names & settings.account.keys()):
                    account = settings.account[name]
                    told = getattr(account, key)
                    one = first.setdefault((account.venue or settings.venue.kind, told), name)
                    if told is not None and one != name:
                        raise ValueError(
                            f"account.{one}.{key} and account.{name}.{key} are the same, and both are "
                            f"{where} by portfolio {portfolio.name}: the account would count twice. "
                            "Take one of them out"
                        )


def _linear(settings: Settings) -> None:
    for instrument in settings.instrument:
        base, _, settle = currencies(instrument.symbol)
        if instrument.inverse or settle == base:
            raise ValueError(f"{instrument.symbol} is inverse; the paper account is linear only")


def _one_currency(settings: Settings) -> None:
    """Everything is counted in the numeraire, and every conversion is a quoted price in it."""
    for portfolio in settings.portfolio:
        numeraire = portfolio.numeraire
        for leg in settings.hedge_of(portfolio).legs:
            if not is_words(leg.symbol) and currencies(leg.symbol)[1:] != (numeraire, numeraire):
                raise ValueError(
                    f"leg {leg.symbol} of {portfolio.name} is not in its numeraire {numeraire}"
                )
        for holding in portfolio.holding:
            symbol = holding.price_symbol
            if symbol is None or is_words(symbol):
                continue
            if currencies(symbol)[:2] != (holding.asset, numeraire):
                raise ValueError(f"price_symbol {symbol} does not price {holding.asset} in {numeraire}")


def currencies(symbol: str) -> tuple[str, str, str]:
    """Base, quote and settle currency of a symbol."""
    pair, _, settle = symbol.partition(":")
    base, _, quote = pair.partition("/")
    return base, quote, settle.partition("-")[0]


def _known_accounts(settings: Settings) -> None:
    for portfolio in settings.portfolio:
        named = settings.hedge_accounts(portfolio) | set(portfolio.holdings_from)
        for name in sorted(named - settings.account.keys()):
            if settings.account or name in portfolio.holdings_from:
                raise ValueError(
                    f"portfolio {portfolio.name} is on account {name}, and there is no [account.{name}]"
                )


def _seeded(settings: Settings) -> None:
    """`ath` without a seed would be the highest of whatever happens to be kept."""
    for portfolio in settings.portfolio:
        if settings.signal_of(portfolio).ath_seed is not None:
            continue
        for rule in settings.rules_of(portfolio):
            names = parse(rule.when).names
            named = list(filter(needs_seed, names))
            if named:
                raise ValueError(
                    f"rule {rule.name!r} names {sorted(named)[0]}, which needs signal.ath_seed: the "
                    "highest price before the kept history, and its date"
                )
