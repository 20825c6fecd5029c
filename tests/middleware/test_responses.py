"""Headers of responses: Retry-After, Vary and the challenge."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from spacekey import TokenMiddleware, protect, requires
from spacekey.domain.authentication import Unavailable, Verdict
from spacekey.domain.errors import ConfigurationError, ServiceUnavailable
from spacekey.domain.principal import Limit
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import Verifier
from spacekey.middleware.fastapi import RequireScopes
from spacekey.middleware.limits.memory import MemoryLimiter
from spacekey.middleware.responses import ProblemResponse
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import Answer, bearer, call, talk


class Down(Verifier):
    """A verifier that cannot tell."""

    def __init__(self, retry_after_seconds: int) -> None:
        self._retry_after_seconds = retry_after_seconds

    async def verify(self, _: Secret) -> Verdict:
        """Cannot tell."""
        return Unavailable("down", self._retry_after_seconds)


@requires("jobs:read")
async def read(_: Request) -> Response:
    """The endpoint."""
    return PlainTextResponse("ok")


def app_of(verifier: Verifier, realm: str = "api") -> Starlette:
    """An app with one route."""
    middleware = [Middleware(TokenMiddleware, verifier=verifier, realm=realm)]
    return Starlette(routes=[Route("/", read)], middleware=middleware)


@pytest.mark.parametrize("seconds", [1, 30])
async def test_cannot_tell_is_503_with_retry_after(seconds: int) -> None:
    answer = await call(app_of(Down(seconds)), "GET", "/", bearer("x"))
    assert (answer.status, answer.headers["retry-after"]) == (503, str(seconds))
    assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize("seconds", [-5, 0, 10**9])
async def test_retry_after_stays_within_bounds(seconds: int) -> None:
    answer = await call(app_of(Down(seconds)), "GET", "/", bearer("x"))
    assert 1 <= int(answer.headers["retry-after"]) <= 3_600


# what the endpoint says → what arrives
VARIES: list[tuple[list[str], list[str]]] = [
    ([], ["Authorization"]),
    (["Accept"], ["Accept, Authorization"]),
    (["Accept, Authorization"], ["Accept, Authorization"]),
    (["authorization"], ["authorization"]),
    (["*"], ["*"]),
    (["Accept", "Origin"], ["Accept", "Origin, Authorization"]),
    ([""], ["Authorization"]),
]


@pytest.mark.parametrize(("said", "arrives"), VARIES)
async def test_vary_is_merged_with_what_the_endpoint_says(said: list[str], arrives: list[str]) -> None:
    @requires("jobs:read")
    async def varied(_: Request) -> Response:
        response = PlainTextResponse("ok")
        for value in said:
            response.headers.append("Vary", value)
        return response

    verifier = MemoryVerifier()
    token = verifier.issue("jobs:read").reveal()
    sent: list[Message] = []

    def keeping(app: ASGIApp) -> ASGIApp:
        async def kept(scope: Scope, receive: Receive, send: Send) -> None:
            async def noting(message: Message) -> None:
                sent.append(message)
                await send(message)

            await app(scope, receive, noting)

        return kept

    middleware = [Middleware(keeping), Middleware(TokenMiddleware, verifier=verifier)]
    await call(Starlette(routes=[Route("/", varied)], middleware=middleware), "GET", "/", bearer(token))
    assert [value.decode() for name, value in sent[0]["headers"] if name == b"vary"] == arrives


async def test_a_realm_with_quotes_is_quoted() -> None:
    answer = await call(app_of(MemoryVerifier(), realm='the "api" \\'), "GET", "/")
    assert answer.headers["www-authenticate"] == 'Bearer realm="the \\"api\\" \\\\"'


# An app's own refusals: their shape is the app's, and they go on refusing.


VERIFIER = MemoryVerifier()
GOOD = bearer(VERIFIER.issue("a").reveal())
POOR = bearer(VERIFIER.issue("b").reveal())
RAN: list[str] = []


async def run(request: Request) -> Response:
    """An endpoint that leaves a trace."""
    RAN.append(request.url.path)
    return PlainTextResponse("ok")


async def run_app(scope: Any, receive: Any, send: Any) -> None:
    """The same as an app."""
    await (await run(Request(scope)))(scope, receive, send)


class ByClass(HTTPEndpoint):
    """An endpoint class."""

    async def get(self, request: Request) -> Response:
        """GET."""
        return await run(request)


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()


class Unreachable(MemoryVerifier):
    """A verifier whose store does not answer."""

    async def verify(self, secret: Secret) -> Verdict:
        raise ServiceUnavailable("down")


PLACES: dict[str, Callable[[], Any]] = {
    "function": lambda: Route("/x", requires("a")(run)),
    "class": lambda: Route("/x", requires("a")(ByClass)),
    "app": lambda: Mount("", app=protect(run_app, "a")),
}


def app_at(place: str = "function", verifier: MemoryVerifier = VERIFIER, **settings: Any) -> Starlette:
    """An app with one protected route."""
    RAN.clear()
    ours = Middleware(TokenMiddleware, verifier=verifier, **settings)
    return Starlette(routes=[WebSocketRoute("/socket", requires("a")(socket)), PLACES[place]()], middleware=[ours])


async def refused(app: Starlette) -> list[Answer]:
    """The refusals that a client can meet."""
    return [await call(app, "GET", "/x", headers) for headers in ([], bearer("x"), POOR, [*GOOD, *GOOD])]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("is_async", [False, True])
async def test_every_refusal_has_the_apps_shape(place: str, is_async: bool) -> None:
    def shape(connection: HTTPConnection, refusal: ProblemResponse) -> Response:
        missing = refusal.members.get("missing_scopes")
        body = {"error": refusal.code, "text": refusal.detail, "path": connection.url.path, "missing": missing}
        return JSONResponse(body, refusal.status_code, {"X-Ours": "1"})

    async def later(connection: HTTPConnection, refusal: ProblemResponse) -> Response:
        return shape(connection, refusal)

    app = app_at(place, on_refusal=later if is_async else shape)
    answers = await refused(app)
    plain = await refused(app_at(place))
    assert [answer.status for answer in answers] == [401, 401, 403, 400] == [answer.status for answer in plain]
    for answer, original in zip(answers, plain, strict=True):
        assert answer.headers["x-ours"] == "1"
        assert b'"error":"' + original.problem["code"].encode() in answer.body
        for name in ("www-authenticate", "cache-control"):
            assert answer.headers[name] == original.headers[name]
        assert "Authorization" in answer.headers["vary"]
    assert b'"missing":["a"]' in answers[2].body
    assert (await call(app, "GET", "/x", GOOD)).status == 200
    assert RAN == ["/x"]


async def test_none_leaves_the_refusal_as_it_is() -> None:
    assert await refused(app_at(on_refusal=lambda _connection, _refusal: None)) == await refused(app_at())


async def test_browsers_can_be_sent_to_sign_in() -> None:
    def shape(connection: HTTPConnection, refusal: ProblemResponse) -> Response | None:
        if refusal.status_code == 401 and "text/html" in connection.headers.get("accept", ""):
            return RedirectResponse("/sign-in", 303)
        return None

    app = app_at(on_refusal=shape)
    answer = await call(app, "GET", "/x", [(b"accept", b"text/html")])
    assert (answer.status, answer.headers["location"]) == (303, "/sign-in")
    assert answer.headers["cache-control"] == "no-store"
    assert "www-authenticate" not in answer.headers
    assert (await call(app, "GET", "/x")).status == 401


def _raise(_connection: HTTPConnection, _refusal: ProblemResponse) -> Response:
    raise RuntimeError("sp_live_secret")


async def _raise_later(connection: HTTPConnection, refusal: ProblemResponse) -> Response:
    return _raise(connection, refusal)


@pytest.mark.parametrize(
    "shape",
    [
        _raise,
        _raise_later,
        lambda _connection, _refusal: PlainTextResponse("welcome"),
        lambda _connection, _refusal: Response(status_code=204),
        lambda _connection, _refusal: {"error": "no"},
        lambda: None,
    ],
)
async def test_a_hook_that_fails_or_would_admit_changes_nothing(shape: Any, caplog: pytest.LogCaptureFixture) -> None:
    for place in PLACES:
        assert await refused(app_at(place, on_refusal=shape)) == await refused(app_at(place))
    assert "on_refusal failed" in caplog.text
    assert "sp_live_secret" not in caplog.text
    assert RAN == []


async def test_outages_and_limits_keep_their_retry_after() -> None:
    def shape(_connection: HTTPConnection, refusal: ProblemResponse) -> Response:
        return HTMLResponse(refusal.code, refusal.status_code)

    answer = await call(app_at(verifier=Unreachable(), on_refusal=shape), "GET", "/x", GOOD)
    assert (answer.status, answer.body, answer.headers["retry-after"]) == (503, b"unavailable", "1")
    app = app_at(on_refusal=shape, limits=MemoryLimiter())
    spent = bearer(VERIFIER.issue("a", rate_limit=Limit(per_minute=1, burst=1)).reveal())
    answers = [await call(app, "GET", "/x", spent) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 429]
    assert int(answers[1].headers["retry-after"]) > 0


async def test_a_websocket_is_denied_with_the_apps_response() -> None:
    def shape(_connection: HTTPConnection, refusal: ProblemResponse) -> Response:
        return PlainTextResponse("no", refusal.status_code)

    app = app_at(on_refusal=shape)
    said = await talk(app, "/socket", POOR, denial_response=True)
    assert said.denied_with == 403
    assert said.sent[1]["body"] == b"no"
    assert (await talk(app, "/socket", POOR)).denied_with == 4403


async def test_the_apps_exception_handler_can_answer() -> None:
    async def ours(_request: HTTPConnection, error: HTTPException) -> Response:
        return JSONResponse({"ours": error.detail}, error.status_code)

    async def shape(connection: HTTPConnection, refusal: ProblemResponse) -> Response:
        return await ours(connection, HTTPException(refusal.status_code, refusal.detail))

    app = FastAPI(openapi_url=None)
    app.get("/x", dependencies=[RequireScopes("a")])(lambda: "ok")
    app.add_middleware(TokenMiddleware, verifier=VERIFIER, on_refusal=shape)
    answer = await call(app, "GET", "/x", POOR)
    assert (answer.status, answer.body) == (403, b'{"ours":"The token lacks a scope."}')


async def test_challenges_have_further_parameters() -> None:
    url = "https://api.test/.well-known/oauth-protected-resource"
    for answer in await refused(app_at(challenge={"resource_metadata": url, "as_uri": 'a"b\\c'})):
        assert answer.headers["www-authenticate"].startswith('Bearer realm="api"')
        assert answer.headers["www-authenticate"].endswith(f', resource_metadata="{url}", as_uri="a\\"b\\\\c"')


@pytest.mark.parametrize(
    "wrong",
    [
        {"challenge": "resource_metadata"},
        {"challenge": {"realm": "x"}},
        {"challenge": {"a b": "x"}},
        {"challenge": {"a": "x\r\nSet-Cookie: y"}},
        {"challenge": {"a": 1}},
        {"on_refusal": "raise"},
    ],
)
def test_what_cannot_be_sent_is_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        TokenMiddleware(Starlette(), VERIFIER, **wrong)
