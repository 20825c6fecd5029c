"""Start-up's look at the database: SQLite is brought up to date, PostgreSQL only asked whether it is."""

from __future__ import annotations

from spacekey.domain.errors import ConfigurationError
from spacekey.models.engine.store import SQLITE, Store
from spacekey.models.migrations import run as migrate


async def prepare_store(store: Store) -> None:
    """Make sure the tables are those of this version.

    A PostgreSQL may serve other processes of the version before: migrating it is the operator's decision.

    :raises ConfigurationError: PostgreSQL has an older schema than this version's, or either database a newer one or
        a version that is none of Spacekey's; says what to do.
    :raises Unavailable: the database does not answer.
    """
    if store.dialect == SQLITE:
        await migrate.upgrade(store)
        return
    await store.ping()
    schema = await migrate.current(store)
    if schema.problem is not None:
        raise ConfigurationError(f"SPACEKEY_DATABASE_URL: the database {schema.problem}; {schema.remedy}")
