"""A finished request is freed at once: memory that waits for the collector is cold when it is used again."""

import gc

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message

from spacekey import TokenMiddleware, public, requires
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import Headers, bearer, http_scope


async def _protected(request: Request) -> Response:
    return PlainTextResponse(request.user.identity)


async def _open(request: Request) -> Response:
    del request
    return PlainTextResponse("ok")


class Served:
    """As servers do it: ``send`` belongs to an object that holds the scope."""

    def __init__(self, scope: Message) -> None:
        self.scope = scope
        self.status = 0

    async def receive(self) -> Message:
        """No body."""
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Message) -> None:
        """Remember the status."""
        self.status = message.get("status", self.status)


async def _status(app: ASGIApp, path: str, headers: Headers) -> int:
    served = Served(http_scope("GET", path, headers))
    await app(served.scope, served.receive, served.send)
    return served.status


async def test_no_request_leaves_a_cycle() -> None:
    verifier = MemoryVerifier()
    reader = bearer(verifier.issue("jobs:read").reveal())
    app = Starlette(
        routes=[Route("/protected", requires("jobs:read")(_protected)), Route("/open", public(_open))],
        middleware=[Middleware(TokenMiddleware, verifier=verifier)],
    )
    for path in ("/protected", "/open"):
        cycles: dict[int, int] = {}
        for requests in (5, 50):  # what a single run leaves, such as a loop's own objects, is the same in both
            await _status(app, path, reader)
            gc.collect()
            gc.disable()
            try:
                for _ in range(requests):
                    assert await _status(app, path, reader) == 200
                cycles[requests] = gc.collect()
            finally:
                gc.enable()
        assert cycles[50] - cycles[5] < 45, cycles
