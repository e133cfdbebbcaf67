"""What a person has armed: rows that the database itself refuses to change or drop."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "arming",
        sa.Column("id", sa.Integer, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("body", "digest", "at")),
    )
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER arming_no_{change.lower()} BEFORE {change} ON arming "
            f"BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
        )
