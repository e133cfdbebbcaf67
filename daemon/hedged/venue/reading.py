"""
Figures out of a venue's answers: exact, present and finite, or a `VenueUnavailable` naming them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hedged.errors import VenueUnavailable

WHOLE_MAX = 10**20
_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,2})?")
YEAR_MS_MIN, YEAR_MS_MAX = 1_262_304_000_000, 4_102_444_800_000  # 2010 to 2100


def rows_of(answer: Any, what: str) -> list[dict[str, Any]]:
    """The answer as a list of tables."""
    if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
        raise VenueUnavailable(f"{what}: not a list of tables")
    return answer


def table_of(answer: Any, what: str) -> dict[str, Any]:
    """The answer as a table."""
    if not isinstance(answer, dict):
        raise VenueUnavailable(f"{what}: not a table")
    return answer


def at(row: Mapping[str, Any], key: str, what: str) -> Any:
    """The value of *key*, which must be there."""
    if row.get(key) is None:
        raise VenueUnavailable(f"{what}: no {key}")
    return row[key]


def text(row: Mapping[str, Any], key: str, what: str) -> str:
    """A text that is not empty; a whole number is taken for one, as ids are."""
    value = at(row, key, what)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise VenueUnavailable(f"{what}: {key} is no text")
    return str(value)


def number(row: Mapping[str, Any], key: str, what: str) -> Decimal:
    """A finite number, written as text or not."""
    value = at(row, key, what)
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise VenueUnavailable(f"{what}: {key} is no number")
    if not _NUMBER.fullmatch(str(value)):  # Decimal would take "1_000", and digits of other scripts
        raise VenueUnavailable(f"{what}: {key} is no finite number")
    return plain(Decimal(str(value)))


def whole(row: Mapping[str, Any], key: str, what: str) -> int:
    """A whole number, 0 or more, as counts and ids are."""
    found = number(row, key, what)
    if found != found.to_integral_value() or not 0 <= found < WHOLE_MAX:
        raise VenueUnavailable(f"{what}: {key} is no whole number")
    return int(found)


def plain(value: Decimal) -> Decimal:
    """The same number without the zeros that a venue pads it with: 60000.00000000 is 60000."""
    shown = f"{value:f}"
    return Decimal(shown.rstrip("0").rstrip(".")) if "." in shown else Decimal(shown)


def positive(row: Mapping[str, Any], key: str, what: str) -> Decimal:
    """A number above zero, as every price is."""
    found = number(row, key, what)
    if found <= 0:
        raise VenueUnavailable(f"{what}: {key} is not above zero")
    return found


def maybe_positive(row: Mapping[str, Any], key: str, what: str) -> Decimal | None:
    """As `positive`, None where the venue says nothing: no field, an empty text, or 0."""
    if row.get(key) in (None, ""):
        return None
    found = number(row, key, what)
    return found if found > 0 else None


def maybe_number(row: Mapping[str, Any], key: str, what: str) -> Decimal | None:
    """As `number`, None where the venue says nothing: no field, or an empty text. 0 is a number."""
    return None if row.get(key) in (None, "") else number(row, key, what)


def flag(row: Mapping[str, Any], key: str, what: str) -> bool:
    """True or false, and nothing else."""
    value = at(row, key, what)
    if not isinstance(value, bool):
        raise VenueUnavailable(f"{what}: {key} is neither true nor false")
    return value


def instant(row: Mapping[str, Any], key: str, what: str) -> datetime:
    """Milliseconds since 1970, as an aware UTC time."""
    value = number(row, key, what)
    if value != value.to_integral_value() or not YEAR_MS_MIN <= value <= YEAR_MS_MAX:
        raise VenueUnavailable(f"{what}: {key} is no time in milliseconds")
    return datetime.fromtimestamp(int(value) / 1000, tz=UTC)


def milliseconds(when: datetime) -> int:
    """The venue's way to write a time."""
    return round(when.timestamp() * 1000)
