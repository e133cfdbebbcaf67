"""
The journal's tables, as `migrations` makes them; a test holds the two together.
"""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

HEAD = "0004"
"""The revision this program writes."""

metadata = MetaData()


def _texts(*names: str) -> list[Column[str]]:
    """Columns of text that every row has."""
    return [Column(name, Text, nullable=False) for name in names]


binding = Table(
    "binding",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="one_binding"), primary_key=True),
    *_texts("mode", "accounts", "bound_at"),
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
    *_texts("body"),
)

record = Table(
    "record",
    metadata,
    Column("id", Integer, primary_key=True),
    *_texts("portfolio", "tick_id", "kind", "at", "body", "prev_hash", "hash"),
    UniqueConstraint("portfolio", "tick_id", name="one_record_a_tick"),
    Index("record_by_portfolio", "portfolio", "id"),
    Index("record_by_kind", "portfolio", "kind", "id"),
)

intent = Table(
    "intent",
    metadata,
    Column("id", Integer, primary_key=True),
    *_texts("portfolio", "account", "mode", "tick_id", "symbol"),
    Column("client_order_id", Text, nullable=False, unique=True),
    *_texts("notional", "body", "opened_at"),
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
    *_texts("scope", "body"),
    Column("lifted_at", Text),
    Column("lifted_by", Text),
)

alert = Table(
    "alert",
    metadata,
    Column("id", Integer, primary_key=True),
    *_texts("scope", "kind", "severity", "key", "raised_at", "body"),
)

alert_standing = Table(
    "alert_standing",
    metadata,
    Column("key", Text, primary_key=True),
    *_texts("scope", "body", "judged_by", "told_at", "seen_at"),
    Index("alert_standing_by_scope", "scope"),
)

alert_channel = Table(
    "alert_channel",
    metadata,
    Column("name", Text, primary_key=True),
    Column("reached", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_try_at", Text),
    Column("error", Text),
)

alert_delivery = Table(
    "alert_delivery",
    metadata,
    Column("alert_id", Integer, ForeignKey("alert.id"), primary_key=True),
    Column("channel", Text, primary_key=True),
    *_texts("result", "at"),
)

alert_seen = Table(
    "alert_seen",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="one_alert_seen"), primary_key=True),
    Column("record", Integer, nullable=False),
)

proposal = Table(
    "proposal",
    metadata,
    Column("number", Integer, primary_key=True),
    *_texts("portfolio", "account", "tick_id", "body", "digest", "made_at", "expires_at"),
    Index("proposal_by_portfolio", "portfolio", "number"),
)

decision = Table(
    "decision",
    metadata,
    Column("proposal", Integer, ForeignKey("proposal.number"), primary_key=True),
    *_texts("verdict", "by", "why", "at"),
    CheckConstraint("verdict IN ('approve', 'reject')", name="known_verdict"),
)

consent_use = Table(
    "consent_use",
    metadata,
    Column("proposal", Integer, ForeignKey("decision.proposal"), primary_key=True),
    *_texts("portfolio", "tick_id", "at"),
    UniqueConstraint("portfolio", "tick_id", name="one_consent_a_tick"),
)

arming = Table(
    "arming",
    metadata,
    Column("id", Integer, primary_key=True),
    *_texts("body", "digest", "at"),
)
