"""What stands before every route: the origin of a session's changes, headers of answers, the client's address."""

from __future__ import annotations

import json

import pytest
from httpx import ASGITransport, AsyncClient
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from spacekey.models.engine.store import SQLITE
from spacekey.models.queries import audit as audit_queries
from spacekey.server.app import PeerAddress
from spacekey.server.settings import Settings
from support.server import ORIGIN, Served, bearer, served

pytestmark = pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)


# What a session cookie may do: only from this server's own pages, only as JSON, never beside a token.


ALLOWED = [
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "same-origin", "Origin": ORIGIN},
    {"Origin": ORIGIN},
    {"Origin": ORIGIN.upper()},
]
REFUSED = [
    {},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site", "Origin": ORIGIN},
    {"Sec-Fetch-Site": "", "Origin": ORIGIN},
    {"Origin": "null"},
    {"Origin": "http://evil.example"},
    {"Origin": "http://testserver.evil.example"},
    {"Origin": "http://testserver:81"},
    {"Origin": "http://["},
    {"Origin": ""},
]
GRAPHQL = json.dumps({"query": "{ __typename }"}).encode()


async def test_changes_by_cookie_must_come_from_this_server(database_url: str) -> None:
    async with served(database_url) as server:
        cookie = await _cookie(server)
        for headers, status in [(one, 200) for one in ALLOWED] + [(one, 403) for one in REFUSED]:
            sent = cookie | headers | {"Content-Type": "application/json"}
            answer = await server.client.post("/graphql", content=GRAPHQL, headers=sent)
            assert answer.status_code == status, headers
            if status == 403:
                assert answer.json()["code"] == "cross_origin"


async def test_reading_by_cookie_needs_no_origin(database_url: str) -> None:
    async with served(database_url) as server:
        cookie = await _cookie(server)
        answer = await server.client.get("/api/v1/self", headers=cookie | {"Sec-Fetch-Site": "none"})
        assert (answer.status_code, answer.json()["kind"]) == (200, "member")


async def test_a_session_sends_no_forms(database_url: str) -> None:
    async with served(database_url) as server:
        cookie = await _cookie(server) | {"Sec-Fetch-Site": "same-origin"}
        for path in ("/api/v1/introspect", "/api/v1/revoke", "/graphql"):
            answer = await server.client.post(path, data={"token": "x"}, headers=cookie)
            assert answer.status_code == 415, path


async def test_a_cookie_beside_a_token_is_two_credentials(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, secret = await server.token(workspace.id, "jobs:read")
        answer = await server.client.get("/api/v1/self", headers=await _cookie(server) | bearer(secret))
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


async def test_a_token_needs_no_origin(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, secret = await server.token(workspace.id, "jobs:read")
        headers = bearer(secret) | {"Content-Type": "application/json", "Origin": "http://elsewhere.example"}
        assert (await server.client.post("/graphql", content=GRAPHQL, headers=headers)).status_code == 200


async def test_the_public_url_is_what_origins_are_held_against(database_url: str) -> None:
    settings = Settings(database_url=database_url, public_url="https://keys.example.com")
    async with served(database_url, settings=settings) as server:
        cookie = await _cookie(server) | {"Content-Type": "application/json"}
        for origin, status in (("https://keys.example.com", 200), ("http://keys.example.com", 403), (ORIGIN, 403)):
            answer = await server.client.post("/graphql", content=GRAPHQL, headers=cookie | {"Origin": origin})
            assert answer.status_code == status


async def test_no_page_of_another_origin_is_ever_invited(database_url: str) -> None:
    async with served(database_url) as server:
        headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
        answer = await server.client.options("/graphql", headers=headers)
        assert answer.status_code == 405
        assert not [name for name in answer.headers if name.startswith("access-control-")]


async def _cookie(server: Served) -> dict[str, str]:
    await server.world.user("ann@example.com")
    headers = await server.cookie("ann@example.com")
    del headers["Sec-Fetch-Site"]
    return headers


# What every answer carries, and whose address is believed.


PATHS = ["/healthz", "/readyz", "/metrics", "/api/v1/openapi.json", "/api/v1/self", "/nothing", "/graphql"]


async def test_every_answer_carries_the_security_headers(database_url: str) -> None:
    async with served(database_url) as server:
        for path in PATHS:
            headers = (await server.client.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff", path
            assert headers["referrer-policy"] == "no-referrer"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["x-request-id"]
            assert "server" not in headers


async def test_nothing_an_api_says_is_stored(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, secret = await server.token(workspace.id, "tokens:read")
        for path in ("/api/v1/self", "/api/v1/api-keys", "/api/v1/openapi.json", "/api/v1/nothing", "/graphql"):
            answer = await server.client.get(path, headers=bearer(secret))
            assert answer.headers["cache-control"] == "no-store", path
        answer = await server.client.get("/api/v1/self", headers=bearer(secret))
        assert "Authorization" in answer.headers["vary"]


async def test_forwarded_addresses_are_believed_from_trusted_proxies_alone(database_url: str) -> None:
    forwarded = {"X-Forwarded-For": "203.0.113.5, 10.0.0.9"}
    for proxies, address in (((), "127.0.0.1"), (("127.0.0.1", "10.0.0.0/8"), "203.0.113.5")):
        settings = Settings(database_url=database_url, trusted_proxies=proxies)
        async with served(database_url, settings=settings) as server:
            assert await _address_in_the_audit_log(server, forwarded) == address


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("[2001:DB8::7]:443", "2001:db8::7"),
        ("unknown", ""),
        ("<b>x</b>", ""),
        ("203.0.113.9, <b>x</b>", ""),
    ],
)
async def test_what_a_trusted_proxy_forwards_is_an_address_or_none(
    forwarded: str, address: str, database_url: str
) -> None:
    settings = Settings(database_url=database_url, trusted_proxies=("127.0.0.1",))
    async with served(database_url, settings=settings) as server:
        assert await _address_in_the_audit_log(server, {"X-Forwarded-For": forwarded}) == address


@pytest.mark.usefixtures("database_kind")
async def test_a_proxy_is_trusted_on_a_dual_stack_socket_too() -> None:
    async def tell(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.client.host if request.client else "")

    proxies = Middleware(ProxyHeadersMiddleware, trusted_hosts=["10.0.0.0/8"])
    app = Starlette(routes=[Route("/", tell)], middleware=[Middleware(PeerAddress), proxies])
    for peer, address in [
        ("10.0.0.9", "203.0.113.5"),
        ("::ffff:10.0.0.9", "203.0.113.5"),
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
    ]:
        transport = ASGITransport(app, client=(peer, 1))
        async with AsyncClient(transport=transport, base_url="http://test") as client:
            assert (await client.get("/", headers={"X-Forwarded-For": "203.0.113.5"})).text == address


async def _address_in_the_audit_log(server: Served, headers: dict[str, str]) -> str:
    workspace = await server.world.workspace("spooled")
    _, admin = await server.token(workspace.id, "jobs:read", "tokens:create")
    body = {"name": "k", "permissions": ["jobs:read"]}
    made = await server.client.post("/api/v1/api-keys", json=body, headers=bearer(admin) | headers)
    assert made.status_code == 201
    async with server.world.system.store.reading() as session:
        events = [event async for event in audit_queries.audit_events(session, workspace.id)]
    assert events[-1].request_id == made.headers["x-request-id"]
    return events[-1].ip
