"""One id and one log line a request, and the last catch: what nobody expected becomes 500 with that id."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable

from starlette.requests import ClientDisconnect
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spacekey.domain.principal import Principal
from spacekey.middleware.auth.client import request_id_in
from spacekey.models.changes import watched_changes
from spacekey.server.context import REQUEST_ID
from spacekey.server.metrics import Metrics

from .errors import broken

log = logging.getLogger("spacekey.access")

BEGAN = "spacekey.began"
"""In a request's scope: when its first byte was read, in seconds of ``time.monotonic``. The server sets it."""
ANSWERED = "spacekey.answered"
"""In a request's scope: the status with which the server ended a request whose body did not come."""
UNMATCHED = "(none)"
CLIENT_GONE = 499
"""Logged when the client hung up before it was answered; nobody is sent this."""


class RequestLog:
    """The outermost middleware. A well-formed ``X-Request-Id`` is kept, else one is made; the answer carries it.

    The line tells what the client waited for: from the first byte of its request that was read, where the server says
    when that was, to the last byte of the answer that was handed over.

    :param clock: seconds, monotonic; the server's, which says when a request began.
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
                raise  # half an answer is out: the server has to cut the connection
            await broken(request_id)(scope, receive, sending)
        finally:
            route = template_of(scope)
            self._metrics.request(scope["method"], route, status)
            _write_line(scope, request_id, route, status, (self._clock() if ended is None else ended) - began)


def template_of(scope: Scope) -> str:
    """The path template of the route that served the request, never the path itself: paths are anybody's to write."""
    if "endpoint" not in scope:
        return UNMATCHED
    served = scope.get("route")  # an earlier Starlette does not say, and is asked once more
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
