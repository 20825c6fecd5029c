"""Spacekey's tables in a PostgreSQL schema of their own, in the database of an application with tables of its own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import make_url

from spacekey.domain.authentication import Authenticated
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.page import EVERYTHING, PageRequest, TokenOrder
from spacekey.models.engine.schema import checked_schema, qualified
from spacekey.models.engine.store import Store
from spacekey.models.migrations.run import current, downgrade, upgrade
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.list import TokenSearch, token_list
from spacekey.resolvers.workspaces.lists import audit_list
from spacekey.server.build import build_verifier
from support.databases import postgres_database
from support.postgres import PostgresServer
from support.world import OPERATOR, make_world

HOST = ("users", "settings", "members")
"""Tables of the application, by names that Spacekey's own tables had, or have after their prefix."""


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    """A database without tables."""
    with postgres_database(postgres, "template0") as url:
        yield url


@asynccontextmanager
async def opened(url: str, schema: str | None) -> AsyncIterator[Store]:
    store = Store(url, schema=schema)
    try:
        yield store
    finally:
        await store.aclose()


@pytest.mark.parametrize("name", ["Spacekey", "a-b", "1a", "a" * 64, "", 'a"; DROP', "pg_temp", "information_schema"])
def test_a_name_that_could_not_be_a_schema_of_ours_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        checked_schema(name, "postgresql")


def test_sqlite_has_no_schemas(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="SQLite has no schemas"):
        Store(f"sqlite:///{tmp_path}/x.db", schema="spacekey")


def test_every_table_of_a_statement_is_qualified() -> None:
    asked = "SELECT t.id FROM spacekey_tokens t JOIN spacekey_workspaces w ON w.id = t.workspace_id"
    assert qualified(asked, "keys") == (
        'SELECT t.id FROM "keys".spacekey_tokens t JOIN "keys".spacekey_workspaces w ON w.id = t.workspace_id'
    )
    assert qualified(asked, None) == asked


def host_migrations(folder: Path) -> Path:
    """An Alembic history of the application's, with its own ``alembic_version``."""
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text(
        "from alembic import context\n"
        "context.configure(connection=context.config.attributes['connection'])\n"
        "with context.begin_transaction():\n    context.run_migrations()\n"
    )
    made = "\n".join(f"    op.execute('CREATE TABLE {table} (id int PRIMARY KEY)')" for table in HOST)
    filled = "\n".join(f"    op.execute('INSERT INTO {table} VALUES (1)')" for table in HOST)
    for revision, before, body in (("0001", None, made), ("0002", "0001", filled)):
        (folder / "versions" / f"{revision}.py").write_text(
            f"from alembic import op\nrevision = {revision!r}\ndown_revision = {before!r}\n\ndef upgrade():\n{body}\n"
        )
    return folder


async def migrate_host(url: str, folder: Path, revision: str = "head") -> None:
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    store = Store(url)
    try:
        async with store.engine.connect() as connection:

            def run(sync: object) -> None:
                config.attributes["connection"] = sync
                command.upgrade(config, revision)

            await connection.run_sync(run)
            await connection.commit()
    finally:
        await store.aclose()


async def tables(url: str) -> dict[str, set[str]]:
    """Tables by schema."""
    connection = await asyncpg.connect(re.sub(r"\+asyncpg", "", url))
    try:
        rows = await connection.fetch(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        host = [await connection.fetchval(f"SELECT count(*) FROM public.{table}") for table in HOST]
        version = await connection.fetch("SELECT version_num FROM public.alembic_version")
    finally:
        await connection.close()
    assert host == [1, 1, 1]
    assert [row[0] for row in version] == ["0002"]
    found: dict[str, set[str]] = {}
    for schema, table in rows:
        found.setdefault(schema, set()).add(table)
    return found


@pytest.mark.parametrize("schema", ["spacekey", None])
@pytest.mark.parametrize("first", ["host", "spacekey", "between"])
async def test_both_histories_run_in_either_order(url: str, tmp_path: Path, schema: str | None, first: str) -> None:
    folder = host_migrations(tmp_path / "host")
    async with opened(url, schema) as store:
        if first != "spacekey":
            await migrate_host(url, folder, "head" if first == "host" else "0001")
        await upgrade(store)
        await migrate_host(url, folder)
        await upgrade(store)
        assert (await current(store)).problem is None
        found = await tables(url)
        ours = found["public" if schema is None else schema]
        assert {"spacekey_tokens", "spacekey_alembic_version"} <= ours
        assert {one for one in found["public"] if not one.startswith("spacekey_")} == {*HOST, "alembic_version"}
        if schema is not None:
            assert all(one.startswith("spacekey_") for one in ours)
            assert found["public"] == {*HOST, "alembic_version"}


@pytest.mark.parametrize("pool_mode", ["session", "transaction"])
async def test_everything_happens_in_the_schema(url: str, pool_mode: str) -> None:
    """Changes, raw reads and verification, beside another installation in ``public`` that must not be touched.

    ``pgbouncer=transaction`` changes what is sent, with or without a pooler in front.
    """
    asked = f"{url}{'&' if '?' in url else '?'}pgbouncer={pool_mode}"
    async with opened(url, None) as other, opened(asked, "keys_2") as store:
        await upgrade(other)
        await upgrade(store)
        world = make_world(store)
        home = await world.workspace("spooled")
        issued = await create_token(world.system, OPERATOR, NewToken(home.id, "t", ("jobs:read",)))
        listed = await token_list(
            world.system,
            OPERATOR,
            home.id,
            search=TokenSearch(text="t"),
            order=TokenOrder.CREATED_AT,
            descending=True,
            request=PageRequest(10),
        )
        assert [view.token.id for view in listed.rows] == [issued.view.token.id]
        assert len((await audit_list(world.system, OPERATOR, home.id, PageRequest(10), EVERYTHING)).rows) == 2
        verifier = build_verifier(store, world.system.products, world.clock, 0.0, check_schema=True)
        elsewhere = build_verifier(other, world.system.products, world.clock, 0.0, check_schema=True)
        try:
            assert isinstance(await verifier.verify(issued.secret), Authenticated)
            assert all(isinstance(one, Authenticated) for one in await verifier.verify_many([issued.secret]))
            assert not isinstance(await elsewhere.verify(issued.secret), Authenticated)
        finally:
            await verifier.aclose()
            await elsewhere.aclose()
        await store.ping()


async def test_two_installations_upgrade_with_their_rows_each_by_itself(url: str) -> None:
    async with opened(url, None) as public, opened(url, "spacekey") as own:
        for store in (public, own):
            await upgrade(store)
            await make_world(store).workspace("emit", slug="kept")
        await downgrade(own, "0011")
        assert (await current(own)).revision == "0011"
        assert (await current(public)).problem is None
        await upgrade(own)
        for store in (public, own):
            with pytest.raises(Exception, match="taken"):
                await make_world(store).workspace("emit", slug="kept")
        await downgrade(own)
        assert (await current(public)).problem is None


async def test_migrating_at_the_same_time_makes_one_schema(url: str) -> None:
    async with opened(url, "spacekey") as one, opened(url, "spacekey") as two:
        await asyncio.gather(upgrade(one), upgrade(two))
        assert (await current(one)).problem is None


async def test_a_user_who_may_not_create_schemas_migrates_one_that_exists(url: str, postgres: PostgresServer) -> None:
    """The owner of the database made the schema for the application's user, who has rights in it alone."""
    name = make_url(url).database
    owner = await asyncpg.connect(re.sub(r"\+asyncpg", "", url))
    user = f"app_{name}"
    try:
        await owner.execute(f"CREATE ROLE {user} LOGIN")
        await owner.execute(f"REVOKE CREATE ON DATABASE {name} FROM PUBLIC; CREATE SCHEMA corner AUTHORIZATION {user}")
        theirs = make_url(url).set(username=user).render_as_string(hide_password=False)
        async with opened(theirs, "corner") as store:
            await upgrade(store)
            assert (await current(store)).problem is None
            await store.ping()
    finally:
        await owner.execute("DROP SCHEMA IF EXISTS corner CASCADE")
        await owner.execute(f"DROP ROLE IF EXISTS {user}")
        await owner.close()
