"""Spacekey's own API holds every caller to one limit, whatever the plan of a token's workspace pays for."""

from __future__ import annotations

import pytest

from spacekey.domain.principal import Limit
from spacekey.models.engine.store import SQLITE
from spacekey.server.settings import Settings
from support.server import Served, bearer, served

pytestmark = pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)

PLANS = {"free": 20, "pro": 100, "enterprise": None}
"""spooled's plans, with the bursts that they have for the product's own requests."""


async def statuses(server: Served, headers: dict[str, str], count: int) -> list[int]:
    return [(await server.client.get("/api/v1/self", headers=headers)).status_code for _ in range(count)]


@pytest.mark.parametrize("plan", PLANS)
async def test_a_token_of_any_plan_is_held_to_the_limit_of_the_api(plan: str, database_url: str) -> None:
    settings = Settings(database_url=database_url, api_per_minute=1, api_burst=25)
    async with served(database_url, settings=settings) as server:
        workspace = await server.world.workspace("spooled", plan=plan)
        _, secret = await server.token(workspace.id, "tokens:read")
        _, other = await server.token(workspace.id, "tokens:read")
        assert await statuses(server, bearer(secret), 26) == [200] * 25 + [429]
        answer = await server.client.get("/api/v1/api-keys", headers=bearer(secret))
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert (
            await server.client.post("/graphql", json={"query": "{ me { kind } }"}, headers=bearer(secret))
        ).status_code == 429
        assert await statuses(server, bearer(other), 1) == [200]


async def test_a_person_is_held_to_it_as_well(database_url: str) -> None:
    settings = Settings(database_url=database_url, api_per_minute=1, api_burst=3)
    async with served(database_url, settings=settings) as server:
        workspace = await server.world.workspace("spooled")
        await server.world.member(workspace, "owner", "ada@example.com")
        assert await statuses(server, await server.cookie("ada@example.com"), 4) == [200, 200, 200, 429]


async def test_introspection_and_usage_reports_are_not_counted(database_url: str) -> None:
    settings = Settings(database_url=database_url, api_per_minute=1, api_burst=1)
    async with served(database_url, settings=settings) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        for _ in range(5):
            answer = await server.client.post("/api/v1/introspect", data={"token": own}, headers=bearer(own))
            assert answer.json()["active"] is True
            # What the app's own requests are held to is the plan's limit, which it is told.
            assert answer.json()["rate_limit"] == {"per_minute": 100, "burst": 20}


async def test_what_a_caller_is_told_of_its_limit_is_its_plan_s(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled", plan="pro")
        _, secret = await server.token(workspace.id, "tokens:read")
        answer = await server.client.get("/api/v1/self", headers=bearer(secret))
        assert Limit(**answer.json()["rate_limit"]) == Limit(1_000, 100)
        assert answer.headers["ratelimit-policy"] == '"default";q=600;w=60;spacekey-burst=100'
