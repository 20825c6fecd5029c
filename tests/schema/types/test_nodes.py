"""Objects by their global ids, and the actors and targets of events as objects: under the caller's authority."""

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
from support.principals import principal_of
from support.rows import add, an_event
from support.schema import spacekey_schema
from support.world import FACTS, OPERATOR, World, make_world

SCHEMA = spacekey_schema()
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
