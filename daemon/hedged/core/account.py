"""
The account identity: every cent of a change in equity has a name.

Enters the account before and after, and what happened between; leaves the terms of

    change in equity = hedge P&L + basis P&L + funding - fees - slippage + flows + unexplained

for linear contracts, Q being the short size in index units (contracts x multiplier, positive):
hedge P&L is ``-Q x change of index``, basis P&L ``-Q x change of (mark - index)``, both summed
between fills; slippage is against the mark at the fill, positive when worse; funding is positive
when received. Where no index is recorded, index = mark and basis P&L is 0.

What a venue does not tell is in no term: a fee or an amount is then in *unexplained* (a fee in another
coin in none), and a fill without a mark counts as made at the mark, so that its slippage is in the
hedge or the basis P&L. *untold* counts such events, *untold_notional* is what was traded in them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from decimal import Decimal

from hedged.core.market import ZERO, Fill, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """What the account held of an instrument at an instant; the index is None if not recorded."""

    contracts: Decimal
    contract_multiplier: Decimal
    mark_price: Decimal
    index_price: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """The futures account at an instant."""

    equity: Decimal
    legs: dict[str, Leg]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """
    The terms of the identity over a period, in the settle currency; `+` joins two periods.

    By how much they may be off: *untold* events are told in part; *untold_notional* was traded in
    fills whose fee, price or mark is missing; *untold_flows* is money of an unknown kind, counted as
    flows, in absolute amounts.
    """

    equity_change: Decimal = ZERO
    hedge_pnl: Decimal = ZERO
    basis_pnl: Decimal = ZERO
    funding: Decimal = ZERO
    fees: Decimal = ZERO
    slippage: Decimal = ZERO
    flows: Decimal = ZERO
    unexplained: Decimal = ZERO
    untold: int = 0
    untold_notional: Decimal = ZERO
    untold_flows: Decimal = ZERO

    def __add__(self, other: Attribution) -> Attribution:
        return Attribution(
            **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        )

    @property
    def price_of_protection(self) -> Decimal:
        """``fees + slippage - funding - basis P&L``: what the hedge cost, negative if it paid."""
        return self.fees + self.slippage - self.funding - self.basis_pnl


def state_of(snapshot: Snapshot) -> AccountState:
    """The account as *snapshot* shows it, a leg for every quoted instrument."""
    legs = {}
    for quote in snapshot.quotes:
        instrument = snapshot.instrument(quote.symbol)
        legs[quote.symbol] = Leg(
            contracts=snapshot.held(quote.symbol),
            contract_multiplier=instrument.contract_multiplier,
            mark_price=quote.mark_price,
            index_price=quote.index_price,
        )
    return AccountState(equity=snapshot.margin.equity, legs=legs)


def attribute(before: AccountState | None, snapshot: Snapshot) -> Attribution:
    """
    Explain the change in equity from *before* (None: the very first pass) to *snapshot*.

    Short 1 unit, mark 100 to 90, fee 1: equity +9 = hedge P&L 10 - fees 1.
    """
    after = state_of(snapshot)
    if before is None:
        return Attribution()
    hedge = basis = ZERO
    for symbol, leg in after.legs.items():
        fills = [fill for fill in snapshot.fills if fill.symbol == symbol]
        moved, moved_basis = _price_moves(before.legs.get(symbol), leg, fills)
        hedge, basis = hedge + moved, basis + moved_basis
    funding = _told(payment.amount for payment in snapshot.funding_payments)
    fees = _told(fill.fee for fill in snapshot.fills)
    # A contract that is no leg and not held has no quote; what was traded of it is unexplained.
    quoted = [fill for fill in snapshot.fills if fill.symbol in after.legs]
    slippage = _told(_slippage(fill, after.legs[fill.symbol]) for fill in quoted)
    flows = _told(flow.amount for flow in snapshot.flows)
    in_part = [fill for fill in quoted if fill.untold]
    change = after.equity - before.equity
    return Attribution(
        equity_change=change,
        hedge_pnl=hedge,
        basis_pnl=basis,
        funding=funding,
        fees=fees,
        slippage=slippage,
        flows=flows,
        unexplained=change - (hedge + basis + funding - fees - slippage + flows),
        untold=len(snapshot.untold),
        untold_notional=sum((_notional(fill, after.legs[fill.symbol]) for fill in in_part), ZERO),
        untold_flows=sum((abs(flow.amount or ZERO) for flow in snapshot.flows if flow.untold), ZERO),
    )


def _told(amounts: Iterable[Decimal | None]) -> Decimal:
    """The sum of what is told."""
    return sum((amount for amount in amounts if amount is not None), ZERO)


def _notional(fill: Fill, leg: Leg) -> Decimal:
    price = fill.fill_price or fill.mark_price or leg.mark_price
    return fill.contracts * leg.contract_multiplier * price


def _price_moves(before: Leg | None, after: Leg, fills: Iterable[Fill]) -> tuple[Decimal, Decimal]:
    """Hedge and basis P&L of one instrument: the position before each fill times the move to it."""
    ordered = sorted(fills, key=lambda fill: fill.at)
    if before is None:  # not quoted before, so not held either: nothing moved until its first fill
        first = ordered[0] if ordered else after
        before = Leg(
            contracts=ZERO,
            contract_multiplier=after.contract_multiplier,
            mark_price=_mark_at(first) or after.mark_price,
            index_price=first.index_price,
        )
    held, mark, index = before.contracts, before.mark_price, before.index_price
    hedge = basis = ZERO
    stops = [(_mark_at(f), f.index_price, f.signed_contracts) for f in ordered]
    for told_mark, stop_index, traded in (*stops, (after.mark_price, after.index_price, ZERO)):
        stop_mark = mark if told_mark is None else told_mark
        units = held * after.contract_multiplier
        moved = stop_mark - mark
        moved_index = moved if stop_index is None or index is None else stop_index - index
        hedge += units * moved_index
        basis += units * (moved - moved_index)
        held, mark, index = held + traded, stop_mark, stop_index
    return hedge, basis


def _mark_at(stop: Fill | Leg) -> Decimal | None:
    """The mark of a stop; where none is told of a fill, its own price."""
    if stop.mark_price is None and isinstance(stop, Fill):
        return stop.fill_price
    return stop.mark_price


def _slippage(fill: Fill, leg: Leg) -> Decimal | None:
    """
    ``signed contracts * multiplier * (fill price - mark)``: positive when worse than the mark. None
    where either price is not told.
    """
    if fill.fill_price is None or fill.mark_price is None:
        return None
    return fill.signed_contracts * leg.contract_multiplier * (fill.fill_price - fill.mark_price)
