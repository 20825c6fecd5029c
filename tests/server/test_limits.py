"""Limits of the server: work of callers without credentials, every caller of the API, made-up session cookies."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from spacekey.domain.authentication import Anonymous, AuthenticationResult, Reason, Rejected, Unavailable
from spacekey.domain.principal import Limit
from spacekey.domain.secret import Secret
from spacekey.middleware.limits.limiter import Flooded
from spacekey.models.engine.store import SQLITE
from spacekey.resolvers.accounts import sessions
from spacekey.server.http import identity
from spacekey.server.http.session_cookie import COOKIE
from spacekey.server.limits import SessionFlood
from spacekey.server.settings import Settings
from support.server import ORIGIN, Served, bearer, served

# Work for callers without valid credentials has a budget by address on the server's GraphQL and REST.


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


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
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


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_signing_in_from_such_an_address_waits_too(database_url: str) -> None:
    async with spent(database_url) as (_, stranger):
        document = 'mutation { signIn(input: {email: "a@b.example", password: "x"}) { __typename } }'
        assert (await ask(stranger, document)).status_code == 429


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
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


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_other_addresses_probes_and_the_dashboard_are_served(database_url: str) -> None:
    async with spent(database_url) as (server, stranger), client_at(server, ELSEWHERE) as elsewhere:
        assert (await ask(elsewhere)).status_code == 200
        for path, status in {"/": 200, "/healthz": 200, "/readyz": 200, "/metrics": 403}.items():
            assert (await stranger.get(path)).status_code == status, path


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
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


# Spacekey's own API holds every caller to one limit, whatever the plan of a token's workspace pays for.


PLANS = {"free": 20, "pro": 100, "enterprise": None}
"""spooled's plans, with the bursts that they have for the product's own requests."""


async def statuses(server: Served, headers: dict[str, str], count: int) -> list[int]:
    return [(await server.client.get("/api/v1/self", headers=headers)).status_code for _ in range(count)]


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
@pytest.mark.parametrize("plan", PLANS)
async def test_a_token_of_any_plan_is_held_to_the_limit_of_the_api(plan: str, database_url: str) -> None:
    settings = Settings(database_url=database_url, api_per_minute=1, api_burst=25)
    async with served(database_url, settings=settings) as server:
        workspace = await server.world.workspace("spooled", plan=plan)
        _, secret = await server.token(workspace.id, "tokens:read")
        _, other = await server.token(workspace.id, "tokens:read")
        assert await statuses(server, bearer(secret), 26) == [200] * 25 + [429]
        answer = await server.client.get("/api/v1/api-keys", headers=bearer(secret))
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert (
            await server.client.post("/graphql", json={"query": "{ me { kind } }"}, headers=bearer(secret))
        ).status_code == 429
        assert await statuses(server, bearer(other), 1) == [200]


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_a_person_is_held_to_it_as_well(database_url: str) -> None:
    settings = Settings(database_url=database_url, api_per_minute=1, api_burst=3)
    async with served(database_url, settings=settings) as server:
        workspace = await server.world.workspace("spooled")
        await server.world.member(workspace, "owner", "ada@example.com")
        assert await statuses(server, await server.cookie("ada@example.com"), 4) == [200, 200, 200, 429]


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_introspection_and_usage_reports_are_not_counted(database_url: str) -> None:
    settings = Settings(database_url=database_url, api_per_minute=1, api_burst=1)
    async with served(database_url, settings=settings) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        for _ in range(5):
            answer = await server.client.post("/api/v1/introspect", data={"token": own}, headers=bearer(own))
            assert answer.json()["active"] is True
            # What the app's own requests are held to is the plan's limit, which it is told.
            assert answer.json()["rate_limit"] == {"per_minute": 100, "burst": 20}


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_what_a_caller_is_told_of_its_limit_is_its_plan_s(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled", plan="pro")
        _, secret = await server.token(workspace.id, "tokens:read")
        answer = await server.client.get("/api/v1/self", headers=bearer(secret))
        assert Limit(**answer.json()["rate_limit"]) == Limit(1_000, 100)
        assert answer.headers["ratelimit-policy"] == '"default";q=600;w=60;spacekey-burst=100'


# Made-up session cookies: bounded by the address they come from, and honest browsers behind it work on.


ME = "{ me { user { email } } }"
EMAIL = "ada@example.com"
SCOPE: dict[str, Any] = {"type": "http", "client": ("192.0.2.1", 1)}
BURST = 30
REFILL_SECONDS = 2.0


@dataclass
class Reads:
    """Which sessions were looked up in the store."""

    secrets: list[Secret] = field(default_factory=list)


@contextmanager
def counted(patch: pytest.MonkeyPatch) -> Iterator[Reads]:
    """Count what is looked up while the body runs."""
    reads = Reads()

    async def looked_up(system: Any, secret: Secret, **given: Any) -> Any:
        reads.secrets.append(secret)
        return await sessions.session_outcome(system, secret, **given)

    with patch.context() as inner:
        inner.setattr(identity, "session_outcome", looked_up)
        yield reads


def made_up() -> dict[str, str]:
    return {"Cookie": f"{COOKIE}={secrets.token_urlsafe(32)}", "Sec-Fetch-Site": "same-origin"}


async def me(server: Served, headers: dict[str, str], path: str = "/graphql") -> httpx.Response:
    if path == "/graphql":
        return await server.client.post(path, json={"query": ME}, headers=headers)
    return await server.client.get(path, headers=headers)


@pytest.mark.parametrize("path", ["/graphql", "/api/v1/self"])
async def test_made_up_cookies_are_looked_up_only_so_often_for_an_address(
    database_url: str, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    async with served(database_url) as server:
        await server.world.user(EMAIL)
        good = await server.cookie(EMAIL)
        assert (await me(server, good, path)).status_code == 200
        began = time.monotonic()
        with counted(monkeypatch) as reads:
            answers = [await me(server, made_up(), path) for _ in range(BURST + 20)]
        refilled = int((time.monotonic() - began) / REFILL_SECONDS) + 1
        refused = [one for one in answers if one.status_code == 429]
        assert len(reads.secrets) <= BURST + refilled
        assert len(refused) == BURST + 20 - len(reads.secrets)
        assert all(int(one.headers["retry-after"]) >= 1 for one in refused)
        assert (await me(server, good, path)).status_code == 200, "a browser that is known to be signed in works on"


async def test_an_ended_session_is_looked_up_once_and_keeps_no_one_from_signing_in(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(database_url) as server:
        await server.world.user(EMAIL)
        stale = made_up()
        with counted(monkeypatch) as reads:
            answers = [await me(server, stale) for _ in range(3 * BURST)]
        assert {one.status_code for one in answers} == {200}
        assert {one.json()["data"]["me"] for one in answers} == {None}
        assert len(reads.secrets) == 1
        assert (await me(server, await server.cookie(EMAIL))).json()["data"]["me"]["user"]["email"] == EMAIL


async def test_cookies_and_tokens_of_an_address_are_counted_apart(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, secret = await server.token(workspace.id, "jobs:read")
        for _ in range(2 * BURST):
            await me(server, made_up())
        answer = await me(server, {"Authorization": f"Bearer {secret}"}, "/api/v1/self")
        assert answer.status_code == 200


@pytest.mark.parametrize("outcome", [Rejected(Reason.EXPIRED), Anonymous(), Unavailable("the store is down")])
async def test_only_what_can_never_be_a_session_is_remembered(outcome: AuthenticationResult) -> None:
    asked: list[Secret] = []

    async def look_up(secret: Secret) -> AuthenticationResult:
        asked.append(secret)
        return outcome

    flood, secret = SessionFlood(), Secret("s" * 43)
    for _ in range(2 * BURST):
        assert await flood.outcome(SCOPE, secret, look_up) == outcome
    assert len(asked) == 2 * BURST


async def test_what_is_remembered_of_unknown_cookies_has_a_bound() -> None:
    asked: list[str] = []

    async def look_up(secret: Secret) -> AuthenticationResult:
        asked.append(secret.reveal())
        return Rejected(Reason.UNKNOWN)

    flood = SessionFlood(unknown_max=2)
    for name in ("a", "b", "a", "c", "a", "b"):
        assert await flood.outcome(SCOPE, Secret(name), look_up) == Rejected(Reason.UNKNOWN)
    assert asked == ["a", "b", "c", "b"], "the one that was sent last stays longest"
    for number in range(2 * BURST):
        last = await flood.outcome(SCOPE, Secret(f"made up {number}"), look_up)
    assert isinstance(last, Flooded)
    assert len(asked) <= BURST + 1
