"""Lifetimes travel as durations: the server counts them, so a client's clock does not matter."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from spacekey.models.engine.store import SQLITE
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, update_workspace
from support.server import Served, bearer, served
from support.world import OPERATOR

pytestmark = pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)

LONGEST = 30 * 86_400
SCOPES = ("jobs:read", "tokens:read", "tokens:create", "tokens:update", "tokens:revoke")

REST = {
    "create": ("POST", "/api/v1/api-keys", {"name": "n", "permissions": ["jobs:read"]}),
    "edit": ("PATCH", "/api/v1/api-keys/{id}", {}),
    "rotate": ("POST", "/api/v1/api-keys/{id}/rotate", {}),
}
GRAPHQL = {
    "create": ("createToken", "CreateTokenInput", {"name": "n", "grants": ["jobs:read"]}),
    "edit": ("updateToken", "UpdateTokenInput", {}),
    "rotate": ("rotateToken", "RotateTokenInput", {}),
}


async def by_rest(server: Served, who: dict[str, str], what: str, ids: dict[str, str], asked: dict[str, Any]) -> Any:
    method, path, body = REST[what]
    answer = await server.client.request(method, path.format(**ids), headers=who, json={**body, **asked})
    facts = answer.json()
    if answer.status_code >= 400:
        return facts["errors"][0]["pointer"].removeprefix("/")
    listed = await server.client.get(f"/api/v1/api-keys/{facts['id']}", headers=who)
    return datetime.fromisoformat(listed.json()["expires_at"])


async def by_graphql(server: Served, who: dict[str, str], what: str, ids: dict[str, str], asked: dict[str, Any]) -> Any:
    name, input_type, body = GRAPHQL[what]
    target = {"ownerId": ids["workspace"]} if what == "create" else {"id": ids["id"]}
    camel = {{"expires_in": "expiresIn", "expires_at": "expiresAt"}[key]: value for key, value in asked.items()}
    success = {"create": "CreateTokenSuccess", "edit": "UpdateTokenSuccess", "rotate": "RotateTokenSuccess"}[what]
    document = f"""mutation ($input: {input_type}!) {{ answer: {name}(input: $input) {{
        ... on {success} {{ token {{ expiresAt }} }} ... on InvalidInput {{ errors {{ path }} }} }} }}"""
    sent = {"query": document, "variables": {"input": {**body, **target, **camel}}}
    answer = (await server.client.post("/graphql", headers=who, json=sent)).json()["data"]["answer"]
    if "errors" in answer:
        [field] = answer["errors"][0]["path"]
        return {"expiresIn": "expires_in", "expiresAt": "expires_at"}.get(field, field)
    return datetime.fromisoformat(answer["token"]["expiresAt"])


WAYS = {"rest": by_rest, "graphql": by_graphql}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("what", REST)
async def test_exactly_the_longest_lifetime_is_taken_and_a_second_more_is_not(
    way: str, what: str, database_url: str
) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled", plan="enterprise")
        await update_workspace(
            server.world.system, OPERATOR, workspace.id, WorkspaceChanges(lifetime_seconds_max=LONGEST)
        )
        _, own = await server.token(workspace.id, *SCOPES, expires_in=timedelta(days=30))
        token_id, _ = await server.token(workspace.id, "jobs:read", expires_in=timedelta(days=1))
        ids = {"id": token_id, "workspace": workspace.id}
        ask, who, now = WAYS[way], bearer(own), server.world.clock()
        assert await ask(server, who, what, ids, {"expires_in": LONGEST + 1}) == "expires_at"
        for wrong in (0, -1, 2**31 - 1 + 1 if way == "rest" else 0):
            assert await ask(server, who, what, ids, {"expires_in": wrong}) == "expires_in"
        both = {"expires_in": 60, "expires_at": (now + timedelta(hours=1)).isoformat()}
        assert await ask(server, who, what, ids, both) == "expires_in"
        assert await ask(server, who, what, ids, {"expires_in": LONGEST}) == now + timedelta(seconds=LONGEST)
