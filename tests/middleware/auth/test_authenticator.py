"""A verifier or fallback of the app's own that answers or fails in ways of its own: 503, and a log that says why."""

import asyncio
import logging
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from spacekey import TokenMiddleware, optional, public, requires
from spacekey.domain.authentication import Anonymous, Authenticated, AuthenticationResult, Unavailable, Verdict
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import Verifier
from spacekey.middleware.verifiers.cached import CachedVerifier, Reading
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import Answer, bearer, call

GOOD = Principal("key_1", Kind.WORKSPACE, frozenset({"a:b"}), "", "ws_1")
TOKEN = MemoryVerifier().issue("a:b")
RAN: list[str] = []
NOT_THESE: Any = [["a:b"], ("a:b",), {"a:b"}, "a:b", "a", None, frozenset({1}), frozenset({"a:b", None})]
WRONG: list[dict[str, Any]] = [
    *({"scopes": scopes} for scopes in NOT_THESE),
    {"kind": "space"},
    {"kind": "workspace"},
    {"kind": None},
    {"id": None},
    {"name": None},
    {"environment": 3},
    {"space_id": 7},
    {"rate_limit": 100},
    {"expires_at": "2030-01-01"},
    {"expires_at": datetime(2100, 1, 1)},  # noqa: DTZ001 - what is wrong with it
]


class Saying(Verifier):
    """A verifier as people write one: a method that answers."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    async def verify(self, secret: Secret) -> Verdict:
        """The one answer, or the one failure."""
        del secret
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer  # type: ignore[return-value]  # garbage is what is tried

    async def aclose(self) -> None:
        """Nothing to give back."""


class Peeking(Saying):
    """One that knows its answer without waiting."""

    def peek(self, authorization: bytes) -> Verdict | None:
        """The same."""
        del authorization
        return self._answer  # type: ignore[return-value]


def _cached(answer: object) -> CachedVerifier:
    async def read(_: Secret) -> Reading:
        return Reading(answer, 5.0)  # type: ignore[arg-type]

    return CachedVerifier(read)


async def serve(request: Request) -> Response:
    """Leaves a trace."""
    RAN.append(request.url.path)
    return JSONResponse(request.auth.scopes)


def app_of(verifier: Any, **settings: Any) -> Starlette:
    """A route that requires and one that does not."""
    routes = [
        Route("/ruled", requires("a:b")(serve)),
        Route("/bound/{space}", requires("a:b", space_param="space")(serve)),
        Route("/optional", optional(serve)),
    ]
    return Starlette(routes=routes, middleware=[Middleware(TokenMiddleware, verifier=verifier, **settings)])


async def ask(app: Starlette, path: str) -> Answer:
    """With the token."""
    return await call(app, "GET", path, bearer(TOKEN.reveal()))


@pytest.mark.parametrize("wrong", WRONG, ids=range(len(WRONG)))
@pytest.mark.parametrize("verifier", [Saying, Peeking, _cached])
async def test_a_principal_of_another_shape_is_503_on_every_route(verifier: Any, wrong: dict[str, Any]) -> None:
    RAN.clear()
    app = app_of(verifier(Authenticated(replace(GOOD, **wrong))))
    for path in ("/ruled", "/bound/space_1", "/optional", "/ruled"):
        answer = await ask(app, path)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert RAN == []


@pytest.mark.parametrize("wrong", WRONG, ids=range(len(WRONG)))
async def test_so_is_a_fallbacks(wrong: dict[str, Any]) -> None:
    async def fallback(_: HTTPConnection) -> AuthenticationResult:
        return Authenticated(replace(GOOD, **wrong))

    RAN.clear()
    app = app_of(Saying(Anonymous()), fallback_authenticator=fallback)
    for path in ("/ruled", "/bound/space_1", "/optional"):
        assert (await call(app, "GET", path)).status == 503
    assert RAN == []


@pytest.mark.parametrize("verifier", [Saying, Peeking, _cached])
async def test_a_principal_of_the_right_shape_is_let_in(verifier: Any) -> None:
    app = app_of(verifier(Authenticated(GOOD)))
    for _ in range(2):
        answer = await ask(app, "/ruled")
        assert (answer.status, answer.body) == (200, b'["authenticated","a:b"]')


@pytest.mark.parametrize("seen", [True, False])
async def test_a_token_of_no_space_is_in_none(seen: bool) -> None:
    nowhere = Authenticated(replace(GOOD, kind=Kind.SPACE))
    assert (await ask(app_of(Saying(nowhere)), "/bound/space_1")).status == 403
    endpoint = requires("a:b", space_param="space")(serve)  # of a parameter that its path lacks, where nobody looked

    async def hidden(scope: Scope, receive: Receive, send: Send) -> None:
        await Route("/{space}/x" if seen else "/{other}/x", endpoint)(scope, receive, send)

    app = Starlette(
        routes=[Mount("/m", app=public(hidden))], middleware=[Middleware(TokenMiddleware, verifier=Saying(nowhere))]
    )
    assert (await ask(app, "/m/None/x")).status == 403


async def test_the_log_says_what_to_write_instead(caplog: pytest.LogCaptureFixture) -> None:
    await ask(app_of(Saying(Authenticated(replace(GOOD, scopes=["a:b"])))), "/ruled")  # type: ignore[arg-type]
    assert "scopes is a list: write frozenset(" in caplog.text


async def test_cannot_tell_without_a_number_of_seconds_is_still_503() -> None:
    answer = await ask(app_of(Saying(Unavailable("down", None))), "/ruled")  # type: ignore[arg-type]
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize("as_fallback", [False, True])
async def test_a_cancellation_that_nobody_asked_for_is_503(as_fallback: bool) -> None:
    async def fallback(_: HTTPConnection) -> AuthenticationResult:
        raise asyncio.CancelledError

    app = app_of(Saying(asyncio.CancelledError()), fallback_authenticator=fallback)
    for path in ("/ruled", "/optional"):
        answer = await call(app, "GET", path) if as_fallback else await ask(app, path)
        assert answer.status == 503


async def test_a_caller_that_is_cancelled_is_cancelled() -> None:
    entered = asyncio.Event()

    class Waiting(Saying):
        async def verify(self, secret: Secret) -> Verdict:
            entered.set()
            await asyncio.Event().wait()
            return await super().verify(secret)

    request = asyncio.create_task(ask(app_of(Waiting(Authenticated(GOOD))), "/ruled"))
    await entered.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request


def _look_up(text: str) -> Verdict:
    try:
        return dict[str, Verdict]()[text]
    except KeyError as error:
        raise RuntimeError(f"no row for {text}") from error


async def test_a_failing_verifier_is_logged_with_the_places_and_without_the_secret(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Failing(Saying):
        async def verify(self, secret: Secret) -> Verdict:
            return _look_up(secret.reveal())

    with caplog.at_level(logging.DEBUG):
        assert (await ask(app_of(Failing(None)), "/ruled")).status == 503
    assert "the verifier failed with RuntimeError" in caplog.text
    assert f'File "{__file__}", line {_look_up.__code__.co_firstlineno + 4}, in _look_up' in caplog.text
    assert "KeyError" in caplog.text
    assert TOKEN.reveal() not in caplog.text
    assert not any(record.exc_info for record in caplog.records)


async def test_what_is_logged_of_a_failure_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    class Deep(Saying):
        async def verify(self, secret: Secret) -> Verdict:
            return await self.verify(secret)

    assert (await ask(app_of(Deep(None)), "/ruled")).status == 503
    assert "RecursionError" in caplog.text
    assert len(caplog.text.splitlines()) < 50
