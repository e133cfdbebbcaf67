"""
What stands at a pass, told until it is over.

Enters a record; leaves standing conditions: what waits, what keeps orders back, and what is doubtful.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from hedged.core.alerts import Alert, Kind, Standing, alert_of, hedge_line, text_of
from hedged.core.asking import asked
from hedged.core.gate import Restriction
from hedged.core.guard import just_touched, other_hand
from hedged.core.record import CycleRecord, Mode, Outcome
from hedged.core.wording import contracts, money, short_symbol

UNEXPLAINED_MIN = Decimal("0.01")

# A figure that stands by itself; those within a name, such as BTC/USDT:USDT-240628, belong to it.
_FIGURE = re.compile(r"(?<![^\s(])[-+]?\d[\d,.:%-]*(?=[\s,;:)]|$)")


def conditions(record: CycleRecord) -> Iterator[Standing]:
    """All that stands after *record*."""
    for key, what, text in asked(record):
        yield Standing(alert=alert_of(record, "approval", "warning", key, what, text))
    yield from _reasons(record)
    for outcome in record.outcomes:
        if outcome.status in ("refused", "unfilled"):
            yield Standing(alert=_failed(record, outcome))
    for restriction in record.inputs.restrictions:
        alert = restricted(record.mode, record.portfolio, restriction, record.inputs.now)
        yield Standing(alert=alert)
    yield from _unexplained(record)
    for alarm in record.thought.alarms:
        if alarm.level != "hold":  # which is among the reasons
            alert = alert_of(record, "guard", "warning", alarm.key, alarm.what, alarm.text)
            yield Standing(alert=alert)
    judged, betas = record.thought.judgement, record.inputs.betas
    for told in judged.alerts if judged else ():
        text = "A rule without its metric is unknown: it neither fires nor lets others reduce."
        alert = alert_of(record, "metric", "warning", _same(told), told, text)
        yield Standing(alert=alert, judged_by="review")
    for told in betas.warnings if betas else ():
        text = "The hedge may not move as the coin does. See: hedged explain"
        alert = alert_of(record, "beta", "warning", _same(told), told, text)
        yield Standing(alert=alert, judged_by="review")


def _reasons(record: CycleRecord) -> Iterator[Standing]:
    """Why nothing was sent, but for what is told already: restrictions, and fills of another hand."""
    snapshot = record.inputs.snapshot
    fills = other_hand(snapshot, [fill.symbol for fill in snapshot.fills])
    lately = just_touched(snapshot, record.inputs.memory.touched_at)
    told = {f"HOLD: {one}" for one in (*fills, *lately)}
    for reason in record.thought.review.reasons:
        if reason in told or reason.startswith("restricted to nothing by "):
            continue
        held = reason.startswith("HOLD: ")
        kind: Kind = "hold" if held else "refused"
        what = reason if held else f"plan refused: {reason}"
        todo = (
            "Nothing is traded until this is over."
            if held
            else "Nothing was sent. The next pass tries again."
        )
        text = text_of(hedge_line(record), record.thought.plan.because, todo)
        # An order without an outcome is one condition, however the search for it stands.
        key = _same(reason.partition("): ")[0])
        yield Standing(alert=alert_of(record, kind, "warning", key, what, text))


def _failed(record: CycleRecord, outcome: Outcome) -> Alert:
    refused = outcome.status == "refused"
    became = "refused by the venue" if refused else "not filled"
    if not outcome.judged:
        became = "not sent, or too late to be looked at"
    next_pass = "The next pass" if outcome.judged else "A later pass"
    order = f"{outcome.side} {contracts(outcome.contracts)} {outcome.symbol}"
    return alert_of(
        record,
        "refused" if refused else "orders",
        "warning",
        f"{outcome.symbol} {outcome.side} {_same(outcome.reason)}",
        f"order on {short_symbol(outcome.symbol)} {became}",
        text_of(order, outcome.reason, f"{next_pass} plans anew, with a new order."),
    )


def _unexplained(record: CycleRecord) -> Iterator[Standing]:
    amount = record.thought.attribution.unexplained
    if abs(amount) < UNEXPLAINED_MIN:
        return
    numeraire = record.inputs.snapshot.numeraire
    alert = alert_of(
        record,
        "unexplained",
        "warning",
        "",
        f"{money(amount)} {numeraire} of the account's change has no name",
        "A transfer, a fee or a trade that hedged doesn't know of. See: hedged explain",
    )
    yield Standing(alert=alert)


def restricted(mode: Mode, portfolio: str, restriction: Restriction, at: datetime) -> Alert:
    """What a restriction on *portfolio* is told as, with what lifts it."""
    until = "" if restriction.until is None else f" until {restriction.until:%Y-%m-%d %H:%M} UTC"
    return Alert(
        mode=mode,
        scope=portfolio,
        kind="restriction",
        severity="critical" if restriction.allows == "nothing" else "warning",
        key=f"{portfolio}/restriction {restriction.scope} {restriction.allows} {restriction.by} "
        f"{_same(restriction.reason)}",
        what=f"restricted to {restriction.allows} by {restriction.by}{until}",
        text=text_of(restriction.reason, f"To lift it: {restriction.lift}"),
        at=at,
    )


def _same(reason: str) -> str:
    """*reason* without its figures: "31 s old" and "36 s old" are one condition."""
    return _FIGURE.sub("#", reason)
