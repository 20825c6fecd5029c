"""``node`` for every kind, Relay's pages in both directions, and the least scopes of an operation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest_asyncio
from graphql import GraphQLObjectType

from spacekey.domain.ids import member_id, new_id
from spacekey.domain.page import Page, PageRequest
from spacekey.domain.principal import Kind, Principal
from spacekey.models.engine.store import Store
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.access.caller import MemberCaller, TokenCaller
from spacekey.resolvers.audit.log import ACTIONS
from spacekey.resolvers.members.members import add_member
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.revoke import delete_token
from spacekey.resolvers.workspaces.lists import audit_list, invitation_lists
from spacekey.resolvers.workspaces.roles import set_role
from spacekey.schema.types.audit import AuditAction
from support.authorization.principals import principal_of
from support.rows import add, an_event
from support.schema import spacekey_schema
from support.world import FACTS, OPERATOR, World, make_world

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


# Objects by their global ids, and the actors and targets of events as objects: under the caller's authority.


NODE = "query($id: ID!) { node(id: $id) { __typename id } }"
ACTORS = """... on PersonActor { member { userId } } ... on TokenActor { token { name } }"""


@dataclass
class Office:
    """A workspace with one object of each kind."""

    world: World
    workspace: Workspace
    owner: MemberCaller
    principal: Principal
    ids: dict[str, str]

    async def ask(self, document: str, principal: Principal | None = None, **variables: Any) -> dict[str, Any]:
        return await self.world.ask(SCHEMA, document, principal=principal or self.principal, variables=variables)


async def an_office(world: World) -> Office:
    workspace = await world.workspace("spooled", plan="enterprise")
    owner = await world.member(workspace, "owner")
    space = await world.space(workspace)
    token = (await create_token(world.system, owner, NewToken(workspace.id, "made by a person", ("jobs:read",)))).view
    await add_member(world.system, owner, workspace.id, email="new@example.com", role="member")
    invited = (await invitation_lists(world.system, OPERATOR, [workspace.id], PageRequest(1)))[0]
    assert isinstance(invited, Page)
    events = await audit_list(world.system, OPERATOR, workspace.id, PageRequest(1))
    ids = {
        "Workspace": workspace.id,
        "Space": space.id,
        "Token": token.token.id,
        "Member": member_id(workspace.id, owner.id),
        "Invitation": invited.rows[0].id,
        "AuditEvent": events.rows[0].id,
    }
    return Office(world, workspace, owner, await principal_of(world, owner), ids)


@pytest_asyncio.fixture
async def office(store: Store) -> Office:
    return await an_office(make_world(store))


def test_every_node_type_is_tried_here_and_every_action_has_a_value() -> None:
    nodes = {one.name for one in SCHEMA._schema.get_possible_types(SCHEMA._schema.type_map["Node"])}  # type: ignore[arg-type]
    assert nodes == {"Workspace", "Space", "Token", "Member", "Invitation", "AuditEvent"}
    assert isinstance(SCHEMA._schema.type_map["Token"], GraphQLObjectType)
    assert {one.value for one in AuditAction} == ACTIONS | {"other"}
    assert {one.name for one in AuditAction} == {one.upper().replace(".", "_") for one in ACTIONS} | {"OTHER"}


async def test_each_kind_of_object_is_found_by_its_id_and_by_its_own_callers_alone(office: Office) -> None:
    stranger = await an_office(office.world)
    await set_role(office.world.system, OPERATOR, office.workspace.id, name="blind", grants=["jobs:read"])
    blind = await principal_of(office.world, await office.world.member(office.workspace, "blind"))
    for kind, one in office.ids.items():
        assert await office.ask(NODE, id=one) == {"data": {"node": {"__typename": kind, "id": one}}}
        prefix = one.partition("_")[0]
        fresh = new_id("usr" if prefix == "mem" else prefix, office.world.clock(), office.world.system.entropy)
        unknown = f"mem_{office.workspace.id[3:]}_{fresh[4:]}" if prefix == "mem" else fresh
        assert await stranger.ask(NODE, id=one) == await stranger.ask(NODE, id=unknown) == {"data": {"node": None}}
        assert await office.ask(NODE, id=unknown) == {"data": {"node": None}}
        refused = await office.ask(NODE, blind, id=one)
        assert refused["errors"][0]["extensions"]["code"] == "INSUFFICIENT_SCOPE", kind


async def test_a_space_token_finds_what_is_its_spaces_and_nothing_else(office: Office) -> None:
    system = office.world.system
    scopes = ("tokens:read", "members:read", "audit:read", "spaces:read", "workspace:read")
    asked = NewToken(office.workspace.id, "in space", scopes, space_id=office.ids["Space"])
    mine = (await create_token(system, OPERATOR, asked)).view.token
    own_event = (await audit_list(system, OPERATOR, office.workspace.id, PageRequest(1))).rows[0].id
    caller = TokenCaller(mine.id, mine.name, office.workspace.id, FACTS)
    principal = _principal(office, mine.id, scopes)
    found = {}
    for one in (*office.ids.values(), mine.id, own_event):
        answer = await office.world.ask(SCHEMA, NODE, caller=caller, principal=principal, variables={"id": one})
        found[one] = (answer["data"] or {}).get("node")
    assert {one for one, node in found.items() if node is not None} == {
        office.ids["Workspace"],
        office.ids["Space"],
        mine.id,
        own_event,
    }


def _principal(office: Office, token_id: str, scopes: tuple[str, ...]) -> Principal:
    return replace(
        office.principal,
        id=token_id,
        kind=Kind.SPACE,
        scopes=frozenset(scopes),
        workspace_id=office.workspace.id,
        space_id=office.ids["Space"],
    )


async def test_actors_and_targets_of_events_are_objects(office: Office) -> None:
    system = office.world.system
    manager = (
        await create_token(system, OPERATOR, NewToken(office.workspace.id, "manager", ("tokens:create", "jobs:read")))
    ).view.token
    caller = TokenCaller(manager.id, manager.name, office.workspace.id, FACTS)
    made = (await create_token(system, caller, NewToken(office.workspace.id, "made by a token", ("jobs:read",)))).view
    gone = (await create_token(system, OPERATOR, NewToken(office.workspace.id, "gone", ("jobs:read",)))).view
    await delete_token(system, OPERATOR, gone.token.id)
    document = f"""query($id: ID!) {{ workspace(id: $id) {{
        tokens {{ nodes {{ name createdBy {{ __typename name {ACTORS} }} }} }}
        auditLog(first: 100) {{ nodes {{
            action targetId target {{ __typename id }} actor {{ __typename {ACTORS} }} }} }} }} }}"""
    answer = await office.ask(document, id=office.workspace.id)
    assert "errors" not in answer, answer
    shown = answer["data"]["workspace"]
    creators = {one["name"]: one["createdBy"] for one in shown["tokens"]["nodes"]}
    assert creators["made by a person"]["__typename"] == "PersonActor"
    assert creators["made by a person"]["member"] == {"userId": office.owner.id}
    assert creators["made by a token"]["__typename"] == "TokenActor"
    assert creators["made by a token"]["token"] == {"name": "manager"}
    assert creators["manager"] == {"__typename": "OperatorActor", "name": "operator"}
    assert made.token.name == "made by a token"

    kinds = {"key": "Token", "space": "Space", "ws": "Workspace", "inv": "Invitation", "usr": "Member"}
    targets = {}
    for event in shown["auditLog"]["nodes"]:
        kind = kinds[event["targetId"].partition("_")[0]]
        if event["targetId"] == gone.token.id:
            assert event["target"] is None
            continue
        wanted = event["targetId"] if kind != "Member" else member_id(office.workspace.id, event["targetId"])
        if event["target"] is not None:
            assert event["target"] == {"__typename": kind, "id": wanted}, event
            targets[kind] = event["action"]
    assert {"Token", "Space", "Workspace"} < set(targets), targets


async def test_an_action_of_another_version_is_shown_as_other(office: Office) -> None:
    events = await audit_list(office.world.system, OPERATOR, office.workspace.id, PageRequest(1))
    await add(
        office.world.system.store,
        an_event(office.workspace.id, events.rows[0].sequence + 1, action="token.teleport"),
    )
    document = "query($id: ID!) { workspace(id: $id) { auditLog(first: 1) { nodes { action outcome } } } }"
    answer = await office.ask(document, id=office.workspace.id)
    assert answer["data"]["workspace"]["auditLog"]["nodes"] == [{"action": "OTHER", "outcome": "SUCCESS"}]
