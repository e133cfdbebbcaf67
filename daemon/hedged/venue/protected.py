"""
What a portfolio on paper protects, looked for where it really lies.

Enters what a person states, and accounts with keys; leaves holdings with prices. The wires of these
keys have no permit, so that nothing can be sent with them, whatever they may do.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import chain

from hedged.venue import doubts
from hedged.venue.accounts import Account, coins_on
from hedged.venue.asking import answers
from hedged.venue.dialect import Rights
from hedged.venue.exchange import Exchange
from hedged.venue.holdings import StatedHolding, priced, stale, together
from hedged.venue.keys import Keys
from hedged.venue.owners import Owners
from hedged.venue.paper import Held


class Protected:
    """
    The coins of *sources* beside the *stated* ones, priced at *exchange*.

    A key that may do more than read is a doubt, and so is one of which that is not told: paper needs
    none that may trade.
    """

    def __init__(
        self,
        exchange: Exchange,
        numeraire: str,
        stated: tuple[StatedHolding, ...],
        stated_age_max: timedelta,
        sources: tuple[Account, ...] = (),
    ) -> None:
        self.exchange = exchange
        self.numeraire = numeraire
        self.stated = stated
        self.stated_age_max = stated_age_max
        self.sources = sources
        self._keys = Keys(_wrong)
        self._owners = Owners()

    async def __call__(self, now: datetime) -> Held:
        """
        Everything, as of *now*.

        Raises
        ------
        VenueUnavailable
            When any part of it can't be asked for, or seen.
        """
        vouched = await answers(self._keys.of_source(account, now) for account in self.sources)
        await self._owners.of(self.sources)
        found = await answers(coins_on(account, self.numeraire) for account in self.sources)
        coins = together(chain.from_iterable(one.balances for one in found))
        return Held(
            holdings=await priced(self.exchange, self.numeraire, self.stated, coins),
            doubts=(
                *chain.from_iterable(vouched),
                *self._owners.twins(self.sources),
                *chain.from_iterable(doubts.of_other_positions(one) for one in found),
            ),
            outdated=stale(self.stated, now, self.stated_age_max),
        )


def _wrong(account: Account, rights: Rights) -> Iterable[str]:
    yield from doubts.of_rights(account, rights)
    yield from doubts.of_paper(account, rights)
