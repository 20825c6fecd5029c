"""The operation of a document that will run, and the selections that ``@skip`` and ``@include`` exclude from it.

GraphQL specification (September 2025) §6.1, §3.13.1 and §3.13.2. Only a definite boolean excludes a selection. Any
other value counts as selected, so that a doubt never opens a field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphql import (
    BooleanValueNode,
    DirectiveNode,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    NamedTypeNode,
    NonNullTypeNode,
    OperationDefinitionNode,
    TypeNode,
    VariableNode,
)
from graphql.execution.values import get_variable_values


@dataclass(frozen=True, slots=True)
class Operation:
    """The operation that will run, and the document's fragments by name."""

    definition: OperationDefinitionNode
    fragments: dict[str, FragmentDefinitionNode]


def pick_operation(document: DocumentNode, name: str | None) -> Operation:
    """Return the operation called ``name``, or the only one.

    :raises GraphQLError: if there are several operations and no name (GraphQL specification §6.1), for an unknown
        name, and for fragments with variables of their own, an experiment that the analysis does not support.
    """
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    for fragment in fragments.values():
        if fragment.variable_definitions:
            raise GraphQLError("Fragments with variables are not supported.", fragment)
    if name is None:
        if len(operations) > 1:
            raise GraphQLError("Must provide operation name if query contains multiple operations.")
        matching = operations
    else:
        matching = [one for one in operations if one.name is not None and one.name.value == name]
    if not matching:
        raise GraphQLError("Must provide an operation." if name is None else "Unknown operation name.")
    return Operation(matching[-1], fragments)


class Conditions:
    """``@skip`` and ``@include`` of one operation, with its variables coerced as in the executor."""

    def __init__(
        self, schema: GraphQLSchema, operation: OperationDefinitionNode, variables: Mapping[str, object] | None
    ) -> None:
        """Take the raw variables of the request, or None if they are unknown."""
        self._schema = schema
        self._operation = operation
        self._variables = variables
        self._coerced: Mapping[str, object] | None = None

    def excludes(self, directives: Sequence[DirectiveNode]) -> bool:
        """Whether a selection with these directives is certainly not executed."""
        return self._argument(directives, "skip") is True or self._argument(directives, "include") is False

    def _argument(self, directives: Sequence[DirectiveNode], name: str) -> object:
        """Return the ``if`` of the first directive of that name, the only one that the executor looks at."""
        for directive in directives:
            if directive.name.value == name:
                values = [one.value for one in directive.arguments or () if one.name.value == "if"]
                return self._value(values[-1]) if values else None
        return None

    def _value(self, node: object) -> object:
        if isinstance(node, BooleanValueNode):
            return node.value
        if isinstance(node, VariableNode):
            if self._coerced is None:
                self._coerced = self._coerce()
            return self._coerced.get(node.name.value)
        return None

    def _coerce(self) -> Mapping[str, object]:
        """Coerce the boolean variables alone: others may be large, and the executor checks them."""
        if self._variables is None:
            return {}
        booleans = [one for one in self._operation.variable_definitions or () if _name_of(one.type) == "Boolean"]
        values = get_variable_values(self._schema, booleans, dict(self._variables))
        return {} if isinstance(values, list) else values.coerced


def _name_of(node: TypeNode) -> str | None:
    """Return the name of a plain or non-null type; None for a list."""
    if isinstance(node, NonNullTypeNode):
        return _name_of(node.type)
    return node.name.value if isinstance(node, NamedTypeNode) else None
