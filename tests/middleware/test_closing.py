"""An app's verifier and limiter are closed with the app, however it ends, and before the server hears of it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spacekey import MemoryLimiter, TokenMiddleware, protect, requires
from spacekey.domain.secret import Secret
from spacekey.verifiers import MemoryVerifier, VerifierWrapper
from support.asgi_calls import bearer, call


class Noting(VerifierWrapper):
    """Notes when it is closed, among the messages that the server receives."""

    def __init__(self, events: list[str], fails: bool = False) -> None:
        self.memory = MemoryVerifier()
        self.secret: Secret = self.memory.issue("a")
        self._events = events
        self._fails = fails
        super().__init__(self.memory)

    async def aclose(self) -> None:
        self._events.append("verifier closed")
        if self._fails:
            raise RuntimeError("sp_live_hidden")


class NotingLimiter(MemoryLimiter):
    """The same for a limiter."""

    def __init__(self, events: list[str]) -> None:
        super().__init__()
        self._events = events

    async def aclose(self) -> None:
        self._events.append("limiter closed")


async def run(app: ASGIApp, events: list[str]) -> BaseException | None:
    """Start and stop the app as a server does; return what it raised."""
    incoming = iter(("lifespan.startup", "lifespan.shutdown"))

    async def receive() -> Message:
        return {"type": next(incoming)}

    async def send(message: Message) -> None:
        events.append(f"{message['type']} {message.get('message', '')}".strip())

    try:
        await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
    except Exception as error:  # noqa: BLE001 - servers go on after any
        return error
    return None


def starlette(start: str | None = None, end: str | None = None, *, undeclared: bool = False) -> Starlette:
    """An app whose own start or end may fail, or that has a route without a rule."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if start is not None:
            raise RuntimeError(start)
        yield
        if end is not None:
            raise RuntimeError(end)

    async def page(_: Request) -> Response:
        return Response()

    return Starlette(routes=[Route("/", page if undeclared else requires("a")(page))], lifespan=lifespan)


ENDS: dict[str, tuple[Callable[[], Starlette], str]] = {
    "at its end": (starlette, "lifespan.shutdown.complete"),
    "where its own start fails": (lambda: starlette(start="no"), "lifespan.startup.failed"),
    "where a route has no rule": (lambda: starlette(undeclared=True), "lifespan.startup.failed"),
    "where its own end fails": (lambda: starlette(end="no"), "lifespan.shutdown.failed"),
}


@pytest.mark.parametrize(("make", "last"), ENDS.values(), ids=ENDS)
async def test_both_are_closed_once_and_then_the_server_hears_of_it(make: Callable[[], Starlette], last: str) -> None:
    events: list[str] = []
    app = TokenMiddleware(make(), Noting(events), limits=NotingLimiter(events))
    await run(app, events)
    assert events.count("verifier closed") == events.count("limiter closed") == 1
    (end,) = (place for place, event in enumerate(events) if event.startswith(last))
    assert max(events.index("verifier closed"), events.index("limiter closed")) < end


@pytest.mark.parametrize("make", [starlette, lambda: starlette(undeclared=True)])
async def test_neither_is_closed_if_the_app_says_so(make: Callable[[], Starlette]) -> None:
    events: list[str] = []
    app = TokenMiddleware(make(), Noting(events), limits=NotingLimiter(events), close_on_shutdown=False)
    await run(app, events)
    assert not {"verifier closed", "limiter closed"} & {*events}


async def test_an_app_without_a_lifespan_goes_on_with_its_verifier() -> None:
    """Servers serve an app that does not know the lifespan, once it has raised."""
    events: list[str] = []

    async def only_http(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise TypeError(scope["type"])
        await Response()(scope, receive, send)

    verifier = Noting(events)
    app = TokenMiddleware(protect(only_http, "a"), verifier)
    assert isinstance(await run(app, events), TypeError)
    assert events == []
    assert (await call(app, "GET", "/", bearer(verifier.secret.reveal()))).status == 200


async def test_a_verifier_that_does_not_close_keeps_the_limiter_from_nothing(caplog: pytest.LogCaptureFixture) -> None:
    events: list[str] = []
    app = TokenMiddleware(starlette(), Noting(events, fails=True), limits=NotingLimiter(events))
    with caplog.at_level(logging.ERROR):
        await run(app, events)
    assert events[-3:-1] == ["verifier closed", "limiter closed"]
    assert events[-1] == "lifespan.shutdown.failed Noting was not closed: RuntimeError"
    assert "Noting was not closed: RuntimeError" in caplog.text
    assert "hidden" not in caplog.text
