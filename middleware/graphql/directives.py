"""The directive ``@requiresScopes``: declaring it, and reading what a developer wrote on the elements of a schema.

Its argument has the shape of Apollo Federation's directive of the same name (specification v2.5):
``[["a", "b"], ["c"]]`` is (a and b) or c, ``[]`` is never satisfied, ``[[]]`` by any valid principal.

Strawberry accepts any value in a list of directives and prints those it knows. A rule of the wrong type would leave its
field open without a word, so :func:`written_directives` refuses everything but schema directives.
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


@schema_directive(
    locations=[Location.FIELD_DEFINITION, Location.OBJECT, Location.INTERFACE],
    name="requiresScopes",
    description="The scopes a caller must hold: any one of the inner lists, all of its scopes.",
)
class RequiresScopes:
    """The directive itself. :func:`requires_scopes` is the usual way to make one."""

    scopes: list[list[str]]

    def __hash__(self) -> int:
        """Make ``Annotated[str, requires_scopes(…)]`` a value like any other, so that the start can refuse it."""
        return hash(repr(self.scopes))


def requires_scopes(*parts: str | Rule) -> RequiresScopes:
    """The directive for ``strawberry.field(directives=[…])``, ``@strawberry.type`` and ``@strawberry.interface``.

    :param parts: scopes or rules, all of which must hold; none means any valid principal.
    :raises RuleError: for a string that is not a scope name.
    """
    return RequiresScopes(scopes=all_of(*parts).as_lists())


CURE = (
    "which is no schema directive: nothing would enforce it. "
    "For a rule write directives=[requires_scopes('jobs:read')], with requires_scopes of spacekey.middleware.graphql"
)


def written_directives(where: str, directives: object) -> tuple[object, ...]:
    """The directives in the list on ``where``, none for None.

    :raises RuleError: when anything else stands in the list, or when it can be read only once.
    """
    if directives is None:
        return ()
    if not isinstance(directives, Collection):
        # Strawberry has read it before, and an iterator has nothing left.
        raise RuleError(f"{where}: directives is a {type(directives).__name__}; write a list")
    for one in directives:
        if not is_schema_directive(type(one)):
            raise RuleError(f"{where}: directives holds {_shown(one)}, {CURE}")
    return tuple(directives)


def _shown(one: object) -> str:
    if isinstance(one, type):
        return f"the class {one.__name__}"
    name = getattr(one, "__qualname__", None)
    return f"the function {name}" if isinstance(name, str) else f"the {type(one).__name__} {reprlib.repr(one)}"


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


def declared_rule(where: str, directives: Iterable[object], *, ignore_policy: bool) -> Rule | None:
    """What the directives on ``where`` ask for together; None when they ask for nothing.

    :param where: the coordinate, such as ``Token.name``, for error messages.
    :param ignore_policy: leave ``@policy`` to a federation router instead of refusing it.
    :raises RuleError: for an argument that is no rule, for the same directive twice, for ``@policy``. Ours beside
        that of Strawberry's ``requires_scopes=`` is not the same: both must hold.
    """
    rule: Rule | None = None
    scoped: set[type] = set()
    for directive in directives:
        if isinstance(directive, RequiresScopes | federation.RequiresScopes):
            if type(directive) in scoped:
                raise RuleError(f"{where}: @requiresScopes stands here twice; write one rule")
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


def carries_rule(directives: Iterable[object]) -> bool:
    """Whether any of the directives is one that asks for scopes or a caller."""
    return any(
        isinstance(one, RequiresScopes | federation.RequiresScopes | federation.Authenticated) for one in directives
    )


def both(one: Rule | None, two: Rule | None) -> Rule | None:
    """Both rules, where None asks for nothing."""
    if one is None or two is None:
        return one or two
    return one & two


def _rule_of(where: str, scopes: list[list[str]]) -> Rule:
    try:
        return rule_of(scopes)
    except RuleError as error:
        raise RuleError(f"{where}: {error}") from error
    except TypeError as error:
        raise RuleError(f"{where}: {scopes!r}: write a list of lists of scopes, like [['jobs:read']]") from error
