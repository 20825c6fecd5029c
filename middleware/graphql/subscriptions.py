"""Subscriptions whose caller loses a scope while they run: the fields denied since, and the end of the stream.

:class:`~.websocket.ScopedTransportWSHandler` ends such a subscription at once, in our own view.
:func:`end_when_revoked` works in every view: it checks when an event is about to be sent.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError, OperationType, parse
from strawberry.types.execution import PreExecutionError

from spacekey.domain.principal import Principal

from .analysis import find_denials
from .decision import denial_errors
from .operations import pick_operation
from .rules import Rulebook
from .settings import ScopeEnforcement


@dataclass(frozen=True, slots=True)
class SubscriptionRequest:
    """Operation as it was requested, with the caller for whom it was decided."""

    query: str
    operation_name: str | None
    variables: Mapping[str, Any] | None
    caller: Principal | None


def revoked_fields(
    rulebook: Rulebook, settings: ScopeEnforcement, request: SubscriptionRequest, caller: Principal | None
) -> Sequence[GraphQLError]:
    """Return the errors of fields that ``caller`` is denied and the request's caller was not.

    Queries and mutations have none, nor is there any where denials are only logged.
    """
    if settings.on_denied == "log":
        return ()
    variables, selections_max = request.variables or {}, settings.selections_max
    try:
        operation = pick_operation(parse(request.query), request.operation_name)
        if operation.definition.operation is not OperationType.SUBSCRIPTION:
            return ()
        denied = find_denials(rulebook, operation, variables, request.caller, selections_max)
        known = {denial.coordinate for denial in denied}
        denials = find_denials(rulebook, operation, variables, caller, selections_max)
    except GraphQLError as error:
        return (error,)
    return denial_errors([denial for denial in denials if denial.coordinate not in known], caller)


async def end_when_revoked(
    results: AsyncGenerator[Any, None],
    caller: Callable[[], Principal | None],
    revoked_since: Callable[[Principal], Sequence[GraphQLError]],
) -> AsyncGenerator[Any, None]:
    """Yield results until the caller has lost a scope that the operation needs, then its errors.

    :param caller: returns the present caller.
    :param revoked_since: given the caller for whom the operation was decided, returns errors of fields denied since.
    """
    before = seen = _caller_or_none(caller)
    async with aclosing(results):
        async for result in results:
            now = _caller_or_none(caller)
            if now is not seen:
                seen = now
                errors = () if before is None else revoked_since(before)
                if errors:
                    yield PreExecutionError(data=None, errors=list(errors))
                    return
            yield result


def _caller_or_none(caller: Callable[[], Principal | None]) -> Principal | None:
    try:
        return caller()
    except Exception:  # noqa: BLE001 - the decision calls the same function, and reports what is wrong
        return None
