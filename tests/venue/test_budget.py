"""How much a host is asked: half of what it allows, a part kept for orders, nothing during a ban."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.clocks import Stopped
from hedged.errors import VenueUnavailable
from hedged.settings.venues import Venue
from hedged.venue.budget import BACKOFF_S, Budget, Budgets
from hedged.wiring.live import Lines


def budget(clock: Stopped, limit: float = 100, window_s: float = 60) -> Budget:
    async def at_once(seconds: float) -> None:
        clock.step(seconds=seconds)

    return Budget("host", limit=limit, window_s=window_s, monotonic=clock.seconds, sleep=at_once)


async def test_reads_may_take_four_fifths_of_half_and_orders_the_rest() -> None:
    made = budget(Stopped())
    await made.spend(40, order=False, wait_s_max=0)
    with pytest.raises(VenueUnavailable, match="request budget of host is used up"):
        await made.spend(1, order=False, wait_s_max=0)
    await made.spend(10, order=True, wait_s_max=0)
    with pytest.raises(VenueUnavailable):
        await made.spend(1, order=True, wait_s_max=0)


async def test_one_waits_for_room_as_long_as_one_may() -> None:
    clock = Stopped()
    made, began = budget(clock), clock()
    await made.spend(40, order=False)
    clock.step(seconds=55)
    await made.spend(1, order=False, wait_s_max=10)

    assert (clock() - began).total_seconds() == pytest.approx(60, abs=0.1)


async def test_what_others_spend_on_the_address_counts_too() -> None:
    made = budget(Stopped())
    await made.spend(5, order=False)
    made.told_used(39)
    with pytest.raises(VenueUnavailable):
        await made.spend(2, order=False, wait_s_max=0)
    made.told_used(10)  # less than we know of: nothing is given back


async def test_a_ban_is_honoured_to_its_end() -> None:
    clock = Stopped()
    made = budget(clock)
    made.told_to_wait(120)
    with pytest.raises(VenueUnavailable, match="host asked us to wait 120 seconds more"):
        await made.spend(1, order=True)
    clock.step(seconds=119)
    with pytest.raises(VenueUnavailable):
        await made.spend(1, order=True)
    clock.step(seconds=2)
    await made.spend(1, order=True)


async def test_a_refusal_without_a_time_and_a_shorter_one_never_shorten_a_ban() -> None:
    clock = Stopped()
    made = budget(clock)
    made.told_to_wait(None)
    until = made.banned_until
    made.told_to_wait(1)

    assert until is not None
    assert until - clock.seconds() == BACKOFF_S
    assert made.banned_until == until


@given(st.lists(st.tuples(st.floats(0.1, 30), st.floats(0, 20), st.booleans()), max_size=60))
async def test_no_window_ever_holds_more_than_half(asked: list[tuple[float, float, bool]]) -> None:
    clock = Stopped()
    made, spent = budget(clock), []
    for weight, pause, order in asked:
        clock.step(seconds=pause)
        try:
            await made.spend(weight, order=order, wait_s_max=30)
        except VenueUnavailable:
            continue
        spent.append((clock(), weight))
    for at, _ in spent:
        inside = [w for then, w in spent if 0 <= (at - then).total_seconds() < 60]
        assert sum(inside) <= 50 + 1e-6


async def test_a_wall_clock_that_is_set_changes_neither_window_nor_ban() -> None:
    """A wire takes its stamps from the wall clock, and its budget from one that nobody sets."""
    wall = Stopped()
    lines = Lines(Venue(kind="binance"), {}, wall, None)
    made = lines._budgets.of("host", 100, 60)
    await made.spend(40, order=False)
    wall.step(hours=2)
    with pytest.raises(VenueUnavailable, match="used up"):
        await made.spend(1, order=False, wait_s_max=0)
    made.told_to_wait(120)
    wall.step(hours=-30)
    with pytest.raises(VenueUnavailable, match="asked us to wait 120 seconds more"):
        await made.spend(1, order=True)


def test_a_host_has_one_budget_for_all() -> None:
    budgets = Budgets(Stopped().seconds)

    assert budgets.of("a", 100, 60) is budgets.of("a", 100, 60)
    assert budgets.of("a", 100, 60) is not budgets.of("b", 100, 60)
