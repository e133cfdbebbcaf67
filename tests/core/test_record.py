"""Records come back as they were, and say what was done; what a pass leaves behind."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import (
    BTC,
    MONDAY,
    contract,
    d,
    fill,
    guard_tick,
    holding,
    inputs,
    metric_row,
    policy,
    position,
    quote,
    review_tick,
    rule,
    snapshot,
)
from hedged.core.beta import BetaEstimate, Betas
from hedged.core.encoding import base_of, digest, encode, pack, unpack
from hedged.core.gate import Restriction
from hedged.core.market import Flow, FundingPayment
from hedged.core.plan import Step
from hedged.core.policy import Policy, decode_policy
from hedged.core.record import (
    CycleRecord,
    Inputs,
    Memory,
    Outcome,
    cycle_id,
    decode_record,
    executed_before,
    record_of,
    remember,
)
from hedged.core.target import RatioMemory, RatioPolicy
from hedged.cycle import deliberate

RULES = (
    rule(
        "über-leveraged ≥ 5%", "funding_rate_8h >= 0.0005", raise_by="0.30", cooldown=timedelta(weeks=4)
    ),
    rule("moderate risk", "close < sma_50", raise_to="0.30"),
)


def outcome(step: Step, status: str = "filled") -> Outcome:
    filled = {"filled": step.contracts, "partial": step.contracts / 2}.get(status, Decimal(0))
    return Outcome(
        client_order_id="hdg1",
        symbol=step.symbol,
        side=step.side,
        contracts=step.contracts,
        filled=filled,
        fill_price=step.limit_price if filled else None,
        fee=Decimal("0.10"),
        status=status,  # type: ignore[arg-type]
    )


def made(
    given_inputs: Inputs, using: Policy, status: str = "filled", *, sent: bool = True
) -> CycleRecord:
    """A whole record: the decision on *given_inputs*, and every step sent with that status."""
    thought = deliberate(given_inputs, using)
    steps = thought.review.plan.steps if thought.review.cleared and sent else ()
    outcomes = tuple(outcome(step, status) for step in steps)
    return CycleRecord(
        version=1,
        portfolio=using.portfolio,
        mode="paper",
        policy_digest=digest(encode(using)),
        inputs=given_inputs,
        thought=thought,
        approved_by="paper",
        outcomes=outcomes,
        memory=remember(given_inputs, thought, outcomes),
    )


FIGURES = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def records(draw: st.DrawFn) -> CycleRecord:
    """Reviews and guard passes over odd figures, prices, holdings, restrictions and statuses."""
    review = draw(st.booleans())
    funding, average = draw(FIGURES), draw(FIGURES.filter(lambda x: not isinstance(x, bool)))
    figures = {"funding_rate_8h": None if isinstance(funding, bool) else funding, "sma_50": average}
    price = draw(st.decimals("0.01", "99999", places=2))
    coins = draw(st.lists(st.sampled_from(["BTC", "ETH", "XYZ", "USDT"]), max_size=3))
    ratio = draw(st.none() | st.decimals("0", "1", places=3))
    memory = Memory(
        ratio=None if ratio is None else RatioMemory(goal_ratio=ratio, target_ratio=ratio),
        executed_ratio=draw(st.none() | st.just(ratio)),
        cursor=draw(st.integers(0, 2**40)),
    )
    words = draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
    restriction = Restriction(scope="main", allows="reductions", reason=words, by="é", at=MONDAY)
    seen = snapshot(
        holdings=tuple(
            holding(c, draw(st.integers(0, 50)), mark=None if c == "XYZ" else 7) for c in coins
        ),
        quotes=(quote(mark=str(price), index_price=draw(st.none() | st.just(price))),),
        positions=tuple(position(-n) for n in draw(st.lists(st.integers(1, 9), max_size=1))),
        cursor=memory.cursor + 1,
    )
    given_inputs = inputs(
        tick=review_tick() if review else guard_tick(MONDAY + timedelta(minutes=5)),
        snapshot=seen,
        metrics=metric_row(**figures) if review else None,
        memory=memory,
        restrictions=draw(st.sampled_from([(), (restriction,)])),
    )
    using = policy(rules=RULES, ratio=RatioPolicy(initial_ratio=draw(st.none() | st.just(d("0.2")))))
    return made(
        given_inputs, using, draw(st.sampled_from(["filled", "partial", "unfilled", "unknown"]))
    )


@settings(deadline=None, derandomize=True, max_examples=80)
@given(records())
def test_a_decoded_record_is_the_record_and_has_the_same_bytes(record: CycleRecord) -> None:
    body = encode(record)

    assert decode_record(body) == record
    assert encode(decode_record(body)) == body


@settings(deadline=None, derandomize=True, max_examples=80)
@given(records(), records())
def test_any_record_packed_against_any_other_unpacks_to_its_bytes(
    record: CycleRecord, base: CycleRecord
) -> None:
    full, against = encode(record), encode(base)
    packed = pack(full, against, 7)

    assert unpack(packed, against) == full
    assert base_of(packed) == 7
    assert base_of(full) is None


def test_what_is_no_record_is_an_error() -> None:
    body = json.loads(encode(made(inputs(), policy())))
    del body["thought"]

    with pytest.raises(msgspec.ValidationError):
        decode_record(encode(body))


def test_a_record_from_before_depth_and_running_funding_can_still_be_read() -> None:
    record = made(inputs(), policy())
    body = json.loads(encode(record))
    for told in body["inputs"]["snapshot"]["quotes"]:
        for later in ("bid_depth", "ask_depth", "funding_rate_next"):
            assert told.pop(later) is None

    assert decode_record(encode(body)) == record


def test_the_same_body_has_an_empty_difference_and_a_small_change_a_small_one() -> None:
    record = made(inputs(), policy())
    later = replace(record, inputs=replace(record.inputs, now=MONDAY + timedelta(minutes=5)))
    body = encode(record)

    assert json.loads(pack(body, body, 1))["changes"] == {}
    assert json.loads(pack(encode(later), body, 1))["changes"] == {
        "in": {"inputs": {"set": {"now": "2024-01-01T00:05:00Z"}}}
    }


# What a pass leaves behind.


def test_a_plan_of_which_a_part_was_held_back_is_not_executed() -> None:
    record = made(inputs(untried=(BTC,)), policy())

    assert record.thought.plan.cut == (BTC,)
    assert [o.status for o in record.outcomes] == ["filled"]
    assert record.memory.executed_ratio is None


def test_a_record_from_before_breakers_is_read_and_decided_the_same() -> None:
    record = made(inputs(), policy())
    body = json.loads(encode(record))
    for path, names in (
        (("inputs",), ("sent", "untried")),
        (("inputs", "usage"), ("orders_hour", "orders_today", "refused_in_a_row", "since_lift")),
        (("inputs", "snapshot"), ("misvalued",)),
        (("thought", "attribution"), ("untold", "untold_notional", "untold_flows")),
        (("memory", "totals"), ("untold", "untold_notional", "untold_flows")),
        (("inputs", "memory"), ("naked",)),
        (("memory",), ("naked",)),
        (("thought",), ("naked",)),
        (("thought", "plan"), ("cut",)),
        (("thought", "review"), ("trips",)),
    ):
        part = body
        for name in path:
            part = part[name]
        for name in names:
            del part[name]
    older = decode_record(encode(body))
    limits = json.loads(encode(policy()))
    for name in ("orders_per_hour_max", "orders_per_day_max", "rejects_in_a_row_max"):
        del limits["limits"][name]

    assert older == record
    assert deliberate(older.inputs, decode_policy(encode(limits))) == record.thought


def test_a_record_from_before_events_told_in_part_and_orders_not_judged_is_read_the_same() -> None:
    paid = FundingPayment(
        at=MONDAY,
        symbol=BTC,
        funding_rate=d("0.0001"),
        contracts=d(-2),
        mark_price=d(100),
        amount=d("0.02"),
    )
    told = snapshot(fills=(fill(),), funding_payments=(paid,), flows=(Flow(at=MONDAY, amount=d(10)),))
    record = made(inputs(snapshot=told), policy())
    body = json.loads(encode(record))
    seen = body["inputs"]["snapshot"]
    for event in (*seen["fills"], *seen["funding_payments"], *seen["flows"]):
        assert event.pop("untold") == ""
    for one in body["outcomes"]:
        assert one.pop("judged") is True
    assert body.pop("left_out") == []
    assert body["inputs"].pop("second") == {}
    for memory in (body["memory"], body["inputs"]["memory"]):
        assert (memory.pop("touched_at"), memory.pop("offered_ratio")) == (None, None)
    older = decode_record(encode(body))

    assert record.outcomes
    assert older == record
    assert older.inputs.snapshot.untold == ()
    assert deliberate(older.inputs, policy()) == record.thought


def test_another_hand_is_remembered_also_while_nobody_knows_what_is_wanted() -> None:
    """A price is missing as well: the pass that knows it again still comes a minute later."""
    closed = fill(side="buy", client_order_id="", cause="adl")
    at = MONDAY + timedelta(seconds=59)
    held = (position("-1"),)
    memory = Memory(ratio=RatioMemory(goal_ratio=d("0.2"), target_ratio=d("0.2")))
    blind = snapshot(fills=(closed,), positions=held, holdings=(holding(mark=None),))
    first = made(inputs(tick=guard_tick(), metrics=None, memory=memory, snapshot=blind), policy())
    again = snapshot(at=at, positions=held, quotes=(quote(at=at),))
    second = made(
        inputs(tick=guard_tick(), now=at, metrics=None, memory=first.memory, snapshot=again), policy()
    )

    assert first.thought.wanted is None
    assert (first.memory.touched_at, first.look_again) == (MONDAY, "soon")
    assert second.thought.plan.steps
    assert (second.thought.review.cleared, second.look_again) == (False, "soon")


def test_a_tick_is_named_by_its_cadence_and_its_instant() -> None:
    assert review_tick().id == "weekly@2024-01-01T00:00:00Z"
    assert cycle_id("main", guard_tick()) == "main/guard@2024-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("status", "executed"),
    [
        ("filled", d("0.2")),
        ("partial", None),
        ("unfilled", None),
        ("refused", None),
        ("unknown", None),
        ("resting", None),
    ],
)
def test_a_target_is_executed_when_every_step_of_its_plan_was_filled(
    status: str, executed: Decimal | None
) -> None:
    assert made(inputs(), policy(), status).memory.executed_ratio == executed


@pytest.mark.parametrize(
    ("changed", "executed", "due"),
    [
        ({}, d("0.2"), False),
        ({"post_only_tried": (BTC,)}, None, True),
        ({"tick": review_tick()}, None, True),
    ],
)
def test_an_order_that_rested_and_filled_wholly_has_executed_the_target(
    changed: dict[str, Any], executed: Decimal | None, due: bool
) -> None:
    """Nothing is traded after it for a few coins of drift; a part of it leaves the target open."""
    left = made(inputs(), policy(), "resting").memory
    after = inputs(
        tick=guard_tick(), metrics=None, memory=left, snapshot=snapshot(positions=(position("-1.9"),))
    )
    after = replace(after, **changed)

    assert left.offered_ratio == d("0.2")
    assert executed_before(after) == executed
    assert deliberate(after, policy()).drift.due is due


def test_what_rests_is_remembered_until_its_end_is_known() -> None:
    left = made(inputs(), policy(), "resting").memory
    after = inputs(tick=guard_tick(), metrics=None, memory=left, unresolved=("it may still rest",))
    thought = deliberate(after, policy())

    assert executed_before(after) is None
    assert remember(after, thought, ()).offered_ratio == d("0.2")
    assert remember(replace(after, unresolved=()), thought, ()).offered_ratio is None


def test_a_plan_of_which_a_step_was_not_sent_is_not_executed() -> None:
    assert made(inputs(), policy(), sent=False).memory.executed_ratio is None


def test_a_target_that_is_held_already_counts_as_executed() -> None:
    held = inputs(snapshot=snapshot(positions=(position(-2),)))

    assert made(held, policy()).memory.executed_ratio == d("0.2")


def test_a_target_of_which_only_dust_is_missing_counts_as_executed() -> None:
    coarse = contract(notional_min=d(500))
    record = made(inputs(snapshot=snapshot(instruments=(coarse,))), policy())

    assert record.thought.plan.notes
    assert record.memory.executed_ratio == d("0.2")


def test_after_a_partial_fill_no_target_is_the_one_that_was_executed() -> None:
    """Else a target that goes back to the one before would find the half-way position good enough."""
    ratio = RatioMemory(goal_ratio=d("0.5"), target_ratio=d("0.5"))
    moving = inputs(memory=Memory(ratio=ratio, executed_ratio=d("0.2")))

    assert made(moving, policy(), "partial").memory.executed_ratio is None


def test_a_plan_cut_to_its_reductions_is_not_executed() -> None:
    ratio = RatioMemory(goal_ratio=d("0.5"), target_ratio=d("0.5"))
    cut = Restriction(scope="main", allows="reductions", reason="lunch", by="me", at=MONDAY)
    record = made(
        inputs(memory=Memory(ratio=ratio, executed_ratio=d("0.2")), restrictions=(cut,)), policy()
    )

    assert record.outcomes == ()
    assert record.memory.executed_ratio == d("0.2")


def test_a_refused_plan_keeps_the_target_that_was_executed_before() -> None:
    ratio = RatioMemory(goal_ratio=d("0.5"), target_ratio=d("0.5"))
    stop = Restriction(scope="main", allows="nothing", reason="lunch", by="me", at=MONDAY)
    refused = inputs(
        memory=Memory(ratio=ratio, executed_ratio=d("0.2")),
        restrictions=(stop,),
    )

    assert made(refused, policy()).memory.executed_ratio == d("0.2")


def test_drift_inside_the_band_leaves_the_executed_target_as_it_was() -> None:
    ratio = RatioMemory(goal_ratio=d("0.2"), target_ratio=d("0.2"))
    near = inputs(
        tick=guard_tick(),
        metrics=None,
        memory=Memory(ratio=ratio, executed_ratio=d("0.2")),
        snapshot=snapshot(positions=(position("-1.9"),)),
    )
    record = made(near, policy())

    assert record.outcomes == ()
    assert record.memory.executed_ratio == d("0.2")
    assert record.memory.ratio == ratio


def test_an_unknown_exposure_executes_nothing_and_keeps_the_memory() -> None:
    ratio = RatioMemory(goal_ratio=d("0.2"), target_ratio=d("0.2"))
    blind = inputs(
        tick=guard_tick(),
        metrics=None,
        memory=Memory(ratio=ratio, executed_ratio=d("0.1"), funding_missed=2, cursor=1),
        snapshot=snapshot(holdings=(holding("XYZ", 1, None),), funding_missed=3, cursor=9),
    )
    memory = made(blind, policy()).memory

    assert (memory.ratio, memory.executed_ratio) == (ratio, d("0.1"))
    assert (memory.funding_missed, memory.cursor) == (5, 9)
    assert memory.marks == {BTC: 100}


def test_betas_stay_until_the_next_review_and_not_beyond_it() -> None:
    kept = Betas(
        bar_close=MONDAY,
        method="ols",
        holdings=(),
        portfolio=BetaEstimate(asset="portfolio", beta=d(1), because=""),
        warnings=(),
    )
    memory = Memory(betas=kept)

    assert made(inputs(memory=memory), policy()).memory.betas is None  # taken as 1 by this review
    guard = inputs(tick=guard_tick(), metrics=None, memory=memory)
    assert made(guard, policy()).memory.betas == kept


def test_only_a_guard_pass_that_did_nothing_and_was_refused_nothing_is_quiet() -> None:
    ratio = RatioMemory(goal_ratio=d("0.2"), target_ratio=d("0.2"))
    settled = Memory(ratio=ratio, executed_ratio=d("0.2"))
    guard = inputs(tick=guard_tick(), metrics=None, memory=settled)
    held = snapshot(positions=(position(-2),))

    assert made(replace(guard, snapshot=held), policy()).quiet
    assert not made(guard, policy()).quiet  # it sold
    assert not made(replace(guard, snapshot=held, unresolved=(BTC,)), policy()).quiet  # it held
    assert not made(inputs(snapshot=held), policy()).quiet  # a review


def test_a_record_says_what_was_done_or_why_nothing_was() -> None:
    unresolved = inputs(unresolved=(BTC,))

    assert made(inputs(), policy()).because == (
        "no rule fired; traded: the target is 20%, and it is not fully executed yet"
    )
    assert made(inputs(snapshot=snapshot(positions=(position(-2),))), policy()).because == (
        "no rule fired; did nothing because the wanted contracts are held"
    )
    assert made(unresolved, policy()).because == (
        f"no rule fired; sent nothing: HOLD: an earlier order is not resolved yet, {BTC}"
    )


def test_a_record_of_refused_orders_says_that_nothing_was_filled() -> None:
    thought = deliberate(inputs(), policy())
    refused = Outcome(
        client_order_id="hdg1",
        symbol=BTC,
        side="sell",
        contracts=d(2),
        filled=d(0),
        fill_price=None,
        fee=d(0),
        status="refused",
        reason="insufficient margin",
    )
    record = record_of(
        inputs(), thought, (refused,), policy=policy(), mode="paper", approved_by="paper"
    )

    assert "traded" not in record.because
    assert f"nothing was filled ({BTC} refused: insufficient margin)" in record.because


def test_a_record_of_a_resting_order_says_that_it_waits() -> None:
    record = made(inputs(), policy(), "resting")

    assert record.because == (
        "no rule fired; offered, and waiting to be taken: the target is 20%, and it is not fully "
        "executed yet"
    )
    assert not replace(record, inputs=inputs(tick=guard_tick())).quiet
    assert record.look_again == ""  # or it would be taken back at once


def test_a_journal_from_before_orders_could_rest_can_be_read() -> None:
    record = made(inputs(), policy())
    body, chosen = json.loads(encode(record)), json.loads(encode(policy()))
    del body["inputs"]["post_only_tried"], chosen["order_style"]
    for plan in (body["thought"]["plan"], body["thought"]["review"]["plan"]):
        for step in plan["steps"]:
            del step["post_only"]

    assert decode_record(json.dumps(body).encode()) == record
    assert decode_policy(json.dumps(chosen).encode()) == policy()


def test_what_was_tried_post_only_is_planned_to_take_at_once() -> None:
    resting = policy(order_style="post_only_then_ioc")
    first = deliberate(inputs(), resting).plan.steps
    second = deliberate(inputs(post_only_tried=(BTC,)), resting).plan.steps

    assert [step.post_only for step in (*first, *second)] == [True, False]
    assert second == deliberate(inputs(), policy()).plan.steps
