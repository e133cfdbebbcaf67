"""
The journal's tables, as `migrations` makes them; a test holds the two together.
"""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

HEAD = "0001"
"""The revision this program writes."""

metadata = MetaData()

binding = Table(
    "binding",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="one_binding"), primary_key=True),
    Column("mode", Text, nullable=False),
    Column("accounts", Text, nullable=False),
    Column("bound_at", Text, nullable=False),
)

writer = Table(
    "writer",
    metadata,
    Column("epoch", Text, primary_key=True),
    Column("pid", Integer, nullable=False),
)

policy = Table(
    "policy",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("body", Text, nullable=False),
)

record = Table(
    "record",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("portfolio", Text, nullable=False),
    Column("tick_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("prev_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    UniqueConstraint("portfolio", "tick_id", name="one_record_a_tick"),
    Index("record_by_portfolio", "portfolio", "id"),
    Index("record_by_kind", "portfolio", "kind", "id"),
)

intent = Table(
    "intent",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("portfolio", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("tick_id", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("client_order_id", Text, nullable=False, unique=True),
    Column("notional", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("opened_at", Text, nullable=False),
    Column("sent_at", Text),
    Column("outcome", Text),
    Column("resolved_at", Text),
    Index("intent_by_portfolio", "portfolio", "opened_at"),
    Index("intent_unresolved", "portfolio", "outcome"),
)

restriction = Table(
    "restriction",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("lifted_at", Text),
    Column("lifted_by", Text),
)
