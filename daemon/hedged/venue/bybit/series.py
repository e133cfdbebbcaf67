"""
Bybit's candles, settled funding and open interest as rows of the history. Pure.

Bybit lists the newest first; here the oldest comes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from hedged.errors import VenueUnavailable
from hedged.venue.bybit.translate import list_of, only_of, result_of
from hedged.venue.dialect import Listing
from hedged.venue.partly import Partly
from hedged.venue.reading import instant, number, positive
from hedged.venue.stamps import settled_rates

INTERVALS: Mapping[str, str] = {
    "1m": "1", "3m": "3", "5m": "5", "15m": "15", "30m": "30", "1h": "60", "2h": "120", "4h": "240",
    "6h": "360", "12h": "720", "1d": "D",
}  # fmt: skip
PERIODS: Mapping[str, str] = {
    "5m": "5min", "15m": "15min", "30m": "30min", "1h": "1h", "4h": "4h", "1d": "1d",
}  # fmt: skip


def interval_of_bar(bar: str) -> str:
    """Bybit's name for a bar. Raises `VenueUnavailable` when it has none of that length."""
    if bar not in INTERVALS:
        raise VenueUnavailable(f"Bybit has no bars of {bar}; it has those of {', '.join(INTERVALS)}")
    return INTERVALS[bar]


def bars_of(klines: Any, index_klines: Any, listing: Listing) -> list[dict[str, Any]]:
    """
    Rows of ``bars``, each with the close of the index's bar of the same time, None without one.

    Their volume is in coins: of inverse contracts, whose volume is told in dollars, the turnover is.
    """
    volume = 6 if listing.instrument.inverse else 5
    places = {"open": 1, "high": 2, "low": 3, "close": 4, "volume": volume}
    closes = {
        _begin(row): number({"close": row[4]}, "close", "index kline")
        for row in _candles(index_klines, listing, 5)
    }
    return [
        {
            "open_time": _begin(row),
            **{
                name: float(number({name: row[place]}, name, "kline")) for name, place in places.items()
            },
            "index_close": float(closes[_begin(row)]) if _begin(row) in closes else None,
        }
        for row in reversed(_candles(klines, listing, volume + 1))
    ]


def open_at(klines: Any, listing: Listing, when: datetime) -> Decimal | None:
    """The open of the bar that begins at *when*, None without one, or where it is no price."""
    for row in _candles(klines, listing, 5):
        if _begin(row) == when:
            return Partly().told(partial(positive, {"open": row[1]}, "open", "kline"))
    return None


def _begin(row: list[Any]) -> datetime:
    return instant({"open time": row[0]}, "open time", "kline")


def _candles(answer: Any, listing: Listing, fields: int) -> list[list[Any]]:
    what = f"klines of {listing.market_id}"
    result = result_of(answer, what)
    _is_of(result, listing, what)
    rows = result.get("list")
    if not isinstance(rows, list) or not all(isinstance(r, list) and len(r) >= fields for r in rows):
        raise VenueUnavailable(f"{what}: not a list of rows")
    return rows


def _is_of(row: Mapping[str, Any], listing: Listing, what: str) -> None:
    if row.get("symbol") != listing.market_id:
        raise VenueUnavailable(f"{what}: the answer is of {row.get('symbol')}")


def funding_hours_of(answer: Any, listing: Listing) -> Decimal:
    """Hours between two fundings, out of ``instruments-info`` of one symbol, which tells minutes."""
    what = f"instruments-info of {listing.market_id}"
    return positive(only_of(list_of(answer, what), listing, what), "fundingInterval", what) / 60


def rates_of(answer: Any, listing: Listing) -> list[tuple[datetime, Decimal]]:
    """One page of ``funding/history``, the oldest first."""
    what = f"funding/history of {listing.market_id}"
    found: list[tuple[datetime, Decimal]] = []
    for row in list_of(answer, what):
        _is_of(row, listing, what)
        found.append((instant(row, "fundingRateTimestamp", what), number(row, "fundingRate", what)))
    return sorted(found)


def funding_rows_of(
    rates: list[tuple[datetime, Decimal]], interval_hours: Decimal
) -> list[dict[str, Any]]:
    """Rows of ``funding``, out of all pages."""
    return settled_rates(sorted(set(rates)), interval_hours)


def open_interest_rows_of(answer: Any, listing: Listing, interval_hours: float) -> list[dict[str, Any]]:
    """
    Rows of ``open_interest`` in coins, whose value in the quote currency is not told.

    None of an inverse contract: of those it is told in dollars, and the coins are not.
    """
    what = f"open-interest of {listing.market_id}"
    _is_of(result_of(answer, what), listing, what)
    if listing.instrument.inverse:
        return []
    return [
        {
            "at": instant(row, "timestamp", what),
            "open_interest": float(number(row, "openInterest", what)),
            "open_interest_notional": None,
            "interval_hours": interval_hours,
        }
        for row in reversed(list_of(answer, what))
    ]
