"""
What a portfolio on paper protects, looked for where it really lies.

Enters what a person states, and accounts with keys; leaves holdings with prices. The wires of these
keys have no permit, so that nothing can be sent with them, whatever they may do.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import chain

import structlog

from hedged.errors import VenueUnavailable
from hedged.venue import doubts
from hedged.venue.accounts import Account, balances_on
from hedged.venue.asking import answers
from hedged.venue.exchange import Exchange
from hedged.venue.holdings import StatedHolding, priced, stale, together
from hedged.venue.live import VOUCHED_AGAIN
from hedged.venue.paper import Held

log = structlog.get_logger()


class Protected:
    """
    The coins of *sources* beside the *stated* ones, priced at *exchange*.

    A key that may do more than read is told of: paper needs none, and a key that may take the coins
    away is a doubt.
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

    async def __call__(self, now: datetime) -> Held:
        """
        Everything, as of *now*.

        Raises
        ------
        VenueUnavailable
            When any part of it can't be asked for, or seen.
        """
        vouched = await answers(self._vouch(account, now) for account in self.sources)
        found = await answers(balances_on(account, self.numeraire) for account in self.sources)
        coins = together(chain.from_iterable(found))
        return Held(
            holdings=await priced(self.exchange, self.numeraire, self.stated, coins),
            doubts=(
                *chain.from_iterable(vouched),
                *stale(self.stated, now, self.stated_age_max),
            ),
        )

    async def _vouch(self, account: Account, now: datetime) -> tuple[str, ...]:
        """What the key may do, looked at every hour."""
        known = self._vouched.get(account.name)
        if known is None or not timedelta(0) <= now - known[0] < VOUCHED_AGAIN:
            rights = await account.exchange.dialect.rights(account.wire)
            for unseen in doubts.of_sight(account, rights):
                raise VenueUnavailable(unseen)
            if rights.may_trade:
                log.warning("key_may_trade", account=account.name, advice="one that only reads will do")
            known = (now, tuple(doubts.of_rights(account, rights)))
            self._vouched[account.name] = known
        return known[1]
