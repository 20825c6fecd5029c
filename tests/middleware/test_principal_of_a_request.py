"""Typed accessors of the caller: the principal, None, or an error that says what the route lacks."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from spacekey import Principal, TokenMiddleware, optional, principal, principal_or_none, protect, public, requires
from spacekey.domain.authentication import Anonymous, Authenticated, AuthenticationResult
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Kind
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import bearer, call, talk

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
