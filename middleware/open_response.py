"""An HTTP response that is still being sent, watched: ended without its last part, so that it cannot seem complete."""

from __future__ import annotations

import asyncio

from starlette.types import Message, Receive, Send

from .ending import ConnectionEnded, Ending
from .line import Line
from .watch import Watch

END_SECONDS_MAX = 5.0
"""How long an app that was told of the end may take to stop by itself."""


class OpenResponse(Line):
    """One response of several parts.

    An app that waits in ``receive`` is told of a disconnect, as Starlette's streams do; one that sends again gets
    :class:`~spacekey.middleware.ending.ConnectionEnded`. One that does neither, or has not stopped some seconds
    later, is cancelled where it sent last.
    """

    def __init__(self, watch: Watch, receive: Receive, send: Send) -> None:
        super().__init__(watch, receive, send)
        self._complete = False
        self._sender: asyncio.Task[object] | None = None
        self._cancelled: asyncio.Task[object] | None = None
        self._patience: asyncio.TimerHandle | None = None

    def interrupt(self, ending: Ending) -> None:
        """Leave the app time when it is about to hear of the end."""
        del ending
        if self.listened_to:
            self._patience = asyncio.get_running_loop().call_later(END_SECONDS_MAX, self._cancel)
        else:
            self._cancel()

    def farewell(self, ending: Ending) -> Message:
        """The app sees a client that has gone."""
        del ending
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """The app's ``send``."""
        self._sender = asyncio.current_task()
        await self._may_pass()
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self._complete = True
            self.unfollow()  # what runs after the response, in the background, is not cut
        await self._send(message)

    def left(self) -> None:
        """The app's call is over.

        :raises ConnectionEnded: when the response was cut, so that no server and no middleware takes it for complete.
        """
        self.forget()
        if self._patience is not None:
            self._patience.cancel()
        here, others = asyncio.current_task(), 0
        if here is not None and here is self._cancelled:
            others = here.uncancel()  # not ours: the server wants to stop as well
        if self.ending is not None and not self._complete and others == 0:
            raise ConnectionEnded(f"the response was cut: {self.ending.reason}")

    def _cancel(self) -> None:
        if self._sender is not None and not self._sender.done():
            self._cancelled = self._sender
            self._sender.cancel()
