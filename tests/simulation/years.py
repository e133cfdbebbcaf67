"""
The campaign of years: one a seed, of guard passes every 15 minutes, in a mode and a zone of its own.

Enters seeds; leaves figures for `campaign.parts`. The zone is the machine's: the schedule is in UTC,
and must not notice.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from hedged.core.record import Mode
from simulation.almanac import counted, grown, told
from simulation.script import Script, calendar
from simulation.year import lived

KINDS: tuple[tuple[Mode, str, str], ...] = (
    ("live", "weekly", "Europe/Berlin"),
    ("live", "daily", "America/New_York"),
    ("alert", "weekly", "America/New_York"),
    ("paper", "daily", "Europe/Berlin"),
    ("live", "weekly", "Australia/Lord_Howe"),
)


@contextmanager
def zone(name: str) -> Iterator[None]:
    """The machine's zone is *name*."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        del os.environ["TZ"]
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()


def script_of(seed: int) -> tuple[Script, str]:
    """What is to happen in the year of *seed*, and the machine's zone."""
    mode, review, where = KINDS[seed % len(KINDS)]
    return calendar(mode, review, "15m", seed), where


def figures(seed0: int, count: int) -> dict[str, float]:
    """A shard."""
    sums = {"ticks": 0.0, "passes": 0.0, "reviews": 0.0, "orders": 0.0, "violations": 0.0}
    memory = blocks = -100.0
    for seed in range(seed0, seed0 + count):
        script, where = script_of(seed)
        with zone(where):
            result = lived(script)
        count_of = counted(script, result)
        sums["ticks"] += count_of.ticks
        sums["passes"] += len(result.passes)
        sums["reviews"] += count_of.reviews
        sums["orders"] += len(result.sent)
        sums["violations"] += len(told(script, result))
        memory = max(memory, round(grown(result.samples, "resident"), 2))
        blocks = max(blocks, round(grown(result.samples, "blocks"), 2))
    return sums | {"max growth of memory, %": memory, "max growth of objects, %": blocks}
