"""Bodies that cannot be read, and addresses and methods that are not there: each its own status, nothing changed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from spacekey.models.engine.store import SQLITE
from support.server import bearer, served

JSON = "application/json"
DEEP = b'{"name":' + b"[" * 30 + b"]" * 30 + b"}"

TABLE: list[tuple[str | None, bytes, int, str]] = [
    (None, b'{"name": "k"}', 415, "unsupported_media_type"),
    ("text/plain", b'{"name": "k"}', 415, "unsupported_media_type"),
    ("application/x-www-form-urlencoded", b"name=k", 415, "unsupported_media_type"),
    ("application/json; charset=latin-1", b'{"name": "k"}', 415, "unsupported_media_type"),
    (JSON, b"", 400, "malformed_json"),
    (JSON, b"{", 400, "malformed_json"),
    (JSON, b"[]", 400, "malformed_json"),
    (JSON, b'"text"', 400, "malformed_json"),
    (JSON, b'{"name": NaN}', 400, "malformed_json"),
    (JSON, b'{"name": "a", "name": "b"}', 400, "malformed_json"),
    (JSON, b'{"name": "\\ud800"}', 400, "malformed_json"),
    (JSON, b'{"name": "\xff"}', 400, "malformed_json"),
    (JSON, DEEP, 400, "malformed_json"),
    (JSON, b"[" * 60_000, 400, "malformed_json"),
    (JSON, b'{"name": ' + b"9" * 5_000 + b"}", 400, "malformed_json"),
    (JSON, json.dumps({"name": "x" * 70_000}).encode(), 413, "too_large"),
    ("application/json; charset=UTF-8", b'{"name": 1}', 422, "invalid_input"),
]


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_unreadable_bodies_have_their_own_status(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, admin = await server.token(workspace.id, "tokens:create", "tokens:read")
        for media, body, status, code in TABLE:
            headers = bearer(admin) | ({"Content-Type": media} if media else {})
            answer = await server.client.post("/api/v1/api-keys", content=body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (status, code), body[:50]
            assert answer.headers["content-type"] == "application/problem+json"
        assert len((await server.client.get("/api/v1/api-keys", headers=bearer(admin))).json()["api_keys"]) == 1


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_a_body_without_a_length_is_bounded_too(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, admin = await server.token(workspace.id, "tokens:create")

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(1_000):
                yield b" " * 1_000

        headers = bearer(admin) | {"Content-Type": JSON}
        answer = await server.client.post("/api/v1/api-keys", content=endless(), headers=headers)
        assert answer.status_code == 413


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_unknown_addresses_and_methods_are_problems_and_methods_name_what_is_allowed(database_url: str) -> None:
    async with served(database_url) as server:
        missing = await server.client.get("/api/v1/nothing")
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
        assert (await server.client.get("/api/v1/api-keys/")).status_code == 404
        wrong = await server.client.put("/api/v1/usage")
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD, POST")


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_a_bug_is_500_with_the_request_id_and_nothing_else(database_url: str) -> None:
    async with served(database_url) as server:
        server.app.state.parts = None
        answer = await server.client.get("/readyz", headers={"X-Request-Id": "my-request-1"})
        server.app.state.parts = server.parts
        assert answer.status_code == 500
        assert answer.json()["request_id"] == answer.headers["x-request-id"] == "my-request-1"
        assert "build_app" not in answer.text
