"""Behind a real PgBouncer everything works: in session mode with its defaults, in transaction mode when we are told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from spacekey.domain.errors import ServiceUnavailable
from spacekey.models.engine.store import Store
from spacekey.models.lookup.postgres import PostgresLookup
from spacekey.models.migrations.run import current, upgrade
from spacekey.models.migrations.schema_version import SchemaState
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.list import token_view
from spacekey.resolvers.tokens.revoke import revoke_token
from support.databases import postgres_database
from support.postgres import PostgresServer
from support.servers.pgbouncer import PgBouncer
from support.world import OPERATOR, make_world

AT_ONCE = 6


@pytest.fixture(params=["session", "transaction"])
def pooled(request: pytest.FixtureRequest, postgres: PostgresServer) -> Iterator[str]:
    """The URL of an empty database behind PgBouncer; in transaction mode clients share three server connections."""
    mode = str(request.param)
    bouncer = PgBouncer(postgres, mode, pool_size=3 if mode == "transaction" else 20)
    bouncer.start()
    try:
        with postgres_database(postgres, "template0", pooled=True) as url:
            name = url.split("/")[3].partition("?")[0]
            yield bouncer.url(name, **({"pgbouncer": "transaction"} if mode == "transaction" else {}))
    finally:
        bouncer.remove()


@pytest.mark.parametrize("schema", [None, "spacekey"])
async def test_from_the_migration_to_a_revocation(pooled: str, schema: str | None) -> None:
    store = Store(pooled, schema=schema)
    await upgrade(store)
    assert (await current(store)).state is SchemaState.CURRENT
    await store.ping()
    world = make_world(store)
    workspace = await world.workspace("spooled")
    lookup = PostgresLookup(pooled, schema=schema, pool_size=8, deadline_seconds=20)

    async def one_life(number: int) -> None:
        new = NewToken(workspace.id, f"token {number}", ("jobs:read",))
        issued = await create_token(world.system, OPERATOR, new)
        digest = issued.secret.digest()
        for _ in range(3):
            facts = await lookup.by_digest(digest)
            assert facts is not None
            assert (facts.name, facts.revoked_at) == (f"token {number}", None)
        await token_view(world.system, OPERATOR, issued.view.token.id)
        await revoke_token(world.system, OPERATOR, issued.view.token.id)
        facts = await lookup.by_digest(digest)
        assert facts is not None
        assert facts.revoked_at is not None

    await asyncio.gather(*(one_life(number) for number in range(AT_ONCE)))
    await lookup.aclose()
    await store.aclose()


async def test_no_statement_is_left_on_a_connection_that_others_get(pooled: str) -> None:
    if "transaction" not in pooled:
        return  # a session's server connection is its own until PgBouncer has emptied it
    store = Store(pooled)
    for _ in range(6):
        async with store.engine.connect() as connection:
            left = await connection.exec_driver_sql("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''")
            assert left.scalar_one() == 0
    await store.aclose()


async def test_a_lock_is_waited_for_no_longer_than_without_a_pooler(pooled: str, postgres: PostgresServer) -> None:
    store, hurried = Store(pooled), Store(pooled, busy_seconds=0.2)
    await upgrade(store)
    async with store.changing() as session:
        await (await session.connection()).exec_driver_sql("LOCK TABLE spacekey_users IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(ServiceUnavailable, match="55P03"):
            async with hurried.changing() as other:
                await (await other.connection()).exec_driver_sql("LOCK TABLE spacekey_users IN ACCESS EXCLUSIVE MODE")
    await hurried.aclose()
    await store.aclose()
