"""Rules that a GraphQL type inherits from Python classes.

Strawberry copies the fields of base classes into a type, but not the directives of the base classes. Without this
module, a rule on ``AdminPart`` would vanish in ``class Query(OpenPart, AdminPart)``, in ``merge_types``, in
``class StrPage(Page[str])``, and wherever a subclass redefines a field that has a rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from copy import copy

from strawberry.schema.name_converter import NameConverter
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField
from typing_extensions import Format, get_annotations

from spacekey.domain.rule import Rule

ReadRule = Callable[[str, Iterable[object]], Rule | None]
"""Given a coordinate and the directives there, returns their rule."""


class ClassRules:
    """Rules of Python classes, each class read once."""

    def __init__(self, names: NameConverter, read_rule: ReadRule) -> None:
        self._names = names
        self._read_rule = read_rule
        self._known: dict[type, _Class] = {}

    def of_field(self, definition: StrawberryObjectDefinition, field: StrawberryField) -> Iterator[Rule | None]:
        """Yield the rules that a type's classes add to one of its fields, all of which must hold.

        They are, for every class of the MRO that defines or redefines the field, the class's rule for the field and
        the class's own rule. A field counts as the same under its Python and its GraphQL name. A field that
        ``create_type`` copied from another class has the rules of that class too.
        """
        yield self._read_rule(f"{self._names.from_type(definition)}.{self._names.from_field(field)}", field.directives)
        for cls, same in self._same_fields(definition.origin, field):
            yield self._read_rule(f"{cls.name}.{self._names.from_field(same)}", same.directives)
            if cls.rule is not None and cls.defines(same):
                yield cls.rule

    def of_type(self, definition: StrawberryObjectDefinition) -> Iterator[Rule | None]:
        """Yield a type's own rule and those of the bases that have all of its fields; all of them must hold."""
        yield self._own(definition)
        for base in definition.origin.__mro__[1:]:
            cls = self._class(base)
            if cls.rule is not None and all(cls.has(field, self._names) for field in definition.fields):
                yield cls.rule

    def _own(self, definition: StrawberryObjectDefinition) -> Rule | None:
        return self._read_rule(self._names.from_type(definition), definition.directives or ())

    def _same_fields(self, origin: type, field: StrawberryField) -> Iterator[tuple[_Class, StrawberryField]]:
        """Yield the field in every class that has it, also where a subclass has renamed it."""
        classes = {cls: self._class(cls) for cls in origin.__mro__}
        python_names, graphql_names = {field.python_name}, {self._names.from_field(field)}
        found: dict[tuple[int, int], tuple[_Class, StrawberryField]] = {}
        size = -1
        while size != len(found):
            size = len(found)
            for cls in list(classes.values()):
                for same in cls.fields_named(python_names, graphql_names):
                    found[id(cls), id(same)] = cls, same
                    python_names.add(same.python_name)
                    graphql_names.add(self._names.from_field(same))
                    if isinstance(same.origin, type):
                        classes |= {one: self._class(one) for one in same.origin.__mro__}
        yield from found.values()

    def _class(self, cls: type) -> _Class:
        if cls not in self._known:
            definition = own_definition(cls)
            rule = None if definition is None else self._own(definition)
            self._known[cls] = _Class(cls, definition, rule, self._names)
        return self._known[cls]


class _Class:
    """Python class with its rule and its fields."""

    def __init__(
        self, cls: type, definition: StrawberryObjectDefinition | None, rule: Rule | None, names: NameConverter
    ) -> None:
        self.name = cls.__name__ if definition is None else names.from_type(definition)
        self.rule = rule
        self._cls = cls
        self._by_python_name: dict[str, StrawberryField] = {}
        self._by_graphql_name: dict[str, StrawberryField] = {}
        for field in fields_of(cls):
            self._by_python_name[field.python_name] = field
            self._by_graphql_name[names.from_field(field)] = field

    def has(self, field: StrawberryField, names: NameConverter) -> bool:
        """Whether the class has the field, defined or inherited."""
        return field.python_name in self._by_python_name or names.from_field(field) in self._by_graphql_name

    def fields_named(self, python_names: set[str], graphql_names: set[str]) -> list[StrawberryField]:
        """Return the fields with any of these names."""
        return [
            *(self._by_python_name[name] for name in python_names & self._by_python_name.keys()),
            *(self._by_graphql_name[name] for name in graphql_names & self._by_graphql_name.keys()),
        ]

    def defines(self, field: StrawberryField) -> bool:
        """Whether the class itself defines one of its fields, instead of only inheriting it."""
        name = field.python_name
        if name in get_annotations(self._cls, format=Format.FORWARDREF):
            return True
        own = vars(self._cls).get("__dataclass_fields__")
        if own is None:
            return name in vars(self._cls)  # a Pydantic model, or the specialization of a generic type
        inherited = (getattr(base, "__dataclass_fields__", {}).get(name) for base in self._cls.__mro__[1:])
        return all(own[name] is not one for one in inherited)


def own_definition(cls: type) -> StrawberryObjectDefinition | None:
    """Return the definition that a Strawberry decorator made of the class itself; None if only a base was decorated."""
    definition = vars(cls).get("__strawberry_definition__")
    return definition if isinstance(definition, StrawberryObjectDefinition) else None


def fields_of(cls: type) -> list[StrawberryField]:
    """Return the fields of a decorated class, inherited ones included; of any other class those in its body."""
    definition = own_definition(cls)
    if definition is not None:
        return definition.fields
    return [_with_name(name, value) for name, value in vars(cls).items() if isinstance(value, StrawberryField)]


def _with_name(name: str, field: StrawberryField) -> StrawberryField:
    """Return a copy with its Python name, which Strawberry sets only in decorated classes."""
    named = copy(field)
    named.python_name = name
    return named
