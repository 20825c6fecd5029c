"""``node`` for every kind, Relay's pages in both directions, and the least scopes of an operation."""

from __future__ import annotations

from typing import Any

import pytest_asyncio

from spacekey.domain.principal import Kind, Principal
from spacekey.models.engine.store import Store
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.tokens.create import NewToken, create_token
from support.principals import principal_of
from support.schema import spacekey_schema
from support.world import OPERATOR, World, make_world

SCHEMA = spacekey_schema()


class Shelf:
    """A workspace with seven tokens, a space, and its owner."""

    def __init__(self, world: World, workspace: Workspace, principal: Principal, space_id: str) -> None:
        self.world, self.workspace, self.principal, self.space_id = world, workspace, principal, space_id
        self.tokens: list[str] = []

    async def ask(self, document: str, **variables: Any) -> dict[str, Any]:
        answer = await self.world.ask(SCHEMA, document, principal=self.principal, variables=variables)
        assert "errors" not in answer, answer
        return dict(answer["data"])

    async def page(self, connection: str, **paging: Any) -> dict[str, Any]:
        """One page of a list of the workspace: its names, and its page info."""
        order = ", orderBy: {field: NAME, direction: ASC}" if connection == "tokens" else ""
        arguments = "first: $first, after: $after, last: $last, before: $before" + order
        node = {"members": "name: email", "auditLog": "name: id"}.get(connection, "name")
        data = await self.ask(
            "query($id: ID!, $first: Int, $after: String, $last: Int, $before: String) { workspace(id: $id) { "
            f"{connection}({arguments}) {{ edges {{ cursor node {{ {node} }} }} "
            "pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }",
            id=self.workspace.id,
            **paging,
        )
        found = data["workspace"][connection]
        return {
            **found["pageInfo"],
            "names": [edge["node"]["name"] for edge in found["edges"]],
            "edges": found["edges"],
        }


@pytest_asyncio.fixture
async def shelf(store: Store) -> Shelf:
    world = make_world(store)
    workspace = await world.workspace("spooled")
    owner = await world.member(workspace, "owner")
    space = await world.space(workspace)
    made = Shelf(world, workspace, await principal_of(world, owner), space.id)
    for number in range(7):
        new = NewToken(workspace.id, f"t{number}", ("jobs:read",))
        made.tokens.append((await create_token(world.system, OPERATOR, new)).view.token.id)
    for number in range(6):
        await world.space(workspace, f"s{number}")
        await world.member(workspace, "member")
    return made


async def test_node_finds_every_kind_that_has_an_id(shelf: Shelf) -> None:
    document = "query($id: ID!) { node(id: $id) { __typename id } }"
    for kind, one in [("Token", shelf.tokens[0]), ("Space", shelf.space_id), ("Workspace", shelf.workspace.id)]:
        assert await shelf.ask(document, id=one) == {"node": {"__typename": kind, "id": one}}
    assert await shelf.ask(document, id=shelf.principal.id) == {"node": None}


async def test_pages_forward_and_backward_show_every_row_once_and_in_one_order(shelf: Shelf) -> None:
    for connection in ("tokens", "spaces", "members", "auditLog"):
        everything = (await shelf.page(connection, first=100))["names"]
        assert len(everything) >= 7
        forward, cursor = [], None
        while True:
            page = await shelf.page(connection, first=3, after=cursor)
            forward += page["names"]
            assert page["hasPreviousPage"] == (cursor is not None)
            cursor = page["endCursor"]
            if not page["hasNextPage"]:
                break
        backward: list[str] = []
        cursor = None
        while True:
            page = await shelf.page(connection, last=3, before=cursor)
            backward = page["names"] + backward
            assert page["hasNextPage"] == (cursor is not None)
            cursor = page["startCursor"]
            if not page["hasPreviousPage"]:
                break
        assert forward == backward == everything, connection


async def test_a_page_beside_a_row_that_is_gone_goes_on(shelf: Shelf) -> None:
    page = await shelf.page("tokens", first=3)
    delete = "mutation($id: ID!) { deleteToken(input: {id: $id}) { __typename } }"
    for token_id in shelf.tokens[1:4]:
        await shelf.ask(delete, id=token_id)
    assert (await shelf.page("tokens", first=3, after=page["endCursor"]))["names"] == ["t4", "t5", "t6"]


async def test_a_page_of_nothing_tells_whether_there_is_anything(shelf: Shelf) -> None:
    page = await shelf.page("tokens", first=0)
    assert (page["names"], page["hasNextPage"], page["startCursor"], page["endCursor"]) == ([], True, None, None)


async def test_a_space_token_pages_through_its_one_space(shelf: Shelf) -> None:
    scopes = frozenset({"workspace:read", "spaces:read"})
    new = NewToken(shelf.workspace.id, "in", tuple(sorted(scopes)), space_id=shelf.space_id)
    issued = await create_token(shelf.world.system, OPERATOR, new)
    token = issued.view.token
    shelf.principal = Principal(token.id, Kind.SPACE, scopes, workspace_id=shelf.workspace.id, space_id=shelf.space_id)
    page = await shelf.page("spaces", first=5)
    assert page["names"] == ["main"]
    after = await shelf.page("spaces", first=5, after=page["endCursor"])
    assert (after["names"], after["hasNextPage"], after["hasPreviousPage"]) == ([], False, True)
    assert (await shelf.page("spaces", first=0))["hasNextPage"]


async def test_an_operation_tells_the_least_scopes_it_needs(shelf: Shelf) -> None:
    ask = "query($d: String!, $n: String) { requiredScopes(document: $d, operationName: $n) { scopes alternatives } }"
    for document, scopes in [
        ("{ me { kind } }", []),
        ('{ token(id: "x") { name usage { day } } }', ["tokens:read", "usage:read"]),
        ("mutation { a: signOut { __typename } }", []),
        ('mutation { revokeToken(input: {id: "x"}) { __typename } }', ["tokens:revoke"]),
        ("query A { me { kind } } query B { workspaces { nodes { name } } }", ["workspace:read"]),
    ]:
        named = {"n": "B"} if "query B" in document else {}
        found = await shelf.ask(ask, d=document, **named)
        assert found["requiredScopes"]["scopes"] == scopes, document
    for wrong in ("{ nothing }", "{", "query A { me { kind } } query B { me { kind } }", "x" * 30_000):
        answer = await shelf.world.ask(SCHEMA, ask, principal=shelf.principal, variables={"d": wrong})
        assert "errors" in answer, wrong


async def test_mutations_of_one_operation_each_show_what_is_true_after_them(shelf: Shelf) -> None:
    """They share a request, and must not share what the first of them read."""
    document = (
        'mutation($id: ID!) { a: updateWorkspace(input: {id: $id, name: "One"}) '
        "{ ... on UpdateWorkspaceSuccess { workspace { name } } } "
        'b: updateWorkspace(input: {id: $id, name: "Two"}) { ... on UpdateWorkspaceSuccess { workspace { name } } } }'
    )
    found = await shelf.ask(document, id=shelf.workspace.id)
    assert [found[key]["workspace"]["name"] for key in "ab"] == ["One", "Two"]
