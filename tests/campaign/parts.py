"""
The long campaigns by name: what each counts, how many seeds it is to have, and how a shard is run.

A part's function takes the first seed and a count; a figure called ``violations`` must be 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from campaign import approvals, unknown
from campaign.results import Figures
from crash import enumerate as crash
from crash.scenarios import SCENARIOS
from simulation import campaign as simulation
from simulation import sameness, years
from survival import killing, torn


@dataclass(frozen=True, slots=True)
class Part:
    """A campaign; *goal* seeds are what its figures stand on."""

    what: str
    goal: int
    run: Callable[[int, int], Figures]


PARTS: dict[str, Part] = {
    "approvals": Part(
        "interleavings of approve, reject, expire, restart, kill, altered rows and moves",
        10_000,
        approvals.run,
    ),
    "unknown": Part(
        "orders of unknown outcome through the resolver, tails to 300 s", 1_000_000, unknown.run
    ),
    "simulation": Part(
        "days of passes every 15 minutes with faults drawn by the seed", 20_000, simulation.figures
    ),
    "same": Part("days run in two processes, each event the same in both", 1_000, sameness.run),
    "crash": Part(
        "scenarios in which the daemon is killed at every site, a run each", len(SCENARIOS), crash.run
    ),
    "pairs": Part("kills at a site, and again while it recovers from that", 5_000, crash.run_pairs),
    "year": Part("years of guard passes every 15 minutes, in each mode", 5, years.figures),
    "kill": Part("accounts on which the real daemon is killed, 3 rounds each", 500, killing.run),
    "torn": Part("torn write-ahead logs of the journal", 2_000, torn.run),
}
