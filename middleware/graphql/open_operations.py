"""The operations of one socket: for whom each was decided, and the end of those whose caller has lost a scope since."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from graphql import GraphQLError
from starlette.types import Scope
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler, Operation

from spacekey.domain.principal import Principal

from .lost import Subscribed
from .schema import ScopedSchema

KEY = "spacekey.graphql.operations"


class OpenOperations(BaseGraphQLTransportWSHandler[Any, Any]):
    """Strawberry's handler of ``graphql-transport-ws``, which can be told that its caller's scopes have changed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._callers: dict[Operation[Any, Any], Principal | None] = {}
        self._farewells: set[asyncio.Task[None]] = set()
        websocket: Any = self.websocket
        websocket.ws.scope[KEY] = self

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


def operations_of(scope: Scope) -> OpenOperations | None:
    """The operations of a socket that has chosen the protocol."""
    found = scope.get(KEY)
    return found if isinstance(found, OpenOperations) else None
