"""A class's rule is on the fields that it defines, and not on those that it only hands down."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code="untyped-decorator"

from collections.abc import Callable

import pytest
import strawberry
from strawberry.tools import create_type, merge_types

from spacekey.middleware.graphql import ScopedSchema, ScopeEnforcement, requires_scopes, scope_report

ADMIN = requires_scopes("admin")


@strawberry.type
class Open:
    version: int = 1

    @strawberry.field
    def health(self) -> str:
        return "ok"


@strawberry.type(directives=[ADMIN])
class Middle(Open):
    secrets: int = 2


@strawberry.type(directives=[ADMIN])
class Again(Open):
    version: int = 3

    @strawberry.field
    def health(self) -> str:
        return "again"


@strawberry.type
class Extra:
    extra: int = 4


def by_inheritance(part: type) -> type:
    @strawberry.type
    class Query(part, Extra):  # type: ignore[misc]
        pass

    return Query


def by_merging(part: type) -> type:
    return merge_types("Query", (Extra, part))


def by_creating(part: type) -> type:
    fields = list(part.__strawberry_definition__.fields)  # type: ignore[attr-defined]
    return by_inheritance(create_type("Made", fields))


WAYS = [by_inheritance, by_merging, by_creating]


@pytest.mark.parametrize("make", WAYS)
def test_the_rule_of_a_class_between_two_is_not_on_what_it_inherits(make: Callable[[type], type]) -> None:
    query = make(Middle)
    found = scope_report(ScopedSchema(query, scopes=ScopeEnforcement(fail_on_undeclared=False)))
    assert {name: found[name] for name in ("Query.version", "Query.health", "Query.secrets")} == {
        "Query.version": "public",
        "Query.health": "public",
        "Query.secrets": "admin",
    }


@pytest.mark.parametrize("make", WAYS)
def test_the_rule_of_a_class_between_two_is_on_what_it_defines_again(make: Callable[[type], type]) -> None:
    query = make(Again)
    found = scope_report(ScopedSchema(query, scopes=ScopeEnforcement(fail_on_undeclared=False)))
    assert {found["Query.version"], found["Query.health"]} == {"admin"}
