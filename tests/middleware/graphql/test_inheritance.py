"""A rule on a Python class holds in every GraphQL type that is made of the class, however it is made."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator

import os
import warnings
from collections.abc import Callable
from random import Random
from typing import Annotated, Any, Generic, TypeVar

import pydantic
import pytest
import strawberry
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from strawberry import federation
from strawberry.tools import create_type, merge_types
from strawberry.types.base import StrawberryObjectDefinition

from spacekey.domain.principal import Kind, Principal
from spacekey.middleware.graphql import ScopedSchema, ScopeEnforcement, requires_scopes, scope_report
from support.graphql.classes import Plans, random_plans
from support.volume import volume

T = TypeVar("T")


ADMIN = requires_scopes("admin")


USER = requires_scopes("user")


def report(query: type, *types: Any) -> dict[str, str]:
    """The report of a schema that asks for no declarations."""
    return scope_report(ScopedSchema(query, types=types, scopes=ScopeEnforcement(fail_on_undeclared=False)))


def definition_of(made: Any) -> StrawberryObjectDefinition:
    definition = made.__strawberry_definition__
    assert isinstance(definition, StrawberryObjectDefinition)
    return definition


@strawberry.type
class OpenPart:
    @strawberry.field
    def health(self) -> str:
        return "ok"


@strawberry.type(directives=[ADMIN])
class AdminPart:
    version: int = 1

    @strawberry.field
    def secrets(self) -> str:
        return "secret"


EXPECTED = {"Query.health": "public", "Query.secrets": "admin", "Query.version": "admin"}


def by_inheritance() -> type:
    @strawberry.type
    class Query(OpenPart, AdminPart):
        pass

    return Query


def by_merging() -> type:
    return merge_types("Query", (AdminPart, OpenPart))


def by_creating() -> type:
    return create_type("Query", [*definition_of(OpenPart).fields, *definition_of(AdminPart).fields])


def through_an_undecorated_class() -> type:
    class Between(AdminPart):
        pass

    @strawberry.type
    class Query(OpenPart, Between):
        pass

    return Query


@pytest.mark.parametrize("compose", [by_inheritance, by_merging, by_creating, through_an_undecorated_class])
def test_a_part_of_the_root_keeps_its_rule_and_leaves_other_parts_open(compose: Any) -> None:
    assert report(compose()) == EXPECTED
    settings = ScopeEnforcement(principal=lambda _: None, fail_on_undeclared=False)
    schema = ScopedSchema(compose(), scopes=settings)
    assert schema.execute_sync("{ health }").errors is None
    for field in ("secrets", "version"):
        assert schema.execute_sync(f"{{ {field} }}").data is None


def test_a_redefined_field_keeps_the_rules_of_the_classes_before() -> None:
    @strawberry.type
    class Base:
        @strawberry.field(directives=[USER])
        def name(self) -> str:
            return "base"

    @strawberry.type(directives=[ADMIN])
    class Middle(Base):
        @strawberry.field
        def name(self) -> str:
            return "middle"

        other: int = 1

    @strawberry.type
    class Query(Middle):
        more: int = 2

        @strawberry.field(directives=[requires_scopes("query")])
        def name(self) -> str:
            return "query"

    assert report(Query) == {
        "Query.more": "public",
        "Query.name": "admin and query and user",
        "Query.other": "admin",
    }


def test_a_field_renamed_or_replaced_under_its_graphql_name_keeps_its_rule() -> None:
    @strawberry.type
    class Base:
        @strawberry.field(name="secret", directives=[ADMIN])
        def one(self) -> str:
            return "one"

        @strawberry.field(directives=[USER])
        def two(self) -> str:
            return "two"

    @strawberry.type
    class Query(Base):
        @strawberry.field(name="secret")
        def replacement(self) -> str:
            return "replacement"

        @strawberry.field(name="renamed")
        def two(self) -> str:
            return "two"

    @strawberry.type(name="Query")
    class Again(Query):
        @strawberry.field(name="renamed")
        def third(self) -> str:
            return "third"

    assert report(Query) == {"Query.secret": "admin", "Query.renamed": "user"}
    assert report(Again) == {"Query.secret": "admin", "Query.renamed": "user"}


@strawberry.type(directives=[USER])
class User:
    id: int = 1
    name: str = "Ann"


def test_a_subclass_without_fields_of_its_own_has_the_rule_of_its_base_as_a_return_type() -> None:
    @strawberry.type
    class Admin(User):
        pass

    @strawberry.type
    class Query:
        admin: Admin | None = None

    assert report(Query) == {"Query.admin": "user", "Admin.id": "user", "Admin.name": "user"}


def test_a_subclass_with_a_field_of_its_own_is_reached_and_keeps_the_rule_on_what_it_inherits() -> None:
    @strawberry.type
    class Admin(User):
        level: int = 3

    @strawberry.type
    class Query:
        admin: Admin | None = None

    assert report(Query) == {
        "Query.admin": "public",
        "Admin.id": "user",
        "Admin.level": "public",
        "Admin.name": "user",
    }


def test_a_pass_through_of_a_pass_through_keeps_the_rule() -> None:
    @strawberry.type
    class Admin(User):
        pass

    @strawberry.type
    class Root(Admin):
        name: str = "redefined"

    @strawberry.type
    class Query:
        root: Root | None = None

    assert report(Query) == {"Query.root": "user", "Root.id": "user", "Root.name": "user"}


@strawberry.type(directives=[ADMIN])
class Page(Generic[T]):
    number: int = 1

    @strawberry.field
    def first(self) -> T | None:
        return None


def test_a_specialization_keeps_the_rule_of_its_generic_type() -> None:
    @strawberry.type
    class Words(Page[str]):
        pass

    @strawberry.type
    class Wider(Page[int]):
        more: int = 1

    @strawberry.type
    class Query:
        plain: Page[str] | None = None
        named: Words | None = None
        wider: Wider | None = None

    found = report(Query)
    assert {name: rule for name, rule in found.items() if rule == "public"} == dict.fromkeys(
        ("Query.wider", "Wider.more"), "public"
    )
    assert {"Words.first", "Words.number", "Wider.first", "Wider.number", "Query.plain", "Query.named"} < {*found}


def test_a_created_type_keeps_rules_on_fields_and_on_itself() -> None:
    @strawberry.field(directives=[USER])
    def name() -> str:
        return "Ann"

    @strawberry.field
    def health() -> str:
        return "ok"

    made = create_type("Query", [name, health])
    assert report(made) == {"Query.name": "user", "Query.health": "public"}
    ruled = create_type("Query", [health], directives=[ADMIN])
    assert report(ruled) == {"Query.health": "admin"}


def test_one_field_in_two_classes_has_its_rule_in_both() -> None:
    @strawberry.field(directives=[USER])
    def name() -> str:
        return "Ann"

    first = strawberry.type(type("First", (), {"name": name}))
    second = strawberry.type(type("Second", (), {"name": name, "first": strawberry.field(graphql_type=first)}))
    assert report(second)["First.name"] == "user"
    assert report(second)["Second.name"] == "user"


def test_a_rule_in_an_undecorated_class_that_a_field_replaces_counts() -> None:
    class Mixin:
        @strawberry.field(directives=[ADMIN])
        def secret(self) -> str:
            return "secret"

    @strawberry.type
    class Query(Mixin):
        @strawberry.field
        def secret(self) -> str:
            return "secret"

    assert report(Query) == {"Query.secret": "admin"}


def test_an_interface_keeps_the_rules_of_what_it_is_made_of() -> None:
    @strawberry.interface
    class Named(User):
        pass

    @strawberry.type
    class Dog(Named):
        tail: int = 1

    @strawberry.type
    class Query:
        named: Named | None = None
        dog: Dog | None = None

    assert report(Query, Dog) == {
        "Query.named": "user",
        "Query.dog": "public",
        "Named.id": "user",
        "Named.name": "user",
        "Dog.id": "user",
        "Dog.name": "user",
        "Dog.tail": "public",
    }


def test_a_pydantic_type_keeps_the_rules_of_its_bases() -> None:
    class Model(pydantic.BaseModel):
        id: int = 1
        name: str = "Ann"

    @strawberry.experimental.pydantic.type(Model, all_fields=True)
    class Person(User):
        pass

    @strawberry.pydantic.type(directives=[ADMIN])
    class Account(pydantic.BaseModel):
        number: int = 1

    @strawberry.pydantic.type
    class Business(Account):
        vat: int = 1

    @strawberry.pydantic.type
    class Same(Account):
        pass

    @strawberry.type
    class Query:
        person: Person | None = None
        business: Business | None = None
        same: Same | None = None

    assert report(Query) == {
        "Query.person": "user",
        "Person.id": "user",
        "Person.name": "user",
        "Query.business": "public",
        "Business.number": "admin",
        "Business.vat": "public",
        "Query.same": "admin",
        "Same.number": "admin",
    }


def test_a_lazy_type_and_a_member_of_a_union_keep_their_rules() -> None:
    lazy = Annotated["User", strawberry.lazy(__name__)]

    @strawberry.type
    class Other:
        x: int = 1

    @strawberry.type
    class Query:
        later: lazy | None = None
        either: Annotated[User | Other, strawberry.union("Either")] | None = None
        only: Annotated[User, strawberry.union("Only")] | None = None

    assert report(Query) == {
        "Query.later": "user",
        "Query.either": "public",
        "Query.only": "user",
        "Other.x": "public",
        "User.id": "user",
        "User.name": "user",
    }


def test_federations_root_keeps_the_rules_of_its_parts() -> None:
    from spacekey.middleware.graphql import ScopedFederationSchema

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schema = ScopedFederationSchema(
            federation.type(type("Query", (OpenPart, AdminPart), {})),
            scopes=ScopeEnforcement(fail_on_undeclared=False),
        )
    found = {name: rule for name, rule in scope_report(schema).items() if not name.endswith(("_service", "sdl"))}
    assert found == EXPECTED


CASES = int(os.environ.get("SPACEKEY_CASES") or volume(short=100, long=400))


@pytest.mark.repeats
@settings(max_examples=-(-CASES // 8), deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(seed=st.integers(0, 2**64 - 1))
def test_a_schema_asks_for_what_its_classes_ask_for(seed: int) -> None:
    random = Random(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # merge_types tells of fields that two of its types have
        plans = random_plans(random)
    shown = [name for name, plan in plans.classes.items() if plan.decorated and plans.visible(name)]
    if not shown:
        return
    try:
        schema, callers = schema_over(plans, shown)
    except ValueError as error:  # a renamed field, which an interface has under its first name
        if "Interface field" not in str(error):
            raise
        reject()
    report = scope_report(schema)
    needed = {f"Query.{name.lower()}": plans.of_type(name) for name in shown if not plans.classes[name].interface}
    for name in shown:
        needed |= {f"{name}.{key}": plans.needed(name, key) for key in plans.visible(name).values()}
    for coordinate, scopes in needed.items():
        assert report[coordinate] == (" and ".join(sorted(scopes)) or "public"), (coordinate, plans.classes)

    for name in shown:
        if plans.classes[name].interface:
            continue
        for key in plans.visible(name).values():
            scopes = needed[f"{name}.{key}"] | needed[f"Query.{name.lower()}"]
            for held in (scopes, *(scopes - {one} for one in scopes), None):
                callers[:] = [None if held is None else Principal("key_1", Kind.SPACE, frozenset(held))]
                result = schema.execute_sync(f"{{ {name.lower()} {{ {key} }} }}")
                allowed = held == scopes if held is not None else not scopes
                assert (result.data is not None) == allowed, (name, key, held, plans.classes)


def schema_over(plans: Plans, shown: list[str]) -> tuple[ScopedSchema, list[Any]]:
    """A schema whose root has a field for each type, and the list whose one item is the caller."""
    callers: list[Any] = [None]
    fields = {
        name.lower(): strawberry.field(resolver=maker(plans.made[name]), graphql_type=plans.made[name] | None)
        for name in shown
        if not plans.classes[name].interface
    }
    fields["nothing"] = strawberry.field(resolver=lambda: 1, graphql_type=int)
    query = strawberry.type(type("Query", (), fields))
    scopes = ScopeEnforcement(fail_on_undeclared=False, principal=lambda _: callers[0])
    return ScopedSchema(query, types=[plans.made[name] for name in shown], scopes=scopes), callers


def maker(made: Any) -> Any:
    def make() -> Any:
        return made()

    return make


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


def inherit_from(part: type) -> type:
    @strawberry.type
    class Query(part, Extra):  # type: ignore[misc]
        pass

    return Query


def merge_with(part: type) -> type:
    return merge_types("Query", (Extra, part))


def create_from(part: type) -> type:
    fields = list(part.__strawberry_definition__.fields)  # type: ignore[attr-defined]
    return inherit_from(create_type("Made", fields))


WAYS = [inherit_from, merge_with, create_from]


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
