"""A refusal names its own reason: another one, further on, would refuse as well and tell the caller something else."""

from __future__ import annotations

import pytest

from spacekey.domain.refusal import Forbidden, InvalidInput, PlanLimit
from spacekey.models.engine.store import Store
from spacekey.resolvers.addresses import ADDRESS_LENGTH_MAX, clean_email
from spacekey.resolvers.members.members import add_member, change_member_role, remove_member
from spacekey.resolvers.passwords.hashing import check_password
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.workspaces.delete import delete_workspace
from support.snapshot import snapshot
from support.world import OPERATOR, make_world


@pytest.mark.parametrize("address", ["ada", "ada@", "@example.com", "a" * ADDRESS_LENGTH_MAX + "@example.com"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput, match="Write an e-mail address"):
        clean_email("email", address)


def test_an_address_that_is_too_long_in_ascii_is_refused() -> None:
    address = f"{'a' * 64}@{'.'.join(['ü' * 31] * 5)}.test"
    assert len(address) < ADDRESS_LENGTH_MAX
    with pytest.raises(InvalidInput, match="Write an e-mail address"):
        clean_email("email", address)


async def test_a_plan_without_tokens_says_so(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("guard", plan="free")
    with pytest.raises(PlanLimit, match="does not include tokens"):
        await create_token(world.system, OPERATOR, NewToken(workspace.id, "t", ("api:read",)))


async def test_who_may_not_change_a_workspace_hears_which_scope_is_missing(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    owner, viewer = await world.member(workspace, "owner"), await world.member(workspace, "viewer")
    before = await snapshot(store)
    with pytest.raises(Forbidden) as refused:
        await delete_workspace(world.system, viewer, workspace.id)
    assert refused.value.missing == ("workspace:write",)
    for attempt in (
        add_member(world.system, viewer, workspace.id, email="x@example.com", role="viewer"),
        change_member_role(world.system, viewer, workspace.id, viewer.id, role="viewer"),
        remove_member(world.system, viewer, workspace.id, viewer.id),
    ):
        with pytest.raises(Forbidden) as refused:
            await attempt
        assert refused.value.missing == ("members:write",)
    for role in ("", "Owner", "nothing"):
        with pytest.raises(InvalidInput) as wrong:
            await add_member(world.system, owner, workspace.id, email="x@example.com", role=role)
        assert wrong.value.field == "role"
    assert await snapshot(store) == before


@pytest.mark.parametrize("password", ["", "six quiet boat", "seven wooden boats at noon " * 100])
async def test_a_password_of_the_wrong_length_is_told_the_length(password: str) -> None:
    with pytest.raises(InvalidInput, match="Use 15 to"):
        await check_password("password", password)
