"""
What proposals that were not traded, or late, would have earned: the account of alert mode.

Enters what a pass saw of the proposal that stands; leaves what is counted so far, by reason.

An order of a proposal counts from the mark p of the pass that made it to the mark x at which it is
traded, or ends:

    linear, sell   contracts * multiplier * (p - x)              in the quote currency
    inverse, sell  contracts * contract value * (p - x) / p      the coin's payoff, at its price x
    buy            the same with the other sign

Positive: trading it when it was proposed would have earned so much more; negative: not trading it has
saved so much. Selling 2 contracts of $100 a point at 2,000, not done, mark now 1,900: +20,000.

One proposal of a portfolio counts at a time. It ends at the marks of the pass that makes the next one,
or that finds nothing due any more. The next one is planned from what is held then, so what was left of
the one before is in it, and counts on from there: no move of a price is counted twice, and none is left
out while anything is due. The sum is what an account that holds whatever the last proposal leads to has
in hedge and basis P&L beyond this one. Fees, funding and slippage are left out on both sides: a trade
counts at the mark of its instant, and one made at once is 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from hedged.core.consent import Proposal, Standing
from hedged.core.market import ZERO, Instrument, Side, Snapshot
from hedged.core.wording import money

LATE = "traded late"
IN_PART = "traded in part"
APPROVED = "approved and not traded"
EXPIRED = "expired"
UNANSWERED = "not answered"
WAITS = "waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Untraded:
    """What is left of an order: *contracts*, proposed at the mark *price*."""

    symbol: str
    side: Side
    contracts: Decimal
    price: Decimal
    contract_multiplier: Decimal
    inverse: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """
    What was traded of a contract, at its mark then, or at its own price where no mark is told; None
    where neither is.
    """

    symbol: str
    side: Side
    contracts: Decimal
    mark_price: Decimal | None
    client_order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """
    The proposal that counts now: what is left of its *orders*, and what the *trades* under it had
    foregone when they were made, None where a price of one is unknown. *heard* are orders of ours
    whose end is counted, so that their fills are not counted again.
    """

    number: int
    orders: tuple[Untraded, ...]
    trades: int = 0
    late: Decimal | None = ZERO
    heard: tuple[str, ...] = ()

    @property
    def left(self) -> bool:
        """Whether anything is not traded yet."""
        return any(order.contracts for order in self.orders)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """So many proposals *earned* so much not; of *unknown* ones no price is known, and none counted."""

    proposals: int = 0
    earned: Decimal = ZERO
    unknown: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            proposals=self.proposals + other.proposals,
            earned=self.earned + other.earned,
            unknown=self.unknown + other.unknown,
        )

    def __str__(self) -> str:
        if self.proposals == self.unknown:
            return "unknown"
        return f"{_signed(self.earned)}{f' and {self.unknown} unknown' if self.unknown else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Foregone:
    """All since the first proposal that was counted: what has *ended*, by reason, and what has not."""

    since: datetime
    counting: Counting | None = None
    ended: dict[str, Tally] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """
    What a pass tells of it: *standing* is what it found in the journal, *made* its own proposal,
    *fills* were told at its beginning, *sent* are ends of its own orders; *due* is whether anything is
    still to be traded, or nobody knows.
    """

    now: datetime
    snapshot: Snapshot
    standing: Standing
    made: Proposal | None
    fills: tuple[Trade, ...]
    sent: tuple[Trade, ...]
    due: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTraded:
    """What trading at once would have *earned* since then, without what is *unknown*; by reason."""

    since: datetime
    earned: Decimal
    unknown: int
    reasons: dict[str, Tally]

    def __str__(self) -> str:
        known = any(tally.proposals > tally.unknown for tally in self.reasons.values())
        total = f"{money(abs(self.earned))} would have been {'earned' if self.earned >= 0 else 'lost'}"
        parts = ", ".join(f"{t.proposals} {why} ({t})" for why, t in self.reasons.items())
        since = f"since {self.since:%Y-%m-%d}"
        return f"{total if known else 'unknown'} {since}, before fees and funding: {parts}"


def earned(order: Untraded, contracts: Decimal, mark_price: Decimal) -> Decimal:
    """What *contracts* of *order* would have earned from its price to *mark_price*."""
    move = order.price - mark_price if order.side == "sell" else mark_price - order.price
    if order.inverse:
        return contracts * order.contract_multiplier * move / order.price
    return contracts * order.contract_multiplier * move


def counted(before: Foregone | None, passed: Passed) -> Foregone | None:
    """What is counted after a pass; None until a first proposal is made."""
    counting, tallied = before.counting if before else None, dict(before.ended) if before else {}
    if counting is not None:
        counting = _heard(counting, passed)
        if passed.made is not None or not passed.due or not counting.left:
            why = reason(counting.number, passed.standing, passed.now, traded=counting.trades > 0)
            why = UNANSWERED if why == WAITS else why
            tallied = _added(tallied, tallies(counting, why, marks_of(passed.snapshot)))
            counting = None
    if passed.made is not None:
        counting = _begun(passed.made, passed.snapshot)
    if before is None and counting is None:
        return None
    return Foregone(since=before.since if before else passed.now, counting=counting, ended=tallied)


def reason(number: int, standing: Standing, now: datetime, *, traded: bool) -> str:
    """Why what is left of proposal *number* is not traded, by what the journal holds of it."""
    proposal, decision = standing.proposal, standing.decision
    if proposal is None or proposal.number != number:
        return UNANSWERED
    if decision is not None and decision.verdict == "reject":
        return f"rejected by {decision.by}"
    if decision is not None:
        return IN_PART if traded else APPROVED
    return EXPIRED if now >= proposal.expires_at else WAITS


def tallies(counting: Counting, why: str, marks: Mapping[str, Decimal]) -> dict[str, Tally]:
    """What a proposal comes to at *marks*: what was traded late, and what is left, for *why*."""
    found = {}
    if counting.trades and counting.late != 0:
        found[LATE] = _tally(counting.late)
    if counting.left:
        left = [order for order in counting.orders if order.contracts]
        known = all(order.symbol in marks for order in left)
        found[why] = _tally(
            sum((earned(o, o.contracts, marks[o.symbol]) for o in left), ZERO) if known else None
        )
    return found


def not_traded(
    foregone: Foregone | None, standing: Standing, marks: Mapping[str, Decimal], now: datetime
) -> NotTraded | None:
    """All of it at *marks*, with the proposal that still counts; None where nothing is to be told."""
    if foregone is None:
        return None
    reasons = foregone.ended
    if foregone.counting is not None:
        counting = foregone.counting
        why = reason(counting.number, standing, now, traded=counting.trades > 0)
        now_at = tallies(counting, why, marks)
        if now_at.get(WAITS) == Tally(proposals=1):
            del now_at[WAITS]  # proposed just now: nothing has moved yet
        reasons = _added(reasons, now_at)
    return _summed(foregone.since, reasons)


def ended(foregone: Foregone | None) -> NotTraded | None:
    """What is counted of the proposals that count no more; None where there is nothing to tell."""
    return None if foregone is None else _summed(foregone.since, foregone.ended)


def _summed(since: datetime, reasons: dict[str, Tally]) -> NotTraded | None:
    if not reasons:
        return None
    return NotTraded(
        since=since,
        earned=sum((tally.earned for tally in reasons.values()), ZERO),
        unknown=sum(tally.unknown for tally in reasons.values()),
        reasons=reasons,
    )


def marks_of(snapshot: Snapshot) -> dict[str, Decimal]:
    """The marks that *snapshot* has; what has none is unknown, and never 0."""
    return {quote.symbol: quote.mark_price for quote in snapshot.quotes}


def _begun(made: Proposal, snapshot: Snapshot) -> Counting:
    orders = []
    for bound in made.steps:
        instrument: Instrument = snapshot.instrument(bound.symbol)
        orders.append(
            Untraded(
                symbol=bound.symbol,
                side=bound.side,
                contracts=bound.contracts_max,
                price=snapshot.quote(bound.symbol).mark_price,
                contract_multiplier=instrument.contract_multiplier,
                inverse=instrument.inverse,
            )
        )
    return Counting(number=made.number, orders=tuple(orders))


def _heard(counting: Counting, passed: Passed) -> Counting:
    """*counting* after what a pass was told; each trade counts once, by its order's end or its fill."""
    for fill in passed.fills:
        if fill.client_order_id not in counting.heard:
            counting = _traded(counting, fill)
    for end in passed.sent:
        counting = _traded(counting, end)
        counting = replace(counting, heard=(*counting.heard, end.client_order_id))
    return counting


def _traded(counting: Counting, trade: Trade) -> Counting:
    """*counting* after *trade*; more than is left of an order is not its own."""
    for place, order in enumerate(counting.orders):
        part = min(order.contracts, trade.contracts)
        if (order.symbol, order.side) == (trade.symbol, trade.side) and part:
            rest = replace(order, contracts=order.contracts - part)
            late = None
            if counting.late is not None and trade.mark_price is not None:
                late = counting.late + earned(order, part, trade.mark_price)
            orders = (*counting.orders[:place], rest, *counting.orders[place + 1 :])
            counting = replace(counting, orders=orders, late=late, trades=counting.trades + 1)
            trade = replace(trade, contracts=trade.contracts - part)
    return counting


def _tally(figure: Decimal | None) -> Tally:
    return Tally(proposals=1, earned=figure or ZERO, unknown=int(figure is None))


def _added(before: Mapping[str, Tally], more: Mapping[str, Tally]) -> dict[str, Tally]:
    return {
        **before, **{why: before.get(why, Tally()) + tally for why, tally in more.items()}
    }  # fmt: skip


def _signed(figure: Decimal) -> str:
    return f"+{money(figure)}" if figure > 0 else money(figure)
