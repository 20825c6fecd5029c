"""People from outside: known by issuer and subject, trusted with an address only where the operator said so."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from sqlmodel import select

from spacekey.domain.authentication import Authenticated, Reason, Rejected
from spacekey.domain.refusal import Conflict, InvalidInput, NotFound, SignInFailed
from spacekey.models.engine.store import Store
from spacekey.models.queries import users as user_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.user import User
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.access.caller import MemberCaller
from spacekey.resolvers.accounts.erasure import erase_user
from spacekey.resolvers.accounts.outside import EVERY_DOMAIN, Issuer, Person
from spacekey.resolvers.accounts.sessions import SignedIn, session_outcome, sign_in
from spacekey.resolvers.accounts.users import prove_email, reset_password, update_account
from spacekey.resolvers.members.invitations import accept_invitation
from spacekey.resolvers.members.members import Invited, add_account, add_member
from spacekey.resolvers.members.outside import CLAIMED_FOR, principal_from_outside, sign_in_from_outside
from support.world import FACTS, OPERATOR, PASSWORD, World, make_world

ACME = Issuer("https://id.acme.example", frozenset({"acme.example"}))
OTHER = Issuer("https://id.other.example", frozenset({"acme.example"}))
ADA = "ada@acme.example"
PAGE = "seven wooden boats at dawn"


async def came(world: World, person: Person, issuer: Issuer = ACME) -> User:
    """The account of a person who signs in."""
    return (await sign_in_from_outside(world.system, FACTS, issuer, person)).user


async def account(world: World, user_id: str) -> User:
    async with world.system.store.reading() as session:
        found = await user_queries.user_by_id(session, user_id)
        assert found is not None
        return found


async def role_of(world: World, workspace: Workspace, user_id: str) -> str | None:
    async with world.system.store.reading() as session:
        member = await workspace_queries.member(session, workspace.id, user_id)
        return None if member is None else member.role


async def test_a_person_is_known_by_issuer_and_subject_alone(store: Store) -> None:
    world = make_world(store)
    first = await came(world, Person("1", "Ada", ADA, email_verified=True))
    assert (first.name, first.email, first.password_hash) == ("Ada", ADA, None)
    assert first.email_proven_at is not None
    again = await came(world, Person("1", "Ada L.", "other@acme.example", email_verified=True))
    assert (again.id, again.name, again.email) == (first.id, "Ada L.", "other@acme.example")
    others = [await came(world, Person("2", "Ada", ADA)), await came(world, Person("1", "Ada", ADA), OTHER)]
    assert len({first.id, *(one.id for one in others)}) == 3
    assert [one.email_proven_at for one in others] == [None, None]


@pytest.mark.parametrize(
    ("verified", "issuer"), list(product((True, False), (ACME, replace(ACME, domains=frozenset()))))
)
async def test_an_account_is_reached_by_its_address_only_if_both_have_proven_it(
    store: Store, verified: bool, issuer: Issuer
) -> None:
    world = make_world(store)
    proven = await world.user(ADA)
    workspace = await world.workspace("teamspace")
    await add_account(world.system, OPERATOR, workspace.id, proven.id, role="owner")
    session = await sign_in(world.system, FACTS, email=ADA, password=PASSWORD)
    arrived = await came(world, Person("1", "Ada", ADA, email_verified=verified), issuer)
    is_proof = verified and issuer is ACME
    assert (arrived.id == proven.id) == is_proof
    if is_proof:  # the account has its identity from outside now, and no password beside it
        assert (await account(world, proven.id)).password_hash is None
        assert await session_outcome(world.system, session.secret) == Rejected(Reason.UNKNOWN)
        with pytest.raises(SignInFailed):
            await sign_in(world.system, FACTS, email=ADA, password=PASSWORD)
    else:
        assert arrived.email_proven_at is None
        assert await role_of(world, workspace, arrived.id) is None
        assert isinstance(await session_outcome(world.system, session.secret), Authenticated)


async def test_an_address_that_an_issuer_gives_to_another_subject_opens_nothing(store: Store) -> None:
    """A company gives a leaver's address to the next Ada: her subject is another, and so is her account."""
    world = make_world(store)
    leaver = await came(world, Person("1", "Ada", ADA, email_verified=True))
    newcomer = await came(world, Person("2", "Ada", ADA, email_verified=True))
    third = await came(world, Person("1", "Ada", ADA, email_verified=True), OTHER)
    assert len({leaver.id, newcomer.id, third.id}) == 3
    assert (await account(world, leaver.id)).email_proven_at is not None
    assert (newcomer.email_proven_at, third.email_proven_at) == (None, None)


async def test_a_proof_takes_the_address_from_an_account_that_only_claims_it(store: Store) -> None:
    world = make_world(store)
    mallory = await world.user("mallory@evil.example")
    await update_account(world.system, mallory, email=ADA, sign_in_name=ADA)
    ada = await came(world, Person("1", "Ada", ADA, email_verified=True))
    taken = await account(world, mallory.id)
    assert ada.id != mallory.id
    assert (taken.email, taken.sign_in_name) == (None, None)
    assert taken.password_hash is not None


@pytest.mark.parametrize("verified", [True, False])
async def test_a_claim_from_outside_never_replaces_what_was_proven(store: Store, verified: bool) -> None:
    world = make_world(store)
    ada = await came(world, Person("1", "Ada", ADA, email_verified=True))
    await came(world, Person("1", "Ada", "ada@elsewhere.example", email_verified=verified))
    kept = await account(world, ada.id)
    assert (kept.email, kept.email_proven_at) == (ADA, ada.email_proven_at)


async def test_a_claim_fills_an_address_in_and_is_unproven(store: Store) -> None:
    world = make_world(store)
    ada = await came(world, Person("1", "Ada"))
    assert ada.email is None
    claimed = await came(world, Person("1", "Ada", "ada@elsewhere.example", email_verified=True))
    assert (claimed.email, claimed.email_proven_at) == ("ada@elsewhere.example", None)
    await prove_email(world.system, OPERATOR, ada.id)
    await came(world, Person("1", "Ada", ADA))
    assert (await account(world, ada.id)).email == "ada@elsewhere.example"


async def test_an_issuer_of_every_domain_proves_every_address(store: Store) -> None:
    world = make_world(store)
    host = Issuer("host", EVERY_DOMAIN)
    assert (await came(world, Person("1", "Ada", ADA, email_verified=True), host)).email_proven_at is not None
    assert (await came(world, Person("2", "Eve", "eve@acme.example"), host)).email_proven_at is None


@pytest.mark.parametrize("subject", ["", " 1", "1\n", "1\x00", "x" * 256])
async def test_a_subject_that_is_none_is_refused(store: Store, subject: str) -> None:
    world = make_world(store)
    with pytest.raises(InvalidInput):
        await came(world, Person(subject, "Ada", ADA, email_verified=True))
    async with store.reading() as session:
        assert (await session.exec(select(User))).all() == []


async def test_a_name_or_address_that_cannot_be_is_left_out(store: Store) -> None:
    world = make_world(store)
    ada = await came(world, Person("1", "A\x00da\u202e", "no address", email_verified=True))
    assert (ada.name, ada.email) == ("1", None)


async def test_whose_identity_comes_from_outside_has_no_password(store: Store) -> None:
    world = make_world(store)
    ada = await came(world, Person("1", "Ada", ADA, email_verified=True))
    with pytest.raises(Conflict, match="signs in through https:"):
        await reset_password(world.system, OPERATOR, ada.id, password=PAGE)
    for name in (ada.id, ADA):
        with pytest.raises(SignInFailed):
            await sign_in(world.system, FACTS, email=name, password=PAGE)


async def test_a_session_ends_with_its_issuer(store: Store) -> None:
    world = make_world(store)
    opened = await sign_in_from_outside(world.system, FACTS, ACME, Person("1", "Ada"))
    assert isinstance(await session_outcome(world.system, opened.secret, ACME.name), Authenticated)
    for issuer in (None, OTHER.name):
        assert await session_outcome(world.system, opened.secret, issuer) == Rejected(Reason.EXPIRED)


@pytest.mark.parametrize(("roles", "hours"), [(None, 12), ({}, 1)])
async def test_a_session_from_outside_lasts_as_long_as_what_it_stands_on(
    store: Store, roles: dict[str, str] | None, hours: int
) -> None:
    world = make_world(store)
    opened = await sign_in_from_outside(world.system, FACTS, ACME, Person("1", "Ada", roles=roles))
    assert opened.expires_at - world.clock() == timedelta(hours=hours)
    world.clock.forward(hours=hours)
    assert await session_outcome(world.system, opened.secret, ACME.name) == Rejected(Reason.EXPIRED)


async def test_a_role_follows_its_claim(store: Store) -> None:
    world = make_world(store)
    one, two = await world.workspace("teamspace"), await world.workspace("teamspace")
    ada = await came(world, Person("1", "Ada", roles={one.id: "administrator"}))
    assert (await role_of(world, one, ada.id), await role_of(world, two, ada.id)) == ("administrator", None)
    await came(world, Person("1", "Ada", roles={one.id: "viewer", two.id: "owner"}))
    assert (await role_of(world, one, ada.id), await role_of(world, two, ada.id)) == ("viewer", "owner")
    await came(world, Person("1", "Ada", roles={one.id: "no-such-role", "ws_unknown": "owner"}))
    assert (await role_of(world, one, ada.id), await role_of(world, two, ada.id)) == (None, None)
    await came(world, Person("1", "Ada", roles={two.id: "owner"}))
    await came(world, Person("1", "Ada"))
    assert await role_of(world, two, ada.id) is None, "no claims any more, nothing that stands on them"


async def test_a_claim_does_not_touch_a_membership_that_was_made_here(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    ada = await came(world, Person("1", "Ada", roles={}))
    await add_account(world.system, OPERATOR, workspace.id, ada.id, role="viewer")
    for roles in ({workspace.id: "owner"}, {}, None):
        await came(world, Person("1", "Ada", roles=roles))
        assert await role_of(world, workspace, ada.id) == "viewer"


async def test_claims_of_one_issuer_do_not_touch_anothers(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    ada = await came(world, Person("1", "Ada", roles={workspace.id: "owner"}))
    eve = await came(world, Person("1", "Eve", roles={}), OTHER)
    assert (await role_of(world, workspace, ada.id), await role_of(world, workspace, eve.id)) == ("owner", None)


async def invited_by(world: World, who: User, workspace: Workspace) -> str:
    caller = MemberCaller(who.id, who.name, FACTS)
    made = await add_member(world.system, caller, workspace.id, email="eve@evil.example", role="owner")
    assert isinstance(made, Invited)
    return made.invitation.reveal()


async def test_a_lost_claim_ends_the_invitations_that_stood_on_it(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    ada = await came(world, Person("1", "Ada", roles={workspace.id: "owner"}))
    code = await invited_by(world, ada, workspace)
    await came(world, Person("1", "Ada", roles={}))
    with pytest.raises(NotFound):
        await accept_invitation(world.system, FACTS, None, code=code, password=PAGE)


async def test_a_claim_that_is_not_seen_again_is_worth_nothing_after_an_hour(store: Store) -> None:
    """The person stays away, and accepts with another account what they handed to themselves."""
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    ada = await came(world, Person("1", "Ada", roles={workspace.id: "owner"}))
    code = await invited_by(world, ada, workspace)
    world.clock.forward(seconds=CLAIMED_FOR.total_seconds())
    with pytest.raises(NotFound):
        await accept_invitation(world.system, FACTS, None, code=code, password=PAGE)
    with pytest.raises(NotFound):
        await invited_by(world, ada, workspace)
    await came(world, Person("1", "Ada", roles={workspace.id: "owner"}))
    await invited_by(world, ada, workspace)


async def test_each_request_may_tell_who_sent_it(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    person = Person("7", "Ada", roles={workspace.id: "owner"})
    first = await principal_from_outside(world.system, FACTS, ACME, person)
    assert "tokens:create" in first.principal.scopes
    for _ in range(5):  # within two hours it is refreshed on the way
        world.clock.forward(minutes=25)
        again = await principal_from_outside(world.system, FACTS, ACME, person)
        assert again.principal == first.principal
        caller = MemberCaller(first.principal.id, "Ada", FACTS)
        await add_member(world.system, caller, workspace.id, email="eve@evil.example", role="viewer")
    lost = await principal_from_outside(world.system, FACTS, ACME, replace(person, roles={}))
    assert lost.principal.scopes == frozenset()


async def test_an_erased_person_who_comes_again_has_a_new_account(store: Store) -> None:
    world = make_world(store)
    ada = await came(world, Person("1", "Ada", ADA, email_verified=True))
    await erase_user(world.system, OPERATOR, ada.id)
    again = await came(world, Person("1", "Ada", ADA, email_verified=True))
    assert again.id != ada.id
    assert again.email_proven_at is not None


async def test_the_session_that_the_browser_had_ends(store: Store) -> None:
    world = make_world(store)
    await world.user("eve@evil.example")
    before: SignedIn = await sign_in(world.system, FACTS, email="eve@evil.example", password=PASSWORD)
    await sign_in_from_outside(world.system, FACTS, ACME, Person("1"), replaces=before.secret.digest())
    assert await session_outcome(world.system, before.secret) == Rejected(Reason.UNKNOWN)
