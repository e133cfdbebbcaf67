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
from hedged.core.record import Outcome
from hedged.errors import VenueUnavailable
from hedged.venue.ledger import Contract, Kind, Ledger, Value
from hedged.venue.tally import Tally

log = structlog.get_logger()

SEEN_TWICE_AFTER = timedelta(seconds=60)
"""A position that the fills don't explain is believed when it is seen so again after this."""

Told = Fill | FundingPayment | Flow


class Book:
    """The events of one portfolio's accounts, kept in a `Ledger`."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._odd: dict[str, tuple[Decimal, datetime]] = {}
        self._read()

    def _read(self) -> None:
        """What the events come to, from the first on."""
        self._keys = {event.key for event in self.ledger.events}
        self._tally = Tally()
        for event in self.ledger.events:
            self._tally.add(event.value)

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
                self._stage(key, value)

    def pass_over(self, keys: Iterable[str]) -> None:
        """Events that can't be read, and need not be: a person said what is held with them."""
        for key in keys:
            log.warning("unread_passed_over", key=key)
            self._keep("unread", key, None)

    def close_page(self, until: datetime) -> None:
        """Commit all that was added, told up to *until* by the venues' clock."""
        try:
            self.ledger.commit(max(until, self.ledger.advanced_to or until))
        except VenueUnavailable:
            self._read()  # what was added is gone
            raise

    def owe(self, outcome: Outcome) -> None:
        """
        Keep at once that an order filled so much, whose fills are told later.

        Raises
        ------
        VenueUnavailable
            When the disk refuses.
        """
        key, until = f"outcome {outcome.client_order_id}", self.ledger.advanced_to
        if outcome.filled and until is not None and key not in self._keys:
            self._keep("outcome", key, outcome)
            self.close_page(until)

    def expected(self, symbol: str) -> Decimal | None:
        """What must be held, see `Tally.expected`."""
        return self._tally.expected(symbol)

    def multiplier(self, symbol: str) -> Decimal | None:
        """The size of a contract at first sight, None before it."""
        return self._tally.multipliers.get(symbol)

    def after(self, cursor: int) -> list[Told]:
        """The events after *cursor*."""
        values = (event.value for event in self.ledger.events if event.seq > cursor)
        return [value for value in values if isinstance(value, Fill | FundingPayment | Flow)]

    def doubt_anew(self, symbol: str) -> None:
        """While an order may still land, an odd position is not taken as it is."""
        self._odd.pop(symbol, None)

    def accept(self, instruments: Iterable[Instrument], positions: Iterable[Position]) -> None:
        """Take all positions as they are read, for a person said that they are so."""
        held = {position.symbol: position.contracts for position in positions}
        for instrument in instruments:
            contracts = held.get(instrument.symbol, ZERO)
            if self.expected(instrument.symbol) not in (None, contracts):
                log.warning("position_accepted", symbol=instrument.symbol, contracts=str(contracts))
                self._pin(instrument, contracts)

    def doubts(
        self, instruments: Iterable[Instrument], positions: Iterable[Position], now: datetime
    ) -> Iterable[str]:
        """
        Every position must be what the fills make it, every contract as large as at first sight.

        A position that is not is doubted at once. A short that is larger is believed when it is seen
        so again after a minute, and that pass repairs the hedge: what it buys back is reduce-only. One
        that is smaller is not: every venue tells of the fill that closed it, also of ADL and
        liquidations, and to sell it again on a wrong answer would hedge twice.
        """
        held = {position.symbol: position.contracts for position in positions}
        for instrument in instruments:
            yield from self._doubt(instrument, held.get(instrument.symbol, ZERO), now)

    def _doubt(self, instrument: Instrument, contracts: Decimal, now: datetime) -> Iterable[str]:
        key, size = instrument.symbol, instrument.contract_multiplier
        expected, pinned = self.expected(key), self.multiplier(key) or size
        if pinned != size:
            yield (
                f"{key} was {pinned} a contract and is {size} now; close the hedge by hand, and give "
                "service.state_dir another folder"
            )
        elif expected is None:
            self._pin(instrument, contracts)
        elif expected == contracts:
            self._odd.pop(key, None)
        elif contracts == self._tally.by_fills(key):
            self._odd.pop(key, None)
            self._pin(instrument, contracts)  # what was adopted since was a wrong answer
        elif contracts > expected:
            self._odd[key] = (contracts, now)
            yield (
                f"{contracts} contracts of {key} are held, and {expected} by all fills that were told, "
                "and no fill tells who closed the rest; if it is closed in truth, stop the daemon and "
                "run `hedged run --once --live --accept-positions`"
            )
        elif not self._seen_twice(instrument, contracts, now):
            yield (
                f"{contracts} contracts of {key} are held, and {expected} by all fills that were "
                "told: another hand, or an answer that is late"
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
        self._pin(instrument, contracts, adopted=True)
        del self._odd[instrument.symbol]
        return True

    def _pin(self, instrument: Instrument, contracts: Decimal, *, adopted: bool = False) -> None:
        """From here on the book reckons with this size and this position."""
        pins = sum(event.kind == "contract" for event in self.ledger.events)
        pinned = Contract(
            symbol=instrument.symbol,
            contract_multiplier=instrument.contract_multiplier,
            held=contracts,
            adopted=adopted,
        )
        self._keep("contract", f"contract {instrument.symbol} {pins + 1}", pinned)

    def _stage(self, key: str, value: Told) -> None:
        if isinstance(value, Fill):
            self._keep("fill", key, value)
        elif isinstance(value, FundingPayment):
            self._keep("funding", key, value)
        else:
            self._keep("flow", key, value)

    def _keep(self, kind: Kind, key: str, value: Value) -> None:
        self.ledger.stage(kind, key, value)
        self._keys.add(key)
        self._tally.add(value)
