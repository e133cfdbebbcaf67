"""
One seed is one day in any process: the same trace, whatever the hash seed and the time zone.

A trace is a hash over every event of a day; each side of a pair runs in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
HERE = {"PYTHONHASHSEED": "1", "TZ": "America/New_York"}
THERE = {"PYTHONHASHSEED": "77", "TZ": "Asia/Kolkata"}


def rows_of(seeds: str, jobs: int, environ: dict[str, str]) -> list[dict[str, Any]]:
    """
    The days *seeds*, ``from:to``, each run in processes with *environ* set.

    Raises
    ------
    RuntimeError
        When the simulator itself crashed, with the end of what it said.
    """
    path = os.pathsep.join(map(str, (ROOT / "daemon", ROOT / "tests")))
    ran = subprocess.run(
        [sys.executable, "-m", "simulation", "--seeds", seeds, "--jobs", str(jobs), "--rows"],
        env={**os.environ, "PYTHONPATH": path, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode not in (0, 1):
        raise RuntimeError(ran.stderr[-3000:])
    return [json.loads(line) for line in ran.stdout.splitlines()]


def traces(rows: list[dict[str, Any]]) -> dict[int, str]:
    """The hash of each day; a day that crashed has none."""
    return {row["seed"]: row.get("trace_hash", "crashed") for row in rows}


def run(seed0: int, count: int) -> dict[str, float]:
    """A shard for `campaign.parts`: every seed in two processes that have little in common."""
    seeds = f"{seed0}:{seed0 + count}"
    here, there = (rows_of(seeds, 1, environ) for environ in (HERE, THERE))
    one, other = traces(here), traces(there)
    differ = [seed for seed in range(seed0, seed0 + count) if not _equal(one, other, seed)]
    if differ:
        print(f"not the same in two processes: {differ}", file=sys.stderr)
    return {"events": sum(row.get("events", 0) for row in here), "violations": len(differ)}


def _equal(one: dict[int, str], other: dict[int, str], seed: int) -> bool:
    trace = one.get(seed, "crashed")
    return trace != "crashed" and trace == other.get(seed)
