"""A WebSocket client of ``graphql-transport-ws``, straight onto an ASGI app."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp

ANSWER_SECONDS_MAX = 60.0


class Closed(Exception):
    """The server closed the socket; ``code`` and ``reason`` say why."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class GraphQLSocket:
    """One connection. Messages are dictionaries."""

    def __init__(self) -> None:
        self.subprotocol: str | None = None
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[Any] = asyncio.Queue()

    async def send(self, **message: Any) -> None:
        await self._to_app.put({"type": "websocket.receive", "text": json.dumps(message)})

    async def receive(self) -> dict[str, Any]:
        """The next message, or :class:`Closed`."""
        message = await asyncio.wait_for(self._from_app.get(), ANSWER_SECONDS_MAX)
        if message["type"] == "websocket.close":
            raise Closed(message["code"], message.get("reason") or "")
        assert message["type"] == "websocket.send"
        answer: dict[str, Any] = json.loads(message["text"])
        return answer

    async def init(self, **payload: Any) -> None:
        """Send ``connection_init`` and wait for the acknowledgement."""
        await self.send(type="connection_init", payload=payload)
        assert (await self.receive())["type"] == "connection_ack"

    async def subscribe(self, key: str, query: str, **more: Any) -> None:
        await self.send(type="subscribe", id=key, payload={"query": query, **more})


@asynccontextmanager
async def graphql_socket(
    app: ASGIApp, *, user: object = None, subprotocol: str = "graphql-transport-ws"
) -> AsyncIterator[GraphQLSocket]:
    """Connect, and disconnect at the end. ``user`` is what a middleware left on the handshake."""
    socket = GraphQLSocket()
    scope: dict[str, Any] = {
        "type": "websocket",
        "path": "/graphql",
        "headers": [],
        "query_string": b"",
        "subprotocols": [subprotocol],
    }
    if user is not None:
        scope["user"] = user
    await socket._to_app.put({"type": "websocket.connect"})

    async def send(message: Any) -> None:
        await socket._from_app.put(message)

    async def serve() -> None:
        await app(scope, socket._to_app.get, send)

    serving = asyncio.create_task(serve())
    try:
        accepted = await asyncio.wait_for(socket._from_app.get(), ANSWER_SECONDS_MAX)
        if accepted["type"] == "websocket.close":
            raise Closed(accepted["code"], accepted.get("reason") or "")
        socket.subprotocol = accepted.get("subprotocol")
        yield socket
    finally:
        await socket._to_app.put({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(serving, ANSWER_SECONDS_MAX)
