"""Every caller of GraphQL has a budget of cost in time: a token, a member, an anonymous caller's network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from graphql import get_introspection_query

from spacekey import MemoryLimiter
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Limit
from spacekey.models.engine.store import SQLITE
from spacekey.server.limits import CallerBudget
from spacekey.server.settings import COST_PER_MINUTE_MIN, Settings
from support.server import ORIGIN, Served, bearer, served

DEAR = get_introspection_query()
"""Costs more than half of the smallest budget, and so half of it: a second one does not fit beside its own text."""
CHEAP = "{ me { kind } }"
only_sqlite = pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
MODERN = "application/graphql-response+json"


@asynccontextmanager
async def small(database_url: str) -> AsyncIterator[Served]:
    """A server with the smallest budgets, whose accounts stand still: no budget fills up again meanwhile."""
    chosen = Settings(
        database_url=database_url,
        graphql_cost_per_minute=COST_PER_MINUTE_MIN,
        anonymous_cost_per_minute=COST_PER_MINUTE_MIN,
    )
    async with served(database_url, settings=chosen) as one:
        one.app.state.parts = replace(one.parts, budgets=MemoryLimiter(clock=lambda: 1_000.0))
        yield one


async def ask(
    client: httpx.AsyncClient, query: str, headers: dict[str, str] | None = None, accept: str = "application/json"
) -> httpx.Response:
    return await client.post("/graphql", json={"query": query}, headers={"Accept": accept, **(headers or {})})


def from_address(one: Served, address: str) -> httpx.AsyncClient:
    """A client whose connections come from this address."""
    transport = httpx.ASGITransport(one.app, raise_app_exceptions=False, client=(address, 1234))
    return httpx.AsyncClient(transport=transport, base_url=ORIGIN)


def is_rate_limited(answer: httpx.Response) -> bool:
    """Whether it is a refusal for the budget, which must then be a whole one."""
    if answer.status_code != 429:
        return False
    [error] = answer.json()["errors"]
    assert "data" not in answer.json()
    assert error["extensions"]["code"] == "RATE_LIMITED"
    assert answer.headers["retry-after"] == str(error["extensions"]["retryAfterSeconds"])
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert answer.headers["cache-control"] == "no-store"
    return True


@pytest.mark.sampled(2)
@only_sqlite
@pytest.mark.parametrize("accept", ["application/json", MODERN])
async def test_an_anonymous_network_that_spent_its_budget_waits(database_url: str, accept: str) -> None:
    async with small(database_url) as one:
        async with from_address(one, "2001:db8:1:2::1") as first, from_address(one, "2001:db8:1:2::2") as same:
            assert (await ask(first, DEAR, accept=accept)).status_code == 200
            assert is_rate_limited(await ask(first, DEAR, accept=accept))
            assert is_rate_limited(await ask(same, DEAR, accept=accept))
        async with from_address(one, "2001:db8:1:3::1") as other:
            assert (await ask(other, DEAR, accept=accept)).status_code == 200


@pytest.mark.long
@only_sqlite
async def test_tokens_and_members_have_budgets_of_their_own(database_url: str) -> None:
    async with small(database_url) as one:
        workspace = await one.world.workspace("spooled")
        ada, bob = [await one.world.member(workspace, "owner") for _ in range(2)]
        callers = [bearer((await one.token(workspace.id, "tokens:read"))[1]) for _ in range(2)]
        callers += [await one.cookie(person.name) for person in (ada, bob)]
        for headers in callers:
            assert (await ask(one.client, DEAR, headers)).status_code == 200
            assert is_rate_limited(await ask(one.client, DEAR, headers))
        assert (await ask(one.client, CHEAP)).status_code == 200, "the anonymous budget was not touched"


@only_sqlite
async def test_documents_pay_for_being_read_also_when_they_are_wrong(database_url: str) -> None:
    async with small(database_url) as one:
        wrong = "{ " + "x " * 9_000 + "}"
        answers = [await ask(one.client, wrong) for _ in range(12)]
        assert not is_rate_limited(answers[0])
        assert "OPERATION_TOO_LARGE" in answers[0].text
        assert is_rate_limited(answers[-1])


@pytest.mark.long
@only_sqlite
async def test_the_default_budget_lets_tools_and_sign_ins_through(database_url: str) -> None:
    async with served(database_url) as one:
        sign_in = 'mutation { signIn(input: {email: "a@b.example", password: "x"}) { __typename } }'
        for query in [DEAR, DEAR, *([sign_in] * 20), *([CHEAP] * 100)]:
            assert (await ask(one.client, query)).status_code == 200


async def test_an_operation_costs_at_most_half_of_a_full_account() -> None:
    now = 1_000.0
    budget = CallerBudget(MemoryLimiter(clock=lambda: now, share=4), "cost:x", Limit(4_000, 4_000))
    assert [await budget.charge(50_000) for _ in range(2)] == [None, None]
    assert await budget.charge(1) == 1
    assert await budget.charge(50_000) == 30
    now += 30
    assert await budget.charge(50_000) is None


@pytest.mark.parametrize("setting", ["graphql_cost_per_minute", "anonymous_cost_per_minute"])
@pytest.mark.parametrize("value", ["0", "999", "-5", "many", "9999999999"])
def test_a_budget_is_a_number_that_lets_something_through(setting: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"SPACEKEY_{setting.upper()}: write a number from 1000 to 999999999"):
        Settings.from_environ({f"SPACEKEY_{setting.upper()}": value})
