"""Bounds on one operation: depth, aliases and cost, decided before anything runs.

The cost of a field is 1 and that of its selections; a connection's selections count once for each row it may return.
Introspection has a purse of its own, since the question that every tool asks is larger than any other operation.
Fragments are measured once each, so a bomb of nested fragments costs no more than its text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)
from strawberry.extensions import SchemaExtension

from spacekey.domain.page import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX

from .errors import refused

DEPTH_MAX = 15
ALIASES_MAX = 50
COST_MAX = 20_000
INTROSPECTION_MAX = 400_000
CONNECTIONS = frozenset({"tokens", "workspaces", "spaces", "members", "auditLog"})
INTROSPECTION = frozenset({"__schema", "__type"})
INTROSPECTION_ROWS: Mapping[str, int] = {
    "types": 150,
    "fields": 20,
    "args": 2,
    "inputFields": 10,
    "enumValues": 6,
    "directives": 10,
}
"""About how many there are of each, one with another; no field of this API has such a name."""

COSTS: Mapping[str, int] = {"requiredScopes": 12_000}
"""What one field costs that works more than it answers: validating another document takes as long as a large one."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a selection is."""

    depth: int
    aliases: int
    cost: int
    introspection: int


class OperationLimits(SchemaExtension):
    """Refuses an operation that is too deep, too often aliased or too costly."""

    def on_execute(self) -> Iterator[None]:
        """Measure, then let it run."""
        context = self.execution_context
        document = context.graphql_document
        if document is not None:
            fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
            for operation in document.definitions:
                if isinstance(operation, OperationDefinitionNode):
                    _check(Measure(fragments, context.variables or {}).of(operation.selection_set))
        yield


class Measure:
    """Measures selections of one document under one request's variables."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode], variables: Mapping[str, Any]) -> None:
        self._fragments = fragments
        self._variables = variables
        self._known: dict[str, Size] = {}

    def of(self, selections: SelectionSetNode | None) -> Size:
        """Depth of the deepest field, and the sums of the rest."""
        depth = aliases = cost = introspection = 0
        for node in selections.selections if selections is not None else ():
            if isinstance(node, FieldNode):
                size = self._field(node)
            elif isinstance(node, FragmentSpreadNode):
                size = self._fragment(node.name.value)
            else:
                size = self.of(getattr(node, "selection_set", None))
            depth = max(depth, size.depth)
            aliases += size.aliases
            cost += size.cost
            introspection += size.introspection
        return Size(depth, aliases, cost, introspection)

    def _field(self, node: FieldNode) -> Size:
        inner = self.of(node.selection_set)
        name, depth, aliases = node.name.value, inner.depth + 1, inner.aliases + (node.alias is not None)
        if name in INTROSPECTION:
            return Size(depth, aliases, 1, inner.introspection + inner.cost)
        rows = self._rows(node) if name in CONNECTIONS else INTROSPECTION_ROWS.get(name, 1)
        return Size(depth, aliases, COSTS.get(name, 1) + rows * inner.cost, inner.introspection)

    def _fragment(self, name: str) -> Size:
        if name not in self._known:
            # Validation has refused cycles before this runs; the entry keeps even a cycle finite.
            self._known[name] = Size(0, 0, 0, 0)
            fragment = self._fragments.get(name)
            self._known[name] = self.of(fragment.selection_set if fragment is not None else None)
        return self._known[name]

    def _rows(self, node: FieldNode) -> int:
        for argument in node.arguments or ():
            if argument.name.value in {"first", "last"}:
                value = argument.value
                if isinstance(value, IntValueNode):
                    return _bounded(int(value.value))
                if isinstance(value, VariableNode):
                    given = self._variables.get(value.name.value)
                    return _bounded(given) if isinstance(given, int) else PAGE_SIZE_MAX
        return PAGE_SIZE_DEFAULT


def _bounded(rows: int) -> int:
    return min(max(rows, 1), PAGE_SIZE_MAX)


def _check(size: Size) -> None:
    for what, found, most in (
        ("deep", size.depth, DEPTH_MAX),
        ("often aliased", size.aliases, ALIASES_MAX),
        ("costly", size.cost, COST_MAX),
        ("curious about the schema", size.introspection, INTROSPECTION_MAX),
    ):
        if found > most:
            raise _too(what, found, most)


def _too(what: str, found: int, most: int) -> GraphQLError:
    shown = found if found < 10**9 else "over a billion"
    return refused(
        "OPERATION_TOO_LARGE", f"The operation is too {what}: {shown}, at most {most}. Ask for less at once."
    )
