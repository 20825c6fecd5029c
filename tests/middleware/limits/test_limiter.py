"""What every limiter promises, an observed limiter, and an app with one: a token over its limit is answered 429."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import requires as starlette_requires
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from spacekey import Limiter, MemoryLimiter, RateLimiting, TokenMiddleware, auth_of, optional, public, requires
from spacekey.domain.authentication import Authenticated
from spacekey.domain.errors import ConfigurationError, RuleError
from spacekey.domain.principal import Kind, Limit, Principal
from spacekey.domain.secret import Secret
from spacekey.middleware.limits.limiter import Decision, ObservedLimiter
from spacekey.middleware.limits.redis import RedisLimiter
from spacekey.middleware.verifiers.cached import CachedVerifier, Reading
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import bearer, call, talk
from support.redis_server import RedisServer

LIMIT = Limit(per_minute=60, burst=3)


class Clock:
    """Virtual time."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def answer(request: Request) -> Response:
    """Who comes here is through."""
    return PlainTextResponse("through")


async def greet(websocket: WebSocket) -> None:
    """Who comes here is through."""
    await websocket.accept()
    await websocket.send_text("through")
    await websocket.close()


def app_with(verifier: Any, limits: Limiter | RateLimiting | None) -> Starlette:
    """Every sort of route."""

    async def other(request: Request) -> Response:
        return await answer(request)

    async def free(request: Request) -> Response:
        return await answer(request)

    async def dear(request: Request) -> Response:
        return await answer(request)

    async def open_to_all(request: Request) -> Response:
        return await answer(request)

    async def for_some(request: Request) -> Response:
        return await answer(request)

    async def twice(request: Request) -> Response:
        return await answer(request)

    routes = [
        Route("/jobs", requires("jobs:read")(answer)),
        Route("/denied", requires("jobs:create")(other)),
        Route("/free", requires("jobs:read", cost=0)(free)),
        Route("/dear", requires("jobs:read", cost=3)(dear)),
        Route("/dearer", requires("jobs:read", cost=4)(dear)),
        Route("/public", public(open_to_all)),
        Route("/optional", optional(for_some)),
        Route("/twice", requires("jobs:read")(starlette_requires("jobs:read")(twice))),
        WebSocketRoute("/socket", requires("jobs:read")(greet)),
    ]
    return Starlette(routes=routes, middleware=[Middleware(TokenMiddleware, verifier=verifier, limits=limits)])


class Waiting:
    """A limiter that always has to be waited for, as one over Redis."""

    def __init__(self, inner: MemoryLimiter) -> None:
        self.inner = inner
        self.charges = 0

    def charge_at_once(self, key: str, limit: Limit, cost: int = 1) -> Decision | None:
        """Never."""
        return None

    async def charge(self, key: str, limit: Limit, cost: int = 1) -> Decision:
        """The inner one's."""
        self.charges += 1
        return self.inner.charge_at_once(key, limit, cost)

    async def aclose(self) -> None:
        """Nothing."""


@pytest.fixture
def clock() -> Clock:
    """Virtual time."""
    return Clock()


@pytest.fixture
def memory() -> MemoryVerifier:
    """Tokens."""
    return MemoryVerifier()


@pytest.fixture(params=["at once", "waiting"])
def limits(request: pytest.FixtureRequest, clock: Clock) -> Limiter:
    """A limiter that answers at once, and one that does not."""
    inner = MemoryLimiter(clock=clock)
    return inner if request.param == "at once" else Waiting(inner)


@pytest.fixture(params=["memory", "warm"])
def verifier(request: pytest.FixtureRequest, memory: MemoryVerifier) -> Any:
    """Without and with a cache, whose hits take the warm path."""

    async def read(secret: Secret) -> Reading:
        return Reading(await memory.verify(secret), 3_600.0)

    return memory if request.param == "memory" else CachedVerifier(read)


async def test_the_burst_passes_then_429_then_one_an_interval(
    memory: MemoryVerifier, verifier: Any, limits: Limiter, clock: Clock
) -> None:
    app, token = app_with(verifier, limits), bearer(memory.issue("jobs:read", rate_limit=LIMIT).reveal())
    answers = [await call(app, "GET", "/jobs", token) for _ in range(4)]
    assert [one.status for one in answers] == [200, 200, 200, 429]
    assert [one.headers["ratelimit"] for one in answers] == [
        '"default";r=2;t=1',
        '"default";r=1;t=1',
        '"default";r=0;t=1',
        '"default";r=0;t=1',
    ]
    assert {one.headers["ratelimit-policy"] for one in answers} == {'"default";q=60;w=60;spacekey-burst=3'}
    assert ["retry-after" in one.headers for one in answers] == [False, False, False, True]
    clock.now += int(answers[-1].headers["retry-after"])
    assert (await call(app, "GET", "/jobs", token)).status == 200
    assert (await call(app, "GET", "/jobs", token)).status == 429


async def test_the_refusal_is_a_problem_document(memory: MemoryVerifier, clock: Clock) -> None:
    app, token = app_with(memory, MemoryLimiter(clock=clock)), bearer(memory.issue(rate_limit=Limit(1, 1)).reveal())
    await call(app, "GET", "/jobs", token)
    refused = await call(app, "GET", "/jobs", token)
    assert refused.problem == {
        "type": "urn:spacekey:problem:rate_limited",
        "title": "Too many requests",
        "status": 429,
        "detail": "The token has made too many requests. Try again later.",
        "code": "rate_limited",
        "violated-policies": ["default"],
    }
    shown = {name: refused.headers[name] for name in ("retry-after", "ratelimit", "cache-control", "vary")}
    assert shown == {
        "retry-after": "60",
        "ratelimit": '"default";r=0;t=60',
        "cache-control": "no-store",
        "vary": "Authorization",
    }


ITEM = r'"[a-z]+"(;[a-z*][a-z0-9_.*-]*=\d+)+'
"""A String with Integer parameters (RFC 9651 §3.3.3, §3.1.2), which is all that these fields use here."""


@pytest.mark.parametrize("limit", [Limit(1, 1), Limit(100, 20), Limit(1_000, 100), Limit(60_000, 1)])
async def test_the_fields_are_structured_and_retry_after_is_not_before_the_reset(
    limit: Limit, memory: MemoryVerifier, clock: Clock
) -> None:
    app, token = (
        app_with(memory, MemoryLimiter(clock=clock)),
        bearer(memory.issue("jobs:read", rate_limit=limit).reveal()),
    )
    for _ in range(limit.burst + 2):
        answered = await call(app, "GET", "/jobs", token)
        assert re.fullmatch(ITEM, answered.headers["ratelimit-policy"])
        field = re.fullmatch(r'"default";r=(\d+);t=(\d+)', answered.headers["ratelimit"])
        assert field is not None
        assert int(field[2]) >= 1
        assert int(answered.headers.get("retry-after", "3600")) >= int(field[2])
    assert answered.status == 429


async def test_a_request_counts_once_also_when_it_is_denied(
    memory: MemoryVerifier, verifier: Any, limits: Limiter
) -> None:
    app, token = app_with(verifier, limits), bearer(memory.issue("jobs:read", rate_limit=LIMIT).reveal())
    statuses = [
        (await call(app, "GET", path, token)).status for path in ("/denied", "/optional", "/twice", "/denied", "/jobs")
    ]
    assert statuses == [403, 200, 200, 429, 429]


async def test_what_nobody_is_asked_about_costs_nothing(memory: MemoryVerifier, verifier: Any, limits: Limiter) -> None:
    app, token = app_with(verifier, limits), bearer(memory.issue("jobs:read", rate_limit=LIMIT).reveal())
    for _ in range(5):
        for path, status in (("/public", 200), ("/nowhere", 404)):
            answered = await call(app, "GET", path, token)
            assert (answered.status, "ratelimit" in answered.headers) == (status, False)
    assert (await call(app, "GET", "/jobs", token)).headers["ratelimit"].startswith('"default";r=2')


async def test_a_route_may_cost_more_or_nothing(memory: MemoryVerifier, verifier: Any, limits: Limiter) -> None:
    app, token = app_with(verifier, limits), bearer(memory.issue("jobs:read", rate_limit=LIMIT).reveal())
    free = [await call(app, "GET", "/free", token) for _ in range(5)]
    assert [(one.status, "ratelimit" in one.headers) for one in free] == [(200, False)] * 5
    assert (await call(app, "GET", "/dear", token)).status == 200
    assert (await call(app, "GET", "/jobs", token)).status == 429
    assert (await call(app, "GET", "/free", token)).status == 200  # also when the limit is used up
    too_dear = await call(app, "GET", "/dearer", token)
    assert (too_dear.status, "retry-after" in too_dear.headers) == (429, False)


async def test_whoever_has_no_limit_passes(memory: MemoryVerifier, verifier: Any, limits: Limiter) -> None:
    member = Principal("usr_1", Kind.MEMBER, frozenset(("jobs:read",)))
    for secret in (memory.issue("jobs:read"), memory.issue_to(member)):
        app = app_with(verifier, limits)
        answers = [await call(app, "GET", "/jobs", bearer(secret.reveal())) for _ in range(30)]
        assert {(one.status, "ratelimit" in one.headers) for one in answers} == {(200, False)}


async def test_tokens_do_not_share_a_limit(memory: MemoryVerifier, verifier: Any, limits: Limiter) -> None:
    app = app_with(verifier, limits)
    one, two = (bearer(memory.issue("jobs:read", rate_limit=LIMIT).reveal()) for _ in range(2))
    for _ in range(4):
        await call(app, "GET", "/jobs", one)
    assert (await call(app, "GET", "/jobs", two)).status == 200


async def test_refused_credentials_are_401_and_not_429(memory: MemoryVerifier, verifier: Any, limits: Limiter) -> None:
    app, secret = app_with(verifier, limits), memory.issue("jobs:read", rate_limit=LIMIT)
    memory.refuse(secret)
    assert {(await call(app, "GET", "/jobs", bearer(secret.reveal()))).status for _ in range(9)} == {401}


async def test_a_websocket_is_charged_at_its_handshake(memory: MemoryVerifier, verifier: Any, limits: Limiter) -> None:
    app, token = app_with(verifier, limits), bearer(memory.issue("jobs:read", rate_limit=LIMIT).reveal())
    for _ in range(3):
        assert (await talk(app, "/socket", token)).texts == ["through"]
    assert (await talk(app, "/socket", token)).denied_with == 4429
    denied = await talk(app, "/socket", token, denial_response=True)
    assert denied.denied_with == 429
    assert b"retry-after" in dict(denied.sent[0]["headers"])


async def test_a_limiter_that_fails_stops_nobody(memory: MemoryVerifier, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Waiting):
        async def charge(self, key: str, limit: Limit, cost: int = 1) -> Decision:
            raise RuntimeError(key)

    app = app_with(memory, Broken(MemoryLimiter()))
    token = bearer(memory.issue("jobs:read", rate_limit=LIMIT).reveal())
    assert {(await call(app, "GET", "/jobs", token)).status for _ in range(5)} == {200}
    assert "the limiter failed with RuntimeError" in caplog.text


async def test_a_limiter_is_waited_for_once_a_request(memory: MemoryVerifier, verifier: Any) -> None:
    limiter = Waiting(MemoryLimiter())
    app, token = app_with(verifier, limiter), bearer(memory.issue("jobs:read", rate_limit=LIMIT).reveal())
    await call(app, "GET", "/twice", token)
    assert limiter.charges == 1


async def test_a_warm_request_with_a_limit_waits_for_nothing(memory: MemoryVerifier) -> None:
    """The guard hands over to the app without a coroutine of its own: nothing of ours is awaited."""
    secret = memory.issue("jobs:read", rate_limit=LIMIT)
    verdict = await memory.verify(secret)
    assert isinstance(verdict, Authenticated)

    async def read(_: Secret) -> Reading:
        return Reading(verdict, 3_600.0)

    cache = CachedVerifier(read)
    await cache.verify(secret)
    passed: list[bool] = []

    async def look(scope: Any, receive: Any, send: Any) -> None:
        passed.append(auth_of(scope).authorize_cached(requires("jobs:read")))

    middleware = TokenMiddleware(public(look), cache, limits=MemoryLimiter())
    waiting: Awaitable[None] = middleware(
        {
            "type": "http",
            "method": "GET",
            "path": "/",
            "headers": bearer(secret.reveal()),
            "query_string": b"",
        },
        _nothing,
        _nothing,
    )
    await waiting
    assert passed == [True]


async def _nothing(*_: Any) -> Any:
    raise AssertionError


def test_a_negative_cost_is_refused() -> None:
    with pytest.raises(RuleError, match="0 or more"):
        requires("jobs:read", cost=-1)


def test_two_declarations_cost_what_the_dearer_one_costs() -> None:
    cheap, dear, plain = requires("a", cost=0), requires("b", cost=3), requires("c")
    assert ((cheap & dear).cost, (cheap & plain).cost, (plain & plain).cost) == (3, 0, None)


async def test_a_limit_reaches_the_middleware_by_introspection_too() -> None:
    from spacekey.middleware.verifiers.remote import reading_of

    answered = reading_of(
        {
            "active": True,
            "sub": "key_1",
            "kind": "workspace",
            "workspace_id": "ws_1",
            "scope": "jobs:read",
            "exp": datetime(2100, 1, 1, tzinfo=UTC).timestamp(),
            "rate_limit": {"per_minute": 60, "burst": 3},
        }
    )
    assert isinstance(answered.verdict, Authenticated)
    assert answered.verdict.principal.rate_limit == LIMIT


async def test_one_limit_for_the_app_holds_whatever_a_token_s_own_is(
    memory: MemoryVerifier, verifier: Any, limits: Limiter
) -> None:
    app = app_with(verifier, RateLimiting(limits, Limit(60, 2)))
    for own in (None, Limit(1, 1), Limit(1_000, 100)):
        token = bearer(memory.issue("jobs:read", rate_limit=own).reveal())
        answers = [await call(app, "GET", "/jobs", token) for _ in range(3)]
        assert [one.status for one in answers] == [200, 200, 429]
        assert answers[0].headers["ratelimit-policy"].startswith('"default";q=60;w=60')


def test_a_limit_that_nothing_charges_is_refused(memory: MemoryVerifier) -> None:
    with pytest.raises(ConfigurationError, match="give a limiter"):
        RateLimiting(limit=Limit(60, 2))


# --- what every limiter promises


SLOW = Limit(per_minute=30, burst=5)
"""So slow that what a busy machine takes does not matter, and so fast that a young Redis is soon past its start."""
FAST = Limit(per_minute=6_000, burst=5)

_numbers = count()


@pytest.fixture(params=["memory", "redis"])
async def limiter(request: pytest.FixtureRequest) -> AsyncIterator[Limiter]:
    """Each limiter in turn."""
    made: Limiter
    if request.param == "memory":
        made = MemoryLimiter()
    else:
        server: RedisServer = request.getfixturevalue("steady_redis")
        made = RedisLimiter(server.url, timeout_seconds=0.9)  # the machine may be busy; outages are tested elsewhere
    yield made
    await made.aclose()


@pytest.fixture
def key() -> str:
    """An unused key."""
    return f"key_{next(_numbers)}"


async def test_a_burst_passes_and_no_more(limiter: Limiter, key: str) -> None:
    decisions = [await limiter.charge(key, SLOW) for _ in range(8)]
    assert [one.allowed for one in decisions] == [True] * 5 + [False] * 3
    assert [one.remaining for one in decisions] == [4, 3, 2, 1, 0, 0, 0, 0]
    assert all(one.limit is SLOW for one in decisions)


async def test_charges_at_the_same_moment_do_not_slip_past_each_other(
    limiter: Limiter, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Made again if the machine was so busy that Redis counted as silent, when the process's own share is charged."""
    silent = True
    while silent:
        before, key = caplog.text.count("Redis cannot be asked"), f"{key}+"
        started = time.monotonic()
        decisions = await asyncio.gather(*(limiter.charge(key, SLOW) for _ in range(40)))
        returned = int((time.monotonic() - started) * SLOW.per_minute / 60)
        silent = caplog.text.count("Redis cannot be asked") != before
        while caplog.text.count("Redis cannot be asked") != caplog.text.count("Redis is asked again"):
            await limiter.charge(f"{key} another", SLOW)
            await asyncio.sleep(0.01)
    assert 5 <= sum(one.allowed for one in decisions) <= 5 + returned


async def test_a_refusal_costs_nothing_and_tells_when_to_come_again(limiter: Limiter, key: str) -> None:
    for _ in range(5):
        await limiter.charge(key, SLOW)
    waits = [(await limiter.charge(key, SLOW)).retry_after_seconds for _ in range(5)]
    assert waits == sorted(waits, key=lambda wait: -(wait or 0.0))  # it only comes nearer
    assert 0 < (waits[0] or 0) <= 2


async def test_who_comes_when_told_to_is_admitted(limiter: Limiter, key: str) -> None:
    for _ in range(5):
        await limiter.charge(key, FAST)
    while (decision := await limiter.charge(key, FAST, 5)).allowed:
        pass  # on a busy machine some of it has come back already
    await asyncio.sleep((decision.retry_after_seconds or 0) + 0.001)
    assert (await limiter.charge(key, FAST, 5)).allowed


async def test_cost_is_charged_whole_or_not_at_all(limiter: Limiter, key: str) -> None:
    assert (await limiter.charge(key, SLOW, 4)).remaining == 1
    refused = await limiter.charge(key, SLOW, 2)
    assert (refused.allowed, refused.remaining) == (False, 1)
    assert (await limiter.charge(key, SLOW, 1)).allowed


async def test_a_cost_above_the_burst_never_passes_and_says_so(limiter: Limiter, key: str) -> None:
    decision = await limiter.charge(key, SLOW, 6)
    assert (decision.allowed, decision.retry_after_seconds, decision.remaining) == (False, None, 5)


async def test_looking_costs_nothing(limiter: Limiter, key: str) -> None:
    looks = [await limiter.charge(key, SLOW, 0) for _ in range(20)]
    assert {(one.allowed, one.remaining, one.reset_seconds) for one in looks} == {(True, 5, 0.0)}


async def test_keys_do_not_share(limiter: Limiter, key: str) -> None:
    for _ in range(6):
        await limiter.charge(key, SLOW)
    assert (await limiter.charge(f"{key} another", SLOW)).remaining == 4


async def test_what_can_be_answered_at_once_is_not_charged_twice(limiter: Limiter, key: str) -> None:
    at_once = limiter.charge_at_once(key, SLOW)
    after = await limiter.charge(key, SLOW)
    assert after.remaining == (4 if at_once is None else 3)


async def test_a_changed_limit_holds_at_once(limiter: Limiter, key: str) -> None:
    for _ in range(5):
        await limiter.charge(key, SLOW)
    faster = await limiter.charge(key, FAST)
    assert faster.retry_after_seconds is not None
    assert faster.retry_after_seconds <= 0.05


# --- an observed limiter decides as the one inside, and each decision is told once


ONE_A_MINUTE = Limit(per_minute=1, burst=1)


class Told:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.decisions: list[bool] = []

    def limit_decision(self, allowed: bool) -> None:
        """Write it down."""
        self.decisions.append(allowed)


class AnsweringLater(MemoryLimiter):
    """Never decides at once, as over Redis."""

    closed = False

    def charge_at_once(self, key: str, limit: Limit, cost: int = 1) -> Decision | None:  # type: ignore[override]
        """Nothing yet."""
        return None

    async def charge(self, key: str, limit: Limit, cost: int = 1) -> Decision:
        """Memory's."""
        return super().charge_at_once(key, limit, cost)

    async def aclose(self) -> None:
        """Noted."""
        self.closed = True


async def test_decisions_at_once_are_told() -> None:
    told, limiter = Told(), MemoryLimiter(clock=lambda: 1.0)
    counted = ObservedLimiter(limiter, told)
    answers = [counted.charge_at_once("key_1", ONE_A_MINUTE) for _ in range(2)]
    assert [answer is not None and answer.allowed for answer in answers] == told.decisions == [True, False]


async def test_decisions_that_are_waited_for_are_told_once() -> None:
    told, limiter = Told(), AnsweringLater(clock=lambda: 1.0)
    counted = ObservedLimiter(limiter, told)
    assert counted.charge_at_once("key_1", ONE_A_MINUTE) is None
    assert told.decisions == []
    answers = [await counted.charge("key_1", ONE_A_MINUTE) for _ in range(2)]
    assert [answer.allowed for answer in answers] == told.decisions == [True, False]
    await counted.aclose()
    assert limiter.closed


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limit(per_minute=1, burst=1), "write a limiter, such as MemoryLimiter()"),
        (60, "RateLimiting(MemoryLimiter(), limit=Limit(…)) has one limit for all"),
        (MemoryLimiter, "limits=MemoryLimiter: that is a class; write MemoryLimiter(…)"),
    ],
)
def test_what_is_no_limiter_is_refused_with_what_to_write(limits: Any, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        TokenMiddleware(Starlette(), MemoryVerifier(), limits=limits)
    assert said in str(refused.value)
