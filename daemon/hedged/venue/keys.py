"""
What the keys of accounts may do, and how accounts trade: asked hourly, and sooner while in doubt.

Enters accounts; leaves sentences on what is wrong with them. Where that could send anything, leverage
and margin mode are put right on the way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from hedged.errors import VenueUnavailable
from hedged.venue import doubts
from hedged.venue.accounts import Account, timed
from hedged.venue.dialect import AccountSeen, Listing, Rights
from hedged.venue.modes import Adjusted, flat, modes_of, put_right

VOUCHED_AGAIN = timedelta(hours=1)
DOUBTED_AGAIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What was *found*, by the clock and by the loop's time, which nobody sets."""

    at: datetime
    beat: float
    found: tuple[str, ...]


def always() -> bool:
    """Nothing stands against it."""
    return True


class Keys:
    """
    Looks at keys; *wrong* says what must not be with one, *may_change* whether accounts may be changed.

    *may_trade* has the accounts whose legs can be traded; *foreign* those whose key belongs to another
    account than the settings say, and why: nothing that is read with it is of the one meant.
    """

    def __init__(
        self,
        wrong: Callable[[Account, Rights], Iterable[str]] | None = None,
        may_change: Callable[[], bool] = always,
    ) -> None:
        self.may_trade: dict[str, bool] = {}
        self.foreign: dict[str, str] = {}
        self._wrong = wrong
        self._may_change = may_change
        self._known: dict[str, _Look] = {}

    async def of_source(self, account: Account, now: datetime) -> tuple[str, ...]:
        """
        Doubts, *now*, on an account that only holds coins.

        Raises
        ------
        VenueUnavailable
            When its key can't be asked about, or does not see all coins: those are not nothing.
        """
        known = self._lately(account, now)
        if known is None:
            await timed(account)
            rights, wrong = await self._asked(account)
            for unseen in doubts.of_sight(account, rights):
                raise VenueUnavailable(unseen)
            known = self._keep(account, now, wrong)
        return known

    async def of_hedge(
        self,
        account: Account,
        listings: Mapping[str, Listing],
        seen: AccountSeen,
        now: datetime,
        *,
        held: Collection[str],
        landing: bool,
    ) -> tuple[str, ...]:
        """
        Doubts on an account that is traded on, with how it trades. *held* are its contracts by our own
        book; *landing* says that an order may still land there. Raises `VenueUnavailable`.
        """
        known = self._lately(account, now)
        if known is not None:
            return known
        _, found = await self._asked(account)
        legs = sorted(account.legs & listings.keys())
        adjusted = Adjusted(modes=await modes_of(account, (listings[symbol] for symbol in legs)))
        # Never on an account that may not be the one meant, nor under an order that may still land.
        if not (found or seen.hedge_mode or landing) and self._may_change():
            adjusted = await put_right(account, listings, adjusted.modes, flat(account, seen, held))
        for symbol, mode in adjusted.modes.items():
            found += tuple(doubts.of_mode(account, symbol, mode))
        return (*self._keep(account, now, (*found, *adjusted.refused)), *adjusted.changed)

    async def _asked(self, account: Account) -> tuple[Rights, tuple[str, ...]]:
        rights = await account.exchange.dialect.rights(account.wire)
        self.may_trade[account.name] = rights.may_trade or not account.legs
        self.foreign.pop(account.name, None)
        for why in doubts.of_owner(account, rights):
            self.foreign[account.name] = why
        return rights, tuple((self._wrong or doubts.of_rights)(account, rights))

    def _lately(self, account: Account, now: datetime) -> tuple[str, ...] | None:
        """What was found when this was looked at last; None when it is to be looked at again."""
        known = self._known.get(account.name)
        if known is None:
            return None
        again = DOUBTED_AGAIN if known.found else VOUCHED_AGAIN
        lately = timedelta(0) <= now - known.at < again
        return known.found if lately and _beat() - known.beat < again.total_seconds() else None

    def _keep(self, account: Account, now: datetime, found: tuple[str, ...]) -> tuple[str, ...]:
        self._known[account.name] = _Look(at=now, beat=_beat(), found=found)
        return found


def _beat() -> float:
    return asyncio.get_running_loop().time()
