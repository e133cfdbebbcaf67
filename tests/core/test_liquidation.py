"""How far each position is from its liquidation price, and whose price that is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import BTC, ETH, contract, d, position, quote, snapshot
from hedged.cli.guards import liquidation_line
from hedged.core.headroom import Headroom, MarginLimits, survivable
from hedged.core.liquidation import liquidations
from hedged.core.market import Margin, Position, Snapshot


def held(contracts: str | int, at: str | None = None, symbol: str = BTC) -> Position:
    return replace(position(contracts, symbol), liquidation_price=None if at is None else d(at))


def seen(*positions: Position, **changed: object) -> Snapshot:
    both = (contract(BTC), contract(ETH)), (quote(BTC), quote(ETH))
    plain = snapshot(instruments=both[0], quotes=both[1], positions=positions)
    return replace(plain, **changed)  # type: ignore[arg-type]


def room(**changed: object) -> Headroom:
    return replace(Headroom(account="paper", equity=d(1000)), **changed)  # type: ignore[arg-type]


def test_each_leg_has_the_venues_own_price() -> None:
    first, second = liquidations(seen(held(-2, "139.5"), held(-1, "110", ETH)), (room(),))

    assert (first.symbol, first.distance, first.told_by) == (BTC, d("0.395"), "venue")
    assert (second.symbol, second.distance, second.told_by) == (ETH, d("0.1"), "venue")
    assert liquidation_line(first) == (
        f"Liquidation of {BTC}, short 2: at 139.5, 39.5% above the mark, by the venue"
    )


def test_a_long_is_liquidated_below_the_mark() -> None:
    (found,) = liquidations(seen(held(2, "80")), ())

    assert found.distance == d("0.2")
    assert "20% below the mark" in liquidation_line(found)


def test_a_mark_beyond_the_price_has_no_distance_left() -> None:
    (found,) = liquidations(seen(held(-2, "90")), ())

    assert found.distance == 0


def test_ours_is_said_to_be_ours() -> None:
    (found,) = liquidations(seen(held(-2)), (room(distance_now=d("0.5")),))

    assert (found.liquidation_price, found.distance, found.told_by) == (150, d("0.5"), "ours")
    assert "counted here, all shorts rising together" in liquidation_line(found)


@given(st.integers(1, 9), st.integers(50, 5000))
def test_at_our_price_the_account_is_at_its_maintenance_margin(contracts: int, equity: int) -> None:
    money = Margin(wallet_balance=d(equity), equity=d(equity), maintenance_margin=d(0))
    here = seen(held(-contracts), margin=money)
    _, rooms = survivable(None, here, None, d("0.05"), MarginLimits())
    (found,) = liquidations(here, rooms)

    if found.liquidation_price is None:
        assert equity > 10 * 100 * contracts
        return
    lost = contracts * (found.liquidation_price - 100)
    needed = contracts * found.liquidation_price * MarginLimits().maintenance_rate
    assert abs(equity - lost - needed) <= contracts * d("0.1")  # a tick


@pytest.mark.parametrize(
    ("contracts", "rooms", "why"),
    [
        (-2, (), "unknown, the venue tells no price, and the margin of its account was not counted"),
        (-2, (room(missing="paper: no equity"),), "and of its margin: paper: no equity"),
        (-2, (room(),), "not, no rise of less than tenfold liquidates"),
        (2, (room(),), "unknown, the venue tells no price, and ours is for shorts"),
    ],
)
def test_what_is_not_known_is_said(contracts: int, rooms: tuple[Headroom, ...], why: str) -> None:
    (found,) = liquidations(seen(held(contracts)), rooms)

    assert (found.liquidation_price, found.distance, found.told_by) == (None, None, "")
    assert why in liquidation_line(found)


def test_without_a_mark_the_distance_is_unknown() -> None:
    told, silent = liquidations(seen(held(-2, "120"), held(-1, symbol=ETH), quotes=()), (room(),))

    assert (told.distance, silent.distance, silent.told_by) == (None, None, "")
    assert "distance unknown: its mark is unknown" in liquidation_line(told)
    assert "unknown, its mark is unknown" in liquidation_line(silent)


def test_what_is_not_held_is_not_told() -> None:
    assert liquidations(seen(held(0, "120")), (room(),)) == ()
