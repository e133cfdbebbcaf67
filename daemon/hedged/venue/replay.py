"""
A market that walks recorded history: it knows at an instant only what was known then.

Enters a history store and an instant; leaves quotes, closed bars, funding and open interest up to
that instant. What an order meets (the open of the bar in progress) is told to fills alone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import polars as pl

from hedged.core.market import Instrument, Quote
from hedged.core.metrics import Series, bar_seconds
from hedged.core.metrics.history import SCHEMAS
from hedged.errors import VenueUnavailable
from hedged.history.rows import accept, time_column
from hedged.history.store import HistoryStore
from hedged.venue.due import due_funding
from hedged.venue.protocol import ClosedBar, SettledFunding, Trading

# A last close older than this many bars is no price any more.
BARS_MAX = 2


@dataclass(frozen=True, slots=True)
class _Bars:
    close_times: list[datetime]
    rows: Sequence[Mapping[str, float | None]]


class ReplayClock:
    """The history's own clock: it stands still until it is set, and never goes back."""

    def __init__(self, start: datetime, end: datetime) -> None:
        self.now = start
        self.start = start
        self.end = end

    def __call__(self) -> datetime:
        return self.now

    def set(self, now: datetime) -> None:
        self.now = max(self.now, now)


class ReplayMarket:
    """
    Recorded bars of *bar* length under *store*; *reload* reads them anew for every pass.

    In real time what settled just now is recorded *lag* later.
    """

    def __init__(
        self,
        store: HistoryStore,
        bar: str,
        *,
        reload: bool = False,
        lag: timedelta = timedelta(0),
    ) -> None:
        self.store = store
        self.bar = bar
        self.reload = reload
        self.lag = lag
        self.step = timedelta(seconds=bar_seconds(bar))
        self._bars: dict[str, _Bars] = {}
        self._funding: dict[str, tuple[list[datetime], list[tuple[float, float]]]] = {}

    async def refresh(self, symbols: Iterable[str], now: datetime, since: datetime | None) -> None:
        if self.reload:
            self.store.forget()
            self._bars.clear()
            self._funding.clear()

    def known_until(self, now: datetime) -> datetime:
        return now - self.lag

    def instruments(self) -> tuple[Instrument, ...]:
        return ()

    def quote(self, symbol: str, now: datetime) -> Quote | None:
        found = self._last_closed(symbol, now)
        if found is None or now - found[0] > BARS_MAX * self.step:
            return None
        close_time, row = found
        index = row["index_close"]
        return Quote(
            symbol=symbol,
            at=close_time,
            mark_price=_decimal(row["close"]),
            index_price=None if index is None else _decimal(index),
        )

    def close_at(self, symbol: str, at: datetime) -> Decimal | None:
        found = self._last_closed(symbol, at)
        return None if found is None else _decimal(found[1]["close"])

    def trading(self, symbol: str, now: datetime) -> Trading | None:
        bars = self._loaded(symbol)
        place = bisect_right(bars.close_times, now)
        last = bars.rows[place - 1] if place else None
        index = last["index_close"] if last else None
        if place < len(bars.rows) and bars.close_times[place] - self.step <= now:
            row, price = bars.rows[place], bars.rows[place]["open"]
            since = bars.close_times[place] - self.step
        elif self.reload and last and now - bars.close_times[place - 1] <= self.step:
            # In real time the bar in progress is not recorded yet; the last close is its open.
            row, price, since = last, last["close"], bars.close_times[place - 1]
        else:
            return None
        return Trading(
            since=since,
            mark_price=_decimal(price),
            index_price=None if index is None else _decimal(index),
            volume=_decimal(row["volume"]),
        )

    def closed_bars(self, symbol: str, after: datetime, until: datetime) -> list[ClosedBar]:
        bars = self._loaded(symbol)
        places = range(bisect_right(bars.close_times, after), bisect_right(bars.close_times, until))
        return [
            ClosedBar(
                close_time=bars.close_times[i],
                high=_decimal(bars.rows[i]["high"]),
                close=_decimal(bars.rows[i]["close"]),
            )
            for i in places
        ]

    def funding(self, symbol: str, after: datetime, until: datetime) -> list[SettledFunding]:
        return due_funding(*self._settled(symbol), after, until)

    async def series(
        self, symbol: str, series: Series, bar: str, after: datetime | None, until: datetime
    ) -> pl.DataFrame:
        if bar != self.bar:
            raise VenueUnavailable(f"only {self.bar} bars of {symbol} are recorded, not {bar}")
        frame = self.store.read(symbol, series, bar)
        stamp = pl.col(time_column(series))
        known = stamp + self.step if series == "bars" else stamp
        new = pl.lit(True) if after is None else stamp > after
        return frame.filter(new & (known <= until))

    def records(self, symbol: str, column: str) -> bool:
        """Whether any row of *symbol* has a figure in *column* of any series."""
        for series, schema in SCHEMAS.items():
            if column in schema:
                return self.store.read(symbol, series, self.bar)[column].is_not_null().any()
        return False

    def _last_closed(
        self, symbol: str, at: datetime
    ) -> tuple[datetime, Mapping[str, float | None]] | None:
        bars = self._loaded(symbol)
        place = bisect_right(bars.close_times, at)
        return None if place == 0 else (bars.close_times[place - 1], bars.rows[place - 1])

    def _loaded(self, symbol: str) -> _Bars:
        if symbol not in self._bars:
            recorded = self.store.read(symbol, "bars", self.bar)
            frame = accept(recorded, recorded.clear(), "bars", self.bar).rows
            times = [opened + self.step for opened in frame["open_time"].to_list()]
            self._bars[symbol] = _Bars(times, frame.to_dicts())
        return self._bars[symbol]

    def _settled(self, symbol: str) -> tuple[list[datetime], list[tuple[float, float]]]:
        if symbol not in self._funding:
            frame = self.store.read(symbol, "funding", self.bar)
            rates = frame.select("funding_rate", "interval_hours").rows()
            self._funding[symbol] = (frame["at"].to_list(), rates)
        return self._funding[symbol]


def _decimal(figure: float | None) -> Decimal:
    if figure is None:
        raise VenueUnavailable("a recorded bar lacks a figure")
    return Decimal(str(figure))
