"""The operation to run out of a document, and which of its selections ``@skip`` and ``@include`` leave out.

GraphQL specification (September 2025) §6.1, §3.13.1 and §3.13.2. Only a definite boolean leaves a selection out.
Whatever is not one counts as selected, so a doubt never opens a field.
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
    """The one operation that will run, and the document's fragments by name."""

    definition: OperationDefinitionNode
    fragments: dict[str, FragmentDefinitionNode]


def pick_operation(document: DocumentNode, name: str | None) -> Operation:
    """The operation called ``name``, or the only one.

    :raises GraphQLError: without a name when there are several operations, GraphQL specification §6.1; for an
        unknown name; for fragments with variables of their own, an experiment that the walk does not know.
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
    """The booleans of one operation: literals, variables, and variables' defaults, coerced as the executor does."""

    def __init__(
        self, schema: GraphQLSchema, operation: OperationDefinitionNode, variables: Mapping[str, object] | None
    ) -> None:
        """``variables`` are the raw ones of the request; None means that nothing is known about them."""
        self._schema = schema
        self._operation = operation
        self._variables = variables
        self._coerced: Mapping[str, object] | None = None

    def leave_out(self, directives: Sequence[DirectiveNode]) -> bool:
        """Whether the selection with these directives is certainly not executed."""
        return self._argument(directives, "skip") is True or self._argument(directives, "include") is False

    def _argument(self, directives: Sequence[DirectiveNode], name: str) -> object:
        """The ``if`` of the first directive of that name: the executor, too, looks at the first only."""
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
        """Coerce the boolean variables alone: others may be large, and are the executor's to judge."""
        if self._variables is None:
            return {}
        booleans = [one for one in self._operation.variable_definitions or () if _name_of(one.type) == "Boolean"]
        values = get_variable_values(self._schema, booleans, dict(self._variables))
        return {} if isinstance(values, list) else values.coerced


def _name_of(node: TypeNode) -> str | None:
    """The name of a plain or non-null type; None for a list."""
    if isinstance(node, NonNullTypeNode):
        return _name_of(node.type)
    return node.name.value if isinstance(node, NamedTypeNode) else None
