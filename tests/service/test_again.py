"""Passes ahead of the schedule: which, when, how often, and under what name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from builders import BTC, MONDAY, guard_tick, inputs, policy, review_tick
from fakes import FakeClock
from hedged.core.record import CycleRecord, Outcome, Tick, record_of
from hedged.cycle import deliberate
from hedged.journal.store import Journal
from hedged.service.again import SOON, Again

NOW = MONDAY + timedelta(minutes=5)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal.open_for(tmp_path / "journal.sqlite", "paper", ("paper",), FakeClock())
    yield made
    made.close()


def record(tick: Tick, *statuses: str, **changed: Any) -> CycleRecord:
    """A pass of *tick* whose orders ended so."""
    given = inputs(tick=tick, metrics=None if tick.kind == "guard" else inputs().metrics, **changed)
    thought = deliberate(given, policy())
    outcomes = tuple(outcome(status) for status in statuses)
    return record_of(given, thought, outcomes, policy=policy(), mode="paper", approved_by="paper")


def outcome(status: Any) -> Outcome:
    (step,) = deliberate(inputs(), policy()).plan.steps
    return Outcome(
        client_order_id="hdg1",
        symbol=BTC,
        side=step.side,
        contracts=step.contracts,
        filled=step.contracts if status == "filled" else step.contracts * 0,
        fill_price=None,
        fee=step.contracts * 0,
        status=status,
    )


def after(journal: Journal, made: CycleRecord) -> Callable[[datetime], Tick | None]:
    again = Again()
    again.note(made, NOW)
    return lambda now: again.due(journal, "main", now)


@pytest.mark.parametrize("statuses", [(), ("filled",)])
def test_a_pass_that_left_nothing_open_is_all(journal: Journal, statuses: tuple[str, ...]) -> None:
    again = Again()
    again.note(record(review_tick(), *statuses), NOW)

    assert again.wait_s(NOW) is None
    assert again.due(journal, "main", NOW + timedelta(days=1)) is None


@pytest.mark.parametrize("status", ["partial", "unfilled"])
def test_what_the_market_did_not_take_waits_for_the_schedule(journal: Journal, status: str) -> None:
    assert record(review_tick(), status).look_again == ""


def test_an_order_whose_end_nobody_knows_is_looked_for_soon(journal: Journal) -> None:
    due = after(journal, record(review_tick(), "unknown"))

    assert due(NOW + SOON - timedelta(seconds=1)) is None
    found = due(NOW + SOON)
    assert found is not None
    assert (found.kind, found.id) == ("guard", "weekly+1@2024-01-01T00:00:00Z")
    assert due(NOW + SOON) is None  # once


@pytest.mark.parametrize(
    "changed", [{"unresolved": (f"{BTC}: it may still land",)}, {"strays": ("hdgabc",)}]
)
def test_what_must_be_seen_twice_is_looked_at_soon(journal: Journal, changed: dict[str, Any]) -> None:
    assert record(guard_tick(), **changed).look_again == "soon"


def test_a_position_that_the_fills_do_not_explain_is_looked_at_soon() -> None:
    seen = replace(inputs().snapshot, unexplained=(BTC,))

    assert record(guard_tick(), snapshot=seen).look_again == "soon"


def test_a_refused_order_is_planned_again_at_once_and_then_soon(journal: Journal) -> None:
    again, tick, found = Again(), review_tick(), []
    for _ in range(4):
        again.note(record(tick, "refused"), NOW)
        found.append(again.wait_s(NOW))
        due = again.due(journal, "main", NOW + SOON)
        assert due is not None
        tick = due

    assert found == [0, 0, 60, 60]
    assert tick.cadence == "weekly+4"


def test_a_pass_of_the_schedule_counts_anew(journal: Journal) -> None:
    again, found = Again(), []
    for hour in range(4):
        again.note(record(guard_tick(MONDAY + timedelta(hours=hour)), "refused"), NOW)
        found.append(again.wait_s(NOW))

    assert found == [0] * 4


def test_a_name_that_the_journal_has_already_is_not_used_again(journal: Journal) -> None:
    taken = replace(guard_tick(), cadence="guard+1")
    journal.append(record(taken), policy())
    due = after(journal, record(guard_tick(), "unknown"))
    found = due(NOW + SOON)

    assert found is not None
    assert found.cadence == "guard+2"


def test_a_clock_that_went_back_does_not_put_it_off(journal: Journal) -> None:
    due = after(journal, record(guard_tick(), "unknown"))

    assert due(NOW - timedelta(hours=1)) is not None


def test_a_pass_that_could_not_be_made_is_tried_again_soon(journal: Journal) -> None:
    again = Again()
    again.note(record(guard_tick(), "unknown"), NOW)
    first = again.due(journal, "main", NOW + SOON)
    again.failed("main", NOW + SOON)
    waits = again.wait_s(NOW + SOON)
    second = again.due(journal, "main", NOW + 2 * SOON)
    again.failed("other", NOW)

    assert waits == SOON.total_seconds()
    assert first == second
    assert again.wait_s(NOW) is None
