"""
What went wrong with other systems that trade, and the test that fails if it comes back here.

An incident breaks *invariants*: rules, by number, that must always hold. One that no test sees
*waits_for* a part of the product that is not built yet; some have a test and wait for more.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sabotage.incident import Incident
from sabotage.incidents_around import AROUND
from sabotage.incidents_of_orders import OF_ORDERS

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- incidents: begin -->", "<!-- incidents: end -->"

INCIDENTS = OF_ORDERS | AROUND


def table(incidents: Mapping[int, Incident]) -> str:
    """The table of README.md."""
    lines = ["| | what happened | a test that fails if it comes back |", "|---|---|---|"]
    for number, incident in sorted(incidents.items()):
        shown = [f"`{incident.seen_by[0]}`"] if incident.seen_by else []
        if len(incident.seen_by) > 1:
            shown.append(f"and {len(incident.seen_by) - 1} more")
        if incident.waits_for:
            shown.append(f"waits for {incident.waits_for}")
        lines.append(f"| {number} | {incident.what} | {', '.join(shown)} |")
    return "\n".join(lines)


def written(text: str, made: str) -> str:
    """README.md with the table between its marks."""
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n{made}\n{END}{rest.split(END)[1]}"
