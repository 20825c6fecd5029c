"""Every field of a schema with the rule it takes to read it, compiled once at start-up.

The rule of a field is its own, and its type's, and those of the same field and of the type in every interface the
type implements, and that of the type it returns. An interface cannot be used to get round its types, nor a type
to get round its interfaces.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import reduce

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
    is_introspection_type,
)

from spacekey.domain.errors import RuleError
from spacekey.domain.rule import Rule

from .declared import both, declared_rule
from .elements import directives_on
from .misplaced import refuse_misplaced

Composite = GraphQLObjectType | GraphQLInterfaceType
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FieldEntry:
    """One field of one concrete type: its rule (None: public) and the concrete types it can lead to."""

    rule: Rule | None
    leads_to: frozenset[str]


@dataclass(frozen=True, slots=True)
class Rulebook:
    """What :func:`compile_rules` makes of a schema. Names are GraphQL names.

    ``fields`` has concrete types only, ``abstract`` the interfaces, for the report. ``possible`` gives the concrete
    types of every object, interface and union, ``types`` the rule of every object and interface itself.
    """

    schema: GraphQLSchema
    fields: dict[str, dict[str, FieldEntry]]
    abstract: dict[str, dict[str, FieldEntry]]
    possible: dict[str, frozenset[str]]
    types: dict[str, Rule | None]


def compile_rules(
    schema: GraphQLSchema, *, known_scopes: Collection[str] | None = None, ignore_policy: bool = False
) -> Rulebook:
    """Compile the rules of a schema that Strawberry built.

    :param known_scopes: when given, a rule that names any other scope is refused, with near matches.
    :param ignore_policy: leave federation's ``@policy`` to a router instead of refusing it.
    :raises RuleError: names the coordinate and what is wrong with its rule.
    """
    refuse_misplaced(schema)
    return _Compiler(schema, None if known_scopes is None else frozenset(known_scopes), ignore_policy).rulebook()


class _Compiler:
    def __init__(self, schema: GraphQLSchema, known: frozenset[str] | None, ignore_policy: bool) -> None:
        self._schema = schema
        self._known = known
        self._ignore_policy = ignore_policy
        self._declared: dict[str, Rule | None] = {}
        roots = (schema.query_type, schema.mutation_type, schema.subscription_type)
        self._roots = {root.name for root in roots if root is not None}
        self._possible = {
            name: _possible(schema, kind) for name, kind in schema.type_map.items() if not is_introspection_type(kind)
        }

    def rulebook(self) -> Rulebook:
        fields: dict[str, dict[str, FieldEntry]] = {}
        abstract: dict[str, dict[str, FieldEntry]] = {}
        types: dict[str, Rule | None] = {}
        for name, kind in self._schema.type_map.items():
            if is_introspection_type(kind):
                continue
            if isinstance(kind, Composite):
                types[name] = self._of_type(kind)
            if isinstance(kind, GraphQLObjectType):
                fields[name] = self._entries(kind)
                # A protected type's name is part of it; that of a root is not a secret and often asked by monitors.
                of_name = None if name in self._roots else types[name]
                fields[name]["__typename"] = FieldEntry(of_name, NOTHING)
            elif isinstance(kind, GraphQLInterfaceType):
                abstract[name] = self._entries(kind)
        return Rulebook(self._schema, fields, abstract, self._possible, types)

    def _entries(self, owner: Composite) -> dict[str, FieldEntry]:
        entries = {}
        for name, field in owner.fields.items():
            returned = get_named_type(field.type)
            rules = [self._of_type(owner), self._of_type(returned)]
            rules += [
                self._own(f"{one.name}.{name}", one.fields[name])
                for one in (owner, *owner.interfaces)
                if name in one.fields
            ]
            rule = _all(f"{owner.name}.{name}", rules)
            entries[name] = FieldEntry(rule, self._possible[returned.name])
        return entries

    def _of_type(self, kind: GraphQLNamedType) -> Rule | None:
        """A type's own rule, and those of the interfaces it implements."""
        rules = [self._own(kind.name, kind)]
        if isinstance(kind, Composite):
            rules += [self._own(one.name, one) for one in kind.interfaces]
        return _all(kind.name, rules)

    def _own(self, where: str, element: GraphQLNamedType | GraphQLField) -> Rule | None:
        if where not in self._declared:
            rule = declared_rule(where, directives_on(where, element), ignore_policy=self._ignore_policy)
            if rule is not None and self._known is not None:
                rule.check_known(self._known, where)
            self._declared[where] = rule
        return self._declared[where]


def _possible(schema: GraphQLSchema, kind: GraphQLNamedType) -> frozenset[str]:
    if isinstance(kind, GraphQLObjectType):
        return frozenset((kind.name,))
    if is_abstract_type(kind):
        return frozenset(one.name for one in schema.get_possible_types(kind))
    return NOTHING


def _all(where: str, rules: Iterable[Rule | None]) -> Rule | None:
    try:
        return reduce(both, rules)
    except RuleError as error:
        raise RuleError(f"{where}: {error}") from error
