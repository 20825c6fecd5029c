"""A declaration holds for what it gives back and for nothing else; what it cannot go on is refused with the cure."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.rule import any_of
from spacekey.middleware import Declaration, MemoryVerifier, TokenMiddleware, optional, protect, public, requires
from spacekey.middleware.testing import undeclared_routes
from support.asgi_calls import bearer, call, start_up, talk

VERIFIER = MemoryVerifier()
READER = VERIFIER.issue("a:b").reveal()


def app_of(*routes: Any, **settings: Any) -> Starlette:
    """An app behind the middleware."""
    return Starlette(routes=routes, middleware=[Middleware(TokenMiddleware, verifier=VERIFIER, **settings)])


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("ok")(scope, receive, send)


def _async() -> Any:
    async def serve(request: Request, *, more: str = "ok") -> Response:
        del request
        return PlainTextResponse(more)

    return serve


def _sync() -> Any:
    def serve(request: Request) -> Response:
        del request
        return PlainTextResponse("ok")

    return serve


def _class() -> Any:
    class Serve(HTTPEndpoint):
        async def get(self, request: Request) -> Response:
            del request
            return PlainTextResponse("ok")

    return Serve


class Asgi:
    """An app that is an object."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _answer(scope, receive, send)


class Methods:
    """Methods of an object as endpoints."""

    async def serve(self, request: Request) -> Response:
        """A coroutine."""
        del request
        return PlainTextResponse("ok")


def _partial_of_partial() -> Any:
    marked = functools.partial(_async(), more="ok")
    marked.keywords["more"] = "ok"
    return functools.partial(marked)


KINDS: dict[str, Callable[[], Any]] = {
    "async function": _async,
    "sync function": _sync,
    "class": _class,
    "method": lambda: Methods().serve,
    "partial": lambda: functools.partial(_async(), more="ok"),
    "partial of a partial": _partial_of_partial,
    "ASGI app": Asgi,
    "router": lambda: Router(default=_answer),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("openness", [public, optional])
async def test_an_endpoint_that_is_open_on_one_route_is_undeclared_on_another(kind: str, openness: Any) -> None:
    serve = KINDS[kind]()
    app = app_of(Route("/open", openness(serve), methods=["GET"]), Route("/secret", serve, methods=["GET"]))
    assert undeclared_routes(app) == ["GET /secret"]
    assert (await call(app, "GET", "/open")).body == b"ok"
    for headers in ([], bearer(READER)):
        assert (await call(app, "GET", "/secret", headers)).status == 403


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reverse", [False, True])
async def test_each_route_keeps_its_own_declaration_in_whatever_order_they_are_made(kind: str, reverse: bool) -> None:
    serve = KINDS[kind]()
    declarations: list[tuple[str, Any]] = [
        ("/open", public),
        ("/perhaps", optional),
        ("/any", requires()),
        ("/c", requires("c:d")),
    ]
    routes = [Route(path, made(serve)) for path, made in (declarations[::-1] if reverse else declarations)]
    app = app_of(*routes)
    assert undeclared_routes(app) == []
    statuses = {
        path: [(await call(app, "GET", path, headers)).status for headers in ([], bearer(READER), bearer("x"))]
        for path, _ in declarations
    }
    assert statuses == {
        "/open": [200, 200, 200],
        "/perhaps": [200, 200, 401],
        "/any": [401, 200, 401],
        "/c": [401, 403, 401],
    }


def test_what_comes_back_is_called_as_what_was_given() -> None:
    serve = _async()
    for made in (public(serve), optional(serve), requires("a:b")(serve)):
        assert (made.__name__, made.__qualname__, made.__doc__) == ("serve", serve.__qualname__, serve.__doc__)
    given = _class()
    for made in (public(given), requires("a:b")(given)):
        assert issubclass(made, given)
        assert (made.__name__, made.__qualname__, made.__module__) == ("Serve", given.__qualname__, given.__module__)
    for made in (public(Asgi()), requires("a:b")(Asgi()), protect(Asgi(), "a:b")):
        assert Route("/x", made).name == "Asgi"


def test_a_public_function_costs_no_call_more() -> None:
    serve = _async()
    assert public(serve).__code__ is serve.__code__


class Fresh(HTTPEndpoint):
    """Uses what it inherits, as classes of endpoints do."""

    @public
    async def get(self, request: Request) -> Response:
        """Calls its base without naming it."""
        del request
        return PlainTextResponse(str(super().__class__.__name__))


async def test_a_public_method_still_finds_its_base() -> None:
    assert (await call(app_of(Route("/x", Fresh)), "GET", "/x")).status == 200


async def test_a_socket_that_is_open_on_one_route_is_undeclared_on_another() -> None:
    async def serve(websocket: WebSocket) -> None:
        await websocket.accept()

    class Feed(WebSocketEndpoint):
        """Accepts whoever comes."""

    routes = [
        WebSocketRoute("/f/open", public(serve)),
        WebSocketRoute("/f", serve),
        WebSocketRoute("/c/open", public(Feed)),
        WebSocketRoute("/c", Feed),
    ]
    app = app_of(*routes)
    assert undeclared_routes(app) == ["WEBSOCKET /f", "WEBSOCKET /c"]
    assert [(await talk(app, path)).accepted for path in ("/f/open", "/f", "/c/open", "/c")] == [
        True,
        False,
        True,
        False,
    ]


class Other:
    """Holds what declarations cannot go on."""

    @classmethod
    async def serve(cls, request: Request) -> Response:
        """A class method."""
        del request
        return PlainTextResponse("ok")


class CallsWithRequest:
    """Can be called, and is no ASGI app."""

    async def __call__(self, request: Request) -> Response:
        del request
        return PlainTextResponse("ok")


async def raw(scope: Scope, receive: Receive, send: Send) -> None:
    """An ASGI app that is a function."""
    await _answer(scope, receive, send)


RULE: Any = requires("a:b")
ANYTHING: Any = requires
SERVE: Any = _async()
MISTAKES: dict[str, tuple[Callable[[], object], str]] = {
    "requires without parentheses": (lambda: ANYTHING(SERVE), "write @requires()"),
    "Starlette's list": (lambda: ANYTHING(["a:b", "c:d"]), "write requires('a:b', 'c:d')"),
    "a requirement in a requirement": (lambda: ANYTHING(RULE), "all_of(…) or any_of(…) to combine"),
    "a number for a scope": (lambda: ANYTHING(3), "takes scopes and rules"),
    "requires on a Route": (lambda: RULE(Route("/x", SERVE)), "write Route(…, requires(…)(endpoint))"),
    "requires on a Mount": (lambda: RULE(Mount("/x", app=raw)), "Mount(…, app=protect(app, …))"),
    "requires on a Host": (lambda: RULE(Host("x", app=raw)), "goes on the endpoint"),
    "protect on a Route": (lambda: protect(Route("/x", SERVE), RULE), "write Route(path, requires(…)(endpoint))"),
    "protect on a Mount": (lambda: protect(Mount("/x", app=raw), RULE), "Mount(path, app=protect(app, …))"),
    "protect on a function": (lambda: protect(SERVE, RULE), "write requires(…)"),
    "protect on nothing": (lambda: protect(ANYTHING and None, RULE), "ASGI apps"),  # type: ignore[arg-type]
    "public on a Route": (lambda: public(Route("/x", SERVE)), "write Route(…, public(endpoint))"),
    "public on a Mount": (lambda: public(Mount("/x", app=raw)), "Mount(…, app=protect(app, …))"),
    "public above classmethod": (lambda: public(vars(Other)["serve"]), "put it below @classmethod"),
    "optional above staticmethod": (lambda: optional(staticmethod(SERVE)), "put it below @staticmethod"),
    "requires above classmethod": (lambda: RULE(vars(Other)["serve"]), "put it below @classmethod"),
    "requires on a raw ASGI function": (lambda: RULE(raw), "protect(raw, …)"),
    "requires on an object that is no app": (lambda: RULE(CallsWithRequest()), "write a function that calls it"),
    "public on an object that is no app": (lambda: public(CallsWithRequest()), "write a function that calls it"),
    "public on a class that is none of endpoints": (lambda: public(Other), "wrap the app: protect(app, …)"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_declaration_that_cannot_work_says_at_once_what_to_write(mistake: str) -> None:
    make, cure = MISTAKES[mistake]
    with pytest.raises(ConfigurationError) as raised:
        make()
    assert cure in str(raised.value)


async def test_declared_open_an_asgi_function_is_still_mounted_as_before() -> None:
    app = app_of(Mount("/open", app=public(raw)), Mount("/x", app=raw), Mount("/r", app=protect(raw, any_of("a:b"))))
    assert undeclared_routes(app) == ["* /x"]
    assert (await call(app, "GET", "/open/")).status == 200
    assert (await call(app, "GET", "/r/", bearer(READER))).status == 200


async def test_what_stands_behind_no_start_is_403_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """As docs/protect-starlette.md says of a mounted app and of a single route."""
    mounted = app_of(Route("/old", _async()))
    alone = Route("/alone", _async(), middleware=[Middleware(TokenMiddleware, verifier=VERIFIER)])
    app = Starlette(routes=[Mount("/m", app=mounted), alone])
    assert await start_up(app) is None
    for path in ("/m/old", "/alone"):
        caplog.clear()
        assert (await call(app, "GET", path, bearer(READER))).status == 403
        assert "no rule, answered with 403: " in caplog.text
        assert path == "/alone" or "no rule, answered with 403: GET /old" in caplog.text
    assert undeclared_routes(mounted) == ["GET /old"]


async def test_a_rule_table_can_be_a_variable() -> None:
    """Type checkers, which look at this file too, take it for what ``rules`` wants."""
    rules: dict[tuple[str, str], Declaration] = {("GET", "/x"): "a:b", ("post", "/x"): any_of("c:d")}
    rules["DELETE", "/x"] = public
    app = app_of(Route("/x", _async(), methods=["GET", "POST", "DELETE"]), rules=rules)
    assert await start_up(app) is None
    statuses = [(await call(app, method, "/x", bearer(READER))).status for method in ("GET", "POST", "DELETE")]
    assert statuses == [200, 403, 200]
