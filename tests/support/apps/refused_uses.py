"""A Spacekey on a socket, an app that asks it or its database about tokens, and the owner's audit log."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import strawberry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from spacekey import TokenMiddleware, optional, requires
from spacekey.domain.verifier import Verifier
from spacekey.middleware.graphql import ScopedGraphQL, ScopedSchema, ScopeEnforcement, requires_scopes
from spacekey.middleware.verifiers.remote import RemoteVerifier
from spacekey.models.engine.store import Store
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.revoke import revoke_token
from spacekey.server.database_verifier import DatabaseVerifier
from spacekey.server.settings import packaged_products
from support.server import bearer
from support.world import OPERATOR, StoppedClock, World, make_world

LOOK_AGAIN_SECONDS = 0.02
ANSWER_SECONDS_MAX = 120.0
AUDIT = """query($id: ID!, $target: ID!) { workspace(id: $id) {
  auditLog(filter: {targetId: $target, action: TOKEN_REFUSED}) {
  nodes { after ip userAgent requestId credential } } } }"""


@requires("jobs:read")
async def jobs(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("jobs")


@requires("jobs:read")
async def feed(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.receive()


@strawberry.type
class Query:
    @strawberry.field(directives=[requires_scopes("jobs:read")])
    def jobs(self) -> str:
        return "jobs"


@strawberry.type
class Subscription:
    @strawberry.subscription(directives=[requires_scopes("jobs:read")])
    async def forever(self) -> AsyncGenerator[int, None]:
        yield 1
        await asyncio.Event().wait()


@dataclass(frozen=True)
class Place:
    """A running Spacekey, and one of the two ways in which apps ask.

    :param way: ``embedded`` or ``remote``.
    :param url: the Spacekey's.
    :param own: the secret of the app's own token, which may read the audit log too.
    """

    way: str
    database_url: str
    url: str
    world: World
    workspace_id: str
    own: str

    def verifier(self, environment: str | None = None) -> Verifier:
        """A new verifier of an app."""
        if self.way == "remote":
            return RemoteVerifier(self.url, self.own, environment=environment, timeout=ANSWER_SECONDS_MAX)
        return DatabaseVerifier(self.database_url, packaged_products(), environment=environment)

    def app(self, environment: str | None = None) -> Starlette:
        """An app behind a TokenMiddleware: REST, a WebSocket, GraphQL."""
        verifier = self.verifier(environment)
        guard = Middleware(TokenMiddleware, verifier=verifier, timeout=ANSWER_SECONDS_MAX)
        graphql = ScopedGraphQL(
            ScopedSchema(Query, subscription=Subscription, scopes=ScopeEnforcement(fail_on_undeclared=False))
        )
        routes = [
            Route("/jobs", jobs),
            WebSocketRoute("/feed", feed),
            Route("/graphql", optional(graphql), methods=["POST"]),
            WebSocketRoute("/graphql", optional(graphql)),
        ]
        return _closing(verifier, routes, guard)

    def graphql_alone(self) -> Starlette:
        """A GraphQL endpoint that asks by itself, since no TokenMiddleware stands before it."""
        verifier = self.verifier()
        graphql = ScopedGraphQL(
            ScopedSchema(Query, subscription=Subscription, scopes=ScopeEnforcement(fail_on_undeclared=False)),
            verifier=verifier,
            timeout=ANSWER_SECONDS_MAX,
        )
        return _closing(verifier, [WebSocketRoute("/graphql", graphql)])

    async def token(self, environment: str = "live") -> tuple[str, str]:
        """A new token: id and secret."""
        new = NewToken(self.workspace_id, "leaked", ("jobs:read",), environment=environment)
        issued = await create_token(self.world.system, OPERATOR, new)
        return issued.view.token.id, issued.secret.reveal()

    async def revoked(self) -> tuple[str, str]:
        """A token that is not good any more."""
        token_id, secret = await self.token()
        await self.revoke(token_id)
        return token_id, secret

    async def revoke(self, token_id: str) -> None:
        """Take it away; open connections that it opened find out by themselves."""
        await revoke_token(self.world.system, OPERATOR, token_id)

    async def told_of(self, token_id: str) -> dict[str, Any]:
        """The one row about refused uses of this token, as GraphQL shows it to the owner; waited for."""
        body = {"query": AUDIT, "variables": {"id": self.workspace_id, "target": token_id}}
        async with (
            asyncio.timeout(ANSWER_SECONDS_MAX),
            httpx.AsyncClient(headers=bearer(self.own), timeout=ANSWER_SECONDS_MAX, trust_env=False) as client,
        ):
            while True:
                answer = (await client.post(f"{self.url}/graphql", json=body)).json()
                rows: list[dict[str, Any]] = answer["data"]["workspace"]["auditLog"]["nodes"]
                if rows:
                    assert len(rows) == 1
                    return rows[0]
                await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def assert_told(self, token_id: str, ip: str, user_agent: str, request_id: str = "") -> None:
        """The row tells of this client. Over a remote Spacekey its request id is the introspection's own."""
        row = await self.told_of(token_id)
        assert (row["ip"], row["userAgent"], row["credential"]) == (ip or None, user_agent or None, token_id)
        if self.way == "remote":
            assert len(row["requestId"]) == 24
        else:
            assert row["requestId"] == request_id


@asynccontextmanager
async def place_of(way: str, database_url: str, url: str) -> AsyncIterator[Place]:
    """A new workspace of the Spacekey that runs there over this database."""
    store = Store(database_url)
    world = make_world(store, clock=StoppedClock(datetime.now(UTC)))
    workspace = await world.workspace("spooled")
    own = NewToken(workspace.id, "own", ("audit:read", "workspace:read", "tokens:introspect"))
    secret = (await create_token(world.system, OPERATOR, own)).secret.reveal()
    yield Place(way, database_url, url, world, workspace.id, secret)
    await store.aclose()


def _closing(verifier: Verifier, routes: list[BaseRoute], *middleware: Middleware) -> Starlette:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await verifier.aclose()

    return Starlette(routes=routes, middleware=list(middleware), lifespan=lifespan)
