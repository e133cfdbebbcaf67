"""
A margin account on paper: what its events make of it, and what time does to it.

Enters a market, a ledger and instants; leaves wallet, positions, equity and maintenance margin.
Funding is booked at real stamps on the position before any fill of that instant, and the highs of
closed bars decide whether margin ran out on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal

from hedged.core.margin import maintenance_margin, rise_to_liquidation
from hedged.core.market import (
    ZERO,
    Fill,
    Flow,
    FundingPayment,
    Instrument,
    MarginTier,
    Position,
    notional,
    to_tick,
)
from hedged.core.record import Outcome
from hedged.errors import VenueUnavailable
from hedged.venue.ledger import Contract, Event, Kind, Ledger, Value
from hedged.venue.protocol import Market
from hedged.venue.reading import plain

BPS = Decimal(10_000)
FEE_STEP = Decimal("1e-8")
NOTIONAL_MAX = Decimal(1_000_000_000)
"""Of the one tier that stands in for a venue's own; a larger position has no leverage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperTerms:
    """
    What trading on paper costs, and what the account started with.

    *maintenance_rate* is the share of notional that a venue's contract needs where only a key could
    ask for its tiers; the leverage is then ``1 / (2 * maintenance_rate)``, and none at all with 0.
    """

    collateral: Decimal
    fee_bps: Decimal
    half_spread_bps: Decimal
    slippage_bps: Decimal
    volume_share_max: Decimal
    liquidation_fee_bps: Decimal
    maintenance_rate: Decimal = Decimal("0.025")


class PaperAccount:
    """
    The account folded from its ledger; linear contracts, one settle currency.

    *legs* are the contracts that it may trade, by default all of *instruments*; on a live market these
    are empty until `relist` has the venue's own.
    """

    def __init__(
        self,
        market: Market,
        ledger: Ledger,
        terms: PaperTerms,
        instruments: tuple[Instrument, ...],
        legs: frozenset[str] = frozenset(),
    ) -> None:
        self.market = market
        self.ledger = ledger
        self.terms = terms
        self.instruments = {i.symbol: i for i in instruments}
        self.legs = legs or frozenset(self.instruments)
        self._fold()

    def relist(self, listed: Iterable[Instrument]) -> None:
        """
        Take the contracts as the venue lists them now.

        Raises
        ------
        VenueUnavailable
            When one is not what it was when it was traded: the book can't be read with it.
        """
        for instrument in listed:
            traded = self.traded.get(instrument.symbol)
            if traded and traded.contract_multiplier != instrument.contract_multiplier:
                raise VenueUnavailable(
                    f"{instrument.symbol} was traded on paper with {traded.contract_multiplier} a "
                    f"contract, and has {instrument.contract_multiplier} now; give service.state_dir "
                    "another folder"
                )
            tiers = instrument.tiers or _only_tier(self.terms.maintenance_rate)
            self.instruments[instrument.symbol] = replace(instrument, tiers=tiers)

    def advance(self, now: datetime) -> None:
        """
        Carry the account from where it was to *now*; a clock that steps back changes nothing.

        In real time it may stay behind, so that what settled just now is known when it is booked.
        """
        since, until = self.ledger.advanced_to, self.market.known_until(now)
        if since is None:
            self.add("flow", "collateral", Flow(at=now, amount=self.terms.collateral))
            self.commit(until)
        elif until > since:
            self._pass_time(since, until)
            self.commit(until)

    def _pass_time(self, since: datetime, now: datetime) -> None:
        """What happened in (since, now], in its order: bars first, then the funding of that instant."""
        highs: dict[datetime, dict[str, Decimal]] = {}
        for symbol in self.instruments:
            for bar in self.market.closed_bars(symbol, since, now):
                highs.setdefault(bar.close_time, {})[symbol] = bar.high
        funding = [
            (settled.at, symbol, settled.funding_rate)
            for symbol in self.instruments
            for settled in self.market.funding(symbol, since, now)
        ]
        before = since
        for at in sorted(highs.keys() | {at for at, _, _ in funding}):
            self._liquidate(highs.get(at, {}), before, at)
            for settled_at, symbol, rate in funding:
                if settled_at == at:
                    self._book_funding(symbol, rate, at)
            before = at

    def commit(self, advanced_to: datetime | None = None) -> None:
        """
        Make the staged events last, the account carried to *advanced_to* (default: where it was).

        Raises
        ------
        VenueUnavailable
            When the disk refuses; then the account is again what is on the disk.
        """
        to = advanced_to or self.ledger.advanced_to
        assert to is not None, "an account is advanced before it trades"
        try:
            self.ledger.commit(to)
        except VenueUnavailable:
            self._fold()
            raise

    def add(self, kind: Kind, key: str, value: Value) -> None:
        """Put an event into the book and let it take effect; `Ledger.commit` makes it last."""
        self._apply(self.ledger.stage(kind, key, value))

    def held(self, symbol: str) -> Decimal:
        """Signed contracts held."""
        position = self.positions.get(symbol)
        return position.contracts if position else ZERO

    def _fold(self) -> None:
        """What the events of the ledger make of the account."""
        self.wallet = ZERO
        self.traded: dict[str, Contract] = {}
        self.positions: dict[str, Position] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.fills: list[Fill] = []
        for event in self.ledger.events:
            self._apply(event)

    def _held_before(self, symbol: str, at: datetime) -> Decimal:
        """Signed contracts held before any fill at or after *at*."""
        later = (f.signed_contracts for f in self.fills if f.symbol == symbol and f.at >= at)
        return self.held(symbol) - sum(later, ZERO)

    def marks(self, at: datetime) -> dict[str, Decimal]:
        """The last close of every instrument that has one."""
        closes = {symbol: self.market.close_at(symbol, at) for symbol in self.instruments}
        return {symbol: close for symbol, close in closes.items() if close is not None}

    def equity(self, marks: Mapping[str, Decimal]) -> Decimal:
        """``wallet + sum of contracts * multiplier * (mark - entry)``, in the settle currency."""
        unrealised = (
            notional(self.instruments[p.symbol], p.contracts, marks[p.symbol] - p.entry_price)
            for p in self.positions.values()
            if p.contracts
        )
        return self.wallet + sum(unrealised, ZERO)

    def maintenance(self, marks: Mapping[str, Decimal]) -> Decimal:
        """The maintenance margin of all positions at *marks*."""
        return sum(
            (
                maintenance_margin(self.instruments[s], p.contracts, marks[s])
                for s, p in self.positions.items()
                if p.contracts
            ),
            ZERO,
        )

    def _book_funding(self, symbol: str, rate: Decimal | None, at: datetime) -> None:
        """``amount = -contracts * multiplier * last close * rate``: a short receives when positive."""
        held, close = self._held_before(symbol, at), self.market.close_at(symbol, at)
        if held == 0:
            return
        key = f"funding {symbol} {at.isoformat()}"
        if rate is None or close is None:
            self.add("funding_missed", key, None)
            return
        amount = -notional(self.instruments[symbol], held, close) * rate
        payment = FundingPayment(
            at=at, symbol=symbol, funding_rate=rate, contracts=held, mark_price=close, amount=amount
        )
        self.add("funding", key, payment)

    def _liquidate(self, highs: Mapping[str, Decimal], since: datetime, at: datetime) -> None:
        """Close everything where, on the way from the marks at *since* to *highs*, margin ran out."""
        held = {s: self.held(s) for s in self.instruments if self.held(s)}
        if not held or not highs:
            return
        before = self.marks(since)
        worst = before | {s: max(high, before[s]) for s, high in highs.items() if s in before}
        if self.equity(worst) > self.maintenance(worst):
            return
        rise = rise_to_liquidation(self.equity(before), held, self.instruments, before) or ZERO
        prices = {
            s: to_tick(before[s] * (1 + rise), self.instruments[s].tick, ROUND_FLOOR) for s in held
        }
        sizes = {s: abs(notional(self.instruments[s], held[s], prices[s])) for s in held}
        fee_rate = self.terms.liquidation_fee_bps / BPS
        # The fee takes what is left at most: the venue's insurance bears the rest.
        left = max(ZERO, self.equity(before | prices)) / sum(sizes.values(), ZERO)
        for symbol, contracts in held.items():
            fill = Fill(
                at=at,
                symbol=symbol,
                side="buy" if contracts < 0 else "sell",
                contracts=abs(contracts),
                fill_price=prices[symbol],
                mark_price=prices[symbol],
                index_price=None,
                fee=to_tick(sizes[symbol] * min(fee_rate, left), FEE_STEP, ROUND_FLOOR),
                client_order_id="",
                cause="liquidation",
            )
            self.add("fill", f"liquidation {symbol} {at.isoformat()}", fill)

    def _apply(self, event: Event) -> None:
        match event.value:
            case Flow(amount=amount) | FundingPayment(amount=amount):
                self.wallet += sure(amount)
            case Fill() as fill:
                self.fills.append(fill)
                self._apply_fill(fill)
            case Outcome() as outcome:
                self.outcomes[outcome.client_order_id] = outcome
            case Contract() as contract:
                self.traded[contract.symbol] = contract

    def _apply_fill(self, fill: Fill) -> None:
        """Average the entry when the position grows; realise against it when it shrinks."""
        flat = Position(symbol=fill.symbol, contracts=ZERO, entry_price=ZERO)
        held, signed = self.positions.get(fill.symbol, flat), fill.signed_contracts
        price = sure(fill.fill_price)
        self.wallet -= sure(fill.fee)
        if held.contracts * signed >= 0:
            total = held.contracts + signed
            paid = held.contracts * held.entry_price + signed * price
            self.positions[fill.symbol] = replace(held, contracts=total, entry_price=paid / total)
            return
        moved = price - held.entry_price
        self.wallet += self.traded[fill.symbol].worth(-signed, moved)
        self.positions[fill.symbol] = replace(held, contracts=held.contracts + signed)


def sure(figure: Decimal | None) -> Decimal:
    """A figure of an account on paper, which tells all of them."""
    assert figure is not None, "an account on paper tells everything"
    return figure


def _only_tier(rate: Decimal) -> tuple[MarginTier, ...]:
    """One tier for all positions, in place of those that the venue tells nobody without a key."""
    if not rate:
        return ()
    leverage = plain(max(Decimal(1), 1 / (2 * rate)))
    return (MarginTier(notional_max=NOTIONAL_MAX, rate=rate, deduction=ZERO, leverage_max=leverage),)
