"""Settings that would start and then refuse everything, or nothing, are refused when they are given, with the cure."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Annotated, Any
from unittest.mock import AsyncMock

import pytest
from fastapi import Depends, FastAPI, Security
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spacekey import TokenMiddleware, optional, public, requires
from spacekey.domain.authentication import Anonymous, AuthenticationResult
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Principal
from spacekey.domain.secret import Secret
from spacekey.middleware.fastapi import RequireScopes, declare_docs
from spacekey.middleware.testing import issue_token, undeclared_routes
from spacekey.middleware.verifiers.remote import RemoteVerifier
from spacekey.verifiers import MemoryVerifier, VerifierChain
from support.asgi_calls import bearer, call, http_scope

ANY: Any = MemoryVerifier()
URL = "https://keys.test"


def _middleware(verifier: Any = ANY, **settings: Any) -> object:
    return TokenMiddleware(Starlette(), verifier, **settings)


def _remote(url: Any = URL, token: Any = "sk_live_x", **settings: Any) -> object:
    return RemoteVerifier(url, token, **settings)


def _tokens(scopes: Any) -> object:
    with issue_token(scopes=scopes) as token:
        return token


def _in_dependencies() -> object:
    return FastAPI().get("/x", dependencies=[Depends(RequireScopes("a:b"))])(_serve)


def _in_annotations() -> object:
    async def who(caller: Annotated[Principal, Security(RequireScopes("a:b"))]) -> None: ...

    return FastAPI().get("/x")(who)


def _serve() -> str:
    return "ok"


async def _forgetful(_connection: object) -> None:
    """As somebody writes who forgot the outcome."""


async def _generating(_connection: object) -> AsyncIterator[AuthenticationResult]:
    yield Anonymous()


class _Calling:
    async def __call__(self, *_: object) -> AuthenticationResult:
        return Anonymous()


MISTAKES: dict[str, tuple[Callable[[], object], str]] = {
    "environment": (lambda: _middleware(environment="prod"), "write 'live' or 'test', or None"),
    "environment in capitals": (lambda: _middleware(environment="LIVE"), "write 'live' or 'test', or None"),
    "no environment": (lambda: _middleware(environment=""), "write 'live' or 'test', or None"),
    "environment of a rule": (lambda: requires("a:b", environment="prod"), "write 'live' or 'test', or None"),
    "environment of a dependency": (
        lambda: RequireScopes("a:b", environment="prod"),
        "write 'live' or 'test', or None",
    ),
    "a space's parameter that is no name": (lambda: requires("a:b", space_param="space id"), "write its name, such as"),
    "a value for a space's parameter": (lambda: RequireScopes(space_param="{space_id}"), "write its name, such as"),
    "environment of a remote": (lambda: _remote(environment="prod"), "write 'live' or 'test', or None"),
    "a class for a verifier": (lambda: _middleware(MemoryVerifier), "write MemoryVerifier(…)"),
    "no verifier": (lambda: _middleware(None), "DatabaseVerifier(…), RemoteVerifier(…) or MemoryVerifier()"),
    "a URL for a verifier": (lambda: _middleware(URL), "DatabaseVerifier(…), RemoteVerifier(…) or MemoryVerifier()"),
    "a class in a chain": (lambda: VerifierChain({"sk": ANY.__class__}), "write MemoryVerifier(…)"),
    "a class at a chain's end": (lambda: VerifierChain({}, ANY.__class__), "write MemoryVerifier(…)"),
    "no deadline": (lambda: _middleware(timeout=None), "must be greater than 0"),
    "a deadline in words": (lambda: _middleware(timeout="2"), "must be greater than 0"),
    "a scope for known scopes": (lambda: _middleware(known_scopes="a:b"), "write a list of scopes, ['a:b']"),
    "numbers for known scopes": (lambda: _middleware(known_scopes=[1]), "write a list of scopes"),
    "a number for known scopes": (lambda: _middleware(known_scopes=1), "write a list of scopes"),
    "a path for a rule": (lambda: _middleware(rules={"/jobs": "a:b"}), "write ('GET', '/jobs'), or ('*', '/jobs')"),
    "a pair of other things for a rule": (lambda: _middleware(rules={("ab", 1): "a:b"}), "write ('GET', '/jobs')"),
    "a list for rules": (lambda: _middleware(rules=[("GET", "/jobs", "a:b")]), "write a mapping"),
    "an empty list for rules": (lambda: _middleware(rules=[]), "write a mapping"),
    "three parts in a rule": (lambda: _middleware(rules={("GET", "/x", "y"): "a:b"}), "is no (method, path)"),
    "a remote's token that is not set": (lambda: _remote(token=None), "is the environment variable set"),
    "a remote's empty token": (lambda: _remote(token=""), "is the environment variable set"),
    "a remote's empty secret": (lambda: _remote(token=Secret("")), "is the environment variable set"),
    "a remote's token with its line end": (lambda: _remote(token="sk_live_x\n"), "blanks or line ends"),
    "a remote's token in other letters": (lambda: _remote(token="schlüssel"), "cannot be sent in a header"),
    "a remote's deadline": (lambda: _remote(timeout=0), "must be greater than 0"),
    "a remote's URL that is not set": (lambda: _remote(url=None), "write the remote Spacekey's address"),
    "a remote's URL that is broken": (lambda: _remote(url="https://["), "write the remote Spacekey's address"),
    "the API's URL": (lambda: _remote(url=f"{URL}/api/v1"), "without '/api/v1'"),
    "the API's URL and a slash": (lambda: _remote(url=f"{URL}/base/api/v1/"), "without '/api/v1'"),
    "a scope for a test's scopes": (lambda: _tokens("a:b"), "write a list of scopes, ['a:b']"),
    "nothing for a test's scopes": (lambda: _tokens(None), "write a list of scopes"),
    "a dependency in Depends": (_in_dependencies, "write dependencies=[RequireScopes(…)]"),
    "a dependency in Security": (_in_annotations, "or Annotated[Principal, RequireScopes(…)]"),
    "a fallback that is not async": (lambda: _middleware(fallback_authenticator=_serve), "write 'async def'"),
    "a fallback that is no function": (
        lambda: _middleware(fallback_authenticator="session"),
        "write an async function",
    ),
    "a fallback's class": (lambda: _middleware(fallback_authenticator=dict), "write an async function"),
    "a fallback that returns nothing": (
        lambda: _middleware(fallback_authenticator=_forgetful),
        "return Authenticated(…), Rejected(…)",
    ),
    "a lambda for a fallback": (lambda: _middleware(fallback_authenticator=lambda _: _serve()), "write 'async def'"),
    "a generator for a fallback": (lambda: _middleware(fallback_authenticator=_generating), "write 'async def'"),
    "a part of a fallback": (lambda: _middleware(fallback_authenticator=partial(_serve)), "write 'async def'"),
    "a resolve_workspace that is not async": (lambda: _middleware(resolve_workspace=_serve), "write 'async def'"),
    "an async observer": (lambda: _middleware(on_result=_forgetful), "write a plain function"),
    "a part of an async observer": (lambda: _middleware(on_result=partial(_forgetful, 1)), "write a plain function"),
    "an async object as observer": (lambda: _middleware(on_result=_Calling()), "write a plain function"),
    "an observer that is no function": (lambda: _middleware(on_result="log"), "write a function"),
    "one origin": (lambda: _middleware(allowed_origins="https://a.example"), "write a list, ['https://a.example']"),
    "any origin": (lambda: _middleware(allowed_origins=["*"]), "allowed_origins=None turns the check off"),
    "the origin of sandboxed pages": (lambda: _middleware(allowed_origins=["null"]), "is not an origin"),
    "a host for an origin": (lambda: _middleware(allowed_origins=["a.example"]), "write scheme, host and port"),
    "a URL for an origin": (lambda: _middleware(allowed_origins=["https://a.example/"]), "write scheme, host"),
    "an origin with a user": (lambda: _middleware(allowed_origins=["https://u@a.example"]), "write scheme, host"),
    "a broken origin": (lambda: _middleware(allowed_origins=["https://["]), "write scheme, host"),
    "a number for an origin": (lambda: _middleware(allowed_origins=[1]), "write scheme, host"),
    "docs for nobody": (lambda: declare_docs(FastAPI(), None), "write requires(…), public, optional"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_setting_that_cannot_work_says_at_once_what_to_write(mistake: str) -> None:
    make, cure = MISTAKES[mistake]
    with pytest.raises(ConfigurationError) as raised:
        make()
    assert cure in str(raised.value)


def test_no_message_holds_the_apps_own_token() -> None:
    for token in ("sk_live_own\n", " sk_live_own", "sk_live_own-ü"):
        with pytest.raises(ConfigurationError) as raised:
            _remote(token=token)
        assert "sk_live_own" not in str(raised.value)


async def test_the_docs_can_be_declared_by_a_scope() -> None:
    app = FastAPI()
    declare_docs(app, "a:b")
    app.get("/x", dependencies=[RequireScopes("a:b")])(_serve)
    app.add_middleware(TokenMiddleware, verifier=ANY)
    assert undeclared_routes(app) == []
    assert (await call(app, "GET", "/docs")).status == 401
    assert (await call(app, "GET", "/docs", bearer(ANY.issue("c:d").reveal()))).status == 403
    assert (await call(app, "GET", "/docs", bearer(ANY.issue("a:b").reveal()))).status == 200


async def test_of_two_middlewares_the_test_token_is_the_outermost_ones() -> None:
    inner = TokenMiddleware(Starlette(), MemoryVerifier())
    outer = TokenMiddleware(inner, MemoryVerifier())
    with issue_token(outer, scopes=["a:b"]) as token:
        assert outer.settings.authenticator.verifier is token.verifier
        assert inner.settings.authenticator.verifier is not token.verifier
        with issue_token(inner, scopes=["a:b"]) as second:
            assert inner.settings.authenticator.verifier is second.verifier


async def test_async_functions_objects_and_parts_of_them_are_fallbacks() -> None:
    async def two(_mine: int, _connection: object) -> AuthenticationResult:
        return Anonymous()

    async def unsigned(_connection: object) -> AuthenticationResult:
        return Anonymous()

    vars(unsigned)["__signature__"] = (
        "inspect.signature() raises TypeError for this, as for an AsyncMock of Python 3.11.2"
    )
    mock = AsyncMock(return_value=Anonymous())
    for fallback in (_Calling(), _Calling().__call__, partial(two, 1), mock, unsigned):
        app = TokenMiddleware(
            Starlette(routes=[Route("/", requires("a")(_page))]), ANY, fallback_authenticator=fallback
        )
        assert (await call(app, "GET", "/")).status == 401


@pytest.mark.parametrize("setting", ["fallback_authenticator", "verifier"])
async def test_what_only_shows_when_it_is_used_is_503_and_says_what_to_write(
    setting: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Sync:
        def verify(self, _: Secret) -> AuthenticationResult:
            return Anonymous()

    async def nothing(_connection: Any) -> Any:
        return None

    verifier: Any = Sync() if setting == "verifier" else ANY
    page = Starlette(routes=[Route("/", requires("a")(_page))])
    app = TokenMiddleware(
        page, verifier, fallback_authenticator=nothing if setting == "fallback_authenticator" else None
    )
    sent = bearer(ANY.issue("a").reveal()) if setting == "verifier" else []
    assert (await call(app, "GET", "/", sent)).status == 503
    assert {"fallback_authenticator": "return Anonymous()", "verifier": "write 'async def'"}[setting] in caplog.text


async def test_an_observer_that_turns_out_to_be_async_is_told_so(caplog: pytest.LogCaptureFixture) -> None:
    page = Starlette(routes=[Route("/", requires("a")(_page))])
    app = TokenMiddleware(page, ANY, on_result=lambda *_: _forgetful(_))  # type: ignore[arg-type]
    assert (await call(app, "GET", "/")).status == 401
    assert "on_result is async, and never runs: write a plain function" in caplog.text


async def _page(_: Request) -> Response:
    return Response()


def _driven(app: Any, scope: dict[str, Any], incoming: list[dict[str, Any]]) -> list[Any]:
    """What the app sends when it is run by something that is not asyncio: here, by hand."""
    sent: list[Any] = []

    async def receive() -> Any:
        return incoming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    running = app(scope, receive, send)
    with pytest.raises(ConfigurationError, match=r"runs on asyncio, .* such as trio: start it with asyncio"):
        running.send(None)
    return sent


@pytest.mark.parametrize("declare", [requires("a"), optional, public])
def test_another_event_loop_than_asyncio_is_refused_at_the_start_in_words(declare: Any) -> None:
    app = TokenMiddleware(Starlette(routes=[Route("/", declare(_page))]), ANY)
    lifespan = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    (failed,) = _driven(app, lifespan, [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    assert failed["type"] == "lifespan.startup.failed"
    assert "such as trio" in failed["message"]


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_so_it_is_by_a_server_without_lifespan_and_never_accepted(kind: str) -> None:
    app = TokenMiddleware(Starlette(routes=[Route("/", requires("a")(_page))]), ANY)
    for _ in range(2):
        scope = {**http_scope("GET", "/", bearer(ANY.issue("a").reveal())), "type": kind}
        assert _driven(app, scope, []) == []
