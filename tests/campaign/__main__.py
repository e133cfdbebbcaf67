"""
Run a shard of a long campaign, keep its figures, and write the table of README.md::

    make test-long PART=unknown SEED0=0 COUNT=100000
    PYTHONPATH=tests python -m campaign unknown --seed0 0 --count 100000 --jobs 2

A shard is cut into blocks, each kept when it is done: what was interrupted goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat

import structlog
from rich.progress import Progress

from campaign.parts import PARTS
from campaign.results import README, Figures, keep, kept, table, total, written

BLOCKS = 40


def main() -> int:
    asked = argparse.ArgumentParser(prog="campaign", description=__doc__)
    asked.add_argument("part", choices=sorted(PARTS))
    asked.add_argument("--seed0", type=int, default=0)
    asked.add_argument("--count", type=int, default=0, help="seeds; default: all of the goal")
    asked.add_argument("--jobs", type=int, default=2)
    given = asked.parse_args()
    part = PARTS[given.part]
    count = given.count or part.goal
    size = max(1, count // BLOCKS)
    blocks = [
        (at, min(size, given.seed0 + count - at))
        for at in range(given.seed0, given.seed0 + count, size)
    ]
    left = [block for block in blocks if f"{block[0]}:{block[1]}" not in kept().get(given.part, {})]
    began = time.monotonic()
    with ProcessPoolExecutor(given.jobs, initializer=quiet) as pool, Progress(transient=True) as bar:
        task = bar.add_task(given.part, total=len(blocks), completed=len(blocks) - len(left))
        done = pool.map(shard, repeat(given.part), (at for at, _ in left), (many for _, many in left))
        for (at, many), figures in zip(left, done, strict=True):
            keep(given.part, at, many, figures)
            bar.advance(task)
    README.write_text(written(README.read_text(), table(PARTS, kept())))
    sums = total(kept()[given.part])
    print(f"{given.part}: {sums} ({time.monotonic() - began:.0f} s)")
    return 1 if sums.get("violations") else 0


def shard(part: str, seed0: int, count: int) -> Figures:
    return PARTS[part].run(seed0, count)


def quiet() -> None:
    """A campaign counts what a log would tell."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


if __name__ == "__main__":
    sys.exit(main())
