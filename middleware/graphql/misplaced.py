"""Refuses a rule that stands where nothing could enforce it. Strawberry itself lets a directive stand anywhere."""

from collections.abc import Iterator

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
)
from strawberry.schema.schema_converter import GraphQLCoreConverter

from spacekey.domain.errors import RuleError

from .declared import carries_rule
from .directive import RequiresScopes


def refuse_misplaced(schema: GraphQLSchema) -> None:
    """Raise :class:`RuleError` for a rule on a union, input, argument or enum value, or ours on a scalar or enum."""
    for where, element in _unenforced(schema):
        if carries_rule(_directives(element)):
            raise RuleError(f"{where}: a rule cannot be enforced here; put it on a field, an object or an interface")
    for name, kind in schema.type_map.items():
        # Federation allows its own directive on scalars and enums, where it counts as the rule of a return type.
        leaf = isinstance(kind, GraphQLScalarType | GraphQLEnumType)
        if leaf and any(isinstance(one, RequiresScopes) for one in _directives(kind)):
            raise RuleError(f"{name}: put @requiresScopes on a field, an object or an interface")


def _unenforced(schema: GraphQLSchema) -> Iterator[tuple[str, object]]:
    for name, kind in schema.type_map.items():
        if isinstance(kind, GraphQLUnionType | GraphQLInputObjectType):
            yield name, kind
        if isinstance(kind, GraphQLInputObjectType):
            yield from ((f"{name}.{key}", field) for key, field in kind.fields.items())
        elif isinstance(kind, GraphQLEnumType):
            yield from ((f"{name}.{key}", value) for key, value in kind.values.items())
        elif isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for key, field in kind.fields.items():
                yield from ((f"{name}.{key}({argument}:)", one) for argument, one in field.args.items())


def _directives(element: object) -> tuple[object, ...]:
    extensions = getattr(element, "extensions", {})
    definition = extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    return tuple(getattr(definition, "directives", None) or ())
