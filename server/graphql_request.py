"""A GraphQL-over-HTTP request: how it is read."""

from __future__ import annotations

from starlette.requests import Request

from spacekey.domain.refusal import InvalidInput
from spacekey.server.http.request_models import GraphQLRequest
from spacekey.server.http.requests import validated

from .body import JSON_TYPE, BadBody, bounded_body, media_type, parsed_json

BODY_BYTES_MAX = 131_072


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
    try:
        return validated(GraphQLRequest, body)
    except InvalidInput as error:
        raise BadBody(400, "malformed_request", f"'{error.field}': {error.reason}") from None
