"""
The campaign: ``python -m simulation --seeds 0:300 --jobs 2``, with tests/ and daemon/ on the path.

Seeds are days; a file of ``--results`` keeps one line a seed, and what is in it is not run again, so
that shards can be stopped and taken up. The exit code is 1 where an invariant did not hold.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def one(seed: int, *, awaited: bool = False) -> Row:
    """The result of *seed* as plain values; a crash of the simulator is told, never swallowed."""
    from simulation.run import simulate  # here: each job imports the daemon for itself

    began = time.process_time()
    try:
        row = asdict(simulate(seed, awaited=awaited))
    except Exception:  # noqa: BLE001 - a day that crashes is a result too
        row = {"seed": seed, "crashed": traceback.format_exc()}
    return row | {"cpu_s": round(time.process_time() - began, 3)}


def run(seeds: Iterable[int], jobs: int, *, awaited: bool = False) -> Iterator[Row]:
    """Results as they come."""
    work = partial(one, awaited=awaited)
    if jobs <= 1:
        yield from map(work, seeds)
        return
    os.environ.setdefault("POLARS_MAX_THREADS", "1")  # every job has a core of its own
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(work, seeds)


def summed(rows: Iterable[Row]) -> Row:
    """All rows as one."""
    faults: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    held: Counter[str] = Counter()
    whole: Row = {"seeds": 0, "passes": 0, "events": 0, "requests": 0, "cpu_s": 0.0}
    bad: list[Row] = []
    for row in rows:
        whole["seeds"] += 1
        whole["cpu_s"] = round(whole["cpu_s"] + row["cpu_s"], 1)
        if "crashed" in row:
            bad.append(row)
            continue
        for name in ("passes", "events", "requests"):
            whole[name] += row[name]
        faults.update(row["faults"])
        counts.update(row["counts"])
        if row["stands"]:
            held[row["stands"][:60]] += 1
        if row["violations"]:
            bad.append(row)
    return whole | {
        "violating_seeds": len(bad),
        "invariants": Counter(v["invariant"] for row in bad for v in row.get("violations", ())),
        "faults": dict(sorted(faults.items())),
        "counts": dict(sorted(counts.items())),
        "held_at_the_end": dict(held.most_common()),
        "bad": bad,
    }


def figures(seed0: int, count: int) -> dict[str, float]:
    """A shard for `campaign.parts`; a day that went wrong is told with its seed."""
    whole = summed(run(range(seed0, seed0 + count), 1))
    for row in whole["bad"]:
        print(told(row), file=sys.stderr)
    return {
        "violations": whole["violating_seeds"],
        "passes": whole["passes"],
        "orders": whole["counts"].get("orders", 0),
        "faults": sum(whole["faults"].values()),
        "held at the end": sum(whole["held_at_the_end"].values()),
    }


def told(row: Row) -> str:
    """A seed that violated an invariant, with what led to it."""
    if "crashed" in row:
        return f"seed {row['seed']} crashed:\n{row['crashed']}"
    lines = [f"seed {row['seed']}:"]
    lines += [
        f"  {one['invariant']} at event {one['event']}, {one['at']}: {one['what']}"
        for one in row["violations"]
    ]
    return "\n".join((*lines, *(f"    {line}" for line in row["last"])))


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    parser.add_argument("--seeds", default="0:20", help="from:to, the last one left out")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="all figures as JSON")
    parser.add_argument("--rows", action="store_true", help="a line of JSON a seed, and no sums")
    parser.add_argument("--awaited", action="store_true", help="see `faults.AWAITED`")
    parser.add_argument("--results", type=Path, help="a file of results to go on from and to add to")
    given = parser.parse_args()
    first, last = (int(part) for part in given.seeds.split(":"))
    rows = _kept(given.results)
    wanted = sorted(set(range(first, last)) - rows.keys())
    began = time.monotonic()
    for row in run(wanted, given.jobs, awaited=given.awaited):
        rows[row["seed"]] = row
        if given.rows:
            print(json.dumps(row), flush=True)
        if given.results:
            with given.results.open("a") as file:
                file.write(json.dumps(row) + "\n")
    whole = summed(rows[seed] for seed in sorted(rows) if first <= seed < last)
    whole["wall_s"] = round(time.monotonic() - began, 1)
    if given.rows:
        return 1 if whole["violating_seeds"] else 0
    if given.json:
        print(json.dumps(whole))
    else:
        print(json.dumps({name: value for name, value in whole.items() if name != "bad"}, indent=1))
        print("\n".join(told(row) for row in whole["bad"]))
    return 1 if whole["violating_seeds"] else 0


def _kept(file: Path | None) -> dict[int, Row]:
    if file is None or not file.exists():
        return {}
    rows = (json.loads(line) for line in file.read_text().splitlines())
    return {row["seed"]: row for row in rows}
