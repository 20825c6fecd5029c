"""How Alembic reaches the database here: over the connection that the command has opened and locked."""

from alembic import context

# Alembic loads this file by its path, so relative imports do not work here.
from spacekey.models.migrations.schema_version import VERSION_TABLE

# The transaction is the caller's: a migration that fails leaves nothing, on either database.
context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
context.run_migrations()
