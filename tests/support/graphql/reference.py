"""A slow and plain checker to compare with: it runs a query over a world and asks the rules again at every value.

It knows nothing of the package but the meaning of the directive, and reads the description, not the schema.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    BooleanValueNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)

from support.graphql.query import VARIABLES
from support.graphql.world import FieldSpec, Lists, World

Path = tuple[str | int, ...]


class NoValue(Exception):
    """A field that must have a value has none: it was denied, or another one was that must have one."""

    def __init__(self, denied: tuple[str, Path] | None = None) -> None:
        super().__init__()
        self.denied = denied


@dataclass
class Reference:
    """Runs one document for a caller that holds ``held``; None is an anonymous caller."""

    world: World
    document: DocumentNode
    held: frozenset[str] | None
    runs: list[tuple[str, str, str]] = field(default_factory=list)
    nulls: list[tuple[str, Path]] = field(default_factory=list)
    """What made each null: coordinate and path of the denied field."""

    def run(self) -> Any:
        """The data of the response, with null where a field is denied."""
        try:
            return self._object(self.root, "root", [self._operation().selection_set], ())
        except NoValue as reason:
            self._null(reason)
            return None

    def _null(self, reason: NoValue) -> None:
        if reason.denied is not None:
            self.nulls.append(reason.denied)

    def allowed(self, type_name: str, field_name: str) -> bool:
        """Whether the caller may have the field of an object of that concrete type."""
        return all(self._satisfied(rule) for rule in self._rules(type_name, field_name))

    def certainly_denied(self) -> set[str]:
        """Coordinates at places of the query where every type that can be met is denied."""
        return self._anywhere(certainly=True)

    def possibly_denied(self) -> set[str]:
        """Coordinates at places of the query where any type that can be met is denied."""
        return self._anywhere(certainly=False)

    @property
    def root(self) -> str:
        """The name of the type that the operation starts from."""
        return self._operation().operation.value.capitalize()

    def _anywhere(self, *, certainly: bool) -> set[str]:
        found: set[str] = set()
        self._places(self._operation().selection_set, {self.root}, found, certainly=certainly)
        return found

    def _operation(self) -> OperationDefinitionNode:
        return next(one for one in self.document.definitions if isinstance(one, OperationDefinitionNode))

    def _satisfied(self, rule: Lists | None) -> bool:
        if rule is None:
            return True
        return self.held is not None and any(set(one) <= self.held for one in rule)

    def _rules(self, type_name: str, field_name: str) -> Iterator[Lists | None]:
        if field_name == "__typename":
            return
        family = [type_name, *self.world.ancestors(type_name)]
        yield from self._of_type(type_name)
        for one in family:
            if field_name in self.world.types[one].fields:
                yield self.world.types[one].fields[field_name].rule
        to = self.world.fields_of(type_name)[field_name].to
        if to is None:
            return
        yield from self._of_type(to)
        if not any(all(map(self._satisfied, self._of_type(one))) for one in self.world.possible(to)):
            yield []  # there is nothing that it could return

    def _of_type(self, name: str) -> list[Lists | None]:
        return [self.world.types[one].rule for one in [name, *self.world.ancestors(name)]]

    def _object(self, type_name: str, uid: str, selections: list[SelectionSetNode], path: Path) -> dict[str, Any]:
        grouped: dict[str, list[FieldNode]] = {}
        for one in selections:
            for node in self._fields(one, type_name):
                grouped.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
        return {key: self._field(type_name, uid, nodes, (*path, key)) for key, nodes in grouped.items()}

    def _field(self, type_name: str, uid: str, nodes: list[FieldNode], path: Path) -> Any:
        name = nodes[0].name.value
        if name == "__typename":
            return type_name
        spec = self.world.fields_of(type_name)[name]
        try:
            if not self.allowed(type_name, name):
                raise NoValue((f"{type_name}.{name}", path))
            self.runs.append((type_name, name, uid))
            return self._complete(self.world.value(uid, spec), spec, nodes, path)
        except NoValue as reason:
            if spec.nullable:
                self._null(reason)
                return None
            raise

    def _complete(self, value: Any, spec: FieldSpec, nodes: list[FieldNode], path: Path) -> Any:
        if isinstance(value, list):
            return [self._item(one, spec, nodes, (*path, n)) for n, one in enumerate(value)]
        if isinstance(value, tuple):
            return self._object(value[0], value[1], [node.selection_set for node in nodes if node.selection_set], path)
        return value

    def _item(self, value: Any, spec: FieldSpec, nodes: list[FieldNode], path: Path) -> Any:
        try:
            return self._complete(value, spec, nodes, path)
        except NoValue as reason:
            if spec.items_nullable:
                self._null(reason)
                return None
            raise

    def _fields(self, selections: SelectionSetNode, type_name: str) -> Iterator[FieldNode]:
        for one in selections.selections:
            if self._left_out(one):
                continue
            if isinstance(one, FieldNode):
                yield one
                continue
            inner = self._inner(one)
            if inner.type_condition is None or type_name in self.world.possible(inner.type_condition.name.value):
                yield from self._fields(inner.selection_set, type_name)

    def _places(self, selections: SelectionSetNode, types: set[str], found: set[str], *, certainly: bool) -> None:
        for one in selections.selections:
            if self._left_out(one):
                continue
            if not isinstance(one, FieldNode):
                inner = self._inner(one)
                met = types
                if inner.type_condition is not None:
                    met = types & set(self.world.possible(inner.type_condition.name.value))
                if met:
                    self._places(inner.selection_set, met, found, certainly=certainly)
                continue
            name = one.name.value
            may = {type_name for type_name in types if self.allowed(type_name, name)}
            if not may or not certainly:
                found |= {f"{type_name}.{name}" for type_name in types - may}
            if one.selection_set is not None and may and name != "__typename":
                to = {self.world.fields_of(type_name)[name].to for type_name in may}
                below = {concrete for named in to if named for concrete in self.world.possible(named)}
                self._places(one.selection_set, below, found, certainly=certainly)

    def _inner(self, node: Any) -> InlineFragmentNode | FragmentDefinitionNode:
        if isinstance(node, InlineFragmentNode):
            return node
        assert isinstance(node, FragmentSpreadNode)
        return next(
            one
            for one in self.document.definitions
            if isinstance(one, FragmentDefinitionNode) and one.name.value == node.name.value
        )

    def _left_out(self, node: Any) -> bool:
        for directive in node.directives or ():
            value = directive.arguments[0].value
            if isinstance(value, VariableNode):
                condition = VARIABLES[value.name.value][1]
            else:
                assert isinstance(value, BooleanValueNode)
                condition = value.value
            if condition is (directive.name.value == "skip"):
                return True
        return False
