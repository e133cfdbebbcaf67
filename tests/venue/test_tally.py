"""What a book comes to: fills add up in any order, and what an order filled is owed until told."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from builders import BTC, ETH, d, fill
from hedged.core.record import Outcome
from hedged.venue.ledger import Contract
from hedged.venue.tally import Tally


def pinned(held: str | int = 0, symbol: str = BTC) -> Contract:
    return Contract(symbol=symbol, contract_multiplier=d(1), held=d(held))


def outcome(filled: str | int, side: Any = "sell", id_: str = "hdg1") -> Outcome:
    return Outcome(
        client_order_id=id_, symbol=BTC, side=side, contracts=d(10), filled=d(filled), fill_price=d(1),
        fee=d(0), status="partial",
    )  # fmt: skip


def tally(*values: Any) -> Tally:
    made = Tally()
    for value in values:
        made.add(value)
    return made


def test_a_contract_that_was_never_seen_is_expected_to_be_nothing_at_all() -> None:
    assert tally(fill()).expected(BTC) is None


def test_fills_add_to_what_was_held_at_first_sight() -> None:
    made = tally(pinned("-1"), fill(contracts=d(2)), fill(contracts=d("0.5"), side="buy"))

    assert made.expected(BTC) == d("-2.5")
    assert made.expected(ETH) is None


def test_what_an_order_filled_is_owed_until_its_fills_are_told() -> None:
    made = tally(pinned(), outcome(3))
    before = made.expected(BTC), made.owed(BTC)
    made.add(fill(contracts=d(1)))
    amid = made.expected(BTC), made.owed(BTC)
    made.add(fill(contracts=d(2)))

    assert before == (-3, -3)
    assert amid == (-3, -2)
    assert (made.expected(BTC), made.owed(BTC)) == (-3, 0)


def test_more_fills_than_the_outcome_knew_of_count_and_nothing_is_owed() -> None:
    made = tally(pinned(), outcome(3), fill(contracts=d(5)))

    assert (made.expected(BTC), made.owed(BTC)) == (-5, 0)


def test_less_than_a_contract_is_owed_too_and_an_order_that_filled_nothing_owes_nothing() -> None:
    assert tally(pinned(), outcome("0.5")).owed(BTC) == d("-0.5")
    assert tally(pinned(), outcome(0)).owed(BTC) == 0
    assert tally(pinned(), fill(contracts=d(2)), outcome(0)).owed(BTC) == 0


def test_what_is_owed_is_among_what_the_fills_make_of_a_position() -> None:
    adopted = Contract(symbol=BTC, contract_multiplier=d(1), held=d(-9), adopted=True)
    made = tally(pinned(-1), adopted, outcome(3))

    assert (made.expected(BTC), made.by_fills(BTC)) == (-12, -4)
    assert made.by_fills(ETH) is None


def test_fills_of_another_order_settle_nothing() -> None:
    made = tally(pinned(), outcome(3), fill(contracts=d(3), client_order_id="by-hand"))

    assert (made.expected(BTC), made.owed(BTC)) == (-6, -3)


def test_a_position_that_is_taken_as_it_is_ends_all_debts() -> None:
    made = tally(pinned(), outcome(3), pinned("-3"))

    assert (made.expected(BTC), made.owed(BTC)) == (-3, 0)


def test_what_was_adopted_does_not_change_what_fills_make_it() -> None:
    adopted = replace(pinned("-9"), adopted=True)
    made = tally(pinned(), fill(contracts=d(2)), adopted, fill(contracts=d(1)))

    assert (made.expected(BTC), made.by_fills(BTC)) == (-10, -3)
    made.add(pinned("-4"))
    assert (made.expected(BTC), made.by_fills(BTC)) == (-4, -4)
    assert made.by_fills(ETH) is None


PARTS = st.lists(st.integers(1, 5), min_size=1, max_size=5)


@given(PARTS, st.sampled_from(["buy", "sell"]), st.randoms(use_true_random=False))
def test_the_order_in_which_an_outcome_and_its_fills_are_told_does_not_matter(
    parts: list[int], side: Any, dice: Any
) -> None:
    told: list[Any] = [fill(contracts=d(part), side=side) for part in parts]
    told.append(outcome(sum(parts), side))
    dice.shuffle(told)
    made = tally(pinned(), *told)

    assert made.expected(BTC) == (sum(parts) if side == "buy" else -sum(parts))
    assert made.owed(BTC) == Decimal(0)
