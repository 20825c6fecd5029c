"""From an operation to the least token that gets it through."""

import pytest
import strawberry
from graphql import GraphQLError, parse

from spacekey.domain.errors import RuleError
from spacekey.domain.rule import any_of
from spacekey.middleware.graphql import ScopedSchema, ScopeEnforcement, required_scopes, requires_scopes
from support.graphql_library import Mutation, Person, Query, holding, library

SCHEMA = library()


@pytest.mark.parametrize(
    ("document", "alternatives"),
    [
        ("{ open }", [[]]),
        ("{ hello }", [[]]),
        ("{ nobody }", []),
        ("{ book { price } }", [["prices:read"]]),
        ("{ book { price isbn } person { email } }", [["emails:read", "isbn:read", "people:read", "prices:read"]]),
        ("{ either }", [["a", "c"], ["b", "c"]]),
        ("{ either book { price } }", [["a", "c", "prices:read"], ["b", "c", "prices:read"]]),
        ('{ thing(id: "p1") { id } }', [[]]),
        ('{ thing(id: "p1") { ... on Person { id } } }', [["people:read"]]),
        ("mutation { addBook { price } }", [["books:write", "prices:read"]]),
        ('mutation { find(id: "b1") { id } }', [["people:read"]]),
        ('mutation { find(id: "b1") { ... on Book { id } } }', [[]]),
        ("subscription { news }", [["news:read"]]),
        ("{ __schema { queryType { name } } }", [[]]),
        ("{ book { price @skip(if: true) } }", [[]]),
        ("query($x: Boolean = false) { book { price @include(if: $x) } }", [["prices:read"]]),
    ],
)
def test_the_rule_of_an_operation(document: str, alternatives: list[list[str]]) -> None:
    assert required_scopes(SCHEMA, document).as_lists() == alternatives


def test_known_variables_leave_out_what_they_skip() -> None:
    document = parse("query($x: Boolean = false) { book { price @include(if: $x) } }")
    assert required_scopes(SCHEMA, document, variables={}).as_lists() == [[]]
    assert required_scopes(SCHEMA, document, variables={"x": True}).as_lists() == [["prices:read"]]


def test_one_of_several_types_at_a_place_is_enough_but_in_a_mutation() -> None:
    @strawberry.interface
    class Node:
        id: int

    @strawberry.type(directives=[requires_scopes("a")])
    class A(Node):
        pass

    @strawberry.type(directives=[requires_scopes("b")])
    class B(Node):
        pass

    @strawberry.type(name="Query")
    class Root:
        node: Node | None = None

    @strawberry.type(name="Mutation")
    class Changes:
        node: Node | None = None

    schema = ScopedSchema(Root, Changes, types=[A, B], scopes=ScopeEnforcement(fail_on_undeclared=False))
    assert required_scopes(schema, "mutation { node { id } }").as_lists() == [["a", "b"]]
    assert required_scopes(schema, "{ node { id } }").as_lists() == [["a"], ["b"]]
    assert required_scopes(schema, "{ node { id ... on A { id } } }").as_lists() == [["a"]]


def test_it_works_over_any_strawberry_schema() -> None:
    schema = strawberry.Schema(Query, Mutation, types=[Person])
    assert required_scopes(schema, "{ book { isbn } }").as_lists() == [["isbn:read"]]


def test_the_named_operation_is_looked_at() -> None:
    two = "query A { open } query B { book { price } }"
    assert required_scopes(SCHEMA, two, "A").as_lists() == [[]]
    assert required_scopes(SCHEMA, two, "B").as_lists() == [["prices:read"]]
    with pytest.raises(GraphQLError, match="Must provide operation name"):
        required_scopes(SCHEMA, two)
    with pytest.raises(GraphQLError, match="Unknown operation"):
        required_scopes(SCHEMA, two, "C")


@pytest.mark.parametrize("document", ["", "{ bookz }", "{ book }", "fragment F on Book { title }", "{ book { title }"])
def test_a_document_that_is_not_valid_has_no_answer(document: str) -> None:
    with pytest.raises(GraphQLError):
        required_scopes(SCHEMA, document)


def test_each_alternative_gets_the_operation_through_and_no_smaller_set_does() -> None:
    document = "{ either book { price related { isbn } } hello }"
    rule = required_scopes(SCHEMA, document)
    for alternative in rule.alternatives:
        assert SCHEMA.execute_sync(document, context_value=holding(*alternative)).errors is None
        for scope in alternative:
            assert SCHEMA.execute_sync(document, context_value=holding(*(alternative - {scope}))).errors


def test_too_many_combinations_are_refused_instead_of_counted() -> None:
    fields = {
        f"f{n}": strawberry.field(default=1, directives=[requires_scopes(any_of(f"a:{n}", f"b:{n}"))])
        for n in range(12)
    }
    query = strawberry.type(type("Query", (), {"__annotations__": dict.fromkeys(fields, int), **fields}))
    with pytest.raises(RuleError, match=r"alternatives|combinations"):
        required_scopes(
            ScopedSchema(query, scopes=ScopeEnforcement(fail_on_undeclared=False)), "{ " + " ".join(fields) + " }"
        )
