"""Subscriptions whose caller loses a scope while they run: what is denied now, and the end before it would be sent.

:class:`~.websocket.OpenOperations` ends such a subscription at once, in our own view. :func:`while_allowed` holds in
every view: it looks when an event is about to be told.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError, OperationType, parse
from strawberry.types.execution import PreExecutionError

from spacekey.domain.principal import Principal

from .decision import errors_of, find_denials
from .operations import pick_operation
from .rules import Rulebook
from .settings import Mode, ScopeEnforcement


@dataclass(frozen=True, slots=True)
class Subscribed:
    """An operation as the request gave it, and the caller for whom it was decided."""

    query: str
    operation_name: str | None
    variables: Mapping[str, Any] | None
    caller: Principal | None


def lost(
    rulebook: Rulebook, settings: ScopeEnforcement, subscribed: Subscribed, caller: Principal | None
) -> Sequence[GraphQLError]:
    """The errors of what ``caller`` is denied and the subscription's caller was not.

    Nothing for queries and mutations, and in a dry run.
    """
    if Mode(settings.mode) is Mode.DRY_RUN:
        return ()
    variables, bound = subscribed.variables or {}, settings.selections_max
    try:
        operation = pick_operation(parse(subscribed.query), subscribed.operation_name)
        if operation.definition.operation is not OperationType.SUBSCRIPTION:
            return ()
        denied = find_denials(rulebook, operation, variables, subscribed.caller, bound)
        known = {denial.coordinate for denial in denied}
        denials = find_denials(rulebook, operation, variables, caller, bound)
    except GraphQLError as error:
        return (error,)
    return errors_of([denial for denial in denials if denial.coordinate not in known], caller)


async def while_allowed(
    results: AsyncGenerator[Any, None],
    caller: Callable[[], Principal | None],
    lost: Callable[[Principal], Sequence[GraphQLError]],
) -> AsyncGenerator[Any, None]:
    """The results, up to one that comes when the caller has lost a scope that the operation needs.

    :param caller: who asks, now.
    :param lost: given the caller that the operation was decided for, why it is not for them any more.
    """
    before = seen = _found(caller)
    async with aclosing(results):
        async for result in results:
            now = _found(caller)
            if now is not seen:
                seen = now
                errors = () if before is None else lost(before)
                if errors:
                    yield PreExecutionError(data=None, errors=list(errors))
                    return
            yield result


def _found(caller: Callable[[], Principal | None]) -> Principal | None:
    try:
        return caller()
    except Exception:  # noqa: BLE001 - whoever decides asks the same, and tells what is wrong
        return None
