"""By default the start stops on what anyone can reach and nothing declares."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code="untyped-decorator"

from collections.abc import AsyncGenerator
from typing import Annotated, Any

import pytest
import strawberry
from strawberry import federation

from spacekey.domain.errors import ConfigurationError
from spacekey.middleware.graphql import (
    RequiresScopes,
    ScopedFederationSchema,
    ScopedSchema,
    ScopeEnforcement,
    requires_scopes,
    scope_report,
)
from spacekey.schema.build import PUBLIC
from support.graphql_library import OPEN, library

ADMIN = requires_scopes("admin")


@strawberry.type
class Leaf:
    x: int = 1


@strawberry.type
class Branch:
    leaf: Leaf | None = None
    ruled: Leaf | None = strawberry.field(directives=[ADMIN], default=None)
    name: str = "n"


@strawberry.type
class Behind:
    """Reached through a rule alone."""

    y: int = 1
    branch: Branch | None = None


@strawberry.type
class Query:
    open: Branch | None = None
    either: Annotated[Leaf | Behind, strawberry.union("Either")] | None = strawberry.field(
        directives=[ADMIN], default=None
    )
    health: str = "ok"


@strawberry.type
class Mutation:
    @strawberry.mutation
    def touch(self) -> bool:
        return True


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self) -> AsyncGenerator[int, None]:
        yield 1


def start(*public: str, **settings: Any) -> ScopedSchema:
    return ScopedSchema(Query, Mutation, Subscription, scopes=ScopeEnforcement(public=public, **settings))


def refused(*public: str, **settings: Any) -> list[str]:
    """What the start lists."""
    with pytest.raises(ConfigurationError, match="directives=") as caught:
        start(*public, **settings)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


ROOTS = ("Query.open", "Query.health", "Mutation.touch", "Subscription.ticks")


def test_root_fields_that_declare_nothing_stop_the_start_all_at_once() -> None:
    assert refused() == ["Mutation.touch", "Query.health", "Query.open", "Subscription.ticks"]
    assert refused("Query.health", "Mutation") == ["Query.open", "Subscription.ticks"]


def test_what_a_public_root_field_leads_to_without_a_rule_stops_the_start() -> None:
    assert refused(*ROOTS) == [
        f"{name} (anyone can reach it through Query.open)" for name in ("Branch.leaf", "Branch.name", "Leaf.x")
    ]
    assert refused(*ROOTS, "Branch") == ["Leaf.x (anyone can reach it through Query.open)"]
    assert start(*ROOTS, "Branch", "Leaf.x")
    assert start(*ROOTS, "Branch.leaf", "Branch.name", "Leaf")


def test_below_a_rule_nothing_is_asked() -> None:
    report = scope_report(start(*ROOTS, "Branch", "Leaf"))
    assert (report["Behind.y"], report["Behind.branch"]) == ("public", "public")


def test_the_check_can_be_turned_off_and_made_stricter() -> None:
    assert start(fail_on_undeclared=False)
    assert refused(*ROOTS, "Branch", "Leaf", fail_on_undeclared=True) == ["Behind.branch", "Behind.y"]
    assert start(*ROOTS, "Branch", "Leaf", "Behind", fail_on_undeclared=True)
    with pytest.raises(ConfigurationError, match="fail_on_undeclared 'root' is not \"roots\", True or False"):
        ScopeEnforcement(fail_on_undeclared="root")  # type: ignore[arg-type]


def test_every_possible_type_of_a_public_field_counts() -> None:
    assert library(fail_on_undeclared="roots", public=OPEN)
    with pytest.raises(ConfigurationError, match=r"Book\.id \(anyone can reach it through"):
        library(fail_on_undeclared="roots", public=[name for name in OPEN if name != "Book"])


def test_spacekeys_own_public_names_are_needed_each() -> None:
    from spacekey.middleware.graphql.rules import check_undeclared_roots
    from spacekey.schema.build import build_schema

    rulebook = build_schema().rulebook
    for name in PUBLIC:
        with pytest.raises(ConfigurationError):
            check_undeclared_roots(rulebook, [one for one in PUBLIC if one != name])


@federation.type(keys=["id"])
class Entity:
    id: strawberry.ID

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> "Entity":  # noqa: A002
        return cls(id=id)


def federated(directives: Any = (), **settings: Any) -> ScopedFederationSchema:
    entity = strawberry.field(resolver=lambda: Entity(id=strawberry.ID("1")), graphql_type=Entity, directives=[ADMIN])
    query = federation.type(type("Query", (), {"entity": entity}), directives=directives)
    settings = {"principal": lambda _: None, **settings}
    return ScopedFederationSchema(query, scopes=ScopeEnforcement(**settings))


def test_what_entities_gives_to_everyone_stops_the_start() -> None:
    with pytest.raises(ConfigurationError, match=r"Entity\.id \(anyone can reach it through Query\._entities\)"):
        federated()
    assert federated(public=["Entity"])
    assert federated(directives=[ADMIN])


ENTITIES = '{ _entities(representations: [{__typename: "Entity", id: 1}]) { ... on Entity { id } } }'


def test_a_rule_on_the_root_type_does_not_close_the_service_document() -> None:
    schema = federated(directives=[ADMIN])
    report = scope_report(schema)
    assert (report["Query._service"], report["_Service.sdl"]) == ("public", "public")
    assert (report["Query._entities"], report["Query.entity"]) == ("admin", "admin")
    result = schema.execute_sync("{ _service { sdl } }")
    assert result.data is not None
    assert "type Entity" in result.data["_service"]["sdl"]
    assert schema.execute_sync(ENTITIES).data is None
    assert federated(public=["Entity"]).execute_sync(ENTITIES).data == {"_entities": [{"id": "1"}]}


def test_a_service_field_of_the_users_own_keeps_its_rule() -> None:
    @federation.type(directives=[ADMIN])
    class Query:
        @strawberry.field(name="_service")
        def service(self) -> str:
            return "mine"

    assert scope_report(ScopedFederationSchema(Query)) == {"Query._service": "admin"}
    named = strawberry.field(name="_service", resolver=lambda: "mine", graphql_type=str)
    plain = strawberry.type(type("Query", (), {"service": named}))
    with pytest.raises(ConfigurationError, match=r"Query\._service"):
        ScopedSchema(plain)


@pytest.mark.parametrize("beside", ["one field", "two fields", "a type and a field"])
def test_our_directive_may_stand_beside_federations(beside: str) -> None:
    never = RequiresScopes(scopes=[])
    fields: dict[str, Any] = {"a": federation.field(requires_scopes=[["a"]], default="x"), "b": "y"}
    directives: list[Any] = []
    if beside == "one field":
        fields["a"] = federation.field(requires_scopes=[["a"]], directives=[never], default="x")
    elif beside == "two fields":
        fields["b"] = federation.field(directives=[never], default="y")
    else:
        directives = [never]
    query = federation.type(
        type("Query", (), {"__annotations__": {"a": str, "b": str}, **fields}), directives=directives
    )
    schema = ScopedFederationSchema(query, scopes=ScopeEnforcement(public=["Query.b"] if beside == "one field" else []))
    report = scope_report(schema)
    assert (report["Query.a"], report["Query.b"]) == {
        "one field": ("never", "public"),
        "two fields": ("a", "never"),
        "a type and a field": ("never", "never"),
    }[beside]
    sdl = schema.as_str()
    assert 'import: ["@requiresScopes"]' in sdl
    assert "directive @requiresScopes" not in sdl, "Federation's definition is the router's"
    assert "@requiresScopes(scopes: [])" in sdl
