"""Rules on every kind of endpoint, and no way round them."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Host, Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from spacekey import TokenMiddleware, optional, protect, public, requires
from spacekey.domain.errors import ConfigurationError
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import bearer, call, start_up

VERIFIER = MemoryVerifier()
READER = VERIFIER.issue("jobs:read", space_id="space_1").reveal()
CREATOR = VERIFIER.issue("jobs:create", space_id="space_1").reveal()
RAN: list[str] = []


async def plain(request: Request) -> Response:
    """An endpoint that leaves a trace, and no mark."""
    RAN.append(request.url.path)
    return PlainTextResponse("ok")


def plain_sync(request: Request) -> Response:
    """The same, run in a thread."""
    RAN.append(request.url.path)
    return PlainTextResponse("ok")


async def opaque(scope: Scope, receive: Receive, send: Send) -> None:
    """An ASGI app whose routes cannot be seen."""
    RAN.append(scope["path"])
    await PlainTextResponse("ok")(scope, receive, send)


class Methods:
    """Methods of an object as endpoints."""

    @requires("jobs:read")
    async def bound(self, request: Request) -> Response:
        """A coroutine."""
        return await plain(request)

    @requires("jobs:read")
    def bound_sync(self, request: Request) -> Response:
        """A function."""
        return plain_sync(request)


@requires("jobs:read")
class Whole(HTTPEndpoint):
    """A class with one rule."""

    async def get(self, request: Request) -> Response:
        """GET and HEAD."""
        return await plain(request)

    def post(self, request: Request) -> Response:
        """POST."""
        return plain_sync(request)


class Heir(Whole):
    """Inherits the rule, and adds a method to it."""

    async def put(self, request: Request) -> Response:
        """PUT."""
        return await plain(request)


class ByMethod(HTTPEndpoint):
    """A class with a rule for each method."""

    @requires("jobs:read")
    async def get(self, request: Request) -> Response:
        """GET and HEAD."""
        return await plain(request)

    @requires("jobs:create")
    def post(self, request: Request) -> Response:
        """POST."""
        return plain_sync(request)


def app_of(*routes: Any, **settings: Any) -> Starlette:
    """An app with the middleware."""
    settings.setdefault("verifier", VERIFIER)
    return Starlette(routes=list(routes), middleware=[Middleware(TokenMiddleware, **settings)])


READ = requires("jobs:read")
GUARDED: dict[str, Callable[[], Starlette]] = {
    "async function": lambda: app_of(Route("/x", READ(plain))),
    "sync function": lambda: app_of(Route("/x", READ(plain_sync))),
    "partial": lambda: app_of(Route("/x", READ(functools.partial(plain)))),
    "method": lambda: app_of(Route("/x", Methods().bound)),
    "sync method": lambda: app_of(Route("/x", Methods().bound_sync)),
    "class": lambda: app_of(Route("/x", Whole)),
    "class that inherits": lambda: app_of(Route("/x", Heir)),
    "class by method": lambda: app_of(Route("/x", ByMethod)),
    "ASGI app as endpoint": lambda: app_of(Route("/x", endpoint=protect(opaque, "jobs:read"))),
    "ASGI app by decorator": lambda: app_of(Route("/x", endpoint=READ(Asgi()))),
    "mounted ASGI app": lambda: app_of(Mount("/x", app=protect(opaque, READ))),
    "mounted router as a whole": lambda: app_of(Mount("/x", app=protect(Router([Route("/", plain)]), READ))),
    "mounted router, each route": lambda: app_of(Mount("/x", routes=[Route("/", READ(plain))])),
    "mounted app": lambda: app_of(Mount("/x", app=Starlette(routes=[Route("/", READ(plain))]))),
    "mount in a mount": lambda: app_of(Mount("", routes=[Mount("/x", routes=[Route("/", READ(plain))])])),
    "host": lambda: app_of(Host("testserver", app=Router([Route("/x", READ(plain))]))),
    "table": lambda: app_of(Route("/x", plain), rules={("GET", "/x"): READ}),
    "table, any method": lambda: app_of(Route("/x", plain), rules={("*", "/x"): "jobs:read"}),
    "table, mount": lambda: app_of(Mount("/x", app=opaque), rules={("*", "/x"): READ}),
    "table, inner route": lambda: app_of(Mount("/x", routes=[Route("/", plain)]), rules={("GET", "/x/"): READ}),
    "around the app": lambda: TokenMiddleware(Starlette(routes=[Route("/x", READ(plain))]), VERIFIER),  # type: ignore[dict-item,return-value]
    "around a router": lambda: TokenMiddleware(Router([Route("/x", READ(plain))]), VERIFIER),  # type: ignore[dict-item,return-value]
    "in the router": lambda: Router(  # type: ignore[dict-item,return-value]
        [Route("/x", READ(plain))], middleware=[Middleware(TokenMiddleware, verifier=VERIFIER)]
    ),
    "in the route": lambda: Starlette(
        routes=[Route("/x", READ(plain), middleware=[Middleware(TokenMiddleware, verifier=VERIFIER)])]
    ),
    "in the mount": lambda: Starlette(
        routes=[
            Mount("/x", routes=[Route("/", READ(plain))], middleware=[Middleware(TokenMiddleware, verifier=VERIFIER)])
        ]
    ),
    "default of the router": lambda: app_of(Mount("/", app=Router(default=READ(Asgi())))),
    "with a decorator over it": lambda: app_of(Route("/x", _noted(READ(plain)))),
    "behind an app that hides it": lambda: app_of(Mount("/", app=optional(Hiding(Router([Route("/x", READ(plain))]))))),
    "sync behind an app that hides it": lambda: app_of(
        Mount("/", app=optional(Hiding(Router([Route("/x", READ(plain_sync))]))))
    ),
    "class behind an app that hides it": lambda: app_of(Mount("/", app=public(Hiding(Router([Route("/x", Heir)]))))),
    "by class methods behind an app that hides it": lambda: app_of(
        Mount("/", app=public(Hiding(Starlette(routes=[Route("/x", ByMethod)]))))
    ),
}


class Asgi:
    """An ASGI app that is an object, as GraphQL apps are."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await opaque(scope, receive, send)


class Hiding:
    """Middleware that the walk cannot look through."""

    def __init__(self, app: ASGIApp) -> None:
        self._hidden = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._hidden(scope, receive, send)


def _noted(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(endpoint)
    async def noted(*args: Any, **kwargs: Any) -> Any:
        return await endpoint(*args, **kwargs)

    return noted


async def get(app: ASGIApp, headers: list[tuple[bytes, bytes]], method: str = "GET") -> int:
    """The status at /x, or behind the redirect to /x/."""
    answer = await call(app, method, "/x", headers)
    return (await call(app, method, "/x/", headers)).status if answer.status == 307 else answer.status


@pytest.mark.parametrize("name", GUARDED)
async def test_every_kind_of_endpoint_obeys_its_rule(name: str) -> None:
    app = GUARDED[name]()
    RAN.clear()
    for method in ("GET", "HEAD"):
        assert await get(app, [], method) == 401
        assert await get(app, bearer(CREATOR), method) == 403
        assert await get(app, bearer("wrong"), method) == 401
    assert RAN == []
    assert await get(app, bearer(READER)) == 200
    assert len(RAN) == 1


@pytest.mark.parametrize("name", [name for name in GUARDED if name not in ("in the route", "in the mount")])
async def test_every_kind_of_endpoint_lets_the_app_start(name: str) -> None:
    assert await start_up(GUARDED[name]()) is None


async def test_each_method_of_a_class_has_its_own_rule() -> None:
    app = app_of(Route("/x", ByMethod))
    answers = {
        (method, who): (await call(app, method, "/x", bearer(token))).status
        for method in ("GET", "HEAD", "POST", "PUT", "BREW")
        for who, token in (("reader", READER), ("creator", CREATOR))
    }
    assert answers == {
        ("GET", "reader"): 200,
        ("GET", "creator"): 403,
        ("HEAD", "reader"): 200,
        ("HEAD", "creator"): 403,
        ("POST", "reader"): 403,
        ("POST", "creator"): 200,
        ("PUT", "reader"): 405,
        ("PUT", "creator"): 405,
        ("BREW", "reader"): 405,
        ("BREW", "creator"): 405,
    }


async def test_a_wrong_method_is_405_as_without_us() -> None:
    app = app_of(Route("/x", READ(plain), methods=["GET"]))
    assert (await call(app, "DELETE", "/x")).status == 405


async def test_a_protected_endpoint_without_the_middleware_does_not_run() -> None:
    RAN.clear()
    for endpoint in (READ(plain), READ(plain_sync), Whole, Heir, protect(opaque, READ)):
        with pytest.raises(ConfigurationError):
            await call(Router([Route("/x", endpoint)]), "GET", "/x", bearer(READER))
    assert RAN == []


async def test_a_mounted_app_with_its_own_middleware_keeps_its_own_routes() -> None:
    other = MemoryVerifier()
    foreign = other.issue("jobs:read").reveal()
    inner = app_of(Route("/x", plain), rules={("GET", "/x"): READ}, verifier=other)
    app = app_of(Mount("/m", app=inner), Route("/x", READ(plain)), Mount("/w", app=TokenMiddleware(inner, other)))
    assert await start_up(app) is None
    for path, token, status in (
        ("/m/x", foreign, 200),
        ("/m/x", READER, 401),
        ("/x", READER, 200),
        ("/x", foreign, 401),
        ("/w/x", foreign, 200),
        ("/w/x", READER, 401),
    ):
        assert (await call(app, "GET", path, bearer(token))).status == status


async def test_urls_can_be_built_through_a_guarded_mount() -> None:
    inner = Starlette(routes=[Route("/x", plain, name="x")])
    app = app_of(Mount("/m", app=protect(inner, READ), name="m"))
    assert str(app.url_path_for("m:x")) == "/m/x"
