"""The route's guard decides and the endpoint's own guard steps aside, and only where nothing can get lost by it."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from spacekey.middleware import MemoryVerifier, TokenMiddleware, requires
from spacekey.middleware.enforce import looked_at_once
from support.asgi_calls import bearer, call

VERIFIER = MemoryVerifier()
READER = VERIFIER.issue("jobs:read")
BOTH = VERIFIER.issue("jobs:read", "jobs:create")

Endpoint = Callable[[Request], Awaitable[Response]]


async def bare(request: Request) -> Response:
    """What is protected."""
    del request
    return PlainTextResponse("ok")


def an_app(*routes: Route, **settings: Any) -> Starlette:
    """An app with these routes behind the middleware."""
    return Starlette(routes=routes, middleware=[Middleware(TokenMiddleware, verifier=VERIFIER, **settings)])


def test_the_plain_case_is_short() -> None:
    rule = requires("jobs:read")
    app = Route("/", rule(bare)).app
    assert looked_at_once(app, rule) is not app


@pytest.mark.parametrize(
    "route",
    [
        pytest.param(lambda rule: Route("/", bare), id="an endpoint without a rule"),
        pytest.param(lambda rule: Route("/", requires("jobs:read")(bare)), id="an equal rule that is another object"),
        pytest.param(lambda rule: Route("/", _decorated(rule(bare))), id="somebody's decorator around it"),
        pytest.param(lambda rule: Route("/", functools.partial(rule(bare))), id="a partial"),
        pytest.param(lambda rule: Route("/", rule(_sync)), id="a sync function"),
        pytest.param(
            lambda rule: Route("/", rule(bare), middleware=[Middleware(Counting, counts=[])]), id="route middleware"
        ),
    ],
)
def test_anything_else_stays_as_it_is(route: Callable[[Any], Route]) -> None:
    rule = requires("jobs:read")
    app = route(rule).app
    assert looked_at_once(app, rule) is app


async def test_a_decorator_around_the_guarded_function_still_runs() -> None:
    app = an_app(Route("/", _decorated(requires("jobs:read")(bare))))
    for _ in range(2):
        answer = await call(app, "GET", "/", bearer(READER.reveal()))
        assert (answer.status, answer.body) == (200, b"decorated ok")


async def test_middleware_of_the_route_still_runs() -> None:
    counts: list[str] = []
    app = an_app(Route("/", requires("jobs:read")(bare), middleware=[Middleware(Counting, counts=counts)]))
    assert (await call(app, "GET", "/", bearer(READER.reveal()))).status == 200
    assert counts == ["/"]


async def test_the_table_adds_to_the_rule_and_both_hold() -> None:
    app = an_app(Route("/", requires("jobs:read")(bare)), rules={("GET", "/"): requires("jobs:create")})
    assert (await call(app, "GET", "/", bearer(READER.reveal()))).status == 403
    assert (await call(app, "GET", "/", bearer(BOTH.reveal()))).status == 200


async def test_the_function_itself_still_looks_wherever_else_it_is_used() -> None:
    guarded = requires("jobs:create")(bare)
    app = an_app(Route("/", guarded))
    assert (await call(app, "GET", "/", bearer(BOTH.reveal()))).status == 200

    @requires("jobs:read")
    async def leads_to_it(request: Request) -> Response:
        return await guarded(request)

    around = an_app(Route("/", guarded), Route("/around", leads_to_it))
    assert (await call(around, "GET", "/around", bearer(READER.reveal()))).status == 403
    assert (await call(around, "GET", "/around", bearer(BOTH.reveal()))).status == 200


def _sync(request: Request) -> Response:
    del request
    return PlainTextResponse("ok")


def _decorated(endpoint: Endpoint) -> Endpoint:
    @functools.wraps(endpoint)
    async def outer(request: Request) -> Response:
        answer = await endpoint(request)
        return PlainTextResponse(b"decorated " + bytes(answer.body))

    return outer


class Counting:
    """Notes the paths that it saw."""

    def __init__(self, app: ASGIApp, counts: list[str]) -> None:
        self.app = app
        self.counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on."""
        self.counts.append(scope["path"])
        await self.app(scope, receive, send)
