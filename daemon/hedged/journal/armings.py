"""
What was armed, and when: rows that are only ever added.

Enters the terms that a person has seen; leaves the last ones, and whether they are in force still.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import Connection, insert, select

from hedged.core.arming import Terms, disarmed
from hedged.core.encoding import digest, encode
from hedged.core.gate import Restriction
from hedged.errors import JournalBroken
from hedged.journal import schema

_LAST = (
    select(schema.arming.c.body, schema.arming.c.digest).order_by(schema.arming.c.id.desc()).limit(1)
)
_AT = select(schema.arming.c.at).order_by(schema.arming.c.id.desc()).limit(1)


def add_arming(connection: Connection, terms: Terms, now: datetime) -> str:
    """Keep *terms* as armed; their digest."""
    body = encode(terms)
    values = {"body": body.decode(), "digest": digest(body), "at": now.isoformat()}
    connection.execute(insert(schema.arming), values)
    return values["digest"]


def armed(connection: Connection) -> Terms | None:
    """
    The terms that were armed last, None where nothing ever was.

    Raises
    ------
    JournalBroken
        When the row was altered.
    """
    row = connection.execute(_LAST).first()
    if row is None:
        return None
    if digest(row.body.encode()) != row.digest:
        raise JournalBroken("what was armed was altered; look at it and arm it anew")
    return msgspec.json.decode(row.body.encode(), type=Terms)


def armed_at(connection: Connection) -> datetime | None:
    """When terms were armed last; None where nothing ever was."""
    found = connection.execute(_AT).scalar()
    return None if found is None else datetime.fromisoformat(found)


def unarmed(connection: Connection, terms: Terms | None, now: datetime) -> Restriction | None:
    """What restricts everything while *terms* are not armed; nothing where none must be."""
    return None if terms is None else disarmed(armed(connection), terms, now)
