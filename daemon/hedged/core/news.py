"""
What happened in a pass, each told once.

Enters a record; leaves alerts: what was decided, traded, closed by the venue or by another hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from hedged.core.alerts import Alert, alert_of, hedge_line, text_of
from hedged.core.market import OURS, Fill
from hedged.core.record import CycleRecord, Outcome
from hedged.core.target import Judgement
from hedged.core.wording import contracts, money, money_told, percent, short_symbol

LATE = timedelta(hours=1)
UNTOLD_MAX = 3
"""Of so many events that were told in part an alert says what is missing."""


def news(record: CycleRecord) -> Iterator[Alert]:
    """All that *record* gives to tell once."""
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
    yield from _told_in_part(record)
    tick, now = record.inputs.tick, record.inputs.now
    first = record.inputs.memory.ratio is None  # there was no daemon yet that could have been down
    if tick.kind == "review" and not first and now - tick.scheduled_at > LATE:
        late = _span(now - tick.scheduled_at)
        yield alert_of(
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
    yield alert_of(
        record,
        "rule",
        "info",
        record.cycle_id,
        what,
        text_of(judged.because, _figures(judged), hedge_line(record), "Why in full: hedged explain"),
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
    yield alert_of(
        record,
        "orders",
        "info" if whole else "warning",
        record.cycle_id,
        f"{', '.join(deeds[:3])}{more}{'' if whole else ', not all of the plan'}",
        text_of(*lines, record.thought.plan.because),
    )


def _deed(done: Outcome | Fill) -> str:
    count = done.filled if isinstance(done, Outcome) else done.contracts
    verb = "bought" if done.side == "buy" else "sold"
    return f"{verb} {contracts(count)} {short_symbol(done.symbol)}"


def _unknown(record: CycleRecord, outcome: Outcome) -> Alert:
    return alert_of(
        record,
        "unknown",
        "critical",
        outcome.client_order_id,
        f"nobody knows yet whether an order on {short_symbol(outcome.symbol)} landed",
        text_of(
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
    return alert_of(
        record,
        "liquidation",
        "warning" if expired else "critical",
        _key_of(fill),
        f"{words[fill.cause]}: {_deed(fill)}",
        text_of(
            f"{fill.symbol} at {money_told(fill.fill_price)}, {fill.at:%Y-%m-%d %H:%M:%S} UTC, "
            f"fee {money_told(fill.fee)}",
            hedge_line(record),
            f"{todo} See: hedged status",
        ),
    )


def _foreign(record: CycleRecord, fill: Fill) -> Alert:
    goes_on = "what is then missing or too much is proposed"
    goes_on = goes_on if record.mode == "alert" else "the next passes trade it back"
    return alert_of(
        record,
        "foreign",
        "warning",
        _key_of(fill),
        f"{_deed(fill)} by another hand",
        text_of(
            f"{fill.symbol} at {money_told(fill.fill_price)}, {fill.at:%Y-%m-%d %H:%M:%S} UTC",
            hedge_line(record),
            f"Every position of the contract is the hedge; {goes_on}.",
        ),
    )


def _told_in_part(record: CycleRecord) -> Iterator[Alert]:
    words, terms = record.inputs.snapshot.untold, record.thought.attribution
    if words:
        count = "an event" if len(words) == 1 else f"{len(words)} events"
        yield alert_of(
            record,
            "unexplained",
            "warning",
            record.cycle_id,
            f"{count} of the account told only in part",
            text_of(
                *words[:UNTOLD_MAX],
                f"The costs of {money(terms.untold_notional)} traded may be missing, and "
                f"{money(terms.untold_flows)} counted as moved may be something else. Hedging goes on.",
                "See: hedged explain",
            ),
        )


def _key_of(fill: Fill) -> str:
    return f"{fill.cause}/{fill.symbol}/{fill.at.isoformat()}/{fill.side}/{fill.contracts}"


def _span(span: timedelta) -> str:
    hours = int(span / timedelta(hours=1))
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"
