"""Whatever a client sends to a GraphQL app, and whenever: the protocol has an answer, and no traceback is logged."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
import strawberry
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from spacekey.middleware.graphql import ScopedGraphQL, ScopedSchema, ScopeEnforcement
from support.graphql_socket import Closed, GraphQLSocket, graphql_socket

SECONDS_MAX = 120.0


@strawberry.type
class Query:
    @strawberry.field
    def echo(self, text: str = "") -> str:
        return text


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self) -> AsyncGenerator[int, None]:
        for number in range(1_000_000):
            yield number
            await asyncio.sleep(0)

    @strawberry.subscription
    async def forever(self) -> AsyncGenerator[int, None]:
        yield 1
        await asyncio.Event().wait()


OPEN = ScopeEnforcement(public=["Query.echo", "Subscription.ticks", "Subscription.forever"])
APP = ScopedGraphQL(ScopedSchema(Query, subscription=Subscription, scopes=OPEN))
INIT = {"type": "connection_init"}
TICKS = {"type": "subscribe", "id": "1", "payload": {"query": "subscription { ticks }"}}
FOREVER = {"type": "subscribe", "id": "1", "payload": {"query": "subscription { forever }"}}


def subscribing(**payload: Any) -> dict[str, Any]:
    """A ``subscribe`` message with this payload."""
    return {"type": "subscribe", "id": "2", "payload": {"query": "{ echo }", **payload}}


def text(message: object) -> dict[str, Any]:
    """As a server hands it on."""
    return {"type": "websocket.receive", "text": message if isinstance(message, str) else json.dumps(message)}


WRONG: dict[str, Any] = {
    "no JSON": "{",
    "nothing": "",
    "deep JSON": "[" * 100_000,
    "a deep object": '{"type":' * 50_000,
    "a number of many digits": "1" * 5_000,
    "NaN": "NaN",
    "a list": [],
    "a string": '"connection_init"',
    "a number": 1,
    "null": "null",
    "true": "true",
    "no type": {},
    "a type that is a list": {"type": []},
    "a type that is an object": {"type": {}},
    "an unknown type": {"type": "start"},
    "a very long type": {"type": "ü" * 10_000},
    "a type that cannot be encoded": '{"type": "\\ud800"}',
    "no id": {"type": "subscribe", "payload": {"query": "{ echo }"}},
    "an empty id": {**subscribing(), "id": ""},
    "an id that is a list": {**subscribing(), "id": []},
    "an id that is a number": {**subscribing(), "id": 1},
    "no payload": {"type": "subscribe", "id": "2"},
    "a payload that is a list": {"type": "subscribe", "id": "2", "payload": []},
    "a payload that is a string": {"type": "subscribe", "id": "2", "payload": "query"},
    "no query": {"type": "subscribe", "id": "2", "payload": {}},
    "a query that is a number": subscribing(query=1),
    "a query that is null": subscribing(query=None),
    "a query that is a list": subscribing(query=["{ echo }"]),
    "variables that are a list": subscribing(variables=[1]),
    "variables that are a string": subscribing(variables="x"),
    "a name that is a number": subscribing(operationName=1),
    "a name that is a list": subscribing(operationName=[]),
    "an end without an id": {"type": "complete"},
    "an end of a list": {"type": "complete", "id": []},
    "bytes": {"type": "websocket.receive", "bytes": b"{}"},
    "bytes as hypercorn has them": {"type": "websocket.receive", "bytes": b"{}", "text": None},
    "a second connection_init": INIT,
    "a syntax error": subscribing(query="{" + "ü" * 5_000),
    "a deep query": subscribing(query="{ echo " + "{ echo " * 5_000),
    "a duplicate id": FOREVER,
    "a duplicate id, while it talks": TICKS,
    "a very long duplicate id": {**FOREVER, "id": "ü" * 1_000},
    "an unknown operation": subscribing(operationName="other"),
}
ANSWERED: dict[str, Any] = {
    "an end of nothing": {"type": "complete", "id": "nothing"},
    "an empty query": subscribing(query=""),
    "variables that are missing": subscribing(query="query q($t: String!) { echo(text: $t) }"),
    "variables of another shape": subscribing(query="query q($t: String!) { echo(text: $t) }", variables={"t": []}),
    "a half of a pair": subscribing(query="query q($t: String!) { echo(text: $t) }", variables={"t": "\ud800"}),
    "an id of half of a pair": {**subscribing(), "id": "\ud800"},
    "a pong": {"type": "pong", "payload": []},
    "a ping": {"type": "ping", "payload": [1]},
}


async def until_closed(socket: GraphQLSocket) -> None:
    """Read on until the socket is closed."""
    async with asyncio.timeout(SECONDS_MAX):
        while True:
            await socket.receive()


def check_quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing was logged that a client can have logged as often as it likes."""
    assert not [record for record in caplog.records if record.exc_info], caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_message_closes_the_socket_without_a_traceback(
    wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    message = WRONG[wrong]
    raw = message if isinstance(message, dict) and message.get("type") == "websocket.receive" else text(message)
    with caplog.at_level(logging.DEBUG):
        async with graphql_socket(APP) as socket:
            await socket.init()
            for key, query in (("1", "ticks"), ("ü" * 1_000, "forever")):
                await socket.subscribe(key, f"subscription {{ {query} }}")
            assert (await socket.receive())["type"] == "next"
            await socket._to_app.put(raw)
            with pytest.raises(Closed) as closed:
                await until_closed(socket)
    codes = {"a second connection_init": 4429}
    assert closed.value.code == codes.get(wrong, 4409 if "duplicate" in wrong else 4400)
    assert len(closed.value.reason.encode()) <= 123
    check_quiet(caplog)


@pytest.mark.parametrize("message", [*WRONG.values(), *ANSWERED.values()], ids=[*WRONG, *ANSWERED])
async def test_any_message_as_the_first_is_answered(message: Any, caplog: pytest.LogCaptureFixture) -> None:
    raw = message if isinstance(message, dict) and message.get("type") == "websocket.receive" else text(message)
    async with graphql_socket(APP) as socket:
        await socket._to_app.put(raw)
    check_quiet(caplog)


@pytest.mark.parametrize("message", ANSWERED.values(), ids=ANSWERED)
async def test_a_message_that_only_asks_wrongly_leaves_the_socket_open(
    message: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with graphql_socket(APP) as socket:
        await socket.init()
        await socket._to_app.put(text(message))
        await socket.subscribe("after", "{ echo }")
        while (await socket.receive()).get("id") != "after":
            pass
    check_quiet(caplog)


@pytest.mark.parametrize("fails_after", [1, 2, 3, 10])
async def test_a_client_that_goes_while_it_is_told_something_is_no_fault(
    fails_after: int, caplog: pytest.LogCaptureFixture
) -> None:
    incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    for message in ({"type": "websocket.connect"}, text(INIT), text(TICKS)):
        incoming.put_nowait(message)
    sent = 0

    async def send(_: Any) -> None:
        nonlocal sent
        sent += 1
        if sent > fails_after:
            incoming.put_nowait({"type": "websocket.disconnect", "code": 1006})
            raise OSError("gone")  # as servers say it

    scope = {"type": "websocket", "path": "/", "headers": [], "subprotocols": ["graphql-transport-ws"]}
    async with asyncio.timeout(SECONDS_MAX):
        await APP({**scope, "query_string": b""}, incoming.get, send)
    check_quiet(caplog)


BODIES: dict[str, bytes] = {
    "no JSON": b"{",
    "not UTF-8": b'{"query": "\xff"}',
    "deep JSON": b"[" * 100_000,
    "a number of many digits": b"1" * 5_000,
    "nothing": b"",
    "a list": b"[]",
    "a list of a number": b"[1]",
    "a string": b'"x"',
    "a number": b"1",
    "null": b"null",
    "a query that is a number": b'{"query": 1}',
    "a query that is a list": b'{"query": []}',
    "variables that are a list": b'{"query": "{ echo }", "variables": [1]}',
    "a name that is a number": b'{"query": "{ echo }", "operationName": 1}',
    "a name that is a list": b'{"query": "{ echo }", "operationName": []}',
    "extensions that are a list": b'{"query": "{ echo }", "extensions": []}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_a_wrong_body_is_the_clients_fault(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    app = Starlette(routes=[Route("/", APP), WebSocketRoute("/", APP)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        answer = await client.post("/", content=body, headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500
    check_quiet(caplog)
