"""One walk over an operation, answering which of the fields it asks for the caller may not have.

The walk follows the concrete types a selection can meet: a field asked for through an interface, a union or an untyped
fragment is looked up in each of them. Nothing here depends on data, so the cost does not either. Fragments are walked
once for each set of possible types, which keeps nested spreads from multiplying.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    SelectionNode,
    SelectionSetNode,
)

from spacekey.domain.rule import Rule

from .condition import Conditions
from .rulebook import FieldEntry, Rulebook

DEPTH_MAX = 200
"""Nested selection sets, through fragments too. graphql-core's parser allows as many within one definition."""

Trail = tuple["Trail", str] | None
"""Response keys from the innermost outwards."""


@dataclass(frozen=True, slots=True)
class Denial:
    """A coordinate the operation asks for and the caller may not have.

    ``certain`` says that wherever this selection is met, it is denied; otherwise other types at the same place are
    allowed. ``path`` has response keys (aliases) and no list positions. ``rules`` are those of all types at the place.
    """

    type_name: str
    field_name: str
    rule: Rule
    rules: tuple[Rule, ...]
    path: tuple[str, ...]
    node: FieldNode
    certain: bool

    @property
    def coordinate(self) -> str:
        """``Type.field``."""
        return f"{self.type_name}.{self.field_name}"


class Walk:
    """Collects the denials of one operation, the first of each coordinate, certain ones before others."""

    def __init__(
        self,
        rulebook: Rulebook,
        fragments: Mapping[str, FragmentDefinitionNode],
        conditions: Conditions,
        allows: Callable[[Rule], bool],
        selections_max: int,
    ) -> None:
        self.denials: dict[tuple[str, str], Denial] = {}
        self._rulebook = rulebook
        self._fragments = fragments
        self._conditions = conditions
        self._allows = allows
        self._selections_left = selections_max
        self._seen: set[tuple[str, frozenset[str]]] = set()

    def visit(self, selection_set: SelectionSetNode, possible: frozenset[str], trail: Trail, depth: int) -> None:
        """Walk a selection set on objects of the ``possible`` concrete types.

        :raises GraphQLError: when the operation is too deep or too large to be checked.
        """
        if depth > DEPTH_MAX:
            raise GraphQLError("The operation is nested too deeply to be checked.", selection_set)
        for selection in selection_set.selections:
            self._selections_left -= 1
            if self._selections_left < 0:
                raise GraphQLError("The operation has too many selections to be checked.", selection)
            if selection.directives and self._conditions.leave_out(selection.directives):
                continue
            if isinstance(selection, FieldNode):
                self._field(selection, possible, trail, depth)
                continue
            inner = self._fragment(selection)
            if inner is None:
                continue
            narrowed = possible
            if inner.type_condition is not None:
                narrowed &= self._rulebook.possible.get(inner.type_condition.name.value, frozenset())
            if isinstance(inner, FragmentDefinitionNode):
                if (inner.name.value, narrowed) in self._seen:
                    continue
                self._seen.add((inner.name.value, narrowed))
            if narrowed:
                self.visit(inner.selection_set, narrowed, trail, depth + 1)

    def _fragment(self, selection: SelectionNode) -> InlineFragmentNode | FragmentDefinitionNode | None:
        """What a selection other than a field spreads; None for an unknown name, which the executor ignores as well."""
        if isinstance(selection, FragmentSpreadNode):
            return self._fragments.get(selection.name.value)
        return selection if isinstance(selection, InlineFragmentNode) else None

    def _field(self, node: FieldNode, possible: frozenset[str], trail: Trail, depth: int) -> None:
        name = node.name.value
        leads_to: frozenset[str] = frozenset()
        denied: list[tuple[str, FieldEntry]] = []
        allowed = False
        for type_name in possible:
            entry = self._rulebook.fields[type_name].get(name)
            if entry is None:
                continue  # __schema and __type: introspection stays open
            if entry.rule is None or self._allows(entry.rule):
                allowed = True
                leads_to |= entry.leads_to
            else:
                denied.append((type_name, entry))
        if denied:
            self._deny(node, denied, trail, certain=not allowed)
        if leads_to and node.selection_set is not None:
            key = node.alias.value if node.alias else name
            self.visit(node.selection_set, leads_to, (trail, key), depth + 1)

    def _deny(self, node: FieldNode, denied: list[tuple[str, FieldEntry]], trail: Trail, *, certain: bool) -> None:
        name = node.name.value
        path = _path((trail, node.alias.value if node.alias else name))
        denied.sort(key=lambda one: one[0])
        rules = tuple(entry.rule for _, entry in denied if entry.rule is not None)
        for type_name, entry in denied:
            before = self.denials.get((type_name, name))
            if entry.rule is None or (before is not None and (before.certain or not certain)):
                continue
            self.denials[type_name, name] = Denial(type_name, name, entry.rule, rules, path, node, certain)


def _path(trail: Trail) -> tuple[str, ...]:
    keys: list[str] = []
    while trail is not None:
        trail, key = trail
        keys.append(key)
    return tuple(reversed(keys))
