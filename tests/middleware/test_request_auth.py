"""One rule at two places of a path, and scopes that a middleware in between has copied."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from spacekey.middleware import MemoryVerifier, TokenMiddleware, protect, requires
from support.asgi_calls import bearer, call

IN_SPACE = requires("jobs:read", space="space_id")


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

    async def workspace_of(space_id: str) -> str | None:
        return {"a": "ws_1", "b": "ws_2"}.get(space_id)

    verifier = MemoryVerifier()
    token = verifier.issue("jobs:read", space_id=None if workspace else "a", workspace_id="ws_1").reveal()
    inner = Starlette(routes=[Route("/jobs/{space_id}", IN_SPACE(endpoint))])
    app = Starlette(
        routes=[Mount("/{space_id}", app=outer(inner))],
        middleware=[Middleware(TokenMiddleware, verifier=verifier, workspace_of=workspace_of)],
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
