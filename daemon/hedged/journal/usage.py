"""
What a portfolio has sent already, counted from its intents.

Enters a connection to the journal; leaves the counts that the gate holds against its limits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection

from hedged.core.gate import BREAKER, Restriction, Sent, Usage
from hedged.core.market import ZERO
from hedged.core.record import Outcome
from hedged.journal import statements
from hedged.journal.intents import used

HOUR = timedelta(hours=1)


def usage_of(connection: Connection, portfolio: str, tick_id: str, now: datetime) -> Usage:
    """
    What *portfolio* has sent by *now*, whole and since a person last lifted a breaker.

    An order counts with the notional it filled; one whose outcome is unknown counts whole. Counts are
    of all orders, filled or not.
    """
    lifted = _lifted_at(connection, portfolio, now)
    since = min(_midnight(now), now - HOUR)
    asked = {"portfolio": portfolio, "since": since.isoformat()}
    rows = connection.execute(statements.SENT_SINCE, asked).all()
    this = connection.execute(statements.SENT_BY_SYMBOL, {"portfolio": portfolio, "tick_id": tick_id})
    whole = _sent(rows, now, None)
    return Usage(
        notional_today=whole.notional_today,
        orders={row.symbol: row.sent for row in this},
        orders_hour=whole.orders_hour,
        orders_today=whole.orders_today,
        refused_in_a_row=_refused_in_a_row(connection, portfolio, lifted),
        since_lift=None if lifted is None else _sent(rows, now, lifted),
    )


def _midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _sent(rows: Sequence[Any], now: datetime, after: datetime | None) -> Sent:
    at = [(datetime.fromisoformat(row.opened_at), row) for row in rows]
    counted = [(opened, row) for opened, row in at if after is None or opened > after]
    today = [row for opened, row in counted if opened >= _midnight(now)]
    return Sent(
        notional_today=sum((used(row._mapping) for row in today), ZERO),
        orders_hour=dict(Counter(row.symbol for opened, row in counted if opened > now - HOUR)),
        orders_today=dict(Counter(row.symbol for row in today)),
    )


def _lifted_at(connection: Connection, portfolio: str, now: datetime) -> datetime | None:
    """
    When the last breaker of *portfolio* that is lifted was lifted.

    An instant in the future is no instant: the clock went back, and everything counts.
    """
    for row in connection.execute(statements.LIFTED, {"portfolio": portfolio}):
        if msgspec.json.decode(row.body, type=Restriction).by == BREAKER:
            at = datetime.fromisoformat(row.lifted_at)
            return at if at <= now else None
    return None


def _refused_in_a_row(connection: Connection, portfolio: str, after: datetime | None) -> int:
    """
    Intents refused since the last one that was not; one of unknown outcome tells nothing, nor one that
    nobody judged. Those are bounded by the orders an hour, and by the pauses of `venue.pauses`.
    """
    count = 0
    for row in connection.execute(statements.LAST_OUTCOMES, {"portfolio": portfolio}):
        if after is not None and datetime.fromisoformat(row.opened_at) <= after:
            break
        if row.outcome is None:
            continue
        outcome = msgspec.json.decode(row.outcome, type=Outcome)
        if not outcome.judged:
            continue
        if outcome.status != "refused":
            break
        count += 1
    return count
