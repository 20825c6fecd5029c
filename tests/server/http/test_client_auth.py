"""OAuth clients at ``/introspect`` and ``/revoke``: three ways to authenticate, one kind of error."""

from __future__ import annotations

import base64
import logging
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client
from starlette.types import ASGIApp

from spacekey.models.engine.store import SQLITE
from spacekey.resolvers.tokens.revoke import revoke_token
from spacekey.server.settings import Settings
from support.server import ORIGIN, Served, bearer, changed, served
from support.world import OPERATOR

pytestmark = [pytest.mark.parametrize("database_kind", [SQLITE], indirect=True), pytest.mark.sampled(2)]

PATHS = ["/api/v1/introspect", "/api/v1/revoke"]
CHALLENGE = 'Basic realm="spacekey"'

Way = Callable[[str, str], dict[str, Any]]


def by_basic(client_id: str, secret: str) -> dict[str, Any]:
    """HTTP Basic (RFC 6749 §2.3.1)."""
    return {"headers": {"Authorization": basic(f"{client_id}:{secret}")}, "data": {}}


def by_form(client_id: str, secret: str) -> dict[str, Any]:
    """``client_secret_post``."""
    return {"headers": {}, "data": {"client_id": client_id, "client_secret": secret}}


WAYS = [by_basic, by_form]


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


async def ask(server: Served, path: str, token: str, sent: dict[str, Any]) -> httpx.Response:
    data = {**sent["data"], "token": token}
    return await server.client.post(path, data=data, headers=sent["headers"])


def _transport(app: ASGIApp) -> object:
    """A transport for authlib's client, which is httpx2's where that is installed."""
    [package] = {one.__module__.partition(".")[0] for one in AsyncOAuth2Client.__mro__ if one.__name__ == "AsyncClient"}
    transport: object = sys.modules[package].ASGITransport(app)
    return transport


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_authlib_introspects_and_revokes(method: str, database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        own_id, own = await server.token(workspace.id, "tokens:introspect", "tokens:revoke")
        _, secret = await server.token(workspace.id, "jobs:read")
        async with AsyncOAuth2Client(
            own_id, own, token_endpoint_auth_method=method, transport=_transport(server.app)
        ) as client:
            described = await client.introspect_token(f"{ORIGIN}/api/v1/introspect", token=secret)
            assert described.json()["active"] is True
            revoked = await client.revoke_token(f"{ORIGIN}/api/v1/revoke", token=secret)
            assert revoked.status_code == 200
            described = await client.introspect_token(f"{ORIGIN}/api/v1/introspect", token=secret)
            assert described.json() == {"active": False}


@pytest.mark.parametrize("way", WAYS)
async def test_a_service_is_known_by_its_name_and_by_its_id(way: Way, database_url: str) -> None:
    async with served(database_url) as server:
        service_id, own = await server.service("jobs-api")
        workspace = await server.world.workspace("spooled")
        _, secret = await server.token(workspace.id, "jobs:read")
        for client_id in ("jobs-api", service_id):
            answer = await ask(server, PATHS[0], secret, way(client_id, own))
            assert answer.json()["active"] is True, client_id
        await refused(await ask(server, PATHS[0], secret, way("other-api", own)), 401, "invalid_client")


@pytest.mark.parametrize("way", WAYS)
async def test_the_log_tells_route_and_client(way: Way, database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        own_id, own = await server.token(workspace.id, "tokens:introspect")
        with caplog.at_level(logging.INFO, "spacekey.access"):
            await ask(server, PATHS[0], own, way(own_id, own))
    (line,) = [record.__dict__["facts"] for record in caplog.records if record.name == "spacekey.access"]
    assert (line["route"], line["principal"], line["status"]) == (PATHS[0], own_id, 200)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("way", WAYS)
async def test_a_client_that_is_not_known_is_an_invalid_client(path: str, way: Way, database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        own_id, own = await server.token(workspace.id, "tokens:introspect", "tokens:revoke")
        other_id, other = await server.token(workspace.id, "jobs:read")
        for client_id, secret in [
            (own_id, "wrong"),
            (own_id, changed(own)),
            (other_id, own),
            ("unknown", own),
            (own_id.upper(), own),
        ]:
            answer = await ask(server, path, other, way(client_id, secret))
            await refused(answer, 401, "invalid_client")
            assert (answer.headers["www-authenticate"] == CHALLENGE) is (way is by_basic)
        assert (
            await server.client.get("/api/v1/self", headers=bearer(other))
        ).status_code == 200  # nothing was revoked


SCOPES_OF_PATHS = dict(zip(PATHS, ("tokens:introspect", "tokens:revoke"), strict=True))
GRANTS = [(), ("tokens:introspect",), ("tokens:revoke",), ("tokens:introspect", "tokens:revoke")]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("way", WAYS)
async def test_a_client_is_authenticated_before_its_scopes_are_looked_at(
    path: str, way: Way, database_url: str
) -> None:
    """Every client id with every secret and all scopes: first who it is, then what it may do (RFC 6749 §5.2)."""
    settings = Settings(database_url=database_url, api_burst=10_000)
    async with served(database_url, settings=settings) as server:
        service_id, service = await server.service("jobs-api")
        workspace = await server.world.workspace("spooled")
        _, asked_about = await server.token(workspace.id, "jobs:read")
        clients = {grants: await server.token(workspace.id, "jobs:read", *grants) for grants in GRANTS}
        revoked_id, revoked = await server.token(workspace.id, *GRANTS[-1])
        await revoke_token(server.world.system, OPERATOR, revoked_id)
        holders = {
            service_id: ({service_id, "jobs-api"}, service, {PATHS[0]}),
            **{
                own_id: ({own_id}, own, {one for one in PATHS if SCOPES_OF_PATHS[one] in grants})
                for grants, (own_id, own) in clients.items()
            },
        }
        ids = [service_id, "jobs-api", *(own_id for own_id, _ in clients.values()), revoked_id, "a token"]
        for client_id in ids:
            await refused(await ask(server, path, asked_about, way(client_id, revoked)), 401, "invalid_client")
            for names, secret, allowed in holders.values():
                answer = await ask(server, path, asked_about, way(client_id, secret))
                if client_id not in names:
                    await refused(answer, 401, "invalid_client")
                    assert (answer.headers["www-authenticate"] == CHALLENGE) is (way is by_basic)
                elif path in allowed:
                    assert answer.status_code == 200, answer.text
                else:
                    await refused(answer, 403, "insufficient_scope")
                    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("way", WAYS)
async def test_a_client_is_authenticated_before_its_limit_is_told(way: Way, database_url: str) -> None:
    settings = Settings(database_url=database_url, api_per_minute=1, api_burst=1)
    async with served(database_url, settings=settings) as server:
        workspace = await server.world.workspace("spooled")
        own_id, own = await server.token(workspace.id, "tokens:introspect", "tokens:revoke")
        for _ in range(3):
            last = await ask(server, PATHS[1], "x", way(own_id, own))
            await refused(await ask(server, PATHS[1], "x", way("unknown", own)), 401, "invalid_client")
        assert last.status_code == 429


@pytest.mark.parametrize("path", PATHS)
async def test_two_ways_at_once_are_refused(path: str, database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        own_id, own = await server.token(workspace.id, "tokens:introspect", "tokens:revoke")
        for headers in (bearer(own), {"Authorization": basic(f"{own_id}:{own}")}):
            answer = await ask(server, path, own, {**by_form(own_id, own), "headers": headers})
            await refused(answer, 400, "invalid_request")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("headers", "status", "error"),
    [
        ({}, 401, "invalid_client"),
        ({"Authorization": "Basic"}, 401, "invalid_client"),
        ({"Authorization": "Basic !!!"}, 401, "invalid_client"),
        ({"Authorization": basic("no-colon")}, 401, "invalid_client"),
        ({"Authorization": basic(":secret")}, 401, "invalid_client"),
        ({"Authorization": basic("a:b"), "Origin": "https://evil.example"}, 400, "invalid_request"),
        ({"Authorization": basic("a:b"), "Sec-Fetch-Site": "same-origin"}, 400, "invalid_request"),
        ({"Authorization": "Bearer sp_live_nonsense"}, 401, "invalid_token"),
        ({"Authorization": "Digest x"}, 401, "invalid_client"),
    ],
)
async def test_credentials_that_cannot_be_used_have_an_error(
    path: str, headers: dict[str, str], status: int, error: str, database_url: str
) -> None:
    async with served(database_url) as server:
        await refused(await ask(server, path, "x", {"headers": headers, "data": {}}), status, error)


@pytest.mark.parametrize("path", PATHS)
async def test_every_other_refusal_has_an_error_too(path: str, database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect", "tokens:revoke")
        _, weak = await server.token(workspace.id, "jobs:read")
        _, other = await server.token(workspace.id, "jobs:read")
        post = server.client.post
        await refused(await post(path, headers=bearer(own), json={"token": "x"}), 415, "invalid_request")
        await refused(await post(path, headers=bearer(own), data={"hint": "x"}), 400, "invalid_request")
        await refused(await post(path, headers=bearer(own), data={"token": "x" * 9_000}), 413, "invalid_request")
        await refused(await post(path, headers=bearer(weak), data={"token": other}), 403, "insufficient_scope")
        await refused(await server.client.get(path, headers=bearer(own)), 405, "invalid_request")


async def test_a_large_form_reaches_the_endpoint_whole(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        own_id, own = await server.token(workspace.id, "tokens:introspect")
        padding = "x" * 7_000
        answer = await server.client.post(
            PATHS[0], data={"padding": padding, "client_id": own_id, "client_secret": own, "token": own}
        )
        assert answer.json()["active"] is True


@pytest.mark.parametrize("path", ["/api/v1/self", "/api/v1/usage", "/api/v1/api-keys"])
async def test_no_other_address_takes_client_credentials(path: str, database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        own_id, own = await server.token(workspace.id, "tokens:read")
        answer = await server.client.get(path, headers={"Authorization": basic(f"{own_id}:{own}")})
        assert answer.status_code in (401, 405)


async def test_only_an_environment_that_exists_can_be_asked_for(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        _, secret = await server.token(workspace.id, "jobs:read")
        for environment, status in [("live", 200), ("test", 200), ("production", 400), ("", 400), ("LIVE", 400)]:
            for token in (secret, "nonsense"):
                answer = await server.client.post(
                    PATHS[0], headers=bearer(own), data={"token": token, "environment": environment}
                )
                assert answer.status_code == status, environment
        assert "live" in answer.json()["error_description"]


@pytest.mark.parametrize("field", ["environment", "used_in"])
async def test_an_environment_that_the_token_s_product_lacks_is_refused(field: str, database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("guard", plan="paid")  # which has no test environment
        foreign = await server.world.workspace("guard", plan="paid")
        _, own = await server.token(workspace.id, "tokens:introspect")
        _, secret = await server.token(workspace.id, "sessions:read")
        _, other = await server.token(foreign.id, "sessions:read")
        await refused(
            await ask(server, PATHS[0], secret, {"headers": bearer(own), "data": {field: "test"}}),
            400,
            "invalid_request",
        )
        for unknown in (other, "nonsense"):  # which look alike
            answer = await ask(server, PATHS[0], unknown, {"headers": bearer(own), "data": {field: "test"}})
            assert answer.json() == {"active": False}


async def refused(answer: httpx.Response, status: int, error: str) -> None:
    """Hold a refusal to RFC 6749 §5.2."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["error"] == error
    assert isinstance(body["error_description"], str)
    assert body["error_description"]
    assert body["status"] == status
    if status == 401:
        assert answer.headers["www-authenticate"]
