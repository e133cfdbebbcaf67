"""
What the long campaigns found: shards of seeds, kept beside the tests, and the table of them.

A shard that was run again replaces its figures; counts add up over shards, what begins with ``max``
is the largest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results.json"
README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- campaigns: begin -->", "<!-- campaigns: end -->"

Figures = Mapping[str, float]


def kept(path: Path = RESULTS) -> dict[str, dict[str, dict[str, float]]]:
    """Figures by part and by shard, a shard being ``first seed:count``."""
    found: dict[str, dict[str, dict[str, float]]] = (
        json.loads(path.read_text()) if path.exists() else {}
    )
    return found


def keep(part: str, seed0: int, count: int, figures: Figures, path: Path = RESULTS) -> None:
    """Add a shard; one that overlaps another is refused, for its seeds would count twice."""
    results = kept(path)
    shards = results.setdefault(part, {})
    for shard in shards:
        first, many = map(int, shard.split(":"))
        if (first, many) != (seed0, count) and seed0 < first + many and first < seed0 + count:
            raise SystemExit(f"{part}: seeds {seed0} to {seed0 + count - 1} overlap the shard {shard}")
    shards[f"{seed0}:{count}"] = dict(figures)
    path.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


def total(shards: Mapping[str, Figures]) -> dict[str, float]:
    """All shards of a part as one."""
    found: dict[str, float] = {"seeds": sum(int(shard.split(":")[1]) for shard in shards)}
    for figures in shards.values():
        for name, figure in figures.items():
            before = found.get(name, 0)
            found[name] = max(before, figure) if name.startswith("max") else before + figure
    return found


def table(parts: Mapping[str, Any], results: Mapping[str, Mapping[str, Figures]]) -> str:
    """The table of README.md."""
    lines = ["| part | what | goal | run | found |", "|---|---|---|---|---|"]
    for name, part in parts.items():
        shards = results.get(name, {})
        sums = total(shards) if shards else {}
        done = f"{sums.pop('seeds', 0):,.0f}"
        found = ", ".join(f"{figure:,.10g} {label}" for label, figure in sums.items())
        lines.append(f"| `{name}` | {part.what} | {part.goal:,} | {done} | {found or 'not run yet'} |")
    return "\n".join(lines)


def written(text: str, made: str) -> str:
    """README.md with the table between its marks."""
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n{made}\n{END}{rest.split(END)[1]}"
