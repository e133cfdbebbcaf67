"""
The composition root: settings become venues, a journal, a history and policies.

The only place that chooses implementations; everything else is handed what it works with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hedged.core.arming import ArmedAccount, terms_of
from hedged.core.policy import Policy
from hedged.cycle import Shell
from hedged.errors import JournalBusy, JournalError, SettingsError
from hedged.history.keeper import Keeper
from hedged.history.store import HistoryStore
from hedged.journal.store import Journal
from hedged.settings.model import Settings
from hedged.settings.policies import policy_of
from hedged.venue.protocol import Venue
from hedged.venue.replay import ReplayClock
from hedged.venue.retry import PatientVenue
from hedged.wiring.paper import paper_venues, traded_until
from hedged.wiring.recorded import check_served, recorded_market
from hedged.wiring.words import Meaning, understood

if TYPE_CHECKING:
    from hedged.wiring.live import Lines

JOURNAL_FILE = "journal.sqlite"
HISTORY_FOLDER = "history"


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """
    All that runs: a shell for every portfolio, and what they share.

    *meanings* are of the words in the settings that were read; *settings* have symbols instead.
    """

    settings: Settings
    shells: tuple[Shell, ...]
    journal: Journal
    clock: Callable[[], datetime]
    replay_clock: ReplayClock | None
    lines: Lines | None = None
    meanings: tuple[Meaning, ...] = ()

    async def close(self) -> None:
        """Let go of the venues, then of the journal and its lock."""
        for shell in self.shells:
            await shell.venue.close()
        if self.lines is not None:
            await self.lines.close()
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


def check_live(settings: Settings, *, asked: bool) -> None:
    """
    Refuse to trade live unless the settings say so, and *asked* (``--live``) too. That the account is
    the one they mean is for its number to say, which a look at it compares before anything is sent.

    Raises
    ------
    SettingsError
        Naming what is missing.
    """
    mode = settings.service.mode
    live = mode == "live"
    if asked and not live:
        raise SettingsError(
            f"--live is given, and service.mode is {mode!r}; set mode = 'live', or leave it out"
        )
    if live and not asked:
        raise SettingsError("service.mode is 'live'; give --live too, for orders will be sent")


async def put_together(
    settings: Settings,
    *,
    read_only: bool = False,
    clock: Callable[[], datetime] = wall_clock,
    accept_positions: bool = False,
) -> Daemon:
    """
    Look up what words in *settings* mean, then `build`.

    Raises
    ------
    SettingsError, JournalError
        As `build`, and when words mean no contract, or several.
    VenueUnavailable
        When an exchange is to be asked what words mean, and does not answer.
    """
    found = await understood(settings, clock)
    return build(
        found.settings,
        read_only=read_only,
        clock=clock,
        meanings=found.meanings,
        accept_positions=accept_positions,
    )


def build(
    settings: Settings,
    *,
    read_only: bool = False,
    clock: Callable[[], datetime] = wall_clock,
    meanings: tuple[Meaning, ...] = (),
    accept_positions: bool = False,
) -> Daemon:
    """
    Put the daemon together of *settings* without words; *meanings* is what stood there before.

    With *read_only* nothing is written anywhere: `plan` works so. With *accept_positions* real
    accounts are taken as they are first read.

    Raises
    ------
    SettingsError
        When a rule names what the venue never serves, the recorded history is not there, or a
        position would be left behind.
    JournalError
        When the journal can't be opened.
    """
    if settings.venue.recorded:
        return _on_history(settings, clock, read_only=read_only)
    return _on_exchanges(
        settings, clock, meanings, read_only=read_only, accept_positions=accept_positions
    )


def _on_history(settings: Settings, wall: Callable[[], datetime], *, read_only: bool) -> Daemon:
    market, policies = recorded_market(settings), _policies(settings)
    for policy in policies.values():
        check_served(policy, market)
    replay_clock = _replay_clock(settings)
    clock = replay_clock or wall
    until = traded_until(settings, _accounts(settings))
    if replay_clock is not None and until is not None:
        replay_clock.set(until)  # a stopped replay goes on where its accounts stand
    with ExitStack() as opened:
        journal = opened.enter_context(_journal(settings, clock, until, read_only=read_only))
        venues = paper_venues(settings, market, clock, opened, read_only=read_only)
        shells = _shells(settings, policies, venues, journal, clock, read_only=read_only)
        opened.pop_all()  # from here on `Daemon.close` lets go of them
    return Daemon(
        settings=settings, shells=shells, journal=journal, clock=clock, replay_clock=replay_clock
    )


def _on_exchanges(
    settings: Settings,
    clock: Callable[[], datetime],
    meanings: tuple[Meaning, ...],
    *,
    read_only: bool,
    accept_positions: bool,
) -> Daemon:
    # Imported here, for ccxt takes a second.
    from hedged.wiring.live import Lines, check_exchange_serves, check_legs, live_venues
    from hedged.wiring.live_paper import live_paper_venues
    from hedged.wiring.orphans import refuse_orphans

    policies, on_paper = _policies(settings), settings.service.mode == "paper"
    for policy in policies.values():
        check_legs(policy)
    until = traded_until(settings, _accounts(settings)) if on_paper else None
    with ExitStack() as opened:
        journal = opened.enter_context(_journal(settings, clock, until, read_only=read_only))
        refuse_orphans(policies, journal, meanings, clock())
        if settings.service.mode == "live":
            journal.terms = terms_of(policies.values(), armed_accounts(settings))
        permit = None if read_only or on_paper else journal.claim
        lines = Lines(settings.venue, settings.account, clock, permit)
        for policy in policies.values():
            check_exchange_serves(policy, lines.exchange(settings.venue.kind))
        venues: Mapping[str, Venue]
        if on_paper:
            venues = live_paper_venues(settings, lines, clock, opened, read_only=read_only)
        else:
            venues = live_venues(
                settings,
                lines,
                clock,
                opened,
                read_only=read_only,
                accept_positions=accept_positions,
                may_change=_free(journal),
            )
        shells = _shells(settings, policies, venues, journal, clock, read_only=read_only)
        opened.pop_all()
    return Daemon(
        settings=settings,
        shells=shells,
        journal=journal,
        clock=clock,
        replay_clock=None,
        lines=lines,
        meanings=meanings,
    )


def armed_accounts(settings: Settings) -> dict[str, ArmedAccount]:
    """Every account that orders are sent on, by its name."""
    names = {name for portfolio in settings.portfolio for name in settings.hedge_accounts(portfolio)}
    named = ((name, settings.account[name]) for name in sorted(names))
    return {
        name: ArmedAccount(
            venue=account.venue or settings.venue.kind,
            uid=account.uid or "",
            loopback=settings.venue.endpoint is not None,
            leverage=account.leverage,
            margin_mode=account.margin_mode,
            adjust=account.adjust,
        )
        for name, account in named
    }


def open_to_arm(settings: Settings) -> Journal:
    """
    The journal to write an arming into, also while the daemon runs; made where there is none.

    Raises
    ------
    JournalError
        When it can't be opened, or belongs to another mode or other accounts.
    """
    try:
        return _journal(settings, wall_clock, None, read_only=False)
    except JournalBusy:  # the daemon has it, and it is the daemon's own mode and accounts
        return Journal.open_beside(journal_path(settings), wall_clock)


def open_to_settle(settings: Settings) -> Journal:
    """
    The journal to write an outcome into, as its only writer.

    Raises
    ------
    JournalError
        When it can't be opened, or there is none; `JournalBusy` while a daemon works.
    """
    path = journal_path(settings)
    if not path.exists():
        raise JournalError(f"there is no journal at {path} yet; `hedged run` makes it")
    return _journal(settings, wall_clock, None, read_only=False)


def _policies(settings: Settings) -> dict[str, Policy]:
    return {portfolio.name: policy_of(settings, portfolio) for portfolio in settings.portfolio}


def _accounts(settings: Settings) -> list[str]:
    """The accounts on paper."""
    return sorted({portfolio.account for portfolio in settings.portfolio})


def _shells(
    settings: Settings,
    policies: Mapping[str, Policy],
    venues: Mapping[str, Venue],
    journal: Journal,
    clock: Callable[[], datetime],
    *,
    read_only: bool,
) -> tuple[Shell, ...]:
    store = kept_history(settings, read_only=read_only)
    sleep = _no_wait if settings.venue.walks else asyncio.sleep
    patient = {name: PatientVenue(venue, sleep) for name, venue in venues.items()}
    return tuple(
        Shell(
            mode=settings.service.mode,
            policy=policy,
            venue=patient[name],
            journal=journal,
            keeper=Keeper(patient[name], store),
            clock=clock,
        )
        for name, policy in policies.items()
    )


def _free(journal: Journal) -> Callable[[str], bool]:
    """Whether nothing forbids all orders of a portfolio now: an account is changed only then."""

    def free(portfolio: str) -> bool:
        found = journal.restrictions(portfolio, journal.clock())
        return all(one.allows != "nothing" for one in found)

    return free


async def _no_wait(_seconds: float) -> None:
    """History does not change while one waits."""


def _replay_clock(settings: Settings) -> ReplayClock | None:
    venue = settings.venue
    if not venue.walks or venue.start is None or venue.end is None:
        return None
    return ReplayClock(venue.start, venue.end)


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
    accounts = {name for portfolio in settings.portfolio for name in settings.hedge_accounts(portfolio)}
    # What is known of an account, on paper or approved or armed, is of no other in another world.
    if settings.service.mode == "paper" and not settings.venue.recorded:
        accounts = {f"{name} on {settings.venue.kind}" for name in accounts}
    elif not settings.venue.recorded:
        accounts = {f"{name} on {account}" for name, account in armed_accounts(settings).items()}
    return Journal.open_for(path, settings.service.mode, tuple(sorted(accounts)), clock, not_before)
