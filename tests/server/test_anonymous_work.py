"""Work for callers without valid credentials has a budget by address on the server's GraphQL and REST."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from spacekey.models.engine.store import SQLITE
from spacekey.server.http.session_cookie import COOKIE
from spacekey.server.settings import Settings
from support.server import ORIGIN, Served, bearer, served

pytestmark = pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)

STRANGER, ELSEWHERE = "203.0.113.9", "203.0.113.10"
REQUESTS_MAX = 200


@asynccontextmanager
async def spent(database_url: str) -> AsyncIterator[tuple[Served, httpx.AsyncClient]]:
    """The server, and a client at an address whose budget is used up."""
    settings = Settings(database_url=database_url, anonymous_cpu_ms=1, anonymous_cpu_ms_burst=1)
    async with served(database_url, settings=settings) as server, client_at(server, STRANGER) as stranger:
        server.parts.anonymous.pause_seconds = 0.0
        for _ in range(REQUESTS_MAX):
            answer = await ask(stranger)
            if answer.status_code == 429:
                break
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.json()["code"] == "too_much_work"
        yield server, stranger


def client_at(server: Served, address: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(server.app, client=(address, 1)), base_url=ORIGIN)


async def ask(client: httpx.AsyncClient, document: str = "{ __typename }", **headers: str) -> httpx.Response:
    return await client.post("/graphql", json={"query": document}, headers=headers)


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/graphql", {}),
        ("POST", "/graphql", {"Cookie": "other=1"}),
        ("POST", "/graphql", {"Cookie": f"{COOKIE}={'q' * 43}", "Sec-Fetch-Site": "same-origin"}),
        ("POST", "/api/v1/introspect", {}),
        ("POST", "/api/v1/introspect/batch", {}),
        ("POST", "/api/v1/revoke", {}),
        ("GET", "/api/v1/api-keys", {}),
        ("GET", "/api/v1/openapi.json", {}),
        ("GET", "/api/v1/nothing", {}),
    ],
)
async def test_an_address_that_used_up_its_budget_is_refused(
    database_url: str, method: str, path: str, headers: dict[str, str]
) -> None:
    async with spent(database_url) as (_, stranger):
        answer = await stranger.request(method, path, headers=headers)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1


async def test_signing_in_from_such_an_address_waits_too(database_url: str) -> None:
    async with spent(database_url) as (_, stranger):
        document = 'mutation { signIn(input: {email: "a@b.example", password: "x"}) { __typename } }'
        assert (await ask(stranger, document)).status_code == 429


async def test_callers_with_valid_credentials_are_served_from_the_same_address(database_url: str) -> None:
    async with spent(database_url) as (server, stranger):
        workspace = await server.world.workspace("spooled")
        token_id, secret = await server.token(workspace.id, "tokens:read", "tokens:introspect")
        await server.world.member(workspace, "owner", email="ann@example.com")
        cookie = await server.cookie("ann@example.com")
        for _ in range(3):
            assert (await ask(stranger, "{ workspaces { nodes { id } } }", **bearer(secret))).status_code == 200
            assert (await ask(stranger, "{ workspaces { nodes { id } } }", **cookie)).status_code == 200
            answer = await stranger.post("/api/v1/introspect", data={"token": secret}, headers=bearer(secret))
            assert answer.json()["active"] is True
            client = {"client_id": token_id, "client_secret": secret}
            answer = await stranger.post("/api/v1/introspect", data={"token": secret, **client})
            assert answer.json()["active"] is True
        assert (await ask(stranger)).status_code == 429


async def test_other_addresses_probes_and_the_dashboard_are_served(database_url: str) -> None:
    async with spent(database_url) as (server, stranger), client_at(server, ELSEWHERE) as elsewhere:
        assert (await ask(elsewhere)).status_code == 200
        for path, status in {"/": 200, "/healthz": 200, "/readyz": 200, "/metrics": 403}.items():
            assert (await stranger.get(path)).status_code == status, path


async def test_behind_a_trusted_proxy_it_is_the_clients_address_that_pays(database_url: str) -> None:
    settings = Settings(
        database_url=database_url, anonymous_cpu_ms=1, anonymous_cpu_ms_burst=1, trusted_proxies=("10.0.0.1",)
    )
    async with served(database_url, settings=settings) as server, client_at(server, "10.0.0.1") as proxy:
        server.parts.anonymous.pause_seconds = 0.0
        for _ in range(REQUESTS_MAX):
            answer = await ask(proxy, **{"X-Forwarded-For": STRANGER})
            if answer.status_code == 429:
                break
        assert answer.status_code == 429
        assert (await ask(proxy, **{"X-Forwarded-For": ELSEWHERE})).status_code == 200
