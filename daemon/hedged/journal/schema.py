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

alert = Table(
    "alert",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("raised_at", Text, nullable=False),
    Column("body", Text, nullable=False),
)

alert_standing = Table(
    "alert_standing",
    metadata,
    Column("key", Text, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("judged_by", Text, nullable=False),
    Column("told_at", Text, nullable=False),
    Column("seen_at", Text, nullable=False),
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
    Column("result", Text, nullable=False),
    Column("at", Text, nullable=False),
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
    Column("portfolio", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("tick_id", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("made_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    Index("proposal_by_portfolio", "portfolio", "number"),
)

decision = Table(
    "decision",
    metadata,
    Column("proposal", Integer, ForeignKey("proposal.number"), primary_key=True),
    Column("verdict", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("at", Text, nullable=False),
    CheckConstraint("verdict IN ('approve', 'reject')", name="known_verdict"),
)

consent_use = Table(
    "consent_use",
    metadata,
    Column("proposal", Integer, ForeignKey("decision.proposal"), primary_key=True),
    Column("portfolio", Text, nullable=False),
    Column("tick_id", Text, nullable=False),
    Column("at", Text, nullable=False),
    UniqueConstraint("portfolio", "tick_id", name="one_consent_a_tick"),
)

arming = Table(
    "arming",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("body", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("at", Text, nullable=False),
)
