"""
Real accounts: one portfolio hedged on one or several of them, with holdings on any.

Enters dialects and wires; leaves snapshots and outcomes. What looks wrong but does not make the
picture incomplete becomes a *doubt*, and a doubt holds the pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain

import polars as pl
import structlog

from hedged.core.market import (
    ZERO,
    Fill,
    Flow,
    FundingPayment,
    Instrument,
    Margin,
    Snapshot,
)
from hedged.core.metrics import Series
from hedged.core.record import Outcome
from hedged.core.resolution import Absence
from hedged.errors import OutcomeUnknown, Unjudged, VenueRefused, VenueUnavailable
from hedged.venue import doubts
from hedged.venue.accounts import Account, Names, seen_on, timed
from hedged.venue.asking import answers
from hedged.venue.book import Book, Told
from hedged.venue.dialect import Happening, Listing, Unread
from hedged.venue.first_look import Seen, anchored, margin_of
from hedged.venue.holdings import LivePortfolio, priced, stale, together
from hedged.venue.keys import Keys, always
from hedged.venue.outcomes import Landed
from hedged.venue.owners import Owners
from hedged.venue.partly import marked
from hedged.venue.pauses import Pause
from hedged.venue.protocol import Order

log = structlog.get_logger()

LOOK_BACK = timedelta(minutes=15)
"""Events may be reported late; those known already are told apart by their key."""
MADE_BEFORE = timedelta(minutes=1)
"""By so much may the venue say that an order was made before we signed it."""
LONG_AGO = datetime.min.replace(tzinfo=UTC)
SOUGHT_LATELY = timedelta(minutes=1)
"""An order is sought at every pass until it is given up."""


class LiveVenue:
    """
    The `Venue` of a portfolio on real accounts: *hedges* trade, *sources* only hold coins.

    With *accept_positions* the first look takes every position as it is read. *may_change* says
    whether an account may be changed now, as its leverage.
    """

    absence_is_proof = False

    def __init__(
        self,
        portfolio: LivePortfolio,
        hedges: tuple[Account, ...],
        sources: tuple[Account, ...],
        book: Book,
        clock: Callable[[], datetime],
        *,
        accept_positions: bool = False,
        may_change: Callable[[], bool] = always,
    ) -> None:
        self.portfolio = portfolio
        self.hedges = hedges
        self.sources = sources
        self.book = book
        self._names = Names(portfolio.account)
        self._clock = clock
        self._accepting = accept_positions
        self._keys = Keys(may_change=may_change)
        self._sought: dict[str, datetime] = {}
        self._unread: dict[str, str] = {}
        self._pause = Pause()
        self._owners = Owners()
        self._planned: dict[str, Instrument] = {}

    async def observe(self, now: datetime, *, after: int) -> Snapshot:
        if after > self.book.cursor:
            raise VenueUnavailable(
                f"{self.book.ledger.path} ends before what the journal has seen of it; restore both "
                "from one copy"
            )
        seen, found = await self._looked(self.hedges, now)
        numeraire = self.portfolio.numeraire
        coins = await self._owners.coins(self.hedges, self.sources, numeraire)
        traded = {account.name for account in self.hedges}
        apart = (one for one in self.sources if one.name not in traded)
        vouched = await answers(self._keys.of_source(account, now) for account in apart)
        balances = (one.balances for one in coins)
        collateral = [
            (account.name, balance)
            for account, look in zip(self.hedges, seen, strict=True)
            for balance in look.collateral
        ]
        holdings = await priced(
            self.hedges[0].exchange,
            numeraire,
            self.portfolio.stated,
            together((*chain.from_iterable(balances), *collateral)),
        )
        told, margins = self.book.after(after), [look.margin for look in seen]
        self._planned = {one.symbol: one for look in seen for one in look.instruments}
        return Snapshot(
            at=now,
            account=self.portfolio.account,
            numeraire=self.portfolio.numeraire,
            holdings=holdings,
            instruments=tuple(chain.from_iterable(look.instruments for look in seen)),
            quotes=tuple(chain.from_iterable(look.quotes for look in seen)),
            positions=tuple(chain.from_iterable(look.positions for look in seen)),
            open_orders=tuple(chain.from_iterable(look.open_orders for look in seen)),
            margin=Margin(
                wallet_balance=sum((m.wallet_balance for m in margins), ZERO),
                equity=sum((m.equity for m in margins), ZERO),
                maintenance_margin=sum((m.maintenance_margin for m in margins), ZERO),
            ),
            cursor=self.book.cursor,
            fills=tuple(one for one in told if isinstance(one, Fill)),
            funding_payments=tuple(one for one in told if isinstance(one, FundingPayment)),
            flows=tuple(one for one in told if isinstance(one, Flow)),
            doubts=(
                *found,
                *doubts.of_coins(self.hedges[0].exchange, holdings, found),
                *chain.from_iterable(vouched),
                *chain.from_iterable(doubts.of_other_positions(one) for one in coins),
                *self._owners.twins(self.sources),
                *self._pause.doubts(now),
            ),
            outdated=stale(self.portfolio.stated, now, self.portfolio.stated_age_max),
            unexplained=self.book.odd,
            misvalued=tuple(chain.from_iterable(look.misvalued for look in seen)),
            by_hand=not all(self._keys.may_trade[one.name] for one in self.hedges),
            margins=tuple(
                margin_of(account.name, look) for account, look in zip(self.hedges, seen, strict=True)
            ),
        )

    async def series(
        self, symbol: str, series: Series, bar: str, after: datetime | None, until: datetime
    ) -> pl.DataFrame:
        account, name = self._placed(symbol)
        return await account.exchange.series(name, series, bar, after, until)

    async def send(self, order: Order) -> Outcome:
        account, symbol = self._placed(order.symbol)
        size, planned = self.book.multiplier(order.symbol), self._planned.get(order.symbol)
        try:
            listing = await account.exchange.listing_now(symbol, size, planned)
        except VenueUnavailable as error:
            raise Unjudged(f"nothing was sent: {error}") from None
        most = listing.contracts_max
        if most is not None and order.contracts > most:
            raise VenueRefused(f"{order.contracts} contracts are above {most}, the most of one order")
        plain = replace(order, symbol=symbol)
        try:
            with self._pause.unless_judged(self._clock, account.exchange.doubt_skew):
                outcome = await account.exchange.dialect.send(account.wire, listing, plain)
        except Landed as error:
            outcome = await self._landed(order, str(error))
        try:
            return self._noted_outcome(replace(outcome, symbol=order.symbol))
        except VenueUnavailable as error:
            raise OutcomeUnknown(str(error)) from None

    async def lookup(self, client_order_id: str, symbol: str) -> Outcome | None:
        account, name = self._placed(symbol)
        await timed(account)
        listing = await account.exchange.listing(name)
        try:
            found = await account.exchange.dialect.lookup(account.wire, listing, client_order_id)
        except OutcomeUnknown as error:
            raise VenueUnavailable(str(error)) from None
        return replace(found, symbol=symbol) if found else None

    async def seek(self, client_order_id: str, symbol: str, since: datetime) -> Outcome | Absence:
        """By its id, then in the list of all orders; then the position must be what fills make it."""
        account, name = self._placed(symbol)
        skew = await account.exchange.measure_skew(again=True)
        at = self._clock() - skew  # it is absent as of now, however long the answers take
        found = await self.lookup(client_order_id, symbol) or await self._trace(
            account, name, client_order_id, since
        )
        if found is not None:
            return self._noted_outcome(replace(found, symbol=symbol))
        self._sought[account.name] = self._clock()
        self.book.doubt_anew(symbol)
        unread = self.book.told_until is None  # then all accounts are, from one instant on
        looks, _ = await self._looked(self.hedges if unread else (account,), self._clock())
        self._refuse_foreign(account)
        positions = chain.from_iterable(look.positions for look in looks)
        held = sum((one.contracts for one in positions if one.symbol == symbol), ZERO)
        adds_up = self.book.expected(symbol) == held and symbol not in self._unread
        return Absence(at=at, adds_up=adds_up)

    async def cancel(self, client_order_id: str, symbol: str) -> None:
        account, name = self._placed(symbol)
        self._refuse_foreign(account)
        listing = await account.exchange.listing(name)
        await account.exchange.dialect.cancel(account.wire, listing, client_order_id)

    async def close(self) -> None:
        self.book.ledger.close()

    def _refuse_foreign(self, account: Account) -> None:
        """An order that rests on ours is absent on another account, where nothing is ours to cancel."""
        if account.name in self._keys.foreign:
            raise VenueUnavailable(self._keys.foreign[account.name])

    def _noted_outcome(self, outcome: Outcome) -> Outcome:
        """Until its fills are told, a position is only believed if it has them in it."""
        if outcome.status != "resting":  # which may fill more, and is looked for again
            self.book.owe(outcome)
        return outcome

    async def _trace(
        self, account: Account, name: str, client_order_id: str, since: datetime
    ) -> Outcome | None:
        listing = await account.exchange.listing(name)
        try:
            return await account.exchange.dialect.trace(
                account.wire, listing, client_order_id, since - MADE_BEFORE
            )
        except OutcomeUnknown as error:
            raise VenueUnavailable(str(error)) from None

    async def _landed(self, order: Order, said: str) -> Outcome:
        """The outcome of an order whose id the venue says it has already."""
        try:
            found = await self.lookup(order.client_order_id, order.symbol)
        except VenueUnavailable as error:
            raise OutcomeUnknown(f"{said}; {error}") from None
        if found is None:
            raise OutcomeUnknown(f"{said}; and yet it is not found")
        return found

    # ---- one account

    async def _look(self, account: Account) -> Seen:
        exchange = account.exchange
        skew = await timed(account)
        seen, listings, unlisted = await seen_on(account, self.portfolio.numeraire)
        held = {found.position.symbol for found in seen.positions}
        quotes = await exchange.quotes((account.legs | held) & listings.keys(), account.legs)
        odd = exchange.first_prices.doubts(quotes)
        listings = exchange.listed  # they may have been told anew meanwhile
        needed = sorted(quotes.keys() & listings.keys())
        tiers = await exchange.tiers.of(account.name, account.wire, [listings[s] for s in needed])
        sought = self._sought.get(account.name)
        now = self._clock()
        landing = sought is not None and now - sought < SOUGHT_LATELY
        vouched = await self._keys.of_hedge(
            account, listings, seen, now, held=self._held(account), landing=landing
        )
        misvalued = dict(doubts.of_notionals(account, seen, listings, quotes))

        def key(symbol: str) -> str:
            return self._names.key(account.name, symbol)

        return Seen(
            margin=seen.margin,
            positions=tuple(
                replace(
                    found.position,
                    symbol=key(found.position.symbol),
                    liquidation_price=found.liquidation_price,
                    adl_rank=found.adl_rank,
                )
                for found in seen.positions
                if found.position.symbol in listings
            ),
            open_orders=tuple(replace(one, symbol=key(one.symbol)) for one in seen.open_orders),
            quotes=tuple(replace(quotes[symbol], symbol=key(symbol)) for symbol in needed),
            instruments=tuple(
                replace(listings[symbol].instrument, symbol=key(symbol), tiers=tiers[symbol])
                for symbol in needed
            ),
            collateral=seen.collateral,
            doubts=(
                *doubts.of_legs(account, listings),
                *doubts.of_account(account, seen, skew),
                *doubts.of_unlisted(account, unlisted),
                *misvalued.values(),
                *vouched,
                *odd,
            ),
            misvalued=tuple(key(symbol) for symbol in misvalued),
        )

    def _held(self, account: Account) -> frozenset[str]:
        """The contracts of *account* that are held by all that the book was told."""
        keys = self.book.ledger.multipliers()
        places = ((self._names.split(key), key) for key in keys)
        return frozenset(
            symbol for (name, symbol), key in places if name == account.name and self.book.expected(key)
        )

    # ---- what happened

    async def _looked(
        self, accounts: tuple[Account, ...], now: datetime
    ) -> tuple[list[Seen], list[str]]:
        """What is seen of *accounts* and all doubts about it; what happened until *now* is booked."""

        async def look() -> list[Seen]:
            return await asyncio.gather(*(self._look(account) for account in accounts))

        if self.book.told_until is not None:
            seen, until = await look(), self._present(now)
        else:
            await asyncio.gather(*(timed(account) for account in accounts))
            seen, until = await anchored(
                look, lambda: self._of_late(accounts), lambda: self._present(self._clock())
            )
        if self._keys.foreign.keys() & {account.name for account in accounts}:
            return seen, [doubt for one in seen for doubt in one.doubts]  # nothing of ours: not booked
        return seen, await self._noted(seen, now, until)

    def _present(self, began: datetime) -> datetime:
        """See `Exchange.present`; of the venue that is furthest behind."""
        return min(account.exchange.present(began) for account in self.hedges)

    async def _of_late(self, accounts: tuple[Account, ...]) -> set[tuple[str, datetime]]:
        """What happened on *accounts* until now, by key and instant."""
        now = self._clock()
        found = await asyncio.gather(
            *(self._reported(one, now - one.exchange.skew, now - one.exchange.skew) for one in accounts)
        )
        named = zip(accounts, found, strict=True)
        return {
            (f"{account.name}:{one.key}", one.at or LONG_AGO) for account, told in named for one in told
        }

    async def _noted(self, seen: list[Seen], now: datetime, until: datetime) -> list[str]:
        """Put into the book what the venues tell since the last look, *until*; all doubts on *seen*."""
        since = self.book.told_until
        self._unread = {}
        if since is not None:
            found = await asyncio.gather(
                # Up to the venue's present: what a clock that is behind leaves out is never asked for.
                *(self._happened(one, since, now - one.exchange.skew) for one in self.hedges)
            )
            self._book(dict(chain.from_iterable(found)))
        told = [doubt for look in seen for doubt in look.doubts]
        asked = self._asked()
        for look in seen:
            # Fills of other contracts are not asked for, so nothing can explain what is held of them.
            # Nor is what can't be read; and it is asked for again until it can be.
            kept = [one for one in look.instruments if one.symbol in asked - self._unread.keys()]
            if self._accepting:
                self.book.accept(kept, look.positions)
            told += self.book.doubts(kept, look.positions, now)
        self._accepting = self._accepting and len(seen) < len(self.hedges)
        self.book.close_page(since if since is not None and self._unread else until)
        return [*told, *doubts.of_unread(self._unread)]

    def _book(self, happened: dict[str, Told | Unread]) -> None:
        unread = {key: one for key, one in happened.items() if isinstance(one, Unread)}
        self.book.add((key, one) for key, one in happened.items() if not isinstance(one, Unread))
        if self._accepting:
            self.book.pass_over(unread)
        else:
            self._unread = {one.symbol: one.why for one in unread.values()}

    def _asked(self) -> set[str]:
        """The contracts of which the venues are asked for fills: the legs, and what ever was one."""
        names = self._names
        legs = {names.key(account.name, leg) for account in self.hedges for leg in account.legs}
        return legs | self.book.ledger.symbols()

    async def _happened(
        self, account: Account, since: datetime, now: datetime
    ) -> list[tuple[str, Told | Unread]]:
        opened = self.book.opened_at
        assert opened is not None, "a book that was told of anything was opened"
        listings = await account.exchange.listings()
        found = await self._reported(account, since, now)
        keyed = [
            (f"{account.name}:{one.key}", one) for one in found if one.at is None or one.at >= opened
        ]
        new = [(key, one) for key, one in keyed if not self.book.knows(key)]
        return [(key, await self._told(account, one, listings)) for key, one in new]

    async def _reported(
        self, account: Account, since: datetime, now: datetime
    ) -> tuple[Happening | Unread, ...]:
        listings = await account.exchange.listings()
        places = [self._names.split(key) for key in self.book.ledger.symbols()]
        traded = {symbol for name, symbol in places if name == account.name}
        return await account.exchange.dialect.happenings(
            account.wire,
            listings,
            frozenset((account.legs | traded) & listings.keys()),
            self.portfolio.numeraire,
            since - LOOK_BACK,
            now,
            lambda key: self.book.knows(f"{account.name}:{key}"),
        )

    async def _told(
        self, account: Account, happening: Happening | Unread, listings: dict[str, Listing]
    ) -> Told | Unread:
        """The event as the core knows it: a fill with the marks of its minute."""
        value = happening if isinstance(happening, Unread) else happening.value
        if isinstance(value, Flow):
            return value
        symbol = self._names.key(account.name, value.symbol)
        if isinstance(value, FundingPayment | Unread):
            return replace(value, symbol=symbol)
        exchange = account.exchange
        mark, index = await exchange.dialect.marks_at(exchange.wire, listings[value.symbol], value.at)
        return marked(value, symbol, mark, index)

    def _placed(self, key: str) -> tuple[Account, str]:
        """The account and the venue's symbol of a core's name."""
        name, symbol = self._names.split(key)
        for account in self.hedges:
            if account.name == name:
                return account, symbol
        raise VenueUnavailable(f"{key}: there is no hedge account {name} any more; put it back")
