"""Ways round a rule that were found in this package or published about others, each with the app that falls for it."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI
from starlette.applications import Starlette
from starlette.authentication import SimpleUser
from starlette.background import BackgroundTask
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Host, Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from spacekey import TokenMiddleware, protect, public, requires
from spacekey.domain.authentication import Verdict
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.secret import Secret
from spacekey.middleware.fastapi import RequireScopes, declare_docs
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import bearer, call, start_up

VERIFIER = MemoryVerifier()
READER = VERIFIER.issue("jobs:read", space_id="7").reveal()


async def secret(_: Request) -> Response:
    """What nobody may see."""
    return PlainTextResponse("SECRET")


async def leak(scope: Scope, receive: Receive, send: Send) -> None:
    """The same as an ASGI app that asks for no method."""
    await PlainTextResponse("SECRET")(scope, receive, send)


def app_of(*routes: BaseRoute, **settings: Any) -> Starlette:
    """An app behind the middleware."""
    return Starlette(routes=routes, middleware=[Middleware(TokenMiddleware, verifier=VERIFIER, **settings)])


class OwnCall(Router):
    """Answers before it looks at its routes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await leak(scope, receive, send)


class OwnApp(Router):
    """The same, a step further in."""

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        await leak(scope, receive, send)


class OwnNotFound(Router):
    """Serves what it has no route for, as single-page apps do."""

    async def not_found(self, scope: Scope, receive: Receive, send: Send) -> None:
        await leak(scope, receive, send)


class OwnStarlette(Starlette):
    """A whole app that answers by itself."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await leak(scope, receive, send)


class OwnMount(Mount):
    """A mount that does not hand over to what is mounted."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await leak(scope, receive, send)


class OwnHost(Host):
    """The same by host."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await leak(scope, receive, send)


RULED = Route("/", requires("jobs:read")(secret))
TAKEN_OVER: dict[str, Callable[[], BaseRoute]] = {
    "a router's call": lambda: Mount("/m", app=OwnCall([RULED])),
    "a router's app": lambda: Mount("/m", app=OwnApp([RULED])),
    "a router's not_found": lambda: Mount("/m", app=OwnNotFound([])),
    "an app's call": lambda: Mount("/m", app=OwnStarlette()),
    "a mount's handle": lambda: OwnMount("/m", routes=[RULED]),
    "a host's handle": lambda: OwnHost("testserver", app=Router([RULED])),
}


@pytest.mark.parametrize("what", TAKEN_OVER)
async def test_what_a_subclass_takes_into_its_own_hands_counts_as_undeclared(what: str) -> None:
    app = app_of(TAKEN_OVER[what]())
    assert "1 routes have no rule" in str(await start_up(app_of(TAKEN_OVER[what]())))
    for headers in ([], bearer(READER)):
        assert (await call(app, "GET", "/m/", headers)).status == 403


def _replace(app: Starlette) -> None:
    app.router.routes[0] = Route("/x", secret)


def _remove_and_add(app: Starlette) -> None:
    app.router.routes.pop(0)
    app.router.routes.append(Route("/x", secret))


def _exchange(app: Starlette) -> None:
    app.router.routes = [Route("/x", secret)]


def _serve_the_rest(app: Starlette) -> None:
    app.router.routes.clear()
    app.router.default = leak


CHANGES = [_replace, _remove_and_add, _exchange, _serve_the_rest]


@pytest.mark.parametrize("change", CHANGES)
async def test_a_route_exchanged_while_the_app_runs_is_guarded_like_an_added_one(
    change: Callable[[Starlette], None],
) -> None:
    app = app_of(Route("/x", requires("jobs:read")(secret)))
    assert (await call(app, "GET", "/x", bearer(READER))).status == 200
    change(app)
    for headers in ([], bearer(READER)):
        assert (await call(app, "GET", "/x", headers)).status == 403


async def test_a_rule_of_the_table_holds_for_the_route_that_takes_the_place_of_its_own() -> None:
    app = app_of(Route("/x", secret), rules={("GET", "/x"): "jobs:create"})
    assert (await call(app, "GET", "/x", bearer(READER))).status == 403
    app.router.routes[0] = Route("/x", secret)  # equal to the old one, and another
    assert (await call(app, "GET", "/x", bearer(READER))).status == 403


# method → status for a reader where GET is for creators, a socket for anybody and all else for readers
METHODS = [("GET", 403), ("get", 403), ("gEt", 403), ("HEAD", 403), ("head", 403), ("WEBSOCKET", 200), ("POST", 200)]


@pytest.mark.parametrize(("method", "status"), METHODS)
async def test_a_method_in_other_letters_or_by_the_name_of_sockets_passes_no_other_rule(
    method: str, status: int
) -> None:
    rules = {("GET", "/m"): "jobs:create", ("WEBSOCKET", "/m"): "jobs:never", ("*", "/m"): "jobs:read"}
    app = app_of(Mount("/m", app=leak), rules=rules)
    assert (await call(app, method, "/m/", bearer(READER))).status == status
    assert (await call(app, method, "/m/")).status == 401


@pytest.mark.parametrize("method", ["SEARCH", "search", "DISPATCH", "SCOPE", "__INIT__", "METHOD_NOT_ALLOWED"])
async def test_a_helper_of_an_endpoint_class_is_no_handler_cve_2026_48817(method: str) -> None:
    class Jobs(HTTPEndpoint):
        @requires("jobs:read")
        async def get(self, request: Request) -> Response:
            return await self.search(request)

        async def search(self, request: Request) -> Response:
            return await secret(request)

    app = app_of(Route("/x", Jobs))
    assert (await call(app, method, "/x")).status == 405
    assert (await call(app, "GET", "/x")).status == 401
    assert (await call(app, "GET", "/x", bearer(READER))).status == 200


class Spoofing:
    """Puts somebody important into the scope, where an app's own middleware may put its users."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["user"] = Principal("key_0", Kind.MEMBER, frozenset({"jobs:read"}))
        scope["spacekey"] = SimpleUser("admin")
        await self.app(scope, receive, send)


class Renaming(BaseHTTPMiddleware):
    """Takes the method from a header, as some gateways do, and hands on."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """The header decides."""
        request.scope["method"] = request.headers.get("x-http-method-override", request.method)
        return await call_next(request)


@pytest.mark.parametrize("inside", [False, True])
async def test_a_user_that_somebody_else_put_into_the_scope_passes_no_rule(inside: bool) -> None:
    ours = Middleware(TokenMiddleware, verifier=VERIFIER)
    stack = [ours, Middleware(Spoofing)] if inside else [Middleware(Spoofing), ours]
    routes = [Route("/x", requires("jobs:read")(secret)), Mount("/m", app=protect(leak, "jobs:read"))]
    app = Starlette(routes=routes, middleware=stack)
    for path in ("/x", "/m/"):
        if inside:  # it took away what the middleware knows: nothing runs
            with pytest.raises(Exception, match="needs TokenMiddleware"):
                await call(app, "GET", path)
        else:
            assert (await call(app, "GET", path)).status == 401
            assert (await call(app, "GET", path, bearer(READER))).status == 200


async def test_a_method_that_a_middleware_changes_obeys_the_rule_of_what_it_became() -> None:
    class Jobs(HTTPEndpoint):
        @requires("jobs:read")
        async def get(self, request: Request) -> Response:
            return await secret(request)

        @requires("jobs:write")
        async def delete(self, request: Request) -> Response:
            return await secret(request)

    ours = Middleware(TokenMiddleware, verifier=VERIFIER)
    for stack in ([ours, Middleware(Renaming)], [Middleware(Renaming), ours]):
        app = Starlette(routes=[Route("/x", Jobs)], middleware=stack)
        headers = [*bearer(READER), (b"x-http-method-override", b"DELETE")]
        assert (await call(app, "GET", "/x", headers)).status == 403
        assert (await call(app, "DELETE", "/x", [*bearer(READER), (b"x-http-method-override", b"GET")])).status == 200


# template, path → status for the token of space 7
SPACES = [
    ("/s/{space:int}", "/s/7", 200),
    ("/s/{space:int}", "/s/007", 200),
    ("/s/{space:int}", "/s/8", 403),
    ("/s/{space}", "/s/7", 200),
    ("/s/{space}", "/s/07", 403),
    ("/s/{space}", "/s/7%2F8", 403),
    ("/s/{space}", "/s/７", 403),
    ("/s/{space:path}", "/s/7/../8", 403),
    ("/s/{space:path}", "/s/7/", 403),
    ("/s/{space:float}", "/s/7.0", 403),
    ("/s/{space:uuid}", "/s/7F000000-0000-4000-8000-000000000007", 403),
]


@pytest.mark.parametrize(("template", "path", "status"), SPACES)
async def test_a_space_in_the_path_is_compared_as_the_endpoint_gets_it(template: str, path: str, status: int) -> None:
    app = app_of(Route(template, requires("jobs:read", space_param="space")(secret)))
    assert (await call(app, "GET", path, bearer(READER))).status == status


async def test_a_space_by_its_uuid_is_the_same_in_capitals() -> None:
    space = "7f000000-0000-4000-8000-00000000000a"
    token = VERIFIER.issue("jobs:read", space_id=space).reveal()
    app = app_of(Route("/s/{space:uuid}", requires("jobs:read", space_param="space")(secret)))
    for path in (space, space.upper()):
        assert (await call(app, "GET", f"/s/{path}", bearer(token))).status == 200


async def test_a_handler_of_errors_answers_but_opens_nothing() -> None:
    async def sorry(request: Request, _: Exception) -> Response:
        return PlainTextResponse(str(request.user.is_authenticated), 404)

    app = app_of(Route("/x", requires("jobs:read")(secret)))
    app.add_exception_handler(404, sorry)
    assert (await call(app, "GET", "/nothing", bearer(READER))).body == b"False"
    assert (await call(app, "GET", "/x")).status == 401


async def test_a_root_path_changes_no_rule() -> None:
    inner = app_of(
        Route("/x", secret), Mount("/m", app=leak), rules={("GET", "/x"): "jobs:create", ("*", "/m"): public}
    )
    app = Starlette(routes=[Mount("/api", app=inner)])
    assert (await call(app, "GET", "/api/x", bearer(READER))).status == 403
    assert (await call(app, "GET", "/api/m/")).status == 200
    assert (await call(app, "GET", "/x")).status == 404


# What runs after an answer: admitted with its request, asked about no more, and never for a refused one.


class Counting(MemoryVerifier):
    """Counts how often it is asked."""

    asked = 0

    async def verify(self, secret: Secret) -> Verdict:
        """As usual."""
        self.asked += 1
        return await super().verify(secret)


def starlette_app(verifier: Counting, secret: Secret, ran: list[str]) -> Starlette:
    """An endpoint whose task sees its token revoked before it does its work."""

    @requires("jobs:read")
    async def start(request: Request) -> Response:
        def task() -> None:
            verifier.refuse(secret)
            ran.append(f"{request.user.identity} {request.user.is_authenticated} {sorted(request.auth.scopes)}")

        return PlainTextResponse("started", background=BackgroundTask(task))

    return Starlette(routes=[Route("/", start)], middleware=[Middleware(TokenMiddleware, verifier=verifier)])


def fastapi_app(verifier: Counting, secret: Secret, ran: list[str]) -> FastAPI:
    """The same in FastAPI."""
    app = FastAPI(
        middleware=[Middleware(TokenMiddleware, verifier=verifier)], openapi_url=None, docs_url=None, redoc_url=None
    )

    @app.get("/", dependencies=[RequireScopes("jobs:read")])
    async def start(request: Request, tasks: BackgroundTasks) -> str:
        async def task() -> None:
            verifier.refuse(secret)
            ran.append(f"{request.user.identity} {request.user.is_authenticated} {sorted(request.auth.scopes)}")

        tasks.add_task(task)
        return "started"

    return app


async def test_a_task_runs_as_its_requests_caller_and_nobody_is_asked_again() -> None:
    for build in (starlette_app, fastapi_app):
        verifier, ran = Counting(), list[str]()
        secret = verifier.issue("jobs:read")
        app = build(verifier, secret, ran)
        assert (await call(app, "GET", "/", bearer(secret.reveal()))).status == 200
        assert ran == ["key_1 True ['authenticated', 'jobs:read']"]
        assert verifier.asked == 1
        assert (await call(app, "GET", "/", bearer(secret.reveal()))).status == 401
        assert len(ran) == 1


async def test_a_refused_request_starts_no_task() -> None:
    for build in (starlette_app, fastapi_app):
        verifier, ran = Counting(), list[str]()
        app = build(verifier, verifier.issue("jobs:read"), ran)
        lacking = verifier.issue("jobs:create").reveal()
        for headers, status in (([], 401), (bearer(lacking), 403), (bearer("x"), 401)):
            assert (await call(app, "GET", "/", headers)).status == status
        assert ran == []


# FastAPI's ``app.dependency_overrides``, meant for tests: what it takes away, and that TokenMiddleware still asks.


ANY_READER = VERIFIER.issue("jobs:read").reveal()
CREATOR = VERIFIER.issue("jobs:create").reveal()
RULE = RequireScopes("jobs:read")
OF_RULE: Any = RULE.dependency


async def somebody() -> Principal:
    """What a test puts in the rule's place."""
    return Principal("key_0", Kind.SPACE, frozenset({"jobs:read"}))


async def current(caller: Annotated[Principal, RULE]) -> Principal:
    """A dependency with the rule below it."""
    return caller


def routes(app: FastAPI) -> FastAPI:
    """The rule in each place."""

    @app.get("/listed", dependencies=[RULE])
    async def listed() -> str:
        return "SECRET"

    @app.get("/argument")
    async def argument(caller: Annotated[Principal, RULE]) -> str:
        return f"SECRET of {caller.id}"

    @app.get("/below")
    async def below(caller: Annotated[Principal, Depends(current)]) -> str:
        return f"SECRET of {caller.id}"

    return app


PATHS = ("/listed", "/argument", "/below")


def guarded() -> FastAPI:
    app = FastAPI(middleware=[Middleware(TokenMiddleware, verifier=VERIFIER)])
    declare_docs(app, public)
    return routes(app)


async def test_an_override_does_not_take_the_rule_off_a_route_that_the_middleware_sees() -> None:
    for overridden in (OF_RULE, current):
        for early in (True, False):
            app = guarded()
            if not early:
                assert (await call(app, "GET", "/listed", bearer(ANY_READER))).status == 200
            app.dependency_overrides[overridden] = somebody
            assert await start_up(app) is None
            for path in PATHS:
                statuses = [(await call(app, "GET", path, headers)).status for headers in ([], bearer(CREATOR))]
                assert statuses == [401, 403], (path, early)
                assert (await call(app, "GET", path, bearer(ANY_READER))).status == 200


async def test_an_override_cannot_declare_a_route_either() -> None:
    app = FastAPI(middleware=[Middleware(TokenMiddleware, verifier=VERIFIER)])
    declare_docs(app, public)

    async def nothing() -> None:
        """Says nothing about who may come in."""

    app.get("/x", dependencies=[Depends(nothing)])(nothing)
    app.dependency_overrides[nothing] = OF_RULE
    assert "GET /x" in str(await start_up(app))
    assert (await call(app, "GET", "/x", bearer(ANY_READER))).status == 403


async def test_an_override_with_another_rule_adds_to_the_routes_own() -> None:
    app = guarded()
    another: Any = RequireScopes("jobs:create").dependency
    app.dependency_overrides[OF_RULE] = another
    both = VERIFIER.issue("jobs:read", "jobs:create").reveal()
    for path in PATHS:
        statuses = [(await call(app, "GET", path, bearer(token))).status for token in (ANY_READER, CREATOR, both)]
        assert statuses == [403, 403, 200], path


async def test_without_the_middleware_a_rule_lets_nobody_in_and_an_override_is_its_writers_own_act() -> None:
    app = routes(FastAPI())
    for path in PATHS:
        assert await _failed(app, path)
    app.dependency_overrides[OF_RULE] = somebody
    assert (await call(app, "GET", "/argument")).body == b'"SECRET of key_0"'


async def test_where_the_middleware_sees_no_route_only_the_dependency_asks_so_an_override_opens_it() -> None:
    """The whole app was declared public: what is left is the dependency, and that is what was exchanged."""
    inner = routes(FastAPI())

    async def hiding(scope: Scope, receive: Receive, send: Send) -> None:
        await inner(scope, receive, send)

    app = TokenMiddleware(public(hiding), VERIFIER)
    assert [(await call(app, "GET", path)).status for path in PATHS] == [401, 401, 401]
    inner.dependency_overrides[OF_RULE] = somebody
    assert [(await call(app, "GET", path)).status for path in PATHS] == [200, 200, 200]


async def _failed(app: Any, path: str) -> bool:
    try:
        answer = await call(app, "GET", path, bearer(ANY_READER))
    except Exception as error:  # noqa: BLE001 - whatever it was, nothing was answered
        return "TokenMiddleware" in str(error)
    return answer.status == 500
