"""
Recorded history as a market, and whether it holds what the rules name.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import polars as pl

from hedged.core.market import Holding
from hedged.core.metrics import History, Series, find
from hedged.core.metrics.vocabulary import Need, Signal
from hedged.core.policy import Policy
from hedged.core.rules import parse
from hedged.errors import BadData, SettingsError
from hedged.history.rows import accept
from hedged.history.store import HistoryStore
from hedged.history.watch import seed_fault, watched
from hedged.settings.model import Settings
from hedged.settings.sections import HoldingSection, Portfolio
from hedged.venue.replay import ReplayMarket

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


def recorded_market(settings: Settings) -> ReplayMarket:
    """The market that is replayed: the shipped history, or a folder of one."""
    shipped = Path(str(resources.files("hedged") / "demo_data" / "history"))
    root = shipped if settings.venue.data == "demo" else Path(settings.venue.data)
    if not root.is_dir():
        raise SettingsError(f"venue.data: {root} is not a folder of recorded history")
    live = settings.venue.clock == "wall"
    return ReplayMarket(
        HistoryStore(root, read_only=True),
        settings.signal.bar,
        reload=live,
        lag=settings.schedule.settle_delay if live else timedelta(0),
    )


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
    if policy.signal.bar != market.bar:
        raise SettingsError(
            f"portfolio {policy.portfolio} has signal.bar {policy.signal.bar}; the recorded history is "
            f"read in bars of {market.bar}, the common signal.bar"
        )
    symbol, seed = policy.signal.symbol, policy.signal.ath_seed
    bars = market.store.read(symbol, "bars", market.bar)
    if seed is not None and policy.signal.index == "market" and bars.height:
        if seed.date >= bars["open_time"][0].date():
            raise SettingsError(
                f"signal.ath_seed is dated {seed.date}, but the history of {symbol} begins on "
                f"{bars['open_time'][0]:%Y-%m-%d}; give the highest price before that day"
            )
        if fault := seed_fault(policy, bars):
            raise SettingsError(fault)
    for rule in policy.rules:
        for name in parse(rule.when).names:
            lacking = _lacking(name, policy, market)
            if lacking:
                raise SettingsError(f"rule {rule.name!r} names {name}, which needs {lacking}")


def _lacking(name: str, policy: Policy, market: ReplayMarket) -> str | None:
    """What the metric *name* needs and nobody records, with what to do."""
    metric, signal = find(name), policy.signal
    needs = metric.family.needs if metric else frozenset[Need]()
    never = unfit(needs, signal)
    if never:
        return never
    for need in sorted(needs - {"expiry"}):
        for source in _sources(policy, need):
            if not market.records(source, _COLUMNS[need]):
                return (
                    f"{need} of {source}; {market.store.root} has none. Take the rule out, or record it"
                )
    return None


def unfit(needs: frozenset[Need], signal: Signal) -> str:
    """Which of *needs* no venue can serve for what the rules watch, and what to do; empty if none."""
    if "expiry" in needs and signal.expiry is None:
        return (
            f"an expiry, and {signal.symbol} has none: the carry of a perpetual is its funding "
            "(funding_annualized). Name a dated contract in signal.symbol, or take the rule out"
        )
    if "index" in needs and signal.index != "market":
        return "an index price, and an index of coins has none of its own. Take the rule out"
    if needs & {"funding", "funding_next"} and signal.expiry is not None:
        return (
            f"funding, and {signal.symbol} is dated: it pays none, its carry is its basis "
            "(basis_annualized). Name a perpetual in signal.symbol, or take the rule out"
        )
    return ""


def _sources(policy: Policy, need: Need) -> tuple[str, ...]:
    """Whose series must be recorded for a metric that has this *need*."""
    signal = policy.signal
    if need == "portfolio":
        return tuple(leg.symbol for leg in policy.legs if leg.weight)
    if signal.index == "market" or need not in ("bars", "volume"):
        return (signal.symbol,)
    return tuple(one.symbol for one in signal.basket.constituents) if signal.basket else ()
