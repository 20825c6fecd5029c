"""A space token that holds every management scope, turned against its own workspace's other space over HTTP."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

from spacekey.domain.ids import KEY, SPACE, new_id
from spacekey.domain.refusal import Conflict, NotFound
from spacekey.domain.scope import MANAGEMENT_SCOPES
from spacekey.models.engine.store import Store
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.resolvers.audit.chains import verify_chains
from spacekey.resolvers.members.members import add_member, change_member_role, remove_member
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.revoke import revoke_token, revoke_tokens
from spacekey.resolvers.tokens.update import Changed
from support.server import Served, bearer, served
from support.world import OPERATOR, make_world

DOORS = (
    ("GET", "", None),
    ("PATCH", "", {"name": ""}),
    ("PATCH", "", {"permissions": ["no:such"]}),
    ("PATCH", "", {"disabled": True}),
    ("DELETE", "", None),
    ("POST", "/rotate", {"grace_seconds": 0}),
)


async def _intruder(served_app: Served) -> tuple[str, str, str, dict[str, str]]:
    """Workspace, the other space's token and its secret, and the intruder's headers."""
    world = served_app.world
    workspace = await world.workspace("emit")
    own, other = await world.space(workspace, "own"), await world.space(workspace, "other")
    _, secret = await served_app.token(workspace.id, *MANAGEMENT_SCOPES, "jobs:read", space_id=own.id)
    token_id, other_secret = await served_app.token(workspace.id, "jobs:read", space_id=other.id)
    return workspace.id, token_id, other_secret, bearer(secret)


async def test_rest_answers_for_another_space_token_are_byte_for_byte_those_for_an_unknown_one(
    database_url: str,
) -> None:
    async with served(database_url) as app:
        _, token_id, _, headers = await _intruder(app)
        unknown = new_id(KEY, app.world.clock(), secrets.token_bytes)
        for method, rest, body in DOORS:
            answers = [
                await app.client.request(method, f"/api/v1/api-keys/{one}{rest}", headers=headers, json=body)
                for one in (token_id, unknown)
            ]
            assert [answer.status_code for answer in answers] == [404, 404], (method, rest, body)
            assert answers[0].content == answers[1].content, (method, rest, body)


async def test_introspection_revocation_and_usage_do_not_reach_into_another_space(database_url: str) -> None:
    async with served(database_url) as app:
        _, token_id, secret, headers = await _intruder(app)
        form = {"token": secret}
        introspected = await app.client.post("/api/v1/introspect", headers=headers, data=form)
        assert introspected.json() == {"active": False}
        assert (await app.client.post("/api/v1/revoke", headers=headers, data=form)).status_code == 200
        use = {"token_id": token_id, "at": app.world.clock().isoformat(), "allowed": 5}
        counted = await app.client.post("/api/v1/usage", headers=headers, json={"uses": [use]})
        assert counted.json() == {"accepted": 0}
        assert (await app.client.get("/api/v1/self", headers=bearer(secret))).status_code == 200


async def test_graphql_shows_a_space_token_neither_members_nor_the_log_nor_other_spaces(database_url: str) -> None:
    async with served(database_url) as app:
        workspace_id, token_id, _, headers = await _intruder(app)
        unknown = new_id(KEY, app.world.clock(), secrets.token_bytes)
        for field in ("members { nodes { email } }", "auditLog { nodes { id } }"):
            assert await _code(app, headers, workspace_id, field) == "NOT_FOUND"
        logs = [
            await _ask(app, headers, workspace_id, f'auditLog(filter: {{targetId: "{one}"}}) {{ nodes {{ id }} }}')
            for one in (token_id, unknown)
        ]
        assert logs[0] == logs[1]
        seen = await _ask(app, headers, workspace_id, "spaces { nodes { slug tokens { nodes { id } } } }")
        (space,) = seen["data"]["workspace"]["spaces"]["nodes"]
        assert space["slug"] == "own"
        assert token_id not in str(seen)


async def test_mutations_of_the_workspace_are_not_there_for_a_space_token(database_url: str) -> None:
    async with served(database_url) as app:
        workspace_id, _, _, headers = await _intruder(app)
        foreign = new_id(SPACE, app.world.clock(), secrets.token_bytes)
        for mutation in (
            f'updateWorkspace(input: {{id: "{workspace_id}", name: "mine"}})',
            f'setRole(input: {{workspaceId: "{workspace_id}", name: "viewer", grants: ["jobs:read"]}})',
            f'addMember(input: {{workspaceId: "{workspace_id}", email: "eve@example.com", role: "viewer"}})',
            f'createSpace(input: {{workspaceId: "{workspace_id}", name: "mine", slug: "mine"}})',
            f'createToken(input: {{ownerId: "{foreign}", name: "mine", grants: ["jobs:read"]}})',
        ):
            document = f"mutation {{ done: {mutation} {{ __typename }} }}"
            answer = await app.client.post("/graphql", headers=headers, json={"query": document})
            assert answer.json()["data"] == {"done": {"__typename": "NotFound"}}, mutation


async def _ask(app: Served, headers: dict[str, str], workspace_id: str, field: str) -> dict[str, Any]:
    document = f'{{ workspace(id: "{workspace_id}") {{ {field} }} }}'
    answer = await app.client.post("/graphql", headers=headers, json={"query": document})
    found: dict[str, Any] = answer.json()
    return found


async def _code(app: Served, headers: dict[str, str], workspace_id: str, field: str) -> object:
    document = f'{{ workspace(id: "{workspace_id}") {{ {field} }} }}'
    answer = await app.client.post("/graphql", headers=headers, json={"query": document})
    return answer.json()["errors"][0]["extensions"]["code"]


# Two at once: what one of them took away, the other cannot use.


async def test_owners_who_remove_each_other_at_once_leave_one(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    one, two = await world.member(workspace, "owner"), await world.member(workspace, "owner")
    answers = await asyncio.gather(
        remove_member(world.system, one, workspace.id, two.id),
        remove_member(world.system, two, workspace.id, one.id),
        change_member_role(world.system, one, workspace.id, one.id, role="viewer"),
        change_member_role(world.system, two, workspace.id, two.id, role="viewer"),
        return_exceptions=True,
    )
    assert all(isinstance(one, Conflict | NotFound) for one in answers if isinstance(one, BaseException)), answers
    async with store.reading() as session:
        assert await workspace_queries.count_members_with_role(session, workspace.id, "owner") >= 1


async def test_bulk_revocations_across_workspaces_in_opposite_orders_all_succeed(store: Store) -> None:
    world = make_world(store)
    person = await world.user("ada@example.com")
    ids = []
    for workspace in (await world.workspace("teamspace"), await world.workspace("teamspace")):
        await add_member(world.system, OPERATOR, workspace.id, email=person.name, role="owner")
        for _ in range(3):
            issued = await create_token(world.system, OPERATOR, NewToken(workspace.id, "t", ("viewer",)))
            ids.append(issued.view.token.id)
    forward, backward, *singles = await asyncio.gather(
        revoke_tokens(world.system, person, ids),
        revoke_tokens(world.system, person, ids[::-1]),
        *(revoke_token(world.system, person, one) for one in ids),
    )
    assert isinstance(forward, tuple)
    assert isinstance(backward, tuple)
    assert all(isinstance(one, Changed) for one in singles)
    assert all(report.broken_at is None for report in await verify_chains(world.system))
