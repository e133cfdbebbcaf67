"""Proposals, what a person decided, and the single use of a consent; none of it can be changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def upgrade() -> None:
    op.create_table(
        "proposal",
        sa.Column("number", sa.Integer, primary_key=True),
        *(_text(n) for n in ("portfolio", "account", "tick_id", "body", "digest")),
        *(_text(n) for n in ("made_at", "expires_at")),
    )
    op.create_index("proposal_by_portfolio", "proposal", ["portfolio", "number"])
    op.create_table(
        "decision",
        sa.Column("proposal", sa.Integer, sa.ForeignKey("proposal.number"), primary_key=True),
        *(_text(n) for n in ("verdict", "by", "why", "at")),
        sa.CheckConstraint("verdict IN ('approve', 'reject')", name="known_verdict"),
    )
    op.create_table(
        "consent_use",
        sa.Column("proposal", sa.Integer, sa.ForeignKey("decision.proposal"), primary_key=True),
        *(_text(n) for n in ("portfolio", "tick_id", "at")),
        sa.UniqueConstraint("portfolio", "tick_id", name="one_consent_a_tick"),
    )
    for table in ("proposal", "decision", "consent_use"):
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
            )
