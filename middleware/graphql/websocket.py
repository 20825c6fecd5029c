"""WebSockets over ``graphql-transport-ws``: their credential, their caller and their running operations.

A browser's WebSocket cannot send an Authorization header, so the credential may come in ``connection_init``. The caller
of every running operation is recorded, so that a subscription ends when its caller loses a scope that it needs.
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

from spacekey.domain.authentication import Verdict
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Principal
from spacekey.domain.secret import SECRET_LENGTH_MAX, Secret
from spacekey.domain.verifier import Verifier
from spacekey.middleware.auth.authenticator import ask_within_deadline, checked_verdict
from spacekey.middleware.auth.credentials import BEARER_ALONE, Bearer, Credentials, Header

from .schema import ScopedSchema
from .subscriptions import SubscriptionRequest


class MalformedCredential(ValueError):
    """A payload with two credentials, or with one that is malformed."""


def init_credential(payload: Mapping[str, object], credentials: Credentials = BEARER_ALONE) -> Secret | None:
    """Return the secret of ``connection_init``, from the names that clients send; case does not matter in them.

    An app that reads ``Authorization`` takes ``{"Authorization": "Bearer …"}`` and ``{"authToken": "…"}``; one that
    reads another header takes that header's name. The headers may also be in an object ``headers``. A name that is
    there has to have a token: null or an empty text is the sign of a variable that was not set, as an empty header is.

    :param credentials: where the app reads tokens.
    :raises MalformedCredential: for two credentials, another scheme, or anything but one word.
    """
    found = _credentials_in(payload, credentials)
    for name, value in payload.items():
        if name.lower() == "headers" and isinstance(value, Mapping):
            found += _credentials_in(value, credentials)
        elif name.lower() == AUTH_TOKEN and Bearer() in credentials.sources:
            found.append(_word(value))
    if len(found) > 1:
        raise MalformedCredential
    return found[0] if found else None


AUTH_TOKEN = "authtoken"  # noqa: S105 - a name, in lower case
"""Name that the documentation of Apollo Client gives to a token in ``connectionParams``."""


def _credentials_in(fields: Mapping[str, object], credentials: Credentials) -> list[Secret]:
    found: list[Secret] = []
    names = {one.name.lower() for one in credentials.sources if isinstance(one, Header)}
    for name, value in fields.items():
        if name.lower() in names:
            found.append(_word(value))
        elif name.lower() == "authorization" and Bearer() in credentials.sources:
            scheme, _, word = value.partition(" ") if isinstance(value, str) else ("", "", value)
            if scheme.lower() != "bearer":
                raise MalformedCredential
            found.append(_word(word))
    return found


def _word(value: object) -> Secret:
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or not value or " " in value:
        raise MalformedCredential
    if len(value) > 10 * SECRET_LENGTH_MAX:
        raise MalformedCredential
    return Secret(value)


async def verify_within_deadline(verifier: Verifier, seconds: float, scope: Scope, secret: Secret) -> Verdict:
    """Return the verifier's verdict; ``Unavailable`` if it is late, raises, or returns anything else."""
    answer = await ask_within_deadline(seconds, verifier.verify, secret, "the verifier", scope)
    return checked_verdict(answer, "the verifier")


def set_caller(websocket: WebSocket, principal: Principal) -> None:
    """Make ``principal`` the caller of all further operations on the socket."""
    if websocket.scope.get("user") is principal:
        return  # set by the token middleware
    websocket.scope["user"] = principal
    websocket.scope["auth"] = AuthCredentials(sorted(principal.scopes))


_REASON_BYTES_MAX = 123
"""Room for the reason in a close frame (RFC 6455 §5.5)."""


class IdempotentCloseAdapter(ASGIWebSocketAdapter):
    """Strawberry's adapter of a socket, for clients that may send anything at any time.

    Closing a closed socket does nothing, and sending on it raises :class:`WebSocketDisconnected`.
    """

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Send a message.

        :raises WebSocketDisconnected: if either side has closed the socket.
        """
        if self.ws.application_state is WebSocketState.DISCONNECTED:
            raise WebSocketDisconnected
        await super().send_json(message)

    async def close(self, code: int, reason: str) -> None:
        """Close the socket unless it is closed. A reason that is too long for a close frame is cut."""
        if self.ws.application_state is not WebSocketState.DISCONNECTED:
            cut = reason.encode("utf-8", "replace")[:_REASON_BYTES_MAX].decode("utf-8", "ignore")
            with suppress(WebSocketDisconnect):
                await super().close(code, cut)


HANDLER_KEY = "spacekey.graphql.operations"
"""Key in an ASGI scope under which the socket's handler is found."""

_CURRENT: ContextVar[ScopedTransportWSHandler] = ContextVar("spacekey_graphql_handler")


class ScopedTransportWSHandler(BaseGraphQLTransportWSHandler[Any, Any]):
    """Strawberry's handler of ``graphql-transport-ws`` that ends subscriptions whose caller has lost a scope."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        check_context(self.schema, self.context)
        self._callers: dict[Operation[Any, Any], Principal | None] = {}
        self._refusals: set[asyncio.Task[None]] = set()
        websocket: Any = self.websocket
        self.connection: WebSocket = websocket.ws
        self.init_payload: dict[str, object] = {}
        """Payload of ``connection_init``."""
        self.connection.scope[HANDLER_KEY] = self

    async def handle(self) -> None:
        """Serve the socket until it is closed."""
        _CURRENT.set(self)
        await super().handle()

    async def handle_connection_init(self, message: Any) -> None:
        """Keep the payload, even if the app's context has no place for it."""
        payload = message.get("payload")
        self.init_payload = payload if isinstance(payload, dict) else {}
        await super().handle_connection_init(message)

    async def handle_message(self, message: Any) -> None:
        """Handle one message. The socket is closed with 4400 for one that is not in the protocol."""
        if _is_message(message):
            await super().handle_message(message)
        else:
            await self.handle_invalid_message("Failed to parse message")

    async def handle_task_exception(self, error: Exception) -> None:
        """Log an exception of an operation, unless it only says that the socket is closed."""
        if not isinstance(error, WebSocketDisconnected):
            await super().handle_task_exception(error)

    async def run_operation(self, operation: Operation[Any, Any]) -> None:
        """Run one operation and record its caller."""
        if isinstance(self.schema, ScopedSchema):
            self._callers[operation] = self.schema.caller(self.context)
        try:
            await super().run_operation(operation)
        finally:
            self._callers.pop(operation, None)

    async def shutdown(self) -> None:
        """Clean up when the socket is closed."""
        for task in list(self._refusals):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await super().shutdown()

    def recheck_subscriptions(self) -> None:
        """Decide again about every subscription. One that is denied now ends with an ``error`` message.

        Returns without waiting for the message; from then on no event of the subscription is sent. Queries and
        mutations go on, because they are short and half a mutation would be worse.
        """
        for operation, caller in list(self._callers.items()):
            errors = self._revoked_fields(operation, caller)
            if errors and not operation.completed and operation.task is not None:
                operation.task.cancel()
                refusal = asyncio.get_running_loop().create_task(self._refuse(operation, errors))
                self._refusals.add(refusal)
                refusal.add_done_callback(self._refusals.discard)

    def _revoked_fields(self, operation: Operation[Any, Any], caller: Principal | None) -> Sequence[GraphQLError]:
        if not isinstance(self.schema, ScopedSchema):
            return ()
        request = SubscriptionRequest(operation.query, operation.operation_name, operation.variables, caller)
        return self.schema.revoked_fields(request, self.context)

    async def _refuse(self, operation: Operation[Any, Any], errors: Sequence[GraphQLError]) -> None:
        with suppress(Exception):  # the client has gone
            await operation.send_initial_errors(list(errors))


def current_handler() -> ScopedTransportWSHandler:
    """Return the handler of the socket that this task serves.

    Strawberry's hooks get the app's context instead, which need not lead to the socket.
    """
    return _CURRENT.get()


def handler_of(scope: Scope) -> ScopedTransportWSHandler | None:
    """Return the handler of a socket; None before it has chosen the protocol."""
    handler = scope.get(HANDLER_KEY)
    return handler if isinstance(handler, ScopedTransportWSHandler) else None


def check_context(schema: BaseSchema, context: object) -> None:
    """Check that a context has the request, in which the schema looks for the caller.

    :raises ConfigurationError: if it has not, so that every caller would be anonymous.
    """
    if not isinstance(schema, ScopedSchema) or schema.has_custom_principal:
        return
    request = context.get("request") if isinstance(context, Mapping) else getattr(context, "request", None)
    if not isinstance(getattr(request, "scope", None), Mapping):
        raise ConfigurationError(
            f"get_context returned {type(context).__name__} without the request, so no token would be seen: return "
            '{"request": request, "response": response, …}, or an object with the attribute request, or find the '
            "caller yourself with ScopeEnforcement(principal=…)"
        )


def _is_message(message: object) -> bool:
    """Whether the fields of a message that the handler reads are those of the protocol."""
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
