"""Undeclared routes and rules that cannot work fail start-up, and nothing undeclared runs."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from spacekey import TokenMiddleware, optional, protect, public, requires
from spacekey.domain.authentication import Verdict
from spacekey.domain.errors import ConfigurationError, RuleError
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import Verifier
from spacekey.middleware.testing import undeclared_routes
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import bearer, call, start_up, talk

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


class Hiding:
    """Middleware that the walk cannot look through."""

    def __init__(self, app: ASGIApp) -> None:
        self._hidden = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._hidden(scope, receive, send)


async def get(app: ASGIApp, headers: list[tuple[bytes, bytes]], method: str = "GET") -> int:
    """The status at /x, or behind the redirect to /x/."""
    answer = await call(app, method, "/x", headers)
    return (await call(app, method, "/x/", headers)).status if answer.status == 307 else answer.status


UNDECLARED: dict[str, tuple[Callable[[], Starlette], list[str]]] = {
    "function": (lambda: app_of(Route("/x", plain)), ["GET /x"]),
    "methods": (lambda: app_of(Route("/x", plain, methods=["PUT", "POST"])), ["POST /x", "PUT /x"]),
    "class": (lambda: app_of(Route("/x", Unmarked)), ["GET /x", "POST /x"]),
    "class with half its methods declared": (lambda: app_of(Route("/x", Half)), ["POST /x"]),
    "class that takes dispatching into its own hands": (lambda: app_of(Route("/x", OwnDispatch)), ["* /x"]),
    "class that is awaited in a way of its own": (lambda: app_of(Route("/x", OwnAwait)), ["* /x"]),
    "class whose base is public": (lambda: app_of(Route("/x", PublicHeir)), ["GET /x", "POST /x"]),
    "mounted route": (lambda: app_of(Mount("/m", routes=[Route("/{id:int}", plain)])), ["GET /m/{id:int}"]),
    "mounted app": (lambda: app_of(Mount("/x", app=opaque)), ["* /x"]),
    "mounted middleware": (lambda: app_of(Mount("/x", app=Hiding(Router([Route("/", READ(plain))])))), ["* /x"]),
    "host": (lambda: app_of(Host("api.test", app=Router([Route("/x", plain)]))), ["GET api.test/x"]),
    "default": (lambda: app_of(Mount("/m", app=Router(default=opaque))), ["* /m/{path:path}"]),
    "table for another method": (
        lambda: app_of(Route("/x", plain, methods=["GET", "POST"]), rules={("GET", "/x"): READ}),
        ["POST /x"],
    ),
}


class Unmarked(HTTPEndpoint):
    """Declares nothing."""

    async def get(self, request: Request) -> Response:
        """GET."""
        return await plain(request)

    post = get


class Half(HTTPEndpoint):
    """Forgot one."""

    @READ
    async def get(self, request: Request) -> Response:
        """GET."""
        return await plain(request)

    async def post(self, request: Request) -> Response:
        """POST, without a rule."""
        return await plain(request)


class OwnDispatch(ByMethod):
    """Its methods do not tell what it does."""

    async def dispatch(self) -> None:
        """Something else."""
        await opaque(self.scope, self.receive, self.send)


class OwnAwait(ByMethod):
    """The same, a step further out."""

    def __await__(self) -> Any:
        return opaque(self.scope, self.receive, self.send).__await__()


@public
class PublicBase(HTTPEndpoint):
    """Any caller."""

    async def get(self, request: Request) -> Response:
        """GET."""
        return await plain(request)


class PublicHeir(PublicBase):
    """Does more than its base, so it must say for itself."""

    async def post(self, request: Request) -> Response:
        """POST."""
        return await plain(request)


@pytest.mark.parametrize("name", UNDECLARED)
async def test_an_undeclared_route_fails_start_up_with_the_list(name: str) -> None:
    make, lines = UNDECLARED[name]
    message = await start_up(make())
    assert message is not None
    assert [line.strip() for line in message.splitlines() if line.startswith("  ")] == lines


@pytest.mark.parametrize("name", UNDECLARED)
async def test_an_undeclared_route_is_403_before_anything_runs(name: str) -> None:
    make, lines = UNDECLARED[name]
    app = make()
    RAN.clear()
    for line in lines:
        method, _, path = line.partition(" ")
        host, slash, rest = path.partition("/")
        path = (slash + rest).replace("{id:int}", "7").replace("{path:path}", "a")
        for headers in ([], bearer(READER)):
            answer = await call(app, method.replace("*", "GET"), path, headers, host=host or "testserver")
            assert answer.status in (403, 307)
    assert RAN == []


async def test_undeclared_routes_count_as_optional_when_denial_is_off() -> None:
    app = app_of(Route("/x", plain), undeclared="optional")
    assert await start_up(app) is None
    assert [await get(app, []), await get(app, bearer(READER)), await get(app, bearer("x"))] == [200, 200, 401]


async def test_a_route_added_later_is_denied_too() -> None:
    inner = Router([Route("/x", READ(plain))])
    app = app_of(Mount("/m", app=inner))
    assert (await call(app, "GET", "/m/x", bearer(READER))).status == 200
    app.router.routes.append(Route("/late", plain))
    inner.routes.append(Route("/later", plain))
    for path in ("/late", "/m/later"):
        assert (await call(app, "GET", path, bearer(READER))).status == 403
    assert (await call(app, "GET", "/m/x", bearer(READER))).status == 200


async def test_routes_added_by_the_apps_own_start_up_are_checked() -> None:
    import contextlib
    from collections.abc import AsyncIterator

    ended: list[bool] = []

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.router.routes.append(Route("/late", plain))
        yield
        ended.append(True)

    app = Starlette(lifespan=lifespan, middleware=[Middleware(TokenMiddleware, verifier=VERIFIER)])
    with pytest.raises(ConfigurationError):
        raise_if(await start_up(app))


def raise_if(message: str | None) -> None:
    """Make a failed start-up an exception again."""
    if message is not None:
        raise ConfigurationError(message)


BROKEN: list[tuple[str, Callable[[], Starlette], str]] = [
    (
        "unknown scope",
        lambda: app_of(Route("/x", requires("jobs:raed")(plain)), known_scopes={"jobs:read", "jobs:create"}),
        "GET /x: unknown scope 'jobs:raed'. Did you mean 'jobs:read'",
    ),
    (
        "unknown scope in the table",
        lambda: app_of(Route("/x", plain), known_scopes={"jobs:read"}, rules={("*", "/x"): "jobs:creat"}),
        "unknown scope 'jobs:creat'",
    ),
    (
        "table without its route",
        lambda: app_of(Route("/jobs", READ(plain)), rules={("GET", "/job"): "jobs:read"}),
        "'GET /job', which is not a route. Did you mean 'GET /jobs'",
    ),
    (
        "table for a method the route has not",
        lambda: app_of(Route("/x", READ(plain)), rules={("POST", "/x"): "jobs:read"}),
        "'POST /x', which is not a route",
    ),
    (
        "path parameter that is none",
        lambda: app_of(Route("/s/{space}/x", requires("jobs:read", space_param="space_id")(plain))),
        "bound to 'space_id', which the path does not have. Did you mean 'space'",
    ),
    (
        "open and closed at once",
        lambda: app_of(Route("/x", READ(plain)), rules={("GET", "/x"): public}),
        "is declared requires(jobs:read) and public at once",
    ),
]


@pytest.mark.parametrize(("make", "says"), [one[1:] for one in BROKEN], ids=[one[0] for one in BROKEN])
async def test_a_rule_that_cannot_work_fails_start_up(make: Callable[[], Starlette], says: str) -> None:
    app = make()
    assert says in str(await start_up(app))
    with pytest.raises(RuleError):
        await call(app, "GET", "/x", bearer(READER))


async def test_one_route_object_at_two_paths_obeys_the_rules_of_both() -> None:
    shared = Router([Route("/x", plain)])
    rules = {("GET", "/a/x"): "jobs:read", ("GET", "/b/x"): "jobs:create"}
    app = app_of(Mount("/a", app=shared), Mount("/b", app=shared), rules=rules)
    both = VERIFIER.issue("jobs:read", "jobs:create").reveal()
    for path in ("/a/x", "/b/x"):
        answers = [(await call(app, "GET", path, bearer(token))).status for token in (READER, CREATOR, both)]
        assert answers == [403, 403, 200]


# ``undeclared="ignore"``: what declares nothing is left alone, and what declares something is enforced as ever.


IGNORED = MemoryVerifier()
TOKEN = bearer(IGNORED.issue("a").reveal())
OTHER = bearer(IGNORED.issue("b").reveal())


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


def ignoring(*routes: Any, verifier: Any = IGNORED, around: tuple[Middleware, ...] = (), **settings: Any) -> Starlette:
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

    app = ignoring(WebSocketRoute("/x", bare), WebSocketRoute("/a", requires("a")(socket)), verifier=IGNORED)
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
    ours = Middleware(TokenMiddleware, verifier=IGNORED, undeclared="ignore")
    app = Starlette(routes=[Route("/x", declared(told))], middleware=[ours, Middleware(Copying)])
    answer = await call(app, "GET", "/x", TOKEN)
    assert (b"key_1" in answer.body) is (declared is not public)
    answer = await call(app, "GET", "/x")
    assert answer.status == 401 or b"UnauthenticatedUser" in answer.body


async def test_an_inner_app_that_ignores_leaves_the_outer_user() -> None:
    inner = ignoring(Route("/free", told), Route("/open", optional(told)))
    outer = TokenMiddleware(protect(inner, "a"), IGNORED)
    for path in ("/free", "/open"):
        assert (await call(outer, "GET", path)).status == 401
        assert b"key_1" in (await call(outer, "GET", path, TOKEN)).body


async def test_one_route_by_two_paths_cannot_have_a_rule_on_one_of_them() -> None:
    shared = [Route("/x", told)]
    for undeclared in ("ignore", "optional"):
        ours = Middleware(TokenMiddleware, verifier=IGNORED, undeclared=undeclared, rules={("GET", "/a/x"): "a"})
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
            TokenMiddleware(Starlette(), IGNORED, undeclared=value)  # type: ignore[arg-type]
