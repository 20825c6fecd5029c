"""The app as a whole: start-up, outages, refusals in the owner's audit log, counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from spacekey import Keys, TokenMiddleware, requires
from spacekey.domain.errors import ConfigurationError, ServiceUnavailable
from spacekey.middleware.testing import undeclared_routes
from spacekey.models.engine.store import POSTGRESQL, SQLITE, Store
from spacekey.models.migrations import run as migrate
from spacekey.models.migrations.schema_version import SchemaState
from spacekey.models.queries import audit as audit_queries
from spacekey.resolvers.tokens.revoke import revoke_token
from spacekey.server.app import build_app, running
from spacekey.server.build import prepare_store
from spacekey.server.http.session_cookie import cookie_name
from spacekey.server.settings import Settings, packaged_products
from spacekey.verifiers import DatabaseVerifier
from support.server import ANSWER_SECONDS_MAX, ORIGIN, Served, bearer, served
from support.world import EXAMPLES, OPERATOR, PASSWORD


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
            patched.setattr(server.world.system.store, "change", gone)
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


# The server inside a host application that has middleware, authentication and cookies of its own.


ME = "{ me { user { email } } }"
SIGN_IN = "mutation($input: SignInInput!) { signIn(input: $input) { __typename } }"
SIGN_OUT = "mutation { signOut { __typename } }"
ADA = "ada@example.com"


class HostUser(AuthenticationBackend):
    """Everyone is signed in at the host."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser]:
        return AuthCredentials(["tokens:read", "authenticated"]), SimpleUser("host-user")


@requires("jobs:read")
async def jobs(_request: Request) -> PlainTextResponse:
    """A route of the host's."""
    return PlainTextResponse("jobs")


@dataclass
class Mounted:
    """The server below /keys of a host, and a client of the host's."""

    server: Served
    host: Starlette
    client: httpx.AsyncClient

    async def graphql(self, document: str, cookie: str = "", **headers: str) -> httpx.Response:
        """An operation as a page of this origin sends it."""
        sent = {"Sec-Fetch-Site": "same-origin", "Cookie": cookie, **headers}
        variables = {"input": {"email": ADA, "password": PASSWORD}} if "$input" in document else {}
        return await self.client.post("/keys/graphql", json={"query": document, "variables": variables}, headers=sent)

    async def signed_in(self) -> str:
        """The cookie of a new session."""
        answer = await self.graphql(SIGN_IN)
        self.client.cookies.clear()
        return str(answer.headers["set-cookie"]).partition(";")[0]


@asynccontextmanager
async def mounted(database_url: str, *middleware: Middleware, product: str = "spooled") -> AsyncIterator[Mounted]:
    """The server in a host with this middleware."""

    async def own(_request: Request, _error: Exception) -> PlainTextResponse:
        return PlainTextResponse("the host's own answer", 418)

    async with served(database_url) as server:
        await server.world.user(ADA)
        host = Starlette(
            routes=[Route("/jobs", jobs), Mount("/keys", server.app)],
            middleware=middleware,
            exception_handlers={404: own, 500: own, HTTPException: own},
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(host), base_url=ORIGIN) as client:
            yield Mounted(server, host, client)


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_a_host_that_checks_tokens_itself_leaves_ours_to_us(database_url: str) -> None:
    verifier = DatabaseVerifier(database_url, packaged_products())
    async with mounted(
        database_url, Middleware(TokenMiddleware, verifier=verifier, timeout=ANSWER_SECONDS_MAX)
    ) as site:
        assert undeclared_routes(site.host) == []
        workspace = await site.server.world.workspace("spooled")
        _, secret = await site.server.token(workspace.id, "jobs:read", "tokens:read")
        service_id, service = await site.server.service()
        assert (await site.client.get("/jobs")).status_code == 401
        assert (await site.client.get("/jobs", headers=bearer(secret))).status_code == 200
        assert (await site.client.get("/keys/")).status_code == 200
        assert (await site.client.get("/keys/api/v1/api-keys", headers=bearer(secret))).status_code == 200
        assert (await site.client.get("/keys/api/v1/api-keys")).status_code == 401
        cookie = await site.signed_in()
        assert (await site.graphql(ME, cookie)).json()["data"]["me"]["user"]["email"] == ADA
        asked = {"auth": (service_id, service), "data": {"token": secret}}
        answer = await site.client.post("/keys/api/v1/introspect", **asked)  # type: ignore[arg-type]
        assert answer.json()["active"] is True
        await verifier.aclose()


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_who_is_signed_in_at_the_host_is_no_caller_here(database_url: str) -> None:
    async with mounted(database_url, Middleware(AuthenticationMiddleware, backend=HostUser())) as site:
        assert (await site.client.get("/keys/api/v1/api-keys")).status_code == 401
        assert (await site.graphql(ME)).json()["data"]["me"] is None
        cookie = await site.signed_in()
        assert (await site.graphql(ME, cookie)).json()["data"]["me"]["user"]["email"] == ADA


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_what_the_host_allows_other_origins_opens_no_session(database_url: str) -> None:
    """CORS of the host's lets pages read answers; cookies still count only for pages of this origin."""
    cors = Middleware(
        CORSMiddleware, allow_origins=["https://app.example.com"], allow_credentials=True, allow_methods=["*"]
    )
    async with mounted(database_url, cors) as site:
        cookie = await site.signed_in()
        foreign = {"Origin": "https://app.example.com", "Sec-Fetch-Site": "cross-site"}
        refused = await site.graphql(SIGN_OUT, cookie, **foreign)
        assert (refused.status_code, refused.json()["code"]) == (403, "cross_origin")
        assert (await site.graphql(ME, cookie)).json()["data"]["me"] is not None


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_other_cookies_of_the_host_and_of_other_mounts_change_nothing(database_url: str) -> None:
    async with mounted(database_url) as site:
        cookie = await site.signed_in()
        name, _, secret = cookie.partition("=")
        assert name == cookie_name("/keys")
        jar = f"session=host; __Host-spacekey={secret}; {cookie_name('/other')}={'q' * 43}; {cookie}; csrf=1"
        assert (await site.graphql(ME, jar)).json()["data"]["me"]["user"]["email"] == ADA
        workspace = await site.server.world.workspace("spooled")
        _, token = await site.server.token(workspace.id, "tokens:read")
        theirs = {**bearer(token), "Cookie": f"session=host; {cookie_name('/other')}={secret}"}
        assert (await site.client.get("/keys/api/v1/api-keys", headers=theirs)).status_code == 200


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_answers_are_ours_to_the_end_and_are_compressed_once(database_url: str) -> None:
    async with mounted(database_url, Middleware(GZipMiddleware, minimum_size=10)) as site:
        missing = await site.client.get("/keys/nothing")
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
        assert (await site.client.get("/nothing")).text == "the host's own answer"
        page = await site.client.get("/keys/", headers={"Accept-Encoding": "gzip"})
        assert page.headers.get_list("content-encoding") == ["gzip"]
        assert page.text.startswith("<!doctype html>")
        assert "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_keys_app_is_mounted_in_a_host_that_denies_what_has_no_rule(database_url: str) -> None:
    """What is mounted has rules of its own, which a host's TokenMiddleware leaves to it as for any such app."""
    async with Keys(database_url, [EXAMPLES / "spooled.toml"]) as keys:
        routes = [Route("/jobs", jobs), Mount("/keys", keys.app())]
        middleware = [Middleware(TokenMiddleware, verifier=keys.verifier, timeout=ANSWER_SECONDS_MAX)]
        host = Starlette(routes=routes, middleware=middleware)
        assert undeclared_routes(host) == []
        tenant = await keys.workspaces.ensure(external_id="tenant-42")
        issued = await keys.tokens.create(tenant, name="t", grants=["jobs:read"])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(host), base_url=ORIGIN) as client:
            assert (await client.get("/jobs")).status_code == 401
            page = await client.get("/keys/account")
            assert page.status_code == 200
            assert '<meta name="base-path" content="/keys">' in page.text
            assert (await client.get("/keys/api/v1/self", headers=bearer(issued.secret))).status_code == 200
            assert (await client.get("/keys/api/v1/self")).status_code == 401
            document = (await client.get("/keys/api/v1/openapi.json")).json()
            assert document["servers"][0]["url"] == "/keys"
