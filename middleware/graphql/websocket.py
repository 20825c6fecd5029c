"""WebSockets over ``graphql-transport-ws``: their credential, their caller, and the operations that are open on them.

A browser's WebSocket cannot send an Authorization header, so the credential may come in ``connection_init``. For every
operation it is known for whom it was decided, so that it ends when its caller has lost a scope since.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from graphql import GraphQLError
from starlette.authentication import AuthCredentials
from starlette.types import Scope
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.schema import BaseSchema
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler, Operation

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.outcome import Verdict
from spacekey.domain.principal import Principal
from spacekey.domain.secret import SECRET_LENGTH_MAX, Secret
from spacekey.domain.verifier import Verifier
from spacekey.middleware.gate import asked_within, usable
from spacekey.middleware.sender import SentBy

from .schema import ScopedSchema
from .subscriptions import Subscribed


class MalformedCredential(ValueError):
    """The payload has an authorization that is not one ``Bearer`` credential."""


def init_credential(payload: Mapping[str, object]) -> Secret | None:
    """The secret of ``{"Authorization": "Bearer …"}``; the name and the scheme in any case (RFC 9110 §11.1).

    :returns: None when the payload has no authorization.
    :raises MalformedCredential: for two of them, another scheme, or anything but one word after it.
    """
    values = [value for name, value in payload.items() if name.lower() == "authorization"]
    if not values:
        return None
    if len(values) > 1 or not isinstance(values[0], str):
        raise MalformedCredential
    scheme, _, word = values[0].partition(" ")
    if scheme.lower() != "bearer" or not word.isascii() or not word.isprintable() or not word or " " in word:
        raise MalformedCredential
    if len(word) > 10 * SECRET_LENGTH_MAX:
        raise MalformedCredential
    return Secret(word)


async def verify_in_time(verifier: Verifier, deadline_seconds: float, scope: Scope, secret: Secret) -> Verdict:
    """The verifier's verdict on what this socket sent; cannot-tell when it is late, raises, or answers otherwise."""
    with SentBy(scope):
        answer = await asked_within(deadline_seconds, verifier.verify, secret, "the verifier")
    return usable(answer, "the verifier")


def seat(websocket: WebSocket, principal: Principal) -> None:
    """Make ``principal`` the caller of every operation on this socket from now on."""
    if websocket.scope.get("user") is principal:
        return  # the token middleware has done it
    websocket.scope["user"] = principal
    websocket.scope["auth"] = AuthCredentials(sorted(principal.scopes))


_REASON_BYTES_MAX = 123
"""What a close frame holds besides its code (RFC 6455 §5.5)."""


class OnceClosingAdapter(ASGIWebSocketAdapter):
    """Strawberry's socket, for clients that send anything at any time.

    Closing a socket that is closed already does nothing, and sending on one says that it is closed.
    """

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Send a message.

        :raises WebSocketDisconnected: if the socket is closed, by whichever side.
        """
        if self.ws.application_state is WebSocketState.DISCONNECTED:
            raise WebSocketDisconnected
        await super().send_json(message)

    async def close(self, code: int, reason: str) -> None:
        """Close, unless it was. The reason is cut to what a close frame holds."""
        if self.ws.application_state is not WebSocketState.DISCONNECTED:
            cut = reason.encode("utf-8", "replace")[:_REASON_BYTES_MAX].decode("utf-8", "ignore")
            with suppress(WebSocketDisconnect):
                await super().close(code, cut)


KEY = "spacekey.graphql.operations"
_SERVING: ContextVar[OpenOperations] = ContextVar("spacekey_graphql_serving")


class OpenOperations(BaseGraphQLTransportWSHandler[Any, Any]):
    """Strawberry's handler of ``graphql-transport-ws``, which can be told that its caller's scopes have changed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        check_context(self.schema, self.context)
        self._callers: dict[Operation[Any, Any], Principal | None] = {}
        self._farewells: set[asyncio.Task[None]] = set()
        websocket: Any = self.websocket
        self.connection: WebSocket = websocket.ws
        self.init_payload: dict[str, object] = {}
        """What came with ``connection_init``."""
        self.connection.scope[KEY] = self

    async def handle(self) -> None:
        """Serve the socket until it is closed."""
        _SERVING.set(self)
        await super().handle()

    async def handle_connection_init(self, message: Any) -> None:
        """Take the payload, whether or not the app's context has a place for it."""
        payload = message.get("payload")
        self.init_payload = payload if isinstance(payload, dict) else {}
        await super().handle_connection_init(message)

    async def handle_message(self, message: Any) -> None:
        """Take one message; the socket is closed with 4400 for one that the protocol does not have."""
        if _is_message(message):
            await super().handle_message(message)
        else:
            await self.handle_invalid_message("Failed to parse message")

    async def handle_task_exception(self, error: Exception) -> None:
        """Log what went wrong in an operation, unless it is only that the client has gone or was closed out."""
        if not isinstance(error, WebSocketDisconnected):
            await super().handle_task_exception(error)

    async def run_operation(self, operation: Operation[Any, Any]) -> None:
        """Run one operation, remembering for whom."""
        if isinstance(self.schema, ScopedSchema):
            self._callers[operation] = self.schema.caller(self.context)
        try:
            await super().run_operation(operation)
        finally:
            self._callers.pop(operation, None)

    async def shutdown(self) -> None:
        """The socket is closed."""
        for task in list(self._farewells):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await super().shutdown()

    def review(self) -> None:
        """Decide anew about every subscription; one that the caller may no longer have ends with an ``error`` message.

        Returns at once, and no event of it is sent from then on. Queries and mutations end by themselves, and half a
        mutation helps nobody.
        """
        for operation, caller in list(self._callers.items()):
            errors = self._lost(operation, caller)
            if errors and not operation.completed and operation.task is not None:
                operation.task.cancel()
                farewell = asyncio.get_running_loop().create_task(self._refuse(operation, errors))
                self._farewells.add(farewell)
                farewell.add_done_callback(self._farewells.discard)

    def _lost(self, operation: Operation[Any, Any], caller: Principal | None) -> Sequence[GraphQLError]:
        if not isinstance(self.schema, ScopedSchema):
            return ()
        subscribed = Subscribed(operation.query, operation.operation_name, operation.variables, caller)
        return self.schema.lost(subscribed, self.context)

    async def _refuse(self, operation: Operation[Any, Any], errors: Sequence[GraphQLError]) -> None:
        with suppress(Exception):  # the client has gone
            await operation.send_initial_errors(list(errors))


def serving() -> OpenOperations:
    """The socket that this task serves: Strawberry's hooks are given the app's context, which need not have it."""
    return _SERVING.get()


def operations_of(scope: Scope) -> OpenOperations | None:
    """The operations of a socket that has chosen the protocol."""
    found = scope.get(KEY)
    return found if isinstance(found, OpenOperations) else None


def check_context(schema: BaseSchema, context: object) -> None:
    """Hold a context to where the schema looks for the caller.

    :raises ConfigurationError: if the request is not there, so that every caller would be anonymous.
    """
    if not isinstance(schema, ScopedSchema) or schema.finds_caller_elsewhere:
        return
    given = context.get("request") if isinstance(context, Mapping) else getattr(context, "request", None)
    if not isinstance(getattr(given, "scope", None), Mapping):
        raise ConfigurationError(
            f"get_context returned {type(context).__name__} without the request, so no token would be seen: return "
            '{"request": request, "response": response, …}, or an object with the attribute request, or find the '
            "caller yourself with ScopeEnforcement(principal=…)"
        )


def _is_message(message: object) -> bool:
    """Whether a value is a message of the protocol, in the fields that are read."""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return False
    if message["type"] not in ("subscribe", "complete"):
        return True
    if not isinstance(message.get("id"), str) or not message["id"]:
        return False
    payload = message.get("payload")
    return message["type"] == "complete" or (
        isinstance(payload, dict)
        and isinstance(payload.get("query"), str)
        and isinstance(payload.get("variables"), dict | None)
        and isinstance(payload.get("operationName"), str | None)
    )
