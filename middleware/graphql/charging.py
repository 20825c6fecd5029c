"""Charge what an operation costs to its token's limit, before anything of it runs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from graphql import DocumentNode, GraphQLError

from spacekey.middleware.failure import places_of
from spacekey.middleware.limits import Decision
from spacekey.middleware.limits.headers import retry_after

from .guarded_document import GuardedDocument, refusing_document
from .operations import pick_operation

if TYPE_CHECKING:
    from .settings import ScopeEnforcement

RATE_LIMITED = "RATE_LIMITED"
COST_UNKNOWN = "COST_UNKNOWN"
_UNKNOWN = "What this operation costs cannot be told, so it does not run. Look at its variables."

log = logging.getLogger("spacekey.middleware")


class RateLimitedError(GraphQLError):
    """The operation costs more than is left. ``extensions`` has ``code`` and ``retryAfterSeconds``.

    ``retryAfterSeconds`` is null when the operation costs more than the limit allows at once.
    """

    def __init__(self, decision: Decision) -> None:
        seconds = retry_after(decision)
        message = (
            "The operation costs more at once than the token's limit allows."
            if seconds is None
            else "The token has made too many requests. Try again later."
        )
        super().__init__(message, extensions={"code": RATE_LIMITED, "retryAfterSeconds": seconds})


async def charged(
    settings: ScopeEnforcement, document: DocumentNode | None, variables: Mapping[str, Any], context: object
) -> GuardedDocument | None:
    """Charge the operation that was decided to run. None lets it; else a document that is not run.

    :param document: as the enforcer left it; one that it refuses is not charged.
    :param context: Strawberry's context, from which the visit is read.
    """
    visit = settings.visit(context)
    if settings.cost is None or visit is None or not isinstance(document, GuardedDocument) or document.verdict.errors:
        return None
    try:
        cost = settings.cost(pick_operation(document, None), variables)
        if type(cost) is not int:
            raise TypeError(f"cost gave a {type(cost).__name__}")
    except Exception as error:  # noqa: BLE001 - variables are the client's, and one that breaks it must not be free
        log.error("the cost of an operation failed with %s", places_of(error))
        return refusing_document(document, GraphQLError(_UNKNOWN, extensions={"code": COST_UNKNOWN}))
    decision = await visit.charge(max(cost, 1))
    return None if decision is None or decision.allowed else refusing_document(document, RateLimitedError(decision))
