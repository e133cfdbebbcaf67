"""Stop levels: what each still allows, and slices of an unwinding."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import BTC, ETH, MONDAY, contract, d, position, snapshot
from hedged.core.gate import Restriction
from hedged.core.plan import Plan, Step
from hedged.core.stops import OPERATOR, StopLevel, refusal, sliced, stop, unwinding

ORDER_MAX = d(10**6)


def step(contracts: str | int | Decimal = 2, *, reduces: bool = True) -> Step:
    return Step(
        symbol=BTC,
        side="buy" if reduces else "sell",
        contracts=d(str(contracts)),
        reduce_only=reduces,
        limit_price=d(101),
        notional=d(str(contracts)) * 100,
    )


@pytest.mark.parametrize(
    ("level", "reduction", "increase"),
    [("pause", True, False), ("halt", False, False), ("unwind", True, False)],
)
def test_what_each_level_lets_through(level: StopLevel, reduction: bool, increase: bool) -> None:
    standing = [stop(level, "main", "a reason", MONDAY)]

    assert (refusal(step(), standing, MONDAY) == "") is reduction
    assert (refusal(step(reduces=False), standing, MONDAY) == "") is increase
    assert standing[0].by == OPERATOR
    assert standing[0].reason == f"{level}: a reason"


def test_what_has_ended_refuses_nothing() -> None:
    end = MONDAY + timedelta(hours=1)
    over = replace(stop("halt", "main", "", MONDAY), until=end)

    assert refusal(step(), [over], MONDAY) == "restricted to nothing by operator: halt"
    assert refusal(step(), [over], end) == ""
    assert unwinding([replace(over, unwinds=True)], None, snapshot(), [BTC], end) is None


def test_an_unwinding_remembers_what_was_held_when_it_began() -> None:
    unwind, pause = stop("unwind", "main", "", MONDAY), stop("pause", "main", "", MONDAY)
    held = snapshot(positions=(position(-4),))
    later = snapshot(positions=(position(-1), position(-2, ETH)))
    began = unwinding([unwind], None, held, [BTC, ETH], MONDAY)

    assert began == {BTC: 4}
    assert unwinding([pause, unwind], began, later, [BTC, ETH], MONDAY) == {BTC: 4, ETH: 2}
    assert unwinding([pause], began, later, [BTC, ETH], MONDAY) is None


def cut(contracts: str, held: str, order_max: Decimal = ORDER_MAX, **changed: Decimal) -> Decimal:
    shown = snapshot(instruments=(contract(**changed),), positions=(position(f"-{held}"),))
    plan = Plan(steps=(step(contracts),), because="unwinding")
    return sliced(plan, shown, {BTC: d(held)}, order_max).steps[0].contracts


@pytest.mark.parametrize(
    ("contracts", "held", "slice_"),
    [("4", "4", "1"), ("1", "4", "1"), ("0.5", "4", "0.5"), ("0.003", "0.003", "0.001")],
)
def test_a_slice_is_a_quarter_of_what_was_held_or_a_lot(contracts: str, held: str, slice_: str) -> None:
    # The venue takes 0.001 contracts and 0 USDT at least here.
    assert cut(contracts, held, notional_min=d(0)) == d(slice_)


def test_a_slice_is_no_less_than_the_venue_takes_and_leaves_no_dust() -> None:
    # A minimum of 150 USDT at 100 is 1.5 contracts.
    assert cut("4", "4", notional_min=d(150)) == d("1.5")
    assert cut("2.5", "4", notional_min=d(150)) == d("2.5")


def test_a_slice_is_no_more_than_one_order_may_be() -> None:
    assert cut("40", "40", d(300)) == 3


def test_a_cut_plan_says_so_and_is_not_the_whole() -> None:
    shown = snapshot(positions=(position(-4),))
    made = sliced(Plan(steps=(step(4),), because="x"), shown, {BTC: d(4)}, ORDER_MAX)
    whole = sliced(Plan(steps=(step(1),), because="x"), shown, {BTC: d(4)}, ORDER_MAX)

    assert (made.cut, made.steps[0].notional) == ((BTC,), 100)
    assert made.notes == (f"{BTC}: unwinding, 1 of 4 now",)
    assert (whole.cut, whole.notes) == ((), ())


@given(lots=st.integers(1, 100_000), least=st.integers(0, 2000))
def test_slices_reach_flat_and_never_pass_it(lots: int, least: int) -> None:
    held = left = d(lots) / 1000
    sent = 0
    while left:
        part = cut(str(left), str(held), notional_min=d(least) / 10)
        assert 0 < part <= left
        left -= part
        sent += 1
    assert sent <= 5


def test_a_restriction_of_an_older_journal_does_not_unwind() -> None:
    old = Restriction(scope="main", allows="reductions", reason="x", by="hedged", at=MONDAY)

    assert unwinding([old], None, snapshot(), [BTC], MONDAY) is None
