"""
Words that a person writes for a contract, and the one listed contract that they mean. Pure.

Enters words and what the venue lists; leaves a listing, or an error that names the nearest ones. A
name is never guessed: BTC is not BTCDOM, SHIB is not 1000SHIB, and an index is only meant where
the words say so.
"""

from __future__ import annotations

import calendar
import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, get_args

from hedged.errors import SettingsError
from hedged.venue.dialect import Listing

Shape = Literal["perpetual", "index perpetual", "front quarter", "next quarter"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
WORDS = frozenset({"inverse"}.union(*(shape.split() for shape in SHAPES)))
INVERSE = "inverse"
EXAMPLES = (
    "'BTC perpetual', 'BTC USDC perpetual', 'BTC inverse perpetual', 'ALL index perpetual', "
    "'BTC front quarter', 'BTC next quarter', 'BTC 2026-06-26' or 'BTC/USDT:USDT'"
)

EXPIRY_MIN = timedelta(days=1)
"""A contract nearer to its delivery is not the front one any more."""
NEAREST = 5

RELATIVE = {
    "BTCDOM": "it is Bitcoin against other coins, and falls when they rise faster than Bitcoin does: "
    "short of it alone, a portfolio is not hedged against a falling market",
}
"""Indices of one coin against others, and why none can be a hedge by itself."""

_DATE = re.compile(r"^\d{4}-\d\d-\d\d$")
_MULTIPLIER = re.compile(r"^1(0+|M)(?=[A-Z])")
"""What contracts on many of a cheap coin carry before its name: 1000SHIB, 1MBABYDOGE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """Words taken apart; *settle* is None where the contract pays in its own coin."""

    words: str
    base: str
    settle: str | None
    shape: Shape | date

    def fits(self, listing: Listing) -> bool:
        """Whether it is of this coin, currency and sort; which of several quarters is open."""
        one = listing.instrument
        if one.base != self.base or one.inverse != (self.settle is None):
            return False
        if one.settle != (self.settle or one.base):
            return False
        if isinstance(self.shape, date):
            return one.expiry is not None and one.expiry.date() == self.shape
        if self.shape == "perpetual":
            return listing.kind == "perpetual"
        if self.shape == "index perpetual":
            return listing.kind == "index"
        return _is_quarterly(listing)


def resolve(
    words: str, listings: Mapping[str, Listing], now: datetime, settle: str = "USDT"
) -> Listing:
    """
    The contract of *listings* that *words* mean at *now*: its symbol, or a coin and a sort.

    Words mean contracts that trade; a symbol also one that does not just now. *settle* is the
    currency where words name none.

    Raises
    ------
    SettingsError
        When nothing, or more than one contract, is meant; it names the nearest.
    """
    if "/" in words:
        return _named(words, listings)
    asked = _parsed(words, listings, settle)
    found = [one for one in listings.values() if asked.fits(one)]
    usable = [one for one in found if _trades(one, now)]
    if asked.shape in ("front quarter", "next quarter"):
        usable = _quarter(usable, now, place=("front quarter", "next quarter").index(asked.shape))
    if len(usable) == 1:
        return usable[0]
    if usable:
        raise SettingsError(f"{words!r} may be {_symbols(usable)}; write the one that is meant")
    raise SettingsError(_missing(asked, listings, found, now))


def refuse_only_leg(bases: Iterable[str]) -> None:
    """
    Refuse a hedge of nothing but a relative index, such as BTCDOM; beside other legs it may stand.

    *bases* are what the contracts with a weight are of, in any spelling: a contract on a thousand of
    an index, 1000BTCDOM, moves as the index does.

    Raises
    ------
    SettingsError
        Naming it and the reason.
    """
    found = list(bases)
    plain = [_MULTIPLIER.sub("", base.upper()) for base in found]
    if found and all(base in RELATIVE for base in plain):
        raise SettingsError(
            f"{found[0]} can't be the only leg of a hedge: {RELATIVE[plain[0]]}. Name another contract "
            "instead of it, or beside it"
        )


def sort_of(listing: Listing) -> str:
    """What sort of contract it is, ``inverse perpetual``; of quarters `resolve` wants to know which."""
    one = listing.instrument
    name = {"perpetual": "perpetual", "index": "index perpetual", "dated": "dated"}[listing.kind]
    inverse = f"{INVERSE} " if one.inverse else ""
    return f"{inverse}{'quarter' if _is_quarterly(listing) else name}"


def _is_quarterly(listing: Listing) -> bool:
    expiry = listing.instrument.expiry
    return listing.kind == "dated" and expiry is not None and is_quarter(expiry)


def is_quarter(expiry: datetime) -> bool:
    """Whether it is the last Friday of March, June, September or December, as of quarterlies."""
    last = calendar.monthrange(expiry.year, expiry.month)[1]
    return expiry.month % 3 == 0 and expiry.weekday() == calendar.FRIDAY and expiry.day + 7 > last


# ---- reading words


def _parsed(words: str, listings: Mapping[str, Listing], settle: str) -> _Asked:
    base, *rest = words.upper().split() or [""]
    if base.lower() in WORDS and all(one.instrument.base != base for one in listings.values()):
        raise SettingsError(f"{words!r} names no coin; write it first: {EXAMPLES}")
    if not rest:
        raise SettingsError(_half(words, base, listings))
    money: str | None = settle
    first = rest[0].lower()
    if first == INVERSE:
        money, rest = None, rest[1:]
    elif first not in WORDS and not _DATE.match(first):
        money, rest = _currency(words, rest[0], listings), rest[1:]
    shape = " ".join(rest).lower()
    if _DATE.match(shape):
        return _Asked(words=words, base=base, settle=money, shape=_day(words, shape))
    for known in SHAPES:
        if shape == known:
            return _Asked(words=words, base=base, settle=money, shape=known)
    if not shape:
        raise SettingsError(f"{words!r} names no sort of contract; write {EXAMPLES}")
    if shape == "quarter":
        raise SettingsError(f"{words!r}: which one? write 'front quarter', 'next quarter' or its date")
    near = difflib.get_close_matches(shape, SHAPES, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"write {EXAMPLES}"
    raise SettingsError(f"{words!r}: {shape!r} says no sort of contract; {hint}")


def _currency(words: str, name: str, listings: Mapping[str, Listing]) -> str:
    known = {one.instrument.settle for one in listings.values() if not one.instrument.inverse}
    if name in known:
        return name
    near = difflib.get_close_matches(name.lower(), [*sorted(WORDS), *(k.lower() for k in known)], n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"write {EXAMPLES}"
    raise SettingsError(f"{words!r}: nothing is settled in {name!r} here; {hint}")


def _day(words: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"{words!r}: {text} is no date") from None


def _half(words: str, base: str, listings: Mapping[str, Listing]) -> str:
    same = [one for one in listings.values() if one.instrument.base == base]
    if same:
        return f"{words!r} says no sort of contract; of {base} there are {_symbols(same)}"
    if base:
        return f"{words!r} is not listed; {_did_you_mean(_near(base, listings))}"
    return f"no contract is named; write {EXAMPLES}"


# ---- finding listings


def _named(words: str, listings: Mapping[str, Listing]) -> Listing:
    symbol = words.strip().upper()
    if symbol in listings:
        return listings[symbol]
    base = symbol.partition("/")[0]
    same = [one for one in listings.values() if one.instrument.base == base]
    names = [one.instrument.symbol for one in same]
    begun = [name for name in names if name.startswith(symbol)]
    alike = begun or difflib.get_close_matches(symbol, names, n=NEAREST)
    nearest = [listings[name] for name in alike] or same or _near(base, listings)
    raise SettingsError(f"{symbol} is not listed; {_did_you_mean(nearest)}")


def _trades(listing: Listing, now: datetime) -> bool:
    expiry = listing.instrument.expiry
    return listing.active and (expiry is None or expiry > now)


def _quarter(found: list[Listing], now: datetime, *, place: int) -> list[Listing]:
    """Those of the first (or second) expiry that is at least `EXPIRY_MIN` away."""
    ends = [one.instrument.expiry for one in found]
    expiries = sorted({end for end in ends if end is not None and end - now >= EXPIRY_MIN})
    wanted = expiries[place] if place < len(expiries) else None
    return [one for one in found if wanted is not None and one.instrument.expiry == wanted]


# ---- what is said


def _missing(
    asked: _Asked, listings: Mapping[str, Listing], found: list[Listing], now: datetime
) -> str:
    gone = [one for one in found if not _trades(one, now)]
    if gone and asked.shape not in ("front quarter", "next quarter"):
        return f"{asked.words!r}: {_symbols(gone)} is listed and does not trade now"
    same = [one for one in listings.values() if one.instrument.base == asked.base and _trades(one, now)]
    nearest = same or _near(asked.base, listings)
    return f"nothing that trades here is {asked.words!r}; {_did_you_mean(nearest)}"


def _near(base: str, listings: Mapping[str, Listing]) -> list[Listing]:
    """One contract each of the coins whose names look alike: the first without an expiry, if any."""
    bases = sorted({one.instrument.base for one in listings.values()})
    alike = difflib.get_close_matches(base, bases, n=NEAREST)
    alike += [one for one in bases if len(base) > 1 and base in one and one not in alike]
    return [
        min(
            (one for one in listings.values() if one.instrument.base == name),
            key=lambda one: one.kind == "dated",
        )
        for name in alike
    ]


def _did_you_mean(found: list[Listing]) -> str:
    if not found:
        return "see `hedged market instruments`"
    return f"did you mean {_symbols(found[:NEAREST])}?"


def _symbols(found: Iterable[Listing]) -> str:
    return ", ".join(f"{one.instrument.symbol} ({sort_of(one)})" for one in found)
