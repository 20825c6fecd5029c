"""The shape that readers follow: how many modules of the middleware one request enters, and how often it goes back.

A helper module more, or a call back up, is a step more for everyone who reads along; so the numbers are held, and
docs/explanation/architecture.md names the way.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from spacekey import MemoryLimiter, TokenMiddleware, UsageCollector, requires
from spacekey.domain.authentication import Authenticated
from spacekey.domain.principal import Limit, Principal
from spacekey.domain.rule import Rule
from spacekey.domain.secret import Secret
from spacekey.domain.usage import UsageBatch
from spacekey.middleware.request_auth import RequestAuth
from spacekey.middleware.routing.guards import LimitedRouteGuard, RouteGuard
from spacekey.middleware.usage.meter import RequestMeter
from spacekey.middleware.verifiers.cached import CachedVerifier, Reading
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import bearer, call
from support.trail import Trail, traced

MIDDLEWARE = Path(sys.modules[TokenMiddleware.__module__].__file__ or "").resolve().parent


class Sink:
    """Takes every batch."""

    async def send(self, batch: UsageBatch) -> None:
        del batch

    async def aclose(self) -> None: ...


@requires("jobs:read")
async def jobs(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.user.identity)


@pytest.mark.parametrize(("metered", "modules_max", "returns_max"), [(False, 11, 11), (True, 16, 12)])
async def test_an_admitted_request_with_an_uncached_token_goes_down_once(
    metered: bool, modules_max: int, returns_max: int
) -> None:
    memory = MemoryVerifier()

    async def read(secret: Secret) -> Reading:
        return Reading(stored[secret.reveal()], 60.0)

    limit = Limit(600, 100) if metered else None
    first, uncached = (memory.issue("jobs:read", rate_limit=limit).reveal() for _ in range(2))
    stored = {text: await memory.verify(Secret(text)) for text in (first, uncached)}
    collector = UsageCollector(Sink()) if metered else None
    app = TokenMiddleware(
        Starlette(routes=[Route("/jobs", jobs)]),
        CachedVerifier(read),
        limits=MemoryLimiter() if metered else None,
        usage=collector,
    )
    assert (await call(app, "GET", "/jobs", bearer(first))).status == 200  # the routes are compiled
    await asyncio.sleep(0)  # the collector's task, which is not part of a request, has begun to wait
    with traced(MIDDLEWARE) as path:
        answer = await call(app, "GET", "/jobs", bearer(uncached))
    if collector is not None:
        await collector.aclose()
    assert answer.status == 200
    assert len(path.modules) <= modules_max, path.steps
    assert path.returns <= returns_max, path.steps


@pytest.mark.parametrize(
    "read_on_every_request",
    [
        type(requires("jobs:read")),
        RouteGuard,
        LimitedRouteGuard,
        RequestAuth,
        RequestMeter,
        Principal,
        Authenticated,
        Rule,
    ],
)
def test_attributes_that_every_request_reads_are_found_without_asking_the_class(read_on_every_request: type) -> None:
    # With a __getattr__, CPython looks the method up before each attribute, also before those that are there.
    names = {name for one in read_on_every_request.__mro__[:-1] for name in vars(one)}
    assert not names & {"__getattr__", "__getattribute__"}


def test_the_counts_can_fail() -> None:
    path = Trail(["a.py", "b.py", "a.py"])
    assert (path.modules, path.returns) == ({"a.py", "b.py"}, 1)
