"""What every answer carries, and whose address is believed."""

from __future__ import annotations

import pytest

from spacekey.models import audit_queries
from spacekey.models.store import SQLITE
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
