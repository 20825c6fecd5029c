"""Every way to a verification tells the verifier who sent the secret; the warm path, where nobody verifies, none."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import Scope
from starlette.websockets import WebSocket

from spacekey.domain.outcome import Outcome, Reason, Refused, Valid, Verdict
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.secret import Secret, mint
from spacekey.middleware import TokenMiddleware, requires
from spacekey.middleware.auth.sender import Sender, SentBy, sender
from spacekey.middleware.verifiers.cached import CachedVerifier, Reading
from support.asgi_calls import Headers, call, http_scope
from support.asgi_calls import bearer as bearer_of
from support.open_connection import OpenConnection
from support.virtual_time import VirtualLoop, in_virtual_time

SECRET = mint("sk", "live", bytes)
PRINCIPAL = Principal("key_1", Kind.SPACE, frozenset({"a"}), space_id="s1")


def scope_of(ip: str | None = "192.0.2.7", *headers: tuple[bytes, bytes]) -> Scope:
    """A request from this address; None is a Unix socket's."""
    return {**http_scope("GET", "/", headers), "client": None if ip is None else (ip, 50_000)}


def agent(text: str) -> tuple[bytes, bytes]:
    """The header in which a client says what it is."""
    return b"user-agent", text.encode("latin-1")


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
    verifier = Recording(Refused(Reason.REVOKED, "key_1"))
    verifier.may_answer.clear()
    app = app_over(verifier)
    asking = [asyncio.create_task(ask(app, agent(f"client/{number}"))) for number in range(20)]
    await asyncio.sleep(0)
    verifier.may_answer.set()
    assert {status for status, _ in await asyncio.gather(*asking)} == {401}
    assert sorted(one.user_agent for one in verifier.told) == sorted(f"client/{number}" for number in range(20))


async def test_the_endpoint_and_what_it_starts_are_no_part_of_a_verification() -> None:
    verifier = Recording(Valid(PRINCIPAL))
    assert await ask(app_over(verifier), agent("curl/8")) == (200, b"")
    assert verifier.told == [Sender("127.0.0.1", "curl/8")]


async def test_a_fallback_with_a_verifier_of_its_own_tells_it_who_asks() -> None:
    verifier = Recording(Refused(Reason.REVOKED, "key_1"))

    async def older_header(connection: HTTPConnection) -> Outcome:
        return await verifier.verify(Secret(connection.headers["x-api-key"]))

    headers: Headers = [(b"x-api-key", SECRET.reveal().encode()), agent("old/1")]
    answer = await call(app_over(verifier, fallback=older_header), "GET", "/", headers)
    assert answer.status == 401
    assert verifier.told == [Sender("127.0.0.1", "old/1")]


async def test_of_those_who_wait_for_one_read_the_read_knows_the_first() -> None:
    told: list[Sender] = []
    may_answer = asyncio.Event()

    async def read(_secret: Secret) -> Reading:
        told.append(sender())
        await may_answer.wait()
        return Reading(Valid(PRINCIPAL), 1.0)

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
        return Reading(Valid(PRINCIPAL), 1_000.0)

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
        verifier = Recording(Valid(PRINCIPAL))

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
        verifier.verdict = Refused(Reason.REVOKED, "key_1")
        for socket in sockets[1:]:
            await socket.result()
        assert [one.ip for one in verifier.told] == ["192.0.2.1"]

    in_virtual_time(run)


def opened_by(app: Any, ip: str) -> OpenConnection:
    """A WebSocket from that address."""
    connection = OpenConnection(app, "/", SECRET.reveal(), "websocket")
    connection.scope["client"] = (ip, 50_000)
    return connection
