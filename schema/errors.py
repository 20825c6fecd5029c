"""Authorization failures as GraphQL errors with a code; expected refusals of mutations are values instead."""

from __future__ import annotations

import logging
from typing import Any

from graphql import GraphQLError
from strawberry.utils.str_converters import to_camel_case

from spacekey.domain.errors import Unavailable
from spacekey.domain.refusal import Forbidden, InvalidInput, Refusal

log = logging.getLogger("spacekey.graphql")

UNAVAILABLE = "UNAVAILABLE"
RATE_LIMITED = "RATE_LIMITED"
_API_NAMES = {"unused_days": "unused_for_days", "expiring_days": "expiring_within_days"}
"""What resolvers call by another name than this API."""


def refused(code: str, message: str, **facts: Any) -> GraphQLError:
    """An error that clients can tell by its ``extensions.code``."""
    return GraphQLError(message, extensions={"code": code, **facts})


def rate_limited(seconds: int) -> GraphQLError:
    """Return the error for a caller that has spent its budget.

    :param seconds: until the same operation would be admitted.
    """
    message = f"You have spent what you may in this time. Try again in {seconds} s, or ask for less at once."
    return refused(RATE_LIMITED, message, retryAfterSeconds=seconds)


def error_of(error: Refusal | Unavailable) -> GraphQLError:
    """The GraphQL error for a refusal that is no value of the field's result."""
    if isinstance(error, Unavailable):
        log.warning("cannot answer: %s", error)
        doubt: dict[str, Any] = {"mayHaveChanged": True} if error.may_have_changed else {}
        if error.retry_after_seconds > 1:
            doubt["retryAfterSeconds"] = error.retry_after_seconds
        return refused(UNAVAILABLE, f"The server cannot answer right now. {error.advice}", **doubt)
    if isinstance(error, Forbidden):
        return refused(error.code, str(error), requiredScopes=list(error.missing))
    if isinstance(error, InvalidInput):
        field = to_camel_case(_API_NAMES.get(error.field, error.field))
        return refused(error.code, f"{field}: {error.reason}", field=field, reason=error.reason)
    return refused(error.code, str(error))
