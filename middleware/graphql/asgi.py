"""A ready ASGI app for a schema with scopes: HTTP, and WebSockets over ``graphql-transport-ws`` alone.

The older ``graphql-ws`` protocol lets operations run before the connection is acknowledged and is not offered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter, GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.schema import BaseSchema
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types.unset import UnsetType

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.outcome import CannotTell, Valid
from spacekey.domain.principal import Principal
from spacekey.domain.verifier import Verifier
from spacekey.middleware.visit import KEY, Visit

from .init_credential import MalformedCredential, init_credential
from .socket_caller import TRY_AGAIN_LATER, Ask, recheck, seat, verify_in_time

BAD_REQUEST = 4400
UNSET_ACK = UnsetType()
_RECHECK = "spacekey.graphql.recheck"


class OnceClosingAdapter(ASGIWebSocketAdapter):
    """Closing a socket that is closed already does nothing."""

    async def close(self, code: int, reason: str) -> None:
        """Close, unless it was."""
        if self.ws.application_state is not WebSocketState.DISCONNECTED:
            await super().close(code, reason)


class ScopedGraphQL(GraphQL[Any, Any]):
    """Strawberry's ASGI app, whose ``connection_init`` may carry the credential.

    A denial of scopes is an ``error`` message of its operation, and the socket stays open. The socket is closed with
    4403 for a refused credential, 4400 for a malformed or a second one, 1013 when the verifier cannot tell; later with
    4401 when the credential has ended and 4403 when its scopes have become fewer.

    The credential of an open socket is verified again and again, whether it came with the handshake or later. Behind
    a TokenMiddleware that one verifies, with its environment, its deadline and its observer.

    :param verifier: checks credentials of ``connection_init`` where no TokenMiddleware stands before; without either,
        such a credential is refused.
    :param recheck_seconds: how often the credential of an open socket is verified again.
    :param deadline_seconds: how long a verification by ``verifier`` may take.
    :param options: those of ``strawberry.asgi.GraphQL``, but for ``subscription_protocols``.
    """

    websocket_adapter_class = OnceClosingAdapter

    def __init__(
        self,
        schema: BaseSchema,
        *,
        verifier: Verifier | None = None,
        recheck_seconds: float = 1.0,
        deadline_seconds: float = 5.0,
        **options: Any,
    ) -> None:
        if recheck_seconds <= 0 or deadline_seconds <= 0:
            raise ConfigurationError("recheck_seconds and deadline_seconds must be above 0")
        super().__init__(schema, subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,), **options)
        self._verifier = verifier
        self._recheck_seconds = recheck_seconds
        self._deadline_seconds = deadline_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or socket; what watches a socket ends with it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            watch = scope.pop(_RECHECK, None)
            if isinstance(watch, asyncio.Task):
                watch.cancel()
                with suppress(asyncio.CancelledError):
                    await watch

    async def on_ws_connect(self, context: Any) -> UnsetType:
        """Verify the credential of ``connection_init``, if there is one; else the caller is the handshake's."""
        websocket, payload = _parts(context)
        try:
            secret = init_credential(payload)
        except MalformedCredential as error:
            raise await self._reject(websocket, BAD_REQUEST, "Malformed credential") from error
        visit, caller = _visit_of(websocket), websocket.scope.get("user")
        if secret is None:
            if visit is not None and isinstance(caller, Principal):
                self._watch(websocket, visit.again, caller)
            return UNSET_ACK
        if isinstance(caller, Principal):
            raise await self._reject(websocket, BAD_REQUEST, "Two credentials")
        if visit is not None:
            outcome, ask = await visit.present(secret), visit.again
        elif self._verifier is not None:
            ask = partial(verify_in_time, self._verifier, secret, self._deadline_seconds)
            outcome = await ask()
        else:
            raise ConnectionRejectionError
        if isinstance(outcome, CannotTell):
            raise await self._reject(websocket, TRY_AGAIN_LATER, "Try again later")
        if not isinstance(outcome, Valid):
            raise ConnectionRejectionError
        seat(websocket, outcome.principal)
        self._watch(websocket, ask, outcome.principal)
        return UNSET_ACK

    def _watch(self, websocket: WebSocket, ask: Ask, principal: Principal) -> None:
        watch = recheck(
            websocket,
            ask,
            principal,
            every_seconds=self._recheck_seconds,
            close=OnceClosingAdapter(self, websocket, websocket).close,
        )
        websocket.scope[_RECHECK] = asyncio.create_task(watch)

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
