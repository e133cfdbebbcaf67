"""
What a book of events comes to: positions, contract sizes, and fills that are owed. Pure.

Enters events in the order in which they were told; leaves what must be held. An order's outcome is
known before its fills are told: until they are, what it filled counts as held, so that a position
that is read too early is seen to be too early.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from hedged.core.market import ZERO, Fill
from hedged.core.record import Outcome
from hedged.venue.ledger import Contract, Value


class Tally:
    """Sums over the events that were `add`-ed, by contract and by order."""

    def __init__(self) -> None:
        self.multipliers: dict[str, Decimal] = {}
        self._held: dict[str, Decimal] = {}
        self._by_fills: dict[str, Decimal] = {}
        self._filled: dict[tuple[str, str], Decimal] = {}
        self._told: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)

    def add(self, value: Value) -> None:
        """One more event; what is neither a contract, a fill nor an outcome changes nothing."""
        if isinstance(value, Contract):
            self.multipliers[value.symbol] = value.contract_multiplier
            self._held[value.symbol] = value.held
            if not value.adopted:
                self._by_fills[value.symbol] = value.held
            self._filled = {key: all_ for key, all_ in self._filled.items() if key[0] != value.symbol}
        elif isinstance(value, Fill):
            self._told[value.symbol, value.client_order_id] += value.signed_contracts
            for sums in (self._held, self._by_fills):
                if value.symbol in sums:
                    sums[value.symbol] += value.signed_contracts
        elif isinstance(value, Outcome):
            key = value.symbol, value.client_order_id
            self._filled[key] = value.filled if value.side == "buy" else -value.filled
        self._filled = {key: all_ for key, all_ in self._filled.items() if self._left(key)}

    def expected(self, symbol: str) -> Decimal | None:
        """
        What must be held: what was at first sight, the fills since, and what is owed; None if unseen.
        """
        held = self._held.get(symbol)
        return None if held is None else held + self.owed(symbol)

    def by_fills(self, symbol: str) -> Decimal | None:
        """As `expected`, without what was adopted: a position that comes back to it was misread."""
        held = self._by_fills.get(symbol)
        return None if held is None else held + self.owed(symbol)

    def owed(self, symbol: str) -> Decimal:
        """Signed contracts that orders are known to have filled, and no fill was told of yet."""
        return sum((self._left(key) for key in self._filled if key[0] == symbol), ZERO)

    def _left(self, key: tuple[str, str]) -> Decimal:
        """More may have been filled than an outcome knew of, and then nothing is owed."""
        left = self._filled[key] - self._told[key]
        return left if left * self._filled[key] > 0 else ZERO
