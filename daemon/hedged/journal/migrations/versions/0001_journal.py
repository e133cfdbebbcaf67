"""The first journal: records that the database itself refuses to change or drop."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "binding",
        sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1", name="one_binding"), primary_key=True),
        *(_text(name) for name in ("mode", "accounts", "bound_at")),
    )
    op.create_table(
        "writer",
        sa.Column("epoch", sa.Text, primary_key=True),
        sa.Column("pid", sa.Integer, nullable=False),
    )
    op.create_table("policy", sa.Column("digest", sa.Text, primary_key=True), _text("body"))
    op.create_table(
        "record",
        sa.Column("id", sa.Integer, primary_key=True),
        *(_text(n) for n in ("portfolio", "tick_id", "kind", "at", "body", "prev_hash", "hash")),
        sa.UniqueConstraint("portfolio", "tick_id", name="one_record_a_tick"),
    )
    op.create_table(
        "intent",
        sa.Column("id", sa.Integer, primary_key=True),
        *(_text(n) for n in ("portfolio", "account", "mode", "tick_id", "symbol")),
        sa.Column("client_order_id", sa.Text, nullable=False, unique=True),
        *(_text(n) for n in ("notional", "body", "opened_at")),
        *(_text(n, nullable=True) for n in ("sent_at", "outcome", "resolved_at")),
    )
    op.create_table(
        "restriction",
        sa.Column("id", sa.Integer, primary_key=True),
        *(_text(n) for n in ("scope", "body")),
        *(_text(n, nullable=True) for n in ("lifted_at", "lifted_by")),
    )
    for name, table, columns in (
        ("record_by_portfolio", "record", ["portfolio", "id"]),
        ("record_by_kind", "record", ["portfolio", "kind", "id"]),
        ("intent_by_portfolio", "intent", ["portfolio", "opened_at"]),
        ("intent_unresolved", "intent", ["portfolio", "outcome"]),
    ):
        op.create_index(name, table, columns)
    for table, change in (
        ("record", "UPDATE"),
        ("record", "DELETE"),
        ("policy", "UPDATE"),
        ("policy", "DELETE"),
        ("intent", "DELETE"),
        ("restriction", "DELETE"),
    ):
        op.execute(
            f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
        )
    op.execute(
        "CREATE TRIGGER intent_resolved_once BEFORE UPDATE ON intent WHEN OLD.outcome IS NOT NULL "
        "BEGIN SELECT RAISE(ABORT, 'the first outcome stands'); END"
    )
    op.execute(
        "CREATE TRIGGER intent_sent_once BEFORE UPDATE OF sent_at ON intent "
        "WHEN OLD.sent_at IS NOT NULL "
        "BEGIN SELECT RAISE(ABORT, 'an order is sent at most once'); END"
    )
