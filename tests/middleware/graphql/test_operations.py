"""Which operation of a document is checked, and which of its selections count."""

import pytest
from graphql import parse

from support.graphql_library import ask, holding, library, refusals

SCHEMA = library()


CONDITIONS = [
    ("query { book { title price @skip(if: true) } }", None, True),
    ("query { book { title price @skip(if: false) } }", None, False),
    ("query { book { title price @include(if: false) } }", None, True),
    ("query { book { title price @include(if: true) } }", None, False),
    ("query { book { title price @include(if: true) @skip(if: true) } }", None, True),
    ("query($x: Boolean!) { book { title price @skip(if: $x) } }", {"x": True}, True),
    ("query($x: Boolean!) { book { title price @skip(if: $x) } }", {"x": False}, False),
    ("query($x: Boolean = true) { book { title price @skip(if: $x) } }", None, True),
    ("query($x: Boolean = true) { book { title price @skip(if: $x) } }", {"x": False}, False),
    ("query($x: Boolean = false) { book { title price @include(if: $x) } }", {}, True),
    ("query($x: Boolean = false) { book { title price @include(if: $x) } }", {"x": True}, False),
    ("query($x: Boolean = false) { book { title ... @include(if: $x) { price } } }", None, True),
    ("query($x: Boolean = false) { book { title ...F @include(if: $x) } } fragment F on Book { price }", None, True),
    ("query($x: Boolean!) { book { title ...F } } fragment F on Book { price @skip(if: $x) }", {"x": True}, True),
    ("query($x: Boolean!) { book { title ...F } } fragment F on Book { price @skip(if: $x) }", {"x": False}, False),
]


@pytest.mark.parametrize(("query", "variables", "left_out"), CONDITIONS)
async def test_only_a_definite_boolean_leaves_a_selection_out(
    how: str, query: str, variables: dict[str, object] | None, left_out: bool
) -> None:
    context = holding()
    result = await ask(how, SCHEMA, query, context, variable_values=variables)
    if left_out:
        assert (result.data, result.errors) == ({"book": {"title": "Rain"}}, None)
    else:
        assert [one[0] for one in refusals(result)] == ["Book.price"]
        assert context["ran"] == []


@pytest.mark.parametrize("value", ["false", 0, None, [False], {}])
async def test_a_variable_that_is_no_boolean_opens_nothing(how: str, value: object) -> None:
    query = "query($x: Boolean!) { book { title price @include(if: $x) } }"
    context = holding()
    result = await ask(how, SCHEMA, query, context, variable_values={"x": value})
    assert result.errors
    assert context["ran"] == []


TWO = "query A { open } query B { book { price } }"


async def test_only_the_chosen_operation_is_judged(how: str) -> None:
    assert (await ask(how, SCHEMA, TWO, holding(), operation_name="A")).data == {"open": "open"}
    result = await ask(how, SCHEMA, TWO, holding(), operation_name="B")
    assert [one[0] for one in refusals(result)] == ["Book.price"]


async def test_a_protected_field_is_not_reached_through_another_operation_of_the_document(how: str) -> None:
    context = holding()
    query = "query A { ...F } query B { ...F book { price } } fragment F on Query { open }"
    assert (await ask(how, SCHEMA, query, context, operation_name="A")).data == {"open": "open"}
    assert context["ran"] == []


async def test_two_operations_and_no_name_is_an_error(how: str) -> None:
    context = holding("prices:read")
    result = await ask(how, SCHEMA, TWO, context)
    assert result.data is None
    assert [error.message for error in result.errors or []] == [
        "Must provide operation name if query contains multiple operations."
    ]
    assert context["ran"] == []


async def test_fragments_with_variables_of_their_own_are_refused() -> None:
    document = parse(
        "{ book { ...F(x: true) } } fragment F($x: Boolean!) on Book { price @skip(if: $x) }",
        experimental_fragment_arguments=True,
    )
    checked = SCHEMA._decider.decide(document, None, {}, holding())
    assert [error.message for error in checked.verdict.errors] == ["Fragments with variables are not supported."]
