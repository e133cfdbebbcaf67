"""
Answers of real exchanges, as the daemon's wire decodes them, and ways to spoil them.

`venue/data/answers_<venue>.json` holds answers that ccxt 4.5.90 (MIT) carries as comments in its own
source, each with its file and line: captures and documentation samples.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

from hedged.errors import OutcomeUnknown, VenueUnavailable

DATA = Path(__file__).parent / "venue" / "data"


class Spoiled(Enum):
    """What is no value: the field is left out. Its name is the same in every process."""

    GONE = "gone"


GONE = Spoiled.GONE
JUNK = (None, "", "NaN", "-Infinity", "1e5000", "abc", True, -1, 0, "0", [], {}, [[]], {"a": 1}, GONE)
NO_FIGURE = (GONE, None, "", "NaN", "Infinity", "1,5", True, [], {})
"""What is no number, wherever one is needed."""


def told(venue: str, name: str) -> Any:
    """A copy of one answer."""
    everything = json.loads((DATA / f"answers_{venue}.json").read_text(), parse_float=Decimal)
    return everything[name]["json"]


def changed(row: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A copy of *row* with other fields, or without those that are `GONE`."""
    return {key: value for key, value in {**row, **fields}.items() if value is not GONE}


def spoilings(answer: Any) -> Iterator[Any]:
    """*answer* with one value, each in turn, replaced by something else or taken out."""
    for path in _paths(answer):
        for junk in JUNK:
            made = copy.deepcopy(answer)
            node = made
            for step in path[:-1]:
                node = node[step]
            if junk is GONE:
                del node[path[-1]]
            else:
                node[path[-1]] = junk
            yield made


def refused(translate: Callable[[Any], object], answer: Any) -> bool:
    """Whether *answer* is refused; understood or not, translating it never raises anything else."""
    try:
        translate(answer)
    except (VenueUnavailable, OutcomeUnknown):
        return True
    return False


def _paths(answer: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    steps: Any = ()
    if isinstance(answer, dict):
        steps = answer.items()
    elif isinstance(answer, list):
        steps = enumerate(answer)
    for step, value in steps:
        yield from _paths(value, (*path, step))
