"""Endpoint of GraphQL over HTTP (graphql.github.io/graphql-over-http): POST and JSON only.

GET, batches, forms, multipart and subscriptions are refused.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import Any

import strawberry
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.execution import ExecutionResult, PreExecutionError
from strawberry.types.graphql import OperationType

from spacekey.domain.refusal import InvalidInput
from spacekey.middleware.graphql import INSUFFICIENT_SCOPE, UNAUTHENTICATED
from spacekey.middleware.graphql.asgi import RESPONSE_TYPE, challenge_of, response_type
from spacekey.middleware.request_auth import auth_of
from spacekey.middleware.routing.endpoints import optional
from spacekey.schema.context import context_of
from spacekey.schema.errors import RATE_LIMITED, UNAVAILABLE, UNRESOLVED, rate_limited, refused
from spacekey.server.context import caller_from, facts_of, parts_of, principal_of
from spacekey.server.limits import budget_of

from .dashboard import takes_gzip
from .errors import REALM
from .request_models import GraphQLRequest
from .requests import JSON_TYPE, BadBody, bounded_body, media_type, parsed_json, validated
from .session_cookie import CookieSession

ALLOWED = frozenset((OperationType.QUERY, OperationType.MUTATION))
_STATUS_OF_CODE = {UNAUTHENTICATED: 401, INSUFFICIENT_SCOPE: 403, UNAVAILABLE: 503}
BAD_REQUEST = "BAD_REQUEST"
RETRY_AFTER_SECONDS = 1
CHARACTERS_PER_COST = 100
"""How many characters of a document cost 1 to parse and validate."""
BODY_BYTES_MAX = 131_072
COMPRESSED_FROM_BYTES = 2_000
GZIP_LEVEL = 5


class GraphQLDoor:
    """Endpoint of a schema. It admits anonymous callers; the schema decides which fields they may read."""

    def __init__(self, schema: strawberry.Schema) -> None:
        self._schema = schema

    async def answer(self, request: Request) -> Response:
        """Serve one request."""
        media = response_type(request.headers.getlist("accept"))
        if media is None:
            return _errors(JSON_TYPE, 406, f"Accept {RESPONSE_TYPE} or {JSON_TYPE}.")
        if principal_of(request) is None:  # such as a session that has ended, or another cookie
            refusal = await parts_of(request).anonymous.refusal(request.scope)
            if refusal is not None:
                return refusal
        try:
            asked = await graphql_request(request)
        except BadBody as error:
            return _errors(media, error.status, error.reason)
        session = CookieSession(request)
        result = await self._execute(request, asked, session)
        response = _response(media, result)
        if session.secret is not None and "mutation" not in asked.query:
            _compress(request, response)
        session.answer(response)
        return response

    async def _execute(self, request: Request, asked: GraphQLRequest, session: CookieSession) -> ExecutionResult:
        principal, facts = principal_of(request), replace(facts_of(request), session=session.secret)
        caller = None if principal is None else caller_from(principal, facts)
        parts = parts_of(request)
        budget = budget_of(parts.budgets, parts.settings, principal, facts.ip)
        # Parsing and validation are charged before they run, the operation's cost as soon as it is known.
        seconds = await budget.charge(1 + len(asked.query) // CHARACTERS_PER_COST)
        if seconds is not None:
            return PreExecutionError(data=None, errors=[rate_limited(seconds)])
        auth = auth_of(request.scope)
        context = context_of(parts.system, principal, caller, facts, session, auth, budget)
        try:
            return await self._schema.execute(
                asked.query,
                variable_values=asked.variables,
                context_value=context,
                operation_name=asked.operation_name,
                allowed_operation_types=ALLOWED,
            )
        except MissingQueryError:
            return _cannot_run(refused(BAD_REQUEST, "The document is empty."))
        except CannotGetOperationTypeError:
            return _cannot_run(refused(UNRESOLVED, "There is no such operation, or several and no operationName."))
        except InvalidOperationTypeError:
            return _cannot_run(refused(UNRESOLVED, "There are no subscriptions here; send a query or a mutation."))


def graphql_endpoint(schema: strawberry.Schema) -> Any:
    """Return the route's endpoint, which admits anonymous callers; invalid credentials are refused before it."""
    door = GraphQLDoor(schema)

    @optional
    async def graphql(request: Request) -> Response:
        return await door.answer(request)

    return graphql


def _response(media: str, result: ExecutionResult) -> Response:
    errors = result.errors or []
    unavailable = _is_unavailable(result)
    before_execution = unavailable or _is_request_error(result)
    body: dict[str, Any] = {}
    if errors:
        body["errors"] = [error.formatted for error in errors]
    if not before_execution:
        body["data"] = result.data
    if result.extensions:
        body["extensions"] = result.extensions
    if unavailable:
        return _json(media, 503, body, {"Retry-After": str(_retry_after(errors)), "Cache-Control": "no-store"})
    seconds = _rate_limited(result)
    if seconds is not None:
        return _json(media, 429, body, {"Retry-After": str(seconds), "Cache-Control": "no-store"})
    status = _status(errors) if before_execution and media == RESPONSE_TYPE else 200
    headers = {"WWW-Authenticate": challenge_of(errors, REALM)} if status in (401, 403) else {}
    return _json(media, status, body, headers)


def _compress(request: Request, response: Response) -> None:
    """Compress a page's data for the browser that asks for it.

    Only for queries of people's sessions: a mutation's answer may hold a secret, whose length then tells nothing, and
    programs are on lines that are fast enough.
    """
    if len(response.body) < COMPRESSED_FROM_BYTES or not takes_gzip(request):
        return
    response.body = gzip.compress(response.body, GZIP_LEVEL, mtime=0)
    response.headers["Content-Length"] = str(len(response.body))
    response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept, Accept-Encoding"


def _retry_after(errors: list[GraphQLError]) -> int:
    """Return the longest wait that the errors ask for, in seconds."""
    told = [(error.extensions or {}).get("retryAfterSeconds") for error in errors]
    return max((one for one in told if isinstance(one, int)), default=RETRY_AFTER_SECONDS)


def _is_unavailable(result: ExecutionResult) -> bool:
    """Return whether no root field has a value because the store is unavailable.

    The response then has no ``data`` entry: with one, ``application/graphql-response+json`` requires a 2xx status.
    """
    errors = result.errors or []
    if {(error.extensions or {}).get("code") for error in errors} != {UNAVAILABLE}:
        return False
    failed = {error.path[0] for error in errors if error.path}
    return result.data is None or all(value is None and name in failed for name, value in result.data.items())


def _rate_limited(result: ExecutionResult) -> int | None:
    """Return the seconds to wait if the operation was refused because its caller's budget is spent, else None.

    Nothing was executed then, so there is no ``data`` entry and both media types may answer 429.
    """
    for error in result.errors or ():
        if result.data is None and (error.extensions or {}).get("code") == RATE_LIMITED:
            return int((error.extensions or {})["retryAfterSeconds"])
    return None


def _is_request_error(result: ExecutionResult) -> bool:
    """Return whether nothing was executed, so that there is no ``data`` entry (GraphQL specification §7.1).

    Variables that cannot be coerced fail inside ``execute``; unlike those of a bubbled null, their errors have no path.
    """
    if isinstance(result, PreExecutionError):
        return True
    return result.data is None and bool(result.errors) and not any(error.path for error in result.errors or ())


def _status(errors: list[GraphQLError]) -> int:
    """Return the status of the errors' codes, if it is the same for all; else 400."""
    statuses = {_STATUS_OF_CODE.get(str((error.extensions or {}).get("code")), 400) for error in errors}
    return statuses.pop() if len(statuses) == 1 else 400


def _cannot_run(error: GraphQLError) -> PreExecutionError:
    return PreExecutionError(data=None, errors=[error])


def _errors(media: str, status: int, message: str) -> Response:
    return _json(media, status, {"errors": [{"message": message, "extensions": {"code": BAD_REQUEST}}]}, {})


def _json(media: str, status: int, body: dict[str, Any], headers: dict[str, str]) -> Response:
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(content, status, {**headers, "Vary": "Accept"}, media_type=f"{media}; charset=utf-8")


async def graphql_request(request: Request) -> GraphQLRequest:
    """Return the request: POST with JSON, one operation, no batch.

    :raises BadBody: 415 for another media type, 413 if the body is too large, 400 if it is malformed.
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
