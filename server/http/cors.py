"""Cross-origin requests of scripts that send a token (Fetch standard, §3.2 "CORS protocol").

The origins are a setting. A preflight carries no token and is answered by the setting alone; the token is checked with
the request itself. Cookies never cross origins: no answer allows credentials, a request with the session cookie gets no
permission, and no cookie is set for a page of another origin.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spacekey.domain.origin import is_listed
from spacekey.middleware.auth.origin import OriginCheck
from spacekey.middleware.responses import EXPOSED_HEADERS, problem, with_vary

from .errors import NO_STORE
from .session_cookie import has_cookie

METHODS = "GET, POST, PUT, PATCH, DELETE"
REQUEST_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id"
"""Headers of a request that scripts may set."""
EXPOSED = ", ".join(
    sorted(
        [*EXPOSED_HEADERS, "Deprecation", "ETag", "Idempotent-Replayed", "Link", "Location", "Sunset", "X-Request-Id"]
    )
)
"""Headers of an answer that scripts may read."""
PREFLIGHT_SECONDS = 600
"""For how long a browser may keep the answer to a preflight."""
_VARY = (b"vary", b"Origin")


class CrossOrigin:
    """Middleware that gives pages of the listed origins permission to read answers, errors and refusals included.

    :param origins: their origins; ``*`` among them stands for all.
    :param public_origin: this server's origin in browsers; None for that of the request's Host header.
    :param applies: whether a request is for an API that scripts of other origins may use.
    """

    def __init__(
        self, app: ASGIApp, origins: Collection[str], public_origin: str | None, applies: Callable[[Scope], bool]
    ) -> None:
        self.app = app
        self._origins = origins
        self._own = OriginCheck(own=public_origin)
        self._applies = applies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._applies(scope):
            await self.app(scope, receive, send)
            return
        origin = page_origin(scope)
        foreign = origin is not None and not self._own.is_allowed(scope)
        permitted = foreign and is_listed(origin or "", self._origins) and not has_cookie(HTTPConnection(scope))

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = with_vary(message.get("headers", ()), _VARY)
                if foreign:
                    headers = [pair for pair in headers if pair[0].lower() != b"set-cookie"]
                if permitted:
                    headers += [
                        (b"access-control-allow-origin", (origin or "").encode("latin-1")),
                        (b"access-control-expose-headers", EXPOSED.encode()),
                    ]
                message = {**message, "headers": headers}
            await send(message)

        await self.app(scope, receive, sending)


class Preflight:
    """Middleware that answers preflights, which carry no credentials. :class:`CrossOrigin` adds the permission.

    :param origins: as in :class:`CrossOrigin`, as ``applies``.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str], applies: Callable[[Scope], bool]) -> None:
        self.app = app
        self._origins = origins
        self._applies = applies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "OPTIONS" and self._applies(scope):
            names = {name for name, _ in scope["headers"]}
            if {b"origin", b"access-control-request-method"} <= names:
                await self._answer(scope)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _answer(self, scope: Scope) -> Response:
        origin = page_origin(scope)
        if origin is None or not is_listed(origin, self._origins):
            detail = "Pages of this origin may not use this API. Add the origin to SPACEKEY_CORS_ORIGINS."
            return problem(403, "origin_not_allowed", "Origin not allowed", detail, headers=NO_STORE)
        return Response(
            status_code=204,
            headers={
                "Access-Control-Allow-Methods": METHODS,
                "Access-Control-Allow-Headers": REQUEST_HEADERS,
                "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
                "Vary": "Access-Control-Request-Method, Access-Control-Request-Headers",
            },
        )


def page_origin(scope: Scope) -> str | None:
    """Return the value of the header ``Origin``; None if it is missing or sent more than once."""
    sent = [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]
    return sent[0] if len(sent) == 1 else None
