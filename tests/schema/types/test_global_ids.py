"""Global ids (relay.dev, Global Object Identification): one id, one object, in every answer of the API."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio
from graphql import (
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLUnionType,
    get_named_type,
)
from strawberry.schema.config import StrawberryConfig

from spacekey.domain.ids import USER, WORKSPACE, member_id, new_id
from spacekey.domain.page import Page, PageRequest
from spacekey.domain.principal import Kind, Principal
from spacekey.middleware.graphql import ScopedSchema, ScopeEnforcement
from spacekey.models.engine.store import Store
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.access.caller import MemberCaller
from spacekey.resolvers.members.members import add_member
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.workspaces.lists import invitation_lists
from spacekey.schema.build import PUBLIC, Mutation
from spacekey.schema.query import Query
from spacekey.schema.types.actors import ACTORS
from spacekey.schema.types.members import Member
from spacekey.schema.types.objects import Space, Token
from spacekey.schema.types.objects import Workspace as WorkspaceType
from spacekey.schema.types.relay import DATE_TIME
from support.authorization.principals import principal_of
from support.authorization.table import OPERATIONS, On
from support.schema import spacekey_schema
from support.world import OPERATOR, World, make_world

SCHEMA = spacekey_schema()
TYPES = SCHEMA._schema.type_map
OBJECTS = {name: one for name, one in TYPES.items() if isinstance(one, GraphQLObjectType) and not name.startswith("__")}
WITHOUT_LIMITS = ScopedSchema(
    query=Query,
    mutation=Mutation,
    types=[Token, Space, WorkspaceType, Member, *ACTORS],
    config=StrawberryConfig(scalar_map={datetime: DATE_TIME}),
    scopes=ScopeEnforcement(principal=lambda context: context.principal, public=PUBLIC),
)
"""The same types, for documents that are larger than the API takes."""

NOT_NODES = {
    "User": "the caller; `me` reads it again",
    "Session": "one of the caller's own; `sessions` reads it again",
}
"""Types with an id of their own that ``node`` does not find, and why a client needs no ``node`` for them."""


def test_every_type_with_an_id_is_a_node_or_says_why_not() -> None:
    with_id = {name for name, one in OBJECTS.items() if "id" in one.fields}
    nodes = {name for name, one in OBJECTS.items() if any(each.name == "Node" for each in one.interfaces)}
    assert nodes == {"Token", "Space", "Workspace", "Member", "Invitation", "AuditEvent"}
    assert with_id - nodes == set(NOT_NODES)
    assert all(str(OBJECTS[name].fields["id"].type) == "ID!" for name in with_id)


def test_no_payload_of_a_mutation_has_an_id() -> None:
    """An ``id`` there is another type's: Relay's store keys records by id and refuses two types for one."""
    mutations = SCHEMA._schema.mutation_type
    assert mutations is not None
    payloads = {one.name for field in mutations.fields.values() for one in possible(field.type)}
    assert {"DeleteTokenSuccess", "CreateSpaceSuccess", "NotFound"} <= payloads
    assert [name for name in sorted(payloads) if "id" in OBJECTS[name].fields] == []


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ("DeleteTokenSuccess", "deletedTokenId: ID!"),
        ("DeleteSpaceSuccess", "deletedSpaceId: ID!"),
        ("DeleteWorkspaceSuccess", "deletedWorkspaceId: ID!"),
        ("RemoveMemberSuccess", "removedMemberId: ID!"),
        ("WithdrawInvitationSuccess", "withdrawnInvitationId: ID!"),
        ("EndOtherSessionsSuccess", "endedSessionIds: [ID!]!"),
        ("EndSessionSuccess", "endedSessionId: ID!"),
    ],
)
def test_what_takes_an_object_away_answers_the_id_to_drop(payload: str, field: str) -> None:
    name, _, type_name = field.partition(": ")
    assert str(OBJECTS[payload].fields[name].type) == type_name


def possible(output: GraphQLOutputType) -> list[GraphQLObjectType]:
    """The object types that a value of this type may have."""
    named = get_named_type(output)
    if isinstance(named, GraphQLObjectType):
        return [named]
    if isinstance(named, GraphQLUnionType | GraphQLInterfaceType):
        return list(SCHEMA._schema.get_possible_types(named))
    return []


def selection(output: GraphQLOutputType, depth: int) -> str:
    """Everything below a value of this type, to a depth, with the id and the type of every object."""
    parts = ["__typename"]
    for one in possible(output):
        inner = ["id"] if "id" in one.fields else []
        for name, field in one.fields.items():
            if possible(field.type) and depth > 1:
                inner.append(f"{one.name}_{name}: {name} {selection(field.type, depth - 1)}")
        if inner:
            parts.append(f"... on {one.name} {{ {' '.join(inner)} }}")
    return f"{{ {' '.join(parts)} }}"


def identified(value: object) -> Iterator[tuple[str, str]]:
    """The id and the type of each object of an answer that has an id."""
    if isinstance(value, dict):
        if "id" in value:
            yield value["id"], value["__typename"]
        for inner in value.values():
            yield from identified(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from identified(inner)


class Shop:
    """A workspace with an owner and one of everything, and ways to make more."""

    def __init__(self, world: World, workspace: Workspace, owner: MemberCaller, principal: Principal) -> None:
        self.world, self.workspace, self.owner, self.principal = world, workspace, owner, principal
        self.numbers = itertools.count()

    async def invite(self) -> str:
        """A fresh invitation."""
        system, email = self.world.system, f"guest{next(self.numbers)}@example.com"
        await add_member(system, self.owner, self.workspace.id, email=email, role="member")
        [page] = await invitation_lists(system, OPERATOR, [self.workspace.id], PageRequest(100))
        assert isinstance(page, Page)
        return page.rows[0].id

    async def target(self, on: On) -> dict[str, str]:
        """The ids of something fresh for an operation to work on."""
        system, workspace = self.world.system, self.workspace
        match on:
            case On.TOKEN:
                new = NewToken(workspace.id, "t", ("jobs:read",))
                return {"id": (await create_token(system, OPERATOR, new)).view.token.id}
            case On.SPACE:
                return {"id": (await self.world.space(workspace, f"s{next(self.numbers)}")).id}
            case On.MEMBER:
                return {"id": workspace.id, "user": (await self.world.member(workspace, "member")).id}
            case On.INVITATION:
                return {"id": await self.invite()}
            case _:
                return {"id": workspace.id}

    async def ask(
        self, document: str, schema: ScopedSchema = SCHEMA, principal: Principal | None = None, /, **variables: str
    ) -> dict[str, Any]:
        self.world.clock.forward(seconds=1)
        asker = principal or self.principal
        return await self.world.ask(schema, document, principal=asker, variables=variables)


@pytest_asyncio.fixture
async def shop(store: Store) -> Shop:
    world = make_world(store)
    workspace = await world.workspace("spooled")
    owner = await world.member(workspace, "owner")
    made = Shop(world, workspace, owner, await principal_of(world, owner))
    for on in (On.TOKEN, On.SPACE, On.MEMBER, On.INVITATION):
        await made.target(on)
    return made


QUERIES = ("me", "sessions", "workspaces")
"""Root fields without arguments; the rest is reached from them or asked by ``node``."""


@pytest.mark.long
async def test_no_two_types_answer_the_same_id(shop: Shop) -> None:
    """Every mutation and every list, with everything below it: each id has one type, wherever it is answered."""
    found: dict[str, set[str]] = defaultdict(set)
    documents = [(name, one.document, one.on) for name, one in OPERATIONS.items() if name.startswith("Mutation.")]
    documents[1:1] = [(f"Query.{name}", f"{{ {name} {{ __typename }} }}", On.NOTHING) for name in QUERIES]
    for name, document, on in documents:
        parent, _, field = name.partition(" ")[0].partition(".")
        assert document.endswith("{ __typename } }") or name == "Mutation.signOut", name
        below = selection(OBJECTS[parent].fields[field].type, 5)
        filled = document.replace("{ __typename } }", f"{below} }}").replace("%(slug)s", f"n{next(shop.numbers)}")
        for word, value in {"given": "jobs:read", "granted": "jobs:read", "role": "member"}.items():
            filled = filled.replace(f"%({word})s", value)
        variables = await shop.target(on)
        answer = await shop.ask(filled, WITHOUT_LIMITS, None, **variables)
        assert answer["data"] is not None, (name, answer)
        for one, type_name in identified(answer["data"]):
            found[one].add(type_name)
    assert {"Token", "Space", "Workspace", "Member", "User", "Invitation", "AuditEvent"} <= set().union(*found.values())
    assert {one: types for one, types in found.items() if len(types) > 1} == {}


NODE = "query($id: ID!) { node(id: $id) { __typename id } }"


async def test_a_member_is_found_by_its_id_and_keeps_it(shop: Shop) -> None:
    document = "query($id: ID!) { workspace(id: $id) { members { nodes { id userId role } } } }"
    members = (await shop.ask(document, id=shop.workspace.id))["data"]["workspace"]["members"]["nodes"]
    assert {one["id"] for one in members} == {member_id(shop.workspace.id, one["userId"]) for one in members}
    for one in members:
        answer = await shop.ask(NODE, id=one["id"])
        assert answer == {"data": {"node": {"__typename": "Member", "id": one["id"]}}}
    change = 'mutation($w: ID!, $u: ID!) { changeMemberRole(input: {workspaceId: $w, userId: $u, role: "admin"}) {'
    other = next(one for one in members if one["role"] == "member")
    changed = await shop.ask(
        f"{change} ... on ChangeMemberRoleSuccess {{ member {{ id role }} }} }} }}",
        w=shop.workspace.id,
        u=other["userId"],
    )
    assert changed["data"]["changeMemberRole"]["member"] == {"id": other["id"], "role": "admin"}


async def test_members_are_nodes_for_those_who_may_read_members(shop: Shop) -> None:
    """The same as the list of members asks for; unknown and foreign ids look the same."""
    own = member_id(shop.workspace.id, shop.owner.id)
    other = await shop.world.workspace("spooled")
    stranger = await principal_of(shop.world, await shop.world.member(other, "owner"))
    assert await shop.ask(NODE, SCHEMA, stranger, id=own) == {"data": {"node": None}}
    clock, entropy = shop.world.clock, shop.world.system.entropy
    unknown = member_id(new_id(WORKSPACE, clock(), entropy), new_id(USER, clock(), entropy))
    for nothing in (unknown, member_id(shop.workspace.id, new_id(USER, clock(), entropy)), own + "0", "mem_"):
        assert await shop.ask(NODE, id=nothing) == {"data": {"node": None}}
    new = NewToken(shop.workspace.id, "reads tokens", ("tokens:read", "workspace:read"))
    token = (await create_token(shop.world.system, OPERATOR, new)).view.token
    program = Principal(token.id, Kind.WORKSPACE, frozenset(token.grants), workspace_id=shop.workspace.id)
    answer = await shop.ask(NODE, SCHEMA, program, id=own)
    assert answer["data"] == {"node": None}
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["INSUFFICIENT_SCOPE"]
