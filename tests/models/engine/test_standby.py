"""Two real clusters: a standby is never taken for a primary, and a promotion keeps what was answered."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator

import asyncpg
import httpx
import pytest

from spacekey.domain.authentication import Authenticated, Rejected, Unavailable
from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.secret import Secret
from spacekey.models.engine.store import Store
from spacekey.models.lookup.postgres import PostgresLookup
from spacekey.models.migrations.run import upgrade
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.revoke import revoke_token
from spacekey.server.app import build_app
from spacekey.server.build import prepare_store
from spacekey.server.database_verifier import DatabaseVerifier
from spacekey.server.settings import Settings, packaged_products
from support.postgres import START_SECONDS_MAX, PostgresServer
from support.server import bearer, served
from support.world import OPERATOR, World, make_world

pytestmark = pytest.mark.long

DATABASE = "keys"


class Pair:
    """A primary and its standby."""

    def __init__(self) -> None:
        self.primary = PostgresServer()
        self.primary.start()
        self.primary.execute(f"CREATE DATABASE {DATABASE}")
        self.standby = PostgresServer(self.primary)
        self.standby.start()
        self.primary_url, self.standby_url = self.primary.url(DATABASE), self.standby.url(DATABASE)

    @property
    def both(self) -> str:
        """The URL of both, the standby first."""
        return f"{self.standby_url},{self.primary.host}"

    def remove(self) -> None:
        self.standby.remove()
        self.primary.remove()


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture
async def world(pair: Pair) -> AsyncIterator[World]:
    store = Store(pair.primary_url)
    await upgrade(store)
    yield make_world(store)
    await store.aclose()


async def a_token(world: World) -> tuple[str, Secret]:
    workspace = await world.workspace("spooled")
    issued = await create_token(world.system, OPERATOR, NewToken(workspace.id, "a token", ("jobs:read",)))
    return issued.view.token.id, issued.secret


async def caught_up(pair: Pair) -> None:
    """Until the standby has replayed all that was committed, also what the primary has yet to write."""
    primary = await asyncpg.connect(user="postgres", host=pair.primary.host, database=DATABASE)
    standby = await asyncpg.connect(user="postgres", host=pair.standby.host, database=DATABASE)
    written = await primary.fetchval("SELECT pg_current_wal_insert_lsn()::text")
    deadline = time.monotonic() + START_SECONDS_MAX
    while not await standby.fetchval("SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", written):
        assert time.monotonic() < deadline
    await primary.close()
    await standby.close()


async def test_a_standby_is_refused_by_lookup_start_and_verifier(pair: Pair, world: World) -> None:
    _, secret = await a_token(world)
    await caught_up(pair)
    store, lookup = Store(pair.standby_url), PostgresLookup(pair.standby_url, deadline_seconds=20)
    for asked in (store.ping(), prepare_store(store), lookup.by_digest(secret.digest()), lookup.by_digest(bytes(32))):
        with pytest.raises(ServiceUnavailable, match="standby"):
            await asked
    await store.aclose()
    await lookup.aclose()
    verifier = DatabaseVerifier(pair.standby_url, packaged_products(), clock=world.clock, collect_usage=False)
    verdict = await verifier.verify(secret)
    assert isinstance(verdict, Unavailable)
    assert "standby" in verdict.why
    await verifier.aclose()
    app = build_app(Settings(database_url=pair.standby_url))
    with pytest.raises(ServiceUnavailable, match="standby"):
        async with app.router.lifespan_context(app):
            pytest.fail("it started")


async def test_of_several_hosts_the_primary_is_found_and_followed(pair: Pair, world: World) -> None:
    token_id, secret = await a_token(world)
    await caught_up(pair)
    lookup = PostgresLookup(pair.both, deadline_seconds=20)
    assert await lookup.by_digest(secret.digest()) is not None
    pair.primary.stop()
    pair.standby.execute("SELECT pg_promote()")
    facts = await lookup.by_digest(secret.digest())
    assert facts is not None
    assert facts.id == token_id
    await lookup.aclose()
    store = Store(pair.both)
    await store.ping()
    await revoke_token(make_world(store).system, OPERATOR, token_id)
    await store.aclose()


async def test_a_synchronous_standby_that_is_promoted_keeps_every_answered_revocation(pair: Pair, world: World) -> None:
    pair.primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
    kept: list[Secret] = []
    async with world.system.store.reading() as session:
        connection = await session.connection()
        assert (await connection.exec_driver_sql("SHOW synchronous_commit")).scalar_one() == "off"
    deadline = time.monotonic() + START_SECONDS_MAX
    while await world.system.store.failover() != "synchronous":
        assert time.monotonic() < deadline
    for _ in range(5):
        token_id, secret = await a_token(world)
        await revoke_token(world.system, OPERATOR, token_id)
        kept.append(secret)
    pair.primary.stop()  # fenced: it must not come back while another is the primary
    pair.standby.execute("SELECT pg_promote()")
    verifier = DatabaseVerifier(pair.standby_url, packaged_products(), clock=world.clock, collect_usage=False)
    for secret in kept:
        assert isinstance(await verifier.verify(secret), Rejected)
    await verifier.aclose()


async def test_asynchronous_replication_is_said_by_readyz(pair: Pair, world: World) -> None:
    async with served(pair.primary_url) as server:
        assert (await server.client.get("/readyz")).json() == {"status": "ok", "failover": "asynchronous"}


async def test_without_a_synchronous_standby_an_answered_revocation_can_come_back(pair: Pair, world: World) -> None:
    """What docs/explanation/revocation.md warns of, so that the warning stays true."""
    token_id, secret = await a_token(world)
    await caught_up(pair)
    pair.standby.execute("ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()")
    deadline = time.monotonic() + START_SECONDS_MAX
    while await world.system.store.failover() is not None:  # until the standby is cut off
        assert time.monotonic() < deadline
    await revoke_token(world.system, OPERATOR, token_id)
    pair.primary.stop()
    pair.standby.execute("SELECT pg_promote()")
    verifier = DatabaseVerifier(pair.standby_url, packaged_products(), clock=world.clock, collect_usage=False)
    assert isinstance(await verifier.verify(secret), Authenticated)
    await verifier.aclose()


async def test_a_read_only_primary_is_not_ready_and_answers_503(pair: Pair, world: World) -> None:
    token_id, secret = await a_token(world)
    async with served(pair.primary_url) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:revoke")
        pair.primary.execute(
            f"ALTER DATABASE {DATABASE} SET default_transaction_read_only = on",
            f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{DATABASE}'",
        )
        ready = await server.client.get("/readyz")
        assert ready.status_code == 503
        answers: list[httpx.Response] = [
            await server.client.post("/api/v1/revoke", data={"token": secret.reveal()}, headers=bearer(own)),
            await server.client.delete(f"/api/v1/api-keys/{token_id}", headers=bearer(own)),
        ]
        assert [one.status_code for one in answers] == [503, 503]
