"""Bounds on one operation: each is refused with a clear error, and nothing runs."""

from __future__ import annotations

import pytest
import pytest_asyncio
from graphql import get_introspection_query

from spacekey.domain.principal import Kind, Principal
from spacekey.domain.scope import MANAGEMENT_SCOPES
from spacekey.models.engine.store import Store
from spacekey.schema.build import DOCUMENTS_CACHED
from spacekey.schema.limits.documents import TOKENS_MAX, DocumentSteps
from spacekey.schema.limits.operations import ALIASES_MAX, DEPTH_MAX
from support.authorization.principals import principal_of
from support.schema import spacekey_schema
from support.statements import counting
from support.world import World, make_world

SCHEMA = spacekey_schema()


@pytest_asyncio.fixture
async def world(store: Store) -> World:
    return make_world(store)


def deep(levels: int) -> str:
    text = "{ id }"
    for _ in range(levels - 2):
        text = f"{{ rotatedTo {text} }}"
    return f'{{ token(id: "key_00000000000000000000000000") {text} }}'


def aliased(number: int) -> str:
    return "{ " + " ".join(f"a{one}: me {{ kind }}" for one in range(number)) + " }"


BOMB = (
    "query { ...F0 } "
    + " ".join(f"fragment F{one} on Query {{ ...F{one + 1} ...F{one + 1} }}" for one in range(40))
    + " fragment F40 on Query { me { kind } }"
)
COSTLY = "{ workspaces(first: 100) { nodes { spaces(first: 100) { nodes { tokens(first: 100) { nodes { id } } } } } } }"

TOO_LARGE = [
    (deep(DEPTH_MAX + 1), f"too deep: {DEPTH_MAX + 1}, at most {DEPTH_MAX}"),
    (aliased(ALIASES_MAX + 1), f"too often aliased: {ALIASES_MAX + 1}, at most {ALIASES_MAX}"),
    (COSTLY, "too costly"),
    (COSTLY.replace("first: 100", "last: 100"), "too costly"),
    (BOMB, "too costly: over a billion"),
]


@pytest.mark.parametrize(("document", "message"), TOO_LARGE)
async def test_what_is_too_large_is_refused_before_anything_runs(world: World, document: str, message: str) -> None:
    principal = Principal("usr_1", Kind.MEMBER, frozenset(MANAGEMENT_SCOPES))
    with counting(world.system.store) as seen:
        answer = await world.ask(SCHEMA, document, principal=principal)
    assert answer["data"] is None
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["OPERATION_TOO_LARGE"]
    assert message in answer["errors"][0]["message"]
    assert seen == []


async def test_a_variable_counts_as_the_number_it_holds(world: World) -> None:
    document = COSTLY.replace("{ workspaces", "query($n: Int) { workspaces", 1).replace("first: 100", "first: $n")
    principal = Principal("usr_1", Kind.MEMBER, frozenset(MANAGEMENT_SCOPES))
    for variables, refused in [({"n": 100}, True), ({}, True), ({"n": 1}, False), ({"n": 10**9}, True)]:
        answer = await world.ask(SCHEMA, document, principal=principal, variables=variables)
        assert bool(answer.get("errors")) is refused, variables


@pytest.mark.parametrize("document", [deep(DEPTH_MAX), aliased(ALIASES_MAX)])
async def test_what_is_just_small_enough_runs(world: World, document: str) -> None:
    workspace = await world.workspace("spooled")
    principal = await principal_of(world, await world.member(workspace, "owner"))
    assert "errors" not in await world.ask(SCHEMA, document, principal=principal)


async def test_a_document_of_too_many_tokens_is_not_parsed(world: World) -> None:
    document = "{ " + "me { kind } " * (TOKENS_MAX // 4) + "}"
    answer = await world.ask(SCHEMA, document)
    assert answer["errors"][0]["extensions"] == {"code": "OPERATION_TOO_LARGE"}
    assert answer["errors"][0]["message"] == (
        f"The document has too many tokens: over {TOKENS_MAX}, at most {TOKENS_MAX}."
    )


async def test_introspection_fits_within_the_bounds(world: World) -> None:
    answer = await world.ask(SCHEMA, get_introspection_query())
    assert "errors" not in answer
    assert answer["data"]["__schema"]["queryType"]["name"] == "Query"


async def test_a_page_over_the_maximum_is_refused(world: World) -> None:
    workspace = await world.workspace("spooled")
    principal = await principal_of(world, await world.member(workspace, "owner"))
    answer = await world.ask(SCHEMA, "{ workspaces(first: 101) { nodes { id } } }", principal=principal)
    assert answer["errors"][0]["extensions"] == {
        "code": "INVALID_INPUT",
        "errors": [{"path": ["first"], "code": "OUT_OF_RANGE", "message": "Must be 100 or less."}],
    }


async def test_the_cache_of_documents_is_bounded(world: World) -> None:
    for number in range(DOCUMENTS_CACHED + 50):
        await world.ask(SCHEMA, f"{{ me {{ kind }} }} # {number}")
    [steps] = [one for one in SCHEMA.get_extensions() if isinstance(one, DocumentSteps)]
    for info in (steps.documents.parsed.cache_info(), steps.documents.errors.cache_info()):
        assert info.currsize == info.maxsize == DOCUMENTS_CACHED


async def test_no_verdict_is_kept_for_the_next_caller(world: World) -> None:
    """The same document, parsed and validated once, by callers who may and callers who may not, in turn."""
    workspace = await world.workspace("teamspace")
    document = "query($id: ID!) { workspace(id: $id) { auditLog { nodes { action } } } }"
    allowed = await principal_of(world, await world.member(workspace, "owner"))
    refused = await principal_of(world, await world.member(workspace, "viewer"))
    variables = {"id": workspace.id}
    for _ in range(3):
        good = await world.ask(SCHEMA, document, principal=allowed, variables=variables)
        assert good["data"]["workspace"]["auditLog"]["nodes"]
        bad = await world.ask(SCHEMA, document, principal=refused, variables=variables)
        assert bad["data"] is None
        assert bad["errors"][0]["extensions"]["code"] == "INSUFFICIENT_SCOPE"
        nobody = await world.ask(SCHEMA, document, variables=variables)
        assert nobody["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
