"""
The composition root: settings become a venue, a journal, a history and policies.

The only place that chooses implementations; everything else is handed what it works with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import polars as pl

from hedged.core.market import Holding
from hedged.core.metrics import History, Series, find
from hedged.core.metrics.vocabulary import Need
from hedged.core.record import Policy
from hedged.core.rules import parse
from hedged.cycle import Shell
from hedged.errors import BadData, SettingsError
from hedged.history.keeper import Keeper
from hedged.history.rows import accept
from hedged.history.store import HistoryStore
from hedged.history.watch import watched
from hedged.journal.store import Journal
from hedged.settings.model import Settings
from hedged.settings.policies import instrument_of, policy_of
from hedged.settings.sections import HoldingSection, Portfolio
from hedged.venue.ledger import Ledger
from hedged.venue.paper import PaperPortfolio, PaperVenue
from hedged.venue.paper_account import PaperAccount, PaperTerms
from hedged.venue.replay import ReplayClock, ReplayMarket
from hedged.venue.retry import PatientVenue

JOURNAL_FILE = "journal.sqlite"
HISTORY_FOLDER = "history"

# The column that must be recorded for a metric's need to be met; the settings state an expiry.
_COLUMNS: dict[Need, str] = {
    "portfolio": "close",
    "bars": "close",
    "volume": "volume",
    "index": "index_close",
    "funding": "funding_rate",
    "funding_next": "funding_rate_next",
    "open_interest": "open_interest",
    "open_interest_notional": "open_interest_notional",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """All that runs: a shell for every portfolio, and what they share."""

    settings: Settings
    shells: tuple[Shell, ...]
    journal: Journal
    clock: Callable[[], datetime]
    replay_clock: ReplayClock | None

    async def close(self) -> None:
        """Let go of the venues, then of the journal and its lock."""
        for shell in self.shells:
            await shell.venue.close()
        self.journal.close()


def wall_clock() -> datetime:
    """The present, in UTC."""
    return datetime.now(tz=UTC)


def journal_path(settings: Settings) -> Path:
    """Where the journal lies."""
    return settings.service.state_dir / JOURNAL_FILE


def kept_history(settings: Settings, *, read_only: bool = True) -> HistoryStore:
    """The history that the daemon itself keeps."""
    return HistoryStore(settings.service.state_dir / HISTORY_FOLDER, read_only=read_only)


def recorded_market(settings: Settings) -> ReplayMarket:
    """The market that is replayed: the shipped history, or a folder of one."""
    shipped = Path(str(resources.files("hedged") / "demo_data" / "history"))
    root = shipped if settings.venue.data == "demo" else Path(settings.venue.data)
    if not root.is_dir():
        raise SettingsError(f"venue.data: {root} is not a folder of recorded history")
    live = settings.venue.clock == "wall"
    return ReplayMarket(HistoryStore(root, read_only=True), settings.signal.bar, reload=live)


def recorded_signal(
    market: ReplayMarket, policy: Policy, holdings: tuple[Holding, ...], until: datetime | None = None
) -> tuple[History, tuple[str, ...]]:
    """
    All that is recorded of what the rules watch, as the daemon would keep it; and why rows were
    refused, or what is to be said of an index at *until*.

    Raises
    ------
    BadData
        When a file can't be read, or no bar is recorded.
    """
    notes: list[str] = []

    def kept(symbol: str, series: Series) -> pl.DataFrame:
        recorded = market.store.read(symbol, series, market.bar)
        accepted = accept(recorded, recorded.clear(), series, market.bar)
        notes.extend(accepted.refused)
        return accepted.rows

    history, told = watched(kept, policy, holdings, until or datetime.max.replace(tzinfo=UTC))
    if not history.bars.height:
        recorded = f"no {market.bar} bars of {policy.signal.name} are recorded in {market.store.root}"
        raise BadData("; ".join((recorded, *told)))
    return history, (*notes, *told)


def stated_holdings(settings: Settings, name: str) -> tuple[Holding, ...]:
    """The holdings of the portfolio *name* as the settings state them, without a price."""
    portfolio = next(known for known in settings.portfolio if known.name == name)
    return tuple(
        Holding(
            asset=holding.asset,
            quantity=holding.quantity,
            mark_price=None,
            source="settings",
            price_symbol=price_symbol(portfolio, holding),
        )
        for holding in portfolio.holding
    )


def build(settings: Settings, *, read_only: bool = False) -> Daemon:
    """
    Put the daemon together. With *read_only* nothing is written anywhere: `plan` works so.

    Raises
    ------
    SettingsError
        When a rule names what the venue never serves, or the recorded history is not there.
    JournalError
        When the journal can't be opened.
    """
    market = recorded_market(settings)
    policies = [policy_of(settings, portfolio) for portfolio in settings.portfolio]
    for policy in policies:
        check_served(policy, market)
    replay_clock = _replay_clock(settings)
    clock = replay_clock or wall_clock
    names = sorted({policy.account for policy in policies})
    traded_until = _traded_until(settings, names)
    if replay_clock is not None and traded_until is not None:
        replay_clock.set(traded_until)  # a stopped replay goes on where its accounts stand
    with ExitStack() as opened:
        journal = opened.enter_context(_journal(settings, clock, traded_until, read_only=read_only))
        store = kept_history(settings, read_only=read_only)
        accounts = {}
        for name in names:
            ledger = Ledger(_ledger_path(settings, name), read_only=read_only)
            opened.callback(ledger.close)
            accounts[name] = _account(settings, name, market, ledger)
        shells = tuple(
            _shell(settings, policy, accounts[policy.account], journal, store, clock)
            for policy in policies
        )
        opened.pop_all()  # from here on `Daemon.close` lets go of them
    return Daemon(
        settings=settings, shells=shells, journal=journal, clock=clock, replay_clock=replay_clock
    )


def _shell(
    settings: Settings,
    policy: Policy,
    account: PaperAccount,
    journal: Journal,
    store: HistoryStore,
    clock: Callable[[], datetime],
) -> Shell:
    portfolio = next(p for p in settings.portfolio if p.name == policy.portfolio)
    paper = PaperVenue(account, _paper_portfolio(settings, portfolio), clock)
    venue = PatientVenue(paper, _no_wait if settings.venue.clock == "history" else asyncio.sleep)
    return Shell(
        mode=settings.service.mode,
        policy=policy,
        venue=venue,
        journal=journal,
        keeper=Keeper(venue, store),
        clock=clock,
    )


async def _no_wait(_seconds: float) -> None:
    """History does not change while one waits."""


def _replay_clock(settings: Settings) -> ReplayClock | None:
    venue = settings.venue
    if venue.clock == "wall" or venue.start is None or venue.end is None:
        return None
    return ReplayClock(venue.start, venue.end)


def _traded_until(settings: Settings, accounts: list[str]) -> datetime | None:
    """The latest instant up to which any of the accounts was carried; None before the first run."""
    found: list[datetime] = []
    for name in accounts:
        ledger = Ledger(_ledger_path(settings, name), read_only=True)
        found += [ledger.advanced_to] if ledger.advanced_to else []
        ledger.close()
    return max(found, default=None)


def _ledger_path(settings: Settings, account: str) -> Path:
    return settings.service.state_dir / f"paper-{account}.sqlite"


def _journal(
    settings: Settings,
    clock: Callable[[], datetime],
    not_before: datetime | None,
    *,
    read_only: bool,
) -> Journal:
    path = journal_path(settings)
    if read_only:
        return Journal.open_to_read(path, clock) if path.exists() else Journal.imagined(clock)
    accounts = tuple(sorted({portfolio.account for portfolio in settings.portfolio}))
    return Journal.open_for(path, settings.service.mode, accounts, clock, not_before)


def _account(settings: Settings, name: str, market: ReplayMarket, ledger: Ledger) -> PaperAccount:
    used = {
        leg.symbol
        for portfolio in settings.portfolio
        if portfolio.account == name
        for leg in settings.hedge_of(portfolio).legs
    }
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
    terms = PaperTerms(**settings.paper.model_dump())
    lag = settings.schedule.settle_delay if settings.venue.clock == "wall" else timedelta(0)
    account = PaperAccount(market, ledger, terms, instruments, lag)
    for symbol in sorted(ledger.symbols() - used):
        if account.held(symbol):
            raise SettingsError(
                f"the paper account {name} holds {symbol}, which is no leg any more; put the leg back "
                f"with weight = 0, which closes it, or give service.state_dir another folder"
            )
    return account


def _paper_portfolio(settings: Settings, portfolio: Portfolio) -> PaperPortfolio:
    numeraire = portfolio.numeraire
    return PaperPortfolio(
        account=portfolio.account,
        hedges=frozenset(leg.symbol for leg in settings.hedge_of(portfolio).legs if leg.weight),
        numeraire=numeraire,
        quantities=tuple((holding.asset, holding.quantity) for holding in portfolio.holding),
        price_symbols={
            holding.asset: price_symbol(portfolio, holding) for holding in portfolio.holding
        },
    )


def price_symbol(portfolio: Portfolio, holding: HoldingSection) -> str:
    """Where a holding's price is found."""
    numeraire = portfolio.numeraire
    return holding.price_symbol or f"{holding.asset}/{numeraire}:{numeraire}"


def check_served(policy: Policy, market: ReplayMarket) -> None:
    """
    Refuse rules that name what the venue never serves: a settings error, not an eternal unknown.

    Raises
    ------
    SettingsError
        Naming the rule, the metric and what is not recorded.
    """
    symbol, seed = policy.signal.symbol, policy.signal.ath_seed
    if policy.signal.bar != market.bar:
        raise SettingsError(
            f"portfolio {policy.portfolio} has signal.bar {policy.signal.bar}; the recorded history is "
            f"read in bars of {market.bar}, the common signal.bar"
        )
    bars = market.store.read(symbol, "bars", market.bar)
    if (
        seed is not None
        and policy.signal.index == "market"
        and bars.height
        and seed.date >= bars["open_time"][0].date()
    ):
        raise SettingsError(
            f"signal.ath_seed is dated {seed.date}, but the history of {symbol} begins on "
            f"{bars['open_time'][0]:%Y-%m-%d}; give the highest price before that day"
        )
    for rule in policy.rules:
        for name in parse(rule.when).names:
            lacking = _lacking(name, policy, market)
            if lacking:
                raise SettingsError(f"rule {rule.name!r} names {name}, which needs {lacking}")


def _lacking(name: str, policy: Policy, market: ReplayMarket) -> str | None:
    """What the metric *name* needs and nobody records, with what to do."""
    metric, signal = find(name), policy.signal
    needs = metric.family.needs if metric else frozenset[Need]()
    if "expiry" in needs and signal.expiry is None:
        return (
            f"an expiry, and {signal.symbol} has none: the carry of a perpetual is its funding "
            "(funding_annualized). Name a dated contract in signal.symbol, or take the rule out"
        )
    for need in sorted(needs - {"expiry"}):
        for source in _sources(policy, need):
            if not market.records(source, _COLUMNS[need]):
                return (
                    f"{need} of {source}; {market.store.root} has none. Take the rule out, or record it"
                )
    return None


def _sources(policy: Policy, need: Need) -> tuple[str, ...]:
    """Whose series must be recorded for a metric that has this *need*."""
    signal = policy.signal
    if need == "portfolio":
        return tuple(leg.symbol for leg in policy.legs if leg.weight)
    if signal.index == "market" or need not in ("bars", "volume", "index"):
        return (signal.symbol,)
    if need == "index":
        return (signal.name,)  # an index of coins has no index of its own
    return tuple(one.symbol for one in signal.basket.constituents) if signal.basket else ()
