"""
The second half of the checker sees what it is for: bugs put into the daemon, and orders made by hand.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exchange.state import Ticket
from hedged.core import watch
from hedged.journal.store import Journal
from hedged.venue import doubts
from hedged.venue.exchange import Exchange
from hedged.venue.live import LiveVenue
from simulation.clock import Time, Wall
from simulation.evidence import Sent
from simulation.faults import CATALOGUE, Swarm
from simulation.run import QUIET_S
from simulation.safety import Safety
from simulation.test_simulation import Patched, days_with, violated
from simulation.world import BTC, ETH, World

D = Decimal
TABLE = Path(__file__).with_name("README.md")
TESTS = Path(__file__).parent.parent
LISTED = {*range(1, 43), 47, 48, 49, 61}
"""The invariants that orders are to keep."""


def no_mode_is_wrong(patch: Patched) -> None:
    """A person's isolated margin or leverage is traded in (freqtrade#7505)."""
    patch.setattr(doubts, "of_mode", lambda *_: ())


def any_account_will_do(patch: Patched) -> None:
    """The number of the account that the key belongs to is not looked at."""
    patch.setattr(doubts, "of_rights", lambda *_: ())


def changed_under_a_position(patch: Patched) -> None:
    """Leverage is set while the hedge is open."""
    patch.setattr("hedged.venue.live.flat", lambda account, *_: account.legs)


def margin_is_not_looked_at(patch: Patched) -> None:
    """The hedge grows however little collateral is left (freqtrade#13456)."""
    patch.setattr("hedged.cycle.survivable", lambda wanted, *_: (wanted, ()))
    patch.setattr(watch, "floor", lambda *_: ())


def bars_by_the_local_clock(patch: Patched) -> None:
    """A clock that is ahead judges bars that are still running."""

    async def series(self: Exchange, symbol: str, *asked: Any) -> Any:
        return await self.dialect.series(self.wire, await self.listing(symbol), *asked)

    patch.setattr(Exchange, "series", series)


def running_bars_are_kept(patch: Patched) -> None:
    """What an exchange tells of the bar of now is kept as it never closed (freqtrade#994)."""
    patch.setattr("hedged.history.keeper.bar_seconds", lambda _: 0)


def no_rank_is_high(patch: Patched) -> None:
    """The account that is deleveraged first is not told of."""
    patch.setattr(watch, "ADL_RANK_TOP", 99)


def funding_is_free(patch: Patched) -> None:
    """What a short pays is not told (hummingbot#4191)."""
    patch.setattr(watch, "funding", lambda *_: ())


def whatever_is_listed_trades(patch: Patched) -> None:
    """A contract that was halted is ordered again and again (freqtrade#11414)."""
    patch.setattr(doubts, "of_legs", lambda *_: ())
    patch.setattr(Exchange, "listing_now", lambda self, symbol, *_: self.listing(symbol))


def nothing_is_asked_of_before(patch: Patched) -> None:
    """A start goes on without the fills since the last pass (nautilus#3176)."""

    async def nothing(*_: Any) -> list[Any]:
        return []

    patch.setattr(LiveVenue, "_happened", nothing)


def strangers_are_ours(patch: Patched) -> None:
    """A journal restored from a copy goes on as if nothing were missing."""
    patch.setattr(Journal, "strangers", lambda *_: [])


def anybody_may_write(patch: Patched) -> None:
    """A second daemon starts beside the first."""
    patch.setattr("hedged.journal.store.lock_writer", lambda _: io.StringIO())


Sabotage = tuple[Callable[[Patched], None], str, set[str]]
SABOTAGE: list[Sabotage] = [
    (no_mode_is_wrong, "leverage_change", {"19"}),
    (no_rank_is_high, "adl_rank_top", {"28"}),
    (funding_is_free, "funding_spike", {"27"}),
    (whatever_is_listed_trades, "halt", {"29"}),
    (strangers_are_ours, "restored", {"41"}),
    (anybody_may_write, "second_start", {"42"}),
]
RARE: list[Sabotage] = [
    (any_account_will_do, "other_account", {"19"}),
    (changed_under_a_position, "leverage_change", {"19"}),
    (margin_is_not_looked_at, "collateral_out", {"20"}),
    (bars_by_the_local_clock, "clock_step", {"25"}),
    (running_bars_are_kept, "running_bar", {"25"}),
    (nothing_is_asked_of_before, "kill", {"35"}),
]
"""These take several days to show, and wait for the long run."""


@pytest.mark.parametrize(
    ("bug", "fault", "invariants"), SABOTAGE, ids=lambda one: getattr(one, "__name__", "")
)
def test_a_bug_in_what_stands_around_an_order_is_caught(
    bug: Callable[[Patched], None], fault: str, invariants: set[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        bug(patch)

        assert violated(invariants, days_with(fault))


@pytest.mark.long
@pytest.mark.parametrize(
    ("bug", "fault", "invariants"), RARE, ids=lambda one: getattr(one, "__name__", "")
)
def test_a_bug_that_seldom_shows_is_caught(
    bug: Callable[[Patched], None], fault: str, invariants: set[str]
) -> None:
    test_a_bug_in_what_stands_around_an_order_is_caught(bug, fault, invariants)


# ---- what no day of CI may bring about, by hand


@pytest.fixture
def seen() -> list[str]:
    return []


@pytest.fixture
def safety(seen: list[str]) -> Safety:
    """A checker of a world in which nothing happens, after one look at all there is."""
    time = Time(datetime(2026, 3, 2, tzinfo=UTC))
    world = World(1, time, Wall(time), Swarm(1, QUIET_S))
    made = Safety(time, world, lambda number, _: seen.append(number), lambda: time.start)
    world.engine.watcher, world.engine.resting = _Blind(), []
    for symbol in (BTC, ETH):
        world._price(symbol, world.prices[symbol])
    world.engine.deposit("USDT", D(100_000))
    for endpoint in ("rights", "mode", "listings", "margin", "positions", "open_orders", "quotes"):
        made.served(endpoint)
    return made


class _Blind:
    """Looks away."""

    def arrived(self, ticket: Ticket) -> None:
        """Nothing."""

    def filled(self, fill: object) -> None:
        """Nothing."""

    def happened(self, what: str, **about: object) -> None:
        """Nothing."""


def order(quantity: str = "1", side: str = "sell") -> Sent:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    return Sent(id="hdg1", symbol=BTC, side=side, quantity=D(quantity), at=at)


def test_an_order_after_a_whole_look_violates_nothing(safety: Safety, seen: list[str]) -> None:
    safety.posted(order())

    assert seen == []


@pytest.mark.parametrize("endpoint", ["positions", "open_orders"])
def test_an_order_before_all_was_read_is_seen(safety: Safety, seen: list[str], endpoint: str) -> None:
    safety.served_at.pop(endpoint)
    safety.posted(order())

    assert seen == ["35"]


def test_a_book_of_earlier_lives_asks_for_their_fills_first(safety: Safety, seen: list[str]) -> None:
    safety.booked = True
    safety.posted(order())
    safety.served("fills")
    safety.posted(order())

    assert seen == ["35"]


def test_a_look_at_modes_is_good_for_an_hour(safety: Safety, seen: list[str]) -> None:
    safety.time.micros += round(timedelta(hours=4).total_seconds() * 1e6)
    safety.posted(order())

    assert seen == ["19", "19"]


def test_a_short_that_a_rise_of_fifteen_percent_liquidates_is_seen(
    safety: Safety, seen: list[str]
) -> None:
    mark = safety.world.mark(BTC)
    safety.posted(order(str((D(100_000) / mark / D("0.16")).quantize(D("0.001")))))
    fits = list(seen)
    safety.posted(order(str((D(100_000) / mark / D("0.15")).quantize(D("0.001")))))

    assert (fits, seen) == ([], ["20"])


@pytest.mark.parametrize(("price", "met"), [("60000", []), ("70000", ["22"])])
def test_an_order_that_meets_our_own_is_seen(
    safety: Safety, seen: list[str], price: str, met: list[str]
) -> None:
    rests = Ticket(
        symbol=BTC, side="sell", quantity=D(1), price=D(65_000), client_order_id="hdg0", kind="limit"
    )
    safety.world.engine.set_price(BTC, D(64_000))
    safety.world.engine.place(rests)
    buys = replace(rests, side="buy", price=D(price), client_order_id="hdg1")
    safety.arrived(buys, ["hdg0", "hdg1"])
    safety.arrived(buys, ["hdg1"])  # another hand's order is met by anybody

    assert seen == met


# ---- the table


def test_the_table_tells_of_every_invariant_once_and_names_tests_that_are_there() -> None:
    rows = [
        line.split("|")[1:-1] for line in TABLE.read_text().splitlines() if re.match(r"\| \d", line)
    ]
    everywhere = {
        name
        for file in TESTS.rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", file.read_text())
    }
    named = {name for row in rows for name in re.findall(r"`(test_\w+)`", row[-1])}

    assert [int(row[0]) for row in rows] == sorted(LISTED)
    assert named - everywhere == set()


def test_faults_of_people_and_of_disks_are_in_the_catalogue() -> None:
    added = {"hedge_mode", "isolated", "delisting", "collateral_out", "restored", "disk_io"}

    assert added <= CATALOGUE.keys()
