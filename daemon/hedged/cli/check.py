"""
``check``: settings, data, clock and disk, before anything runs.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import polars as pl
import structlog

from hedged.cli import exits
from hedged.cli.alerts import channels_finding
from hedged.cli.findings import Finding, Result
from hedged.cli.show import console, print_json, settings_of, table
from hedged.core.market import Holding
from hedged.core.metrics import bar_seconds
from hedged.core.policy import Policy
from hedged.errors import HedgedError
from hedged.history.watch import beside
from hedged.journal.chain import verify
from hedged.journal.store import Journal
from hedged.service.ticks import Schedule
from hedged.settings.load import Loaded
from hedged.settings.model import Settings
from hedged.settings.policies import policy_of
from hedged.venue.replay import ReplayMarket
from hedged.wiring import (
    check_served,
    journal_path,
    price_symbol,
    put_together,
    recorded_market,
    recorded_signal,
    stated_holdings,
    wall_clock,
)

DISK_FREE_MIN = 100 * 2**20
# No clock that is right shows a time before this program was written.
CLOCK_MIN = datetime(2026, 1, 1, tzinfo=UTC)

_COLOURS = {"ok": "green", "warning": "yellow", "FAILED": "bold red"}


def run_checks(config: list[Path], *, json: bool) -> None:
    """Look at everything; leave with a code of its own when something failed."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    loaded = settings_of(config)
    found = list(findings(loaded))
    if json:
        print_json(found)
    else:
        made = table("", "check", "found")
        for finding in found:
            result = f"[{_COLOURS[finding.result]}]{finding.result}[/]"
            made.add_row(result, finding.what, finding.said)
        console().print(made)
    if any(finding.result == "FAILED" for finding in found):
        raise SystemExit(exits.VERIFY)


def findings(loaded: Loaded) -> Iterator[Finding]:
    """Everything that is looked at, one after another."""
    settings = loaded.settings
    names = ", ".join(portfolio.name for portfolio in settings.portfolio)
    yield Finding(what="settings", result="ok", said=f"portfolios: {names}")
    yield _tried("schedule", lambda: _next_review(loaded))
    if settings.service.mode == "live":
        yield Finding(what="live", result="ok", said="orders are sent with `hedged run --live`")
    if settings.venue.recorded:
        yield from _recorded(settings)
    else:
        from hedged.cli.check_exchange import exchange_findings  # ccxt takes a second

        yield from exchange_findings(settings)
    yield _tried("accounts", lambda: _accounts(settings))
    yield _tried("journal", lambda: _journal(loaded))
    yield channels_finding(settings)
    yield _clock()
    yield _disk(settings.service.state_dir)


def _recorded(settings: Settings) -> Iterator[Finding]:
    """The rules against recorded history, its bars, and the prices of the holdings."""
    try:
        market = recorded_market(settings)
        policies = [policy_of(settings, portfolio) for portfolio in settings.portfolio]
        for policy in policies:
            yield _tried(f"rules of {policy.portfolio}", partial(_rules, policy, market))
            holdings = stated_holdings(settings, policy.portfolio)
            yield from _series(policy, holdings, market)
            if policy.signal.index != "market":
                yield _index(policy, holdings, market)
            yield from _prices(settings, policy, market)
    except HedgedError as error:
        yield Finding(what="data", result="FAILED", said=str(error))


def _tried(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what=what, result="ok", said=look())
    except HedgedError as error:
        return Finding(what=what, result="FAILED", said=str(error))


def _next_review(loaded: Loaded) -> str:
    schedule = Schedule(loaded.settings.schedule)
    start = loaded.settings.venue.start or wall_clock()
    at = schedule.next_wake(start - timedelta(microseconds=1))
    return f"{schedule.review_name} reviews; the first wake is {at:%Y-%m-%d %H:%M} UTC"


def _rules(policy: Policy, market: ReplayMarket) -> str:
    check_served(policy, market)
    return f"{len(policy.rules)} rules, each metric is served by {market.store.root.name}"


def _series(policy: Policy, holdings: tuple[Holding, ...], market: ReplayMarket) -> Iterator[Finding]:
    traded = {policy.signal.symbol, *(leg.symbol for leg in policy.legs)}
    for symbol in sorted(traded | beside(policy, holdings)):
        bars = market.store.read(symbol, "bars", market.bar)
        if not bars.height:
            yield Finding(what=symbol, result="FAILED", said=f"no {market.bar} bars are recorded")
            continue
        first, last = bars["open_time"][0], bars["open_time"][-1]
        spanned = int((last - first).total_seconds()) // bar_seconds(market.bar) + 1
        gaps = spanned - bars.height
        said = f"{bars.height} bars, {first:%Y-%m-%d} to {last:%Y-%m-%d}, {gaps} missing"
        yield Finding(what=symbol, result="warning" if gaps else "ok", said=said)


def _index(policy: Policy, holdings: tuple[Holding, ...], market: ReplayMarket) -> Finding:
    """Between which points an index of coins stood: a seed in another measure is never passed."""
    history, _ = recorded_signal(market, policy, holdings)
    low, high = (history.bars.select(low=pl.col("low").min(), high=pl.col("high").max())).row(0)
    said = f"{history.bars.height} bars, from {low:,.2f} to {high:,.2f} points"
    seed = policy.signal.ath_seed
    if seed is None or seed.price <= high:
        return Finding(what=policy.signal.name, result="ok", said=said)
    said += f"; ath_seed, {seed.price:,}, is above all of them: is it in points of this index?"
    return Finding(what=policy.signal.name, result="warning", said=said)


def _prices(settings: Settings, policy: Policy, market: ReplayMarket) -> Iterator[Finding]:
    """Holdings that count and that nobody prices: every pass would hold."""
    portfolio = next(p for p in settings.portfolio if p.name == policy.portfolio)
    free, some = policy.exposure.cash | policy.exposure.ignore, policy.exposure.unpriced_max
    for holding in portfolio.holding:
        symbol = price_symbol(portfolio, holding)
        few = holding.asset in some and holding.quantity <= some[holding.asset]
        if holding.asset not in free and not few and not market.records(symbol, "close"):
            said = f"no bars of {symbol} are recorded, so it has no price and every pass would hold"
            yield Finding(what=holding.asset, result="FAILED", said=said)


def _accounts(settings: Settings) -> str:
    """Put everything together as `plan` would, and let go of it."""

    async def work() -> None:
        daemon = await put_together(settings, read_only=True)
        await daemon.close()

    asyncio.run(work())
    names = sorted({portfolio.account for portfolio in settings.portfolio})
    return f"{', '.join(names)}: the accounts fit the settings"


def _journal(loaded: Loaded) -> str:
    path = journal_path(loaded.settings)
    if not path.exists():
        return f"{path} is not there yet; the first run makes it"
    with Journal.open_to_read(path, wall_clock) as journal:
        found = verify(journal.rows())
        for portfolio in loaded.settings.portfolio:
            journal.memory(portfolio.name)  # intact, and yet perhaps not of this version
    if found.fault:
        raise HedgedError(found.fault)
    return f"{found.records} records, the chain is intact"


def _clock() -> Finding:
    now = wall_clock()
    result: Result = "ok" if now >= CLOCK_MIN else "FAILED"
    return Finding(what="clock", result=result, said=f"{now:%Y-%m-%d %H:%M:%S} UTC")


def _disk(state_dir: Path) -> Finding:
    place = next(p for p in (state_dir, *state_dir.absolute().parents) if p.exists())
    free = shutil.disk_usage(place).free
    said = f"{free / 2**30:.1f} GiB free in {place}"
    if not os.access(place, os.W_OK):
        return Finding(what="disk", result="FAILED", said=f"{place} can't be written")
    return Finding(what="disk", result="ok" if free > DISK_FREE_MIN else "FAILED", said=said)
