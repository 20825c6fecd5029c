"""Limits on an operation's depth, aliases and cost, checked before it runs, and the charge to its caller.

Introspection has a limit of its own, because the query that every tool sends is larger than any other operation.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

from graphql import DefinitionNode, FragmentDefinitionNode, GraphQLError, IntValueNode, OperationDefinitionNode
from strawberry.extensions import SchemaExtension

from spacekey.schema.context import Context
from spacekey.schema.errors import OPERATION_TOO_LARGE, error_of, rate_limited, refused

from .costs import CostModel, Measure, Size

DEPTH_MAX = 15
ALIASES_MAX = 50
COST_MAX = 20_000
INTROSPECTION_MAX = 80_000
"""Values that introspection may answer. GraphQL's own question is counted as some 60,000 of them, and answers 7,000."""
INTROSPECTION_PER_COST = 5
"""Of such values, which are at hand and counted as the most that they can be, cost 1."""
INTROSPECTIONS_MAX = 2
"""Times ``__schema`` or ``__type`` in one operation. GraphQL's own question has one, some tools ask for a type too."""

_INT_MAX = 2**31 - 1
"""The largest number that GraphQL's Int holds."""


class OperationLimits(SchemaExtension):
    """Extension that refuses an operation with too much depth, too many aliases or too high a cost."""

    def __init__(self, model: CostModel) -> None:
        super().__init__()
        self._model = model
        self.cost = 0
        self._measured = False

    def on_execute(self) -> Iterator[None]:
        """Measure every operation of the document before the chosen one runs."""
        context = self.execution_context
        document, request = context.graphql_document, context.context
        if document is not None:
            products = request.system.products if isinstance(request, Context) else None
            fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
            variables = {**_defaults(document.definitions), **(context.variables or {})}
            measure = Measure(self._model, fragments, variables, self._model.loaded(products))
            schema = self._model.schema
            for operation in document.definitions:
                if isinstance(operation, OperationDefinitionNode):
                    root = schema.get_root_type(operation.operation)
                    size = measure.of(operation.selection_set, root)
                    if operation.name is None or operation.name.value == context.operation_name:
                        self.cost = size.cost + size.introspection // INTROSPECTION_PER_COST
                        self._measured = True
                    _check(size)
                    if size.cost > COST_MAX:
                        raise _too_costly(size.cost, measure.dearest(operation.selection_set, root))
            if measure.fault is not None:
                node, error = measure.fault
                known = error_of(error)
                raise GraphQLError(known.message, [node], extensions=known.extensions)
        yield

    def get_results(self) -> dict[str, Any]:
        """Return what the operation costs and what it may cost, for the ``extensions`` of its answer.

        A document that is not valid has no cost.
        """
        if not self._measured:
            return {}
        return {"cost": {"requested": min(self.cost, _INT_MAX), "limit": COST_MAX}}


class ChargeCost(SchemaExtension):
    """Extension that charges an operation to its caller's budget, unless it was refused before."""

    def __init__(self, limits: OperationLimits) -> None:
        super().__init__()
        self._limits = limits

    async def on_execute(self) -> AsyncIterator[None]:
        """Charge the operation before it runs.

        :raises GraphQLError: RATE_LIMITED if the caller has spent its budget.
        """
        context = self.execution_context
        request = context.context
        if context.result is None and isinstance(request, Context) and request.budget is not None:
            seconds = await request.budget.charge(self._limits.cost)
            if seconds is not None:
                raise rate_limited(seconds)
        yield


def _defaults(definitions: Iterable[DefinitionNode]) -> dict[str, int]:
    """Return the whole numbers that variables have if they are not given."""
    return {
        one.variable.name.value: int(one.default_value.value)
        for operation in definitions
        if isinstance(operation, OperationDefinitionNode)
        for one in operation.variable_definitions or ()
        if isinstance(one.default_value, IntValueNode)
    }


def _check(size: Size) -> None:
    for what, found, most in (
        ("deep", size.depth, DEPTH_MAX),
        ("often aliased", size.aliases, ALIASES_MAX),
        ("curious about the schema", size.introspection, INTROSPECTION_MAX),
        ("often asking for the schema", size.introspections, INTROSPECTIONS_MAX),
    ):
        if found > most:
            raise _too(what, found, most)


def _too(what: str, found: int, most: int) -> GraphQLError:
    return refused(
        OPERATION_TOO_LARGE, f"The operation is too {what}: {_shown(found)}, at most {most}. Ask for less at once."
    )


def _too_costly(cost: int, dearest: list[str]) -> GraphQLError:
    """Return the error for an operation that costs too much.

    :param dearest: the path to the list that causes most of the cost; may be empty.
    """
    message = f"The operation is too costly: {_shown(cost)}, at most {COST_MAX}."
    if not dearest:
        return refused(OPERATION_TOO_LARGE, f"{message} Ask for less at once.")
    field = ".".join(dearest)
    return refused(OPERATION_TOO_LARGE, f"{message} Most of it is `{field}`: ask for fewer items.", dearestField=field)


def _shown(found: int) -> str:
    return str(found) if found < 10**9 else "over a billion"
