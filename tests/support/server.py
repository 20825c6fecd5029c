"""The real server over ASGI or a socket, on a fresh database, with a world to fill it."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import httpx
import strawberry
import uvicorn
from starlette.applications import Starlette

from spacekey.domain.scope import INTROSPECT
from spacekey.domain.secret import Secret
from spacekey.models.engine.store import Store
from spacekey.resolvers.accounts.sessions import sign_in
from spacekey.resolvers.services import create_service
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.server.app import build_app
from spacekey.server.build import build_parts, default_staleness, portal_origins
from spacekey.server.context import Parts
from spacekey.server.http.session_cookie import COOKIE
from spacekey.server.serving.serve import address_of, listening_socket, server_config
from spacekey.server.settings import Settings
from support.documents.openapi import check_answer

from .schema import spacekey_schema
from .world import FACTS, OPERATOR, PASSWORD, World, make_world

ORIGIN = "http://testserver"
ANSWER_SECONDS_MAX = 30.0  # of a verifier under test, on a busy machine


@dataclass
class Served:
    """A running server, a client to ask it, and the world behind it."""

    client: httpx.AsyncClient
    world: World
    parts: Parts
    app: Starlette

    async def token(
        self, workspace_id: str, *grants: str, space_id: str | None = None, expires_in: timedelta | None = None
    ) -> tuple[str, str]:
        """A new token: id and secret."""
        new = NewToken(workspace_id, "a token", grants, space_id=space_id)
        if expires_in is not None:
            new = NewToken(
                workspace_id, "a token", grants, space_id=space_id, expires_at=self.world.clock() + expires_in
            )
        issued = await create_token(self.world.system, OPERATOR, new)
        return issued.view.token.id, issued.secret.reveal()

    async def service(self, name: str = "jobs-api", product: str = "spooled", *scopes: str) -> tuple[str, str]:
        """A new service: id and secret. Without scopes it verifies tokens."""
        issued = await create_service(self.world.system, OPERATOR, name, product, scopes or (INTROSPECT,))
        return issued.service.id, issued.secret.reveal()

    async def cookie(self, email: str) -> dict[str, str]:
        """The headers of a browser in which this person is signed in."""
        signed_in = await sign_in(self.world.system, FACTS, email=email, password=PASSWORD)
        return {"Cookie": f"{COOKIE}={signed_in.secret.reveal()}", "Sec-Fetch-Site": "same-origin"}


def changed(secret: str) -> str:
    """A text of the same length that is another: its last character differs, whatever it was."""
    return secret[:-1] + ("x" if secret[-1] != "x" else "y")


def bearer(secret: str | Secret) -> dict[str, str]:
    """The header of a program with this token."""
    return {"Authorization": f"Bearer {secret.reveal() if isinstance(secret, Secret) else secret}"}


@asynccontextmanager
async def served(
    database_url: str, *, settings: Settings | None = None, schema: strawberry.Schema | None = None
) -> AsyncIterator[Served]:
    """The app with its lifespan run, over ASGI. Every answer is held to the OpenAPI document."""
    chosen = settings or Settings(database_url=database_url, anonymous_cpu_ms_burst=60_000)
    store = Store(database_url)
    world = make_world(store, staleness_seconds=default_staleness(store))
    world.system = replace(world.system, portal_origins=portal_origins(chosen))
    parts = build_parts(chosen, world.system)
    app = build_app(chosen, parts=parts, schema=schema if schema is not None else spacekey_schema())
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    hooks = {"response": [check_answer]}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=ORIGIN, event_hooks=hooks) as client,
    ):
        yield Served(client, world, parts, app)


@contextmanager
def on_a_socket(
    settings: Settings | Callable[[str], Settings], *, schema: strawberry.Schema | None = None
) -> Iterator[str]:
    """The server on a free port of this machine, in a thread; gives its address.

    :param settings: also a function of that address, for settings in which it stands.
    """
    listening = listening_socket("127.0.0.1", 0)
    settings = settings(address_of(listening)) if callable(settings) else settings
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: object = None) -> None:
            await super().startup([listening])
            started.set()

    server = Server(server_config(settings, build_app(settings, schema=schema)))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        assert started.wait(30)
        assert server.started
        yield address_of(listening)
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()


def fault_of(answer: httpx.Response) -> str | None:
    """Return the place of the first fault that a problem document names, such as ``uses.0.at``; None without one."""
    errors = answer.json().get("errors")
    return None if errors is None else errors[0]["pointer"].removeprefix("/").replace("/", ".")
