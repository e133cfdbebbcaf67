"""
Leverage and margin mode as the settings ask for them, put right where a person lets hedged do it.

Enters how an account trades its contracts; leaves how it does after that, and sentences on what was
changed or refused. Nothing is changed under a position or an open order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import structlog

from hedged.errors import VenueRefused, VenueUnavailable
from hedged.venue.accounts import Account
from hedged.venue.dialect import AccountSeen, Listing, SymbolMode

log = structlog.get_logger()

What = Literal["margin_mode", "leverage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjusted:
    """The *modes* as they are now; what was *changed*, and what the venue *refused* to change."""

    modes: Mapping[str, SymbolMode]
    changed: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


async def modes_of(account: Account, listings: Iterable[Listing]) -> dict[str, SymbolMode]:
    """How *account* trades each of *listings*, by symbol. Raises `VenueUnavailable`."""
    asked = tuple(listings)
    found = await asyncio.gather(
        *(account.exchange.dialect.mode(account.wire, listing) for listing in asked)
    )
    return {one.instrument.symbol: mode for one, mode in zip(asked, found, strict=True)}


def flat(account: Account, seen: AccountSeen, held: Collection[str]) -> frozenset[str]:
    """
    The legs without a position and without an open order, by the venue and by our own book.

    *held* are the contracts that the book says are held: one empty answer does not make them flat.
    Where the margin mode is the account's, anything on the account is in the way of all.
    """
    busy = {found.position.symbol for found in seen.positions}
    busy |= {order.symbol for order in seen.open_orders} | set(held)
    whole = account.exchange.dialect.margin_mode_of_account
    return frozenset() if whole and busy else account.legs - busy


async def put_right(
    account: Account,
    listings: Mapping[str, Listing],
    modes: Mapping[str, SymbolMode],
    idle: Collection[str],
) -> Adjusted:
    """
    Set what differs from the settings of *account* for contracts that are *idle*, then read it again.

    Only the reading says whether it worked, so an answer that is lost does no harm.
    """
    hedged = any(mode.hedge_mode for mode in modes.values())
    if hedged or not (account.wanted.adjust and account.wire.may_send):
        return Adjusted(modes=modes)
    said: dict[tuple[str, What], str] = {}
    for symbol in sorted(set(idle) & modes.keys()):
        for what in _differing(account, modes[symbol]):
            said[symbol, what] = await _set(account, listings[symbol], what)
    if not said:
        return Adjusted(modes=modes)
    after = await modes_of(account, (listings[symbol] for symbol in modes))
    changed, refused = list[str](), list[str]()
    for (symbol, what), error in said.items():
        was, now = getattr(modes[symbol], what), getattr(after[symbol], what)
        named = f"{what.replace('_', ' ')} of {symbol} on {account.name}"
        if was != now:
            log.warning("account_changed", account=account.name, symbol=symbol, what=what,
                        was=str(was), now=str(now))  # fmt: skip
            changed.append(f"{named} was {was} and was set to {now}; the next pass goes on")
        elif error:
            refused.append(f"{account.exchange.name} did not set the {named} ({error}); do it by hand")
    return Adjusted(modes=after, changed=tuple(changed), refused=tuple(refused))


def _differing(account: Account, mode: SymbolMode) -> Iterator[What]:
    """What is known to be otherwise than asked, the margin mode first."""
    wanted = account.wanted
    if wanted.margin_mode is not None and mode.margin_mode not in (None, wanted.margin_mode):
        yield "margin_mode"
    if wanted.leverage is not None and mode.leverage not in (None, wanted.leverage):
        yield "leverage"


async def _set(account: Account, listing: Listing, what: What) -> str:
    """Ask the venue for it; what it said against that, or why nobody knows."""
    dialect, wanted = account.exchange.dialect, account.wanted
    try:
        if what == "leverage" and wanted.leverage is not None:
            await dialect.set_leverage(account.wire, listing, wanted.leverage)
        elif wanted.margin_mode is not None:
            await dialect.set_margin_mode(account.wire, listing, wanted.margin_mode)
    except (VenueRefused, VenueUnavailable) as error:
        return str(error)
    return ""
