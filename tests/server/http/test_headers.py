"""What every answer carries, and whose address is believed."""

from __future__ import annotations

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
from support.server import Served, bearer, served

pytestmark = pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)

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
