"""One connection with several ASGI scopes: parts of a batch, apps asked in turn, middleware nested in middleware.

A middleware may hand on copies of the scope, several at once, or change what is in it. Whose data is served, and who
the caller is, must not depend on that.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import strawberry
from starlette.applications import Starlette
from starlette.authentication import SimpleUser
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from spacekey import TokenMiddleware, auth_of, optional, protect, public, requires
from spacekey.domain.authentication import Anonymous, Authenticated, AuthenticationResult, Unavailable, Verdict
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import Verifier
from spacekey.middleware.graphql import ScopedGraphQL, ScopedSchema, ScopeEnforcement, requires_scopes
from spacekey.verifiers import MemoryVerifier, VerifierChain
from support.asgi_calls import bearer, call
from support.open_connection import OpenConnection
from support.virtual_time import VirtualLoop, in_virtual_time

RULE = requires("data:read", space_param="space_id")
TURNS = 20


class Gated(MemoryVerifier):
    """Answers when it is let to."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = asyncio.Event()

    async def verify(self, secret: Secret) -> Verdict:
        await self.may_answer.wait()
        return await super().verify(secret)


class Batch:
    """Middleware with an endpoint for several requests at once, each with a copy of the scope."""

    def __init__(self, app: ASGIApp, release: Callable[[], None]) -> None:
        self.app = app
        self.release = release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/batch":
            await self.app(scope, receive, send)
            return
        parts = []
        for path in scope["query_string"].decode().split(","):
            parts.append(asyncio.create_task(self.part({**scope, "path": path, "raw_path": path.encode()})))
            for _ in range(TURNS):  # as far as it gets
                await asyncio.sleep(0)
        self.release()
        await JSONResponse(await asyncio.gather(*parts))(scope, receive, send)

    async def part(self, scope: Scope) -> list[object]:
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        return [sent[0]["status"], scope["path"]]


async def data(request: Request) -> Response:
    return PlainTextResponse(request.path_params["space_id"])


@pytest.mark.parametrize("declared", ["table", "endpoint"])
@pytest.mark.parametrize("kind", ["space", "workspace"])
async def test_parts_of_a_batch_are_each_decided_at_their_own_path(declared: str, kind: str) -> None:
    verifier, owner_known = Gated(), asyncio.Event()

    async def resolve_workspace(space_id: str) -> str | None:
        await owner_known.wait()
        return {"mine": "w1", "theirs": "w2"}.get(space_id)

    def release() -> None:
        verifier.may_answer.set()
        owner_known.set()

    token = verifier.issue("data:read", space_id="mine" if kind == "space" else None, workspace_id="w1").reveal()
    in_table: Any = {("GET", "/spaces/{space_id}"): RULE} if declared == "table" else {}
    app = Starlette(
        routes=[Route("/spaces/{space_id}", data if declared == "table" else RULE(data))],
        middleware=[
            Middleware(TokenMiddleware, verifier=verifier, resolve_workspace=resolve_workspace, rules=in_table),
            Middleware(Batch, release=release),
        ],
    )
    for warm in (False, True):
        if not warm:
            verifier.may_answer.clear()
        owner_known.clear()
        paths = ["/spaces/theirs", "/spaces/mine", "/spaces/theirs", "/spaces/mine", "/spaces/theirs"]
        answer = await call(app, "GET", "/batch", bearer(token), ",".join(paths).encode())
        assert answer.body == JSONResponse([[200 if "mine" in path else 403, path] for path in paths]).body


class Alias:
    """Middleware that points a path parameter elsewhere, in place or in a copy."""

    def __init__(self, app: ASGIApp, copy: bool) -> None:
        self.app = app
        self.copy = copy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.copy:
            scope = {**scope, "path_params": {**scope["path_params"], "space_id": "theirs"}}
        else:
            scope["path_params"]["space_id"] = "theirs"
        await self.app(scope, receive, send)


@pytest.mark.parametrize("copy", [False, True])
async def test_a_path_parameter_that_is_changed_on_the_way_is_decided_again(copy: bool) -> None:
    async def leaf(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("served")(scope, receive, send)

    verifier = MemoryVerifier()
    token = verifier.issue("data:read", space_id="mine").reveal()
    app = Starlette(
        routes=[Mount("/s/{space_id}", app=protect(Alias(protect(leaf, RULE), copy), RULE))],
        middleware=[Middleware(TokenMiddleware, verifier=verifier)],
    )
    assert (await call(app, "GET", "/s/mine/", bearer(token))).status == 403


class InTurn:
    """Asks apps one after the other until one does not answer with 404."""

    def __init__(self, *apps: ASGIApp, copy: bool = False) -> None:
        self.apps = apps
        self.copy = copy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for app in self.apps:
            sent: list[Message] = []

            async def keep(message: Message, kept: list[Message] = sent) -> None:
                kept.append(message)

            await app(dict(scope) if self.copy else scope, receive, keep)
            if sent[0]["status"] != 404:
                break
        for message in sent:
            await send(message)


async def gone(request: Request) -> Response:
    return Response(status_code=404)


async def who(request: Request) -> Response:
    return JSONResponse([getattr(request.user, "id", None), request.auth.scopes])


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("earlier_user", [False, True])
async def test_every_app_that_is_asked_in_turn_sees_the_tokens_principal(copy: bool, earlier_user: bool) -> None:
    verifier = MemoryVerifier()
    token = verifier.issue("x:read").reveal()
    apps = [Starlette(routes=[Route("/p", requires("x:read")(endpoint))]) for endpoint in (gone, who)]
    unseen = {("*", "/{path:path} (all of InTurn, whose routes cannot be seen)"): public}
    inner = TokenMiddleware(InTurn(*apps, copy=copy), verifier, rules=unseen)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if earlier_user:
            scope["user"] = SimpleUser("alice")
        await inner(scope, receive, send)

    answer = await call(app, "GET", "/p", bearer(token))
    assert (answer.status, answer.body) == (200, b'["key_1",["authenticated","x:read"]]')


@pytest.mark.parametrize("copied", [False, True])
async def test_middleware_around_sees_the_caller(copied: bool) -> None:
    verifier, seen = MemoryVerifier(), list[object]()
    token = verifier.issue("x:read").reveal()

    class Around:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await self.app(scope, receive, send)
            seen.append((getattr(scope["user"], "id", None), scope["spacekey"]))

    class Copying:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await self.app(dict(scope), receive, send)

    inside = [Middleware(Copying)] if copied else []
    app = Starlette(
        routes=[Route("/p", requires("x:read")(who))],
        middleware=[Middleware(Around), Middleware(TokenMiddleware, verifier=verifier), *inside],
    )
    assert (await call(app, "GET", "/p", bearer(token))).status == 200
    assert seen == [("key_1", None)]


@pytest.mark.parametrize("declare", [public, optional])
@pytest.mark.parametrize("sent", ["token", "cookie"])
async def test_the_user_of_one_middleware_is_not_kept_by_the_next(declare: Any, sent: str) -> None:
    async def by_cookie(connection: Any) -> AuthenticationResult:
        found = connection.headers.get("cookie")
        return Authenticated(Principal("usr_1", Kind.MEMBER, frozenset({"x:read"}))) if found else Anonymous()

    one, other = MemoryVerifier("aa"), MemoryVerifier("bb")
    first = TokenMiddleware(
        Starlette(routes=[Route("/p", requires("x:read")(gone))]), one, fallback_authenticator=by_cookie
    )
    second = TokenMiddleware(Starlette(routes=[Route("/p", declare(who))]), other)
    headers = bearer(one.issue("x:read").reveal()) if sent == "token" else [(b"cookie", b"s=1")]
    if sent == "token" and declare is optional:
        assert (await call(InTurn(first, second), "GET", "/p", headers)).status == 401
        return
    answer = await call(InTurn(first, second), "GET", "/p", headers)
    assert (answer.status, answer.body) == (200, b"[null,[]]")


START = datetime(2026, 1, 1, tzinfo=UTC)


def in_time(app: TokenMiddleware, loop: VirtualLoop) -> None:
    """Have an app's open connections verified by the loop's clock."""
    app.settings.rechecker.clock = loop.time
    app.settings.rechecker.now = lambda: START + timedelta(seconds=loop.time())


def test_a_recheck_of_the_outer_middleware_leaves_the_inner_ones_caller() -> None:
    class Inner(Verifier):
        async def verify(self, secret: Secret) -> Verdict:
            return Authenticated(Principal("key_inner", Kind.WORKSPACE, frozenset({"x:read"})))

    async def run(loop: VirtualLoop) -> None:
        outer, seen = MemoryVerifier(), list[object]()
        secret = outer.issue("x:read")

        @requires("x:read")
        async def stays(websocket: WebSocket) -> None:
            await websocket.accept()
            outer.grant(secret, "x:read", "admin:all")
            await asyncio.sleep(5.0)
            seen.append((websocket.user.id, sorted(websocket.user.scopes)))

        inner = TokenMiddleware(Starlette(routes=[WebSocketRoute("/ws", stays)]), Inner())
        app = TokenMiddleware(Starlette(routes=[Mount("/i", app=protect(inner, "x:read"))]), outer)
        in_time(inner, loop)
        in_time(app, loop)
        connection = OpenConnection(app, "/i/ws", secret.reveal(), "websocket")
        await connection.result()
        assert seen == [("key_inner", ["x:read"])]

    in_virtual_time(run)


def test_credentials_that_were_refused_do_not_bring_back_those_before() -> None:
    async def run(loop: VirtualLoop) -> None:
        verifier, seen = MemoryVerifier(), list[object]()
        secret = verifier.issue("x:read")

        @optional
        async def stays(websocket: WebSocket) -> None:
            await websocket.accept()
            seen.append(websocket.user.is_authenticated)
            await auth_of(websocket.scope).authenticate()
            seen.append(websocket.user.is_authenticated)
            await auth_of(websocket.scope).authenticate_with(Secret("unknown"))
            verifier.grant(secret, "x:read", "y:read")
            await asyncio.sleep(5.0)
            seen.append(websocket.user.is_authenticated)

        app = TokenMiddleware(Starlette(routes=[WebSocketRoute("/ws", stays)]), verifier)
        in_time(app, loop)
        await OpenConnection(app, "/ws", secret.reveal(), "websocket").result()
        assert seen[1:] == [True, False]

    in_virtual_time(run)


@strawberry.type
class Query:
    secret: str = strawberry.field(resolver=lambda: "served", directives=[requires_scopes("secret:read")])


@pytest.mark.parametrize("copied", [False, True])
def test_a_scope_that_was_taken_away_is_lost_to_a_graphql_socket_on_a_copy_too(copied: bool) -> None:
    graphql = ScopedGraphQL(ScopedSchema(Query, scopes=ScopeEnforcement()))

    async def copying(scope: Scope, receive: Receive, send: Send) -> None:
        await graphql(dict(scope) if copied else scope, receive, send)

    async def run(loop: VirtualLoop) -> None:
        verifier = MemoryVerifier()
        secret = verifier.issue("secret:read")
        app = TokenMiddleware(Starlette(routes=[Mount("/g", app=protect(copying, optional))]), verifier)
        in_time(app, loop)
        connection = OpenConnection(app, "/g/", secret.reveal(), "websocket")
        connection.scope["subprotocols"] = ["graphql-transport-ws"]
        answers = []
        for number, taken_away in enumerate((False, True)):
            if taken_away:
                verifier.grant(secret, "other:read")
                await asyncio.sleep(5.0)
            else:
                connection.say({"type": "websocket.receive", "text": '{"type": "connection_init"}'})
            subscribe = {"type": "subscribe", "id": str(number), "payload": {"query": "{ secret }"}}
            connection.say({"type": "websocket.receive", "text": json.dumps(subscribe)})
            await asyncio.sleep(1.0)
            answers.append([json.loads(each["text"])["type"] for _, each in connection.sent if "text" in each][-2:])
        connection.say({"type": "websocket.disconnect", "code": 1000})
        await connection.result()
        assert (answers[0], answers[1][-1]) == (["next", "complete"], "error")

    in_virtual_time(run)


class Noting(Verifier):
    """Notes every secret that it is shown, and refuses none that it does not know without waiting."""

    def __init__(self, inner: MemoryVerifier, shown: list[str]) -> None:
        self.inner = inner
        self.shown = shown

    def peek(self, authorization: bytes) -> Verdict | None:
        self.shown.append(authorization.decode())
        return None

    async def verify(self, secret: Secret) -> Verdict:
        self.shown.append(secret.reveal())
        return await self.inner.verify(secret)


@pytest.mark.parametrize("form", ["Bearer {}", "Bearer  {}", "bearer {}"])
@pytest.mark.parametrize("which", ["ours", "legacy", "bad checksum"])
async def test_a_chain_shows_a_secret_to_one_verifier_only(form: str, which: str) -> None:
    memory, ours, legacy = MemoryVerifier("sk"), list[str](), list[str]()
    good = memory.issue("x:read").reveal()
    text = {"ours": good, "legacy": "sk_legacy_1", "bad checksum": good[:-1] + ("0" if good[-1] != "0" else "1")}
    chain = VerifierChain({"sk": Noting(memory, ours)}, otherwise=Noting(MemoryVerifier("old"), legacy))
    app = TokenMiddleware(Starlette(routes=[Route("/p", requires("x:read")(who))]), chain)
    headers = [(b"authorization", form.format(text[which]).encode())]
    assert (await call(app, "GET", "/p", headers)).status == (200 if which == "ours" else 401)
    asked, spared = (ours, legacy) if which == "ours" else (legacy, ours)
    assert (bool(asked), spared) == (True, [])


class Odd(Verifier):
    """Says the same of every header, against its contract."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def peek(self, authorization: bytes) -> Verdict | None:
        return self.answer  # type: ignore[no-any-return]

    async def verify(self, secret: Secret) -> Verdict:
        raise AssertionError


@pytest.mark.parametrize("value", [b"Bearer ", b"Bearer a b", b"Bearer \xff", b"Bearer " + b"a" * 20_000])
@pytest.mark.parametrize("answer", ["valid", "flawed", "cannot tell", "true"])
async def test_a_malformed_header_is_malformed_whatever_a_verifier_says_of_it(value: bytes, answer: str) -> None:
    principal = Principal("key_1", Kind.WORKSPACE, frozenset({"x:read"}))
    flawed = Principal("key_1", "workspace", frozenset({"x:read"}))  # type: ignore[arg-type]
    said = {
        "valid": Authenticated(principal),
        "flawed": Authenticated(flawed),
        "cannot tell": Unavailable("down"),
        "true": True,
    }
    app = TokenMiddleware(Starlette(routes=[Route("/p", requires("x:read")(who))]), Odd(said[answer]))
    assert (await call(app, "GET", "/p", [(b"authorization", value)])).status == 400
