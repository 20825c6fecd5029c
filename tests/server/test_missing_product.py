"""A server that was started without a product that stored workspaces need: it cannot tell, and says what is missing."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest

from spacekey.domain.secret import mint
from spacekey.models.engine.store import Store
from spacekey.resolvers.members.members import add_member
from spacekey.server.app import build_app
from spacekey.server.build import build_parts
from spacekey.server.settings import Settings
from support.server import ORIGIN, bearer, served
from support.world import OPERATOR, make_world


@asynccontextmanager
async def served_without(product: str, database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Another server on the same database."""
    settings = Settings(database_url=database_url)
    system = make_world(Store(database_url)).system
    loaded = {name: one for name, one in system.products.items() if name != product}
    app = build_app(settings, parts=build_parts(settings, replace(system, products=loaded)))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        yield client


async def test_good_tokens_are_answered_503_and_never_401(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with served(database_url) as server:
        spooled, guard = await server.world.workspace("spooled"), await server.world.workspace("guard", plan="paid")
        _, lost = await server.token(spooled.id, "jobs:read")
        _, known = await server.token(guard.id, "sessions:read")
        unknown = mint("sp", "live", server.world.system.entropy)
        with caplog.at_level(logging.WARNING, "spacekey.server"):
            async with served_without("spooled", database_url) as client:
                answers = [await client.get("/api/v1/self", headers=bearer(one)) for one in (lost, known, unknown)]
    assert [one.status_code for one in answers] == [503, 200, 401]
    assert answers[0].headers["retry-after"]
    (told,) = [record.getMessage() for record in caplog.records if record.name == "spacekey.server"]
    assert told.startswith("the product 'spooled' of 1 workspaces is not loaded.")
    assert "SPACEKEY_PRODUCTS" in told


async def test_a_token_of_another_workspace_is_inactive_as_an_unknown_one_is(database_url: str) -> None:
    """Whether its product is loaded is not the business of a caller who may not see it."""
    async with served(database_url) as server:
        spooled, guard = await server.world.workspace("spooled"), await server.world.workspace("guard", plan="paid")
        _, stranger = await server.token(spooled.id, "jobs:read")
        _, own = await server.token(guard.id, "tokens:introspect")
        async with served_without("spooled", database_url) as client:
            answer = await client.post("/api/v1/introspect", data={"token": stranger}, headers=bearer(own))
    assert (answer.status_code, answer.json()) == (200, {"active": False})


async def test_a_person_still_sees_the_other_workspaces(database_url: str) -> None:
    async with served(database_url) as server:
        spooled, emit = await server.world.workspace("spooled"), await server.world.workspace("emit")
        await server.world.member(spooled, "owner", "both@example.com")
        await add_member(server.world.system, OPERATOR, emit.id, email="both@example.com", role="owner")
        browser = await server.cookie("both@example.com")
        async with served_without("spooled", database_url) as client:
            names = "{ workspaces { nodes { id } } }"
            listed = await client.post("/graphql", json={"query": names}, headers=browser)
            alone = f'{{ workspace(id: "{spooled.id}") {{ id }} }}'
            asked = await client.post("/graphql", json={"query": alone}, headers=browser)
    assert [one["id"] for one in listed.json()["data"]["workspaces"]["nodes"]] == [emit.id]
    assert asked.status_code == 503
