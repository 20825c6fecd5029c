"""Picks the operation to run out of a document, and sets aside what it needs."""

from __future__ import annotations

from dataclasses import dataclass

from graphql import DocumentNode, FragmentDefinitionNode, GraphQLError, OperationDefinitionNode


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
