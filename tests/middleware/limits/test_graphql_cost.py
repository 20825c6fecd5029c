"""An operation is charged what it costs, before anything of it runs."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import httpx
import pytest
import strawberry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route, WebSocketRoute
from strawberry.schema.config import StrawberryConfig

from spacekey import MemoryLimiter, TokenMiddleware, optional
from spacekey.domain.principal import Limit
from spacekey.middleware.graphql import ScopedGraphQL, ScopedSchema, ScopeEnforcement, requires_scopes
from spacekey.middleware.graphql.operations import Operation
from spacekey.middleware.limits.limiter import Decision
from spacekey.verifiers import MemoryVerifier
from support.running_app import running
from support.web_socket import web_socket

LIMIT = Limit(per_minute=1, burst=10)
SECONDS_MAX = 10.0
ran: list[str] = []


@strawberry.type
class Query:
    @strawberry.field
    def rows(self, first: int) -> int:
        ran.append("rows")
        return first

    @strawberry.field(directives=[requires_scopes("jobs:write")])
    def secret(self) -> int:
        return 1


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self, first: int) -> AsyncGenerator[int, None]:
        ran.append("ticks")
        yield first


def cost_of(operation: Operation, variables: Mapping[str, Any]) -> int:
    """What was asked for."""
    return int(variables.get("first", 1))


class Waiting(MemoryLimiter):
    """Has to be waited for, as one over Redis."""

    def charge_at_once(self, key: str, limit: Limit, cost: int = 1) -> Any:
        """Never."""
        return None

    async def charge(self, key: str, limit: Limit, cost: int = 1) -> Decision:
        """The inner one's."""
        return MemoryLimiter.charge_at_once(self, key, limit, cost)


@pytest.fixture(params=[MemoryLimiter, Waiting])
def limits(request: pytest.FixtureRequest) -> MemoryLimiter:
    made: MemoryLimiter = request.param()
    return made


def app_with(memory: MemoryVerifier, limits: MemoryLimiter) -> Starlette:
    ran.clear()
    schema = ScopedSchema(
        Query,
        subscription=Subscription,
        scopes=ScopeEnforcement(fail_on_undeclared=False, cost=cost_of),
        config=StrawberryConfig(batching_config={"max_operations": 20}),
    )
    graphql = ScopedGraphQL(schema)
    return Starlette(
        routes=[Route("/graphql", optional(graphql), methods=["POST"]), WebSocketRoute("/graphql", optional(graphql))],
        middleware=[Middleware(TokenMiddleware, verifier=memory, limits=limits)],
    )


async def ask(app: Starlette, token: str | None, first: int, field: str = "rows(first: $first)") -> httpx.Response:
    """One operation over HTTP."""
    document = {"query": f"query ($first: Int!) {{ {field} }}", "variables": {"first": first}}
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        return await client.post("/graphql", json=document, headers=headers)


async def test_an_operation_costs_what_it_costs_and_the_request_is_part_of_it(limits: MemoryLimiter) -> None:
    memory = MemoryVerifier()
    app, token = app_with(memory, limits), memory.issue(rate_limit=LIMIT).reveal()
    first = await ask(app, token, 1)
    assert (first.json()["data"], first.headers["ratelimit"]) == ({"rows": 1}, '"default";r=9;t=60')
    second = await ask(app, token, 6)
    assert (second.json()["data"], second.headers["ratelimit"][:13]) == ({"rows": 6}, '"default";r=3')
    third = await ask(app, token, 4)
    assert third.json()["data"] is None
    [error] = third.json()["errors"]
    assert error["extensions"]["code"] == "RATE_LIMITED"
    assert 55 <= error["extensions"]["retryAfterSeconds"] <= 120
    assert ran == ["rows", "rows"]
    assert (await ask(app, token, 2)).json()["data"] == {"rows": 2}  # what was refused cost the request alone
    assert (await ask(app, token, 1)).status_code == 429


@pytest.mark.parametrize("costs", [[1] * 4, [3, 1, 5], [1, 20, 1, 1], [20, 1, 20], [1] * 12], ids=str)
async def test_each_operation_of_a_batch_is_charged_and_decided_by_itself(
    limits: MemoryLimiter, costs: list[int]
) -> None:
    memory = MemoryVerifier()
    app, token = app_with(memory, limits), memory.issue(rate_limit=LIMIT).reveal()
    document = "query ($first: Int!) { rows(first: $first) }"
    batch: list[dict[str, Any]] = [{"query": document, "variables": {"first": cost}} for cost in costs]
    batch.append({"query": "{ secret }"})
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        answers = (await client.post("/graphql", json=batch, headers=headers)).json()

    left, paid = LIMIT.burst - 1, 1
    for cost, answer in zip(costs, answers, strict=False):
        to_pay = cost - min(paid, cost)
        paid -= min(paid, cost)
        if to_pay <= left:
            left -= to_pay
            assert answer["data"] == {"rows": cost}
        else:
            assert [error["extensions"]["code"] for error in answer["errors"]] == ["RATE_LIMITED"]
    assert [error["extensions"]["code"] for error in answers[-1]["errors"]] == ["INSUFFICIENT_SCOPE"]
    assert len(answers) == len(batch)


async def test_an_operation_above_the_burst_never_runs_and_says_so(limits: MemoryLimiter) -> None:
    memory = MemoryVerifier()
    app, token = app_with(memory, limits), memory.issue(rate_limit=LIMIT).reveal()
    [error] = (await ask(app, token, 12)).json()["errors"]
    assert error["extensions"] == {"code": "RATE_LIMITED", "retryAfterSeconds": None}
    assert ran == []


@pytest.mark.parametrize("cost", [None, 1.5, True, "7", ValueError("secret text")], ids=repr)
async def test_an_operation_whose_cost_cannot_be_told_does_not_run(
    limits: MemoryLimiter, cost: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(_operation: Operation, _variables: Mapping[str, Any]) -> Any:
        if isinstance(cost, Exception):
            raise cost
        return cost

    monkeypatch.setitem(globals(), "cost_of", failing)
    memory = MemoryVerifier()
    app, token = app_with(memory, limits), memory.issue(rate_limit=LIMIT).reveal()
    [error] = (await ask(app, token, 1)).json()["errors"]
    assert error["extensions"] == {"code": "COST_UNKNOWN"}
    assert ran == []
    assert "the cost of an operation failed with" in caplog.text
    assert "secret text" not in caplog.text + str(error)


async def test_a_negative_cost_gives_nothing_back(limits: MemoryLimiter) -> None:
    memory = MemoryVerifier()
    app, token = app_with(memory, limits), memory.issue(rate_limit=LIMIT).reveal()
    assert (await ask(app, token, -1_000)).headers["ratelimit"].startswith('"default";r=9')
    assert (await ask(app, token, 1)).headers["ratelimit"].startswith('"default";r=8')


async def test_whoever_has_no_limit_is_not_charged(limits: MemoryLimiter) -> None:
    memory = MemoryVerifier()
    app = app_with(memory, limits)
    for token in (memory.issue().reveal(), None):
        for _ in range(5):
            assert (await ask(app, token, 100)).json()["data"] == {"rows": 100}


async def test_a_denied_operation_costs_the_request_alone(limits: MemoryLimiter) -> None:
    memory = MemoryVerifier()
    app, token = app_with(memory, limits), memory.issue(rate_limit=LIMIT).reveal()
    denied = await ask(app, token, 8, "rows(first: $first) secret")
    assert denied.json()["errors"][0]["extensions"]["code"] == "INSUFFICIENT_SCOPE"
    assert denied.headers["ratelimit"].startswith('"default";r=9')


async def test_on_a_socket_each_operation_is_charged_whole(limits: MemoryLimiter) -> None:
    memory = MemoryVerifier()
    secret = memory.issue(rate_limit=LIMIT)
    app = app_with(memory, limits)

    async def subscribe(first: int) -> dict[str, Any]:
        payload = {"query": "subscription ($first: Int!) { ticks(first: $first) }", "variables": {"first": first}}
        await socket.send_json({"type": "subscribe", "id": str(first), "payload": payload})
        while (message := await socket.receive_json(timeout=SECONDS_MAX))["type"] == "complete":
            pass
        found: dict[str, Any] = message
        return found

    with running(app) as url:
        async with web_socket(f"{url}/graphql", subprotocols=["graphql-transport-ws"]) as socket:
            await socket.send_json(
                {"type": "connection_init", "payload": {"Authorization": f"Bearer {secret.reveal()}"}}
            )
            assert (await socket.receive_json(timeout=SECONDS_MAX))["type"] == "connection_ack"
            assert (await subscribe(8))["type"] == "next"
            refused = await subscribe(2)
    assert refused["type"] == "error"
    assert refused["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
    assert ran == ["ticks"]
