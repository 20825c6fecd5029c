"""Searches of tokens: by effective scope, by prefix as it is shown, by time, and in all workspaces of a caller."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from spacekey.domain.page import Page, PageRequest, TokenOrder
from spacekey.domain.principal import Kind
from spacekey.domain.product import grantable
from spacekey.domain.refusal import InvalidInput
from spacekey.models.engine.store import Store
from spacekey.models.tables.token import Token
from spacekey.models.tables.workspace import Member, Workspace
from spacekey.resolvers.access.caller import Caller, TokenCaller
from spacekey.resolvers.access.entitlements import MEMBERSHIPS_MAX, roles_from
from spacekey.resolvers.members.members import add_member
from spacekey.resolvers.tokens.create import Issued, NewToken, create_token
from spacekey.resolvers.tokens.list import TokenSearch, token_list, tokens_everywhere
from spacekey.resolvers.tokens.revoke import revoke_token
from spacekey.resolvers.tokens.view import TokenView
from spacekey.resolvers.workspaces.roles import set_role
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, update_workspace
from support.rows import a_token, a_workspace
from support.statements import counting
from support.world import FACTS, OPERATOR, World, example_products, make_world


@pytest.fixture
async def world(store: Store) -> World:
    return make_world(store)


async def found(world: World, workspace: Workspace, search: TokenSearch, caller: Caller = OPERATOR) -> list[TokenView]:
    page = await token_list(
        world.system,
        caller,
        workspace.id,
        search=search,
        order=TokenOrder.CREATED_AT,
        descending=False,
        request=PageRequest(100),
    )
    assert not page.has_next
    return page.rows


async def names(world: World, workspace: Workspace, search: TokenSearch) -> list[str]:
    return [view.token.name for view in await found(world, workspace, search)]


async def issue(world: World, workspace: Workspace, name: str, *grants: str, space_id: str | None = None) -> Issued:
    world.clock.forward(seconds=1)
    return await create_token(world.system, OPERATOR, NewToken(workspace.id, name, grants, space_id=space_id))


@pytest.mark.parametrize("name", sorted(example_products()))
async def test_a_scope_finds_exactly_the_tokens_that_have_it_now(world: World, name: str) -> None:
    """Whatever gives it, a scope, a shorthand or a role, and whatever takes it: the plan, the policy or a role."""
    product = example_products()[name]
    plans = sorted(product.plans.values(), key=lambda plan: (plan.tokens_max is None, plan.tokens_max or 0))
    workspace = await world.workspace(name, plan=plans[-1].name)
    some = min(product.scopes)
    await set_role(world.system, OPERATOR, workspace.id, name="helper", grants=[some, "tokens:read"])
    space_id = None if Kind.WORKSPACE in product.token_kinds else (await world.space(workspace)).id
    kind = Kind.WORKSPACE if space_id is None else Kind.SPACE
    row = (await found_workspace(world, workspace)).roles
    for grant in sorted(grantable(product, kind, roles_from(product, row)))[:60]:
        await issue(world, workspace, grant, grant, space_id=space_id)
    first = (await found(world, workspace, TokenSearch()))[0]
    await revoke_token(world.system, OPERATOR, first.token.id)

    async def check() -> set[int]:
        views, sizes = await found(world, workspace, TokenSearch()), set()
        for scope in sorted(product.known_scopes):
            wanted = {view.token.name for view in views if scope in view.scopes}
            assert set(await names(world, workspace, TokenSearch(scope=scope))) == wanted, scope
            sizes.add(len(wanted))
        return sizes

    assert max(await check()) > 0
    await set_role(world.system, OPERATOR, workspace.id, name="helper", grants=["tokens:read"])
    await check()
    allowed = (some, "tokens:read")
    await update_workspace(world.system, OPERATOR, workspace.id, WorkspaceChanges(scopes_allowed=allowed))
    assert 0 in await check()
    await update_workspace(world.system, OPERATOR, workspace.id, WorkspaceChanges(plan=plans[0].name))
    await check()


async def found_workspace(world: World, workspace: Workspace) -> Workspace:
    async with world.system.store.reading() as session:
        return await session.get_one(Workspace, workspace.id)


async def test_a_scope_of_another_product_finds_nothing_and_an_unknown_one_is_refused(world: World) -> None:
    workspace = await world.workspace("spooled")
    await issue(world, workspace, "t", "jobs:read")
    assert await names(world, workspace, TokenSearch(scope="documents:read")) == []
    with pytest.raises(InvalidInput, match="Did you mean 'jobs:read'") as refused:
        await names(world, workspace, TokenSearch(scope="jobs:raed"))
    assert refused.value.field == "scope"


async def test_a_prefix_is_found_as_it_is_shown(world: World) -> None:
    workspace = await world.workspace("spooled", plan="enterprise")
    mine = (await issue(world, workspace, "mine", "jobs:read")).view
    while (other := (await issue(world, workspace, "other", "jobs:read")).view).masked == mine.masked:
        continue
    shown = mine.shown_prefix
    for typed in (shown, shown[:-1], f" {shown} ", f"{shown[:-1]}...", mine.masked, mine.masked[:10]):
        assert await names(world, workspace, TokenSearch(prefix=typed)) == ["mine"], typed
        if not typed.endswith("."):
            assert await names(world, workspace, TokenSearch(text=typed)) == ["mine"], typed
    common = mine.token.prefix[:8]
    assert other.token.prefix.startswith(common)
    assert set(await names(world, workspace, TokenSearch(prefix=common))) == {"mine", "other"}
    assert await names(world, workspace, TokenSearch(prefix=mine.token.prefix.swapcase())) == []
    assert await names(world, workspace, TokenSearch(prefix="%")) == []


@pytest.mark.parametrize("typed", ["", " ", "…", "••", "sp_live_\0", "sp_live_é", "sp_live_12345"])
async def test_a_prefix_that_no_token_can_have_is_refused(world: World, typed: str) -> None:
    workspace = await world.workspace("spooled")
    with pytest.raises(InvalidInput) as refused:
        await names(world, workspace, TokenSearch(prefix=typed))
    assert refused.value.field == "prefix"


async def test_a_period_includes_its_beginning_and_not_its_end(world: World) -> None:
    workspace = await world.workspace("spooled", plan="enterprise")
    times = [(await issue(world, workspace, f"t{number}", "jobs:read")).view.token.created_at for number in range(4)]
    for begin in range(4):
        for end in range(4):
            search = TokenSearch(created_after=times[begin], created_before=times[end])
            assert await names(world, workspace, search) == [f"t{number}" for number in range(begin, end)]
    assert await names(world, workspace, TokenSearch(created_after=times[2])) == ["t2", "t3"]
    assert await names(world, workspace, TokenSearch(created_before=times[1])) == ["t0"]
    with pytest.raises(InvalidInput) as refused:
        await names(world, workspace, TokenSearch(created_after=datetime(2026, 1, 1)))  # noqa: DTZ001
    assert refused.value.field == "created_after"


EVERYTHING = TokenSearch()


async def everywhere(
    world: World, caller: Caller, search: TokenSearch = EVERYTHING, size: int = 3, *, backward: bool = False
) -> list[str]:
    """All pages of the tokens of all of the caller's workspaces, from the first or from the last."""
    shown: list[str] = []
    request = PageRequest(size, backward=backward)
    for _ in range(50):
        page: Page[TokenView] = await tokens_everywhere(
            world.system, caller, search=search, order=TokenOrder.CREATED_AT, descending=True, request=request
        )
        some = [view.token.name for view in page.rows]
        shown = [*some, *shown] if backward else [*shown, *some]
        if not (page.has_previous if backward else page.has_next):
            return shown
        request = replace(
            request,
            after=None if backward else page.cursors[-1],
            before=page.cursors[0] if backward else None,
        )
    raise AssertionError("the pages do not end")


async def test_tokens_of_all_own_workspaces_come_in_one_order_and_no_others(world: World) -> None:
    caller = await world.user("ada@example.com")
    own = [await world.workspace(name, plan=plan) for name, plan in (("spooled", "enterprise"), ("emit", None))]
    foreign, unreadable = await world.workspace("spooled", plan="enterprise"), await world.workspace("spooled")
    await set_role(world.system, OPERATOR, unreadable.id, name="blind", grants=["workspace:read"])
    for workspace in own:
        await add_member(world.system, OPERATOR, workspace.id, email=caller.name, role="owner")
    await add_member(world.system, OPERATOR, unreadable.id, email=caller.name, role="blind")
    space = await world.space(own[1])
    in_space = await issue(world, own[1], "in space", "tokens:read", space_id=space.id)
    of_workspace = await issue(world, own[0], "of workspace", "tokens:read")
    for number in range(4):
        await issue(world, own[0], f"one {number}", "jobs:read")
        await issue(
            world, own[1], f"other {number}", "jobs:read", space_id=(await world.space(own[1], f"s{number}")).id
        )
        await issue(world, foreign, f"foreign {number}", "jobs:read")
    await issue(world, unreadable, "unreadable", "jobs:read")

    wanted = [name for number in reversed(range(4)) for name in (f"other {number}", f"one {number}")]
    wanted += ["of workspace", "in space"]
    for size in (1, 3, 10, 11):
        assert await everywhere(world, caller, size=size) == wanted
        assert await everywhere(world, caller, size=size, backward=True) == wanted
    assert await everywhere(world, caller, TokenSearch(scope="tokens:read")) == ["of workspace", "in space"]
    prefix = in_space.view.shown_prefix
    assert "in space" in await everywhere(world, caller, TokenSearch(prefix=prefix))
    assert await everywhere(world, await world.user("eve@example.com"), TokenSearch(prefix=prefix)) == []

    token = TokenCaller(in_space.view.token.id, "t", own[1].id, FACTS)
    assert await everywhere(world, token) == ["in space"]
    token = TokenCaller(of_workspace.view.token.id, "t", own[0].id, FACTS)
    assert await everywhere(world, token) == [name for name in wanted if name.startswith(("one", "of workspace"))]
    assert {"foreign 1", "one 1", "unreadable"} < set(await everywhere(world, OPERATOR))
    with pytest.raises(InvalidInput, match="Name a workspace"):
        await everywhere(world, OPERATOR, TokenSearch(scope="jobs:read"))


@pytest.mark.long
async def test_tokens_in_the_most_workspaces_that_a_person_can_have_are_one_statement(world: World) -> None:
    """As many lists as SQLite joins in one statement."""
    caller = await world.user("ada@example.com")
    workspaces = [a_workspace(product="spooled", plan="free") for _ in range(MEMBERSHIPS_MAX)]
    tokens = [
        a_token(workspace, name=f"t{number}", created_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number))
        for number, workspace in enumerate(workspaces)
    ]
    members = [
        Member(workspace_id=one.id, user_id=caller.id, role="owner", created_at=world.clock()) for one in workspaces
    ]
    async with world.system.store.changing() as session:
        connection = await session.connection()
        for table, rows in ((Workspace, workspaces), (Member, members), (Token, tokens)):
            await connection.execute(insert(table.__table__), [row.model_dump() for row in rows])
    with counting(world.system.store) as seen:
        page = await tokens_everywhere(
            world.system,
            caller,
            search=TokenSearch(scope="jobs:read"),
            order=TokenOrder.CREATED_AT,
            descending=True,
            request=PageRequest(100),
        )
    assert [view.token.name for view in page.rows] == [f"t{number}" for number in reversed(range(400, 500))]
    assert len(seen) == 2
