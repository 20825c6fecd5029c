"""The directive ``@requiresScopes``: how it is declared, and how rules are read from the elements of a schema.

Its argument has the shape of Apollo Federation's directive of the same name (specification v2.5):
``[["a", "b"], ["c"]]`` is (a and b) or c, ``[]`` is never satisfied, ``[[]]`` by any valid principal.

Strawberry accepts any value in a list of directives and prints those it knows. A rule of the wrong type would silently
leave its field open, so :func:`read_directives` refuses everything that is not a schema directive.
"""

from __future__ import annotations

import reprlib
from collections.abc import Collection, Iterable, Iterator
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
from strawberry.federation import schema_directives as federation
from strawberry.schema.compat import is_schema_directive
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.schema_directive import Location, schema_directive

from spacekey.domain.errors import RuleError
from spacekey.domain.rule import AUTHENTICATED, Rule, all_of, rule_of

Element: TypeAlias = (
    GraphQLSchema | GraphQLNamedType | GraphQLField | GraphQLInputField | GraphQLEnumValue | GraphQLArgument
)
"""Part of a schema on which Strawberry accepts directives."""

NOT_A_DIRECTIVE = (
    "which is not a schema directive and would not be enforced. "
    "For a rule write directives=[requires_scopes('jobs:read')], with requires_scopes of spacekey.middleware.graphql"
)


@schema_directive(
    locations=[Location.FIELD_DEFINITION, Location.OBJECT, Location.INTERFACE],
    name="requiresScopes",
    description="The scopes a caller must hold: any one of the inner lists, all of its scopes.",
)
class RequiresScopes:
    """The directive ``@requiresScopes``, usually made by :func:`requires_scopes`."""

    scopes: list[list[str]]

    def __hash__(self) -> int:
        """Allow the directive in ``Annotated[str, requires_scopes(…)]``, so that start-up can refuse it there."""
        return hash(repr(self.scopes))


def requires_scopes(*parts: str | Rule) -> RequiresScopes:
    """Make the directive for ``strawberry.field(directives=[…])``, ``@strawberry.type`` and ``@strawberry.interface``.

    :param parts: scopes or rules, all of which must hold; without any, every valid principal is allowed.
    :raises RuleError: for a string that is not a scope name.
    """
    return RequiresScopes(scopes=all_of(*parts).as_lists())


def read_directives(where: str, directives: object) -> tuple[object, ...]:
    """Return a list of directives as a tuple, empty for None.

    :param where: the coordinate of the element, for error messages.
    :raises RuleError: if the list holds anything but schema directives, or can be iterated only once.
    """
    if directives is None:
        return ()
    if not isinstance(directives, Collection):
        # Strawberry has already consumed an iterator.
        raise RuleError(f"{where}: directives is a {type(directives).__name__}; write a list")
    for one in directives:
        if not is_schema_directive(type(one)):
            raise RuleError(f"{where}: directives holds {_describe(one)}, {NOT_A_DIRECTIVE}")
    return tuple(directives)


def read_rule(where: str, directives: Iterable[object], *, ignore_policy: bool) -> Rule | None:
    """Combine our directive and Strawberry's federation directives into one rule; None if there is no such directive.

    Our ``@requiresScopes`` may stand beside the one of Strawberry's ``requires_scopes=``: both must hold.

    :param where: the coordinate, such as ``Token.name``, for error messages.
    :param ignore_policy: leave ``@policy`` to a federation router instead of refusing it.
    :raises RuleError: for an argument that is not a rule, for a repeated directive, and for ``@policy``.
    """
    rule: Rule | None = None
    scoped: set[type] = set()
    for directive in directives:
        if isinstance(directive, RequiresScopes | federation.RequiresScopes):
            if type(directive) in scoped:
                raise RuleError(f"{where}: @requiresScopes is declared twice; combine both into one rule")
            scoped.add(type(directive))
            rule = both(rule, _rule_of(where, directive.scopes))
        elif isinstance(directive, federation.Authenticated):
            rule = both(rule, AUTHENTICATED)
        elif isinstance(directive, federation.Policy) and not ignore_policy:
            raise RuleError(
                f"{where}: @policy cannot be enforced here. Write @requiresScopes instead, or, when a federation "
                "router in front decides policies, say so with ScopeEnforcement(ignore_policy=True)"
            )
    return rule


def has_rule(directives: Iterable[object]) -> bool:
    """Whether any of the directives requires scopes or an authenticated caller."""
    return any(
        isinstance(one, RequiresScopes | federation.RequiresScopes | federation.Authenticated) for one in directives
    )


def both(one: Rule | None, two: Rule | None) -> Rule | None:
    """Combine two rules so that both must hold; None is the absence of a rule."""
    if one is None or two is None:
        return one or two
    return one & two


def schema_elements(schema: GraphQLSchema) -> Iterator[tuple[str, Element]]:
    """Yield the coordinate and the element of everything on which Strawberry accepts directives.

    The coordinate of an argument is ``Type.field(argument:)``.
    """
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
    """Return the Strawberry definition from which an element was converted; None if it has none."""
    return element.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)


def directives_on(where: str, element: Element) -> tuple[object, ...]:
    """Return the directives declared on an element.

    :raises RuleError: if anything else stands among them.
    """
    definition: Any = definition_of(element)
    of_schema = isinstance(element, GraphQLSchema)
    return read_directives(where, getattr(definition, "schema_directives" if of_schema else "directives", None))


def _rule_of(where: str, scopes: list[list[str]]) -> Rule:
    try:
        return rule_of(scopes)
    except RuleError as error:
        raise RuleError(f"{where}: {error}") from error
    except TypeError as error:
        raise RuleError(f"{where}: {scopes!r}: write a list of lists of scopes, like [['jobs:read']]") from error


def _describe(one: object) -> str:
    if isinstance(one, type):
        return f"the class {one.__name__}"
    name = getattr(one, "__qualname__", None)
    return f"the function {name}" if isinstance(name, str) else f"the {type(one).__name__} {reprlib.repr(one)}"
