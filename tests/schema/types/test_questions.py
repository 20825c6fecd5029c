"""What an owner asks over GraphQL: counts, quota, usage, searches in one workspace and in all, events by outcome."""

from __future__ import annotations

from typing import Any

import pytest

from spacekey.domain.usage import TokenUse
from spacekey.models.engine.store import Store
from spacekey.resolvers.members.members import add_member
from spacekey.resolvers.tokens import usage as keep_usage
from spacekey.resolvers.tokens.create import NewToken, create_token
from support.authorization.principals import principal_of
from support.schema import spacekey_schema
from support.world import OPERATOR, World, make_world


@pytest.fixture
async def world(store: Store) -> World:
    return make_world(store)


async def test_an_owner_is_answered(world: World) -> None:
    owner = await world.user("ada@example.com")
    one, other = [await world.workspace("spooled", plan="pro", slug=slug) for slug in ("one", "other")]
    for workspace in (one, other):
        await add_member(world.system, OPERATOR, workspace.id, email=owner.name, role="owner")
    space = await world.space(one)
    issued = await create_token(world.system, owner, NewToken(one.id, "reader", ("jobs:read",), space_id=space.id))
    world.clock.forward(seconds=1)
    await create_token(world.system, OPERATOR, NewToken(one.id, "writer", ("jobs:write",)))
    world.clock.forward(days=1)
    await create_token(world.system, OPERATOR, NewToken(other.id, "elsewhere", ("jobs:read",)))
    async with world.system.store.changing() as session:
        rows = [TokenUse(issued.view.token.id, world.clock(), allowed=5, limited=1)]
        await keep_usage.add(session, rows, world.clock())
    principal = await principal_of(world, owner)

    async def ask(selection: str, **variables: Any) -> dict[str, Any]:
        declared = f"query({', '.join(f'${name}: String!' for name in variables)})" if variables else "query"
        document = f"{declared} {{ {selection} }}"
        answer = await world.ask(spacekey_schema(), document, principal=principal, variables=variables)
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    most = world.system.products["spooled"].plans["pro"].tokens_max
    found = await ask(
        'workspace(slug: "one") { tokensCount { count precision } few: tokensCount(limit: 1) { count precision } '
        'jobs: tokensCount(filter: {scope: "jobs:read"}) { count } tokenQuota { used max } '
        "usage { day allowed rateLimited } "
        "busiestTokens(days: 7, first: 1) { token { name } allowed denied rateLimited } "
        "spaces { nodes { tokensCount { count precision } } } "
        'auditLog(filter: {outcome: SUCCESS, createdAfter: "2026-06-01T00:00:00Z"}, first: 1) { nodes { action } } }'
    )
    assert found["workspace"] == {
        "tokensCount": {"count": 2, "precision": "EXACT"},
        "few": {"count": 1, "precision": "AT_LEAST"},
        "jobs": {"count": 1},
        "tokenQuota": {"used": 2, "max": most},
        "usage": [{"day": "2026-06-02", "allowed": 5, "rateLimited": 1}],
        "busiestTokens": [{"token": {"name": "reader"}, "allowed": 5, "denied": 0, "rateLimited": 1}],
        "spaces": {"nodes": [{"tokensCount": {"count": 1, "precision": "EXACT"}}]},
        "auditLog": {"nodes": [{"action": "TOKEN_CREATE"}]},
    }
    nodes = "nodes { name workspace { slug } }"
    assert (await ask(f'tokens(filter: {{scope: "jobs:read"}}) {{ {nodes} }}'))["tokens"]["nodes"] == [
        {"name": "elsewhere", "workspace": {"slug": "other"}},
        {"name": "reader", "workspace": {"slug": "one"}},
    ]
    shown = await ask(f"tokens(filter: {{prefix: $prefix}}) {{ {nodes} }}", prefix=issued.view.shown_prefix)
    assert {"name": "reader", "workspace": {"slug": "one"}} in shown["tokens"]["nodes"]
    early = await ask(f'tokens(filter: {{createdBefore: "2026-06-02T00:00:00Z"}}) {{ {nodes} }}')
    assert [one["name"] for one in early["tokens"]["nodes"]] == ["writer", "reader"]


@pytest.mark.parametrize(
    ("selection", "field"),
    [
        ("workspace { id }", "id"),
        ('workspace(id: "ws_x", slug: "x") { id }', "slug"),
        ('tokens(filter: {scope: "jobs:raed"}) { nodes { id } }', "scope"),
        ('tokens(filter: {prefix: "…"}) { nodes { id } }', "prefix"),
        ('workspace(slug: "one") { tokensCount(limit: 0) { count } }', "limit"),
        ('workspace(slug: "one") { tokensCount(filter: {scope: "?"}) { count } }', "scope"),
        ('workspace(slug: "one") { busiestTokens(first: 101) { allowed } }', "first"),
        ('workspace(slug: "one") { usage(days: 0) { day } }', "days"),
    ],
)
async def test_a_question_that_cannot_be_answered_is_refused_by_its_field(
    world: World, selection: str, field: str
) -> None:
    owner = await world.user("ada@example.com")
    workspace = await world.workspace("spooled", slug="one")
    await add_member(world.system, OPERATOR, workspace.id, email=owner.name, role="owner")
    principal = await principal_of(world, owner)
    answer = await world.ask(spacekey_schema(), f"{{ {selection} }}", principal=principal)
    [error] = answer["errors"]
    assert error["extensions"]["code"] == "INVALID_INPUT"
    assert error["extensions"]["errors"][0]["path"] == [field]
