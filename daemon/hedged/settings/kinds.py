"""
The kinds of values that settings have: numbers, durations, times, names.

Numbers are `Decimal` and finite; unknown keys of a table are errors.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

_DURATION = re.compile(r"^(\d+)(s|m|h|d|w)$")
_SYMBOL = r"^[A-Z0-9]+/[A-Z0-9]+:[A-Z0-9]+(-\d{6})?$"
_WORDS = r"^[A-Za-z0-9]+( +[A-Za-z0-9-]+)+$"
_DATED = re.compile(r"-(\d\d)(\d\d)(\d\d)$")
DELIVERY_HOUR = 8
DURATION_S_MAX = 10 * 366 * 86400
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def no_bool(value: Any) -> Any:
    """Refuse true and false where a number is wanted: Python would take them for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("write a number, not true or false")
    return value


def _duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    matched = _DURATION.match(value) if isinstance(value, str) else None
    if matched is None:
        raise ValueError("write a duration such as '30s', '5m', '8h', '1d' or '4w'")
    seconds = int(matched[1][:12]) * _SECONDS[matched[2]]
    if seconds > DURATION_S_MAX:
        raise ValueError("a duration is at most ten years")
    return timedelta(seconds=seconds)


def utc(value: datetime) -> datetime:
    """The same instant in UTC; a time without a zone is refused."""
    if value.tzinfo is None:
        raise ValueError("write a time with its zone, such as 2021-05-10T00:00:00Z")
    return value.astimezone(UTC)


def delivery_of(symbol: str) -> datetime | None:
    """
    When the contract of a symbol such as ``BTC/USDT:USDT-240628`` is delivered; None for a perpetual.

    At 08:00 UTC of the date in its name, the venues' usual time. Raises `ValueError` for a date that
    is none.
    """
    dated = _DATED.search(symbol)
    if dated is None:
        return None
    year, month, day = (int(part) for part in dated.groups())
    try:
        return datetime(2000 + year, month, day, DELIVERY_HOUR, tzinfo=UTC)
    except ValueError:
        raise ValueError(f"{symbol} ends in no date; a dated contract ends in -YYMMDD") from None


def _delivered(symbol: str) -> str:
    delivery_of(symbol)
    return symbol


def is_words(text: str) -> bool:
    """Whether a contract is named by words; a symbol has a slash, and words have none."""
    return "/" not in text


def _named(text: str) -> str:
    if not re.fullmatch(_WORDS if is_words(text) else _SYMBOL, text):
        raise ValueError("write a symbol such as 'BTC/USDT:USDT', or words such as 'BTC perpetual'")
    return text if is_words(text) else _delivered(text)


# The validator comes last, or pydantic leaves the bounds out of the JSON schema.
NUMBER = BeforeValidator(no_bool)
Positive = Annotated[Decimal, Field(gt=0), NUMBER]
NotNegative = Annotated[Decimal, Field(ge=0), NUMBER]
Ratio = Annotated[Decimal, Field(ge=0, le=1), NUMBER]
Bps = Annotated[Decimal, Field(ge=0, le=1000), NUMBER]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Instant = Annotated[datetime, AfterValidator(utc)]
# Lower case: an environment variable names an account without regard to case.
AccountName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Symbol = Annotated[str, Field(pattern=_SYMBOL), AfterValidator(_delivered)]
Contract = Annotated[
    str, Field(json_schema_extra={"pattern": f"{_SYMBOL}|{_WORDS}"}), AfterValidator(_named)
]
"""A symbol, or words that an exchange is asked about."""
Asset = Annotated[str, Field(pattern=r"^[A-Z0-9]{1,20}$")]


class Section(BaseModel):
    """A table of the settings: frozen, and every key known."""

    model_config = ConfigDict(extra="forbid", frozen=True)
