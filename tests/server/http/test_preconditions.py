"""Entity tags of keys, and requests with ``If-Match`` and ``If-None-Match`` (RFC 9110 §13)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from httpx import Response

from spacekey.resolvers.tokens.rotate import rotate_token
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, update_workspace
from support.server import Served, bearer, served
from support.world import OPERATOR

pytestmark = pytest.mark.sampled(2)

KEYS = "/api/v1/api-keys"
MANAGE = (
    "jobs:read",
    "queues:read",
    "tokens:read",
    "tokens:create",
    "tokens:update",
    "tokens:disable",
    "tokens:revoke",
)
CHANGES: list[tuple[str, str, Any]] = [
    ("PATCH", "", {"name": "renamed"}),
    ("PATCH", "", {"disabled": True}),
    ("PATCH", "", {"disabled": False}),
    ("POST", "/disable", None),
    ("POST", "/enable", None),
    ("POST", "/rotate", {}),
    ("POST", "/revoke", {"reason": "leaked"}),
    ("DELETE", "", None),
]


class Key:
    """A key, and the one that manages it."""

    def __init__(self, server: Served, key_id: str, secret: str, admin: str) -> None:
        self.server, self.id, self.secret, self.admin = server, key_id, secret, admin

    async def ask(self, method: str, path: str = "", body: Any = None, **headers: str) -> Response:
        sent = bearer(self.admin) | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.server.client.request(method, f"{KEYS}/{self.id}{path}", json=body, headers=sent)


async def made(server: Served) -> Key:
    workspace = await server.world.workspace("spooled")
    _, admin = await server.token(workspace.id, *MANAGE)
    key_id, secret = await server.token(workspace.id, "jobs:read", "queues:read", expires_in=timedelta(days=2))
    return Key(server, key_id, secret, admin)


async def test_the_tag_changes_with_everything_that_can_be_seen_and_with_nothing_else(database_url: str) -> None:
    """Also by what is not in the key's own row: the clock, the workspace, and the first use of a successor."""
    async with served(database_url) as server:
        key = await made(server)
        workspace_id = (await key.ask("GET")).json()["workspace_id"]

        async def limited() -> None:
            changes = WorkspaceChanges(scopes_allowed=tuple(one for one in MANAGE if one != "queues:read"))
            await update_workspace(server.world.system, OPERATOR, workspace_id, changes)

        async def used(secret: str) -> None:
            assert (await server.client.get("/api/v1/self", headers=bearer(secret))).is_success
            await server.parts.usage.flush()

        async def rotated() -> None:
            issued = await rotate_token(server.world.system, OPERATOR, key.id, retire_on_first_use=True)
            successors.append(issued.secret.reveal())

        async def nothing() -> None:
            pass

        successors: list[str] = []
        doing: list[Callable[[], Awaitable[object]]] = [
            nothing,
            *(lambda one=one: key.ask(one[0], one[1], one[2]) for one in CHANGES[:5]),
            nothing,
            lambda: key.ask("PATCH", body={"name": "renamed"}),
            lambda: key.ask("PATCH", body={"description": "d"}),
            lambda: key.ask("PATCH", body={"expires_at": "2026-06-03T00:00:00Z"}),
            lambda: used(key.secret),
            rotated,
            lambda: used(successors[0]),
            lambda: key.ask("PATCH", body={"name": "after the successor's first use"}),
            limited,
            lambda: key.ask("POST", "/revoke", {"reason": "leaked"}),
        ]
        seen = [await key.ask("GET")]
        for step in doing:
            answer = await step()
            seen.append(await key.ask("GET"))
            if isinstance(answer, Response):
                assert answer.is_success, answer.text
                assert answer.headers["etag"] == seen[-1].headers["etag"], answer.text
        for before, after in pairwise(seen):
            assert (before.headers["etag"] == after.headers["etag"]) is (before.content == after.content)
        assert len({one.content for one in seen}) == 11
        assert len({one.headers["etag"] for one in seen}) == len({one.content for one in seen})


@pytest.mark.parametrize("change", CHANGES, ids=lambda one: f"{one[0]} {one[1]} {one[2]}")
async def test_a_change_is_made_only_if_the_key_is_as_it_was_read(
    database_url: str, change: tuple[str, str, Any]
) -> None:
    async with served(database_url) as server:
        key = await made(server)
        if change[2] == {"disabled": False} or change[1] == "/enable":
            assert (await key.ask("POST", "/disable")).is_success
        stale = (await key.ask("GET")).headers["etag"]
        assert (await key.ask("PATCH", body={"description": "by another client"})).is_success
        shown = await key.ask("GET")
        fresh = shown.headers["etag"]
        for headers in (
            {"If_Match": stale},
            {"If_Match": f"W/{fresh}"},  # a weak tag never matches here (§8.8.3.2)
            {"If_Match": f'"nope", {stale}'},
            {"If_None_Match": fresh},
            {"If_None_Match": f"W/{fresh}"},
            {"If_None_Match": "*"},
            {"If_Match": fresh, "If_None_Match": fresh},
        ):
            refused = await key.ask(*change, **headers)
            assert (refused.status_code, refused.json()["code"]) == (412, "precondition_failed"), headers
            assert (await key.ask("GET")).content == shown.content, headers
        done = await key.ask(*change, If_Match=f'"nope", {fresh}')
        assert done.is_success, done.text
        assert (await key.ask("GET")).content != shown.content


@pytest.mark.parametrize("change", CHANGES, ids=lambda one: f"{one[0]} {one[1]} {one[2]}")
async def test_any_key_that_exists_matches_a_star_and_others_stay_unknown(
    database_url: str, change: tuple[str, str, Any]
) -> None:
    """Preconditions come after what would be refused without them (§13.2.1): they say nothing of foreign keys."""
    async with served(database_url) as server:
        key, foreign = await made(server), await made(server)
        if change[2] == {"disabled": False} or change[1] == "/enable":
            assert (await key.ask("POST", "/disable")).is_success
        tag = (await foreign.ask("GET")).headers["etag"]
        foreign.admin = key.admin
        for condition in ("*", tag, '"nope"'):
            assert (await foreign.ask(*change, If_Match=condition)).status_code == 404
        assert (await key.ask(*change, If_Match="*")).is_success


async def test_a_key_that_has_not_changed_is_not_sent_again(database_url: str) -> None:
    async with served(database_url) as server:
        key = await made(server)
        tag = (await key.ask("GET")).headers["etag"]
        for condition in (tag, f"W/{tag}", "*", f'"nope" ,{tag}'):
            same = await key.ask("GET", If_None_Match=condition)
            assert (same.status_code, same.content) == (304, b"")
            assert same.headers["etag"] == tag
            assert same.headers["cache-control"] == "no-store"
            assert "Authorization" in same.headers["vary"]
        assert (await key.ask("HEAD", If_None_Match=tag)).status_code == 304
        for condition in ('"nope"', ""):
            assert (await key.ask("GET", If_None_Match=condition)).status_code == 200
        assert (await key.ask("GET", If_Match='"nope"')).status_code == 412
        assert (await key.ask("GET", If_Match=tag)).status_code == 200
        await key.ask("POST", "/disable")
        assert (await key.ask("GET", If_None_Match=tag)).status_code == 200


@pytest.mark.parametrize("value", ["nope", '"a', 'a"', '"a" "b"', '*, "a"', 'w/"a"', 'W/ "a"', '"a\x7f"', "**"])
async def test_a_malformed_precondition_is_400_and_changes_nothing(database_url: str, value: str) -> None:
    async with served(database_url) as server:
        key = await made(server)
        for headers in ({"If_Match": value}, {"If_None_Match": value}):
            for method, path, body in (("GET", "", None), *CHANGES):
                answer = await key.ask(method, path, body, **headers)
                assert (answer.status_code, answer.json()["code"]) == (400, "invalid_precondition")
        assert (await key.ask("GET")).json()["status"] == "active"


async def test_a_repeated_rotation_is_a_replay_though_the_key_has_changed_by_it(database_url: str) -> None:
    async with served(database_url) as server:
        key = await made(server)
        headers = {"If_Match": (await key.ask("GET")).headers["etag"], "Idempotency_Key": '"once"'}
        first = await key.ask("POST", "/rotate", {}, **headers)
        assert first.status_code == 201
        again = await key.ask("POST", "/rotate", {}, **headers)
        assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
        assert again.headers["etag"] == first.headers["etag"]
        successor = await server.client.get(f"{KEYS}/{first.json()['id']}", headers=bearer(key.admin))
        assert successor.headers["etag"] == first.headers["etag"]
