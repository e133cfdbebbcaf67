"""
``check`` against real exchanges: the clock, the key, the modes, the contracts, the prices.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from datetime import timedelta

from hedged.cli.findings import Finding, Result
from hedged.core.exposure import expose
from hedged.core.market import Snapshot
from hedged.core.metrics.vocabulary import needs_seed
from hedged.core.record import Mode
from hedged.errors import HedgedError
from hedged.history.watch import names_of, seed_fault
from hedged.settings.model import Settings
from hedged.settings.policies import policy_of
from hedged.venue import doubts
from hedged.venue.accounts import Account
from hedged.venue.exchange import Exchange
from hedged.venue.modes import modes_of
from hedged.venue.protocol import Venue
from hedged.wiring.daemon import kept_history, wall_clock
from hedged.wiring.live import Lines, check_exchange_serves, check_legs, live_venues
from hedged.wiring.live_paper import live_paper_venues
from hedged.wiring.words import understood_at

SLOW = timedelta(seconds=2)


def exchange_findings(settings: Settings) -> list[Finding]:
    """Everything that can be found out without sending an order."""

    async def work() -> list[Finding]:
        lines = Lines(settings.venue, settings.account, wall_clock, None)
        try:
            return [finding async for finding in _found(settings, lines)]
        finally:
            await lines.close()

    return asyncio.run(work())


async def _found(written: Settings, lines: Lines) -> AsyncIterator[Finding]:
    exchange = lines.exchange(written.venue.kind)
    try:
        found = await understood_at(written, lines.exchange, wall_clock)
    except HedgedError as error:
        yield Finding(what="words", result="FAILED", said=str(error))
        return
    for key, said in dict.fromkeys((one.words.key, str(one)) for one in found.meanings):
        yield Finding(what=key, result="ok", said=said)
    settings = found.settings
    for portfolio in settings.portfolio:
        policy = policy_of(settings, portfolio)
        try:
            check_legs(policy)
            check_exchange_serves(policy, exchange)
            said = f"{len(policy.rules)} rules, {exchange.name} serves what they name"
            yield Finding(what=f"rules of {policy.portfolio}", result="ok", said=said)
        except HedgedError as error:
            yield Finding(what=f"rules of {policy.portfolio}", result="FAILED", said=str(error))
    try:
        async for finding in _of_seed(settings, exchange):
            yield finding
        async for finding in _of_exchange(exchange):
            yield finding
        with ExitStack() as opened:
            for name, venue, accounts in _venues(settings, lines, opened):
                for account in accounts:
                    async for finding in _of_account(account, settings.service.mode):
                        yield finding
                policy = policy_of(settings, next(p for p in settings.portfolio if p.name == name))
                seen = await venue.observe(wall_clock(), after=0)
                exposure = expose(seen, policy.exposure)
                mended = await _mended(accounts, seen)
                for finding in _of_snapshot(name, seen, exposure.unpriced, mended):
                    yield finding
    except HedgedError as error:
        yield Finding(what=exchange.name, result="FAILED", said=str(error))


def _venues(
    settings: Settings, lines: Lines, opened: ExitStack
) -> Iterator[tuple[str, Venue, list[Account]]]:
    """The venue of every portfolio, by its name, and the accounts whose keys it uses."""
    if settings.service.mode == "paper":
        on_paper = live_paper_venues(settings, lines, wall_clock, opened, read_only=True)
        for portfolio in settings.portfolio:
            sources = [lines.account(name, frozenset()) for name in portfolio.holdings_from]
            yield portfolio.name, on_paper[portfolio.name], sources
        return
    for name, venue in live_venues(settings, lines, wall_clock, opened, read_only=True).items():
        # An account that is both is looked at as one that trades.
        once = {a.name: a for a in (*venue.hedges, *venue.sources)} | {a.name: a for a in venue.hedges}
        yield name, venue, list(once.values())


async def _of_exchange(exchange: Exchange) -> AsyncIterator[Finding]:
    began = wall_clock()
    skew = await exchange.measure_skew()
    took = wall_clock() - began
    listings = await exchange.listings()
    off = skew / timedelta(seconds=1)
    yield Finding(
        what=f"{exchange.name}: clock",
        result="ok" if abs(skew) <= doubts.SKEW_MAX / 2 else "warning"
        if abs(skew) <= doubts.SKEW_MAX else "FAILED",
        said=f"the local clock is {off:+.3f} s off; it may be {doubts.SKEW_MAX.total_seconds()} s",
    )  # fmt: skip
    yield Finding(
        what=f"{exchange.name}: latency",
        result="ok" if took <= SLOW else "warning",
        said=f"an answer took {1000 * took.total_seconds():.0f} ms; {len(listings)} contracts listed",
    )


async def _of_seed(settings: Settings, exchange: Exchange) -> AsyncIterator[Finding]:
    """Whether an all-time high can be told from where the history begins: an exchange cuts it off."""
    store = kept_history(settings)
    for policy in (policy_of(settings, portfolio) for portfolio in settings.portfolio):
        signal = policy.signal
        if signal.index != "market" or not any(map(needs_seed, names_of(policy))):
            continue
        bars = store.read(signal.symbol, "bars", signal.bar)
        if not bars.height:
            bars = await exchange.series(signal.symbol, "bars", signal.bar, None, wall_clock())
        said = seed_fault(policy, bars)
        if said:
            yield Finding(what=f"ath_seed of {policy.portfolio}", result="FAILED", said=said)
        elif bars.height and signal.ath_seed:
            begins = f"{bars['open_time'][0]:%Y-%m-%d}"
            said = f"{signal.ath_seed.price:,} must be the highest price before {begins}"
            yield Finding(what=f"ath_seed of {policy.portfolio}", result="ok", said=said)


async def _of_account(account: Account, mode: Mode) -> AsyncIterator[Finding]:
    rights = await account.exchange.dialect.rights(account.wire)
    wrong = [*doubts.of_rights(account, rights), *doubts.of_sight(account, rights)]
    if mode == "paper":
        wrong += doubts.of_paper(account, rights)
    what = f"key of {account.name}"
    for doubt in wrong:
        yield Finding(what=what, result="FAILED", said=doubt)
    if rights.address_bound is False:
        said = "it works from every address; bind it to this machine's at the exchange"
        yield Finding(what=what, result="warning", said=said)
    if not wrong:
        may = "may trade" if rights.may_trade else "may only read"
        yield Finding(
            what=what, result="ok", said=f"account {rights.account_uid}, {may}, can't withdraw"
        )


async def _mended(accounts: list[Account], seen: Snapshot) -> frozenset[str]:
    """Doubts that the first pass ends by itself: leverage and margin mode it may set, while flat."""
    found: set[str] = set()
    if seen.open_orders or any(position.contracts for position in seen.positions):
        return frozenset()
    for account in accounts:
        if account.wanted.adjust:
            listings = await account.exchange.listings()
            legs = (listings[symbol] for symbol in sorted(account.legs & listings.keys()))
            for symbol, mode in (await modes_of(account, legs)).items():
                if not mode.hedge_mode:  # under it nothing is set
                    found.update(doubts.of_mode(account, symbol, mode))
    return frozenset(found)


def _of_snapshot(
    name: str, seen: Snapshot, unpriced: tuple[str, ...], mended: frozenset[str]
) -> Iterator[Finding]:
    for doubt in seen.doubts:
        result: Result = "warning" if doubt in mended else "FAILED"
        yield Finding(what=f"portfolio {name}", result=result, said=doubt)
    for why in seen.outdated:
        yield Finding(what=f"portfolio {name}", result="warning", said=f"nothing grows: {why}")
    for asset in unpriced:
        said = "nobody prices it, so every pass would hold; see exposure.ignore and unpriced_max"
        yield Finding(what=asset, result="FAILED", said=said)
    coins = sorted({holding.asset for holding in seen.holdings})
    said = f"coins seen: {len(coins)} ({', '.join(coins[:8])}), equity {seen.margin.equity:,.2f}"
    yield Finding(what=f"portfolio {name}", result="ok", said=said)
