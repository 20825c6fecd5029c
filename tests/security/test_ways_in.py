"""Ways into an app that took the middleware in later: what is open must not open its neighbours."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Host, Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from spacekey import TokenMiddleware, protect, public, requires
from spacekey.domain.errors import RuleError
from spacekey.domain.principal import Principal
from spacekey.middleware.fastapi import OptionalPrincipal, Public, RequireScopes
from spacekey.middleware.testing import undeclared_routes
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import bearer, call, start_up

VERIFIER = MemoryVerifier()
HOLDER, OTHER = (bearer(VERIFIER.issue(scope).reveal()) for scope in ("a", "b"))
RAN: list[str] = []


async def run(request: Request) -> Response:
    RAN.append(request.url.path)
    return PlainTextResponse("ok")


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    RAN.clear()


def routers(*dependencies: list[Any], route: list[Any] | None = None, on_inclusion: bool = False) -> FastAPI:
    """Routers in each other, with the dependencies of each, the innermost first."""
    inner = APIRouter()
    inner.add_api_route("/x", run, dependencies=route)
    for index, each in enumerate(dependencies):
        outer = APIRouter(prefix=f"/{index}", dependencies=None if on_inclusion else each)
        outer.include_router(inner, dependencies=each if on_inclusion else None)
        inner = outer
    app = FastAPI()
    app.include_router(inner)
    app.add_middleware(TokenMiddleware, verifier=VERIFIER, undeclared="ignore")
    return app


RULE, OPEN = [RequireScopes("a")], [Public()]
CONTRADICTIONS: dict[str, Callable[[], FastAPI]] = {
    "an open route in a protected router": lambda: routers(RULE, route=OPEN),
    "an open router in a protected one": lambda: routers(OPEN, RULE),
    "an open router in one in a protected one": lambda: routers(OPEN, [], RULE),
    "a protected router in an open one": lambda: routers(RULE, OPEN),
    "an open inclusion in a protected one": lambda: routers(OPEN, RULE, on_inclusion=True),
    "an open router beside an optional one": lambda: routers(OPEN, [OptionalPrincipal()], RULE),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
async def test_an_open_router_inside_a_protected_one_opens_nothing(name: str) -> None:
    app = CONTRADICTIONS[name]()
    assert "at once; keep one" in (await start_up(app) or "")
    [path] = list(CONTRADICTIONS[name]().openapi()["paths"])
    for headers in ([], OTHER, HOLDER):  # served without a start, as behind a server that runs none
        with pytest.raises(RuleError, match="keep one"):
            await call(CONTRADICTIONS[name](), "GET", path, headers)
    assert RAN == []


async def test_what_a_router_requires_holds_in_an_optional_router_too() -> None:
    for app in (routers([OptionalPrincipal()], RULE), routers(RULE, [OptionalPrincipal()])):
        assert await start_up(app) is None
        assert [(await call(app, "GET", "/1/0/x", sent)).status for sent in ([], OTHER, HOLDER)] == [401, 403, 200]


class Answers:
    """A middleware that serves something by itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].endswith("/status"):
            RAN.append(scope["path"])
            await PlainTextResponse("ok")(scope, receive, send)
        else:
            await self.app(scope, receive, send)


@pytest.mark.parametrize("undeclared", ["deny", "optional", "ignore"])
async def test_protect_holds_for_what_a_mounted_apps_middleware_answers_by_itself(undeclared: Any) -> None:
    inner = Starlette(routes=[Route("/x", run)], middleware=[Middleware(Answers)])
    app = Starlette(
        routes=[Mount("/m", app=protect(inner, "a")), Route("/open", public(run))],
        middleware=[Middleware(TokenMiddleware, verifier=VERIFIER, undeclared=undeclared)],
    )
    for path in ("/m/status", "/m/x", "/m/none", "/m/"):
        assert [(await call(app, "GET", path, sent)).status for sent in ([], OTHER)] == [401, 403], path
    assert RAN == []
    assert [(await call(app, "GET", path, HOLDER)).status for path in ("/m/status", "/m/x")] == [200, 200]


class OwnPrincipal(Principal):
    """A type of an app's own."""

    __slots__ = ()


async def with_default(caller: Principal = Depends()) -> str:  # noqa: B008 - as FastAPI once taught it
    RAN.append(caller.id)
    return "ok"


async def annotated(caller: Annotated[Principal, Depends(Principal)]) -> str:
    RAN.append(caller.id)
    return "ok"


async def of_a_subclass(caller: Annotated[OwnPrincipal, Depends()]) -> str:
    RAN.append(caller.id)
    return "ok"


async def deeper(caller: Annotated[str, Depends(with_default)]) -> str:
    RAN.append(caller)
    return "ok"


@pytest.mark.parametrize("undeclared", ["deny", "optional", "ignore"])
@pytest.mark.parametrize("endpoint", [with_default, annotated, of_a_subclass, deeper])
async def test_a_principal_is_never_made_of_what_a_request_says(endpoint: Any, undeclared: Any) -> None:
    """FastAPI would call the class with the query string and the body: the client would say who it is."""
    for dependencies in ([], RULE):
        app = FastAPI(openapi_url=None)
        app.post("/x", dependencies=dependencies)(endpoint)
        app.add_middleware(TokenMiddleware, verifier=VERIFIER, undeclared=undeclared)
        assert "write Annotated[Principal, RequireScopes(…)]" in (await start_up(app) or "")
        with pytest.raises(RuleError, match="what a request says"):
            await call(app, "POST", "/x", HOLDER, b"id=forged&kind=workspace")
    assert RAN == []


@pytest.mark.parametrize("undeclared", ["optional", "ignore"])
async def test_routes_of_a_host_are_named_with_it(undeclared: Any) -> None:
    """A pattern that leaves the host out concerns other routes, and the list of undeclared ones says so."""

    def app_of(*patterns: str) -> Starlette:
        return Starlette(
            routes=[Host("internal.test", app=Router([Route("/admin/x", run)])), Route("/admin/x", run)],
            middleware=[
                Middleware(
                    TokenMiddleware,
                    verifier=VERIFIER,
                    undeclared=undeclared,
                    rules=dict.fromkeys([("*", pattern) for pattern in patterns], "a"),
                )
            ],
        )

    assert undeclared_routes(app_of("/admin/**")) == ["GET internal.test/admin/x"]
    app = app_of("/admin/**", "internal.test/**")
    assert undeclared_routes(app) == []
    for host in ("internal.test", "other.test", "INTERNAL.TEST", "internal.test:80", "internal.test.", ""):
        assert (await call(app, "GET", "/admin/x", host=host)).status == 401
    assert RAN == []


def on_the_app(app: FastAPI) -> None:
    app.router.dependencies.append(Depends(OptionalPrincipal))
    app.get("/x")(run)


def routed(router: APIRouter) -> APIRouter:
    router.add_api_route("/x", run)
    return router


async def caller(found: Annotated[object, Depends(OptionalPrincipal)]) -> object:
    """What a handler would take for the caller."""
    return found


async def with_own_dependency(found: Annotated[object, Depends(caller)]) -> str:
    RAN.append(str(found))
    return "ok"


CLASSES: dict[str, Callable[[FastAPI], object]] = {
    "Depends(RequireScopes)": lambda app: app.get("/x", dependencies=[Depends(RequireScopes)])(run),
    "Depends(OptionalPrincipal)": lambda app: app.get("/x", dependencies=[Depends(OptionalPrincipal)])(run),
    "Depends(Public)": lambda app: app.get("/x", dependencies=[Depends(Public)])(run),
    "in a dependency of one's own": lambda app: app.get("/x")(with_own_dependency),
    "on a router": lambda app: app.include_router(routed(APIRouter(dependencies=[Depends(RequireScopes)]))),
    "on the app": on_the_app,
}


@pytest.mark.parametrize("undeclared", ["deny", "optional", "ignore"])
@pytest.mark.parametrize("name", CLASSES)
async def test_a_dependency_without_its_parentheses_admits_no_one(name: str, undeclared: Any) -> None:
    """FastAPI calls the class: it would make a rule for each request, which nothing enforces."""
    app = FastAPI(openapi_url=None)
    CLASSES[name](app)
    app.add_middleware(TokenMiddleware, verifier=VERIFIER, undeclared=undeclared)
    assert "with parentheses" in (await start_up(app) or "")
    with pytest.raises(RuleError, match="with parentheses"):
        await call(app, "GET", "/x")
    assert RAN == []


OF_MODULE = FastAPI(openapi_url=None)


@requires("a")
@OF_MODULE.get("/x")
async def of_module() -> str:
    RAN.append("of a module")
    return "ok"


def in_factory() -> FastAPI:
    app = FastAPI(openapi_url=None)

    @requires("a")
    @app.get("/x")
    def endpoint() -> str:
        RAN.append("in a factory")
        return "ok"

    return app


def in_factory_on_a_router() -> FastAPI:
    router, app = APIRouter(), FastAPI(openapi_url=None)

    @requires("b")
    @requires("a")
    @router.get("/x")
    async def endpoint() -> str:
        RAN.append("on a router")
        return "ok"

    app.include_router(router)
    return app


def of_this_module() -> FastAPI:
    app = FastAPI(openapi_url=None)
    app.router.routes.extend(OF_MODULE.routes)
    return app


ABOVE: dict[str, Callable[[], FastAPI]] = {
    "of a module": of_this_module,
    "in a factory": in_factory,
    "in a factory, on a router, twice": in_factory_on_a_router,
}


@pytest.mark.parametrize("undeclared", ["deny", "optional", "ignore"])
@pytest.mark.parametrize("rules", [{}, {("*", "/**"): requires()}, {("*", "/**"): public}], ids=["", "rule", "public"])
@pytest.mark.parametrize("name", ABOVE)
async def test_a_rule_that_stands_above_the_routes_decorator_is_not_lost(
    name: str, rules: Any, undeclared: Any
) -> None:
    """Neither to a route without any rule nor to one that has another, such as its router's."""
    app = ABOVE[name]()
    app.add_middleware(TokenMiddleware, verifier=VERIFIER, undeclared=undeclared, rules=rules)
    assert "directly above the function" in (await start_up(app) or "")
    with pytest.raises(RuleError, match="directly above the function"):
        await call(app, "GET", "/x")
    assert RAN == []


@pytest.mark.parametrize("is_local", [False, True])
async def test_a_function_may_have_a_rule_on_one_route_and_be_declared_otherwise_on_another(is_local: bool) -> None:
    async def local(_: Request) -> Response:
        return PlainTextResponse("ok")

    run = local if is_local else globals()["run"]
    routes = [
        Route("/ruled", requires("a")(run)),
        Route("/open", public(run)),
        Route("/table", run),
        Route("/in/x", run),
    ]
    rules: Any = {("GET", "/table"): "b", ("*", "/in/**"): public}
    app = Starlette(
        routes=routes,
        middleware=[Middleware(TokenMiddleware, verifier=VERIFIER, undeclared="ignore", rules=rules)],
    )
    assert await start_up(app) is None
    statuses = [(await call(app, "GET", path)).status for path in ("/ruled", "/open", "/table", "/in/x")]
    assert statuses == [401, 200, 401, 200]
