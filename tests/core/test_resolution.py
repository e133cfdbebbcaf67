"""When an order of unknown outcome is given up: never while it may land, and never on one look."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from builders import MONDAY
from hedged.core.resolution import APART, DEADLINE, QUARANTINE, Absence, may_land_until, why_open

ENDS = may_land_until(MONDAY)


def absent(*after_s: float, odd: frozenset[float] = frozenset()) -> list[Absence]:
    """Looks in vain so many seconds after the order could still land; at *odd* it did not add up."""
    return [Absence(at=ENDS + timedelta(seconds=s), adds_up=s not in odd) for s in after_s]


def test_the_quarantine_is_longer_than_any_late_landing_that_was_told_of() -> None:
    assert timedelta(seconds=300) < QUARANTINE
    assert ENDS - MONDAY == DEADLINE + QUARANTINE


def test_nothing_is_given_up_before_the_end_of_the_quarantine() -> None:
    assert why_open(MONDAY, absent(-300, -60, -5, 0)) == "it may still land until 00:05:35"


def test_one_look_after_it_is_not_enough_nor_are_two_at_once() -> None:
    assert "looked for again" in why_open(MONDAY, absent(-60, 1))
    assert "looked for again" in why_open(MONDAY, absent(1, 5.9))


def test_two_looks_apart_are_proof() -> None:
    assert why_open(MONDAY, absent(1, 6)) == ""


def test_a_position_that_does_not_add_up_begins_it_all_anew() -> None:
    odd = frozenset({6.0})

    said = "it is not found, and the position is not what the fills make it"
    assert why_open(MONDAY, absent(1, 6, odd=odd)) == said
    assert "looked for again" in why_open(MONDAY, absent(1, 6, 61, odd=odd))
    assert why_open(MONDAY, absent(1, 6, 61, 66, odd=odd)) == ""


def test_a_clock_that_went_back_begins_it_all_anew() -> None:
    assert "may still land" in why_open(MONDAY, absent(3600, -60))
    assert why_open(MONDAY, absent(3600, 1, 6)) == ""


def test_a_clock_that_stood_still_takes_nothing_back() -> None:
    assert why_open(MONDAY, absent(1, 6, 6)) == ""


LOOKS = st.lists(st.tuples(st.integers(-400, 400), st.booleans()), max_size=8)


@given(LOOKS)
def test_what_is_given_up_was_absent_twice_and_added_up_since_the_last_doubt(
    looks: list[tuple[int, bool]],
) -> None:
    seen = [Absence(at=ENDS + timedelta(seconds=s), adds_up=fine) for s, fine in looks]
    if why_open(MONDAY, seen):
        return
    last = max((i for i, (_, fine) in enumerate(looks) if not fine), default=-1)
    proof = [s for s, _ in looks[last + 1 :] if s > 0]

    assert looks[-1][1]
    assert max(proof) - min(proof) >= APART.total_seconds()


@given(LOOKS, st.integers(-400, 0))
def test_a_look_before_the_end_never_helps(looks: list[tuple[int, bool]], early: int) -> None:
    seen = [Absence(at=ENDS + timedelta(seconds=s), adds_up=fine) for s, fine in looks]
    before = [Absence(at=ENDS + timedelta(seconds=early), adds_up=True), *seen]

    assert (why_open(MONDAY, before) == "") <= (why_open(MONDAY, seen) == "")
