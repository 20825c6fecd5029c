"""What stands in a list of directives and is none stops the start: Strawberry lets it stand, and the field open."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator

from re import escape
from typing import Any

import pytest
import strawberry
from strawberry import federation
from strawberry.federation.schema_directives import Shareable
from strawberry.permission import BasePermission
from strawberry.schema.config import StrawberryConfig
from strawberry.schema_directive import Location

from spacekey.domain.errors import RuleError
from spacekey.middleware import any_of, requires
from spacekey.middleware.graphql import (
    RequiresScopes,
    ScopedFederationSchema,
    ScopedSchema,
    ScopeEnforcement,
    required_scopes,
    requires_scopes,
)
from support.graphql_places import RULED, UNRULED

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
    """A directive that is nobody's business but its user's."""

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


@pytest.mark.parametrize("place", UNRULED)
def test_a_rule_where_nothing_enforces_it_stops_the_start(place: str) -> None:
    with pytest.raises(RuleError, match=f"^{escape(place)}: "):
        UNRULED[place]([requires_scopes("a")])


@pytest.mark.parametrize("place", RULED)
def test_a_rule_stands_on_fields_objects_and_interfaces(place: str) -> None:
    assert RULED[place]([Internal(), requires_scopes("a")])


def test_directives_that_can_be_read_only_once_stop_the_start() -> None:
    """Strawberry reads them first, and nothing would be left of them for whoever enforces."""

    once: Any = iter([requires_scopes("a")])

    @strawberry.type(directives=once)
    class Query:
        x: str = "leak"

    with pytest.raises(RuleError, match=r"^Query: directives is a list_iterator; write a list"):
        ScopedSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False))


def test_a_wrong_word_stops_the_start_of_a_federated_schema() -> None:
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
