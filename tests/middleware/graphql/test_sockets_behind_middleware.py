"""GraphQL sockets behind a TokenMiddleware: its environment holds for them too, and none outlives its token."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator

import pytest
import strawberry
from httpx_ws import AsyncWebSocketSession, WebSocketDisconnect
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import WebSocketRoute

from spacekey.domain.secret import Secret
from spacekey.middleware import MemoryVerifier, TokenMiddleware, optional
from spacekey.middleware.graphql import ScopedGraphQL, ScopedSchema, ScopeEnforcement, requires_scopes
from support.running_app import running
from support.web_socket import web_socket

ANSWER_SECONDS_MAX = 10.0
PROTOCOL = "graphql-transport-ws"


@strawberry.type
class Query:
    open: str = "open"


@strawberry.type
class Subscription:
    @strawberry.subscription(directives=[requires_scopes("jobs:read")])
    async def forever(self) -> AsyncGenerator[int, None]:
        yield 1
        await asyncio.Event().wait()


@pytest.fixture(scope="module")
def verifier() -> MemoryVerifier:
    return MemoryVerifier()


@pytest.fixture(scope="module")
def url(verifier: MemoryVerifier) -> Iterator[str]:
    graphql = ScopedGraphQL(
        ScopedSchema(Query, subscription=Subscription, scopes=ScopeEnforcement(fail_on_undeclared=False)),
        verifier=verifier,
    )
    app = Starlette(
        routes=[WebSocketRoute("/graphql", optional(graphql))],
        middleware=[Middleware(TokenMiddleware, verifier=verifier, environment="live", recheck_seconds=0.05)],
    )
    with running(app) as address:
        yield f"{address}/graphql"


async def _subscribed(socket: AsyncWebSocketSession, payload: dict[str, str]) -> None:
    await socket.send_json({"type": "connection_init", "payload": payload})
    assert (await socket.receive_json(timeout=ANSWER_SECONDS_MAX))["type"] == "connection_ack"
    await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": "subscription { forever }"}})
    assert (await socket.receive_json(timeout=ANSWER_SECONDS_MAX))["type"] == "next"


def _header(secret: Secret) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret.reveal()}"}


@pytest.mark.parametrize("way", ["header", "pair", "connection_init"])
async def test_a_socket_ends_with_its_token_however_the_token_came(
    url: str, verifier: MemoryVerifier, way: str
) -> None:
    secret = verifier.issue("jobs:read")
    headers = _header(secret) if way == "header" else {}
    pair = ["spacekey.bearer", secret.reveal()] if way == "pair" else []
    payload = _header(secret) if way == "connection_init" else {}
    async with web_socket(url, headers=headers, subprotocols=[PROTOCOL, *pair]) as socket:
        await _subscribed(socket, payload)
        verifier.refuse(secret)
        with pytest.raises(WebSocketDisconnect) as closed:
            await socket.receive(timeout=ANSWER_SECONDS_MAX)
    assert closed.value.code == 4401


async def test_a_token_of_another_environment_does_not_come_in_by_connection_init(
    url: str, verifier: MemoryVerifier
) -> None:
    secret = verifier.issue("jobs:read", environment="test")
    async with web_socket(url, subprotocols=[PROTOCOL]) as socket:
        await socket.send_json({"type": "connection_init", "payload": _header(secret)})
        with pytest.raises(WebSocketDisconnect) as closed:
            await socket.receive(timeout=ANSWER_SECONDS_MAX)
    assert closed.value.code == 4403


async def test_nobody_stays_nobody(url: str) -> None:
    async with web_socket(url, subprotocols=[PROTOCOL]) as socket:
        await socket.send_json({"type": "connection_init", "payload": {}})
        assert (await socket.receive_json(timeout=ANSWER_SECONDS_MAX))["type"] == "connection_ack"
        await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": "subscription { forever }"}})
        assert (await socket.receive_json(timeout=ANSWER_SECONDS_MAX))["type"] == "error"
