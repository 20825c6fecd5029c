"""CORS around an app, a mount and a route: preflights are answered, and pages on other origins can read refusals."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Host, Mount, Route, Router

from spacekey import TokenMiddleware, protect, requires
from spacekey.domain.authentication import Verdict
from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.principal import Limit
from spacekey.domain.secret import Secret
from spacekey.middleware.fastapi import RequireScopes
from spacekey.middleware.limits.memory import MemoryLimiter
from spacekey.middleware.limits.rate_limiting import RateLimiting
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import Answer, bearer, call, start_up

VERIFIER = MemoryVerifier()
GOOD, POOR = bearer(VERIFIER.issue("a").reveal()), bearer(VERIFIER.issue("b").reveal())
SPENT = VERIFIER.issue("a", rate_limit=Limit(per_minute=1, burst=1))
Headers = list[tuple[bytes, bytes]]
PAGE: Headers = [(b"origin", b"https://page.example")]
ASKED: Headers = [(b"access-control-request-method", b"GET")]
PREFLIGHT: Headers = [*PAGE, *ASKED, (b"access-control-request-headers", b"authorization")]
ORIGINS, ALLOWED = ["https://page.example"], ["authorization"]
CORS = Middleware(CORSMiddleware, allow_origins=ORIGINS, allow_headers=ALLOWED)
RAN: list[str] = []


class Down(MemoryVerifier):
    """A verifier whose store does not answer."""

    async def verify(self, secret: Secret) -> Verdict:
        raise ServiceUnavailable("down")


async def run(request: Request) -> Response:
    RAN.append(request.method)
    return PlainTextResponse("ok")


async def run_app(scope: Any, receive: Any, send: Any) -> None:
    await (await run(Request(scope)))(scope, receive, send)


def cors(app: Any) -> CORSMiddleware:
    return CORSMiddleware(app, allow_origins=ORIGINS, allow_headers=ALLOWED)


def token(verifier: MemoryVerifier, **settings: Any) -> Middleware:
    limiting = RateLimiting(MemoryLimiter())
    return Middleware(TokenMiddleware, verifier=verifier, limits=limiting, **settings)


def whole(*order: str) -> Callable[[MemoryVerifier], Any]:
    def app(verifier: MemoryVerifier) -> Any:
        around = {"cors": CORS, "token": token(verifier)}
        return Starlette(routes=[Route("/x/y", requires("a")(run))], middleware=[around[name] for name in order])

    return app


def routed(make: Callable[[], BaseRoute], rules: dict[Any, Any] | None = None) -> Callable[[MemoryVerifier], Any]:
    return lambda verifier: Starlette(routes=[make()], middleware=[token(verifier, rules=rules or {})])


def fastapi_app(*order: str) -> Callable[[MemoryVerifier], Any]:
    def app(verifier: MemoryVerifier) -> Any:
        made = FastAPI(openapi_url=None)
        made.get("/x/y", dependencies=[RequireScopes("a")])(run)
        for name in reversed(order):
            made.user_middleware.insert(0, CORS if name == "cors" else token(verifier))
        return made

    return app


def inner(*order: str) -> Callable[[MemoryVerifier], Any]:
    return lambda verifier: Starlette(routes=[Mount("/", whole(*order)(verifier))])


def fresh_routes(methods: tuple[str, ...] = ("GET",)) -> list[BaseRoute]:
    return [Route("/x/y", requires("a")(run), methods=list(methods))]


APPS: dict[str, Callable[[MemoryVerifier], Any]] = {
    "app, cors outside": whole("cors", "token"),
    "app, cors inside": whole("token", "cors"),
    "fastapi, cors outside": fastapi_app("cors", "token"),
    "fastapi, cors inside": fastapi_app("token", "cors"),
    "mounted app of its own, cors outside": inner("cors", "token"),
    "mounted app of its own, cors inside": inner("token", "cors"),
    "mount with routes": routed(lambda: Mount("/", routes=fresh_routes(), middleware=[CORS])),
    "mount with routes, table": routed(
        lambda: Mount("/", routes=[Route("/x/y", run)], middleware=[CORS]), rules={("*", "/**"): "a"}
    ),
    "mount of an app with cors": routed(lambda: Mount("/", Starlette(routes=fresh_routes(), middleware=[CORS]))),
    "mount, cors around protect": routed(lambda: Mount("/x", app=cors(protect(run_app, "a")))),
    "mount, protect around cors": routed(lambda: Mount("/x", app=protect(cors(run_app), "a"))),
    "mount, requires around cors": routed(lambda: Mount("/x", app=requires("a")(cors(run_app)))),
    "mount, cors on the mount of protect": routed(lambda: Mount("/x", app=protect(run_app, "a"), middleware=[CORS])),
    "mount, cors around, table": routed(lambda: Mount("/x", app=cors(run_app)), rules={("*", "/x/**"): "a"}),
    "mount, cors on the mount, table": routed(
        lambda: Mount("/x", app=run_app, middleware=[CORS]), rules={("*", "/x/**"): "a"}
    ),
    "mount, cors around a router": routed(lambda: Mount("/", app=cors(Router(fresh_routes())))),
    "host, cors around protect": routed(lambda: Host("testserver", app=cors(protect(run_app, "a")))),
    "route": routed(lambda: Route("/x/y", requires("a")(run), methods=["GET", "OPTIONS"], middleware=[CORS])),
    "route, table": routed(
        lambda: Route("/x/y", run, methods=["GET", "OPTIONS"], middleware=[CORS]), rules={("*", "/x/y"): "a"}
    ),
    "route to an app": routed(lambda: Route("/x/y", cors(protect(run_app, "a")))),
    "route to an app, protected": routed(lambda: Route("/x/y", protect(cors(run_app), "a"))),
}
REFUSED: dict[str, tuple[int, Headers]] = {
    "nothing sent": (401, []),
    "unknown token": (401, bearer("x")),
    "two tokens": (400, [*bearer("a"), *bearer("b")]),
    "too few scopes": (403, POOR),
}


async def answered(make: Callable[[MemoryVerifier], Any], method: str, headers: Headers) -> Answer:
    RAN.clear()
    app = make(VERIFIER)
    await start_up(app)
    return await call(app, method, "/x/y", headers)


def readable(answer: Answer) -> bool:
    return answer.headers.get("access-control-allow-origin") == "https://page.example"


@pytest.mark.parametrize("name", APPS)
async def test_preflights_are_answered_and_run_nothing(name: str) -> None:
    answer = await answered(APPS[name], "OPTIONS", PREFLIGHT)
    assert (answer.status, readable(answer), RAN) == (200, True, [])


@pytest.mark.parametrize("name", APPS)
async def test_what_is_no_preflight_is_not_let_through(name: str) -> None:
    for headers in ([], PAGE, ASKED):
        answer = await answered(APPS[name], "OPTIONS", headers)
        assert answer.status in (401, 405)
        assert RAN == []


@pytest.mark.parametrize("refused", REFUSED)
@pytest.mark.parametrize("name", APPS)
async def test_a_page_can_read_refusals(name: str, refused: str) -> None:
    status, headers = REFUSED[refused]
    answer = await answered(APPS[name], "GET", [*PAGE, *headers])
    assert (answer.status, readable(answer), RAN) == (status, True, [])


@pytest.mark.parametrize("name", APPS)
async def test_a_page_can_read_that_a_limit_is_spent_and_that_nothing_can_be_verified(name: str) -> None:
    app = APPS[name](VERIFIER)
    spent = [*PAGE, *bearer(SPENT.reveal())]
    answers = [await call(app, "GET", "/x/y", spent) for _ in range(2)]
    assert [(answer.status, readable(answer)) for answer in answers] == [(200, True), (429, True)]
    down = await call(APPS[name](Down()), "GET", "/x/y", [*PAGE, *GOOD])
    assert (down.status, readable(down)) == (503, True)
