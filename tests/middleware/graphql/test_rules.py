"""Start-up stops on mistakes in rules, and on fields that a caller can reach and that declare no rule."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator

from collections.abc import AsyncGenerator
from typing import Annotated, Any

import pytest
import strawberry
from strawberry import federation

from spacekey.domain.errors import ConfigurationError, RuleError
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.rule import any_of
from spacekey.middleware.graphql import (
    ScopedFederationSchema,
    ScopedSchema,
    ScopeEnforcement,
    required_scopes,
    requires_scopes,
    scope_report,
)
from spacekey.schema.build import PUBLIC
from support.graphql.library import OPEN, library

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


def schema_with(*directives: object, **settings: Any) -> ScopedSchema:
    """A schema whose one field carries the directives."""

    @strawberry.type
    class Query:
        secret: str = strawberry.field(directives=directives, default="secret")

    return ScopedSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False, **settings))


def test_an_unknown_scope_stops_the_start_with_near_matches() -> None:
    known = {"jobs:read", "jobs:create"}
    with pytest.raises(RuleError, match=r"Query\.secret: unknown scope 'jobs:raed'\. Did you mean 'jobs:read'"):
        schema_with(requires_scopes("jobs:raed"), known_scopes=known)
    assert schema_with(requires_scopes("jobs:read"), known_scopes=known)


def test_a_rule_too_large_to_combine_names_its_field() -> None:
    wide = [requires_scopes(any_of(*(f"{letter}:{n}" for n in range(40)))) for letter in "ab"]

    @strawberry.type(directives=[wide[0]])
    class Query:
        secret: str = strawberry.field(directives=[wide[1]], default="secret")

    with pytest.raises(RuleError, match=r"^Query\.secret: .*alternatives"):
        ScopedSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False))


def test_undeclared_fields_stop_the_start_all_at_once_when_asked_to() -> None:
    @strawberry.type
    class Page:
        number: int = 1
        size: int = 2

    @strawberry.type
    class Query:
        health: str = "ok"
        page: Page | None = None
        secret: str = strawberry.field(directives=[requires_scopes("a")], default="secret")

    def start(*public: str) -> ScopedSchema:
        return ScopedSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=True, public=public))

    with pytest.raises(ConfigurationError) as caught:
        start()
    assert str(caught.value).splitlines()[1:] == ["  Page.number", "  Page.size", "  Query.health", "  Query.page"]
    with pytest.raises(ConfigurationError, match=r"Page\.size$"):
        start("Query.health", "Query.page", "Page.number")
    with pytest.raises(
        ConfigurationError, match=r"'Query\.helth', which is not in the schema\. Did you mean 'Query\.health'"
    ):
        start("Query.helth")
    assert start("Query.health", "Query.page", "Page")


@pytest.mark.parametrize("fail_on_undeclared", [False, True])
def test_what_is_public_and_has_a_rule_stops_the_start(fail_on_undeclared: bool) -> None:
    @strawberry.type(directives=[requires_scopes("t")])
    class Thing:
        number: int = 1

    @strawberry.type
    class Half:
        secret: str = strawberry.field(directives=[requires_scopes("a")], default="secret")
        open: str = "open"

    @strawberry.type
    class Query:
        health: str = "ok"
        half: Half | None = None
        thing: Thing | None = None
        named: str = strawberry.field(directives=[requires_scopes("public")], default="a scope of that name")
        secret: str = strawberry.field(directives=[requires_scopes("a", "b")], default="secret")

    def start(*public: str) -> ScopedSchema:
        settings = ScopeEnforcement(fail_on_undeclared=fail_on_undeclared, public=public)
        return ScopedSchema(Query, scopes=settings)

    assert start("Query", "Half")
    with pytest.raises(ConfigurationError, match=r"'Query\.named', which needs: public\. "):
        start("Query", "Half", "Query.named")
    assert start("Query.health", "Query.half", "Half.open")
    with pytest.raises(ConfigurationError, match=r"'Query\.secret', which needs: a and b\. Remove it from public"):
        start("Query", "Half", "Query.secret")
    with pytest.raises(ConfigurationError, match=r"'Query\.thing', which needs: t\. "):
        start("Query", "Half", "Query.thing")
    with pytest.raises(ConfigurationError, match=r"'Thing', all of whose fields have a rule"):
        start("Query", "Half", "Thing")
    with pytest.raises(ConfigurationError, match=r"'Query\.helth', which is not in the schema"):
        start("Query", "Half", "Query.helth")


def test_a_federation_schema_need_not_declare_what_federation_adds() -> None:
    @federation.type(keys=["id"], authenticated=True)
    class Box:
        id: strawberry.ID

    @federation.type
    class Query:
        box: Box | None = None

    assert ScopedFederationSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=True))


def test_a_rule_on_an_interface_of_an_interface_counts() -> None:
    @strawberry.interface(directives=[requires_scopes("top")])
    class Top:
        x: int = 1

    @strawberry.interface
    class Middle(Top):
        y: int = strawberry.field(directives=[requires_scopes("y")], default=1)

    @strawberry.type
    class Bottom(Middle):
        y: int = 2
        z: int = 3

    @strawberry.type
    class Query:
        bottom: Bottom | None = None
        middle: Middle | None = None

    assert scope_report(ScopedSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False)).rulebook) == {
        "Bottom.x": "top",
        "Bottom.y": "top and y",
        "Bottom.z": "top",
        "Middle.x": "top",
        "Middle.y": "top and y",
        "Query.bottom": "top",
        "Query.middle": "top",
        "Top.x": "top",
    }


@federation.type(keys=["id"])
class Thing:
    id: strawberry.ID

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> "Thing":  # noqa: A002 - the name is federation's
        return cls(id=id)


@strawberry.type(name="Query", directives=[requires_scopes("admin")])
class ClosedQuery:
    @strawberry.field
    def thing(self) -> Thing:
        return Thing(id=strawberry.ID("1"))


def test_a_rule_on_the_root_leaves_the_schema_of_federation_readable_and_closes_its_entities() -> None:
    report = scope_report(ScopedFederationSchema(ClosedQuery, scopes=ScopeEnforcement(fail_on_undeclared=False)))
    assert {name: report[name] for name in report if name.startswith("Query.")} == {
        "Query.thing": "admin",
        "Query._service": "public",
        "Query._entities": "admin",
    }


def test_entities_are_refused_by_the_rule_of_the_root() -> None:
    stranger = Principal(id="key_1", kind=Kind.WORKSPACE, scopes=frozenset())
    schema = ScopedFederationSchema(
        ClosedQuery, scopes=ScopeEnforcement(fail_on_undeclared=False, principal=lambda _context: stranger)
    )
    document = 'query { _entities(representations: [{__typename: "Thing", id: "1"}]) { __typename } _service { sdl } }'
    refused = schema.execute_sync(document)
    assert [str((error.extensions or {})["code"]) for error in refused.errors or ()] == ["INSUFFICIENT_SCOPE"]
    assert schema.execute_sync("{ _service { sdl } }").errors is None


def test_over_strawberrys_own_federation_schema_too() -> None:
    schema = federation.Schema(ClosedQuery)
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
