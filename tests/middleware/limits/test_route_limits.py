"""Limits of single routes, and of single tokens: which one binds, what it is charged to, and what clients see."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from spacekey import (
    Kind,
    Limit,
    MemoryLimiter,
    Principal,
    RateLimiting,
    TokenMiddleware,
    UsageCollector,
    optional,
    protect,
    public,
    requires,
)
from spacekey.domain.authentication import Anonymous, Authenticated, AuthenticationResult
from spacekey.domain.errors import ConfigurationError, RuleError
from spacekey.domain.usage import UsageBatch
from spacekey.middleware.fastapi import RequireScopes, declare_docs
from spacekey.middleware.limits.limiter import Decision
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import Answer, bearer, call, start_up, talk

SLOW = Limit(per_minute=1, burst=2)
PLAN = Limit(per_minute=60, burst=5)


async def run(request: Request) -> Response:
    return PlainTextResponse("ok")


async def run_in_fastapi() -> str:
    return "ok"


async def feed(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


class World:
    """An app with tokens of a plan, and its limiter."""

    def __init__(self, *routes: Any, **settings: Any) -> None:
        self.verifier = MemoryVerifier()
        settings = {"verifier": self.verifier, "limits": MemoryLimiter(clock=lambda: 1_000.0), **settings}
        self.app: ASGIApp = Starlette(routes=routes, middleware=[Middleware(TokenMiddleware, **settings)])

    def token(self, *scopes: str, rate_limit: Limit | None = PLAN, **settings: Any) -> str:
        return self.verifier.issue(*(scopes or ("a",)), rate_limit=rate_limit, **settings).reveal()

    async def get(self, path: str, token: str, method: str = "GET") -> Answer:
        return await call(self.app, method, path, bearer(token))

    async def admitted(self, path: str, token: str, method: str = "GET", most: int = 20) -> int:
        """How many requests are admitted until one is not."""
        for times in range(most):
            answer = await self.get(path, token, method)
            if answer.status != 200:
                assert answer.status == 429
                return times
        return most


def shown(answer: Answer) -> tuple[str, int]:
    """Which limit a response tells, and what is left of it."""
    policy = re.match(r'"(\w+)";q=', answer.headers["ratelimit-policy"])
    standing = re.match(r'"(\w+)";r=(\d+)', answer.headers["ratelimit"])
    assert policy is not None
    assert standing is not None
    assert policy[1] == standing[1]
    return standing[1], int(standing[2])


async def test_the_limit_that_binds_is_told() -> None:
    world = World(Route("/slow", requires("a", limit=SLOW)(run)), Route("/x", requires("a")(run)))
    token = world.token()
    assert shown(await world.get("/slow", token)) == ("route", 1)
    assert shown(await world.get("/x", token)) == ("default", 3)
    assert shown(await world.get("/slow", token)) == ("route", 0)
    refused = await world.get("/slow", token)
    assert (refused.status, refused.problem["violated-policies"]) == (429, ["route"])
    assert (shown(refused), refused.headers["retry-after"]) == (("route", 0), "60")
    assert "q=1;w=60;spacekey-burst=2" in refused.headers["ratelimit-policy"]
    assert await world.admitted("/x", token) == 2, "what the route refused cost nothing of the plan's limit"


async def test_the_plans_limit_binds_where_it_is_the_tighter_one() -> None:
    world = World(Route("/x", requires("a", limit=Limit(600, 100))(run)))
    token = world.token()
    assert shown(await world.get("/x", token)) == ("default", 4)
    assert await world.admitted("/x", token) == 4
    refused = await world.get("/x", token)
    assert (shown(refused), refused.problem["violated-policies"]) == (("default", 0), ["default"])


async def test_each_token_and_each_route_has_an_account_of_its_own() -> None:
    world = World(
        Route("/one", requires("a", limit=SLOW)(run)),
        Route("/two", requires("a", limit=SLOW)(run)),
        Mount("/m", routes=[Route("/one", requires("a", limit=SLOW)(run))]),
    )
    one, two = world.token(rate_limit=None), world.token(rate_limit=None)
    for path in ("/one", "/two", "/m/one"):
        assert await world.admitted(path, one) == 2
    assert await world.admitted("/one", two) == 2


async def test_a_path_parameter_makes_no_other_route() -> None:
    inner = Mount("/{tenant}", routes=[Route("/jobs/{job}", requires("a", limit=SLOW)(run), methods=["GET", "POST"])])
    world = World(inner)
    token = world.token(rate_limit=None)
    answers = [
        await world.get(path, token, method)
        for path, method in (("/a/jobs/1", "GET"), ("/b/jobs/2", "POST"), ("/c/jobs/3", "HEAD"), ("/a/jobs/1/", "GET"))
    ]
    assert [answer.status for answer in answers] == [200, 200, 429, 307]


async def test_methods_with_rules_of_their_own_have_accounts_of_their_own() -> None:
    class Jobs(HTTPEndpoint):
        @requires("a", limit=SLOW)
        async def get(self, request: Request) -> Response:
            return PlainTextResponse("ok")

        @requires("b", limit=SLOW)
        async def post(self, request: Request) -> Response:
            return PlainTextResponse("ok")

    world = World(Route("/jobs", Jobs))
    token = world.token("a", "b", rate_limit=None)
    assert await world.admitted("/jobs", token) == 2
    assert (await world.get("/jobs", token, "HEAD")).status == 429
    assert await world.admitted("/jobs", token, "POST") == 2


TABLE = {("GET", "/x"): requires("a", limit=SLOW)}


def _fastapi(build: Any) -> FastAPI:
    app = FastAPI()
    declare_docs(app, public)
    build(app)
    return app


def _router(app: FastAPI) -> None:
    router = APIRouter(dependencies=[RequireScopes("a", limit=SLOW)])
    router.get("/x")(run_in_fastapi)
    app.include_router(router)


WAYS: dict[str, Any] = {
    "decorator": (lambda: [Route("/x", requires("a", limit=SLOW)(run))], {}),
    "table": (lambda: [Route("/x", run)], {"rules": TABLE}),
    "table and decorator": (lambda: [Route("/x", requires("a")(run))], {"rules": TABLE}),
    "the same limit twice": (lambda: [Route("/x", requires("a", limit=SLOW)(run))], {"rules": TABLE}),
    "stacked": (lambda: [Route("/x", requires("a", limit=SLOW)(requires("a", limit=Limit(600, 100))(run)))], {}),
    "pattern": (lambda: [Route("/x", run)], {"rules": {("*", "/**"): requires("a", limit=SLOW)}}),
    "protect": (lambda: [Mount("/", app=protect(Starlette(routes=[Route("/x", run)]), TABLE[("GET", "/x")]))], {}),
    "dependency": (
        lambda: [
            Mount(
                "/", _fastapi(lambda app: app.get("/x", dependencies=[RequireScopes("a", limit=SLOW)])(run_in_fastapi))
            )
        ],
        {},
    ),
    "router": (lambda: [Mount("/", _fastapi(_router))], {}),
}


@pytest.mark.parametrize("name", WAYS)
async def test_every_way_to_write_it_is_charged_once_a_request(name: str) -> None:
    routes, settings = WAYS[name]
    world = World(*routes(), **settings)
    assert await world.admitted("/x", world.token()) == 2
    assert await start_up(World(*routes(), **settings).app) is None


async def test_it_holds_where_the_middleware_does_not_see_the_route() -> None:
    hidden = Starlette(routes=[Route("/x", requires("a", limit=SLOW)(run))])

    async def hiding(scope: Scope, receive: Receive, send: Send) -> None:
        await hidden(scope, receive, send)

    world = World()
    world.app = TokenMiddleware(public(hiding), world.verifier, limits=MemoryLimiter(clock=lambda: 1_000.0))
    assert await world.admitted("/x", world.token()) == 2
    without: Any = TokenMiddleware(public(hiding), world.verifier)
    with pytest.raises(ConfigurationError, match="nothing charges it"):
        await call(without, "GET", "/x", bearer(world.token()))


async def test_a_cost_is_of_the_tokens_limit_and_a_route_counts_requests() -> None:
    world = World(Route("/free", requires("a", cost=0, limit=SLOW)(run)), Route("/x", requires("a")(run)))
    token = world.token()
    assert await world.admitted("/free", token) == 2
    assert await world.admitted("/x", token) == 5


async def test_a_request_without_the_scope_is_charged_too() -> None:
    world = World(Route("/x", requires("b", limit=SLOW)(run)))
    statuses = [(await world.get("/x", world_token)).status for world_token in [world.token()] * 3]
    assert statuses == [403, 403, 429]


async def test_sockets_are_charged_at_their_handshake() -> None:
    world = World(WebSocketRoute("/feed", requires("a", limit=SLOW)(feed)))
    token = world.token()
    talks = [await talk(world.app, "/feed", bearer(token)) for _ in range(3)]
    assert [each.accepted for each in talks] == [True, True, False]
    assert talks[2].denied_with == 4429


async def test_people_whom_the_app_signs_in_are_limited_on_the_route() -> None:
    async def person(connection: HTTPConnection) -> AuthenticationResult:
        name = connection.headers.get("x-person")
        return Anonymous() if name is None else Authenticated(Principal(name, Kind.MEMBER, frozenset("a")))

    world = World(Route("/x", requires("a", limit=SLOW)(run)), fallback_authenticator=person)
    statuses = [(await call(world.app, "GET", "/x", [(b"x-person", name)])).status for name in (b"a", b"a", b"a", b"b")]
    assert statuses == [200, 200, 429, 200]


async def test_a_limited_request_counts_as_limited() -> None:
    batches: list[UsageBatch] = []

    class Sink:
        async def send(self, batch: UsageBatch) -> None:
            batches.append(batch)

        async def aclose(self) -> None: ...

    collector = UsageCollector(Sink())
    world = World(Route("/x", requires("a", limit=SLOW)(run)), usage=collector)
    token = world.token()
    for _ in range(5):
        await world.get("/x", token)
    await collector.aclose()
    counted = [each for batch in batches for each in batch.uses]
    assert [(sum(each.allowed for each in counted), sum(each.limited for each in counted))] == [(2, 3)]


async def test_a_limiter_that_fails_refuses_no_caller() -> None:
    class Broken(MemoryLimiter):
        def charge_at_once(self, key: str, limit: Limit, cost: int = 1) -> Decision:
            raise RuntimeError

    world = World(Route("/x", requires("a", limit=SLOW)(run)), limits=Broken())
    assert await world.admitted("/x", world.token()) == 20


class Recording(MemoryLimiter):
    """Notes the accounts that are charged."""

    def __init__(self) -> None:
        super().__init__(clock=lambda: 1_000.0)
        self.accounts: list[str] = []

    async def charge(self, key: str, limit: Limit, cost: int = 1) -> Decision:
        self.accounts.append(key)
        return await super().charge(key, limit, cost)


async def test_processes_that_share_a_redis_share_a_routes_limit() -> None:
    """Two apps, as two processes make them, charge one account, and the token's id is the only part that differs."""
    limiters = [Recording(), Recording()]
    verifier = MemoryVerifier()
    token, other = (verifier.issue("a", rate_limit=None).reveal() for _ in range(2))
    for number, limiter in enumerate(limiters):
        inner = Mount("/{tenant}", routes=[Route("/x", requires("a", limit=SLOW)(run))])
        world = World(inner, verifier=verifier, limits=limiter)
        for each in (token, other):
            assert (await call(world.app, "GET", f"/{number}/x", bearer(each))).status == 200
    assert limiters[0].accounts == limiters[1].accounts
    assert limiters[0].accounts == [f"key_{number}|GET,HEAD /{{tenant}}/x|1/2" for number in (1, 2)]


async def test_a_limit_that_nothing_charges_stops_the_start() -> None:
    world = World(Route("/x", requires("a", limit=SLOW)(run)), limits=None)
    failed = await start_up(world.app)
    assert failed is not None
    assert "GET /x: the rule has a limit, and nothing charges it" in failed


@pytest.mark.parametrize("wrong", [7, "10/minute", (1, 2)])
def test_what_is_no_limit_is_refused(wrong: Any) -> None:
    with pytest.raises(RuleError, match="write Limit"):
        requires("a", limit=wrong)
    with pytest.raises(RuleError, match="write Limit"):
        RequireScopes("a", limit=wrong)


# --- limits of single tokens


def of_metadata(principal: Principal) -> Limit | None:
    own = principal.metadata.get("per_minute")
    return principal.rate_limit if own is None else Limit(own, own)


async def test_a_token_has_a_limit_of_its_own_above_or_below_its_plans() -> None:
    world = World(Route("/x", requires("a")(run)), limits=RateLimiting(MemoryLimiter(clock=lambda: 1.0), of_metadata))
    for own, most in ((3, 3), (9, 9), (None, 5)):
        token = world.token(metadata={} if own is None else {"per_minute": own})
        assert await world.admitted("/x", token) == most


async def test_the_routes_limit_holds_beside_it() -> None:
    limits = RateLimiting(MemoryLimiter(clock=lambda: 1.0), of_metadata)
    world = World(Route("/x", requires("a", limit=SLOW)(run)), Route("/y", optional(run)), limits=limits)
    token = world.token(metadata={"per_minute": 3})
    assert await world.admitted("/x", token) == 2
    assert await world.admitted("/y", token) == 1


def _fails(principal: Principal) -> Limit | None:
    raise RuntimeError


def _wrong(principal: Principal) -> Any:
    return "10/minute"


@pytest.mark.parametrize("function", [_fails, _wrong])
async def test_a_function_that_fails_leaves_the_plans_limit(function: Any, caplog: pytest.LogCaptureFixture) -> None:
    world = World(Route("/x", requires("a")(run)), limits=RateLimiting(MemoryLimiter(clock=lambda: 1.0), function))
    assert await world.admitted("/x", world.token()) == 5
    assert "the function of limits" in caplog.text


async def _async(principal: Principal) -> Limit | None:
    return None


@pytest.mark.parametrize("wrong", [_async, 7, Limit])
def test_what_returns_no_limit_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="limit"):
        RateLimiting(MemoryLimiter(), wrong)
    with pytest.raises(ConfigurationError, match="nothing charges it"):
        RateLimiting(limit=of_metadata)
