"""
``journal verify`` and ``journal replay``: is the record what was written, and was it decided so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from json import loads
from pathlib import Path
from typing import Any

from rich.progress import track

from hedged.approval import weighed
from hedged.cli import exits
from hedged.cli.show import console, print_json, settings_of
from hedged.core.beta import Betas
from hedged.core.consent import Answer
from hedged.core.encoding import encode
from hedged.core.policy import Policy
from hedged.core.record import CycleRecord, Thought, record_of
from hedged.cycle import deliberate
from hedged.errors import BadData, JournalBroken, JournalError
from hedged.history.keeper import measured_from
from hedged.history.store import HistoryStore
from hedged.journal.chain import verify
from hedged.journal.store import Journal
from hedged.wiring import journal_path, kept_history, wall_clock

RELATIVE_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A record that does not come out again as it was written."""

    record: int
    what: str


def verify_journal(config: list[Path], head: str | None, *, json: bool) -> None:
    """Walk the chain; leave with a code of its own where it does not hold."""
    path = journal_path(settings_of(config).settings)
    with Journal.open_to_read(path, wall_clock) as journal:
        found = verify(journal.rows(), head)
        policy = journal.altered_policy()
    if policy is not None and not found.fault:
        found = replace(found, fault_id=0, fault=f"the policy {policy} was altered")
    if json:
        print_json(found)
    elif found.fault:
        console().print(f"[bold red]BROKEN[/] at record {found.fault_id}: {found.fault}")
    else:
        console().print(f"[bold green]intact[/]: {found.records} records, head {found.head}")
    if found.fault:
        raise SystemExit(exits.VERIFY)


def replay_journal(config: list[Path], record_id: int | None, *, json: bool) -> None:
    """Decide again from the recorded inputs; recompute the metrics from the kept history."""
    settings = settings_of(config).settings
    store, found = kept_history(settings), []
    with Journal.open_to_read(journal_path(settings), wall_clock) as journal:
        fault = verify(journal.rows()).fault
        if fault:
            raise JournalBroken(f"{fault}; see `hedged journal verify`")
        ids = journal.row_ids()
        if record_id is not None and record_id not in ids:
            raise JournalError(f"there is no record {record_id} in {journal.path}")
        ids = ids if record_id is None else [record_id]
        for row_id in track(ids, "Replaying", console=console(), transient=True, disable=json):
            found += _replayed(journal, row_id, store)
    if json:
        print_json({"records": len(ids), "differences": found})
    else:
        _print(len(ids), found)
    if found:
        raise SystemExit(exits.VERIFY)


def _print(count: int, found: list[Difference]) -> None:
    if not found:
        console().print(f"[bold green]agree[/]: {count} records decided again, byte for byte")
    for difference in found:
        console().print(f"[bold red]DIFFERS[/] record {difference.record}: {difference.what}")


def _replayed(journal: Journal, row_id: int, store: HistoryStore) -> list[Difference]:
    record = journal.record(row_id)
    policy = journal.policy(record.policy_digest)
    found = []
    if not agrees(decided_again(record, policy), record, journal.body(row_id)):
        found.append(Difference(record=row_id, what="the decision does not come out the same"))
    return found + _remeasured(record, row_id, policy, store)


def agrees(again: CycleRecord, record: CycleRecord, written: bytes) -> bool:
    """
    Whether *again* is the *record* that was *written*, byte for byte as today's code writes both.

    What an older hedged did not know is in neither: it did not keep, for one, when another hand traded.
    """
    now, then = encode(again), encode(record)
    if then in (now, written):
        return now == then
    told, kept = loads(written), loads(then)
    return bool(_known(loads(now), told, kept) == _known(kept, told, kept))


def _known(value: Any, written: Any, today: Any) -> Any:
    """*value* without the keys that *today*'s code gives the record, and that were not *written*."""
    if isinstance(value, dict) and isinstance(written, dict) and isinstance(today, dict):
        return {
            key: _known(one, written.get(key), today.get(key))
            for key, one in value.items()
            if key in written or key not in today
        }
    lists = isinstance(value, list) and isinstance(written, list) and isinstance(today, list)
    if lists and len(value) == len(written) == len(today):
        return [_known(*parts) for parts in zip(value, written, today, strict=True)]
    return value


def decided_again(record: CycleRecord, policy: Policy) -> CycleRecord:
    """The record as today's code makes it from the same inputs and the same outcomes."""
    thought = deliberate(record.inputs, policy)
    again = record_of(
        record.inputs,
        thought,
        record.outcomes,
        policy=policy,
        mode=record.mode,
        approved_by=record.approved_by,
        answer=_answered_again(record, thought, policy),
        left_out=record.left_out,
    )
    # The digest is of the policy as it was written, perhaps before it had all of today's keys.
    return replace(again, policy_digest=record.policy_digest)


def _answered_again(record: CycleRecord, thought: Thought, policy: Policy) -> Answer:
    """What a person's decision came to; that a consent was used up in time is the record's to say."""
    found = weighed(record.inputs, thought, record.mode, policy)
    refused = found.uses is not None and not record.outcomes
    return replace(found, because=record.waits) if refused else found


def _remeasured(
    record: CycleRecord, row_id: int, policy: Policy, store: HistoryStore
) -> list[Difference]:
    """Metrics from what the history keeps now, against those the decision was made on."""
    row = record.inputs.metrics
    if row is None:
        return []
    try:
        again = measured_from(
            store, policy, record.inputs.tick.scheduled_at, record.inputs.snapshot.holdings
        )
    except BadData as error:
        return [Difference(record=row_id, what=str(error))]
    figures = row.values | _betas(record.inputs.betas)
    found = again.row.values | _betas(again.betas)
    return [
        Difference(record=row_id, what=f"{name} was {value}, the kept history gives {now}")
        for name, value in figures.items()
        if not _same(value, now := found.get(name))
    ]


def _betas(betas: Betas | None) -> dict[str, float | bool | None]:
    """What was measured of every holding, by a name of its own."""
    if betas is None:
        return {}
    return {
        f"beta of {estimate.asset}": estimate.measured.slope if estimate.measured else None
        for estimate in (*betas.holdings, betas.portfolio)
    }


def _same(recorded: float | bool | None, now: float | bool | None) -> bool:
    if isinstance(recorded, float) and isinstance(now, float):
        return math.isclose(recorded, now, rel_tol=RELATIVE_TOLERANCE, abs_tol=1e-12)
    return recorded is now or recorded == now
