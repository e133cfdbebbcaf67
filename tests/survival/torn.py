"""
A journal whose write-ahead log was torn: cut, flipped, overwritten, as a crash of the machine does.

SQLite promises that what is opened then is what some commit left, and nothing between two commits.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from builders import BTC, MONDAY, guard_tick, inputs, policy, review_tick
from fakes import FakeClock
from hedged.core.encoding import digest, encode
from hedged.core.plan import Step
from hedged.core.record import RECORD_VERSION, CycleRecord, Outcome, Tick, remember
from hedged.cycle import deliberate
from hedged.journal.chain import verify
from hedged.journal.store import Journal
from survival.evidence import copied

POLICY = policy()
ACCOUNTS = ("paper",)
PASSES = 8
STEP = Step(
    symbol=BTC, side="sell", contracts=Decimal(2), reduce_only=False, limit_price=Decimal(99),
    notional=Decimal(200),
)  # fmt: skip
TABLES = ("record", "intent")
GOES_ON = 0.2
"""In this share of the cases the daemon goes on writing: two commits cost as much as all the rest."""

Content = tuple[tuple[Any, ...], ...]


def written(folder: Path) -> tuple[Path, list[Content]]:
    """
    A journal in the middle of its work, copied with its write-ahead log, and what each of its commits
    left: the first pass is in the file, for its journal was closed, the others' commits are in the log.
    """
    path, clock = folder / "at-work" / "journal.sqlite", FakeClock()
    with Journal.open_for(path, "live", ACCOUNTS, clock) as journal:
        journal.append(record_of(review_tick()), POLICY)
    with Journal.open_for(path, "live", ACCOUNTS, clock) as journal:
        states = [content(path, folder)]
        for day in range(1, PASSES):
            tick = guard_tick(MONDAY + timedelta(days=day))
            intent = journal.open_intent(POLICY, tick, STEP)
            states.append(content(path, folder))
            journal.claim(intent.client_order_id, clock())
            states.append(content(path, folder))
            journal.resolve_intent(intent, outcome_of(intent.client_order_id))
            states.append(content(path, folder))
            journal.append(record_of(tick), POLICY)
            states.append(content(path, folder))
        (folder / "kept").mkdir()
        kept = copied(path, folder / "kept")
    return kept, states


def content(path: Path, folder: Path) -> Content:
    """Every row of the records and the intents, read from a copy."""
    looked = folder / "looked-at"
    shutil.rmtree(looked, ignore_errors=True)
    looked.mkdir()
    with closing(sqlite3.connect(copied(path, looked))) as database:
        found = [database.execute(f"SELECT '{name}', * FROM {name} ORDER BY id") for name in TABLES]
        return tuple(row for rows in found for row in rows)


def torn(rng: random.Random, log: bytes) -> bytes:
    """*log* with something wrong with it."""
    at, damaged = rng.randrange(len(log)), bytearray(log)
    match rng.choice(("cut", "cut and filled", "bits", "bytes", "zeros", "moved", "last")):
        case "cut":
            return log[:at]
        case "cut and filled":  # the file had grown already, and its new blocks were never written
            return log[:at] + bytes(len(log) - at)
        case "bits":
            for _ in range(rng.randint(1, 8)):
                damaged[rng.randrange(len(log))] ^= 1 << rng.randrange(8)
        case "bytes":
            damaged[at : at + rng.randint(1, 4096)] = rng.randbytes(64)
        case "zeros":
            length = min(rng.choice((1, 24, 512, 4096)), len(log) - at)
            damaged[at : at + length] = bytes(length)
        case "moved":
            del damaged[at : at + rng.randint(1, 4120)]
        case _:  # the last frames only
            damaged[-rng.randint(1, 4120)] ^= 0xFF
    return bytes(damaged)


def opened_again(kept: Path, folder: Path, rng: random.Random, states: list[Content]) -> str:
    """Tear a copy of *kept* and open it; what is wrong then, or nothing."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = copied(kept, folder)
    log = path.with_name(path.name + "-wal")
    log.write_bytes(torn(rng, log.read_bytes()))
    clock = FakeClock(MONDAY + timedelta(days=30))
    with Journal.open_for(path, "live", ACCOUNTS, clock) as journal:
        found = content(path, folder)
        if found not in states:
            return "what is opened is what no commit left"
        checked = verify(journal.rows())
        if checked.fault:
            return checked.fault
        for row in journal.row_ids():
            journal.record(row)
        known = {intent.client_order_id for intent in journal.intents(POLICY.portfolio)}
        if rng.random() < GOES_ON:
            if journal.open_intent(POLICY, guard_tick(clock()), STEP).client_order_id in known:
                return "an id was used again"
            journal.append(record_of(guard_tick(clock())), POLICY)
        return verify(journal.rows()).fault


def faults(folder: Path, seeds: Iterable[int]) -> dict[int, str]:
    """What was wrong after a tear, by its seed."""
    kept, states = written(folder)
    assert len(set(states)) == len(states) == 1 + 4 * (PASSES - 1), (
        "every commit leaves another content"
    )
    looked = (
        (seed, opened_again(kept, folder / "torn", random.Random(seed), states)) for seed in seeds
    )
    return {seed: fault for seed, fault in looked if fault}


def run(seed0: int, count: int) -> dict[str, float]:
    """A shard of the campaign."""
    with tempfile.TemporaryDirectory() as folder:
        found = faults(Path(folder), range(seed0, seed0 + count))
    for seed, fault in found.items():
        print(f"seed {seed}: {fault}", file=sys.stderr)
    return {"opened to a committed prefix": count - len(found), "violations": len(found)}


def record_of(tick: Tick) -> CycleRecord:
    """A pass of that tick, decided by the real core."""
    seen = inputs(tick=tick, now=tick.scheduled_at)
    seen = seen if tick.kind == "review" else replace(seen, metrics=None)
    thought = deliberate(seen, POLICY)
    return CycleRecord(
        version=RECORD_VERSION, portfolio=POLICY.portfolio, mode="live",
        policy_digest=digest(encode(POLICY)), inputs=seen, thought=thought, approved_by="live",
        outcomes=(), memory=remember(seen, thought, ()),
    )  # fmt: skip


def outcome_of(client_order_id: str) -> Outcome:
    """All of it filled."""
    return Outcome(
        client_order_id=client_order_id, symbol=BTC, side="sell", contracts=Decimal(2),
        filled=Decimal(2), fill_price=Decimal(100), fee=Decimal(0), status="filled", reason="",
    )  # fmt: skip
