"""
A tape of prices that answers candles of any longer interval.

Bars are kept at the length they were loaded with, or a minute when they grow from recorded prices; a
longer interval is put together from them, a gap is filled flat at the close before it, as venues do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

MINUTE = timedelta(minutes=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
UNITS = {"m": MINUTE, "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A candle from *opens_at* on."""

    opens_at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = Decimal(0)
    trades: int = 0


def length(interval: str) -> timedelta:
    """``4h`` is four hours; weeks begin on Mondays. Raises `KeyError` for an unknown unit."""
    return UNITS[interval[-1]] * int(interval[:-1])


def bucket(at: datetime, step: timedelta) -> datetime:
    """The opening of the bar of length *step* that *at* falls into."""
    origin = FIRST_MONDAY if step >= timedelta(weeks=1) else EPOCH
    return at - (at - origin) % step


class Tape:
    """Bars by opening time; ascending."""

    def __init__(self) -> None:
        self._bars: dict[datetime, Bar] = {}

    def copy(self) -> Tape:
        """A tape of its own with the same bars."""
        tape = Tape()
        tape._bars = dict(self._bars)
        return tape

    def load(self, bars: Iterable[Bar]) -> None:
        """Add *bars*; one that opens where another does replaces it."""
        self._bars = dict(sorted((self._bars | {bar.opens_at: bar for bar in bars}).items()))

    def record(self, at: datetime, price: Decimal, volume: Decimal = Decimal(0)) -> None:
        """Grow the minute of *at* by a price."""
        opens_at = bucket(at, MINUTE)
        trade = Bar(
            opens_at=opens_at,
            open=price,
            high=price,
            low=price,
            close=price,
            volume=volume,
            trades=int(bool(volume)),
        )
        old = self._bars.get(opens_at)
        late = not old and bool(self._bars) and opens_at < next(reversed(self._bars))
        self._bars[opens_at] = _grown(old, trade) if old else trade
        if late:
            self.load(())

    def bars(self, interval: str, until: datetime) -> list[Bar]:
        """All bars of *interval* that open at or before *until*, the running one included."""
        step = length(interval)
        made: list[Bar] = []
        for bar in self._bars.values():
            if bar.opens_at > until:
                break
            opens_at = bucket(bar.opens_at, step)
            if made and made[-1].opens_at == opens_at:
                made[-1] = _grown(made[-1], bar)
            else:
                _fill(made, opens_at, step)
                made.append(_moved(bar, opens_at))
        _fill(made, bucket(until, step) + step, step)
        return made


def _grown(bar: Bar, by: Bar) -> Bar:
    return Bar(
        opens_at=bar.opens_at,
        open=bar.open,
        high=max(bar.high, by.high),
        low=min(bar.low, by.low),
        close=by.close,
        volume=bar.volume + by.volume,
        trades=bar.trades + by.trades,
    )


def _moved(bar: Bar, opens_at: datetime) -> Bar:
    return Bar(
        opens_at=opens_at,
        open=bar.open,
        high=bar.high,
        low=bar.low,
        close=bar.close,
        volume=bar.volume,
        trades=bar.trades,
    )


def _fill(made: list[Bar], until: datetime, step: timedelta) -> None:
    while made and made[-1].opens_at + step < until:
        flat = made[-1].close
        made.append(Bar(opens_at=made[-1].opens_at + step, open=flat, high=flat, low=flat, close=flat))
