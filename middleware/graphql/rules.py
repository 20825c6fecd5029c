"""Rules of a schema, compiled once at start-up, and the checks that no field is public by mistake.

The rule of a field combines its own, its type's, those of the same field and of the type in every interface that the
type implements, those of the Python classes it comes from (see :mod:`.inheritance`), and that of the type it returns.
So an interface is no way round the rules of its types, nor a type round those of its interfaces. A field that returns
an interface or a union needs what one of the concrete types needs, or there is nothing it could return.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Sequence
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
from strawberry.federation import schema as federation_schema
from strawberry.schema.config import StrawberryConfig
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

from spacekey.domain.errors import ConfigurationError, RuleError
from spacekey.domain.rule import Rule, any_of
from spacekey.domain.suggest import did_you_mean

from .directives import both, definition_of, directives_on, read_directives, read_rule
from .inheritance import ClassRules
from .introspection import IntrospectionBounds
from .placement import check_duplicate_classes, check_placement
from .type_sets import Column, TypeSets

Composite = GraphQLObjectType | GraphQLInterfaceType
Decisions = dict[tuple[frozenset[str], int, int], tuple[int, frozenset[str]]]
"""By scopes, rules (their id) and set of types: the types that are denied, and the scopes that allow the others."""


@dataclass(frozen=True, slots=True)
class FieldEntry:
    """Field of a type: its rule (None: public) and the name of the type it returns."""

    rule: Rule | None
    returns: str


@dataclass(frozen=True, slots=True)
class Rulebook:
    """Compiled rules of a schema, under GraphQL names.

    ``fields`` has concrete types only, ``abstract`` the interfaces, for the report. ``possible`` gives the concrete
    types of every object, interface and union, ``types`` the rule of every object and interface itself. ``sets`` and
    ``columns`` are the same for whole sets of types. ``federation_fields`` has the coordinates that Apollo Federation
    adds, ``introspection`` the bounds on questions about the schema itself. ``__typename`` appears nowhere, because it
    is always allowed.
    """

    schema: GraphQLSchema
    fields: dict[str, dict[str, FieldEntry]]
    abstract: dict[str, dict[str, FieldEntry]]
    possible: dict[str, frozenset[str]]
    types: dict[str, Rule | None]
    sets: TypeSets
    columns: dict[str, Column]
    federation_fields: frozenset[str]
    introspection: IntrospectionBounds
    decisions: Decisions = dataclasses.field(default_factory=dict, compare=False)
    """Cache of what a caller's scopes allow and deny, for the next operations with the same scopes."""


def compile_rules(
    schema: GraphQLSchema, *, known_scopes: Collection[str] | None = None, ignore_policy: bool = False
) -> Rulebook:
    """Compile the rules of a schema that Strawberry built.

    :param schema: the GraphQL schema, as ``strawberry.Schema(…)._schema``.
    :param known_scopes: if given, a rule that names any other scope is refused, with near matches.
    :param ignore_policy: leave federation's ``@policy`` to a router instead of refusing it.
    :raises RuleError: for a mistake in a rule, or a rule in a place where it is not read; names the coordinate.
    """
    check_placement(schema)
    check_duplicate_classes(schema)
    return _Compiler(schema, None if known_scopes is None else frozenset(known_scopes), ignore_policy).compile()


class _Compiler:
    def __init__(self, schema: GraphQLSchema, known: frozenset[str] | None, ignore_policy: bool) -> None:
        self._schema = schema
        self._known = known
        self._ignore_policy = ignore_policy
        self._types: dict[str, Rule | None] = {}
        self._returned: dict[str, Rule | None] = {}
        self._classes = ClassRules(_config_of(schema).name_converter, self._rule_on)
        self._possible = {
            name: _possible(schema, kind) for name, kind in schema.type_map.items() if not is_introspection_type(kind)
        }

    def compile(self) -> Rulebook:
        fields: dict[str, dict[str, FieldEntry]] = {}
        abstract: dict[str, dict[str, FieldEntry]] = {}
        types: dict[str, Rule | None] = {}
        federation_fields: set[str] = set()
        for name, kind in self._schema.type_map.items():
            if not isinstance(kind, Composite) or is_introspection_type(kind):
                continue
            types[name] = self._of_type(kind)
            (fields if isinstance(kind, GraphQLObjectType) else abstract)[name] = self._entries(kind)
            for key, field in kind.fields.items():
                if is_federation_field(field):
                    federation_fields.add(f"{name}.{key}")
                if is_federation_service(field):
                    service = get_named_type(field.type)
                    federation_fields |= {f"{service.name}.{inner}" for inner in getattr(service, "fields", ())}
        sets = TypeSets(self._possible)
        columns = sets.columns(
            {
                owner: {name: (entry.rule, entry.returns) for name, entry in entries.items()}
                for owner, entries in fields.items()
            }
        )
        return Rulebook(
            self._schema,
            fields,
            abstract,
            self._possible,
            types,
            sets,
            columns,
            frozenset(federation_fields),
            IntrospectionBounds(self._schema),
        )

    def _entries(self, owner: Composite) -> dict[str, FieldEntry]:
        entries = {}
        for name, field in owner.fields.items():
            returned = get_named_type(field.type)
            rules = [*self._of_field(owner, name, field), self._of_returned(returned)]
            if not is_federation_service(field):
                rules.append(self._of_type(owner))
            for one in owner.interfaces:
                if name in one.fields:
                    rules += self._of_field(one, name, one.fields[name])
            entries[name] = FieldEntry(_all(f"{owner.name}.{name}", rules), returned.name)
        return entries

    def _of_field(self, owner: Composite, name: str, field: GraphQLField) -> Iterator[Rule | None]:
        where = f"{owner.name}.{name}"
        yield self._rule_on(where, directives_on(where, field))
        definition, field_definition = definition_of(owner), definition_of(field)
        if isinstance(definition, StrawberryObjectDefinition) and isinstance(field_definition, StrawberryField):
            yield from self._classes.of_field(definition, field_definition)

    def _of_type(self, kind: GraphQLNamedType) -> Rule | None:
        """Combine a type's own rule, those of the interfaces it implements, and those of its Python classes."""
        if kind.name not in self._types:
            definition = definition_of(kind)
            rules = [self._rule_on(kind.name, directives_on(kind.name, kind))]
            if isinstance(definition, StrawberryObjectDefinition):
                rules += self._classes.of_type(definition)
            if isinstance(kind, Composite):
                rules += [self._rule_on(one.name, directives_on(one.name, one)) for one in kind.interfaces]
            self._types[kind.name] = _all(kind.name, rules)
        return self._types[kind.name]

    def _of_returned(self, kind: GraphQLNamedType) -> Rule | None:
        """Return the rule of being given a value of a type: for an interface or a union, of any one of its types."""
        if not is_abstract_type(kind):
            return self._of_type(kind)
        if kind.name not in self._returned:
            concrete = [self._of_type(one) for one in self._schema.get_possible_types(kind)]
            needed = [rule for rule in concrete if rule is not None]
            either = _any(kind.name, needed) if needed and len(needed) == len(concrete) else None
            self._returned[kind.name] = _all(kind.name, [self._of_type(kind), either])
        return self._returned[kind.name]

    def _rule_on(self, where: str, directives: Iterable[object]) -> Rule | None:
        rule = read_rule(where, read_directives(where, directives), ignore_policy=self._ignore_policy)
        if rule is not None and self._known is not None:
            rule.check_known(self._known, where)
        return rule


def is_federation_service(field: GraphQLField) -> bool:
    """Whether Strawberry adds the field as Apollo Federation's ``_service``, from which routers read the schema.

    Its type carries the directives of the user's root type too, because Strawberry merges the two.
    """
    resolver = _resolver_of(field)
    return (
        getattr(resolver, "__module__", None) == federation_schema.__name__
        and getattr(resolver, "__name__", None) == "_service"
    )


def is_federation_field(field: GraphQLField) -> bool:
    """Whether Strawberry adds the field for Apollo Federation, as ``_service`` or ``_entities``."""
    return is_federation_service(field) or isinstance(
        getattr(_resolver_of(field), "__self__", None), federation_schema.Schema
    )


def _resolver_of(field: GraphQLField) -> object:
    definition = definition_of(field)
    resolver = definition.base_resolver if isinstance(definition, StrawberryField) else None
    return None if resolver is None else resolver.wrapped_func


def _config_of(schema: GraphQLSchema) -> StrawberryConfig:
    config = getattr(definition_of(schema), "config", None)
    return config if isinstance(config, StrawberryConfig) else StrawberryConfig()


def _possible(schema: GraphQLSchema, kind: GraphQLNamedType) -> frozenset[str]:
    if isinstance(kind, GraphQLObjectType):
        return frozenset((kind.name,))
    if is_abstract_type(kind):
        return frozenset(one.name for one in schema.get_possible_types(kind))
    return frozenset()


def _all(where: str, rules: Iterable[Rule | None]) -> Rule | None:
    try:
        return reduce(both, rules, None)
    except RuleError as error:
        raise RuleError(f"{where}: {error}") from error


def _any(where: str, rules: Iterable[Rule]) -> Rule:
    try:
        return any_of(*rules)
    except RuleError as error:
        raise RuleError(f"{where}: {error}") from error


PUBLIC = "public"


def describe_rules(rulebook: Rulebook) -> dict[str, str]:
    """Return the effective rule of every coordinate in words, or ``public``; objects and interfaces, sorted."""
    return {where: PUBLIC if rule is None else str(rule) for where, rule in _rules_by_coordinate(rulebook).items()}


def check_public(rulebook: Rulebook, public: Collection[str]) -> None:
    """Check that every name in ``public`` is in the schema and public: a coordinate, or at least one field of a type.

    :raises ConfigurationError: names the first that is wrong.
    """
    rules = _rules_by_coordinate(rulebook)
    types = {coordinate.partition(".")[0] for coordinate in rules}
    half_open = {coordinate.partition(".")[0] for coordinate, rule in rules.items() if rule is None}
    for name in sorted(public):
        if name not in rules and name not in types:
            names = {*rules, *types}
            raise ConfigurationError(f"public names '{name}', which is not in the schema.{did_you_mean(name, names)}")
        if rules.get(name) is not None:
            raise ConfigurationError(
                f"public names '{name}', which needs: {rules[name]}. Remove it from public, or remove the rule from "
                "the field, its type, an interface or the type that it returns"
            )
        if name in types - half_open:
            raise ConfigurationError(f"public names '{name}', all of whose fields have a rule. Remove it from public")


def check_undeclared(rulebook: Rulebook, public: Collection[str]) -> None:
    """Check that every field has a rule or stands in ``public``, by its coordinate or its type.

    The fields that Apollo Federation itself adds to the root (``_service``, ``_entities``) need not stand there.

    :raises ConfigurationError: lists all coordinates that do not.
    """
    _refuse_open(
        "fields without a rule",
        [
            coordinate
            for coordinate, rule in _rules_by_coordinate(rulebook).items()
            if rule is None and not _is_public(coordinate, public) and coordinate not in rulebook.federation_fields
        ],
    )


def check_undeclared_roots(rulebook: Rulebook, public: Collection[str]) -> None:
    """Check that no field is open to every caller without standing in ``public``.

    Checked are the root fields, and all fields that can be reached from a root field in ``public`` without passing a
    rule. Fields below any other root field are not checked. Apollo Federation's ``_entities`` is a root field for
    everyone, if the type ``Query`` has no rule.

    :raises ConfigurationError: lists all coordinates that are open.
    """
    schema = rulebook.schema
    roots = [one.name for one in (schema.query_type, schema.mutation_type, schema.subscription_type) if one is not None]
    undeclared: dict[str, str] = {}
    waiting: list[tuple[str, str]] = []
    for root in roots:
        for name, entry in sorted(rulebook.fields[root].items()):
            coordinate = f"{root}.{name}"
            if entry.rule is None:
                if _is_public(coordinate, public) or coordinate in rulebook.federation_fields:
                    waiting += [(one, coordinate) for one in sorted(rulebook.possible[entry.returns])]
                else:
                    undeclared[coordinate] = ""
    reached = {*roots}
    while waiting:
        owner, through = waiting.pop()
        if owner in reached:
            continue
        reached.add(owner)
        for name, entry in sorted(rulebook.fields[owner].items()):
            coordinate = f"{owner}.{name}"
            if entry.rule is None and coordinate not in rulebook.federation_fields:
                waiting += [(one, through) for one in sorted(rulebook.possible[entry.returns])]
                if not _is_public(coordinate, public):
                    undeclared[coordinate] = f" (anyone can reach it through {through})"
    _refuse_open(
        "fields that are open to every caller and not declared public",
        [one + undeclared[one] for one in sorted(undeclared)],
    )


def _refuse_open(what: str, coordinates: Sequence[str]) -> None:
    if coordinates:
        listed = "\n".join(f"  {one}" for one in coordinates)
        raise ConfigurationError(
            f"{what}; give each a rule with directives=[requires_scopes(...)], or name it, or its type, in "
            f"ScopeEnforcement(public=[...]); fail_on_undeclared=False turns this check off:\n{listed}"
        )


def _is_public(coordinate: str, public: Collection[str]) -> bool:
    return coordinate in public or coordinate.partition(".")[0] in public


def _rules_by_coordinate(rulebook: Rulebook) -> dict[str, Rule | None]:
    owners = {**rulebook.fields, **rulebook.abstract}
    return {
        f"{owner}.{name}": entry.rule
        for owner in sorted(owners)
        for name, entry in sorted(owners[owner].items())
        if not name.startswith("__")
    }
