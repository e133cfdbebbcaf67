"""
A story of phases counted through: what a goal means in contracts, and what spot and short earn.

Enters a portfolio, an index contract, two betas and phases; leaves the state after each phase.
Goals, contracts and notionals are those of `Action.applied`, `size` and `notional`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from hedged.core.exposure import Exposure, ExposureLine
from hedged.core.market import (
    ZERO,
    Holding,
    Instrument,
    Margin,
    Position,
    Quote,
    Snapshot,
    contracts_of,
    notional,
    to_lot,
)
from hedged.core.rules import Action
from hedged.core.sizing import HedgeLeg, size
from hedged.core.target import RatioMemory, RatioPolicy

_SYMBOL = "INDEX/USD:USD"
_THEN = datetime(2000, 1, 1, tzinfo=UTC)  # a story has no date; a snapshot needs one


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the source says of a phase: a reduction in notional at entry, and the ratio it claims."""

    reduce_notional: Decimal
    claimed_ratio: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """
    First the index moves by the fraction *index_change*, then *action* moves the goal; without an
    action nothing is traded.
    """

    name: str
    index_change: Decimal = ZERO
    action: Action | None = None
    remarks: tuple[str, ...] = ()
    told: Told | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """
    The hedge is sized with *sizing_beta*; the portfolio moves by *realised_beta* times the index.

    The multiplier is in quote currency a point of the index, the lot in contracts.
    """

    name: str
    portfolio_value: Decimal
    index_price: Decimal
    contract_multiplier: Decimal
    lot: Decimal
    sizing_beta: Decimal
    realised_beta: Decimal
    phases: tuple[Phase, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseOutcome:
    """
    The state after a phase; P&L is that of the phase alone, contracts are counted positive.

    *notional_at_entry* is at the mean price at which the short was sold, *notional_at_market* at the
    index now; *ratio_at_market* is the latter over the exposure (portfolio value x sizing beta).
    """

    phase: str
    index_price: Decimal
    portfolio_value: Decimal
    exposure: Decimal
    goal_ratio: Decimal
    contracts: Decimal
    notional_at_entry: Decimal
    notional_at_market: Decimal
    ratio_at_market: Decimal
    spot_pnl: Decimal
    short_pnl: Decimal
    residual_notional: Decimal
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrepancy:
    """What the source claims of a phase, beside what its own trade leaves."""

    phase: str
    claimed_ratio: Decimal
    claimed_contracts: Decimal
    told: PhaseOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """
    A scenario counted through: *ours*, the source's own way where it differs (*told*), and *ours*
    again with the hedge sized by the realised beta (None where both betas are the same).
    """

    ours: tuple[PhaseOutcome, ...]
    told: tuple[Discrepancy, ...]
    sized_with_realised_beta: tuple[PhaseOutcome, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """Between two phases: *contracts* is the short, positive, sold at *entry_price* on the mean."""

    index_price: Decimal
    portfolio_value: Decimal
    goal_ratio: Decimal = ZERO
    contracts: Decimal = ZERO
    entry_price: Decimal = ZERO


def account_of(scenario: Scenario) -> Account:
    """The whole comparison: ours, the source's, and ours sized by the realised beta."""
    resized = replace(scenario, sizing_beta=scenario.realised_beta)
    differs = scenario.realised_beta != scenario.sizing_beta
    return Account(
        ours=tuple(outcome for _, _, outcome in _walk(scenario)),
        told=tuple(
            _discrepancy(scenario, phase, before, outcome)
            for phase, before, outcome in _walk(scenario)
            if phase.told is not None and before.contracts
        ),
        sized_with_realised_beta=tuple(o for _, _, o in _walk(resized)) if differs else None,
    )


def _walk(scenario: Scenario) -> Iterator[tuple[Phase, _State, PhaseOutcome]]:
    """Each phase with the state after its move and before its trade, and the outcome."""
    state = _State(index_price=scenario.index_price, portfolio_value=scenario.portfolio_value)
    for phase in scenario.phases:
        started = state
        moved = _moved(scenario, phase, started)
        state = moved if phase.action is None else _traded(scenario, phase.action, moved)
        yield phase, moved, _outcome(scenario, phase, started, state)


def _moved(scenario: Scenario, phase: Phase, state: _State) -> _State:
    """``index * (1 + change)``; ``portfolio * (1 + realised_beta * change)``."""
    return replace(
        state,
        index_price=state.index_price * (1 + phase.index_change),
        portfolio_value=state.portfolio_value * (1 + scenario.realised_beta * phase.index_change),
    )


def _traded(scenario: Scenario, action: Action, state: _State) -> _State:
    goal = RatioPolicy().clamp(action.applied(state.goal_ratio))
    return _holding(replace(state, goal_ratio=goal), _sized(scenario, goal, state))


def _holding(state: _State, contracts: Decimal) -> _State:
    """Selling more moves the mean entry price; buying back leaves it as it is."""
    entry, added = state.entry_price, contracts - state.contracts
    if added > 0:
        entry = (state.contracts * entry + added * state.index_price) / contracts
    return replace(state, contracts=contracts, entry_price=entry)


def _sized(scenario: Scenario, ratio: Decimal, state: _State) -> Decimal:
    """Contracts to be short for *ratio* of the exposure, by `size`."""
    wanted = size(
        RatioMemory(goal_ratio=ratio, target_ratio=ratio),
        _exposure(scenario, state),
        _snapshot(scenario, state),
        (HedgeLeg(symbol=_SYMBOL, weight=Decimal(1)),),
    )
    assert wanted is not None, "the exposure of a scenario is known"
    return -wanted.legs[0].contracts


def _outcome(scenario: Scenario, phase: Phase, before: _State, state: _State) -> PhaseOutcome:
    instrument, exposure = _instrument(scenario), _exposure(scenario, state).total or ZERO
    at_market = notional(instrument, state.contracts, state.index_price)
    # What was held during the move earned it; the trade of the phase came after.
    held_before = notional(instrument, before.contracts, before.index_price)
    held_after = notional(instrument, before.contracts, state.index_price)
    return PhaseOutcome(
        phase=phase.name,
        index_price=state.index_price,
        portfolio_value=state.portfolio_value,
        exposure=exposure,
        goal_ratio=state.goal_ratio,
        contracts=state.contracts,
        notional_at_entry=notional(instrument, state.contracts, state.entry_price),
        notional_at_market=at_market,
        ratio_at_market=at_market / exposure if exposure else ZERO,
        spot_pnl=state.portfolio_value - before.portfolio_value,
        short_pnl=held_before - held_after,
        residual_notional=ZERO if phase.action is None else exposure * state.goal_ratio - at_market,
        remarks=phase.remarks,
    )


def _discrepancy(scenario: Scenario, phase: Phase, moved: _State, ours: PhaseOutcome) -> Discrepancy:
    """The source's own trade: so much notional less, counted at the price of entry."""
    assert phase.told is not None, "asked only where the source tells of a trade"
    instrument = _instrument(scenario)
    entered = notional(instrument, moved.contracts, moved.entry_price)
    kept = max(ZERO, entered - phase.told.reduce_notional)
    left = contracts_of(instrument, kept, moved.entry_price)
    state = replace(moved, goal_ratio=ours.goal_ratio, contracts=to_lot(left, scenario.lot))
    told = _outcome(scenario, phase, moved, state)
    return Discrepancy(
        phase=phase.name,
        claimed_ratio=phase.told.claimed_ratio,
        claimed_contracts=_sized(scenario, phase.told.claimed_ratio, moved),
        told=replace(told, spot_pnl=ours.spot_pnl, short_pnl=ours.short_pnl),
    )


def _exposure(scenario: Scenario, state: _State) -> Exposure:
    line = ExposureLine(
        asset="PORTFOLIO",
        quantity=Decimal(1),
        mark_price=state.portfolio_value,
        notional=state.portfolio_value,
        beta=scenario.sizing_beta,
        beta_source="scenario",
        counted=True,
        because="",
    )
    return Exposure(total=state.portfolio_value * line.beta, lines=(line,), unpriced=())


def _instrument(scenario: Scenario) -> Instrument:
    return Instrument(
        symbol=_SYMBOL,
        base="INDEX",
        quote="USD",
        settle="USD",
        contract_multiplier=scenario.contract_multiplier,
        lot=scenario.lot,
        tick=Decimal("0.01"),
        contracts_min=ZERO,
        notional_min=ZERO,
    )


def _snapshot(scenario: Scenario, state: _State) -> Snapshot:
    value, contracts = state.portfolio_value, state.contracts
    return Snapshot(
        at=_THEN,
        account="scenario",
        numeraire="USD",
        holdings=(
            Holding(asset="PORTFOLIO", quantity=Decimal(1), mark_price=value, source="scenario"),
        ),
        instruments=(_instrument(scenario),),
        quotes=(Quote(symbol=_SYMBOL, at=_THEN, mark_price=state.index_price),),
        positions=(Position(symbol=_SYMBOL, contracts=-contracts, entry_price=state.entry_price),),
        open_orders=(),
        margin=Margin(wallet_balance=ZERO, equity=ZERO, maintenance_margin=ZERO),
        cursor=0,
    )
