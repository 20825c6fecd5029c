"""Schemas that enforce, plain schemas that may not carry a rule, and what of their errors is logged."""


# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator

import logging
from enum import Enum
from typing import Any

import pytest
import strawberry
from graphql import GraphQLError, parse
from strawberry import federation
from strawberry.schema.config import StrawberryConfig

from spacekey import requires
from spacekey.domain.errors import ConfigurationError, RuleError
from spacekey.domain.rule import any_of
from spacekey.middleware.graphql import (
    ScopedFederationSchema,
    ScopedGraphQL,
    ScopedSchema,
    ScopeEnforcement,
    required_scopes,
    requires_scopes,
    scope_report,
)
from spacekey.middleware.graphql.reports import CANDIDATES_MAX
from support.graphql.library import Mutation, Person, holding, library
from support.graphql.library import Query as LibraryQuery
from support.graphql.places import root


@strawberry.type
class Ruled:
    @strawberry.field(directives=[requires_scopes("a")])
    def x(self) -> str:
        return "leak"


@strawberry.type(directives=[requires_scopes("a")])
class RuledType:
    x: int = 1


@strawberry.interface
class RuledInterface:
    x: int = strawberry.field(directives=[requires_scopes("a")], default=1)


def test_a_plain_schema_with_a_rule_is_not_served() -> None:
    query = strawberry.type(type("Query", (Ruled,), {}))
    with pytest.raises(ConfigurationError, match=r"^Query\.x has a rule, .*: build it with ScopedSchema$"):
        ScopedGraphQL(strawberry.Schema(query))
    with pytest.raises(ConfigurationError, match=r"^RuledType has a rule"):
        ScopedGraphQL(strawberry.Schema(root(), types=[RuledType]))
    with pytest.raises(ConfigurationError, match=r"^RuledInterface\.x has a rule"):
        ScopedGraphQL(strawberry.Schema(root(), types=[RuledInterface]))
    assert ScopedGraphQL(ScopedSchema(query, scopes=ScopeEnforcement(fail_on_undeclared=False)))


def test_a_plain_schema_with_what_is_no_directive_is_not_served() -> None:
    query = root(x=strawberry.field(resolver=lambda: "leak", graphql_type=str, directives=["a:b"]))
    with pytest.raises(ConfigurationError, match=r"^Query\.x: directives holds"):
        ScopedGraphQL(strawberry.Schema(query))


def test_federations_rules_are_not_served_by_a_plain_schema_either() -> None:
    @federation.enum(requires_scopes=[["a"]])
    class Colour(Enum):
        RED = "red"

    fields = {
        "authenticated": federation.field(resolver=lambda: "x", graphql_type=str, authenticated=True),
        "scoped": federation.field(resolver=lambda: "x", graphql_type=str, requires_scopes=[["a"]]),
        "policed": federation.field(resolver=lambda: "x", graphql_type=str, policy=[["a"]]),
        "colour": federation.field(resolver=lambda: Colour.RED, graphql_type=Colour),
    }
    for name, field in fields.items():
        query = federation.type(type("Query", (), {name: field}))
        where = "Colour" if name == "colour" else rf"Query\.{name}"
        with pytest.raises(ConfigurationError, match=f"^{where} has a rule, .*: build it with ScopedFederationSchema$"):
            ScopedGraphQL(federation.Schema(query))
        if name != "policed":
            assert ScopedGraphQL(ScopedFederationSchema(query, scopes=ScopeEnforcement(fail_on_undeclared=False)))


def test_a_plain_schema_without_a_rule_is_served() -> None:
    assert ScopedGraphQL(strawberry.Schema(root()))
    assert ScopedGraphQL(federation.Schema(federation.type(root())))


def test_federations_directives_are_enforced_not_only_printed() -> None:
    @federation.type
    class Query:
        @federation.field(requires_scopes=[["a"]])
        def secret(self) -> str:
            return "secret"

    schema = ScopedFederationSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False, principal=lambda _: None))
    assert "@requiresScopes" in schema.as_str()
    result = schema.execute_sync("{ secret }")
    assert result.data is None
    assert [(error.extensions or {})["code"] for error in result.errors or []] == ["UNAUTHENTICATED"]
    assert schema.execute_sync("{ _service { sdl } }").errors is None


@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_decorator_of_routes_on_a_resolver_is_told_what_to_write_instead(asynchronous: bool) -> None:
    @requires("a:b")
    def plain(self: Any) -> str:
        return "leak"

    @requires("a:b")
    async def waiting(self: Any) -> str:
        return "leak"

    @strawberry.type
    class Query:
        the_field = strawberry.field(resolver=waiting if asynchronous else plain)

    with pytest.raises(RuleError, match=r"^Query\.theField: @requires is for routes; .*requires_scopes\('jobs:read'\)"):
        ScopedSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False))


def test_other_mistakes_in_a_type_are_told_as_strawberry_tells_them() -> None:
    @strawberry.type
    class Query:
        @strawberry.field
        def x(self) -> object:
            return "x"

    with pytest.raises(TypeError, match="Unexpected type"):
        ScopedSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False))


SECRET = "hunter2-hunter2"


def broken(password: str) -> str:
    """A resolver with a bug."""
    raise ZeroDivisionError("by the book")


def fine() -> str:
    """A resolver without one."""
    return "fine"


@strawberry.type
class Query:
    """Two fields, one ruled."""

    broken: str = strawberry.field(resolver=broken)
    ruled: str = strawberry.field(resolver=fine, directives=[requires_scopes("jobs:read")])


@pytest.mark.parametrize(
    "document",
    [
        f'{{ broken(password: "{SECRET}" }}',
        f'{{ broken(word: "{SECRET}") }}',
        f'{{ broken(password: "{SECRET}") }}',
        f'{{ ruled broken(password: "{SECRET}") }}',
        f'query ($p: Int = "{SECRET}") {{ broken(password: $p) }}',
    ],
)
async def test_no_log_line_holds_what_the_client_wrote(document: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        result = await ScopedSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False)).execute(document)
    assert result.errors
    assert SECRET not in caplog.text


async def test_a_resolvers_failure_is_logged_with_its_path_and_traceback(caplog: pytest.LogCaptureFixture) -> None:
    await ScopedSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False)).execute(
        f'{{ here: broken(password: "{SECRET}") }}'
    )
    assert "a resolver failed at here" in caplog.text
    assert "ZeroDivisionError: by the book" in caplog.text


# The scopes that a schema requires, for every coordinate and for an operation.


def test_the_report_has_every_coordinate_with_its_rule_or_public() -> None:
    report = scope_report(library().rulebook)
    assert report["Query.open"] == "public"
    assert report["Query.person"] == "people:read"
    assert report["Query.hello"] == "any valid token"
    assert report["Query.nobody"] == "never"
    assert report["Person.email"] == "emails:read and people:read"
    assert report["Person.id"] == "people:read"
    assert report["Thing.id"] == "public"
    assert report["Owned.owner"] == "owned:read and owners:read"
    assert report["Desk.owner"] == "owned:read and owners:read"
    assert report["Desk.number"] == "owned:read"
    assert report["Query.hits"] == "public"
    assert not [name for name in report if "__" in name]


def test_the_report_takes_the_schema_or_its_rules() -> None:
    schema = library()
    assert scope_report(schema) == scope_report(schema.rulebook)
    assert scope_report(strawberry.Schema(root())) == {"Query.plain": "public"}
    ruled = root(x=strawberry.field(resolver=lambda: "x", graphql_type=str, directives=[requires_scopes("a")]))
    with pytest.raises(ConfigurationError, match=r"^Query\.x has a rule, and Schema does not enforce it"):
        scope_report(strawberry.Schema(ruled))


def test_the_report_is_the_same_for_a_sorted_schema() -> None:
    @strawberry.type(directives=[requires_scopes("t")])
    class Thing:
        b: int = 1
        a: int = strawberry.field(directives=[requires_scopes("a")], default=1)

    @strawberry.type
    class Query:
        thing: Thing | None = None

    plain = ScopedSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False))
    ordered = ScopedSchema(
        Query, config=StrawberryConfig(sort_schema=True), scopes=ScopeEnforcement(fail_on_undeclared=False)
    )
    assert scope_report(ordered.rulebook) == scope_report(plain.rulebook)
    assert scope_report(plain.rulebook)["Thing.a"] == "a and t"


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
    schema = strawberry.Schema(LibraryQuery, Mutation, types=[Person])
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


LEVELS = 11


def chain_of_types() -> ScopedSchema:
    """Types in a chain: what lies below a level is looked at when one of the level's two scopes is held."""
    below: Any = int
    for number in reversed(range(LEVELS)):
        field = strawberry.field(
            resolver=lambda: None,
            graphql_type=below,
            directives=[requires_scopes(any_of(f"a:{number}", f"b:{number}"))],
        )
        name = f"Level{number}" if number else "Query"
        below = strawberry.type(type(name, (), {"next": field}))
    return ScopedSchema(below)


def nested(levels: int) -> str:
    return "{ next " * levels + "{ __typename }" * (levels < LEVELS) + "}" * levels


def test_what_lies_behind_more_combinations_than_can_be_told_is_an_error_that_says_so() -> None:
    schema = chain_of_types()
    rule = required_scopes(schema, nested(3))
    assert len(rule.alternatives) == 2**3
    with pytest.raises(RuleError, match=f"more than {CANDIDATES_MAX} combinations"):
        required_scopes(schema, nested(LEVELS))
