"""An accepted WebSocket that is watched: ended with a close code, after which the app sees a client that has gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from starlette.types import Message

from .ending import Ending
from .line import Line

CLOSE_SECONDS_MAX = 2.0
"""For how long a client that does not read may keep its close code waiting."""

log = logging.getLogger("spacekey.middleware")


class OpenSocket(Line):
    """One WebSocket."""

    opened: Callable[[], None] | None = None
    """Called just before the app's acceptance is passed on."""
    _closing: asyncio.Task[None] | None = None

    def interrupt(self, ending: Ending) -> None:
        """Close towards the client, whatever the app is doing; a message that is being sent goes before."""
        self._closing = asyncio.get_running_loop().create_task(self._close(ending))

    def farewell(self, ending: Ending) -> Message:
        """The app sees a client that left with our code."""
        return {"type": "websocket.disconnect", "code": ending.code, "reason": ending.reason}

    async def send(self, message: Message) -> None:
        """The app's ``send``; closing what is closed does nothing."""
        if message["type"] == "websocket.close":
            self.unfollow()
            if self.ending is None:
                await self._send(message)
            return
        if message["type"] == "websocket.accept" and self.opened is not None:
            self.opened()
        await super().send(message)

    async def close_out(self) -> None:
        """The app's call is over. A close code that is on its way is let out first."""
        self.forget()
        if self._closing is not None:
            await asyncio.wait({self._closing})

    async def _close(self, ending: Ending) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS_MAX):
                await self._send({"type": "websocket.close", "code": ending.code, "reason": ending.reason})
        except Exception as error:  # noqa: BLE001 - the client has gone, or does not read; the app is told all the same
            log.info("a WebSocket could not be closed: %s", type(error).__name__)
