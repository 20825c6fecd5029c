"""External ids and metadata: what is attached comes back everywhere, lookups use an index, races have one winner."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from spacekey.domain.actor import Actor, ActorKind
from spacekey.domain.authentication import Authenticated
from spacekey.domain.page import PageRequest, TokenOrder
from spacekey.domain.refusal import Conflict, ConflictCode, InputCode, InvalidInput, NotFound
from spacekey.domain.secret import Secret
from spacekey.models.engine.reading import Reader, ResultRow, Values
from spacekey.models.engine.store import SQLITE, Store
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.queries.tokens import TokenFilter, token_page
from spacekey.models.tables.workspace import Space, Workspace
from spacekey.resolvers.access.caller import HostCaller, RequestFacts
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.list import TokenSearch, token_list
from spacekey.resolvers.tokens.rotate import rotate_token
from spacekey.resolvers.tokens.update import TokenChanges, update_token
from spacekey.resolvers.workspaces.delete import delete_workspace
from spacekey.resolvers.workspaces.lists import audit_list, linked_workspaces, one_linked_space, one_workspace
from spacekey.resolvers.workspaces.spaces import create_space, delete_space, update_space
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, create_workspace, update_workspace
from spacekey.server.build import build_verifier
from support.rows import NOW, a_space, a_token, a_workspace, add
from support.world import OPERATOR, World, make_world

HOST = HostCaller(RequestFacts(), Actor(ActorKind.EXTERNAL, "user-7", "Ada"))
META = {"seats": [1, {"plan": "pro"}], "é": None}


@pytest.fixture
def world(store: Store) -> World:
    return make_world(store)


async def principal_of(world: World, secret: Secret) -> Any:
    system = world.system
    verifier = build_verifier(system.store, system.products, system.clock, 0.0)
    verdict = await verifier.verify(secret)
    await verifier.aclose()
    assert isinstance(verdict, Authenticated)
    return verdict.principal


async def listed(world: World, workspace: Workspace, external_id: str) -> list[str]:
    page = await token_list(
        world.system,
        OPERATOR,
        workspace.id,
        search=TokenSearch(external_id=external_id),
        order=TokenOrder.CREATED_AT,
        descending=True,
        request=PageRequest(10),
    )
    return [view.token.id for view in page.rows]


async def test_a_token_carries_them_through_its_life_and_its_successors(world: World) -> None:
    workspace = await world.workspace("spooled")
    new = NewToken(workspace.id, "t", ("jobs:read",), external_id="user-7", metadata=META)
    issued = await create_token(world.system, OPERATOR, new)
    await create_token(world.system, OPERATOR, replace(new, external_id="user-70", metadata=None))
    principal = await principal_of(world, issued.secret)
    assert (principal.external_id, principal.metadata) == ("user-7", {**META, "seats": (1, {"plan": "pro"})})
    world.clock.forward(seconds=1)  # ids of one millisecond come in any order
    rotated = await rotate_token(world.system, OPERATOR, issued.view.token.id)
    assert (await principal_of(world, rotated.secret)).metadata == principal.metadata
    assert await listed(world, workspace, "user-7") == [rotated.view.token.id, issued.view.token.id]
    assert await listed(world, workspace, "USER-7") == await listed(world, workspace, "user") == []

    changes = TokenChanges(external_id="user-8", metadata={"a": 1})
    await update_token(world.system, OPERATOR, rotated.view.token.id, changes)
    assert await listed(world, workspace, "user-8") == [rotated.view.token.id]
    await update_token(world.system, OPERATOR, rotated.view.token.id, TokenChanges(external_id=None, metadata={}))
    bare = await principal_of(world, rotated.secret)
    assert (bare.external_id, bare.metadata) == (None, {})

    events = (await audit_list(world.system, OPERATOR, workspace.id, PageRequest(10))).rows
    told = [(one.action, one.before, one.after) for one in events if one.target_id == rotated.view.token.id]
    assert told[0] == (
        "token.update",
        {"external_id": "user-8", "metadata": {"a": 1}},
        {"external_id": None, "metadata": None},
    )
    assert told[1][1] == {"external_id": "user-7", "metadata": META}
    assert told[2][2] is not None
    assert (told[2][2]["external_id"], told[2][2]["metadata"]) == ("user-7", META)


async def test_what_is_wrong_is_told_together_and_nothing_is_written(world: World) -> None:
    workspace = await world.workspace("spooled")
    new = NewToken(workspace.id, "t", ("jobs:read",), external_id="a\0", metadata={"a": {"b": float("inf")}})
    with pytest.raises(InvalidInput) as refused:
        await create_token(world.system, OPERATOR, new)
    assert [(one.path, one.code) for one in refused.value.faults] == [
        (("external_id",), InputCode.INVALID_CHARACTERS),
        (("metadata", "a", "b"), InputCode.OUT_OF_RANGE),
    ]
    issued = await create_token(world.system, OPERATOR, NewToken(workspace.id, "t", ("jobs:read",), metadata=META))
    with pytest.raises(InvalidInput):
        await update_token(
            world.system, OPERATOR, issued.view.token.id, TokenChanges(external_id="u", metadata={"a": b"b"})
        )
    assert (await principal_of(world, issued.secret)).external_id is None


async def test_of_two_workspaces_created_at_once_with_one_external_id_one_is_refused_by_its_own_code(
    world: World,
) -> None:
    async def create(number: int) -> Workspace:
        return await create_workspace(
            world.system, HOST, name="W", slug=f"w{number}", product="emit", external_id="tenant-42"
        )

    made = await asyncio.gather(*map(create, range(4)), return_exceptions=True)
    assert sum(isinstance(one, Workspace) for one in made) == 1
    assert {one.code for one in made if isinstance(one, Conflict)} == {ConflictCode.EXTERNAL_ID_TAKEN}
    assert len([one for one in made if isinstance(one, Conflict)]) == 3
    workspace = next(one for one in made if isinstance(one, Workspace))

    async def create_in(number: int) -> Space:
        return await create_space(
            world.system, HOST, workspace.id, name="S", slug=f"s{number}", external_id="project-1"
        )

    spaces = await asyncio.gather(*map(create_in, range(4)), return_exceptions=True)
    assert sum(isinstance(one, Space) for one in spaces) == 1
    assert {one.code for one in spaces if isinstance(one, Conflict)} == {ConflictCode.EXTERNAL_ID_TAKEN}


async def test_the_database_itself_refuses_a_second_one_with_the_same_code(store: Store) -> None:
    """Whatever a resolver checked before."""
    workspace = a_workspace(external_id="t")
    await add(store, workspace, a_space(workspace, external_id="p"))
    for row in (a_workspace(external_id="t"), a_space(workspace, external_id="p")):
        with pytest.raises(Conflict) as refused:
            await add(store, row)
        assert refused.value.code == ConflictCode.EXTERNAL_ID_TAKEN
        assert "'t'" not in str(refused.value)


async def test_workspaces_and_spaces_are_found_by_it_and_by_nothing_similar(world: World) -> None:
    workspace = await create_workspace(
        world.system, OPERATOR, name="W", slug="w", product="emit", external_id="tenant-42"
    )
    space = await create_space(world.system, OPERATOR, workspace.id, name="S", slug="s", external_id="p")
    other = await create_workspace(world.system, OPERATOR, name="O", slug="o", product="guard", external_id="tenant-42")
    stranger = await world.member(other, "owner")
    system = world.system
    assert (await one_workspace(system, OPERATOR, external_id="tenant-42", product="emit")).workspace.id == workspace.id
    with pytest.raises(InvalidInput, match="several products"):
        await one_workspace(system, OPERATOR, external_id="tenant-42")
    assert (await one_workspace(system, stranger, external_id="tenant-42")).workspace.id == other.id
    found = await linked_workspaces(system, OPERATOR, "tenant-42")
    assert [one.workspace.id for one in found] == [workspace.id, other.id]
    assert (await one_linked_space(system, OPERATOR, workspace.id, "p"))[0].id == space.id
    for caller, external_id, product in (
        (OPERATOR, "Tenant-42", None),
        (OPERATOR, "tenant-42", "spooled"),
        (OPERATOR, "tenant-42", "unknown"),
        (stranger, "tenant-42", "emit"),
    ):
        with pytest.raises(NotFound, match="workspace"):
            await one_workspace(system, caller, external_id=external_id, product=product)
    for caller, where, external_id in (
        (OPERATOR, workspace.id, "P"),
        (OPERATOR, other.id, "p"),
        (stranger, workspace.id, "p"),
    ):
        with pytest.raises(NotFound):
            await one_linked_space(system, caller, where, external_id)
    await delete_space(system, OPERATOR, space.id)
    with pytest.raises(NotFound):
        await one_linked_space(system, OPERATOR, workspace.id, "p")
    await delete_workspace(system, OPERATOR, workspace.id)
    with pytest.raises(NotFound):
        await one_workspace(system, OPERATOR, external_id="tenant-42", product="emit")
    await create_workspace(system, OPERATOR, name="W", slug="w2", product="emit", external_id="tenant-42")


async def test_a_workspaces_external_id_is_the_operators_and_a_spaces_is_of_those_who_edit_it(world: World) -> None:
    workspace = await world.workspace("emit")
    owner = await world.member(workspace, "owner")
    for change in (WorkspaceChanges(external_id="x"), WorkspaceChanges(external_id=None)):
        with pytest.raises(InvalidInput) as refused:
            await update_workspace(world.system, owner, workspace.id, change)
        assert refused.value.faults[0].code is InputCode.NOT_ALLOWED
    with pytest.raises(InvalidInput):
        await create_workspace(world.system, owner, name="W", slug="mine", product="emit", external_id="x")
    for caller in (OPERATOR, HOST):
        await update_workspace(world.system, caller, workspace.id, WorkspaceChanges(external_id="x"))
        await update_workspace(world.system, caller, workspace.id, WorkspaceChanges(external_id=None))
    space = await create_space(world.system, owner, workspace.id, name="S", slug="s", external_id="p")
    other = await create_space(world.system, owner, workspace.id, name="S", slug="s2")
    with pytest.raises(Conflict) as taken:
        await update_space(world.system, owner, other.id, external_id="p")
    assert taken.value.code == ConflictCode.EXTERNAL_ID_TAKEN
    assert (await update_space(world.system, owner, space.id, external_id="p")).external_id == "p"
    assert (await update_space(world.system, owner, space.id, external_id=None)).external_id is None
    assert (await update_space(world.system, owner, other.id, external_id="p")).external_id == "p"


async def test_lookups_by_external_id_use_their_index(store: Store) -> None:
    """Among rows without one, and with enough of them that reading all would be the worse plan."""
    workspaces = [a_workspace(external_id=f"t{number}") for number in range(2_000)]
    home = workspaces[0]
    spaces = [a_space(home, external_id=f"p{number}" if number % 2 else None) for number in range(2_000)]
    tokens = [a_token(home, external_id=f"u{number % 250}" if number % 2 else None) for number in range(2_000)]
    await add(store, *workspaces)
    await add(store, *spaces, *tokens)
    async with store.engine.begin() as connection:
        await connection.exec_driver_sql("ANALYZE")
    explain = "EXPLAIN QUERY PLAN " if store.dialect == SQLITE else "EXPLAIN "
    plans: list[str] = []

    async def read(reader: Reader) -> None:
        rows = reader.rows

        async def explained(statement: str, values: Values | None = None) -> Sequence[ResultRow]:
            plans.append("\n".join(str(row[-1]) for row in await rows(explain + statement, values)))
            return await rows(statement, values)

        reader.rows = explained  # type: ignore[method-assign]
        assert len(await workspace_queries.workspace_ids_by_external_id(reader, "t7", ["emit", "guard"])) == 1
        assert await workspace_queries.space_record_by_external_id(reader, home.id, "p7") is not None
        for order in (TokenOrder.CREATED_AT, TokenOrder.NAME):
            where = TokenFilter(home.id, external_id="u7")
            page = await token_page(reader, where, order, True, PageRequest(50), NOW)
            assert len(page.rows) == 8

    await store.read(read)
    names = (
        "uq_spacekey_workspaces_product_external_id",
        "uq_spacekey_spaces_workspace_external_id",
        "ix_spacekey_tokens_workspace_external_id",
        "ix_spacekey_tokens_workspace_external_id",
    )
    for plan, name in zip(plans, names, strict=True):
        assert name in plan, plan
