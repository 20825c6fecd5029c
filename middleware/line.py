"""One open connection between the server and the app: it can be held while nobody knows, and ended under the app."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.types import Message, Receive, Send

from spacekey.domain.outcome import Outcome, Valid
from spacekey.domain.principal import Principal

from .ending import ConnectionEnded, Ending
from .standing import Credential, Standing
from .watch import Watch

Consider = Callable[[Valid], Awaitable[Ending | None]]
Ended = Callable[[Ending, Outcome], None]

HEED = "spacekey.heed"
"""The scope's key for a :data:`Heed`."""

Heed = Callable[[Principal, Principal], Ending | None]
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
        """See :class:`~spacekey.middleware.standing.Connection`."""
        return None if self._consider is None else await self._consider(valid)

    def end(self, ending: Ending, outcome: Outcome) -> None:
        """See :class:`~spacekey.middleware.standing.Connection`: whoever receives or waits to send learns of it."""
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
