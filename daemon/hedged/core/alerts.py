"""
What an alert is, and when it is told, in words that fit a phone.

Enters `Told`: events, told once, and standing conditions, told at first sight, again every so often,
and once more when they are over; leaves what is due now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, get_args

from hedged.core.record import CycleRecord, Mode
from hedged.core.wording import money, percent

Severity = Literal["info", "warning", "critical"]
Kind = Literal[
    "rule",  # a rule fired, or the target moves on
    "orders",  # something was traded, or an order was not filled
    "approval",  # a proposal waits for a person
    "refused",  # the gate or the venue said no
    "unknown",  # an order of unknown outcome
    "hold",  # nothing may be traded on what was seen
    "restriction",  # a pause, a halt, a freeze stands
    "liquidation",  # the venue closed something: liquidation, ADL, delivery
    "foreign",  # a trade of the hedge that hedged did not order
    "unexplained",  # money that moved without a name
    "metric",  # a rule's metric has no value
    "guard",  # margin, expiry, ADL, a depeg, old data, holdings counted long ago
    "beta",  # the hedge explains little of a coin
    "late",  # a review was made long after its instant
    "skipped",  # passes fail in a row
    "start",  # the daemon does not start
]
KINDS: tuple[Kind, ...] = get_args(Kind)
SEVERITIES: tuple[Severity, ...] = get_args(Severity)

JudgedBy = Literal["pass", "review"]

# A condition that comes and goes within this time is one condition.
SETTLED = timedelta(minutes=15)

TITLE_LENGTH_MAX = 160
TEXT_LENGTH_MAX = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something to tell: *what* in one line, *text* in some more; *key* says what is the same."""

    mode: Mode
    scope: str
    kind: Kind
    severity: Severity
    key: str
    what: str
    text: str
    at: datetime

    @property
    def title(self) -> str:
        """The first line: the mode, the portfolio, and what."""
        return _cut(f"[{self.mode}] {self.scope}: {self.what}", TITLE_LENGTH_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A condition that was seen; only a pass of the kind that judges it can find it over."""

    alert: Alert
    judged_by: JudgedBy = "pass"


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A condition that was told and is not over: *alert* as first told, and when it was seen last."""

    alert: Alert
    judged_by: JudgedBy
    told_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """All that one look gives to tell; *judges* says which conditions it can find over."""

    scope: str
    at: datetime
    events: tuple[Alert, ...] = ()
    standing: tuple[Standing, ...] = ()
    judges: frozenset[JudgedBy] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What is to be sent now, and the conditions that stand after it."""

    alerts: tuple[Alert, ...]
    open: tuple[Open, ...]


def due(told: Told, before: Mapping[str, Open], repeat_after: timedelta) -> Due:
    """
    Sort out what a person has not heard yet: events, conditions at first sight and after
    *repeat_after*, and those that are over. *before* holds the open conditions of ``told.scope``.
    """
    alerts, after = list(told.events), {}
    for standing in told.standing:
        key = standing.alert.key
        if key in after:
            continue
        known = before.get(key)
        if known is None:
            alerts.append(standing.alert)
            known = Open(
                alert=standing.alert,
                judged_by=standing.judged_by,
                told_at=told.at,
                seen_at=told.at,
            )
        elif abs(told.at - known.told_at) >= repeat_after:
            alerts.append(_again(standing.alert, known.alert.at))
            known = replace(known, told_at=told.at)
        after[key] = replace(known, seen_at=told.at)
    for key, known in before.items():
        if key in after:
            continue
        if known.judged_by in told.judges and abs(told.at - known.seen_at) >= SETTLED:
            alerts.append(_over(known, told.at))
        else:
            after[key] = known
    return Due(alerts=tuple(alerts), open=tuple(after.values()))


def alert_of(
    record: CycleRecord, kind: Kind, severity: Severity, key: str, what: str, text: str
) -> Alert:
    """An alert of *kind* about *record*; *key* says which of its kind it is."""
    return Alert(
        mode=record.mode,
        scope=record.portfolio,
        kind=kind,
        severity=severity,
        key=f"{record.portfolio}/{kind} {key}".rstrip(),
        what=what,
        text=text_of(text),
        at=record.inputs.now,
    )


def hedge_line(record: CycleRecord) -> str:
    """The ratios and the exposure, in one line."""
    thought, wanted = record.thought, record.thought.wanted
    held = "unknown" if wanted is None or wanted.held_ratio is None else percent(wanted.held_ratio)
    target = "undecided" if thought.ratio is None else percent(thought.ratio.target_ratio)
    whole = thought.exposure.total
    exposure = "unknown" if whole is None else f"{money(whole)} {record.inputs.snapshot.numeraire}"
    return f"Held {held}, target {target}, exposure {exposure}."


def text_of(*lines: str) -> str:
    """The lines that say something, cut to what a phone shows."""
    return _cut("\n".join(line for line in lines if line), TEXT_LENGTH_MAX)


def _again(alert: Alert, since: datetime) -> Alert:
    text = text_of(alert.text, f"Since {since:%Y-%m-%d %H:%M} UTC.")
    return replace(alert, what=f"still: {alert.what}", text=text)


def _over(known: Open, at: datetime) -> Alert:
    first = known.alert
    stood = f"It stood from {first.at:%Y-%m-%d %H:%M} to {known.seen_at:%Y-%m-%d %H:%M} UTC at least."
    return replace(first, what=f"over: {first.what}", text=stood, at=at)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."
