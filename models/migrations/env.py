"""Alembic environment: migrations run over the connection that the command has opened and locked."""

from alembic import context

# Alembic loads this file by its path, so relative imports do not work here.
from spacekey.models.migrations.schema_version import VERSION_TABLE

# The caller owns the transaction: a failed migration leaves nothing behind, on either database.
context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
context.run_migrations()
