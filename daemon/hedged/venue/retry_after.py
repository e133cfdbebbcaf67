"""
How long a host wants to be left alone.

Enters the headers of an answer and the time; leaves seconds. RFC 9110, section 10.2.3: ``Retry-After``
is a number of seconds, or the date after which to ask again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """
    Seconds to wait by *headers*, their names in small letters; None where they say nothing readable.

    A date is reckoned from the answer's own ``Date``, for the clock here may be wrong, else from *now*.
    """
    told = headers.get("retry-after", "")
    try:
        seconds = float(told)
    except ValueError:
        until, since = _date(told), _date(headers.get("date", "")) or now
        return max((until - since).total_seconds(), 0.0) if until else None
    return seconds if math.isfinite(seconds) else None


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
