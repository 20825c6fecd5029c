"""Client authentication of the OAuth endpoints, and their errors in OAuth's format.

``POST /introspect`` (RFC 7662 §2.1) and ``POST /revoke`` (RFC 7009 §2.1) take the caller's credential as a bearer
token, by HTTP Basic, or in the form as ``client_id`` and ``client_secret`` (RFC 6749 §2.3.1). The client id is the
service's name or the token's id, the client secret is the secret.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote_plus

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.principal import Principal
from spacekey.domain.secret import Secret
from spacekey.resolvers.tokens.revoke import revoke_own
from spacekey.server.bearers import ServicePrincipal
from spacekey.server.context import facts_of, parts_of

from .base_path import route_path
from .errors import NO_STORE, response_to
from .requests import FORM_BYTES_MAX, FORM_TYPE, BadBody, form_pairs, media_type

REVOKE_PATH = "/api/v1/revoke"
OAUTH_PATHS = frozenset({"/api/v1/introspect", "/api/v1/introspect/batch", REVOKE_PATH})
CLIENT_ID = "spacekey.client_id"

_ERRORS = {400: "invalid_request", 401: "invalid_client", 403: "insufficient_scope", 500: "server_error"}
_PROBLEM = b"application/problem+json"


@dataclass(frozen=True, slots=True)
class _Credentials:
    client_id: str
    secret: str


class ClientAuthentication:
    """Middleware that passes a client's credentials on as a bearer token, and adds RFC 6749's ``error`` to refusals.

    It runs before :class:`spacekey.middleware.TokenMiddleware`, which verifies, counts and limits all credentials.
    """

    def __init__(self, app: ASGIApp, realm: str) -> None:
        self.app = app
        self._realm = realm

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or route_path(scope) not in OAUTH_PATHS:
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        answer = _OAuthErrors(send, request, self._realm, basic=_scheme(request) == "basic")
        try:
            credentials, fields, receive = await _credentials(request, receive)
        except BadBody as error:
            await answer.refuse(error, scope, receive)
            return
        presented = _bearer(request) if credentials is None else credentials.secret
        if route_path(scope) == REVOKE_PATH and presented and fields.get("token") == presented:
            answer.own = partial(_revoked, request, Secret(presented))
        if credentials is not None:
            # In the same scope object, which the request log reads after the response.
            scope[CLIENT_ID] = credentials.client_id
            scope["headers"] = list(scope["headers"])
            MutableHeaders(scope=scope)["authorization"] = f"Bearer {credentials.secret}"
            answer.by_client = True
        await self.app(scope, receive, answer)


def check_client(connection: HTTPConnection) -> None:
    """Check that the client id belongs to the verified credential. Unverified ones were refused before.

    :raises BadBody: 401 ``invalid_client`` if it belongs to another one.
    """
    client_id, principal = connection.scope.get(CLIENT_ID), connection.scope.get("user")
    if client_id is None or not isinstance(principal, Principal):
        return
    names = {principal.id, principal.name} if isinstance(principal, ServicePrincipal) else {principal.id}
    if client_id not in names:
        raise BadBody(401, "invalid_client", "The client id is not the name or id of this credential.")


async def _revoked(request: Request, secret: Secret) -> Response:
    """Return the answer to a refused token that revokes itself: 200 in any state (RFC 7009 §2.2), after T."""
    try:
        await revoke_own(parts_of(request).system, facts_of(request), secret)
    except ServiceUnavailable as error:
        return response_to(error)
    return Response(status_code=200, headers=NO_STORE)


async def _credentials(request: Request, receive: Receive) -> tuple[_Credentials | None, Mapping[str, str], Receive]:
    """Return credentials other than a bearer token, the form's fields, and the body to be read again.

    :raises BadBody: two methods were used at once (RFC 6749 §2.3), or the credentials cannot be read.
    """
    sent = request.headers.getlist("authorization")
    if media_type(request) != FORM_TYPE:
        return (_basic(request) if _scheme(request) == "basic" else None), {}, receive
    raw, receive = await _replayed(receive)
    fields = _fields(raw)
    if "client_secret" in fields:
        if sent:
            raise BadBody(400, "invalid_request", "Authenticate in one way: the Authorization header or the form.")
        if not fields.get("client_id"):
            raise BadBody(401, "invalid_client", "The form needs 'client_id' beside 'client_secret'.")
        return _Credentials(fields["client_id"], fields["client_secret"]), fields, receive
    return (_basic(request) if _scheme(request) == "basic" else None), fields, receive


def _basic(request: Request) -> _Credentials:
    """Return user and password of HTTP Basic (RFC 7617), each form-encoded (RFC 6749 §2.3.1)."""
    if len(request.headers.getlist("authorization")) > 1:
        raise BadBody(400, "invalid_request", "Send one Authorization header.")
    if "origin" in request.headers or "sec-fetch-site" in request.headers:
        # Browsers attach Basic credentials by themselves to requests of any page (CSRF).
        raise BadBody(400, "invalid_request", "Basic credentials are for programs; from a browser, use a bearer token.")
    encoded = request.headers["authorization"].partition(" ")[2].strip()
    try:
        text = base64.b64decode(encoded, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise BadBody(401, "invalid_client", "The Basic credentials cannot be read.") from None
    client_id, colon, secret = text.partition(":")
    if not colon or not client_id or not secret:
        raise BadBody(401, "invalid_client", "The Basic credentials need a client id, a colon and a secret.")
    return _Credentials(unquote_plus(client_id), unquote_plus(secret))


def _bearer(request: Request) -> str:
    """Return the bearer token; empty if there is none, or more than one header."""
    sent = request.headers.getlist("authorization")
    return sent[0].partition(" ")[2].strip() if len(sent) == 1 and _scheme(request) == "bearer" else ""


def _scheme(request: Request) -> str:
    return request.headers.get("authorization", "").partition(" ")[0].lower()


def _fields(raw: bytes) -> dict[str, str]:
    """Return the form's fields; none if it cannot be read, which the endpoint then refuses."""
    if len(raw) > FORM_BYTES_MAX:
        return {}
    try:
        return dict(form_pairs(raw))
    except BadBody:
        return {}


async def _replayed(receive: Receive) -> tuple[bytes, Receive]:
    """Return the body up to one byte over a form's limit, and a ``receive`` that repeats it before the rest."""
    messages: list[Message] = []
    size = 0
    while size <= FORM_BYTES_MAX:
        message = await receive()
        messages.append(message)
        if message["type"] != "http.request":
            break
        size += len(message.get("body", b""))
        if not message.get("more_body", False):
            break
    body = b"".join(message.get("body", b"") for message in messages if message["type"] == "http.request")

    async def again() -> Message:
        return messages.pop(0) if messages else await receive()

    return body, again


class _OAuthErrors:
    """``send`` that adds the members ``error`` and ``error_description`` to problem documents (RFC 6749 §5.2).

    With ``by_client`` the credential was sent as a client's and is refused as ``invalid_client``; a bearer token is
    refused by RFC 6750 §3.1. A client id that is not the credential's is refused first, whatever else is wrong with
    the request, because authentication precedes authorization. ``own`` returns the answer to a refused token that
    revokes itself.
    """

    def __init__(self, send: Send, request: Request, realm: str, *, basic: bool) -> None:
        self.by_client = False
        self.own: Callable[[], Awaitable[Response]] | None = None
        self._send = send
        self._request = request
        self._basic = basic
        self._realm = realm
        self._start: Message | None = None
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_problem(message):
            self._start = message
            return
        if self._start is None or message["type"] != "http.response.body":
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if not message.get("more_body", False):
            await self._answer(self._start, json.loads(bytes(self._body)))

    async def refuse(self, error: BadBody, scope: Scope, receive: Receive) -> None:
        """Answer credentials that could not be read."""
        await response_to(error)(scope, receive, self)

    async def _answer(self, start: Message, facts: dict[str, Any]) -> None:
        try:
            check_client(self._request)
        except BadBody as error:
            start, facts = _parts_of(response_to(error))
        status: int = start["status"]
        if self.own is not None and status == 401 and facts.get("code") == "invalid_token":
            answer, self.own = await self.own(), None
            if answer.status_code == 200:
                await self._send({"type": "http.response.start", "status": 200, "headers": answer.raw_headers})
                await self._send({"type": "http.response.body", "body": b""})
                return
            start, facts = _parts_of(answer)
            status = start["status"]
        body = json.dumps(self._with_error(status, facts), separators=(",", ":")).encode()
        headers = MutableHeaders(raw=list(start.get("headers", ())))
        headers["content-type"] = "application/json"  # RFC 6749 §5.2
        headers["content-length"] = str(len(body))
        self._set_challenge(status, headers)
        await self._send({**start, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": body})

    def _with_error(self, status: int, facts: dict[str, Any]) -> dict[str, Any]:
        return {"error": self._error(status, facts), "error_description": facts.get("detail", ""), **facts}

    def _error(self, status: int, facts: dict[str, Any]) -> str:
        if status == 401 and not self.by_client and facts.get("code") == "invalid_token":
            return "invalid_token"
        if status in (429, 503):
            return "temporarily_unavailable"
        return _ERRORS.get(status, "invalid_request")

    def _set_challenge(self, status: int, headers: MutableHeaders) -> None:
        if status == 401 and (self._basic or "www-authenticate" not in headers):
            scheme = "Basic" if self._basic else "Bearer"
            headers["www-authenticate"] = f'{scheme} realm="{self._realm}"'


def _is_problem(message: Message) -> bool:
    headers = Headers(raw=list(message.get("headers", ())))
    return message["status"] >= 400 and headers.get("content-type", "").encode().startswith(_PROBLEM)


def _parts_of(response: Response) -> tuple[Message, dict[str, Any]]:
    """Return the start message and the JSON body of a problem document."""
    start = {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
    return start, json.loads(bytes(response.body))
