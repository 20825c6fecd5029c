"""Keys in an application: the verifier in its middleware, the dashboard and APIs mounted in it, one engine for all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message

from spacekey import Keys, ServiceUnavailable, TokenMiddleware, requires
from spacekey.server import app as server_app
from spacekey.server.identity import HostSession, Person
from spacekey.server.keys.mounted import MountedApp
from support.asgi_calls import talk

READ = ["jobs:read"]


@requires("jobs:read")
async def jobs(request: Request) -> JSONResponse:
    return JSONResponse({"user": request.user.external_id})


async def signed_in(connection: HTTPConnection) -> Person | None:
    """The application's session: a header stands for its cookie."""
    name = connection.headers.get("x-user")
    return None if name is None else Person(subject=name, name=name)


def host(keys: Keys, mounted: MountedApp, lifespan: Callable[..., object] | None = None) -> Starlette:
    routes = [Route("/jobs", jobs), Mount("/settings/keys", mounted)]
    middleware = [Middleware(TokenMiddleware, verifier=keys.verifier, undeclared="ignore")]
    return Starlette(routes=routes, middleware=middleware, lifespan=lifespan)  # type: ignore[arg-type]


def mounted_in(keys: Keys) -> MountedApp:
    made = keys.app(identity=HostSession(signed_in))
    assert isinstance(made, MountedApp)
    return made


def client_of(app: Starlette) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app")


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an app that a server runs: its lifespan begins and ends around it."""
    events: asyncio.Queue[Message] = asyncio.Queue()
    told: asyncio.Queue[Message] = asyncio.Queue()
    events.put_nowait({"type": "lifespan.startup"})
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}

    async def run() -> None:
        await app(scope, events.get, told.put)

    running = asyncio.create_task(run())
    assert (await told.get())["type"] == "lifespan.startup.complete"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        yield client
    events.put_nowait({"type": "lifespan.shutdown"})
    assert (await told.get())["type"] == "lifespan.shutdown.complete"
    await running


async def patiently(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> httpx.Response:
    """The answer to a request, which is repeated while a busy machine makes the database look slow."""
    async with asyncio.timeout(600):
        while True:
            answer = await client.get(path, headers=headers)
            if answer.status_code != 503:
                return answer


async def a_secret(keys: Keys) -> str:
    home = await keys.workspaces.ensure(external_id="t")
    issued = await keys.tokens.create(home, name="t", grants=[*READ, "tokens:read"], external_id="user-7")
    return issued.secret.reveal()


async def test_a_mounted_app_starts_with_its_first_request(keys: Keys) -> None:
    """No lifespan reaches it. Several first requests start it once."""
    mounted, secret = mounted_in(keys), await a_secret(keys)
    app = mounted._app
    bearer = {"Authorization": f"Bearer {secret}"}
    async with client_of(host(keys, mounted)) as client:
        assert not app.state.running
        answers = await asyncio.gather(
            patiently(client, "/jobs", bearer),
            patiently(client, "/settings/keys/api/v1/self", bearer),
            patiently(client, "/settings/keys/healthz", {}),
            patiently(client, "/settings/keys/", {"x-user": "ada"}),
            patiently(client, "/settings/keys/readyz", {}),
        )
    assert [one.status_code for one in answers] == [200] * 5
    assert answers[0].json() == {"user": "user-7"}
    assert "text/html" in answers[3].headers["content-type"]
    assert mounted._app is app
    assert app.state.running
    assert app.state.parts.system.store is keys._inside.unprepared.store  # one engine


async def test_it_ends_with_the_keys_and_can_start_again(keys: Keys) -> None:
    mounted, secret = mounted_in(keys), await a_secret(keys)
    bearer = {"Authorization": f"Bearer {secret}"}
    async with client_of(host(keys, mounted)) as client:
        for _ in range(2):
            assert (await client.get("/settings/keys/api/v1/self", headers=bearer)).status_code == 200
            app = mounted._app
            await keys.aclose()
            assert not app.state.running
            tasks = {one.get_coro().__qualname__ for one in asyncio.all_tasks()}  # type: ignore[union-attr]
            assert not {name for name in tasks if name.startswith(("RefusalLog", "LastSeen", "_run"))}


@pytest.mark.parametrize("with_lifespan", [False, True])
async def test_it_closes_with_the_application(keys: Keys, with_lifespan: bool) -> None:
    """By the lifespan of the keys, or by the middleware that was given their verifier."""
    mounted = mounted_in(keys)
    async with served(host(keys, mounted, keys.lifespan if with_lifespan else None)) as client:
        assert mounted._app.state.running is with_lifespan
        bearer = {"Authorization": f"Bearer {await a_secret(keys)}"}
        assert (await client.get("/jobs", headers=bearer)).status_code == 200
        assert (await client.get("/settings/keys/healthz")).status_code == 200
        assert mounted._app.state.running
    assert not mounted._app.state.running


async def test_while_the_database_is_away_it_answers_503_and_then_starts(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = mounted_in(keys)

    async def away(_store: object) -> None:
        raise ServiceUnavailable("the database does not answer", 7)

    with monkeypatch.context() as outage:
        outage.setattr(server_app, "prepare_store", away)
        async with client_of(host(keys, mounted)) as client:
            for _ in range(2):
                answer = await client.get("/settings/keys/healthz")
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
                assert answer.headers["content-type"] == "application/problem+json"
    async with client_of(host(keys, mounted)) as client:
        assert (await client.get("/settings/keys/healthz")).status_code == 200


async def test_a_websocket_is_closed_while_it_cannot_start(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = mounted_in(keys)

    async def away() -> None:
        raise ServiceUnavailable("the database does not answer")

    monkeypatch.setattr(mounted, "start", away)
    assert (await talk(mounted, "/graphql")).sent == [{"type": "websocket.close", "code": 1013, "reason": ""}]


async def test_served_by_itself_it_runs_its_own_lifespan(keys: Keys) -> None:
    mounted = mounted_in(keys)
    async with served(mounted) as client:
        assert mounted._app.state.running
        assert (await client.get("/healthz")).status_code == 200
    assert not mounted._app.state.running
