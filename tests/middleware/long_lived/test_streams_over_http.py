"""Streams cut over a real socket: the client sees that the answer is broken, whatever stands around the app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from spacekey.domain.secret import Secret
from spacekey.middleware import MemoryVerifier, TokenMiddleware, requires
from support.running_app import running

ANSWER_SECONDS_MAX = 10.0


async def ticks(request: Request) -> Response:
    """Server-sent events, for ever."""

    async def events() -> AsyncIterator[str]:
        while True:
            yield "data: tick\n\n"
            await asyncio.sleep(0.01)

    return StreamingResponse(events(), media_type="text/event-stream")


async def quiet(request: Request) -> Response:
    """One event, and then none."""

    async def events() -> AsyncIterator[str]:
        yield "data: tick\n\n"
        await asyncio.Event().wait()

    return StreamingResponse(events(), media_type="text/event-stream")


class Passing(BaseHTTPMiddleware):
    """Starlette's own base class, which puts a stream of its own around the answer."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Nothing."""
        return await call_next(request)


@pytest.fixture(scope="module")
def verifier() -> MemoryVerifier:
    return MemoryVerifier()


@pytest.fixture(scope="module", params=["alone", "around others", "inside compression"])
def url(request: pytest.FixtureRequest, verifier: MemoryVerifier) -> Iterator[str]:
    tokens = Middleware(TokenMiddleware, verifier=verifier, recheck_seconds=0.2)
    stack = {
        "alone": [tokens],
        "around others": [tokens, Middleware(Passing)],
        "inside compression": [Middleware(GZipMiddleware), tokens],
    }[request.param]
    routes = [Route("/ticks", requires("a")(ticks)), Route("/quiet", requires("a")(quiet))]
    with running(Starlette(routes=routes, middleware=stack)) as address:
        yield address


def _take_scope(verifier: MemoryVerifier, secret: Secret) -> None:
    verifier.grant(secret, "b")


@pytest.mark.parametrize("take", [MemoryVerifier.refuse, _take_scope])
@pytest.mark.parametrize("path", ["/ticks", "/quiet"])
async def test_a_client_sees_a_broken_answer_and_never_a_complete_one(
    url: str, verifier: MemoryVerifier, path: str, take: object
) -> None:
    assert callable(take)
    secret = verifier.issue("a")
    headers = {"Authorization": f"Bearer {secret.reveal()}"}
    async with (
        httpx.AsyncClient(timeout=ANSWER_SECONDS_MAX, trust_env=False) as client,
        client.stream("GET", url + path, headers=headers) as answer,
    ):
        assert answer.status_code == 200
        parts = answer.aiter_raw()
        assert await anext(parts)
        take(verifier, secret)
        with pytest.raises(httpx.RemoteProtocolError):
            async for _ in parts:
                pass
        again = await client.get(url + path, headers=headers)
        assert again.status_code in (401, 403)
