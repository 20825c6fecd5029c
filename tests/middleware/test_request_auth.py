"""One rule at two places of a path, copied scopes, and decisions about one connection at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spacekey import MemoryLimiter, TokenMiddleware, protect, requires
from spacekey.domain.authentication import AuthenticationResult, Verdict
from spacekey.domain.principal import Limit
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import Verifier
from spacekey.middleware.auth.authenticator import Authenticator
from spacekey.middleware.limits.limiter import Decision
from spacekey.middleware.request_auth import RequestAuth, Settings
from spacekey.middleware.usage.meter import Metering
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import bearer, call, http_scope

IN_SPACE = requires("jobs:read", space_param="space_id")


class Copying:
    """An ASGI middleware that hands on a scope of its own, as many do to add to it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app({**scope, "state": {}}, receive, send)


async def jobs(request: Request) -> Response:
    return JSONResponse([request.path_params["space_id"], request.user.identity, request.auth.scopes])


def sync_jobs(request: Request) -> Response:
    return JSONResponse([request.path_params["space_id"], request.user.identity, request.auth.scopes])


@pytest.mark.parametrize("endpoint", [jobs, sync_jobs])
@pytest.mark.parametrize("outer", [lambda app: protect(app, IN_SPACE), lambda app: app], ids=["guarded", "open"])
@pytest.mark.parametrize("workspace", [False, True], ids=["a space's token", "a workspace's token"])
async def test_a_rule_holds_for_the_space_of_every_place_of_a_path(
    endpoint: Callable[..., object], outer: Callable[[ASGIApp], ASGIApp], workspace: bool
) -> None:
    """The same rule, bound to a parameter that the inner path names again: it is the inner space that is entered."""

    async def resolve_workspace(space_id: str) -> str | None:
        return {"a": "ws_1", "b": "ws_2"}.get(space_id)

    verifier = MemoryVerifier()
    token = verifier.issue("jobs:read", space_id=None if workspace else "a", workspace_id="ws_1").reveal()
    inner = Starlette(routes=[Route("/jobs/{space_id}", IN_SPACE(endpoint))])
    app = Starlette(
        routes=[Mount("/{space_id}", app=outer(inner))],
        middleware=[Middleware(TokenMiddleware, verifier=verifier, resolve_workspace=resolve_workspace)],
    )
    assert (await call(app, "GET", "/a/jobs/a", bearer(token))).status == 200
    assert (await call(app, "GET", "/a/jobs/b", bearer(token))).status == 403


@pytest.mark.parametrize("endpoint", [jobs, sync_jobs])
async def test_a_copy_of_the_scope_is_as_good_as_the_scope(endpoint: Callable[..., object]) -> None:
    verifier = MemoryVerifier()
    token = verifier.issue("jobs:read", space_id="a").reveal()
    app = Starlette(
        routes=[Route("/{space_id}", IN_SPACE(endpoint))],
        middleware=[Middleware(TokenMiddleware, verifier=verifier), Middleware(Copying)],
    )
    answer = await call(app, "GET", "/a", bearer(token))
    assert (answer.status, answer.body) == (200, b'["a","key_1",["authenticated","jobs:read"]]')
    assert answer.headers["vary"] == "Authorization"
    assert (await call(app, "GET", "/b", bearer(token))).status == 403
    assert (await call(app, "GET", "/a")).status == 401


def _auth(verifier: Any, metering: Metering | None = None, **settings: Any) -> RequestAuth:
    scope = {**http_scope("GET", "/", []), "path_params": {"space_id": "a"}}
    return RequestAuth(Settings(Authenticator(verifier), "api", metering=metering, **settings), scope, _receive, _send)


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(_: Message) -> None:
    """Send nothing."""


class Slow(Verifier):
    """Verifier and limiter whose answers take many turns of the event loop, so that all that can overtake them does."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = MemoryVerifier()
        self.limiter = MemoryLimiter()
        self.verified: list[str] = []
        self.charged: list[str] = []
        self.charging = asyncio.Event()
        self.turns = dict[str, int]()

    async def _wait(self, key: str) -> None:
        for _ in range(self.turns.get(key, 10)):
            await asyncio.sleep(0)

    async def verify(self, secret: Secret) -> Verdict:
        self.verified.append(secret.reveal())
        await self._wait(secret.reveal())
        return await self.memory.verify(secret)

    def charge_at_once(self, key: str, limit: Limit, cost: int = 1) -> Decision | None:
        return None

    async def charge(self, key: str, limit: Limit, cost: int = 1) -> Decision:
        self.charged.append(key)
        self.charging.set()
        await self._wait(key)
        return self.limiter.charge_at_once(key, limit, cost)


LIMIT = Limit(per_minute=60, burst=10)


@pytest.mark.parametrize("parts", [1, 2, 5])
async def test_parts_that_are_authorized_at_the_same_time_are_verified_and_charged_once(parts: int) -> None:
    slow = Slow()
    outcomes: list[AuthenticationResult] = []
    secret = slow.memory.issue("jobs:read", rate_limit=LIMIT)
    auth = _auth(slow, Metering(slow), on_result=lambda _, outcome: outcomes.append(outcome))
    auth._sent = secret
    rules = [requires("jobs:read", cost=1 + number) for number in range(parts)]
    assert await asyncio.gather(*(auth.authorize(rule) for rule in rules)) == [None] * parts
    assert (len(slow.verified), slow.charged, len(outcomes)) == (1, ["key_1"], 1)


async def test_a_charge_in_flight_is_not_made_again_by_a_limiter_that_answers_at_once_meanwhile() -> None:
    """As that over Redis does while Redis is away."""

    class Away(Slow):
        def charge_at_once(self, key: str, limit: Limit, cost: int = 1) -> Decision | None:
            if not self.charged:
                return None
            self.charged.append(key)
            return self.limiter.charge_at_once(key, limit, cost)

    slow = Away()
    auth = _auth(slow, Metering(slow))
    auth._sent = slow.memory.issue("jobs:read", rate_limit=LIMIT)
    first = asyncio.create_task(auth.authorize(requires("jobs:read")))
    await slow.charging.wait()
    assert not auth.authorize_cached(requires("jobs:read"))
    assert await first is None
    assert slow.charged == ["key_1"]


async def test_a_decision_about_one_caller_does_not_admit_the_next() -> None:
    """Credentials that come later replace the earlier ones, also while those are being decided about."""
    slow = Slow()
    rich = slow.memory.issue("jobs:read", workspace_id="ws_1")
    poor = slow.memory.issue("jobs:write", workspace_id="ws_1")
    asked, answer = asyncio.Event(), asyncio.Event()

    async def resolve_workspace(space_id: str) -> str | None:
        asked.set()
        await answer.wait()
        return "ws_1"

    auth = _auth(slow, resolve_workspace=resolve_workspace)
    auth._sent = rich
    deciding = asyncio.create_task(auth.authorize(IN_SPACE))
    await asked.wait()
    await auth.authenticate_with(poor)
    answer.set()
    refusal = await deciding
    assert refusal is not None
    assert refusal.status_code == 403
    assert not auth.authorize_cached(IN_SPACE)


async def test_a_charge_for_one_caller_is_not_the_next_ones() -> None:
    slow = Slow()
    first = slow.memory.issue("jobs:read", rate_limit=LIMIT)
    second = slow.memory.issue("jobs:read", rate_limit=Limit(per_minute=6, burst=3))
    slow.turns = {"key_1": 100}
    auth = _auth(slow, Metering(slow))
    auth._sent = first
    deciding = asyncio.create_task(auth.authorize(requires("jobs:read")))
    await slow.charging.wait()
    await auth.authenticate_with(second)
    assert await deciding is None
    assert auth.meter is not None
    assert auth.meter.decision is not None
    assert (auth.meter.decision.limit.burst, auth.meter.decision.remaining) == (3, 2)
    assert slow.charged == ["key_1", "key_2"]


async def test_the_latest_of_two_credentials_is_the_callers() -> None:
    slow = Slow()
    one, two = slow.memory.issue("jobs:read"), slow.memory.issue("jobs:read")
    slow.turns = {one.reveal(): 100}
    auth = _auth(slow)
    await asyncio.gather(auth.authenticate(), auth.authenticate_with(one), auth.authenticate_with(two))
    assert auth.result == await slow.memory.verify(two)
    assert auth._credentials() == two
