"""A price that is suddenly another is not believed, until it was seen long enough."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from builders import BTC, d, holding, quote, snapshot
from hedged.core.market import Snapshot
from hedged.core.plausible import BELIEVED_AFTER, PRICE_TIMES_MAX, believed, implausible, prices_of


def seen(mark: str | int, coin: str | int = 100) -> Snapshot:
    return snapshot(quotes=(quote(mark=mark),), holdings=(holding(mark=coin),))


def test_every_coin_and_every_contract_has_a_price_and_an_unpriced_one_none() -> None:
    told = snapshot(holdings=(holding(), holding("XYZ", 1, None)), quotes=(quote(mark=101),))

    assert prices_of(told) == {"BTC": 100, BTC: 101}


def test_a_price_of_thrice_the_last_is_believed_and_one_beyond_it_is_not() -> None:
    before = {"BTC": d(100), BTC: d(100)}

    assert list(implausible(seen(300, 34), before)) == []
    assert list(implausible(seen(301), before)) == [(BTC, 100, 301)]
    assert list(implausible(seen(100, 33), before)) == [("BTC", 100, 33)]
    assert list(implausible(seen(1000), {})) == []


def test_a_wrong_answer_that_comes_again_is_compared_with_what_was_believed() -> None:
    prices: dict[str, Decimal] = {"BTC": d(100), BTC: d(100)}
    doubted: dict[str, int] = {}
    for times in range(1, BELIEVED_AFTER):
        prices, doubted = believed(seen(1000), prices, doubted)
        assert (prices[BTC], doubted) == (100, {BTC: times})
    prices, doubted = believed(seen(1000), prices, doubted)

    assert (prices[BTC], doubted) == (1000, {})


def test_one_right_answer_ends_the_count() -> None:
    prices, doubted = believed(seen(1000), {"BTC": d(100), BTC: d(100)}, {BTC: BELIEVED_AFTER - 2})
    prices, doubted = believed(seen(101), prices, doubted)

    assert (prices[BTC], doubted) == (101, {})


@given(st.lists(st.decimals("0.01", 10_000, places=2), min_size=1, max_size=8))
def test_what_is_believed_never_moves_by_more_unless_it_stood_long(marks: list[Decimal]) -> None:
    prices: dict[str, Decimal] = {}
    doubted: dict[str, int] = {}
    for mark in marks:
        before = prices.get(BTC)
        prices, doubted = believed(seen(str(mark)), prices, doubted)
        assert before is None or before / PRICE_TIMES_MAX <= prices[BTC] <= before * PRICE_TIMES_MAX
