"""No N+1: a page of many takes as many SQL statements as one of three, whatever is nested in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from spacekey.domain.principal import Principal
from spacekey.models.engine.store import Store
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.access.caller import MemberCaller
from spacekey.resolvers.members.members import add_member
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.rotate import rotate_token
from spacekey.resolvers.workspaces.spaces import create_space
from support.authorization.principals import principal_of
from support.schema import spacekey_schema
from support.statements import counting
from support.volume import volume
from support.world import OPERATOR, World, make_world

SCHEMA = spacekey_schema()

TOKEN = """
    id name status scopes workspace { name viewerScopes } space { name workspace { name } }
    rotatedFrom { name space { name } } rotatedTo { name workspace { name } }
    usage { day allowed } week: usage(days: 7) { day } unusedScopes recent: unusedScopes(days: 7)
"""
ACTORS = "... on PersonActor { member { role } } ... on TokenActor { token { name } }"
OF_WORKSPACE = "query($id: ID!, $n: Int!) { workspace(id: $id) { %s } }"
ROWS = volume(short=9, long=50)

QUERIES = {
    "tokens": OF_WORKSPACE.replace("%s", f"tokens(first: $n) {{ nodes {{ {TOKEN} }} }}"),
    "spaces": OF_WORKSPACE.replace("%s", "spaces(first: $n) { nodes { name workspace { name plan { name } } } }"),
    "spaces' tokens": OF_WORKSPACE.replace(
        "%s", "spaces(first: $n) { nodes { name tokens(first: 2) { nodes { name space { name } } } } }"
    ),
    "members": OF_WORKSPACE.replace("%s", "members(first: $n) { nodes { name email role } }"),
    "invitations": OF_WORKSPACE.replace(
        "%s",
        "invitations(first: $n) { nodes { email role invitedBy { actorId ... on PersonActor { member { role } } } } }",
    ),
    "audit log": OF_WORKSPACE.replace(
        "%s", f"auditLog(first: $n) {{ nodes {{ action before after hash target {{ id }} actor {{ {ACTORS} }} }} }}"
    ),
    "workspaces": (
        "query($n: Int!) { workspaces(first: $n) { nodes { name viewerScopes plan { name } roles { name } } } }"
    ),
    "workspaces' spaces": "query($n: Int!) { workspaces(first: $n) { nodes { spaces { nodes { name } } } } }",
    "workspaces' tokens": "query($n: Int!) { workspaces(first: $n) { nodes { tokens { nodes { name status } } } } }",
    "tokens of all workspaces": "query($n: Int!) { workspaces: tokens(first: $n) { nodes { name space { name } } } }",
    "workspaces' counts": "query($n: Int!) { workspaces(first: $n) { nodes { tokensCount(limit: 50) { count } } } }",
    "workspaces' quotas": "query($n: Int!) { workspaces(first: $n) { nodes { tokenQuota { used } } } }",
    "workspaces' usage": "query($n: Int!) { workspaces(first: $n) { nodes { usage(days: 3) { day } } } }",
    "workspaces' busiest": (
        "query($n: Int!) { workspaces(first: $n) { nodes { busiestTokens(days: 3, first: 2) "
        "{ token { name space { name } } } } } }"
    ),
    "workspaces' members": "query($n: Int!) { workspaces(first: $n) { nodes { members { nodes { email } } } } }",
    "workspaces' invitations": "query($n: Int!) { workspaces(first: $n) { nodes { invitations { nodes { role } } } } }",
    "workspaces' events": "query($n: Int!) { workspaces(first: $n) { nodes { auditLog { nodes { action } } } } }",
    "everything": (
        "query($n: Int!) { workspaces(first: $n) { nodes { spaces(first: 3) { nodes { tokens(first: 2) "
        "{ nodes { name usage { day } rotatedTo { name } } } } } } } }"
    ),
}


@dataclass
class Filled:
    """Workspaces, spaces and tokens enough for a page of many of each."""

    world: World
    owner: MemberCaller
    workspace: Workspace
    principal: Principal

    async def statements(self, document: str, rows: int) -> tuple[int, int]:
        """How many statements a page of that many rows takes, and how many rows came."""
        store = self.world.system.store
        variables: dict[str, Any] = {"n": rows, "id": self.workspace.id}
        with counting(store) as seen:
            answer = await self.world.ask(SCHEMA, document, principal=self.principal, variables=variables)
        assert "errors" not in answer, answer["errors"]
        value = answer["data"].get("workspaces") or next(iter(answer["data"]["workspace"].values()))
        return len(seen), len(value["nodes"])


async def _rotated_twice(world: World, workspace: Workspace, slug: str) -> None:
    """A space with a token, its successor and the successor's: any three rows in a row have all there is to load."""
    system = world.system
    space = await create_space(system, OPERATOR, workspace.id, name=slug, slug=slug)
    issued = await create_token(system, OPERATOR, NewToken(workspace.id, slug, ("jobs:read",), space_id=space.id))
    for _ in range(2):
        world.clock.forward(seconds=1)
        issued = await rotate_token(system, OPERATOR, issued.view.token.id)


async def filled(store: Store) -> Filled:
    world = make_world(store)
    system = world.system
    owner = await world.user("owner@example.com")
    workspaces = [await world.workspace("spooled", plan="enterprise") for _ in range(ROWS)]
    for workspace in workspaces:
        await add_member(system, OPERATOR, workspace.id, email=owner.name, role="owner")
        await _rotated_twice(world, workspace, "main")
    first = workspaces[0]
    for number in range(ROWS - 1):
        await _rotated_twice(world, first, f"s{number}")
        await world.member(first, "member")
    for number in range(ROWS):
        await add_member(system, OPERATOR, first.id, email=f"invited{number}@example.com", role="member")
    return Filled(world, owner, first, await principal_of(world, owner))


@pytest.mark.long
@pytest.mark.repeats
async def test_a_page_of_many_takes_as_many_statements_as_a_page_of_three(store: Store) -> None:
    full = await filled(store)
    counts = {}
    for name, document in QUERIES.items():
        few, few_rows = await full.statements(document, 3)
        many, many_rows = await full.statements(document, ROWS)
        assert (few_rows, many_rows) == (3, ROWS), name
        counts[name] = (few, many)
    assert {name: pair for name, pair in counts.items() if pair[0] != pair[1]} == {}
