"""What each position receives or pays a year: the sign by its side, null where a figure is unknown."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import BTC, ETH, MONDAY, contract, d, position, quote, snapshot
from commands import answer
from hedged.cli.guards import carry_line
from hedged.core.carry import Carry, carries
from hedged.core.market import FundingPayment, Snapshot
from hedged.core.record import CycleRecord

HOUR = timedelta(hours=1)


def seen(contracts: str | int, inverse: bool = False, **quoted: Any) -> Snapshot:
    """One position at a mark of 100, 1 coin a contract."""
    shown = quote(BTC, **{"funding_rate_next": d("0.0001"), "funding_hours": d(8), **quoted})
    listed = replace(contract(BTC), inverse=inverse)
    return snapshot(instruments=(listed,), quotes=(shown,), positions=(position(contracts),))


def dated(contracts: int, index: str | None, days: float) -> Snapshot:
    """A contract at a mark of 100 that is delivered in so many days."""
    listed = replace(contract(BTC), expiry=MONDAY + timedelta(days=days))
    shown = quote(BTC, index_price=None if index is None else d(index))
    return snapshot(instruments=(listed,), quotes=(shown,), positions=(position(contracts),))


def settled(*rates: str | None, apart: int = 8, ago: int = 0, missed: int = 0) -> Snapshot:
    """A short whose funding was paid every *apart* hours, last *ago* hours before it was looked at."""
    last = MONDAY - ago * HOUR
    payments = tuple(
        FundingPayment(
            at=last - i * apart * HOUR,
            symbol=BTC,
            funding_rate=None if rate is None else d(rate),
            contracts=d(-2),
            mark_price=d(100),
            amount=None,
        )
        for i, rate in enumerate(reversed(rates))
    )
    silent = seen(-2, funding_rate_next=None)
    return replace(silent, at=MONDAY, funding_payments=payments, funding_missed=missed)


def only(found: Snapshot) -> Carry:
    (one,) = carries(found)
    return one


@pytest.mark.parametrize(
    ("contracts", "rate", "amount", "said"),
    [
        (-2, "0.0001", "21.9", "short 2: receives 10.95% a year, 21.90 USDT, by its running funding"),
        (-2, "-0.0001", "-21.9", "short 2: pays 10.95% a year, 21.90 USDT, by its running funding"),
        (2, "0.0001", "-21.9", "long 2: pays 10.95% a year, 21.90 USDT, by its running funding"),
        (2, "-0.0001", "21.9", "long 2: receives 10.95% a year"),
    ],
)
def test_a_short_receives_what_a_long_pays(contracts: int, rate: str, amount: str, said: str) -> None:
    found = only(seen(contracts, funding_rate_next=d(rate)))

    assert found.amount_annualized == d(amount)  # 200 * 0.0001 * 3 * 365
    assert found.rate_annualized == d(amount) / 200
    assert said in carry_line(found)


@pytest.mark.parametrize(("hours", "share"), [(1, "0.876"), (4, "0.219"), (8, "0.1095")])
def test_every_interval_is_counted_by_its_own_hours(hours: int, share: str) -> None:
    assert only(seen(-2, funding_hours=d(hours))).rate_annualized == d(share)


def test_an_inverse_contract_is_counted_on_its_own_value() -> None:
    found = only(seen(-2, inverse=True, mark=50))

    assert found.rate_annualized == d("0.1095")
    assert found.amount_annualized == d("0.219")  # 2 contracts of 1


@pytest.mark.parametrize(
    ("contracts", "index", "rate", "amount"),
    [
        # F = 100, S = 80, 73 days: 25% * 365 / 73; the short earns 20 a coin in 73 days.
        (-2, "80", "1.25", "200"),
        (2, "80", "-1.25", "-200"),
        # Backwardation: F = 100, S = 125, the short pays 25 a coin.
        (-2, "125", "-1", "-250"),
    ],
)
def test_a_dated_contract_is_carried_to_its_index(
    contracts: int, index: str, rate: str, amount: str
) -> None:
    found = only(dated(contracts, index, 73))

    assert (found.rate_annualized, found.amount_annualized) == (d(rate), d(amount))
    assert found.told_by == "basis"


def test_without_a_running_rate_the_last_settled_one_tells() -> None:
    found = only(settled("0.0005", "0.0003", "-0.0001"))

    assert (found.rate_annualized, found.told_by) == (d("-0.1095"), "settled funding")
    assert only(settled("0.0001", "0.0001", apart=4)).rate_annualized == d("0.219")
    assert only(settled("0.0001", "0.0001", ago=16)).rate_annualized == d("0.1095")
    # A running rate goes before it.
    both = replace(settled("-0.0001", "-0.0001"), quotes=seen(-2).quotes)
    assert only(both).told_by == "running funding"


UNKNOWN = {
    "its mark is unknown": replace(seen(-2), quotes=()),
    "the hours that its running funding rate covers are not known": seen(-2, funding_hours=None),
    "neither its running funding rate nor two settled ones are known": seen(-2, funding_rate_next=None),
    "nor two settled ones": settled("0.0001"),
    "two settled ones are known": settled("0.0001", "0.0001", missed=1),
    "settled funding rate is unknown": settled("0.0001", None),
    "or too old": settled("0.0001", "0.0001", ago=17),
    "unknown or too old": settled("0.0001", "0.0001", apart=0),
    "its index is not known": dated(-2, None, 73),
    "delivered in less than a day": dated(-2, "80", 0.9),
}


@pytest.mark.parametrize("why", UNKNOWN)
def test_what_is_unknown_is_null_and_never_zero(why: str) -> None:
    found = only(UNKNOWN[why])

    assert (found.rate_annualized, found.amount_annualized) == (None, None)
    assert why in carry_line(found)
    assert ": unknown, " in carry_line(found)


def test_every_position_that_is_held_has_its_own() -> None:
    both = snapshot(
        instruments=(contract(BTC), contract(ETH)),
        quotes=(quote(BTC), quote(ETH, funding_rate_next=d("0.0001"), funding_hours=d(8))),
        positions=(position(0, BTC), position(-3, ETH)),
    )

    assert [one.symbol for one in carries(both)] == [ETH]


@given(
    contracts=st.integers(min_value=-1000, max_value=1000).filter(bool),
    rate=st.decimals(min_value="-0.01", max_value="0.01", places=6),
    hours=st.sampled_from((1, 2, 4, 8)),
)
def test_a_year_of_the_running_rate_brings_what_is_told(
    contracts: int, rate: Decimal, hours: int
) -> None:
    found = only(seen(contracts, funding_rate_next=rate, funding_hours=d(hours)))
    payments = 365 * 24 // hours * (-contracts * 100 * rate)

    assert found.amount_annualized == pytest.approx(payments)
    assert found.rate_annualized == pytest.approx(payments / abs(contracts * 100))


def test_the_demo_tells_it_by_the_funding_that_it_was_paid(
    demo: tuple[Path, dict[str, Any]],
    demo_records: list[CycleRecord],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = demo[1]["settings"]
    last = demo_records[-1].inputs.snapshot
    paid = [one for one in last.funding_payments if one.symbol == BTC][-1]
    assert paid.funding_rate is not None

    (found,) = answer(monkeypatch, "status", "-c", config, "--json").json["portfolios"]
    explained = answer(monkeypatch, "explain", len(demo_records), "-c", config, "--json").json

    carry = next(one for one in found["carries"] if one["symbol"] == BTC)
    assert Decimal(carry["rate_annualized"]) == paid.funding_rate * 3 * 365
    assert explained["carries"] == found["carries"]
    line = f"Carry of {BTC}, short {abs(last.held(BTC)):f}: receives "
    assert line in answer(monkeypatch, "status", "-c", config).out
    assert line in answer(monkeypatch, "explain", len(demo_records), "-c", config).out
