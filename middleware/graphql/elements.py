"""Everything in a schema on which Strawberry lets a directive stand, and the directives that stand there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    is_introspection_type,
)
from strawberry.schema.schema_converter import GraphQLCoreConverter

from .written import written_directives

Element: TypeAlias = (
    GraphQLSchema | GraphQLNamedType | GraphQLField | GraphQLInputField | GraphQLEnumValue | GraphQLArgument
)


def elements(schema: GraphQLSchema) -> Iterator[tuple[str, Element]]:
    """Coordinate and element, of all of them. Arguments are ``Type.field(argument:)``."""
    yield "the schema", schema
    for directive in schema.directives:
        yield from ((f"@{directive.name}({key}:)", one) for key, one in directive.args.items())
    for name, kind in schema.type_map.items():
        if is_introspection_type(kind):
            continue
        yield name, kind
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for key, field in kind.fields.items():
                yield f"{name}.{key}", field
                yield from ((f"{name}.{key}({argument}:)", one) for argument, one in field.args.items())
        elif isinstance(kind, GraphQLInputObjectType):
            yield from ((f"{name}.{key}", one) for key, one in kind.fields.items())
        elif isinstance(kind, GraphQLEnumType):
            yield from ((f"{name}.{key}", value) for key, value in kind.values.items())


def definition_of(element: Element) -> object:
    """What Strawberry made the element of; None where it made none."""
    return element.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)


def directives_on(where: str, element: Element) -> tuple[object, ...]:
    """The directives that were written on one element.

    :raises RuleError: when something else stands among them.
    """
    definition: Any = definition_of(element)
    of_schema = isinstance(element, GraphQLSchema)
    return written_directives(where, getattr(definition, "schema_directives" if of_schema else "directives", None))
