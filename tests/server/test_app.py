"""The app as a whole: start-up, outages, refusals in the owner's audit log, counts."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.routing import Mount

from spacekey.domain.errors import ConfigurationError, ServiceUnavailable
from spacekey.models.engine.store import POSTGRESQL, SQLITE, Store
from spacekey.models.migrations import run as migrate
from spacekey.models.migrations.schema_version import SchemaState
from spacekey.models.queries import audit as audit_queries
from spacekey.resolvers.tokens.revoke import revoke_token
from spacekey.server.app import build_app, running
from spacekey.server.build import prepare_store
from spacekey.server.settings import Settings
from support.server import ORIGIN, bearer, served
from support.world import OPERATOR


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_sqlite_is_migrated_by_itself(bare_database_url: str) -> None:
    async with served(bare_database_url) as server:
        assert (await migrate.current(server.world.system.store)).state is SchemaState.CURRENT
        assert (await server.client.get("/readyz")).json() == {"status": "ok"}


@pytest.mark.parametrize("database_kind", [POSTGRESQL], indirect=True)
async def test_an_unmigrated_postgresql_stops_the_start_and_says_what_to_run(bare_database_url: str) -> None:
    app = build_app(Settings(database_url=bare_database_url))
    with pytest.raises(ConfigurationError, match="spacekey migrate"):
        async with app.router.lifespan_context(app):
            pytest.fail("it started")


@pytest.mark.parametrize("database_kind", [POSTGRESQL], indirect=True)
async def test_a_postgresql_of_another_revision_stops_the_start(store: Store) -> None:
    async with store.engine.begin() as connection:
        await connection.execute(text("UPDATE spacekey_alembic_version SET version_num = '0001'"))
    with pytest.raises(ConfigurationError, match="'spacekey migrate'"):
        await prepare_store(store)


async def test_refusals_of_a_token_reach_its_owners_audit_log_once(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        token_id, secret = await server.token(workspace.id, "jobs:read")
        await revoke_token(server.world.system, OPERATOR, token_id)
        for _ in range(3):
            assert (await server.client.get("/api/v1/self", headers=bearer(secret))).status_code == 401
        await server.parts.refusals.flush()
        async with server.world.system.store.reading() as session:
            events = [event async for event in audit_queries.audit_events(session, workspace.id)]
        refused = [event for event in events if event.action == "token.refused"]
        assert [(event.target_id, event.outcome) for event in refused] == [(token_id, "denied")]


async def test_an_outage_is_503_and_never_a_denial_or_an_acceptance(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, admin = await server.token(workspace.id, "jobs:read", "tokens:create", "tokens:read")
        body = {"name": "k", "permissions": ["jobs:read"]}

        def gone(*_: object) -> None:
            raise ServiceUnavailable("db.internal is gone", 3)

        with monkeypatch.context() as patched:
            patched.setattr(server.world.system.store, "changing", gone)
            patched.setattr(server.world.system.store, "reading", gone)
            patched.setattr(server.world.system.store, "read", gone)
            answers = [
                await server.client.post("/api/v1/api-keys", json=body, headers=bearer(admin)),
                await server.client.get("/api/v1/api-keys", headers=bearer(admin)),
                await server.client.get("/readyz"),
            ]
        for answer in answers:
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
            assert "db.internal" not in answer.text
        assert (await server.client.get("/healthz")).status_code == 200
        listed = await server.client.get("/api/v1/api-keys", headers=bearer(admin))
        assert len(listed.json()["api_keys"]) == 1


async def test_a_verifier_that_cannot_tell_is_503(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, secret = await server.token(workspace.id, "jobs:read")

        async def gone(_digest: bytes) -> None:
            raise ServiceUnavailable("gone")

        monkeypatch.setattr(type(server.parts.verifier._lookup), "by_digest", lambda _self, digest: gone(digest))
        answer = await server.client.get("/api/v1/self", headers=bearer(secret))
        assert answer.status_code == 503
        assert answer.headers["retry-after"]


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_requests_and_verifications_are_counted_by_closed_labels(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, secret = await server.token(workspace.id, "jobs:read")
        await server.client.get("/api/v1/self", headers=bearer(secret))
        await server.client.get("/api/v1/self", headers=bearer("sp_live_" + "0" * 38))
        await server.client.get("/api/v1/self")
        await server.client.get("/made/up/path")
        await server.client.request("MADEUP", "/healthz")
        answer = await server.client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        lines = answer.text.splitlines()
        for line in (
            'spacekey_requests_total{method="GET",route="/api/v1/self",status="200"} 1',
            'spacekey_requests_total{method="GET",route="/api/v1/self",status="401"} 2',
            'spacekey_requests_total{method="GET",route="(none)",status="404"} 1',
            'spacekey_requests_total{method="other",route="/healthz",status="405"} 1',
            'spacekey_verifications_total{reason="",result="authenticated"} 1',
            'spacekey_verifications_total{reason="",result="anonymous"} 1',
            'spacekey_verifications_total{reason="malformed",result="rejected"} 1',
        ):
            assert f"{line}.0" in lines, line
        assert "made/up" not in answer.text


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_the_app_opens_nothing_until_it_starts_and_leaves_nothing_open(database_url: str) -> None:
    app = build_app(Settings(database_url=database_url))
    before = asyncio.all_tasks()
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
            assert (await client.get("/readyz")).status_code == 200
        app.state.parts.usage.refused("key_none")
        # What warns of lost names ends by itself, sooner or later.
        tasks = {str(task.get_coro()).split()[2] for task in asyncio.all_tasks() - before} - {"_warn_of_lost_names"}
        # the refusals, the uses of sessions, the audit log's checkpoints and the usage
        assert len(tasks) == 4, tasks
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_a_mounted_app_is_ready_once_the_host_runs_it_and_says_so_before(
    bare_database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = build_app(Settings(database_url=bare_database_url))
    host = Starlette(routes=[Mount("/keys", app)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(host), base_url=ORIGIN) as client:
        assert (await client.get("/keys/readyz")).status_code == 503
        assert "has to enter spacekey.server.app.running in its own lifespan" in caplog.text
        async with running(app):
            assert (await client.get("/keys/readyz")).status_code == 200
