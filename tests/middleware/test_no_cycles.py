"""A finished request is freed at once: memory that waits for the collector is cold when it is used again."""

import gc

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from spacekey.domain.errors import ConfigurationError
from spacekey.middleware import MemoryVerifier, TokenMiddleware, public, requires
from spacekey.middleware.visit import visit_of
from support.asgi_calls import bearer, call


async def _protected(request: Request) -> Response:
    return PlainTextResponse(request.user.identity)


async def _open(request: Request) -> Response:
    del request
    return PlainTextResponse("ok")


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
            await call(app, "GET", path, reader)
            gc.collect()
            gc.disable()
            try:
                for _ in range(requests):
                    assert (await call(app, "GET", path, reader)).status == 200
                cycles[requests] = gc.collect()
            finally:
                gc.enable()
        assert cycles[50] - cycles[5] < 45, cycles


async def test_whoever_asks_about_a_request_that_was_answered_is_told_so() -> None:
    verifier = MemoryVerifier()
    kept: list[Request] = []

    async def keep(request: Request) -> Response:
        kept.append(request)
        return PlainTextResponse("ok")

    app = Starlette(
        routes=[Route("/", requires("jobs:read")(keep))], middleware=[Middleware(TokenMiddleware, verifier=verifier)]
    )
    assert (await call(app, "GET", "/", bearer(verifier.issue("jobs:read", "jobs:create").reveal()))).status == 200
    assert kept[0].user.is_authenticated
    with pytest.raises(ConfigurationError, match="has been answered"):
        visit_of(kept[0].scope)
