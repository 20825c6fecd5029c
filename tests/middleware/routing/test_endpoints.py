"""Declarations on endpoints: what they hold for, mistakes refused with the cure, sockets, refusals in nested apps."""

import functools
import json
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, FastAPI, HTTPException
from fastapi import WebSocket as FastAPIWebSocket
from httpx_ws import WebSocketDisconnect
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from spacekey import TokenMiddleware, optional, protect, public, requires
from spacekey.domain.errors import ConfigurationError, RuleError
from spacekey.domain.principal import Principal
from spacekey.domain.rule import any_of
from spacekey.middleware.fastapi import RequireScopes
from spacekey.middleware.rules.requirement import Declaration
from spacekey.middleware.testing import undeclared_routes
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import Answer, Talk, bearer, call, start_up, talk
from support.running_app import running
from support.web_socket import web_socket

VERIFIER = MemoryVerifier()
READER = VERIFIER.issue("a:b").reveal()


def app_of(*routes: Any, **settings: Any) -> Starlette:
    """An app behind the middleware."""
    return Starlette(routes=routes, middleware=[Middleware(TokenMiddleware, verifier=VERIFIER, **settings)])


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("ok")(scope, receive, send)


def _async() -> Any:
    async def serve(request: Request, *, more: str = "ok") -> Response:
        del request
        return PlainTextResponse(more)

    return serve


def _sync() -> Any:
    def serve(request: Request) -> Response:
        del request
        return PlainTextResponse("ok")

    return serve


def _class() -> Any:
    class Serve(HTTPEndpoint):
        async def get(self, request: Request) -> Response:
            del request
            return PlainTextResponse("ok")

    return Serve


class Asgi:
    """An app that is an object."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _answer(scope, receive, send)


class Methods:
    """Methods of an object as endpoints."""

    async def serve(self, request: Request) -> Response:
        """A coroutine."""
        del request
        return PlainTextResponse("ok")


def _partial_of_partial() -> Any:
    marked = functools.partial(_async(), more="ok")
    marked.keywords["more"] = "ok"
    return functools.partial(marked)


KINDS: dict[str, Callable[[], Any]] = {
    "async function": _async,
    "sync function": _sync,
    "class": _class,
    "method": lambda: Methods().serve,
    "partial": lambda: functools.partial(_async(), more="ok"),
    "partial of a partial": _partial_of_partial,
    "ASGI app": Asgi,
    "router": lambda: Router(default=_answer),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("openness", [public, optional])
async def test_an_endpoint_that_is_open_on_one_route_is_undeclared_on_another(kind: str, openness: Any) -> None:
    serve = KINDS[kind]()
    app = app_of(Route("/open", openness(serve), methods=["GET"]), Route("/secret", serve, methods=["GET"]))
    assert undeclared_routes(app) == ["GET /secret"]
    assert (await call(app, "GET", "/open")).body == b"ok"
    for headers in ([], bearer(READER)):
        assert (await call(app, "GET", "/secret", headers)).status == 403


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reverse", [False, True])
async def test_each_route_keeps_its_own_declaration_in_whatever_order_they_are_made(kind: str, reverse: bool) -> None:
    serve = KINDS[kind]()
    declarations: list[tuple[str, Any]] = [
        ("/open", public),
        ("/perhaps", optional),
        ("/any", requires()),
        ("/c", requires("c:d")),
    ]
    routes = [Route(path, made(serve)) for path, made in (declarations[::-1] if reverse else declarations)]
    app = app_of(*routes)
    assert undeclared_routes(app) == []
    statuses = {
        path: [(await call(app, "GET", path, headers)).status for headers in ([], bearer(READER), bearer("x"))]
        for path, _ in declarations
    }
    assert statuses == {
        "/open": [200, 200, 200],
        "/perhaps": [200, 200, 401],
        "/any": [401, 200, 401],
        "/c": [401, 403, 401],
    }


def test_what_comes_back_is_called_as_what_was_given() -> None:
    serve = _async()
    for made in (public(serve), optional(serve), requires("a:b")(serve)):
        assert (made.__name__, made.__qualname__, made.__doc__) == ("serve", serve.__qualname__, serve.__doc__)
    given = _class()
    for made in (public(given), requires("a:b")(given)):
        assert issubclass(made, given)
        assert (made.__name__, made.__qualname__, made.__module__) == ("Serve", given.__qualname__, given.__module__)
    for made in (public(Asgi()), requires("a:b")(Asgi()), protect(Asgi(), "a:b")):
        assert Route("/x", made).name == "Asgi"


def test_a_public_function_costs_no_call_more() -> None:
    serve = _async()
    assert public(serve).__code__ is serve.__code__


class Fresh(HTTPEndpoint):
    """Uses what it inherits, as classes of endpoints do."""

    @public
    async def get(self, request: Request) -> Response:
        """Calls its base without naming it."""
        del request
        return PlainTextResponse(str(super().__class__.__name__))


async def test_a_public_method_still_finds_its_base() -> None:
    assert (await call(app_of(Route("/x", Fresh)), "GET", "/x")).status == 200


async def test_a_socket_that_is_open_on_one_route_is_undeclared_on_another() -> None:
    async def serve(websocket: WebSocket) -> None:
        await websocket.accept()

    class Feed(WebSocketEndpoint):
        """Accepts every client."""

    routes = [
        WebSocketRoute("/f/open", public(serve)),
        WebSocketRoute("/f", serve),
        WebSocketRoute("/c/open", public(Feed)),
        WebSocketRoute("/c", Feed),
    ]
    app = app_of(*routes)
    assert undeclared_routes(app) == ["WEBSOCKET /f", "WEBSOCKET /c"]
    assert [(await talk(app, path)).accepted for path in ("/f/open", "/f", "/c/open", "/c")] == [
        True,
        False,
        True,
        False,
    ]


class Other:
    """Holds what declarations cannot go on."""

    @classmethod
    async def serve(cls, request: Request) -> Response:
        """A class method."""
        del request
        return PlainTextResponse("ok")


class CallsWithRequest:
    """Can be called, and is no ASGI app."""

    async def __call__(self, request: Request) -> Response:
        del request
        return PlainTextResponse("ok")


async def raw(scope: Scope, receive: Receive, send: Send) -> None:
    """An ASGI app that is a function."""
    await _answer(scope, receive, send)


RULE: Any = requires("a:b")
ANYTHING: Any = requires
SERVE: Any = _async()
MISTAKES: dict[str, tuple[Callable[[], object], str]] = {
    "requires without parentheses": (lambda: ANYTHING(SERVE), "write @requires()"),
    "Starlette's list": (lambda: ANYTHING(["a:b", "c:d"]), "write requires('a:b', 'c:d')"),
    "a requirement in a requirement": (lambda: ANYTHING(RULE), "all_of(…) or any_of(…) to combine"),
    "a number for a scope": (lambda: ANYTHING(3), "takes scopes and rules"),
    "requires on a Route": (lambda: RULE(Route("/x", SERVE)), "write Route(…, requires(…)(endpoint))"),
    "requires on a Mount": (lambda: RULE(Mount("/x", app=raw)), "Mount(…, app=protect(app, …))"),
    "requires on a Host": (lambda: RULE(Host("x", app=raw)), "goes on the endpoint"),
    "protect on a Route": (lambda: protect(Route("/x", SERVE), RULE), "write Route(path, requires(…)(endpoint))"),
    "protect on a Mount": (lambda: protect(Mount("/x", app=raw), RULE), "Mount(path, app=protect(app, …))"),
    "protect on a function": (lambda: protect(SERVE, RULE), "write requires(…)"),
    "protect on nothing": (lambda: protect(ANYTHING and None, RULE), "ASGI apps"),  # type: ignore[arg-type]
    "public, called": (public, "public(): write public without parentheses"),
    "optional, called": (optional, "optional(): write optional without parentheses"),
    "public on a Route": (lambda: public(Route("/x", SERVE)), "write Route(…, public(endpoint))"),
    "public on a Mount": (lambda: public(Mount("/x", app=raw)), "Mount(…, app=protect(app, …))"),
    "public above classmethod": (lambda: public(vars(Other)["serve"]), "put it below @classmethod"),
    "optional above staticmethod": (lambda: optional(staticmethod(SERVE)), "put it below @staticmethod"),
    "requires above classmethod": (lambda: RULE(vars(Other)["serve"]), "put it below @classmethod"),
    "requires on a raw ASGI function": (lambda: RULE(raw), "protect(raw, …)"),
    "requires on an object that is no app": (lambda: RULE(CallsWithRequest()), "write a function that calls it"),
    "public on an object that is no app": (lambda: public(CallsWithRequest()), "write a function that calls it"),
    "public on a class that is none of endpoints": (lambda: public(Other), "wrap the app: protect(app, …)"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_declaration_that_cannot_work_says_at_once_what_to_write(mistake: str) -> None:
    make, cure = MISTAKES[mistake]
    with pytest.raises(ConfigurationError) as raised:
        make()
    assert cure in str(raised.value)


def _generator(_request: Request) -> Any:
    yield "x"


IMPOSSIBLE: list[Callable[[], object]] = [
    lambda: public(requires("a")(_async())),
    lambda: requires("a")(public(_async())),
    lambda: optional(public(_async())),
    lambda: requires("a")(_generator),
    lambda: requires("a")(3),
    lambda: requires("a")(staticmethod(_async())),
    lambda: requires("a")(dict),
    lambda: requires("Not A Scope"),
    lambda: protect(_answer, 3),  # type: ignore[arg-type]
    lambda: public(3),
    lambda: app_of(Route("/x", _async()), rules={("GET", "/x"): None}).build_middleware_stack(),
]


@pytest.mark.parametrize("make", IMPOSSIBLE)
def test_a_declaration_that_contradicts_itself_is_refused_at_once(make: Callable[[], object]) -> None:
    with pytest.raises(RuleError):
        make()


async def test_declared_open_an_asgi_function_is_still_mounted_as_before() -> None:
    app = app_of(Mount("/open", app=public(raw)), Mount("/x", app=raw), Mount("/r", app=protect(raw, any_of("a:b"))))
    assert undeclared_routes(app) == ["* /x"]
    assert (await call(app, "GET", "/open/")).status == 200
    assert (await call(app, "GET", "/r/", bearer(READER))).status == 200


async def test_what_stands_behind_no_start_is_403_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """As docs/how-to/protect-starlette.md says of a mounted app and of a single route."""
    mounted = app_of(Route("/old", _async()))
    alone = Route("/alone", _async(), middleware=[Middleware(TokenMiddleware, verifier=VERIFIER)])
    app = Starlette(routes=[Mount("/m", app=mounted), alone])
    assert await start_up(app) is None
    for path in ("/m/old", "/alone"):
        caplog.clear()
        assert (await call(app, "GET", path, bearer(READER))).status == 403
        assert "no rule, answered with 403: " in caplog.text
        assert path == "/alone" or "no rule, answered with 403: GET /old" in caplog.text
    assert undeclared_routes(mounted) == ["GET /old"]


async def test_a_rule_table_can_be_a_variable() -> None:
    """Type checkers, which look at this file too, take it for what ``rules`` wants."""
    rules: dict[tuple[str, str], Declaration] = {("GET", "/x"): "a:b", ("post", "/x"): any_of("c:d")}
    rules["DELETE", "/x"] = public
    app = app_of(Route("/x", _async(), methods=["GET", "POST", "DELETE"]), rules=rules)
    assert await start_up(app) is None
    statuses = [(await call(app, method, "/x", bearer(READER))).status for method in ("GET", "POST", "DELETE")]
    assert statuses == [200, 403, 200]


# --- a class of sockets and its methods: before it is accepted a denial, afterwards a close code


WRITER = VERIFIER.issue("a:b", "c:d").reveal()
OTHER = VERIFIER.issue("e:f").reveal()
RAN: list[str] = []


class OnConnect(WebSocketEndpoint):
    """Declares by the method that runs first."""

    encoding = "text"

    @requires("a:b")
    async def on_connect(self, websocket: WebSocket) -> None:
        """Accepts."""
        RAN.append("connect")
        await websocket.accept()

    @requires("c:d")
    async def on_receive(self, websocket: WebSocket, data: Any) -> None:
        """Answers."""
        RAN.append(f"receive {data}")
        await websocket.send_text(f"you said {data}")


@requires("a:b")
class OnClass(WebSocketEndpoint):
    """Declares by the class, and more by a method."""

    encoding = "text"
    on_receive = OnConnect.on_receive


class Inherits(OnConnect):
    """Adds nothing."""


class OnReceiveOnly(WebSocketEndpoint):
    """Says nothing of who may connect."""

    on_receive = OnConnect.on_receive


class OwnDispatch(OnConnect):
    """Its methods do not tell what it does."""

    async def dispatch(self) -> None:
        """Accepts every client."""
        await self.send({"type": "websocket.accept"})


class OwnAwait(OnConnect):
    """The same, a step further out."""

    def __await__(self) -> Any:
        return self.send({"type": "websocket.accept"}).__await__()


class Leaving(WebSocketEndpoint):
    """Has a rule on what runs when the client has gone."""

    on_connect = OnConnect.on_connect

    @requires("c:d")
    async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
        """Leaves a trace."""
        RAN.append(f"disconnect {close_code}")


def _hiding(route: WebSocketRoute) -> ASGIApp:
    async def hidden(scope: Scope, receive: Receive, send: Send) -> None:
        await route(scope, receive, send)

    return hidden


def socket_app(endpoint: Any) -> Starlette:
    """The class, seen and unseen."""
    hidden = Mount("/hidden", app=public(_hiding(WebSocketRoute("/x", endpoint))))
    return Starlette(
        routes=[WebSocketRoute("/x", endpoint), hidden], middleware=[Middleware(TokenMiddleware, verifier=VERIFIER)]
    )


def closed_with(heard: Talk) -> list[int]:
    """The close codes that came after the acceptance."""
    return [message["code"] for message in heard.sent[1:] if message["type"] == "websocket.close"]


@pytest.mark.parametrize("path", ["/x", "/hidden/x"])
@pytest.mark.parametrize("endpoint", [OnConnect, OnClass, Inherits])
async def test_each_method_of_a_socket_obeys_its_rule(endpoint: Any, path: str) -> None:
    app = socket_app(endpoint)
    assert await start_up(app) is None
    RAN.clear()
    for denial_response, codes in ((False, (4401, 4403)), (True, (401, 403))):
        for headers, code in zip(([], bearer(OTHER)), codes, strict=True):
            assert (await talk(app, path, headers, denial_response=denial_response, says=["hi"])).denied_with == code
        lacking = await talk(app, path, bearer(READER), denial_response=denial_response, says=["hi"])
        assert lacking.accepted
        assert closed_with(lacking) == [4403]
    assert not [line for line in RAN if line.startswith("receive")]
    heard = await talk(app, path, bearer(WRITER), denial_response=True, says=["hi"])
    assert (heard.texts, closed_with(heard)) == (["you said hi"], [])


@pytest.mark.parametrize("endpoint", [OnReceiveOnly, OwnDispatch, OwnAwait])
async def test_a_class_that_does_not_say_who_may_connect_is_undeclared(endpoint: Any) -> None:
    app = Starlette(
        routes=[WebSocketRoute("/x", endpoint)], middleware=[Middleware(TokenMiddleware, verifier=VERIFIER)]
    )
    assert undeclared_routes(app) == ["WEBSOCKET /x"]
    assert (await talk(app, "/x", bearer(WRITER))).denied_with == 4403


async def test_a_rule_on_leaving_says_nothing_to_a_client_that_has_gone() -> None:
    RAN.clear()
    app = socket_app(Leaving)
    for token in (READER, WRITER):
        heard = await talk(app, "/x", bearer(token), denial_response=True)
        assert [message["type"] for message in heard.sent] == ["websocket.accept"]
    assert RAN == ["connect", "connect", "disconnect 1000"]


async def test_over_a_real_server_a_refused_message_closes_with_4403() -> None:
    with running(socket_app(OnClass)) as url:
        async with web_socket(f"{url}/x", headers={"Authorization": f"Bearer {READER}"}) as socket:
            await socket.send_text("hi")
            with pytest.raises(WebSocketDisconnect) as closed:
                await socket.receive_text()
        assert closed.value.code == 4403


# --- a refusal is one problem document, however deep the app is that the endpoint is in


GOOD = bearer(VERIFIER.issue("a").reveal())
LACKING = bearer(VERIFIER.issue("b").reveal())


def fastapi_app(**settings: Any) -> FastAPI:
    """Every way of FastAPI to declare a rule."""
    app = FastAPI(**settings)

    @app.get("/dependency", dependencies=[RequireScopes("a")])
    async def dependency() -> str:
        return "ran"

    @app.get("/security")
    async def security(caller: Annotated[Principal, RequireScopes("a")]) -> str:
        return caller.id

    @app.get("/async")
    @requires("a")
    async def async_endpoint() -> str:
        return "ran"

    @app.get("/sync")
    @requires("a")
    def sync_endpoint() -> str:
        return "ran"

    router = APIRouter(dependencies=[RequireScopes("a")])

    @router.get("/routed")
    async def routed() -> str:
        return "ran"

    @app.websocket("/socket", dependencies=[RequireScopes("a")])
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
    middleware = [Middleware(TokenMiddleware, verifier=VERIFIER, undeclared="optional")]
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
