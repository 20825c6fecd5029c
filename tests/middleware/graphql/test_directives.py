"""``@requiresScopes`` means what its lists say, and anything else in a list of directives stops the start."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator

from enum import Enum
from re import escape
from typing import Any

import pytest
import strawberry
from strawberry import federation
from strawberry.federation.schema_directives import Shareable
from strawberry.permission import BasePermission
from strawberry.schema.config import StrawberryConfig
from strawberry.schema_directive import Location

from spacekey import any_of, requires
from spacekey.domain.errors import ConfigurationError, RuleError
from spacekey.middleware.graphql import (
    RequiresScopes,
    ScopedFederationSchema,
    ScopedSchema,
    ScopeEnforcement,
    required_scopes,
    requires_scopes,
    scope_report,
)
from support.graphql_places import RULED, UNRULED


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


def test_two_rules_on_one_field_stop_the_start() -> None:
    with pytest.raises(RuleError, match="is declared twice"):
        schema_with(requires_scopes("a"), requires_scopes("b"))


def test_policy_stops_the_start_unless_a_router_answers_for_it() -> None:
    @federation.type
    class Query:
        secret: str = federation.field(policy=[["x"]], default="secret")

    with pytest.raises(RuleError, match=r"Query\.secret: @policy cannot be enforced here"):
        ScopedFederationSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False))
    schema = ScopedFederationSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False, ignore_policy=True))
    assert scope_report(schema.rulebook)["Query.secret"] == "public"


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


WRONG: dict[str, Any] = {
    "the decorator of routes": requires("a:b"),
    "a rule": any_of("a:b"),
    "a scope": "a:b",
    "the call forgotten": requires_scopes,
    "the class": RequiresScopes,
    "a class of Strawberry's": Shareable,
    "the lists": [["a:b"]],
    "nothing": None,
}


@strawberry.schema_directive(locations=list(Location))
class Internal:
    """A directive of the app's own."""

    why: str = "because"


class Secretly(Internal):
    """Another spelling of the same directive."""


@pytest.mark.parametrize("wrong", WRONG.values(), ids=list(WRONG))
def test_what_is_no_directive_stops_the_start_with_the_field_and_the_cure(wrong: Any) -> None:
    @strawberry.type
    class Query:
        @strawberry.field(directives=[Internal(), wrong])
        def x(self) -> str:
            return "leak"

    message = r"^Query\.x: directives holds .*requires_scopes\('jobs:read'\)"
    with pytest.raises(RuleError, match=message):
        ScopedSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False))
    with pytest.raises(RuleError, match=message):
        ScopedSchema(
            Query, config=StrawberryConfig(sort_schema=True), scopes=ScopeEnforcement(fail_on_undeclared=False)
        )
    with pytest.raises(RuleError, match=message):
        required_scopes(strawberry.Schema(Query), "{ x }")


@pytest.mark.parametrize("place", [*RULED, *UNRULED])
def test_it_stops_the_start_wherever_a_directive_can_stand(place: str) -> None:
    make = (RULED | UNRULED)[place]
    for wrong in (requires("a:b"), "a:b", RequiresScopes):
        with pytest.raises(RuleError, match=f"^{escape(place)}: directives holds"):
            make([wrong])


@pytest.mark.parametrize("place", [*RULED, *UNRULED])
def test_directives_of_others_stand_everywhere(place: str) -> None:
    assert (RULED | UNRULED)[place]([Internal(), Secretly(why="so")])


def test_directives_that_can_be_read_only_once_stop_the_start() -> None:
    """Strawberry reads them first, and nothing would be left of them for the check."""

    once: Any = iter([requires_scopes("a")])

    @strawberry.type(directives=once)
    class Query:
        x: str = "leak"

    with pytest.raises(RuleError, match=r"^Query: directives is a list_iterator; write a list"):
        ScopedSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False))


def test_a_value_that_is_no_directive_stops_the_start_of_a_federated_schema() -> None:
    @federation.type
    class Query:
        x: str = federation.field(directives=["a:b"], authenticated=True, default="leak")

    with pytest.raises(RuleError, match=r"^Query\.x: directives holds the str 'a:b'"):
        ScopedFederationSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False))


def test_what_strawberry_itself_puts_into_the_lists_is_welcome() -> None:
    class Members(BasePermission):
        message = "members only"

        def has_permission(self, source: Any, info: Any, **kwargs: Any) -> bool:
            return True

    @strawberry.input(one_of=True)
    class By:
        name: strawberry.Maybe[str]
        number: strawberry.Maybe[int]

    @strawberry.type
    class Query:
        @strawberry.field(permission_classes=[Members])
        def x(self, by: By) -> str:
            return "x"

    assert ScopedSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False))

    @federation.type(keys=["id"], shareable=True, tags=["a"], inaccessible=True)
    class Box:
        id: strawberry.ID = federation.field(external=True, override="other", provides=["x"])

    @federation.type
    class Federated:
        box: Box | None = None

    assert ScopedFederationSchema(Federated, scopes=ScopeEnforcement(fail_on_undeclared=False))


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
