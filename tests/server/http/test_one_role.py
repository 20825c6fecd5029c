"""Where a token's scope is a role, its grants are exactly one role, by every door that gives grants."""

from __future__ import annotations

from typing import Any

import pytest

from support.server import Served, bearer, served

KEYS = "/api/v1/api-keys"
CREATE = """mutation ($input: CreateTokenInput!) { answer: createToken(input: $input) {
  ... on InvalidInput { errors { path message } } ... on CreateTokenSuccess { token { role grants } } } }"""
UPDATE = """mutation ($input: UpdateTokenInput!) { answer: updateToken(input: $input) {
  ... on InvalidInput { errors { path message } } ... on UpdateTokenSuccess { token { role grants } } } }"""

NOT_ONE_ROLE = [
    ["documents:read"],
    ["viewer", "member"],
    ["viewer", "billing:write"],
    ["viewer", "viewer"],
    ["tokens:introspect"],
    ["viever"],
    [],
]


async def _asked(server: Served, admin: str, document: str, **values: Any) -> dict[str, Any]:
    body = {"query": document, "variables": {"input": values}}
    answer = (await server.client.post("/graphql", json=body, headers=bearer(admin))).json()
    assert "errors" not in answer, answer
    found: dict[str, Any] = answer["data"]["answer"]
    return found


@pytest.mark.parametrize("grants", NOT_ONE_ROLE, ids=" ".join)
async def test_anything_but_one_role_is_refused_and_changes_nothing(database_url: str, grants: list[str]) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("teamspace")
        key_id, admin = await server.token(workspace.id, "owner")
        wish = {"name": "n", "permissions": grants}
        by_rest = [
            await server.client.post(KEYS, json=wish, headers=bearer(admin)),
            await server.client.patch(f"{KEYS}/{key_id}", json={"permissions": grants}, headers=bearer(admin)),
        ]
        for answer in by_rest:
            assert answer.status_code == 422, answer.text
            assert "exactly one role" in answer.json()["detail"]
        by_graphql = [
            await _asked(server, admin, CREATE, ownerId=workspace.id, name="n", grants=grants),
            await _asked(server, admin, UPDATE, id=key_id, grants=grants),
        ]
        for found in by_graphql:
            assert found["errors"][0]["path"][0] == "grants"
            assert "administrator, manager, member, owner, viewer" in found["errors"][0]["message"]
        listed = (await server.client.get(KEYS, headers=bearer(admin))).json()["api_keys"]
        assert [one["permissions"] for one in listed] == [["owner"]]


async def test_one_role_of_the_products_or_of_the_workspaces_own_is_given(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("teamspace")
        _, admin = await server.token(workspace.id, "owner")
        role = """mutation ($input: SetRoleInput!) { answer: setRole(input: $input) { __typename } }"""
        values = {"workspaceId": workspace.id, "name": "auditor", "grants": ["audit:read"]}
        assert (await _asked(server, admin, role, **values))["__typename"] == "SetRoleSuccess"
        for name in ("viewer", "auditor"):
            made = await _asked(server, admin, CREATE, ownerId=workspace.id, name="n", grants=[name])
            assert made["token"] == {"role": name, "grants": [name]}


async def test_a_mistyped_role_is_told_the_near_one(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("teamspace")
        _, admin = await server.token(workspace.id, "owner")
        found = await _asked(server, admin, CREATE, ownerId=workspace.id, name="n", grants=["viever"])
        assert "Did you mean 'viewer'?" in found["errors"][0]["message"]
