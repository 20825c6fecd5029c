"""The hot lookup answers what the ORM would, sees every commit at once, and knows when it cannot tell."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import asyncpg
import pytest

from spacekey.domain.errors import ServiceUnavailable
from spacekey.models.engine.store import SQLITE, Store
from spacekey.models.lookup.facts import BATCH_MAX, TokenFacts, TokenLookup
from spacekey.models.lookup.postgres import PostgresLookup
from spacekey.models.lookup.sqlite import SqliteLookup
from spacekey.models.queries.tokens import token_by_digest
from spacekey.models.tables.token import Token, TokenFirstUse
from spacekey.models.tables.workspace import Space, Workspace
from support.databases import lookup_on, migrate, postgres_database
from support.postgres import PostgresServer
from support.rows import NOW, a_space, a_token, a_workspace, add, ago, ahead


@pytest.fixture
async def lookup(store: Store) -> AsyncIterator[TokenLookup]:
    opened = lookup_on(store)
    yield opened
    await opened.aclose()


async def facts_by_orm(store: Store, digest: bytes) -> tuple[Token, Workspace, Space | None]:
    async with store.reading() as session:
        token = await token_by_digest(session, digest)
        assert token is not None
        workspace = await session.get_one(Workspace, token.workspace_id)
        space = None if token.space_id is None else await session.get_one(Space, token.space_id)
        return token, workspace, space


def check(facts: TokenFacts | None, token: Token, workspace: Workspace, space: Space | None) -> None:
    """Every field but the three that come from rotations equals the rows'."""
    assert facts is not None
    for name in ("id", "name", "kind", "environment", "workspace_id", "space_id", "first_use_retires"):
        assert getattr(facts, name) == getattr(token, name)
    assert type(facts.first_use_retires) is bool
    assert type(facts.first_used) is bool
    for name in ("expires_at", "disabled_at", "revoked_at", "deleted_at"):
        assert getattr(facts, name) == getattr(token, name)
    for name in ("product", "plan", "per_minute", "burst", "suspended_at"):
        assert getattr(facts, name) == getattr(workspace, name)
    assert json.loads(facts.grants_json) == token.grants
    assert json.loads(facts.roles_json) == workspace.roles
    allowed = facts.scopes_allowed_json
    assert (None if allowed is None else json.loads(allowed)) == workspace.scopes_allowed
    assert facts.space_deleted_at == (None if space is None else space.deleted_at)


async def test_a_lookup_equals_the_rows(store: Store, lookup: TokenLookup) -> None:
    plain = a_workspace()
    full = a_workspace(
        plan="enterprise",
        roles={"viewer": None, "büro": {"title": "Büro", "grants": ["jobs:read"]}},
        scopes_allowed=["jobs:read"],
        per_minute=7,
        burst=3,
        suspended_at=ago(days=1),
    )
    space, gone = a_space(full), a_space(full, deleted_at=ago(microseconds=1))
    tokens = [
        a_token(plain, name="Ünï ✓", grants=[]),
        a_token(full, space, expires_at=NOW, disabled_at=ago(hours=1), environment="test"),
        a_token(full, gone, revoked_at=NOW, deleted_at=ahead(microseconds=1), first_use_retires=True),
    ]
    await add(store, plain, full, space, gone, *tokens)
    for token in tokens:
        check(await lookup.by_digest(token.digest), *await facts_by_orm(store, token.digest))


async def test_a_batch_finds_what_single_lookups_find(store: Store, lookup: TokenLookup) -> None:
    workspace = a_workspace()
    tokens = [a_token(workspace, name=str(number), expires_at=ahead(hours=1)) for number in range(300)]
    await add(store, workspace, *tokens)
    digests = [token.digest for token in tokens]
    for asked in (
        [],
        digests[:1],
        digests[:20],
        digests[:21],
        digests,
        [*digests, *digests[:9], bytes(32)],
        [bytes(32)],
    ):
        found = await lookup.by_digests(asked)
        assert set(found) == set(asked) & set(digests)
        for digest in list(found)[:30]:
            assert found[digest] == await lookup.by_digest(digest)
    assert len(await lookup.by_digests([os.urandom(32) for _ in range(BATCH_MAX - 1)] + digests[:1])) == 1


async def test_batches_of_many_callers_do_not_meet(store: Store, lookup: TokenLookup) -> None:
    workspace = a_workspace()
    tokens = [a_token(workspace, name=str(number)) for number in range(60)]
    await add(store, workspace, *tokens)
    digests = [token.digest for token in tokens]
    several = [lookup.by_digests(digests[first : first + 30]) for first in range(30)]
    for first, found in enumerate(await asyncio.gather(*several)):
        assert set(found) == set(digests[first : first + 30])
    cut_off = asyncio.create_task(lookup.by_digests(digests))
    await asyncio.sleep(0)
    cut_off.cancel()
    assert len(await lookup.by_digests(digests)) == 60


async def test_an_unknown_digest_is_none(store: Store, lookup: TokenLookup) -> None:
    await store.ping()
    assert await lookup.by_digest(bytes(32)) is None


@pytest.mark.parametrize(
    ("grace", "used", "retires"),
    [
        (ahead(hours=1), None, ahead(hours=1)),
        (ahead(hours=1), NOW, NOW),
        (ago(hours=1), NOW, ago(hours=1)),
    ],
)
async def test_a_rotated_token_retires_at_the_earlier_of_grace_and_first_use(
    store: Store, lookup: TokenLookup, grace: datetime, used: datetime | None, retires: datetime
) -> None:
    workspace = a_workspace()
    successor = a_token(workspace, first_use_retires=True)
    old = a_token(workspace, rotated_to_id=successor.id, retires_at=grace)
    await add(store, workspace, successor, old)
    if used is not None:
        await add(store, TokenFirstUse(token_id=successor.id, at=used))
    of_old, of_new = await lookup.by_digest(old.digest), await lookup.by_digest(successor.digest)
    assert of_old is not None
    assert of_new is not None
    assert (of_old.retires_at, of_old.first_used, of_old.first_use_retires) == (retires, False, False)
    assert (of_new.retires_at, of_new.first_used, of_new.first_use_retires) == (None, used is not None, True)


async def test_every_commit_is_seen_at_once(store: Store, lookup: TokenLookup) -> None:
    """A read transaction that stayed open would go on serving the row as it was."""
    workspace = a_workspace()
    token = a_token(workspace)
    await add(store, workspace, token)
    for moment in (NOW, None, ahead(hours=1), None):
        async with store.changing() as session:
            (await session.get_one(Token, token.id)).revoked_at = moment
        facts = await lookup.by_digest(token.digest)
        assert facts is not None
        assert facts.revoked_at == moment


@pytest.mark.parametrize("database_kind", [SQLITE])
async def test_a_lookup_leaves_no_lock_behind(store: Store, lookup: TokenLookup) -> None:
    workspace = a_workspace()
    token = a_token(workspace)
    await add(store, workspace, token)
    assert await lookup.by_digest(token.digest) is not None
    await store.aclose()
    other = sqlite3.connect(str(store.url.database), timeout=0)
    busy, _, _ = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    other.close()
    assert busy == 0


async def test_a_closed_lookup_opens_again(store: Store, lookup: TokenLookup) -> None:
    await store.ping()
    for _ in range(2):
        assert await lookup.by_digest(bytes(32)) is None
        await lookup.aclose()
        await lookup.aclose()


async def test_many_lookups_at_once(store: Store, lookup: TokenLookup) -> None:
    workspace = a_workspace()
    tokens = [a_token(workspace) for _ in range(20)]
    await add(store, workspace, *tokens)
    found = await asyncio.gather(*(lookup.by_digest(token.digest) for token in tokens))
    assert [facts.id for facts in found if facts] == [token.id for token in tokens]


class TestSqliteOutages:
    async def test_no_file_is_cannot_tell_and_makes_none(self, tmp_path: Path) -> None:
        lookup = SqliteLookup(tmp_path / "none.db")
        with pytest.raises(ServiceUnavailable):
            await lookup.by_digest(bytes(32))
        assert not (tmp_path / "none.db").exists()

    async def test_no_table_is_cannot_tell(self, tmp_path: Path) -> None:
        sqlite3.connect(tmp_path / "empty.db").close()
        lookup = SqliteLookup(tmp_path / "empty.db")
        with pytest.raises(ServiceUnavailable):
            await lookup.by_digest(bytes(32))

    async def test_a_file_that_is_no_database_is_cannot_tell_until_it_is_one(
        self, tmp_path: Path, sqlite_template: Path
    ) -> None:
        file = tmp_path / "odd ?#%.db"
        file.write_bytes(b"not a database" * 100)
        lookup = SqliteLookup(file)
        with pytest.raises(ServiceUnavailable):
            await lookup.by_digest(bytes(32))
        shutil.copy(sqlite_template, file)
        assert await lookup.by_digest(bytes(32)) is None
        await lookup.aclose()

    @pytest.mark.parametrize("database_kind", [SQLITE])
    async def test_a_file_locked_by_another_is_cannot_tell_until_it_is_free(self, store: Store) -> None:
        other = sqlite3.connect(str(store.url.database), isolation_level=None)
        other.execute("PRAGMA journal_mode=DELETE")
        other.execute("BEGIN EXCLUSIVE")
        lookup = SqliteLookup(str(store.url.database), busy_seconds=0.01)
        with pytest.raises(ServiceUnavailable):
            await lookup.by_digest(bytes(32))
        other.execute("ROLLBACK")
        other.close()
        assert await lookup.by_digest(bytes(32)) is None
        await lookup.aclose()

    @pytest.mark.parametrize("database_kind", [SQLITE])
    async def test_the_connection_cannot_write(self, store: Store) -> None:
        lookup = SqliteLookup(str(store.url.database))
        await lookup.by_digest(bytes(32))
        assert lookup._connection is not None
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            lookup._connection.execute("DELETE FROM spacekey_tokens")
        await lookup.aclose()


class TestPostgresOutages:
    async def test_a_server_that_is_not_there_is_cannot_tell(self, tmp_path: Path) -> None:
        lookup = PostgresLookup(f"postgresql://nobody:hunter2@/x?host={tmp_path}")
        with pytest.raises(ServiceUnavailable) as gone:
            await lookup.by_digest(bytes(32))
        assert "hunter2" not in str(gone.value)
        assert "hunter2" not in repr(vars(gone.value))

    async def test_a_database_without_tables_is_cannot_tell(self, postgres: PostgresServer) -> None:
        with postgres_database(postgres, "template0") as url:
            lookup = PostgresLookup(url, deadline_seconds=20)
            with pytest.raises(ServiceUnavailable):
                await lookup.by_digest(bytes(32))
            await lookup.aclose()

    async def test_connections_that_died_while_idle_are_replaced_unnoticed(self, postgres: PostgresServer) -> None:
        with postgres_database(postgres) as url:
            lookup = PostgresLookup(url, deadline_seconds=20)
            for _ in range(3):
                assert await lookup.by_digest(bytes(32)) is None
                postgres.execute(
                    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                    f"WHERE datname = '{url.split('/')[3].partition('?')[0]}'"
                )
            assert await lookup.by_digest(bytes(32)) is None
            await lookup.aclose()

    async def test_a_migration_meanwhile_goes_unnoticed(self, postgres: PostgresServer) -> None:
        with postgres_database(postgres) as url:
            lookup = PostgresLookup(url, deadline_seconds=20)
            assert await lookup.by_digest(bytes(32)) is None
            postgres.execute(
                "ALTER TABLE spacekey_tokens ALTER COLUMN name TYPE text", database=url.split("/")[3].partition("?")[0]
            )
            assert await lookup.by_digest(bytes(32)) is None
            await lookup.aclose()

    async def test_a_read_that_is_late_is_cannot_tell_and_its_connection_is_dropped(
        self, postgres: PostgresServer
    ) -> None:
        with postgres_database(postgres) as url:
            lookup = PostgresLookup(url, pool_size=2, deadline_seconds=0.3)
            store = Store(url)
            async with store.engine.begin() as connection:
                await connection.exec_driver_sql("LOCK TABLE spacekey_tokens IN ACCESS EXCLUSIVE MODE")
                late = await asyncio.gather(*(lookup.by_digest(bytes(32)) for _ in range(5)), return_exceptions=True)
            assert [type(one) for one in late] == [ServiceUnavailable] * 5
            lookup._deadline_seconds = 120  # the next one may take what a busy machine takes
            assert await lookup.by_digest(bytes(32)) is None
            await store.aclose()
            await lookup.aclose()

    async def test_a_server_that_hangs_is_cannot_tell_and_is_not_waited_for(self, postgres: PostgresServer) -> None:
        """A process that is stopped answers neither the query nor the request to cancel it."""
        with postgres_database(postgres) as url:
            lookup = PostgresLookup(url, deadline_seconds=120)
            assert await lookup.by_digest(bytes(32)) is None
            lookup._deadline_seconds = 0.5
            process = lookup._idle[0].connection.get_server_pid()
            os.kill(process, signal.SIGSTOP)
            try:
                async with asyncio.timeout(120):
                    with pytest.raises(ServiceUnavailable):
                        await lookup.by_digest(bytes(32))
            finally:
                os.kill(process, signal.SIGCONT)
            assert lookup._idle == []
            await lookup.aclose()

    async def test_a_server_that_stops_and_comes_back_is_asked_again(self) -> None:
        server = PostgresServer()
        try:
            server.start()
            migrate(server.url("postgres"))
            lookup = PostgresLookup(server.url("postgres"), deadline_seconds=20)
            store = Store(server.url("postgres"))
            await store.ping()
            assert await lookup.by_digest(bytes(32)) is None
            server.stop()
            with pytest.raises(ServiceUnavailable):
                await lookup.by_digest(bytes(32))
            with pytest.raises(ServiceUnavailable):
                await store.ping()
            server.start()
            await store.ping()
            assert await lookup.by_digest(bytes(32)) is None
            await store.aclose()
            await lookup.aclose()
        finally:
            server.remove()


@pytest.mark.parametrize(
    "broken", [asyncpg.InternalClientError("got result for unknown protocol state 3"), asyncpg.InterfaceError("closed")]
)
async def test_a_driver_that_lost_its_way_is_no_answer(broken: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(**_: object) -> None:
        raise broken

    monkeypatch.setattr(asyncpg, "connect", connect)
    lookup = PostgresLookup("postgresql+asyncpg://postgres@/nowhere?host=/nowhere")
    with pytest.raises(ServiceUnavailable):
        await lookup.by_digest(bytes(32))
