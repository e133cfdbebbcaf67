"""
``status``: the hedge at a glance; and lifting what restricts it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from rich.markup import escape

from hedged.cli.approvals import Waiting, waiting
from hedged.cli.guards import alarm_line, carry_line, headroom_line
from hedged.cli.show import console, given, print_json, settings_of, table
from hedged.core.carry import Carry, carries
from hedged.core.foregone import NotTraded, marks_of, not_traded
from hedged.core.gate import ARMING, Restriction
from hedged.core.guard import Naked
from hedged.core.headroom import Headroom
from hedged.core.record import CycleRecord, Outcome
from hedged.core.watch import Alarm
from hedged.core.wording import contracts, money, percent
from hedged.journal.approvals import Approvals
from hedged.journal.store import Journal
from hedged.service.ticks import Schedule
from hedged.settings.model import Settings
from hedged.wiring import journal_path, wall_clock


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioStatus:
    """Where one portfolio stands, from its last record."""

    portfolio: str
    mode: str
    observed_at: datetime | None
    exposure: Decimal | None
    held_ratio: Decimal | None
    target_ratio: Decimal | None
    goal_ratio: Decimal | None
    equity: Decimal | None
    last_review: str | None
    last_review_because: str | None
    next_pass: datetime | None
    orders: tuple[str, ...]
    unresolved: int
    restrictions: tuple[Restriction, ...]
    naked: Naked | None
    headrooms: tuple[Headroom, ...]
    alarms: tuple[Alarm, ...]
    carries: tuple[Carry, ...]
    waits: Waiting | None = None
    armed_since: datetime | None = None
    not_traded: NotTraded | None = None


def show_status(config: list[Path], *, json: bool) -> None:
    """One block a portfolio."""
    settings = settings_of(config).settings
    with Journal.open_to_read(journal_path(settings), wall_clock) as journal:
        found = [_status(settings, journal, portfolio.name) for portfolio in settings.portfolio]
        head_id, head_hash = journal.head()
    if json:
        print_json({"portfolios": found, "records": head_id, "head": head_hash})
        return
    for status in found:
        _print(status, given(config))
    records = "1 record" if head_id == 1 else f"{head_id} records"
    console().print(f"[dim]{records}, head {head_hash}[/]")


def _status(settings: Settings, journal: Journal, portfolio: str) -> PortfolioStatus:
    last, review = journal.latest(portfolio), journal.latest(portfolio, "review")
    wanted = last.thought.wanted if last else None
    ratio = last.memory.ratio if last else None
    now = last.inputs.now if last and settings.venue.walks else wall_clock()
    return PortfolioStatus(
        portfolio=portfolio,
        mode=settings.service.mode,
        observed_at=last.inputs.now if last else None,
        exposure=last.thought.exposure.total if last else None,
        held_ratio=wanted.held_ratio if wanted else None,
        target_ratio=ratio.target_ratio if ratio else None,
        goal_ratio=ratio.goal_ratio if ratio else None,
        equity=last.inputs.snapshot.margin.equity if last else None,
        last_review=review.inputs.tick.id if review else None,
        last_review_because=replace(review, waits="").because if review else None,
        next_pass=_next_pass(settings, now),
        orders=tuple(_order(outcome) for outcome in last.outcomes) if last else (),
        unresolved=len(journal.unresolved(portfolio)),
        restrictions=(
            *journal.restrictions(portfolio, now),
            *(one for one in (last.inputs.restrictions if last else ()) if one.by == ARMING),
        ),
        naked=last.memory.naked if last else None,
        waits=waiting(settings, journal, portfolio),
        armed_since=_armed_since(journal, last.inputs.now) if last else None,
        headrooms=last.thought.headrooms if last else (),
        alarms=last.thought.alarms if last else (),
        carries=carries(last.inputs.snapshot) if last else (),
        not_traded=_not_traded(journal, last, now) if last else None,
    )


def _not_traded(journal: Journal, last: CycleRecord, now: datetime) -> NotTraded | None:
    """What trading every proposal at once would have earned, at the marks of the last pass."""
    if last.mode != "alert":
        return None
    standing, marks = Approvals(journal).standing(last.portfolio), marks_of(last.inputs.snapshot)
    return not_traded(last.memory.foregone, standing, marks, now)


def _armed_since(journal: Journal, observed_at: datetime) -> datetime | None:
    """When a person armed after the last pass, which knows nothing of it."""
    at = journal.armed_at()
    return at if at is not None and at > observed_at else None


def _next_pass(settings: Settings, now: datetime) -> datetime | None:
    """When the daemon wakes next; never, past the end of a history."""
    at, end = Schedule(settings.schedule).next_wake(now), settings.venue.end
    past = settings.venue.walks and at is not None and end is not None and at > end
    return None if past else at


def _order(outcome: Outcome) -> str:
    return f"{outcome.side} {contracts(outcome.filled)} {outcome.symbol}, {outcome.status}"


def _print(status: PortfolioStatus, files: str) -> None:
    def share(ratio: Decimal | None) -> str:
        return "-" if ratio is None else percent(ratio)

    def value(figure: Decimal | None) -> str:
        return "-" if figure is None else money(figure)

    def when(at: datetime | None) -> str:
        return "-" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"

    made = table("", "", title=f"{status.portfolio} ({status.mode})")
    made.show_header = False
    made.add_row("hedge held when observed", f"[bold]{share(status.held_ratio)}[/]")
    made.add_row("target, goal", f"{share(status.target_ratio)}, {share(status.goal_ratio)}")
    made.add_row("exposure", value(status.exposure))
    made.add_row("account equity", value(status.equity))
    made.add_row("observed", when(status.observed_at))
    for order in status.orders:
        made.add_row("ordered then", order)
    made.add_row("last review", status.last_review or "-")
    made.add_row("", status.last_review_because or "")
    made.add_row("next pass", when(status.next_pass))
    made.add_row("unresolved orders", str(status.unresolved))
    if status.naked is not None:
        lost = f"{money(status.naked.notional)} since {when(status.naked.since)}"
        made.add_row("[red]unhedged[/]", f"{lost}: {escape(status.naked.because)}")
    for label, text in _watched(status):
        made.add_row(label, text)
    for restriction in status.restrictions:
        allows = f"only {restriction.allows} may be sent"
        allows = "nothing may be sent" if restriction.allows == "nothing" else allows
        made.add_row(
            "[red]restricted[/]", f"{allows}, by {restriction.by}: {escape(restriction.reason)}"
        )
        if restriction.by == ARMING and status.armed_since is not None:
            made.add_row("", f"armed since, {when(status.armed_since)}; the next pass heeds it")
        elif restriction.until is None:
            made.add_row("", f"[dim]{restriction.lift}{escape(files)} lifts it[/]")
    for label, text in _asked(status):
        made.add_row(label, escape(text))
    console().print(made)


def _watched(status: PortfolioStatus) -> Iterator[tuple[str, str]]:
    """The margin of each account, what each position earns, and what the guards found."""
    yield from (("margin", escape(headroom_line(one))) for one in status.headrooms)
    yield from (("carry", escape(carry_line(one))) for one in status.carries)
    yield from (("guard", alarm_line(alarm)) for alarm in status.alarms)


def _asked(status: PortfolioStatus) -> Iterator[tuple[str, str]]:
    """What waits for a person, and what came of what was not traded."""
    if status.waits is not None:
        yield (
            "[yellow]proposal[/]",
            f"{status.waits.proposal.number}: {status.waits.proposal}; {status.waits.state}",
        )
    if status.not_traded is not None:
        yield "not traded", str(status.not_traded)
