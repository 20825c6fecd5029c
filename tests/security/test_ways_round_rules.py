"""Ways round a rule that were found in this package or published about others, each with the app that falls for it."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import SimpleUser
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Host, Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from spacekey import TokenMiddleware, protect, public, requires
from spacekey.domain.principal import Kind, Principal
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
