"""
Intents: orders that are about to be sent, or were.

Enters rows of the journal; leaves the intent, and how much of a day's limit it has used up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from hedged.core.plan import Step
from hedged.core.record import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """
    An order that is about to be sent, or was; *outcome* is None until it is resolved.

    *sent_at* is on the venue's clock, None for one that never left this machine, and on paper.
    """

    id: int
    client_order_id: str
    tick_id: str
    opened_at: datetime
    step: Step
    sent_at: datetime | None = None
    outcome: Outcome | None = None


def used(row: Any) -> Decimal:
    """The notional that an intent has used up."""
    whole = Decimal(row["notional"])
    if row["outcome"] is None:
        return whole
    outcome = msgspec.json.decode(row["outcome"], type=Outcome)
    return whole * outcome.filled / outcome.contracts


def step_of(body: str) -> Step:
    """The step in the body of a row."""
    return msgspec.json.decode(body, type=Step)


def tried(rows: Iterable[Any]) -> tuple[str, ...]:
    """
    The symbols whose last of these intents was post-only, and ended without filling wholly.

    An immediate order that was refused, or never sent, has taken nothing: the try before it stands.
    """
    last: dict[str, Intent] = {}
    for intent in (intent_of(row._mapping) for row in rows):
        outcome = intent.outcome
        if intent.step.post_only or outcome is None or outcome.status != "refused":
            last[intent.step.symbol] = intent
    return tuple(
        symbol
        for symbol, intent in sorted(last.items())
        if intent.step.post_only and intent.outcome is not None and intent.outcome.status != "filled"
    )


def intent_of(row: Any) -> Intent:
    """The intent in a row of the table."""
    outcome, sent_at = row["outcome"], row["sent_at"]
    return Intent(
        id=row["id"],
        client_order_id=row["client_order_id"],
        tick_id=row["tick_id"],
        opened_at=datetime.fromisoformat(row["opened_at"]),
        step=step_of(row["body"]),
        sent_at=None if sent_at is None else datetime.fromisoformat(sent_at),
        outcome=None if outcome is None else msgspec.json.decode(outcome, type=Outcome),
    )
