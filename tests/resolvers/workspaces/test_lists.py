"""Lists and look-ups in a workspace: audit events by their conditions, and a workspace by its slug."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from spacekey.domain.page import AuditFilter, PageRequest, TokenOrder
from spacekey.domain.refusal import Forbidden, InvalidInput, NotFound
from spacekey.models.engine.store import Store
from spacekey.models.tables.records import AuditRecord
from spacekey.resolvers.members.members import add_member
from spacekey.resolvers.tokens.list import TokenSearch
from spacekey.resolvers.workspaces.delete import delete_workspace
from spacekey.resolvers.workspaces.lists import audit_list, one_member, one_workspace, token_lists
from spacekey.resolvers.workspaces.roles import set_role
from support.rows import NOW, a_workspace, add, an_event
from support.world import OPERATOR, World, make_world


@pytest.fixture
async def world(store: Store) -> World:
    return make_world(store)


async def test_events_are_found_by_every_condition_and_by_all_together(world: World) -> None:
    workspace = a_workspace(product="emit", plan="free")
    events = [
        an_event(
            workspace.id,
            number,
            at=NOW + timedelta(seconds=number),
            outcome=("success", "denied", "alert")[number % 3],
            actor_id=("usr_a", "usr_b")[number % 2],
            action=("token.create", "token.refused")[number // 2 % 2],
            target_id=("key_a", "key_b")[number // 3 % 2],
        )
        for number in range(1, 25)
    ]
    await add(world.system.store, workspace, *events)
    conditions: list[dict[str, Any]] = [
        {"outcome": "denied"},
        {"actor_id": "usr_b"},
        {"action": "token.refused"},
        {"target_id": "key_b"},
        {"created_after": NOW + timedelta(seconds=5), "created_before": NOW + timedelta(seconds=20)},
    ]

    async def found(where: AuditFilter) -> list[int]:
        page = await audit_list(world.system, OPERATOR, workspace.id, PageRequest(100), where)
        return [event.sequence for event in page.rows]

    def meets(event: AuditRecord, where: AuditFilter) -> bool:
        plain = all(
            getattr(where, name) in (None, getattr(event, name))
            for name in ("outcome", "actor_id", "action", "target_id")
        )
        begun = where.created_after is None or event.at >= where.created_after
        return plain and begun and (where.created_before is None or event.at < where.created_before)

    everything = (await audit_list(world.system, OPERATOR, workspace.id, PageRequest(100))).rows
    assert len(everything) == 24
    for chosen in range(2 ** len(conditions)):
        where = AuditFilter(
            **{key: value for bit, one in enumerate(conditions) if chosen >> bit & 1 for key, value in one.items()}
        )
        assert await found(where) == [event.sequence for event in everything if meets(event, where)], where


async def test_an_outcome_that_no_event_can_have_is_refused(world: World) -> None:
    workspace = await world.workspace("emit")
    with pytest.raises(InvalidInput, match="'success'") as refused:
        await audit_list(world.system, OPERATOR, workspace.id, PageRequest(1), AuditFilter(outcome="succes"))
    assert refused.value.field == "outcome"


async def test_a_workspace_is_found_by_its_id_or_its_slug_by_its_own_callers(world: World) -> None:
    caller = await world.user("ada@example.com")
    own, foreign, blind, gone = [
        await world.workspace("emit", slug=slug) for slug in ("own", "foreign", "blind", "gone")
    ]
    for workspace in (own, gone):
        await add_member(world.system, OPERATOR, workspace.id, email=caller.name, role="owner")
    await set_role(world.system, OPERATOR, blind.id, name="blind", grants=["tokens:read"])
    await add_member(world.system, OPERATOR, blind.id, email=caller.name, role="blind")
    await delete_workspace(world.system, caller, gone.id)
    for workspace_id, slug in ((own.id, None), (None, "own")):
        assert (await one_workspace(world.system, caller, workspace_id, slug)).workspace.id == own.id
    for slug in ("foreign", "unknown", "gone", "OWN", "own ", "", "\0", "x" * 100):
        with pytest.raises(NotFound) as not_found:
            await one_workspace(world.system, caller, None, slug)
        assert str(not_found.value) == str(NotFound("workspace"))
    with pytest.raises(Forbidden):
        await one_workspace(world.system, caller, None, "blind")
    for both in ((own.id, "own"), (None, None)):
        with pytest.raises(InvalidInput):
            await one_workspace(world.system, caller, *both)
    assert foreign.slug == "foreign"


async def test_an_invalid_search_is_refused_also_where_the_caller_may_read_nothing(world: World) -> None:
    """Else the answer would tell which workspaces there are."""
    caller = await world.user("ada@example.com")
    foreign = await world.workspace("emit")
    for workspace_id in (foreign.id, "ws_none"):
        with pytest.raises(InvalidInput) as refused:
            await token_lists(
                world.system,
                caller,
                [(workspace_id, None)],
                search=TokenSearch(unused_days=-1),
                order=TokenOrder.CREATED_AT,
                descending=True,
                request=PageRequest(1),
            )
        assert refused.value.field == "unused_days"


async def test_a_member_is_found_in_their_own_workspace_only(world: World) -> None:
    workspace, other = await world.workspace("teamspace"), await world.workspace("teamspace")
    owner, elsewhere = await world.member(workspace, "owner"), await world.member(other, "owner")
    member, user = await one_member(world.system, owner, workspace.id, owner.id)
    assert (member.user_id, user.id) == (owner.id, owner.id)
    for user_id in (elsewhere.id, "usr_none"):
        with pytest.raises(NotFound, match="member"):
            await one_member(world.system, owner, workspace.id, user_id)
