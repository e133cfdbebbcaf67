"""
Binance's bars, funding and open interest as rows of the history. Pure: answers in, rows out.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from hedged.errors import VenueUnavailable
from hedged.venue.dialect import Listing
from hedged.venue.partly import Partly
from hedged.venue.reading import instant, number, positive, rows_of
from hedged.venue.stamps import settled_rates

FUNDING_HOURS = Decimal(8)


def bars_of(klines: Any, index_klines: Any) -> list[dict[str, Any]]:
    """Rows of ``bars``, each with the close of the index's bar of the same time, None without one."""
    closes = {
        _begin(row): number({"close": row[4]}, "close", "index kline") for row in _klines(index_klines)
    }
    return [
        {
            "open_time": _begin(row),
            **{
                name: float(number({name: row[place]}, name, "kline"))
                for place, name in enumerate(("open", "high", "low", "close", "volume"), start=1)
            },
            "index_close": float(closes[_begin(row)]) if _begin(row) in closes else None,
        }
        for row in _klines(klines)
    ]


def open_of(klines: Any) -> Decimal | None:
    """The open of the only bar, None without one, or where it is no price."""
    rows = _klines(klines)
    return Partly().told(lambda: positive({"open": rows[0][1]}, "open", "kline")) if rows else None


def _begin(row: list[Any]) -> datetime:
    return instant({"open time": row[0]}, "open time", "kline")


def _klines(answer: Any) -> list[list[Any]]:
    if not isinstance(answer, list) or not all(isinstance(r, list) and len(r) > 6 for r in answer):
        raise VenueUnavailable("klines: not a list of rows")
    return answer


def funding_rows_of(answer: Any, interval_hours: Decimal) -> list[dict[str, Any]]:
    """Rows of ``funding``; *interval_hours* is today's interval."""
    what = "fundingRate"
    return settled_rates(
        ((instant(row, "fundingTime", what), number(row, what, what)) for row in rows_of(answer, what)),
        interval_hours,
    )


def interval_of(answer: Any, listing: Listing) -> Decimal:
    """Hours between two fundings: 8, unless ``fundingInfo`` says otherwise."""
    for row in rows_of(answer, "fundingInfo"):
        if row.get("symbol") == listing.market_id:
            return positive(row, "fundingIntervalHours", "fundingInfo")
    return FUNDING_HOURS


def open_interest_rows_of(answer: Any, interval_hours: float) -> list[dict[str, Any]]:
    """Rows of ``open_interest`` out of ``openInterestHist``."""
    return [
        {
            "at": instant(row, "timestamp", "openInterestHist"),
            "open_interest": float(number(row, "sumOpenInterest", "openInterestHist")),
            "open_interest_notional": float(number(row, "sumOpenInterestValue", "openInterestHist")),
            "interval_hours": interval_hours,
        }
        for row in rows_of(answer, "openInterestHist")
    ]
