"""What an app sends and receives on a connection, seen on its way."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable

from starlette.types import Message, Receive, Send

from .limits.headers import limit_headers
from .metered import Metered
from .metering import DONE
from .stay import Stay
from .vary import varying


class Exchange(Metered):
    """The app's ``send`` and ``receive``. Its attributes are set by the visit it is."""

    __slots__ = ("_heard", "_receive", "_send", "stay")

    _heard: bool
    _receive: Receive
    _send: Send
    stay: Stay | None
    """What watches the connection when it lasts: a WebSocket, or a response of several parts."""

    def sending(self, message: Message) -> Awaitable[None]:
        """The app's ``send`` over HTTP: a response that was decided by looking at credentials tells caches so."""
        if self._outcome is not None:
            if message["type"] == "http.response.start":
                if self.fate is not DONE:
                    self.count()
                headers, decision = message.get("headers") or (), self.decision
                limits = () if decision is None else limit_headers(decision)
                for name, _ in headers:
                    if name == b"vary":
                        message["headers"] = varying([*headers, *limits], self.vary)
                        break
                else:  # the usual case, without another call
                    message["headers"] = [*headers, *limits, self.vary] if limits else [*headers, self.vary]
            elif "more_body" in message or self.stay is not None:
                return self._sending_part(message)
        return self._send(message)

    def sending_on_socket(self, message: Message) -> Awaitable[None]:
        """The app's ``send`` over a WebSocket, which is counted when it is accepted and not when it ends."""
        if self.fate is not DONE:
            self.count()
        return self._send(message)

    def receiving(self) -> Awaitable[Message]:
        """The app's ``receive`` over HTTP. Whoever listens on after the first message learns when the stay is over."""
        if self._heard or self.stay is not None:
            return self._staying().line.receive()
        self._heard = True
        return self._receive()

    def _sending_part(self, message: Message) -> Awaitable[None]:
        if message.get("more_body"):
            self._staying().open()
        return self._send(message) if self.stay is None else self.stay.line.send(message)

    @abstractmethod
    def _staying(self) -> Stay:
        """What watches the connection from now on."""
