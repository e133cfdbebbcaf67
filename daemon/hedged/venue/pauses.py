"""
Nothing is sent for a while after an order that nobody judged.

Enters an order that never left this machine, or reached the venue too late; leaves a doubt that holds
the passes. A clock, the line, the budget or the disk is wrong then, and another order at once would end
as this one did. Such orders are no rejections in a row: the growing pause bounds them instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from hedged.errors import Unjudged

FIRST = timedelta(minutes=1)
LONGEST = timedelta(minutes=30)
"""``1, 2, 4, 8, 16, 30, 30, ...`` minutes: six orders in the first hour, two in each that follows."""


class Pause:
    """The pause of one portfolio; a restart begins anew, and the orders an hour bound restarts."""

    def __init__(self) -> None:
        self._in_a_row = 0
        self._why = ""
        self._at: datetime | None = None

    @contextmanager
    def unless_judged(
        self, clock: Callable[[], datetime], doubt_skew: Callable[[], None]
    ) -> Iterator[None]:
        """Begin when the order that is sent inside was not judged, and *doubt_skew*; else end."""
        judged = True
        try:
            yield
        except Unjudged as error:
            judged = False
            self.begin(str(error), clock())
            doubt_skew()
            raise
        finally:
            if judged:
                self.end()

    def begin(self, why: str, now: datetime) -> None:
        """Nobody judged an order at *now*, for the reason *why*."""
        self._in_a_row += 1
        self._why, self._at = why, now

    def end(self) -> None:
        """The venue has judged an order, or may have."""
        self._in_a_row, self._at = 0, None

    def doubts(self, now: datetime) -> tuple[str, ...]:
        """
        Why nothing may be sent at *now*; empty when it may.

        A clock that was set back meanwhile ends the pause: it may have been what was wrong.
        """
        if self._at is None:
            return ()
        length = min(FIRST * 2 ** min(self._in_a_row - 1, 10), LONGEST)
        if not timedelta(0) <= now - self._at < length:
            return ()
        return (
            f"an order was not judged at {self._at:%H:%M:%S}, {self._why}; "
            f"none is sent before {self._at + length:%H:%M:%S}",
        )
