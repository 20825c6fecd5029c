"""An installation of an earlier version goes on after the upgrade: the same access, every row, an audit log that fits.

Each ``installation_NNNN`` was written by that version (``support.installation``), with rows in every table.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import JSON, Boolean, Column, Connection, DateTime, MetaData, Table, inspect, text

from spacekey.domain.secret import Secret
from spacekey.models.engine.store import SQLITE, Store
from spacekey.models.migrations import run as migrate
from spacekey.models.migrations.run import current, upgrade
from spacekey.models.migrations.schema_version import SchemaState
from spacekey.resolvers.access.caller import MemberCaller
from spacekey.resolvers.audit.chains import Head, verify_chains
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.revoke import revoke_token
from support.credentials import Home, access
from support.world import FACTS, OPERATOR, StoppedClock, make_world

HERE = Path(__file__).parent
REVISIONS = sorted(
    one.name.partition("_")[2] for one in HERE.glob("installation_*") if (one / "credentials.json").exists()
)


def facts_of(revision: str, name: str) -> dict[str, Any]:
    found = json.loads((HERE / f"installation_{revision}" / f"{name}.json").read_text())
    assert isinstance(found, dict)
    return found


@pytest.fixture(params=REVISIONS)
def revision(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def installed(bare_database_url: str, revision: str) -> AsyncIterator[Store]:
    """A database as the version left it."""
    store = Store(bare_database_url)
    await migrate._run(store, lambda config: command.upgrade(config, revision))
    async with store.engine.begin() as connection:
        await connection.run_sync(load, facts_of(revision, "rows"))
    yield store
    await store.aclose()


def load(connection: Connection, content: dict[str, dict[str, list[Any]]]) -> None:
    """Insert the rows, in the form in which SQLite keeps them."""
    sqlite = connection.dialect.name == SQLITE
    # Tokens refer to each other.
    off = "PRAGMA foreign_keys=OFF" if sqlite else "SET LOCAL session_replication_role = replica"
    connection.exec_driver_sql(off)
    for name, one in content.items():
        table = Table(name, MetaData(), *(Column(c["name"], c["type"]) for c in inspect(connection).get_columns(name)))
        for row in one["rows"]:
            values = {
                column: bytes.fromhex(value["hex"]) if isinstance(value, dict) else value
                for column, value in zip(one["columns"], row, strict=True)
            }
            if sqlite:
                names, marks = ", ".join(f'"{column}"' for column in values), ", ".join("?" for _ in values)
                connection.exec_driver_sql(f"INSERT INTO {name} ({names}) VALUES ({marks})", tuple(values.values()))
            else:
                connection.execute(
                    table.insert().values({c: typed(table, c, v) for c, v in values.items() if v is not None})
                )
    if sqlite:
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")


def typed(table: Table, column: str, value: Any) -> Any:
    """A value of SQLite's as PostgreSQL takes it."""
    kind = table.columns[column].type
    if isinstance(kind, DateTime):
        return datetime.fromisoformat(str(value)).replace(tzinfo=UTC)
    if isinstance(kind, Boolean):
        return bool(value)
    return json.loads(value) if isinstance(kind, JSON) else value


async def counts(store: Store, names: list[str]) -> dict[str, int]:
    async with store.engine.connect() as connection:
        return {name: (await connection.execute(text(f"SELECT count(*) FROM {name}"))).scalar_one() for name in names}


async def test_an_installation_is_upgraded_with_everything_in_it(installed: Store, revision: str) -> None:
    rows, kept = facts_of(revision, "rows"), facts_of(revision, "credentials")
    world = make_world(installed, clock=StoppedClock(datetime.fromisoformat(kept["at"])))
    home = Home(
        world,
        tokens=kept["tokens"],
        invitations=kept["invitations"],
        spaces=kept["spaces"],
        people={way: MemberCaller(id_, name, FACTS) for way, (id_, name) in kept["people"].items()},
        portal={way: (id_, Secret(secret)) for way, (id_, secret) in kept["portal"].items()},
        secrets={way: Secret(one) for way, one in kept["secrets"].items()},
        sessions={way: Secret(one) for way, one in kept["sessions"].items()},
        codes={way: Secret(one) for way, one in kept["codes"].items()},
        services={way: Secret(one) for way, one in kept["services"].items()},
    )
    before = await counts(installed, list(rows))
    assert before == {name: len(one["rows"]) for name, one in rows.items()}
    assert 0 not in before.values()

    await upgrade(installed)

    assert (await current(installed)).state is SchemaState.CURRENT
    assert await counts(installed, list(rows)) == before
    heads = [Head(chain, number, bytes.fromhex(written)) for chain, number, written in kept["heads"]]
    assert {one.problem for one in await verify_chains(world.system, kept=heads)} == {None}
    assert {what: sorted(scopes) for what, scopes in (await access(home, world)).items()} == kept["access"]

    issued = await create_token(
        world.system, OPERATOR, NewToken(await main_workspace(installed), "new", ("jobs:read",))
    )
    await revoke_token(world.system, OPERATOR, issued.view.token.id)
    await revoke_token(world.system, OPERATOR, home.tokens["kept"])
    assert {one.problem for one in await verify_chains(world.system, kept=heads)} == {None}


async def main_workspace(store: Store) -> str:
    async with store.engine.connect() as connection:
        found = await connection.execute(text("SELECT id FROM spacekey_workspaces WHERE slug = 'kept-renamed'"))
        return str(found.scalar_one())
