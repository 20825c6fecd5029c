"""Short texts that would take long: each is refused before it is validated; what people really send is not."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from graphql import DocumentNode, GraphQLError, GraphQLSchema, get_introspection_query, parse

from spacekey.models.engine.store import Store
from spacekey.schema import build, required_scopes
from spacekey.schema.limits import documents
from spacekey.schema.limits.documents import (
    DIGITS_MAX,
    DIRECTIVES_MAX,
    DOCUMENT_LENGTH_MAX,
    FRAGMENTS_MAX,
    OPERATIONS_MAX,
    REPEATS_MAX,
    SAME_KEY_MAX,
    SPREADS_MAX,
    TOKENS_MAX,
    nodes_of,
    parse_bounded,
)
from support.dashboard.documents import dashboard_documents
from support.world import World, make_world

SCHEMA = build.build_schema()
VALIDATE = documents.validate_bounded
ROOT = Path(__file__).resolve().parents[3]


@pytest_asyncio.fixture
async def world(store: Store) -> World:
    return make_world(store)


class Seen:
    """Counts the documents that reach the documents."""

    def __init__(self) -> None:
        self.documents: list[DocumentNode] = []

    def __call__(self, schema: GraphQLSchema, document: DocumentNode, rules: Iterable[Any]) -> list[GraphQLError]:
        self.documents.append(document)
        return VALIDATE(schema, document, rules)


@pytest.fixture
def validated(monkeypatch: pytest.MonkeyPatch) -> Seen:
    seen = Seen()
    monkeypatch.setattr(documents, "validate_bounded", seen)
    monkeypatch.setattr(required_scopes, "validate_bounded", seen)
    return seen


def operations(number: int) -> str:
    return " ".join(f"query Q{one} {{ me {{ kind }} }}" for one in range(number))


def fragments(number: int) -> str:
    chain = " ".join(f"fragment F{one} on Query {{ me {{ kind }} ...F{one + 1} }}" for one in range(number - 1))
    return f"{{ ...F0 }} {chain} fragment F{number - 1} on Query {{ me {{ kind }} }}"


def spreads(number: int) -> str:
    return "{ " + "...F " * number + "} fragment F on Query { me { kind } }"


def repeated(number: int) -> str:
    return "{ " + "me { kind } " * number + "}"


def repeated_in_fragments(number: int) -> str:
    return "{ " + "... on Query { ... { me { kind } } } " * number + "}"


def repeated_inside(number: int) -> str:
    """The same field ``number`` times, inside a field that is there twice; ``number`` is even."""
    half = "rotatedTo { id } " * (number // 2)
    return f'{{ token(id: "key_1") {{ {half} }} token(id: "key_1") {{ {half} }} }}'


def directives(number: int) -> str:
    return "{ me { kind " + "@include(if: true) " * number + "} }"


def digits(number: int) -> str:
    return f"{{ workspaces(first: {'1' * number}) {{ nodes {{ id }} }} }}"


def decimals(number: int) -> str:
    return f"{{ workspaces(first: 1.{'0' * (number - 2)}) {{ nodes {{ id }} }} }}"


def characters(number: int) -> str:
    return "{ me { kind } }".ljust(number, ",")


def tokens(number: int) -> str:
    return "{ product(name: [" + "1 " * (number - 12) + "]) { name } }"


BOUNDS: list[tuple[Callable[[int], str], int, int, str]] = [
    (operations, OPERATIONS_MAX, 1, "operations: {}"),
    (fragments, FRAGMENTS_MAX, 1, "fragments: {}"),
    (spreads, SPREADS_MAX, 1, "fragment spreads: {}"),
    (repeated, SAME_KEY_MAX, 1, "fields of the same name in one place: {}"),
    (repeated_in_fragments, SAME_KEY_MAX, 1, "fields of the same name in one place: {}"),
    (repeated_inside, REPEATS_MAX, 2, "fields of the same name in one place: 21"),
    (directives, DIRECTIVES_MAX, 1, "directives in one place: {}"),
    (digits, DIGITS_MAX, 1, "digits in one number: {}"),
    (decimals, DIGITS_MAX, 1, "digits in one number: {}"),
    (characters, DOCUMENT_LENGTH_MAX, 1, "characters: {}"),
    (tokens, TOKENS_MAX, 1, "tokens: over 1000"),
]


@pytest.mark.parametrize(("shape", "most", "step", "message"), BOUNDS)
async def test_one_too_many_is_refused_before_it_is_validated(
    world: World, validated: Seen, shape: Callable[[int], str], most: int, step: int, message: str
) -> None:
    assert parse_bounded(shape(most))
    for _ in range(2):
        answer = await world.ask(SCHEMA, shape(most + step))
        assert answer["data"] is None
        [error] = answer["errors"]
        assert error["extensions"] == {"code": "OPERATION_TOO_LARGE"}
        assert message.format(most + step) in error["message"]
        assert re.search(r"at most \d+\.$", error["message"])
    assert validated.documents == []


async def test_doubling_at_each_level_is_refused_before_it_is_validated(world: World, validated: Seen) -> None:
    text = "id"
    for _ in range(6):
        text = f"rotatedTo {{ {text} }} rotatedTo {{ {text} }}"
    answer = await world.ask(SCHEMA, f'{{ token(id: "key_1") {{ {text} }} }}')
    assert answer["errors"][0]["message"] == (
        f"The document has too many fields of the same name inside one another: 64, at most {REPEATS_MAX}."
    )
    assert validated.documents == []


async def test_every_way_to_execute_is_bounded(validated: Seen) -> None:
    text = repeated(SAME_KEY_MAX + 1)
    [streamed] = [one async for one in await SCHEMA.subscribe(text)]
    for result in (await SCHEMA.execute(text), SCHEMA.execute_sync(text), streamed):
        assert [error.extensions for error in result.errors or []] == [{"code": "OPERATION_TOO_LARGE"}]
    assert validated.documents == []


async def test_a_document_is_validated_once(world: World, validated: Seen) -> None:
    schema = build.build_schema()
    for _ in range(3):
        assert (await world.ask(schema, "{ me { kind } }"))["data"] == {"me": None}
        assert "Cannot query" in (await world.ask(schema, "{ nothing }"))["errors"][0]["message"]
    assert len(validated.documents) == 2


def test_the_check_looks_at_a_node_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0

    def counting(selections: Any) -> Any:
        nonlocal looked
        for field in fields_of(selections):
            looked += 1
            yield field

    fields_of = documents._fields_of
    document = parse(fragments(FRAGMENTS_MAX))
    every = list(nodes_of(document))
    assert len(every) == len({id(node) for node in every})
    monkeypatch.setattr(documents, "_fields_of", counting)
    documents.check_document(document)
    assert looked == sum(node.kind == "field" for node in every)


async def test_what_only_a_comparison_shows_to_be_too_much_ends_early(world: World, validated: Seen) -> None:
    inside = "kind " * SAME_KEY_MAX
    crowd = " ".join(f"fragment F{one} on Query {{ me {{ {inside}}} }}" for one in range(25))
    text = "{ " + " ".join(f"...F{one}" for one in range(25)) + " } " + crowd
    answer = await world.ask(build.build_schema(), text)
    [error] = answer["errors"]
    assert error["extensions"] == {"code": "OPERATION_TOO_LARGE"}
    assert "too intricate" in error["message"]
    assert len(validated.documents) == 1


async def test_no_more_errors_than_are_of_use(world: World) -> None:
    answer = await world.ask(SCHEMA, "{ " + " ".join(f"nothing{one}" for one in range(300)) + " }")
    assert len(answer["errors"]) == documents.ERRORS_MAX + 1
    assert "Too many validation errors" in answer["errors"][-1]["message"]


async def test_a_number_of_many_digits_is_the_callers_mistake(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        answer = await world.ask(SCHEMA, digits(5_000))
    assert answer["errors"][0]["extensions"] == {"code": "OPERATION_TOO_LARGE"}
    assert caplog.records == []


ASK = "query ($d: String!) { requiredScopes(document: $d) { scopes } }"


async def test_needs_are_asked_once_in_an_operation(world: World, validated: Seen) -> None:
    schema = build.build_schema()
    one = await world.ask(schema, ASK, variables={"d": "{ workspaces { nodes { id } } }"})
    assert one["data"] == {"requiredScopes": {"scopes": ["workspace:read"]}}
    validated.documents.clear()
    twice = (
        'query ($d: String!) { a: requiredScopes(document: $d) { scopes } b: requiredScopes(document: "{") { scopes } }'
    )
    two = await world.ask(schema, twice, variables={"d": "{ me { kind } }"})
    assert two["data"] is None
    assert two["errors"][0]["extensions"] == {"code": "OPERATION_TOO_LARGE"}
    assert len(validated.documents) == 1  # the operation itself, not what it asks about


@pytest.mark.parametrize(("shape", "most", "step"), [row[:3] for row in BOUNDS if row[0] is not tokens])
async def test_a_document_asked_about_has_the_same_bounds(
    world: World, validated: Seen, shape: Callable[[int], str], most: int, step: int
) -> None:
    await world.ask(SCHEMA, ASK, variables={"d": "{ me { kind } }"})
    validated.documents.clear()
    answer = await world.ask(SCHEMA, ASK, variables={"d": shape(most + step)})
    assert answer["errors"][0]["extensions"]["code"] in {"OPERATION_TOO_LARGE", "INVALID_INPUT"}
    assert validated.documents == []


@pytest.mark.parametrize("spare", [0, 1])
async def test_a_document_asked_about_may_be_so_long(world: World, spare: int) -> None:
    answer = await world.ask(SCHEMA, ASK, variables={"d": characters(required_scopes.DOCUMENT_LENGTH_MAX + spare)})
    assert ("errors" in answer) is bool(spare)
    if spare:
        assert (
            answer["errors"][0]["extensions"]["errors"][0]["message"]
            == f"Must be at most {required_scopes.DOCUMENT_LENGTH_MAX} characters."
        )


MANY_NAMES = " ".join(f"a{one}: name" for one in range(20))
FEW_NAMES = "name description args { name defaultValue } type { name kind ofType { name kind } }"
CURIOUS = [
    f"{{ __schema {{ types {{ fields {{ type {{ ofType {{ fields {{ {MANY_NAMES} }} }} }} }} }} }} }}",
    "{ " + " ".join(f"a{one}: __schema {{ types {{ fields {{ {FEW_NAMES} }} }} }}" for one in range(12)) + " }",
]


@pytest.mark.parametrize("document", CURIOUS)
async def test_introspection_has_a_bound_of_its_own(world: World, document: str) -> None:
    answer = await world.ask(SCHEMA, document)
    assert answer["data"] is None
    assert re.search("too (curious about|often asking for) the schema", answer["errors"][0]["message"])


@pytest.mark.parametrize("options", [{}, {"specified_by_url": True, "input_value_deprecation": True}])
async def test_what_tools_ask_about_the_schema_is_answered(world: World, options: dict[str, bool]) -> None:
    query = get_introspection_query(**options)
    assert "errors" not in await world.ask(SCHEMA, query)


def test_every_document_of_the_dashboard_fits() -> None:
    found = dashboard_documents()
    assert len(found) >= 25
    for module, text in found:
        assert parse_bounded(text), module


def test_the_documents_of_the_readme_fit() -> None:
    found = re.findall(r"'(\{\"query\": .+?\})'", (ROOT / "README.md").read_text("utf-8"))
    assert found
    for body in found:
        assert parse_bounded(json.loads(body)["query"])
