"""Authorization failures as GraphQL errors with a code; expected refusals of mutations are values instead."""

from __future__ import annotations

from typing import Any

from graphql import GraphQLError

from spacekey.domain.errors import Unavailable
from spacekey.domain.refusal import Forbidden, Refusal


def refused(code: str, message: str, **facts: Any) -> GraphQLError:
    """An error that clients can tell by its ``extensions.code``."""
    return GraphQLError(message, extensions={"code": code, **facts})


def error_of(error: Refusal | Unavailable) -> GraphQLError:
    """The GraphQL error for a refusal that is no value of the field's result."""
    if isinstance(error, Unavailable):
        return refused("UNAVAILABLE", "The server cannot answer right now. Nothing was changed; try again.")
    if isinstance(error, Forbidden):
        return refused(error.code, str(error), requiredScopes=list(error.missing))
    return refused(error.code, str(error))
