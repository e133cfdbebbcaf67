"""What was proposed and not traded, against the obvious sum over every move of the price."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import BTC, ETH, MONDAY, contract, d, quote, snapshot
from hedged.core.consent import Bound, Decision, Proposal, Standing, Verdict
from hedged.core.encoding import encode
from hedged.core.foregone import (
    APPROVED,
    EXPIRED,
    IN_PART,
    LATE,
    UNANSWERED,
    Foregone,
    NotTraded,
    Passed,
    Tally,
    Trade,
    Untraded,
    counted,
    earned,
    ended,
    not_traded,
)
from hedged.core.market import Side, Snapshot

HOUR = timedelta(hours=1)


def untraded(side: Side = "sell", **changed: Any) -> Untraded:
    plain = Untraded(symbol=BTC, side=side, contracts=d(2), price=d(2000), contract_multiplier=d(100))
    return replace(plain, **changed)


def seen(mark: Decimal | str | int | None, **changed: Any) -> Snapshot:
    quotes = () if mark is None else (quote(mark=str(mark)),)
    return snapshot(quotes=quotes, **changed)


def proposed(number: int = 1, at: datetime = MONDAY, *, side: Side = "sell", many: Any = 2) -> Proposal:
    bound = Bound(
        symbol=BTC,
        side=side,
        reduce_only=side == "buy",
        contracts_max=d(many),
        limit_price=d(1),
        price_min=d(1),
        price_max=d(1),
        notional=d(1),
    )
    return Proposal(
        number=number,
        portfolio="main",
        account="paper",
        made_at=at,
        expires_at=at + 24 * HOUR,
        steps=(bound,),
        target_ratio=d("0.2"),
        because="the target is 20%",
    )


def trade(many: Any, mark: Any, *, side: Side = "sell", id_: str = "") -> Trade:
    price = None if mark is None else d(str(mark))
    return Trade(symbol=BTC, side=side, contracts=d(many), mark_price=price, client_order_id=id_)


def said(verdict: Verdict, number: int = 1) -> Decision:
    return Decision(number=number, verdict=verdict, by="alice", why="", at=MONDAY)


@dataclass
class Walk:
    """Passes an hour apart, and the journal's answers between them."""

    found: Foregone | None = None
    standing: Standing = field(default_factory=lambda: Standing(counts=True))
    now: datetime = MONDAY
    number: int = 0
    marks: dict[str, Decimal] = field(default_factory=dict)

    def pass_at(self, mark: Any, **told: Any) -> Foregone | None:
        """One pass; *made* is the size of a new proposal, signed, with its *fills* and *sent*."""
        made = None
        if told.get("made"):
            self.number += 1
            side: Side = "sell" if told["made"] < 0 else "buy"
            made = proposed(self.number, self.now, side=side, many=abs(told["made"]))
        passed = Passed(
            now=self.now,
            snapshot=seen(mark),
            standing=self.standing,
            made=made,
            fills=tuple(told.get("fills", ())),
            sent=tuple(told.get("sent", ())),
            due=told.get("due", True),
        )
        self.found = counted(self.found, passed)
        if made is not None:
            self.standing = Standing(counts=True, proposal=made)
        self.marks = {} if mark is None else {BTC: Decimal(str(mark))}
        self.now += told.get("later", HOUR)
        return self.found

    def say(self, verdict: Verdict) -> None:
        self.standing = replace(self.standing, decision=said(verdict, self.number))

    @property
    def told(self) -> NotTraded | None:
        return not_traded(self.found, self.standing, self.marks, self.now)

    @property
    def reasons(self) -> dict[str, Tally]:
        assert self.told is not None
        return self.told.reasons


def one(figure: str | int) -> Tally:
    return Tally(proposals=1, earned=d(figure))


def test_a_short_that_was_not_sold_before_a_fall_would_have_earned() -> None:
    assert earned(untraded(), d(2), d(1900)) == 20_000
    assert earned(untraded("buy"), d(2), d(1900)) == -20_000


def test_an_inverse_contract_pays_in_its_coin() -> None:
    """1,000 contracts of $100 from 2,000 to 1,600: 1,000 x 100 x (1/1,600 - 1/2,000) coins."""
    coins = 1000 * 100 * (1 / d(1600) - 1 / d(2000))

    assert earned(untraded(inverse=True), d(1000), d(1600)) == coins * 1600 == 20_000


marks_ = st.integers(1, 10_000).map(lambda cents: Decimal(cents) / 100)


@given(mark=marks_, price=marks_, many=marks_, inverse=st.booleans())
def test_a_sale_earns_what_a_purchase_loses_and_only_when_the_price_falls(
    mark: Decimal, price: Decimal, many: Decimal, *, inverse: bool
) -> None:
    sale = earned(untraded(price=price, inverse=inverse), many, mark)

    assert earned(untraded("buy", price=price, inverse=inverse), many, mark) == -sale
    assert (sale > 0, sale < 0) == (mark < price, mark > price)


# One pass: its mark, what is proposed (signed, 0: nothing), what filled before it, whether it is due.
passes_ = st.lists(
    st.tuples(marks_, st.sampled_from([-3, -2, 0, 0, 0, 1, 2]), st.integers(0, 4), st.booleans()),
    min_size=1,
    max_size=12,
)


@given(passes_, st.sampled_from(["approve", "reject", None]))
def test_the_sum_is_every_move_of_the_price_times_what_was_left_then(
    passes: list[tuple[Decimal, int, int, bool]], verdict: Verdict | None
) -> None:
    """Interval by interval, so that one counted twice, or by two proposals, would show."""
    walk, left, before, expected = Walk(), 0, Decimal(0), Decimal(0)
    for mark, made, many, due in passes:
        filled = min(many, abs(left))
        expected += left * (mark - before)  # all fills come at the mark of their pass
        side: Side = "sell" if left < 0 else "buy"
        left = left + filled if left < 0 else left - filled
        left = made if made else (left if due else 0)
        fills = [trade(many, mark, side=side)] if many else []
        walk.pass_at(mark, made=made, fills=fills, due=due)
        before = mark
        if made and verdict is not None:
            walk.say(verdict)

    assert (walk.told.earned if walk.told else 0) == expected


@given(passes_)
def test_what_is_always_traded_at_once_has_foregone_nothing(
    passes: list[tuple[Decimal, int, int, bool]],
) -> None:
    walk = Walk()
    for mark, made, _, _ in passes:
        walk.pass_at(mark, made=made)
        if made:
            walk.say("approve")
            side: Side = "sell" if made < 0 else "buy"
            walk.now -= HOUR
            walk.pass_at(mark, sent=[trade(abs(made), mark, side=side, id_="hdg1")])

    assert walk.told is None


def test_a_rejected_proposal_counts_until_the_next_one_which_counts_from_there() -> None:
    walk = Walk()
    walk.pass_at(100, made=-2)
    walk.say("reject")
    walk.pass_at(90)
    walk.pass_at(80, made=-3)
    walk.pass_at(70)

    assert walk.reasons == {"rejected by alice": one(40), "waiting": one(30)}
    assert str(walk.told) == (
        "70.00 would have been earned since 2024-01-01, before fees and funding: "
        "1 rejected by alice (+40.00), 1 waiting (+30.00)"
    )


def test_a_trade_by_hand_is_late_and_what_is_left_of_it_counts_on() -> None:
    walk = Walk()
    walk.pass_at(100, made=-2)
    walk.say("approve")
    walk.pass_at(120, fills=[trade(1, 110)])
    assert walk.reasons == {LATE: one(-10), IN_PART: one(-20)}
    assert "30.00 would have been lost since" in str(walk.told)

    walk.pass_at(130, fills=[trade(1, 125)])
    walk.pass_at(500)

    assert walk.reasons == {LATE: one(-35)}


def test_the_fill_of_an_order_whose_end_was_counted_is_not_counted_again() -> None:
    walk = Walk()
    walk.pass_at(100, made=-2)
    walk.pass_at(90, sent=[trade(1, 90, id_="hdg1")])
    walk.pass_at(80, fills=[trade(1, 90, id_="hdg1")], due=False)

    assert walk.reasons == {LATE: one(10), UNANSWERED: one(20)}


def test_two_fills_of_one_order_are_two_trades() -> None:
    walk = Walk()
    walk.pass_at(100, made=-2)
    walk.pass_at(80, fills=[trade(1, 90, id_="hdg1"), trade(1, 80, id_="hdg1")])

    assert walk.reasons == {LATE: one(30)}


def test_a_trade_of_another_side_or_contract_is_not_of_the_proposal() -> None:
    walk = Walk()
    walk.pass_at(100, made=-2)
    walk.pass_at(90, fills=[trade(2, 90, side="buy"), replace(trade(2, 90), symbol=ETH)])

    assert walk.reasons == {"waiting": one(20)}


@pytest.mark.parametrize(
    ("verdict", "later", "why"),
    [
        (None, HOUR, UNANSWERED),
        (None, 25 * HOUR, EXPIRED),
        ("approve", 25 * HOUR, APPROVED),
        ("reject", 25 * HOUR, "rejected by alice"),
    ],
)
def test_each_has_its_reason(verdict: Verdict | None, later: timedelta, why: str) -> None:
    walk = Walk()
    walk.pass_at(100, made=-1, later=later)
    if verdict:
        walk.say(verdict)
    walk.pass_at(90, due=False)
    walk.pass_at(50, due=False)

    assert walk.reasons == {why: one(10)}


def test_a_price_that_nobody_tells_is_unknown_and_never_zero() -> None:
    walk = Walk()
    walk.pass_at(100, made=-1)
    walk.say("reject")
    walk.pass_at(None)
    told = str(walk.told)
    walk.pass_at(None, due=False)
    walk.pass_at(90, made=-1)
    walk.say("reject")
    walk.pass_at(80, due=False)

    assert told == ("unknown since 2024-01-01, before fees and funding: 1 rejected by alice (unknown)")
    assert walk.reasons == {"rejected by alice": Tally(proposals=2, earned=d(10), unknown=1)}
    assert "2 rejected by alice (+10.00 and 1 unknown)" in str(walk.told)
    assert walk.told is not None
    assert walk.told.unknown == 1


def test_a_trade_without_a_price_is_late_by_an_unknown_sum() -> None:
    walk = Walk()
    walk.pass_at(100, made=-2)
    walk.pass_at(90, fills=[trade(1, None)])
    walk.pass_at(80, fills=[trade(1, 80)])

    assert walk.reasons == {LATE: Tally(proposals=1, unknown=1)}


def test_nothing_is_told_before_anything_was_proposed_or_has_moved() -> None:
    walk = Walk()
    assert walk.pass_at(100) is None
    assert walk.told is None

    walk.pass_at(100, made=-1)

    assert walk.told is None
    assert ended(walk.found) is None


def test_a_pass_in_which_only_the_price_moved_leaves_the_same_memory() -> None:
    """Quiet passes are stored as what changed: this must not grow with every one of them."""
    walk = Walk()
    first = walk.pass_at(100, made=-1)

    assert encode(walk.pass_at(90)) == encode(first)


def test_the_contract_is_taken_as_it_is_listed() -> None:
    listed = contract(contract_multiplier=d(10), inverse=True)
    passed = Passed(
        now=MONDAY,
        snapshot=snapshot(instruments=(listed,)),
        standing=Standing(counts=True),
        made=proposed(),
        fills=(),
        sent=(),
        due=True,
    )
    found = counted(None, passed)

    assert found is not None
    assert found.counting is not None
    assert found.counting.orders == (
        untraded(contracts=d(2), price=d(100), contract_multiplier=d(10), inverse=True),
    )
