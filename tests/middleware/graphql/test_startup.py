"""Mistakes in a schema's rules stop the start, and say where they are and what to write."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator

from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any

import pytest
import strawberry
from strawberry import federation
from strawberry.schema.config import StrawberryConfig

from spacekey.domain.errors import ConfigurationError, RuleError
from spacekey.domain.rule import any_of
from spacekey.middleware.graphql import (
    RequiresScopes,
    ScopedFederationSchema,
    ScopedSchema,
    ScopeEnforcement,
    requires_scopes,
    scope_report,
)
from support.graphql_library import library
from support.graphql_places import root


def schema_with(*directives: object, **settings: Any) -> ScopedSchema:
    """A schema whose one field carries the directives."""

    @strawberry.type
    class Query:
        secret: str = strawberry.field(directives=directives, default="secret")

    return ScopedSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False, **settings))


@pytest.mark.parametrize(
    ("scopes", "rule"),
    [([], "never"), ([[]], "any valid token"), ([["a", "b"], ["c"]], "(a and b) or (c)"), ([["a"], ["a", "b"]], "a")],
)
def test_a_directive_means_what_its_lists_say(scopes: list[list[str]], rule: str) -> None:
    schema = schema_with(RequiresScopes(scopes=scopes))
    assert scope_report(schema.rulebook) == {"Query.secret": rule}


@pytest.mark.parametrize(
    "scopes", [[[""]], [["a", ""]], [["A b"]], ["a"], "a", [["a\u00e9"]], [[None]], None, [None], 3, [[["a"]]]]
)
def test_a_directive_that_is_no_rule_stops_the_start_and_names_its_field(scopes: Any) -> None:
    with pytest.raises(RuleError, match=r"^Query\.secret: "):
        schema_with(RequiresScopes(scopes=scopes))


def test_an_unknown_scope_stops_the_start_with_near_matches() -> None:
    known = {"jobs:read", "jobs:create"}
    with pytest.raises(RuleError, match=r"Query\.secret: unknown scope 'jobs:raed'\. Did you mean 'jobs:read'"):
        schema_with(requires_scopes("jobs:raed"), known_scopes=known)
    assert schema_with(requires_scopes("jobs:read"), known_scopes=known)


def test_two_rules_on_one_field_stop_the_start() -> None:
    with pytest.raises(RuleError, match="stands here twice"):
        schema_with(requires_scopes("a"), requires_scopes("b"))


def test_a_rule_too_large_to_combine_names_its_field() -> None:
    wide = [requires_scopes(any_of(*(f"{letter}:{n}" for n in range(40)))) for letter in "ab"]

    @strawberry.type(directives=[wide[0]])
    class Query:
        secret: str = strawberry.field(directives=[wide[1]], default="secret")

    with pytest.raises(RuleError, match=r"^Query\.secret: .*alternatives"):
        ScopedSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False))


def test_policy_stops_the_start_unless_a_router_answers_for_it() -> None:
    @federation.type
    class Query:
        secret: str = federation.field(policy=[["x"]], default="secret")

    with pytest.raises(RuleError, match=r"Query\.secret: @policy cannot be enforced here"):
        ScopedFederationSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False))
    schema = ScopedFederationSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False, ignore_policy=True))
    assert scope_report(schema.rulebook)["Query.secret"] == "public"


def test_a_rule_where_none_can_be_enforced_stops_the_start() -> None:
    rule = requires_scopes("a")

    @strawberry.type
    class One:
        x: int = 1

    @strawberry.type
    class Two:
        x: int = 2

    @strawberry.input(directives=[rule])
    class RuledInput:
        x: int = 1

    @strawberry.input
    class PlainInput:
        x: int = strawberry.field(directives=[rule], default=1)

    @strawberry.enum(directives=[rule])
    class RuledEnum(Enum):
        X = "x"

    @strawberry.enum
    class PlainEnum(Enum):
        X = strawberry.enum_value("x", directives=[rule])

    def union() -> Annotated[One | Two, strawberry.union("Ruled", directives=[rule])]:
        return One()

    def of_input(value: RuledInput) -> int:
        return value.x

    def of_input_field(value: PlainInput) -> int:
        return value.x

    def of_enum() -> RuledEnum:
        return RuledEnum.X

    def of_enum_value() -> PlainEnum:
        return PlainEnum.X

    def of_argument(value: Annotated[int, strawberry.argument(directives=[rule])]) -> int:
        return value

    places: dict[Callable[..., Any], str] = {
        union: "Ruled",
        of_input: "RuledInput",
        of_input_field: r"PlainInput\.x",
        of_enum: "RuledEnum",
        of_enum_value: r"PlainEnum\.X",
        of_argument: r"Query\.field\(value:\)",
    }
    for resolver, where in places.items():
        query = strawberry.type(type("Query", (), {"field": strawberry.field(resolver=resolver)}))
        with pytest.raises(RuleError, match=f"^{where}: "):
            ScopedSchema(query, scopes=ScopeEnforcement(fail_on_undeclared=False))


def test_a_scoped_federation_schema_honours_federations_own_directives() -> None:
    @federation.enum(requires_scopes=[["colours:read"]])
    class Colour(Enum):
        RED = "red"

    @federation.type(authenticated=True)
    class Box:
        colour: Colour = Colour.RED
        label: str = federation.field(requires_scopes=[["labels:read"]], default="x")

    @federation.type
    class Query:
        box: Box | None = None
        both: str = federation.field(authenticated=True, requires_scopes=[["a"], ["b"]], default="x")
        session: str = federation.field(authenticated=True, default="x")

    report = scope_report(ScopedFederationSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False)).rulebook)
    assert {name: rule for name, rule in report.items() if not name.partition(".")[2].startswith(("_", "sdl"))} == {
        "Box.colour": "colours:read",
        "Box.label": "labels:read",
        "Query.both": "(a) or (b)",
        "Query.box": "any valid token",
        "Query.session": "any valid token",
    }


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
    with pytest.raises(ConfigurationError, match=r"^Query\.x has a rule, and Schema enforces none"):
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
        ConfigurationError, match=r"'Query\.helth', which the schema lacks\. Did you mean 'Query\.health'"
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
    with pytest.raises(ConfigurationError, match=r"'Query\.secret', which needs: a and b\. Take it out of public"):
        start("Query", "Half", "Query.secret")
    with pytest.raises(ConfigurationError, match=r"'Query\.thing', which needs: t\. "):
        start("Query", "Half", "Query.thing")
    with pytest.raises(ConfigurationError, match=r"'Thing', all of whose fields have a rule"):
        start("Query", "Half", "Thing")
    with pytest.raises(ConfigurationError, match=r"'Query\.helth', which the schema lacks"):
        start("Query", "Half", "Query.helth")


def test_federations_empty_list_never_reaches_us_and_counts_as_undeclared() -> None:
    """Strawberry drops it; the directive itself says what the list would have said."""

    @federation.type
    class Query:
        dropped: str = federation.field(requires_scopes=[], default="x")
        never: str = federation.field(directives=[RequiresScopes(scopes=[])], default="x")

    report = scope_report(ScopedFederationSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False)))
    assert (report["Query.dropped"], report["Query.never"]) == ("public", "never")
    with pytest.raises(ConfigurationError, match=r"Query\.dropped$"):
        ScopedFederationSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=True))


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
