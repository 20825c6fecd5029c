"""Streams of one open connection between server and app, which can be held back and ended."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

from starlette.types import Message, Receive, Send

from spacekey.domain.authentication import Authenticated, AuthenticationResult
from spacekey.domain.principal import Principal

from .recheck import CloseReason, ConnectionEnded, Credential, Rechecker, WatchedToken

Review = Callable[[Authenticated], Awaitable[CloseReason | None]]
Ended = Callable[[CloseReason, AuthenticationResult], None]

ON_PRINCIPAL_CHANGED = "spacekey.on_principal_changed"
"""The key of a :data:`PrincipalChanged` in the ASGI scope."""

PrincipalChanged = Callable[[Principal, Principal], CloseReason | None]
"""Called with the principal before and the one now when that of an open connection has changed. An app may leave one in
the scope; what it returns ends the connection."""


class WatchedStream(ABC):
    """Base of WebSockets and streaming responses. Before :meth:`follow` and after the app's call everything passes.

    :param receive: the server's.
    :param send: the server's.
    """

    def __init__(self, rechecker: Rechecker, receive: Receive, send: Send) -> None:
        self.ending: CloseReason | None = None
        self._rechecker = rechecker
        self._receive = receive
        self._send = send
        self._token: WatchedToken | None = None
        self._review: Review | None = None
        self._ended: Ended | None = None
        self._listening: list[asyncio.Timeout] = []

    def follow(self, credential: Credential, review: Review, ended: Ended) -> None:
        """Verify this credential from now on, instead of an earlier one.

        :param review: returns why the connection may not go on under a new verdict.
        :param ended: called when the connection is ended.
        """
        self.unfollow()
        self._review = review
        self._ended = ended
        if self.ending is None:
            self._token = self._rechecker.follow(self, credential)

    def review_always(self) -> None:
        """Review the connection after every verification: from now on more than the verdict decides about it."""
        if self._token is not None:
            self._token.review_always = True

    def unfollow(self) -> None:
        """Stop verifying the credential."""
        if self._token is not None:
            self._rechecker.leave(self, self._token)
            self._token = None

    def stop_watching(self) -> None:
        """Stop verifying and reporting: the app's call is over."""
        self.unfollow()
        self._review = self._ended = None

    def finish(self) -> None:
        """Clean up: the app's call is over."""
        self.stop_watching()

    async def review(self, valid: Authenticated) -> CloseReason | None:
        """See :class:`~.recheck.Connection`."""
        return None if self._review is None else await self._review(valid)

    def end(self, ending: CloseReason, outcome: AuthenticationResult) -> None:
        """See :class:`~.recheck.Connection`. An app that receives or sends learns of it."""
        if self.ending is not None:
            return
        self.ending = ending
        self.unfollow()
        self._stop(ending)
        for waiting in self._listening:
            waiting.reschedule(0.0)
        if self._ended is not None:
            self._ended(ending, outcome)

    @abstractmethod
    def _stop(self, ending: CloseReason) -> None:
        """Act on the end at once, besides what the app learns when it sends or receives."""

    @abstractmethod
    def disconnect_message(self, ending: CloseReason) -> Message:
        """Return what the app receives from then on."""

    async def receive(self) -> Message:
        """The app's ``receive``."""
        if self.ending is None:
            try:
                async with asyncio.timeout(None) as waiting:
                    self._listening.append(waiting)
                    try:
                        message = await self._receive()
                    finally:
                        self._listening.remove(waiting)
                await self._may_pass()
            except (TimeoutError, ConnectionEnded):
                if self.ending is None:
                    raise  # the server's own
            else:
                return message
        return self.disconnect_message(self.ending)

    async def send(self, message: Message) -> None:
        """The app's ``send``.

        :raises ConnectionEnded: if the connection was ended.
        """
        await self._may_pass()
        await self._send(message)

    @property
    def is_received_from(self) -> bool:
        """Whether the app waits for a message, and so learns of an end at once."""
        return bool(self._listening)

    async def _may_pass(self) -> None:
        token = self._token
        if self.ending is None and token is not None and not token.is_valid:
            await self._rechecker.wait_until_valid(token)
        if self.ending is not None:
            raise ConnectionEnded(self.ending.reason)


END_SECONDS_MAX = 5.0
"""How long an app that was told of the end may take to stop."""


class WatchedResponse(WatchedStream):
    """One response of several parts.

    An app that waits in ``receive`` gets a disconnect, as Starlette's streams do; one that sends again gets
    :class:`~.recheck.ConnectionEnded`. One that does neither, or has not stopped some seconds later, is cancelled where
    it sent last.
    """

    def __init__(self, rechecker: Rechecker, receive: Receive, send: Send) -> None:
        super().__init__(rechecker, receive, send)
        self._complete = False
        self._sender: asyncio.Task[object] | None = None
        self._cancelled: asyncio.Task[object] | None = None
        self._patience: asyncio.TimerHandle | None = None

    def _stop(self, ending: CloseReason) -> None:
        """Give the app time if it is about to learn of the end, else cancel it."""
        del ending
        if self.is_received_from:
            self._patience = asyncio.get_running_loop().call_later(END_SECONDS_MAX, self._cancel)
        else:
            self._cancel()

    def disconnect_message(self, ending: CloseReason) -> Message:
        """Return a disconnect."""
        del ending
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """The app's ``send``. The response's start passes always: nothing of the body is in it."""
        self._sender = asyncio.current_task()
        if message["type"] != "http.response.start":
            await self._may_pass()
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self._complete = True
            self.unfollow()  # what runs after the response, in the background, is not cut
        await self._send(message)

    def finish(self) -> None:
        """Clean up: the app's call is over.

        :raises ConnectionEnded: if the response was cut, so that no server or middleware takes it for complete.
        """
        self.stop_watching()
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


CLOSE_SECONDS_MAX = 2.0
"""How long a client that does not read may delay its close code."""

log = logging.getLogger("spacekey.middleware")


class WatchedWebSocket(WatchedStream):
    """One WebSocket."""

    opened: Callable[[], None] | None = None
    """Called just before the app's acceptance is sent."""
    _closing: asyncio.Task[None] | None = None

    def _stop(self, ending: CloseReason) -> None:
        """Close the WebSocket; a message that is being sent goes first."""
        self._closing = asyncio.get_running_loop().create_task(self._close(ending))

    def disconnect_message(self, ending: CloseReason) -> Message:
        """Return a disconnect with the close code."""
        return {"type": "websocket.disconnect", "code": ending.code, "reason": ending.reason}

    async def send(self, message: Message) -> None:
        """The app's ``send``; closing a closed WebSocket does nothing."""
        if message["type"] == "websocket.close":
            self.unfollow()
            if self.ending is None:
                await self._send(message)
            return
        if message["type"] == "websocket.accept" and self.opened is not None:
            self.opened()
        await super().send(message)

    async def drain(self) -> None:
        """Clean up: the app's call is over. A close code that is being sent goes out first."""
        self.stop_watching()
        if self._closing is not None:
            await asyncio.wait({self._closing})

    async def _close(self, ending: CloseReason) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS_MAX):
                await self._send({"type": "websocket.close", "code": ending.code, "reason": ending.reason})
        except Exception as error:  # noqa: BLE001 - the client has disconnected or does not read; the app is told anyway
            log.info("a WebSocket could not be closed: %s", type(error).__name__)
