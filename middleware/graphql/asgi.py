"""ASGI app for a schema with scopes: HTTP, and WebSockets over ``graphql-transport-ws`` alone.

The older ``graphql-ws`` protocol is not offered, because it runs operations before the connection is acknowledged.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from functools import partial
from json import JSONDecodeError
from typing import Any

from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http.exceptions import NonTextMessageReceived
from strawberry.schema import BaseSchema
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types.execution import PreExecutionError
from strawberry.types.unset import UnsetType

from spacekey.domain.authentication import Authenticated, AuthenticationResult, Rejected, Unavailable
from spacekey.domain.principal import Principal
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import TIMEOUT_SECONDS, Verifier, VerifiesSecrets
from spacekey.middleware import responses
from spacekey.middleware.auth.credentials import BEARER_ALONE, Credentials, Source
from spacekey.middleware.long_lived.recheck import FORBIDDEN, UNAVAILABLE, CloseReason, Credential, Rechecker
from spacekey.middleware.long_lived.streams import ON_PRINCIPAL_CHANGED, WatchedWebSocket
from spacekey.middleware.request_auth import KEY, RequestAuth
from spacekey.middleware.verifiers.wrapper import as_verifier

from .decision import INSUFFICIENT_SCOPE, UNAUTHENTICATED, DenialError
from .schema import check_enforced
from .websocket import (
    IdempotentCloseAdapter,
    MalformedCredential,
    ScopedTransportWSHandler,
    check_context,
    current_handler,
    handler_of,
    init_credential,
    set_caller,
    verify_within_deadline,
)

RESPONSE_TYPE = "application/graphql-response+json"
JSON_TYPE = "application/json"
_STATUS_OF_CODE = {UNAUTHENTICATED: 401, INSUFFICIENT_SCOPE: 403}
_REALM = "api"
BAD_REQUEST = 4400
UNSET_ACK = UnsetType()
_SOCKET_KEY = "spacekey.graphql.socket"

_log = logging.getLogger(__name__)


class ScopedGraphQL(GraphQL[Any, Any]):
    """Strawberry's ASGI app, whose ``connection_init`` may carry the credential.

    Over HTTP, an operation that is refused as a whole is answered with 401 or 403 if the client prefers
    ``application/graphql-response+json``, else with 200; both carry the challenge of RFC 6750 §3.

    ``get_context`` must return the request, as ``{"request": request, …}`` or in an attribute ``request``, because the
    caller is found there (unless ``ScopeEnforcement(principal=…)`` finds it elsewhere).

    A denial of scopes is an ``error`` message of its operation, and the socket stays open. The socket is closed with
    4403 for a rejected credential, 4400 for a malformed or a second one, and 1013 if it cannot be verified now.

    The credential of an open socket is verified again and again (see docs/how-to/long-lived.md), whether it
    came with the handshake or later. If it is refused, the socket is closed with 4401; if it cannot be verified now,
    with 1013; if it has lost a scope, the subscriptions that need the scope end with an ``error`` message each. Behind
    a TokenMiddleware, the middleware verifies, with its environment, ``timeout``, observer and ``recheck_seconds``.

    :param schema: a :class:`ScopedSchema`, or a plain one without rules.
    :param verifier: verifies credentials of ``connection_init`` if the app is not behind a TokenMiddleware; without
        either, such a credential is refused.
    :param credentials: sources whose names ``connection_init`` may have, if the app is not behind a TokenMiddleware,
        which has its own; None is ``[bearer()]``.
    :param recheck_seconds: for how long a verdict is relied on while a socket is open.
    :param timeout: seconds that a verification by ``verifier`` may take.
    :param options: those of ``strawberry.asgi.GraphQL`` except ``subscription_protocols``.
    :raises ConfigurationError: for a plain schema with a rule, which it would not enforce.
    """

    websocket_adapter_class = IdempotentCloseAdapter
    graphql_transport_ws_handler_class = ScopedTransportWSHandler

    def __init__(
        self,
        schema: BaseSchema,
        *,
        verifier: VerifiesSecrets | None = None,
        credentials: Sequence[Source] | None = None,
        recheck_seconds: float = 1.0,
        timeout: float = TIMEOUT_SECONDS,
        **options: Any,
    ) -> None:
        check_enforced(schema)
        super().__init__(schema, subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,), **options)
        self._verifier = None if verifier is None else as_verifier(verifier)
        self._credentials = BEARER_ALONE if credentials is None else Credentials(credentials)
        self._timeout = timeout
        self._watch = Rechecker(recheck_seconds, timeout=timeout)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or socket. Not behind a TokenMiddleware, the app itself watches a socket's credential."""
        auth = scope.get(KEY)
        if isinstance(auth, RequestAuth):
            auth.enter(scope)
            scope[ON_PRINCIPAL_CHANGED] = partial(_on_principal_changed, scope)
        elif scope["type"] == "websocket":
            socket = scope[_SOCKET_KEY] = WatchedWebSocket(self._watch, receive, send)
            try:
                await super().__call__(scope, socket.receive, socket.send)
            finally:
                await socket.drain()
                del scope[_SOCKET_KEY]
            return
        await super().__call__(scope, receive, send)

    async def execute_operation(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        """Execute as Strawberry does. Of a refused operation, prepare status, headers and media type of the response.

        :raises ConfigurationError: if ``get_context`` returned no request.
        """
        check_context(self.schema, kwargs["context"])
        result = await super().execute_operation(request, *args, **kwargs)
        if isinstance(result, PreExecutionError) and result.errors:
            auth = request.scope.get(KEY)
            refused = refusal_status(result.errors)
            if refused is not None:
                headers = kwargs["sub_response"].headers
                realm = auth.realm if isinstance(auth, RequestAuth) else _REALM
                said = challenge_of(result.errors, realm)
                headers["WWW-Authenticate"] = auth.challenged(said) if isinstance(auth, RequestAuth) else said
                headers.append("Vary", "Accept")
                if response_type(request.headers.getlist("accept")) == RESPONSE_TYPE:
                    kwargs["sub_response"].status_code = refused
                    kwargs["sub_response"].media_type = RESPONSE_TYPE
        return result

    def create_response(self, response_data: Any, sub_response: Response) -> Response:
        """Create the response as Strawberry does, in the media type chosen for a refusal."""
        response = super().create_response(response_data, sub_response)
        if sub_response.media_type is not None:
            response.headers["content-type"] = f"{sub_response.media_type}; charset=utf-8"
        return response

    def decode_json(self, data: str | bytes) -> object:
        """Decode the JSON of a body or message.

        :raises JSONDecodeError: for anything that cannot be decoded.
        :raises NonTextMessageReceived: for a message without text.
        """
        if not isinstance(data, str | bytes):
            raise NonTextMessageReceived  # some servers send {"text": None, "bytes": …}
        try:
            return super().decode_json(data)
        except (RecursionError, ValueError):  # too deep, too many digits, not UTF-8
            raise JSONDecodeError("it cannot be read", "", 0) from None

    def parse_json(self, data: str | bytes) -> Any:
        """Decode a body: an object, or a list of objects.

        :raises JSONDecodeError: for any other value.
        """
        parsed = super().parse_json(data)
        if not all(isinstance(each, dict) for each in (parsed if isinstance(parsed, list) else [parsed])):
            raise JSONDecodeError("it is not an object", "", 0)  # answered with 400, as Strawberry answers the others
        return parsed

    async def on_ws_connect(self, context: Any) -> UnsetType:
        """Verify the credential of ``connection_init``, if there is one; else the caller is the handshake's."""
        handler = current_handler()
        websocket = handler.connection
        auth, caller = _auth_of(websocket), websocket.scope.get("user")
        try:
            credentials = self._credentials if auth is None else auth.credentials
            secret = init_credential(handler.init_payload, credentials)
        except MalformedCredential as error:
            raise await self._reject(websocket, BAD_REQUEST, "Malformed credential") from error
        if secret is None:
            return UNSET_ACK
        asked = self._watch.clock()
        if isinstance(caller, Principal):
            raise await self._reject(websocket, BAD_REQUEST, "Two credentials")
        if auth is not None:
            outcome = await auth.authenticate_with(secret)
        elif self._verifier is not None:
            outcome = await verify_within_deadline(self._verifier, self._timeout, websocket.scope, secret)
        else:
            raise ConnectionRejectionError
        if isinstance(outcome, Unavailable):
            raise await self._reject(websocket, UNAVAILABLE.code, UNAVAILABLE.reason)
        if not isinstance(outcome, Authenticated):
            raise ConnectionRejectionError
        if auth is None and self._verifier is not None:
            set_caller(websocket, outcome.principal)
            self._recheck(websocket, self._verifier, secret, outcome.principal, asked)
        return UNSET_ACK

    def _recheck(
        self, websocket: WebSocket, verifier: Verifier, secret: Secret, principal: Principal, asked: float
    ) -> None:
        """Verify the credential again and again while the socket is open."""
        socket: WatchedWebSocket = websocket.scope[_SOCKET_KEY]

        async def on_valid(valid: Authenticated) -> CloseReason | None:
            before: Principal = websocket.scope["user"]
            set_caller(websocket, valid.principal)
            return _on_principal_changed(websocket.scope, before, valid.principal)

        credential = Credential(
            key=secret.digest(),
            ask=partial(verify_within_deadline, verifier, self._timeout, websocket.scope, secret),
            peek=lambda: None,
            principal=principal,
            asked=asked,
        )
        socket.follow(credential, on_valid, _log_ending)

    async def _reject(self, websocket: WebSocket, code: int, reason: str) -> ConnectionRejectionError:
        """Close the socket with our own code. Strawberry's close for the returned error then does nothing."""
        await websocket.close(code, reason)
        return ConnectionRejectionError()


def refusal_status(errors: Sequence[GraphQLError]) -> int | None:
    """Return the HTTP status of an operation that was refused for its scopes; None if it was for another reason."""
    codes = [(error.extensions or {}).get("code") for error in errors if isinstance(error, DenialError)]
    statuses = {_STATUS_OF_CODE[str(code)] for code in codes}
    return min(statuses) if statuses and len(codes) == len(errors) else None


def challenge_of(errors: Iterable[GraphQLError], realm: str) -> str:
    """Return the challenge of RFC 6750 §3, for clients that look at status and headers first."""
    extensions = [error.extensions or {} for error in errors]
    if all(each.get("code") != INSUFFICIENT_SCOPE for each in extensions):
        return responses.challenge(realm)
    missing = sorted({scope for each in extensions for scope in each.get("missingScopes") or ()})
    return responses.challenge(realm, "insufficient_scope", None, missing)


def response_type(accept: Sequence[str]) -> str | None:
    """Choose the media type of the response (GraphQL over HTTP, "Accept").

    Without an ``Accept`` header, or if any type is acceptable, it is ``application/json``, as older clients expect.

    :param accept: the values of the header.
    :returns: None if the client accepts neither.
    """
    accepted = ",".join(accept)
    if not accepted.strip():
        return JSON_TYPE
    weights = dict(_ranges(accepted))
    anything = weights.get("application/*", weights.get("*/*", 0.0))
    plain = weights.get(JSON_TYPE, anything)
    modern = weights.get(RESPONSE_TYPE, 0.0)
    if modern > 0 and modern >= weights.get(JSON_TYPE, 0.0):
        return RESPONSE_TYPE
    if plain > 0:
        return JSON_TYPE
    return RESPONSE_TYPE if modern > 0 else None


def _ranges(accepted: str) -> list[tuple[str, float]]:
    """Return the media ranges and their weights (RFC 9110 §12.5.1); a malformed weight counts as 0."""
    found: list[tuple[str, float]] = []
    for part in accepted.split(",")[:100]:
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                weight = _weight(value.strip())
        if name:
            found.append((name, weight))
    return found


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0


def _auth_of(websocket: WebSocket) -> RequestAuth | None:
    """Return the token middleware's RequestAuth of the socket; None if the app is not behind it."""
    auth = websocket.scope.get(KEY)
    return auth if isinstance(auth, RequestAuth) else None


def _on_principal_changed(scope: Scope, before: Principal, after: Principal) -> CloseReason | None:
    """End the subscriptions that need a lost scope. Over HTTP the operation is not known, and the response ends.

    :returns: how to end the whole connection; None to leave it open.
    """
    if before.scopes <= after.scopes:
        return None
    if scope["type"] == "http":
        return FORBIDDEN
    handler = handler_of(scope)
    if handler is not None:
        handler.recheck_subscriptions()
    return None


def _log_ending(ending: CloseReason, outcome: AuthenticationResult) -> None:
    token_id = outcome.token_id if isinstance(outcome, Rejected) else None
    _log.info("a socket was closed with %d %s: token %s", ending.code, ending.reason, token_id)
