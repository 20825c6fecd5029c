"""The same rules in FastAPI, seen in the OpenAPI document."""

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Security, WebSocket
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from spacekey import TokenMiddleware, optional, protect, public, requires
from spacekey.credentials import bearer as bearer_source
from spacekey.credentials import cookie, header
from spacekey.domain.errors import ConfigurationError, RuleError
from spacekey.domain.principal import Limit, Principal
from spacekey.domain.rule import any_of
from spacekey.middleware.auth.credentials import Source
from spacekey.middleware.fastapi import OptionalPrincipal, Public, RequireScopes, declare_docs, document_rules
from spacekey.middleware.limits.memory import MemoryLimiter
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import bearer, call, http_scope, start_up, talk

VERIFIER = MemoryVerifier()
READER = VERIFIER.issue("jobs:read", space_id="space_1").reveal()
CREATOR = VERIFIER.issue("jobs:create", space_id="space_1").reveal()
BOTH = VERIFIER.issue("jobs:create", "jobs:read", space_id="space_1").reveal()
RAN: list[str] = []


class Job(BaseModel):
    """A body."""

    name: str


def app_of(build: Callable[[FastAPI], object], **settings: Any) -> FastAPI:
    """An app with the middleware."""
    app = FastAPI(middleware=[Middleware(TokenMiddleware, verifier=VERIFIER, **settings)])
    declare_docs(app, public)
    build(app)
    return app


async def run() -> str:
    """Leaves a trace."""
    RAN.append("ran")
    return "ok"


def run_sync(number: int = 1) -> str:
    """The same in a thread, with a parameter."""
    RAN.append("ran")
    return str(number)


def included(*, router: dict[str, Any] | None = None, include: dict[str, Any] | None = None, **route: Any) -> Any:
    """A route in a router in a router."""

    def build(app: FastAPI) -> None:
        inner = APIRouter(**(router or {}))
        inner.get("/x", **route)(run)
        outer = APIRouter()
        outer.include_router(inner, **(include or {}))
        app.include_router(outer)

    return build


async def as_argument(reader: Annotated[Principal, RequireScopes("jobs:read")]) -> str:
    del reader
    return await run()


async def caller(found: Annotated[Principal, RequireScopes()]) -> Principal:
    """A dependency of an app's own, around the rule."""
    return found


READ = [RequireScopes("jobs:read")]
AROUND = [Security(caller, scopes=["jobs:read"])]
GUARDED: dict[str, Callable[[FastAPI], object]] = {
    "dependency of the route": lambda app: app.get("/x", dependencies=READ)(run),
    "argument": lambda app: app.get("/x")(as_argument),
    "scopes of a dependency around it": lambda app: app.get("/x", dependencies=AROUND)(run),
    "decorator": lambda app: app.get("/x")(requires("jobs:read")(run)),
    "decorator on a function": lambda app: app.get("/x")(requires("jobs:read")(run_sync)),
    "stacked": lambda app: app.get("/x")(requires("jobs:read")(requires()(run))),
    "included": included(dependencies=READ),
    "router's dependency": included(router={"dependencies": READ}),
    "dependency of the inclusion": included(include={"dependencies": READ}),
    "mounted": lambda app: app.mount("/", app_of(lambda inner: inner.get("/x", dependencies=READ)(run))),
}


@pytest.mark.parametrize("name", GUARDED)
async def test_every_way_to_write_it_obeys_the_rule(name: str) -> None:
    app = app_of(GUARDED[name])
    RAN.clear()
    for headers, status in (([], 401), (bearer("x"), 401), (bearer(CREATOR), 403), (bearer("a b"), 400)):
        answer = await call(app, "GET", "/x", headers)
        assert answer.status == status
        assert answer.problem["status"] == status
    assert RAN == []
    assert (await call(app, "GET", "/x", bearer(READER))).status == 200
    assert len(RAN) == 1
    assert await start_up(app_of(GUARDED[name])) is None


@pytest.mark.parametrize("name", GUARDED)
async def test_the_dependency_enforces_also_where_the_middleware_cannot_see_it(name: str) -> None:
    hidden = FastAPI()
    GUARDED[name](hidden)

    async def hiding(scope: Scope, receive: Receive, send: Send) -> None:
        await hidden(scope, receive, send)

    app = TokenMiddleware(public(hiding), VERIFIER)
    RAN.clear()
    for headers, status in (([], 401), (bearer("x"), 401), (bearer(CREATOR), 403)):
        answer = await call(app, "GET", "/x", headers)
        assert answer.status == status
        assert "www-authenticate" in answer.headers
    assert RAN == []
    assert (await call(app, "GET", "/x", bearer(READER))).status == 200


async def test_the_dependency_answers_with_the_principal() -> None:
    def build(app: FastAPI) -> None:
        @app.get("/x")
        async def me(caller: Annotated[Principal, RequireScopes("jobs:read")]) -> str:
            return caller.id

    assert (await call(app_of(build), "GET", "/x", bearer(READER))).body == b'"key_1"'


def jobs(app: FastAPI) -> None:
    """Routes for the OpenAPI document."""
    app.get("/x", dependencies=READ)(run)
    app.get("/y", dependencies=[Security(caller, scopes=["jobs:ack", "jobs:read"])])(run)
    app.get("/z", dependencies=[RequireScopes(any_of("jobs:poll", requires("a", "b").rule))])(run)
    app.get("/open")(public(_open))


async def _dependency() -> str:
    return "ok"


async def _open() -> str:
    return "ok"


def test_the_openapi_document_shows_the_scopes() -> None:
    document = app_of(jobs).openapi()
    security = {path: item["get"].get("security") for path, item in document["paths"].items()}
    assert security == {
        "/x": [{"Spacekey": ["jobs:read"]}],
        "/y": [{"Spacekey": ["jobs:ack", "jobs:read"]}],
        "/z": [{"Spacekey": ["jobs:poll"]}],
        "/open": None,
    }
    scheme = document["components"]["securitySchemes"]["Spacekey"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


def test_a_guarded_function_shows_no_parameter_that_it_has_not() -> None:
    def build(app: FastAPI) -> None:
        app.get("/x")(requires("jobs:read")(run_sync))

    parameters = app_of(build).openapi()["paths"]["/x"]["get"]["parameters"]
    assert [each["name"] for each in parameters] == ["number"]


async def test_an_undeclared_route_fails_start_up_however_it_is_included() -> None:
    assert "GET /x" in str(await start_up(app_of(included())))
    assert "GET /y" in str(await start_up(app_of(lambda app: app.get("/y")(run))))


async def test_a_router_included_twice_is_guarded_each_time_by_its_own_rules() -> None:
    def build(app: FastAPI) -> None:
        router = APIRouter()
        router.get("/x")(run)
        app.include_router(router, prefix="/a", dependencies=READ)
        app.include_router(router, prefix="/b", dependencies=[RequireScopes("jobs:create")])
        app.include_router(router, prefix="/c")

    app = app_of(build)
    RAN.clear()
    statuses = {
        path: [(await call(app, "GET", f"{path}/x", bearer(token))).status for token in (READER, CREATOR)]
        for path in ("/a", "/b", "/c")
    }
    assert statuses == {"/a": [200, 403], "/b": [403, 200], "/c": [403, 403]}
    assert len(RAN) == 2


async def test_a_route_added_to_an_included_router_later_is_denied() -> None:
    router = APIRouter()
    app = app_of(lambda app: app.include_router(router))
    assert (await call(app, "GET", "/late", bearer(READER))).status == 404
    router.get("/late")(run)
    assert (await call(app, "GET", "/late", bearer(READER))).status == 403


async def test_a_table_reaches_included_routes_by_their_whole_path() -> None:
    app = app_of(included(include={"prefix": "/v1"}), rules={("GET", "/v1/x"): "jobs:read"})
    assert await start_up(app) is None
    statuses = [(await call(app, "GET", "/v1/x", bearer(token))).status for token in (READER, CREATOR)]
    assert statuses == [200, 403]


async def test_a_refused_caller_has_no_body_read() -> None:
    def build(app: FastAPI) -> None:
        @app.post("/x", dependencies=READ)
        async def create(job: Job) -> str:
            return job.name

    async def receive() -> dict[str, Any]:
        raise AssertionError("the body was read")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await app_of(build)(http_scope("POST", "/x", bearer(CREATOR)), receive, send)
    assert sent[0]["status"] == 403


async def test_a_guarded_function_used_as_a_dependency_still_stops_the_endpoint() -> None:
    def build(app: FastAPI) -> None:
        app.get("/x", dependencies=[Depends(requires("jobs:read")(_dependency))])(run)

    def hidden(app: ASGIApp) -> ASGIApp:
        async def hiding(scope: Scope, receive: Receive, send: Send) -> None:
            await app(scope, receive, send)

        return TokenMiddleware(public(hiding), VERIFIER)

    bare = FastAPI()
    build(bare)
    RAN.clear()
    for app in (app_of(build), hidden(bare)):
        assert (await call(app, "GET", "/x", bearer(CREATOR))).status == 403
    assert RAN == []


async def test_sockets_too() -> None:
    async def feed(websocket: WebSocket) -> None:
        await websocket.accept()

    def build(app: FastAPI) -> None:
        app.websocket("/a", dependencies=READ)(feed)
        app.websocket("/b")(requires("jobs:read")(feed))
        router = APIRouter()
        router.websocket("/c", dependencies=READ)(feed)
        app.include_router(router)

    app = app_of(build)
    assert await start_up(app) is None
    for path in ("/a", "/b", "/c"):
        assert (await talk(app, path, bearer(READER))).accepted
        assert (await talk(app, path, bearer(CREATOR))).denied_with == 4403
        assert (await talk(app, path)).denied_with == 4401


async def test_a_space_in_the_path_binds_the_token() -> None:
    def build(app: FastAPI) -> None:
        app.get("/s/{space_id}", dependencies=[RequireScopes("jobs:read", space_param="space_id")])(run)

    app = app_of(build)
    statuses = [(await call(app, "GET", f"/s/{space}", bearer(READER))).status for space in ("space_1", "space_2")]
    assert statuses == [200, 403]


async def test_the_docs_are_open_to_whom_they_are_declared() -> None:
    app = app_of(jobs)
    assert [(await call(app, "GET", path)).status for path in ("/openapi.json", "/docs", "/redoc")] == [200, 200, 200]
    closed = FastAPI(middleware=[Middleware(TokenMiddleware, verifier=VERIFIER)])
    declare_docs(closed, requires("jobs:read"))
    assert (await call(closed, "GET", "/openapi.json")).status == 401
    assert (await call(closed, "GET", "/openapi.json", bearer(READER))).status == 200


def test_a_generator_is_guarded_by_a_dependency_only() -> None:
    async def stream() -> Any:
        yield "x"

    with pytest.raises(RuleError):
        requires("jobs:read")(stream)


async def test_optional_routes_know_their_caller() -> None:
    def build(app: FastAPI) -> None:
        app.get("/x")(optional(_maybe))

    app = app_of(build)
    assert [(await call(app, "GET", "/x", each)).status for each in ([], bearer(BOTH), bearer("x"))] == [200, 200, 401]


async def _maybe() -> str:
    return "ok"


# --- optional authentication, and the whole rule in the document


async def test_an_optional_principal_is_none_without_a_token() -> None:
    async def home(found: Annotated[Principal | None, OptionalPrincipal()]) -> str:
        return "stranger" if found is None else found.id

    async def both(
        found: Annotated[Principal | None, OptionalPrincipal()],
        reader: Annotated[Principal, RequireScopes("jobs:read")],
    ) -> bool:
        return found is reader

    def build(app: FastAPI) -> None:
        app.get("/x")(home)
        app.get("/both")(both)

    app = app_of(build)
    assert await start_up(app) is None
    assert (await call(app, "GET", "/x")).body == b'"stranger"'
    assert (await call(app, "GET", "/x", bearer(READER))).body == b'"key_1"'
    assert (await call(app, "GET", "/x", bearer("x"))).status == 401
    assert [(await call(app, "GET", "/both", sent)).status for sent in ([], bearer(READER), bearer(CREATOR))] == [
        401,
        200,
        403,
    ]


@pytest.mark.parametrize(("openness", "cure"), [(public, "Public()"), (optional, "OptionalPrincipal()")])
async def test_openness_inside_depends_keeps_the_app_from_starting(openness: Any, cure: str) -> None:
    app = app_of(lambda app: app.get("/x", dependencies=[Depends(openness)])(run))
    assert f"write dependencies=[{cure}]" in (await start_up(app) or "")


def _with(put: Callable[..., None], dependency: Any, app: FastAPI) -> None:
    put(app, dependency)


async def test_routers_and_apps_declare_for_all_their_routes() -> None:
    """``dependencies=[…]`` of a router, of its inclusion, and of the app."""

    def of_router(app: FastAPI, *dependencies: Any) -> None:
        router = APIRouter(dependencies=dependencies)
        router.get("/x")(run)
        app.include_router(router)

    def of_inclusion(app: FastAPI, *dependencies: Any) -> None:
        router = APIRouter()
        router.get("/x")(run)
        outer = APIRouter()
        outer.include_router(router, dependencies=dependencies)
        app.include_router(outer)

    def of_app(app: FastAPI, *dependencies: Any) -> None:
        app.router.dependencies.extend(dependencies)
        app.get("/x")(run)

    cases: list[tuple[Any, list[int]]] = [
        (RequireScopes("jobs:read"), [401, 401, 200, 403]),
        (OptionalPrincipal(), [200, 401, 200, 200]),
        (Public(), [200, 200, 200, 200]),
    ]
    sent = [[], bearer("x"), bearer(READER), bearer(CREATOR)]
    for put, (dependency, expected) in product((of_router, of_inclusion, of_app), cases):
        app = app_of(partial(_with, put, dependency))
        assert await start_up(app) is None
        assert [(await call(app, "GET", "/x", headers)).status for headers in sent] == expected, (put, dependency)


@pytest.mark.parametrize("other", [RequireScopes("a"), OptionalPrincipal()])
async def test_public_beside_another_declaration_is_a_contradiction(other: Any) -> None:
    def build(app: FastAPI) -> None:
        router = APIRouter(dependencies=[Public()])
        router.get("/x", dependencies=[other])(run)
        app.include_router(router)

    assert "at once; keep one" in (await start_up(app_of(build)) or "")


@pytest.mark.parametrize("declare", [public, requires("a"), lambda router: protect(router, "a")])
def test_a_guarded_router_cannot_be_included_and_says_what_to_write(declare: Callable[[Any], Any]) -> None:
    with pytest.raises(AttributeError, match=r"write APIRouter\(dependencies=\[RequireScopes"):
        FastAPI().include_router(declare(APIRouter()))


async def test_an_optional_principal_beside_public_is_a_contradiction() -> None:
    def build(app: FastAPI) -> None:
        app.get("/x", dependencies=[OptionalPrincipal()])(public(run))

    assert "is declared public and optional at once" in (await start_up(app_of(build)) or "")


@pytest.mark.parametrize(
    ("wrong", "cure"),
    [
        (lambda: Depends(RequireScopes("a")), "it is a dependency by itself; write dependencies=[RequireScopes(…)]"),
        (lambda: Depends(OptionalPrincipal()), "write dependencies=[OptionalPrincipal(…)]"),
        (lambda: Depends(requires("a")), "write dependencies=[RequireScopes(…)]"),
        (lambda: requires("a"), "write dependencies=[RequireScopes(…)]"),
        (lambda: public, "write dependencies=[Public()]"),
        (lambda: optional, "write dependencies=[OptionalPrincipal()]"),
        (lambda: Depends(Public()), "write dependencies=[Public(…)]"),
        (lambda: RequireScopes, "RequireScopes without parentheses: write dependencies=[RequireScopes(…)]"),
        (lambda: Public, "Public without parentheses"),
        (lambda: RequireScopes("a")(run), "the decorators are requires(…), optional and public"),
    ],
)
def test_a_rule_that_fastapi_would_not_enforce_says_what_to_write(wrong: Callable[[], Any], cure: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        FastAPI().get("/x", dependencies=[wrong()])(run)
    assert cure in str(raised.value)


def test_each_source_of_tokens_is_a_security_scheme_of_the_document() -> None:
    def build(app: FastAPI) -> None:
        app.get("/x", dependencies=[RequireScopes(any_of("a", "b"))])(run)
        app.get("/home", dependencies=[OptionalPrincipal()])(run)

    def shown(*sources: Source) -> tuple[dict[str, Any], list[Any], list[Any]]:
        app = app_of(build, credentials=sources)
        operations = documented(app)
        schemes = app.openapi()["components"]["securitySchemes"]
        return schemes, operations["/x"]["security"], operations["/home"]["security"]

    schemes, ruled, optionally = shown(bearer_source(), header("X-API-Key"), cookie("api*key"))
    names = ["Spacekey", "Spacekey-header-X-API-Key", "Spacekey-cookie-api_key"]
    assert [*schemes] == names
    assert {key: schemes[names[1]][key] for key in ("type", "in", "name")} == {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
    }
    assert (schemes[names[2]]["in"], schemes[names[2]]["name"]) == ("cookie", "api*key")
    assert ruled == [{name: [scope]} for scope in "ab" for name in names]
    assert optionally == [{}, *({name: []} for name in names)]
    schemes, ruled, optionally = shown(header("X-API-Key"))
    assert ([*schemes], ruled) == ([names[1]], [{names[1]: ["a"]}, {names[1]: ["b"]}])
    assert optionally == [{}, {names[1]: []}]


async def test_a_cost_is_charged() -> None:
    def build(app: FastAPI) -> None:
        app.get("/dear", dependencies=[RequireScopes("jobs:read", cost=2)])(run)

    app = app_of(build, limits=MemoryLimiter())
    secret = VERIFIER.issue("jobs:read", rate_limit=Limit(per_minute=1, burst=3)).reveal()
    assert [(await call(app, "GET", "/dear", bearer(secret))).status for _ in range(2)] == [200, 429]


def documented(app: FastAPI) -> dict[str, Any]:
    """The document's operations by path, each the GET."""
    document_rules(app)
    assert app.openapi() is app.openapi()
    return {path: operations["get"] for path, operations in app.openapi()["paths"].items()}


def test_the_document_shows_every_alternative_and_what_is_refused_with() -> None:
    jwt = HTTPBearer(scheme_name="Jwt")

    async def home(found: Annotated[Principal | None, OptionalPrincipal()]) -> str:
        return str(found)

    def build(app: FastAPI) -> None:
        either = RequireScopes(any_of("jobs:read", "jobs:create"))
        app.get("/either", dependencies=[either])(run)
        app.get("/valid", dependencies=[RequireScopes()], responses={401: {"description": "ours"}})(run)
        app.get("/table/{number:int}")(run_sync)
        app.get("/home")(home)
        app.get("/open")(public(run))
        app.get("/jwt", dependencies=[Depends(jwt), RequireScopes("jobs:read")])(run)
        router = APIRouter(dependencies=[RequireScopes("jobs:create")])
        router.get("/routed", dependencies=[either])(run)
        app.include_router(router, prefix="/in")

    found = documented(app_of(build, rules={("GET", "/table/{number:int}"): "jobs:read"}))
    read, create = {"Spacekey": ["jobs:read"]}, {"Spacekey": ["jobs:create"]}
    security = {path: operation.get("security") for path, operation in found.items()}
    both = {"Spacekey": ["jobs:create", "jobs:read"]}
    assert sorted(security.pop("/either"), key=str) == [create, read]
    assert security.pop("/in/routed") in ([create], [create, both], [both, create])
    assert security == {
        "/valid": [{"Spacekey": []}],
        "/table/{number}": [read],
        "/home": [{}, {"Spacekey": []}],
        "/open": None,
        "/jwt": [{"Jwt": [], **read}],
    }
    assert {*found["/either"]["responses"]} >= {"200", "400", "401", "403", "503"}
    assert "429" not in found["/either"]["responses"]
    assert "403" not in found["/home"]["responses"]
    assert {*found["/open"]["responses"]} == {"200"}
    assert found["/valid"]["responses"]["401"] == {"description": "ours"}
    schema = found["/either"]["responses"]["403"]["content"]["application/problem+json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/SpacekeyProblem"}


async def test_what_is_documented_is_what_is_answered() -> None:
    def build(app: FastAPI) -> None:
        app.get("/x", dependencies=[RequireScopes("jobs:read")])(run)

    app = app_of(build, limits=MemoryLimiter())
    [operation] = documented(app).values()
    properties = app.openapi()["components"]["schemas"]["SpacekeyProblem"]["properties"]
    spent = VERIFIER.issue("jobs:read", rate_limit=Limit(per_minute=1, burst=1)).reveal()
    await call(app, "GET", "/x", bearer(spent))
    two = [*bearer(READER), *bearer(READER)]
    for headers in ([], bearer("x"), bearer(CREATOR), two, bearer(spent)):
        answer = await call(app, "GET", "/x", headers)
        said = operation["responses"][str(answer.status)]
        assert {*answer.problem} <= {*properties}
        assert {name.lower() for name in said.get("headers", ())} <= {*answer.headers}


def test_routes_may_be_added_after_the_document_is_set_up() -> None:
    app = app_of(lambda _: None)
    document_rules(app)
    app.get("/late", dependencies=[RequireScopes("jobs:read")])(run)
    assert app.openapi()["paths"]["/late"]["get"]["security"] == [{"Spacekey": ["jobs:read"]}]


def test_a_route_that_no_token_may_use_is_not_documented_as_open() -> None:
    app = app_of(lambda app: app.get("/never", dependencies=[RequireScopes(any_of())])(run))
    assert documented(app)["/never"]["security"] == [{"Spacekey": []}]
