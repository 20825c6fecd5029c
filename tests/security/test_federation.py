"""Apollo Federation's own ways into a schema: ``_entities``, where the caller names the types, and ``_service``."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

from typing import Any

import pytest
import strawberry
from strawberry import federation
from strawberry.extensions import ParserCache, ValidationCache

from spacekey.domain.principal import Principal
from spacekey.domain.rule import Rule
from spacekey.middleware.graphql import OnDenied, ScopedFederationSchema, ScopeEnforcement
from spacekey.middleware.graphql.analysis import Denial
from support.graphql_library import ask, holding, ran, refusals

Info = strawberry.Info[Any, Any]
WAYS = ["execute", "execute_sync", "stream"]
DENIED = "INSUFFICIENT_SCOPE"


@strawberry.interface
class Named:
    name: str


@federation.interface(requires_scopes=[["vaults:read"]])
class Kept(Named):
    pass


@federation.type(keys=["id"])
class Book(Named):
    """Open, with one ruled field."""

    id: strawberry.ID

    @federation.field(requires_scopes=[["prices:read"]])
    def price(self, info: Info) -> int | None:
        ran(info, "price")
        return 7

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> Book:  # noqa: A002 - the key's name
        ran(info, "Book")
        return Book(id=id, name="B")


@federation.type(keys=["id"], requires_scopes=[["people:read"]])
class Person(Named):
    """Ruled as a type."""

    id: strawberry.ID

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> Person:  # noqa: A002 - the key's name
        ran(info, "Person")
        return Person(id=id, name="P")


@federation.type(keys=["id"])
class Vault(Kept):
    """Ruled by its interface."""

    id: strawberry.ID

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> Vault:  # noqa: A002 - the key's name
        ran(info, "Vault")
        return Vault(id=id, name="V")


@federation.type(keys=["id"], authenticated=True)
class Stub:
    """Without a resolver: Strawberry makes a value of what the caller sent."""

    id: strawberry.ID


@federation.type
class Query:
    books: list[Book] | None = None


def schema_of(mode: OnDenied, report: Any = None) -> ScopedFederationSchema:
    return ScopedFederationSchema(
        Query,
        types=[Book, Person, Vault, Stub],
        extensions=[lambda: ParserCache(10), lambda: ValidationCache(10)],
        scopes=ScopeEnforcement(
            fail_on_undeclared=False, on_denied=mode, principal=lambda context: context["caller"], report=report
        ),
    )


def of(*names: str) -> dict[str, Any]:
    return {"all": [{"__typename": name, "id": str(number)} for number, name in enumerate(names)]}


ENTITIES = "query($all: [_Any!]!) { _entities(representations: $all) { %s } }"
SELECTING_ANOTHER_TYPE = [
    "... on Book { id }",
    "... { ... on Book { id } }",
    "... on Named { ... on Book { name } }",
    "...Books",
    "... on Person @include(if: false) { id } ... on Book { id }",
    "... on Stub @skip(if: true) { id }  ... on Book @include(if: false) { id }",
]


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("mode", ["reject", "null"])
@pytest.mark.parametrize("selection", SELECTING_ANOTHER_TYPE)
async def test_a_ruled_types_reference_is_not_resolved_for_whoever_selects_another_type(
    how: str, mode: OnDenied, selection: str
) -> None:
    context = holding()
    document = ENTITIES % selection + (" fragment Books on Book { id }" if "...Books" in selection else "")
    result = await ask(how, schema_of(mode), document, context, variable_values=of("Person", "Book", "Vault", "Person"))
    assert context["ran"] == ["Book"]
    assert result.data is not None
    assert [one is None for one in result.data["_entities"]] == [True, False, True, True]
    assert refusals(result) == [
        ("Person.__typename", ("_entities", 0), DENIED),
        ("Vault.__typename", ("_entities", 2), DENIED),
        ("Person.__typename", ("_entities", 3), DENIED),
    ]
    assert [(error.extensions or {})["missingScopes"] for error in result.errors or []] == [
        ["people:read"],
        ["vaults:read"],
        ["people:read"],
    ]


@pytest.mark.parametrize("how", WAYS)
async def test_with_the_types_scope_everything_is_resolved_and_stays_where_it_was(how: str) -> None:
    context = holding("people:read", "vaults:read")
    names = "... on Book { name } ... on Person { name } ... on Vault { name } ... on Stub { id }"
    everything = of("Person", "Book", "Stub", "Vault")
    result = await ask(how, schema_of("reject"), ENTITIES % names, context, variable_values=everything)
    assert result.errors is None
    assert result.data == {"_entities": [{"name": "P"}, {"name": "B"}, {"id": "2"}, {"name": "V"}]}
    assert context["ran"] == ["Person", "Book", "Vault"]


@pytest.mark.parametrize("mode", ["reject", "null"])
async def test_selecting_a_ruled_types_fields_is_decided_before_anything_runs(mode: OnDenied) -> None:
    context = holding()
    document = ENTITIES % "... on Person { name } ... on Book { name price }"
    result = await ask("execute", schema_of(mode), document, context, variable_values=of("Person", "Book"))
    if mode == "reject":
        assert (result.data, context["ran"]) == (None, [])
    else:
        assert result.data == {"_entities": [None, {"name": "B", "price": None}]}
        assert context["ran"] == ["Book"]
    assert {coordinate for coordinate, _, _ in refusals(result)} >= {"Book.price"}


async def test_the_name_of_a_ruled_type_is_not_told_and_a_value_is_not_made_of_what_the_caller_sent() -> None:
    nobody: dict[str, Any] = {"caller": None, "ran": []}
    result = await ask(
        "execute", schema_of("null"), ENTITIES % "__typename", nobody, variable_values=of("Stub", "Book", "Person")
    )
    assert result.data == {"_entities": [None, {"__typename": "Book"}, None]}
    assert {code for _, _, code in refusals(result)} == {"UNAUTHENTICATED"}
    assert nobody["ran"] == ["Book"]


async def test_representations_in_the_document_and_under_two_aliases_are_held_as_well() -> None:
    context = holding()
    document = """{
        a: _entities(representations: [{__typename: "Person", id: 1}]) { ... on Book { id } }
        b: _entities(representations: [{__typename: "Book", id: 1}, {__typename: "Person", id: 2}])
            { ... on Book { id } }
    }"""
    result = await ask("execute", schema_of("reject"), document, context)
    assert result.data == {"a": [None], "b": [{"id": "1"}, None]}
    assert context["ran"] == ["Book"]
    assert refusals(result) == [("Person.__typename", ("a", 0), DENIED), ("Person.__typename", ("b", 1), DENIED)]


NONSENSE = [{"__typename": "Nothing"}, {"id": "1"}, {"__typename": ["Person"]}, {"__typename": "Query"}, "Person", 7]


@pytest.mark.parametrize("representation", NONSENSE, ids=str)
async def test_what_is_no_representation_resolves_nothing_and_takes_nobody_in(representation: object) -> None:
    context = holding()
    both = {"all": [representation, {"__typename": "Person", "id": "1"}]}
    result = await ask("execute", schema_of("null"), ENTITIES % "... on Book { id }", context, variable_values=both)
    assert result.errors
    assert context["ran"] == []
    assert result.data in (None, {"_entities": [None, None]})


async def test_verdicts_of_one_caller_are_not_the_next_ones() -> None:
    schema = schema_of("reject")
    document = ENTITIES % "... on Book { id }"
    for scopes, runs in ((("people:read",), ["Person"]), ((), []), (("people:read",), ["Person"])):
        context = holding(*scopes)
        await ask("execute", schema, document, context, variable_values=of("Person"))
        assert context["ran"] == runs


async def test_a_dry_run_resolves_and_reports() -> None:
    told: list[tuple[str, str, Rule, object]] = []

    def report(denials: list[Denial], caller: Principal | None) -> None:
        told.extend((one.coordinate, ".".join(one.path), one.rule, caller) for one in denials)

    context = holding()
    result = await ask(
        "execute",
        schema_of("log", report),
        ENTITIES % "... on Book { id }",
        context,
        variable_values=of("Person", "Person"),
    )
    assert result.errors is None
    assert context["ran"] == ["Person", "Person"]
    assert [one[:2] for one in told] == [("Person.__typename", "_entities")]


async def test_the_service_document_is_open_and_names_the_rules_only() -> None:
    result = await ask("execute", schema_of("reject"), "{ _service { sdl } }", {"caller": None, "ran": []})
    assert result.data is not None
    assert '@requiresScopes(scopes: [["people:read"]])' in result.data["_service"]["sdl"]
    ruled = ENTITIES.replace("{ _entities", "{ _service { sdl } _entities") % "... on Person { id }"
    refused = await ask(
        "execute", schema_of("reject"), ruled, {"caller": None, "ran": []}, variable_values=of("Person")
    )
    assert refused.data is None
