"""Schemas that enforce, plain schemas that may not carry a rule, and what of their errors is logged."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator

import logging
from enum import Enum
from typing import Any

import pytest
import strawberry
from strawberry import federation

from spacekey import requires
from spacekey.domain.errors import ConfigurationError, RuleError
from spacekey.middleware.graphql import (
    ScopedFederationSchema,
    ScopedGraphQL,
    ScopedSchema,
    ScopeEnforcement,
    requires_scopes,
)
from support.graphql_places import root


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
