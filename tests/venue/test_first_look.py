"""The first look at an account: a fill that comes meanwhile is in its position once."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.opening import binance_venue
from hedged.errors import VenueUnavailable
from hedged.venue.accounts import Account
from hedged.venue.first_look import LOOKS_MAX, anchored
from lines import BTC, later, linked, portfolio, trade_by_hand

START = datetime.fromisoformat("2024-01-01T00:00:00+00:00")
MILLISECOND = timedelta(milliseconds=1)


async def looked(tmp_path: Path, times: int, when: str) -> tuple[Decimal, tuple[str, ...], int]:
    """What is held, doubted and told by two looks, the first *times* of whose reads are traded in."""
    async with linked(binance_venue(deposit=50_000)) as line:
        live = portfolio(line, tmp_path)
        look, reads = live._look, 0

        async def traded(account: Account) -> object:
            nonlocal reads
            reads += 1
            later(line, seconds=0.2)
            if reads <= times and when == "before":
                trade_by_hand(line, "sell", "0.1")
            seen = await look(account)
            if reads <= times and when == "after":
                trade_by_hand(line, "sell", "0.1")
            later(line, seconds=0.2)
            return seen

        live._look = traded  # type: ignore[assignment, method-assign]
        first = await live.observe(line.clock(), after=0)
        later(line, seconds=30)
        second = await live.observe(line.clock(), after=first.cursor)
        held = sum((one.contracts for one in second.positions if one.symbol == BTC), Decimal(0))
        return held, second.doubts, len(second.fills)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("times", [0, 1, 2])
async def test_a_fill_while_the_account_is_first_read_is_counted_once(
    tmp_path: Path, times: int, when: str
) -> None:
    held, doubts, fills = await looked(tmp_path, times, when)

    assert held == Decimal("-0.1") * times
    assert doubts == ()
    assert fills == 0


async def test_an_account_that_is_traded_at_every_look_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(VenueUnavailable, match="traded at each of 3 looks"):
        await looked(tmp_path, LOOKS_MAX, "before")


@settings(deadline=None, derandomize=True, max_examples=300)
@given(
    fills=st.lists(st.integers(0, 40), max_size=6),
    read_ms=st.integers(0, 40),
    off_ms=st.integers(-20, 5),
)
async def test_what_is_read_and_what_adds_to_it_are_all_fills_once(
    fills: list[int], read_ms: int, off_ms: int
) -> None:
    """One fill a contract, at its millisecond; time passes only while it is read."""
    now = 0

    async def happened() -> set[tuple[str, datetime]]:
        return {(str(n), START + at * MILLISECOND) for n, at in enumerate(fills) if at <= now}

    async def read() -> int:
        nonlocal now
        now += read_ms
        held = sum(at <= now for at in fills)
        now += 1
        return held

    try:
        held, opened = await anchored(read, happened, lambda: START + (now + off_ms) * MILLISECOND)
    except VenueUnavailable:
        return
    # Whatever our clock says, unless it is ahead: then a fill could come that is never asked for.
    added = sum(START + at * MILLISECOND >= opened for at in fills)
    if off_ms <= 0:
        assert held + added == len(fills)
    assert held + added <= len(fills)
