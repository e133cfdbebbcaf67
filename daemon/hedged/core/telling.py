"""
What a pass gives a person to know.

Enters a record, or what kept a pass from being made; leaves `Told`.
"""

from __future__ import annotations

from datetime import datetime

from hedged.core.alerts import Alert, JudgedBy, Standing, Told, text_of
from hedged.core.conditions import conditions, restricted
from hedged.core.gate import Restriction
from hedged.core.news import news
from hedged.core.record import CycleRecord, Mode

SKIPPED_ALERT = 3


def from_record(record: CycleRecord) -> Told:
    """What a pass that was made gives to tell."""
    review = record.inputs.tick.kind == "review"
    return Told(
        scope=record.portfolio,
        at=record.inputs.now,
        events=tuple(news(record)),
        standing=tuple(conditions(record)),
        judges=frozenset({"pass", "review"} if review else {"pass"}),
    )


def skipped(
    mode: Mode, portfolio: str, judged_by: JudgedBy, error: str, in_a_row: int, at: datetime
) -> Told:
    """Passes that fail in a row; one or two of them are nothing to tell."""
    what = "reviews" if judged_by == "review" else "guard passes"
    alert = Alert(
        mode=mode,
        scope=portfolio,
        kind="skipped",
        severity="critical",
        key=f"{portfolio}/skipped {judged_by}",
        what=f"{in_a_row} {what} failed in a row",
        text=text_of(error, "The hedge stays as it is until a pass works again. See: hedged check"),
        at=at,
    )
    standing = (Standing(alert=alert, judged_by=judged_by),) if in_a_row >= SKIPPED_ALERT else ()
    return Told(scope=portfolio, at=at, standing=standing)


def not_started(mode: Mode, portfolios: tuple[str, ...], reason: str, same: str, at: datetime) -> Told:
    """
    A start that was refused, for *reason*; *same* says which refusals are one and the same.

    It is told of the first of *portfolios*, whose next pass finds it over.
    """
    first = portfolios[0]
    alert = Alert(
        mode=mode,
        scope=first,
        kind="start",
        severity="critical",
        key=f"{first}/start {same}",
        what="hedged does not start",
        text=text_of(
            reason,
            f"Nobody looks at {', '.join(portfolios)}, and the hedge stays as it is, until it starts. "
            "See: hedged check",
        ),
        at=at,
    )
    return Told(scope=first, at=at, standing=(Standing(alert=alert),))


def frozen(mode: Mode, portfolio: str, restrictions: tuple[Restriction, ...], at: datetime) -> Told:
    """What restricts a portfolio that can make no pass to say so itself."""
    standing = tuple(Standing(alert=restricted(mode, portfolio, one, at)) for one in restrictions)
    return Told(scope=portfolio, at=at, standing=standing)
