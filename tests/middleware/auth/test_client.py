"""The sender of a secret that is being verified: known to the verifier, to no one afterwards; and its fields."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import Scope
from starlette.websockets import WebSocket

from spacekey import TokenMiddleware, requires
from spacekey.domain.authentication import Authenticated, AuthenticationResult, Reason, Rejected, Verdict
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.secret import Secret, mint
from spacekey.middleware.auth.client import UNKNOWN, Sender, SentBy, sender, sender_fields, sender_from_fields
from spacekey.middleware.usage.counts import UsageCounts
from spacekey.middleware.verifiers.cached import CachedVerifier, Reading
from support.asgi_calls import Headers, call, http_scope
from support.asgi_calls import bearer as bearer_of
from support.open_connection import OpenConnection
from support.virtual_time import VirtualLoop, in_virtual_time

SECRET = mint("sk", "live", bytes)
LONG = "x" * 1_000


def scope_of(ip: str | None = "192.0.2.7", *headers: tuple[bytes, bytes]) -> Scope:
    """A request from this address; None is a Unix socket's."""
    return {**http_scope("GET", "/", headers), "client": None if ip is None else (ip, 50_000)}


def agent(text: str) -> tuple[bytes, bytes]:
    """The header in which a client says what it is."""
    return b"user-agent", text.encode("latin-1")


def test_outside_of_a_request_nobody_is_known() -> None:
    assert sender() == UNKNOWN == Sender("", "", "")


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        (scope_of("192.0.2.7", agent("curl/8")), Sender("192.0.2.7", "curl/8")),
        (scope_of("2001:db8::7"), Sender("2001:db8::7")),
        (scope_of(None, agent("curl/8")), Sender("", "curl/8")),
        (
            scope_of("192.0.2.7", (b"x-forwarded-for", b"10.0.0.1"), (b"forwarded", b"for=10.0.0.1")),
            Sender("192.0.2.7"),
        ),
        (scope_of("a\nb"), UNKNOWN),
        (scope_of("9" * 100), UNKNOWN),
        (scope_of("unknown"), UNKNOWN),
        (scope_of("::ffff:192.0.2.7"), Sender("192.0.2.7")),
        (scope_of("192.0.2.7", agent("one"), agent("two")), Sender("192.0.2.7", "one")),
        (scope_of("192.0.2.7", agent("a\x00b\tc\x1b[31md\x7f\x9f\xad")), Sender("192.0.2.7", "abc[31md")),
        (scope_of("192.0.2.7", agent("Gr\xfc\xdfe/1")), Sender("192.0.2.7", "Gr\xfc\xdfe/1")),
        (scope_of("192.0.2.7", agent(LONG)), Sender("192.0.2.7", "x" * 300)),
        (scope_of(None, (b"x-request-id", b"req-12345")), Sender(request_id="req-12345")),
        (scope_of(None, (b"x-request-id", b"short")), UNKNOWN),
        (scope_of(None, (b"x-request-id", b"req 12345")), UNKNOWN),
        (scope_of(None, (b"x-request-id", LONG.encode())), UNKNOWN),
        (scope_of(None, (b"x-request-id", b"req-12345"), (b"x-request-id", b"req-12345")), UNKNOWN),
        ({"type": "http", "headers": []}, UNKNOWN),
    ],
)
def test_a_request_tells_its_client_bounded_and_printable(scope: Scope, told: Sender) -> None:
    with SentBy(scope):
        assert sender() == told
    assert sender() == UNKNOWN


def test_no_secret_of_the_request_is_told() -> None:
    with SentBy(scope_of("192.0.2.7", *bearer_of(SECRET.reveal()), (b"cookie", b"hush"), agent("curl/8"))):
        assert sender() == Sender("192.0.2.7", "curl/8")


def test_a_request_within_a_request_is_told_until_it_is_over() -> None:
    with SentBy(scope_of("192.0.2.1")):
        with SentBy(scope_of("192.0.2.2")):
            assert sender().ip == "192.0.2.2"
        assert sender().ip == "192.0.2.1"


async def test_a_task_started_meanwhile_knows_the_sender_until_the_answer_and_keeps_no_request_alive() -> None:
    class Held(dict[str, Any]):
        """A scope that can be watched."""

    over, told = asyncio.Event(), list[Sender]()

    async def on_its_own() -> None:
        told.append(sender())
        await over.wait()
        told.append(sender())

    scope = Held(scope_of("192.0.2.7"))
    gone = weakref.ref(scope)
    with SentBy(scope):
        task, kept = asyncio.create_task(on_its_own()), copy_context()
        await asyncio.sleep(0)
    del scope
    gc.collect()
    assert gone() is None
    over.set()
    await task
    assert told == [Sender("192.0.2.7"), UNKNOWN]
    assert kept.run(sender) == UNKNOWN


@pytest.mark.parametrize("ip", ["192.0.2.7", "2001:db8::7", "a name", "a\nb", "9" * 99, None])
def test_the_address_is_the_one_that_usage_counts(ip: str | None) -> None:
    scope = scope_of(ip)
    tally = UsageCounts(wake=lambda: None)
    tally.allowed("key_1", scope["client"])
    with SentBy(scope):
        assert sender().ip == tally.take(1)[0].ip


@pytest.mark.parametrize("failure", [TimeoutError, asyncio.CancelledError, RuntimeError])
async def test_after_a_verification_that_failed_nobody_is_known(failure: type[BaseException]) -> None:
    with pytest.raises(failure), SentBy(scope_of()):
        raise failure
    assert sender() == UNKNOWN


# --- the sender in a request to another Spacekey: an address and a user agent, or nothing


GARBAGE_ADDRESSES = [
    "",
    "testclient",
    "192.0.2",
    "192.0.2.256",
    "192.0.2.7:80",
    "[2001:db8::7]",
    " 192.0.2.7",
    "192.0.2.7\n",
    "\u0661.2.3.4",
    "fe80::1%" + "x" * 64,
    "<script>",
    "9" * 9_999,
    "\ud800",
]
GARBAGE_AGENTS = ["", "a\nb", "a\x00b", "\x1b[31m", "\x7f", "x" * 301, "\u202e", "\ud800"]


@pytest.mark.parametrize("ip", ["192.0.2.7", "2001:db8::7", "::1"])
def test_an_address_and_a_user_agent_are_told_as_they_are(ip: str) -> None:
    told = Sender(ip, "Gr\xfc\xdfe/1 (x; y)", "req-12345")
    assert sender_fields(told) == {"client_ip": ip, "client_user_agent": "Gr\xfc\xdfe/1 (x; y)"}
    assert sender_from_fields(sender_fields(told)) == Sender(ip, "Gr\xfc\xdfe/1 (x; y)")


@pytest.mark.parametrize("ip", GARBAGE_ADDRESSES)
def test_what_is_no_address_is_neither_told_nor_heard(ip: str) -> None:
    assert sender_fields(Sender(ip, "curl/8")) == {"client_user_agent": "curl/8"}
    assert sender_from_fields({"client_ip": ip, "client_user_agent": "curl/8"}) == Sender("", "curl/8")


@pytest.mark.parametrize("user_agent", GARBAGE_AGENTS)
def test_what_is_no_user_agent_is_neither_told_nor_heard(user_agent: str) -> None:
    assert sender_fields(Sender("::1", user_agent)) == {"client_ip": "::1"}
    assert sender_from_fields({"client_ip": "::1", "client_user_agent": user_agent}) == Sender("::1")


@pytest.mark.parametrize("tell", [sender_fields, lambda _: sender_from_fields({})])
def test_of_nobody_nothing_is_told(tell: Callable[[Sender], object]) -> None:
    assert tell(UNKNOWN) in ({}, UNKNOWN)


# --- every way to a verification tells the verifier who sent the secret


PRINCIPAL = Principal("key_1", Kind.SPACE, frozenset({"a"}), space_id="s1")


class Recording:
    """Refuses every secret, when it is let to, and notes who sent it."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.told: list[Sender] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def verify(self, secret: Secret) -> Verdict:
        await self.may_answer.wait()
        self.told.append(sender())
        return self.verdict

    async def aclose(self) -> None:
        """Nothing."""


@requires("a")
async def endpoint(_request: Request) -> PlainTextResponse:
    return PlainTextResponse(sender().ip)


def app_over(verifier: Any, **settings: Any) -> Starlette:
    """An app with one route."""
    return Starlette(
        routes=[Route("/", endpoint)], middleware=[Middleware(TokenMiddleware, verifier=verifier, **settings)]
    )


async def ask(app: Starlette, *headers: tuple[bytes, bytes]) -> tuple[int, bytes]:
    """Send a request with a token."""
    answer = await call(app, "GET", "/", [*bearer_of(SECRET.reveal()), *headers])
    return answer.status, answer.body


async def test_requests_at_the_same_time_are_told_apart() -> None:
    verifier = Recording(Rejected(Reason.REVOKED, "key_1"))
    verifier.may_answer.clear()
    app = app_over(verifier)
    asking = [asyncio.create_task(ask(app, agent(f"client/{number}"))) for number in range(20)]
    await asyncio.sleep(0)
    verifier.may_answer.set()
    assert {status for status, _ in await asyncio.gather(*asking)} == {401}
    assert sorted(one.user_agent for one in verifier.told) == sorted(f"client/{number}" for number in range(20))


async def test_the_endpoint_and_what_it_starts_are_no_part_of_a_verification() -> None:
    verifier = Recording(Authenticated(PRINCIPAL))
    assert await ask(app_over(verifier), agent("curl/8")) == (200, b"")
    assert verifier.told == [Sender("127.0.0.1", "curl/8")]


async def test_a_fallback_with_a_verifier_of_its_own_tells_it_who_asks() -> None:
    verifier = Recording(Rejected(Reason.REVOKED, "key_1"))

    async def older_header(connection: HTTPConnection) -> AuthenticationResult:
        return await verifier.verify(Secret(connection.headers["x-api-key"]))

    headers: Headers = [(b"x-api-key", SECRET.reveal().encode()), agent("old/1")]
    answer = await call(app_over(verifier, fallback_authenticator=older_header), "GET", "/", headers)
    assert answer.status == 401
    assert verifier.told == [Sender("127.0.0.1", "old/1")]


async def test_of_those_who_wait_for_one_read_the_read_knows_the_first() -> None:
    told: list[Sender] = []
    may_answer = asyncio.Event()

    async def read(_secret: Secret) -> Reading:
        told.append(sender())
        await may_answer.wait()
        return Reading(Authenticated(PRINCIPAL), 1.0)

    cache = CachedVerifier(read)

    async def asked_by(ip: str) -> Sender:
        with SentBy(scope_of(ip)):
            await cache.verify(SECRET)
            return sender()

    asking = [asyncio.create_task(asked_by(f"192.0.2.{number}")) for number in range(1, 4)]
    for _ in range(5):
        await asyncio.sleep(0)
    may_answer.set()
    assert [one.ip for one in await asyncio.gather(*asking)] == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert [one.ip for one in told] == ["192.0.2.1"]
    await cache.aclose()


async def test_the_warm_path_says_nobody_asks_and_pays_nothing_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def read(_secret: Secret) -> Reading:
        return Reading(Authenticated(PRINCIPAL), 1_000.0)

    app, entered = app_over(CachedVerifier(read)), list[Scope]()

    class Counted(SentBy):
        def __init__(self, scope: Scope, environment: str | None = None) -> None:
            entered.append(scope)
            super().__init__(scope, environment)

    monkeypatch.setattr("spacekey.middleware.auth.authenticator.SentBy", Counted)
    for _ in range(3):
        assert await ask(app) == (200, b"")
    assert len(entered) == 1


def test_open_connections_are_asked_about_as_the_one_that_has_been_here_longest() -> None:
    async def run(loop: VirtualLoop) -> None:
        verifier = Recording(Authenticated(PRINCIPAL))

        @requires("a")
        async def stays(websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.receive()

        app = TokenMiddleware(Starlette(routes=[WebSocketRoute("/", stays)]), verifier)
        app.settings.rechecker.clock = loop.time
        sockets = [opened_by(app, f"192.0.2.{number}") for number in range(3)]
        await asyncio.sleep(5.0)
        assert {one.ip for one in verifier.told[3:]} == {"192.0.2.0"}
        sockets[0].say({"type": "websocket.disconnect", "code": 1000})
        await sockets[0].result()
        verifier.told.clear()
        verifier.verdict = Rejected(Reason.REVOKED, "key_1")
        for socket in sockets[1:]:
            await socket.result()
        assert [one.ip for one in verifier.told] == ["192.0.2.1"]

    in_virtual_time(run)


def opened_by(app: Any, ip: str) -> OpenConnection:
    """A WebSocket from that address."""
    connection = OpenConnection(app, "/", SECRET.reveal(), "websocket")
    connection.scope["client"] = (ip, 50_000)
    return connection
