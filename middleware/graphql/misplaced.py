"""Refuses a rule that stands where nothing could enforce it. Strawberry itself lets a directive stand anywhere."""

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
)

from spacekey.domain.errors import RuleError

from .declared import carries_rule
from .directive import RequiresScopes
from .elements import directives_on, elements


def refuse_misplaced(schema: GraphQLSchema) -> None:
    """Raise :class:`RuleError` for a rule anywhere but on a field, an object or an interface.

    Federation allows its own directive on scalars and enums, where it counts as the rule of a return type. What is no
    directive at all is refused wherever it stands.
    """
    for where, element in elements(schema):
        directives = directives_on(where, element)
        if isinstance(element, GraphQLField | GraphQLObjectType | GraphQLInterfaceType):
            continue
        if isinstance(element, GraphQLScalarType | GraphQLEnumType):
            misplaced = any(isinstance(one, RequiresScopes) for one in directives)
        else:
            misplaced = carries_rule(directives)
        if misplaced:
            raise RuleError(f"{where}: a rule cannot be enforced here; put it on a field, an object or an interface")
