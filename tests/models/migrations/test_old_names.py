"""Installations from before the tables were called ``spacekey_…`` are moved; other applications' tables are left."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import JSON, Boolean, Column, Connection, DateTime, MetaData, Table, inspect, text

from spacekey.domain.errors import ServiceUnavailable
from spacekey.models.engine.store import SQLITE, Store
from spacekey.models.migrations import run as migrate
from spacekey.models.migrations.old_names import PREFIX, tables_of
from spacekey.models.migrations.run import current, upgrade
from spacekey.models.migrations.schema_version import VERSION_TABLE, SchemaState
from spacekey.resolvers.audit.chains import verify_chains
from support.databases import lookup_on
from support.world import make_world

pytestmark = pytest.mark.sampled(2)

INSTALLATION = Path(__file__).parent / "installation_0002"
"""What version 0002 made of an empty database, and the rows of one that was used, as SQLite keeps them."""

ROWS: dict[str, dict[str, list[Any]]] = json.loads((INSTALLATION / "rows.json").read_text())
TABLES = tables_of("0002")
SECOND = "usage_reporters"


@pytest.fixture
async def bare(bare_database_url: str) -> AsyncIterator[Store]:
    opened = Store(bare_database_url)
    yield opened
    await opened.aclose()


@pytest.fixture
async def installed(bare: Store) -> Store:
    """A database as version 0002 left it, with rows in every table."""
    async with bare.engine.begin() as connection:
        await connection.run_sync(install)
    return bare


def install(connection: Connection) -> None:
    kind = connection.dialect.name
    for statement in statements((INSTALLATION / f"{kind}.sql").read_text()):
        connection.exec_driver_sql(statement)
    # Tokens refer to each other.
    off = "PRAGMA foreign_keys=OFF" if kind == SQLITE else "SET LOCAL session_replication_role = replica"
    connection.exec_driver_sql(off)
    for name, content in ROWS.items():
        columns = (Column(one["name"], one["type"]) for one in inspect(connection).get_columns(name))
        table = Table(name, MetaData(), *columns)
        for row in content["rows"]:
            values = dict(zip(content["columns"], row, strict=True))
            insert(connection, table, values)
    if kind == SQLITE:
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")


def statements(script: str) -> list[str]:
    """The statements of a script; a trigger's or function's body has semicolons of its own."""
    lines = [line for line in script.splitlines() if not line.startswith("--")]
    return [one.removesuffix(";") for one in "\n".join(lines).strip().split("\n\n") if one.strip()]


def insert(connection: Connection, table: Table, values: dict[str, Any]) -> None:
    stored = {name: bytes.fromhex(one["hex"]) if isinstance(one, dict) else one for name, one in values.items()}
    if connection.dialect.name == SQLITE:
        names = ", ".join(f'"{name}"' for name in stored)
        marks = ", ".join("?" for _ in stored)
        connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", tuple(stored.values()))
        return
    for column in table.columns:
        kind, value = column.type, stored[column.name]
        if value is None:
            continue
        if isinstance(kind, DateTime):
            stored[column.name] = datetime.fromisoformat(str(value)).replace(tzinfo=UTC)
        elif isinstance(kind, Boolean):
            stored[column.name] = bool(value)
        elif isinstance(kind, JSON):
            stored[column.name] = json.loads(value)
    connection.execute(table.insert().values({name: one for name, one in stored.items() if one is not None}))


async def contents(store: Store, prefix: str = "") -> dict[str, list[Any]]:
    """Every row of every table that the installation had, in one order, as the database keeps it."""
    found = {}
    async with store.engine.connect() as connection:
        for name in TABLES:
            columns = ROWS[name]["columns"]
            shown = ", ".join(f'"{one}"' for one in columns)
            rows = await connection.exec_driver_sql(f"SELECT {shown} FROM {prefix}{name} ORDER BY 1, 2")
            found[name] = [tuple(map(str, row)) for row in rows.all()]
    return found


async def names(store: Store) -> set[str]:
    """Everything that has a name of its own in the database: tables, indexes, constraints, triggers, functions."""

    async with store.engine.connect() as connection:
        if store.dialect == SQLITE:
            found = await connection.exec_driver_sql(
                "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%'"
            )
            return {f"{row.name}: {_constraints(str(row.sql))}" for row in found.all()}
        every = """
            SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
            UNION ALL SELECT conrelid::regclass || ' ' || conname FROM pg_constraint
                WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
            UNION ALL SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal
            UNION ALL SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        """
        return set((await connection.execute(text(every))).scalars())


def _constraints(sql: str) -> list[str]:
    return sorted(part.split()[0] for part in sql.split("CONSTRAINT ")[1:])


async def execute(store: Store, *wanted: str) -> None:
    async with store.engine.begin() as connection:
        for statement in wanted:
            await connection.exec_driver_sql(statement)


async def has(store: Store, table: str) -> bool:
    async with store.engine.connect() as connection:
        return bool(await connection.run_sync(lambda one: inspect(one).has_table(table)))


async def test_an_installation_of_before_is_moved_with_all_its_rows(installed: Store, tmp_path: Path) -> None:
    before = await contents(installed)
    assert all(before.values())
    schema = await current(installed)
    assert (schema.state, schema.old_names) == (SchemaState.OLDER, True)

    await migrate._run(installed, lambda config: command.upgrade(config, "0002"))
    assert await contents(installed, PREFIX) == before

    await upgrade(installed)  # what later revisions do with the rows is their tests' business
    assert (await current(installed)).state is SchemaState.CURRENT
    assert not await has(installed, "alembic_version")
    fresh = Store(await _empty_beside(installed, tmp_path))
    await upgrade(fresh)
    assert await names(installed) == await names(fresh)
    await fresh.aclose()
    reports = await verify_chains(make_world(installed).system)
    assert len(reports) == 2
    assert [one.broken_at for one in reports] == [None, None]
    lookup = lookup_on(installed)
    for row in ROWS["tokens"]["rows"]:
        facts = await lookup.by_digest(bytes.fromhex(row[1]["hex"]))
        assert facts is not None
        assert facts.id == row[0]
    await lookup.aclose()


async def _empty_beside(store: Store, tmp_path: Path) -> str:
    """The URL of an empty database of the same kind."""
    if store.dialect == SQLITE:
        return f"sqlite:///{tmp_path}/fresh.db"
    async with store.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.exec_driver_sql(f"CREATE DATABASE {store.url.database}_fresh TEMPLATE template0")
    return store.url.set(database=f"{store.url.database}_fresh").render_as_string(hide_password=False)


async def test_an_installation_of_the_first_revision_is_moved_too(installed: Store) -> None:
    await execute(installed, f"DROP TABLE {SECOND}", "UPDATE alembic_version SET version_num = '0001'")
    await upgrade(installed)
    assert (await current(installed)).state is SchemaState.CURRENT
    assert not await has(installed, "alembic_version")
    assert not await has(installed, "tokens")


async def test_a_move_that_fails_leaves_the_installation_as_it_was(
    installed: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await contents(installed), await names(installed)

    def fails(*_: object) -> None:
        raise ServiceUnavailable("cut off")

    monkeypatch.setattr("spacekey.models.migrations.run.remove_old_version", fails)
    with pytest.raises(ServiceUnavailable):
        await upgrade(installed)
    assert (await contents(installed), await names(installed)) == before


@pytest.mark.parametrize("revision", ["0001", "0002", "9f3a1c0b7d2e"])
async def test_another_applications_version_and_tables_are_left_alone(bare: Store, revision: str) -> None:
    await execute(
        bare,
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",
        f"INSERT INTO alembic_version VALUES ('{revision}')",
        *(f"CREATE TABLE {one} (id VARCHAR(40) PRIMARY KEY, name VARCHAR(40))" for one in TABLES),
        *(f"INSERT INTO {one} VALUES ('1', 'theirs')" for one in TABLES),
        "CREATE INDEX ix_tokens_workspace_created ON tokens (name)",
        "CREATE UNIQUE INDEX uq_workspaces_slug ON workspaces (name)",
    )
    assert (await current(bare)).state is SchemaState.EMPTY
    await upgrade(bare)
    await upgrade(bare)
    assert (await current(bare)).state is SchemaState.CURRENT
    async with bare.engine.connect() as connection:
        assert (await connection.exec_driver_sql("SELECT version_num FROM alembic_version")).scalars().all() == [
            revision
        ]
        for one in TABLES:
            rows = (await connection.exec_driver_sql(f"SELECT * FROM {one}")).all()
            assert [tuple(row) for row in rows] == [("1", "theirs")]


@pytest.mark.parametrize("missing", [None, "settings", "token_first_uses"])
async def test_a_row_that_may_be_another_applications_stays(installed: Store, missing: str | None) -> None:
    """Beside tables of others our row cannot be told from theirs; without all our tables there is nothing to move."""
    if missing is None:
        await execute(installed, "CREATE TABLE invoices (id VARCHAR(40))")
    else:
        await execute(installed, f"DROP TABLE {missing}")
    await upgrade(installed)
    async with installed.engine.connect() as connection:
        assert (await connection.exec_driver_sql("SELECT version_num FROM alembic_version")).scalars().all() == ["0002"]
    assert await has(installed, "tokens") is (missing is not None)


async def test_a_row_with_another_value_beside_our_tables_is_left(installed: Store) -> None:
    await execute(installed, "UPDATE alembic_version SET version_num = 'theirs'")
    await upgrade(installed)
    async with installed.engine.connect() as connection:
        assert (await connection.exec_driver_sql("SELECT version_num FROM alembic_version")).scalars().all() == [
            "theirs"
        ]
    assert not await has(installed, "tokens")
    assert await has(installed, VERSION_TABLE)
