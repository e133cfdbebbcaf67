"""Figures as a person reads them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import d
from hedged.core.wording import contracts, money, percent, short_symbol


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [
        ("0.3", "30%"),
        ("1", "100%"),
        ("0", "0%"),
        ("0.1", "10%"),
        ("0.125", "12.5%"),
        ("0.12345", "12.35%"),
        ("-0.25", "-25%"),
        ("-0.00001", "0%"),
        ("10", "1000%"),
    ],
)
def test_a_ratio_reads_as_percent_without_trailing_zeros(ratio: str, shown: str) -> None:
    assert percent(d(ratio)) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("1234.5", "1,234.50"),
        ("-1000000", "-1,000,000.00"),
        ("0", "0.00"),
        ("-0.001", "0.00"),
        ("-0.01", "-0.01"),
        ("1E+6", "1,000,000.00"),
    ],
)
def test_money_has_its_thousands_apart_and_no_negative_zero(value: str, shown: str) -> None:
    assert money(d(value)) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("1.250", "1.25"),
        ("100", "100"),
        ("1E+2", "100"),
        ("-0.500", "-0.5"),
        ("0.000", "0"),
        ("-0", "0"),
    ],
)
def test_contracts_read_as_a_plain_number(value: str, shown: str) -> None:
    assert contracts(d(value)) == shown


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.decimals("-1000000", "1000000", places=8, allow_nan=False))
def test_contracts_lose_nothing_on_the_way_to_the_reader(value: Decimal) -> None:
    shown = contracts(value)

    assert Decimal(shown) == value
    assert "E" not in shown


@pytest.mark.parametrize(
    ("symbol", "shown"),
    [
        ("BTC/USDT:USDT", "BTC"),
        ("BTC/USDT:USDT@second", "BTC@second"),
        ("ETH/USDT:USDT-240628", "ETH/USDT:USDT-240628"),
        ("ETH/USDT:USDT-240628@second", "ETH/USDT:USDT-240628@second"),
    ],
)
def test_a_contract_is_told_by_its_coin_a_dated_one_by_its_whole_name(symbol: str, shown: str) -> None:
    assert short_symbol(symbol) == shown
