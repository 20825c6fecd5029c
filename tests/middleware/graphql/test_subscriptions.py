"""Strawberry's own views over a schema with scopes: the schema decides, and ends subscriptions, whatever serves it."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
import strawberry
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from strawberry.asgi import GraphQL
from strawberry.fastapi import GraphQLRouter

from spacekey.domain.principal import Kind, Principal
from spacekey.middleware.graphql import ScopedSchema, ScopeEnforcement, requires_scopes
from spacekey.verifiers import MemoryVerifier
from support.graphql.socket import graphql_socket

PROTOCOLS = ["graphql-transport-ws", "graphql-ws"]


def holding(*scopes: str) -> Principal:
    return Principal(id="key_1", kind=Kind.SPACE, scopes=frozenset(scopes))


@strawberry.type
class Query:
    @strawberry.field(directives=[requires_scopes("jobs:read")])
    def jobs(self) -> str:
        return "jobs"


@strawberry.type
class Tick:
    number: int

    @strawberry.field(directives=[requires_scopes("jobs:read")])
    def job(self) -> str | None:
        return f"job {self.number}"


@strawberry.type
class Subscription:
    @strawberry.subscription(directives=[requires_scopes("jobs:read")])
    async def changes(self) -> AsyncGenerator[str, None]:
        yield "one"

    @strawberry.subscription
    async def ticks(self, info: strawberry.Info[Any, Any]) -> AsyncGenerator[Tick, None]:
        """After the first event the caller holds fewer scopes, as the token middleware would leave it."""
        yield Tick(number=0)
        info.context["request"].scope["user"] = holding("other")
        yield Tick(number=1)
        yield Tick(number=2)


SCHEMA = ScopedSchema(Query, subscription=Subscription, scopes=ScopeEnforcement(fail_on_undeclared=False))


def starlette_view() -> ASGIApp:
    graphql = GraphQL[Any, Any](SCHEMA, subscription_protocols=PROTOCOLS)
    return Starlette(routes=[Route("/graphql", graphql), WebSocketRoute("/graphql", graphql)])


def fastapi_view() -> ASGIApp:
    app = FastAPI()
    app.include_router(GraphQLRouter[Any, Any](SCHEMA, subscription_protocols=PROTOCOLS), prefix="/graphql")
    return app


VIEWS = pytest.mark.parametrize("view", [starlette_view, fastapi_view])


def behind(app: ASGIApp, user: Principal | None) -> ASGIApp:
    """The app, and before it what leaves this caller on every connection."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "user": user}, receive, send)

    return serve


async def _answer(app: ASGIApp, query: str) -> Any:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://app") as client:
        return (await client.post("/graphql", json={"query": query})).json()


@VIEWS
async def test_over_http_the_rules_hold(view: Any) -> None:
    for user, code in ((None, "UNAUTHENTICATED"), (holding("other"), "INSUFFICIENT_SCOPE")):
        answer = await _answer(behind(view(), user), "{ jobs }")
        assert answer["errors"][0]["extensions"]["code"] == code
        assert answer["data"] is None
    assert await _answer(behind(view(), holding("jobs:read")), "{ jobs }") == {"data": {"jobs": "jobs"}}


async def _first(app: ASGIApp, protocol: str, query: str, user: Principal | None) -> AsyncGenerator[Any, None]:
    """The messages of one operation on a socket."""
    async with graphql_socket(app, user=user, subprotocol=protocol) as socket:
        await socket.init()
        kind = "subscribe" if protocol == PROTOCOLS[0] else "start"
        await socket.send(type=kind, id="1", payload={"query": query})
        while True:
            message = await socket.receive()
            yield message
            if message["type"] in ("complete", "error"):
                return


@VIEWS
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_over_sockets_of_either_protocol_the_rules_hold(view: Any, protocol: str) -> None:
    for user, code in ((None, "UNAUTHENTICATED"), (holding("other"), "INSUFFICIENT_SCOPE")):
        messages = [one async for one in _first(view(), protocol, "subscription { changes }", user)]
        assert [one["type"] for one in messages] == ["error"]
        assert code in str(messages[0]["payload"])
    messages = [one async for one in _first(view(), protocol, "subscription { changes }", holding("jobs:read"))]
    assert messages[0]["payload"]["data"] == {"changes": "one"}


@VIEWS
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_subscription_tells_nothing_more_once_its_scope_has_gone(view: Any, protocol: str) -> None:
    query = "subscription { ticks { number job } }"
    messages = [one async for one in _first(view(), protocol, query, holding("jobs:read"))]
    told, refused, end = messages
    assert told["payload"]["data"] == {"ticks": {"number": 0, "job": "job 0"}}
    assert refused["payload"]["data"] is None
    assert refused["payload"]["errors"][0]["extensions"]["coordinate"] == "Tick.job"
    assert end["type"] == "complete"


@VIEWS
async def test_a_subscription_goes_on_without_a_scope_that_it_does_not_need(view: Any) -> None:
    query = "subscription { ticks { number } }"
    messages = [one async for one in _first(view(), PROTOCOLS[0], query, holding("jobs:read"))]
    assert [one["type"] for one in messages] == ["next", "next", "next", "complete"]


@VIEWS
async def test_a_credential_of_connection_init_is_not_read_there(view: Any) -> None:
    secret = MemoryVerifier().issue("jobs:read")
    async with graphql_socket(view()) as socket:
        await socket.init(Authorization=f"Bearer {secret.reveal()}")
        await socket.subscribe("1", "{ jobs }")
        assert (await socket.receive())["payload"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_caller_that_cannot_be_found_is_an_error_of_the_operation() -> None:
    def fails(context: Any) -> Principal:
        raise LookupError

    schema = ScopedSchema(
        Query, subscription=Subscription, scopes=ScopeEnforcement(fail_on_undeclared=False, principal=fails)
    )
    results = [one async for one in await schema.subscribe("subscription { changes }")]
    assert [(one.data, bool(one.errors)) for one in results] == [(None, True)]
