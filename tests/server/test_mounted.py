"""The server inside a host application that has middleware, authentication and cookies of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
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
from spacekey.middleware.testing import undeclared_routes
from spacekey.models.engine.store import SQLITE
from spacekey.server.http.session_cookie import cookie_name
from spacekey.server.settings import packaged_products
from spacekey.verifiers import DatabaseVerifier
from support.server import ANSWER_SECONDS_MAX, ORIGIN, Served, bearer, served
from support.world import EXAMPLES, PASSWORD

pytestmark = pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)

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


async def test_who_is_signed_in_at_the_host_is_no_caller_here(database_url: str) -> None:
    async with mounted(database_url, Middleware(AuthenticationMiddleware, backend=HostUser())) as site:
        assert (await site.client.get("/keys/api/v1/api-keys")).status_code == 401
        assert (await site.graphql(ME)).json()["data"]["me"] is None
        cookie = await site.signed_in()
        assert (await site.graphql(ME, cookie)).json()["data"]["me"]["user"]["email"] == ADA


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


async def test_answers_are_ours_to_the_end_and_are_compressed_once(database_url: str) -> None:
    async with mounted(database_url, Middleware(GZipMiddleware, minimum_size=10)) as site:
        missing = await site.client.get("/keys/nothing")
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
        assert (await site.client.get("/nothing")).text == "the host's own answer"
        page = await site.client.get("/keys/", headers={"Accept-Encoding": "gzip"})
        assert page.headers.get_list("content-encoding") == ["gzip"]
        assert page.text.startswith("<!doctype html>")
        assert "default-src 'none'" in page.headers["content-security-policy"]


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
