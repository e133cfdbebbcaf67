"""
What every pass asks of the journal, as statements that are built once.

Enters the tables; leaves statements with named parameters. To build a statement, and to find what it
was compiled to, SQLAlchemy takes several times as long as SQLite takes to answer it.
"""

from __future__ import annotations

from sqlalchemy import bindparam, func, insert, or_, select

from hedged.journal.schema import intent, policy, record, restriction

_OF_PORTFOLIO = record.c.portfolio == bindparam("portfolio")
_NEWEST = record.c.id.desc()

HEAD = select(record.c.id, record.c.hash).order_by(_NEWEST).limit(1)
RECORD = select(record).where(record.c.id == bindparam("id"))
TICK = select(record.c.id).where(_OF_PORTFOLIO, record.c.tick_id == bindparam("tick_id"))
LAST = select(record.c.id, record.c.at, record.c.body).where(_OF_PORTFOLIO).order_by(_NEWEST).limit(1)
LAST_OF_KIND = (
    select(record.c.id, record.c.tick_id)
    .where(_OF_PORTFOLIO, record.c.kind == bindparam("kind"))
    .order_by(_NEWEST)
    .limit(1)
)
NEW_RECORD = insert(record)

POLICY = select(policy.c.body).where(policy.c.digest == bindparam("digest"))

UNRESOLVED = select(intent).where(
    intent.c.portfolio == bindparam("portfolio"), intent.c.outcome.is_(None)
)
SENT_SINCE = select(intent.c.notional, intent.c.body, intent.c.outcome).where(
    intent.c.portfolio == bindparam("portfolio"), intent.c.opened_at >= bindparam("since")
)
SENT_BY_SYMBOL = (
    select(intent.c.symbol, func.count().label("sent"))
    .where(intent.c.portfolio == bindparam("portfolio"), intent.c.tick_id == bindparam("tick_id"))
    .group_by(intent.c.symbol)
)

RESTRICTIONS = select(restriction.c.body).where(
    restriction.c.lifted_at.is_(None),
    or_(restriction.c.scope == bindparam("portfolio"), restriction.c.scope == "all"),
)
