"""
What a portfolio on paper protects, looked for where it really lies.

Enters what a person states, and accounts with keys; leaves holdings with prices. The wires of these
keys have no permit, so that nothing can be sent with them, whatever they may do.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import chain

from hedged.errors import VenueUnavailable
from hedged.venue import doubts
from hedged.venue.accounts import Account, coins_on
from hedged.venue.asking import answers
from hedged.venue.exchange import Exchange
from hedged.venue.holdings import StatedHolding, priced, stale, together
from hedged.venue.live import DOUBTED_AGAIN, VOUCHED_AGAIN
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
        self._vouched: dict[str, tuple[datetime, tuple[str, ...]]] = {}
        self._owners = Owners()

    async def __call__(self, now: datetime) -> Held:
        """
        Everything, as of *now*.

        Raises
        ------
        VenueUnavailable
            When any part of it can't be asked for, or seen.
        """
        vouched = await answers(self._vouch(account, now) for account in self.sources)
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

    async def _vouch(self, account: Account, now: datetime) -> tuple[str, ...]:
        """What the key may do, looked at every hour, and sooner while it is a doubt."""
        known = self._vouched.get(account.name)
        again = DOUBTED_AGAIN if known and known[1] else VOUCHED_AGAIN
        if known is None or not timedelta(0) <= now - known[0] < again:
            rights = await account.exchange.dialect.rights(account.wire)
            for unseen in doubts.of_sight(account, rights):
                raise VenueUnavailable(unseen)
            wrong = (*doubts.of_rights(account, rights), *doubts.of_paper(account, rights))
            known = (now, wrong)
            self._vouched[account.name] = known
        return known[1]
