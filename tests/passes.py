"""Passes that were made: records of the real core, without a venue."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from builders import MONDAY, guard_tick, inputs, policy, position, quote, snapshot
from hedged.core.encoding import digest, encode
from hedged.core.market import Snapshot
from hedged.core.record import RECORD_VERSION, CycleRecord, Tick, remember
from hedged.cycle import deliberate
from hedged.journal.store import Journal


def record_of(*, portfolio: str = "main", **changed: Any) -> CycleRecord:
    """A pass over *changed* inputs, decided by the real core; nothing was sent."""
    chosen, seen = policy(portfolio=portfolio), inputs(**changed)
    if seen.tick.kind == "guard":
        seen = replace(seen, metrics=None)
    thought = deliberate(seen, chosen)
    return CycleRecord(
        version=RECORD_VERSION,
        portfolio=portfolio,
        mode="paper",
        policy_digest=digest(encode(chosen)),
        inputs=seen,
        thought=thought,
        approved_by="paper",
        outcomes=(),
        memory=remember(seen, thought, ()),
    )


def hedged_at(at: datetime, **changed: Any) -> Snapshot:
    """A fifth of the 10 BTC is hedged, as the policy wants it; nothing is left to trade."""
    return snapshot(at=at, quotes=(quote(at=at),), positions=(position(-2),), **changed)


def quiet_of(day: int, **changed: Any) -> CycleRecord:
    """A guard pass of that day that had nothing to do."""
    at = MONDAY + timedelta(days=day)
    record = record_of(tick=guard_tick(at), now=at, snapshot=hedged_at(at), **changed)
    assert record.quiet
    return record


def passed(journal: Journal, tick: Tick, now: datetime, portfolio: str = "main") -> None:
    """Put the record of a pass into the journal."""
    record = record_of(tick=tick, now=now, portfolio=portfolio, metrics=None)
    journal.append(record, policy(portfolio=portfolio))
