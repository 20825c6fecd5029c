"""Responses to refusals and outages: RFC 9457 problem documents, with RFC 6750's challenge where it applies."""

from __future__ import annotations

import logging

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.refusal import (
    Conflict,
    CredentialNotAllowed,
    Fault,
    Forbidden,
    InvalidInput,
    NotFound,
    PlanLimit,
    PreconditionFailed,
    ScopeNotAllowed,
    SignInFailed,
    TooManyAttempts,
    UserError,
)
from spacekey.middleware import responses
from spacekey.middleware.responses import problem

from .requests import BadBody

log = logging.getLogger("spacekey.refusals")

REALM = "spacekey"
NO_STORE = {"Cache-Control": "no-store"}

_FIELDS = {
    "grants": "permissions",
    "first": "limit",
    "idempotency_key": "Idempotency-Key",
    "unused_days": "unused_for_days",
    "expiring_days": "expiring_within_days",
}
"""A resolver's name of a field → the name in REST."""


def response_to(error: UserError | ServiceUnavailable | BadBody, *, member: bool = False) -> Response:
    """Return the problem document for an expected refusal, an outage or an unreadable body.

    :param member: whether the caller is a signed-in member, and not a token.
    """
    match error:
        case NotFound():
            return problem(404, "not_found", "Not found", str(error), headers=NO_STORE, what=error.what)
        case Forbidden():
            return responses.scope_missing(REALM, error.missing, member=member, detail=error.reason)
        case CredentialNotAllowed():
            return problem(403, "forbidden", "Forbidden", str(error), headers=NO_STORE)
        case InvalidInput():
            return _invalid(error)
        case ScopeNotAllowed():
            return problem(
                403,
                "scope_not_allowed",
                "Scope not allowed",
                str(error),
                headers=NO_STORE,
                missing_scopes=list(error.scopes),
            )
        case PlanLimit():
            return problem(403, "plan_limit", "Plan limit", str(error), headers=NO_STORE, plan=error.plan)
        case Conflict():
            more = {} if error.successor_id is None else {"successor_id": error.successor_id}
            return problem(409, error.code.lower(), "Conflict", str(error), headers=NO_STORE, **more)
        case PreconditionFailed():
            return problem(412, "precondition_failed", "Precondition failed", str(error), headers=NO_STORE)
        case SignInFailed():
            return problem(401, "sign_in_failed", "Sign-in failed", str(error), headers=NO_STORE)
        case TooManyAttempts():
            headers = {**NO_STORE, "Retry-After": str(error.retry_after_seconds)}
            return problem(429, "too_many_attempts", "Too many attempts", str(error), headers=headers)
        case BadBody():
            title = error.code.replace("_", " ").capitalize()
            return problem(error.status, error.code, title, error.reason, headers=NO_STORE)
        case ServiceUnavailable():
            return _unavailable(error)
    return problem(400, error.code.lower(), "Refused", str(error), headers=NO_STORE)


async def on_expected(request: Request, error: Exception) -> Response:
    """Handle the exceptions of :func:`response_to`, as Starlette's exception handler."""
    if isinstance(error, ServiceUnavailable):
        log.warning("cannot answer: %s", error)
    if isinstance(error, UserError | ServiceUnavailable | BadBody):
        asking = request.scope.get("user")
        return response_to(error, member=isinstance(asking, Principal) and asking.kind is Kind.MEMBER)
    raise error


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Answer Starlette's own errors, such as 404 and 405, with problem documents that do not show their detail."""
    if not isinstance(error, HTTPException):
        raise error
    headers = {**NO_STORE, **(error.headers or {})}
    if error.status_code == 404:
        return problem(404, "not_found", "Not found", "There is nothing at this address.", headers=headers)
    if error.status_code == 405:
        allowed = ", ".join(_allowed(request))
        detail = f"{request.method} is not possible here; use {allowed}."
        return problem(405, "method_not_allowed", "Method not allowed", detail, headers={**headers, "Allow": allowed})
    return problem(error.status_code, "refused", "Refused", "The request cannot be served.", headers=headers)


def _allowed(request: Request) -> list[str]:
    """Return the methods of all routes of the address (RFC 9110 §15.5.6). Starlette names those of the first only."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    at_address = [route.methods or () for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for methods in at_address for method in methods})


def broken(request_id: str) -> Response:
    """Return 500 with the request's id only; the log has the cause under this id."""
    detail = "Something went wrong here. The request id tells the operator where to look."
    return problem(500, "internal", "Internal error", detail, headers=NO_STORE, request_id=request_id)


def _invalid(error: InvalidInput) -> Response:
    errors = [
        {
            "pointer": "".join(f"/{_escaped(part)}" for part in path),
            "code": fault.code.lower(),
            "detail": fault.reason,
        }
        for fault in error.faults
        for path in [_rest_path(fault)]
    ]
    detail = " ".join(f"{'.'.join(_rest_path(fault))}: {fault.reason}" for fault in error.faults)
    return problem(422, "invalid_input", "Invalid input", detail, headers=NO_STORE, errors=errors)


def _rest_path(fault: Fault) -> tuple[str, ...]:
    return (_FIELDS.get(fault.path[0], fault.path[0]), *fault.path[1:])


def _escaped(part: str) -> str:
    """Return a part of a JSON pointer (RFC 6901 §3)."""
    return part.replace("~", "~0").replace("/", "~1")


def _unavailable(error: ServiceUnavailable) -> Response:
    headers = {**NO_STORE, "Retry-After": str(max(1, error.retry_after_seconds))}
    detail = f"The server cannot answer right now. {error.advice}"
    return problem(503, "unavailable", "Unavailable", detail, headers=headers)
