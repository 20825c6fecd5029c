"""A small library with rules on fields, types and interfaces, for the tests of GraphQL enforcement."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator

from collections.abc import AsyncGenerator
from typing import Annotated, Any

import strawberry
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.types.execution import ExecutionResult

from spacekey.domain.principal import Kind, Principal
from spacekey.domain.rule import any_of
from spacekey.middleware.graphql import OnDenied, ScopedSchema, ScopeEnforcement, requires_scopes


def ran(info: strawberry.Info[Any, Any], what: str) -> None:
    """Note in the context that a resolver ran."""
    info.context["ran"].append(what)


@strawberry.interface
class Thing:
    id: strawberry.ID


@strawberry.interface(directives=[requires_scopes("owned:read")])
class Owned:
    @strawberry.field(directives=[requires_scopes("owners:read")])
    def owner(self, info: strawberry.Info[Any, Any]) -> str | None:
        ran(info, "owner")
        return "the town"


@strawberry.type
class Book(Thing):
    title: str

    @strawberry.field(directives=[requires_scopes("prices:read")])
    def price(self, info: strawberry.Info[Any, Any], currency: str = "EUR") -> int | None:
        ran(info, f"price {currency}")
        return 7

    @strawberry.field(directives=[requires_scopes("isbn:read")])
    def isbn(self, info: strawberry.Info[Any, Any]) -> str:
        ran(info, "isbn")
        return "978"

    @strawberry.field
    def author(self, info: strawberry.Info[Any, Any]) -> "Person | None":
        ran(info, "author")
        return Person(id=strawberry.ID("p1"), name="Ann")

    @strawberry.field
    def related(self) -> list["Book"]:
        return [Book(id=strawberry.ID("b9"), title="Again")]


@strawberry.type(directives=[requires_scopes("people:read")])
class Person(Thing):
    name: str

    @strawberry.field(directives=[requires_scopes("emails:read")])
    def email(self, info: strawberry.Info[Any, Any]) -> str | None:
        ran(info, "email")
        return "ann@example.org"


@strawberry.type
class Desk(Owned):
    number: int = 1


Hit = Annotated[Book | Person, strawberry.union("Hit")]


def thing(key: str) -> Book | Person:
    """The thing with that id: people's ids begin with p."""
    if key.startswith("p"):
        return Person(id=strawberry.ID(key), name="Ann")
    return Book(id=strawberry.ID(key), title="Rain")


@strawberry.type
class Query:
    @strawberry.field
    def thing(self, id: str) -> Thing | None:  # noqa: A002
        return thing(id)

    @strawberry.field
    def hit(self, id: str) -> Hit | None:  # noqa: A002
        return thing(id)

    @strawberry.field
    def hits(self) -> list[Hit]:
        return [thing("b1"), thing("p1"), thing("b2")]

    @strawberry.field
    def books(self, info: strawberry.Info[Any, Any]) -> list[Book]:
        ran(info, "books")
        return [Book(id=strawberry.ID(f"b{n}"), title=f"Rain {n}") for n in range(3)]

    @strawberry.field
    def shelf(self) -> list[Book | None] | None:
        return [Book(id=strawberry.ID("b1"), title="Rain"), None]

    @strawberry.field
    def book(self, info: strawberry.Info[Any, Any]) -> Book:
        ran(info, "book")
        return Book(id=strawberry.ID("b1"), title="Rain")

    @strawberry.field
    def person(self, info: strawberry.Info[Any, Any]) -> Person | None:
        ran(info, "person")
        return Person(id=strawberry.ID("p1"), name="Ann")

    @strawberry.field
    def desk(self) -> Desk:
        return Desk()

    @strawberry.field(directives=[requires_scopes()])
    def hello(self, info: strawberry.Info[Any, Any]) -> str | None:
        ran(info, "hello")
        return "hello"

    @strawberry.field(directives=[requires_scopes(any_of())])
    def nobody(self, info: strawberry.Info[Any, Any]) -> str | None:
        ran(info, "nobody")
        return "never"

    @strawberry.field(directives=[requires_scopes(any_of("a", "b"), "c")])
    def either(self, info: strawberry.Info[Any, Any]) -> str | None:
        ran(info, "either")
        return "either"

    @strawberry.field
    def open(self) -> str:
        return "open"


@strawberry.type
class Mutation:
    @strawberry.mutation(directives=[requires_scopes("books:write")])
    def add_book(self, info: strawberry.Info[Any, Any]) -> Book | None:
        ran(info, "add_book")
        return Book(id=strawberry.ID("b1"), title="New")

    @strawberry.mutation
    def touch(self, info: strawberry.Info[Any, Any]) -> Book | None:
        ran(info, "touch")
        return Book(id=strawberry.ID("b1"), title="Rain")

    @strawberry.mutation
    def find(self, info: strawberry.Info[Any, Any], id: str) -> Thing | None:  # noqa: A002
        ran(info, "find")
        return thing(id)


@strawberry.type
class Subscription:
    @strawberry.subscription(directives=[requires_scopes("news:read")])
    async def news(self, info: strawberry.Info[Any, Any]) -> AsyncGenerator[str, None]:
        ran(info, "news")
        yield "one"
        yield "two"

    @strawberry.subscription
    async def added(self, info: strawberry.Info[Any, Any]) -> AsyncGenerator[Book, None]:
        ran(info, "added")
        yield Book(id=strawberry.ID("b1"), title="Rain")
        yield Book(id=strawberry.ID("b2"), title="Snow")


OPEN = ("Query", "Mutation", "Subscription", "Book")
"""The types with open fields, for ``public``."""


def library(mode: OnDenied = "reject", **options: Any) -> ScopedSchema:
    """The library's schema, with Strawberry's parser and validation caches on."""
    options = {"principal": lambda context: context and context["caller"], "fail_on_undeclared": False, **options}
    settings = ScopeEnforcement(on_denied=mode, **options)
    return ScopedSchema(
        Query, Mutation, Subscription, types=[Person], scopes=settings, extensions=[ParserCache, ValidationCache]
    )


def anonymous() -> dict[str, Any]:
    """The context of a caller without credentials."""
    return {"caller": None, "ran": []}


def holding(*scopes: str) -> dict[str, Any]:
    """The context of a caller that holds exactly these scopes."""
    return {"caller": Principal(id="key_1", kind=Kind.SPACE, scopes=frozenset(scopes)), "ran": []}


async def ask(how: str, schema: strawberry.Schema, query: str, context: Any, **more: Any) -> ExecutionResult:
    """Run one operation through ``execute``, ``execute_sync`` or ``stream``, and give its (first) result."""
    if how == "execute_sync":
        return schema.execute_sync(query, context_value=context, **more)
    if how == "execute":
        return await schema.execute(query, context_value=context, **more)
    results = [one async for one in await schema.stream(query, context_value=context, **more)]
    assert isinstance(results[0], ExecutionResult)
    return results[0]


def refusals(result: ExecutionResult) -> list[tuple[str, tuple[str | int, ...], str]]:
    """Coordinate, path and code of each error."""
    found = []
    for error in result.errors or []:
        extensions = error.extensions or {}
        found.append((extensions.get("coordinate", error.message), tuple(error.path or ()), extensions.get("code", "")))
    return found
