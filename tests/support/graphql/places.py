"""A schema for every place where Strawberry lets a directive stand, with a given word in that place's list."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator

from collections.abc import AsyncGenerator, Callable
from enum import Enum
from typing import Annotated, Any, NewType

import strawberry
from strawberry.directive import DirectiveLocation, DirectiveValue
from strawberry.schema.config import StrawberryConfig

from spacekey.middleware.graphql import ScopedSchema, ScopeEnforcement


def _answer() -> str:
    return "leak"


async def _events() -> AsyncGenerator[str, None]:
    yield "leak"


def root(name: str = "Query", **fields: Any) -> type:
    """A root type with these fields, or with a plain one."""
    return strawberry.type(type(name, (), fields or {"plain": strawberry.field(resolver=_answer)}))


def _object(words: list[Any]) -> ScopedSchema:
    @strawberry.type(directives=words)
    class Object:
        x: int = 1

    return ScopedSchema(root(), types=[Object], scopes=ScopeEnforcement(fail_on_undeclared=False))


def _field(words: list[Any]) -> ScopedSchema:
    return ScopedSchema(
        root(x=strawberry.field(resolver=_answer, directives=words)), scopes=ScopeEnforcement(fail_on_undeclared=False)
    )


def _interface(words: list[Any]) -> ScopedSchema:
    @strawberry.interface(directives=words)
    class Interface:
        x: int = 1

    return ScopedSchema(root(), types=[Interface], scopes=ScopeEnforcement(fail_on_undeclared=False))


def _interface_field(words: list[Any]) -> ScopedSchema:
    @strawberry.interface
    class Interface:
        x: int = strawberry.field(directives=words, default=1)

    return ScopedSchema(root(), types=[Interface], scopes=ScopeEnforcement(fail_on_undeclared=False))


def _mutation(words: list[Any]) -> ScopedSchema:
    return ScopedSchema(
        root(),
        root("Mutation", x=strawberry.mutation(resolver=_answer, directives=words)),
        scopes=ScopeEnforcement(fail_on_undeclared=False),
    )


def _subscription(words: list[Any]) -> ScopedSchema:
    events = strawberry.subscription(resolver=_events, directives=words)
    return ScopedSchema(root(), None, root("Subscription", x=events), scopes=ScopeEnforcement(fail_on_undeclared=False))


def _union(words: list[Any]) -> ScopedSchema:
    @strawberry.type
    class One:
        x: int = 1

    @strawberry.type
    class Two:
        x: int = 2

    def either() -> Annotated[One | Two, strawberry.union("Union", directives=words)]:
        return One()

    return ScopedSchema(
        root(either=strawberry.field(resolver=either)), scopes=ScopeEnforcement(fail_on_undeclared=False)
    )


def _scalar(words: list[Any]) -> ScopedSchema:
    word = NewType("word", str)
    config = StrawberryConfig(scalar_map={word: strawberry.scalar(name="Word", directives=words)})
    return ScopedSchema(
        root(x=strawberry.field(resolver=_answer, graphql_type=word)),
        config=config,
        scopes=ScopeEnforcement(fail_on_undeclared=False),
    )


def _input(words: list[Any]) -> ScopedSchema:
    @strawberry.input(directives=words)
    class Input:
        x: int = 1

    return ScopedSchema(root(), types=[Input], scopes=ScopeEnforcement(fail_on_undeclared=False))


def _input_field(words: list[Any]) -> ScopedSchema:
    @strawberry.input
    class Input:
        x: int = strawberry.field(directives=words, default=1)

    return ScopedSchema(root(), types=[Input], scopes=ScopeEnforcement(fail_on_undeclared=False))


def _enum(words: list[Any]) -> ScopedSchema:
    @strawberry.enum(directives=words)
    class Colour(Enum):
        RED = "red"

    return ScopedSchema(root(), types=[Colour], scopes=ScopeEnforcement(fail_on_undeclared=False))


def _enum_value(words: list[Any]) -> ScopedSchema:
    @strawberry.enum
    class Colour(Enum):
        RED = strawberry.enum_value("red", directives=words)

    return ScopedSchema(root(), types=[Colour], scopes=ScopeEnforcement(fail_on_undeclared=False))


def _argument(words: list[Any]) -> ScopedSchema:
    def of(value: Annotated[int, strawberry.argument(directives=words)]) -> int:
        return value

    return ScopedSchema(root(of=strawberry.field(resolver=of)), scopes=ScopeEnforcement(fail_on_undeclared=False))


def _argument_of_a_client_directive(words: list[Any]) -> ScopedSchema:
    @strawberry.directive(locations=[DirectiveLocation.FIELD])
    def shout(value: DirectiveValue[str], loud: Annotated[bool, strawberry.argument(directives=words)] = True) -> str:
        return value.upper() if loud else value

    return ScopedSchema(root(), directives=[shout], scopes=ScopeEnforcement(fail_on_undeclared=False))


def _schema(words: list[Any]) -> ScopedSchema:
    return ScopedSchema(root(), schema_directives=words, scopes=ScopeEnforcement(fail_on_undeclared=False))


RULED: dict[str, Callable[[list[Any]], ScopedSchema]] = {
    "Object": _object,
    "Query.x": _field,
    "Interface": _interface,
    "Interface.x": _interface_field,
    "Mutation.x": _mutation,
    "Subscription.x": _subscription,
}
"""Where a rule may stand, by the coordinate that an error names."""

UNRULED: dict[str, Callable[[list[Any]], ScopedSchema]] = {
    "Union": _union,
    "Word": _scalar,
    "Input": _input,
    "Input.x": _input_field,
    "Colour": _enum,
    "Colour.RED": _enum_value,
    "Query.of(value:)": _argument,
    "@shout(loud:)": _argument_of_a_client_directive,
    "the schema": _schema,
}
"""Where it may not."""
