"""A ready ASGI app for a schema with scopes: HTTP, and WebSockets over ``graphql-transport-ws`` alone.

The older ``graphql-ws`` protocol lets operations run before the connection is acknowledged and is not offered.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter, GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.schema import BaseSchema
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types.unset import UnsetType

from spacekey.domain.outcome import CannotTell, Outcome, Refused, Valid
from spacekey.domain.principal import Principal
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import Verifier, VerifiesSecrets
from spacekey.middleware.ending import LACKING, UNAVAILABLE, Ending
from spacekey.middleware.line import HEED
from spacekey.middleware.open_socket import OpenSocket
from spacekey.middleware.standing import Credential
from spacekey.middleware.visit import KEY, Visit
from spacekey.middleware.watch import Watch
from spacekey.middleware.wrapper import as_verifier

from .init_credential import MalformedCredential, init_credential
from .open_operations import OpenOperations, operations_of
from .socket_caller import seat, verify_in_time
from .unenforced import refuse_unenforced

BAD_REQUEST = 4400
UNSET_ACK = UnsetType()
_LINE = "spacekey.graphql.line"

_log = logging.getLogger(__name__)


class OnceClosingAdapter(ASGIWebSocketAdapter):
    """Closing a socket that is closed already does nothing."""

    async def close(self, code: int, reason: str) -> None:
        """Close, unless it was."""
        if self.ws.application_state is not WebSocketState.DISCONNECTED:
            await super().close(code, reason)


class ScopedGraphQL(GraphQL[Any, Any]):
    """Strawberry's ASGI app, whose ``connection_init`` may carry the credential.

    A denial of scopes is an ``error`` message of its operation, and the socket stays open. The socket is closed with
    4403 for a refused credential, 4400 for a malformed or a second one, 1013 when the verifier cannot tell.

    The credential of an open socket is verified again and again (see :mod:`spacekey.middleware.watch`), whether it
    came with the handshake or later. When it is refused, the socket is closed with 4401; when nobody can tell, with
    1013; when a scope has gone, the subscriptions that need it end with an ``error`` message each. Behind a
    TokenMiddleware that one verifies, with its environment, its deadline, its observer and its ``recheck_seconds``.

    :param schema: a :class:`ScopedSchema`, or a plain one that has no rules.
    :param verifier: checks credentials of ``connection_init`` where no TokenMiddleware stands before; without either,
        such a credential is refused.
    :param recheck_seconds: for how long an answer is relied on while a socket is open.
    :param deadline_seconds: how long a verification by ``verifier`` may take.
    :param options: those of ``strawberry.asgi.GraphQL``, but for ``subscription_protocols``.
    :raises ConfigurationError: for a plain schema that carries a rule, which it would not enforce.
    """

    websocket_adapter_class = OnceClosingAdapter
    graphql_transport_ws_handler_class = OpenOperations

    def __init__(
        self,
        schema: BaseSchema,
        *,
        verifier: VerifiesSecrets | None = None,
        recheck_seconds: float = 1.0,
        deadline_seconds: float = 5.0,
        **options: Any,
    ) -> None:
        refuse_unenforced(schema)
        super().__init__(schema, subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,), **options)
        self._verifier = None if verifier is None else as_verifier(verifier)
        self._deadline_seconds = deadline_seconds
        self._watch = Watch(recheck_seconds, deadline_seconds=deadline_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or socket. Without a TokenMiddleware before it, a socket gets a line of its own."""
        if isinstance(scope.get(KEY), Visit):
            scope[HEED] = partial(_review, scope)
        elif scope["type"] == "websocket":
            line = scope[_LINE] = OpenSocket(self._watch, receive, send)
            try:
                await super().__call__(scope, line.receive, line.send)
            finally:
                await line.close_out()
                del scope[_LINE]
            return
        await super().__call__(scope, receive, send)

    async def on_ws_connect(self, context: Any) -> UnsetType:
        """Verify the credential of ``connection_init``, if there is one; else the caller is the handshake's."""
        websocket, payload = _parts(context)
        try:
            secret = init_credential(payload)
        except MalformedCredential as error:
            raise await self._reject(websocket, BAD_REQUEST, "Malformed credential") from error
        visit, caller = _visit_of(websocket), websocket.scope.get("user")
        if secret is None:
            return UNSET_ACK
        if isinstance(caller, Principal):
            raise await self._reject(websocket, BAD_REQUEST, "Two credentials")
        if visit is not None:
            outcome = await visit.present(secret)
        elif self._verifier is not None:
            outcome = await verify_in_time(self._verifier, self._deadline_seconds, websocket.scope, secret)
        else:
            raise ConnectionRejectionError
        if isinstance(outcome, CannotTell):
            raise await self._reject(websocket, UNAVAILABLE.code, UNAVAILABLE.reason)
        if not isinstance(outcome, Valid):
            raise ConnectionRejectionError
        if visit is None and self._verifier is not None:
            seat(websocket, outcome.principal)
            self._follow(websocket, self._verifier, secret, outcome.principal)
        return UNSET_ACK

    def _follow(self, websocket: WebSocket, verifier: Verifier, secret: Secret, principal: Principal) -> None:
        """Have the credential verified again for as long as the socket is open."""
        line: OpenSocket = websocket.scope[_LINE]

        async def consider(valid: Valid) -> Ending | None:
            before: Principal = websocket.scope["user"]
            seat(websocket, valid.principal)
            return _review(websocket.scope, before, valid.principal)

        credential = Credential(
            key=secret.digest(),
            ask=partial(verify_in_time, verifier, self._deadline_seconds, websocket.scope, secret),
            peek=lambda: None,
            principal=principal,
        )
        line.follow(credential, consider, _log_ending)

    async def _reject(self, websocket: WebSocket, code: int, reason: str) -> ConnectionRejectionError:
        """Close with our own code; Strawberry's close for the rejection then finds the socket closed."""
        await websocket.close(code, reason)
        return ConnectionRejectionError()


def _parts(context: Any) -> tuple[WebSocket, Mapping[str, object]]:
    """The socket and the payload of ``connection_init`` in a Strawberry context, a mapping or an object."""
    if isinstance(context, Mapping):
        return context["request"], context.get("connection_params") or {}
    return context.request, context.connection_params or {}


def _visit_of(websocket: WebSocket) -> Visit | None:
    """What the token middleware knows of this socket, where it stands before."""
    visit = websocket.scope.get(KEY)
    return visit if isinstance(visit, Visit) else None


def _review(scope: Scope, before: Principal, after: Principal) -> Ending | None:
    """The caller's scopes may have become fewer: subscriptions that need them end, each by itself.

    An HTTP response has one operation, which is not known here; it is cut.
    """
    if before.scopes <= after.scopes:
        return None
    if scope["type"] == "http":
        return LACKING
    operations = operations_of(scope)
    if operations is not None:
        operations.review()
    return None


def _log_ending(ending: Ending, outcome: Outcome) -> None:
    token_id = outcome.token_id if isinstance(outcome, Refused) else None
    _log.info("a socket was closed with %d %s: token %s", ending.code, ending.reason, token_id)
