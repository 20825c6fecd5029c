"""Which fields count as Strawberry's own for Apollo Federation, and have no rule of the root type: `_service` alone."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code="untyped-decorator"

import pytest
import strawberry
from strawberry import federation

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Kind, Principal
from spacekey.middleware.graphql import (
    ScopedFederationSchema,
    ScopeEnforcement,
    required_scopes,
    requires_scopes,
    scope_report,
)


@federation.type(keys=["id"])
class Thing:
    id: strawberry.ID

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> "Thing":  # noqa: A002 - the name is federation's
        return cls(id=id)


@strawberry.type(directives=[requires_scopes("admin")])
class Query:
    @strawberry.field
    def thing(self) -> Thing:
        return Thing(id=strawberry.ID("1"))


def test_a_rule_on_the_root_leaves_the_schema_of_federation_readable_and_closes_its_entities() -> None:
    report = scope_report(ScopedFederationSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False)))
    assert {name: report[name] for name in report if name.startswith("Query.")} == {
        "Query.thing": "admin",
        "Query._service": "public",
        "Query._entities": "admin",
    }


def test_entities_are_refused_by_the_rule_of_the_root() -> None:
    stranger = Principal(id="key_1", kind=Kind.WORKSPACE, scopes=frozenset())
    schema = ScopedFederationSchema(
        Query, scopes=ScopeEnforcement(fail_on_undeclared=False, principal=lambda _context: stranger)
    )
    document = 'query { _entities(representations: [{__typename: "Thing", id: "1"}]) { __typename } _service { sdl } }'
    refused = schema.execute_sync(document)
    assert [str((error.extensions or {})["code"]) for error in refused.errors or ()] == ["INSUFFICIENT_SCOPE"]
    assert schema.execute_sync("{ _service { sdl } }").errors is None


def test_over_strawberrys_own_federation_schema_too() -> None:
    schema = federation.Schema(Query)
    entities = '{ _entities(representations: [{__typename: "Thing", id: "1"}]) { __typename } }'
    assert required_scopes(schema, entities).as_lists() == [["admin"]]
    assert required_scopes(schema, "{ _service { sdl } }").as_lists() == [[]]


def test_a_resolver_of_ones_own_that_is_called_like_it_is_no_field_of_federation() -> None:
    def _service() -> str:
        return "mine"

    root = strawberry.type(type("Query", (), {"mine": strawberry.field(resolver=_service)}))
    with pytest.raises(ConfigurationError, match=r"Query\.mine"):
        ScopedFederationSchema(root)
    closed = strawberry.type(
        type("Query", (), {"mine": strawberry.field(resolver=_service)}), directives=[requires_scopes("admin")]
    )
    assert scope_report(ScopedFederationSchema(closed))["Query.mine"] == "admin"
