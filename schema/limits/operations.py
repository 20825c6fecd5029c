"""Bounds on one operation: depth, aliases and cost, decided before anything runs; and what its caller pays for it.

Introspection has a bound of its own, because the question that every tool asks is larger than any other operation.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from graphql import FragmentDefinitionNode, GraphQLError, OperationDefinitionNode
from strawberry.extensions import SchemaExtension

from spacekey.schema.context import Context
from spacekey.schema.errors import rate_limited, refused

from .costs import CostModel, Measure, Size

DEPTH_MAX = 15
ALIASES_MAX = 50
COST_MAX = 20_000
INTROSPECTION_MAX = 60_000
"""Values that introspection may answer. GraphQL's own question is counted as 40,000 of them, and answers 7,000."""
INTROSPECTION_PER_COST = 5
"""Of such values, which are at hand and counted as the most that they can be, cost 1."""
INTROSPECTIONS_MAX = 2
"""Times ``__schema`` or ``__type`` in one operation. GraphQL's own question has one, some tools ask for a type too."""


class OperationLimits(SchemaExtension):
    """Refuses an operation that is too deep, too often aliased or too costly."""

    def __init__(self, model: CostModel) -> None:
        super().__init__()
        self._model = model
        self.cost = 0

    def on_execute(self) -> Iterator[None]:
        """Measure every operation of the document, then let the chosen one run."""
        context = self.execution_context
        document, request = context.graphql_document, context.context
        if document is not None:
            catalogs = request.system.catalogs if isinstance(request, Context) else None
            fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
            measure = Measure(self._model, fragments, context.variables or {}, self._model.loaded(catalogs))
            schema = self._model.schema
            for operation in document.definitions:
                if isinstance(operation, OperationDefinitionNode):
                    size = measure.of(operation.selection_set, schema.get_root_type(operation.operation))
                    _check(size)
                    if operation.name is None or operation.name.value == context.operation_name:
                        self.cost = size.cost + size.introspection // INTROSPECTION_PER_COST
        yield


class ChargeCost(SchemaExtension):
    """Charges the operation to its caller's budget, unless it was refused already. Each operation pays for itself."""

    def __init__(self, limits: OperationLimits) -> None:
        super().__init__()
        self._limits = limits

    async def on_execute(self) -> AsyncIterator[None]:
        """Charge, before anything runs.

        :raises GraphQLError: RATE_LIMITED, when the caller has spent its budget.
        """
        context = self.execution_context
        request = context.context
        if context.result is None and isinstance(request, Context) and request.budget is not None:
            seconds = await request.budget.charge(self._limits.cost)
            if seconds is not None:
                raise rate_limited(seconds)
        yield


def _check(size: Size) -> None:
    for what, found, most in (
        ("deep", size.depth, DEPTH_MAX),
        ("often aliased", size.aliases, ALIASES_MAX),
        ("costly", size.cost, COST_MAX),
        ("curious about the schema", size.introspection, INTROSPECTION_MAX),
        ("often asking for the schema", size.introspections, INTROSPECTIONS_MAX),
    ):
        if found > most:
            raise _too(what, found, most)


def _too(what: str, found: int, most: int) -> GraphQLError:
    shown = found if found < 10**9 else "over a billion"
    return refused(
        "OPERATION_TOO_LARGE", f"The operation is too {what}: {shown}, at most {most}. Ask for less at once."
    )
