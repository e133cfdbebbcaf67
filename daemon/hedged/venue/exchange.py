"""
One venue's public side, shared by every portfolio that hedges or is priced there.

Enters a dialect and a wire without a key; leaves listings, quotes and series. What was asked a
moment ago is not asked again, so that twenty portfolios cost market data once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal

import polars as pl
import structlog

from hedged.core.market import Instrument, Quote
from hedged.core.metrics import Series
from hedged.core.metrics.history import SCHEMAS
from hedged.errors import VenueUnavailable
from hedged.venue.dialect import Dialect, Listing
from hedged.venue.first_price import FirstPrices
from hedged.venue.intervals import Intervals
from hedged.venue.lasting import classified
from hedged.venue.lately import Lately
from hedged.venue.tiers import TierTable
from hedged.venue.wire import Wire

log = structlog.get_logger()

FRESH = timedelta(seconds=5)
"""A quote that was asked for less than this ago serves another portfolio too."""
RUNNING_EVERY = timedelta(minutes=15)
"""How far apart the kept running funding rates are."""
LISTED_AGAIN = timedelta(hours=1)
AT_ONCE = timedelta(0)
STEPS = {
    "lot": "the lot",
    "tick": "the tick",
    "contracts_min": "the least order in contracts",
    "notional_min": "the least order in money",
}
"""Of an `Instrument`: what an order is rounded to and measured by when it is planned."""
SKEW_MEASURED_AGAIN = timedelta(minutes=5)


class Exchange:
    """What everybody may know of one venue."""

    def __init__(self, name: str, dialect: Dialect, wire: Wire, clock: Callable[[], datetime]) -> None:
        self.name = name
        self.dialect = dialect
        self.wire = wire
        self.skew = timedelta(0)
        self.tiers = TierTable(dialect, clock)
        self.intervals = Intervals(dialect, wire, clock)
        self.first_prices = FirstPrices(dialect, wire)
        self._clock = clock
        self._listings: dict[str, Listing] = {}
        self._listed_at: datetime | None = None
        self._quotes: dict[str, tuple[datetime, Quote]] = {}
        self._deep: frozenset[str] = frozenset()
        self._prices: dict[tuple[str, str], tuple[datetime, Decimal | None]] = {}
        self._skew_at: datetime | None = None
        self._asking = asyncio.Lock()
        self._series = Lately(clock, FRESH)

    async def listings(self, *, age_max: timedelta = LISTED_AGAIN) -> dict[str, Listing]:
        """Every contract that can hedge, by symbol, as they were told at most *age_max* ago."""
        now = self._clock()
        async with self._asking:
            at = self._listed_at
            if at is None or not timedelta(0) <= now - at < age_max:
                found = await self.dialect.listings(self.wire)
                self._listings = {symbol: classified(one, now) for symbol, one in found.items()}
                self._listed_at = now
        return self._listings

    @property
    def listed(self) -> dict[str, Listing]:
        """The listings as they were last told."""
        return self._listings

    async def listing(self, symbol: str) -> Listing:
        """
        One contract.

        Raises
        ------
        VenueUnavailable
            When the venue does not list it, asked anew.
        """
        found = (await self.listings()).get(symbol) or (await self.listings(age_max=AT_ONCE)).get(
            symbol
        )
        if found is None:
            raise VenueUnavailable(f"{self.name} does not list {symbol} (any more)")
        return found

    async def listing_now(
        self, symbol: str, multiplier: Decimal | None, planned: Instrument | None
    ) -> Listing:
        """
        One contract as it was listed at most `FRESH` ago, for an order of contracts of *multiplier*
        that was planned with the steps and minimums of *planned*.

        Raises
        ------
        VenueUnavailable
            As `listing`, and when it does not trade any more, has another size, or other steps: the
            next pass plans with those.
        """
        await self.listings(age_max=FRESH)
        found = await self.listing(symbol)
        size = found.instrument.contract_multiplier
        if not found.active:
            raise VenueUnavailable(f"{symbol} does not trade any more")
        if multiplier not in (None, size):
            raise VenueUnavailable(f"{symbol} was {multiplier} a contract and is {size} now")
        for what, name in STEPS.items():
            before = getattr(planned, what, None)
            now = getattr(found.instrument, what)
            if before not in (None, now):
                raise VenueUnavailable(f"{name} of {symbol} was {before} and is {now} now")
        return found

    async def quotes(
        self, symbols: Iterable[str], deep: frozenset[str] = frozenset()
    ) -> dict[str, Quote]:
        """
        Quotes of listed *symbols*, at most `FRESH` old; of those *deep* with the book's depth, and the
        hours of their running rate.
        """
        wanted = frozenset(symbols)
        listings = [await self.listing(symbol) for symbol in sorted(wanted)]
        async with self._asking:
            now = self._clock()
            known = {s for s in wanted if self._is_fresh(self._quotes.get(s), now)}
            old = [one for one in listings if one.instrument.symbol not in known - (deep - self._deep)]
            told = await self.dialect.quotes(self.wire, tuple(old), deep) if old else ()
            await self.first_prices.compare(
                told, {one.instrument.symbol: one for one in old}, now - self.skew
            )
            hedges = {one.instrument.symbol: one for one in old if one.instrument.symbol in deep}
            for quote in await self.intervals.beside(told, hedges):
                self._quotes[quote.symbol] = (now, quote)
            self._deep = (self._deep - {one.instrument.symbol for one in old}) | (deep & wanted)
        return {symbol: self._quotes[symbol][1] for symbol in wanted}

    async def prices(self, pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[Decimal, datetime]]:
        """Spot prices by base asset, and when they were asked; absent where nobody trades the pair."""
        wanted = sorted(set(pairs))
        async with self._asking:
            now = self._clock()
            old = [pair for pair in wanted if not self._is_fresh(self._prices.get(pair), now)]
            found = await self.dialect.prices(self.wire, tuple(old)) if old else {}
            for base, quote in old:
                self._prices[base, quote] = (now, found.get(base))
        known = {pair: self._prices[pair] for pair in wanted}
        return {base: (price, at) for (base, _), (at, price) in known.items() if price is not None}

    async def series(
        self, symbol: str, series: Series, bar: str, after: datetime | None, until: datetime
    ) -> pl.DataFrame:
        """
        See `Market.series`.

        Raises
        ------
        VenueUnavailable
            Also for bars that have not closed by the venue's clock, when the local one is ahead of it:
            what is kept of a bar is kept for ever.
        """
        present = self._clock() - self.skew
        if series == "bars" and until > present:
            raise VenueUnavailable(
                f"bars of {symbol} until {until:%Y-%m-%d %H:%M} have not closed by the clock of "
                f"{self.name}, where it is {present:%H:%M:%S}; is the local clock ahead?"
            )
        listing = await self.listing(symbol)
        if series == "funding_next":
            return await self._running(listing, after, until)

        async def ask() -> pl.DataFrame:
            return await self.dialect.series(self.wire, listing, series, bar, after, until)

        return await self._series.rows((symbol, series, bar), after, until, ask)

    async def measure_skew(self, *, again: bool = False) -> timedelta:
        """How far the local clock is ahead of the venue's, measured every few minutes, or *again*."""
        now = self._clock()
        at = self._skew_at
        if again or at is None or not timedelta(0) <= now - at < SKEW_MEASURED_AGAIN:
            theirs = await self.dialect.server_time(self.wire)
            answered = self._clock()
            self.skew = now + (answered - now) / 2 - theirs
            self._skew_at = now
        return self.skew

    def present(self, began: datetime) -> datetime:
        """
        The venue's time when a look *began* by the local clock, or earlier.

        Never later: a clock that was set back while the look went on, and before the skew was measured,
        would put it off into the future, and what happens until then would not be asked for again.
        """
        return min(began, self._clock()) - self.skew

    def doubt_skew(self) -> None:
        """The clock may have been set since the skew was measured; the next pass measures it again."""
        self._skew_at = None

    async def _running(self, listing: Listing, after: datetime | None, until: datetime) -> pl.DataFrame:
        """
        The running funding rate of now, at most one row: venues do not tell of earlier ones.

        None before `RUNNING_EVERY` has passed since the last one that is kept. It is stamped by the
        venue's answer, a moment after *until*.
        """
        nothing, symbol = pl.DataFrame(schema=SCHEMAS["funding_next"]), listing.instrument.symbol
        now = self._clock()
        too_soon = after is not None and now - self.skew - after < RUNNING_EVERY
        if too_soon or not listing.funds or now - until > FRESH:
            return nothing
        quote = (await self.quotes([symbol]))[symbol]
        if quote.funding_rate_next is None or (after is not None and quote.at <= after):
            return nothing
        hours = await self.dialect.funding_hours(self.wire, listing)
        row = {
            "at": quote.at,
            "funding_rate_next": float(quote.funding_rate_next),
            "interval_hours": float(hours),
        }
        return pl.DataFrame([row], schema=nothing.schema, orient="row")

    async def close(self) -> None:
        """Let go of the sockets."""
        await self.wire.close()

    def _is_fresh(self, known: tuple[datetime, object] | None, now: datetime) -> bool:
        return known is not None and timedelta(0) <= now - known[0] < FRESH
