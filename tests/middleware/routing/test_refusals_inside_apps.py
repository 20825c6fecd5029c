"""A refusal is one problem document, however deep the app is that the endpoint is in and whoever handles its errors."""

import json
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Security
from fastapi import WebSocket as FastAPIWebSocket
from starlette.applications import Starlette
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from spacekey.domain.principal import Principal
from spacekey.middleware import MemoryVerifier, TokenMiddleware, optional, protect, requires
from spacekey.middleware.fastapi import Scoped
from support.asgi_calls import Answer, bearer, call, talk

VERIFIER = MemoryVerifier()
GOOD = bearer(VERIFIER.issue("a").reveal())
LACKING = bearer(VERIFIER.issue("b").reveal())
RAN: list[str] = []


def fastapi_app(**settings: Any) -> FastAPI:
    """Every way of FastAPI to declare a rule."""
    app = FastAPI(**settings)

    @app.get("/dependency", dependencies=[Depends(Scoped("a"))])
    async def dependency() -> str:
        return "ran"

    @app.get("/security")
    async def security(caller: Annotated[Principal, Security(Scoped(), scopes=["a"])]) -> str:
        return caller.id

    @app.get("/async")
    @requires("a")
    async def async_endpoint() -> str:
        return "ran"

    @app.get("/sync")
    @requires("a")
    def sync_endpoint() -> str:
        return "ran"

    router = APIRouter(dependencies=[Depends(Scoped("a"))])

    @router.get("/routed")
    async def routed() -> str:
        return "ran"

    @app.websocket("/socket", dependencies=[Depends(Scoped("a"))])
    async def socket(websocket: FastAPIWebSocket) -> None:
        await websocket.accept()
        RAN.append("socket")

    app.include_router(router)
    return app


def starlette_app(**settings: Any) -> Starlette:
    """The same in Starlette, as far as it has them."""

    async def async_endpoint(_: Request) -> Response:
        return PlainTextResponse("ran")

    def sync_endpoint(_: Request) -> Response:
        return PlainTextResponse("ran")

    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        RAN.append("socket")

    routes = [
        Route("/async", requires("a")(async_endpoint)),
        Route("/sync", requires("a")(sync_endpoint)),
        WebSocketRoute("/socket", requires("a")(socket)),
    ]
    return Starlette(routes=routes, **settings)


PATHS = {fastapi_app: ["/dependency", "/security", "/async", "/sync", "/routed"], starlette_app: ["/async", "/sync"]}
INSIDE: dict[str, Callable[[ASGIApp], tuple[Mount, str]]] = {
    "a guarded mount": lambda app: (Mount("/m", app=protect(app, optional)), "/m"),
    "a mount": lambda app: (Mount("/m", app=app), "/m"),
    "a guard in a guard": lambda app: (Mount("/m", app=protect(protect(app, optional), optional)), "/m"),
    "a guard with a rule": lambda app: (Mount("/m", app=protect(app, requires())), "/m"),
    "a mount in a mount": lambda app: (Mount("/m", routes=[Mount("/n", app=protect(app, optional))]), "/m/n"),
    "a guarded app with a mount": lambda app: (
        Mount("/m", app=protect(Starlette(routes=[Mount("/n", app=app)]), optional)),
        "/m/n",
    ),
    "a FastAPI app with a mount": lambda app: (Mount("/m", app=protect(_mounting(app), optional)), "/m/n"),
    "an app that hides its routes": lambda app: (Mount("/m", app=optional(_Hiding(app))), "/m"),
}


def _mounting(app: ASGIApp) -> FastAPI:
    outer = FastAPI()
    outer.mount("/n", app)
    return outer


class _Hiding:
    """An app whose routes the middleware cannot see."""

    def __init__(self, app: ASGIApp) -> None:
        self._inner = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._inner(scope, receive, send)


def around(inner: ASGIApp, how: str, outer: type[Starlette] = Starlette) -> tuple[ASGIApp, str]:
    """The app inside another one, behind our middleware."""
    route, prefix = INSIDE[how](inner)
    middleware = [Middleware(TokenMiddleware, verifier=VERIFIER, deny_by_default=False)]
    return outer(routes=[route], middleware=middleware), prefix


def check_problem(answer: Answer, status: int, code: str) -> None:
    """It is one document, and none in another one."""
    assert answer.status == status
    document = answer.problem
    assert (document["type"], document["status"]) == (f"urn:spacekey:problem:{code}", status)
    assert not [text for text in document.values() if isinstance(text, str) and text.startswith("{")]
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers["www-authenticate"].startswith('Bearer realm="api"')
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("outer", [Starlette, FastAPI])
@pytest.mark.parametrize("inner", PATHS)
@pytest.mark.parametrize("how", INSIDE)
async def test_a_refusal_is_one_problem_document(
    how: str, inner: Callable[[], ASGIApp], outer: type[Starlette]
) -> None:
    app, prefix = around(inner(), how, outer)
    for path in PATHS[inner]:  # type: ignore[index]  # the functions are its keys
        assert (await call(app, "GET", prefix + path, GOOD)).status == 200
        check_problem(await call(app, "GET", prefix + path, LACKING), 403, "insufficient_scope")
        check_problem(await call(app, "GET", prefix + path), 401, "unauthenticated")
        check_problem(await call(app, "GET", prefix + path, bearer("x")), 401, "invalid_token")


@pytest.mark.parametrize("inner", PATHS)
@pytest.mark.parametrize("how", INSIDE)
@pytest.mark.parametrize("denial_response", [False, True])
async def test_a_socket_is_refused_before_it_is_accepted(
    how: str, inner: Callable[[], ASGIApp], denial_response: bool
) -> None:
    RAN.clear()
    app, prefix = around(inner(), how)
    for headers, status in (([], 401), (LACKING, 403)):
        talked = await talk(app, prefix + "/socket", headers, denial_response=denial_response)
        assert talked.denied_with == (status if denial_response else 4000 + status)
    assert RAN == []


@pytest.mark.parametrize("inner", PATHS)
@pytest.mark.parametrize("kind", [StarletteHTTPException, HTTPException, 403])
async def test_an_apps_own_handler_gets_a_sentence_and_the_challenge(inner: Callable[..., ASGIApp], kind: Any) -> None:
    async def own(_: Request, error: Any) -> Response:
        return JSONResponse({"sorry": error.detail}, error.status_code, error.headers)

    app, prefix = around(inner(exception_handlers={kind: own}), "an app that hides its routes")
    for path in PATHS[inner]:  # type: ignore[index]  # the functions are its keys
        answer = await call(app, "GET", prefix + path, LACKING)
        if kind is HTTPException:  # FastAPI's class, which our exception is none of
            check_problem(answer, 403, "insufficient_scope")
            continue
        assert (answer.status, json.loads(answer.body)) == (403, {"sorry": "The token lacks a scope."})
        assert answer.headers["content-type"] == "application/json"
        assert 'scope="a"' in answer.headers["www-authenticate"]


async def test_a_caught_refusal_is_the_apps_own_business() -> None:
    @requires("a")
    async def inner(_: Request) -> Response:
        return PlainTextResponse("ran")

    async def outer(request: Request) -> Response:
        try:
            return await inner(request)
        except StarletteHTTPException as error:
            return PlainTextResponse(f"without it: {error.detail}")

    routes = [Route("/", optional(outer))]
    app = Starlette(routes=routes, middleware=[Middleware(TokenMiddleware, verifier=VERIFIER)])
    assert (await call(app, "GET", "/", LACKING)).body == b"without it: The token lacks a scope."
    assert (await call(app, "GET", "/", GOOD)).body == b"ran"
