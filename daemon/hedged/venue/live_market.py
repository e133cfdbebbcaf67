"""
What an exchange shows to everybody, as the market of an account on paper.

Enters an `Exchange`, asked without a key; leaves quotes, the bars that closed since the account was
last carried, and the funding settled in between. What was not answered is unavailable, never guessed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl
import structlog

from hedged.core.market import ZERO, Instrument, Quote
from hedged.core.metrics import Series, bar_seconds
from hedged.errors import VenueUnavailable
from hedged.history.rows import accept
from hedged.venue.asking import answers
from hedged.venue.dialect import Listing
from hedged.venue.due import MOMENT, due_funding
from hedged.venue.exchange import Exchange
from hedged.venue.protocol import ClosedBar, SettledFunding, Trading

log = structlog.get_logger()

LENGTHS = ("1m", "5m", "15m", "1h", "4h", "1d")
"""Bars that are asked for: the shortest that tell of the time since the last look in few rows."""
STEPS = tuple(timedelta(seconds=bar_seconds(bar)) for bar in LENGTHS)
ROWS_MAX = 1000
MINUTE = STEPS[0]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

CLOSED_FOR = timedelta(seconds=5)
"""A bar is taken for closed so long after its end, by the venue's clock."""
RECENT = timedelta(minutes=5)
"""An order takes a share of what traded in this time."""
HALT_MAX = timedelta(hours=1)
"""The last close before the account's instant is looked for so far back."""
SETTLES_WITHIN = timedelta(minutes=15)
"""A stamp without a rate is waited for so long, and is then missing for ever."""
STAMPS_BACK = timedelta(days=2)
INTERVAL_HOURS_MAX = 8.0
"""No venue settles less often; a longer distance between two stamps is itself a missing one."""
QUOTE_AGE_MAX = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Bars of one length that close in (begins, ends]; both lie on its grid."""

    bar: str
    step: timedelta
    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bar:
    close_time: datetime
    high: Decimal
    close: Decimal
    volume: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """One contract at one look: everything after *begins*."""

    listing: Listing
    quote: Quote
    begins: datetime
    bars: Sequence[_Bar]
    close_times: Sequence[datetime]
    stamps: Sequence[datetime]
    rates: Sequence[tuple[float, float]]


class LiveMarket:
    """The `Market` of *exchange*, in real time."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._seen: dict[str, _Seen] = {}
        self._since: datetime | None = None

    async def refresh(self, symbols: Iterable[str], now: datetime, since: datetime | None) -> None:
        self._seen, self._since = {}, since
        names = sorted(set(symbols))
        await self.exchange.measure_skew()
        theirs = self.exchange.present(now)
        until = _floor(theirs - CLOSED_FOR, MINUTE)
        begins = min(until - RECENT, _floor(since or until, MINUTE))
        asked = await self.exchange.quotes(names)
        timed = await self.exchange.intervals.beside(asked.values(), await self.exchange.listings())
        quotes = {quote.symbol: quote for quote in timed}
        found = await answers(self._look(name, quotes[name], begins, until, theirs) for name in names)
        self._seen = dict(zip(names, found, strict=True))

    def known_until(self, now: datetime) -> datetime:
        """
        The last close that all contracts have; before a stamp that is due and not yet published.

        Such a stamp is waited for `SETTLES_WITHIN`, lest what comes late is counted as missing.
        """
        seen = self._seen
        ends = min(one.close_times[-1] for one in seen.values())
        awaited = [
            settled.at - MOMENT
            for symbol in seen
            for settled in self.funding(symbol, self._since or ends, ends)
            if settled.funding_rate is None and now - settled.at < SETTLES_WITHIN
        ]
        return min([ends, *awaited])

    def instruments(self) -> tuple[Instrument, ...]:
        return tuple(seen.listing.instrument for seen in self._seen.values())

    def quote(self, symbol: str, now: datetime) -> Quote | None:
        quote = self._of(symbol).quote
        return quote if abs(now - self.exchange.skew - quote.at) <= QUOTE_AGE_MAX else None

    def close_at(self, symbol: str, at: datetime) -> Decimal | None:
        seen = self._of(symbol)
        place = bisect_right(seen.close_times, at)
        if not place:
            raise VenueUnavailable(f"{symbol}: no bar closed in the hour before {at:%Y-%m-%d %H:%M}")
        return seen.bars[place - 1].close

    def trading(self, symbol: str, now: datetime) -> Trading | None:
        seen, quote = self._of(symbol), self.quote(symbol, now)
        if quote is None or not seen.listing.active:
            return None
        if quote.bid_price is None or quote.ask_price is None:
            return None
        since = now - self.exchange.skew - CLOSED_FOR - RECENT
        recent = (bar.volume for bar in seen.bars if bar.close_time > since)
        return Trading(
            since=now - RECENT,
            mark_price=quote.mark_price,
            index_price=quote.index_price,
            volume=sum(recent, ZERO),
            bid_price=quote.bid_price,
            ask_price=quote.ask_price,
        )

    def closed_bars(self, symbol: str, after: datetime, until: datetime) -> list[ClosedBar]:
        seen = self._covering(symbol, after)
        places = range(bisect_right(seen.close_times, after), bisect_right(seen.close_times, until))
        bars = (seen.bars[place] for place in places)
        return [ClosedBar(close_time=b.close_time, high=b.high, close=b.close) for b in bars]

    def funding(self, symbol: str, after: datetime, until: datetime) -> list[SettledFunding]:
        seen = self._covering(symbol, after)
        return due_funding(seen.stamps, seen.rates, after, until)

    async def series(
        self, symbol: str, series: Series, bar: str, after: datetime | None, until: datetime
    ) -> pl.DataFrame:
        return await self.exchange.series(symbol, series, bar, after, until)

    def _of(self, symbol: str) -> _Seen:
        if symbol not in self._seen:
            raise VenueUnavailable(f"{symbol} was not looked at")
        return self._seen[symbol]

    def _covering(self, symbol: str, after: datetime) -> _Seen:
        seen = self._of(symbol)
        if after < seen.begins:
            raise VenueUnavailable(f"{symbol}: nothing was asked of {after:%Y-%m-%d %H:%M}")
        return seen

    async def _look(
        self, symbol: str, quote: Quote, begins: datetime, until: datetime, now: datetime
    ) -> _Seen:
        listing = await self.exchange.listing(symbol)
        bars = await self._bars(symbol, begins, until)
        if not bars:
            raise VenueUnavailable(f"{symbol}: no bar closed since {begins:%Y-%m-%d %H:%M}")
        settled = await self._settled(listing, begins, now)
        return _Seen(
            listing=listing,
            quote=quote,
            begins=begins,
            bars=bars,
            close_times=[bar.close_time for bar in bars],
            stamps=[at for at, _, _ in settled],
            rates=[(rate, hours) for _, rate, hours in settled],
        )

    async def _bars(self, symbol: str, begins: datetime, until: datetime) -> list[_Bar]:
        """The bars that closed in (*begins*, *until*], and those of the hour before."""
        before = Stretch(bar=LENGTHS[0], step=MINUTE, begins=begins - HALT_MAX, ends=begins)
        asked = [before, *stretches(begins, until)]
        if asked[1].bar == before.bar:
            ends = asked.pop(1).ends
            asked[0] = Stretch(bar=before.bar, step=MINUTE, begins=before.begins, ends=ends)
        found = await answers(self._stretch(symbol, stretch) for stretch in asked)
        return [bar for bars in found for bar in bars]

    async def _stretch(self, symbol: str, stretch: Stretch) -> list[_Bar]:
        step = stretch.step
        told = await self.exchange.series(
            symbol, "bars", stretch.bar, stretch.begins - step, stretch.ends
        )
        accepted = accept(told, told.clear(), "bars", stretch.bar)
        for why in accepted.refused:
            log.warning("bar_refused", symbol=symbol, why=why)
        rows = accepted.rows.select("open_time", "high", "close", "volume").rows()
        return [
            _Bar(
                close_time=opened + step,
                high=Decimal(str(high)),
                close=Decimal(str(close)),
                volume=Decimal(str(volume)),
            )
            for opened, high, close, volume in rows
            if stretch.begins < opened + step <= stretch.ends
        ]

    async def _settled(
        self, listing: Listing, begins: datetime, now: datetime
    ) -> list[tuple[datetime, float, float]]:
        """The settled funding with the stamps before it: (at, rate, hours covered)."""
        symbol = listing.instrument.symbol
        told = await self.exchange.series(symbol, "funding", LENGTHS[0], begins - STAMPS_BACK, now)
        accepted = accept(told, told.clear(), "funding", LENGTHS[0])
        for why in accepted.refused:
            log.warning("funding_refused", symbol=symbol, why=why)
        rows = accepted.rows.select("at", "funding_rate", "interval_hours").rows()
        if not rows and listing.funds:
            raise VenueUnavailable(
                f"{symbol}: no funding was settled since {begins - STAMPS_BACK:%Y-%m-%d %H:%M}"
            )
        return [(at, rate, min(hours, INTERVAL_HOURS_MAX)) for at, rate, hours in rows]


def stretches(since: datetime, until: datetime) -> list[Stretch]:
    """
    How to ask for the bars of (since, until], both on a minute, in `ROWS_MAX` rows or few more.

    A short gap is told in minutes. In a long one bars grow up to the shortest length that is short
    enough, each begun on its own grid, and fall again to minutes for the last `RECENT` of it: no bar
    tells of a time before *since*, and none is left out up to *until*.
    """
    main = next((i for i, step in enumerate(STEPS) if until - since <= ROWS_MAX * step), len(STEPS) - 1)
    rises, falls = [since], [until]
    for step in STEPS[1 : main + 1]:
        rises.append(_floor(rises[-1] - MOMENT, step) + step)
        falls.append(_floor(until - RECENT, step))
    bounds = [*rises, *reversed(falls)]
    lengths = [*range(main + 1), *reversed(range(main))]
    return [
        Stretch(bar=LENGTHS[i], step=STEPS[i], begins=begins, ends=ends)
        for i, begins, ends in zip(lengths, bounds[:-1], bounds[1:], strict=True)
        if begins < ends
    ]


def _floor(at: datetime, step: timedelta) -> datetime:
    """The last instant on the grid of *step* at or before *at*."""
    return at - (at - EPOCH) % step
