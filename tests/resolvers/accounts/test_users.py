"""Accounts: whose address is proven, what others lose by it, and what holders change themselves."""

from __future__ import annotations

import pytest

from spacekey.domain.authentication import Authenticated
from spacekey.domain.refusal import Conflict, InvalidInput, NotFound, SignInFailed, TooManyAttempts
from spacekey.models.engine.store import Store
from spacekey.models.queries import users as user_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.user import User
from spacekey.resolvers.access.caller import MemberCaller
from spacekey.resolvers.accounts.sessions import session_outcome, sign_in
from spacekey.resolvers.accounts.users import create_user, own_account, prove_email, reset_password, update_account
from spacekey.resolvers.members.invitations import accept_invitation
from spacekey.resolvers.members.members import Invited, Membership, add_account, add_member
from spacekey.resolvers.workspaces.workspaces import create_workspace_for
from support.world import FACTS, OPERATOR, PASSWORD, World, make_world

CTO = "cto@acme.example"
FIRST = "nine yellow umbrellas outside"


async def claims(world: World, email: str = CTO) -> tuple[User, str]:
    """An account that claims the address, by an invitation, and the id of the workspace that invited it."""
    workspace = await world.workspace("emit")
    owner = await world.member(workspace, "owner")
    added = await add_member(world.system, owner, workspace.id, email=email, role="viewer")
    assert isinstance(added, Invited)
    code = added.invitation.reveal()
    return (await accept_invitation(world.system, FACTS, None, code=code, password=FIRST)).user, workspace.id


async def account(store: Store, user_id: str) -> User:
    async with store.reading() as session:
        found = await user_queries.user_by_id(session, user_id)
    assert found is not None
    return found


async def test_proving_takes_address_and_name_from_a_claimant_who_keeps_all_else(store: Store) -> None:
    world = make_world(store)
    squatter, home = await claims(world)
    opened = await sign_in(world.system, FACTS, email=CTO, password=FIRST)
    cto = await create_user(world.system, OPERATOR, email=CTO, name="CTO", password=PASSWORD)
    found = await account(store, squatter.id)
    assert (found.email, found.email_proven_at, found.sign_in_name) == (None, None, None)
    assert found.password_hash == squatter.password_hash
    async with store.reading() as session:
        assert await workspace_queries.member(session, home, squatter.id) is not None
    assert isinstance(await session_outcome(world.system, opened.secret), Authenticated)
    assert (await sign_in(world.system, FACTS, email=CTO, password=PASSWORD)).user.id == cto.id
    with pytest.raises(SignInFailed):
        await sign_in(world.system, FACTS, email=CTO, password=FIRST)
    assert (await sign_in(world.system, FACTS, email=squatter.id, password=FIRST)).user.id == squatter.id
    me = MemberCaller(squatter.id, squatter.id, FACTS)
    with pytest.raises(Conflict, match="taken"):
        await update_account(world.system, me, sign_in_name=CTO)
    await update_account(world.system, me, sign_in_name="Squatter")
    assert (await sign_in(world.system, FACTS, email="squatter", password=FIRST)).user.id == squatter.id


async def test_only_one_account_proves_an_address_and_the_second_is_told(store: Store) -> None:
    world = make_world(store)
    one, _ = await claims(world)
    other, _ = await claims(world)
    assert (one.sign_in_name, other.sign_in_name) == (CTO, None)
    proven = await prove_email(world.system, OPERATOR, other.id)
    assert (proven.email_proven_at is not None, proven.sign_in_name) == (True, CTO)
    assert (await account(store, one.id)).email is None
    await update_account(world.system, MemberCaller(one.id, "", FACTS), email=CTO)
    with pytest.raises(Conflict, match=other.id):
        await prove_email(world.system, OPERATOR, one.id)
    with pytest.raises(Conflict, match=other.id):
        await create_user(world.system, OPERATOR, email=CTO, name="N", password=PASSWORD)
    assert (await prove_email(world.system, OPERATOR, other.id)).email_proven_at == proven.email_proven_at


async def test_another_address_is_a_claim_and_frees_the_one_that_was_proven(store: Store) -> None:
    world = make_world(store)
    ada = await world.user("ada@example.com")
    same = await update_account(world.system, ada, email="Ada@Example.com")
    assert same.email_proven_at is not None
    changed = await update_account(world.system, ada, email="ada@elsewhere.example", name="Ada L.")
    assert (changed.email, changed.email_proven_at, changed.name) == ("ada@elsewhere.example", None, "Ada L.")
    workspace = await world.workspace("emit")
    for email in ("ada@example.com", "ada@elsewhere.example"):
        assert isinstance(await add_member(world.system, OPERATOR, workspace.id, email=email, role="owner"), Invited)
    without = await update_account(world.system, ada, email=None)
    assert (without.email, without.sign_in_name) == (None, "ada@example.com")
    with pytest.raises(Conflict, match="no address"):
        await prove_email(world.system, OPERATOR, ada.id)


async def test_a_name_that_is_taken_or_no_name_changes_nothing_and_guessing_is_slowed_down(store: Store) -> None:
    world = make_world(store)
    ada, bob = await world.user("ada@example.com"), await world.user("bob@example.com")
    with pytest.raises(InvalidInput) as refused:
        await update_account(world.system, ada, name="Other", sign_in_name="usr_x")
    assert refused.value.field == "sign_in_name"
    answers = []
    for _ in range(12):
        with pytest.raises((Conflict, TooManyAttempts)) as stopped:
            await update_account(world.system, ada, name="Other", sign_in_name="BOB@example.com")
        answers.append(stopped.type)
    assert answers == [Conflict] * 10 + [TooManyAttempts] * 2
    found = await own_account(world.system, ada)
    assert (found.name, found.sign_in_name) == ("ada", "ada@example.com")
    assert (await own_account(world.system, bob)).sign_in_name == "bob@example.com"


async def test_a_name_that_another_folds_to_is_one_name(store: Store) -> None:
    world = make_world(store)
    await world.user("straße@example.com")
    ada = await world.user("ada@example.com")
    with pytest.raises(Conflict):
        await update_account(world.system, ada, sign_in_name="STRASSE@example.com")
    for typed in ("straße@example.com", "STRASSE@Example.com"):
        assert (await sign_in(world.system, FACTS, email=typed, password=PASSWORD)).user.email == "straße@example.com"


async def test_proving_leaves_the_name_of_who_has_proven_an_address_equal_to_it(store: Store) -> None:
    """Two addresses that differ fold to one sign-in name: it stays with the first of them that was proven."""
    world = make_world(store)
    first = await world.user("strasse@example.com")
    second = await world.user("straße@example.com")
    found = await account(store, second.id)
    assert (found.email_proven_at is not None, found.sign_in_name) == (True, None)
    assert (await account(store, first.id)).sign_in_name == "strasse@example.com"


async def test_an_account_has_one_bound_whatever_it_is_called_by(store: Store) -> None:
    world = make_world(store)
    ada = await world.user("ada@example.com")
    answers = []
    for number in range(12):
        typed = (ada.id, "ada@example.com", " ADA@EXAMPLE.com")[number % 3]
        with pytest.raises((SignInFailed, TooManyAttempts)) as refused:
            await sign_in(world.system, FACTS, email=typed, password="wrong")
        answers.append(refused.type)
    assert answers == [SignInFailed] * 10 + [TooManyAttempts] * 2


async def test_the_operators_commands_match_a_proven_address_or_an_id_and_nothing_else(store: Store) -> None:
    world = make_world(store)
    system = world.system
    claimant, _ = await claims(world)
    workspace = await world.workspace("emit")
    added = await add_member(system, OPERATOR, workspace.id, email=CTO, role="owner")
    assert isinstance(added, Invited)
    made = await create_workspace_for(system, OPERATOR, name="A", slug="a", product="emit", owner=CTO)
    assert (made.owner, made.invited is not None) == (None, True)
    async with store.reading() as session:
        assert len(await workspace_queries.members_of_user(session, claimant.id)) == 1
    await prove_email(system, OPERATOR, claimant.id)
    again = await add_member(system, OPERATOR, workspace.id, email=CTO, role="viewer")
    assert isinstance(again, Membership)
    assert again.user.id == claimant.id
    with pytest.raises(NotFound):
        await accept_invitation(system, FACTS, None, code=added.invitation.reveal(), password=FIRST)
    other = await create_workspace_for(system, OPERATOR, name="B", slug="b", product="emit", owner=CTO)
    assert other.owner is not None
    assert other.owner.id == claimant.id
    by_id = await create_workspace_for(system, OPERATOR, name="C", slug="c", product="emit", owner=claimant.id)
    assert by_id.owner is not None
    with pytest.raises(Conflict):
        await add_account(system, OPERATOR, by_id.workspace.id, claimant.id, role="viewer")


@pytest.mark.parametrize("user_id", ["usr_" + "0" * 26, "ws_" + "0" * 26, "nobody@example.com"])
async def test_an_account_that_is_unknown_is_not_found_and_nothing_is_made(store: Store, user_id: str) -> None:
    world = make_world(store)
    workspace = await world.workspace("emit")
    for work in (
        prove_email(world.system, OPERATOR, user_id),
        reset_password(world.system, OPERATOR, user_id, password=FIRST),
        add_account(world.system, OPERATOR, workspace.id, user_id, role="owner"),
    ):
        with pytest.raises(NotFound):
            await work
    if user_id.startswith("usr_"):
        with pytest.raises(NotFound):
            await create_workspace_for(world.system, OPERATOR, name="A", slug="a", product="emit", owner=user_id)
        async with store.reading() as session:
            assert await workspace_queries.workspace_by_slug(session, "a") is None
