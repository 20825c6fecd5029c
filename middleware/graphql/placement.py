"""Start-up checks of where rules stand: a rule that nothing reads, or that Strawberry drops, is refused.

Strawberry accepts a directive anywhere. A rule that is not read leaves its field open, and neither Strawberry nor
Python reports it. Strawberry looks for directives on the elements that :func:`~.directives.schema_elements` yields;
every other place is a value in an annotation, such as ``Annotated[str, requires_scopes("jobs:read")]``, a default
value, or metadata.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Annotated, Any, get_args, get_origin

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
)
from strawberry.annotation import StrawberryAnnotation
from strawberry.federation import schema_directives as federation
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.base import StrawberryContainer, StrawberryObjectDefinition
from strawberry.types.enum import StrawberryEnumDefinition
from strawberry.types.field import StrawberryField
from strawberry.types.lazy_type import LazyType
from strawberry.types.union import StrawberryUnion
from typing_extensions import Format, get_annotations

from spacekey.domain.errors import RuleError

from .directives import Element, RequiresScopes, definition_of, directives_on, has_rule, schema_elements
from .inheritance import fields_of, own_definition

MISPLACED = "a rule cannot be enforced here; put it on a field, an object or an interface"
UNREAD = (
    "a rule in an annotation, a default or metadata is not read, and would not be enforced. Write "
    "strawberry.field(directives=[requires_scopes('jobs:read')]), for a plain attribute also as "
    "Annotated[str, strawberry.field(directives=[...])]"
)


def check_placement(schema: GraphQLSchema) -> None:
    """Refuse a rule anywhere but on a field, an object or an interface.

    Federation allows its own directive on scalars and enums, where it counts as the rule of a return type. A value
    that is not a directive is refused on every element.

    :raises RuleError: names the coordinate.
    """
    unread = _UnreadRules()
    for where, element in schema_elements(schema):
        directives = directives_on(where, element)
        if isinstance(element, GraphQLScalarType | GraphQLEnumType):
            misplaced = any(isinstance(one, RequiresScopes) for one in directives)
        elif isinstance(element, GraphQLField | GraphQLObjectType | GraphQLInterfaceType):
            misplaced = False
        else:
            misplaced = has_rule(directives)
        if misplaced:
            raise RuleError(f"{where}: {MISPLACED}")
    # Other places last: their messages can only name the element, and not the place within it.
    for where, element in schema_elements(schema):
        if isinstance(element, GraphQLInputObjectType) and _inherits_rule(definition_of(element)):
            raise RuleError(f"{where}: {MISPLACED}")
        if unread.in_definition(definition_of(element)):
            raise RuleError(f"{where}: {UNREAD}")
    for where, kind in schema.type_map.items():
        definition = definition_of(kind)
        if isinstance(definition, StrawberryObjectDefinition) and unread.in_classes(definition.origin):
            raise RuleError(f"{where}: {UNREAD}")


def check_duplicate_classes(schema: GraphQLSchema) -> None:
    """Refuse two classes of the same qualified name whose rules differ.

    Strawberry takes classes of the same module and qualified name for one class that was imported again, and keeps the
    first. If one function makes two, as ``make_item("a")`` and ``make_item("b")``, only the first's rules would hold.

    :raises RuleError: names the element that uses the second class.
    """
    definitions = [definition_of(kind) for kind in schema.type_map.values()]
    kept = {one.origin for one in definitions if isinstance(one, StrawberryObjectDefinition)}
    named: dict[tuple[str, str], list[type]] = {}
    for cls in kept:
        named.setdefault((cls.__module__, cls.__qualname__), []).append(cls)
    for where, element in schema_elements(schema):
        for cls in _classes_used(element):
            same = () if cls in kept else named.get((cls.__module__, cls.__qualname__), ())
            if any(_rules_of(one) != _rules_of(cls) for one in same):
                raise RuleError(
                    f"{where}: two classes are called {cls.__qualname__}, and only the rules of the first would hold; "
                    "give the second one another name, with strawberry.type(name='...') if a function makes it"
                )


def _classes_used(element: Element) -> Iterator[type]:
    """Yield the Python classes that the definition of an element refers to."""
    definition = definition_of(element)
    if isinstance(element, GraphQLField) and isinstance(definition, StrawberryField):
        yield from _classes_in(definition.type)
    elif isinstance(definition, StrawberryUnion):
        for part in definition.types:
            yield from _classes_in(part)
    elif isinstance(definition, StrawberryObjectDefinition):
        yield from (one.origin for one in definition.interfaces)


def _classes_in(kind: object) -> Iterator[type]:
    """Yield the Python classes in a field's type, within lists, optionals and unions too."""
    if isinstance(kind, LazyType):
        kind = kind.resolve_type()
    if isinstance(kind, StrawberryContainer):
        yield from _classes_in(kind.of_type)
    elif isinstance(kind, StrawberryUnion):
        for one in kind.types:
            yield from _classes_in(one)
    elif isinstance(kind, type):
        yield kind


def _rules_of(cls: type) -> list[object]:
    """Return the rules on a class, its bases and all their fields."""
    found: list[object] = []
    for base in cls.__mro__:
        own = own_definition(base)
        found.append([one for one in (own.directives or ()) if isinstance(one, _RULES)] if own is not None else [])
        found += [
            (field.python_name, [one for one in field.directives if isinstance(one, _RULES)])
            for field in fields_of(base)
        ]
    return found


def _inherits_rule(definition: object) -> bool:
    """Whether a base class of an input type has a rule, of its own or on a field."""
    if not isinstance(definition, StrawberryObjectDefinition):
        return False
    for base in definition.origin.__mro__:
        own = own_definition(base)
        if (own is not None and has_rule(own.directives or ())) or any(
            has_rule(field.directives) for field in fields_of(base)
        ):
            return True
    return False


class _UnreadRules:
    """Search for rules in annotations, defaults and metadata, where only other things are read; each value once."""

    def __init__(self) -> None:
        self._seen: dict[int, object] = {}

    def in_definition(self, definition: object) -> bool:
        """Whether the Strawberry definition of an element contains a rule that is not read."""
        if isinstance(definition, StrawberryField):
            return self._in_field(definition)
        if isinstance(definition, StrawberryArgument):
            return self._in_annotation(definition.type_annotation) or self._contains_rule(
                [definition.default, dict(definition.metadata or {})]
            )
        if isinstance(definition, StrawberryEnumDefinition):
            members: Any = definition.wrapped_cls
            return self._contains_rule([*get_annotations(members, format=Format.FORWARDREF).values()]) or any(
                self._contains_rule(one.value) for one in members if isinstance(one, Enum)
            )
        if isinstance(definition, StrawberryUnion):
            return any(self._in_annotation(one) for one in definition.type_annotations)
        return False

    def in_classes(self, cls: type) -> bool:
        """Whether a class or one of its bases has an unread rule, also in a field that a subclass redefines."""
        return any(self._in_class(base) for base in cls.__mro__)

    def _in_class(self, cls: type) -> bool:
        """Whether a class has an unread rule. The annotations of an undecorated class do not describe fields."""
        if any(self._in_field(field) for field in fields_of(cls)):
            return True
        for one in vars(cls).get("__pydantic_fields__", {}).values():
            unread = [item for item in one.metadata if not isinstance(item, StrawberryField)]
            if self._contains_rule([one.annotation, *unread]):
                return True
        if own_definition(cls) is not None or cls.__module__ in ("builtins", "typing", "abc"):
            return False
        return self._contains_rule(list(get_annotations(cls, format=Format.FORWARDREF).values()))

    def _in_field(self, field: StrawberryField) -> bool:
        if self._seen_before(field):
            return False
        values = [field.default, field.default_value, dict(field.metadata or {})]
        if self._in_annotation(field.type_annotation) or self._contains_rule(values):
            return True
        resolver = field.base_resolver
        if resolver is None:
            return False
        annotations: Iterable[StrawberryAnnotation | None] = (
            resolver.type_annotation,
            *resolver.strawberry_annotations.values(),
        )
        return any(self._in_annotation(one) for one in annotations) or self._contains_rule(
            [
                one.default
                for one in resolver.signature.parameters.values()
                if one.default is not inspect.Parameter.empty
            ]
        )

    def _in_annotation(self, annotation: StrawberryAnnotation | None) -> bool:
        # Not evaluated here: names of ``info`` and other reserved parameters may exist for type checkers alone, and
        # Strawberry has evaluated by now what it needs.
        return annotation is not None and self._contains_rule(annotation.annotation)

    def _contains_rule(self, value: object) -> bool:
        """Whether a value, an annotation or anything in it is a rule."""
        if isinstance(value, _RULES):
            return True
        if self._seen_before(value):
            return False
        return any(self._contains_rule(one) for one in _parts(value))

    def _seen_before(self, value: object) -> bool:
        """Whether a value was looked at before; remembers it."""
        if id(value) in self._seen:
            return True
        self._seen[id(value)] = value  # a reference, or another object could get its id
        return False


_RULES = (RequiresScopes, federation.RequiresScopes, federation.Authenticated, federation.Policy)


def _parts(value: object) -> Iterator[object]:
    """Yield the parts of a value in an annotation."""
    if isinstance(value, str | bytes | int | float):
        return
    if get_origin(value) is Annotated:
        yield from get_args(value)
    elif isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        yield from value
    elif isinstance(value, LazyType):
        yield value.resolve_type()
    elif isinstance(value, StrawberryContainer):
        yield value.of_type
    elif isinstance(value, StrawberryAnnotation):
        yield value.annotation
    elif isinstance(value, StrawberryUnion):
        yield from (*value.directives, *value.type_annotations)
    elif not isinstance(value, type):
        yield from get_args(value)
        yield from (getattr(value, name, None) for name in ("__supertype__", "__value__"))
        # strawberry.field, strawberry.argument and strawberry.enum as metadata; those that Strawberry reads are gone
        directives = getattr(value, "directives", None)
        if isinstance(directives, list | tuple):
            yield from directives
    else:
        yield from get_args(value)
