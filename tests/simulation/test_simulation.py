"""
The real daemon through days on which everything goes wrong: no invariant is violated, in any of them.

CI runs `SEEDS` days; `python -m simulation` runs as many as one wants (see `simulation.campaign`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from hedged.core import gate, resolution
from hedged.journal.store import Journal
from hedged.venue import doubts, first_price
from hedged.venue.book import Book
from simulation import dialect
from simulation.campaign import summed, told
from simulation.faults import AWAITED, CATALOGUE, Swarm
from simulation.run import QUIET_S, simulate
from simulation.sameness import HERE, THERE, rows_of, traces

SEEDS = 300
PAIRS = 30
JOBS = 2


@pytest.fixture(scope="module")
def days() -> list[dict[str, Any]]:
    """The campaign of CI."""
    return rows_of(f"0:{SEEDS}", JOBS, HERE)


def test_days_of_faults_violate_no_invariant(days: list[dict[str, Any]]) -> None:
    whole = summed(days)

    assert [told(row) for row in whole["bad"]] == []
    assert whole["seeds"] == SEEDS


def test_the_days_are_full_of_faults(days: list[dict[str, Any]]) -> None:
    """A campaign in which nothing happens proves nothing."""
    whole = summed(days)
    counts, met = whole["counts"], whole["faults"]

    assert whole["passes"] >= 80 * SEEDS
    assert counts["orders"] >= 5 * SEEDS
    assert counts["no clear answer"] >= SEEDS
    assert counts["resolved as never landed"] >= SEEDS / 4
    assert counts["lands_late"] >= SEEDS / 5
    assert counts["killed"] >= SEEDS / 3
    assert met.keys() == CATALOGUE.keys() - AWAITED.keys()
    assert sum(whole["held_at_the_end"].values()) <= SEEDS / 4


def test_the_same_seed_is_the_same_day_in_any_process(days: list[dict[str, Any]]) -> None:
    again = rows_of(f"0:{PAIRS}", JOBS, THERE)

    assert len(again) == PAIRS
    assert traces(again).items() <= traces(days).items()


# ---- the checker sees what it is for: bugs put back on purpose, each of an incident


def days_with(fault: str) -> list[int]:
    """Days on which that fault strikes most often."""
    drawn = {seed: Swarm(seed, QUIET_S).drawn for seed in range(300)}
    rates = {seed: faults[fault].rate for seed, faults in drawn.items() if fault in faults}
    return sorted(rates, key=lambda seed: (-rates[seed], seed))[:12]


def violated(invariants: set[str], days: Iterable[int]) -> set[str]:
    """The invariants that the first day on which one of *invariants* is violated violates."""
    for seed in days:
        found = {one.invariant for one in simulate(seed).violations}
        if found & invariants:
            return found
    return set()


Patched = pytest.MonkeyPatch


def given_up_at_once(patch: Patched) -> None:
    """An order that is not found twice is taken for refused (hummingbot#601, nautilus#4152)."""
    patch.setattr(resolution, "QUARANTINE", timedelta(0))


def sent_without_a_row(patch: Patched) -> None:
    """The permit says yes to everything, and writes nothing."""

    def claim(self: Journal, client_order_id: str, signed_at: datetime) -> bool:
        return True

    patch.setattr(Journal, "claim", claim)


def duplicate_is_a_refusal(patch: Patched) -> None:
    """A duplicate id is taken for a rejection (nautilus#4215)."""
    patch.setitem(dialect.OUTCOMES, ("linear", "client_id_known"), "rejected")


def unknown_is_refused(patch: Patched) -> None:
    """A time-out is a failure (hummingbot#493)."""
    patch.setitem(dialect.OUTCOMES, ("linear", "-1007"), "rejected")
    patch.setattr("hedged.venue.outcomes.is_in_good_order", lambda status: True)


def every_position_is_believed(patch: Patched) -> None:
    """What the exchange says is held is held, whatever the fills make it (trading-gpt#103)."""
    patch.setattr(Book, "doubts", lambda *_: ())


def every_price_is_believed(patch: Patched) -> None:
    """A price ten times as high is a price (freqtrade#3769)."""
    of_prices = ("_price_jump", "_price_agreement", "_implausible")
    kept = tuple(one for one in gate._CHECKS if one.__name__ not in of_prices)
    patch.setattr(gate, "_CHECKS", kept)
    patch.setattr(doubts, "of_notionals", lambda *_: ())
    patch.setattr(first_price, "is_plausible", lambda *_: True)


def reductions_may_flip(patch: Patched) -> None:
    """A closing order without reduce-only (ccxt#10439)."""
    send = dialect.Simulated.send

    async def plain(self: Any, wire: Any, listing: Any, order: Any) -> Any:
        return await send(self, wire, listing, replace(order, reduce_only=False))

    patch.setattr(dialect.Simulated, "send", plain)


SABOTAGE: list[tuple[Callable[[Patched], None], str, set[str]]] = [
    (given_up_at_once, "order_lost", {"06"}),
    (every_position_is_believed, "empty_positions", {"16", "11"}),
    (every_price_is_believed, "price_tenth", {"11", "23"}),
    (reductions_may_flip, "order_partial", {"12", "01"}),
    (sent_without_a_row, "order_partial", {"01"}),
    (duplicate_is_a_refusal, "order_said_duplicate", {"03", "06", "09"}),
    (unknown_is_refused, "order_late_unknown", {"03", "06", "09"}),
]


@pytest.mark.parametrize(
    ("bug", "fault", "invariants"), SABOTAGE, ids=lambda one: getattr(one, "__name__", "")
)
def test_a_bug_put_back_is_caught(
    bug: Callable[[Patched], None], fault: str, invariants: set[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        bug(patch)

        assert violated(invariants, days_with(fault))
