"""Passes that were made: a record in the journal, without a venue."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from builders import inputs, policy
from hedged.core.record import RECORD_VERSION, CycleRecord, Tick, digest, encode, remember
from hedged.cycle import deliberate
from hedged.journal.store import Journal


def passed(journal: Journal, tick: Tick, now: datetime, portfolio: str = "main") -> None:
    """Put the record of a pass into the journal."""
    chosen = policy(portfolio=portfolio)
    seen = replace(inputs(tick=tick, now=now), metrics=None)
    thought = deliberate(seen, chosen)
    record = CycleRecord(
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
    journal.append(record, chosen)
