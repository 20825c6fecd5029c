"""Errors of the GraphQL API: refusals as errors with a code, input taken out of messages, and bugs masked.

A missing scope, an outage or a spent budget becomes an error with a code in ``extensions.code``. What a mutation
refuses as expected is a value of its result instead, see :mod:`.types.results`. graphql-core's messages repeat the
input, which may hold a password, so it is removed before they are logged or answered."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from graphql import GraphQLError
from strawberry.extensions import MaskErrors
from strawberry.utils.str_converters import to_camel_case

from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.refusal import Fault, Forbidden, InvalidInput, NotFound, UserError

log = logging.getLogger("spacekey.graphql")

PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
BAD_USER_INPUT = "BAD_USER_INPUT"
UNRESOLVED = "OPERATION_RESOLUTION_FAILURE"
OPERATION_TOO_LARGE = "OPERATION_TOO_LARGE"
UNAVAILABLE = "UNAVAILABLE"
RATE_LIMITED = "RATE_LIMITED"
_API_PATHS = {
    "unused_days": ("unusedForDays",),
    "expiring_days": ("expiringWithinDays",),
    "lifetime_seconds_max": ("policy", "maxLifetimeSeconds"),
    "lifetime_seconds_default": ("policy", "defaultLifetimeSeconds"),
    "expiry_required": ("policy", "expiryRequired"),
    "scopes_allowed": ("policy", "scopesAllowed"),
}
"""Where this API has what resolvers call by another name or in another place."""
T = TypeVar("T")
# graphql-core ends such messages with ", found: {…}", "? Found: {…}", "found String '…'" or "value: …".
_REPEATED = re.compile(r"(?:[,;]? [Ff]ound:? ?(?:String )?[{\[\"'\d-].*|(?<!invalid) value: .+)\Z", re.DOTALL)
INTERNAL = "INTERNAL"
PATH_MAX = 8
"""Names and positions in the path to a value of an input; no input is nested as deeply."""


def refused(code: str, message: str, **facts: Any) -> GraphQLError:
    """Return an error with this ``extensions.code``."""
    return GraphQLError(message, extensions={"code": code, **facts})


def rate_limited(seconds: int) -> GraphQLError:
    """Return the error for a caller that has spent its budget.

    :param seconds: until the same operation would be admitted.
    """
    message = f"You have spent what you may in this time. Try again in {seconds} s, or ask for less at once."
    return refused(RATE_LIMITED, message, retryAfterSeconds=seconds)


def error_of(error: UserError | ServiceUnavailable) -> GraphQLError:
    """Return the GraphQL error for a refusal that the field's result type does not include."""
    if isinstance(error, ServiceUnavailable):
        log.warning("cannot answer: %s", error)
        doubt: dict[str, Any] = {"mayHaveChanged": True} if error.may_have_changed else {}
        if error.retry_after_seconds > 1:
            doubt["retryAfterSeconds"] = error.retry_after_seconds
        return refused(UNAVAILABLE, f"The server cannot answer right now. {error.advice}", **doubt)
    if isinstance(error, Forbidden):
        return refused(error.code, str(error), missingScopes=list(error.missing))
    if isinstance(error, InvalidInput):
        faults = faults_of(error)
        listed = [{"path": list(one.path), "code": one.code.value, "message": one.reason} for one in faults]
        return refused(error.code, message_of(faults), errors=listed)
    return refused(error.code, str(error))


def faults_of(error: InvalidInput) -> list[Fault]:
    """Return the faults of an input, with the names that this API has for its fields."""
    return [
        replace(one, path=tuple(part for name in one.path for part in _API_PATHS.get(name, (to_camel_case(name),))))
        for one in error.faults
    ]


def message_of(faults: Iterable[Fault]) -> str:
    """Return what is wrong with an input, for people who see nothing else of it."""
    return " ".join(f"{'.'.join(part for part in one.path if not part.isdigit())}: {one.reason}" for one in faults)


@contextmanager
def answering() -> Iterator[None]:
    """Turn refusals and outages of a query's resolver into errors with a code.

    :raises GraphQLError: for every refusal and outage.
    """
    try:
        yield
    except (UserError, ServiceUnavailable) as error:
        raise error_of(error) from None


async def found(reading: Awaitable[T]) -> T | None:
    """Return the resolver's result; None if it was not found or belongs to others, which look the same.

    :raises GraphQLError: for other refusals.
    """
    with answering():
        try:
            return await reading
        except NotFound:
            return None


def finish(errors: Iterable[GraphQLError]) -> None:
    """Remove repeated input from these errors, in place, and give a code to those that have none.

    What neither parsing nor validation refused, and no field raised, is a value of a variable or an argument that is
    not of its type.
    """
    for error in errors:
        if error.original_error is None or isinstance(error.original_error, GraphQLError):
            error.message = _REPEATED.sub("", error.message)
            coded(error, BAD_USER_INPUT)


def coded(error: GraphQLError, code: str) -> GraphQLError:
    """Return the error, with this ``extensions.code`` unless it has one."""
    error.extensions = {"code": code, **(error.extensions or {})}
    return error


class MaskUnexpected(MaskErrors):
    """Extension that masks bugs with the code INTERNAL; refusals and outages that no field caught keep theirs."""

    def __init__(self) -> None:
        super().__init__(should_mask_error=_is_unexpected, error_message="Something went wrong here; it was logged.")

    def anonymise_error(self, error: GraphQLError) -> GraphQLError:
        """Return an error at the same place that tells nothing of the cause."""
        masked = super().anonymise_error(error)
        if isinstance(error.original_error, ServiceUnavailable | UserError):
            known = error_of(error.original_error)
            masked.message, masked.extensions = known.message, known.extensions
        else:
            masked.extensions = {"code": INTERNAL}
        return masked


def _is_unexpected(error: GraphQLError) -> bool:
    """Return whether this is a bug: fields raise a GraphQLError on purpose, and any other error may tell too much."""
    return error.original_error is not None and not isinstance(error.original_error, GraphQLError)
