"""
How many small bugs the tests see: one change at a time in the modules that decide and send.

*Killed* is a change with which a test fails or never ends; what lives is listed by mutmut's own name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
README = HERE.parent / "README.md"
BEGIN, END = "<!-- mutants: begin -->", "<!-- mutants: end -->"

MODULES = {
    "core/gate.py": ("hedged.core.gate.*",),
    "core/plan.py": ("hedged.core.plan.*",),
    "core/resolution.py": ("hedged.core.resolution.*",),
    "core/guard.py": ("hedged.core.guard.*",),
    "venue/tally.py": ("hedged.venue.tally.*",),
    "venue/book.py": ("hedged.venue.book.*",),
    "venue/ledger.py": ("hedged.venue.ledger.*",),
    "execute.py": ("hedged.execute.*",),
    "journal/intents.py": ("hedged.journal.intents.*",),
    "journal/store.py": tuple(
        f"hedged.journal.store.*ǁ{method}__*" for method in ("open_intent", "claim", "resolve_intent")
    ),
}
"""What is tried, and how mutmut names it; of the journal only what opens, claims and ends an intent."""

LIVED = (0, 5, 33)
NOT_TRIED = (None, 2, 34)
"""Exit codes of mutmut: nothing failed, or no test ran; not run yet, interrupted, skipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Of one module: all changes that were tried, and those that no test saw."""

    tried: int
    lived: tuple[str, ...]
    date: str

    @property
    def killed(self) -> int:
        return self.tried - len(self.lived)


def kept(path: Path = RESULTS) -> dict[str, Score]:
    """Scores by module."""
    found: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.exists() else {}
    return {
        module: Score(tried=of["tried"], lived=tuple(of["lived"]), date=of["date"])
        for module, of in found.items()
    }


def keep(module: str, score: Score, path: Path = RESULTS) -> None:
    """Put the score of a module in place of the last one."""
    found = kept(path) | {module: score}
    shown = {
        name: {"date": of.date, "lived": list(of.lived), "tried": of.tried}
        for name, of in sorted(found.items())
    }
    path.write_text(json.dumps(shown, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def scored(codes: Mapping[str, int | None], date: str) -> Score | None:
    """
    The score by mutmut's exit codes, None while some changes were not tried.

    A change that no test runs at all has lived too.
    """
    if not codes or any(code in NOT_TRIED for code in codes.values()):
        return None
    lived = sorted(name for name, code in codes.items() if code in LIVED)
    return Score(tried=len(codes), lived=tuple(lived), date=date)


def table(scores: Mapping[str, Score]) -> str:
    """The table of README.md."""
    lines = ["| module | changes | seen | | date |", "|---|---|---|---|---|"]
    for module in MODULES:
        of = scores.get(module)
        if of is None:
            lines.append(f"| `{module}` | not run yet | | | |")
            continue
        lines.append(
            f"| `{module}` | {of.tried} | {of.killed} | {of.killed / of.tried:.1%} | {of.date} |"
        )
    tried, killed = (sum(getattr(of, what) for of in scores.values()) for what in ("tried", "killed"))
    lines.append(f"| **all** | {tried} | {killed} | {killed / max(tried, 1):.1%} | |")
    return "\n".join(lines)


def written(text: str, made: str) -> str:
    """README.md with the table between its marks."""
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n{made}\n{END}{rest.split(END)[1]}"
