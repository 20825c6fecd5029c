"""One open connection between the server and the app: it can be held while nobody knows, and ended under the app."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from starlette.types import Message, Receive, Send

from spacekey.domain.outcome import Outcome, Valid
from spacekey.domain.principal import Principal

from .recheck import ConnectionEnded, Credential, Ending, Standing, Watch

Consider = Callable[[Valid], Awaitable[Ending | None]]
Ended = Callable[[Ending, Outcome], None]

ON_PRINCIPAL_CHANGED = "spacekey.on_principal_changed"
"""The key of a :data:`PrincipalChanged` in the ASGI scope."""

PrincipalChanged = Callable[[Principal, Principal], Ending | None]
"""What an app may leave in the scope to be told when the principal of its open connection has changed, with the one
before and the one now; it may end the connection."""


class Line:
    """The part that WebSockets and streaming responses share. Before :meth:`follow` and after the end of the app's
    call nobody watches, and everything passes.

    :param receive: the server's.
    :param send: the server's.
    """

    def __init__(self, watch: Watch, receive: Receive, send: Send) -> None:
        self.ending: Ending | None = None
        self._watch = watch
        self._receive = receive
        self._send = send
        self._standing: Standing | None = None
        self._consider: Consider | None = None
        self._ended: Ended | None = None
        self._listening: list[asyncio.Timeout] = []

    def follow(self, credential: Credential, consider: Consider, ended: Ended) -> None:
        """Stand on this credential from now on, instead of an earlier one.

        :param consider: whether the connection may go on under a new answer.
        :param ended: told when the connection is ended.
        """
        self.unfollow()
        self._consider = consider
        self._ended = ended
        if self.ending is None:
            self._standing = self._watch.follow(self, credential)

    def unfollow(self) -> None:
        """Be watched no longer."""
        if self._standing is not None:
            self._watch.leave(self, self._standing)
            self._standing = None

    def forget(self) -> None:
        """The app's call is over: nobody is watched and nobody told any more."""
        self.unfollow()
        self._consider = self._ended = None

    def left(self) -> None:
        """The app's call is over; what that means is the kind's own business."""
        self.forget()

    async def consider(self, valid: Valid) -> Ending | None:
        """See :class:`~.recheck.Connection`."""
        return None if self._consider is None else await self._consider(valid)

    def end(self, ending: Ending, outcome: Outcome) -> None:
        """See :class:`~.recheck.Connection`: whoever receives or waits to send learns of it."""
        if self.ending is not None:
            return
        self.ending = ending
        self.unfollow()
        self.interrupt(ending)
        for waiting in self._listening:
            waiting.reschedule(0.0)
        if self._ended is not None:
            self._ended(ending, outcome)

    def interrupt(self, ending: Ending) -> None:
        """What ending means to the server and the app, besides what they learn when they send or receive."""
        raise NotImplementedError

    def farewell(self, ending: Ending) -> Message:
        """What the app receives from then on."""
        raise NotImplementedError

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
        return self.farewell(self.ending)

    async def send(self, message: Message) -> None:
        """The app's ``send``.

        :raises ConnectionEnded: when the connection was ended.
        """
        await self._may_pass()
        await self._send(message)

    @property
    def listened_to(self) -> bool:
        """Whether the app waits for a message, and so will learn of an end at once."""
        return bool(self._listening)

    async def _may_pass(self) -> None:
        standing = self._standing
        if self.ending is None and standing is not None and not standing.good:
            await self._watch.settled(standing)
        if self.ending is not None:
            raise ConnectionEnded(self.ending.reason)


END_SECONDS_MAX = 5.0
"""How long an app that was told of the end may take to stop by itself."""


class OpenResponse(Line):
    """One response of several parts.

    An app that waits in ``receive`` is told of a disconnect, as Starlette's streams do; one that sends again gets
    :class:`~.recheck.ConnectionEnded`. One that does neither, or has not stopped some seconds
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
