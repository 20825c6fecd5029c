"""The four answers over HTTP, and a verifier that misbehaves in every way."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import requires as starlette_requires
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spacekey.domain.errors import ConfigurationError, Unavailable
from spacekey.domain.outcome import Absent, CannotTell, Outcome, Reason, Refused, Valid, Verdict
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.secret import Secret
from spacekey.middleware import MemoryVerifier, TokenMiddleware, optional, public, requires
from support.asgi_calls import bearer, call

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
    answer = await call(app_of(answering(Valid(PRINCIPAL))), "GET", "/reads", bearer("x"))
    assert answer.status == 200
    assert answer.body == b'[true,"key_1","Worker",["authenticated","jobs:ack","jobs:read"]]'
    assert answer.headers["vary"] == "Authorization"


async def test_a_missing_scope_is_403_and_names_the_smallest_set_to_add() -> None:
    answer = await call(app_of(answering(Valid(PRINCIPAL))), "GET", "/creates", bearer("x"))
    assert answer.status == 403
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="api", error="insufficient_scope", error_description="The token lacks a scope.", '
        'scope="jobs:create"'
    )
    assert answer.problem["missing_scopes"] == ["jobs:create"]
    assert "jobs:ack" not in answer.body.decode()


async def test_no_credentials_are_401_without_an_error_code() -> None:
    verifier = answering(Valid(PRINCIPAL))
    answer = await call(app_of(verifier), "GET", "/reads")
    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="api"')
    assert answer.problem["code"] == "unauthenticated"
    assert verifier.asked == 0


async def test_a_refusal_is_byte_identical_whatever_the_reason() -> None:
    answers = [
        await call(app_of(answering(Refused(reason, "key_7"))), "GET", "/reads", bearer("x")) for reason in Reason
    ]
    answers.append(await call(app_of(answering(Valid(PRINCIPAL)), environment="test"), "GET", "/reads", bearer("x")))
    assert len({(one.status, str(one.headers), one.body) for one in answers}) == 1
    assert answers[0].status == 401
    assert 'error="invalid_token"' in answers[0].headers["www-authenticate"]


@pytest.mark.parametrize("seconds", [1, 30])
async def test_cannot_tell_is_503_with_retry_after(seconds: int) -> None:
    answer = await call(app_of(answering(CannotTell("down", seconds))), "GET", "/reads", bearer("x"))
    assert (answer.status, answer.headers["retry-after"]) == (503, str(seconds))
    assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize("seconds", [-5, 0, 10**9])
async def test_retry_after_stays_within_bounds(seconds: int) -> None:
    answer = await call(app_of(answering(CannotTell("down", seconds))), "GET", "/reads", bearer("x"))
    assert 1 <= int(answer.headers["retry-after"]) <= 3_600


async def _hangs(_: Secret) -> object:
    await asyncio.Event().wait()
    return None


async def _raises(_: Secret) -> object:
    raise RuntimeError("the store said: sk_live_secret")


async def _unavailable(_: Secret) -> object:
    raise Unavailable("pool exhausted", 7)


async def _times_out_by_itself(_: Secret) -> object:
    raise TimeoutError


GARBAGE: list[object] = [None, True, PRINCIPAL, Absent(), "valid", {}, Valid("key_1"), Valid]  # type: ignore[arg-type]


@pytest.mark.parametrize("verify", [_hangs, _raises, _unavailable, _times_out_by_itself])
async def test_a_failing_verifier_is_503_and_the_endpoint_does_not_run(verify: Verify) -> None:
    app = app_of(Scripted(verify), deadline_seconds=0.05)
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
    (Valid(PRINCIPAL), [], 200),
    (Valid(PRINCIPAL), bearer("x"), 200),
    (Refused(Reason.REVOKED), bearer("x"), 401),
    (CannotTell("down"), bearer("x"), 503),
    (Valid(PRINCIPAL), bearer("a b"), 400),
    (Valid(PRINCIPAL), [(b"authorization", b"Basic x")], 200),
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
    app = app_of(answering(Valid(PRINCIPAL)))
    assert (await call(app, "GET", "/theirs", bearer("x"))).status == 200
    assert (await call(app, "GET", "/theirs")).status == 403


async def test_auth_scopes_cannot_be_passed_on_to_the_next_caller() -> None:
    @optional
    async def greedy(request: Request) -> Response:
        before = list(request.auth.scopes)
        request.auth.scopes.append("jobs:everything")
        return JSONResponse(before)

    app = Starlette(
        routes=[Route("/", greedy)], middleware=[Middleware(TokenMiddleware, verifier=answering(Valid(PRINCIPAL)))]
    )
    for headers, scopes in (([], b"[]"), (bearer("x"), b'["authenticated","jobs:ack","jobs:read"]')) * 2:
        assert (await call(app, "GET", "/", headers)).body == scopes


async def test_a_token_is_verified_once_a_request() -> None:
    verifier = answering(Valid(PRINCIPAL))
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
    app = app_of(answering(Valid(caller)), environment=environment)
    assert (await call(app, "GET", "/reads", bearer("x"))).status == status


@pytest.mark.parametrize(("environment", "kind", "of_caller", "status"), [one for one in ENVIRONMENTS if one[0]])
async def test_a_rule_bound_to_an_environment_refuses_the_others_in_the_same_words(
    environment: str, kind: Kind, of_caller: str | None, status: int
) -> None:
    caller = Principal("key_1", kind, frozenset({"jobs:read"}), environment=of_caller)
    route = Route("/", requires("jobs:read", environment=environment)(who))
    app = Starlette(routes=[route], middleware=[Middleware(TokenMiddleware, verifier=answering(Valid(caller)))])
    answer = await call(app, "GET", "/", bearer("x"))
    unknown = await call(app_of(answering(Refused(Reason.UNKNOWN))), "GET", "/reads", bearer("x"))
    assert answer.status == status
    assert status == 200 or (answer.body, answer.headers) == (unknown.body, unknown.headers)


# what the fallback says, headers → status
FALLBACKS: list[tuple[object, list[tuple[bytes, bytes]], int]] = [
    (Valid(PRINCIPAL), [], 200),
    (Valid(PRINCIPAL), [(b"authorization", b"Basic x")], 200),
    (Valid(PRINCIPAL), bearer("x"), 401),
    (Valid(PRINCIPAL), bearer("a b"), 400),
    (Absent(), [], 401),
    (Refused(Reason.EXPIRED), [], 401),
    (CannotTell("down"), [], 503),
    (None, [], 503),
    (RuntimeError("boom"), [], 503),
]


@pytest.mark.parametrize(("says", "headers", "status"), FALLBACKS)
async def test_the_fallback_is_asked_only_when_no_token_was_sent(
    says: object, headers: list[tuple[bytes, bytes]], status: int
) -> None:
    async def fallback(connection: HTTPConnection) -> Outcome:
        assert connection.url.path == "/reads"
        if isinstance(says, Exception):
            raise says
        return says  # type: ignore[return-value]  # garbage is one of the cases

    app = app_of(answering(Refused(Reason.UNKNOWN)), fallback=fallback)
    assert (await call(app, "GET", "/reads", headers)).status == status


async def test_the_reason_reaches_the_log_and_the_observer_but_no_secret_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    verifier = MemoryVerifier()
    secret = verifier.issue("jobs:read")
    verifier.refuse(secret, Reason.DISABLED)
    seen: list[Outcome] = []

    def on_outcome(connection: HTTPConnection, outcome: Outcome) -> None:
        assert connection.url.path == "/reads"
        seen.append(outcome)
        raise RuntimeError("an observer that fails")

    app = app_of(verifier, on_outcome=on_outcome)
    with caplog.at_level(logging.DEBUG, "spacekey.middleware"):
        answer = await call(app, "GET", "/reads", bearer(secret.reveal()))
        await call(app_of(Scripted(_raises)), "GET", "/reads", bearer(secret.reveal()))
    assert answer.status == 401
    assert seen == [Refused(Reason.DISABLED, "key_1")]
    assert "disabled" in caplog.text
    assert "disabled" not in answer.body.decode() + str(answer.headers)
    assert "RuntimeError" in caplog.text
    assert secret.reveal() not in caplog.text
    assert "sk_live_secret" not in caplog.text


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

    sent: list[Message] = []

    def keeping(app: ASGIApp) -> ASGIApp:
        async def kept(scope: Scope, receive: Receive, send: Send) -> None:
            async def noting(message: Message) -> None:
                sent.append(message)
                await send(message)

            await app(scope, receive, noting)

        return kept

    middleware = [Middleware(keeping), Middleware(TokenMiddleware, verifier=answering(Valid(PRINCIPAL)))]
    await call(Starlette(routes=[Route("/", varied)], middleware=middleware), "GET", "/", bearer("x"))
    assert [value.decode() for name, value in sent[0]["headers"] if name == b"vary"] == arrives


@pytest.mark.parametrize("setting", [{"realm": "a\nb"}, {"realm": "ü"}, {"deadline_seconds": 0}])
def test_a_setting_that_cannot_be_is_refused_when_it_is_made(setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        TokenMiddleware(Starlette(), MemoryVerifier(), **setting)


async def test_a_realm_with_quotes_is_quoted() -> None:
    answer = await call(app_of(MemoryVerifier(), realm='the "api" \\'), "GET", "/reads")
    assert answer.headers["www-authenticate"] == 'Bearer realm="the \\"api\\" \\\\"'


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
