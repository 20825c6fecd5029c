"""What a running subscription was given and would not be given now, because its caller has lost a scope since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError, OperationType, parse

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
