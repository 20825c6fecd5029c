"""What a cookie alone may not do: act for another site's page, come as a form, or stand beside a token.

Cookies are sent by browsers whoever wrote the page. SameSite=Strict is the first defence; this is the second, and it
does not depend on the browser's age (OWASP, "Cross-Site Request Forgery Prevention": Fetch Metadata, else Origin).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from spacekey.middleware import problems
from spacekey.middleware.credentials import credentials_of
from spacekey.middleware.problems import problem

from .body import JSON_TYPE, media_type
from .refusals import NO_STORE, REALM
from .session_cookie import has_cookie

SAFE = frozenset(("GET", "HEAD", "OPTIONS"))


class SameOrigin:
    """Refuses requests with a session cookie that also carry a token (400), that change something and do not come
    from this server's own pages (403), or whose body is no JSON (415).

    :param public_origin: the origin browsers know this server by; without it, what the request's Host says.
    """

    def __init__(self, app: ASGIApp, public_origin: str | None = None) -> None:
        self.app = app
        self._public_origin = public_origin

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
            return problems.request_malformed(REALM)
        if request.method in SAFE:
            return None
        if not self._is_same_origin(request):
            detail = "A signed-in browser may only do this from this server's own pages. Programs send a token."
            return problem(403, "cross_origin", "Cross-origin request", detail, headers=NO_STORE)
        if media_type(request) != JSON_TYPE and _has_body(request):
            detail = f"With a session, send the body as {JSON_TYPE}."
            return problem(415, "unsupported_media_type", "Unsupported media type", detail, headers=NO_STORE)
        return None

    def _is_same_origin(self, request: HTTPConnection) -> bool:
        fetch_site = request.headers.getlist("sec-fetch-site")
        if fetch_site:
            return fetch_site == ["same-origin"]
        origins = request.headers.getlist("origin")
        if len(origins) != 1:
            return False
        if self._public_origin is not None:
            return origins[0].lower() == self._public_origin
        # The scheme is not compared: behind a proxy this side may be plain HTTP where the browser's is not.
        host = request.headers.get("host", "").lower()
        return bool(host) and _authority(origins[0].lower()) == host


def _authority(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _has_body(request: Request) -> bool:
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0").strip() != "0"
