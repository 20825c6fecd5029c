"""A plain schema enforces nothing, so where we see one that carries a rule it does not start."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator

from enum import Enum

import pytest
import strawberry
from strawberry import federation

from spacekey.domain.errors import ConfigurationError
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
