"""Start-up's look at the database: SQLite is brought up to date, PostgreSQL only asked whether it is."""

from __future__ import annotations

from spacekey.domain.errors import ConfigurationError
from spacekey.models import migrate
from spacekey.models.store import SQLITE, Store


async def prepare_store(store: Store) -> None:
    """Make sure the tables are those of this version.

    A PostgreSQL may serve other processes of the version before: migrating it is the operator's decision.

    :raises ConfigurationError: PostgreSQL is not at this version's revision; says what to run.
    :raises Unavailable: the database does not answer.
    """
    if store.dialect == SQLITE:
        await migrate.upgrade(store)
        return
    found, wanted = await migrate.current(store), migrate.head()
    if found != wanted:
        state = "has no tables yet" if found is None else f"is at revision {found}, this version needs {wanted}"
        raise ConfigurationError(f"SPACEKEY_DATABASE_URL: the database {state}; run 'spacekey migrate' first")
