"""Notionals, the lot grid and the tick grid; what a snapshot answers."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import BTC, ETH, MONDAY, contract, d, position, quote, snapshot
from hedged.core.market import Fill, Side, contracts_of, notional, to_lot, to_tick

INVERSE = contract("BTC/USD:BTC", contract_multiplier=d(100), inverse=True)


def test_a_linear_contract_is_worth_multiplier_times_price() -> None:
    index = contract(contract_multiplier=d(100))

    assert notional(index, d("1.25"), d(2000)) == 250_000
    assert notional(index, d("-1.25"), d(2000)) == -250_000


def test_an_inverse_contract_is_worth_its_face_at_any_price() -> None:
    assert notional(INVERSE, d(-50), d(40_000)) == -5_000
    assert notional(INVERSE, d(-50), d(20_000)) == -5_000


def test_contracts_of_a_value_are_not_on_the_grid_yet() -> None:
    assert contracts_of(contract(contract_multiplier=d(100), lot=d(1)), d(250_000), d(2000)) == d(
        "1.25"
    )
    assert contracts_of(INVERSE, d(5_050), d(40_000)) == d("50.5")


@pytest.mark.parametrize(
    ("exact", "lot", "whole"),
    [
        ("1.25", "1", "1"),
        ("-1.25", "1", "-1"),
        ("0.999", "1", "0"),
        ("-0.999", "1", "0"),
        ("1.2599", "0.01", "1.25"),
        ("1.25", "0.05", "1.25"),
        ("17", "10", "10"),
    ],
)
def test_rounding_to_a_lot_goes_toward_zero(exact: str, lot: str, whole: str) -> None:
    assert to_lot(d(exact), d(lot)) == d(whole)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(
    exact=st.decimals("-100000", "100000", places=9),
    lot=st.sampled_from(["0.001", "0.01", "0.5", "1", "3", "10"]).map(Decimal),
)
def test_a_rounded_quantity_is_on_the_grid_never_larger_and_stays(exact: Decimal, lot: Decimal) -> None:
    rounded = to_lot(exact, lot)

    assert rounded % lot == 0
    assert abs(rounded) <= abs(exact) < abs(rounded) + lot
    assert rounded * exact >= 0
    assert to_lot(rounded, lot) == rounded


def test_a_price_is_rounded_to_the_tick_in_the_way_it_was_asked() -> None:
    assert to_tick(d("100.26"), d("0.5"), ROUND_FLOOR) == d("100.0")
    assert to_tick(d("100.26"), d("0.5"), ROUND_CEILING) == d("100.5")
    assert to_tick(d("100.5"), d("0.5"), ROUND_CEILING) == d("100.5")


def test_an_absent_position_is_flat_but_an_absent_quote_is_an_error() -> None:
    seen = snapshot(
        instruments=(contract(), contract(ETH)),
        quotes=(quote(mark=100),),
        positions=(position("-0.5"),),
    )

    assert seen.held(BTC) == d("-0.5")
    assert seen.held(ETH) == 0
    assert seen.instrument(ETH).base == "ETH"
    with pytest.raises(KeyError):
        seen.quote(ETH)
    with pytest.raises(KeyError):
        seen.instrument("LTC/USDT:USDT")


@pytest.mark.parametrize(("side", "signed"), [("buy", 2), ("sell", -2)])
def test_a_fills_contracts_are_signed_by_its_side(side: Side, signed: int) -> None:
    fill = Fill(
        at=MONDAY,
        symbol=BTC,
        side=side,
        contracts=d(2),
        fill_price=d(100),
        mark_price=d(100),
        index_price=None,
        fee=d(0),
        client_order_id="",
    )

    assert fill.signed_contracts == signed
