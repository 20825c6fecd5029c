"""Hostile operations cost little, and what cannot be checked is not run."""

from typing import Any

import pytest
from graphql import parse
from strawberry.extensions import DisableValidation

from spacekey.middleware.graphql import ScopedSchema, ScopeEnforcement, compile_rules
from spacekey.middleware.graphql.analysis import OperationAnalysis
from spacekey.middleware.graphql.operations import Conditions, pick_operation
from support.graphql_library import Person, Query, ask, holding, library, refusals

SCHEMA = library()


def walk_over(query: str, variables: dict[str, Any] | None = None, selections_max: int = 1_000) -> OperationAnalysis:
    """The walk over an operation for a caller who satisfies no rule, done."""
    operation = pick_operation(parse(query), None)
    conditions = Conditions(SCHEMA._schema, operation.definition, variables)
    rules = compile_rules(SCHEMA._schema)
    walk = OperationAnalysis(rules, operation.fragments, conditions, None, selections_max)
    walk.run("Query", operation.definition.selection_set)
    return walk


def bomb(levels: int, leaf: str) -> str:
    spreads = "".join(f" fragment F{n} on Book {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels))
    return f"{{ book {{ ...F0 }} }}{spreads} fragment F{levels} on Book {{ {leaf} }}"


def test_a_fragment_bomb_is_walked_once_for_each_fragment() -> None:
    walk = walk_over(bomb(24, "price"))
    assert walk.steps == 1 + 1 + 2 * 24 + 1
    assert list(walk.denials) == [("Book", "price")]


async def test_a_fragment_bomb_is_refused_for_what_it_asks_for(how: str) -> None:
    context = holding()
    assert refusals(await ask(how, SCHEMA, bomb(24, "price"), context)) == [
        ("Book.price", ("book", "price"), "INSUFFICIENT_SCOPE")
    ]
    assert context["ran"] == []


async def test_an_operation_with_too_many_selections_is_not_run(how: str) -> None:
    schema = library(selections_max=10)
    context = holding("prices:read")
    many = " ".join(f"a{n}: price" for n in range(9))
    assert (await ask(how, schema, f"{{ book {{ {many} }} }}", context)).errors is None
    ten_more = await ask(how, schema, f"{{ book {{ {many} title }} }}", context)
    assert [error.message for error in ten_more.errors or []] == [
        "The operation has too many selections to be checked."
    ]
    assert ten_more.data is None


def chain(levels: int) -> str:
    """Fragments in a row, each one level deeper than the parser's own bound would see."""
    links = "".join(f" fragment F{n} on Book {{ related {{ ...F{n + 1} }} }}" for n in range(levels))
    return f"{{ book {{ ...F0 }} }}{links} fragment F{levels} on Book {{ title }}"


async def test_an_operation_nested_too_deeply_through_fragments_is_not_run(how: str) -> None:
    settings = ScopeEnforcement(fail_on_undeclared=False, principal=lambda context: context["caller"])
    schema = ScopedSchema(Query, types=[Person], scopes=settings, extensions=[DisableValidation])
    context = holding()
    assert (await ask(how, schema, chain(20), context)).errors is None
    context = holding()
    result = await ask(how, schema, chain(150), context)
    assert [error.message for error in result.errors or []] == ["The operation is nested too deeply to be checked."]
    assert context["ran"] == []


def test_fragments_that_spread_themselves_end_the_walk() -> None:
    walk = walk_over("{ book { ...A } } fragment A on Book { ...B price } fragment B on Book { ...A isbn ...Nowhere }")
    assert {field for _, field in walk.denials} == {"price", "isbn"}


@pytest.mark.parametrize(
    ("condition", "variables"),
    [
        ("@skip(if: false) @skip(if: true)", {}),
        ("@include(if: true) @include(if: false)", {}),
        ("@skip(if: true, if: false)", {}),
        ("@skip", {}),
        ("@skip(if: 1)", {}),
        ('@include(if: "false")', {}),
        ("@include(if: $unknown)", {}),
        ("@include(if: null)", {}),
        ("@skip(if: $list)", {"list": [True]}),
        ("@skip(if: $text)", {"text": "true"}),
        ("@include(if: $flag)", None),
    ],
)
def test_the_walk_agrees_with_the_executor_where_validation_was_turned_off(
    condition: str, variables: dict[str, Any] | None
) -> None:
    query = f"query($list: [Boolean], $text: String, $flag: Boolean = false) {{ book {{ price {condition} }} }}"
    assert {field for _, field in walk_over(query, variables).denials} == {"price"}


async def test_fragments_with_variables_of_their_own_are_refused() -> None:
    document = parse(
        "{ book { ...F(x: true) } } fragment F($x: Boolean!) on Book { price @skip(if: $x) }",
        experimental_fragment_arguments=True,
    )
    guarded = SCHEMA._decider.decide(document, None, {}, holding())
    assert [error.message for error in guarded.verdict.errors] == ["Fragments with variables are not supported."]
