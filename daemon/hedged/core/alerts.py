"""
What a pass gives a person to know, in words that fit a phone.

Enters a record, or what kept a pass from being made; leaves `Told`: events, told once, and standing
conditions, told at first sight, again every so often, and once more when they are over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, get_args

from hedged.core.asking import asked
from hedged.core.gate import Restriction
from hedged.core.guard import other_hand
from hedged.core.market import OURS, Fill
from hedged.core.record import CycleRecord, Mode, Outcome
from hedged.core.target import Judgement
from hedged.core.wording import contracts, money, percent

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
    "guard",  # margin, expiry, ADL, a depeg, old data
    "beta",  # the hedge explains little of a coin
    "late",  # a review was made long after its instant
    "skipped",  # passes fail in a row
]
KINDS: tuple[Kind, ...] = get_args(Kind)
SEVERITIES: tuple[Severity, ...] = get_args(Severity)

JudgedBy = Literal["pass", "review"]

UNEXPLAINED_MIN = Decimal("0.01")
LATE = timedelta(hours=1)
SKIPPED_ALERT = 3
# A condition that comes and goes within this time is one condition.
SETTLED = timedelta(minutes=15)

TITLE_LENGTH_MAX = 160
TEXT_LENGTH_MAX = 1500

# A figure that stands by itself; those within a name, such as BTC/USDT:USDT-240628, belong to it.
_FIGURE = re.compile(r"(?<![^\s(])[-+]?\d[\d,.:%-]*(?=[\s,;:)]|$)")


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


def from_record(record: CycleRecord) -> Told:
    """What a pass that was made gives to tell."""
    review = record.inputs.tick.kind == "review"
    return Told(
        scope=record.portfolio,
        at=record.inputs.now,
        events=tuple(_events(record)),
        standing=tuple(_conditions(record)),
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
        text=_text(error, "The hedge stays as it is until a pass works again. See: hedged check"),
        at=at,
    )
    standing = (Standing(alert=alert, judged_by=judged_by),) if in_a_row >= SKIPPED_ALERT else ()
    return Told(scope=portfolio, at=at, standing=standing)


def frozen(mode: Mode, portfolio: str, restrictions: tuple[Restriction, ...], at: datetime) -> Told:
    """What restricts a portfolio that can make no pass to say so itself."""
    standing = tuple(Standing(alert=_restricted(mode, portfolio, one, at)) for one in restrictions)
    return Told(scope=portfolio, at=at, standing=standing)


def _events(record: CycleRecord) -> Iterator[Alert]:
    yield from _decided(record)
    yield from _traded(record)
    for outcome in record.outcomes:
        if outcome.status == "unknown":
            yield _unknown(record, outcome)
    for fill in record.inputs.snapshot.fills:
        if fill.cause != "order":
            yield _closed(record, fill)
        elif not fill.client_order_id.startswith(OURS):
            yield _foreign(record, fill)
    tick, now = record.inputs.tick, record.inputs.now
    if tick.kind == "review" and now - tick.scheduled_at > LATE:
        late = _span(now - tick.scheduled_at)
        yield _alert(
            record,
            "late",
            "warning",
            record.cycle_id,
            f"review of {tick.scheduled_at:%a %Y-%m-%d %H:%M} UTC made {late} late",
            "Judged on its own bar, sized on present prices. Was the daemon down?",
        )


def _decided(record: CycleRecord) -> Iterator[Alert]:
    judged = record.thought.judgement
    if judged is None:
        return
    goal, before = judged.goal_ratio, judged.goal_before
    if goal != before:
        moved = "raised" if goal > before else "lowered"
        what = f"hedge {moved} {percent(before)} -> {percent(goal)}"
    elif judged.decider is not None:
        what = f"rule {judged.decider} fired, the goal stays {percent(goal)}"
    elif judged.target_ratio != judged.target_before:
        what = f"target moves {percent(judged.target_before)} -> {percent(judged.target_ratio)}"
    else:
        return
    yield _alert(
        record,
        "rule",
        "info",
        record.cycle_id,
        what,
        _text(judged.because, _figures(judged), _standing_of(record), "Why in full: hedged explain"),
    )


def _figures(judged: Judgement) -> str:
    """What the deciding rule saw."""
    rule = next((one for one in judged.rules if one.rule == judged.decider), None)
    if rule is None:
        return ""
    return ", ".join(_figure(figure) for figure in rule.figures.items())


def _figure(figure: tuple[str, float | bool | None]) -> str:
    name, value = figure
    if value is None or isinstance(value, bool):
        return f"{name} {'unknown' if value is None else str(value).lower()}"
    return f"{name} {value:,.2f}" if abs(value) >= 100 else f"{name} {value:.4g}"


def _standing_of(record: CycleRecord) -> str:
    """The ratios and the exposure, in one line."""
    thought, wanted = record.thought, record.thought.wanted
    held = "unknown" if wanted is None or wanted.held_ratio is None else percent(wanted.held_ratio)
    target = "undecided" if thought.ratio is None else percent(thought.ratio.target_ratio)
    whole = thought.exposure.total
    exposure = "unknown" if whole is None else f"{money(whole)} {record.inputs.snapshot.numeraire}"
    return f"Held {held}, target {target}, exposure {exposure}."


def _traded(record: CycleRecord) -> Iterator[Alert]:
    filled = [outcome for outcome in record.outcomes if outcome.filled]
    if not filled:
        return
    lines = [
        f"{_deed(o)} of {contracts(o.contracts)} at "
        f"{'?' if o.fill_price is None else money(o.fill_price)}, fee {money(o.fee)}"
        for o in filled
    ]
    deeds = [_deed(outcome) for outcome in filled]
    more = f", +{len(deeds) - 3} more" if len(deeds) > 3 else ""
    whole = all(outcome.status == "filled" for outcome in record.outcomes)
    yield _alert(
        record,
        "orders",
        "info" if whole else "warning",
        record.cycle_id,
        f"{', '.join(deeds[:3])}{more}{'' if whole else ', not all of the plan'}",
        _text(*lines, record.thought.plan.because),
    )


def _deed(done: Outcome | Fill) -> str:
    count = done.filled if isinstance(done, Outcome) else done.contracts
    return f"{'bought' if done.side == 'buy' else 'sold'} {contracts(count)} {_short(done.symbol)}"


def _short(symbol: str) -> str:
    """``BTC/USDT:USDT@second`` is told as BTC@second, a dated contract by its whole name."""
    plain, at, account = symbol.partition("@")
    return symbol if "-" in plain else f"{plain.partition('/')[0]}{at}{account}"


def _unknown(record: CycleRecord, outcome: Outcome) -> Alert:
    return _alert(
        record,
        "unknown",
        "critical",
        outcome.client_order_id,
        f"nobody knows yet whether an order on {_short(outcome.symbol)} landed",
        _text(
            f"{outcome.side} {contracts(outcome.contracts)} {outcome.symbol}, "
            f"{outcome.client_order_id}",
            outcome.reason,
            f"Nothing is sent on {outcome.symbol} until it is known; hedged looks it up by itself. "
            "Don't repeat it by hand.",
        ),
    )


def _closed(record: CycleRecord, fill: Fill) -> Alert:
    words = {"liquidation": "LIQUIDATED", "adl": "closed by ADL", "delivery": "delivered"}
    expired = fill.cause == "delivery"
    todo = (
        "The contract has expired."
        if expired
        else "So much of the hedge is gone until it is traded back."
    )
    return _alert(
        record,
        "liquidation",
        "warning" if expired else "critical",
        _key_of(fill),
        f"{words[fill.cause]}: {_deed(fill)}",
        _text(
            f"{fill.symbol} at {money(fill.fill_price)}, {fill.at:%Y-%m-%d %H:%M:%S} UTC, "
            f"fee {money(fill.fee)}",
            _standing_of(record),
            f"{todo} See: hedged status",
        ),
    )


def _foreign(record: CycleRecord, fill: Fill) -> Alert:
    return _alert(
        record,
        "foreign",
        "warning",
        _key_of(fill),
        f"{_deed(fill)} by another hand",
        _text(
            f"{fill.symbol} at {money(fill.fill_price)}, {fill.at:%Y-%m-%d %H:%M:%S} UTC",
            _standing_of(record),
            "Every position of the contract is the hedge; the next passes trade it back.",
        ),
    )


def _key_of(fill: Fill) -> str:
    return f"{fill.cause}/{fill.symbol}/{fill.at.isoformat()}/{fill.side}/{fill.contracts}"


def _conditions(record: CycleRecord) -> Iterator[Standing]:
    for key, what, text in asked(record):
        yield Standing(alert=_alert(record, "approval", "warning", key, what, text))
    yield from _reasons(record)
    for outcome in record.outcomes:
        if outcome.status in ("refused", "unfilled"):
            yield Standing(alert=_failed(record, outcome))
    for restriction in record.inputs.restrictions:
        alert = _restricted(record.mode, record.portfolio, restriction, record.inputs.now)
        yield Standing(alert=alert)
    yield from _unexplained(record)
    for alarm in record.thought.alarms:
        if alarm.level != "hold":  # which is among the reasons
            yield Standing(alert=_alert(record, "guard", "warning", alarm.key, alarm.what, alarm.text))
    judged, betas = record.thought.judgement, record.inputs.betas
    for told in judged.alerts if judged else ():
        text = "A rule without its metric is unknown: it neither fires nor lets others reduce."
        alert = _alert(record, "metric", "warning", _same(told), told, text)
        yield Standing(alert=alert, judged_by="review")
    for told in betas.warnings if betas else ():
        text = "The hedge may not move as the coin does. See: hedged explain"
        alert = _alert(record, "beta", "warning", _same(told), told, text)
        yield Standing(alert=alert, judged_by="review")


def _reasons(record: CycleRecord) -> Iterator[Standing]:
    """Why nothing was sent, but for what is told already: restrictions, and fills of another hand."""
    snapshot = record.inputs.snapshot
    fills = other_hand(snapshot, [fill.symbol for fill in snapshot.fills])
    told = {f"HOLD: {fill}" for fill in fills}
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
        text = _text(_standing_of(record), record.thought.plan.because, todo)
        # An order without an outcome is one condition, however the search for it stands.
        key = _same(reason.partition("): ")[0])
        yield Standing(alert=_alert(record, kind, "warning", key, what, text))


def _failed(record: CycleRecord, outcome: Outcome) -> Alert:
    refused = outcome.status == "refused"
    order = f"{outcome.side} {contracts(outcome.contracts)} {outcome.symbol}"
    return _alert(
        record,
        "refused" if refused else "orders",
        "warning",
        f"{outcome.symbol} {outcome.side} {_same(outcome.reason)}",
        f"order on {_short(outcome.symbol)} {'refused by the venue' if refused else 'not filled'}",
        _text(order, outcome.reason, "The next pass plans anew, with a new order."),
    )


def _unexplained(record: CycleRecord) -> Iterator[Standing]:
    amount = record.thought.attribution.unexplained
    if abs(amount) < UNEXPLAINED_MIN:
        return
    numeraire = record.inputs.snapshot.numeraire
    alert = _alert(
        record,
        "unexplained",
        "warning",
        "",
        f"{money(amount)} {numeraire} of the account's change has no name",
        "A transfer, a fee or a trade that hedged doesn't know of. See: hedged explain",
    )
    yield Standing(alert=alert)


def _restricted(mode: Mode, portfolio: str, restriction: Restriction, at: datetime) -> Alert:
    until = "" if restriction.until is None else f" until {restriction.until:%Y-%m-%d %H:%M} UTC"
    return Alert(
        mode=mode,
        scope=portfolio,
        kind="restriction",
        severity="critical" if restriction.allows == "nothing" else "warning",
        key=f"{portfolio}/restriction {restriction.scope} {restriction.allows} {restriction.by} "
        f"{_same(restriction.reason)}",
        what=f"restricted to {restriction.allows} by {restriction.by}{until}",
        text=_text(restriction.reason, f"To lift it: {restriction.lift}"),
        at=at,
    )


def _alert(
    record: CycleRecord, kind: Kind, severity: Severity, key: str, what: str, text: str
) -> Alert:
    return Alert(
        mode=record.mode,
        scope=record.portfolio,
        kind=kind,
        severity=severity,
        key=f"{record.portfolio}/{kind} {key}".rstrip(),
        what=what,
        text=_text(text),
        at=record.inputs.now,
    )


def _again(alert: Alert, since: datetime) -> Alert:
    text = _text(alert.text, f"Since {since:%Y-%m-%d %H:%M} UTC.")
    return replace(alert, what=f"still: {alert.what}", text=text)


def _over(known: Open, at: datetime) -> Alert:
    first = known.alert
    stood = f"It stood from {first.at:%Y-%m-%d %H:%M} to {known.seen_at:%Y-%m-%d %H:%M} UTC at least."
    return replace(first, what=f"over: {first.what}", text=stood, at=at)


def _same(reason: str) -> str:
    """*reason* without its figures: "31 s old" and "36 s old" are one condition."""
    return _FIGURE.sub("#", reason)


def _span(span: timedelta) -> str:
    hours = int(span / timedelta(hours=1))
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"


def _text(*lines: str) -> str:
    return _cut("\n".join(line for line in lines if line), TEXT_LENGTH_MAX)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."
