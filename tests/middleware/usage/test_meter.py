"""What a request counts as: once, whatever way it takes through rules, and with the scopes that let it in."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
import strawberry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from spacekey import TokenMiddleware, all_of, any_of, auth_of, optional, protect, public, requires
from spacekey.domain.authentication import Reason, Rejected
from spacekey.domain.principal import Kind, Limit, Principal
from spacekey.domain.usage import TokenUse, UsageBatch
from spacekey.middleware.graphql import OnDenied, ScopedGraphQL, ScopedSchema, ScopeEnforcement, requires_scopes
from spacekey.middleware.limits.memory import MemoryLimiter
from spacekey.middleware.usage.collector import UsageCollector
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import bearer, call, talk
from support.world import StoppedClock

VERIFIER = MemoryVerifier()


class Kept:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.rows: list[TokenUse] = []

    async def send(self, batch: UsageBatch) -> None:
        self.rows += batch.uses

    async def aclose(self) -> None:
        """Nothing."""


@requires("a", "b")
async def both(request: Request) -> Response:
    return PlainTextResponse("ok")


@requires(any_of("x", all_of("a", "b"), "c"))
async def either(request: Request) -> Response:
    return PlainTextResponse("ok")


@requires()
async def anybody(request: Request) -> Response:
    return PlainTextResponse("ok")


@requires("a")
async def breaks(request: Request) -> Response:
    raise RuntimeError


@requires("a")
def in_a_thread(request: Request) -> Response:
    return PlainTextResponse("ok")


@optional
async def looks_itself(request: Request) -> Response:
    refusal = await auth_of(request.scope).authorize(requires("c"))
    return refusal or PlainTextResponse("ok")


@public
async def open_to_all(request: Request) -> Response:
    return PlainTextResponse("ok")


@requires("a", space_param="space_id")
async def of_a_space(request: Request) -> Response:
    return PlainTextResponse("ok")


@requires("a")
async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("ok")
    await websocket.close()


@strawberry.type
class Query:
    """Fields with rules."""

    @strawberry.field(directives=[requires_scopes("a")])
    def one(self) -> str:
        return "1"

    @strawberry.field(directives=[requires_scopes(any_of("x", "b"))])
    def two(self) -> str | None:
        return "2"

    @strawberry.field(directives=[requires_scopes("c")])
    def three(self) -> str | None:
        return "3"


def graphql(mode: OnDenied) -> ASGIApp:
    return optional(
        ScopedGraphQL(ScopedSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False, on_denied=mode)))
    )


def make_app(usage: UsageCollector, **options: Any) -> ASGIApp:
    async def resolve_workspace(space_id: str) -> str | None:
        return "ws_1" if space_id == "space_1" else None

    return Starlette(
        routes=[
            Route("/both", both),
            Route("/either", either),
            Route("/anybody", anybody),
            Route("/breaks", breaks),
            Route("/thread", in_a_thread),
            Route("/itself", looks_itself),
            Route("/public", open_to_all),
            Route("/spaces/{space_id}", of_a_space),
            Mount("/inner", protect(Starlette(routes=[Route("/both", both)]), "c")),
            WebSocketRoute("/socket", socket),
            Route("/reject", graphql("reject"), methods=["POST", "GET"]),
            Route("/filter", graphql("null"), methods=["POST", "GET"]),
        ],
        middleware=[
            Middleware(TokenMiddleware, verifier=VERIFIER, usage=usage, resolve_workspace=resolve_workspace, **options)
        ],
    )


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def usage(kept: Kept) -> UsageCollector:
    return UsageCollector(kept, now=StoppedClock())


FULL = VERIFIER.issue("a", "b", "c", space_id="space_1").reveal()
POOR = VERIFIER.issue("b", workspace_id="ws_1").reveal()
WIDE = VERIFIER.issue("a", "b", "c", workspace_id="ws_1").reveal()
MEMBER = VERIFIER.issue_to(Principal("usr_1", Kind.MEMBER, frozenset("abc"))).reveal()
DEAD = VERIFIER.issue("a")
VERIFIER.refuse(DEAD, Reason.REVOKED)

ALLOWED: dict[str, tuple[str, str]] = {
    "all of a rule": ("/both", "a b"),
    "the alternative that was satisfied": ("/either", "a b"),
    "no scope where none is asked for": ("/anybody", ""),
    "a rule decided in a worker thread": ("/thread", "a"),
    "both rules of two that stand one behind the other": ("/inner/both", "a b c"),
    "a rule the endpoint holds itself to": ("/itself", "c"),
    "a rule about a space": ("/spaces/space_1", "a"),
    "every field of an operation": ("/reject?query={one two}", "a b"),
    "an operation without rules": ("/reject?query={__typename}", ""),
}


async def _counted(app: ASGIApp, usage: UsageCollector, kept: Kept, path: str, token: str) -> list[TokenUse]:
    where, _, query = path.partition("?")
    await call(app, "GET", where, bearer(token), query=query.replace(" ", "%20").encode())
    await usage.flush()
    return [replace(row, token_id="") for row in kept.rows]


@pytest.mark.parametrize("name", ALLOWED)
async def test_a_request_that_is_let_in_counts_once_with_the_scopes_of(
    name: str, usage: UsageCollector, kept: Kept
) -> None:
    path, scopes = ALLOWED[name]
    now = StoppedClock().now
    wanted = TokenUse("", now, "127.0.0.1", allowed=1, scopes=tuple(scopes.split()))
    assert await _counted(make_app(usage), usage, kept, path, FULL) == [wanted]


async def test_a_workspace_token_that_the_app_lets_into_a_space_counts_too(usage: UsageCollector, kept: Kept) -> None:
    rows = await _counted(make_app(usage), usage, kept, "/spaces/space_1", WIDE)
    assert [(row.allowed, row.denied, row.scopes) for row in rows] == [(1, 0, ("a",))]


@pytest.mark.parametrize("path", ["/both", "/itself", "/inner/both", "/reject?query={one two}", "/thread"])
async def test_a_good_token_without_the_scope_is_denied_once_and_used(
    path: str, usage: UsageCollector, kept: Kept
) -> None:
    wanted = TokenUse("", StoppedClock().now, "127.0.0.1", denied=1)
    assert await _counted(make_app(usage), usage, kept, path, POOR) == [wanted]


async def test_fields_that_are_filtered_out_leave_the_operation_allowed(usage: UsageCollector, kept: Kept) -> None:
    rows = await _counted(make_app(usage), usage, kept, "/filter?query={two three}", POOR)
    assert [(row.allowed, row.denied, row.scopes) for row in rows] == [(1, 0, ("b",))]


async def test_a_token_in_another_space_is_denied(usage: UsageCollector, kept: Kept) -> None:
    rows = await _counted(make_app(usage), usage, kept, "/spaces/space_2", FULL)
    assert [(row.allowed, row.denied) for row in rows] == [(0, 1)]


async def test_a_dead_token_is_denied_and_not_used(usage: UsageCollector, kept: Kept) -> None:
    rows = await _counted(make_app(usage), usage, kept, "/both", DEAD.reveal())
    assert [(row.allowed, row.denied, row.used) for row in rows] == [(0, 1, False)]


@pytest.mark.parametrize(
    ("path", "token"),
    [("/both", ""), ("/both", "nonsense"), ("/public", FULL), ("/both", MEMBER), ("/nowhere", FULL)],
    ids=["no token", "nonsense", "a public route", "a member", "no route"],
)
async def test_nobody_members_and_public_routes_count_nothing(
    path: str, token: str, usage: UsageCollector, kept: Kept
) -> None:
    assert await _counted(make_app(usage), usage, kept, path, token) == []


async def test_an_outage_counts_nothing(usage: UsageCollector, kept: Kept) -> None:
    VERIFIER.outage = "down"
    try:
        assert await _counted(make_app(usage), usage, kept, "/both", FULL) == []
    finally:
        VERIFIER.outage = None


async def test_a_request_that_breaks_the_app_was_let_in_all_the_same(usage: UsageCollector, kept: Kept) -> None:
    with pytest.raises(RuntimeError):
        await call(make_app(usage), "GET", "/breaks", bearer(FULL))
    await usage.flush()
    assert [(row.allowed, row.scopes) for row in kept.rows] == [(1, ("a",))]


async def test_a_request_over_the_limit_is_limited_and_nothing_else(usage: UsageCollector, kept: Kept) -> None:
    token = VERIFIER.issue("a", "b", rate_limit=Limit(per_minute=1, burst=1)).reveal()
    app = make_app(usage, limits=MemoryLimiter())
    answers = [await call(app, "GET", "/both", bearer(token)) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 429, 429]
    await usage.flush()
    assert [(row.allowed, row.denied, row.limited) for row in kept.rows] == [(1, 0, 2)]


async def test_a_socket_counts_when_it_is_accepted(usage: UsageCollector, kept: Kept) -> None:
    counted: list[int] = []

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Any) -> None:
            counted.append(usage.waiting)
            await send(message)

        await make_app(usage)(scope, receive, sending)

    said = await talk(noting, "/socket", bearer(FULL))
    assert said.texts == ["ok"]
    assert counted[0] == 1
    denied = await talk(make_app(usage), "/socket", bearer(POOR))
    assert not denied.accepted
    await usage.flush()
    assert sorted((row.allowed, row.denied, row.scopes) for row in kept.rows) == [(0, 1, ()), (1, 0, ("a",))]


async def test_a_socket_that_was_counted_counts_each_later_operation(usage: UsageCollector, kept: Kept) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        auth = auth_of(websocket.scope)
        auth.record_operation(frozenset("b"))
        auth.record_operation(None)
        await websocket.close()

    app = TokenMiddleware(Starlette(routes=[WebSocketRoute("/socket", requires("a")(endpoint))]), VERIFIER, usage=usage)
    await talk(app, "/socket", bearer(FULL))
    await usage.flush()
    assert [(row.allowed, row.denied, row.scopes) for row in kept.rows] == [(2, 1, ("a", "b"))]


async def test_a_credential_that_comes_later_counts_when_it_is_not_good(usage: UsageCollector, kept: Kept) -> None:
    outcomes = []

    @optional
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        outcomes.append(await auth_of(websocket.scope).authenticate_with(DEAD))
        await websocket.close()

    app = TokenMiddleware(Starlette(routes=[WebSocketRoute("/socket", endpoint)]), VERIFIER, usage=usage)
    await talk(app, "/socket")
    await usage.flush()
    assert isinstance(outcomes[0], Rejected)
    assert [(row.allowed, row.denied, row.used) for row in kept.rows] == [(0, 1, False)]


async def test_the_verifiers_own_collector_is_taken_unless_another_is_named(usage: UsageCollector, kept: Kept) -> None:
    class Counting(MemoryVerifier):
        def __init__(self, usage: UsageCollector) -> None:
            super().__init__()
            self.usage = usage

    verifier = Counting(usage)
    token = verifier.issue("a", "b").reveal()
    other_kept = Kept()
    other = UsageCollector(other_kept, now=StoppedClock())
    for collector in (None, other):
        app = TokenMiddleware(Starlette(routes=[Route("/both", both)]), verifier, usage=collector)
        await call(app, "GET", "/both", bearer(token))
    await usage.flush()
    await other.flush()
    assert ([row.allowed for row in kept.rows], [row.allowed for row in other_kept.rows]) == ([1], [1])


async def test_a_slow_sink_keeps_no_request_waiting() -> None:
    sending, release = asyncio.Event(), asyncio.Event()

    class Slow(Kept):
        async def send(self, batch: UsageBatch) -> None:
            sending.set()
            await release.wait()
            await super().send(batch)

    sink = Slow()
    usage = UsageCollector(sink, now=StoppedClock())
    app = make_app(usage)
    await call(app, "GET", "/both", bearer(FULL))
    flush = asyncio.create_task(usage.flush())
    await sending.wait()
    assert (await call(app, "GET", "/both", bearer(FULL))).status == 200
    release.set()
    await flush
    await usage.aclose()
    assert sum(row.allowed for row in sink.rows) == 2
