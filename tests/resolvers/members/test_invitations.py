"""Invitations: listed, replaced, withdrawn, accepted, and in force only while their inviter could make them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlmodel import select

from spacekey.domain.page import Page, PageRequest
from spacekey.domain.refusal import Conflict, Forbidden, InvalidInput, NotFound, ScopeNotAllowed, TooManyAttempts
from spacekey.models.engine.store import Store
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.records import InvitationRecord
from spacekey.models.tables.user import Invitation, User
from spacekey.models.tables.workspace import Member, Workspace
from spacekey.resolvers.access.caller import Caller, MemberCaller, RequestFacts, TokenCaller
from spacekey.resolvers.accounts.sessions import sign_in
from spacekey.resolvers.members import invitations
from spacekey.resolvers.members.invitations import INVITATION_LIFETIME, Joined, accept_invitation, withdraw_invitation
from spacekey.resolvers.members.members import Invited, add_account, add_member, change_member_role, remove_member
from spacekey.resolvers.passwords.hashing import COMMAND_LINE, Passwords, Turn
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.revoke import delete_token, disable_token, enable_token, revoke_token
from spacekey.resolvers.tokens.rotate import rotate_token
from spacekey.resolvers.tokens.update import TokenChanges, update_token
from spacekey.resolvers.workspaces.delete import delete_workspace
from spacekey.resolvers.workspaces.lists import invitation_lists, member_list
from spacekey.resolvers.workspaces.roles import set_role
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, update_workspace
from support.patience import together
from support.schema import spacekey_schema
from support.snapshot import snapshot
from support.statements import counting
from support.world import FACTS, OPERATOR, PASSWORD, World, make_world

FIRST = "nine yellow umbrellas outside"


async def invited(world: World, workspace: Workspace, email: str, role: str = "viewer", by: Caller = OPERATOR) -> str:
    """A code."""
    added = await add_member(world.system, by, workspace.id, email=email, role=role)
    assert isinstance(added, Invited)
    return added.invitation.reveal()


async def listed(world: World, caller: Caller, workspace: Workspace) -> list[InvitationRecord]:
    (page,) = await invitation_lists(world.system, caller, [workspace.id], PageRequest(10))
    if not isinstance(page, Page):
        raise page
    return page.rows


async def accept(world: World, code: str) -> Joined:
    return await accept_invitation(world.system, FACTS, None, code=code, password=FIRST)


@pytest.mark.sampled(2)
async def test_those_that_wait_are_listed_newest_first_with_who_asked(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    owner = await world.member(workspace, "owner", "owner@example.com")
    for number in range(3):
        world.clock.forward(seconds=1)
        await invited(world, workspace, f"{number}@example.com", by=owner)
    await invited(world, await world.workspace("teamspace"), "elsewhere@example.com")
    found = await listed(world, owner, workspace)
    assert [row.email for row in found] == ["2@example.com", "1@example.com", "0@example.com"]
    assert {(row.role, row.inviter_id, row.inviter_name) for row in found} == {
        ("viewer", owner.id, "owner@example.com")
    }


@pytest.mark.sampled(2)
async def test_accepted_replaced_and_expired_ones_are_not_listed(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    old = await invited(world, workspace, "again@example.com")
    new = await invited(world, workspace, "again@example.com")
    assert len(await listed(world, OPERATOR, workspace)) == 1
    with pytest.raises(NotFound):
        await accept(world, old)
    await accept(world, new)
    assert await listed(world, OPERATOR, workspace) == []
    await invited(world, workspace, "late@example.com")
    world.clock.now += INVITATION_LIFETIME
    assert await listed(world, OPERATOR, workspace) == []


@pytest.mark.sampled(2)
async def test_who_was_added_at_once_waits_no_more(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    owner, known = await world.member(workspace, "owner"), await world.user("known@example.com")
    code = await invited(world, workspace, known.name, by=owner)
    await add_member(world.system, OPERATOR, workspace.id, email=known.name, role="viewer")
    assert await listed(world, owner, workspace) == []
    with pytest.raises(NotFound):
        await accept(world, code)


@pytest.mark.sampled(2)
async def test_a_withdrawn_code_is_good_for_nothing(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    owner = await world.member(workspace, "owner")
    code, other = await invited(world, workspace, "a@example.com"), await invited(world, workspace, "b@example.com")
    waiting = {row.email: row.id for row in await listed(world, owner, workspace)}
    await withdraw_invitation(world.system, owner, waiting["a@example.com"])
    with pytest.raises(NotFound):
        await accept(world, code)
    with pytest.raises(NotFound):
        await withdraw_invitation(world.system, owner, waiting["a@example.com"])
    await accept(world, other)
    with pytest.raises(NotFound):
        await withdraw_invitation(world.system, owner, waiting["b@example.com"])


@pytest.mark.sampled(2)
async def test_who_may_not_write_members_withdraws_nothing(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    manager, viewer = await world.member(workspace, "administrator"), await world.member(workspace, "viewer")
    stranger = await world.member(await world.workspace("teamspace"), "owner")
    code = await invited(world, workspace, "boss@example.com", "owner")
    (waiting,) = await listed(world, OPERATOR, workspace)
    with pytest.raises(Forbidden):
        await withdraw_invitation(world.system, viewer, waiting.id)
    with pytest.raises(ScopeNotAllowed):
        await withdraw_invitation(world.system, manager, waiting.id)
    with pytest.raises(NotFound):
        await withdraw_invitation(world.system, stranger, waiting.id)
    assert (await accept(world, code)).user.email == "boss@example.com"


@pytest.mark.sampled(2)
async def test_of_accepting_and_withdrawing_at_once_one_happens(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    for number in range(5):
        code = await invited(world, workspace, f"{number}@example.com")
        (waiting,) = await listed(world, OPERATOR, workspace)
        answers = await asyncio.gather(
            accept(world, code), withdraw_invitation(world.system, OPERATOR, waiting.id), return_exceptions=True
        )
        assert [type(one) for one in answers] in ([Joined, NotFound], [NotFound, type(None)])


class Counted(Passwords):
    """Counts what is hashed."""

    def __init__(self) -> None:
        super().__init__(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        self.hashed = 0

    async def hash(self, password: str, turn: Turn = COMMAND_LINE) -> str:
        self.hashed += 1
        return await super().hash(password, turn)


Ending = Callable[[World, Workspace, MemberCaller, str], Awaitable[object]]


async def _remove(world: World, workspace: Workspace, maker: MemberCaller, _token: str) -> None:
    await remove_member(world.system, OPERATOR, workspace.id, maker.id)
    await add_account(world.system, OPERATOR, workspace.id, maker.id, role="administrator")


async def _demote(world: World, workspace: Workspace, maker: MemberCaller, _token: str) -> None:
    for role in ("viewer", "administrator"):
        await change_member_role(world.system, OPERATOR, workspace.id, maker.id, role=role)


async def _weaken(world: World, workspace: Workspace, _maker: MemberCaller, _token: str) -> None:
    await set_role(world.system, OPERATOR, workspace.id, name="administrator", grants=["members:read"])


async def _drop_role(world: World, _workspace: Workspace, _maker: MemberCaller, _token: str) -> None:
    """The product's file no longer has the role; a workspace cannot remove one that an invitation is for."""
    product = world.system.products["teamspace"]
    roles = {name: role for name, role in product.roles.items() if name != "manager"}
    kept = tuple(name for name in product.token_roles if name in roles)
    without = replace(product, roles=roles, token_roles=kept)
    world.system = replace(world.system, products={**world.system.products, "teamspace": without})


async def _take_the_right_to_invite(world: World, _workspace: Workspace, _maker: MemberCaller, _token: str) -> None:
    """The product's file takes ``members:write`` alone from the maker's role, so nothing else ends the invitation."""
    product = world.system.products["teamspace"]
    own = product.roles["administrator"]
    weaker = replace(own, grants=tuple(one for one in own.grants if one != "members:write"))
    assert weaker != own
    without = replace(product, roles={**product.roles, "administrator": weaker})
    world.system = replace(world.system, products={**world.system.products, "teamspace": without})


MEMBERS_ENDINGS: dict[str, Ending] = {
    "no longer one who may invite": _take_the_right_to_invite,
    "removed and back": _remove,
    "demoted and back": _demote,
    "role weakened": _weaken,
    "role gone": _drop_role,
    "workspace deleted": lambda world, workspace, _maker, _token: delete_workspace(
        world.system, OPERATOR, workspace.id
    ),
}


async def _disable(world: World, _workspace: Workspace, _maker: MemberCaller, token: str) -> None:
    await disable_token(world.system, OPERATOR, token)
    await enable_token(world.system, OPERATOR, token)


async def _reduce(world: World, _workspace: Workspace, _maker: MemberCaller, token: str) -> None:
    for role in ("viewer", "administrator"):
        await update_token(world.system, OPERATOR, token, TokenChanges(grants=(role,)))


async def _expire(world: World, _workspace: Workspace, _maker: MemberCaller, token: str) -> None:
    await update_token(world.system, OPERATOR, token, TokenChanges(expires_at=world.clock() + timedelta(hours=1)))
    world.clock.forward(hours=2)


TOKENS_ENDINGS: dict[str, Ending] = {
    "revoked": lambda world, _workspace, _maker, token: revoke_token(world.system, OPERATOR, token),
    "deleted": lambda world, _workspace, _maker, token: delete_token(world.system, OPERATOR, token),
    "disabled and back": _disable,
    "reduced and back": _reduce,
    "expired": _expire,
    "rotated away": lambda world, _workspace, _maker, token: rotate_token(
        world.system, OPERATOR, token, grace_seconds=0
    ),
    "workspace suspended": lambda world, workspace, _maker, _token: update_workspace(
        world.system, OPERATOR, workspace.id, WorkspaceChanges(suspended=True)
    ),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("signed_in", [True, False])
@pytest.mark.parametrize(
    ("by", "ending"), [*(("member", one) for one in MEMBERS_ENDINGS), *(("token", one) for one in TOKENS_ENDINGS)]
)
async def test_an_invitation_ends_with_its_makers_authority_and_nothing_is_hashed(
    store: Store, by: str, ending: str, signed_in: bool
) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace", plan="business")
    await world.member(workspace, "owner")
    maker = await world.member(workspace, "administrator")
    token = (await create_token(world.system, OPERATOR, NewToken(workspace.id, "t", ("administrator",)))).view.token.id
    inviter: Caller = maker if by == "member" else TokenCaller(token, "t", workspace.id, FACTS)
    code = await invited(world, workspace, "new@example.com", "manager", by=inviter)
    operators = await invited(world, workspace, "other@example.com", "viewer")
    stranger = await world.user("stranger@example.com")
    hashing = Counted()
    world.system = replace(world.system, passwords=hashing)
    await (MEMBERS_ENDINGS if by == "member" else TOKENS_ENDINGS)[ending](world, workspace, maker, token)
    before = await snapshot(store)
    with pytest.raises(NotFound) as refused:
        await accept_invitation(
            world.system, FACTS, stranger if signed_in else None, code=code, password=None if signed_in else FIRST
        )
    with pytest.raises(NotFound) as unknown:
        await accept_invitation(world.system, FACTS, None, code="nothing", password=FIRST)
    assert str(refused.value) == str(unknown.value)
    assert hashing.hashed == 0
    assert await snapshot(store) == before
    if ending != "workspace deleted":
        assert (await accept(world, operators)).workspace_id == workspace.id


@pytest.mark.sampled(2)
@pytest.mark.parametrize("over", ["used", "expired"])
async def test_a_code_that_is_used_or_expired_is_refused_before_anything_is_hashed(store: Store, over: str) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace", plan="business")
    code = await invited(world, workspace, "new@example.com", "viewer")
    if over == "used":
        await accept(world, code)
    else:
        world.clock.forward(days=8)
    hashing = Counted()
    world.system = replace(world.system, passwords=hashing)
    with pytest.raises(NotFound):
        await accept_invitation(world.system, FACTS, None, code=code, password=FIRST)
    assert hashing.hashed == 0


@pytest.mark.sampled(2)
async def test_of_accepting_and_ending_the_maker_at_once_one_comes_first(store: Store) -> None:
    """A member never appears after the change that takes the maker's authority away was answered."""
    world = make_world(store)
    workspace = await world.workspace("teamspace", plan="business")
    await world.member(workspace, "owner")
    for number in range(4):
        maker = await world.member(workspace, "administrator")
        issued = await create_token(world.system, OPERATOR, NewToken(workspace.id, "t", ("administrator",)))
        token = TokenCaller(issued.view.token.id, "t", workspace.id, FACTS)
        inviter: Caller = maker if number % 2 else token
        code = await invited(world, workspace, f"{number}@example.com", "manager", by=inviter)

        async def end(one: Caller = inviter) -> int:
            if isinstance(one, MemberCaller):
                await remove_member(world.system, OPERATOR, workspace.id, one.id)
            else:
                await revoke_token(world.system, OPERATOR, one.id)
            return await members(world, workspace)

        joined, at_end = await asyncio.gather(accept(world, code), end(), return_exceptions=True)
        assert isinstance(at_end, int), at_end
        assert await members(world, workspace) == at_end
        assert isinstance(joined, Joined | NotFound)


async def members(world: World, workspace: Workspace) -> int:
    return len((await member_list(world.system, OPERATOR, workspace.id, PageRequest(100))).rows)


@pytest.mark.sampled(2)
async def test_only_who_may_withdraw_an_invitation_replaces_it(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    owner, administrator = await world.member(workspace, "owner"), await world.member(workspace, "administrator")
    code = await invited(world, workspace, "boss@example.com", "owner", by=owner)
    with pytest.raises(ScopeNotAllowed):
        await invited(world, workspace, "Boss@example.com", "viewer", by=administrator)
    (waiting,) = await listed(world, owner, workspace)
    assert waiting.role == "owner"
    assert (await accept(world, code)).user.email == "boss@example.com"
    assert await invited(world, workspace, "boss@example.com", "viewer", by=administrator)


@pytest.mark.sampled(2)
async def test_making_replacing_and_withdrawing_touch_no_account(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    owner, known = await world.member(workspace, "owner"), await world.user("known@example.com")

    async def accounts() -> list[tuple[object, ...]]:
        async with store.reading() as session:
            return sorted((one.id, *one.model_dump().values()) for one in (await session.exec(select(User))).all())

    before = await accounts()
    for email in (known.name, "unknown@example.com"):
        for name in ("Joke", "Another"):
            await add_member(world.system, owner, workspace.id, email=email, role="viewer", name=name)
    for waiting in await listed(world, owner, workspace):
        assert waiting.name == "Another"
        await withdraw_invitation(world.system, owner, waiting.id)
    assert await accounts() == before


@pytest.mark.sampled(2)
async def test_inviting_tells_nothing_about_an_address(store: Store) -> None:
    """The same statements, the same answer, whether an account has proven it, claims it, or neither."""
    world = make_world(store)
    elsewhere, workspace = await world.workspace("teamspace"), await world.workspace("teamspace")
    owner = await world.member(workspace, "owner", "owner@example.com")
    await world.member(elsewhere, "owner", "known@example.com")
    await accept(world, await invited(world, elsewhere, "claimed@example.com"))
    asked = []
    for email in ("known@example.com", "claimed@example.com", "unknown@example.com"):
        with counting(store) as statements:
            added = await add_member(world.system, owner, workspace.id, email=email, role="viewer")
        assert isinstance(added, Invited)
        assert (added.pending.email, added.pending.name) == (email, None)
        asked.append(statements)
        joined = await accept(world, added.invitation.reveal())
        assert (joined.user.email, joined.user.email_proven_at) == (email, None)
        assert joined.user.name == email.partition("@")[0]
    assert asked[0] == asked[1] == asked[2]


@pytest.mark.sampled(2)
async def test_acceptance_by_a_member_who_is_signed_in_gives_membership_and_nothing_else(store: Store) -> None:
    """The presenter's account is the one that joins, whatever address the code was made for."""
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    invitee, presenter = await world.user("invitee@example.com"), await world.user("presenter@example.com")
    owner = await world.member(workspace, "owner")
    code = await invited(world, workspace, invitee.name, "manager", by=owner)
    before = await snapshot(store)
    joined = await accept_invitation(world.system, FACTS, presenter, code=code)
    assert (joined.user.id, joined.workspace_id, joined.signed_in) == (presenter.id, workspace.id, None)
    after = await snapshot(store)
    changed = {table for table in after if after[table] != before[table]}
    assert changed == {Member.__tablename__, Invitation.__tablename__, "spacekey_audit_events", "spacekey_audit_chains"}
    async with store.reading() as session:
        assert await workspace_queries.member(session, workspace.id, invitee.id) is None
        gained = await workspace_queries.members_of_user(session, presenter.id)
    assert [(one.workspace_id, one.role) for one in gained] == [(workspace.id, "manager")]


@pytest.mark.sampled(2)
async def test_acceptance_by_a_stranger_makes_a_new_account_and_touches_no_other(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    owner, known = await world.member(workspace, "owner"), await world.user("known@example.com")
    before = (await snapshot(store))["spacekey_users"]
    joined = await accept(world, await invited(world, workspace, known.name, by=owner))
    after = (await snapshot(store))["spacekey_users"]
    assert len(after) == len(before) + 1
    assert all(row in after for row in before)
    assert joined.user.id != known.id
    assert joined.user.sign_in_name is None
    assert joined.signed_in is not None
    assert (await sign_in(world.system, FACTS, email=known.name, password=PASSWORD)).user.id == known.id


@pytest.mark.sampled(2)
async def test_a_member_who_accepts_again_keeps_the_role_and_the_code_stays_good(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    viewer = await world.member(workspace, "viewer")
    code = await invited(world, workspace, "boss@example.com", "owner")
    with pytest.raises(InvalidInput, match="member of this workspace already"):
        await accept_invitation(world.system, FACTS, viewer, code=code)
    async with store.reading() as session:
        member = await workspace_queries.member(session, workspace.id, viewer.id)
    assert member is not None
    assert member.role == "viewer"
    assert (await accept(world, code)).workspace_id == workspace.id


@pytest.mark.sampled(2)
async def test_a_password_beside_a_session_and_none_without_one_are_refused(store: Store) -> None:
    world = make_world(store)
    workspace, presenter = await world.workspace("teamspace"), await world.user("presenter@example.com")
    code = await invited(world, workspace, "new@example.com")
    for caller, password in ((presenter, FIRST), (None, None)):
        with pytest.raises(InvalidInput) as refused:
            await accept_invitation(world.system, FACTS, caller, code=code, password=password)
        assert refused.value.field == "password"
    assert (await accept(world, code)).user.email == "new@example.com"


@pytest.mark.sampled(2)
async def test_two_that_accept_one_code_at_once_are_one_member(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    for number in range(3):
        code = await invited(world, workspace, f"{number}@example.com")
        one, two = await world.user(f"one{number}@example.com"), await world.user(f"two{number}@example.com")
        answers = await asyncio.gather(
            *(accept_invitation(world.system, FACTS, who, code=code) for who in (one, two)), return_exceptions=True
        )
        assert sorted(type(answer).__name__ for answer in answers) == ["Joined", "NotFound"]
    assert await members(world, workspace) == 3


@pytest.mark.sampled(2)
async def test_two_workspaces_codes_for_one_address_accepted_at_once_make_two_accounts(store: Store) -> None:
    world = make_world(store)
    codes = [await invited(world, await world.workspace("teamspace"), "new@example.com") for _ in range(2)]
    joined = await together(partial(accept, world, code) for code in codes)
    assert len({one.user.id for one in joined}) == 2
    assert sorted(str(one.user.sign_in_name) for one in joined) == ["None", "new@example.com"]


@pytest.mark.sampled(2)
async def test_acceptances_are_counted_by_network_and_those_that_succeed_cost_little(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    for number in range(15):
        await accept(world, await invited(world, workspace, f"{number}@example.com"))
    good = await invited(world, workspace, "last@example.com")
    answers = []
    for _ in range(12):
        with pytest.raises((NotFound, TooManyAttempts)) as refused:
            await accept(world, "nothing")
        answers.append(refused.type)
    assert answers[-1] is TooManyAttempts
    with pytest.raises(TooManyAttempts):
        await accept(world, good)
    elsewhere = RequestFacts(ip="198.51.100.9")
    assert (await accept_invitation(world.system, elsewhere, None, code=good, password=FIRST)).user


@pytest.mark.sampled(2)
async def test_a_weak_password_is_counted_too(store: Store) -> None:
    world = make_world(store)
    code = await invited(world, await world.workspace("teamspace"), "new@example.com")
    answers = []
    for _ in range(12):
        with pytest.raises((InvalidInput, TooManyAttempts)) as refused:
            await accept_invitation(world.system, FACTS, None, code=code, password="short")
        answers.append(refused.type)
    assert answers == [InvalidInput] * 10 + [TooManyAttempts] * 2


@pytest.mark.sampled(2)
async def test_a_workspace_has_a_bound_on_invitations_that_wait(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invitations, "PENDING_MAX", 3)
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    codes = [await invited(world, workspace, f"{number}@example.com") for number in range(3)]
    with pytest.raises(Conflict, match="pending already"):
        await invited(world, workspace, "more@example.com")
    await invited(world, workspace, "0@example.com")
    await accept(world, codes[1])
    await invited(world, workspace, "more@example.com")


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", ["", "a\x1b[31mb", "x" * 201, "\u200b"])
async def test_the_name_of_an_invited_person_is_checked(store: Store, name: str) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    with pytest.raises(InvalidInput) as refused:
        await add_member(world.system, OPERATOR, workspace.id, email="a@example.com", role="viewer", name=name)
    assert refused.value.field == "name"
    assert await listed(world, OPERATOR, workspace) == []


class Meanwhile(Passwords):
    """Lets something happen while the new account's password is hashed."""

    def __init__(self, happens: Callable[[], Awaitable[object]]) -> None:
        super().__init__(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        self._happens = happens

    async def hash(self, password: str, turn: Turn) -> str:
        await self._happens()
        return await super().hash(password, turn)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("by", ["what ends it", "what makes it void"])
async def test_what_ends_an_invitation_while_the_password_is_hashed_is_seen(store: Store, by: str) -> None:
    """It was good when it was looked at; it is looked at again in the transaction that makes the account."""
    world = make_world(store)
    workspace = await world.workspace("teamspace", plan="business")
    await world.member(workspace, "owner")
    token = (await create_token(world.system, OPERATOR, NewToken(workspace.id, "t", ("administrator",)))).view.token.id
    code = await invited(
        world, workspace, "new@example.com", "manager", by=TokenCaller(token, "t", workspace.id, FACTS)
    )
    before = {}

    async def happens() -> None:
        if by == "what ends it":
            await revoke_token(world.system, OPERATOR, token)
        else:
            cut = WorkspaceChanges(scopes_allowed=("documents:read",))
            await update_workspace(world.system, OPERATOR, workspace.id, cut)
        before.update(await snapshot(store))

    world.system = replace(world.system, passwords=Meanwhile(happens))
    with pytest.raises(NotFound):
        await accept_invitation(world.system, FACTS, None, code=code, password=FIRST)
    assert before
    assert await snapshot(store) == before


# Invitations, and a plan or policy that takes from their makers what it took to make them.


SCHEMA = spacekey_schema()
ACCEPT = """mutation ($code: String!, $password: String!) {
  acceptInvitation(input: {code: $code, password: $password}) { __typename ... on UserError { message } }
}"""
REFUSED = "There is no such invitation, or you have no access to it."
POLICY = (WorkspaceChanges(scopes_allowed=("documents:read",)), WorkspaceChanges(scopes_allowed=None))
PLAN = (WorkspaceChanges(plan="free"), WorkspaceChanges(plan="paid"))


@pytest.mark.parametrize("signed_in", [True, False])
@pytest.mark.parametrize("by", ["token", "member"])
@pytest.mark.parametrize(
    ("product", "plan", "inviter", "role", "changes"),
    [
        ("teamspace", "business", "administrator", "manager", POLICY),
        ("guard", "paid", "members:write", "member", PLAN),
    ],
)
async def test_acceptance_is_refused_in_words_while_the_inviting_token_is_cut_and_members_go_on(
    store: Store, product: str, plan: str, inviter: str, role: str, changes: Any, by: str, signed_in: bool
) -> None:
    world = make_world(store)
    workspace = await world.workspace(product, plan=plan)
    owner = await world.member(workspace, "owner")
    maker: Caller = owner
    if by == "token":
        grants = (inviter,) if product == "teamspace" else ("members:write", "members:read", *_of_role(world, role))
        made = await create_token(world.system, OPERATOR, NewToken(workspace.id, "t", grants))
        maker = TokenCaller(made.view.token.id, "t", workspace.id, FACTS)
    invited = await add_member(world.system, maker, workspace.id, email="new@example.com", role=role)
    assert isinstance(invited, Invited)
    code = invited.invitation.reveal()
    stranger = await world.user("stranger@example.com") if signed_in else None
    password = None if signed_in else PASSWORD
    cut, given_back = changes
    await update_workspace(world.system, OPERATOR, workspace.id, cut)
    if by == "token":
        before = await snapshot(store)
        with pytest.raises(NotFound) as refused:
            await accept_invitation(world.system, FACTS, stranger, code=code, password=password)
        assert str(refused.value) == REFUSED
        answer = await world.ask(SCHEMA, ACCEPT, variables={"code": code, "password": PASSWORD})
        assert answer["data"]["acceptInvitation"] == {"__typename": "NotFound", "message": REFUSED}
        assert await snapshot(store) == before
        await update_workspace(world.system, OPERATOR, workspace.id, given_back)
    joined = await accept_invitation(world.system, FACTS, stranger, code=code, password=password)
    assert joined.workspace_id == workspace.id


def _of_role(world: Any, role: str) -> tuple[str, ...]:
    return tuple(world.system.products["guard"].roles[role].grants)
