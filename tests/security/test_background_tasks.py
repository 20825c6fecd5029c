"""What runs after an answer: admitted with its request, asked about no more, and never for a refused one."""

from __future__ import annotations

from fastapi import BackgroundTasks, FastAPI
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from spacekey import TokenMiddleware, requires
from spacekey.domain.authentication import Verdict
from spacekey.domain.secret import Secret
from spacekey.middleware.fastapi import RequireScopes
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import bearer, call


class Counting(MemoryVerifier):
    """Counts how often it is asked."""

    asked = 0

    async def verify(self, secret: Secret) -> Verdict:
        """As usual."""
        self.asked += 1
        return await super().verify(secret)


def starlette_app(verifier: Counting, secret: Secret, ran: list[str]) -> Starlette:
    """An endpoint whose task sees its token revoked before it does its work."""

    @requires("jobs:read")
    async def start(request: Request) -> Response:
        def task() -> None:
            verifier.refuse(secret)
            ran.append(f"{request.user.identity} {request.user.is_authenticated} {sorted(request.auth.scopes)}")

        return PlainTextResponse("started", background=BackgroundTask(task))

    return Starlette(routes=[Route("/", start)], middleware=[Middleware(TokenMiddleware, verifier=verifier)])


def fastapi_app(verifier: Counting, secret: Secret, ran: list[str]) -> FastAPI:
    """The same in FastAPI."""
    app = FastAPI(
        middleware=[Middleware(TokenMiddleware, verifier=verifier)], openapi_url=None, docs_url=None, redoc_url=None
    )

    @app.get("/", dependencies=[RequireScopes("jobs:read")])
    async def start(request: Request, tasks: BackgroundTasks) -> str:
        async def task() -> None:
            verifier.refuse(secret)
            ran.append(f"{request.user.identity} {request.user.is_authenticated} {sorted(request.auth.scopes)}")

        tasks.add_task(task)
        return "started"

    return app


async def test_a_task_runs_as_its_requests_caller_and_nobody_is_asked_again() -> None:
    for build in (starlette_app, fastapi_app):
        verifier, ran = Counting(), list[str]()
        secret = verifier.issue("jobs:read")
        app = build(verifier, secret, ran)
        assert (await call(app, "GET", "/", bearer(secret.reveal()))).status == 200
        assert ran == ["key_1 True ['authenticated', 'jobs:read']"]
        assert verifier.asked == 1
        assert (await call(app, "GET", "/", bearer(secret.reveal()))).status == 401
        assert len(ran) == 1


async def test_a_refused_request_starts_no_task() -> None:
    for build in (starlette_app, fastapi_app):
        verifier, ran = Counting(), list[str]()
        app = build(verifier, verifier.issue("jobs:read"), ran)
        lacking = verifier.issue("jobs:create").reveal()
        for headers, status in (([], 401), (bearer(lacking), 403), (bearer("x"), 401)):
            assert (await call(app, "GET", "/", headers)).status == status
        assert ran == []
