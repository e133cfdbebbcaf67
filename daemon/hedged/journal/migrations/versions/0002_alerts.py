"""The queue of alerts: what was raised, what stands, and how far each channel has got."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "alert",
        sa.Column("id", sa.Integer, primary_key=True),
        *(_text(n) for n in ("scope", "kind", "severity", "key", "raised_at", "body")),
    )
    op.create_table(
        "alert_standing",
        sa.Column("key", sa.Text, primary_key=True),
        *(_text(n) for n in ("scope", "body", "judged_by", "told_at", "seen_at")),
    )
    op.create_table(
        "alert_channel",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("reached", sa.Integer, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        *(_text(n, nullable=True) for n in ("next_try_at", "error")),
    )
    op.create_table(
        "alert_delivery",
        sa.Column("alert_id", sa.Integer, sa.ForeignKey("alert.id"), primary_key=True),
        sa.Column("channel", sa.Text, primary_key=True),
        *(_text(n) for n in ("result", "at")),
    )
    seen = op.create_table(
        "alert_seen",
        sa.Column(
            "id", sa.Integer, sa.CheckConstraint("id = 1", name="one_alert_seen"), primary_key=True
        ),
        sa.Column("record", sa.Integer, nullable=False),
    )
    op.create_index("alert_standing_by_scope", "alert_standing", ["scope"])
    # What was recorded before there were alerts is not told now.
    last = op.get_bind().execute(sa.text("SELECT coalesce(max(id), 0) FROM record")).scalar_one()
    op.bulk_insert(seen, [{"id": 1, "record": last}])
    op.execute(
        "CREATE TRIGGER alert_no_update BEFORE UPDATE ON alert "
        "BEGIN SELECT RAISE(ABORT, 'an alert stands as it was raised'); END"
    )
