"""The four answers over HTTP and on WebSockets, and a verifier that misbehaves in every way."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import requires as starlette_requires
from starlette.endpoints import WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from spacekey import MemoryLimiter, TokenMiddleware, auth_of, optional, protect, public, requires
from spacekey.domain.authentication import (
    Anonymous,
    Authenticated,
    AuthenticationResult,
    Reason,
    Rejected,
    Unavailable,
    Verdict,
)
from spacekey.domain.errors import ConfigurationError, ServiceUnavailable
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.secret import Secret
from spacekey.verifiers import MemoryVerifier, VerifierWrapper
from support.asgi_calls import bearer, call, start_up, talk

Verify = Callable[[Secret], Awaitable[Any]]
PRINCIPAL = Principal("key_1", Kind.SPACE, frozenset({"jobs:read", "jobs:ack"}), "Worker", "ws_1", "space_1", "live")


class Scripted:
    """A verifier that does as it is told, and counts."""

    def __init__(self, verify: Verify) -> None:
        self._verify = verify
        self.asked = 0

    async def verify(self, secret: Secret) -> Verdict:
        """Whatever the script says."""
        self.asked += 1
        verdict: Verdict = await self._verify(secret)
        return verdict

    async def aclose(self) -> None:
        """Nothing to give back."""


def answering(verdict: object) -> Scripted:
    """A verifier with one answer."""

    async def verify(_: Secret) -> object:
        return verdict

    return Scripted(verify)


async def who(request: Request) -> Response:
    """Tells who is calling."""
    return JSONResponse(
        [request.user.is_authenticated, request.user.identity, request.user.display_name, request.auth.scopes]
    )


def app_of(verifier: Any, **settings: Any) -> Starlette:
    """One route for each sort of access."""

    @requires("jobs:read")
    async def reads(request: Request) -> Response:
        return await who(request)

    @requires("jobs:read", "jobs:create")
    async def creates(request: Request) -> Response:
        return await who(request)

    @optional
    async def perhaps(request: Request) -> Response:
        return await who(request)

    @public
    async def anybody(request: Request) -> Response:
        return await who(request)

    @optional
    @starlette_requires(["authenticated", "jobs:read"])
    async def theirs(request: Request) -> Response:
        return await who(request)

    routes = [
        Route("/reads", reads),
        Route("/creates", creates),
        Route("/perhaps", perhaps),
        Route("/anybody", anybody),
        Route("/theirs", theirs),
    ]
    return Starlette(routes=routes, middleware=[Middleware(TokenMiddleware, verifier=verifier, **settings)])


async def test_a_valid_token_becomes_the_user_and_its_scopes_the_auth() -> None:
    answer = await call(app_of(answering(Authenticated(PRINCIPAL))), "GET", "/reads", bearer("x"))
    assert answer.status == 200
    assert answer.body == b'[true,"key_1","Worker",["authenticated","jobs:ack","jobs:read"]]'
    assert answer.headers["vary"] == "Authorization"


async def test_a_missing_scope_is_403_and_names_the_smallest_set_to_add() -> None:
    answer = await call(app_of(answering(Authenticated(PRINCIPAL))), "GET", "/creates", bearer("x"))
    assert answer.status == 403
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="api", error="insufficient_scope", error_description="The token lacks a scope.", '
        'scope="jobs:create"'
    )
    assert answer.problem["missing_scopes"] == ["jobs:create"]
    assert "jobs:ack" not in answer.body.decode()


async def test_no_credentials_are_401_without_an_error_code() -> None:
    verifier = answering(Authenticated(PRINCIPAL))
    answer = await call(app_of(verifier), "GET", "/reads")
    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="api"')
    assert answer.problem["code"] == "unauthenticated"
    assert verifier.asked == 0


async def test_a_refusal_is_byte_identical_whatever_the_reason() -> None:
    answers = [
        await call(app_of(answering(Rejected(reason, "key_7"))), "GET", "/reads", bearer("x")) for reason in Reason
    ]
    answers.append(
        await call(app_of(answering(Authenticated(PRINCIPAL)), environment="test"), "GET", "/reads", bearer("x"))
    )
    assert len({(one.status, str(one.headers), one.body) for one in answers}) == 1
    assert answers[0].status == 401
    assert 'error="invalid_token"' in answers[0].headers["www-authenticate"]


async def _hangs(_: Secret) -> object:
    await asyncio.Event().wait()
    return None


async def _raises(_: Secret) -> object:
    raise RuntimeError("the store said: sk_live_secret")


async def _unavailable(_: Secret) -> object:
    raise ServiceUnavailable("pool exhausted", 7)


async def _times_out_by_itself(_: Secret) -> object:
    raise TimeoutError


GARBAGE: list[object] = [None, True, PRINCIPAL, Anonymous(), "valid", {}, Authenticated("key_1"), Authenticated]  # type: ignore[arg-type]


@pytest.mark.parametrize("verify", [_hangs, _raises, _unavailable, _times_out_by_itself])
async def test_a_failing_verifier_is_503_and_the_endpoint_does_not_run(verify: Verify) -> None:
    app = app_of(Scripted(verify), timeout=0.05)
    for path in ("/reads", "/perhaps"):
        answer = await call(app, "GET", path, bearer("x"))
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) == (7 if verify is _unavailable else 1)


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda one: type(one).__name__)
async def test_an_answer_that_is_none_of_the_three_is_503(garbage: object) -> None:
    assert (await call(app_of(answering(garbage)), "GET", "/reads", bearer("x"))).status == 503


async def test_a_cancelled_request_is_cancelled_and_not_answered() -> None:
    entered = asyncio.Event()
    sent: list[Message] = []

    async def verify(_: Secret) -> object:
        entered.set()
        await asyncio.Event().wait()
        return None

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await app_of(Scripted(verify))(scope, receive, send)

    async def request() -> None:
        from support.asgi_calls import http_scope

        async def receive() -> Message:
            return {"type": "http.request"}

        async def send(message: Message) -> None:
            sent.append(message)

        await app(http_scope("GET", "/reads", bearer("x")), receive, send)

    task = asyncio.create_task(request())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sent == []


async def test_a_public_route_never_asks_the_verifier() -> None:
    verifier = Scripted(_raises)
    for headers in ([], bearer("x"), bearer("a b")):
        answer = await call(app_of(verifier), "GET", "/anybody", headers)
        assert (answer.status, answer.body) == (200, b'[false,"","",[]]')
        assert "vary" not in answer.headers
    assert verifier.asked == 0


# what the verifier says, headers → status on an optional route
OPTIONAL: list[tuple[object, list[tuple[bytes, bytes]], int]] = [
    (Authenticated(PRINCIPAL), [], 200),
    (Authenticated(PRINCIPAL), bearer("x"), 200),
    (Rejected(Reason.REVOKED), bearer("x"), 401),
    (Unavailable("down"), bearer("x"), 503),
    (Authenticated(PRINCIPAL), bearer("a b"), 400),
    (Authenticated(PRINCIPAL), [(b"authorization", b"Basic x")], 200),
]


@pytest.mark.parametrize(("verdict", "headers", "status"), OPTIONAL)
async def test_an_optional_route_lets_nobody_in_but_no_bad_token(
    verdict: object, headers: list[tuple[bytes, bytes]], status: int
) -> None:
    answer = await call(app_of(answering(verdict)), "GET", "/perhaps", headers)
    assert answer.status == status
    assert answer.headers["vary"] == "Authorization"
    if status == 200:
        assert answer.body.startswith(b"[true" if headers == bearer("x") else b"[false")


async def test_starlettes_own_requires_keeps_working() -> None:
    app = app_of(answering(Authenticated(PRINCIPAL)))
    assert (await call(app, "GET", "/theirs", bearer("x"))).status == 200
    assert (await call(app, "GET", "/theirs")).status == 403


async def test_auth_scopes_cannot_be_passed_on_to_the_next_caller() -> None:
    @optional
    async def greedy(request: Request) -> Response:
        before = list(request.auth.scopes)
        request.auth.scopes.append("jobs:everything")
        return JSONResponse(before)

    app = Starlette(
        routes=[Route("/", greedy)],
        middleware=[Middleware(TokenMiddleware, verifier=answering(Authenticated(PRINCIPAL)))],
    )
    for headers, scopes in (([], b"[]"), (bearer("x"), b'["authenticated","jobs:ack","jobs:read"]')) * 2:
        assert (await call(app, "GET", "/", headers)).body == scopes


async def test_a_token_is_verified_once_a_request() -> None:
    verifier = answering(Authenticated(PRINCIPAL))
    app = app_of(verifier)
    for times in (1, 2, 3):
        await call(app, "GET", "/reads", bearer("x"))
        assert verifier.asked == times


# environment of the app, kind and environment of the caller → status
ENVIRONMENTS: list[tuple[str | None, Kind, str | None, int]] = [
    (None, Kind.SPACE, "live", 200),
    (None, Kind.SPACE, "test", 200),
    ("live", Kind.SPACE, "live", 200),
    ("live", Kind.SPACE, "test", 401),
    ("test", Kind.WORKSPACE, "live", 401),
    ("live", Kind.SPACE, None, 401),
    ("live", Kind.MEMBER, None, 200),
]


@pytest.mark.parametrize(("environment", "kind", "of_caller", "status"), ENVIRONMENTS)
async def test_a_token_of_another_environment_is_refused(
    environment: str | None, kind: Kind, of_caller: str | None, status: int
) -> None:
    caller = Principal("key_1", kind, frozenset({"jobs:read"}), environment=of_caller)
    app = app_of(answering(Authenticated(caller)), environment=environment)
    assert (await call(app, "GET", "/reads", bearer("x"))).status == status


@pytest.mark.parametrize(("environment", "kind", "of_caller", "status"), [one for one in ENVIRONMENTS if one[0]])
async def test_a_rule_bound_to_an_environment_refuses_the_others_in_the_same_words(
    environment: str, kind: Kind, of_caller: str | None, status: int
) -> None:
    caller = Principal("key_1", kind, frozenset({"jobs:read"}), environment=of_caller)
    route = Route("/", requires("jobs:read", environment=environment)(who))
    app = Starlette(routes=[route], middleware=[Middleware(TokenMiddleware, verifier=answering(Authenticated(caller)))])
    answer = await call(app, "GET", "/", bearer("x"))
    unknown = await call(app_of(answering(Rejected(Reason.UNKNOWN))), "GET", "/reads", bearer("x"))
    assert answer.status == status
    assert status == 200 or (answer.body, answer.headers) == (unknown.body, unknown.headers)


# what the fallback says, headers → status
FALLBACKS: list[tuple[object, list[tuple[bytes, bytes]], int]] = [
    (Authenticated(PRINCIPAL), [], 200),
    (Authenticated(PRINCIPAL), [(b"authorization", b"Basic x")], 200),
    (Authenticated(PRINCIPAL), bearer("x"), 401),
    (Authenticated(PRINCIPAL), bearer("a b"), 400),
    (Anonymous(), [], 401),
    (Rejected(Reason.EXPIRED), [], 401),
    (Unavailable("down"), [], 503),
    (None, [], 503),
    (RuntimeError("boom"), [], 503),
]


@pytest.mark.parametrize(("says", "headers", "status"), FALLBACKS)
async def test_the_fallback_is_asked_only_when_no_token_was_sent(
    says: object, headers: list[tuple[bytes, bytes]], status: int
) -> None:
    async def fallback(connection: HTTPConnection) -> AuthenticationResult:
        assert connection.url.path == "/reads"
        if isinstance(says, Exception):
            raise says
        return says  # type: ignore[return-value]  # garbage is one of the cases

    app = app_of(answering(Rejected(Reason.UNKNOWN)), fallback_authenticator=fallback)
    assert (await call(app, "GET", "/reads", headers)).status == status


async def test_the_reason_reaches_the_log_and_the_observer_but_no_secret_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    verifier = MemoryVerifier()
    secret = verifier.issue("jobs:read")
    verifier.refuse(secret, Reason.DISABLED)
    seen: list[AuthenticationResult] = []

    def on_result(connection: HTTPConnection, outcome: AuthenticationResult) -> None:
        assert connection.url.path == "/reads"
        seen.append(outcome)
        raise RuntimeError("an observer that fails")

    app = app_of(verifier, on_result=on_result)
    with caplog.at_level(logging.DEBUG, "spacekey.middleware"):
        answer = await call(app, "GET", "/reads", bearer(secret.reveal()))
        await call(app_of(Scripted(_raises)), "GET", "/reads", bearer(secret.reveal()))
    assert answer.status == 401
    assert seen == [Rejected(Reason.DISABLED, "key_1")]
    assert "disabled" in caplog.text
    assert "disabled" not in answer.body.decode() + str(answer.headers)
    assert "RuntimeError" in caplog.text
    assert secret.reveal() not in caplog.text
    assert "sk_live_secret" not in caplog.text


@pytest.mark.parametrize("setting", [{"realm": "a\nb"}, {"realm": "ü"}, {"timeout": 0}])
def test_a_setting_that_cannot_be_is_refused_when_it_is_made(setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        TokenMiddleware(Starlette(), MemoryVerifier(), **setting)


async def test_strangers_pass() -> None:
    seen: list[str] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["type"])

    async def nothing() -> Message:
        return {}

    async def nowhere(_: Message) -> None:
        return None

    await TokenMiddleware(app, MemoryVerifier())({"type": "telegram"}, nothing, nowhere)
    assert seen == ["telegram"]


# --- WebSockets: the same rules, tokens from the header or a subprotocol pair


VERIFIER = MemoryVerifier()
READER = VERIFIER.issue("jobs:read").reveal()
CREATOR = VERIFIER.issue("jobs:create").reveal()


async def greet(websocket: WebSocket) -> None:
    """Says what it can see, and chooses no subprotocol."""
    await websocket.accept()
    await websocket.send_text(f"{websocket.user.identity}|{websocket.scope['subprotocols']}")
    for name, value in websocket.scope["headers"]:
        await websocket.send_text(f"{name!r}: {value!r}")


async def choose(websocket: WebSocket) -> None:
    """Chooses the first subprotocol that it is offered, as naive apps do."""
    await websocket.accept(subprotocol=next(iter(websocket.scope["subprotocols"]), None))


@requires("jobs:read")
class Feed(WebSocketEndpoint):
    """A class with a rule."""


async def raw(scope: Scope, receive: Receive, send: Send) -> None:
    """A raw ASGI app."""
    await receive()
    await send({"type": "websocket.accept"})


def websocket_app(**settings: Any) -> Starlette:
    """Every kind of WebSocket endpoint."""
    routes = [
        WebSocketRoute("/function", requires("jobs:read")(greet)),
        WebSocketRoute("/class", Feed),
        WebSocketRoute("/app", protect(raw, "jobs:read")),
        WebSocketRoute("/chooses", requires("jobs:read")(choose)),
        WebSocketRoute("/public", public(_greet_all)),
        WebSocketRoute("/optional", optional(_greet_perhaps)),
        WebSocketRoute("/table", _greet_by_table),
        WebSocketRoute("/spaces/{space_id}", requires("jobs:read", space_param="space_id")(greet)),
        Mount("/hidden", app=public(_hiding(WebSocketRoute("/function", requires("jobs:read")(greet))))),
        Mount("/also", app=public(_hiding(WebSocketRoute("/class", Feed)))),
        Route("/table", public(_http)),
    ]
    return Starlette(
        routes=routes,
        middleware=[
            Middleware(
                TokenMiddleware,
                verifier=settings.get("verifier", VERIFIER),
                rules={("WEBSOCKET", "/table"): requires("jobs:read")},
            )
        ],
    )


async def _greet_all(websocket: WebSocket) -> None:
    await greet(websocket)


async def _greet_perhaps(websocket: WebSocket) -> None:
    await greet(websocket)


async def _greet_by_table(websocket: WebSocket) -> None:
    await greet(websocket)


async def _http(_: object) -> None:
    raise NotImplementedError


def _hiding(route: WebSocketRoute) -> ASGIApp:
    async def hidden(scope: Scope, receive: Receive, send: Send) -> None:
        await route(scope, receive, send)

    return hidden


APP = websocket_app()
RULED = ["/function", "/class", "/app", "/chooses", "/table", "/hidden/function", "/also/class"]


@pytest.mark.parametrize("path", RULED)
async def test_every_kind_of_socket_obeys_its_rule(path: str) -> None:
    assert (await talk(APP, path, bearer(READER))).accepted
    assert (await talk(APP, path, subprotocols=["spacekey.bearer", READER])).accepted
    for headers, code, status in (
        ([], 4401, 401),
        (bearer("x"), 4401, 401),
        (bearer(CREATOR), 4403, 403),
        (bearer("a b"), 4400, 400),
    ):
        assert (await talk(APP, path, headers)).denied_with == code
        assert (await talk(APP, path, headers, denial_response=True)).denied_with == status


async def test_a_denial_response_carries_the_challenge_and_the_problem() -> None:
    sent = (await talk(APP, "/function", denial_response=True)).sent
    assert [message["type"] for message in sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    headers = dict(sent[0]["headers"])
    assert headers[b"www-authenticate"] == b'Bearer realm="api"'
    assert headers[b"content-type"] == b"application/problem+json"
    assert b'"code": "unauthenticated"' in sent[1]["body"]


async def test_an_outage_closes_with_4503_or_answers_503() -> None:
    verifier = MemoryVerifier()
    verifier.outage = "the store is gone"
    app = websocket_app(verifier=verifier)
    assert (await talk(app, "/function", bearer(READER))).denied_with == 4503
    assert (await talk(app, "/function", bearer(READER), denial_response=True)).denied_with == 503


async def test_the_app_starts() -> None:
    assert await start_up(websocket_app()) is None


# offered → accepted with, what the app sees
PAIRS: list[tuple[list[str], str | None, list[str]]] = [
    (["spacekey.bearer", READER], "spacekey.bearer", []),
    (["graphql-transport-ws", "spacekey.bearer", READER], "spacekey.bearer", ["graphql-transport-ws"]),
    (["spacekey.bearer", READER, "a", "b"], "spacekey.bearer", ["a", "b"]),
]


@pytest.mark.parametrize(("offered", "answered", "seen"), PAIRS)
async def test_the_pair_is_answered_with_its_name_and_the_app_never_sees_the_secret(
    offered: list[str], answered: str | None, seen: list[str]
) -> None:
    result = await talk(APP, "/function", subprotocols=offered)
    assert result.subprotocol == answered
    assert result.texts[0] == f"key_1|{seen}"
    assert READER not in "".join(result.texts)


@pytest.mark.parametrize("path", ["/function", "/public", "/optional", "/chooses"])
async def test_the_secret_is_never_echoed(path: str) -> None:
    for offered in (["spacekey.bearer", READER], ["spacekey.bearer", READER, "other"]):
        result = await talk(APP, path, subprotocols=offered)
        assert READER not in str(result.sent)
        assert result.subprotocol in ("spacekey.bearer", "other")


async def test_the_apps_own_choice_of_subprotocol_stands() -> None:
    assert (await talk(APP, "/chooses", subprotocols=["other", "spacekey.bearer", READER])).subprotocol == "other"
    assert (await talk(APP, "/chooses", bearer(READER), ["other"])).subprotocol == "other"
    assert (await talk(APP, "/function", bearer(READER), ["other"])).subprotocol is None


async def test_optional_sockets_know_their_caller_or_nobody_but_refuse_bad_tokens() -> None:
    assert (await talk(APP, "/optional")).texts[0].startswith("|")
    assert (await talk(APP, "/optional", bearer(READER))).texts[0].startswith("key_1|")
    assert (await talk(APP, "/optional", bearer("x"))).denied_with == 4401
    assert (await talk(APP, "/public", bearer("x"))).texts[0].startswith("|")


async def test_a_socket_and_a_page_at_one_path_have_each_their_rule() -> None:
    assert (await talk(APP, "/table")).denied_with == 4401
    with pytest.raises(NotImplementedError):
        await call(APP, "GET", "/table")


async def test_a_space_feed_is_for_that_spaces_token() -> None:
    verifier = MemoryVerifier()
    token = verifier.issue("jobs:read", space_id="space_1").reveal()
    app = websocket_app(verifier=verifier)
    assert (await talk(app, "/spaces/space_1", bearer(token))).accepted
    assert (await talk(app, "/spaces/space_2", bearer(token))).denied_with == 4403


async def test_credentials_that_come_later_replace_those_before() -> None:
    verifier = MemoryVerifier()
    secret = verifier.issue("jobs:read")
    seen: list[object] = []

    @optional
    async def late(websocket: WebSocket) -> None:
        auth = auth_of(websocket.scope)
        seen.append(await auth.authenticate())
        seen.append(type(await auth.authenticate_with(Secret(secret.reveal()))))
        seen.append(websocket.user.identity)
        seen.append(auth.authorize_cached(requires("jobs:read")))
        verifier.refuse(secret, Reason.REVOKED)
        seen.append(await auth.authenticate_with(Secret(secret.reveal())))
        seen.append(auth.authorize_cached(requires("jobs:read")))
        seen.append(websocket.user.is_authenticated)
        await websocket.close()

    app = Starlette(routes=[WebSocketRoute("/", late)], middleware=[Middleware(TokenMiddleware, verifier=verifier)])
    await talk(app, "/")
    assert seen == [Anonymous(), Authenticated, "key_1", True, Rejected(Reason.REVOKED, "key_1"), False, False]


async def test_messages_of_a_denied_socket_reach_no_endpoint() -> None:
    ran: list[Message] = []

    @requires("jobs:read")
    async def endpoint(websocket: WebSocket) -> None:
        ran.append(await websocket.receive())

    app = Starlette(routes=[WebSocketRoute("/", endpoint)], middleware=[Middleware(TokenMiddleware, verifier=VERIFIER)])
    await talk(app, "/", bearer(CREATOR))
    assert ran == []


# An app's verifier and limiter are closed with the app, however it ends, and before the server hears of it.


class Noting(VerifierWrapper):
    """Notes when it is closed, among the messages that the server receives."""

    def __init__(self, events: list[str], fails: bool = False) -> None:
        self.memory = MemoryVerifier()
        self.secret: Secret = self.memory.issue("a")
        self._events = events
        self._fails = fails
        super().__init__(self.memory)

    async def aclose(self) -> None:
        self._events.append("verifier closed")
        if self._fails:
            raise RuntimeError("sp_live_hidden")


class NotingLimiter(MemoryLimiter):
    """The same for a limiter."""

    def __init__(self, events: list[str]) -> None:
        super().__init__()
        self._events = events

    async def aclose(self) -> None:
        self._events.append("limiter closed")


async def run(app: ASGIApp, events: list[str]) -> BaseException | None:
    """Start and stop the app as a server does; return what it raised."""
    incoming = iter(("lifespan.startup", "lifespan.shutdown"))

    async def receive() -> Message:
        return {"type": next(incoming)}

    async def send(message: Message) -> None:
        events.append(f"{message['type']} {message.get('message', '')}".strip())

    try:
        await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
    except Exception as error:  # noqa: BLE001 - servers go on after any
        return error
    return None


def starlette(start: str | None = None, end: str | None = None, *, undeclared: bool = False) -> Starlette:
    """An app whose own start or end may fail, or that has a route without a rule."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if start is not None:
            raise RuntimeError(start)
        yield
        if end is not None:
            raise RuntimeError(end)

    async def page(_: Request) -> Response:
        return Response()

    return Starlette(routes=[Route("/", page if undeclared else requires("a")(page))], lifespan=lifespan)


ENDS: dict[str, tuple[Callable[[], Starlette], str]] = {
    "at its end": (starlette, "lifespan.shutdown.complete"),
    "where its own start fails": (lambda: starlette(start="no"), "lifespan.startup.failed"),
    "where a route has no rule": (lambda: starlette(undeclared=True), "lifespan.startup.failed"),
    "where its own end fails": (lambda: starlette(end="no"), "lifespan.shutdown.failed"),
}


@pytest.mark.parametrize(("make", "last"), ENDS.values(), ids=ENDS)
async def test_both_are_closed_once_and_then_the_server_hears_of_it(make: Callable[[], Starlette], last: str) -> None:
    events: list[str] = []
    app = TokenMiddleware(make(), Noting(events), limits=NotingLimiter(events))
    await run(app, events)
    assert events.count("verifier closed") == events.count("limiter closed") == 1
    (end,) = (place for place, event in enumerate(events) if event.startswith(last))
    assert max(events.index("verifier closed"), events.index("limiter closed")) < end


@pytest.mark.parametrize("make", [starlette, lambda: starlette(undeclared=True)])
async def test_neither_is_closed_if_the_app_says_so(make: Callable[[], Starlette]) -> None:
    events: list[str] = []
    app = TokenMiddleware(make(), Noting(events), limits=NotingLimiter(events), close_on_shutdown=False)
    await run(app, events)
    assert not {"verifier closed", "limiter closed"} & {*events}


async def test_an_app_without_a_lifespan_goes_on_with_its_verifier() -> None:
    """Servers serve an app that does not know the lifespan, once it has raised."""
    events: list[str] = []

    async def only_http(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise TypeError(scope["type"])
        await Response()(scope, receive, send)

    verifier = Noting(events)
    app = TokenMiddleware(protect(only_http, "a"), verifier)
    assert isinstance(await run(app, events), TypeError)
    assert events == []
    assert (await call(app, "GET", "/", bearer(verifier.secret.reveal()))).status == 200


async def test_a_verifier_that_does_not_close_keeps_the_limiter_from_nothing(caplog: pytest.LogCaptureFixture) -> None:
    events: list[str] = []
    app = TokenMiddleware(starlette(), Noting(events, fails=True), limits=NotingLimiter(events))
    with caplog.at_level(logging.ERROR):
        await run(app, events)
    assert events[-3:-1] == ["verifier closed", "limiter closed"]
    assert events[-1] == "lifespan.shutdown.failed Noting was not closed: RuntimeError"
    assert "Noting was not closed: RuntimeError" in caplog.text
    assert "hidden" not in caplog.text
