"""
Whom a journal belongs to, when its present writer began, and the order ids that follow from both.

Enters a connection inside a transaction; leaves rows of the journal's own, and ids.
"""

from __future__ import annotations

import base64
import hashlib
import os
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, func, insert, select

from hedged.core.encoding import encode
from hedged.core.market import OURS
from hedged.core.record import Mode
from hedged.errors import JournalForeign
from hedged.journal import schema

ID_DIGITS = 24


def bind(
    connection: Connection, path: Path, mode: Mode, accounts: tuple[str, ...], now: datetime
) -> None:
    """A journal belongs to the mode and the accounts it was made for."""
    mine = (mode, encode(sorted(accounts)).decode())
    row = connection.execute(select(schema.binding.c.mode, schema.binding.c.accounts)).first()
    if row is None:
        values = {"id": 1, "mode": mine[0], "accounts": mine[1], "bound_at": now.isoformat()}
        connection.execute(insert(schema.binding), values)
    elif tuple(row) != mine:
        raise JournalForeign(
            f"{path} belongs to mode {row[0]} and accounts {row[1]}, not to mode {mine[0]} and "
            f"accounts {mine[1]}; give service.state_dir another folder"
        )


def new_epoch(connection: Connection, now: datetime, not_before: datetime | None) -> datetime:
    """
    The instant this writer began, strictly later than any before it, so that no id repeats.

    *not_before* is the last instant at which the accounts are known to have been traded: a journal
    that was lost or restored does not know of the writers since.
    """
    if not_before is not None:
        now = max(now, not_before + timedelta(microseconds=1))
    last = connection.execute(select(func.max(schema.writer.c.epoch))).scalar()
    epoch = now if last is None else max(now, datetime.fromisoformat(last) + timedelta(microseconds=1))
    values = {"epoch": epoch.isoformat(timespec="microseconds"), "pid": os.getpid()}
    connection.execute(insert(schema.writer), values)
    return epoch


def order_id(account: str, epoch: datetime, row: int) -> str:
    """
    ``prefix + base32(sha256(account, writer epoch, journal row))``: 27 characters of ``[a-z0-9]``.

    Never random, and never derived from the plan: the same sale in March and in May differ.
    """
    named = "\n".join((account, epoch.isoformat(), str(row))).encode()
    return OURS + base64.b32encode(hashlib.sha256(named).digest()).decode()[:ID_DIGITS].lower()
