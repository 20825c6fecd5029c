"""Another authentication middleware beside ours: its user stays wherever no token was sent."""

from itertools import product
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.authentication import requires as starlette_requires
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from spacekey import TokenMiddleware, auth_of, optional, public, requires
from spacekey.domain.authentication import Anonymous, Authenticated, AuthenticationResult
from spacekey.domain.principal import Kind, Principal
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import bearer, call, talk

VERIFIER = MemoryVerifier()
TOKEN = bearer(VERIFIER.issue("a").reveal())
BAD = bearer("x")
OURS, THEIRS = ["key_1", ["authenticated", "a"]], ["ada", ["theirs"]]
NOBODY: list[Any] = [None, []]


class Session(AuthenticationBackend):
    """Everybody is Ada, except where a header says that nobody is signed in."""

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


def app_of(order: str | None, **settings: Any) -> Starlette:
    routes = [Route(f"/{kind}", endpoint) for kind, endpoint in KINDS.items()]
    routes.append(Route("/requires", requires("a")(who)))
    routes.append(Route("/theirs", optional(starlette_requires("theirs")(who))))
    sockets = [WebSocketRoute("/socket/public", public(socket)), WebSocketRoute("/socket/optional", optional(socket))]
    ours = Middleware(TokenMiddleware, verifier=VERIFIER, undeclared="optional", **settings)
    theirs = Middleware(AuthenticationMiddleware, backend=Session())
    layers = {"outside": [theirs, ours], "inside": [ours, theirs], None: [ours]}[order]
    return Starlette(routes=[*routes, *sockets], middleware=layers)


@pytest.mark.parametrize(("order", "kind"), [*product(ORDERS, KINDS)])
async def test_without_a_token_the_other_user_stays(order: str, kind: str) -> None:
    app = app_of(order)
    answer = await call(app, "GET", f"/{kind}")
    assert (answer.status, answer.body) == (200, JSONResponse(THEIRS).body)
    answer = await call(app, "GET", f"/{kind}", [(b"x-out", b"1")])
    assert (answer.status, answer.body) == (200, JSONResponse(NOBODY).body)


@pytest.mark.parametrize(("order", "kind"), [*product(ORDERS, KINDS)])
async def test_with_a_token_the_user_is_the_tokens_wherever_it_is_looked_at(order: str, kind: str) -> None:
    answer = await call(app_of(order), "GET", f"/{kind}", TOKEN)
    expected = THEIRS if kind == "public" else OURS
    assert (answer.status, answer.body) == (200, JSONResponse(expected).body)


@pytest.mark.parametrize("order", ORDERS)
async def test_a_rule_is_satisfied_by_a_token_and_not_by_the_other_user(order: str) -> None:
    app = app_of(order)
    assert (await call(app, "GET", "/requires")).status == 401
    assert (await call(app, "GET", "/requires", TOKEN)).body == JSONResponse(OURS).body
    assert (await call(app, "GET", "/theirs")).body == JSONResponse(THEIRS).body
    assert (await call(app, "GET", "/theirs", TOKEN)).status == 403


@pytest.mark.parametrize("order", ORDERS)
async def test_with_a_bad_token_nobody_is_the_user(order: str) -> None:
    app = app_of(order)
    for kind in ("optional", "undeclared", "requires"):
        assert (await call(app, "GET", f"/{kind}", BAD)).status == 401
    assert (await call(app, "GET", "/asking", BAD)).body == JSONResponse(NOBODY).body
    assert (await call(app, "GET", "/public", BAD)).body == JSONResponse(THEIRS).body


@pytest.mark.parametrize(("order", "kind"), [*product(ORDERS, ("public", "optional"))])
async def test_sockets_are_no_exception(order: str, kind: str) -> None:
    assert (await talk(app_of(order), f"/socket/{kind}")).texts == [str(THEIRS)]
    expected = THEIRS if kind == "public" else OURS
    assert (await talk(app_of(order), f"/socket/{kind}", TOKEN)).texts == [str(expected)]


async def test_alone_the_user_is_nobody_until_a_rule_asks() -> None:
    for kind in KINDS:
        assert (await call(app_of(None), "GET", f"/{kind}")).body == JSONResponse(NOBODY).body
    assert (await call(app_of(None), "GET", "/public", TOKEN)).body == JSONResponse(NOBODY).body


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
        Starlette(routes=[Mount("/m", app=requires("a")(inner))]), VERIFIER, fallback_authenticator=cookie
    )
    answer = await call(app, "GET", "/m/")
    assert (answer.status, answer.body) == (200, JSONResponse(NOBODY).body)
