"""Alembic's entry: it runs on the connection that `journal.database` hands over."""

from __future__ import annotations

from alembic import context

from hedged.journal.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
