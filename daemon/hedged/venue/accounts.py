"""
Accounts at venues, as a portfolio uses them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from hedged.core.market import Position
from hedged.venue.dialect import AccountSeen, Balance, Listing
from hedged.venue.exchange import Exchange
from hedged.venue.protocol import MarginMode
from hedged.venue.wire import Wire

SOUGHT_AGAIN = timedelta(minutes=5)
"""How often the listings are asked for anew while something is held that they don't list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """
    What an account must be like, as the settings say; None where they leave it open. With *adjust*
    leverage and margin mode may be set to that while the account is flat. With *may_only_read*
    a key that can't trade is no doubt: a person trades what is approved.
    """

    account_uid: str | None = None
    leverage: Decimal | None = None
    margin_mode: MarginMode | None = None
    adjust: bool = False
    may_only_read: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Account:
    """
    A key at a venue; *legs* are the contracts that this portfolio hedges with there. Without
    *futures_wallets* the coins in wallets of futures are left out, which its key may not see.
    """

    name: str
    exchange: Exchange
    wire: Wire
    legs: frozenset[str] = frozenset()
    wanted: Wanted = Wanted()
    futures_wallets: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Coins:
    """What lies under the key of *account*, and the *positions* that some of it is margin of."""

    account: Account
    balances: tuple[tuple[str, Balance], ...]
    positions: tuple[Position, ...]


async def timed(account: Account) -> timedelta:
    """
    Let requests of *account* be signed by the venue's clock; how far the local one is ahead of it.

    Whatever is asked with a key comes after this: a clock that was set since makes the venue refuse
    all of it, and what is asked first in a pass would be refused at every pass.

    Raises
    ------
    VenueUnavailable
        When the venue does not tell its time.
    """
    skew = await account.exchange.measure_skew()
    account.wire.clock_is_off(round(skew / timedelta(milliseconds=1)))
    return skew


async def seen_on(
    account: Account, settle: str
) -> tuple[AccountSeen, dict[str, Listing], frozenset[str]]:
    """
    The futures account, the listings that it was read with, and what is held that they don't list.

    A contract that is held and not listed may be new: then the listings are asked for anew, at most
    every `SOUGHT_AGAIN`, and the account is read again with them.

    Raises
    ------
    VenueUnavailable
        When any part of it can't be asked for.
    """

    async def read(listings: dict[str, Listing]) -> tuple[AccountSeen, frozenset[str]]:
        seen = await account.exchange.dialect.account(account.wire, listings, settle, account.legs)
        return seen, frozenset(one.position.symbol for one in seen.positions) - listings.keys()

    listings = await account.exchange.listings()
    seen, unlisted = await read(listings)
    if unlisted and (anew := await account.exchange.listings(age_max=SOUGHT_AGAIN)) is not listings:
        listings = anew
        seen, unlisted = await read(listings)
    return seen, listings, unlisted


async def coins_on(account: Account, numeraire: str, *, margin: bool = True) -> Coins:
    """
    The coins that lie at the venue under the key of *account*, each with the account's name.

    With *margin* also those that serve as such, for an account on which the portfolio does not hedge.

    Raises
    ------
    VenueUnavailable
        When any part of it can't be asked for.
    """
    exchange = account.exchange
    await timed(account)
    listings = await exchange.listings()
    bases = frozenset(listing.instrument.base for listing in listings.values())
    futures = account.futures_wallets
    asked = exchange.dialect.balances(account.wire, bases | {numeraire}, futures=futures)
    if futures:
        found, positions = await asyncio.gather(asked, exchange.dialect.other_positions(account.wire))
    else:
        found, positions = await asked, ()
    if margin and futures:
        found += await exchange.dialect.collateral(account.wire)
    return Coins(
        account=account,
        balances=tuple((account.name, balance) for balance in found),
        positions=positions,
    )


class Names:
    """
    The core's names of contracts on several accounts.

    Those on the *first* account go by their plain symbols, others say where they are:
    ``BTC/USDT:USDT@second``.
    """

    def __init__(self, first: str) -> None:
        self.first = first

    def key(self, account: str, symbol: str) -> str:
        """The core's name of *symbol* on *account*."""
        return symbol if account == self.first else f"{symbol}@{account}"

    def split(self, key: str) -> tuple[str, str]:
        """The account and the venue's symbol of a core's name."""
        symbol, _, account = key.partition("@")
        return account or self.first, symbol
