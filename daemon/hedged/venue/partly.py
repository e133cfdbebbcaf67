"""
Events that a venue tells in part. Pure.

What moves a position must be read whole, or its contract is held: an `Unread`. What is money alone
is read as far as it goes: a figure that can't be told is None, never zero, and a sentence names it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from hedged.core.market import Fill, Flow
from hedged.errors import VenueUnavailable
from hedged.venue.dialect import Happening, Unread
from hedged.venue.reading import instant

T = TypeVar("T")
_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,32}")


class Partly:
    """Reads figures that may be missing, and keeps in *words* which are."""

    def __init__(self) -> None:
        self._words: list[str] = []

    def told(self, read: Callable[[], T]) -> T | None:
        """What *read* comes to, None with a word on why where it can't be read."""
        try:
            return read()
        except VenueUnavailable as error:
            self._words.append(str(error))
            return None

    def say(self, words: str) -> None:
        """One more thing that is not told, or not known for sure."""
        self._words.append(words)

    @property
    def words(self) -> str:
        """All of them, empty when everything was told."""
        return "; ".join(self._words)


def fee_in(settle: str, fee: Decimal, coin: object, what: str) -> Decimal:
    """
    A fee in *settle*.

    Raises
    ------
    VenueUnavailable
        When it is paid in another coin: what that was worth at the trade is not told.
    """
    if coin != settle and fee:
        raise VenueUnavailable(
            f"{what}: its fee is {fee} {plain(coin)}, which is not told in {settle}; let the account "
            f"pay its fees in {settle}"
        )
    return fee


def plain(word: object) -> str:
    """A venue's short word as it may be shown; nothing that could be a text of its own."""
    return word if isinstance(word, str) and _PLAIN.fullmatch(word) else "(not a plain word)"


def marked(fill: Fill, symbol: str, mark: Decimal | None, index: Decimal | None) -> Fill:
    """The *fill* under the core's *symbol* with the prices of its minute."""
    missing = "" if mark is not None else f"no mark price of {symbol} at {fill.at:%Y-%m-%d %H:%M}"
    words = "; ".join(part for part in (fill.untold, missing) if part)
    return replace(fill, symbol=symbol, mark_price=mark, index_price=index, untold=words)


def key_or_digest(row: dict[str, Any], key_of: Callable[[dict[str, Any]], str]) -> str:
    """The key of an event; where it has none, that of its whole text, which is the same each time."""
    try:
        return key_of(row)
    except VenueUnavailable:
        whole = json.dumps(row, sort_keys=True, default=str)
        return f"row:{hashlib.sha256(whole.encode()).hexdigest()}"


def whole_or_unread(
    row: dict[str, Any],
    fields: tuple[str, ...],
    key: str,
    symbol: str,
    read: Callable[[], Happening],
    shown: Callable[[Any], str],
) -> Happening | Unread:
    """
    A fill, or that one of *symbol* can't be read, with the venue's own words as they are *shown*: the
    *fields* that matter, its time first.
    """
    try:
        return read()
    except VenueUnavailable as error:
        at = Partly().told(lambda: instant(row, fields[0], key))
        return Unread(key=key, symbol=symbol, at=at, why=_why(error, row, fields, shown))


def money_or_words(
    row: dict[str, Any],
    fields: tuple[str, ...],
    key: str,
    seen_at: datetime,
    read: Callable[[], Happening | None],
    shown: Callable[[Any], str],
) -> Happening | None:
    """
    What moved money, or that something did which can't be read; as of *seen_at* where it is not even
    told when. *fields* and *shown* as of `whole_or_unread`.
    """
    try:
        return read()
    except VenueUnavailable as error:
        at = Partly().told(lambda: instant(row, fields[0], key)) or seen_at
        flow = Flow(at=at, amount=None, untold=_why(error, row, fields, shown))
        return Happening(at=at, key=key, value=flow)


def _why(
    error: Exception, row: dict[str, Any], fields: tuple[str, ...], shown: Callable[[Any], str]
) -> str:
    return f"{error}; the venue says {shown({name: row.get(name) for name in fields})}"
