"""``undeclared="ignore"``: what declares nothing is left alone, and what declares something is enforced as ever."""

import logging
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from spacekey import TokenMiddleware, optional, protect, public, requires
from spacekey.domain.authentication import Verdict
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import Verifier
from spacekey.middleware.testing import undeclared_routes
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import bearer, call, start_up, talk

VERIFIER = MemoryVerifier()
TOKEN = bearer(VERIFIER.issue("a").reveal())
OTHER = bearer(VERIFIER.issue("b").reveal())


class Unasked(Verifier):
    """A verifier that must not be asked."""

    async def verify(self, secret: Secret) -> Verdict:
        raise AssertionError

    def peek(self, authorization: bytes) -> Verdict | None:
        raise AssertionError


class Basic(AuthenticationBackend):
    """The app's own sign-in."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        return (AuthCredentials(["theirs"]), SimpleUser("ada")) if "x-ada" in conn.headers else None


async def told(request: Request) -> Response:
    """What the endpoint finds in its scope."""
    user = request.scope.get("user")
    return JSONResponse(
        {"user": getattr(user, "identity", None) if user and user.is_authenticated else str(type(user))}
    )


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(websocket.user.display_name)


def ignoring(*routes: Any, verifier: Any = VERIFIER, around: tuple[Middleware, ...] = (), **settings: Any) -> Starlette:
    """An app that leaves its undeclared routes alone."""
    ours = Middleware(TokenMiddleware, verifier=verifier, undeclared="ignore", **settings)
    return Starlette(routes=list(routes), middleware=[*around, ours])


ODD_HEADERS: list[list[tuple[bytes, bytes]]] = [
    [],
    TOKEN,
    bearer("eyJhbGciOiJIUzI1NiJ9.e30.abc"),
    bearer("x" * 10_000),
    [*TOKEN, *OTHER],
    [(b"authorization", b"Bearer")],
    [(b"authorization", b"\xff")],
    [(b"cookie", b"session=1")],
    [(b"x-ada", b"1"), *TOKEN],
]


@pytest.mark.parametrize("around", [(), (Middleware(AuthenticationMiddleware, backend=Basic()),)])
@pytest.mark.parametrize("headers", ODD_HEADERS)
async def test_an_undeclared_route_answers_as_without_the_middleware(
    headers: list[tuple[bytes, bytes]], around: tuple[Middleware, ...]
) -> None:
    routes = [Route("/x", told, methods=["GET", "POST"]), Mount("/m", routes=[Route("/x", told)])]
    app = ignoring(*routes, verifier=Unasked(), around=around)
    bare = Starlette(routes=routes, middleware=list(around))
    assert await start_up(app) is None
    for method, path in (("GET", "/x"), ("POST", "/x"), ("GET", "/m/x"), ("GET", "/none"), ("DELETE", "/x")):
        for query in (b"", b"access_token=1"):
            ours = await call(app, method, path, headers, query=query)
            assert ours == await call(bare, method, path, headers, query=query)


async def test_an_undeclared_websocket_has_no_user() -> None:
    said: list[bool] = []

    async def bare(websocket: WebSocket) -> None:
        said.append("user" in websocket.scope or "auth" in websocket.scope)
        await websocket.accept()

    app = ignoring(WebSocketRoute("/x", bare), WebSocketRoute("/a", requires("a")(socket)), verifier=VERIFIER)
    for headers in ODD_HEADERS:
        assert (await talk(app, "/x", headers)).accepted
    assert said == [False] * len(ODD_HEADERS)
    assert (await talk(app, "/a", TOKEN)).texts == ["key_1"]
    assert not (await talk(app, "/a", OTHER)).accepted
    assert not (await talk(app, "/a")).accepted


@pytest.mark.parametrize("around", [(), (Middleware(AuthenticationMiddleware, backend=Basic()),)])
async def test_a_declared_route_beside_it_is_enforced(around: tuple[Middleware, ...]) -> None:
    app = ignoring(
        Route("/free", told),
        Route("/a", requires("a")(told)),
        Route("/open", public(told)),
        Route("/maybe", optional(told)),
        Mount("/m", app=protect(told_app, "a")),
        around=around,
    )
    expected = {
        "/free": [200, 200, 200, 200], "/a": [401, 200, 403, 401], "/open": [200, 200, 200, 200],
        "/maybe": [200, 200, 200, 401], "/m/x": [401, 200, 403, 401],
    }  # fmt: skip
    for path, statuses in expected.items():
        found = [(await call(app, "GET", path, headers)).status for headers in ([], TOKEN, OTHER, bearer("x"))]
        assert found == statuses, path
    assert b"key_1" in (await call(app, "GET", "/a", TOKEN)).body
    for path in ("/open", "/maybe"):
        assert b"UnauthenticatedUser" in (await call(app, "GET", path)).body


async def told_app(scope: Scope, receive: Receive, send: Send) -> None:
    """The same, as an app whose routes cannot be seen."""
    await (await told(Request(scope)))(scope, receive, send)


class Partly(HTTPEndpoint):
    """Declares one of its methods."""

    @requires("a")
    async def get(self, request: Request) -> Response:
        """GET and HEAD."""
        return PlainTextResponse("read")

    async def post(self, request: Request) -> Response:
        """POST, without a rule."""
        return PlainTextResponse(("user" in request.scope and "seen") or "left alone")


@pytest.mark.parametrize("rules", [None, {("DELETE", "/p"): "a"}])
async def test_methods_are_told_apart(rules: Any) -> None:
    routes = [Route("/p", Partly) if rules is None else Route("/p", told, methods=["POST", "DELETE"])]
    app = ignoring(*routes, rules=rules)
    closed = "GET" if rules is None else "DELETE"
    for method in (closed, closed.lower()):
        assert (await call(app, method, "/p")).status in (401, 405)
    assert (await call(app, closed, "/p", TOKEN)).status == 200
    answer = await call(app, "POST", "/p")
    assert answer.status == 200
    assert b"left alone" in answer.body or b"NoneType" in answer.body


class Copying:
    """A middleware inside that hands on a copy of the scope."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(dict(scope), receive, send)


@pytest.mark.parametrize("declared", [optional, public, requires("a")])
async def test_the_user_is_set_on_a_copy_of_the_scope(declared: Any) -> None:
    ours = Middleware(TokenMiddleware, verifier=VERIFIER, undeclared="ignore")
    app = Starlette(routes=[Route("/x", declared(told))], middleware=[ours, Middleware(Copying)])
    answer = await call(app, "GET", "/x", TOKEN)
    assert (b"key_1" in answer.body) is (declared is not public)
    answer = await call(app, "GET", "/x")
    assert answer.status == 401 or b"UnauthenticatedUser" in answer.body


async def test_an_inner_app_that_ignores_leaves_the_outer_user() -> None:
    inner = ignoring(Route("/free", told), Route("/open", optional(told)))
    outer = TokenMiddleware(protect(inner, "a"), VERIFIER)
    for path in ("/free", "/open"):
        assert (await call(outer, "GET", path)).status == 401
        assert b"key_1" in (await call(outer, "GET", path, TOKEN)).body


async def test_one_route_by_two_paths_cannot_have_a_rule_on_one_of_them() -> None:
    shared = [Route("/x", told)]
    for undeclared in ("ignore", "optional"):
        ours = Middleware(TokenMiddleware, verifier=VERIFIER, undeclared=undeclared, rules={("GET", "/a/x"): "a"})
        app = Starlette(routes=[Mount("/a", routes=shared), Mount("/b", routes=shared)], middleware=[ours])
        said = await start_up(app) or ""
        assert "'/a/x' and '/b/x' are one route, and only one of them has a rule for GET" in said


async def test_what_is_undeclared_is_listed_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    app = ignoring(Route("/x", told), Route("/a", requires("a")(told)), Mount("/m", routes=[Route("/y", told)]))
    assert undeclared_routes(app) == ["GET /x", "GET /m/y"]
    with caplog.at_level(logging.INFO, "spacekey.middleware"):
        assert await start_up(app) is None
    assert "2 routes have no rule and are left alone: GET /x, GET /m/y" in caplog.text


def test_another_value_is_refused() -> None:
    for value in ("allow", None, False, "DENY"):
        with pytest.raises(ConfigurationError, match='write "deny", "optional" or "ignore"'):
            TokenMiddleware(Starlette(), VERIFIER, undeclared=value)  # type: ignore[arg-type]
