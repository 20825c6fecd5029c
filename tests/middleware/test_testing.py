"""The helper that users test their apps with."""

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from spacekey import TokenMiddleware, requires
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.usage import UsageBatch
from spacekey.middleware.testing import TestToken, issue_token, undeclared_routes
from spacekey.middleware.usage.collector import UsageCollector
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import call, talk


@requires("jobs:read")
async def jobs(request: Request) -> Response:
    """Protected."""
    return PlainTextResponse(f"{request.user.kind}")


@requires("jobs:read")
async def feed(websocket: WebSocket) -> None:
    """Protected."""
    await websocket.accept()


def app() -> Starlette:
    """An app as users have it, with a verifier of its own."""
    middleware = [Middleware(GZipMiddleware), Middleware(TokenMiddleware, verifier=MemoryVerifier())]
    return Starlette(routes=[Route("/jobs", jobs), WebSocketRoute("/feed", feed)], middleware=middleware)


def sent(token: TestToken) -> list[tuple[bytes, bytes]]:
    """The token's headers as bytes."""
    return [(name.lower().encode(), value.encode()) for name, value in token.headers.items()]


async def test_inside_the_block_the_app_accepts_the_token_and_afterwards_no_more() -> None:
    tested = app()
    with issue_token(tested, scopes=["jobs:read"]) as token:
        assert (await call(tested, "GET", "/jobs", sent(token))).body == b"workspace"
        assert (await talk(tested, "/feed", subprotocols=token.subprotocols)).accepted
    assert (await call(tested, "GET", "/jobs", sent(token))).status == 401


async def test_scopes_space_and_state_are_what_the_test_says() -> None:
    tested = app()
    with issue_token(tested, scopes=["jobs:create"]) as token:
        assert (await call(tested, "GET", "/jobs", sent(token))).status == 403
    with issue_token(tested, scopes=["jobs:read"], space_id="space_1") as token:
        assert (await call(tested, "GET", "/jobs", sent(token))).body == b"space"
        token.disable()
        assert (await call(tested, "GET", "/jobs", sent(token))).status == 401
        token.verifier.outage = "the store is gone"
        assert (await call(tested, "GET", "/jobs", sent(token))).status == 503
    with issue_token(tested, scopes=["jobs:read"]) as token:
        token.revoke()
        assert (await call(tested, "GET", "/jobs", sent(token))).status == 401


async def test_an_app_can_be_built_around_the_helpers_verifier() -> None:
    with issue_token(scopes=["jobs:read"]) as token:
        wrapped = TokenMiddleware(Starlette(routes=[Route("/jobs", jobs)]), token.verifier)
        assert (await call(wrapped, "GET", "/jobs", sent(token))).status == 200
        with issue_token(wrapped) as other:
            assert (await call(wrapped, "GET", "/jobs", sent(other))).status == 403


def test_an_app_without_the_middleware_cannot_be_tested_so() -> None:
    with pytest.raises(ConfigurationError), issue_token(Starlette()):
        pass


def test_the_secret_stays_out_of_the_representation() -> None:
    with issue_token(scopes=["jobs:read"]) as token:
        assert token.secret.reveal() not in repr(token)


def test_what_keeps_an_app_from_starting_is_seen_without_starting_it() -> None:
    async def forgotten(request: Request) -> Response:
        del request
        return PlainTextResponse("open")

    whole = app()
    assert undeclared_routes(whole) == []
    whole.router.routes.append(Route("/forgotten", forgotten, methods=["POST"]))
    assert undeclared_routes(whole) == ["POST /forgotten"]


def test_a_scope_that_the_product_lacks_is_told_too() -> None:
    wrong = TokenMiddleware(Starlette(routes=[Route("/jobs", jobs)]), MemoryVerifier(), known_scopes={"jobs:raed"})
    with pytest.raises(ConfigurationError, match="jobs:raed"):
        undeclared_routes(wrong)


def test_an_app_without_the_middleware_has_nothing_to_look_at() -> None:
    with pytest.raises(ConfigurationError, match="no TokenMiddleware"):
        undeclared_routes(Starlette())


async def test_requests_of_tests_are_not_reported_as_usage() -> None:
    class Sink:
        async def send(self, batch: UsageBatch) -> None:
            raise AssertionError(batch)

        async def aclose(self) -> None: ...

    collector = UsageCollector(Sink())
    middleware = Middleware(TokenMiddleware, verifier=MemoryVerifier(), usage=collector)
    whole = Starlette(routes=[Route("/jobs", jobs)], middleware=[middleware])
    with issue_token(whole, scopes=["jobs:read"]) as token:
        assert (await call(whole, "GET", "/jobs", sent(token))).status == 200
    assert collector.waiting == 0
