"""Middleware around all routes: the request log with the request's id, the same-origin check, and common headers."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spacekey.domain.principal import Principal
from spacekey.middleware import responses
from spacekey.middleware.auth.client import request_id_in
from spacekey.middleware.auth.credentials import credentials_of
from spacekey.middleware.auth.origin import OriginCheck, may_change
from spacekey.middleware.responses import problem
from spacekey.models.engine.store import watched_changes
from spacekey.server.context import REQUEST_ID
from spacekey.server.metrics import Metrics

from .base_path import route_path
from .errors import NO_STORE, REALM, broken
from .requests import JSON_TYPE, MERGE_PATCH_TYPE, media_type
from .session_cookie import has_cookie

log = logging.getLogger("spacekey.access")

BEGAN = "spacekey.began"
"""Key in a request's scope, set by the server: when its first byte was read, in seconds of ``time.monotonic``."""
ANSWERED = "spacekey.answered"
"""Key in a request's scope: the status with which the server ended a request whose body did not arrive."""
UNMATCHED = "(none)"
CLIENT_GONE = 499
"""Status logged if the client closed the connection before the response; it is never sent."""
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_NO_STORE = (b"cache-control", b"no-store")
_API = ("/api/", "/graphql")


class RequestLog:
    """Outermost middleware: gives each request an id and a log line, and answers bugs with 500.

    A well-formed ``X-Request-Id`` is kept, else one is generated; the response carries it. The logged time is the
    client's wait: from the first byte of the request that was read, if the server tells when, to the last byte of the
    response that was sent.

    :param clock: seconds, monotonic; the server's, by which it tells when a request began.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.app = app
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope[REQUEST_ID] = request_id = _request_id(scope)
        began = scope.get(BEGAN, self._clock())
        ended: float | None = None
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status, ended
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), (b"x-request-id", request_id.encode())]}
            await send(message)
            ended = self._clock()

        try:
            with watched_changes():
                await self.app(scope, receive, sending)
        except ClientDisconnect:
            status = status or scope.get(ANSWERED, CLIENT_GONE)
        except Exception:
            log.exception("a request failed", extra={"facts": {"request_id": request_id}})
            if status:
                raise  # part of the response was sent, so the server has to close the connection
            await broken(request_id)(scope, receive, sending)
        finally:
            route = template_of(scope)
            self._metrics.request(scope["method"], route, status)
            _write_line(scope, request_id, route, status, (self._clock() if ended is None else ended) - began)


def template_of(scope: Scope) -> str:
    """Return the path template of the matching route, never the path itself, which clients choose freely."""
    if "endpoint" not in scope:
        return UNMATCHED
    served = scope.get("route")  # earlier versions of Starlette do not store the route, so it is matched again
    if isinstance(served, Route):
        return served.path
    for route in getattr(scope.get("app"), "routes", ()):
        if isinstance(route, Route) and route.matches(scope)[0] is not Match.NONE:
            return route.path
    return UNMATCHED


def _request_id(scope: Scope) -> str:
    return request_id_in(scope) or secrets.token_hex(12)


def _write_line(scope: Scope, request_id: str, route: str, status: int, seconds: float) -> None:
    user = scope.get("user")
    facts = {
        "method": scope["method"][:16],
        "route": route,
        "status": status,
        "milliseconds": round(seconds * 1000, 1),
        "principal": user.id if isinstance(user, Principal) else None,
        "request_id": request_id,
    }
    log.info("request", extra={"facts": facts})


class SameOrigin:
    """Middleware that checks requests with a session cookie.

    Refuses those that also carry a token (400), that change something and come from another origin than this server's
    (403), or whose body is not JSON (415).

    :param public_origin: this server's origin in browsers; None for that of the request's Host header.
    :param applies: whether the session cookie is read for a request.
    """

    def __init__(self, app: ASGIApp, public_origin: str | None, applies: Callable[[Scope], bool]) -> None:
        self.app = app
        self._applies = applies
        self._origins = OriginCheck(own=public_origin)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._applies(scope):
            refusal = self._refusal(Request(scope))
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        if not has_cookie(request):
            return None
        if credentials_of(request.scope) is not None:
            return responses.request_malformed(REALM)
        if not may_change(request.scope):
            return None
        if not self._origins.is_allowed(request.scope):
            return responses.cross_origin()
        if media_type(request) not in (JSON_TYPE, MERGE_PATCH_TYPE) and _has_body(request):
            detail = f"With a session, send the body as {JSON_TYPE}."
            return problem(415, "unsupported_media_type", "Unsupported media type", detail, headers=NO_STORE)
        return None


def _has_body(request: Request) -> bool:
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0").strip() != "0"


class DeprecationHeaders:
    """Middleware that adds the headers of deprecated operations to their answers, errors included.

    :param notices: the headers by method and path template.
    """

    def __init__(self, app: ASGIApp, notices: Mapping[tuple[str, str], Mapping[str, str]]) -> None:
        self.app = app
        self._notices = {
            operation: [(name.lower().encode(), value.encode()) for name, value in headers.items()]
            for operation, headers in notices.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        method = "GET" if scope["method"] == "HEAD" else scope["method"]

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = self._notices.get((method, template_of(scope)), [])
                message = {**message, "headers": [*message.get("headers", ()), *added]}
            await send(message)

        await self.app(scope, receive, sending)


class SecurityHeaders:
    """Middleware that adds security headers. Its Content-Security-Policy allows nothing; pages set one of their own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        added = (*_ALWAYS, _POLICY, *((_NO_STORE,) if route_path(scope).startswith(_API) else ()))

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                present = {name.lower() for name, _ in headers}
                message = {**message, "headers": headers + [pair for pair in added if pair[0] not in present]}
            await send(message)

        await self.app(scope, receive, sending)
