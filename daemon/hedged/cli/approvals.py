"""
``approve`` and ``reject``, and what waits for one of them.

They only write down what a person says. The daemon, running or not, finds it in the journal.
"""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.markup import escape

from hedged.cli.show import console, given, indented, print_json, settings_of
from hedged.core.consent import Decision, Proposal, Standing, Verdict, rejection_holds
from hedged.core.wording import contracts, money, percent
from hedged.errors import SettingsError
from hedged.journal.approvals import Approvals
from hedged.journal.store import Journal
from hedged.settings.model import Settings
from hedged.wiring import journal_path, wall_clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """
    The last proposal of a portfolio and its *state*, a word or two; *approve* is what to type, and
    *by_hand* that a person trades what was approved, for nothing is sent there.
    """

    proposal: Proposal
    decision: Decision | None
    state: str
    approve: str
    reject: str
    by_hand: bool = False


def waiting(settings: Settings, journal: Journal, portfolio: str) -> Waiting | None:
    """What waits for approval, or was decided and is not executed; None when nothing does."""
    if settings.service.mode != "alert":
        return None
    standing = Approvals(journal).standing(portfolio)
    state = _state(standing, _now(settings, journal), by_hand=standing.by_hand)
    if standing.proposal is None or not state:
        return None
    number = standing.proposal.number
    return Waiting(
        proposal=standing.proposal,
        decision=standing.decision,
        state=state,
        approve=f"hedged approve {number}",
        reject=f"hedged reject {number} --why TEXT",
        by_hand=standing.by_hand,
    )


def print_waiting(found: Waiting, config: list[Path]) -> None:
    """The proposal as a person decides on it, and what to type."""
    proposal, out = found.proposal, console()
    files = given(config)
    out.print(f"[bold]Proposal {proposal.number}[/] of {proposal.portfolio}: [bold]{found.state}[/]")
    for step in proposal.steps:
        indented(
            out,
            f"{step.side}{' reduce-only' if step.reduce_only else ''} at most "
            f"[bold]{contracts(step.contracts_max)}[/] {step.symbol}, {money(step.notional)}, limit "
            f"{step.limit_price:,} (from {step.price_min:,.2f} to {step.price_max:,.2f})",
            2,
        )
    why = f"for a hedge of {percent(proposal.target_ratio)}, because {escape(proposal.because)}"
    indented(out, why, 2)
    if proposal.moved:
        indented(out, f"[dim]{escape(proposal.moved)}[/]", 2)
    indented(out, _until(found), 2)
    if found.decision is None:
        out.print(f"  {found.approve}{files}", soft_wrap=True)
        out.print(f"  {found.reject}{files}", soft_wrap=True)


def _until(found: Waiting) -> str:
    """What becomes of the proposal from here on."""
    until = f"until {found.proposal.expires_at:%Y-%m-%d %H:%M} UTC"
    if found.decision is None:
        return f"{until}; silence sends nothing"
    if found.decision.verdict == "reject":
        return "nothing of it is sent; the next review asks again"
    if found.by_hand:
        return f"{until}, once; a pass that has seen the trade ends it"
    return f"{until}; at its next pass the daemon looks again and sends at most that"


def decide(
    config: list[Path], number: int, verdict: Verdict, by: str | None, why: str, *, json: bool
) -> None:
    """
    Write down what *by* says to proposal *number*.

    Raises
    ------
    SettingsError
        When the mode is not alert, or nobody can be named.
    ConsentRefused
        When nothing can be decided on it.
    """
    settings = settings_of(config).settings
    if settings.service.mode != "alert":
        raise SettingsError(
            f"service.mode is {settings.service.mode!r}; only in mode 'alert' does anything wait for "
            "approval"
        )
    accounts = {portfolio.name: portfolio.account for portfolio in settings.portfolio}
    named = by if by is not None else login()
    with Journal.open_beside(journal_path(settings), wall_clock) as journal:
        now = _now(settings, journal)
        approvals = Approvals(journal)
        proposal = approvals.decide(number, verdict, named, why, now, accounts)
        by_hand = approvals.standing(proposal.portfolio).by_hand
    if json:
        decision = Decision(number=number, verdict=verdict, by=named, why=why, at=now)
        print_json({"proposal": proposal, "decision": decision})
        return
    if verdict == "reject":
        console().print(f"Proposal {number} is rejected by {escape(named)}; nothing of it is sent.")
        return
    until = f"until {proposal.expires_at:%Y-%m-%d %H:%M} UTC"
    goes_on = f"The daemon looks again at the market and sends at most that, {until}"
    if by_hand:
        goes_on = f"Nothing is sent there: it is yours to trade {until}, and the next pass sees it"
    console().print(
        f"Proposal {number} is approved by {escape(named)}: {proposal}. {goes_on}; see `hedged status`."
    )


def login() -> str:
    """Who has logged in. Raises `SettingsError` when nobody can be named."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise SettingsError("this user has no name; say who decides with --by NAME") from None


def _now(settings: Settings, journal: Journal) -> datetime:
    """The present; over a history that is walked it is where the last pass stood."""
    passes = [journal.last_pass_at(name) for name in journal.portfolios()]
    walked = max((at for at in passes if at is not None), default=None)
    return walked if settings.venue.walks and walked is not None else wall_clock()


def _state(standing: Standing, now: datetime, *, by_hand: bool) -> str:
    proposal, decision = standing.proposal, standing.decision
    if proposal is None or standing.used_by is not None:
        return ""
    if decision is not None and decision.verdict == "reject":
        held = rejection_holds(standing)
        return f"rejected by {decision.by}: {decision.why}" if held else ""
    if now >= proposal.expires_at:
        return ""
    if decision is not None:
        return f"approved by {decision.by}, {'yours to trade' if by_hand else 'not executed yet'}"
    return "waits for approval"
