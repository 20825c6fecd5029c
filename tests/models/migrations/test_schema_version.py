"""Older, newer and foreign schemas are told apart, and refused by everything that would work with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from spacekey.domain.authentication import Unavailable
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.secret import mint
from spacekey.models.engine.store import Store
from spacekey.models.migrations import run as migrate
from spacekey.models.migrations.run import current, upgrade
from spacekey.models.migrations.schema_version import VERSION_TABLE, Schema, SchemaState, head, schema_from
from spacekey.server.build import prepare_store
from spacekey.server.database_verifier import DatabaseVerifier
from spacekey.server.settings import packaged_products
from support.cli import Cli

REVISIONS = {
    "0000": SchemaState.FOREIGN,
    "0001": SchemaState.OLDER,
    "9999": SchemaState.NEWER,
    "12345": SchemaState.FOREIGN,
    "9f3a1c0b7d2e": SchemaState.FOREIGN,
    "\x1b[2Jtheirs": SchemaState.FOREIGN,
}
COMMANDS = {
    "migrate": ("migrate",),
    "demo": ("demo",),
    "serve": ("serve", "--port", "0"),
    "workspace list": ("workspace", "list"),
    "workspace create": ("workspace", "create", "acme", "--product", "emit"),
    "token list": ("token", "list", "-w", "acme"),
    "token revoke": ("token", "revoke", "key_" + "0" * 26, "--yes"),
    "member list": ("member", "list", "-w", "acme"),
    "space list": ("space", "list", "-w", "acme"),
    "audit verify": ("audit", "verify"),
    "config get": ("config", "get"),
}


def test_the_newest_revision_is_alembics() -> None:
    script = ScriptDirectory.from_config(migrate._config())
    assert script.get_heads() == [head()]
    assert sorted(one.revision for one in script.walk_revisions()) == [f"{n + 1:04}" for n in range(int(head()))]


@pytest.mark.parametrize(("revision", "state"), REVISIONS.items())
def test_a_revision_is_older_newer_or_foreign(revision: str, state: SchemaState) -> None:
    schema = schema_from([revision])
    assert schema.state is state
    assert schema.problem is not None
    assert (schema.problem + schema.remedy).isprintable()


def test_none_is_empty_the_newest_is_current_and_two_are_foreign() -> None:
    assert schema_from([]) == Schema(SchemaState.EMPTY)
    assert schema_from([head()]) == Schema(SchemaState.CURRENT, head())
    assert schema_from([head(), "0001"]).state is SchemaState.FOREIGN


@pytest.fixture(params=["9999", "9f3a1c0b7d2e"])
async def another(request: pytest.FixtureRequest, store: Store) -> tuple[Store, str]:
    """A database whose version is newer or foreign, and the words that say so."""
    revision = str(request.param)
    async with store.engine.begin() as connection:
        await connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'")
    return store, "this program is older" if revision == "9999" else "no revision of Spacekey's"


async def test_start_and_migration_refuse_it_and_change_nothing(another: tuple[Store, str]) -> None:
    store, words = another
    before = await current(store)
    for work in (upgrade, prepare_store):
        with pytest.raises(ConfigurationError, match=words):
            await work(store)
    assert await current(store) == before


async def test_store_verifier_cannot_tell_and_says_why(another: tuple[Store, str]) -> None:
    store, words = another
    url = store.url.render_as_string(hide_password=False)
    verifier = DatabaseVerifier(url, packaged_products(), collect_usage=False)
    secret = mint("em", "live", lambda count: bytes(range(count)))
    for _ in range(2):
        verdict = await verifier.verify(secret)
        assert isinstance(verdict, Unavailable)
        assert words in verdict.why
    async with store.engine.begin() as connection:
        await connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '{head()}'")
    assert not isinstance(await verifier.verify(secret), Unavailable)
    await verifier.aclose()


async def test_a_verifier_that_runs_goes_on_while_another_version_migrates(store: Store) -> None:
    url = store.url.render_as_string(hide_password=False)
    verifier = DatabaseVerifier(url, packaged_products(), collect_usage=False)
    assert not isinstance(await verifier.verify(mint("em", "live", lambda count: bytes(range(count)))), Unavailable)
    async with store.engine.begin() as connection:
        await connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    other = mint("em", "live", lambda count: bytes(range(1, count + 1)))
    assert not isinstance(await verifier.verify(other), Unavailable)
    await verifier.aclose()


@pytest.mark.parametrize("revision", ["0001", "9999", "9f3a1c0b7d2e"])
def test_every_command_says_so_in_one_line(database_url: str, revision: str, tmp_path: Path) -> None:
    import asyncio

    async def set_revision() -> None:
        store = Store(database_url)
        async with store.engine.begin() as connection:
            await connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'")
        await store.aclose()

    asyncio.run(set_revision())
    words = {"9999": "this program is older", "0001": "'spacekey migrate'"}.get(revision, "no revision of Spacekey's")
    cli = Cli({"SPACEKEY_DATABASE_URL": database_url})
    for name, command in COMMANDS.items():
        if revision == "0001" and name in {"migrate", "demo", "serve"}:
            continue  # they migrate SQLite
        said = cli.error(*command, code=2 if name in {"migrate", "demo", "serve"} else 3)
        assert words in said, name
        assert said.count("\n") == 1, said
    found = cli("check", "--json", code=1).stdout
    assert words in found
