"""The server's side of one connection that stays open, in virtual time: what the app sent and when, and no client
until a test speaks for one."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp, Message

from .asgi_calls import Headers, bearer, http_scope


class OpenConnection:
    """Runs an app for one HTTP request or WebSocket.

    :param secret: sent as the token; None sends none.
    :param spec: the version of the ASGI specification that the server speaks; Starlette behaves differently by it.
    """

    def __init__(
        self,
        app: ASGIApp,
        path: str,
        secret: str | None,
        kind: str = "http",
        spec: str = "2.3",
        *,
        headers: Headers = (),
    ) -> None:
        self.sent: list[tuple[float, MutableMapping[str, Any]]] = []
        self.may_send = asyncio.Event()
        """Cleared, the client does not read and the server's ``send`` waits."""
        self.may_send.set()
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self.scope: MutableMapping[str, Any] = {
            **http_scope("GET", path, [*headers, *([] if secret is None else bearer(secret))]),
            "asgi": {"version": "3.0", "spec_version": spec},
        }
        if kind == "websocket":
            self.scope |= {"type": "websocket", "scheme": "ws", "subprotocols": [], "extensions": {}}
            del self.scope["method"]
            self.say({"type": "websocket.connect"})
        else:
            self.say({"type": "http.request", "body": b"", "more_body": False})
        self.task = asyncio.get_running_loop().create_task(self._run(app))

    def say(self, message: Message) -> None:
        """What the client does."""
        self._incoming.put_nowait(message)

    @property
    def types(self) -> list[str]:
        """What was sent, by type."""
        return [message["type"] for _, message in self.sent]

    @property
    def last(self) -> MutableMapping[str, Any]:
        """The last message that was sent."""
        return self.sent[-1][1]

    @property
    def last_at(self) -> float:
        """When that was."""
        return self.sent[-1][0]

    async def result(self) -> BaseException | None:
        """How the app's call ended: None when it returned."""
        await asyncio.wait({self.task}, timeout=3_600.0)
        assert self.task.done(), "the app's call did not end"
        return asyncio.CancelledError() if self.task.cancelled() else self.task.exception()

    async def _run(self, app: ASGIApp) -> None:
        await app(self.scope, self._incoming.get, self._send)

    async def _send(self, message: Message) -> None:
        await self.may_send.wait()
        self.sent.append((asyncio.get_running_loop().time(), message))
