"""A GraphQL-over-HTTP request: how it is read, and in which of the two media types it is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from .body import JSON_TYPE, BadBody, bounded_body, media_type, parsed_json

BODY_BYTES_MAX = 131_072


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """The parameters of one request (GraphQL over HTTP, "Request Parameters")."""

    query: str
    variables: dict[str, Any] | None
    operation_name: str | None


async def graphql_request(request: Request) -> GraphQLRequest:
    """Read the one kind of request there is: POST with JSON, one operation, no batch.

    :raises BadBody: 415 for other media types, 413 when too large, 400 for what is not well-formed.
    """
    if media_type(request) != JSON_TYPE:
        raise BadBody(415, "unsupported_media_type", f"Send the request as {JSON_TYPE}.")
    body = parsed_json(await bounded_body(request, BODY_BYTES_MAX))
    if isinstance(body, list):
        raise BadBody(400, "malformed_request", "Batches are not supported; send one operation at a time.")
    if not isinstance(body, dict):
        raise BadBody(400, "malformed_request", "The body must be a JSON object.")
    query, variables, name = body.get("query"), body.get("variables"), body.get("operationName")
    if not isinstance(query, str):
        raise BadBody(400, "malformed_request", "'query' must be a string.")
    if variables is not None and not isinstance(variables, dict):
        raise BadBody(400, "malformed_request", "'variables' must be an object.")
    if name is not None and not isinstance(name, str):
        raise BadBody(400, "malformed_request", "'operationName' must be a string.")
    if not isinstance(body.get("extensions"), dict | None):
        raise BadBody(400, "malformed_request", "'extensions' must be an object.")
    return GraphQLRequest(query, variables, name)
