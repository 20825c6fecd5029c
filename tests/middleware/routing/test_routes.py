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

from spacekey.domain.errors import ConfigurationError, RuleError
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.rule import any_of
from spacekey.middleware import MemoryVerifier, TokenMiddleware, optional, protect, public, requires
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
    """An ASGI app that nobody can look into."""
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


async def test_stacked_rules_are_one_rule_and_name_all_that_lacks() -> None:
    app = app_of(Route("/x", requires("jobs:read")(requires("jobs:ack", "jobs:poll")(plain))))
    answer = await call(app, "GET", "/x", bearer(READER))
    assert answer.problem["missing_scopes"] == ["jobs:ack", "jobs:poll"]


async def test_a_rule_with_alternatives_names_the_smallest_set_to_add() -> None:
    app = app_of(Route("/x", requires(any_of(requires("a", "b").rule, "c"))(plain)))
    answer = await call(app, "GET", "/x", bearer(READER))
    assert answer.problem["missing_scopes"] == ["c"]


async def test_a_rule_without_scopes_wants_any_valid_token() -> None:
    app = app_of(Route("/x", requires()(plain)))
    assert [await get(app, []), await get(app, bearer("x")), await get(app, bearer(READER))] == [401, 401, 200]


async def test_a_rule_without_alternatives_lets_nobody_in() -> None:
    app = app_of(Route("/x", requires(any_of())(plain)))
    answer = await call(app, "GET", "/x", bearer(READER))
    assert answer.status == 403
    assert "scope=" not in answer.headers["www-authenticate"]


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
    """Anybody."""

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
    app = app_of(Route("/x", plain), deny_by_default=False)
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
        "'GET /job', which is no route. Did you mean 'GET /jobs'",
    ),
    (
        "table for a method the route has not",
        lambda: app_of(Route("/x", READ(plain)), rules={("POST", "/x"): "jobs:read"}),
        "'POST /x', which is no route",
    ),
    (
        "path parameter that is none",
        lambda: app_of(Route("/s/{space}/x", requires("jobs:read", space="space_id")(plain))),
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


def _generator(_request: Request) -> Any:
    yield "x"


IMPOSSIBLE: list[Callable[[], object]] = [
    lambda: public(requires("a")(_fresh())),
    lambda: requires("a")(public(_fresh())),
    lambda: optional(public(_fresh())),
    lambda: requires("a")(_generator),
    lambda: requires("a")(3),
    lambda: requires("a")(staticmethod(plain)),
    lambda: requires("a")(dict),
    lambda: requires("Not A Scope"),
    lambda: protect(opaque, 3),  # type: ignore[arg-type]
    lambda: public(3),
    lambda: app_of(Route("/x", plain), rules={("GET", "/x"): None}).build_middleware_stack(),
]


def _fresh() -> Callable[[Request], Any]:
    async def fresh(request: Request) -> Response:
        return await plain(request)

    return fresh


@pytest.mark.parametrize("make", IMPOSSIBLE)
def test_a_declaration_that_contradicts_itself_is_refused_at_once(make: Callable[[], object]) -> None:
    with pytest.raises(RuleError):
        make()


# who, whose space the path names, what workspace_of says → status
SPACES: list[tuple[Kind, str, object, int]] = [
    (Kind.SPACE, "space_1", None, 200),
    (Kind.SPACE, "space_2", None, 403),
    (Kind.SPACE, "space_2", "ws_1", 403),
    (Kind.WORKSPACE, "space_1", None, 403),
    (Kind.WORKSPACE, "space_1", "ws_1", 200),
    (Kind.WORKSPACE, "space_9", "ws_2", 403),
    (Kind.WORKSPACE, "space_9", RuntimeError("down"), 503),
    (Kind.MEMBER, "space_1", "ws_1", 403),
]


@pytest.mark.parametrize(("kind", "space_id", "owner", "status"), SPACES)
async def test_a_rule_bound_to_a_space_wants_that_spaces_token(
    kind: Kind, space_id: str, owner: object, status: int
) -> None:
    verifier = MemoryVerifier()
    caller = Principal(
        "key_1", kind, frozenset({"jobs:read"}), "", "ws_1", "space_1" if kind is Kind.SPACE else None, "live"
    )
    secret = verifier.issue_to(caller)

    async def workspace_of(asked: str) -> str | None:
        assert asked == space_id
        if isinstance(owner, Exception):
            raise owner
        return str(owner)

    rule = requires("jobs:read", space="space_id")
    settings = {} if owner is None else {"workspace_of": workspace_of}
    for endpoint in (rule(plain), rule(plain_sync)):
        app = app_of(Mount("/s/{space_id}", routes=[Route("/x", endpoint)]), verifier=verifier, **settings)
        assert (await call(app, "GET", f"/s/{space_id}/x", bearer(secret.reveal()))).status == status


async def test_a_protected_endpoint_without_the_middleware_does_not_run() -> None:
    RAN.clear()
    for endpoint in (READ(plain), READ(plain_sync), Whole, Heir, protect(opaque, READ)):
        with pytest.raises(ConfigurationError):
            await call(Router([Route("/x", endpoint)]), "GET", "/x", bearer(READER))
    assert RAN == []


async def test_one_route_object_at_two_paths_obeys_the_rules_of_both() -> None:
    shared = Router([Route("/x", plain)])
    rules = {("GET", "/a/x"): "jobs:read", ("GET", "/b/x"): "jobs:create"}
    app = app_of(Mount("/a", app=shared), Mount("/b", app=shared), rules=rules)
    both = VERIFIER.issue("jobs:read", "jobs:create").reveal()
    for path in ("/a/x", "/b/x"):
        answers = [(await call(app, "GET", path, bearer(token))).status for token in (READER, CREATOR, both)]
        assert answers == [403, 403, 200]


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
