"""
Whose the keys are: what lies on one account counts once, however many names it has.

Enters accounts, hedged on and counted; leaves the coins of those that count. A key tells the number of
its account, which never changes, so it is asked once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from hedged.venue.accounts import Account, Coins, coins_on, timed

Owner = tuple[str, str]
"""An exchange and its number of an account."""


class Owners:
    """The owners of the keys that were asked for so far, by the names of their accounts."""

    def __init__(self) -> None:
        self._known: dict[str, Owner] = {}

    async def of(self, accounts: Iterable[Account]) -> dict[str, Owner]:
        """
        The owner of each account; nobody is asked where there is one name only.

        Raises
        ------
        VenueUnavailable
            When a key does not tell it.
        """
        named = {account.name: account for account in accounts}
        if len(named) > 1:
            asked = [one for name, one in named.items() if name not in self._known]
            for account, owner in zip(asked, await asyncio.gather(*map(_owner, asked)), strict=True):
                self._known[account.name] = owner
        return {name: self._known.get(name, (one.exchange.name, name)) for name, one in named.items()}

    async def coins(
        self, hedges: tuple[Account, ...], sources: tuple[Account, ...], numeraire: str
    ) -> list[Coins]:
        """
        What lies under the keys of *sources*, without the margin of accounts that *hedges* trade on by
        whatever name: a look at those tells it already.

        Raises
        ------
        VenueUnavailable
            When any part of it can't be asked for.
        """
        owners = await self.of((*hedges, *sources))
        hedged = {owners[account.name] for account in hedges}
        return await asyncio.gather(
            *(coins_on(one, numeraire, margin=owners[one.name] not in hedged) for one in sources)
        )

    def twins(self, accounts: Iterable[Account]) -> Iterable[str]:
        """Accounts that are one, of which each would count."""
        names = sorted({account.name for account in accounts} & self._known.keys())
        for one, other in pairs_of({name: self._known[name] for name in names}):
            exchange, uid = self._known[one]
            yield (
                f"account.{one} and account.{other} are one account, {uid} of {exchange}, and both are "
                "in holdings_from: its coins would count twice; take one of them out"
            )


def pairs_of(owners: Mapping[str, Owner]) -> Iterable[tuple[str, str]]:
    """Each name whose owner an earlier one has, and that earlier name first."""
    first: dict[Owner, str] = {}
    for name, owner in owners.items():
        if owner in first:
            yield first[owner], name
        first.setdefault(owner, name)


async def _owner(account: Account) -> Owner:
    await timed(account)
    rights = await account.exchange.dialect.rights(account.wire)
    return account.exchange.name, rights.account_uid
