"""What a person's consent lets be sent: never more than was approved, and nothing by silence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import BTC, ETH, MONDAY, d
from hedged.core import gate
from hedged.core.consent import (
    Answer,
    Ask,
    ConsentTerms,
    Decision,
    Proposal,
    Standing,
    Verdict,
    answer,
)
from hedged.core.gate import Review
from hedged.core.plan import Plan, Step

TERMS = ConsentTerms()
HOUR = timedelta(hours=1)


def step(contracts: str | Decimal = "0.5", **changed: Any) -> Step:
    plain = Step(
        symbol=BTC,
        side="sell",
        contracts=Decimal(contracts),
        reduce_only=False,
        limit_price=d(100),
        notional=Decimal(contracts) * 100,
    )
    return replace(plain, **changed)


def review(*steps: Step, cleared: bool = True) -> Review:
    reasons = () if cleared else ("HOLD: something",)
    return Review(plan=Plan(steps=steps, because="it is due"), cleared=cleared, reasons=reasons)


def ask(after: timedelta = HOUR, **changed: Any) -> Ask:
    plain = Ask(
        portfolio="main",
        account="paper",
        now=MONDAY + after,
        reviewing=False,
        target_ratio=d("0.3"),
        because="it is due",
    )
    return replace(plain, **changed)


def proposed(*steps: Step) -> Proposal:
    made = answer(review(*(steps or (step(),))), Standing(), ask(timedelta(0)), TERMS).proposal
    assert made is not None
    return made


def decided(verdict: Verdict = "approve", after: timedelta = HOUR / 2, why: str = "") -> Decision:
    return Decision(number=1, verdict=verdict, by="alice", why=why, at=MONDAY + after)


def standing(*steps: Step, **changed: Any) -> Standing:
    return replace(Standing(next_number=2, proposal=proposed(*steps)), **changed)


def approved(*steps: Step, **changed: Any) -> Standing:
    return standing(*steps, decision=decided(), **changed)


def contracts_of(found: Answer) -> list[Decimal]:
    assert found.consent.granted == (found.uses is not None)
    return [one.contracts for one in found.consent.steps or ()]


def test_a_first_plan_becomes_a_proposal_and_grants_nothing() -> None:
    found = answer(review(step()), Standing(next_number=7), ask(), TERMS)

    assert contracts_of(found) == []
    assert found.proposal is not None
    assert (found.proposal.number, str(found.proposal)) == (7, "sell 0.5 BTC/USDT:USDT")
    assert found.proposal.expires_at - found.proposal.made_at == timedelta(hours=24)


@pytest.mark.parametrize("refused", [review(step(), cleared=False), review()])
def test_a_plan_that_is_refused_or_empty_asks_nobody_and_is_granted_nothing(refused: Review) -> None:
    for before in (Standing(), approved()):
        found = answer(refused, before, ask(), TERMS)

        assert (contracts_of(found), found.proposal) == ([], None)


def test_what_a_person_has_traded_under_is_used_up_and_nothing_else_is() -> None:
    by_hand = ask(by_hand=True)
    done = answer(review(), approved(), by_hand, TERMS)
    left = (
        answer(review(), approved(), ask(), TERMS),  # what hedged itself sends waits for its order
        answer(review(cleared=False), approved(), by_hand, TERMS),
        answer(review(), standing(), by_hand, TERMS),
        answer(review(), standing(decision=decided("reject")), by_hand, TERMS),
        answer(review(), approved(used_by="guard@x"), by_hand, TERMS),
        answer(review(), approved(altered="altered"), by_hand, TERMS),
        answer(review(), approved(), ask(timedelta(hours=24), by_hand=True), TERMS),
        answer(review(), approved(), replace(by_hand, account="other"), TERMS),
        answer(review(), Standing(), by_hand, TERMS),
    )

    assert (done.uses, done.consent.granted, done.proposal) == (1, False, None)
    assert "1 by alice is used up" in done.because
    assert [found.uses for found in left] == [None] * len(left)


def test_silence_waits_and_then_expires_into_a_new_proposal() -> None:
    waits = answer(review(step()), standing(), ask(timedelta(hours=23)), TERMS)
    over = answer(review(step()), standing(), ask(timedelta(hours=24)), TERMS)

    assert (contracts_of(waits), waits.proposal) == ([], None)
    assert "waits for approval until 2024-01-02 00:00 UTC" in waits.because
    assert contracts_of(over) == []
    assert over.proposal is not None
    assert "1 expired" in over.proposal.moved


def test_what_was_approved_is_granted_once() -> None:
    found = answer(review(step()), approved(), ask(), TERMS)
    used = answer(review(step()), approved(used_by="guard@x"), ask(), TERMS)

    assert contracts_of(found) == [d("0.5")]
    assert (found.uses, found.consent.by) == (1, "approval 1 by alice")
    assert contracts_of(used) == []
    assert used.proposal is not None
    assert "1 was used by guard@x" in used.proposal.moved


def test_an_approval_after_its_time_is_worth_nothing() -> None:
    found = answer(review(step()), approved(), ask(timedelta(hours=24)), TERMS)

    assert contracts_of(found) == []
    assert found.proposal is not None


@pytest.mark.parametrize(
    ("now", "granted"), [("0.51", "0.5"), ("0.49", "0.49"), ("0.5", "0.5"), ("0.495", "0.495")]
)
def test_within_the_tolerance_the_smaller_of_approved_and_new_is_sent(now: str, granted: str) -> None:
    found = answer(review(step(now)), approved(), ask(), TERMS)

    assert contracts_of(found) == [d(granted)]
    (sent,) = gate.settle(review(step(now)), found.consent).steps
    assert (sent.contracts, sent.notional) == (d(granted), d(granted) * 100)


@pytest.mark.parametrize("now", ["0.511", "0.489", "0.61", "1"])
def test_beyond_the_tolerance_a_new_proposal_says_what_moved(now: str) -> None:
    found = answer(review(step(now)), approved(), ask(), TERMS)

    assert contracts_of(found) == []
    assert found.proposal is not None
    assert found.proposal.number == 2
    assert f"BTC/USDT:USDT 0.5 -> {now} contracts" in found.proposal.moved
    assert found.decision == decided()


@pytest.mark.parametrize(
    ("limit", "granted"), [("98", True), ("102", True), ("97.9", False), ("102.1", False)]
)
def test_a_price_must_lie_inside_the_band_that_was_approved(limit: str, granted: bool) -> None:
    found = answer(review(step(limit_price=d(limit))), approved(), ask(), TERMS)

    assert bool(contracts_of(found)) is granted
    assert granted or (found.proposal is not None and "limit price 100 ->" in found.proposal.moved)


@pytest.mark.parametrize(
    "others",
    [
        (step(side="buy", reduce_only=True),),
        (step(reduce_only=True),),
        (step(symbol=ETH),),
        (step(), step(symbol=ETH)),
    ],
    ids=["side", "reduce-only", "instrument", "one more"],
)
def test_other_orders_are_another_proposal_decided_or_not(others: tuple[Step, ...]) -> None:
    for before in (standing(), approved()):
        found = answer(review(*others), before, ask(), TERMS)

        assert contracts_of(found) == []
        assert found.proposal is not None
        assert "the orders sell 0.5 BTC/USDT:USDT ->" in found.proposal.moved


def test_one_order_less_is_another_proposal_too() -> None:
    found = answer(review(step()), approved(step(), step(symbol=ETH)), ask(), TERMS)

    assert contracts_of(found) == []
    assert found.proposal is not None


def test_while_nobody_has_decided_sizes_may_move_and_the_target_may_not() -> None:
    same = answer(review(step("0.9", limit_price=d(150))), standing(), ask(), TERMS)
    other = answer(review(step()), standing(), ask(target_ratio=d("0.5")), TERMS)

    assert same.proposal is None
    assert other.proposal is not None
    assert "the target 30% -> 50%" in other.proposal.moved


def test_a_rejection_holds_until_the_next_review_whatever_moves() -> None:
    rejected = standing(decision=decided("reject", why="not now"))
    reviewed = replace(rejected, reviewed_at=MONDAY + HOUR)
    much_more = review(step("9", limit_price=d(500)), step(symbol=ETH))

    for after in (HOUR, timedelta(hours=30), timedelta(days=6)):
        held = answer(much_more, rejected, ask(after, target_ratio=d(1)), TERMS)
        assert (contracts_of(held), held.proposal) == ([], None)
        assert "rejected by alice: not now" in held.because
    at_review = answer(review(step()), rejected, ask(reviewing=True), TERMS)
    after_review = answer(review(step()), reviewed, ask(2 * HOUR), TERMS)
    for asked in (at_review, after_review):
        assert contracts_of(asked) == []
        assert asked.proposal is not None
        assert "rejected by alice: not now" in asked.proposal.moved


def test_a_proposal_of_another_account_or_an_altered_row_grants_nothing() -> None:
    elsewhere = answer(review(step()), approved(), ask(account="other"), TERMS)
    altered = answer(
        review(step()), approved(altered="the row of proposal 1 was altered"), ask(), TERMS
    )

    for found in (elsewhere, altered):
        assert contracts_of(found) == []
        assert found.proposal is not None
        assert found.proposal.moved


def test_where_no_order_can_be_sent_a_consent_is_for_a_person_and_is_not_used() -> None:
    found = answer(review(step()), approved(), ask(by_hand=True), TERMS)

    assert (contracts_of(found), found.proposal, found.uses) == ([], None, None)
    assert "for you to trade: sell 0.5 BTC/USDT:USDT" in found.because


def test_what_is_traded_by_hand_order_by_order_stays_approved() -> None:
    both = approved(step("5"), step("2", symbol=ETH))
    left = {
        "nothing traded": ((step("5"), step("2", symbol=ETH)), {}),
        "one leg traded": ((step("2", symbol=ETH),), {BTC: d(-5)}),
        "a part of one": ((step("3"), step("2", symbol=ETH)), {BTC: d(-2)}),
        "a little more is due": ((step("2.09", symbol=ETH),), {BTC: d(-5), ETH: d("0.05")}),
    }
    for due, held in left.values():
        found = answer(review(*due), both, ask(by_hand=True, held=held), TERMS)

        assert (contracts_of(found), found.proposal, found.uses) == ([], None, None)
        assert "; ".join(f"sell {one.contracts} {one.symbol}" for one in due) in found.because


@pytest.mark.parametrize(
    ("due", "held"),
    [
        ((step("4"),), {BTC: d(-3), ETH: d(-2)}),
        ((step("2", symbol=ETH),), {ETH: d(-1)}),
        ((step("2", symbol=ETH, side="buy", reduce_only=True),), {ETH: d(-4)}),
        ((step("2", symbol=ETH, limit_price=d(103)),), {}),
        ((step("2", symbol="SOL/USDT:USDT"),), {}),
    ],
    ids=["more is due", "some was traded back", "too much was traded", "price", "instrument"],
)
def test_what_is_more_or_other_than_a_person_is_to_trade_is_asked_anew(
    due: tuple[Step, ...], held: dict[str, Decimal]
) -> None:
    both = approved(step("5"), step("2", symbol=ETH))
    by_hand = answer(review(*due), both, ask(by_hand=True, held=held), TERMS)

    assert by_hand.proposal is not None
    assert "which alice approved" in by_hand.proposal.moved


def test_a_proposal_of_before_is_for_all_of_its_orders_or_none() -> None:
    both = approved(step("5"), step("2", symbol=ETH))
    assert both.proposal is not None
    steps = tuple(replace(one, held_after=None) for one in both.proposal.steps)
    older = replace(both, proposal=replace(both.proposal, steps=steps))
    held = {BTC: d(-5)}

    found = answer(review(step("2", symbol=ETH)), older, ask(by_hand=True, held=held), TERMS)
    assert found.proposal is not None
    whole = answer(review(step("5"), step("2", symbol=ETH)), older, ask(by_hand=True), TERMS)
    assert whole.proposal is None


def test_the_gate_lets_no_consent_widen_a_plan() -> None:
    plan = review(step())
    for wider in (
        (step("0.6"),),
        (step(), step()),
        (step(limit_price=d(90)),),
        (step(side="buy"),),
    ):
        consent = gate.Consent(granted=True, by="someone", steps=wider)
        assert gate.settle(plan, consent).steps == ()


LOTS = st.integers(1, 2000).map(lambda n: Decimal(n) / 1000)
STEPS = st.builds(
    step,
    LOTS,
    symbol=st.sampled_from([BTC, ETH]),
    side=st.sampled_from(["buy", "sell"]),
    reduce_only=st.booleans(),
    limit_price=st.integers(90, 110).map(Decimal),
)
PLANS = st.lists(STEPS, min_size=1, max_size=2, unique_by=lambda one: one.symbol)


@given(
    PLANS,
    PLANS,
    st.sampled_from([None, "approve", "reject"]),
    st.integers(0, 48),
    st.booleans(),
    st.sampled_from([None, "guard@x"]),
    st.booleans(),
)
def test_nothing_is_granted_but_what_was_approved_in_time_and_not_used(
    before: list[Step],
    now: list[Step],
    verdict: Verdict | None,
    hours: int,
    reviewing: bool,
    used_by: str | None,
    same: bool,
) -> None:
    planned = [replace(one, limit_price=one.limit_price + 1) for one in before] if same else now
    said = decided(verdict) if verdict else None
    stands = standing(*before, decision=said, used_by=used_by)
    asked = ask(timedelta(hours=hours), reviewing=reviewing)
    found = answer(review(*planned), stands, asked, TERMS)
    granted = gate.settle(review(*planned), found.consent).steps

    assert stands.proposal is not None
    if granted:
        assert verdict == "approve"
        assert used_by is None
        assert asked.now < stands.proposal.expires_at
        assert found.uses == 1
        for one in granted:
            (bound,) = [bound for bound in stands.proposal.steps if bound.symbol == one.symbol]
            (due,) = [due for due in planned if due.symbol == one.symbol]
            assert bound.covers(one)
            assert one.contracts == min(bound.contracts_max, due.contracts)
            assert abs(due.contracts - bound.contracts_max) <= d("0.02") * bound.contracts_max
        assert len(granted) == len(stands.proposal.steps)
    else:
        assert found.uses is None
        assert found.proposal is not None or found.because
