"""The caller of a request: decided once, typed, freed with it, and beside another authentication middleware."""

import asyncio
import gc
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.authentication import requires as starlette_requires
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from spacekey import (
    MemoryLimiter,
    Principal,
    TokenMiddleware,
    auth_of,
    optional,
    principal,
    principal_or_none,
    protect,
    public,
    requires,
)
from spacekey.domain.authentication import Anonymous, Authenticated, AuthenticationResult, Verdict
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Kind, Limit
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import Verifier
from spacekey.middleware.auth.authenticator import Authenticator
from spacekey.middleware.limits.limiter import Decision
from spacekey.middleware.request_auth import RequestAuth, Settings
from spacekey.middleware.usage.meter import Metering
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import Headers, bearer, call, http_scope, talk

# One rule at two places of a path, copied scopes, and decisions about one connection at the same time.


IN_SPACE = requires("jobs:read", space_param="space_id")


class Copying:
    """An ASGI middleware that hands on a scope of its own, as many do to add to it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app({**scope, "state": {}}, receive, send)


async def jobs(request: Request) -> Response:
    return JSONResponse([request.path_params["space_id"], request.user.identity, request.auth.scopes])


def sync_jobs(request: Request) -> Response:
    return JSONResponse([request.path_params["space_id"], request.user.identity, request.auth.scopes])


@pytest.mark.parametrize("endpoint", [jobs, sync_jobs])
@pytest.mark.parametrize("outer", [lambda app: protect(app, IN_SPACE), lambda app: app], ids=["guarded", "open"])
@pytest.mark.parametrize("workspace", [False, True], ids=["a space's token", "a workspace's token"])
async def test_a_rule_holds_for_the_space_of_every_place_of_a_path(
    endpoint: Callable[..., object], outer: Callable[[ASGIApp], ASGIApp], workspace: bool
) -> None:
    """The same rule, bound to a parameter that the inner path names again: it is the inner space that is entered."""

    async def resolve_workspace(space_id: str) -> str | None:
        return {"a": "ws_1", "b": "ws_2"}.get(space_id)

    verifier = MemoryVerifier()
    token = verifier.issue("jobs:read", space_id=None if workspace else "a", workspace_id="ws_1").reveal()
    inner = Starlette(routes=[Route("/jobs/{space_id}", IN_SPACE(endpoint))])
    app = Starlette(
        routes=[Mount("/{space_id}", app=outer(inner))],
        middleware=[Middleware(TokenMiddleware, verifier=verifier, resolve_workspace=resolve_workspace)],
    )
    assert (await call(app, "GET", "/a/jobs/a", bearer(token))).status == 200
    assert (await call(app, "GET", "/a/jobs/b", bearer(token))).status == 403


@pytest.mark.parametrize("endpoint", [jobs, sync_jobs])
async def test_a_copy_of_the_scope_is_as_good_as_the_scope(endpoint: Callable[..., object]) -> None:
    verifier = MemoryVerifier()
    token = verifier.issue("jobs:read", space_id="a").reveal()
    app = Starlette(
        routes=[Route("/{space_id}", IN_SPACE(endpoint))],
        middleware=[Middleware(TokenMiddleware, verifier=verifier), Middleware(Copying)],
    )
    answer = await call(app, "GET", "/a", bearer(token))
    assert (answer.status, answer.body) == (200, b'["a","key_1",["authenticated","jobs:read"]]')
    assert answer.headers["vary"] == "Authorization"
    assert (await call(app, "GET", "/b", bearer(token))).status == 403
    assert (await call(app, "GET", "/a")).status == 401


def _auth(verifier: Any, metering: Metering | None = None, **settings: Any) -> RequestAuth:
    scope = {**http_scope("GET", "/", []), "path_params": {"space_id": "a"}}
    return RequestAuth(Settings(Authenticator(verifier), "api", metering=metering, **settings), scope, _receive, _send)


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(_: Message) -> None:
    """Send nothing."""


class Slow(Verifier):
    """Verifier and limiter whose answers take many turns of the event loop, so that all that can overtake them does."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = MemoryVerifier()
        self.limiter = MemoryLimiter()
        self.verified: list[str] = []
        self.charged: list[str] = []
        self.charging = asyncio.Event()
        self.turns = dict[str, int]()

    async def _wait(self, key: str) -> None:
        for _ in range(self.turns.get(key, 10)):
            await asyncio.sleep(0)

    async def verify(self, secret: Secret) -> Verdict:
        self.verified.append(secret.reveal())
        await self._wait(secret.reveal())
        return await self.memory.verify(secret)

    def charge_at_once(self, key: str, limit: Limit, cost: int = 1) -> Decision | None:
        return None

    async def charge(self, key: str, limit: Limit, cost: int = 1) -> Decision:
        self.charged.append(key)
        self.charging.set()
        await self._wait(key)
        return self.limiter.charge_at_once(key, limit, cost)


LIMIT = Limit(per_minute=60, burst=10)


@pytest.mark.parametrize("parts", [1, 2, 5])
async def test_parts_that_are_authorized_at_the_same_time_are_verified_and_charged_once(parts: int) -> None:
    slow = Slow()
    outcomes: list[AuthenticationResult] = []
    secret = slow.memory.issue("jobs:read", rate_limit=LIMIT)
    auth = _auth(slow, Metering(slow), on_result=lambda _, outcome: outcomes.append(outcome))
    auth._sent = secret
    rules = [requires("jobs:read", cost=1 + number) for number in range(parts)]
    assert await asyncio.gather(*(auth.authorize(rule) for rule in rules)) == [None] * parts
    assert (len(slow.verified), slow.charged, len(outcomes)) == (1, ["key_1"], 1)


async def test_a_charge_in_flight_is_not_made_again_by_a_limiter_that_answers_at_once_meanwhile() -> None:
    """As that over Redis does while Redis is away."""

    class Away(Slow):
        def charge_at_once(self, key: str, limit: Limit, cost: int = 1) -> Decision | None:
            if not self.charged:
                return None
            self.charged.append(key)
            return self.limiter.charge_at_once(key, limit, cost)

    slow = Away()
    auth = _auth(slow, Metering(slow))
    auth._sent = slow.memory.issue("jobs:read", rate_limit=LIMIT)
    first = asyncio.create_task(auth.authorize(requires("jobs:read")))
    await slow.charging.wait()
    assert not auth.authorize_cached(requires("jobs:read"))
    assert await first is None
    assert slow.charged == ["key_1"]


async def test_a_decision_about_one_caller_does_not_admit_the_next() -> None:
    """Credentials that come later replace the earlier ones, also while those are being decided about."""
    slow = Slow()
    rich = slow.memory.issue("jobs:read", workspace_id="ws_1")
    poor = slow.memory.issue("jobs:write", workspace_id="ws_1")
    asked, answer = asyncio.Event(), asyncio.Event()

    async def resolve_workspace(space_id: str) -> str | None:
        asked.set()
        await answer.wait()
        return "ws_1"

    auth = _auth(slow, resolve_workspace=resolve_workspace)
    auth._sent = rich
    deciding = asyncio.create_task(auth.authorize(IN_SPACE))
    await asked.wait()
    await auth.authenticate_with(poor)
    answer.set()
    refusal = await deciding
    assert refusal is not None
    assert refusal.status_code == 403
    assert not auth.authorize_cached(IN_SPACE)


async def test_a_charge_for_one_caller_is_not_the_next_ones() -> None:
    slow = Slow()
    first = slow.memory.issue("jobs:read", rate_limit=LIMIT)
    second = slow.memory.issue("jobs:read", rate_limit=Limit(per_minute=6, burst=3))
    slow.turns = {"key_1": 100}
    auth = _auth(slow, Metering(slow))
    auth._sent = first
    deciding = asyncio.create_task(auth.authorize(requires("jobs:read")))
    await slow.charging.wait()
    await auth.authenticate_with(second)
    assert await deciding is None
    assert auth.meter is not None
    assert auth.meter.decision is not None
    assert (auth.meter.decision.limit.burst, auth.meter.decision.remaining) == (3, 2)
    assert slow.charged == ["key_1", "key_2"]


async def test_the_latest_of_two_credentials_is_the_callers() -> None:
    slow = Slow()
    one, two = slow.memory.issue("jobs:read"), slow.memory.issue("jobs:read")
    slow.turns = {one.reveal(): 100}
    auth = _auth(slow)
    await asyncio.gather(auth.authenticate(), auth.authenticate_with(one), auth.authenticate_with(two))
    assert auth.result == await slow.memory.verify(two)
    assert auth._credentials() == two


# Typed accessors of the caller: the principal, None, or an error that says what the route lacks.


VERIFIER = MemoryVerifier()
GOOD = bearer(VERIFIER.issue("a", name="Ada").reveal())
BAD = bearer("x")


def name_of(found: Principal | None) -> str:
    return "None" if found is None else found.name


async def strict(request: Request) -> Response:
    return PlainTextResponse(name_of(principal(request)))


async def lenient(request: Request) -> Response:
    return PlainTextResponse(name_of(principal_or_none(request)))


def app_of(**settings: Any) -> Starlette:
    rules: dict[str, Any] = {"requires": requires("a"), "optional": optional, "public": public}
    routes = [
        Route(f"/{rule}/{endpoint.__name__}", declare(endpoint))
        for rule, declare in rules.items()
        for endpoint in (strict, lenient)
    ]
    routes += [Route("/undeclared/strict", strict), Route("/undeclared/lenient", lenient)]
    middleware = [Middleware(TokenMiddleware, **{"verifier": VERIFIER, "undeclared": "ignore", **settings})]
    return Starlette(routes=routes, middleware=middleware)


@pytest.mark.parametrize("rule", ["requires", "optional"])
@pytest.mark.parametrize("endpoint", ["strict", "lenient"])
async def test_the_caller_is_a_principal_where_a_rule_has_found_one(rule: str, endpoint: str) -> None:
    assert (await call(app_of(), "GET", f"/{rule}/{endpoint}", GOOD)).body == b"Ada"


@pytest.mark.parametrize(("rule", "sent"), [("optional", []), ("public", []), ("public", GOOD), ("undeclared", GOOD)])
async def test_without_a_verified_caller_it_is_none(rule: str, sent: Any) -> None:
    assert (await call(app_of(), "GET", f"/{rule}/lenient", sent)).body == b"None"


@pytest.mark.parametrize(
    ("rule", "sent", "cure"),
    [
        ("public", [], "nothing is verified on this route; put requires"),
        ("public", GOOD, "nothing is verified on this route; put requires"),
        ("public", BAD, "nothing is verified on this route; put requires"),
        ("undeclared", GOOD, "nothing is verified on this route; put requires"),
        ("optional", [], "write principal_or_none"),
    ],
)
async def test_without_a_caller_the_error_says_what_to_write(rule: str, sent: Any, cure: str) -> None:
    with pytest.raises(ConfigurationError, match=cure):
        await call(app_of(), "GET", f"/{rule}/strict", sent)


@pytest.mark.parametrize("accessor", [principal, principal_or_none])
async def test_without_the_middleware_the_error_says_so(accessor: Any) -> None:
    async def endpoint(request: Request) -> Response:
        return PlainTextResponse(name_of(accessor(request)))

    with pytest.raises(ConfigurationError, match="needs TokenMiddleware"):
        await call(Starlette(routes=[Route("/", endpoint)]), "GET", "/")


async def test_another_middlewares_user_is_no_caller() -> None:
    """Neither an object of its own nor a principal that it has written into the scope."""

    async def sets_user(request: Request, call_next: Any) -> Response:
        request.scope["user"] = Principal("forged", Kind.MEMBER, frozenset("a"), "Forged")
        response: Response = await call_next(request)
        return response

    app = app_of()
    app.add_middleware(BaseHTTPMiddleware, dispatch=sets_user)
    assert (await call(app, "GET", "/public/lenient")).body == b"None"
    assert (await call(app, "GET", "/requires/strict", GOOD)).body == b"Ada"


async def test_what_an_outer_middleware_has_found_is_not_the_caller_of_an_inner_one() -> None:
    inner = TokenMiddleware(Starlette(routes=[Route("/", lenient)]), MemoryVerifier(), undeclared="ignore")
    app = TokenMiddleware(protect(inner, "a"), VERIFIER)
    assert (await call(app, "GET", "/", GOOD)).body == b"None"


async def test_it_is_the_same_for_people_whom_the_app_signs_in_and_for_sockets() -> None:
    async def person(_: HTTPConnection) -> AuthenticationResult:
        return Authenticated(Principal("usr_1", Kind.MEMBER, frozenset("a"), "Grace"))

    async def none(_: HTTPConnection) -> AuthenticationResult:
        return Anonymous()

    async def feed(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(name_of(principal(websocket)))
        await websocket.close()

    assert (await call(app_of(fallback_authenticator=person), "GET", "/requires/strict")).body == b"Grace"
    assert (await call(app_of(fallback_authenticator=none), "GET", "/optional/lenient")).body == b"None"
    app = Starlette(
        routes=[WebSocketRoute("/feed", requires("a")(feed))],
        middleware=[Middleware(TokenMiddleware, verifier=VERIFIER)],
    )
    assert (await talk(app, "/feed", GOOD)).texts == ["Ada"]


# A finished request is freed at once: memory that waits for the collector is cold when it is used again.


async def _protected(request: Request) -> Response:
    return PlainTextResponse(request.user.identity)


async def _open(request: Request) -> Response:
    del request
    return PlainTextResponse("ok")


class Served:
    """As servers do it: ``send`` belongs to an object that holds the scope."""

    def __init__(self, scope: Message) -> None:
        self.scope = scope
        self.status = 0

    async def receive(self) -> Message:
        """No body."""
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Message) -> None:
        """Remember the status."""
        self.status = message.get("status", self.status)


async def _status(app: ASGIApp, path: str, headers: Headers) -> int:
    served = Served(http_scope("GET", path, headers))
    await app(served.scope, served.receive, served.send)
    return served.status


async def test_no_request_leaves_a_cycle() -> None:
    verifier = MemoryVerifier()
    reader = bearer(verifier.issue("jobs:read").reveal())
    app = Starlette(
        routes=[Route("/protected", requires("jobs:read")(_protected)), Route("/open", public(_open))],
        middleware=[Middleware(TokenMiddleware, verifier=verifier)],
    )
    for path in ("/protected", "/open"):
        cycles: dict[int, int] = {}
        for requests in (5, 50):  # what a single run leaves, such as a loop's own objects, is the same in both
            await _status(app, path, reader)
            gc.collect()
            gc.disable()
            try:
                for _ in range(requests):
                    assert await _status(app, path, reader) == 200
                cycles[requests] = gc.collect()
            finally:
                gc.enable()
        assert cycles[50] - cycles[5] < 45, cycles


# Another authentication middleware beside ours: its user stays wherever no token was sent.


BESIDE = MemoryVerifier()
TOKEN = bearer(BESIDE.issue("a").reveal())
OURS, THEIRS = ["key_1", ["authenticated", "a"]], ["ada", ["theirs"]]
NOBODY: list[Any] = [None, []]


class Session(AuthenticationBackend):
    """Every caller is Ada, unless a header says that the request has no session."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        return None if "x-out" in conn.headers else (AuthCredentials(["theirs"]), SimpleUser("ada"))


def said(connection: HTTPConnection) -> list[Any]:
    """Who the app sees."""
    name = (connection.user.display_name or connection.user.identity) if connection.user.is_authenticated else None
    return [name, connection.auth.scopes]


async def who(request: Request) -> Response:
    return JSONResponse(said(request))


async def asking(request: Request) -> Response:
    await auth_of(request.scope).authenticate()
    return JSONResponse(said(request))


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(str(said(websocket)))


KINDS: dict[str, Any] = {"public": public(who), "asking": public(asking), "optional": optional(who), "undeclared": who}
ORDERS = ("outside", "inside")


def app_beside(order: str | None, **settings: Any) -> Starlette:
    routes = [Route(f"/{kind}", endpoint) for kind, endpoint in KINDS.items()]
    routes.append(Route("/requires", requires("a")(who)))
    routes.append(Route("/theirs", optional(starlette_requires("theirs")(who))))
    sockets = [WebSocketRoute("/socket/public", public(socket)), WebSocketRoute("/socket/optional", optional(socket))]
    ours = Middleware(TokenMiddleware, verifier=BESIDE, undeclared="optional", **settings)
    theirs = Middleware(AuthenticationMiddleware, backend=Session())
    layers = {"outside": [theirs, ours], "inside": [ours, theirs], None: [ours]}[order]
    return Starlette(routes=[*routes, *sockets], middleware=layers)


@pytest.mark.parametrize(("order", "kind"), [*product(ORDERS, KINDS)])
async def test_without_a_token_the_other_user_stays(order: str, kind: str) -> None:
    app = app_beside(order)
    answer = await call(app, "GET", f"/{kind}")
    assert (answer.status, answer.body) == (200, JSONResponse(THEIRS).body)
    answer = await call(app, "GET", f"/{kind}", [(b"x-out", b"1")])
    assert (answer.status, answer.body) == (200, JSONResponse(NOBODY).body)


@pytest.mark.parametrize(("order", "kind"), [*product(ORDERS, KINDS)])
async def test_with_a_token_the_user_is_the_tokens_wherever_it_is_looked_at(order: str, kind: str) -> None:
    answer = await call(app_beside(order), "GET", f"/{kind}", TOKEN)
    expected = THEIRS if kind == "public" else OURS
    assert (answer.status, answer.body) == (200, JSONResponse(expected).body)


@pytest.mark.parametrize("order", ORDERS)
async def test_a_rule_is_satisfied_by_a_token_and_not_by_the_other_user(order: str) -> None:
    app = app_beside(order)
    assert (await call(app, "GET", "/requires")).status == 401
    assert (await call(app, "GET", "/requires", TOKEN)).body == JSONResponse(OURS).body
    assert (await call(app, "GET", "/theirs")).body == JSONResponse(THEIRS).body
    assert (await call(app, "GET", "/theirs", TOKEN)).status == 403


@pytest.mark.parametrize("order", ORDERS)
async def test_with_a_bad_token_nobody_is_the_user(order: str) -> None:
    app = app_beside(order)
    for kind in ("optional", "undeclared", "requires"):
        assert (await call(app, "GET", f"/{kind}", BAD)).status == 401
    assert (await call(app, "GET", "/asking", BAD)).body == JSONResponse(NOBODY).body
    assert (await call(app, "GET", "/public", BAD)).body == JSONResponse(THEIRS).body


@pytest.mark.parametrize(("order", "kind"), [*product(ORDERS, ("public", "optional"))])
async def test_sockets_are_no_exception(order: str, kind: str) -> None:
    assert (await talk(app_beside(order), f"/socket/{kind}")).texts == [str(THEIRS)]
    expected = THEIRS if kind == "public" else OURS
    assert (await talk(app_beside(order), f"/socket/{kind}", TOKEN)).texts == [str(expected)]


async def test_alone_the_user_is_nobody_until_a_rule_asks() -> None:
    for kind in KINDS:
        assert (await call(app_beside(None), "GET", f"/{kind}")).body == JSONResponse(NOBODY).body
    assert (await call(app_beside(None), "GET", "/public", TOKEN)).body == JSONResponse(NOBODY).body


async def test_what_one_token_middleware_found_is_not_the_user_of_another_one_inside() -> None:
    """The inner app trusts its own verifier, whatever the outer one's scopes are called."""

    async def cookie(_: HTTPConnection) -> AuthenticationResult:
        return Authenticated(Principal("outer", Kind.MEMBER, frozenset({"a"})))

    async def absent(_: HTTPConnection) -> AuthenticationResult:
        return Anonymous()

    inner = TokenMiddleware(
        Starlette(routes=[Route("/", optional(who))]), MemoryVerifier(), fallback_authenticator=absent
    )
    app = TokenMiddleware(
        Starlette(routes=[Mount("/m", app=requires("a")(inner))]), BESIDE, fallback_authenticator=cookie
    )
    answer = await call(app, "GET", "/m/")
    assert (answer.status, answer.body) == (200, JSONResponse(NOBODY).body)
