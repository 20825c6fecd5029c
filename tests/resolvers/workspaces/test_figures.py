"""Figures of workspaces: counts with their precision, quotas, usage and the busiest tokens."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from spacekey.domain.refusal import Forbidden, InvalidInput, NotFound, PlanLimit
from spacekey.domain.usage import TokenUse
from spacekey.models.engine.store import Store
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.access.caller import TokenCaller
from spacekey.resolvers.members.members import add_member
from spacekey.resolvers.tokens import usage as keep_usage
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.list import TokenSearch
from spacekey.resolvers.tokens.revoke import delete_token, disable_token, revoke_token
from spacekey.resolvers.tokens.rotate import rotate_token
from spacekey.resolvers.workspaces.figures import (
    BusyToken,
    CountPrecision,
    TokenCount,
    TokenQuota,
    busiest_tokens,
    token_counts,
    token_quotas,
    workspace_usage,
)
from spacekey.resolvers.workspaces.roles import set_role
from support.statements import counting
from support.world import FACTS, OPERATOR, World, make_world


@pytest.fixture
async def world(store: Store) -> World:
    return make_world(store)


async def issue(world: World, workspace: Workspace, name: str, *grants: str, space_id: str | None = None) -> str:
    asked = NewToken(workspace.id, name, grants or ("jobs:read",), space_id=space_id)
    return (await create_token(world.system, OPERATOR, asked)).view.token.id


async def use(
    world: World, token_id: str, *, days_ago: int = 0, allowed: int = 0, denied: int = 0, limited: int = 0
) -> None:
    at = world.clock() - timedelta(days=days_ago)
    async with world.system.store.changing() as session:
        await keep_usage.add(
            session, [TokenUse(token_id, at, allowed=allowed, denied=denied, limited=limited)], world.clock()
        )


async def test_a_count_is_exact_up_to_its_limit_and_then_says_so(world: World) -> None:
    workspace = await world.workspace("spooled", plan="enterprise")
    for number in range(3):
        await issue(world, workspace, f"t{number}")
    await delete_token(world.system, OPERATOR, await issue(world, workspace, "deleted"))
    place, everything = (workspace.id, None), TokenSearch()
    for limit, wanted in (
        (4, TokenCount(3, CountPrecision.EXACT)),
        (3, TokenCount(3, CountPrecision.EXACT)),
        (2, TokenCount(2, CountPrecision.AT_LEAST)),
    ):
        assert await token_counts(world.system, OPERATOR, [place], everything, limit) == [wanted]
    assert await token_counts(world.system, OPERATOR, [place], TokenSearch(text="t1")) == [
        TokenCount(1, CountPrecision.EXACT)
    ]
    with pytest.raises(InvalidInput) as refused:
        await token_counts(world.system, OPERATOR, [("ws_unknown", None)], TokenSearch(scope="jobs:raed"))
    assert refused.value.field == "scope"
    for limit in (0, -1, 10_001):
        with pytest.raises(InvalidInput) as refused:
            await token_counts(world.system, OPERATOR, [place], everything, limit)
        assert refused.value.field == "limit"


async def test_a_quota_is_what_creation_is_refused_by(world: World) -> None:
    """The number of tokens that fit is the difference, whatever state the others are in."""
    workspace = await world.workspace("spooled", plan="free")
    most = world.system.products["spooled"].plans["free"].tokens_max
    assert most
    assert most >= 3
    first, second, third = [await issue(world, workspace, f"t{number}") for number in range(3)]
    await rotate_token(world.system, OPERATOR, first)
    await disable_token(world.system, OPERATOR, second)
    await revoke_token(world.system, OPERATOR, third)
    [quota] = await token_quotas(world.system, OPERATOR, [workspace.id])
    assert quota == TokenQuota(2, most)
    for number in range(most - 2):
        await issue(world, workspace, f"more {number}")
    assert await token_quotas(world.system, OPERATOR, [workspace.id]) == [TokenQuota(most, most)]
    with pytest.raises(PlanLimit):
        await issue(world, workspace, "one too many")
    unlimited = await world.workspace("spooled", plan="enterprise")
    assert await token_quotas(world.system, OPERATOR, [unlimited.id]) == [TokenQuota(0, None)]


async def test_usage_of_a_workspace_is_that_of_all_its_tokens_deleted_ones_too(world: World) -> None:
    workspace, other = [await world.workspace("spooled", plan="enterprise") for _ in range(2)]
    one, deleted, foreign = (
        await issue(world, workspace, "one"),
        await issue(world, workspace, "deleted"),
        await issue(world, other, "foreign"),
    )
    for token_id in (one, deleted, foreign):
        await use(world, token_id, allowed=1, denied=2, limited=3)
        await use(world, token_id, days_ago=2, allowed=10)
    await use(world, one, days_ago=7, allowed=100)
    await delete_token(world.system, OPERATOR, deleted)
    found = await workspace_usage(world.system, OPERATOR, [workspace.id, other.id], 7)
    today = world.clock().date()
    assert found == [
        [(today - timedelta(days=2), 20, 0, 0), (today, 2, 4, 6)],
        [(today - timedelta(days=2), 10, 0, 0), (today, 1, 2, 3)],
    ]
    assert (await workspace_usage(world.system, OPERATOR, [workspace.id], 1))[0] == [(date(2026, 6, 1), 2, 4, 6)]
    empty = await world.workspace("emit")
    assert await workspace_usage(world.system, OPERATOR, [empty.id], 366) == [[]]


async def test_the_busiest_tokens_come_first_and_deleted_ones_are_left_out(world: World) -> None:
    workspace, other = [await world.workspace("spooled", plan="enterprise") for _ in range(2)]
    ids = [await issue(world, workspace, f"t{number}") for number in range(5)]
    for number, token_id in enumerate(ids[:4]):
        await use(world, token_id, allowed=1, denied=number, limited=1)
        await use(world, token_id, days_ago=40, allowed=1_000 * (5 - number))
    await use(world, await issue(world, other, "foreign"), allowed=10_000)
    await delete_token(world.system, OPERATOR, ids[2])

    async def shown(most: int) -> list[tuple[str, int]]:
        [answer] = await busiest_tokens(world.system, OPERATOR, [workspace.id], 30, most)
        assert isinstance(answer, list)
        return [(one.view.token.name, one.usage.requests) for one in answer]

    assert await shown(10) == [("t3", 5), ("t1", 3), ("t0", 2)]
    assert await shown(2) == [("t3", 5), ("t1", 3)]
    both = await busiest_tokens(world.system, OPERATOR, [other.id, workspace.id], 366, 1)
    assert [one.view.token.name for answer in both for one in answer if isinstance(one, BusyToken)] == ["foreign", "t0"]  # type: ignore[union-attr]
    assert await shown(0) == []
    for most in (-1, 101):
        with pytest.raises(InvalidInput) as refused:
            await shown(most)
        assert refused.value.field == "first"
    with pytest.raises(InvalidInput):
        await busiest_tokens(world.system, OPERATOR, [workspace.id], 367, 1)


async def test_figures_are_those_of_what_the_caller_may_read(world: World) -> None:
    """Each workspace for itself: foreign and unknown ones look the same, and a space token sees its space only."""
    caller = await world.user("ada@example.com")
    own, blind, foreign = [await world.workspace("spooled", plan="enterprise") for _ in range(3)]
    await add_member(world.system, OPERATOR, own.id, email=caller.name, role="owner")
    await set_role(world.system, OPERATOR, blind.id, name="blind", grants=["workspace:read"])
    await add_member(world.system, OPERATOR, blind.id, email=caller.name, role="blind")
    space = await world.space(own)
    grants = ("tokens:read", "usage:read")
    in_space, beside = (
        await issue(world, own, "in space", *grants, space_id=space.id),
        await issue(world, own, "beside", *grants),
    )
    for token_id, count in ((in_space, 1), (beside, 10)):
        await use(world, token_id, allowed=count)
    ids = [own.id, blind.id, foreign.id, "ws_unknown"]
    token = TokenCaller(in_space, "t", own.id, FACTS)

    async def ask(who: Any) -> list[list[Any]]:
        return [
            await token_counts(world.system, who, [(one, None) for one in ids], TokenSearch()),
            await token_quotas(world.system, who, ids),
            await workspace_usage(world.system, who, ids, 30),
            await busiest_tokens(world.system, who, ids, 30, 10),
        ]

    for answers in await ask(caller):
        assert not isinstance(answers[0], Exception)
        assert isinstance(answers[1], Forbidden)
        assert all(isinstance(one, NotFound) for one in answers[2:])
        assert str(answers[2]) == str(answers[3])
    counts, quotas, usage, busiest = await ask(token)
    assert counts[0] == TokenCount(1, CountPrecision.EXACT)
    assert isinstance(quotas[0], NotFound)
    assert [day.allowed for day in usage[0]] == [1]
    assert [one.view.token.name for one in busiest[0]] == ["in space"]
    for answers in (counts, quotas, usage, busiest):
        assert all(isinstance(one, NotFound) for one in answers[1:])


async def test_figures_of_many_workspaces_take_as_many_statements_as_those_of_one(world: World) -> None:
    ids = [(await world.workspace("spooled")).id for _ in range(4)]
    numbers = []
    for asked in (ids[:1], ids):
        with counting(world.system.store) as seen:
            await token_counts(world.system, OPERATOR, [(one, None) for one in asked], TokenSearch())
            await token_quotas(world.system, OPERATOR, asked)
            await workspace_usage(world.system, OPERATOR, asked, 30)
            await busiest_tokens(world.system, OPERATOR, asked, 30, 10)
        numbers.append(len(seen))
    assert numbers[0] == numbers[1]
