"""
What happened on real accounts, as their venues told it, each event once; and whether it adds up.

Enters events under keys that a venue never uses twice, and positions; leaves them in the order in
which they were first told, on disk, and a sentence where a position is not what all fills make it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from hedged.core.market import ZERO, Fill, Flow, FundingPayment, Instrument, Position
from hedged.venue.ledger import Contract, Ledger

log = structlog.get_logger()

SEEN_TWICE_AFTER = timedelta(seconds=60)
"""A position that the fills don't explain is believed when it is seen so again after this."""

Told = Fill | FundingPayment | Flow


class Book:
    """The events of one portfolio's accounts, kept in a `Ledger`."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._keys = {event.key for event in ledger.events}
        self._odd: dict[str, tuple[Decimal, datetime]] = {}

    @property
    def cursor(self) -> int:
        """The number of the last event, 0 before the first."""
        return self.ledger.events[-1].seq if self.ledger.events else 0

    @property
    def told_until(self) -> datetime | None:
        """When the venues were last asked what happened; None before the first look."""
        return self.ledger.advanced_to

    @property
    def opened_at(self) -> datetime | None:
        """When the book was opened: what happened before is in the first balance already."""
        return self.ledger.opened_at

    @property
    def odd(self) -> tuple[str, ...]:
        """Contracts whose position the fills did not explain at the last look."""
        return tuple(sorted(self._odd))

    def knows(self, key: str) -> bool:
        """Whether the event of this key is in the book."""
        return key in self._keys

    def add(self, told: Iterable[tuple[str, Told]]) -> None:
        """Put new events into the book, by time; `close_page` makes them last."""
        for key, value in sorted(told, key=lambda one: (one[1].at, one[0])):
            if key not in self._keys:
                self._keys.add(key)
                self._stage(key, value)

    def close_page(self, until: datetime) -> None:
        """Commit all that was added, told up to *until* by the venues' clock."""
        try:
            self.ledger.commit(max(until, self.ledger.advanced_to or until))
        finally:
            self._keys = {event.key for event in self.ledger.events}

    def after(self, cursor: int) -> list[Told]:
        """The events after *cursor*."""
        values = (event.value for event in self.ledger.events if event.seq > cursor)
        return [value for value in values if isinstance(value, Fill | FundingPayment | Flow)]

    def doubt_anew(self, symbol: str) -> None:
        """While an order may still land, an odd position is not taken as it is."""
        self._odd.pop(symbol, None)

    def doubts(
        self, instruments: Iterable[Instrument], positions: Iterable[Position], now: datetime
    ) -> Iterable[str]:
        """
        Every position must be what the fills make it, every contract as large as at first sight.

        A position that is not is doubted at once; seen so again after a minute, the book takes it as
        it is, and that pass repairs the hedge.
        """
        held = {position.symbol: position.contracts for position in positions}
        for instrument in instruments:
            yield from self._doubt(instrument, held.get(instrument.symbol, ZERO), now)

    def _doubt(self, instrument: Instrument, contracts: Decimal, now: datetime) -> Iterable[str]:
        key, size = instrument.symbol, instrument.contract_multiplier
        expected, pinned = self.ledger.expected(key), self.ledger.multipliers().get(key, size)
        if pinned != size:
            yield (
                f"{key} was {pinned} a contract and is {size} now; close the hedge by hand, and give "
                "service.state_dir another folder"
            )
        elif expected is None:
            self._pin(instrument, contracts)
        elif expected == contracts:
            self._odd.pop(key, None)
        elif not self._seen_twice(instrument, contracts, now):
            yield (
                f"{contracts} contracts of {key} are held, and {expected} by all fills that were "
                "told: another hand, ADL, a liquidation, or an answer that is late"
            )

    def _seen_twice(self, instrument: Instrument, contracts: Decimal, now: datetime) -> bool:
        """Whether this odd position was seen a minute ago too; then the book takes it as it is."""
        before, since = self._odd.get(instrument.symbol, (None, now))
        if before != contracts or now < since:
            self._odd[instrument.symbol] = (contracts, now)
            return False
        if now - since < SEEN_TWICE_AFTER:
            return False
        log.warning("position_adopted", symbol=instrument.symbol, contracts=str(contracts))
        self._pin(instrument, contracts)
        del self._odd[instrument.symbol]
        return True

    def _pin(self, instrument: Instrument, contracts: Decimal) -> None:
        """From here on the book reckons with this size and this position."""
        pins = sum(event.kind == "contract" for event in self.ledger.events)
        pinned = Contract(
            symbol=instrument.symbol,
            contract_multiplier=instrument.contract_multiplier,
            held=contracts,
        )
        self.ledger.stage("contract", f"contract {instrument.symbol} {pins + 1}", pinned)

    def _stage(self, key: str, value: Told) -> None:
        if isinstance(value, Fill):
            self.ledger.stage("fill", key, value)
        elif isinstance(value, FundingPayment):
            self.ledger.stage("funding", key, value)
        else:
            self.ledger.stage("flow", key, value)
