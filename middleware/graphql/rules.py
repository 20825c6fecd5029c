"""Rules of a schema: compiled once at start-up for every field, and compared with what its owner means to be public.

The rule of a field is its own, and its type's, and those of the same field and of the type in every interface the
type implements, and those of the Python classes it comes from (see :mod:`.inheritance`), and that of the type it
returns. An interface cannot be used to get round its types, nor a type to get round its interfaces. A field that
returns an interface or a union needs what one of the concrete types needs, or there is nothing it could return.
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

from .directives import both, declared_rule, definition_of, directives_on, written_directives
from .inheritance import ClassRules
from .introspection import IntrospectionBounds
from .placement import refuse_merged, refuse_misplaced
from .type_sets import Column, TypeSets

Composite = GraphQLObjectType | GraphQLInterfaceType
Kept = dict[tuple[frozenset[str], int, int], tuple[int, frozenset[str]]]
"""By scopes, rules (their id) and set of types: the types that are denied, and the scopes that allow the others."""

NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FieldEntry:
    """One field of one type: its rule (None: public) and the name of the type it returns."""

    rule: Rule | None
    returns: str


@dataclass(frozen=True, slots=True)
class Rulebook:
    """What :func:`compile_rules` makes of a schema. Names are GraphQL names.

    ``fields`` has concrete types only, ``abstract`` the interfaces, for the report. ``possible`` gives the concrete
    types of every object, interface and union, ``types`` the rule of every object and interface itself. ``sets`` and
    ``columns`` are the same for whole sets of types. ``added`` has the coordinates that Apollo Federation adds,
    ``introspection`` what may be asked about the schema itself.
    ``__typename`` is in none of them: it is always allowed.
    """

    schema: GraphQLSchema
    fields: dict[str, dict[str, FieldEntry]]
    abstract: dict[str, dict[str, FieldEntry]]
    possible: dict[str, frozenset[str]]
    types: dict[str, Rule | None]
    sets: TypeSets
    columns: dict[str, Column]
    added: frozenset[str]
    introspection: IntrospectionBounds
    kept: dict[tuple[frozenset[str], int, int], tuple[int, frozenset[str]]] = dataclasses.field(
        default_factory=dict, compare=False
    )
    """What a caller's scopes come to for the rules of a set of types, so that the next operation need not ask again."""


def compile_rules(
    schema: GraphQLSchema, *, known_scopes: Collection[str] | None = None, ignore_policy: bool = False
) -> Rulebook:
    """Compile the rules of a schema that Strawberry built.

    :param known_scopes: when given, a rule that names any other scope is refused, with near matches.
    :param ignore_policy: leave federation's ``@policy`` to a router instead of refusing it.
    :raises RuleError: names the coordinate and what is wrong with its rule, or a place where a rule is not read.
    """
    refuse_misplaced(schema)
    refuse_merged(schema)
    return _Compiler(schema, None if known_scopes is None else frozenset(known_scopes), ignore_policy).rulebook()


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

    def rulebook(self) -> Rulebook:
        fields: dict[str, dict[str, FieldEntry]] = {}
        abstract: dict[str, dict[str, FieldEntry]] = {}
        types: dict[str, Rule | None] = {}
        added: set[str] = set()
        for name, kind in self._schema.type_map.items():
            if not isinstance(kind, Composite) or is_introspection_type(kind):
                continue
            types[name] = self._of_type(kind)
            (fields if isinstance(kind, GraphQLObjectType) else abstract)[name] = self._entries(kind)
            for key, field in kind.fields.items():
                if added_by_federation(field):
                    added.add(f"{name}.{key}")
                if adds_service(field):
                    service = get_named_type(field.type)
                    added |= {f"{service.name}.{inner}" for inner in getattr(service, "fields", ())}
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
            frozenset(added),
            IntrospectionBounds(self._schema),
        )

    def _entries(self, owner: Composite) -> dict[str, FieldEntry]:
        entries = {}
        for name, field in owner.fields.items():
            returned = get_named_type(field.type)
            rules = [*self._of_field(owner, name, field), self._of_returned(returned)]
            if not adds_service(field):
                rules.append(self._of_type(owner))
            for one in owner.interfaces:
                if name in one.fields:
                    rules += self._of_field(one, name, one.fields[name])
            entries[name] = FieldEntry(_all(f"{owner.name}.{name}", rules), returned.name)
        return entries

    def _of_field(self, owner: Composite, name: str, field: GraphQLField) -> Iterator[Rule | None]:
        where = f"{owner.name}.{name}"
        yield self._rule_on(where, directives_on(where, field))
        definition, written = definition_of(owner), definition_of(field)
        if isinstance(definition, StrawberryObjectDefinition) and isinstance(written, StrawberryField):
            yield from self._classes.of_field(definition, written)

    def _of_type(self, kind: GraphQLNamedType) -> Rule | None:
        """A type's own rule, those of the interfaces it implements, and what its Python classes bring."""
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
        """What it takes to be given a value of a type: for an interface or a union, what one of its types takes."""
        if not is_abstract_type(kind):
            return self._of_type(kind)
        if kind.name not in self._returned:
            concrete = [self._of_type(one) for one in self._schema.get_possible_types(kind)]
            needed = [rule for rule in concrete if rule is not None]
            either = _any(kind.name, needed) if needed and len(needed) == len(concrete) else None
            self._returned[kind.name] = _all(kind.name, [self._of_type(kind), either])
        return self._returned[kind.name]

    def _rule_on(self, where: str, directives: Iterable[object]) -> Rule | None:
        rule = declared_rule(where, written_directives(where, directives), ignore_policy=self._ignore_policy)
        if rule is not None and self._known is not None:
            rule.check_known(self._known, where)
        return rule


def adds_service(field: GraphQLField) -> bool:
    """Whether this is the ``_service`` that Strawberry adds for Apollo Federation, from which routers read the schema.

    Strawberry puts the directives of the user's root type on the type that it makes of the two.
    """
    resolver = _resolver_of(field)
    return (
        getattr(resolver, "__module__", None) == federation_schema.__name__
        and getattr(resolver, "__name__", None) == "_service"
    )


def added_by_federation(field: GraphQLField) -> bool:
    """Whether Strawberry adds the field for Apollo Federation: ``_service`` and ``_entities``."""
    return adds_service(field) or isinstance(getattr(_resolver_of(field), "__self__", None), federation_schema.Schema)


def _resolver_of(field: GraphQLField) -> object:
    written = definition_of(field)
    resolver = written.base_resolver if isinstance(written, StrawberryField) else None
    return None if resolver is None else resolver.wrapped_func


def _config_of(schema: GraphQLSchema) -> StrawberryConfig:
    config = getattr(definition_of(schema), "config", None)
    return config if isinstance(config, StrawberryConfig) else StrawberryConfig()


def _possible(schema: GraphQLSchema, kind: GraphQLNamedType) -> frozenset[str]:
    if isinstance(kind, GraphQLObjectType):
        return frozenset((kind.name,))
    if is_abstract_type(kind):
        return frozenset(one.name for one in schema.get_possible_types(kind))
    return NOTHING


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


def rules_in_words(rulebook: Rulebook) -> dict[str, str]:
    """Coordinate → effective rule in words, or ``public``; objects and interfaces, sorted."""
    return {where: PUBLIC if rule is None else str(rule) for where, rule in _rules(rulebook).items()}


def refuse_wrong_public(rulebook: Rulebook, public: Collection[str]) -> None:
    """Raise :class:`ConfigurationError` for a name in ``public`` that the schema lacks, or gives a rule.

    A coordinate must have no rule, a type at least one field without.
    """
    rules = _rules(rulebook)
    types = {coordinate.partition(".")[0] for coordinate in rules}
    half_open = {coordinate.partition(".")[0] for coordinate, rule in rules.items() if rule is None}
    for name in sorted(public):
        if name not in rules and name not in types:
            names = {*rules, *types}
            raise ConfigurationError(f"public names '{name}', which the schema lacks.{did_you_mean(name, names)}")
        if rules.get(name) is not None:
            raise ConfigurationError(
                f"public names '{name}', which needs: {rules[name]}. Take it out of public, or the rule off the field, "
                "its type, an interface, or the type it answers with"
            )
        if name in types - half_open:
            raise ConfigurationError(f"public names '{name}', all of whose fields have a rule. Take it out of public")


def refuse_undeclared(rulebook: Rulebook, public: Collection[str]) -> None:
    """Raise :class:`ConfigurationError` with all coordinates that have no rule and are not in ``public``.

    ``public`` names coordinates and types. The fields that Apollo Federation itself adds to the root (``_service``,
    ``_entities``) need no mention.
    """
    _refuse(
        "fields without a rule",
        [
            coordinate
            for coordinate, rule in _rules(rulebook).items()
            if rule is None and not _named(coordinate, public) and coordinate not in rulebook.added
        ],
    )


def refuse_undeclared_roots(rulebook: Rulebook, public: Collection[str]) -> None:
    """Raise :class:`ConfigurationError` with what anyone can reach though it was not declared to be public.

    These are the root fields that have no rule and are not in ``public``, and the fields below a root field in
    ``public`` on whose way there is no rule and that are not in ``public`` themselves. Below any other field nothing
    is asked. Apollo Federation's ``_entities`` is a root field for everyone, if the type ``Query`` has no rule.
    """
    schema = rulebook.schema
    roots = [one.name for one in (schema.query_type, schema.mutation_type, schema.subscription_type) if one is not None]
    undeclared: dict[str, str] = {}
    waiting: list[tuple[str, str]] = []
    for root in roots:
        for name, entry in sorted(rulebook.fields[root].items()):
            coordinate = f"{root}.{name}"
            if entry.rule is None:
                if _named(coordinate, public) or coordinate in rulebook.added:
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
            if entry.rule is None and coordinate not in rulebook.added:
                waiting += [(one, through) for one in sorted(rulebook.possible[entry.returns])]
                if not _named(coordinate, public):
                    undeclared[coordinate] = f" (anyone can reach it through {through})"
    _refuse("fields that are open to everyone, and not declared", [one + undeclared[one] for one in sorted(undeclared)])


def _refuse(what: str, coordinates: Sequence[str]) -> None:
    if coordinates:
        listed = "\n".join(f"  {one}" for one in coordinates)
        raise ConfigurationError(
            f"{what}; give each a rule with directives=[requires_scopes(...)], or name it, or its type, in "
            f"ScopeEnforcement(public=[...]); fail_on_undeclared=False turns this check off:\n{listed}"
        )


def _named(coordinate: str, public: Collection[str]) -> bool:
    return coordinate in public or coordinate.partition(".")[0] in public


def _rules(rulebook: Rulebook) -> dict[str, Rule | None]:
    owners = {**rulebook.fields, **rulebook.abstract}
    return {
        f"{owner}.{name}": entry.rule
        for owner in sorted(owners)
        for name, entry in sorted(owners[owner].items())
        if not name.startswith("__")
    }
