"""Alembic's entry: runs the migrations on the connection the store hands in, inside its transaction."""

from alembic import context

from adapter.store.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
