"""Connections that stay open under a TokenMiddleware, in virtual time and over HTTP: held, ended with their access."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.endpoints import WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from spacekey import TokenMiddleware, auth_of, optional, protect, public, requires
from spacekey.domain.authentication import Anonymous, Authenticated, AuthenticationResult, Reason, Rejected, Verdict
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.secret import Secret
from spacekey.middleware.long_lived.recheck import ConnectionEnded
from spacekey.verifiers import MemoryVerifier
from support.open_connection import OpenConnection
from support.running_app import running
from support.virtual_time import VirtualLoop, in_virtual_time

START = datetime(2026, 1, 1, tzinfo=UTC)
T = 1.0
END_SECONDS = 5.0
DEADLINE = 2.0
STEP = T / 16 + 1e-6
LATE_SECONDS = 15.0
SPECS = ["2.3", "2.4"]


class Slow(MemoryVerifier):
    """Answers when it is let to, and counts."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__(now=lambda: START + timedelta(seconds=loop.time()))
        self.seconds = 0.0
        self.asked = 0

    async def verify(self, secret: Secret) -> Verdict:
        self.asked += 1
        await asyncio.sleep(self.seconds)
        return await super().verify(secret)

    def change(self, secret: Secret, **facts: Any) -> None:
        """What is known of a token from now on."""
        about: dict[str, Any] = {"id": "key_1", "kind": Kind.SPACE, "scopes": frozenset({"a"}), "space_id": "s1"}
        self._verdicts[secret.digest()] = Authenticated(Principal(**{"environment": "live", **about, **facts}))


class World:
    """An app with every kind of endpoint that stays open."""

    def __init__(self, loop: VirtualLoop, **settings: Any) -> None:
        self.loop = loop
        self.verifier = Slow(loop)
        self.secret = self.verifier.issue("a")
        self.verifier.change(self.secret)
        self.log: list[object] = []
        self.owners: dict[str, str] = {}
        routes = [
            Route("/ticks", requires("a")(self.ticks)),
            Route("/quiet", requires("a")(self.quiet)),
            Route("/silent", requires("a")(self.silent)),
            Route("/late", requires("a")(self.late)),
            Route("/slow", requires("a")(self.slow)),
            Mount("/mute", protect(self.mute, "a")),
            Route("/short", requires("a")(self.short)),
            Route("/ends", requires("a")(self.ends)),
            Route("/public", public(self.open_to_all)),
            Route("/optional", optional(self.open_to_some)),
            Mount("/raw", protect(self.raw, "a")),
            Mount("/deaf", protect(self.deaf, "a")),
            Mount("/stubborn", protect(self.stubborn, "a")),
            Mount("/both", protect(Starlette(routes=[Route("/ticks", requires("a")(self.ticks_too))]), "b")),
            Route("/spaces/{space}", requires("a", space_param="space")(self.ticks_of_space)),
            Route("/live", requires("a", environment="live")(self.live)),
            WebSocketRoute("/echo", requires("a")(self.echo)),
            WebSocketRoute("/feed", requires("a")(self.feed)),
            WebSocketRoute("/hand", optional(self.by_hand)),
            WebSocketRoute("/class", self.endpoint()),
            WebSocketRoute("/reluctant", requires("a")(self.reluctant)),
            WebSocketRoute("/anybody", public(self.anybody)),
        ]

        async def resolve_workspace(space: str) -> str | None:
            return self.owners.get(space)

        self.app = TokenMiddleware(
            Starlette(routes=routes),
            self.verifier,
            recheck_seconds=T,
            timeout=DEADLINE,
            resolve_workspace=resolve_workspace,
            **settings,
        )
        self.watch = self.app.settings.rechecker
        self.watch.clock = loop.time
        self.watch.now = lambda: START + timedelta(seconds=loop.time())

    def open(self, path: str, kind: str = "http", spec: str = "2.3", secret: Secret | None = None) -> OpenConnection:
        """Connect with the token."""
        sent = secret or self.secret
        return OpenConnection(self.app, path, sent.reveal(), kind, spec)

    async def _body(self, seconds: float = 0.01) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"tick"
                await asyncio.sleep(seconds)
        finally:
            self.log.append("cleaned")

    async def ticks(self, request: Request) -> Response:
        async def after() -> None:
            self.log.append("background")

        return StreamingResponse(self._body(), background=BackgroundTask(after))

    async def ticks_too(self, request: Request) -> Response:
        return StreamingResponse(self._body())

    async def ticks_of_space(self, request: Request) -> Response:
        return StreamingResponse(self._body())

    async def live(self, request: Request) -> Response:
        return StreamingResponse(self._body())

    async def open_to_all(self, request: Request) -> Response:
        return StreamingResponse(self._body())

    async def open_to_some(self, request: Request) -> Response:
        return StreamingResponse(self._body())

    async def quiet(self, request: Request) -> Response:
        return StreamingResponse(self._body(1e6))

    async def silent(self, request: Request) -> Response:
        """Has begun, and sends nothing yet."""

        async def body() -> AsyncIterator[bytes]:
            try:
                await asyncio.sleep(1e6)
                yield b"never"
            finally:
                self.log.append("cleaned")

        return StreamingResponse(body())

    async def late(self, request: Request) -> Response:
        async def body() -> AsyncIterator[bytes]:
            await asyncio.sleep(LATE_SECONDS)
            yield b"first"
            await asyncio.sleep(1e6)

        return StreamingResponse(body())

    async def slow(self, request: Request) -> Response:
        await asyncio.sleep(LATE_SECONDS)
        return StreamingResponse(self._body())

    async def mute(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Has begun, and only waits for the client to leave."""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (message := await receive())["type"] != "http.disconnect":
            pass
        self.log.append(message)

    async def reluctant(self, websocket: WebSocket) -> None:
        await asyncio.sleep(LATE_SECONDS)
        await websocket.accept()
        await websocket.send_text("hello")
        await websocket.receive_text()

    async def short(self, request: Request) -> Response:
        return PlainTextResponse("ok", background=BackgroundTask(asyncio.sleep, 60.0))

    async def ends(self, request: Request) -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield b"one"
            yield b"two"

        async def after() -> None:
            await asyncio.sleep(60.0)
            self.log.append("background")

        return StreamingResponse(body(), background=BackgroundTask(after))

    async def raw(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends from a task of its own while it listens."""

        async def produce() -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            try:
                while True:
                    await send({"type": "http.response.body", "body": b"x", "more_body": True})
                    await asyncio.sleep(0.01)
            except OSError as error:
                self.log.append(type(error))
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        producing = asyncio.create_task(produce())
        while (message := await receive())["type"] != "http.disconnect":
            pass
        self.log.append(message)
        await producing

    async def deaf(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends from a task of its own and waits for something else."""

        async def produce() -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await asyncio.sleep(1e6)

        await asyncio.create_task(produce())

    async def stubborn(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hears of the end and does not stop."""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        self.log.append(self.loop.time())
        try:
            await asyncio.sleep(1e6)
        finally:
            self.log.append("cleaned")

    async def echo(self, websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_text(await websocket.receive_text())
        except WebSocketDisconnect as gone:
            self.log.append((gone.code, gone.reason))
            await asyncio.sleep(30.0)
            await websocket.close()
            self.log.append("cleaned")

    async def feed(self, websocket: WebSocket) -> None:
        """Never receives."""
        await websocket.accept()
        try:
            while True:
                await websocket.send_text(f"{sorted(websocket.user.scopes)}")
                await asyncio.sleep(0.01)
        except WebSocketDisconnect as gone:
            self.log.append(gone.code)

    async def by_hand(self, websocket: WebSocket) -> None:
        await websocket.accept()
        text = await websocket.receive_text()
        outcome = await auth_of(websocket.scope).authenticate_with(Secret(text))
        self.log.append(type(outcome))
        self.log.append((await websocket.receive())["type"])

    async def anybody(self, websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive()

    def endpoint(self) -> type[WebSocketEndpoint]:
        log = self.log

        @requires("a")
        class Feed(WebSocketEndpoint):
            async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
                log.append(close_code)

        return Feed


def virtually(test: Callable[[World], Any], **settings: Any) -> None:
    async def run(loop: VirtualLoop) -> None:
        world = World(loop, **settings)
        await test(world)
        await asyncio.sleep(0)
        assert world.watch.watched == 0, "a connection was left behind"
        assert not [each for each in loop._scheduled if not each.cancelled()], "a timer was left"  # type: ignore[attr-defined]

    in_virtual_time(run)


Takeaway = Callable[[World], None]


def revoke(world: World) -> None:
    world.verifier.refuse(world.secret, Reason.REVOKED)


def take_scope(world: World) -> None:
    world.verifier.change(world.secret, scopes=frozenset({"b"}))


def outage(world: World) -> None:
    world.verifier.outage = "the store is gone"


def hang(world: World) -> None:
    world.verifier.seconds = 1e5


def move_to_test(world: World) -> None:
    world.verifier.change(world.secret, environment="test")


TAKEAWAYS: list[tuple[Takeaway, int]] = [(revoke, 4401), (take_scope, 4403), (outage, 1013), (hang, 1013)]


@pytest.mark.parametrize(("take", "code"), TAKEAWAYS)
@pytest.mark.parametrize("path", ["/ticks", "/quiet", "/raw/", "/deaf/"])
@pytest.mark.parametrize("spec", SPECS)
def test_a_response_ends_broken_and_sends_nothing_t_after_its_token_ended(
    path: str, spec: str, take: Takeaway, code: int
) -> None:
    async def test(world: World) -> None:
        response = world.open(path, spec=spec)
        await asyncio.sleep(3.3)
        assert not response.task.done()
        take(world)
        taken = world.loop.time()
        error = await response.result()
        assert isinstance(error, ConnectionEnded)
        assert response.last_at < taken + T
        assert world.loop.time() <= taken + T + (DEADLINE if take is hang else 0.0) + 2 * STEP
        assert response.last["type"] == "http.response.body"
        assert response.last["more_body"] is True
        if path == "/raw/":
            assert ConnectionEnded in world.log
            assert {"type": "http.disconnect"} in world.log
        elif path == "/quiet" or (path == "/ticks" and take is not hang):
            assert world.log[0] == "cleaned"

    virtually(test)


@pytest.mark.parametrize(("take", "code"), TAKEAWAYS)
@pytest.mark.parametrize("path", ["/silent", "/mute/", "/late"])
@pytest.mark.parametrize("spec", SPECS)
def test_a_response_that_has_sent_nothing_yet_ends_too(path: str, spec: str, take: Takeaway, code: int) -> None:
    async def test(world: World) -> None:
        response = world.open(path, spec=spec)
        await asyncio.sleep(3.3)
        assert response.types == ["http.response.start"]
        take(world)
        taken = world.loop.time()
        assert isinstance(await response.result(), ConnectionEnded)
        assert world.loop.time() <= taken + T + (DEADLINE if take is hang else 0.0) + 2 * STEP
        assert response.types == ["http.response.start"]

    virtually(test)


@pytest.mark.parametrize("take", [revoke, take_scope])
@pytest.mark.parametrize("path", ["/slow", "/reluctant"])
def test_what_begins_long_after_its_verdict_relies_on_it_no_longer(path: str, take: Takeaway) -> None:
    async def test(world: World) -> None:
        kind = "websocket" if path == "/reluctant" else "http"
        opened = world.open(path, kind)
        begun = world.loop.time()
        await asyncio.sleep(3.3)
        assert opened.types == []
        take(world)
        await opened.result()
        # A start has no body; a WebSocket that is closed before its acceptance is refused.
        assert opened.types == (["websocket.close"] if kind == "websocket" else ["http.response.start"])
        assert world.loop.time() <= begun + LATE_SECONDS + 2 * STEP

    virtually(test)


@pytest.mark.parametrize("path", ["/slow", "/late", "/reluctant"])
def test_what_begins_late_goes_on_if_the_token_still_may(path: str) -> None:
    async def test(world: World) -> None:
        opened = world.open(path, "websocket" if path == "/reluctant" else "http")
        await asyncio.sleep(LATE_SECONDS + 2.0)
        assert len(opened.types) >= 2
        assert not opened.task.done()
        revoke(world)
        await opened.result()

    virtually(test)


def test_a_stream_that_listens_runs_its_background_task_like_after_a_client_that_left() -> None:
    async def test(world: World) -> None:
        response = world.open("/ticks", spec="2.3")
        await asyncio.sleep(2.0)
        revoke(world)
        assert isinstance(await response.result(), ConnectionEnded)
        assert world.log == ["cleaned", "background"]

    virtually(test)


def test_an_app_that_hears_of_the_end_and_does_not_stop_is_cancelled() -> None:
    async def test(world: World) -> None:
        response = world.open("/stubborn/")
        await asyncio.sleep(2.0)
        revoke(world)
        assert isinstance(await response.result(), ConnectionEnded)
        heard, cleaned = world.log
        assert isinstance(heard, float)
        assert cleaned == "cleaned"
        assert world.loop.time() == pytest.approx(heard + END_SECONDS)

    virtually(test)


def test_a_server_that_stops_an_app_sees_it_cancelled() -> None:
    async def test(world: World) -> None:
        response = world.open("/quiet", spec="2.4")
        await asyncio.sleep(2.0)
        revoke(world)
        response.task.cancel()
        assert isinstance(await response.result(), asyncio.CancelledError)

    virtually(test)


def test_a_short_response_is_not_watched_and_not_asked_about_again() -> None:
    async def test(world: World) -> None:
        response = world.open("/short")
        await asyncio.sleep(10.0)
        assert response.types == ["http.response.start", "http.response.body"]
        assert world.watch.watched == 0
        assert world.verifier.asked == 1
        revoke(world)
        assert await response.result() is None

    virtually(test)


def test_what_runs_after_a_complete_response_is_not_cut() -> None:
    async def test(world: World) -> None:
        response = world.open("/ends")
        await asyncio.sleep(1.0)
        assert response.last == {"type": "http.response.body", "body": b"", "more_body": False}
        revoke(world)
        assert await response.result() is None
        assert world.log == ["background"]

    virtually(test)


@pytest.mark.parametrize("path", ["/public", "/optional"])
def test_nobody_is_watched_where_nobody_was_asked(path: str) -> None:
    async def test(world: World) -> None:
        response = OpenConnection(world.app, path, None)
        await asyncio.sleep(5.0)
        assert world.watch.watched == 0
        assert world.verifier.asked == 0
        response.task.cancel()
        await response.result()

    virtually(test)


def test_a_bad_token_ends_a_response_that_nobody_would_have_needed_one_for() -> None:
    async def test(world: World) -> None:
        response = world.open("/optional")
        await asyncio.sleep(2.0)
        take_scope(world)
        await asyncio.sleep(2.0)
        assert not response.task.done()
        revoke(world)
        assert isinstance(await response.result(), ConnectionEnded)

    virtually(test)


def test_everything_that_was_required_on_the_way_in_must_go_on_being_satisfied() -> None:
    async def test(world: World) -> None:
        world.verifier.change(world.secret, scopes=frozenset({"a", "b"}))
        response = world.open("/both/ticks")
        await asyncio.sleep(3.0)
        assert not response.task.done()
        world.verifier.change(world.secret, scopes=frozenset({"a"}))
        assert isinstance(await response.result(), ConnectionEnded)

    virtually(test)


def test_a_token_that_changes_its_environment_or_its_space_is_not_the_one_that_was_let_in() -> None:
    async def environment(world: World) -> None:
        response = world.open("/live")
        await asyncio.sleep(3.0)
        assert not response.task.done()
        move_to_test(world)
        assert isinstance(await response.result(), ConnectionEnded)

    async def space(world: World) -> None:
        response = world.open("/spaces/s1")
        await asyncio.sleep(3.0)
        assert not response.task.done()
        world.verifier.change(world.secret, space_id="s2")
        assert isinstance(await response.result(), ConnectionEnded)

    async def whole_app(world: World) -> None:
        response = world.open("/ticks")
        await asyncio.sleep(3.0)
        move_to_test(world)
        assert isinstance(await response.result(), ConnectionEnded)

    virtually(environment)
    virtually(space)
    virtually(whole_app, environment="live")


def test_a_workspace_token_in_a_space_ends_when_the_space_is_no_longer_its_workspaces() -> None:
    async def test(world: World) -> None:
        world.owners["s1"] = "w1"
        world.verifier.change(world.secret, kind=Kind.WORKSPACE, space_id=None, workspace_id="w1")
        response = world.open("/spaces/s1")
        elsewhere = world.open("/ticks")
        await asyncio.sleep(3.0)
        assert not response.task.done()
        del world.owners["s1"]
        assert isinstance(await response.result(), ConnectionEnded)
        assert not elsewhere.task.done()
        elsewhere.task.cancel()
        await elsewhere.result()

    virtually(test)


def test_an_expiry_date_cuts_at_its_moment() -> None:
    async def test(world: World) -> None:
        moment = world.loop.time() + 10.5
        world.verifier.change(world.secret, expires_at=START + timedelta(seconds=moment))
        response = world.open("/ticks")
        socket = world.open("/feed", "websocket")
        assert isinstance(await response.result(), ConnectionEnded)
        assert await socket.result() is None
        assert moment - 0.02 <= response.last_at < moment
        assert socket.last["code"] == 4401
        assert world.loop.time() <= moment + STEP

    virtually(test)


def test_messages_are_held_while_nobody_can_tell_and_pass_when_somebody_can() -> None:
    async def test(world: World) -> None:
        response = world.open("/ticks")
        await asyncio.sleep(3.0)
        world.verifier.seconds = 0.9
        await asyncio.sleep(20.0)
        times = [at for at, _ in response.sent]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert max(gaps) > 0.2
        assert not response.task.done()
        response.task.cancel()
        await response.result()

    virtually(test)


@pytest.mark.parametrize(("take", "code"), TAKEAWAYS)
def test_a_socket_is_closed_with_the_right_code_and_the_app_sees_it(take: Takeaway, code: int) -> None:
    async def test(world: World) -> None:
        socket = world.open("/echo", "websocket")
        await asyncio.sleep(3.3)
        take(world)
        taken = world.loop.time()
        while socket.last["type"] != "websocket.close":
            socket.say({"type": "websocket.receive", "text": "again"})
            await asyncio.sleep(0.01)
        assert world.loop.time() <= taken + T + (DEADLINE if take is hang else 0.0) + 2 * STEP
        echoed = [at for at, message in socket.sent if message["type"] == "websocket.send"]
        assert taken < max(echoed) < taken + T
        assert socket.last["code"] == code
        assert await socket.result() is None
        assert world.log == [(code, socket.last["reason"]), "cleaned"]
        assert socket.types.count("websocket.close") == 1

    virtually(test)


@pytest.mark.parametrize(("take", "code"), TAKEAWAYS)
def test_an_app_that_only_sends_learns_of_the_close_when_it_sends(take: Takeaway, code: int) -> None:
    async def test(world: World) -> None:
        socket = world.open("/feed", "websocket")
        await asyncio.sleep(3.3)
        take(world)
        taken = world.loop.time()
        assert await socket.result() is None
        assert world.log == [1006]
        assert socket.last["code"] == code
        assert max(at for at, message in socket.sent if message["type"] == "websocket.send") < taken + T

    virtually(test)


def test_a_class_of_starlettes_sees_the_code() -> None:
    async def test(world: World) -> None:
        socket = world.open("/class", "websocket")
        await asyncio.sleep(2.0)
        revoke(world)
        assert await socket.result() is None
        assert world.log == [4401]

    virtually(test)


def test_a_send_in_flight_goes_out_before_the_close_and_nothing_after_it() -> None:
    async def test(world: World) -> None:
        socket = world.open("/feed", "websocket")
        await asyncio.sleep(2.0)
        socket.may_send.clear()
        await asyncio.sleep(0.1)
        before = len(socket.sent)
        revoke(world)
        await asyncio.sleep(T)
        assert len(socket.sent) == before
        socket.may_send.set()
        assert await socket.result() is None
        assert [message["type"] for _, message in socket.sent[before:]] == ["websocket.send", "websocket.close"]

    virtually(test)


def test_a_client_that_does_not_read_cannot_keep_the_connection() -> None:
    async def test(world: World) -> None:
        socket, response = world.open("/echo", "websocket"), world.open("/ticks", spec="2.4")
        await asyncio.sleep(2.0)
        socket.may_send.clear()
        response.may_send.clear()
        revoke(world)
        assert isinstance(await response.result(), ConnectionEnded)
        assert await socket.result() is None
        assert "cleaned" in world.log

    virtually(test)


def test_what_a_client_says_after_its_token_ended_is_not_heard() -> None:
    async def test(world: World) -> None:
        socket = world.open("/echo", "websocket")
        await asyncio.sleep(2.0)
        revoke(world)
        world.verifier.seconds = 1.9
        await asyncio.sleep(T)
        sent = len(socket.sent)
        socket.say({"type": "websocket.receive", "text": "a command"})
        assert await socket.result() is None
        assert [message["type"] for _, message in socket.sent[sent:]] == ["websocket.close"]

    virtually(test)


def test_the_app_sees_the_scopes_as_they_are_now() -> None:
    async def test(world: World) -> None:
        socket = world.open("/feed", "websocket")
        await asyncio.sleep(2.0)
        world.verifier.change(world.secret, scopes=frozenset({"a", "z"}))
        await asyncio.sleep(2.0)
        assert socket.last["text"] == "['a', 'z']"
        assert "['a']" in {message.get("text") for _, message in socket.sent}
        socket.task.cancel()
        await socket.result()

    virtually(test)


def test_credentials_that_come_later_are_watched_from_then_on() -> None:
    async def test(world: World) -> None:
        socket = OpenConnection(world.app, "/hand", None, "websocket")
        await asyncio.sleep(5.0)
        assert world.watch.watched == 0
        socket.say({"type": "websocket.receive", "text": world.secret.reveal()})
        await asyncio.sleep(5.0)
        assert world.watch.watched == 1
        revoke(world)
        assert await socket.result() is None
        assert socket.last["code"] == 4401
        assert world.log == [Authenticated, "websocket.disconnect"]

    virtually(test)


def test_a_socket_open_to_anybody_is_not_watched() -> None:
    async def test(world: World) -> None:
        socket = world.open("/anybody", "websocket")
        revoke(world)
        await asyncio.sleep(10.0)
        assert (world.watch.watched, world.verifier.asked) == (0, 0)
        socket.say({"type": "websocket.disconnect", "code": 1000})
        assert await socket.result() is None

    virtually(test)


def test_a_client_that_leaves_is_watched_no_longer() -> None:
    async def test(world: World) -> None:
        socket, response = world.open("/class", "websocket"), world.open("/ticks")
        await asyncio.sleep(2.0)
        assert world.watch.watched == 2
        socket.say({"type": "websocket.disconnect", "code": 1001})
        response.say({"type": "http.disconnect"})
        assert (await socket.result(), await response.result()) == (None, None)
        assert world.log == [1001, "cleaned", "background"] or world.log == ["cleaned", "background", 1001]

    virtually(test)


def test_many_connections_of_one_token_cost_one_verification_each_time() -> None:
    async def test(world: World) -> None:
        sockets = [world.open("/class", "websocket") for _ in range(200)]
        await asyncio.sleep(0.1)
        world.verifier.asked = 0
        await asyncio.sleep(10.0)
        assert world.verifier.asked <= 10.0 / (T / 2)
        revoke(world)
        for socket in sockets:
            assert await socket.result() is None
            assert socket.last["code"] == 4401

    virtually(test)


def test_a_session_of_the_apps_own_is_asked_about_again_too() -> None:
    signed_in: list[AuthenticationResult] = [Authenticated(Principal("usr_1", Kind.MEMBER, frozenset({"a"})))]

    async def session(connection: HTTPConnection) -> AuthenticationResult:
        return signed_in[0]

    async def test(world: World) -> None:
        page = [(b"origin", b"http://testserver")]  # of the app's own: no other may use the session
        socket = OpenConnection(world.app, "/class", None, "websocket", headers=page)
        await asyncio.sleep(5.0)
        assert not socket.task.done()
        signed_in[0] = Anonymous()
        assert await socket.result() is None
        assert socket.last["code"] == 4401

    virtually(test, fallback_authenticator=session)


def test_the_observer_is_told_once_why_a_connection_ended_and_not_of_every_verification() -> None:
    told: list[AuthenticationResult] = []

    async def test(world: World) -> None:
        socket = world.open("/class", "websocket")
        await asyncio.sleep(5.0)
        assert [type(each) for each in told] == [Authenticated]
        revoke(world)
        await socket.result()
        assert told[1:] == [Rejected(Reason.REVOKED, "key_1")]

    virtually(test, on_result=lambda _, outcome: told.append(outcome))


def test_settings_that_make_no_sense_are_refused() -> None:
    from spacekey.domain.errors import ConfigurationError

    app: ASGIApp = Starlette()
    with pytest.raises(ConfigurationError):
        TokenMiddleware(app, MemoryVerifier(), recheck_seconds=0)


# --- streams cut over a real socket, with other middleware around the app


ANSWER_SECONDS_MAX = 10.0


async def ticks(request: Request) -> Response:
    """Server-sent events, for ever."""

    async def events() -> AsyncIterator[str]:
        while True:
            yield "data: tick\n\n"
            await asyncio.sleep(0.01)

    return StreamingResponse(events(), media_type="text/event-stream")


async def quiet(request: Request) -> Response:
    """One event, and then none."""

    async def events() -> AsyncIterator[str]:
        yield "data: tick\n\n"
        await asyncio.Event().wait()

    return StreamingResponse(events(), media_type="text/event-stream")


class Passing(BaseHTTPMiddleware):
    """Starlette's own base class, which puts a stream of its own around the answer."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Nothing."""
        return await call_next(request)


@pytest.fixture(scope="module")
def verifier() -> MemoryVerifier:
    return MemoryVerifier()


@pytest.fixture(scope="module", params=["alone", "around others", "inside compression"])
def url(request: pytest.FixtureRequest, verifier: MemoryVerifier) -> Iterator[str]:
    tokens = Middleware(TokenMiddleware, verifier=verifier, recheck_seconds=0.2)
    stack = {
        "alone": [tokens],
        "around others": [tokens, Middleware(Passing)],
        "inside compression": [Middleware(GZipMiddleware), tokens],
    }[request.param]
    routes = [Route("/ticks", requires("a")(ticks)), Route("/quiet", requires("a")(quiet))]
    with running(Starlette(routes=routes, middleware=stack)) as address:
        yield address


def _take_scope(verifier: MemoryVerifier, secret: Secret) -> None:
    verifier.grant(secret, "b")


@pytest.mark.parametrize("take", [MemoryVerifier.refuse, _take_scope])
@pytest.mark.parametrize("path", ["/ticks", "/quiet"])
async def test_a_client_sees_a_broken_answer_and_never_a_complete_one(
    url: str, verifier: MemoryVerifier, path: str, take: object
) -> None:
    assert callable(take)
    secret = verifier.issue("a")
    headers = {"Authorization": f"Bearer {secret.reveal()}"}
    async with (
        httpx.AsyncClient(timeout=ANSWER_SECONDS_MAX, trust_env=False) as client,
        client.stream("GET", url + path, headers=headers) as answer,
    ):
        assert answer.status_code == 200
        parts = answer.aiter_raw()
        assert await anext(parts)
        take(verifier, secret)
        with pytest.raises(httpx.RemoteProtocolError):
            async for _ in parts:
                pass
        again = await client.get(url + path, headers=headers)
        assert again.status_code in (401, 403)
