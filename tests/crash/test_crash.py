"""
The daemon killed at every site, started again, and on its way as if nothing had been: in two ticks.

CI enumerates the scenarios of `CI`, and pairs of kills; `make test-long PART=crash` and ``PART=pairs``
run all of them. What must hold is in `crash.course`: the checker of the simulation, one row an order,
the same hedge as without a kill, and never a larger one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from crash.enumerate import Stage, one_sided, pair, singles
from crash.scenarios import SCENARIOS
from hedged import execute
from hedged.journal.intents import Intent
from hedged.journal.store import Journal
from hedged.venue.book import Book
from hedged.venue.wire import Wire

CI = ("first", "landed", "late", "resting")
PAIRS = 15

Patched = pytest.MonkeyPatch


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage() as made:
        yield made


def enumerated(stage: Stage, names: tuple[str, ...]) -> tuple[list[str], Counter[str]]:
    """What was violated, and how often the process died at each site."""
    bad, hit = [], Counter[str]()
    for name in names:
        for found in singles(stage, SCENARIOS[name]):
            hit[found.site] += 1
            assert found.ended.kills == 1
            if found.ended.violations:
                bad.append(found.told())
    return bad, hit


def test_a_kill_at_any_site_is_recovered_from_in_two_ticks(stage: Stage) -> None:
    bad, hit = enumerated(stage, CI)

    assert bad == []
    assert one_sided(hit) == []
    assert hit.total() >= 500
    assert hit["during order"] >= 5
    assert hit["after commit update intent sent_at"] >= 5


@pytest.mark.long
def test_a_kill_at_any_site_of_any_scenario_is_recovered_from(stage: Stage) -> None:
    bad, hit = enumerated(stage, tuple(SCENARIOS))

    assert bad == []
    assert one_sided(hit) == []


def test_a_kill_while_it_recovers_is_recovered_from_too(stage: Stage) -> None:
    found = [pair(stage, seed) for seed in range(PAIRS)]

    assert [one.told() for one in found if one.ended.violations] == []


def test_the_scenarios_are_what_they_say(stage: Stage) -> None:
    """A strike that never comes would leave a quiet world in its place."""
    increase = stage.whole(SCENARIOS["increase"])
    more = {"refused": 1, "partial": 1, "lost": 1, "resting": 0, "breaker": 3, "landed": 0, "late": 0}

    for name, orders in more.items():
        assert stage.whole(SCENARIOS[name]).orders == increase.orders + orders, name
    for name in ("lost", "late", "landed"):
        assert len(stage.points(SCENARIOS[name])) > len(stage.points(SCENARIOS["increase"]))
    assert {"before venue.cancel"} <= {one.site for one in stage.points(SCENARIOS["stray"])}
    assert {"before venue.cancel"} <= {one.site for one in stage.points(SCENARIOS["resting"])}


# ---- it sees what it is for: bugs put back on purpose


def claimed_after_it_was_sent(patch: Patched) -> None:
    """The journal hears of a sending only when its answer is there."""
    ask, claim = Wire._ask, Wire._claim

    async def late(self: Any, *args: Any, client_order_id: str | None = None, **given: Any) -> Any:
        found = await ask(self, *args, **given)
        if client_order_id is not None:
            claim(self, client_order_id)
        return found

    patch.setattr(Wire, "_ask", late)


def given_up_at_once(patch: Patched) -> None:
    """An order that is not found was never there."""
    patch.setattr(execute, "why_open", lambda *_: "")


def outcomes_are_not_kept(patch: Patched) -> None:
    """What became of an order is forgotten."""
    patch.setattr(Journal, "resolve_intent", lambda *_: None)


def nothing_is_owed(patch: Patched) -> None:
    """The book waits for fills, whatever the outcome of an order was."""
    patch.setattr(Book, "owe", lambda *_: None)


def an_order_of_the_life_before_is_forgotten(patch: Patched) -> None:
    """A start begins anew, and asks for no order that was sent before it (nautilus#3176)."""
    unresolved = Journal.unresolved

    def own(self: Journal, portfolio: str) -> list[Intent]:
        assert self.epoch is not None
        return [one for one in unresolved(self, portfolio) if one.opened_at >= self.epoch]

    patch.setattr(Journal, "unresolved", own)


BUGS: list[tuple[Callable[[Patched], None], str, str]] = [
    (claimed_after_it_was_sent, "landed", "01"),
    (given_up_at_once, "late", "06"),
    (outcomes_are_not_kept, "increase", "36"),
    (nothing_is_owed, "fills", "36"),
    (an_order_of_the_life_before_is_forgotten, "increase", "36"),
]
NEED_A_KILL = (nothing_is_owed, an_order_of_the_life_before_is_forgotten)


@pytest.mark.parametrize(
    ("bug", "scenario", "invariant"), BUGS, ids=lambda one: getattr(one, "__name__", "")
)
def test_a_bug_put_back_is_caught(
    bug: Callable[[Patched], None], scenario: str, invariant: str
) -> None:
    with pytest.MonkeyPatch.context() as patch, Stage() as stage:
        bug(patch)
        caught = next(one for one in singles(stage, SCENARIOS[scenario]) if one.ended.violations)

    assert any(violation.startswith(invariant) for violation in caught.ended.violations)
    assert bool(caught.kills) == (bug in NEED_A_KILL)
