"""What a session cookie may do: only from this server's own pages, only as JSON, never beside a token."""

from __future__ import annotations

import json

import pytest

from spacekey.models.engine.store import SQLITE
from spacekey.server.settings import Settings
from support.server import ORIGIN, Served, bearer, served

pytestmark = pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)

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
