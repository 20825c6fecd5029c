"""Migrations build, on both databases, exactly the schema the code wants, and take it away again."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlmodel import SQLModel

from spacekey.domain.errors import ServiceUnavailable
from spacekey.models.engine.store import SQLITE, Store
from spacekey.models.migrations import run as migrate
from spacekey.models.migrations.run import current, downgrade, upgrade
from spacekey.models.migrations.schema_version import SchemaState, head
from spacekey.models.tables.registry import metadata
from spacekey.resolvers.accounts.sessions import sign_in
from spacekey.resolvers.audit.chains import verify_chains
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.rotate import rotate_token
from support.world import FACTS, OPERATOR, PASSWORD, make_world

SQLITE_CATALOG = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE tbl_name != 'spacekey_alembic_version'"
POSTGRESQL_CATALOG = """
    SELECT 'column', table_name, column_name, data_type, udt_name, is_nullable, column_default,
           character_maximum_length, datetime_precision
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL
    SELECT 'constraint', c.relname, n.conname, pg_get_constraintdef(n.oid), n.contype::text,
           n.convalidated::text, NULL, NULL, NULL
    FROM pg_constraint n JOIN pg_class c ON c.oid = n.conrelid
    WHERE n.connamespace = 'public'::regnamespace AND n.contype <> 'n'
    UNION ALL
    SELECT 'index', tablename, indexname, indexdef, NULL, NULL, NULL, NULL, NULL
    FROM pg_indexes WHERE schemaname = 'public'
"""
TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal UNION SELECT proname FROM pg_proc "
    "WHERE pronamespace = 'public'::regnamespace",
}


@pytest.fixture
async def bare(bare_database_url: str) -> AsyncIterator[Store]:
    store = Store(bare_database_url)
    yield store
    await store.aclose()


async def shape(store: Store) -> list[Any]:
    """Everything the database knows of the schema, but triggers and Alembic's own table, in one order."""
    async with store.engine.connect() as connection:
        if store.dialect == SQLITE:
            rows = (await connection.execute(text(SQLITE_CATALOG))).all()
            return sorted((kind, name, table, _parts(sql)) for kind, name, table, sql in rows if kind != "trigger")
        found = (await connection.execute(text(POSTGRESQL_CATALOG))).all()
        return sorted(tuple(map(str, row)) for row in found if row[1] != "spacekey_alembic_version")


def _parts(sql: str | None) -> tuple[str, ...]:
    """The columns and constraints of a CREATE TABLE, in whichever order they were written.

    Lengths are left out: SQLite ignores them, so that a migration need not write a table again to change one.
    """
    sql = None if sql is None else re.sub(r"VARCHAR\(\d+\)", "VARCHAR", sql)
    if sql is None or not sql.startswith("CREATE TABLE"):
        return (sql or "",)
    return tuple(sorted(" ".join(part.split()) for part in _outer_parts(sql[sql.index("(") + 1 : sql.rindex(")")])))


def _outer_parts(body: str) -> list[str]:
    """What the commas outside of parentheses and quotes separate; ALTER TABLE writes no line breaks between them."""
    parts, depth, quoted = [""], 0, False
    for one in body:
        quoted ^= one == "'"
        depth += 0 if quoted else (one == "(") - (one == ")")
        if one == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += one
    return parts


async def triggers(store: Store) -> set[str]:
    async with store.engine.connect() as connection:
        return set((await connection.execute(text(TRIGGERS[store.dialect]))).scalars())


async def test_migrations_build_the_schema_of_the_code(bare: Store) -> None:
    async with bare.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    wanted = await shape(bare)
    async with bare.engine.begin() as connection:
        await connection.run_sync(metadata.drop_all)
    assert await shape(bare) == []
    await upgrade(bare)
    assert await shape(bare) == wanted
    assert {table.name for table in metadata.sorted_tables} == {
        row[1] for row in wanted if row[0] in {"table", "column"}
    }


async def test_up_down_and_up_again(bare: Store) -> None:
    assert (await current(bare)).state is SchemaState.EMPTY
    await upgrade(bare)
    assert (await current(bare)).state is SchemaState.CURRENT
    first, with_triggers = await shape(bare), await triggers(bare)
    assert with_triggers

    await downgrade(bare)
    assert (await current(bare)).state is SchemaState.EMPTY
    assert await shape(bare) == []
    assert await triggers(bare) == set()

    await upgrade(bare)
    assert (await shape(bare), await triggers(bare)) == (first, with_triggers)


async def test_chains_of_rotations_are_found_in_an_installation_of_before(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("spooled")
    expected: dict[str, str | None] = {}
    for length in (0, 1, 4):
        new = NewToken(workspace.id, "t", ("jobs:read",))
        first = token_id = (await create_token(world.system, OPERATOR, new)).view.token.id
        expected[first] = None
        for _ in range(length):
            token_id = (await rotate_token(world.system, OPERATOR, token_id)).view.token.id
            expected[token_id] = first
    async with store.engine.connect() as connection:
        await connection.execute(text("UPDATE spacekey_tokens SET chain_id = NULL"))
        await connection.run_sync(_fill_chains)
        found = await connection.execute(text("SELECT id, chain_id FROM spacekey_tokens"))
        assert {row.id: row.chain_id for row in found} == expected


def _fill_chains(connection: Connection) -> None:
    """What the migration does with the rows that it finds."""
    import_module("spacekey.models.migrations.versions.0006_token_chains").fill(connection)


async def test_upgrading_twice_changes_nothing(store: Store) -> None:
    before = await shape(store)
    await upgrade(store)
    assert await shape(store) == before
    assert (await current(store)).state is SchemaState.CURRENT


async def test_migrations_that_start_at_once_run_once(bare: Store) -> None:
    others = [Store(str(bare.url.render_as_string(hide_password=False)), busy_seconds=20) for _ in range(3)]
    await asyncio.gather(*(upgrade(one) for one in others))
    assert (await current(bare)).state is SchemaState.CURRENT
    for one in others:
        await one.aclose()


async def test_a_migration_that_fails_leaves_nothing(bare: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ScriptDirectory.from_config(migrate._config()).get_revision(head()).module

    class Failed(Exception):
        pass

    original = command.upgrade

    def fails_at_the_end(*arguments: Any) -> None:
        original(*arguments)
        raise Failed

    monkeypatch.setattr(command, "upgrade", fails_at_the_end)
    with pytest.raises(Failed):
        await upgrade(bare)
    assert module.revision == head()
    assert await shape(bare) == []
    assert (await current(bare)).state is SchemaState.EMPTY


async def test_a_migration_does_not_wait_for_ever(bare: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "LOCK_SECONDS", 0.1)
    hurried = Store(bare.url.render_as_string(hide_password=False), busy_seconds=0.1)
    async with migrate._locked(bare):
        with pytest.raises(ServiceUnavailable):
            await upgrade(hurried)
    await hurried.aclose()
    assert (await current(bare)).state is SchemaState.EMPTY


async def test_a_folder_with_a_percent_sign_is_no_interpolation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "__file__", "/somewhere/100%(home)s/run.py")
    assert migrate._config().get_main_option("script_location") == "/somewhere/100%(home)s"


def test_every_constraint_has_a_name() -> None:
    unnamed = [
        (table.name, constraint)
        for table in metadata.sorted_tables
        for constraint in table.constraints
        if constraint.name is None
    ]
    assert unnamed == []


def test_an_application_with_its_own_tables_gets_none_of_ours() -> None:
    assert SQLModel.metadata.tables.keys().isdisjoint(metadata.tables)


async def test_current_of_an_unrelated_database_is_none(bare: Store) -> None:
    def make(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE unrelated (id INTEGER)"))

    async with bare.engine.begin() as connection:
        await connection.run_sync(make)
    assert (await current(bare)).state is SchemaState.EMPTY


@pytest.mark.parametrize("revision", ["0011", "0012"])
async def test_new_columns_come_to_an_installation_with_data_in_it(store: Store, revision: str) -> None:
    """Nothing that was there changes, its audit log verifies, and a host's long ids of actors find room."""
    world = make_world(store)
    workspace = await world.workspace("spooled")
    await create_token(world.system, OPERATOR, NewToken(workspace.id, "t", ("jobs:read",)))
    await world.member(workspace, "owner", "ada@example.com")
    await sign_in(world.system, FACTS, email="ada@example.com", password=PASSWORD)
    await migrate._run(store, lambda config: command.downgrade(config, revision))
    before = await _rows(store)
    assert ("external_id" in before["spacekey_tokens"][0]) == (revision != "0011")
    await upgrade(store)
    after = await _rows(store)
    for table, rows in before.items():
        for row, now in zip(rows, after[table], strict=True):
            assert {name: now[name] for name in row} == row
            assert {now[name] for name in now.keys() - row} <= {None}
    assert [one.problem for one in await verify_chains(world.system)] == [None, None]
    host = replace(OPERATOR, id="user-" + "7" * 195, name="Ada")
    await create_token(world.system, host, NewToken(workspace.id, "t", ("jobs:read",)))
    assert [one.problem for one in await verify_chains(world.system)] == [None, None]


async def _rows(store: Store) -> dict[str, list[dict[str, Any]]]:
    found = {}
    await store.engine.dispose()  # its connections know the columns of before
    async with store.engine.connect() as connection:
        present = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
        for table in metadata.sorted_tables:
            if table.name not in present:
                continue
            rows = await connection.execute(text(f"SELECT * FROM {table.name}"))
            found[table.name] = [dict(row) for row in rows.mappings()]
    return found
