"""A refusal names its own reason: another one, further on, would refuse as well and tell the caller something else."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from spacekey.domain.authentication import Reason, Rejected
from spacekey.domain.clock import utc_now
from spacekey.domain.page import PageRequest, TokenOrder
from spacekey.domain.refusal import Forbidden, InputCode, InvalidInput, PlanLimit
from spacekey.domain.secret import Secret
from spacekey.models.engine.store import Store
from spacekey.models.lookup.facts import TokenFacts
from spacekey.resolvers.addresses import ADDRESS_LENGTH_MAX, clean_email
from spacekey.resolvers.members.members import add_member, change_member_role, remove_member
from spacekey.resolvers.passwords.hashing import check_password
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.list import TokenSearch, tokens_everywhere
from spacekey.resolvers.tokens.verify import LookupVerifier
from spacekey.resolvers.validation import clean_name
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


async def test_a_product_whose_tokens_belong_to_spaces_asks_for_one(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("emit")
    with pytest.raises(InvalidInput, match="Emit tokens belong to a space; choose one") as raised:
        await create_token(world.system, OPERATOR, NewToken(workspace.id, "t", ("jobs:read",)))
    assert [fault.code for fault in raised.value.faults] == [InputCode.REQUIRED]


@pytest.mark.parametrize("search", [TokenSearch(environment="staging"), TokenSearch(text="x" * 1_000)])
async def test_a_search_that_cannot_be_meant_is_refused_also_where_there_is_nothing_to_search(
    store: Store, search: TokenSearch
) -> None:
    world = make_world(store)
    person = await world.user("ada@example.com")  # belongs to no workspace
    with pytest.raises(InvalidInput):
        await tokens_everywhere(
            world.system,
            person,
            search=search,
            order=TokenOrder.CREATED_AT,
            descending=False,
            request=PageRequest(10),
        )


@pytest.mark.parametrize("text", ["a\nb", "a\tb", "a\x00b", "a\x85b"])
def test_a_name_with_a_control_character_says_so(text: str) -> None:
    with pytest.raises(InvalidInput, match="Must not contain control characters or line breaks"):
        clean_name("name", text)


class _Unasked:
    """A lookup that must not be asked."""

    async def by_digest(self, digest: bytes) -> TokenFacts | None:
        raise AssertionError(digest)

    async def by_digests(self, digests: Sequence[bytes]) -> dict[bytes, TokenFacts]:
        raise AssertionError(digests)

    async def aclose(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    "text", ["", "x", "eyJhbGciOiJIUzI1NiJ9.e30.abc", "sp_live_", "other_live_" + "a" * 38, "a" * 64]
)
async def test_what_no_token_looks_like_is_not_looked_up(text: str) -> None:
    async def never(_token_id: str) -> None:
        raise AssertionError

    verifier = LookupVerifier(_Unasked(), {}, utc_now, never)
    assert await verifier.verify(Secret(text)) == Rejected(Reason.MALFORMED)
    assert await verifier.verify_many([Secret(text)]) == [Rejected(Reason.MALFORMED)]
