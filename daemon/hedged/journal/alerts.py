"""
The queue of alerts: raised once, in one transaction with what they follow from, and delivered to
each channel at least once.

Enters what a look gives to tell; leaves what each channel has not got yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast

import msgspec
from sqlalchemy import Connection, and_, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from hedged.core.alerts import Alert, JudgedBy, Open, Told, due
from hedged.core.encoding import encode
from hedged.errors import JournalBroken
from hedged.journal import schema
from hedged.journal.database import guarded
from hedged.journal.store import Journal

GIVE_UP = timedelta(days=1)
PENDING_MAX = 5_000

Result = Literal["sent", "given up"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """An alert in the queue."""

    id: int
    alert: Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelState:
    """How far a channel has got, and how its last tries went; *name* tells nothing of its address."""

    name: str
    reached: int
    tries: int
    next_try_at: datetime | None
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of an alert at one channel."""

    channel: str
    result: Result
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An alert with what became of it so far."""

    id: int
    alert: Alert
    deliveries: tuple[Delivery, ...]


class AlertQueue:
    """The part of a journal that alerts are kept in."""

    def __init__(self, journal: Journal) -> None:
        self.path = journal.path
        self.engine = journal.engine

    # Raising.

    def unseen(self, limit: int) -> list[int]:
        """The ids of the next records that nothing was told of yet."""
        table, seen = schema.record, select(schema.alert_seen.c.record).scalar_subquery()
        query = select(table.c.id).where(table.c.id > seen).order_by(table.c.id).limit(limit)
        with guarded(self.path), self.engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def raise_due(self, told: Told, repeat_after: timedelta, record: int | None = None) -> int:
        """
        Commit what is due of *told*, what stands after it, and that *record* was looked at: all of
        it or nothing, so that a crash neither loses an alert nor raises it twice. How many there were.
        """
        with guarded(self.path), self.engine.begin() as connection:
            if record is not None and record <= _seen(connection):
                return 0
            now_due = due(told, _open(connection, told.scope), repeat_after)
            for alert in now_due.alerts:
                connection.execute(insert(schema.alert), _row(alert))
            _replace_open(connection, told.scope, now_due.open)
            if record is not None:
                connection.execute(update(schema.alert_seen).values(record=record))
        return len(now_due.alerts)

    def pass_over(self, record: int) -> None:
        """Commit that *record* was looked at, though nothing could be made of it."""
        with guarded(self.path), self.engine.begin() as connection:
            connection.execute(update(schema.alert_seen).values(record=record))

    # Delivering.

    def register(self, names: Sequence[str], now: datetime) -> None:
        """
        Make the channels of these names known. A new one gets what is younger than a day and was
        not sent by any other: a channel whose address has changed misses nothing.
        """
        table = schema.alert_channel
        with guarded(self.path), self.engine.begin() as connection:
            known = set(connection.execute(select(table.c.name)).scalars())
            start = _start(connection, now)
            for name in names:
                if name not in known:
                    values = {"name": name, "reached": start, "tries": 0}
                    connection.execute(insert(table), values)

    def channel(self, name: str) -> ChannelState:
        """The state of a registered channel."""
        table = schema.alert_channel
        with guarded(self.path), self.engine.connect() as connection:
            row = connection.execute(select(table).where(table.c.name == name)).one()
        next_try = row.next_try_at
        return ChannelState(
            name=name,
            reached=row.reached,
            tries=row.tries,
            next_try_at=None if next_try is None else datetime.fromisoformat(next_try),
            error=row.error or "",
        )

    def pending(self, name: str) -> list[Queued]:
        """What the channel has not got yet, in order."""
        alert, channel = schema.alert, schema.alert_channel
        reached = select(channel.c.reached).where(channel.c.name == name).scalar_subquery()
        query = select(alert).where(alert.c.id > reached).order_by(alert.c.id).limit(PENDING_MAX)
        with guarded(self.path), self.engine.connect() as connection:
            return [_queued(row) for row in connection.execute(query)]

    def settle(self, name: str, ids: Sequence[int], result: Result, now: datetime) -> None:
        """Commit that the channel is done with these alerts, the next ones in its queue."""
        channel = schema.alert_channel
        rows = [{"alert_id": i, "channel": name, "result": result, "at": now.isoformat()} for i in ids]
        state: dict[str, object] = {"reached": ids[-1]}
        if result == "sent":
            state |= {"tries": 0, "next_try_at": None, "error": None}
        with guarded(self.path), self.engine.begin() as connection:
            connection.execute(upsert(schema.alert_delivery).on_conflict_do_nothing(), rows)
            connection.execute(update(channel).where(channel.c.name == name).values(state))

    def failed(self, name: str, error: str, next_try_at: datetime) -> None:
        """Commit that a try failed, and when the next one is."""
        table = schema.alert_channel
        values = {
            "tries": table.c.tries + 1,
            "next_try_at": next_try_at.isoformat(),
            "error": error,
        }
        with guarded(self.path), self.engine.begin() as connection:
            connection.execute(update(table).where(table.c.name == name).values(values))

    # Reading.

    def listed(self, limit: int) -> list[Listed]:
        """The last *limit* alerts with what became of them, the newest first."""
        alert, delivery = schema.alert, schema.alert_delivery
        newest = select(alert).order_by(alert.c.id.desc()).limit(limit)
        with guarded(self.path), self.engine.connect() as connection:
            found = [_queued(row) for row in connection.execute(newest)]
            oldest = min((queued.id for queued in found), default=0)
            query = select(delivery).where(delivery.c.alert_id >= oldest).order_by(delivery.c.channel)
            rows = list(connection.execute(query))
        done: dict[int, list[Delivery]] = {queued.id: [] for queued in found}
        for row in rows:
            at = datetime.fromisoformat(row.at)
            made = Delivery(channel=row.channel, result=cast("Result", row.result), at=at)
            done[row.alert_id].append(made)
        return [Listed(id=q.id, alert=q.alert, deliveries=tuple(done[q.id])) for q in found]

    def standing(self) -> list[Open]:
        """The conditions that stand."""
        table = schema.alert_standing
        with guarded(self.path), self.engine.connect() as connection:
            return [_opened(row) for row in connection.execute(select(table).order_by(table.c.key))]


def _seen(connection: Connection) -> int:
    found: int = connection.execute(select(schema.alert_seen.c.record)).scalar_one()
    return found


def _open(connection: Connection, scope: str) -> dict[str, Open]:
    table = schema.alert_standing
    rows = connection.execute(select(table).where(table.c.scope == scope).order_by(table.c.key))
    return {row.key: _opened(row) for row in rows}


def _replace_open(connection: Connection, scope: str, after: Sequence[Open]) -> None:
    table = schema.alert_standing
    connection.execute(delete(table).where(table.c.scope == scope))
    for one in after:
        values = {
            "key": one.alert.key,
            "scope": scope,
            "body": encode(one.alert).decode(),
            "judged_by": one.judged_by,
            "told_at": one.told_at.isoformat(),
            "seen_at": one.seen_at.isoformat(),
        }
        connection.execute(insert(table), values)


def _start(connection: Connection, now: datetime) -> int:
    """The last alert that a new channel need not get."""
    alert, delivery = schema.alert, schema.alert_delivery
    sent = select(delivery.c.alert_id).where(delivery.c.result == "sent")
    waits = and_(alert.c.raised_at >= (now - GIVE_UP).isoformat(), alert.c.id.not_in(sent))
    first = connection.execute(select(func.min(alert.c.id)).where(waits)).scalar()
    last = connection.execute(select(func.max(alert.c.id))).scalar() or 0
    return last if first is None else int(first) - 1


def _row(alert: Alert) -> dict[str, str]:
    return {
        "scope": alert.scope,
        "kind": alert.kind,
        "severity": alert.severity,
        "key": alert.key,
        "raised_at": alert.at.isoformat(),
        "body": encode(alert).decode(),
    }


def _queued(row: Any) -> Queued:
    return Queued(id=row.id, alert=_alert(row.body))


def _opened(row: Any) -> Open:
    return Open(
        alert=_alert(row.body),
        judged_by=cast("JudgedBy", row.judged_by),
        told_at=datetime.fromisoformat(row.told_at),
        seen_at=datetime.fromisoformat(row.seen_at),
    )


def _alert(body: str) -> Alert:
    try:
        return msgspec.json.decode(body, type=Alert)
    except msgspec.MsgspecError as error:
        raise JournalBroken(f"an alert in the journal was altered: {error}") from error
