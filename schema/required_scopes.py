"""Scopes that an operation requires."""

from __future__ import annotations

import strawberry
from graphql import GraphQLError
from strawberry.schema import BaseSchema, Schema

from spacekey.domain.errors import RuleError
from spacekey.domain.refusal import InputCode, InvalidInput
from spacekey.domain.scope import MANAGEMENT_SCOPES
from spacekey.middleware.graphql import required_scopes
from spacekey.middleware.graphql.reports import CANDIDATES_MAX
from spacekey.schema.limits.costs import at_most
from spacekey.schema.limits.documents import RULES, parse_bounded, validate_bounded

from .errors import OPERATION_TOO_LARGE, error_of

DOCUMENT_LENGTH_MAX = 4_000


@strawberry.type(description="The scopes that an operation requires.")
class RequiredScopes:
    """GraphQL type of the scopes that an operation requires."""

    alternatives: list[list[str]] = strawberry.field(
        description="The sets of scopes that each suffice for the operation.", directives=[at_most(CANDIDATES_MAX)]
    )
    scopes: list[str] = strawberry.field(
        description="The smallest of the sets, sorted by name.", directives=[at_most(len(MANAGEMENT_SCOPES))]
    )


def required_scopes_of(schema: BaseSchema, document: str, operation_name: str | None) -> RequiredScopes:
    """Return the scopes that a document's operation on this schema requires.

    :raises GraphQLError: INVALID_INPUT if the document is too long, not valid, or lacks the operation;
        OPERATION_TOO_LARGE if it exceeds a limit of this API.
    """
    if len(document) > DOCUMENT_LENGTH_MAX:
        raise error_of(
            InvalidInput("document", f"Must be at most {DOCUMENT_LENGTH_MAX} characters.", InputCode.TOO_LONG)
        )
    if not isinstance(schema, Schema):
        raise error_of(InvalidInput("document", "This schema cannot be asked.", InputCode.NOT_ALLOWED))
    try:
        parsed = parse_bounded(document)
        for error in validate_bounded(schema._schema, parsed, RULES):
            raise error
        rule = required_scopes(schema, parsed, operation_name)
    except GraphQLError as error:
        if (error.extensions or {}).get("code") == OPERATION_TOO_LARGE:
            raise
        raise error_of(InvalidInput("document", error.message[:500], InputCode.INVALID_FORMAT)) from None
    except RuleError as error:
        raise error_of(InvalidInput("document", str(error)[:500], InputCode.INVALID_FORMAT)) from None
    return RequiredScopes(alternatives=rule.as_lists(), scopes=list(rule.missing(frozenset()) or ()))
