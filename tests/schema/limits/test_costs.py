"""The cost of an operation covers what it produces: every list declares its bound, and every caller has a budget."""

from __future__ import annotations

import asyncio
import string
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import strawberry
from graphql import (
    FragmentDefinitionNode,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLUnionType,
    ObjectTypeDefinitionNode,
    OperationDefinitionNode,
    get_introspection_query,
    get_named_type,
    get_nullable_type,
    is_list_type,
    is_required_argument,
    parse,
)
from hypothesis import HealthCheck, Phase, given, settings, target
from hypothesis import strategies as st
from sqlalchemy import event

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Principal
from spacekey.models.engine.store import Store
from spacekey.models.tables.base import Row
from spacekey.models.tables.user import User
from spacekey.models.tables.workspace import Member, Workspace
from spacekey.resolvers.access.caller import MemberCaller
from spacekey.schema.context import context_of
from spacekey.schema.limits.costs import PARTS_PER_COST, CostModel, Measure, Size, at_most, product_sizes
from spacekey.schema.limits.operations import COST_MAX, INTROSPECTION_MAX, INTROSPECTION_PER_COST, INTROSPECTIONS_MAX
from support import rows
from support.authorization.principals import principal_of
from support.schema import spacekey_schema
from support.volume import volume
from support.world import FACTS, Jar, World, example_products, make_world

SCHEMA = spacekey_schema()
MODEL = CostModel(SCHEMA._schema)
LOADED = product_sizes(example_products().values())
CHARACTERS_MAX = 2_000
LONG = 110
"""Rows of every list of the fullest workspace: more than a page holds."""


def size_of(document: str, variables: dict[str, Any] | None = None) -> Size:
    """The size of the document's only operation."""
    parsed = parse(document)
    fragments = {one.name.value: one for one in parsed.definitions if isinstance(one, FragmentDefinitionNode)}
    [operation] = [one for one in parsed.definitions if isinstance(one, OperationDefinitionNode)]
    measure = Measure(MODEL, fragments, variables or {}, LOADED)
    return measure.of(operation.selection_set, SCHEMA._schema.get_root_type(operation.operation))


# ---- every list field declares its bound


def list_fields() -> Iterator[tuple[str, str]]:
    """Every list field of the schema: its type and its name."""
    for one in SCHEMA._schema.type_map.values():
        if isinstance(one, GraphQLObjectType | GraphQLInterfaceType) and not one.name.startswith("__"):
            for name, found in one.fields.items():
                if is_list_type(get_nullable_type(found.type)):
                    yield one.name, name


def test_every_list_field_declares_its_bound_in_the_printed_schema() -> None:
    """A connection's own lists are sized by the field that returns it."""
    declared = {
        (one.name.value, field.name.value)
        for one in parse(SCHEMA.as_str()).definitions
        if isinstance(one, ObjectTypeDefinitionNode)
        for field in one.fields or ()
        if any(directive.name.value == "listSize" for directive in field.directives or ())
    }
    found = list(list_fields())
    assert len(found) >= 40
    for type_name, name in found:
        paged = type_name.endswith("Connection") and name in ("edges", "nodes")
        assert paged or (type_name, name) in declared


@strawberry.type
class Shelf:
    books: list[str]
    boxes: list[str] | None = strawberry.field(directives=[at_most(3)])


@strawberry.type
class Library:
    shelves: list[Shelf]


def test_a_list_field_without_a_bound_stops_the_start() -> None:
    with pytest.raises(ConfigurationError) as caught:
        CostModel(strawberry.Schema(query=Library)._schema)
    assert "Library.shelves, Shelf.books;" in str(caught.value)
    assert "boxes" not in str(caught.value)


# ---- documents that were too cheap


def many(times: int, selection: str) -> str:
    return " ".join(f"{letter}{number}:{selection}" for letter, number in zip(names(), range(times), strict=False))


def names() -> Iterator[str]:
    while True:
        yield from string.ascii_letters


TOO_CHEAP = {
    "roles": f"{{workspaces(first:100){{nodes{{{many(40, 'roles{name grants scopes}')}}}}}}}",
    "product": f"{{workspaces(first:100){{nodes{{{many(40, 'product{scopes{name}}')}}}}}}}",
    "invitations": f"{{workspaces(first:100){{nodes{{{many(20, 'invitations(first:100){nodes{email}}')}}}}}}}",
    "page info alone": f"{{workspaces(first:100){{nodes{{{many(40, 'tokens(first:100){pageInfo{hasNextPage}}')}}}}}}}",
    "usage": f"{{workspaces(first:100){{nodes{{{many(9, 'tokens(first:50){nodes{usage(days:366){day}}}')}}}}}}}",
    "scopes of many": f"{{workspaces(first:100){{nodes{{{many(9, 'tokens(first:100){nodes{scopes grants}}')}}}}}}}",
    "revoked": "mutation{revokeTokens(input:{ids:[]}){... on RevokeTokensSuccess{tokens{workspace{roles{scopes}}}}}}",
}


@pytest.mark.parametrize("name", TOO_CHEAP)
def test_lists_that_cost_nothing_before_are_too_costly(name: str) -> None:
    document = TOO_CHEAP[name]
    assert len(document) <= 2 * CHARACTERS_MAX
    assert size_of(document).cost > COST_MAX


def test_what_a_page_reads_costs_also_when_none_of_it_is_selected() -> None:
    one = "query($n: Int) { workspaces(first: $n) { pageInfo { hasNextPage } } }"
    assert size_of(one, {"n": 100}).cost - size_of(one, {"n": 10}).cost == 90 // PARTS_PER_COST


THREE_LEVELS = "{ workspaces { nodes { id name spaces { nodes { id name tokens { nodes { %s } } } } } } }"
COLUMNS = "id name prefix status environment kind createdAt expiresAt lastUsedAt role"


def test_three_levels_of_lists_fit_at_their_default_sizes() -> None:
    """Objects count, not fields: 20 × 20 × 20 tokens with one column cost nearly as much as with ten."""
    one, ten = size_of(THREE_LEVELS % "id").cost, size_of(THREE_LEVELS % COLUMNS).cost
    assert 8_000 <= one < ten <= min(COST_MAX, 2 * one)


def test_a_table_of_tokens_fits_for_each_of_20_workspaces() -> None:
    table = f"{{ workspaces {{ nodes {{ tokens(first: 100) {{ nodes {{ {COLUMNS} createdBy {{ name }} }} }} }} }} }}"
    assert size_of(table).cost <= COST_MAX


@pytest.mark.parametrize(
    ("document", "objects"),
    [
        (
            "query($n: Int!) { workspaces(first: 1) { nodes { tokens { nodes { usage(days: $n) { day } } } } } }",
            20,
        ),
        ("query($n: Int!) { workspaces(first: 1) { nodes { invitations(first: $n) { nodes { id } } } } }", 1),
        ("query($n: Int!) { workspaces(first: 1) { nodes { invitations(first: $n) { edges { node { id } } } } } }", 2),
        ("query($n: Int!) { workspaces(first: 1) { nodes { auditLog(first: $n) { nodes { before } } } } }", 2),
    ],
)
def test_each_object_of_a_list_costs_one(document: str, objects: int) -> None:
    """Rows of usage by their days, invitations, edges beside their nodes, and JSON values."""
    more = size_of(document, {"n": 80}).cost - size_of(document, {"n": 30}).cost
    assert objects * 50 <= more <= 1.5 * objects * 50


def test_fifty_lists_of_sessions_cost_what_they_hold() -> None:
    assert size_of(f"{{{many(50, 'sessions{id userAgent ip createdAt endsAt lastSeenAt isCurrent}')}}}").cost >= 5_000


DEAR = {
    "{ workspaces(first: 100) { nodes { name tokens(first: 100) { nodes { usage(days: 366) { day } } } } } }": (
        "workspaces.nodes.tokens.nodes.usage"
    ),
    "{ workspaces(first: 100) { nodes { ...Spaces } } } fragment Spaces on Workspace { spaces(first: 100) "
    "{ edges { node { ... on Space { tokens(first: 50) { nodes { id } } } } } } }": (
        "workspaces.nodes.spaces.edges.node.tokens"
    ),
    f"{{ products {{ name }} workspaces(first: 100) {{ nodes {{ {many(9, 'tokens(first: 100) { nodes { id } }')} "
    "} } }": "workspaces",
}


@pytest.mark.parametrize("document", DEAR)
async def test_an_operation_that_is_too_costly_says_which_list_it_is(document: str, store: Store) -> None:
    result, charged = await spent(store, document)
    assert (result.data, charged) == (None, [])
    [error] = result.errors
    dear = DEAR[document]
    assert error.extensions == {"code": "OPERATION_TOO_LARGE", "dearestField": dear}
    assert f"`{dear}`" in error.message
    assert result.extensions["cost"] == {"requested": size_of(document).cost, "limit": COST_MAX}


# ---- introspection


INTROSPECTIONS = {
    "fourteen aliases": f"{{{many(14, '__schema{types{name fields{name}}}')}}}",
    "three": '{a:__schema{__typename} b:__schema{__typename} c:__type(name:"Query"){name}}',
    "fragments": "{...A ...A} fragment A on Query{...B ...B} fragment B on Query{__schema{__typename}}",
    "nested": "{__schema{types{fields{type{fields{type{fields{type{fields{type{fields{name}}}}}}}}}}}}",
    "nested type": '{__type(name:"Query"){fields{type{fields{type{fields{type{fields{name}}}}}}}}}',
    "possible types": "{__schema{types{possibleTypes{fields{type{possibleTypes{fields{name args{name}}}}}}}}}",
}


@pytest.mark.parametrize("name", INTROSPECTIONS)
async def test_introspection_is_asked_twice_at_most_and_not_nested_for_ever(name: str, store: Store) -> None:
    answer = await make_world(store).ask(SCHEMA, INTROSPECTIONS[name])
    assert answer["data"] is None
    if name.startswith("nested") or name == "possible types":
        assert [error["message"] for error in answer["errors"]] == ["Maximum introspection depth exceeded"]
    else:
        assert [error["extensions"] for error in answer["errors"]] == [{"code": "OPERATION_TOO_LARGE"}]


@pytest.mark.parametrize("options", [{}, {"specified_by_url": True, "input_value_deprecation": True}])
def test_what_tools_ask_about_the_schema_fits(options: dict[str, bool]) -> None:
    size = size_of(get_introspection_query(**options))
    assert size.introspections == 1 <= INTROSPECTIONS_MAX
    assert size.introspection <= INTROSPECTION_MAX


@st.composite
def introspections(draw: st.DrawFn) -> str:
    """A question about the schema that follows its own types at random."""

    def below(type_name: str, depth: int) -> str:
        introspected: Any = SCHEMA._schema.type_map[type_name]
        chosen = draw(st.lists(st.sampled_from(sorted(introspected.fields)), min_size=1, max_size=3, unique=True))
        parts = ["__typename"]
        for name in chosen:
            named = get_named_type(introspected.fields[name].type)
            if not isinstance(named, GraphQLObjectType):
                parts.append(name)
            elif depth > 0:
                parts.append(f"{name} {below(named.name, depth - 1)}")
        return f"{{ {' '.join(parts)} }}"

    root = draw(st.sampled_from(["__schema", '__type(name: "Mutation")', '__type(name: "Workspace")']))
    return f"{{ {root} {below('__Schema' if root == '__schema' else '__Type', draw(st.integers(1, 6)))} }}"


@settings(max_examples=60, deadline=None, phases=(Phase.generate, Phase.target))
@given(document=introspections())
def test_introspection_answers_no_more_than_it_is_counted_as(document: str) -> None:
    size = size_of(document)
    if size.introspection <= INTROSPECTION_MAX:
        result = SCHEMA.execute_sync(document, context_value=None)
        produced = values_of(result.data)
        target(produced / (1 + size.introspection))
        # Below ``types`` the average counts, for all types are answered: rounded up, and nothing else is estimated.
        assert produced <= 1 + 2 * size.introspection


# ---- the worst document within the limits


def objects_of(answer: object) -> int:
    """Objects in an answer, without the root; JSON values count too."""
    if isinstance(answer, dict):
        return sum(objects_of(one) + isinstance(one, dict) for one in answer.values())
    if isinstance(answer, list):
        return sum(objects_of(one) + isinstance(one, dict) for one in answer)
    return 0


def values_of(answer: object) -> int:
    """Fields and items in an answer."""
    if isinstance(answer, dict):
        return sum(1 + values_of(one) for one in answer.values())
    if isinstance(answer, list):
        return sum(max(1, values_of(one)) for one in answer)
    return 0


@dataclass
class Loaded:
    """Rows that the mapper has made objects of."""

    count: int = 0


@contextmanager
def loading() -> Iterator[Loaded]:
    """Count the rows that are loaded meanwhile."""
    loaded = Loaded()

    def note(*_: object) -> None:
        loaded.count += 1

    event.listen(Row, "load", note, propagate=True)
    try:
        yield loaded
    finally:
        event.remove(Row, "load", note)


@dataclass
class Full:
    """A person with workspaces in which every list is longer than a page."""

    world: World
    principal: Principal
    workspace: Workspace


async def full(store: Store) -> Full:
    """Make one: a page and more of everything in one workspace, and two that are empty."""
    world = make_world(store)
    owner = MemberCaller("", "", FACTS)
    workspaces = []
    for number in range(3):
        workspace = await world.workspace("spooled", slug=f"w{number}")
        if not number:
            owner = await world.member(workspace, "owner", "ada@example.com")
        else:
            made = Member(workspace_id=workspace.id, user_id=owner.id, role="owner", created_at=rows.NOW)
            await rows.add(store, made)
        workspaces.append(workspace)
    first = workspaces[0]
    roles = {f"role-{number}": {"title": "R", "description": "", "grants": ["jobs:read"]} for number in range(47)}
    async with store.changing() as session:
        kept = await session.get(Workspace, first.id)
        assert kept is not None
        kept.roles = roles
        for number in range(LONG):
            person = rows.a_user()
            session.add_all([person, rows.a_token(first, grants=["jobs:read"]), rows.a_space(first)])
            session.add(rows.an_event(first.id, 1_000 + number))
        await session.flush()
        for person in (await session.exec(_people())).all():
            if person.id != owner.id:
                session.add(Member(workspace_id=first.id, user_id=person.id, role="member", created_at=rows.NOW))
    return Full(world, await principal_of(world, owner), first)


def _people() -> Any:
    from sqlmodel import select

    return select(User)


ARGUMENTS = ("first:100", "first:50", "last:100", "first:1", "")


@st.composite
def documents(draw: st.DrawFn, workspace_id: str) -> str:
    """A query that repeats what it likes best, of at most 2,000 characters."""

    def arguments(found: Any) -> str:
        if "first" in found.args:
            chosen = draw(st.sampled_from(ARGUMENTS))
            return f"({chosen})" if chosen else ""
        if "days" in found.args:
            return draw(st.sampled_from(["", "(days:366)", "(days:1)"]))
        if any(is_required_argument(one) for one in found.args.values()):
            return f'(id:"{workspace_id}")' if "id" in found.args else '(name:"spooled")'
        return ""

    def types(named: GraphQLNamedType) -> list[GraphQLObjectType]:
        if isinstance(named, GraphQLObjectType):
            return [named]
        if isinstance(named, GraphQLInterfaceType | GraphQLUnionType):
            return list(SCHEMA._schema.get_possible_types(named))
        return []

    def below(named: GraphQLNamedType, depth: int) -> str:
        possible = types(named)
        one = draw(st.sampled_from(possible))
        leaves = [name for name, found in one.fields.items() if not types(get_named_type(found.type))]
        branches = [name for name in one.fields if name not in leaves and name != "requiredScopes"]
        parts = draw(st.lists(st.sampled_from(leaves), max_size=3, unique=True)) if leaves else []
        if depth > 0 and branches:
            for name in draw(st.lists(st.sampled_from(branches), min_size=1, max_size=2, unique=True)):
                found = one.fields[name]
                inner = f"{name}{arguments(found)} {below(get_named_type(found.type), depth - 1)}"
                times = draw(st.sampled_from([1, 1, 1, 3, 8]))
                parts += [inner if times == 1 else f"{chr(97 + number)}:{inner}" for number in range(times)]
        text = " ".join(parts or ["__typename"])
        return f"{{ {text} }}" if one is named else f"{{ ... on {one.name} {{ {text} }} }}"

    query = SCHEMA._schema.query_type
    assert query is not None
    document = below(query, draw(st.integers(1, 6)))
    return document if len(document) <= CHARACTERS_MAX else "{ me { kind } }"


@pytest.mark.repeats
async def test_no_document_within_the_limits_produces_more_than_it_is_charged_for(store: Store) -> None:
    """Counted, never timed: values in the answer and rows loaded, against the charged cost."""
    made = await full(store)
    loop = asyncio.get_running_loop()
    worst: dict[str, float] = {}

    def check(document: str) -> None:
        future = asyncio.run_coroutine_threadsafe(charged(made, document), loop)
        cost, produced, loaded, objects = future.result(120)
        if cost is not None:
            assert objects <= cost, document
            target(produced / cost, label="values")
            worst["values"] = max(worst.get("values", 0), produced / cost)
            # Who may see it is read for each list anew: a constant number of rows for each field that costs 1.
            assert produced <= cost * PARTS_PER_COST, document
            assert loaded <= cost * PARTS_PER_COST + ROWS_OF_THE_CALLER, document

    @settings(
        max_examples=volume(short=30, long=120),
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.target, Phase.shrink),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(document=documents(made.workspace.id))
    def every(document: str) -> None:
        check(document)

    await asyncio.to_thread(every)
    assert worst["values"] > 0.5, "the generator found no document that answers anything"


ROWS_OF_THE_CALLER = 50
"""Rows that an operation reads of its caller whatever it asks for: memberships and their workspaces."""


@dataclass
class Purse:
    """A budget that only notes what it is charged."""

    charged: list[int] = field(default_factory=list)
    refuse: bool = False

    async def charge(self, cost: int) -> int | None:
        self.charged.append(cost)
        return 7 if self.refuse else None


async def charged(made: Full, document: str) -> tuple[int | None, int, int, int]:
    """What a document was charged, and what it produced: values, rows and objects. None when it was refused."""
    purse = Purse()
    context = context_of(
        made.world.system, made.principal, MemberCaller(made.principal.id, "", FACTS), FACTS, Jar(), budget=purse
    )
    with loading() as loaded:
        result = await SCHEMA.execute(document, context_value=context)
    refusals = {(error.extensions or {}).get("code") for error in result.errors or ()}
    assert refusals <= {"OPERATION_TOO_LARGE", "INVALID_INPUT", "GRAPHQL_VALIDATION_FAILED"}, (document, result.errors)
    if not purse.charged:
        return None, 0, 0, 0
    assert (result.extensions or {})["cost"] == {"requested": purse.charged[0], "limit": COST_MAX}
    return purse.charged[0], values_of(result.data), loaded.count, objects_of(result.data)


# ---- the budget


async def spent(store: Store, document: str, *, principal: Principal | None = None, refuse: bool = False) -> Any:
    """The answer, and what was charged for it."""
    world = make_world(store)
    purse = Purse(refuse=refuse)
    context = context_of(world.system, principal, None, FACTS, Jar(), budget=purse)
    return await SCHEMA.execute(document, context_value=context), purse.charged


async def test_an_operation_pays_its_cost_and_its_introspection_before_it_runs(store: Store) -> None:
    result, charged = await spent(store, "{ me { kind } }")
    assert (result.errors, charged) == (None, [size_of("{ me { kind } }").cost])
    question = get_introspection_query()
    _, charged = await spent(store, question)
    assert charged == [1 + size_of(question).introspection // INTROSPECTION_PER_COST]


async def test_the_operation_that_runs_pays_and_not_the_others(store: Store) -> None:
    document = "query A { me { kind } } query B { me { kind scopes user { id name email } } }"
    for name in ("A", "B"):
        world, purse = make_world(store), Purse()
        context = context_of(world.system, None, None, FACTS, Jar(), budget=purse)
        await SCHEMA.execute(document, context_value=context, operation_name=name)
        part = document.partition(" query B")
        assert purse.charged == [size_of(part[0] if name == "A" else "query B" + part[2]).cost]


async def test_each_operation_of_several_pays_for_itself(store: Store) -> None:
    """As a batch has them: one context, operations side by side."""
    world, purse = make_world(store), Purse()
    context = context_of(world.system, None, None, FACTS, Jar(), budget=purse)
    cheap, dear = "{ me { kind } }", "{ me { kind scopes } }"
    await asyncio.gather(*(SCHEMA.execute(one, context_value=context) for one in (cheap, dear) * 5))
    assert sorted(purse.charged) == sorted([size_of(cheap).cost, size_of(dear).cost] * 5)


async def test_a_spent_budget_stops_the_operation_before_it_runs(store: Store) -> None:
    result, _ = await spent(store, "{ me { kind } }", refuse=True)
    assert result.data is None
    assert [error.extensions for error in result.errors or []] == [{"code": "RATE_LIMITED", "retryAfterSeconds": 7}]


async def test_what_is_refused_for_its_scopes_is_not_charged(store: Store) -> None:
    result, charged = await spent(store, "{ workspaces(first: 100) { nodes { name } } }")
    assert [error.extensions["code"] for error in result.errors or [] if error.extensions] == ["UNAUTHENTICATED"]
    assert charged == []


@pytest.mark.parametrize("refuse", [True, False])
@pytest.mark.parametrize("document", ["{ me { kind } }", "{ workspaces(first: 100) { nodes { name } } }"])
async def test_every_answer_to_a_valid_document_says_what_it_costs(document: str, refuse: bool, store: Store) -> None:
    """Answered, refused for its scopes, or with the budget spent."""
    result, _ = await spent(store, document, refuse=refuse)
    assert result.extensions == {"cost": {"requested": size_of(document).cost, "limit": COST_MAX}}


async def test_the_cost_of_a_document_that_is_not_valid_is_not_known(store: Store) -> None:
    for document in ("{ nothing }", "{"):
        result, _ = await spent(store, document)
        assert result.errors
        assert not result.extensions
