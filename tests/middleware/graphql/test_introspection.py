"""Introspection stays open, twice in an operation and as deep as tools ask."""

from typing import Any

import pytest
from graphql import GraphQLError, get_introspection_query, parse

from spacekey.middleware.graphql.analysis import analyze_operation
from spacekey.middleware.graphql.operations import pick_operation
from support.graphql_library import anonymous, ask, library

SCHEMA = library()


USUAL = get_introspection_query()


OFTEN = "An operation may ask for __schema and __type at most 2 times."


MUCH = "The operation asks for too much of the schema at once. Nest less deeply."


async def messages(how: str, query: str, **more: Any) -> list[str]:
    """The messages of the errors of an operation."""
    return [error.message for error in (await ask(how, SCHEMA, query, anonymous(), **more)).errors or []]


@pytest.mark.parametrize(
    "query",
    [
        USUAL,
        '{ __schema { types { name } } __type(name: "Book") { fields { name type { name ofType { name } } } } open }',
        '{ a: __schema { queryType { name } } ...F } fragment F on Query { __type(name: "Book") { name } }',
        "{ a: __typename b: __typename c: __typename open }",
        "{ ...F ...F ...F } fragment F on Query { __schema { queryType { name } } }",
    ],
)
async def test_what_tools_ask_is_answered(how: str, query: str) -> None:
    assert await messages(how, query) == []


@pytest.mark.parametrize(
    "query",
    [
        "{ " + " ".join(f"a{n}: __schema {{ queryType {{ name }} }}" for n in range(3)) + " }",
        """{ a: __type(name: "A") { name } ... { b: __type(name: "B") { name } ...F } }
        fragment F on Query { c: __schema { queryType { name } } }""",
    ],
)
async def test_a_third_time_is_refused(how: str, query: str) -> None:
    assert await messages(how, query) == [OFTEN]


@pytest.mark.parametrize(
    "inner",
    [
        "fields { type { fields { args { type { fields { name } } } } } }",
        "possibleTypes { fields { type { possibleTypes { fields { args { type { fields { name } } } } } } } }",
        "...F",
    ],
)
def test_what_nests_deeper_than_tools_ask_is_refused(inner: str) -> None:
    """Also where validation, which has a bound on depth of its own, was turned off."""
    nested = "fields { type { fields { args { type { fields { name } } } } } }"
    fragment = f" fragment F on __Type {{ {nested} ofType {{ {nested} }} }}" if "F" in inner else ""
    operation = pick_operation(parse(f"{{ __schema {{ types {{ {inner} }} }} }}{fragment}"), None)
    with pytest.raises(GraphQLError, match=MUCH):
        analyze_operation(SCHEMA.rulebook, operation, {}, None, 1_000)


def test_a_cycle_of_fragments_ends() -> None:
    document = "{ __schema { ...F } } fragment F on __Schema { queryType { name } ...F ...Nowhere }"
    assert analyze_operation(SCHEMA.rulebook, pick_operation(parse(document), None), {}, None, 1_000).denials == {}


def test_a_chain_of_fragments_too_long_to_follow_is_refused() -> None:
    links = " ".join(f"fragment F{n} on __Type {{ ofType {{ ...F{n + 1} }} }}" for n in range(150))
    operation = pick_operation(parse(f'{{ __type(name: "A") {{ ...F0 }} }} {links}'), None)
    with pytest.raises(GraphQLError, match="nested too deeply"):
        analyze_operation(SCHEMA.rulebook, operation, {}, None, 1_000)


async def test_what_is_left_out_is_not_counted(how: str) -> None:
    query = (
        "query($x: Boolean!) { "
        + " ".join(f"a{n}: __schema @include(if: $x) {{ queryType {{ name }} }}" for n in range(3))
        + " open }"
    )
    assert await messages(how, query, variable_values={"x": False}) == []
    assert await messages(how, query, variable_values={"x": True}) == [OFTEN]


async def test_the_usual_question_may_be_asked_twice_and_not_more(how: str) -> None:
    body = USUAL[USUAL.index("{") + 1 : USUAL.index("fragment FullType")].rstrip().removesuffix("}")
    rest = USUAL[USUAL.index("fragment FullType") :]
    again = body.replace("__schema", "again: __schema", 1)
    assert await messages(how, f"{{ {body} {again} }} {rest}") == []
    more = body.replace("__schema {", "again: __schema { more: types { fields { args { ...InputValue } } }", 1)
    assert await messages(how, f"{{ {body} {more} }} {rest}") == [MUCH]
