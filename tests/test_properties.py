"""
What holds for any portfolio: a plan reaches what is wanted, a second look plans nothing, a
reduction only reduces, rounding never over-hedges, and the decision is pure.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import msgspec
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from builders import (
    contract,
    d,
    guard_tick,
    inputs,
    metric_row,
    policy,
    quote,
    review_tick,
    rule,
    snapshot,
)
from hedged.core.encoding import encode
from hedged.core.exposure import ExposurePolicy
from hedged.core.gate import (
    NOTIONAL_PER_DAY_CEILING,
    NOTIONAL_PER_ORDER_CEILING,
    Consent,
    Limits,
    settle,
)
from hedged.core.guard import Band
from hedged.core.market import Holding, Instrument, Position, Quote, Snapshot, notional
from hedged.core.plan import Step
from hedged.core.policy import Policy, decode_policy
from hedged.core.record import Inputs, Memory, Outcome, Thought, remember
from hedged.core.sizing import HedgeLeg
from hedged.core.target import RatioMemory, RatioPolicy
from hedged.cycle import deliberate

SYMBOLS = ("BTC/USDT:USDT", "ETH/USDT:USDT", "ALL/USDT:USDT")
RULES = (
    rule("high risk", "close < sma_50 and funding_rate_8h < 0", raise_to="0.75"),
    rule("moderate risk", "close < sma_50", raise_to="0.30"),
    rule("calm", "close > sma_50", lower_to="0.10"),
)
WIDE = Limits(
    order_notional_max=NOTIONAL_PER_ORDER_CEILING,
    day_notional_max=NOTIONAL_PER_DAY_CEILING,
    orders_per_tick_max=8,
)


def prices(low: str, high: str) -> st.SearchStrategy[Decimal]:
    return st.decimals(low, high, places=4).filter(bool)


@st.composite
def instruments(draw: st.DrawFn, symbol: str) -> Instrument:
    lot = draw(st.sampled_from(["0.001", "0.01", "0.3", "1", "25"]).map(Decimal))
    return contract(
        symbol,
        contract_multiplier=draw(st.sampled_from(["0.001", "0.1", "1", "7", "100"]).map(Decimal)),
        lot=lot,
        contracts_min=draw(st.sampled_from([Decimal(0), lot, 5 * lot])),
        notional_min=draw(st.sampled_from(["0", "5", "100"]).map(Decimal)),
        inverse=draw(st.booleans()),
    )


@st.composite
def cases(draw: st.DrawFn, *, dust: bool = True) -> tuple[Inputs, Policy]:
    """Any portfolio, contracts, prices, target and short positions; *dust*: with venue minimums."""
    symbols = SYMBOLS[: draw(st.integers(1, 3))]
    listed = tuple(draw(instruments(symbol)) for symbol in symbols)
    if not dust:
        listed = tuple(replace(i, contracts_min=Decimal(0), notional_min=Decimal(0)) for i in listed)
    marks = {s: draw(prices("0.01", "900")) for s in symbols}
    quotes = tuple(quote(s, mark=str(marks[s])) for s in symbols)
    held = {i.symbol: -draw(st.integers(0, _lots_max(i, marks[i.symbol]))) * i.lot for i in listed}
    coins = draw(st.lists(st.sampled_from(["BTC", "SOL", "USDT", "XYZ"]), max_size=4))
    ratio = draw(st.decimals("0", "1", places=4))
    memory = Memory(
        ratio=draw(st.sampled_from([None, RatioMemory(goal_ratio=ratio, target_ratio=ratio)])),
        executed_ratio=draw(st.sampled_from([None, ratio, Decimal("0.5")])),
    )
    seen = snapshot(
        holdings=tuple(draw(holdings(coin)) for coin in coins),
        instruments=listed,
        quotes=quotes,
        positions=tuple(
            Position(symbol=s, contracts=c, entry_price=marks[s]) for s, c in held.items() if c
        ),
    )
    review = draw(st.booleans())
    average, funding = draw(st.sampled_from([None, 90.0, 110.0])), draw(st.sampled_from([None, -1e-4]))
    weights = st.sampled_from(["0.25", "0.5", "1", "3"]).map(Decimal)
    using = policy(
        exposure=ExposurePolicy(ignore=frozenset({"XYZ"})),
        rules=RULES,
        ratio=RatioPolicy(
            initial_ratio=draw(st.sampled_from([None, ratio])),
            max_step=draw(st.sampled_from(["0.07", "1"]).map(Decimal)),
        ),
        legs=tuple(HedgeLeg(symbol=s, weight=draw(weights)) for s in symbols),
        band=Band(band=draw(st.sampled_from(["0", "0.05"]).map(Decimal)), mix_band=d("0.10")),
        limits=WIDE,
    )
    given_inputs = inputs(
        tick=review_tick() if review else guard_tick(),
        snapshot=seen,
        metrics=metric_row(sma_50=average, funding_rate_8h=funding) if review else None,
        memory=memory,
    )
    return given_inputs, using


def _lots_max(instrument: Instrument, mark: Decimal) -> int:
    """At most 200 lots, and no more than the gate's ceilings let anyone close at once."""
    return min(200, int(5_000_000 / notional(instrument, instrument.lot, mark)))


@st.composite
def holdings(draw: st.DrawFn, asset: str) -> Holding:
    price = None if asset == "XYZ" else draw(prices("0.01", "900"))
    quantity = draw(st.decimals("0", "900", places=8))
    return Holding(asset=asset, quantity=quantity, mark_price=price, source="settings")


def filled(step: Step, contracts: Decimal | None = None) -> Outcome:
    done = step.contracts if contracts is None else contracts
    status = "filled" if done == step.contracts else "partial" if done else "unfilled"
    return Outcome(
        client_order_id="",
        symbol=step.symbol,
        side=step.side,
        contracts=step.contracts,
        filled=done,
        fill_price=step.limit_price if done else None,
        fee=Decimal(0),
        status=status,  # type: ignore[arg-type]
    )


def sent(thought: Thought) -> tuple[Step, ...]:
    """What is really sent: through the gate, with paper's consent."""
    return settle(thought.review, Consent(granted=thought.review.cleared, by="paper")).steps


def traded(before: Snapshot, outcomes: tuple[Outcome, ...], minutes: int = 5) -> Snapshot:
    """The account after the fills, at the same prices, a guard pass later."""
    at = before.at + timedelta(minutes=minutes)
    gained = {o.symbol: o.filled if o.side == "buy" else -o.filled for o in outcomes}
    positions = tuple(
        Position(symbol=q.symbol, contracts=c, entry_price=q.mark_price)
        for q in before.quotes
        if (c := before.held(q.symbol) + gained.get(q.symbol, Decimal(0)))
    )
    quotes: tuple[Quote, ...] = tuple(replace(q, at=at) for q in before.quotes)
    return replace(before, at=at, positions=positions, quotes=quotes, cursor=before.cursor + 1)


def next_pass(
    first: Inputs, thought: Thought, outcomes: tuple[Outcome, ...], *, review: bool = False
) -> Inputs:
    seen = traded(first.snapshot, outcomes)
    return replace(
        first,
        tick=review_tick(seen.at) if review else guard_tick(seen.at),
        now=seen.at,
        snapshot=seen,
        metrics=first.metrics if review else None,
        memory=remember(first, thought, outcomes),
    )


@settings(deadline=None, derandomize=True, max_examples=150)
@given(cases(dust=False))
def test_a_plan_that_is_fully_executed_reaches_the_wanted_contracts(
    case: tuple[Inputs, Policy],
) -> None:
    given_inputs, using = case
    thought = deliberate(given_inputs, using)
    assume(thought.wanted is not None and thought.drift.due)
    after = traded(given_inputs.snapshot, tuple(filled(step) for step in sent(thought)))

    assert thought.review.reasons == ()
    assert thought.plan.notes == ()
    assert thought.plan.steps
    assert thought.wanted is not None
    for leg in thought.wanted.legs:
        assert after.held(leg.symbol) == leg.contracts


@settings(deadline=None, derandomize=True, max_examples=200)
@given(cases())
def test_a_second_cycle_on_the_outcome_of_the_first_plans_nothing(case: tuple[Inputs, Policy]) -> None:
    given_inputs, using = case
    first = deliberate(given_inputs, using)
    outcomes = tuple(filled(step) for step in sent(first))
    again = first.judgement is not None and using.ratio.max_step == 1
    second = next_pass(given_inputs, first, outcomes, review=again)
    thought = deliberate(second, using)

    assert first.review.cleared
    assert thought.plan.steps == ()
    assert thought.review.cleared
    assert _ratios(thought) == _ratios(first)
    assert remember(second, thought, ()).executed_ratio == second.memory.executed_ratio


def _ratios(thought: Thought) -> tuple[Decimal, Decimal] | None:
    return thought.ratio and (thought.ratio.goal_ratio, thought.ratio.target_ratio)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(cases(dust=False), st.data())
def test_partial_fills_are_completed_and_the_quantities_add_up(
    case: tuple[Inputs, Policy], data: st.DataObject
) -> None:
    now, using = case
    now = replace(now, memory=replace(now.memory, executed_ratio=None))
    first = deliberate(now, using)
    assume(first.wanted is not None and first.plan.steps)
    lots = {i.symbol: i.lot for i in now.snapshot.instruments}
    total = dict.fromkeys(lots, Decimal(0))
    for last in (False, False, True):
        thought = deliberate(now, using)
        outcomes = tuple(
            filled(
                step,
                None
                if last
                else lots[step.symbol]
                * data.draw(st.integers(0, int(step.contracts / lots[step.symbol]))),
            )
            for step in sent(thought)
        )
        for outcome in outcomes:
            total[outcome.symbol] += outcome.filled
        now = next_pass(now, thought, outcomes)

    assert deliberate(now, using).plan.steps == ()
    assert total == {s: Decimal(0) for s in lots} | {s.symbol: s.contracts for s in first.plan.steps}
    assert first.wanted is not None
    assert now.memory.executed_ratio == first.wanted.target_ratio


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    lots=st.integers(1, 500),
    lot=st.sampled_from(["0.001", "0.3", "1"]).map(Decimal),
    mark=prices("1", "900"),
    coins=st.decimals("500", "9999", places=4),
    coin_price=prices("900", "9000"),
)
def test_a_first_start_at_the_present_ratio_leaves_the_held_position_alone(
    lots: int, lot: Decimal, mark: Decimal, coins: Decimal, coin_price: Decimal
) -> None:
    """The present ratio seldom is a finite decimal; rounding toward zero must not lose a lot by it."""
    seen = snapshot(
        holdings=(Holding(asset="BTC", quantity=coins, mark_price=coin_price, source="settings"),),
        instruments=(contract(lot=lot),),
        quotes=(quote(mark=str(mark)),),
        positions=(Position(symbol=SYMBOLS[0], contracts=-lots * lot, entry_price=mark),),
    )
    thought = deliberate(inputs(snapshot=seen), policy(ratio=RatioPolicy(), limits=WIDE))

    assert thought.plan.steps == ()


@settings(deadline=None, derandomize=True, max_examples=150)
@given(cases())
def test_a_step_never_grows_what_it_reduces_and_never_turns_a_position_around(
    case: tuple[Inputs, Policy],
) -> None:
    given_inputs, using = case
    for step in deliberate(given_inputs, using).plan.steps:
        held = given_inputs.snapshot.held(step.symbol)
        after = held + (step.contracts if step.side == "buy" else -step.contracts)

        assert step.contracts > 0
        assert after <= 0
        assert step.reduce_only == (step.side == "buy") == (abs(after) < abs(held))


@settings(deadline=None, derandomize=True, max_examples=150)
@given(cases(), st.sampled_from(["0.001", "5"]))
def test_a_long_position_is_never_traded(case: tuple[Inputs, Policy], contracts: str) -> None:
    given_inputs, using = case
    symbol = using.legs[-1].symbol
    others = tuple(p for p in given_inputs.snapshot.positions if p.symbol != symbol)
    long = Position(symbol=symbol, contracts=d(contracts), entry_price=d(1))
    seen = replace(given_inputs.snapshot, positions=(*others, long))

    thought = deliberate(replace(given_inputs, snapshot=seen), using)

    assert sent(thought) == ()
    assert any(symbol in reason for reason in thought.review.reasons)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(cases())
def test_rounding_never_hedges_more_than_the_target_and_less_by_under_a_lot(
    case: tuple[Inputs, Policy],
) -> None:
    given_inputs, using = case
    wanted = deliberate(given_inputs, using).wanted
    assume(wanted is not None)
    assert wanted is not None
    seen = given_inputs.snapshot
    weights = sum(Fraction(leg.weight) for leg in using.legs)
    hedge = Fraction(wanted.exposure) * Fraction(wanted.target_ratio)
    for leg, of in zip(wanted.legs, using.legs, strict=True):
        instrument, mark = seen.instrument(leg.symbol), seen.quote(leg.symbol).mark_price
        one = abs(Fraction(notional(instrument, Decimal(1), mark)))
        share = hedge * Fraction(of.weight) / weights
        value = -Fraction(leg.contracts) * one

        assert 0 <= value <= share < value + Fraction(instrument.lot) * one
        assert leg.contracts % instrument.lot == 0
        assert abs(Fraction(leg.residual_notional) - (share - value)) < Fraction(1, 10**12)
    assert wanted.exposure > 0 or all(leg.contracts == 0 for leg in wanted.legs)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(cases())
def test_the_same_inputs_decide_the_same_to_the_byte_also_as_read_from_the_journal(
    case: tuple[Inputs, Policy],
) -> None:
    given_inputs, using = case
    body = encode(given_inputs)
    thought = encode(deliberate(given_inputs, using))
    replayed = deliberate(msgspec.json.decode(body, type=Inputs), decode_policy(encode(using)))

    assert encode(deliberate(given_inputs, using)) == thought
    assert encode(replayed) == thought
    assert encode(given_inputs) == body


def test_the_cases_are_not_all_trivial() -> None:
    """The properties above would hold for an empty world too; this one sees that it is not."""
    seen: set[str] = set()

    @settings(deadline=None, derandomize=True, max_examples=400, database=None)
    @given(cases())
    def collect(case: tuple[Inputs, Policy]) -> None:
        thought = deliberate(*case)
        seen.update(step.side for step in thought.plan.steps)
        seen.update("note" for _ in thought.plan.notes)
        seen.add("many" if len(thought.plan.steps) > 1 else "few")
        seen.add("nothing to hedge" if thought.exposure.total == 0 else "exposed")
        seen.update(line.status for line in (thought.judgement.rules if thought.judgement else ()))

    collect()

    assert seen >= {"buy", "sell", "note", "many", "few", "nothing to hedge", "exposed"}
    assert seen >= {"fired", "unknown", "false", "spent"}
