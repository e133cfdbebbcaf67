"""
What each position that is held earns or pays for being held (sections 3.1 and 4.2).

Enters a snapshot; leaves the carry of each position a year, as a ratio and in the quote currency,
positive when it is received: of a perpetual its funding at the running rate (else the last settled
one), of a dated contract what it gains or loses on its index until delivery. Neither is a forecast:
both are what a year would bring if all stayed as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from hedged.core.market import ZERO, FundingPayment, Position, Quote, Snapshot, notional
from hedged.core.watch import YEAR_HOURS

DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)
YEAR_DAYS = 365
INTERVALS_MAX = 2
"""A settled rate older than this many of its own intervals is unknown, as in a rule."""

Source = Literal["running funding", "settled funding", "basis", ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class Carry:
    """
    One position: *rate_annualized* of its notional, and *amount_annualized* in the quote currency.

    Both are positive when received, and None where they are unknown; *because* then says why.
    """

    symbol: str
    contracts: Decimal
    quote: str
    told_by: Source = ""
    rate_annualized: Decimal | None = None
    amount_annualized: Decimal | None = None
    because: str = ""


def carries(snapshot: Snapshot) -> tuple[Carry, ...]:
    """
    Every position that is held, in the venue's order.

    A short of 200,000 at 0.01% in 8 hours receives 10.95% a year, 21,900; at -0.01% it pays that.
    """
    quotes = {quote.symbol: quote for quote in snapshot.quotes}
    return tuple(
        _carry(held, snapshot, quotes.get(held.symbol)) for held in snapshot.positions if held.contracts
    )


def _carry(held: Position, snapshot: Snapshot, quote: Quote | None) -> Carry:
    instrument = snapshot.instrument(held.symbol)
    if quote is None:
        found = _Found(because="its mark is unknown")
    elif instrument.expiry is not None:
        found = _basis(instrument.expiry, quote)
    elif quote.funding_rate_next is not None:
        found = _running(quote.funding_rate_next, quote)
    else:
        found = _settled(snapshot, quote)
    if found.rate is None:
        return Carry(
            symbol=held.symbol,
            contracts=held.contracts,
            quote=instrument.quote,
            because=found.because,
        )
    return Carry(
        symbol=held.symbol,
        contracts=held.contracts,
        quote=instrument.quote,
        told_by=found.told_by,
        # A short has negative contracts, and receives what a long pays.
        rate_annualized=found.rate if held.contracts < 0 else -found.rate,
        amount_annualized=-found.rate * notional(instrument, held.contracts, found.price),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What a short receives a year as a ratio, and the price that the ratio is a share of."""

    rate: Decimal | None = None
    price: Decimal = ZERO
    told_by: Source = ""
    because: str = ""


def _running(rate: Decimal, quote: Quote) -> _Found:
    """``funding_rate_next * 24 * 365 / funding_hours``, paid on the mark."""
    if not quote.funding_hours:
        return _Found(because="the hours that its running funding rate covers are not known")
    yearly = rate * YEAR_HOURS / quote.funding_hours
    return _Found(rate=yearly, price=quote.mark_price, told_by="running funding")


def _settled(snapshot: Snapshot, quote: Quote) -> _Found:
    """
    The last rate settled since the pass before, where the venue tells no running one; its hours are
    those since the settlement before it.
    """
    paid = sorted((p for p in snapshot.funding_payments if p.symbol == quote.symbol), key=_at)
    if len(paid) < 2 or snapshot.funding_missed:
        return _Found(because="neither its running funding rate nor two settled ones are known")
    rate, apart = paid[-1].funding_rate, paid[-1].at - paid[-2].at
    fresh = snapshot.at - paid[-1].at <= INTERVALS_MAX * apart
    if rate is None or not apart or not fresh:
        return _Found(because="its last settled funding rate is unknown or too old")
    hours = Decimal(int(apart.total_seconds())) / 3600
    yearly = rate * YEAR_HOURS / hours
    return _Found(rate=yearly, price=quote.mark_price, told_by="settled funding")


def _at(paid: FundingPayment) -> datetime:
    return paid.at


def _basis(expiry: datetime, quote: Quote) -> _Found:
    """``(mark / index - 1) * 365 / days to expiry``, a share of the index."""
    if not quote.index_price:
        return _Found(because="its index is not known")
    left = expiry - quote.at
    if left < DAY:
        return _Found(because="it is delivered in less than a day")
    days = Decimal(left // MICROSECOND) / (DAY // MICROSECOND)
    yearly = (quote.mark_price / quote.index_price - 1) * YEAR_DAYS / days
    return _Found(rate=yearly, price=quote.index_price, told_by="basis")
