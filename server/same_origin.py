"""What a cookie alone may not do: act for another site's page, come as a form, or stand beside a token.

Cookies are sent by browsers whoever wrote the page. SameSite=Strict is the first defence; this is the second, and it
does not depend on the browser's age (OWASP, "Cross-Site Request Forgery Prevention": Fetch Metadata, else Origin).
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from spacekey.middleware import responses
from spacekey.middleware.auth.credentials import credentials_of
from spacekey.middleware.auth.origin import OriginCheck, may_change
from spacekey.middleware.responses import problem
from spacekey.server.http.errors import NO_STORE, REALM
from spacekey.server.http.session_cookie import has_cookie

from .body import JSON_TYPE, media_type


class SameOrigin:
    """Refuses requests with a session cookie that also carry a token (400), that change something and do not come
    from this server's own pages (403), or whose body is no JSON (415).

    :param public_origin: the origin browsers know this server by; without it, what the request's Host says.
    """

    def __init__(self, app: ASGIApp, public_origin: str | None = None) -> None:
        self.app = app
        self._origins = OriginCheck(own=public_origin)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
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
        if media_type(request) != JSON_TYPE and _has_body(request):
            detail = f"With a session, send the body as {JSON_TYPE}."
            return problem(415, "unsupported_media_type", "Unsupported media type", detail, headers=NO_STORE)
        return None


def _has_body(request: Request) -> bool:
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0").strip() != "0"
